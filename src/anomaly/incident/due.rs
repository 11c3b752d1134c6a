//! What is said of an incident because time went by: it is said again, or asked about.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Incident, IncidentState, Severity};

/// Whoever took an incident so recently is not asked about it.
const TAKEN_RECENTLY: TimeDelta = TimeDelta::hours(1);

/// How long people wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Until what nobody took is said again; `None` is never.
    pub remind: Option<TimeDelta>,
    /// Until people are asked whether this is the new normal; `None` is never.
    pub new_normal_after: Option<TimeDelta>,
}

/// What is to be said now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// That nobody took it yet.
    Reminder,
    /// Whether this is the new normal.
    NewNormal,
}

impl Incident {
    /// What is to be said of it now; nothing while it is silenced.
    pub fn due(&self, pace: &Pace, silenced: bool, now: DateTime<Utc>) -> Option<Due> {
        if !self.is_live() || !self.announced || silenced {
            return None;
        }
        if pace.new_normal_after.is_some_and(|after| self.is_to_be_asked_about(after, now)) {
            return Some(Due::NewNormal);
        }
        let distance = pace.remind? * 2_i32.saturating_pow(self.reminders.min(16));
        let waits = self.state == IncidentState::Open && self.severity >= Severity::High;
        let told = self.last_told.unwrap_or(self.started);
        (waits && now - told >= distance).then_some(Due::Reminder)
    }

    fn is_to_be_asked_about(&self, after: TimeDelta, now: DateTime<Utc>) -> bool {
        let taken = self.acknowledged.as_ref().map(|by| by.at);
        !self.asked
            && self.answered().is_none()
            && self.goes_on()
            && self.broken_hosts().is_empty()
            && now - self.started >= after
            && taken.is_none_or(|at| now - at >= TAKEN_RECENTLY)
    }

    /// Notes that it was said.
    pub fn was_said(&mut self, due: Due, now: DateTime<Utc>) {
        self.last_told = Some(now);
        match due {
            Due::Reminder => self.reminders = self.reminders.saturating_add(1),
            Due::NewNormal => self.asked = true,
        }
    }

    /// Notes that people heard of it anew: from here on they are given their time.
    pub fn was_told(&mut self, now: DateTime<Utc>) {
        self.last_told = Some(now);
        self.reminders = 0;
    }
}
