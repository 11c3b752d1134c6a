//! What is unusual on a host: learned from its own past, its other metrics and its peers.
//!
//! Pure and deterministic in its seed: observations in, [`Anomaly`]s out. Reading them from a source
//! and telling people is done elsewhere.

pub mod backtest;
pub mod csv;
pub mod evaluate;
pub mod forest;
pub mod incident;
pub mod model;
pub mod rules;
pub mod simulate;

mod decision;
mod detector;
mod host;
mod novelty;
mod numbers;
mod observation;
mod pace;
mod peers;
mod reference;
mod regression;
mod residual;
mod scaling;
mod season;
mod spread;
mod tail;
mod votes;

pub use detector::{Detector, History, LEAST_ROWS, Settings, Verdict, tolerance};
pub use observation::{Observation, Schema};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The most metrics an anomaly names.
pub const TOP_METRICS: usize = 3;

/// Something unusual on one host, from its first alarm to its last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// Where.
    pub host: String,
    /// Since when.
    pub start: DateTime<Utc>,
    /// Until when; `None` while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<DateTime<Utc>>,
    /// How unusual at its worst: `-log10` of the probability of something as unusual on a normal
    /// day, per observation.
    pub score: f64,
    /// Something like it is expected about once in this many days; `None` where a rule was broken,
    /// which is wrong however often it happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub once_in_days: Option<f64>,
    /// Days it was learned from, where that is too little to say how rare something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned_days: Option<f64>,
    /// The metrics that tell most, the most unusual first; at most [`TOP_METRICS`].
    pub metrics: Vec<Deviation>,
}

/// How one metric differs from what is normal for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deviation {
    /// Which metric, by its name in the schema.
    pub metric: String,
    /// What it was.
    pub value: f64,
    /// The least that would have been normal then.
    pub expected_low: f64,
    /// The most that would have been normal then.
    pub expected_high: f64,
    /// Which way it went.
    pub direction: Direction,
    /// How far from normal, in robust standard deviations; never negative.
    pub sigmas: f64,
    /// When it will reach its limit if it goes on like that, where that is what is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_at: Option<DateTime<Utc>>,
}

impl Deviation {
    /// Whether it is outside what would have been normal, or does not move at all.
    pub(crate) fn is_outside(&self) -> bool {
        self.direction == Direction::Stuck || self.outside_by() > 0.0
    }

    /// How far outside what would have been normal it is, in its unit; not positive where it is inside.
    pub(crate) fn outside_by(&self) -> f64 {
        (self.expected_low - self.value).max(self.value - self.expected_high)
    }
}

/// Which way a metric went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Above normal.
    Up,
    /// Below normal.
    Down,
    /// Not a hair's breadth of movement, where there always is some.
    Stuck,
}
