//! Who may do what: roles, permissions, principals and refusals. Pure.

use std::{collections::BTreeMap, fmt, str::FromStr};

use chat::UserRef;
use serde::{Deserialize, Serialize};

/// What a person may be, least first. Each role may do all that the roles before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Known or unknown, without rights: may ask who they are and how to get a role.
    Guest,
    /// May ask.
    Viewer,
    /// May work on incidents, read logs, request actions and approve low risk.
    Operator,
    /// May do everything, and decide who may.
    Admin,
}

impl Role {
    /// Every role, least first.
    pub const ALL: [Self; 4] = [Self::Guest, Self::Viewer, Self::Operator, Self::Admin];

    /// The lower-case name used in commands and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    /// With a capital, as people read it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Guest => "Guest",
            Self::Viewer => "Viewer",
            Self::Operator => "Operator",
            Self::Admin => "Admin",
        })
    }
}

/// Why a word is not a role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a role: write guest, viewer, operator or admin")]
pub struct ParseRoleError(String);

impl FromStr for Role {
    type Err = ParseRoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| ParseRoleError(chat::escape_invisible(text).chars().take(40).collect()))
    }
}

/// How much an action can break; the runbook catalogue says which, never the requester.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Easily undone, one target.
    Low,
    /// A short interruption.
    Medium,
    /// Hard to undo, or many targets.
    High,
}

/// Something a person may want to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Learn who they are, what they may do, and how to get a role.
    Introduce,
    /// Ask about metrics, anomalies, incidents, runbooks and executions.
    Ask,
    /// Acknowledge, silence and resolve incidents.
    ManageIncidents,
    /// Read log lines.
    ReadLogs,
    /// Send PromQL of their own.
    RawQuery,
    /// Ask for an action.
    RequestAction,
    /// Approve or reject an action of this risk.
    ApproveAction(Risk),
    /// Say what is told in a channel.
    ConfigureChannels,
    /// Grant and revoke roles.
    ManageAccess,
}

impl Permission {
    /// The least role that has it: the one table of permissions.
    pub fn least_role(self) -> Role {
        match self {
            Self::Introduce => Role::Guest,
            Self::Ask => Role::Viewer,
            Self::ManageIncidents
            | Self::ConfigureChannels
            | Self::ReadLogs
            | Self::RawQuery
            | Self::RequestAction
            | Self::ApproveAction(Risk::Low | Risk::Medium) => Role::Operator,
            Self::ApproveAction(Risk::High) | Self::ManageAccess => Role::Admin,
        }
    }

    /// What it allows, to complete "you may not …".
    pub fn describe(self) -> &'static str {
        match self {
            Self::Introduce => "ask who you are",
            Self::Ask => "ask about the machines",
            Self::ManageIncidents => "work on incidents",
            Self::ReadLogs => "read logs",
            Self::RawQuery => "send raw PromQL",
            Self::RequestAction => "request actions",
            Self::ApproveAction(_) => "decide on actions",
            Self::ConfigureChannels => "say what is told in a channel",
            Self::ManageAccess => "grant and revoke roles",
        }
    }
}

/// The local id of a person, whatever accounts they speak from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrincipalId(pub String);

impl fmt::Display for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A role, everywhere or in one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleBinding {
    /// Who has it.
    pub principal: PrincipalId,
    /// What they have.
    pub role: Role,
    /// Where: `None` is everywhere.
    pub environment: Option<String>,
}

/// The local person behind a chat account, with the roles they have now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The local id; `None` for someone nobody has given a role yet.
    pub id: Option<PrincipalId>,
    /// The account they speak from.
    pub identity: UserRef,
    /// What they were granted.
    pub bindings: Vec<RoleBinding>,
    /// What an unknown person tells an admin, to be recognised.
    pub link_code: Option<String>,
}

impl Principal {
    /// Whether anybody ever gave this person a role.
    pub fn is_known(&self) -> bool {
        self.id.is_some()
    }

    /// The best role they have in this environment; with `None`, everywhere.
    pub fn role(&self, environment: Option<&str>) -> Role {
        self.bindings
            .iter()
            .filter(|binding| {
                binding.environment.is_none() || binding.environment.as_deref() == environment
            })
            .map(|binding| binding.role)
            .max()
            .unwrap_or(Role::Guest)
    }

    /// The best role they have anywhere, for help and greetings. Never use it to allow an effect.
    pub fn best_role(&self) -> Role {
        self.bindings.iter().map(|binding| binding.role).max().unwrap_or(Role::Guest)
    }

    /// Refuses with the missing role and the remedy unless they may do it in this environment.
    pub fn require(
        &self,
        permission: Permission,
        environment: Option<&str>,
    ) -> Result<(), Refusal> {
        let needed = permission.least_role();
        let role = self.role(environment);
        if role >= needed {
            return Ok(());
        }
        if !self.is_known() {
            let code = self.link_code.as_deref().unwrap_or("");
            let role = needed.max(Role::Viewer).as_str();
            return Err(Refusal::new(
                RefusalKind::UnknownUser,
                format!(
                    "I do not know you yet, so you may not {}. Ask an Admin to say \
                     `grant {role} {code}`, or to run `smartcloudops roles grant {role} {}`.",
                    permission.describe(),
                    self.identity
                ),
            ));
        }
        let place = environment.map(|name| format!(" in {name}")).unwrap_or_default();
        let whose = self.identity.to_string();
        Err(Refusal::new(
            RefusalKind::NotPermitted,
            format!(
                "You may not {}{place}: that needs the role {needed}, and you are {}. An Admin \
                 can say `grant {} {whose}{place}`.",
                permission.describe(),
                self.roles(),
                needed.as_str(),
            ),
        ))
    }

    /// What they are, and where: `Viewer`, `Viewer in staging and Operator in prod`.
    fn roles(&self) -> String {
        let mut best: BTreeMap<Option<&str>, Role> = BTreeMap::new();
        for RoleBinding { role, environment, .. } in &self.bindings {
            let best = best.entry(environment.as_deref()).or_insert(*role);
            *best = (*best).max(*role);
        }
        let everywhere = best.get(&None).copied().unwrap_or(Role::Guest);
        let limited = best.iter().filter(|(place, role)| place.is_some() && **role > everywhere);
        let mut roles: Vec<String> = limited
            .map(|(place, role)| format!("{role} in {}", place.unwrap_or_default()))
            .collect();
        if roles.is_empty() {
            return everywhere.to_string();
        }
        if everywhere > Role::Guest {
            roles.insert(0, format!("{everywhere} everywhere"));
        }
        roles.join(" and ")
    }
}

/// The kinds of refusal, as scripts read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// No such host in the fleet.
    UnknownHost,
    /// Nobody gave this person a role yet, or no such person.
    UnknownUser,
    /// Known, but without the role.
    NotPermitted,
    /// Their own request: someone else must decide.
    OwnRequest,
    /// Someone was first.
    AlreadyDecided,
    /// Too late.
    Expired,
    /// No such incident, approval, execution, code.
    NotFound,
    /// A feature that does not exist yet, or is not configured.
    NotAvailable,
    /// Understood what is wanted, but not how.
    Usage,
    /// The metrics source could not be asked; not the person's mistake.
    MetricsUnavailable,
    /// The database could not be asked; not the person's mistake either.
    DatabaseUnavailable,
}

impl RefusalKind {
    /// The name scripts read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownHost => "unknown_host",
            Self::UnknownUser => "unknown_user",
            Self::NotPermitted => "not_permitted",
            Self::OwnRequest => "own_request",
            Self::AlreadyDecided => "already_decided",
            Self::Expired => "expired",
            Self::NotFound => "not_found",
            Self::NotAvailable => "not_available",
            Self::Usage => "usage",
            Self::MetricsUnavailable => "metrics_unavailable",
            Self::DatabaseUnavailable => "database_unavailable",
        }
    }

    /// Whether something the bot needs did not answer: nothing was refused, and asking later helps.
    pub fn is_outage(self) -> bool {
        matches!(self, Self::MetricsUnavailable | Self::DatabaseUnavailable)
    }
}

/// A failure meant for the person: one sentence that says what, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Which kind.
    pub kind: RefusalKind,
    /// The sentence.
    pub message: String,
}

impl Refusal {
    /// A refusal of this kind with this sentence.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(bindings: &[(Role, Option<&str>)]) -> Principal {
        let id = PrincipalId("p1".into());
        Principal {
            id: Some(id.clone()),
            identity: "slack:T1:U1".parse().unwrap(),
            bindings: bindings
                .iter()
                .map(|(role, environment)| RoleBinding {
                    principal: id.clone(),
                    role: *role,
                    environment: environment.map(ToOwned::to_owned),
                })
                .collect(),
            link_code: None,
        }
    }

    #[test]
    fn a_role_in_one_environment_is_no_role_in_another() {
        let ana = person(&[(Role::Viewer, None), (Role::Operator, Some("staging"))]);
        assert!(ana.require(Permission::RequestAction, Some("staging")).is_ok());
        let refusal = ana.require(Permission::RequestAction, Some("prod")).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::NotPermitted);
        assert!(refusal.message.contains("Operator"), "{refusal}");
        assert!(ana.require(Permission::RequestAction, None).is_err());
        assert!(ana.require(Permission::Ask, Some("prod")).is_ok());
    }

    #[test]
    fn a_refusal_says_what_they_are_and_where() {
        for (bindings, wanted) in [
            (&[][..], "and you are Guest."),
            (&[(Role::Viewer, Some("staging"))], "and you are Viewer in staging."),
            (&[(Role::Viewer, None)], "and you are Viewer."),
            (
                &[
                    (Role::Operator, Some("staging")),
                    (Role::Viewer, None),
                    (Role::Viewer, Some("x")),
                ],
                "and you are Viewer everywhere and Operator in staging.",
            ),
        ] {
            let refusal = person(bindings).require(Permission::RawQuery, Some("prod")).unwrap_err();
            assert!(refusal.message.contains(wanted), "{refusal}");
        }
    }

    #[test]
    fn an_unknown_person_is_told_what_to_do() {
        let stranger = Principal {
            id: None,
            identity: "slack:T1:U9".parse().unwrap(),
            bindings: vec![],
            link_code: Some("K7QF2M".into()),
        };
        let refusal = stranger.require(Permission::Ask, None).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::UnknownUser);
        assert!(refusal.message.contains("grant viewer K7QF2M"), "{refusal}");
        let refusal = stranger.require(Permission::RequestAction, None).unwrap_err();
        assert!(refusal.message.contains("`grant operator K7QF2M`"), "{refusal}");
        assert!(refusal.message.contains("roles grant operator slack:T1:U9"), "{refusal}");
        assert!(stranger.require(Permission::Introduce, None).is_ok());
    }
}
