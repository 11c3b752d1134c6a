//! How often observations come, and averages over time at that pace.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::numbers::newest_weight;

/// Seconds between two observations of a host.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pace {
    /// Seconds from one observation to the next.
    pub(super) seconds: f64,
}

impl Pace {
    /// The most usual distance of these moments (milliseconds since 1970, ascending).
    pub(super) fn of(times: &[i64]) -> Self {
        let mut steps: Vec<i64> =
            times.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > 0).collect();
        if steps.is_empty() {
            return Self { seconds: 60.0 };
        }
        let middle = steps.len() / 2;
        let (_, step, _) = steps.select_nth_unstable(middle);
        Self { seconds: *step as f64 / 1000.0 }
    }

    /// Whether observations can come like that: not all at once, and not less than once in three years.
    pub(super) fn is_possible(self) -> bool {
        (1e-3..1e8).contains(&self.seconds)
    }

    /// This many minutes, in observations.
    pub(super) fn minutes(self, minutes: f64) -> f64 {
        minutes * 60.0 / self.seconds
    }

    /// Observations in a day.
    pub(super) fn day(self) -> usize {
        (86_400.0 / self.seconds).round().max(1.0) as usize
    }

    /// Milliseconds from one observation to the next.
    pub(super) fn milliseconds(self) -> i64 {
        (self.seconds * 1000.0) as i64
    }
}

/// Exponential averages of all metrics of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Average {
    weight: f32,
    /// Not a number before the first value.
    pub(super) values: Vec<f32>,
}

impl Average {
    pub(super) fn new(metrics: usize, half_life: f64) -> Self {
        Self { weight: newest_weight(half_life), values: vec![f32::NAN; metrics] }
    }

    /// Whether it is of so many metrics throughout.
    pub(super) fn fits(&self, metrics: usize) -> bool {
        self.values.len() == metrics
    }

    /// Takes a value for each metric; what is missing changes nothing.
    pub(super) fn learn(&mut self, row: &[f32]) {
        for (average, value) in self.values.iter_mut().zip(row) {
            if average.is_nan() {
                *average = *value;
            } else if value.is_finite() {
                *average += self.weight * (value - *average);
            }
        }
    }
}

/// What an average was some time ago, so that a fault does not become its own normal at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Lagged {
    average: Average,
    /// The average at equal steps of the past, oldest first.
    past: VecDeque<Vec<f32>>,
    every: u32,
    since: u32,
}

/// Steps in which the past is kept.
const STEPS: usize = 6;

impl Lagged {
    /// `lag` and `half_life` in observations.
    pub(super) fn new(metrics: usize, half_life: f64, lag: f64) -> Self {
        Self {
            average: Average::new(metrics, half_life),
            past: VecDeque::new(),
            every: (lag / STEPS as f64).round().max(1.0) as u32,
            since: 0,
        }
    }

    /// Whether it is of so many metrics throughout.
    pub(super) fn fits(&self, metrics: usize) -> bool {
        self.average.fits(metrics)
            && self.past.iter().all(|values| values.len() == metrics)
            && self.since < self.every
    }

    /// Takes a value for each metric.
    pub(super) fn learn(&mut self, row: &[f32]) {
        self.average.learn(row);
        if self.past.is_empty() || self.since + 1 >= self.every {
            self.past.push_back(self.average.values.clone());
            if self.past.len() > STEPS {
                self.past.pop_front();
            }
            self.since = 0;
        } else {
            self.since += 1;
        }
    }

    /// The average as it was, one value for each metric; `None` before the first observation.
    pub(super) fn values(&self) -> Option<&[f32]> {
        self.past.front().map(Vec::as_slice)
    }
}
