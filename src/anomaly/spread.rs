//! How far a metric usually strays, by time of day.

use serde::{Deserialize, Serialize};

use super::{
    numbers::newest_weight,
    pace::Pace,
    season::{PARTS, part_of_day},
};

/// One value moves a spread as if it were at most this many spreads away.
const FARTHEST: f32 = 4.0;
/// Days until half of a spread is new.
const HALF_LIFE: f64 = 3.0;
/// A quiet part of the day is still this share of the whole day.
const QUIETEST: f32 = 0.5;

/// Mean distances from zero of all metrics of a host, adapting, for each part of the day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Spread {
    metrics: usize,
    /// Into how many parts the day is cut.
    parts: usize,
    by_part: Vec<f32>,
    overall: Vec<f32>,
    floor: Vec<f32>,
    weight_of_part: f32,
    weight_overall: f32,
}

impl Spread {
    /// Begins with these mean distances. The more parts of the day, the closer it follows, and the less
    /// each of them knows.
    pub(super) fn new(initial: &[f32], parts: usize, pace: Pace) -> Self {
        let half_life = HALF_LIFE * pace.day() as f64;
        Self {
            metrics: initial.len(),
            parts,
            by_part: initial.repeat(parts),
            overall: initial.to_vec(),
            floor: initial.iter().map(|spread| 0.5 * spread).collect(),
            weight_of_part: newest_weight(half_life / parts as f64),
            weight_overall: newest_weight(half_life),
        }
    }

    /// Whether it is of so many metrics throughout.
    pub(super) fn fits(&self, metrics: usize) -> bool {
        self.metrics == metrics
            && (1..=PARTS).contains(&self.parts)
            && self.by_part.len() == self.parts * metrics
            && self.overall.len() == metrics
            && self.floor.len() == metrics
    }

    /// Replaces each value by its distance from zero in spreads, and learns it.
    pub(super) fn scale(&mut self, at: i64, row: &mut [f32]) {
        let (part, parts, metrics) = (self.part(at), self.parts, self.metrics);
        let (before, after) = ((part + parts - 1) % parts, (part + 1) % parts);
        for (metric, value) in row.iter_mut().enumerate() {
            let distance = value.abs();
            let neighbours =
                self.by_part[before * metrics + metric].max(self.by_part[after * metrics + metric]);
            let part = &mut self.by_part[part * metrics + metric];
            let overall = &mut self.overall[metric];
            let spread = part.max(neighbours).max(QUIETEST * *overall);
            *part += self.weight_of_part * (distance.min(FARTHEST * spread) - *part);
            *overall += self.weight_overall * (distance.min(FARTHEST * *overall) - *overall);
            *value = distance / spread.max(self.floor[metric]);
        }
    }

    /// The spread of one metric now.
    pub(super) fn of(&self, at: i64, metric: usize) -> f32 {
        self.by_part[self.part(at) * self.metrics + metric]
            .max(QUIETEST * self.overall[metric])
            .max(self.floor[metric])
    }

    fn part(&self, at: i64) -> usize {
        part_of_day(at) * self.parts / PARTS
    }
}

/// Mean distances from zero, one for each metric.
pub(super) fn mean_distances(rows: &[f32], metrics: usize) -> Vec<f32> {
    let count = (rows.len() / metrics.max(1)).max(1) as f32;
    let mut sums = vec![0.0_f32; metrics];
    for row in rows.chunks_exact(metrics) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value.abs();
        }
    }
    sums.into_iter().map(|sum| (sum / count).max(1e-3)).collect()
}
