//! What the speaker wants: one closed enum, read from words without I/O.

mod command;
mod cues;
mod hosts;
mod imperative;
mod interpret;
mod lexicon;
mod options;
mod question;
#[cfg(test)]
mod tests;
mod times;
mod tokens;

pub use crate::anomaly::incident::{ChannelChange, Feedback, IncidentState, Normality};
pub use interpret::interpret;

use serde::{Deserialize, Serialize};

use crate::{
    access::{Permission, Risk, Role},
    metrics::{Signal, Stat, Window},
};

/// Sorting of a table of hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Smallest first.
    Asc,
    /// Largest first.
    #[default]
    Desc,
}

/// Everything a person can want from the bot, with its arguments.
///
/// Absent arguments are left out in JSON; empty `hosts` means the whole fleet for questions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", content = "args", rename_all = "snake_case")]
pub enum Intent {
    /// Numbers of a signal.
    Metric {
        /// Which signal.
        metric: Signal,
        /// Which number.
        stat: Stat,
        /// Of which hosts, by their names in the fleet.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hosts: Vec<String>,
        /// Over which stretch of time, ending now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<Window>,
        /// Sorted how.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<Order>,
        /// At most how many hosts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
        /// Whether a picture was asked for.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        chart: bool,
    },
    /// When a signal reaches its limit.
    Forecast {
        /// Which signal.
        metric: Signal,
        /// Of which hosts.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hosts: Vec<String>,
    },
    /// All signals at a glance.
    Status {
        /// Of which hosts.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hosts: Vec<String>,
    },
    /// What was unusual.
    Anomalies {
        /// On which hosts.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hosts: Vec<String>,
        /// In which signal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metric: Option<Signal>,
        /// Since when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<Window>,
        /// At most how many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
        /// In a few words instead of a list.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        summary: bool,
    },
    /// The incidents there are.
    Incidents {
        /// In which state.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<IncidentState>,
        /// On which hosts.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hosts: Vec<String>,
    },
    /// One incident.
    Incident {
        /// Its id.
        id: String,
    },
    /// Take an incident.
    Acknowledge {
        /// Its id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// Or its hosts.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hosts: Vec<String>,
    },
    /// Give an incident back.
    Unacknowledge {
        /// Its id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// Or its hosts.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hosts: Vec<String>,
    },
    /// Stop alerting for a while.
    Silence {
        /// About this incident.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// Or these hosts.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hosts: Vec<String>,
        /// Or this signal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metric: Option<Signal>,
        /// For how long.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<Window>,
    },
    /// Close an incident.
    Resolve {
        /// Its id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// Or its hosts.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hosts: Vec<String>,
        /// What fixed it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// Say what they think of an incident.
    Feedback {
        /// What; absent takes it back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<Feedback>,
        /// Of which incident; absent is the one they spoke of last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    /// Say whether an incident is the new normal.
    NewNormal {
        /// What; absent takes it back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<Normality>,
        /// Of which incident.
        id: String,
    },
    /// How often people were told, or would have been.
    ShadowReport {
        /// Over which stretch of time, ending now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<Window>,
    },
    /// What is told in the channel where it is said.
    Channel {
        /// What is changed of it; absent shows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change: Option<ChannelChange>,
    },
    /// Change something.
    Remediate {
        /// What to do.
        action: ActionName,
        /// To which hosts.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hosts: Vec<String>,
        /// To which service on them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<String>,
        /// To which group, when scaling.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<String>,
        /// How many there should be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        count: Option<u32>,
        /// How many more (negative: fewer).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delta: Option<i32>,
        /// Because of which incident.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        incident: Option<String>,
    },
    /// Let a requested action run.
    Approve {
        /// Which request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Refuse a requested action.
    Reject {
        /// Which request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// What waits for a decision.
    Approvals {},
    /// What ran.
    Executions {
        /// On which hosts.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hosts: Vec<String>,
        /// At most how many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Log lines.
    Logs {
        /// Of which hosts.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hosts: Vec<String>,
        /// Of which service.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<String>,
        /// How many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lines: Option<u32>,
        /// Since when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<Window>,
    },
    /// PromQL of the speaker's own.
    Query {
        /// The query, as written.
        promql: String,
    },
    /// What can be done.
    Runbooks {},
    /// How to talk to the bot.
    Help {},
    /// Who the speaker is here.
    Whoami {},
    /// Join two accounts of one person.
    Link {
        /// The code shown to the other account.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// Whether the speaker said that the other account is theirs: `link CODE yes`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        confirmed: bool,
    },
    /// Give a role.
    Grant {
        /// Which role.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<Role>,
        /// To whom: `PLATFORM:WORKSPACE:USER` or a link code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// Where: absent is everywhere.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<String>,
    },
    /// Take a role away.
    Revoke {
        /// Which role.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<Role>,
        /// From whom.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// Where: absent is everywhere.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<String>,
    },
    /// Take the identity with which somebody signs their devices now for theirs.
    Verify {
        /// Whose: `PLATFORM:WORKSPACE:USER`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// Not understood. Never guessed.
    Unknown {},
}

/// The catalogue's verbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionName {
    /// Restart a service on a host.
    RestartService,
    /// Restart the host.
    Reboot,
    /// Start a stopped host.
    Start,
    /// Stop a host.
    Stop,
    /// Change how many hosts a group has.
    Scale,
    /// Delete what may be deleted on a full disk.
    FreeDisk,
}

impl Intent {
    /// The name used in JSON, in the audit and in the meters.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Metric { .. } => "metric",
            Self::Forecast { .. } => "forecast",
            Self::Status { .. } => "status",
            Self::Anomalies { .. } => "anomalies",
            Self::Incidents { .. } => "incidents",
            Self::Incident { .. } => "incident",
            Self::Acknowledge { .. } => "acknowledge",
            Self::Unacknowledge { .. } => "unacknowledge",
            Self::Silence { .. } => "silence",
            Self::Resolve { .. } => "resolve",
            Self::Feedback { .. } => "feedback",
            Self::NewNormal { .. } => "new_normal",
            Self::ShadowReport { .. } => "shadow_report",
            Self::Channel { .. } => "channel",
            Self::Remediate { .. } => "remediate",
            Self::Approve { .. } => "approve",
            Self::Reject { .. } => "reject",
            Self::Approvals {} => "approvals",
            Self::Executions { .. } => "executions",
            Self::Logs { .. } => "logs",
            Self::Query { .. } => "query",
            Self::Runbooks {} => "runbooks",
            Self::Help {} => "help",
            Self::Whoami {} => "whoami",
            Self::Link { .. } => "link",
            Self::Grant { .. } => "grant",
            Self::Revoke { .. } => "revoke",
            Self::Verify { .. } => "verify",
            Self::Unknown {} => "unknown",
        }
    }

    /// What the speaker needs to be allowed. Exhaustive on purpose: a new intent must choose.
    pub fn permission(&self) -> Permission {
        match self {
            Self::Help {} | Self::Whoami {} | Self::Link { .. } | Self::Unknown {} => {
                Permission::Introduce
            }
            Self::Metric { .. }
            | Self::Forecast { .. }
            | Self::Status { .. }
            | Self::Anomalies { .. }
            | Self::Incidents { .. }
            | Self::Incident { .. }
            | Self::ShadowReport { .. }
            | Self::Channel { change: None }
            | Self::Approvals {}
            | Self::Executions { .. }
            | Self::Runbooks {} => Permission::Ask,
            Self::Channel { change: Some(_) } => Permission::ConfigureChannels,
            Self::Acknowledge { .. }
            | Self::Unacknowledge { .. }
            | Self::Silence { .. }
            | Self::Resolve { .. }
            | Self::Feedback { .. }
            | Self::NewNormal { .. } => Permission::ManageIncidents,
            Self::Logs { .. } => Permission::ReadLogs,
            Self::Query { .. } => Permission::RawQuery,
            Self::Remediate { .. } => Permission::RequestAction,
            Self::Approve { .. } | Self::Reject { .. } => Permission::ApproveAction(Risk::Low),
            Self::Grant { .. } | Self::Revoke { .. } | Self::Verify { .. } => {
                Permission::ManageAccess
            }
        }
    }

    /// Whether an incident decides where it takes place, and so who may say it.
    pub fn is_about_an_incident(&self) -> bool {
        match self {
            Self::Incident { .. } | Self::Feedback { .. } | Self::NewNormal { .. } => true,
            Self::Acknowledge { id, .. }
            | Self::Unacknowledge { id, .. }
            | Self::Silence { id, .. }
            | Self::Resolve { id, .. } => id.is_some() && self.hosts().is_empty(),
            _ => false,
        }
    }

    /// The hosts it names; empty when it names none.
    pub fn hosts(&self) -> &[String] {
        match self {
            Self::Metric { hosts, .. }
            | Self::Forecast { hosts, .. }
            | Self::Status { hosts }
            | Self::Anomalies { hosts, .. }
            | Self::Incidents { hosts, .. }
            | Self::Acknowledge { hosts, .. }
            | Self::Unacknowledge { hosts, .. }
            | Self::Silence { hosts, .. }
            | Self::Resolve { hosts, .. }
            | Self::Remediate { hosts, .. }
            | Self::Executions { hosts, .. }
            | Self::Logs { hosts, .. } => hosts,
            Self::Incident { .. }
            | Self::Feedback { .. }
            | Self::NewNormal { .. }
            | Self::ShadowReport { .. }
            | Self::Channel { .. }
            | Self::Approve { .. }
            | Self::Reject { .. }
            | Self::Approvals {}
            | Self::Query { .. }
            | Self::Runbooks {}
            | Self::Help {}
            | Self::Whoami {}
            | Self::Link { .. }
            | Self::Grant { .. }
            | Self::Revoke { .. }
            | Self::Verify { .. }
            | Self::Unknown {} => &[],
        }
    }
}

/// A text as it was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Interpretation {
    /// What is wanted. Names of hosts that do not exist stay in it as they were written.
    pub intent: Intent,
    /// Corrections and assumptions to show back, such as "read `meomry` as memory".
    pub notes: Vec<String>,
    /// Hosts that were named but do not exist, each with the nearest names that do.
    pub unknown_hosts: Vec<UnknownHost>,
    /// Why it cannot be carried out as written, when the verb is clear but its arguments are not:
    /// one sentence that says what is missing, with an example.
    pub usage: Option<String>,
}

/// A host that was named but does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownHost {
    /// As it was written, invisible characters escaped, at most 80 characters.
    pub name: String,
    /// At most three names that do exist, nearest first.
    pub nearest: Vec<String>,
}
