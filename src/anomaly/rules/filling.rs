//! File systems that will soon be full if they go on as they do.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use crate::metrics::forecast::{Forecast, time_to_reach};

/// What is full.
const FULL: f64 = 100.0;
/// Sooner than this is told, and it stays told until it is later than [`LATER`].
const SOON: TimeDelta = TimeDelta::hours(12);
const LATER: TimeDelta = TimeDelta::hours(24);
/// The past is kept in slots of this length, each with its newest value.
const SLOT: TimeDelta = TimeDelta::minutes(5);
/// So many slots are kept: growth of more than six hours ago says little about the next twelve.
const SLOTS: usize = 72;
/// Fewer slots than this, an hour of them, are no trend: a file that is copied is not a leak.
const FEWEST: usize = 12;
/// This share of what the line says of an hour must be seen in the last one, without its largest step.
const STEADY: f64 = 0.4;
/// Emptier than this, nobody needs to know today.
const WORTH_TELLING: f64 = 50.0;

/// The last hours of each file system, and which will be full soon.
#[derive(Debug, Default)]
pub(super) struct Filling {
    systems: BTreeMap<(String, String), System>,
}

#[derive(Debug, Default)]
struct System {
    slots: Vec<(DateTime<Utc>, f64)>,
    full_at: Option<DateTime<Utc>>,
}

impl Filling {
    /// Takes what a file system is full to, in percent; says when it will be full, where that is soon.
    pub(super) fn judge(
        &mut self,
        host: &str,
        metric: &str,
        value: f64,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        if !value.is_finite() {
            return None;
        }
        let system = self.systems.entry((host.to_owned(), metric.to_owned())).or_default();
        let slot = |at: DateTime<Utc>| at.timestamp().div_euclid(SLOT.num_seconds());
        match system.slots.last_mut() {
            Some(newest) if slot(newest.0) == slot(now) => newest.1 = value,
            _ => {
                system.full_at = system.forecast(now);
                system.slots.retain(|(at, _)| *at < now);
                let surplus = (system.slots.len() + 1).saturating_sub(SLOTS);
                system.slots.drain(..surplus);
                system.slots.push((now, value));
            }
        }
        system.full_at
    }

    /// Forgets file systems of hosts that are gone.
    pub(super) fn keep(&mut self, is_known: impl Fn(&str) -> bool) {
        self.systems.retain(|(host, _), _| is_known(host));
    }
}

impl System {
    /// Looks at closed slots only, so that its word changes once a slot at most. What would be said must
    /// also hold for the flattest line that the points allow.
    fn forecast(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let newest = self.slots.last().map_or(0.0, |(_, value)| *value);
        if self.slots.len() < FEWEST || newest < WORTH_TELLING {
            return None;
        }
        let horizon = Duration::from_secs(LATER.num_seconds().unsigned_abs());
        match time_to_reach(&self.slots, FULL, now, horizon) {
            Forecast::At { when, latest: Some(_), per_day, .. } if self.still_grows(per_day) => {
                let limit = if self.full_at.is_some() { LATER } else { SOON };
                (when - now <= limit).then_some(when)
            }
            _ => None,
        }
    }

    /// Whether it grew like that in the last hour too, and in more than one step: a line through the
    /// time before and after a file was copied rises as well.
    fn still_grows(&self, per_day: f64) -> bool {
        let last_hour = &self.slots[self.slots.len() - FEWEST..];
        let steps = last_hour.windows(2).map(|pair| pair[1].1 - pair[0].1);
        let rise: f64 = steps.clone().sum();
        let largest = steps.fold(0.0, f64::max);
        rise - largest >= STEADY * per_day / 24.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said at each minute of a disk that is this full.
    fn said(disk: impl Fn(i64) -> f64, minutes: i64) -> Vec<Option<DateTime<Utc>>> {
        let mut filling = Filling::default();
        (0..minutes)
            .map(|minute| {
                let now = DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
                filling.judge("db-1", "disk /", disk(minute), now)
            })
            .collect()
    }

    #[test]
    fn a_disk_that_fills_is_told_after_an_hour_and_when_it_will_be_full() {
        // Full after 500 minutes.
        let said = said(|minute| 60.0 + 0.08 * minute as f64, 120);
        let first = said.iter().position(Option::is_some).expect("it is told");
        assert!((60..=65).contains(&first), "{first}");
        let when = said[first].unwrap() - DateTime::UNIX_EPOCH;
        assert!((490..510).contains(&when.num_minutes()), "{when}");
    }

    #[test]
    fn slow_growth_a_copied_file_and_noise_are_not() {
        let none = |disk: &dyn Fn(i64) -> f64| said(disk, 600).iter().all(Option::is_none);
        assert!(none(&|minute| 60.0 + 0.001 * minute as f64), "full in a month");
        assert!(none(&|minute| if minute < 100 { 60.0 } else { 75.0 }), "a file was copied");
        assert!(none(&|minute| 80.0 + ((minute * 7919) % 13) as f64 / 10.0), "noise");
        assert!(none(&|minute| 5.0 + 0.05 * minute as f64), "still emptier than half");
        assert!(none(&|_| f64::NAN));
    }

    #[test]
    fn what_was_cleaned_up_is_over() {
        let disk = |minute: i64| if minute < 200 { 60.0 + 0.1 * minute as f64 } else { 55.0 };
        let said = said(disk, 300);
        assert!(said[199].is_some());
        assert!(said[210..].iter().all(Option::is_none));
    }
}
