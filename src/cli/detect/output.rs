//! What was found, as it is written to files.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::anomaly::{Anomaly, Deviation};

/// What an infinite score is written as: more than any other.
pub(super) const HIGHEST: f64 = 1e6;

/// The file of scores: `entity,timestamp,score,alarm`.
pub(super) struct Scores<W: Write>(csv::Writer<W>);

impl<W: Write> Scores<W> {
    pub(super) fn start(writer: W) -> io::Result<Self> {
        let mut rows = csv::Writer::from_writer(writer);
        rows.write_record(["entity", "timestamp", "score", "alarm"])?;
        Ok(Self(rows))
    }

    /// Writes a row. `at` is in milliseconds since 1970; the score is finite.
    pub(super) fn write(&mut self, host: &str, at: i64, score: f64, alarm: bool) -> io::Result<()> {
        let score = significant(score).to_string();
        Ok(self.0.write_record([host, &seconds(at), &score, if alarm { "1" } else { "0" }])?)
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The file of events: a line of JSON for each.
pub(super) struct Events<W: Write>(W);

/// An anomaly as a line of JSON: always with an end, which is null while it goes on.
#[derive(Serialize)]
struct Event<'a> {
    host: &'a str,
    start: DateTime<Utc>,
    end: Option<DateTime<Utc>>,
    score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    once_in_days: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    learned_days: Option<f64>,
    metrics: Vec<Deviation>,
}

impl<W: Write> Events<W> {
    pub(super) fn new(writer: W) -> Self {
        Self(writer)
    }

    pub(super) fn write(&mut self, anomaly: &Anomaly) -> io::Result<()> {
        let event = Event {
            host: &anomaly.host,
            start: anomaly.start,
            end: anomaly.end,
            score: significant(anomaly.score),
            once_in_days: anomaly.once_in_days.map(significant),
            learned_days: anomaly.learned_days.map(significant),
            metrics: anomaly.metrics.iter().map(rounded).collect(),
        };
        serde_json::to_writer(&mut self.0, &event)?;
        self.0.write_all(b"\n")
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn rounded(deviation: &Deviation) -> Deviation {
    Deviation {
        value: significant(deviation.value),
        expected_low: significant(deviation.expected_low),
        expected_high: significant(deviation.expected_high),
        sigmas: significant(deviation.sigmas),
        full_at: None,
        ..deviation.clone()
    }
}

/// The value with 5 significant digits.
fn significant(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

/// Milliseconds since 1970 as seconds, with a fraction only where there is one.
fn seconds(at: i64) -> String {
    let (whole, rest) = (at.abs() / 1000, at.abs() % 1000);
    let sign = if at < 0 { "-" } else { "" };
    let fraction = if rest == 0 { String::new() } else { format!(".{rest:03}") };
    format!("{sign}{whole}{}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_short_and_times_are_whole_where_they_can_be() {
        let mut written = Vec::new();
        let mut scores = Scores::start(&mut written).unwrap();
        for (at, score) in [(60_000, 0.0), (61_250, 1.234_567), (-500, 12_345.678)] {
            scores.write("a,b", at, score, score > 1.0).unwrap();
        }
        scores.finish().unwrap();
        assert_eq!(
            String::from_utf8(written).unwrap(),
            "entity,timestamp,score,alarm\n\"a,b\",60,0,0\n\"a,b\",61.25,1.2346,1\n\
             \"a,b\",-0.5,12346,1\n"
        );
    }

    #[test]
    fn an_event_that_goes_on_has_no_end() {
        let anomaly = Anomaly {
            host: "web-1".to_owned(),
            start: DateTime::from_timestamp(60, 0).unwrap(),
            end: None,
            score: f64::from(3.3_f32),
            once_in_days: Some(1.5),
            learned_days: None,
            metrics: Vec::new(),
        };
        let mut written = Vec::new();
        let mut events = Events::new(&mut written);
        events.write(&anomaly).unwrap();
        events.finish().unwrap();
        assert_eq!(
            String::from_utf8(written).unwrap(),
            "{\"host\":\"web-1\",\"start\":\"1970-01-01T00:01:00Z\",\"end\":null,\"score\":3.3,\
             \"once_in_days\":1.5,\"metrics\":[]}\n"
        );
    }
}
