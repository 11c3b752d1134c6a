//! What is said because time went by.

use std::collections::BTreeMap;

use chat::{Capabilities, ChatAdapter as _, Tone};
use chrono::TimeDelta;
use smartcloudops::{
    anomaly::{
        Anomaly, Deviation, Direction,
        incident::{ChangeKind, IncidentState, Normality, left_out},
    },
    incidents::Incidents,
    store::Wanted,
};

use super::{Scene, hot, placement, scene};
use crate::support::{
    database::for_each,
    room::{ANA, BEN, Room, read},
    scripted::{Script, Scripted},
};

/// Unusual enough to be of severity high.
fn grave(scene: &Scene<'_>, host: &str) -> Anomaly {
    Anomaly { score: 9.0, ..hot(host, scene.now()) }
}

fn down(scene: &Scene<'_>, host: &str) -> Anomaly {
    let down = Deviation {
        metric: "up".to_owned(),
        value: 0.0,
        expected_low: 1.0,
        expected_high: 1.0,
        direction: Direction::Down,
        sigmas: 9.0,
        full_at: None,
    };
    Anomaly { once_in_days: None, metrics: vec![down], ..grave(scene, host) }
}

/// Time passes while this goes on; the titles of the lines in threads.
async fn after(scene: &Scene<'_>, minutes: i64, found: &[Anomaly]) -> Vec<String> {
    // It is seen all the while, as by a bot that looks again and again.
    for _ in 0..minutes / 10 {
        scene.database.clock.advance(TimeDelta::minutes(10));
        scene.found(found).await;
    }
    scene.is_shown().await;
    scene.shown().1.into_iter().map(|card| card.title).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_serious_and_nobodys_is_said_again_at_doubling_distance() {
    scene(async |scene| {
        let says = async |text: &str| scene.room.says(ANA, text).await.unwrap();
        let found = [grave(&scene, "web-1")];
        assert_eq!(scene.found(&found).await, [ChangeKind::Opened]);
        assert!(after(&scene, 20, &found).await.is_empty());
        let lines = after(&scene, 10, &found).await;
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("Nobody took #1 yet: 30 min old, severity high"), "{lines:?}");
        assert_eq!(after(&scene, 50, &found).await.len(), 1);
        // Another process, or the next start, finds it said.
        let other = Incidents::new(scene.room.app.clone(), scene.room.outbox.serves());
        let twins = [&scene.incidents, &other];
        scene.database.clock.advance(TimeDelta::minutes(10));
        let places = placement();
        let looks = twins.map(|it| it.observe_in(&found, &places, scene.now()));
        futures::future::try_join_all(looks).await.unwrap();
        assert_eq!(after(&scene, 0, &found).await.len(), 2);

        says("ack 1").await;
        assert_eq!(after(&scene, 180, &found).await.len(), 3, "UANA took it, and that is all");
        assert_eq!(says("unack 1").await.title, "#1 is nobody's now");
        assert_eq!(says("unack 1").await.title, "#1 is nobody's yet");
        let lines = after(&scene, 30, &found).await;
        let rest: Vec<_> = lines[2..].iter().map(|line| &line[..12]).collect();
        assert_eq!(rest, ["UANA took it", "UANA gave it", "Nobody took "], "{lines:?}");
        says("silence incident 1 2h").await;
        assert_eq!(after(&scene, 110, &found).await.len(), 6, "silenced");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_and_goes_in_a_silence_is_told_to_be_over_once() {
    scene(async |scene| {
        let can = scene.room.slack.capabilities();
        scene.room.is_poor(Capabilities { edits: false, threads: false, ..can });
        for flap in 0..4 {
            let start = scene.now();
            scene.found(&[hot("web-1", start)]).await;
            scene.is_shown().await;
            if flap == 0 {
                scene.room.says(ANA, "silence web-1 8h").await.unwrap();
            }
            scene.database.clock.advance(TimeDelta::minutes(2));
            let over = Anomaly { end: Some(scene.now()), ..hot("web-1", start) };
            scene.found(&[over]).await;
            scene.database.clock.advance(TimeDelta::minutes(6));
            let kinds = scene.found(&[]).await;
            assert_eq!(kinds, [ChangeKind::Resolved], "{flap}");
            scene.is_shown().await;
        }
        let (roots, _) = scene.shown();
        let tones: Vec<_> = roots.iter().map(|card| card.tone).collect();
        assert_eq!(tones, [Tone::Bad, Tone::Muted, Tone::Good], "begun, silenced, over");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_silence_ended_while_nobody_was_connected_is_no_news_later() {
    scene(async |scene| {
        scene.room.says(ANA, "silence cpu for 1h").await.unwrap();
        scene.database.clock.advance(TimeDelta::days(3));
        scene.found(&[]).await;
        scene.is_shown().await;
        let posts = scene.room.slack.fake.cards();
        assert!(posts.iter().all(|card| !card.title.contains("is over")), "{posts:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_of_a_metric_is_one_of_all_hosts() {
    scene(async |scene| {
        let says = async |text: &str| scene.room.says(ANA, text).await.unwrap().title;
        assert_eq!(says("silence cpu 2h").await, "Silenced until 14:00: CPU");
        let start = scene.now();
        scene.found(&[hot("web-1", start), hot("web-9", start)]).await;
        scene.is_shown().await;
        assert!(scene.shown().0.is_empty());
        let mut other = hot("web-2", start);
        other.metrics[0].metric = "memory".to_owned();
        scene.found(&[other]).await;
        scene.is_shown().await;
        assert_eq!(scene.shown().0.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_slight_is_not_said_again() {
    scene(async |scene| {
        let found = [Anomaly { score: 1.0, ..grave(&scene, "web-1") }];
        scene.found(&found).await;
        assert!(after(&scene, 300, &found).await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_silence_is_told_once_where_it_was_set() {
    scene(async |scene| {
        let asked = scene.room.event(ANA, "silence web-1 web-2 cpu for 2h");
        scene.room.hears(asked.clone()).await.unwrap();
        let start = scene.now();
        let found = [hot("web-1", start), hot("web-2", start)];
        scene.found(&found).await;
        let heard = |text: &str| {
            let posts = scene.room.slack.fake.posts();
            let about = posts.into_iter().filter(|(_, card)| card.title.contains(text));
            about.collect::<Vec<_>>()
        };
        after(&scene, 110, &found).await;
        assert!(heard("silence is over").is_empty());
        let other = Incidents::new(scene.room.app.clone(), scene.room.outbox.serves());
        scene.database.clock.advance(TimeDelta::minutes(10));
        let looks = [&scene.incidents, &other];
        let places = placement();
        let looks = looks.map(|it| it.observe_in(&found, &places, scene.now()));
        futures::future::try_join_all(looks).await.unwrap();
        after(&scene, 20, &found).await;
        let ends = heard("silence is over");
        assert_eq!(ends.len(), 1, "{ends:?}");
        assert_eq!(ends[0].0.conversation, asked.conversation);
        assert_eq!(
            ends[0].1.title,
            "The silence is over: web-1 CPU, web-2 CPU. 2 anomalies were held back, in #1"
        );
        let again = &ends[0].1.buttons[0];
        assert_eq!(again.command, "silence web-1 web-2 cpu 2h");
        assert!(scene.room.says(ANA, &again.command).await.unwrap().title.starts_with("Silenced"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_an_incidents_silence_is_told_in_its_thread_and_not_when_prolonged() {
    scene(async |scene| {
        let found = [hot("web-1", scene.now())];
        scene.found(&found).await;
        scene.is_shown().await;
        scene.room.says(ANA, "silence incident 1 1h").await.unwrap();
        after(&scene, 50, &found).await;
        scene.room.says(ANA, "silence incident 1 1h").await.unwrap();
        let lines = after(&scene, 50, &found).await;
        assert!(lines.iter().all(|line| !line.contains("is over")), "{lines:?}");
        let lines = after(&scene, 20, &found).await;
        let over: Vec<_> = lines.iter().filter(|line| line.contains("is over")).collect();
        assert_eq!(over, ["The silence is over: #1. Nothing was held back"]);
        let root = &scene.shown().0[0];
        assert!(!read(root).contains("silenced until"), "{}", read(root));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_asked_once_whether_it_is_the_new_normal() {
    scene(async |scene| {
        let room = scene.room;
        let says = async |text: &str| room.says(ANA, text).await.unwrap();
        let found = [hot("web-1", scene.now())];
        scene.found(&found).await;
        assert!(after(&scene, 350, &found).await.iter().all(|line| !line.contains("normal")));
        let lines = after(&scene, 300, &found).await;
        let asked: Vec<_> = lines.iter().filter(|line| line.contains("new normal?")).collect();
        assert_eq!(asked, ["#1 has gone on for 6 h: is this the new normal?"]);
        let card = read(&says("incident 1").await);
        assert!(card.contains("accept 1") && card.contains("watch 1"), "{card}");
        assert!(says("accept 1").await.title.starts_with("#1 is the new normal"));
        let refused = says("watch 1").await.title;
        assert!(refused.contains("UANA already said so of #1: it is normal"), "{refused}");
        assert!(scene.found(&found).await.is_empty(), "that it goes on is no news");

        let known = async || room.app.store.incidents(Wanted::Numbered(1)).await.unwrap();
        let spans = async || left_out(&known().await, &BTreeMap::new(), scene.now());
        let onset = known().await[0].started.timestamp_millis();
        assert_eq!(known().await[0].state, IncidentState::Resolved);
        assert_eq!(spans().await["web-1"].before, Some(onset));
        let answered = room.app.store.last_answer().await.unwrap().unwrap();
        assert_eq!(answered.timestamp(), scene.now().timestamp());

        assert_eq!(says("undo accept 1").await.title, "What was said of #1 is taken back");
        let incident = known().await.remove(0);
        assert_eq!((incident.state, incident.answered()), (IncidentState::Open, None));
        assert!(spans().await.is_empty());
        assert!(says("watch 1").await.title.starts_with("I keep watching #1"));
        assert_eq!(known().await[0].answered().unwrap().0, Normality::Watched);
        let now = scene.now().timestamp_millis();
        assert_eq!(spans().await["web-1"].between, [(onset, now)]);
        assert!(says("undo watch 1").await.title.ends_with("taken back"));
        assert!(says("undo watch 1").await.title.starts_with("Nobody said yet"));

        // What took its place meanwhile stays the one that is open.
        says("accept 1").await;
        scene.database.clock.advance(TimeDelta::minutes(40));
        let both = [found[0].clone(), hot("web-1", scene.now())];
        assert_eq!(scene.found(&both).await, [ChangeKind::Seen, ChangeKind::Opened]);
        assert!(says("undo accept 1").await.title.ends_with("taken back"));
        assert_eq!(known().await[0].state, IncidentState::Resolved);
        let of_ben = room.says(BEN, "accept 1").await.unwrap().title;
        assert!(!of_ben.contains("new normal"), "{of_ben}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_rule_is_never_the_new_normal() {
    scene(async |scene| {
        let found = [down(&scene, "web-1")];
        scene.found(&found).await;
        let lines = after(&scene, 600, &found).await;
        assert!(lines.iter().all(|line| !line.contains("normal")), "{lines:?}");
        let refused = scene.room.says(ANA, "accept 1").await.unwrap().title;
        assert!(refused.contains("that is never normal"), "{refused}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_shadow_mode_it_is_said_how_often_people_would_have_been_told() {
    for_each(async |database| {
        let prometheus = Scripted::start(Script::Number("1")).await;
        let settings = "[detection]\nmode = \"shadow\"\nbudget = 2.0\n";
        let room = Room::configured(database, &prometheus.url, settings).await;
        room.knows(ANA, smartcloudops::access::Role::Operator).await;
        let incidents = Incidents::silent(room.app.clone());
        let report = async |text: &str| room.says(ANA, text).await.unwrap();
        let nothing = report("shadow report").await;
        assert!(nothing.title.starts_with("Would have alerted 0 times in 7 d ("), "{nothing:?}");
        let now = database.clock.now();
        let found = [hot("web-1", now), hot("web-9", now)];
        incidents.observe_in(&found, &placement(), now).await.unwrap();
        let card = report("what would you have said?").await;
        assert!(card.title.starts_with("Would have alerted 2 times in 7 d ("), "{}", card.title);
        assert!(read(&card).contains("CPU 97 % on web-9"), "{}", read(&card));
        assert!(read(&report("incidents").await).contains("Would have alerted 2 times in 7 d"));
        database.clock.advance(TimeDelta::days(8));
        let later = report("what would you have said?").await;
        assert!(later.title.starts_with("Would have alerted 0 times"), "{}", later.title);
        room.app.store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_on_unchanged_changes_nothing_however_long_its_numbers_are() {
    scene(async |scene| {
        let mut found = grave(&scene, "web-1");
        // Written in decimals, such numbers are long.
        found.score = 1.7_f64.powi(9) / 13.0;
        found.once_in_days = Some(1.1_f64.powi(70) / 7.0);
        for (place, number) in (1..100).map(|it| f64::from(it).sqrt() / 97.0).enumerate() {
            let metric = format!("disk /{place}");
            found.metrics.push(Deviation { metric, value: number, ..found.metrics[0].clone() });
        }
        assert_eq!(scene.found(std::slice::from_ref(&found)).await, [ChangeKind::Opened]);
        scene.database.clock.advance(TimeDelta::seconds(5));
        assert!(scene.found(&[found]).await.is_empty());
    })
    .await;
}
