//! Incidents: anomalies that belong together, from the first alarm until it is quiet again.
//!
//! Pure: [`correlate`] says what changes, and nothing here keeps or tells it.

mod channel;
mod cluster;
mod correlate;
mod due;
mod learning;
mod placement;
mod severity;
mod silence;
mod symptom;
#[cfg(test)]
mod tests;

pub use channel::{ChannelChange, ChannelSettings, ParseQuietHoursError, QuietHours};
pub use correlate::{ChangeKind, IncidentChange, correlate};
pub use due::{Due, Pace};
pub use learning::{LeftOut, left_out};
pub use placement::{Place, Placement};
pub use severity::Severity;
pub use silence::Silence;
pub use symptom::{fingerprint, metric_base};

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Anomaly, Deviation};
use severity::broken;

/// Onsets at most this far apart may have one cause: the onsets of one incident over its hosts were
/// measured to spread over 2 to 9 minutes.
pub const TOGETHER_WITHIN: TimeDelta = TimeDelta::minutes(10);
/// So long nothing may be unusual before an incident is over: what flaps is not told again and again.
pub const QUIET_FOR: TimeDelta = TimeDelta::minutes(5);
/// What comes back within this time is the same incident.
pub const REOPEN_WITHIN: TimeDelta = TimeDelta::minutes(30);
/// An anomaly that nobody saw for so long has ended: whoever watched it was restarted.
pub const STALE_AFTER: TimeDelta = TimeDelta::minutes(30);
/// How exactly it is kept when an anomaly was last seen.
const SEEN_EVERY: TimeDelta = TimeDelta::minutes(5);
/// So many hosts make an incident a wide one.
const WIDE_HOSTS: usize = 3;
/// This share of the hosts of a role makes an incident a wide one.
const WIDE_SHARE: f64 = 0.3;

/// What people work on, by state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Nobody took it yet.
    Open,
    /// Somebody works on it.
    Acknowledged,
    /// Over.
    Resolved,
}

impl IncidentState {
    /// Its name in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }
}

/// Anomalies that belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// What people call it: `#7`. 0 until it is stored.
    pub number: u32,
    /// Environment, host, metric and direction it began with: of two incidents that are not over,
    /// no two have the same.
    pub fingerprint: String,
    /// The same without the host where it has a role: what is alike on another day.
    pub family: String,
    /// Where people are with it.
    pub state: IncidentState,
    /// How bad it is at its worst.
    pub severity: Severity,
    /// Where it is; incidents never reach over two environments.
    pub environment: Option<String>,
    /// Its hosts, by the moment it reached them.
    pub hosts: Vec<Affected>,
    /// Where it began: the first host, of several the one with most metrics out of their range.
    pub suspect: String,
    /// Whether it is on so many hosts that none of them alone is to blame.
    pub wide: bool,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When something of it was last seen.
    pub last_seen: DateTime<Utc>,
    /// When it was over.
    pub resolved_at: Option<DateTime<Utc>>,
    /// Who works on it.
    pub acknowledged: Option<Signature>,
    /// What people wrote about it, oldest first.
    pub notes: Vec<Note>,
    /// How often it came back.
    pub reopened: u32,
    /// Whether people were told of it.
    pub announced: bool,
    /// Who closed it; absent when it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<Signature>,
    /// Whether the last they heard is that it is over.
    #[serde(default)]
    pub told_over: bool,
    /// What its picture shows; absent when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pictured: Option<String>,
    /// When people last heard of it without asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_told: Option<DateTime<Utc>>,
    /// How often it was said again since.
    #[serde(default)]
    pub reminders: u32,
    /// Whether people were asked if it is the new normal.
    #[serde(default)]
    pub asked: bool,
    /// What they said to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// What it is made of, by onset and host. Kept apart from the rest.
    #[serde(skip)]
    pub members: Vec<Member>,
}

/// A host of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    /// Its name.
    pub host: String,
    /// When it began there.
    pub onset: DateTime<Utc>,
    /// Its role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Its zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// An anomaly of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The anomaly, at its worst.
    pub anomaly: Anomaly,
    /// When it was last seen, give or take some minutes.
    pub seen: DateTime<Utc>,
}

/// Who, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// The name people know.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// What somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Who and when.
    #[serde(flatten)]
    pub signature: Signature,
    /// Their words.
    pub text: String,
}

/// Whether an incident is the new normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normality {
    /// It is: what was before is forgotten.
    Accepted,
    /// It is a fault: it is not learned.
    Watched,
}

/// What somebody said when it was asked whether this is the new normal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What; absent when they took it back.
    pub answer: Option<Normality>,
    /// Who and when.
    #[serde(flatten)]
    pub signature: Signature,
}

/// How many think what of an incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Votes {
    /// Expected.
    pub expected: u32,
    /// No alarm at all.
    pub false_alarm: u32,
    /// Useful.
    pub useful: u32,
}

/// What somebody thinks of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feedback {
    /// It was unusual, and known: a backup, a deployment.
    Expected,
    /// It was not unusual.
    FalseAlarm,
    /// Good to know.
    Useful,
}

impl Feedback {
    /// Its name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expected => "expected",
            Self::FalseAlarm => "false_alarm",
            Self::Useful => "useful",
        }
    }
}

impl Incident {
    /// Whether it is not over.
    pub fn is_live(&self) -> bool {
        self.state != IncidentState::Resolved
    }

    /// How long it has been going on, or went on.
    pub fn lasted(&self, now: DateTime<Utc>) -> TimeDelta {
        self.resolved_at.unwrap_or(now) - self.started
    }

    /// The anomaly to show first: where a hard rule is broken, the worst of those, on whichever host;
    /// else the worst of the suspect's.
    pub fn lead(&self) -> Option<&Anomaly> {
        let of_suspect = |anomaly: &Anomaly| anomaly.host == self.suspect;
        self.current().max_by(|left, right| {
            (broken(left).map(|(it, _)| it).cmp(&broken(right).map(|(it, _)| it)))
                .then(of_suspect(left).cmp(&of_suspect(right)))
                .then(left.score.total_cmp(&right.score))
        })
    }

    /// The hosts on which a hard rule is broken, in the way that leads. Empty where none is.
    pub fn broken_hosts(&self) -> BTreeSet<&str> {
        let rule = |anomaly| broken(anomaly).map(|(severity, it)| (severity, &it.metric));
        let Some(leading) = self.lead().and_then(rule) else { return BTreeSet::new() };
        let alike = self.current().filter(|it| rule(it) == Some(leading));
        alike.map(|anomaly| &*anomaly.host).collect()
    }

    /// What of it counts now: what goes on, or when nothing does, everything there was.
    fn current(&self) -> impl Iterator<Item = &Anomaly> {
        let going_on = self.goes_on();
        let anomalies = self.members.iter().map(|member| &member.anomaly);
        anomalies.filter(move |anomaly| !going_on || anomaly.end.is_none())
    }

    /// What was said about it being the new normal, and by whom.
    pub fn answered(&self) -> Option<(Normality, &Signature)> {
        let answer = self.answer.as_ref()?;
        Some((answer.answer?, &answer.signature))
    }

    /// Whether any of its anomalies goes on.
    pub fn goes_on(&self) -> bool {
        self.members.iter().any(|it| it.anomaly.end.is_none())
    }

    /// The anomaly to show first, and what of it.
    pub fn headline(&self) -> Option<(&Anomaly, &Deviation)> {
        let lead = self.lead()?;
        Some((lead, broken(lead).map(|(_, it)| it).or_else(|| lead.metrics.first())?))
    }

    /// Whether it is on this host.
    pub fn is_on(&self, host: &str) -> bool {
        self.hosts.iter().any(|it| it.host == host)
    }
}

impl Member {
    /// When it ended, as far as anybody knows.
    fn ended(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.anomaly.end.or_else(|| (now - self.seen >= STALE_AFTER).then_some(self.seen))
    }
}
