//! Which incidents are told in a channel.

use std::{fmt, str::FromStr};

use chrono::{DateTime, TimeZone, Timelike as _, Utc};
use serde::{Deserialize, Serialize};

use super::{Incident, Severity};

/// What the people of a channel want to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSettings {
    /// Whether incidents are told at all.
    pub incidents: bool,
    /// From which severity on.
    pub severity: Severity,
    /// Of which environment alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// When nothing but what is critical is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<QuietHours>,
    /// What began earlier is not made up for.
    pub since: DateTime<Utc>,
}

impl ChannelSettings {
    /// Everything, or nothing.
    pub fn all(incidents: bool, since: DateTime<Utc>) -> Self {
        Self { incidents, severity: Severity::Low, environment: None, quiet: None, since }
    }

    /// Whether an incident is told there now.
    pub fn want(&self, incident: &Incident, now: &DateTime<impl TimeZone>) -> bool {
        let of_environment = self.environment.is_none() || self.environment == incident.environment;
        let is_quiet = self.quiet.is_some_and(|quiet| quiet.at(now));
        self.incidents
            && incident.severity >= self.severity
            && of_environment
            && (!is_quiet || incident.severity == Severity::Critical)
    }

    /// The same after a change.
    #[must_use]
    pub fn after(mut self, change: &ChannelChange, now: DateTime<Utc>) -> Self {
        match change {
            ChannelChange::Incidents(told) => self.incidents = *told,
            ChannelChange::Severity(least) => self.severity = *least,
            ChannelChange::Environment(only) => self.environment.clone_from(only),
            ChannelChange::Quiet(quiet) => self.quiet = *quiet,
            ChannelChange::Reset => {}
        }
        self.since = now;
        self
    }
}

/// What somebody changes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelChange {
    /// Whether incidents are told.
    Incidents(bool),
    /// From which severity on.
    Severity(Severity),
    /// Of which environment alone; of all with `None`.
    Environment(Option<String>),
    /// When nothing but what is critical is told.
    Quiet(Option<QuietHours>),
    /// As the configuration says.
    Reset,
}

/// A stretch of every day, over midnight too: `22:00-07:00`, in minutes since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct QuietHours {
    from: u32,
    to: u32,
}

/// What is not a stretch of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write the hours as 22:00-07:00")]
pub struct ParseQuietHoursError;

impl QuietHours {
    /// Whether it is then.
    pub fn at(self, now: &DateTime<impl TimeZone>) -> bool {
        let minute = now.hour() * 60 + now.minute();
        if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

impl From<QuietHours> for String {
    fn from(hours: QuietHours) -> Self {
        hours.to_string()
    }
}

impl TryFrom<String> for QuietHours {
    type Error = ParseQuietHoursError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for QuietHours {
    type Err = ParseQuietHoursError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (from, to) = text.split_once('-').ok_or(ParseQuietHoursError)?;
        let minute = |text: &str| {
            let (hour, minute) = text.split_once(':').unwrap_or((text, "0"));
            let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
            (hour < 24 && minute < 60).then_some(hour * 60 + minute)
        };
        let (from, to) = (minute(from.trim()), minute(to.trim()));
        match (from, to) {
            // All day would be "off".
            (Some(from), Some(to)) if from != to => Ok(Self { from, to }),
            _ => Err(ParseQuietHoursError),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::{super::tests::incident, *};

    fn at(hour: u32, minute: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 5, 4, hour, minute, 0).unwrap()
    }

    fn all() -> ChannelSettings {
        ChannelSettings::all(true, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_night_goes_over_midnight() {
        let night: QuietHours = "22:00-7".parse().unwrap();
        assert_eq!(night.to_string(), "22:00-07:00");
        for (hour, minute, quiet) in
            [(21, 59, false), (22, 0, true), (3, 0, true), (6, 59, true), (7, 0, false)]
        {
            assert_eq!(night.at(&at(hour, minute)), quiet, "{hour}:{minute}");
        }
        let noon: QuietHours = "12:00-13:30".parse().unwrap();
        assert!(noon.at(&at(13, 29)) && !noon.at(&at(13, 30)) && !noon.at(&at(11, 59)));
        for wrong in ["", "22:00", "25:00-07:00", "22:60-07:00", "8-8", "late"] {
            assert!(wrong.parse::<QuietHours>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_critical_is_told_in_the_night_too() {
        let settings = all().after(&ChannelChange::Quiet("22-7".parse().ok()), at(12, 0));
        let told = |severity, now| settings.want(&Incident { severity, ..incident() }, &now);
        assert!(told(Severity::Low, at(12, 0)));
        assert!(!told(Severity::High, at(23, 0)));
        assert!(told(Severity::Critical, at(23, 0)));
    }

    #[test]
    fn a_channel_hears_what_it_asked_for() {
        let of = |severity, environment: &str| Incident {
            severity,
            environment: Some(environment.to_owned()),
            ..incident()
        };
        let now = at(12, 0);
        let settings = all()
            .after(&ChannelChange::Severity(Severity::High), now - TimeDelta::hours(1))
            .after(&ChannelChange::Environment(Some("prod".into())), now);
        assert_eq!(settings.since, now);
        assert!(settings.want(&of(Severity::High, "prod"), &now));
        assert!(!settings.want(&of(Severity::Medium, "prod"), &now));
        assert!(!settings.want(&of(Severity::Critical, "staging"), &now));
        let off = settings.after(&ChannelChange::Incidents(false), now);
        assert!(!off.want(&of(Severity::Critical, "prod"), &now));
    }
}
