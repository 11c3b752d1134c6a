use chat::{Conversation, Platform};
use chrono::TimeDelta;
use smartcloudops::store::{Completion, FirstSight, Speaker, Store, Turn};

use super::{asked, channel, said, slack};
use crate::support::database::{at, for_each, for_each_database};

fn turn(conversation: Conversation, speaker: Speaker, text: &str) -> Turn {
    Turn {
        conversation,
        speaker,
        who: "slack:T1:U1".to_owned(),
        text: text.to_owned(),
        at: at("2026-01-01T12:00:00Z"),
    }
}

async fn remember(store: &Store, turns: &[Turn]) {
    let mut tx = store.begin_write().await.unwrap();
    for turn in turns {
        store.remember(&mut tx, turn).await.unwrap();
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn the_newest_turns_come_back_in_the_order_they_were_said() {
    for_each_database(async |store| {
        let said: Vec<_> = (0..50)
            .map(|n| {
                let speaker = if n % 2 == 0 { Speaker::Person } else { Speaker::Bot };
                turn(channel(), speaker, &n.to_string())
            })
            .collect();
        remember(&store, &said).await;
        assert_eq!(store.recent(&channel(), 7).await.unwrap(), said[43..]);
    })
    .await;
}

#[tokio::test]
async fn conversations_do_not_overhear_each_other() {
    for_each_database(async |store| {
        let other = |change: fn(&mut Conversation)| {
            let mut conversation = channel();
            change(&mut conversation);
            conversation
        };
        let conversations = [
            channel(),
            other(|it| it.thread = Some("1".to_owned())),
            other(|it| it.thread = Some(String::new())),
            other(|it| it.channel = "C1\",\"".to_owned()),
            other(|it| it.workspace = "T1/C1".to_owned()),
            other(|it| it.platform = Platform::Discord),
            other(|it| it.channel = "x".repeat(4000)),
        ];
        for conversation in &conversations {
            remember(&store, &[turn(conversation.clone(), Speaker::Person, "hello")]).await;
        }
        for conversation in &conversations {
            assert_eq!(store.recent(conversation, 10).await.unwrap().len(), 1);
        }
    })
    .await;
}

#[tokio::test]
async fn a_long_turn_is_cut_between_characters() {
    for_each_database(async |store| {
        remember(&store, &[turn(channel(), Speaker::Bot, &format!("\0{}", "💥".repeat(40_000)))])
            .await;
        let recent = store.recent(&channel(), 1).await.unwrap();
        assert!(recent[0].text.len() <= 4096 && recent[0].text.ends_with("💥…"));
    })
    .await;
}

#[tokio::test]
async fn old_talk_is_forgotten_and_the_audit_is_not() {
    for_each(async |database| {
        let store = &database.store;
        let completion = Completion {
            outcome: "answered".to_owned(),
            turns: vec![turn(channel(), Speaker::Person, "cpu?")],
            audit: vec![asked("old")],
            ..Completion::default()
        };
        store.record_and_complete(&said("Ev1", "cpu?"), &completion).await.unwrap();
        store.record(&said("Ev2", "never answered")).await.unwrap();
        database.clock.advance(TimeDelta::days(29));
        assert_eq!(store.purge_older_than(30).await.unwrap(), 0);
        assert_eq!(store.record(&said("Ev1", "cpu?")).await.unwrap(), FirstSight::Duplicate);
        database.clock.advance(TimeDelta::days(2));
        assert_eq!(store.purge_older_than(30).await.unwrap(), 2, "one turn, one finished event");
        assert!(store.recent(&channel(), 10).await.unwrap().is_empty());
        assert_eq!(
            store.pending(&slack(), 10).await.unwrap().len(),
            1,
            "what waits is never forgotten"
        );
        assert_eq!(store.verify_audit().await.unwrap().rows, 1);
    })
    .await;
}
