//! Which hosts a person's question or wish may be about. Pure.

use std::borrow::Cow;

use crate::{
    access::{Permission, Principal, Refusal},
    bot::intent::{Intent, UnknownHost},
    metrics::{Fleet, Host},
};

/// The hosts an intent is about, limited to what the person may see; `None` is the whole fleet.
///
/// Refuses when a named host is out of reach, and when nothing is left. A host that does not exist
/// is in nobody's reach: whoever has the role somewhere is told so by the caller, from `unknown`. A question about "all"
/// hosts becomes one about all hosts of the environments where they have the role.
pub(crate) fn permitted(
    principal: &Principal,
    intent: &Intent,
    fleet: &Fleet,
    unknown: &[UnknownHost],
) -> Result<Option<Vec<String>>, Refusal> {
    let permission = intent.permission();
    let named = intent.hosts();
    let everywhere = principal.require(permission, None);
    if everywhere.is_ok() {
        return Ok((!named.is_empty()).then(|| named.to_vec()));
    }
    // Where it is decides, and the handler looks.
    if intent.is_about_an_incident()
        && permission != Permission::Ask
        && principal.best_role() >= permission.least_role()
    {
        return Ok(None);
    }
    let environment = |host: &str| fleet.find(host).and_then(|host| host.environment.as_deref());
    if !named.is_empty() {
        for host in named {
            let missing = !unknown.is_empty() && fleet.find(host).is_none();
            if !(missing && principal.best_role() >= permission.least_role()) {
                principal.require(permission, environment(host))?;
            }
        }
        return Ok(Some(named.to_vec()));
    }
    if permission != Permission::Ask {
        return everywhere.map(|()| None);
    }
    let visible: Vec<String> =
        visible_hosts(principal, fleet).map(|host| host.name.clone()).collect();
    if visible.is_empty() { everywhere.map(|()| None) } else { Ok(Some(visible)) }
}

/// Whether it takes the fleet to know if this is theirs to say: they have the role in some
/// environment, and the hosts' environments decide.
pub(crate) fn depends_on_the_fleet(principal: &Principal, intent: &Intent) -> bool {
    let permission = intent.permission();
    principal.best_role() >= permission.least_role()
        && principal.require(permission, None).is_err()
        && (permission == Permission::Ask || !intent.hosts().is_empty())
}

/// The hosts a person may ask about, as a fleet of their own.
pub(crate) fn visible<'f>(principal: &Principal, fleet: &'f Fleet) -> Cow<'f, Fleet> {
    if principal.require(Permission::Ask, None).is_ok() {
        return Cow::Borrowed(fleet);
    }
    Cow::Owned(Fleet::new(visible_hosts(principal, fleet).cloned().collect()))
}

fn visible_hosts<'f>(principal: &Principal, fleet: &'f Fleet) -> impl Iterator<Item = &'f Host> {
    let may_ask =
        |host: &&Host| principal.require(Permission::Ask, host.environment.as_deref()).is_ok();
    fleet.hosts().iter().filter(may_ask)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{PrincipalId, RefusalKind, Role, RoleBinding};

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
        assert_eq!(permitted(&viewer_in(None), &status(&[]), &fleet(), &[]), Ok(None));
        assert_eq!(
            permitted(&viewer_in(Some("staging")), &status(&[]), &fleet(), &[]),
            Ok(Some(vec!["web-2".into()]))
        );
    }

    #[test]
    fn a_host_of_another_environment_is_refused() {
        let refusal =
            permitted(&viewer_in(Some("staging")), &status(&["web-1"]), &fleet(), &[]).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::NotPermitted);
        assert!(refusal.message.contains("prod"), "{refusal}");
    }

    #[test]
    fn an_effect_never_widens() {
        let grant = Intent::Grant { role: None, user: None, environment: None };
        assert!(permitted(&viewer_in(Some("staging")), &grant, &fleet(), &[]).is_err());
    }

    #[test]
    fn a_host_that_does_not_exist_is_not_a_matter_of_rights() {
        let staging = viewer_in(Some("staging"));
        let unknown = [UnknownHost { name: "web-77".into(), nearest: vec![] }];
        assert!(permitted(&staging, &status(&["web-77"]), &fleet(), &unknown).is_ok());
        assert!(permitted(&staging, &status(&["web-77", "web-1"]), &fleet(), &unknown).is_err());
        let nobody = Principal { bindings: vec![], ..viewer_in(None) };
        assert!(permitted(&nobody, &status(&["web-77"]), &fleet(), &unknown).is_err());
        let reboot = Intent::Remediate {
            action: crate::bot::intent::ActionName::Reboot,
            hosts: vec!["web-77".into()],
            service: None,
            group: None,
            count: None,
            delta: None,
            incident: None,
        };
        assert!(permitted(&staging, &reboot, &fleet(), &unknown).is_err());
    }

    #[test]
    fn only_their_hosts_are_visible() {
        let names = |principal: &Principal| {
            let visible = visible(principal, &fleet()).into_owned();
            visible.hosts().iter().map(|host| host.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(&viewer_in(None)), ["web-1", "web-2"]);
        assert_eq!(names(&viewer_in(Some("staging"))), ["web-2"]);
    }
}
