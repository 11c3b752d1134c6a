//! What a detector would have said of a past, and what people would have been told of it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::{
    Anomaly, Detector, History, Observation,
    incident::{Incident, IncidentState, Placement, REOPEN_WITHIN, correlate},
    rules::Rules,
};

/// What was found in a past.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Backtest {
    /// By onset; those that went on at the end of the past have no end.
    pub anomalies: Vec<Anomaly>,
    /// What people would have been told, oldest first.
    pub incidents: Vec<Incident>,
}

/// When any of these hosts reported, in milliseconds since 1970, in order.
pub fn times(histories: &BTreeMap<String, History>) -> BTreeSet<i64> {
    histories.values().flat_map(|history| &history.times).copied().collect()
}

/// What all hosts reported, with so many metrics in a row, moment by moment: when, and the observations.
pub fn moments(
    histories: &BTreeMap<String, History>,
    metrics: usize,
) -> impl ExactSizeIterator<Item = (i64, Vec<Observation>)> {
    let mut next = vec![0; histories.len()];
    times(histories).into_iter().map(move |at| {
        let mut observations = Vec::new();
        for ((host, history), next) in histories.iter().zip(&mut next) {
            if history.times.get(*next) != Some(&at) {
                continue;
            }
            let row = &history.rows[*next * metrics..(*next + 1) * metrics];
            let values = row.iter().map(|value| f64::from(*value)).collect();
            observations.push(Observation { host: host.clone(), at, values });
            while history.times.get(*next) == Some(&at) {
                *next += 1;
            }
        }
        (at, observations)
    })
}

/// Shows a detector a past, whose rows have its metrics, as if it happened now. What it says of
/// moments before `from` (milliseconds since 1970) is not counted: they remind it of what came before.
/// Whether a host could be reached is not asked: exporters' silence has many reasons afterwards.
/// `progress` is told how many moments were looked at.
pub fn backtest(
    detector: &mut Detector,
    histories: &BTreeMap<String, History>,
    from: i64,
    placement: &Placement,
    mut progress: impl FnMut(usize),
) -> Backtest {
    let schema = detector.schema().clone();
    let (mut rules, mut log) = (Rules::default(), Log::default());
    for (place, (at, observations)) in moments(histories, schema.metrics().len()).enumerate() {
        let verdicts = detector.look(&observations);
        progress(place + 1);
        let Some(now) = DateTime::from_timestamp_millis(at) else { continue };
        let hosts = histories.keys().map(|host| (host.as_str(), true));
        let mut found = rules.judge(hosts, &observations, &schema, now);
        if at < from {
            continue;
        }
        found.extend(verdicts.into_iter().filter_map(|verdict| verdict.anomaly));
        log.observe(found, placement, now);
    }
    log.finish()
}

/// Everything that was found so far.
#[derive(Default)]
struct Log {
    anomalies: BTreeMap<(DateTime<Utc>, String), Anomaly>,
    /// What can still change, and what is over for good.
    known: Vec<Incident>,
    past: Vec<Incident>,
    last: u32,
}

impl Log {
    fn observe(&mut self, found: Vec<Anomaly>, placement: &Placement, now: DateTime<Utc>) {
        if found.is_empty() && self.known.is_empty() {
            return;
        }
        for change in correlate(&self.known, &found, placement, now) {
            let mut incident = change.incident;
            if incident.number == 0 {
                self.last += 1;
                incident.number = self.last;
                self.known.push(incident);
            } else if let Some(known) =
                self.known.iter_mut().find(|known| known.number == incident.number)
            {
                *known = incident;
            }
        }
        let can_change = |incident: &Incident| {
            incident.state != IncidentState::Resolved
                || incident.resolved_at.is_none_or(|at| now - at < REOPEN_WITHIN)
                || incident.members.iter().any(|member| member.anomaly.end.is_none())
        };
        self.past.extend(self.known.extract_if(.., |incident| !can_change(incident)));
        for anomaly in found {
            self.anomalies.insert((anomaly.start, anomaly.host.clone()), anomaly);
        }
    }

    fn finish(mut self) -> Backtest {
        let mut incidents: Vec<Incident> = self.past.into_iter().chain(self.known).collect();
        incidents.sort_by_key(|incident| incident.number);
        // What fell silent while it was unusual is over, as far as people were told.
        for member in incidents.iter().flat_map(|incident| &incident.members) {
            let key = (member.anomaly.start, member.anomaly.host.clone());
            if let Some(anomaly) = self.anomalies.get_mut(&key) {
                anomaly.end = anomaly.end.or(member.anomaly.end);
            }
        }
        Backtest { anomalies: self.anomalies.into_values().collect(), incidents }
    }
}

impl Backtest {
    /// Only what is about hosts of which this is true, numbered anew.
    #[must_use]
    pub fn about(mut self, is_asked: impl Fn(&str) -> bool) -> Self {
        self.anomalies.retain(|anomaly| is_asked(&anomaly.host));
        self.incidents.retain(|incident| incident.hosts.iter().any(|it| is_asked(&it.host)));
        for (number, incident) in (1..).zip(&mut self.incidents) {
            incident.number = number;
        }
        self
    }

    /// The anomalies of each host that had any, by its name.
    pub fn by_host(&self) -> BTreeMap<&str, Vec<&Anomaly>> {
        let mut hosts: BTreeMap<&str, Vec<&Anomaly>> = BTreeMap::new();
        for anomaly in &self.anomalies {
            hosts.entry(&anomaly.host).or_default().push(anomaly);
        }
        hosts
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::anomaly::{Schema, Settings};

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
    }

    fn anomaly(host: &str, start: i64, end: Option<i64>) -> Anomaly {
        Anomaly {
            host: host.to_owned(),
            start: at(start),
            end: end.map(at),
            score: 5.0,
            once_in_days: Some(30.0),
            learned_days: None,
            metrics: Vec::new(),
        }
    }

    /// Looks every minute at what these anomalies are then.
    fn observed(anomalies: &[Anomaly], minutes: i64) -> Backtest {
        let mut log = Log::default();
        for minute in 0..minutes {
            let now = at(minute);
            let seen = anomalies.iter().filter(|it| it.start <= now);
            let seen = seen.filter(|it| it.end.is_none_or(|end| now <= end)).map(|it| {
                let end = it.end.filter(|end| *end == now);
                Anomaly { end, ..it.clone() }
            });
            log.observe(seen.collect(), &Placement::default(), now);
        }
        log.finish()
    }

    #[test]
    fn what_begins_together_is_told_once_and_each_host_has_its_own() {
        let anomalies = [
            anomaly("web-1", 10, Some(50)),
            anomaly("web-1", 300, Some(340)),
            anomaly("web-2", 400, None),
        ];
        let found = observed(&anomalies, 500);
        assert_eq!(found.anomalies, anomalies);
        assert_eq!(found.incidents.len(), 3);
        assert_eq!(found.by_host()["web-1"].len(), 2);
        let asked = found.about(|host| host == "web-2");
        assert_eq!((asked.anomalies.len(), asked.incidents.len()), (1, 1));
        assert_eq!(asked.incidents[0].number, 1);
    }

    #[test]
    fn what_comes_back_soon_is_the_same_incident() {
        let anomalies = [anomaly("web-1", 10, Some(50)), anomaly("web-1", 70, Some(90))];
        let found = observed(&anomalies, 200);
        assert_eq!((found.anomalies.len(), found.incidents.len()), (2, 1));
        assert!(!found.incidents[0].is_live());
    }

    #[test]
    fn what_fell_silent_is_over_when_people_were_told_so() {
        let mut log = Log::default();
        for minute in 0..120 {
            let seen = (minute == 10).then(|| anomaly("web-1", 10, None));
            log.observe(seen.into_iter().collect(), &Placement::default(), at(minute));
        }
        assert_eq!(log.finish().anomalies, [anomaly("web-1", 10, Some(10))]);
    }

    #[test]
    fn a_disk_that_fills_is_told_before_it_is_full_and_what_came_before_counts() {
        let schema = Schema::new(vec!["disk /".to_owned()]);
        let history = History {
            times: (0..90).map(|minute| minute * 60_000).collect(),
            rows: (0..90).map(|minute| 70.0 + 0.1 * minute as f32).collect(),
        };
        let mut detector = Detector::train(schema, &BTreeMap::new(), Settings::default());
        let histories = BTreeMap::from([("db-1".to_owned(), history)]);
        let from = at(80).timestamp_millis();
        let found = backtest(&mut detector, &histories, from, &Placement::default(), |_| ());
        assert_eq!(found.incidents.len(), 1);
        assert!(found.anomalies[0].metrics[0].full_at.is_some(), "{:?}", found.anomalies);
    }

    #[test]
    fn rows_of_one_time_are_one_moment() {
        let history = |times: &[i64]| History {
            times: times.to_vec(),
            rows: times.iter().map(|at| *at as f32).collect(),
        };
        let histories = BTreeMap::from([
            ("a".to_owned(), history(&[1, 2])),
            ("b".to_owned(), history(&[2, 3])),
        ]);
        let seen: Vec<(i64, Vec<f64>)> = moments(&histories, 1)
            .map(|(at, seen)| (at, seen.into_iter().flat_map(|it| it.values).collect()))
            .collect();
        assert_eq!(seen, [(1, vec![1.0]), (2, vec![2.0, 2.0]), (3, vec![3.0])]);
    }
}
