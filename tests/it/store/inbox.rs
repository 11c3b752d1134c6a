use chat::Platform;
use chrono::TimeDelta;
use futures::future::join_all;
use smartcloudops::store::{CLAIM_LEASE, Completed, Completion, FirstSight, InboxId, Served};

use super::{asked, said, slack};
use crate::support::database::{for_each, for_each_database};

fn is_new(sight: FirstSight) -> InboxId {
    match sight {
        FirstSight::New(id) => id,
        FirstSight::Duplicate => panic!("seen before"),
    }
}

#[tokio::test]
async fn an_event_delivered_four_times_is_new_once() {
    for_each_database(async |store| {
        let id = is_new(store.record(&said("Ev1", "cpu?")).await.unwrap());
        for _ in 0..2 {
            assert_eq!(store.record(&said("Ev1", "cpu?")).await.unwrap(), FirstSight::Duplicate);
        }
        store.finish(&id, "answered").await.unwrap();
        assert_eq!(store.record(&said("Ev1", "cpu?")).await.unwrap(), FirstSight::Duplicate);
        let completion = Completion::default();
        let (sight, sent) =
            store.record_and_complete(&said("Ev1", "cpu?"), &completion).await.unwrap();
        assert_eq!((sight, sent), (FirstSight::Duplicate, vec![]));
    })
    .await;
}

#[tokio::test]
async fn the_same_id_in_another_workspace_is_another_event() {
    for_each_database(async |store| {
        is_new(store.record(&said("Ev1", "cpu?")).await.unwrap());
        let mut elsewhere = said("Ev1", "cpu?");
        elsewhere.conversation.workspace = "T2".to_owned();
        is_new(store.record(&elsewhere).await.unwrap());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_32_deliveries_at_the_same_moment_one_is_new() {
    for_each(async |database| {
        let neighbour = database.neighbour().await;
        let sights = join_all((0..32).map(|turn| {
            let store = if turn % 2 == 0 { &database.store } else { &neighbour }.clone();
            tokio::spawn(async move { store.record(&said("Ev1", "cpu?")).await.unwrap() })
        }))
        .await;
        let new = sights
            .into_iter()
            .filter(|sight| matches!(sight.as_ref().unwrap(), FirstSight::New(_)))
            .count();
        assert_eq!(new, 1);
    })
    .await;
}

#[tokio::test]
async fn what_a_crash_left_behind_is_offered_once_oldest_first_and_unchanged() {
    for_each(async |database| {
        for id in ["Ev1", "Ev2", "Ev3"] {
            database.store.record(&said(id, "cpu of web-1?")).await.unwrap();
            database.clock.advance(TimeDelta::seconds(1));
        }
        let (after, neighbour) = (database.neighbour().await, database.neighbour().await);
        assert!(
            after.pending(&slack(), 10).await.unwrap().is_empty(),
            "its process may still be alive"
        );
        database.clock.advance(TimeDelta::from_std(CLAIM_LEASE).unwrap());

        let slack = slack();
        let (one, two) = tokio::join!(after.pending(&slack, 10), neighbour.pending(&slack, 10));
        let (mut one, two) = (one.unwrap(), two.unwrap());
        assert!(one.is_empty() || two.is_empty(), "each event is handled by one process");
        one.extend(two);
        let events: Vec<_> = one.into_iter().map(|recorded| recorded.inbound).collect();
        assert_eq!(events, ["Ev1", "Ev2", "Ev3"].map(|id| said(id, "cpu of web-1?")));
    })
    .await;
}

#[tokio::test]
async fn slow_work_stays_with_the_process_that_renews_its_claim() {
    for_each(async |database| {
        database.store.record(&said("Ev1", "cpu?")).await.unwrap();
        let neighbour = database.neighbour().await;
        for _ in 0..5 {
            database.clock.advance(TimeDelta::seconds(10));
            assert_eq!(database.store.renew_claims().await.unwrap(), 1);
            assert!(neighbour.pending(&slack(), 10).await.unwrap().is_empty());
        }
    })
    .await;
}

#[tokio::test]
async fn who_lost_the_claim_answers_nothing() {
    for_each(async |database| {
        let id = is_new(database.store.record(&said("Ev1", "cpu?")).await.unwrap());
        database.clock.advance(TimeDelta::minutes(1));
        let neighbour = database.neighbour().await;
        let taken = neighbour.pending(&slack(), 1).await.unwrap();
        assert_eq!((&taken[0].id, taken[0].attempt), (&id, 2));

        let completion = Completion { audit: vec![asked("late")], ..Completion::default() };
        let late = database.store.complete(&id, &completion).await.unwrap();
        assert_eq!(late, Completed::BySomeoneElse);
        assert_eq!(database.count("SELECT COUNT(*) FROM audit").await, 0);
        let done = neighbour.complete(&id, &completion).await.unwrap();
        assert_eq!(done, Completed::Now(vec![]));
        assert_eq!(database.count("SELECT COUNT(*) FROM audit").await, 1);
    })
    .await;
}

#[tokio::test]
async fn ten_megabytes_nul_and_endless_ids_are_recorded_like_anything_else() {
    for_each(async |database| {
        let mut event = said(&"é".repeat(5000), &"💥".repeat(10 << 18));
        event.display_name = "Ana\0".to_owned();
        event.conversation.channel = "C\0".to_owned();
        event.message.message = "m\0".to_owned();
        is_new(database.store.record(&event).await.unwrap());
        assert_eq!(database.store.record(&event).await.unwrap(), FirstSight::Duplicate);
        event.id.push('\0');
        is_new(database.store.record(&event).await.unwrap());

        database.clock.advance(TimeDelta::minutes(1));
        let pending = database.store.pending(&slack(), 10).await.unwrap();
        assert_eq!(pending.len(), 2);
        assert!(pending[0].inbound.text.len() <= 64 * 1024);
        assert!(pending[0].inbound.text.ends_with("💥…"));
    })
    .await;
}

#[tokio::test]
async fn an_event_is_taken_up_only_by_who_serves_its_platform_and_workspace() {
    for_each(async |database| {
        let store = &database.store;
        let long = "x".repeat(300);
        for host in ["laptop", "laptop-2", &long] {
            let mut event = said(host, "cpu?");
            event.conversation.platform = Platform::Console;
            event.conversation.workspace = host.to_owned();
            is_new(store.record(&event).await.unwrap());
        }
        database.clock.advance(TimeDelta::minutes(1));
        let ids = async |served: &[Served]| -> Vec<String> {
            let pending = store.pending(served, 10).await.unwrap();
            pending.into_iter().map(|recorded| recorded.inbound.id).collect()
        };
        let console = |workspace: Option<&str>| Served {
            platform: Platform::Console,
            workspace: workspace.map(ToOwned::to_owned),
        };
        assert!(ids(&[]).await.is_empty());
        assert!(ids(&slack()).await.is_empty());
        assert_eq!(ids(&[slack()[0].clone(), console(Some("laptop"))]).await, ["laptop"]);
        assert_eq!(ids(&[console(Some(&long))]).await, [long.as_str()]);
        assert_eq!(ids(&[console(None)]).await, ["laptop-2"]);
    })
    .await;
}

#[tokio::test]
async fn what_comes_at_the_same_moment_is_recorded_together_and_each_of_it_once() {
    for_each_database(async |store| {
        let (one, two, three) = (said("Ev1", "cpu?"), said("Ev2", "disk?"), said("Ev3", "load?"));
        let is_new = async |events: &[&chat::Inbound]| -> Vec<bool> {
            let recorded = store.record_all(events).await.unwrap().into_iter();
            recorded.map(|sight| matches!(sight, Ok(FirstSight::New(_)))).collect()
        };
        assert_eq!(is_new(&[&one, &two, &one]).await, [true, true, false]);
        assert_eq!(is_new(&[&two, &three]).await, [false, true]);
        assert_eq!(is_new(&[&three]).await, [false]);
        assert!(is_new(&[]).await.is_empty());
    })
    .await;
}
