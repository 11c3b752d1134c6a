use chat::Card;
use smartcloudops::{
    access::Role,
    store::{Actor, Change, Completed, Completion, FirstSight, Reply, Store, StoreError},
};

use super::{asked, channel, said};
use crate::support::{
    database::{Database, on_postgres},
    proxy::{Cut, Proxy},
};

/// The same database, through a wire that can be cut.
async fn through_a_proxy(database: &Database) -> (Proxy, Store) {
    let mut url = url::Url::parse(&database.url).unwrap();
    let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
    let proxy = Proxy::before(server);
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(proxy.port)).unwrap();
    url.set_query(Some("sslmode=disable"));
    let store = Store::open(url.as_str(), database.clock.clone()).await.unwrap();
    (proxy, store)
}

#[tokio::test]
async fn an_event_recorded_over_a_broken_wire_is_new_and_recorded_once() {
    on_postgres(async |database| {
        let (proxy, store) = through_a_proxy(database).await;
        for (id, cut) in [("cut-before", Cut::Before), ("cut-after", Cut::After)] {
            proxy.cut(id, cut);
            let sight = store.record(&said(id, "cpu?")).await.unwrap();
            assert!(proxy.has_cut());
            assert!(matches!(sight, FirstSight::New(_)), "{cut:?}");
            assert_eq!(store.record(&said(id, "cpu?")).await.unwrap(), FirstSight::Duplicate);
        }
        assert_eq!(database.count("SELECT COUNT(*) FROM inbox").await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_wire_cut_at_commit_neither_loses_nor_doubles_an_answer() {
    on_postgres(async |database| {
        let (proxy, store) = through_a_proxy(database).await;
        let subject = "slack:T1:U1".parse().unwrap();
        for (rows, (key, cut)) in
            [("before", Cut::Before), ("after", Cut::After)].into_iter().enumerate()
        {
            let FirstSight::New(id) = store.record(&said(key, "cpu?")).await.unwrap() else {
                panic!("seen before");
            };
            let reply = Reply::new(channel(), Card::titled(key), key);
            let completion = Completion {
                replies: vec![reply.clone()],
                audit: vec![asked(key)],
                ..Completion::default()
            };
            proxy.cut("COMMIT", cut);
            let Completed::Now(sent) = store.complete(&id, &completion).await.unwrap() else {
                panic!("{cut:?}: it was this attempt that saved it");
            };
            assert!(proxy.has_cut());
            assert_eq!(sent[0].reply, reply);

            proxy.cut("COMMIT", cut);
            let role = Role::ALL[rows];
            store.grant(&Actor::System, &subject, role, None).await.unwrap();
            proxy.cut("COMMIT", cut);
            store.put_on_record(&asked(key)).await.unwrap();
            assert!(proxy.has_cut());
        }
        assert_eq!(database.count("SELECT COUNT(*) FROM outbox").await, 2);
        assert_eq!(database.count("SELECT COUNT(*) FROM role_bindings").await, 2);
        assert_eq!(database.store.verify_audit().await.unwrap().rows, 6);
    })
    .await;
}

#[tokio::test]
async fn a_wire_cut_at_commit_uses_up_no_code() {
    on_postgres(async |database| {
        let (proxy, store) = through_a_proxy(database).await;
        for (user, cut) in [("UB", Cut::Before), ("UA", Cut::After)] {
            let known = format!("slack:T1:{user}").parse().unwrap();
            let code = store.principal(&known, "Ana").await.unwrap().link_code.unwrap();
            proxy.cut("COMMIT", cut);
            let granted =
                store.grant(&Actor::System, &code.parse().unwrap(), Role::Viewer, None).await;
            let (Change::Made(id) | Change::AlreadySo(id)) = granted.unwrap();
            assert!(proxy.has_cut());

            let other = format!("discord:G1:{user}").parse().unwrap();
            let code = store.principal(&other, "ana").await.unwrap().link_code.unwrap();
            proxy.cut("COMMIT", cut);
            store.link(&Actor::System, &id, &code).await.unwrap();
            assert!(proxy.has_cut());
            assert_eq!(store.principal(&other, "ana").await.unwrap().id, Some(id));
        }
        assert_eq!(database.count("SELECT COUNT(*) FROM role_bindings").await, 2);
        assert_eq!(database.store.verify_audit().await.unwrap().rows, 4);
    })
    .await;
}

#[tokio::test]
async fn work_in_a_transaction_of_the_caller_says_that_the_connection_was_lost() {
    on_postgres(async |database| {
        let (proxy, store) = through_a_proxy(database).await;
        let mut tx = store.begin_write().await.unwrap();
        store.append(&mut tx, &asked("x")).await.unwrap();
        proxy.cut("COMMIT", Cut::Before);
        let error = tx.commit().await.unwrap_err();
        assert!(matches!(error, StoreError::ConnectionLost { .. }), "{error}");
        assert!(error.to_string().contains("safe to try again"), "{error}");
        store.ping().await.unwrap();
        assert_eq!(store.verify_audit().await.unwrap().rows, 0);
    })
    .await;
}

#[tokio::test]
async fn while_the_server_is_away_each_word_says_so_and_afterwards_all_goes_on() {
    on_postgres(async |database| {
        let (proxy, store) = through_a_proxy(database).await;
        store.record(&said("Ev1", "cpu?")).await.unwrap();
        proxy.set_down(true);
        for _ in 0..3 {
            let error = store.record(&said("Ev2", "cpu?")).await.unwrap_err();
            let known =
                matches!(error, StoreError::ConnectionLost { .. } | StoreError::Unreachable { .. });
            assert!(known, "{error}");
            assert!(store.principal(&said("", "").from, "Ana").await.is_err());
        }
        proxy.set_down(false);
        assert_eq!(store.record(&said("Ev1", "cpu?")).await.unwrap(), FirstSight::Duplicate);
        let sight = store.record(&said("Ev2", "cpu?")).await.unwrap();
        assert!(matches!(sight, FirstSight::New(_)));
    })
    .await;
}
