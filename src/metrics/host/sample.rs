//! What was measured at one moment, and its row in the database.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::metrics::Signal;

/// All numbers of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// When they were read.
    pub at: DateTime<Utc>,
    /// Signal, part of the machine (such as a mount point), number. What could not be read is not
    /// in it.
    pub values: Vec<(Signal, Option<String>, f64)>,
}

/// A row that is not a sample.
#[derive(Debug, thiserror::Error)]
#[error("a stored sample cannot be read")]
pub struct ParseSampleError(#[source] Option<serde_json::Error>);

/// `{"at":1762340580000,"v":{"cpu":41.7,"disk /var":71.2}}`: milliseconds, and the name of the signal
/// with its part after a space.
#[derive(Serialize, Deserialize)]
struct Row {
    at: i64,
    // Single precision, as in memory: half the digits.
    v: BTreeMap<String, f32>,
}

impl Sample {
    /// The sample as one line of JSON, for a row of a table. Numbers that are not finite are left
    /// out: JSON has no word for them.
    pub fn to_row(&self) -> String {
        let named = self.named().map(|(name, value)| (name, value as f32));
        let v = named.filter(|(_, value)| value.is_finite()).collect();
        serde_json::to_string(&Row { at: self.at.timestamp_millis(), v }).unwrap_or_default()
    }

    /// The numbers with their names: the signal, with its part after a space.
    pub fn named(&self) -> impl Iterator<Item = (String, f64)> {
        self.values.iter().map(|(signal, part, value)| (key(*signal, part.as_deref()), *value))
    }

    /// The sample of a row. Signals this version does not know are left out.
    pub fn from_row(row: &str) -> Result<Self, ParseSampleError> {
        let row: Row = serde_json::from_str(row).map_err(|e| ParseSampleError(Some(e)))?;
        let at = DateTime::from_timestamp_millis(row.at).ok_or(ParseSampleError(None))?;
        let values = row
            .v
            .into_iter()
            .filter_map(|(key, value)| {
                let (name, part) = match key.split_once(' ') {
                    Some((name, part)) => (name, Some(part.to_owned())),
                    None => (key.as_str(), None),
                };
                let signal = Signal::ALL.into_iter().find(|signal| signal.as_str() == name)?;
                Some((signal, part, f64::from(value)))
            })
            .collect();
        Ok(Self { at, values })
    }
}

fn key(signal: Signal, part: Option<&str>) -> String {
    match part {
        Some(part) => format!("{signal} {part}"),
        None => signal.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sample_is_one_short_line() {
        let sample = Sample {
            at: "2025-11-05T11:03:00Z".parse().unwrap(),
            values: vec![
                (Signal::Cpu, None, 41.7),
                (Signal::Disk, Some("/mnt/my disk".into()), 71.25),
                (Signal::Load, None, f64::NAN),
            ],
        };
        let row = sample.to_row();
        assert_eq!(row, r#"{"at":1762340580000,"v":{"cpu":41.7,"disk /mnt/my disk":71.25}}"#);
        let back = Sample::from_row(&row).unwrap();
        assert_eq!((back.at, back.values.len()), (sample.at, 2));
        assert_eq!(back.values[1], sample.values[1]);
    }

    #[test]
    fn what_is_no_sample_is_refused_and_unknown_signals_are_skipped() {
        assert!(Sample::from_row("").is_err());
        assert!(Sample::from_row(r#"{"at":9223372036854775807,"v":{}}"#).is_err());
        let newer = Sample::from_row(r#"{"at":0,"v":{"temperature":60.5,"cpu":1.5}}"#).unwrap();
        assert_eq!(newer.values, [(Signal::Cpu, None, 1.5)]);
    }

    proptest! {
        #[test]
        fn no_row_makes_it_panic(row in any::<String>()) {
            let _ = Sample::from_row(&row);
        }
    }
}
