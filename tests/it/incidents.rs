//! Incidents: found, told once, worked on, over.

mod channels;
mod cut;
mod time;

use chat::{Block, Capabilities, Card, ChatAdapter as _, ChatError, Inbound, Platform};
use chrono::{DateTime, TimeDelta, Utc};
use smartcloudops::{
    access::Role,
    anomaly::{
        Anomaly, Deviation, Direction,
        incident::{ChangeKind, Place, Placement},
    },
    incidents::{Incidents, Observed},
    store::{Actor, Subject, Wanted},
};

use crate::support::{
    database::{Database, for_each},
    everywhere::everywhere,
    room::{ANA, BEN, Room, read},
    scripted::{Script, Scripted},
};

pub fn placement() -> Placement {
    let hosts = [("web-1", "prod"), ("web-2", "prod"), ("web-3", "prod"), ("web-9", "staging")];
    Placement::new(hosts.map(|(host, environment)| {
        let place = Place {
            environment: Some(environment.to_owned()),
            role: Some("web".to_owned()),
            zone: None,
        };
        (host.to_owned(), place)
    }))
}

/// CPU is at 97 % on a host since then.
pub fn hot(host: &str, start: DateTime<Utc>) -> Anomaly {
    Anomaly {
        host: host.to_owned(),
        start,
        end: None,
        score: 6.0,
        once_in_days: Some(40.0),
        learned_days: None,
        metrics: vec![Deviation {
            metric: "cpu".to_owned(),
            value: 97.0,
            expected_low: 12.0,
            expected_high: 35.0,
            direction: Direction::Up,
            sigmas: 9.0,
            full_at: None,
        }],
    }
}

struct Scene<'a> {
    database: &'a Database,
    room: &'a Room<'a>,
    incidents: Incidents,
}

impl Scene<'_> {
    fn now(&self) -> DateTime<Utc> {
        self.database.clock.now()
    }

    async fn found(&self, found: &[Anomaly]) -> Vec<ChangeKind> {
        let done = self.incidents.observe_in(found, &placement(), self.now()).await.unwrap();
        self.room.outbox.wake();
        done.iter().map(|it| it.kind).collect()
    }

    /// Everything that was queued is shown.
    async fn is_shown(&self) {
        self.room.later(TimeDelta::seconds(11));
        self.nothing_waits().await;
    }

    async fn nothing_waits(&self) {
        self.room
            .becomes_true(
                "SELECT 'yes' FROM incident_head WHERE NOT EXISTS \
                 (SELECT 1 FROM outbox WHERE state = 'waiting')",
            )
            .await;
    }

    /// The cards in the channel, and those in threads.
    fn shown(&self) -> (Vec<Card>, Vec<Card>) {
        let posts = self.room.slack.fake.posts();
        let incidents = posts.into_iter().filter(|(at, _)| {
            // Answers are in the thread where they were asked for.
            at.conversation.thread.as_deref() != Some("1700000000.1")
        });
        let (roots, lines): (Vec<_>, Vec<_>) =
            incidents.partition(|(at, _)| at.conversation.thread.is_none());
        let cards = |posts: Vec<(_, Card)>| posts.into_iter().map(|(_, card)| card).collect();
        (cards(roots), cards(lines))
    }
}

async fn scene(story: impl AsyncFn(Scene<'_>)) {
    for_each(async |database| {
        let prometheus = Scripted::start(Script::Number("1")).await;
        let room = Room::open(database, &prometheus.url).await;
        room.knows(ANA, Role::Operator).await;
        let incidents = Incidents::new(room.app.clone(), room.outbox.serves());
        story(Scene { database, room: &room, incidents }).await;
        room.app.store.verify_audit().await.unwrap();
        room.app.store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_is_one_message_from_its_first_minute_to_its_last() {
    scene(async |scene| {
        let start = scene.now();
        assert_eq!(scene.found(&[hot("web-1", start)]).await, [ChangeKind::Opened]);
        scene.is_shown().await;
        let (roots, lines) = scene.shown();
        assert_eq!(roots[0].title, "#1 CPU 97 % on web-1 (normal 12–35 %) since 12:00");
        assert!(read(&roots[0]).contains("ack 1"), "{}", read(&roots[0]));
        assert!(lines.is_empty());

        let both = [hot("web-1", start), hot("web-2", start + TimeDelta::minutes(1))];
        scene.database.clock.advance(TimeDelta::minutes(2));
        assert_eq!(scene.found(&both).await, [ChangeKind::Worsened], "most of a role");
        assert!(scene.found(&both).await.is_empty());
        scene.is_shown().await;
        let (roots, lines) = scene.shown();
        assert_eq!(roots.len(), 1);
        assert!(roots[0].title.contains("web-1 and 1 more"), "{}", roots[0].title);
        assert_eq!(lines[0].title, "Severity is high now, on 2 hosts");

        let over = both.map(|it| Anomaly { end: Some(scene.now()), ..it });
        scene.found(&over).await;
        scene.database.clock.advance(TimeDelta::minutes(6));
        assert_eq!(scene.found(&[]).await, [ChangeKind::Resolved]);
        scene.is_shown().await;
        let (roots, lines) = scene.shown();
        assert_eq!(roots.len(), 1);
        assert!(roots[0].title.starts_with("#1 over: CPU 97 %"), "{}", roots[0].title);
        assert_eq!(lines.len(), 2);

        scene.database.clock.advance(TimeDelta::minutes(10));
        assert_eq!(scene.found(&[hot("web-1", scene.now())]).await, [ChangeKind::Reopened]);
        scene.is_shown().await;
        assert_eq!(scene.shown().0.len(), 1, "the same message again");
        assert!(scene.shown().0[0].title.starts_with("#1 is back"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_its_message_was_taken_away_its_history_goes_on_under_the_new_one() {
    scene(async |scene| {
        let start = scene.now();
        scene.found(&[hot("web-1", start)]).await;
        scene.is_shown().await;
        let (root, _) = scene.room.slack.fake.posts().remove(0);
        scene.room.slack.fake.fail_next(ChatError::Gone { platform: Platform::Slack });
        // Only its numbers are new, which is shown later than a line would be.
        scene.database.clock.advance(TimeDelta::minutes(2));
        let both = [hot("web-1", start), hot("web-2", start + TimeDelta::minutes(1))];
        assert_eq!(scene.found(&both).await, [ChangeKind::Worsened]);
        scene.is_shown().await;
        let [(first, _), (new, card), (line, worsened)] = &scene.room.slack.fake.posts()[..] else {
            panic!("the old message, the new one and its line")
        };
        assert_eq!((first, first == new), (&root, false));
        assert!(card.title.contains("web-1 and 1 more"), "{}", card.title);
        assert_eq!(worsened.title, "Severity is high now, on 2 hosts");
        assert_eq!(line.conversation.thread.as_ref(), Some(&new.message));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_did_is_shown_at_once_also_while_numbers_wait() {
    scene(async |scene| {
        let start = scene.now();
        scene.found(&[hot("web-1", start)]).await;
        scene.is_shown().await;
        scene.found(&[hot("web-1", start), hot("web-2", start)]).await;
        scene.room.says(ANA, "ack 1").await.unwrap();
        scene.room.outbox.wake();
        scene.nothing_waits().await;
        let (roots, lines) = scene.shown();
        assert!(read(&roots[0]).contains("took it"), "{}", read(&roots[0]));
        assert!(lines.iter().any(|line| line.title.contains("took it")), "{lines:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_see_the_same_tell_it_once() {
    scene(async |scene| {
        let found = [hot("web-1", scene.now()), hot("web-9", scene.now())];
        let looks = (0..4).map(|_| scene.found(&found));
        let changes = futures::future::join_all(looks).await;
        assert_eq!(changes.concat().len(), 2, "two environments, each once: {changes:?}");
        scene.is_shown().await;
        assert_eq!(scene.shown().0.len(), 2);
        let numbers: Vec<_> = scene.room.app.store.incidents(Wanted::Known).await.unwrap();
        assert_eq!(numbers.iter().map(|it| it.number).collect::<Vec<_>>(), [2, 1]);
    })
    .await;
}

/// Anybody may call themselves anything.
#[tokio::test(flavor = "multi_thread")]
async fn who_took_an_incident_is_named_with_their_account() {
    scene(async |scene| {
        scene.found(&[hot("web-1", scene.now())]).await;
        let display_name = "Alice (SRE lead)".to_owned();
        let taken = Inbound { display_name, ..scene.room.event(ANA, "ack 1") };
        assert_eq!(scene.room.hears(taken).await.unwrap().title, "#1 is yours");
        scene.is_shown().await;
        let (cards, lines) = scene.shown();
        assert!(read(&cards[0]).contains("Alice (SRE lead) (UANA) took it at 12:00"), "{cards:?}");
        assert_eq!(lines[0].title, "Alice (SRE lead) (UANA) took it");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_ask_take_silence_close_and_remember() {
    scene(async |scene| {
        let room = scene.room;
        let says = async |text: &str| room.says(ANA, text).await.unwrap();
        assert_eq!(says("what's broken?").await.title, "There is no open incident");
        scene.found(&[hot("web-1", scene.now())]).await;
        scene.is_shown().await;
        assert!(says("open incidents").await.title.starts_with("#1 CPU 97 %"));
        assert!(read(&says("why #1?").await).contains("about once in 40 days"));
        let card = read(&says("summarize the last 3 anomalies").await);
        assert!(card.contains("1 still going on") && card.contains("web-1: CPU since"), "{card}");
        assert!(says("anomalies on db-1").await.title.starts_with("Nothing unusual since"));

        assert_eq!(says("ack 1").await.title, "#1 is yours");
        assert_eq!(says("ack 1").await.title, "#1 was taken by UANA already");
        scene.is_shown().await;
        assert!(read(&scene.shown().0[0]).contains("UANA took it at 12:00"));
        // It ends and comes again while the incident goes on.
        let mut again = hot("web-1", scene.now());
        scene.found(&[Anomaly { end: Some(scene.now()), ..again.clone() }]).await;
        again.start += TimeDelta::minutes(1);
        scene.found(&[again]).await;
        assert!(says("silence incident 1 1h").await.title.starts_with("Silenced until 13:00"));
        scene.is_shown().await;
        assert!(read(&scene.shown().0[0]).contains("silenced until 13:00"));

        let vote = read(&says("false alarm 1").await);
        assert!(vote.contains("0 expected · 1 false alarm"), "{vote}");
        assert!(read(&says("expected 1").await).contains("1 expected · 0 false alarm"));
        let unwelcome = room.app.store.unwelcome().await.unwrap();
        assert_eq!(unwelcome.len(), 1, "one person, one vote: {unwelcome:#?}");
        assert_eq!((&*unwelcome[0].host, &*unwelcome[0].metrics[0].metric), ("web-1", "cpu"));
        assert_eq!(says("undo").await.title, "Your vote on #1 is taken back");
        assert!(room.app.store.unwelcome().await.unwrap().is_empty());
        assert_eq!(says("undo").await.title, "You have no vote to take back");

        assert_eq!(says("resolve 1 restarted nginx").await.title, "#1 is resolved");
        assert_eq!(says("resolve 1").await.title, "#1 is over already");
        assert!(says("incident 99").await.title.contains("There is no incident `99`"));
        scene.is_shown().await;
        let lines: Vec<_> = scene.shown().1.into_iter().map(|card| card.title).collect();
        assert_eq!(
            lines,
            ["UANA took it", "UANA silenced it", "UANA resolved it: restarted nginx"]
        );

        // Another day, another host of the role: what helped is remembered.
        scene.database.clock.advance(TimeDelta::days(2));
        scene.found(&[hot("web-2", scene.now())]).await;
        let card = read(&says("incident 2").await);
        assert!(card.contains("×1, last time: restarted nginx"), "{card}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_works_in_one_environment_neither_sees_nor_touches_another() {
    scene(async |scene| {
        let subject = Subject::Identity(BEN.parse().unwrap());
        let store = &scene.room.app.store;
        store.grant(&Actor::System, &subject, Role::Operator, Some("staging")).await.unwrap();
        scene.found(&[hot("web-1", scene.now()), hot("web-9", scene.now())]).await;
        let says = async |text: &str| scene.room.says(BEN, text).await.unwrap();
        let staging = says("open incidents").await;
        assert!(staging.title.contains("web-9"), "{}", staging.title);
        let number = &staging.title[1..2];
        let other = if number == "1" { "2" } else { "1" };
        for verb in ["incident", "ack", "resolve", "expected"] {
            let card = says(&format!("{verb} {other}")).await;
            assert!(card.title.starts_with("There is no incident"), "{verb}: {}", card.title);
        }
        assert!(says(&format!("ack {number}")).await.title.ends_with("is yours"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_silenced_is_recorded_and_told_when_the_silence_ends() {
    scene(async |scene| {
        scene.room.says(ANA, "silence web-1 cpu for 2h").await.unwrap();
        let start = scene.now();
        assert_eq!(scene.found(&[hot("web-1", start)]).await, [ChangeKind::Opened]);
        scene.is_shown().await;
        assert!(scene.shown().0.is_empty(), "recorded, and not a word of it");
        assert!(scene.room.says(ANA, "incident 1").await.unwrap().title.contains("web-1"));
        scene.database.clock.advance(TimeDelta::hours(2));
        scene.found(&[hot("web-1", start)]).await;
        scene.is_shown().await;
        assert_eq!(scene.shown().0.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_waits_is_replaced_and_where_nothing_can_be_changed_only_news_is_new() {
    scene(async |scene| {
        let away = ChatError::Unreachable { platform: Platform::Slack, source: "gone".into() };
        scene.room.slack.fake.fail_next(away);
        let start = scene.now();
        scene.found(&[hot("web-1", start)]).await;
        scene.room.becomes_true("SELECT id FROM outbox WHERE reason IS NOT NULL").await;
        let more = [hot("web-1", start), hot("web-2", start)];
        scene.found(&more).await;
        scene.is_shown().await;
        let (roots, _) = scene.shown();
        assert_eq!(roots.len(), 1);
        assert!(roots[0].title.contains("and 1 more"), "the newest: {}", roots[0].title);

        let can = scene.room.slack.capabilities();
        scene.room.is_poor(Capabilities { edits: false, threads: false, ..can });
        let all = [more[0].clone(), more[1].clone(), hot("web-3", start)];
        assert_eq!(scene.found(&all).await, [ChangeKind::Joined]);
        scene.is_shown().await;
        assert_eq!(scene.shown().0.len(), 1);
        scene.room.says(ANA, "ack 1").await.unwrap();
        scene.is_shown().await;
        let (roots, lines) = scene.shown();
        assert_eq!(roots.len(), 2, "the state changed");
        assert!(read(&roots[1]).contains("took it"));
        assert!(lines.iter().all(|line| !line.title.contains("took it")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_card_shows_the_metric_against_what_is_normal() {
    everywhere(async |database, server| {
        let room = Room::open(database, server).await;
        room.knows(ANA, Role::Operator).await;
        let incidents = Incidents::new(room.app.clone(), room.outbox.serves());
        let now = database.clock.now();
        let found = [hot("web-1", now - TimeDelta::minutes(10))];
        incidents.observe(&found, now).await.unwrap();
        let pictured = async || {
            let card = room.says(ANA, "why #1?").await.unwrap();
            let image = card.blocks.into_iter().find_map(|block| match block {
                Block::Image(image) => Some(image),
                _ => None,
            });
            image.expect("a picture")
        };
        let image = pictured().await;
        assert_eq!(image.name, "incident-1.png");
        assert_eq!(image.png[16..24], [0, 0, 5, 0, 0, 0, 1, 244], "1280 by 500");
        // It stays while other things change.
        room.says(ANA, "ack 1").await.unwrap();
        assert_eq!(pictured().await, image);
        room.app.store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_is_one_message_with_the_true_count() {
    scene(async |scene| {
        let start = scene.now();
        let places = (0..5000).map(|n| {
            let place = Place { role: Some("node".to_owned()), ..Place::default() };
            (format!("node-{n:04}"), place)
        });
        let placement = Placement::new(places);
        let mut last = 0;
        for tick in 1..=5 {
            let found: Vec<_> =
                (0..tick * 1000).map(|n| hot(&format!("node-{n:04}"), start)).collect();
            let done = scene.incidents.observe_in(&found, &placement, scene.now()).await.unwrap();
            let Observed { number, .. } = done[0];
            assert_eq!((done.len(), number), (1, 1));
            scene.is_shown().await;
            last = found.len();
        }
        let (roots, lines) = scene.shown();
        assert_eq!((roots.len(), last), (1, 5000));
        let card = read(&roots[0]);
        assert!(card.contains("and 4,990 more"), "{card}");
        assert!(card.len() < 2000, "{card}");
        assert!(lines.len() <= 2, "{lines:?}");
        // What was before it is still answered, and votes on it leave other votes alone.
        let votes = async || scene.room.app.store.unwelcome().await.unwrap().len();
        let before = Anomaly { end: Some(start), ..hot("web-1", start - TimeDelta::hours(2)) };
        let before = scene.incidents.observe_in(&[before], &placement, start).await.unwrap();
        let says = async |text: &str| scene.room.says(ANA, text).await.unwrap();
        let card = read(&says("anomalies on web-1").await);
        assert!(card.contains("web-1"), "{card}");
        says(&format!("expected #{}", before[0].number)).await;
        assert_eq!(votes().await, 1);
        let card = read(&says("expected #1").await);
        assert!(card.contains("4,999 metrics"), "{card}");
        assert_eq!(votes().await, 5001);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_vote_on_the_same_metric_says_how_far_it_may_stray_in_all() {
    scene(async |scene| {
        for times in ["1.5", "2.25"] {
            let start = scene.now();
            let number =
                scene.incidents.observe_in(&[hot("web-1", start)], &placement(), start).await;
            let number = number.unwrap()[0].number;
            let card = scene.room.says(ANA, &format!("expected #{number}")).await.unwrap();
            assert!(read(&card).contains(&format!("may stray {times} times")), "{}", read(&card));
            let over = Anomaly { end: Some(start), ..hot("web-1", start) };
            scene.found(&[over]).await;
            for _ in 0..2 {
                scene.database.clock.advance(TimeDelta::hours(1));
                scene.found(&[]).await;
            }
        }
    })
    .await;
}
