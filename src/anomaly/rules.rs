//! What is wrong however usual it is: a host that cannot be reached, a file system that is full or soon
//! will be.

mod filling;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use self::filling::Filling;
use super::{
    Anomaly, Deviation, Direction, Observation, Schema, TOP_METRICS, incident::metric_base,
};

/// The metric that is 0 while a host cannot be reached.
const UP: &str = "up";
/// A file system fuller than this, in percent, is about to stop what writes to it.
const FULL: f64 = 95.0;
/// And is well again below this: one that stands at the limit is not a new fault every minute.
const FREE: f64 = 93.0;
/// Looks that a host may miss: one lost scrape is no outage.
const MISSED: u32 = 2;
/// A change of so many percent of a file system, or of so much time until it is full, is news.
const NEWS: f64 = 1.0;
const NEWS_TIME: TimeDelta = TimeDelta::minutes(30);
/// What a broken rule scores: it needs no statistics.
const SCORE: f64 = 9.0;

/// The rules that are broken now.
#[derive(Debug, Default)]
pub struct Rules {
    /// By host, with a deviation for each broken rule.
    broken: BTreeMap<String, Anomaly>,
    /// How often in a row, and since when.
    missed: BTreeMap<String, (u32, DateTime<Utc>)>,
    /// For less than this no host is down, however often it is looked at.
    patience: TimeDelta,
    filling: Filling,
}

impl Rules {
    /// Rules of hosts that are scraped so often: one that is looked at more often is not down because
    /// the same lost scrape is seen again and again.
    pub fn of_hosts_scraped_every(interval: TimeDelta) -> Self {
        Self { patience: interval * 2, ..Self::default() }
    }

    /// Takes in what file systems were full to before the first look, in percent, in order of time.
    pub fn recall(&mut self, host: &str, metric: &str, past: &[(DateTime<Utc>, f64)]) {
        for (at, value) in past {
            self.filling.judge(host, metric, *value, *at);
        }
    }

    /// Looks at the hosts and whether each was reached, and at what was measured. Gives an anomaly for
    /// each host that breaks rules, and for those that keep all of them again since the last look, with
    /// its end.
    pub fn judge<'a>(
        &mut self,
        hosts: impl Iterator<Item = (&'a str, bool)>,
        observations: &[Observation],
        schema: &Schema,
        now: DateTime<Utc>,
    ) -> Vec<Anomaly> {
        let mut found: BTreeMap<String, Vec<Deviation>> = BTreeMap::new();
        let mut missed_before = std::mem::take(&mut self.missed);
        for (host, up) in hosts {
            let (times, since) = missed_before.remove(host).filter(|_| !up).unwrap_or((0, now));
            let times = times + u32::from(!up);
            self.missed.insert(host.to_owned(), (times, since));
            if times > MISSED && now - since >= self.patience {
                let down = deviation(UP, 0.0, 1.0, 1.0, Direction::Down);
                found.entry(host.to_owned()).or_default().push(down);
            }
        }
        for observation in observations {
            for (metric, value) in schema.metrics().iter().zip(&observation.values) {
                if metric_base(metric) != "disk" {
                    continue;
                }
                let full_at = self.filling.judge(&observation.host, metric, *value, now);
                let full = *value > self.limit(&observation.host, metric);
                if full || full_at.is_some() {
                    let full_at = full_at.filter(|_| !full);
                    let deviation = Deviation {
                        full_at,
                        ..deviation(metric, *value, 0.0, FULL, Direction::Up)
                    };
                    found.entry(observation.host.clone()).or_default().push(deviation);
                }
            }
        }
        self.filling.keep(|host| self.missed.contains_key(host));
        let mut before = std::mem::take(&mut self.broken);
        for (host, mut metrics) in found {
            // A host that is down comes first, then what is fullest.
            metrics.sort_by(|left, right| {
                let down = |it: &Deviation| it.metric == UP;
                down(right).cmp(&down(left)).then(right.value.total_cmp(&left.value))
            });
            metrics.truncate(TOP_METRICS);
            // A host and a beginning name an anomaly: what a detector finds in the same moment is
            // another one.
            let first = now + TimeDelta::milliseconds(1);
            let before = before.remove(&host);
            let start = before.as_ref().map_or(first, |anomaly| anomaly.start);
            let metrics = match before {
                Some(before) if !is_news(&before.metrics, &metrics) => before.metrics,
                _ => metrics,
            };
            let anomaly = Anomaly {
                host: host.clone(),
                start,
                end: None,
                score: SCORE,
                once_in_days: None,
                learned_days: None,
                metrics,
            };
            self.broken.insert(host, anomaly);
        }
        let over = before.into_values().map(|anomaly| Anomaly { end: Some(now), ..anomaly });
        self.broken.values().cloned().chain(over).collect()
    }

    fn limit(&self, host: &str, metric: &str) -> f64 {
        let broken = self.broken.get(host);
        let was_full = |it: &Deviation| it.metric == metric && it.full_at.is_none();
        if broken.is_some_and(|it| it.metrics.iter().any(was_full)) { FREE } else { FULL }
    }
}

/// Whether people would want to read this instead: a disk grows a little with every look.
fn is_news(before: &[Deviation], now: &[Deviation]) -> bool {
    let moved = |(before, now): (&Deviation, &Deviation)| {
        let later = match (before.full_at, now.full_at) {
            (Some(before), Some(now)) => (now - before).abs() >= NEWS_TIME,
            (None, None) => false,
            _ => true,
        };
        before.metric != now.metric || (now.value - before.value).abs() >= NEWS || later
    };
    before.len() != now.len() || before.iter().zip(now).any(moved)
}

fn deviation(metric: &str, value: f64, low: f64, high: f64, direction: Direction) -> Deviation {
    Deviation {
        metric: metric.to_owned(),
        value,
        expected_low: low,
        expected_high: high,
        direction,
        sigmas: 0.0,
        full_at: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u32) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(i64::from(minute))
    }

    /// When what was found at this minute is said to have begun.
    fn begun(minute: u32) -> DateTime<Utc> {
        at(minute) + TimeDelta::milliseconds(1)
    }

    fn look(rules: &mut Rules, minute: u32, up: bool, disk: f64) -> Vec<Anomaly> {
        let schema = Schema::new(vec!["cpu".to_owned(), "disk /data".to_owned()]);
        let observation = Observation { host: "db-1".to_owned(), at: 0, values: vec![99.0, disk] };
        rules.judge([("db-1", up)].into_iter(), &[observation], &schema, at(minute))
    }

    #[test]
    fn a_host_that_misses_three_looks_is_down_since_the_third() {
        let mut rules = Rules::default();
        assert!(look(&mut rules, 0, false, 10.0).is_empty());
        assert!(look(&mut rules, 1, false, 10.0).is_empty());
        for minute in 2..5 {
            let found = look(&mut rules, minute, false, 10.0);
            assert_eq!((found.len(), found[0].start, found[0].end), (1, begun(2), None));
        }
        assert_eq!(look(&mut rules, 5, true, 10.0)[0].end, Some(at(5)));
        assert!(look(&mut rules, 6, true, 10.0).is_empty());
    }

    #[test]
    fn a_disk_at_its_limit_is_one_fault() {
        let mut rules = Rules::default();
        assert!(look(&mut rules, 0, true, 94.9).is_empty());
        for (minute, disk) in [(1, 95.1), (2, 94.0), (3, 95.2)] {
            let found = look(&mut rules, minute, true, disk);
            assert_eq!((found[0].start, found[0].metrics[0].value), (begun(1), disk));
        }
        assert!(look(&mut rules, 4, true, 60.0)[0].end.is_some());
    }

    #[test]
    fn two_broken_rules_of_a_host_are_one_anomaly() {
        let mut rules = Rules::default();
        for minute in 0..2 {
            look(&mut rules, minute, false, 10.0);
        }
        let found = look(&mut rules, 2, false, 99.0);
        assert_eq!((found.len(), found[0].metrics.len()), (1, 2));
        let found = look(&mut rules, 3, true, 99.0);
        assert_eq!((found[0].start, found[0].metrics.len(), found[0].end), (begun(2), 1, None));
    }

    #[test]
    fn a_disk_that_will_soon_be_full_is_told_before_it_is() {
        let mut rules = Rules::default();
        let mut told = Vec::new();
        for minute in 0..200 {
            told.extend(look(&mut rules, minute, true, 80.0 + 0.1 * f64::from(minute)));
        }
        let (first, last) = (&told[0].metrics[0], &told[told.len() - 1].metrics[0]);
        assert!(first.full_at.is_some_and(|when| when > at(180) && when < at(220)), "{first:?}");
        assert!(last.full_at.is_none() && last.value > 98.5, "{last:?}");
        let mut news: Vec<_> = told.iter().map(|it| &it.metrics).collect();
        news.dedup();
        assert!(news.len() < told.len() / 5, "{} of {}", news.len(), told.len());
        assert!(told.iter().all(|it| it.start == told[0].start), "it is one anomaly");
    }

    #[test]
    fn what_was_before_the_first_look_counts() {
        let mut rules = Rules::default();
        let past: Vec<_> =
            (0..70).map(|minute| (at(minute), 80.0 + 0.1 * f64::from(minute))).collect();
        rules.recall("db-1", "disk /data", &past);
        let told = look(&mut rules, 70, true, 87.0);
        assert!(told[0].metrics[0].full_at.is_some(), "{told:?}");
    }

    #[test]
    fn what_is_not_measured_breaks_no_rule() {
        assert!(look(&mut Rules::default(), 0, true, f64::NAN).is_empty());
    }

    #[test]
    fn a_host_that_was_renamed_is_down_once_and_over_when_nobody_knows_it_any_more() {
        let mut rules = Rules::default();
        let mut look = |hosts: &[(&str, bool)], minute: u32| {
            rules.judge(hosts.iter().copied(), &[], &Schema::new(Vec::new()), at(minute))
        };
        for minute in 0..10 {
            let found = look(&[("old", false), ("new", true)], minute);
            let down: Vec<_> = found.iter().map(|it| (&*it.host, it.start, it.end)).collect();
            let expected = [("old", begun(2), None)];
            assert_eq!(down, if minute < 2 { &expected[1..] } else { &expected }, "{minute}");
        }
        assert_eq!(look(&[("new", true)], 10)[0].end, Some(at(10)));
        assert!(look(&[("new", true)], 11).is_empty());
    }
}
