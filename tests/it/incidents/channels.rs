//! What is told in which channel, as its people say it there.

use chat::{Card, Inbound};
use chrono::TimeDelta;
use smartcloudops::{
    access::Role,
    anomaly::{Anomaly, incident::ChangeKind},
};

use super::{Scene, hot, scene};
use crate::support::room::{ANA, BEN, read};

/// Said in this channel, to the bot.
fn said_in(scene: &Scene<'_>, channel: &str, text: &str) -> Inbound {
    let mut event = scene.room.event(ANA, text);
    channel.clone_into(&mut event.conversation.channel);
    channel.clone_into(&mut event.message.conversation.channel);
    event
}

async fn says_in(scene: &Scene<'_>, channel: &str, text: &str) -> Card {
    scene.room.hears(said_in(scene, channel, text)).await.unwrap()
}

/// The titles of what is told in a channel.
fn told_in(scene: &Scene<'_>, channel: &str) -> Vec<String> {
    let posts = scene.room.slack.fake.posts().into_iter();
    let roots = posts
        .filter(|(at, _)| at.conversation.channel == channel && at.conversation.thread.is_none());
    roots.map(|(_, card)| card.title).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_told_what_is_bad_enough_for_it_and_when_it_becomes_so() {
    scene(async |scene| {
        let card = says_in(&scene, "C1", "channel").await;
        assert_eq!(card.title, "Incidents are told in this channel");
        assert!(card.menus.len() >= 2, "{card:?}");
        let card = says_in(&scene, "C1", "channel severity high").await;
        assert!(read(&card).contains("high and worse"), "{}", read(&card));
        let start = scene.now();
        assert_eq!(scene.found(&[hot("web-1", start)]).await, [ChangeKind::Opened]);
        scene.is_shown().await;
        assert!(told_in(&scene, "C1").is_empty(), "it is of low severity");
        scene.database.clock.advance(TimeDelta::minutes(1));
        let worse = Anomaly { score: 9.0, ..hot("web-1", start) };
        scene.found(std::slice::from_ref(&worse)).await;
        scene.is_shown().await;
        assert_eq!(told_in(&scene, "C1").len(), 1);
        // As the configuration has it.
        let card = says_in(&scene, "C1", "channel reset").await;
        assert!(!read(&card).contains("high and worse"), "{}", read(&card));
        scene.found(&[worse, hot("web-9", scene.now())]).await;
        scene.is_shown().await;
        assert_eq!(told_in(&scene, "C1").len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_quiet_hours_only_what_is_critical_is_told_and_the_rest_afterwards() {
    scene(async |scene| {
        // It is noon.
        says_in(&scene, "C1", "channel quiet 11:00-12:30").await;
        let found = [Anomaly { score: 9.0, ..hot("web-1", scene.now()) }];
        scene.found(&found).await;
        scene.is_shown().await;
        assert!(told_in(&scene, "C1").is_empty());
        scene.database.clock.advance(TimeDelta::minutes(31));
        scene.found(&found).await;
        scene.is_shown().await;
        assert_eq!(told_in(&scene, "C1").len(), 1, "it goes on");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_channel_can_be_told_from_the_moment_its_people_ask_for_it() {
    scene(async |scene| {
        let card = says_in(&scene, "C2", "channel settings").await;
        assert_eq!(card.title, "Incidents are not told in this channel");
        let early = hot("web-1", scene.now());
        scene.found(std::slice::from_ref(&early)).await;
        scene.database.clock.advance(TimeDelta::minutes(1));
        says_in(&scene, "C2", "channel incidents on").await;
        scene.database.clock.advance(TimeDelta::minutes(1));
        let late = hot("web-9", scene.now());
        scene.found(&[early.clone(), late.clone()]).await;
        scene.is_shown().await;
        assert_eq!(told_in(&scene, "C1").len(), 2);
        let told = told_in(&scene, "C2");
        assert!(told.len() == 1 && told[0].contains("web-9"), "{told:?}");
        // Both are brought up to date.
        let over = [early, late].map(|it| Anomaly { end: Some(scene.now()), ..it });
        scene.found(&over).await;
        scene.database.clock.advance(TimeDelta::minutes(6));
        scene.found(&[]).await;
        scene.is_shown().await;
        assert!(told_in(&scene, "C2")[0].contains("over"), "{:?}", told_in(&scene, "C2"));
        says_in(&scene, "C2", "channel incidents off").await;
        scene.found(&[hot("web-2", scene.now())]).await;
        scene.is_shown().await;
        assert_eq!(told_in(&scene, "C2").len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_or_only_edits_changes_nothing() {
    scene(async |scene| {
        scene.room.knows(BEN, Role::Viewer).await;
        let refused = scene.room.says(BEN, "channel incidents off").await.unwrap();
        assert!(read(&refused).contains("Operator"), "{}", read(&refused));
        let edited = Inbound { edited: true, ..said_in(&scene, "C1", "channel incidents off") };
        scene.room.hears(edited).await;
        let unknown = says_in(&scene, "C1", "channel environment moon").await;
        assert!(read(&unknown).contains("no environment `moon`"), "{}", read(&unknown));
        scene.found(&[hot("web-1", scene.now())]).await;
        scene.is_shown().await;
        assert_eq!(told_in(&scene, "C1").len(), 1);
        let shown = scene.room.says(BEN, "channel").await.unwrap();
        assert!(shown.menus.is_empty() && shown.buttons.is_empty(), "{shown:?}");
    })
    .await;
}
