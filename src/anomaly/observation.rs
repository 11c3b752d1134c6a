//! What a detector is given: the metrics of one host at one moment.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The metrics that observations carry, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    metrics: Vec<String>,
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
        Self { metrics }
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
