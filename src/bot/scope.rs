//! Which hosts a person's question or wish may be about. Pure.

use crate::{
    access::{Permission, Principal, Refusal},
    bot::intent::Intent,
    metrics::Fleet,
};

/// The hosts an intent is about, limited to what the person may see; `None` is the whole fleet.
///
/// Refuses when a named host is out of reach, and when nothing is left. A question about "all"
/// hosts becomes one about all hosts of the environments where they have the role.
pub(crate) fn permitted(
    principal: &Principal,
    intent: &Intent,
    fleet: &Fleet,
) -> Result<Option<Vec<String>>, Refusal> {
    let permission = intent.permission();
    let named = intent.hosts();
    let everywhere = principal.require(permission, None);
    if everywhere.is_ok() {
        return Ok((!named.is_empty()).then(|| named.to_vec()));
    }
    let environment = |host: &str| fleet.find(host).and_then(|host| host.environment.as_deref());
    if !named.is_empty() {
        for host in named {
            principal.require(permission, environment(host))?;
        }
        return Ok(Some(named.to_vec()));
    }
    if permission != Permission::Ask {
        return everywhere.map(|()| None);
    }
    let visible: Vec<String> = fleet
        .hosts()
        .iter()
        .filter(|host| principal.require(permission, host.environment.as_deref()).is_ok())
        .map(|host| host.name.clone())
        .collect();
    if visible.is_empty() { everywhere.map(|()| None) } else { Ok(Some(visible)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        access::{PrincipalId, RefusalKind, Role, RoleBinding},
        metrics::Host,
    };

    fn fleet() -> Fleet {
        let host = |name: &str, environment: &str| Host {
            name: name.into(),
            environment: Some(environment.into()),
            ..Host::default()
        };
        Fleet::new(vec![host("web-1", "prod"), host("web-2", "staging")])
    }

    fn viewer_in(environment: Option<&str>) -> Principal {
        let id = PrincipalId("p".into());
        Principal {
            id: Some(id.clone()),
            identity: "slack:T1:U1".parse().unwrap(),
            bindings: vec![RoleBinding {
                principal: id,
                role: Role::Viewer,
                environment: environment.map(ToOwned::to_owned),
            }],
            link_code: None,
        }
    }

    fn status(hosts: &[&str]) -> Intent {
        Intent::Status { hosts: hosts.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn all_hosts_means_all_hosts_of_their_environments() {
        assert_eq!(permitted(&viewer_in(None), &status(&[]), &fleet()), Ok(None));
        assert_eq!(
            permitted(&viewer_in(Some("staging")), &status(&[]), &fleet()),
            Ok(Some(vec!["web-2".into()]))
        );
    }

    #[test]
    fn a_host_of_another_environment_is_refused() {
        let refusal =
            permitted(&viewer_in(Some("staging")), &status(&["web-1"]), &fleet()).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::NotPermitted);
        assert!(refusal.message.contains("prod"), "{refusal}");
    }

    #[test]
    fn an_effect_never_widens() {
        let grant = Intent::Grant { role: None, user: None, environment: None };
        assert!(permitted(&viewer_in(Some("staging")), &grant, &fleet()).is_err());
    }
}
