use chat::{Block, Card, Image, MessageRef, Platform, Tone};
use chrono::TimeDelta;
use smartcloudops::store::{Completed, Completion, FirstSight, Reply, Served};

use super::{channel, said, slack};
use crate::support::database::for_each;

fn reply(key: &str) -> Reply {
    let mut card = Card::titled("CPU of web-1").tone(Tone::Good);
    for png in [vec![0x89, b'P', 0, 255], vec![1]] {
        card.blocks.push(Block::Text("41.7 %".to_owned()));
        card.blocks.push(Block::Image(Image {
            name: "cpu.png".to_owned(),
            png,
            alt: "a rising line".to_owned(),
        }));
    }
    Reply::new(channel(), card, key)
}

fn posted(message: &str) -> MessageRef {
    MessageRef { conversation: channel(), message: message.to_owned() }
}

#[tokio::test]
async fn an_answer_is_posted_by_whoever_saved_it_and_after_a_crash_by_somebody_else() {
    for_each(async |database| {
        let FirstSight::New(id) = database.store.record(&said("Ev1", "cpu?")).await.unwrap() else {
            panic!("seen before");
        };
        let completion = Completion { replies: vec![reply("Ev1/answer")], ..Completion::default() };
        let Completed::Now(mine) = database.store.complete(&id, &completion).await.unwrap() else {
            panic!("somebody else was faster");
        };
        assert_eq!(mine[0].reply, reply("Ev1/answer"));
        // base64 of the first picture: it is kept once, in a column of its own.
        let twice = "SELECT COUNT(*) FROM outbox WHERE card LIKE '%iVAA/w==%'";
        assert_eq!(database.count(twice).await, 0);

        let neighbour = database.neighbour().await;
        let now = || database.clock.now();
        assert!(neighbour.due(&slack(), now(), 10).await.unwrap().is_empty());
        database.clock.advance(TimeDelta::minutes(1));
        let theirs = neighbour.due(&slack(), now(), 10).await.unwrap();
        assert_eq!(theirs[0].reply, reply("Ev1/answer"), "pictures included");
        assert_eq!(theirs[0].attempt, 2);
        assert!(database.store.due(&slack(), now(), 10).await.unwrap().is_empty());

        neighbour.delivered(&theirs[0], &posted("m7")).await.unwrap();
        database.clock.advance(TimeDelta::days(1));
        assert!(database.store.due(&slack(), now(), 10).await.unwrap().is_empty());
        assert_eq!(database.store.posted("Ev1/answer").await.unwrap(), Some(posted("m7")));
    })
    .await;
}

#[tokio::test]
async fn a_reply_with_a_known_key_is_queued_once() {
    for_each(async |database| {
        let store = &database.store;
        for new in [true, false] {
            let mut tx = store.begin_write().await.unwrap();
            assert_eq!(store.enqueue(&mut tx, &reply("alert-1")).await.unwrap(), new);
            tx.commit().await.unwrap();
        }
        let mut tx = store.begin_write().await.unwrap();
        store.enqueue(&mut tx, &reply("undone")).await.unwrap();
        drop(tx);
        assert_eq!(store.due(&slack(), database.clock.now(), 10).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_failed_post_comes_back_when_it_should_or_never() {
    for_each(async |database| {
        let store = &database.store;
        let mut tx = store.begin_write().await.unwrap();
        store.enqueue(&mut tx, &reply("a")).await.unwrap();
        tx.commit().await.unwrap();
        let start = database.clock.now();
        let due = store.due(&slack(), start, 10).await.unwrap();
        let later = start + TimeDelta::hours(1);
        store.failed(&due[0].id, Some(later), "rate limited").await.unwrap();
        assert!(store.due(&slack(), later - TimeDelta::seconds(1), 10).await.unwrap().is_empty());
        let again = store.due(&slack(), later, 10).await.unwrap();
        assert_eq!((&again[0].id, again[0].attempt), (&due[0].id, 2));
        store.failed(&again[0].id, None, "the channel is archived").await.unwrap();
        assert!(store.due(&slack(), later + TimeDelta::days(9), 10).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_reply_is_offered_only_to_who_serves_its_platform_and_workspace() {
    for_each(async |database| {
        let store = &database.store;
        for host in ["laptop", "laptop-2", "lap%"] {
            let mut to_console = reply(host);
            to_console.conversation.platform = Platform::Console;
            to_console.conversation.workspace = host.to_owned();
            let mut tx = store.begin_write().await.unwrap();
            store.enqueue(&mut tx, &to_console).await.unwrap();
            tx.commit().await.unwrap();
        }
        let now = database.clock.now();
        let keys = async |served: &[Served]| -> Vec<String> {
            let due = store.due(served, now, 10).await.unwrap();
            due.into_iter().map(|delivery| delivery.reply.key).collect()
        };
        let console = |workspace: Option<&str>| Served {
            platform: Platform::Console,
            workspace: workspace.map(ToOwned::to_owned),
        };
        assert!(keys(&[]).await.is_empty(), "a process without a platform posts nothing");
        assert!(keys(&slack()).await.is_empty());
        assert!(keys(&[console(Some("lapt"))]).await.is_empty());
        assert_eq!(keys(&[slack()[0].clone(), console(Some("laptop"))]).await, ["laptop"]);
        assert_eq!(keys(&[console(Some("lap%"))]).await, ["lap%"]);
        assert_eq!(keys(&[console(None)]).await, ["laptop-2"]);
        assert_eq!(database.count("SELECT MAX(attempts) FROM outbox").await, 1);
    })
    .await;
}
