//! From scores to alarms: when one begins, when it ends, and when to be quieter.

use serde::{Deserialize, Serialize};

use super::pace::Pace;

/// An alarm ends when the score stays below this share of the threshold.
const RELEASE: f32 = 0.6;
/// For so many minutes, or this many observations where they come fast.
const QUIET: f64 = 30.0;
const QUIET_OBSERVATIONS: f64 = 120.0;
/// For so many minutes where little was learned: what is told there is coarse, and so is its end.
const QUIET_ROUGH: f64 = 2.0;
/// Each alarm of the last day raises the threshold by this share: a host that often alarms must say
/// more to be heard.
const HABIT: f32 = 0.1;
/// Days until half of an alarm is forgotten.
const HALF_LIFE: f64 = 1.0;

/// The threshold for one false alarm a day at one observation a minute, and how much ten times fewer
/// need more.
const AT_ONE_A_DAY: f64 = 1.67;
const PER_DECADE: f64 = 1.1;

/// The score from which on it alarms, for a budget of false alarms per host and day at this pace.
///
/// Measured: ten times fewer false alarms need 1.1 more, and so does an observation that comes ten
/// times as often.
pub(super) fn threshold(budget: f64, pace: Pace) -> f32 {
    let rate = budget.clamp(1e-4, 100.0) * (pace.seconds / 60.0);
    (AT_ONE_A_DAY - PER_DECADE * rate.log10()) as f32
}

/// How many days of one host pass on average until something scores as much on a normal day: the
/// measured relation of [`threshold`], read the other way.
pub(super) fn once_in_days(score: f64, pace: Pace) -> f64 {
    let rate = 10_f64.powf((AT_ONE_A_DAY - score) / PER_DECADE);
    (pace.seconds / 60.0 / rate).min(1e6)
}

/// What makes an alarm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The score from which on it alarms.
    pub(super) threshold: f32,
    /// How often scores come.
    pub(super) pace: Pace,
    /// Whether little was learned of the host.
    pub(super) rough: bool,
}

impl Limits {
    /// Observations without a high score until an alarm is over.
    fn quiet(&self) -> f64 {
        let minutes = if self.rough { QUIET_ROUGH } else { QUIET };
        self.pace.minutes(minutes).min(QUIET_OBSERVATIONS)
    }
}

/// Whether a host is in alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Alarm {
    on: bool,
    threshold: f32,
    quiet: u32,
    habit: f32,
}

impl Alarm {
    /// Takes the newest score; says whether the host is in alarm now. An alarm begins only with what
    /// matters to people. Where little was learned it also ends with that: averages over more than was
    /// learned from do not find back.
    pub(super) fn judge(
        &mut self,
        score: f32,
        limits: &Limits,
        matters: impl FnOnce() -> bool,
    ) -> bool {
        let a_day = HALF_LIFE * limits.pace.day() as f64;
        self.habit *= 0.5_f32.powf((1.0 / a_day) as f32);
        if !self.on {
            self.threshold = limits.threshold * (1.0 + HABIT * self.habit);
            if score >= self.threshold && matters() {
                self.on = true;
                self.quiet = 0;
                self.habit += 1.0;
            }
        } else if score < RELEASE * self.threshold || limits.rough && !matters() {
            self.quiet += 1;
            self.on = f64::from(self.quiet) < limits.quiet();
        } else {
            self.quiet = 0;
        }
        self.on
    }

    /// Ends it, whatever the next score is.
    pub(super) fn end(&mut self) {
        self.on = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { seconds: 60.0 };
    const LIMITS: Limits = Limits { threshold: 3.0, pace: PACE, rough: false };

    fn judge(alarm: &mut Alarm, score: f32) -> bool {
        alarm.judge(score, &LIMITS, || true)
    }

    #[test]
    fn an_alarm_begins_at_once_and_ends_after_half_an_hour() {
        let mut alarm = Alarm::default();
        assert!(!judge(&mut alarm, 2.9));
        assert!(judge(&mut alarm, 3.0));
        for _ in 0..29 {
            assert!(judge(&mut alarm, 0.0));
        }
        assert!(!judge(&mut alarm, 0.0));
    }

    #[test]
    fn what_does_not_matter_begins_no_alarm_and_keeps_one() {
        let mut alarm = Alarm::default();
        assert!(!alarm.judge(9.0, &LIMITS, || false));
        assert!(alarm.judge(9.0, &LIMITS, || true));
        assert!(alarm.judge(9.0, &LIMITS, || false));
    }

    #[test]
    fn where_little_was_learned_an_alarm_ends_sooner() {
        let rough = Limits { rough: true, ..LIMITS };
        let mut alarm = Alarm::default();
        assert!(alarm.judge(3.0, &rough, || true));
        assert!(alarm.judge(0.0, &rough, || true));
        assert!(!alarm.judge(0.0, &rough, || true));
    }

    #[test]
    fn flapping_is_one_alarm() {
        let mut alarm = Alarm::default();
        let ons =
            (0..200).map(|minute| judge(&mut alarm, if minute % 20 == 0 { 4.0 } else { 0.0 }));
        let ons: Vec<bool> = ons.collect();
        assert!(ons.iter().all(|on| *on));
    }

    #[test]
    fn a_host_that_often_alarms_must_say_more() {
        let mut alarm = Alarm::default();
        for _ in 0..3 {
            assert!(judge(&mut alarm, 4.5));
            for _ in 0..30 {
                judge(&mut alarm, 0.0);
            }
        }
        assert!(!judge(&mut alarm, 3.3));
        assert!(judge(&mut alarm, 4.5));
    }

    #[test]
    fn what_just_alarms_is_as_rare_as_the_budget_says() {
        for budget in [0.02, 0.1, 0.5] {
            for pace in [PACE, Pace { seconds: 300.0 }] {
                let days = once_in_days(f64::from(threshold(budget, pace)), pace);
                assert!((days * budget - 1.0).abs() < 1e-4, "{budget}: {days}");
            }
        }
        assert!(once_in_days(99.0, PACE) <= 1e6);
    }

    #[test]
    fn a_smaller_budget_is_a_higher_threshold() {
        assert!(threshold(0.02, PACE) > threshold(0.4, PACE) + 1.0);
        assert!(threshold(0.1, Pace { seconds: 15.0 }) > threshold(0.1, PACE));
    }
}
