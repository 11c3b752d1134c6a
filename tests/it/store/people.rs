use chat::UserRef;
use chrono::TimeDelta;
use smartcloudops::{
    access::{Permission, PrincipalId, RefusalKind, Role},
    store::{Actor, Change, Store, StoreError, Subject},
};

use crate::support::database::{for_each, for_each_database};

const ANA: &str = "slack:T1:U1";
const BOB: &str = "matrix:example.org:@bob:example.org";

fn identity(text: &str) -> UserRef {
    text.parse().unwrap()
}

fn subject(text: &str) -> Subject {
    text.parse().unwrap()
}

async fn grant(store: &Store, who: &str, role: Role) -> PrincipalId {
    match store.grant(&Actor::System, &subject(who), role, None).await.unwrap() {
        Change::Made(id) | Change::AlreadySo(id) => id,
    }
}

fn refused(result: Result<Change, StoreError>) -> RefusalKind {
    match result {
        Err(StoreError::Refused(refusal)) => refusal.kind,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn an_unknown_person_keeps_one_code_for_a_day() {
    for_each(async |database| {
        let store = &database.store;
        let first = store.principal(&identity(ANA), "Ana").await.unwrap();
        assert!(!first.is_known() && first.require(Permission::Ask, None).is_err());
        let code = first.link_code.clone().unwrap();
        assert_eq!(code.len(), 8);
        database.clock.advance(TimeDelta::hours(23));
        assert_eq!(store.principal(&identity(ANA), "Ana").await.unwrap(), first);
        assert_ne!(store.principal(&identity(BOB), "").await.unwrap().link_code, first.link_code);

        database.clock.advance(TimeDelta::hours(1));
        let late = store.grant(&Actor::System, &subject(&code), Role::Viewer, None).await;
        assert_eq!(refused(late), RefusalKind::Expired);
        let next = store.principal(&identity(ANA), "Ana").await.unwrap().link_code;
        assert_ne!(next, Some(code));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_person_who_says_many_things_at_once_has_one_code() {
    for_each_database(async |store| {
        let codes = futures::future::join_all((0..16).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.principal(&identity(ANA), "Ana").await.unwrap() })
        }))
        .await;
        let mut codes: Vec<_> = codes.into_iter().map(|done| done.unwrap().link_code).collect();
        codes.dedup();
        assert_eq!(codes.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_code_makes_a_person_known_and_is_used_up() {
    for_each_database(async |store| {
        let code = store.principal(&identity(ANA), "Ana").await.unwrap().link_code.unwrap();
        let typed = format!("{}-{}", &code[..4], &code[4..]).to_lowercase();
        store.grant(&Actor::System, &subject(&typed), Role::Viewer, None).await.unwrap();
        let ana = store.principal(&identity(ANA), "Ana").await.unwrap();
        assert!(ana.require(Permission::Ask, Some("prod")).is_ok());
        assert_eq!(ana.link_code, None);
        let again = store.grant(&Actor::System, &subject(&code), Role::Admin, None).await;
        assert_eq!(refused(again), RefusalKind::NotFound);
        let taken = store.revoke(&Actor::System, &subject(&code), Role::Viewer, None).await;
        assert_eq!(refused(taken), RefusalKind::NotFound);
        // The very same again, after a crash that hid the first, is no mistake.
        let same = store.grant(&Actor::System, &subject(&code), Role::Viewer, None).await;
        assert_eq!(same.unwrap(), Change::AlreadySo(ana.id.unwrap()));
        let people = store.people().await.unwrap();
        assert_eq!(people[0].identities, [(identity(ANA), "Ana".to_owned())]);
    })
    .await;
}

#[tokio::test]
async fn granting_twice_changes_and_records_once() {
    for_each_database(async |store| {
        let ana = grant(&store, ANA, Role::Operator).await;
        let again = store.grant(&Actor::System, &subject(ANA), Role::Operator, None).await.unwrap();
        assert_eq!(again, Change::AlreadySo(ana.clone()));
        let staging =
            store.grant(&Actor::System, &subject(ANA), Role::Admin, Some("staging")).await.unwrap();
        assert_eq!(staging, Change::Made(ana.clone()));
        assert_eq!(store.verify_audit().await.unwrap().rows, 2);

        let now = store.principal(&identity(ANA), "").await.unwrap();
        assert!(now.require(Permission::ManageAccess, Some("staging")).is_ok());
        assert!(now.require(Permission::ManageAccess, Some("prod")).is_err());
        for change in [Change::Made(ana.clone()), Change::AlreadySo(ana)] {
            let gone = store.revoke(&Actor::System, &subject(ANA), Role::Operator, None).await;
            assert_eq!(gone.unwrap(), change);
        }
        let after = store.principal(&identity(ANA), "").await.unwrap();
        assert!(after.require(Permission::Ask, Some("prod")).is_err());
        assert_eq!(store.verify_audit().await.unwrap().rows, 3);
    })
    .await;
}

#[tokio::test]
async fn the_last_admin_stays() {
    for_each_database(async |store| {
        grant(&store, ANA, Role::Admin).await;
        store.grant(&Actor::System, &subject(BOB), Role::Admin, Some("staging")).await.unwrap();
        let last = store.revoke(&Actor::System, &subject(ANA), Role::Admin, None).await;
        assert!(last.as_ref().unwrap_err().to_string().contains("you would lock everyone out"));
        assert_eq!(refused(last), RefusalKind::NotPermitted);
        assert_eq!(store.verify_audit().await.unwrap().rows, 2, "a refused change leaves no row");

        grant(&store, BOB, Role::Admin).await;
        store.revoke(&Actor::System, &subject(ANA), Role::Admin, None).await.unwrap();
        let last = store.revoke(&Actor::System, &subject(BOB), Role::Admin, None).await;
        assert_eq!(refused(last), RefusalKind::NotPermitted);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_admins_who_revoke_each_other_do_not_both_succeed() {
    for_each(async |database| {
        let neighbour = database.neighbour().await;
        for _ in 0..10 {
            grant(&neighbour, ANA, Role::Admin).await;
            grant(&neighbour, BOB, Role::Admin).await;
            let revoke = |store: &Store, who: &'static str| {
                let store = store.clone();
                tokio::spawn(async move {
                    store.revoke(&Actor::System, &subject(who), Role::Admin, None).await.is_ok()
                })
            };
            let (one, two) = tokio::join!(revoke(&database.store, ANA), revoke(&neighbour, BOB));
            assert!(one.unwrap() != two.unwrap());
        }
    })
    .await;
}

#[tokio::test]
async fn a_second_account_is_linked_by_the_code_it_was_told() {
    for_each_database(async |store| {
        let ana = grant(&store, ANA, Role::Operator).await;
        let bob = grant(&store, BOB, Role::Viewer).await;
        let other = identity("discord:G1:42");
        let code = store.principal(&other, "ana_d").await.unwrap().link_code.unwrap();
        let by = Actor::from(&store.principal(&identity(ANA), "Ana").await.unwrap());
        let stranger = PrincipalId("nobody".to_owned());
        let refusal = refused(store.link(&by, &stranger, &code).await);
        assert_eq!(refusal, RefusalKind::UnknownUser);
        assert_eq!(store.link(&by, &ana, &code).await.unwrap(), Change::Made(ana.clone()));
        let linked = store.principal(&other, "ana_d").await.unwrap();
        assert_eq!(linked.id, Some(ana.clone()));
        assert_eq!(store.link(&by, &ana, &code).await.unwrap(), Change::AlreadySo(ana));
        assert!(linked.require(Permission::RequestAction, None).is_ok());
        assert_eq!(refused(store.link(&by, &bob, &code).await), RefusalKind::NotFound);
        assert_eq!(refused(store.link(&by, &bob, "what?").await), RefusalKind::NotFound);
        assert_eq!(store.verify_audit().await.unwrap().rows, 3);
    })
    .await;
}

#[tokio::test]
async fn taking_from_a_stranger_and_granting_nowhere_are_refused() {
    for_each_database(async |store| {
        let stranger = store.revoke(&Actor::System, &subject(ANA), Role::Viewer, None).await;
        assert_eq!(refused(stranger), RefusalKind::UnknownUser);
        let nowhere = store.grant(&Actor::System, &subject(ANA), Role::Viewer, Some("")).await;
        assert_eq!(refused(nowhere), RefusalKind::Usage);
        assert!("ana".parse::<Subject>().is_err());
        assert!(store.people().await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_new_display_name_is_shown_and_changes_no_right() {
    for_each_database(async |store| {
        grant(&store, ANA, Role::Viewer).await;
        let before = store.principal(&identity(ANA), "Ana").await.unwrap();
        let after = store.principal(&identity(ANA), "Admin Bob\0").await.unwrap();
        assert_eq!(before, after);
        assert_eq!(store.people().await.unwrap()[0].identities[0].1, "Admin Bob\u{fffd}");
    })
    .await;
}
