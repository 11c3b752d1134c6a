//! What a backtest found, as lines for people and as JSON. Pure.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use serde_json::{Value, json};

use super::{NAMED, moment};
use crate::{
    anomaly::{Anomaly, backtest::Backtest},
    bot::cards::incident as cards,
    format,
};

/// A shorter past does not know how rare its rarest normal moments are; give or take a step.
const LEAST: TimeDelta = TimeDelta::hours(7 * 24 - 1);

/// What the detector had learned from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Learned {
    /// The model file; `None` when it learned for this test alone.
    file: Option<PathBuf>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    /// How many seconds of the tested time it had learned from.
    known_seconds: i64,
}

impl Learned {
    /// From a model that learned from this span, to be tested from a moment on; both in milliseconds
    /// since 1970.
    pub(super) fn from_file(file: PathBuf, (first, last): (i64, i64), tested: i64) -> Self {
        let known_seconds = (last - first.max(tested)).max(0) / 1000;
        Self { file: Some(file), from: moment(first), to: moment(last), known_seconds }
    }

    /// From what was before the test.
    pub(super) fn before((first, last): (i64, i64)) -> Self {
        Self { file: None, from: moment(first), to: moment(last), known_seconds: 0 }
    }
}

/// Everything there is to say.
pub(super) struct Report {
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
    /// False alarms per host and day that people can bear.
    pub(super) budget: f64,
    pub(super) learned: Learned,
    /// The hosts that were looked at.
    pub(super) hosts: Vec<String>,
    pub(super) found: Backtest,
}

impl Report {
    fn days(&self) -> f64 {
        ((self.to - self.from).num_seconds().max(1)) as f64 / 86_400.0
    }

    fn length(&self) -> String {
        format::span((self.to - self.from).num_seconds() as f64)
    }

    /// How often it would have alarmed, for each host and day.
    fn rate(&self, anomalies: usize, hosts: usize) -> f64 {
        anomalies as f64 / (hosts.max(1) as f64 * self.days())
    }

    pub(super) fn json(&self) -> Value {
        let by_host = self.found.by_host();
        let hosts: Vec<Value> = self
            .hosts
            .iter()
            .map(|host| {
                let anomalies = by_host.get(host.as_str()).cloned().unwrap_or_default();
                let per_day = self.rate(anomalies.len(), 1);
                json!({ "host": host, "anomalies_per_day": per_day, "anomalies": anomalies })
            })
            .collect();
        let rate = self.rate(self.found.anomalies.len(), self.hosts.len());
        json!({
            "from": self.from,
            "to": self.to,
            "learned": self.learned,
            "budget": self.budget,
            "anomalies_per_host_and_day": rate,
            "hosts": hosts,
            "incidents": self.found.incidents,
        })
    }

    pub(super) fn text(&self, now: DateTime<Utc>, zone: Tz) -> String {
        let mut lines = vec![self.about_the_model(now, zone), String::new()];
        let by_host = self.found.by_host();
        for (host, anomalies) in &by_host {
            lines.push(format!(
                "{host}: {} in {}, {} a day; the budget is {}",
                anomalies_of(anomalies.len()),
                self.length(),
                short(self.rate(anomalies.len(), 1)),
                self.budget
            ));
            for anomaly in anomalies {
                lines.push(format!("  {}", when(anomaly, now, zone)));
                let metrics: Vec<String> = anomaly.metrics.iter().map(cards::measured).collect();
                lines.push(format!("    {}", metrics.join(" · ")));
            }
        }
        let quiet: Vec<&str> = self.hosts.iter().map(String::as_str).collect();
        let quiet: Vec<&str> =
            quiet.into_iter().filter(|host| !by_host.contains_key(host)).collect();
        if !quiet.is_empty() {
            lines.push(format!(
                "None on {}: {}.",
                format::count(quiet.len(), "host"),
                format::names(quiet.iter().copied(), NAMED)
            ));
        }
        if !self.found.incidents.is_empty() {
            lines.extend([String::new(), "You would have been told:".to_owned()]);
            let title = |it| format!("  {}", cards::title(it, now, zone));
            lines.extend(self.found.incidents.iter().map(title));
        }
        let anomalies = self.found.anomalies.len();
        lines.extend([
            String::new(),
            format!(
                "{} in {} on {}, of {}: {} per host and day; the budget is {}.",
                format::count(self.found.incidents.len(), "incident"),
                self.length(),
                format::count(self.hosts.len(), "host"),
                anomalies_of(anomalies),
                short(self.rate(anomalies, self.hosts.len())),
                self.budget
            ),
        ]);
        lines.join("\n")
    }

    /// With what was tested, and what to think of that.
    fn about_the_model(&self, now: DateTime<Utc>, zone: Tz) -> String {
        let Learned { file, from, to, known_seconds } = &self.learned;
        let moment = |at: &DateTime<Utc>| format::moment(*at, now, zone);
        let span = format!("{} to {}", moment(from), moment(to));
        let young = if *to - *from < LEAST {
            " From less than a week one learns little of what is rare: expect more alarms than the budget \
             says."
        } else {
            ""
        };
        let about = match file {
            None => format!("Learned from {span}, before the tested {}.", self.length()),
            Some(file) if *known_seconds > 0 => format!(
                "With {}, learned from {span}. It has learned from {} of the tested {}, which flatters \
                 it: --relearn does not.",
                file.display(),
                format::span(*known_seconds as f64),
                self.length()
            ),
            Some(file) => format!("With {}, learned from {span}.", file.display()),
        };
        format!("{about}{young}")
    }
}

/// `Mon 13:02 for 22 min, about once in 40 days`.
fn when(anomaly: &Anomaly, now: DateTime<Utc>, zone: Tz) -> String {
    let start = format::moment(anomaly.start, now, zone);
    let length = anomaly.end.map_or_else(
        || "still going on".to_owned(),
        |end| format!("for {}", format::span((end - anomaly.start).num_seconds() as f64)),
    );
    format!("{start} {length}, {}", cards::rarity(anomaly))
}

fn anomalies_of(count: usize) -> String {
    if count == 1 { "1 anomaly".to_owned() } else { format!("{count} anomalies") }
}

/// A rate with two digits.
fn short(rate: f64) -> String {
    let digits = format!("{rate:.2}");
    if rate > 0.0 && digits == "0.00" { "< 0.01".to_owned() } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::{Deviation, Direction};

    fn at(hour: i64) -> DateTime<Utc> {
        "2025-11-03T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + chrono::TimeDelta::hours(hour)
    }

    fn report(learned: Learned) -> Report {
        let anomaly = Anomaly {
            host: "web-2".to_owned(),
            start: at(13),
            end: Some(at(14)),
            score: 6.0,
            once_in_days: Some(40.2),
            learned_days: None,
            metrics: vec![Deviation {
                metric: "cpu".to_owned(),
                value: 97.0,
                expected_low: 12.0,
                expected_high: 35.0,
                direction: Direction::Up,
                sigmas: 9.0,
                full_at: None,
            }],
        };
        Report {
            from: at(0),
            to: at(48),
            budget: 0.1,
            learned,
            hosts: vec!["web-1".to_owned(), "web-2".to_owned()],
            found: Backtest { anomalies: vec![anomaly], incidents: Vec::new() },
        }
    }

    #[test]
    fn each_host_and_all_of_them_are_held_against_the_budget() {
        let learned = Learned::before((at(-168).timestamp_millis(), at(0).timestamp_millis()));
        assert_eq!(
            report(learned).text(at(49), chrono_tz::UTC),
            "Learned from 27 Oct 00:00 to Mon 00:00, before the tested 2 d.\n\n\
             web-2: 1 anomaly in 2 d, 0.50 a day; the budget is 0.1\n  \
             Mon 13:00 for 1 h, about once in 40 days\n    \
             CPU 97 % (normal 12–35 %)\n\
             None on 1 host: `web-1`.\n\n\
             0 incidents in 2 d on 2 hosts, of 1 anomaly: 0.25 per host and day; the budget is 0.1."
        );
    }

    #[test]
    fn what_flatters_is_said() {
        let trained = (at(-24).timestamp_millis(), at(24).timestamp_millis());
        let learned = Learned::from_file("fleet.model".into(), trained, at(0).timestamp_millis());
        let text = report(learned).text(at(49), chrono_tz::UTC);
        assert!(
            text.contains("has learned from 1 d of the tested 2 d, which flatters it"),
            "{text}"
        );
    }

    #[test]
    fn every_host_is_in_the_json() {
        let learned = Learned::before((0, 1));
        let json = report(learned).json();
        assert_eq!(json["hosts"][0]["anomalies"], json!([]));
        assert_eq!(json["hosts"][1]["anomalies"][0]["metrics"][0]["metric"], "cpu");
        assert_eq!(json["anomalies_per_host_and_day"], 0.25);
    }
}
