//! What learning leaves out: faults that people confirmed, and what was normal before they accepted
//! something else.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Incident, Normality, Votes};
use crate::anomaly::History;

/// What learning leaves out of the past of one host, in milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// What was before this.
    pub before: Option<i64>,
    /// What was between these, both included.
    pub between: Vec<(i64, i64)>,
}

/// What to leave out, by host. What people called expected or a false alarm stays in: it is part of
/// the normal.
pub fn left_out(
    incidents: &[Incident],
    votes: &BTreeMap<u32, Votes>,
    now: DateTime<Utc>,
) -> BTreeMap<String, LeftOut> {
    let mut hosts: BTreeMap<String, LeftOut> = BTreeMap::new();
    for incident in incidents {
        let votes = votes.get(&incident.number).copied().unwrap_or_default();
        let answer = incident.answered().map(|(answer, _)| answer);
        if answer == Some(Normality::Accepted) {
            for affected in &incident.hosts {
                let host = hosts.entry(affected.host.clone()).or_default();
                host.before = host.before.max(Some(affected.onset.timestamp_millis()));
            }
            continue;
        }
        let called_a_fault = votes.useful > 0 || incident.resolved_by.is_some();
        let outvoted = votes.expected + votes.false_alarm > votes.useful;
        if answer != Some(Normality::Watched) && (!called_a_fault || outvoted) {
            continue;
        }
        for member in &incident.members {
            let anomaly = &member.anomaly;
            let end = member.ended(now).unwrap_or(now);
            let between = (anomaly.start.timestamp_millis(), end.timestamp_millis());
            hosts.entry(anomaly.host.clone()).or_default().between.push(between);
        }
    }
    hosts
}

impl LeftOut {
    /// The history without it. What would leave too little to learn from is not left out: of an
    /// accepted change, less than `enough` since it began; of faults, less than half.
    pub fn of(&self, history: History, enough: TimeDelta) -> History {
        let history = match (self.before, history.times.last()) {
            (Some(before), Some(last)) if last - before >= enough.num_milliseconds() => {
                keep(&history, |at| at >= before)
            }
            _ => history,
        };
        let faulty = |at| self.between.iter().any(|(from, to)| *from <= at && at <= *to);
        let well = keep(&history, |at| !faulty(at));
        if 2 * well.times.len() < history.times.len() { history } else { well }
    }
}

fn keep(history: &History, wanted: impl Fn(i64) -> bool) -> History {
    let width = history.rows.len() / history.times.len().max(1);
    let mut kept = History { times: Vec::new(), rows: Vec::new() };
    for (row, at) in history.times.iter().enumerate().filter(|(_, at)| wanted(**at)) {
        kept.times.push(*at);
        kept.rows.extend_from_slice(&history.rows[row * width..(row + 1) * width]);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::{
        Anomaly,
        incident::{Answer, Placement, Signature, correlate},
    };

    /// Two metrics, once a minute.
    fn history(minutes: i64) -> History {
        History {
            times: (0..minutes).map(|minute| minute * 60_000).collect(),
            rows: (0..minutes).flat_map(|minute| [minute as f32, -(minute as f32)]).collect(),
        }
    }

    fn minutes(history: &History) -> Vec<i64> {
        let pairs = history.rows.chunks(2).zip(&history.times);
        pairs
            .map(|(row, at)| {
                assert_eq!((row[0] as i64, row[1] as i64), (at / 60_000, -at / 60_000));
                at / 60_000
            })
            .collect()
    }

    fn left(before: Option<i64>, between: &[(i64, i64)]) -> LeftOut {
        LeftOut {
            before: before.map(|minute| minute * 60_000),
            between: between.iter().map(|(from, to)| (from * 60_000, to * 60_000)).collect(),
        }
    }

    #[test]
    fn what_people_said_decides_and_expected_stays_in() {
        let at = |minute| DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
        let anomaly = Anomaly {
            host: "web-1".to_owned(),
            start: at(2),
            end: Some(at(5)),
            score: 6.0,
            once_in_days: Some(40.0),
            learned_days: None,
            metrics: Vec::new(),
        };
        let changes = correlate(&[], &[anomaly], &Placement::default(), at(6));
        let nothing = Incident { number: 7, ..changes[0].incident.clone() };
        let by = Signature { by: "Ana".to_owned(), at: at(6) };
        let said = |answer| Incident {
            answer: Some(Answer { answer: Some(answer), signature: by.clone() }),
            ..nothing.clone()
        };
        let resolved = Incident { resolved_by: Some(by.clone()), ..nothing.clone() };
        let (expected, useful) =
            (Votes { expected: 1, ..Votes::default() }, Votes { useful: 1, ..Votes::default() });
        let fault = Some(left(None, &[(2, 5)]));
        for (incident, votes, wanted) in [
            (&nothing, Votes::default(), None),
            (&nothing, expected, None),
            (&nothing, useful, fault.clone()),
            (&resolved, Votes::default(), fault.clone()),
            (&resolved, expected, None),
            (&said(Normality::Watched), Votes::default(), fault.clone()),
            (&said(Normality::Watched), expected, fault),
            (&said(Normality::Accepted), useful, Some(left(Some(2), &[]))),
        ] {
            let votes = BTreeMap::from([(7, votes)]);
            let left = left_out(std::slice::from_ref(incident), &votes, at(9));
            assert_eq!(left.get("web-1").cloned(), wanted, "{votes:?} {:?}", incident.answer);
        }
    }

    #[test]
    fn faults_go_and_the_rest_stays_as_it_was() {
        let enough = TimeDelta::minutes(5);
        let well = left(None, &[(2, 3), (3, 4), (99, 200)]).of(history(10), enough);
        assert_eq!(minutes(&well), [0, 1, 5, 6, 7, 8, 9]);
        assert_eq!(minutes(&LeftOut::default().of(history(3), enough)), [0, 1, 2]);
        assert_eq!(minutes(&left(Some(1), &[(0, 9)]).of(history(0), enough)), [0; 0]);
    }

    #[test]
    fn a_host_that_would_lose_more_than_half_keeps_it() {
        let enough = TimeDelta::minutes(5);
        assert_eq!(left(None, &[(0, 4)]).of(history(10), enough).times.len(), 5);
        assert_eq!(left(None, &[(0, 5)]).of(history(10), enough).times.len(), 10);
    }

    #[test]
    fn what_was_before_goes_once_the_new_normal_is_long_enough() {
        let enough = TimeDelta::minutes(5);
        assert_eq!(minutes(&left(Some(4), &[]).of(history(10), enough)), [4, 5, 6, 7, 8, 9]);
        assert_eq!(left(Some(5), &[]).of(history(10), enough).times.len(), 10);
        assert_eq!(minutes(&left(Some(4), &[(5, 6)]).of(history(10), enough)), [4, 7, 8, 9]);
    }
}
