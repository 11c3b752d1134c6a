//! What a detector has learned, kept in a file.
//!
//! [`save`] keeps the last [`GENERATIONS`] models, and a crash at any moment leaves at least the
//! previous one readable; [`load_newest`] finds it. The checksum guards against damage, not against
//! somebody who writes a file on purpose: a model is as trusted as the configuration. One whose parts do not
//! fit together is refused all the same, rather than a panic later.

mod files;
mod format;

pub use files::{GENERATIONS, Loaded, MAX_BYTES, ModelError, load, load_newest, save};
pub use format::{FormatError, VERSION, decode, encode};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Detector;

/// What a model file says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the program that wrote it.
    pub library: String,
    /// [`Schema::hash`](super::Schema::hash) of the metrics it knows.
    pub schema: String,
    /// The first and the last moment it learned from, in milliseconds since 1970.
    pub trained: (i64, i64),
    /// The seed it was trained with.
    pub seed: u64,
    /// False alarms per host and day that people can bear.
    pub budget: f64,
    /// How many hosts it knows.
    pub hosts: u32,
    /// When it was written, in milliseconds since 1970.
    pub written: i64,
}

/// A detector, and what its file says about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Where it comes from.
    pub header: Header,
    /// What was learned.
    pub detector: Detector,
}

impl Model {
    /// A detector that was trained on this span (milliseconds since 1970), to be written now.
    pub fn new(detector: Detector, trained: (i64, i64), written: DateTime<Utc>) -> Self {
        let settings = detector.settings();
        let header = Header {
            library: env!("CARGO_PKG_VERSION").to_owned(),
            schema: detector.schema().hash(),
            trained,
            seed: settings.seed,
            budget: settings.budget,
            hosts: detector.hosts().count() as u32,
            written: written.timestamp_millis(),
        };
        Self { header, detector }
    }
}

#[cfg(test)]
mod tests;
