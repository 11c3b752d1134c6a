//! Sudden moves: a value against its last few minutes.

use serde::{Deserialize, Serialize};

use super::{Moment, Past, Smooth};
use crate::anomaly::{
    numbers::mean_of_largest,
    pace::{Average, Pace},
    spread::{Spread, mean_distances},
};

/// Minutes that a value is compared with.
const RECENT: f64 = 3.0;
/// No metric jumps farther than this many spreads.
const FARTHEST: f32 = 30.0;
/// Parts of a day whose jumps are compared: what runs by the clock jumps at the same half hour.
const PARTS: usize = 48;
/// Metrics that count in the loud half of the vote.
const LOUDEST: usize = 4;
/// Observations until half of the vote has faded.
const FADE: f64 = 2.0;

/// How far metrics jumped: of all, and of the four that jumped farthest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Jump {
    recent: Average,
    spread: Spread,
    all: Smooth,
    loudest: Smooth,
}

impl Jump {
    pub(crate) fn fit(past: &Past, pace: Pace) -> Self {
        let metrics = past.metrics;
        let average = Average::new(metrics, pace.minutes(RECENT).max(1.0));
        let mut recent = average.clone();
        let mut jumps = Vec::with_capacity(past.standard.len());
        for index in 0..past.len() {
            jumps.extend(jumps_from(&mut recent, &past.moment(index)));
        }
        let spread =
            Spread::new(&mean_distances(&jumps[past.skip * metrics..], metrics), PARTS, pace);
        Self { recent: average, spread, all: Smooth::default(), loudest: Smooth::default() }
    }

    /// Whether it is of so many metrics throughout.
    pub(crate) fn fits(&self, metrics: usize) -> bool {
        self.recent.fits(metrics) && self.spread.fits(metrics)
    }

    /// The mean jump of all metrics and of the loudest.
    pub(crate) fn judge(&mut self, moment: &Moment) -> [f32; 2] {
        let mut jumps = jumps_from(&mut self.recent, moment);
        self.spread.scale(moment.at, &mut jumps);
        for jump in &mut jumps {
            *jump = jump.min(FARTHEST);
        }
        let all = jumps.iter().sum::<f32>() / jumps.len().max(1) as f32;
        let loudest = mean_of_largest(&jumps, LOUDEST, &mut Vec::new());
        [self.all.learn(all, FADE), self.loudest.learn(loudest, FADE)]
    }

    /// After a gap the last minutes are not the last minutes any more.
    pub(crate) fn forget(&mut self) {
        self.recent.values.fill(f32::NAN);
    }
}

/// How far each metric is from its last minutes, which then include it. What is missing does not jump.
fn jumps_from(recent: &mut Average, moment: &Moment) -> Vec<f32> {
    let present = moment.standard.iter().zip(moment.raw);
    let row: Vec<f32> =
        present.map(|(value, raw)| if raw.is_finite() { *value } else { f32::NAN }).collect();
    let jumps = row.iter().zip(&recent.values).map(|(value, recent)| value - recent);
    let jumps = jumps.map(|jump| if jump.is_finite() { jump } else { 0.0 }).collect();
    recent.learn(&row);
    jumps
}
