//! What a detector is given: the metrics of one host at one moment.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The metrics that observations carry, in this order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    metrics: Vec<String>,
    /// How far outside its normal range each metric must be to matter to people, in its own unit;
    /// empty where nobody knows their units.
    worth: Vec<f32>,
}

/// The metrics of one host at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Whose.
    pub host: String,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// One value for each metric of the schema; not a number where it is missing.
    pub values: Vec<f64>,
}

impl Schema {
    /// A schema of these metrics.
    pub fn new(metrics: Vec<String>) -> Self {
        Self { metrics, worth: Vec::new() }
    }

    /// A schema of metrics whose units are known: `worth` says how far outside its normal range a metric
    /// must be to matter to people. A disk that always stands at 41.3 % is unusual at 41.4 %, and nobody
    /// wants to know.
    pub fn with_worth(metrics: Vec<String>, worth: impl Fn(&str) -> f32) -> Self {
        let worth = metrics.iter().map(|metric| worth(metric)).collect();
        Self { metrics, worth }
    }

    /// How far outside its normal range each metric must be to matter; `None` where it is not known.
    pub fn worth(&self) -> Option<&[f32]> {
        (self.worth.len() == self.metrics.len() && !self.worth.is_empty()).then_some(&self.worth)
    }

    /// Their names, in order.
    pub fn metrics(&self) -> &[String] {
        &self.metrics
    }

    /// A name for exactly this list of metrics in this order: 64 hexadecimal digits.
    pub fn hash(&self) -> String {
        let mut digest = Sha256::new();
        for metric in &self.metrics {
            digest.update(metric.len().to_le_bytes());
            digest.update(metric);
        }
        format!("{:x}", digest.finalize())
    }
}
