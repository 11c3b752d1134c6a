//! An exporter that repeats itself: metrics that always move, and do not.

use serde::{Deserialize, Serialize};

use super::{Moment, Past};
use crate::anomaly::numbers::{quantile, sorted};

/// A metric that ever rested longer than this many observations is not one that always moves.
const RESTLESS: f32 = 5.0;
/// So many times its longest rest makes a metric stuck.
const TOO_LONG: f32 = 1.3;
/// At least this share of the restless metrics must be stuck, and at least so many.
const SHARE: f32 = 0.5;
const LEAST: usize = 3;

/// Counts how long metrics have not moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stuck {
    last: Vec<f32>,
    rest: Vec<f32>,
    /// The longest rest of each metric that always moves; not a number for the others.
    longest: Vec<f32>,
}

impl Stuck {
    pub(crate) fn fit(past: &Past) -> Self {
        let metrics = past.metrics;
        let mut stuck = Self {
            last: vec![f32::NAN; metrics],
            rest: vec![0.0; metrics],
            longest: vec![f32::NAN; metrics],
        };
        let mut rests = Vec::with_capacity(past.raw.len());
        for row in past.raw.chunks_exact(metrics) {
            stuck.count(row);
            rests.extend_from_slice(&stuck.rest);
        }
        for metric in 0..metrics {
            let rests = sorted(rests.iter().skip(metric).step_by(metrics).copied());
            // The very longest may be a fault of the past.
            let longest = quantile(&rests, 0.9999).max(3.0);
            stuck.longest[metric] = if longest <= RESTLESS { longest } else { f32::NAN };
        }
        stuck
    }

    /// Whether it is of so many metrics throughout.
    pub(crate) fn fits(&self, metrics: usize) -> bool {
        [&self.last, &self.rest, &self.longest].iter().all(|it| it.len() == metrics)
    }

    /// Whether the exporter repeats itself.
    pub(crate) fn judge(&mut self, moment: &Moment) -> bool {
        self.count(moment.raw);
        let restless = self.longest.iter().filter(|longest| longest.is_finite()).count();
        let stuck = self.stuck_metrics().count();
        stuck >= LEAST && stuck as f32 >= SHARE * restless as f32
    }

    /// The metrics that should move and do not.
    pub(crate) fn stuck_metrics(&self) -> impl Iterator<Item = usize> + '_ {
        self.rest
            .iter()
            .zip(&self.longest)
            .enumerate()
            .filter(|(_, (rest, longest))| **rest > TOO_LONG * **longest)
            .map(|(metric, _)| metric)
    }

    fn count(&mut self, row: &[f32]) {
        for ((value, last), rest) in row.iter().zip(&mut self.last).zip(&mut self.rest) {
            if value.is_finite() {
                let same = (*value - *last).abs() <= 1e-9 * value.abs();
                *rest = if same { *rest + 1.0 } else { 0.0 };
                *last = *value;
            }
        }
    }
}
