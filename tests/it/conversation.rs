//! Conversations in a room: what is heard, answered, kept, and left alone.

use std::time::Duration;

use chat::{
    Assurance, Block, Capabilities, Card, ChatAdapter as _, ChatError, Inbound, Origin, Platform,
    Reaction,
};
use chrono::TimeDelta;
use futures::future::join_all;
use smartcloudops::{
    access::{Permission, Role},
    bot::{
        intent::{Intent, interpret},
        receipt::Pace,
    },
    metrics::Fleet,
    store::{CLAIM_LEASE, Reply, Speaker},
};

use crate::support::{
    database::{Database, for_each},
    everywhere::everywhere,
    room::{ANA, BEN, Room, read},
    scripted::{Script, Scripted},
};

/// The answer is one, and the number is there, whatever it is.
fn assert_cpu_of_web_1(card: &Card) {
    let number = card.title.split(" %").next().and_then(|text| text.split(' ').next_back());
    let number = number.and_then(|text| text.parse::<f64>().ok());
    assert!(
        card.title.contains("CPU") && card.title.contains("web-1") && number.is_some(),
        "{}",
        card.title
    );
}

/// A room where Ana may ask, everywhere.
async fn in_a_room(story: impl AsyncFn(&Database, &Room<'_>)) {
    everywhere(async |database, server| {
        let room = Room::open(database, server).await;
        room.knows(ANA, Role::Viewer).await;
        story(database, &room).await;
        room.app.store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_in_the_thread_it_was_asked_in() {
    in_a_room(async |_, room| {
        let event = room.event(ANA, "cpu of web-1");
        let card = room.hears(event.clone()).await.unwrap();
        assert_cpu_of_web_1(&card);
        assert_eq!(room.place_of(&event).unwrap(), event.conversation);

        let elsewhere = Inbound {
            conversation: chat::Conversation { thread: None, ..event.conversation.clone() },
            ..room.event(ANA, "memory of web-1")
        };
        room.hears(elsewhere.clone()).await.unwrap();
        assert_eq!(room.place_of(&elsewhere).unwrap().thread, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_delivered_four_times_is_answered_once() {
    in_a_room(async |database, room| {
        let event = room.event(ANA, "cpu of web-1");
        let deliveries = futures::future::join_all((0..4).map(|_| room.delivers(&event))).await;
        assert!(deliveries.iter().all(Result::is_ok), "every delivery may be acknowledged");
        room.is_done(&event).await;
        // Long after, and to a bot that was restarted.
        room.delivers(&event).await.unwrap();
        room.says(ANA, "memory of web-1").await.unwrap();
        assert_eq!(room.slack.fake.cards().len(), 2);
        assert_eq!(database.count("SELECT COUNT(*) FROM audit WHERE action = 'ask'").await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_events_with_the_same_words_are_two_answers() {
    in_a_room(async |_, room| {
        let first = room.says(ANA, "cpu of web-1").await.unwrap();
        let second = room.says(ANA, "cpu of web-1").await.unwrap();
        assert_eq!(first.title, second.title);
        assert_eq!(room.slack.fake.cards().len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_event_id_in_another_workspace_is_another_event() {
    in_a_room(async |_, room| {
        room.knows("slack:T2:UANA", Role::Viewer).await;
        let here = room.event(ANA, "cpu of web-1");
        let there = Inbound { id: here.id.clone(), ..room.event("slack:T2:UANA", "load of db-1") };
        assert!(room.hears(here).await.unwrap().title.contains("CPU"));
        assert!(room.hears(there).await.unwrap().title.contains("Load"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_a_code_and_with_it_a_role_and_then_an_answer() {
    in_a_room(async |_, room| {
        room.knows(ANA, Role::Admin).await;
        let card = read(&room.says(BEN, "cpu of web-1").await.unwrap());
        assert!(!card.contains(" %"), "{card}");
        let command = card.split('`').nth(1).unwrap().to_owned();
        assert!(command.starts_with("grant viewer "), "{card}");
        let granted = room.says(ANA, &command).await.unwrap();
        assert_eq!(granted.title, format!("{BEN} is now Viewer everywhere"));
        let card = room.says(BEN, "cpu of web-1").await.unwrap();
        assert_cpu_of_web_1(&card);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unproven_sender_may_ask_and_nothing_else() {
    in_a_room(async |database, room| {
        room.knows(ANA, Role::Admin).await;
        let code = read(&room.says(BEN, "link").await.unwrap());
        let code = code.split('`').nth(1).unwrap().to_owned();
        let unproven =
            |text: &str| Inbound { assurance: Assurance::Unproven, ..room.event(ANA, text) };
        for text in ["cpu of web-1", "help", "whoami", "approvals", &*code] {
            let card = read(&room.hears(unproven(text)).await.unwrap());
            assert!(!card.contains("does not prove"), "{text}: {card}");
        }
        let acts = [
            &*format!("{code} yes"),
            "grant viewer slack:T1:UBEN",
            "revoke admin slack:T1:UANA",
            "restart nginx on web-1",
            "approve 7F3K",
            "query up{job=\"node\"}",
            "logs web-1",
            "ack 12",
        ];
        for text in acts {
            let card = read(&room.hears(unproven(text)).await.unwrap());
            assert!(card.contains("does not prove that it is you"), "{text}: {card}");
        }
        let refused = "SELECT COUNT(*) FROM audit WHERE outcome = 'refused: not_permitted'";
        assert_eq!(database.count(refused).await, i64::try_from(acts.len()).unwrap());
        assert_eq!(room.app.store.people().await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_grant_is_no_failure_of_the_database() {
    in_a_room(async |_, room| {
        room.knows(ANA, Role::Admin).await;
        let card = read(&room.says(ANA, "grant viewer ABCD1234").await.unwrap());
        assert!(card.contains("I know no such link code"), "{card}");
        assert_eq!(room.app.meters.store_failures.get(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_slack_could_not_take_is_kept_and_posted_once() {
    in_a_room(async |_, room| {
        let pause = TimeDelta::seconds(2);
        let away = ChatError::Unreachable { platform: Platform::Slack, source: "gone".into() };
        room.slack.fake.fail_next(away);
        let event = room.event(ANA, "cpu of web-1");
        assert!(room.hears(event.clone()).await.is_none());
        room.reply_becomes(&event, "waiting").await;
        // Not before its time.
        room.later(pause - TimeDelta::milliseconds(1));
        room.says(ANA, "whoami").await.unwrap();
        assert!(room.card_for(&event).is_none());
        room.later(TimeDelta::milliseconds(1));
        room.was_tried(&event, 2).await;
        room.reply_becomes(&event, "delivered").await;
        assert_cpu_of_web_1(&room.card_for(&event).unwrap());
        // And never again.
        let attempts = room.attempts();
        room.later(TimeDelta::hours(1));
        room.says(ANA, "whoami").await.unwrap();
        assert_eq!(room.attempts(), attempts + 1);
        assert_eq!(room.slack.fake.cards().len(), 3);
        assert_eq!(room.posts("put_back"), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f05_a_channel_that_asks_to_wait_is_left_alone_and_then_alerts_come_before_answers() {
    in_a_room(async |database, room| {
        let limited = ChatError::RateLimited {
            platform: Platform::Slack,
            retry_after: Duration::from_secs(90),
        };
        room.slack.fake.fail_next(limited);
        let first = room.event(ANA, "cpu of web-1");
        assert!(room.hears(first.clone()).await.is_none());
        room.reply_becomes(&first, "waiting").await;
        let before = room.attempts();
        // Whatever else is to be said there waits too, untried.
        let second = room.event(ANA, "whoami");
        room.delivers(&second).await.unwrap();
        room.reply_becomes(&second, "waiting").await;
        let alert =
            Reply::new(second.conversation.clone(), Card::titled("#1 is open"), "incident:1");
        let mut tx = database.store.begin_write().await.unwrap();
        room.app.store.enqueue(&mut tx, &alert).await.unwrap();
        tx.commit().await.unwrap();
        room.outbox.wake();
        room.becomes_true(
            "SELECT id FROM outbox WHERE dedupe_key = 'incident:1' AND reason IS NOT NULL",
        )
        .await;
        assert_eq!(room.attempts(), before);
        // An answer that is ready when the time is up, before the queue was looked at, is no exception.
        room.app.clock.advance(TimeDelta::seconds(90));
        let third = room.event(ANA, "help");
        room.delivers(&third).await.unwrap();
        room.reply_becomes(&third, "delivered").await;
        let shown: Vec<_> = room.slack.fake.cards().into_iter().map(|card| card.title).collect();
        assert_eq!(shown.len(), 4, "{shown:?}");
        assert_eq!(shown[0], "#1 is open");
        assert!(shown[1].contains("web-1"), "the older answer first: {shown:?}");
        // The third was held too, unless the queue was looked at before it was ready.
        assert!(room.posts("held") >= 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f05_what_waits_is_posted_when_the_time_is_up_and_not_when_the_queue_is_looked_at_next() {
    in_a_room(async |_, room| {
        let limited = ChatError::RateLimited {
            platform: Platform::Slack,
            retry_after: Duration::from_millis(300),
        };
        room.slack.fake.fail_next(limited);
        let event = room.event(ANA, "whoami");
        room.delivers(&event).await.unwrap();
        room.reply_becomes(&event, "waiting").await;
        // The clock says that the time is up; nobody says it to the queue.
        room.app.clock.advance(TimeDelta::milliseconds(300));
        let begun = std::time::Instant::now();
        room.reply_becomes(&event, "delivered").await;
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f23_where_the_bot_may_not_speak_alerts_wait_and_who_asks_is_answered() {
    in_a_room(async |database, room| {
        room.knows(ANA, Role::Viewer).await;
        let barred = || ChatError::Barred { platform: Platform::Slack, reason: "kicked".into() };
        let place = room.event(ANA, "").conversation;
        let alert = async |key: &str| {
            let alert = Reply::new(place.clone(), Card::titled(format!("{key} is open")), key);
            let mut tx = database.store.begin_write().await.unwrap();
            room.app.store.enqueue(&mut tx, &alert).await.unwrap();
            tx.commit().await.unwrap();
            room.outbox.wake();
            room.becomes_true(&format!(
                "SELECT id FROM outbox WHERE dedupe_key = '{key}' AND reason IS NOT NULL"
            ))
            .await;
        };
        room.slack.fake.fail_next(barred());
        alert("incident:1").await;
        let before = room.attempts();
        alert("incident:2").await;
        assert_eq!(room.attempts(), before, "it is known that it would be refused");
        assert!(read(&room.says(ANA, "whoami").await.unwrap()).contains("Viewer"));
        assert_eq!(room.slack.fake.cards().len(), 1);
        // An answer that may not be said there makes nobody wait longer.
        room.app.clock.advance(TimeDelta::seconds(30));
        room.slack.fake.fail_next(barred());
        let refused = room.event(ANA, "whoami");
        room.delivers(&refused).await.unwrap();
        room.reply_becomes(&refused, "waiting").await;
        // Somebody lets it in.
        room.later(TimeDelta::seconds(30));
        room.becomes_true(
            "SELECT id FROM outbox WHERE dedupe_key = 'incident:2' AND state = 'delivered'",
        )
        .await;
        let shown: Vec<_> = room.slack.fake.cards().into_iter().map(|card| card.title).collect();
        assert_eq!(shown[1..], ["incident:1 is open", "incident:2 is open"]);
        room.later(TimeDelta::seconds(30));
        room.reply_becomes(&refused, "delivered").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_two_processes_that_hear_the_same_500_events_answer_each_once() {
    for_each(async |database| {
        let one = Room::open(database, "http://127.0.0.1:9").await;
        let two = Room::open(database, "http://127.0.0.1:9").await;
        one.knows(ANA, Role::Viewer).await;
        let events: Vec<_> = (0..500).map(|_| one.event(ANA, "help")).collect();
        // The second is told in another order, as a platform that splits and repeats would do.
        let first = events.iter().map(|event| one.delivers(event));
        let second = events.iter().rev().map(|event| two.delivers(event));
        let (first, second) = tokio::join!(join_all(first), join_all(second));
        assert!(first.iter().chain(&second).all(Result::is_ok), "all may be acknowledged");
        // However slow the disk is, it goes on.
        for delivered in (50..=500).step_by(50) {
            one.becomes_true(&format!(
                "SELECT id FROM outbox WHERE {delivered} <= \
                 (SELECT COUNT(*) FROM outbox WHERE state = 'delivered') LIMIT 1"
            ))
            .await;
        }
        assert_eq!(database.count("SELECT COUNT(*) FROM outbox").await, 500);
        assert_eq!(database.count("SELECT COUNT(*) FROM inbox WHERE state = 'done'").await, 500);
        let said = |room: &Room<'_>| room.slack.fake.cards().len();
        assert_eq!(said(&one) + said(&two), 500);
        assert!(said(&one) > 0 && said(&two) > 0, "{} and {}", said(&one), said(&two));
        one.app.store.close().await;
        two.app.store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_takes_long_is_announced_and_takes_the_place_of_what_announced_it() {
    let soon = Duration::from_millis(20);
    let pace = Pace { heard_after: soon, progress_every: soon };
    for origin in [Origin::Addressed, Origin::Button] {
        let prometheus = Scripted::start(Script::Number("42")).await;
        crate::support::database::on_sqlite(async |database| {
            let room = Room::paced(database, &prometheus.url, "", pace).await;
            room.knows(ANA, Role::Viewer).await;
            room.app.metrics.fleet().await.unwrap();
            prometheus.set(Script::Silence);
            let event = Inbound { origin, ..room.event(ANA, "cpu") };
            room.delivers(&event).await.unwrap();
            let fake = &room.slack.fake;
            room.becomes("announced", || !fake.cards().is_empty()).await;
            let announced = fake.posts().remove(0);
            assert_eq!(announced.1.title, "Working on it …");
            prometheus.set(Script::Number("42"));
            room.becomes("answered", || fake.cards()[0].title.contains("42")).await;
            room.reply_becomes(&event, "delivered").await;
            assert_eq!(fake.cards().len(), 1, "one message: {:?}", fake.cards());
            // A pressed button is no message that could have a sign.
            if origin == Origin::Addressed {
                room.becomes("done", || fake.reactions().len() == 2).await;
                let signs: Vec<_> = fake.reactions();
                assert_eq!(
                    signs,
                    [
                        (event.message.clone(), Reaction::Seen),
                        (event.message.clone(), Reaction::Done)
                    ]
                );
            }
            room.app.store.close().await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_slack_refuses_is_given_up_and_counted() {
    in_a_room(async |_, room| {
        room.slack.fake.fail_next(ChatError::Refused {
            platform: Platform::Slack,
            reason: "channel_not_found".into(),
        });
        let event = room.event(ANA, "cpu of web-1");
        assert!(room.hears(event.clone()).await.is_none());
        room.reply_becomes(&event, "abandoned").await;
        assert_eq!((room.posts("given_up"), room.posts("put_back")), (1, 0));
        room.later(TimeDelta::days(1));
        room.says(ANA, "whoami").await.unwrap();
        assert!(room.card_for(&event).is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_waits_while_its_platform_is_not_connected() {
    in_a_room(async |database, room| {
        room.knows("discord:G1:900", Role::Viewer).await;
        let event = room.event("discord:G1:900", "cpu of web-1");
        room.delivers(&event).await.unwrap();
        room.reply_becomes(&event, "waiting").await;
        let reasons = database.look("SELECT reason FROM outbox WHERE state = 'waiting'").await;
        assert_eq!(reasons, ["discord is not connected"]);
        // That was no attempt, and looking at the queue makes none.
        for _ in 0..3 {
            room.later(TimeDelta::minutes(10));
        }
        let seen = room.event(ANA, "whoami");
        room.hears(seen).await;
        room.becomes_true("SELECT id FROM outbox WHERE state = 'waiting' AND attempts = 0").await;
        // It is counted as waiting all the same.
        let patience = std::time::Instant::now();
        while room.app.meters.outbox_waiting.get() != 1 {
            assert!(patience.elapsed().as_secs() < 10, "it is not counted");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_recorded_is_not_acknowledged() {
    everywhere(async |database, server| {
        let room = Room::open(database, server).await;
        room.knows(ANA, Role::Viewer).await;
        let event = room.event(ANA, "cpu of web-1");
        room.app.store.close().await;
        assert!(room.delivers(&event).await.is_err());
        assert_eq!(room.attempts(), 0);
        let inbound = &room.app.meters.inbound;
        assert_eq!(inbound.with_label_values(&["slack", "not_recorded"]).get(), 1);
        // The platform delivers it again when the database is back.
        let room = Room::open(database, server).await;
        assert_cpu_of_web_1(&room.hears(event).await.unwrap());
        room.app.store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crashed_bot_left_unanswered_is_answered_by_the_next() {
    everywhere(async |database, server| {
        let crashed = Room::open(database, server).await;
        crashed.knows(ANA, Role::Viewer).await;
        let event = crashed.event(ANA, "cpu of web-1");
        crashed.app.store.record(&event).await.unwrap();
        crashed.app.store.close().await;
        database.clock.advance(TimeDelta::from_std(CLAIM_LEASE).unwrap());
        let next = Room::open(database, server).await;
        next.is_done(&event).await;
        assert_cpu_of_web_1(&next.last_card());
        next.app.store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_could_not_be_saved_comes_when_the_database_is_well_again() {
    in_a_room(async |database, room| {
        let event = room.event(ANA, "cpu of web-1");
        database.meddle("ALTER TABLE turns RENAME TO turns_away").await;
        room.delivers(&event).await.unwrap();
        room.becomes_true("SELECT id FROM inbox WHERE attempts > 1").await;
        assert!(room.card_for(&event).is_none());
        assert!(room.app.meters.store_failures.get() > 0);
        database.meddle("ALTER TABLE turns_away RENAME TO turns").await;
        room.is_done(&event).await;
        assert_cpu_of_web_1(&room.card_for(&event).unwrap());
        assert_eq!(room.slack.fake.cards().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_ends_every_attempt_is_given_up_with_a_word() {
    everywhere(async |database, server| {
        let crashed = Room::open(database, server).await;
        let event = crashed.event(ANA, "cpu of web-1");
        crashed.app.store.record(&event).await.unwrap();
        crashed.app.store.close().await;
        database.meddle("UPDATE inbox SET attempts = 5, claimed_until = 0").await;
        let next = Room::open(database, server).await;
        next.is_done(&event).await;
        assert_eq!(next.last_card().title, "I could not answer this");
        next.app.store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_acknowledged_while_many_wait_for_a_slow_prometheus() {
    for_each(async |database| {
        let prometheus = Scripted::start(Script::Silence).await;
        let room = Room::open(database, &prometheus.url).await;
        room.knows(ANA, Role::Viewer).await;
        // More than it has in hand at once.
        let events: Vec<_> = (0..40).map(|_| room.event(ANA, "cpu of web-1")).collect();
        for event in &events {
            room.delivers(event).await.unwrap();
        }
        assert_eq!(room.attempts(), 0, "nothing was answered yet");
        prometheus.set(Script::Number("42"));
        for event in &events {
            room.is_done(event).await;
        }
        assert_eq!(room.slack.fake.cards().len(), events.len());
        room.app.store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_message_asks_but_never_acts() {
    in_a_room(async |database, room| {
        room.knows(ANA, Role::Admin).await;
        let edited = |text: &str| Inbound { edited: true, ..room.event(ANA, text) };
        let card = room.hears(edited("cpu of web-1")).await.unwrap();
        assert_cpu_of_web_1(&card);
        for text in [format!("grant admin {BEN}"), "restart nginx on web-1".to_owned()] {
            let card = read(&room.hears(edited(&text)).await.unwrap());
            assert!(card.contains("edited message never acts"), "{text}: {card}");
        }
        assert_eq!(database.count("SELECT COUNT(*) FROM role_bindings").await, 2, "Ana's own");
        let subjects = database.look("SELECT subject FROM audit WHERE action = 'ask'").await;
        assert!(!subjects.iter().any(|it| it == "remediate" || it == "grant"), "{subjects:?}");
    })
    .await;
}

/// Where the bot only listens, people talk to each other. It speaks up when somebody with a role
/// asks something that it can answer, and otherwise it keeps out: no "I did not understand", no
/// refusals, no codes, and no record of what was not meant for it.
#[tokio::test(flavor = "multi_thread")]
async fn overheard_talk_is_left_alone_and_an_overheard_question_is_answered() {
    in_a_room(async |database, room| {
        let overheard =
            |who: &str, text: &str| Inbound { origin: Origin::Overheard, ..room.event(who, text) };
        // Where the bot has said nothing, nothing is for it.
        assert!(room.hears(overheard(ANA, "what is the cpu of web-1?")).await.is_none());
        room.says(ANA, "whoami").await.unwrap();
        for (who, text) in [
            (ANA, "lunch at the usual place?"),
            (ANA, "thanks, that helped"),
            (ANA, "help"),
            (ANA, "who am I"),
            (ANA, "restart nginx on web-1"),
            (ANA, "cpu of wbe-77"),
            (BEN, "cpu of web-1"),
        ] {
            let card = room.hears(overheard(who, text)).await;
            assert!(card.is_none(), "{text}: {card:?}");
        }
        assert_eq!(room.attempts(), 1);
        assert_eq!(database.count("SELECT COUNT(*) FROM turns").await, 2);
        assert_eq!(database.count("SELECT COUNT(*) FROM audit WHERE action = 'ask'").await, 1);
        // Not a word of it is kept, and nobody got a code for it.
        let kept = database.look("SELECT inbound FROM inbox WHERE outcome = 'overheard'").await;
        assert_eq!(kept.len(), 8);
        for inbound in kept {
            assert_eq!(serde_json::from_str::<Inbound>(&inbound).unwrap().text, "");
        }
        assert_eq!(database.count("SELECT COUNT(*) FROM link_codes").await, 0);

        let card = room.hears(overheard(ANA, "what is the cpu of web-1?")).await.unwrap();
        assert_cpu_of_web_1(&card);
        assert_eq!(database.count("SELECT COUNT(*) FROM turns").await, 4);
        assert_eq!(database.count("SELECT COUNT(*) FROM audit WHERE action = 'ask'").await, 2);
        // Spoken to, the bot knows what to say to a stranger.
        assert!(read(&room.says(BEN, "cpu of web-1").await.unwrap()).contains("grant viewer "));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_of_a_conversation_are_remembered_and_then_forgotten() {
    in_a_room(async |_, room| {
        let event = room.event(ANA, "cpu of web-1");
        let card = room.hears(event.clone()).await.unwrap();
        let store = &room.app.store;
        let turns = store.recent(&event.conversation, 10).await.unwrap();
        let said: Vec<_> = turns.iter().map(|turn| (turn.speaker, turn.text.as_str())).collect();
        assert_eq!(said[0], (Speaker::Person, "cpu of web-1"));
        assert_eq!(turns[0].who, ANA);
        assert_eq!(said[1].0, Speaker::Bot);
        assert!(said[1].1.contains(&card.title), "{}", said[1].1);
        assert_eq!(said.len(), 2);

        room.later(TimeDelta::days(29));
        store.purge_older_than(30).await.unwrap();
        assert_eq!(store.recent(&event.conversation, 10).await.unwrap().len(), 2);
        room.later(TimeDelta::days(2));
        store.purge_older_than(30).await.unwrap();
        assert!(store.recent(&event.conversation, 10).await.unwrap().is_empty());
        assert_eq!(store.verify_audit().await.unwrap().rows, 2, "the grant and the question");
    })
    .await;
}

const QUESTIONS: [&str; 14] = [
    "cpu",
    "cpu of web-1",
    "disk of db-1",
    "memory last 24h",
    "top 2 hosts by load",
    "status",
    "status of web-1",
    "when is web-1's disk full?",
    "forecast disk",
    "help",
    "whoami",
    "link",
    "xyzzy plugh",
    "open incidents",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_button_is_a_command_that_is_understood() {
    in_a_room(async |_, room| {
        let fleet = room.app.metrics.fleet().await.unwrap();
        let mut pressed = 0;
        for question in QUESTIONS {
            let card = room.says(ANA, question).await.unwrap();
            for button in &card.buttons {
                let event = Inbound { origin: Origin::Button, ..room.event(ANA, &button.command) };
                let intent = understood(&event, &fleet, &card);
                // Examples are there to be tried.
                let is_safe =
                    matches!(intent.permission(), Permission::Introduce | Permission::Ask);
                assert!(question != "help" || is_safe, "{button:?}");
                let answer = room.hears(event).await.unwrap();
                assert!(!answer.title.contains("did not understand"), "{answer:?}");
                pressed += 1;
            }
        }
        assert!(pressed >= 8, "{pressed}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_name_hosts_also_when_their_names_are_odd() {
    const LONG: &str = concat!(
        "a-very-long-name-of-a-machine-that-somebody-gave-in-good-faith.",
        "eu-central-1.compute.internal.example.com"
    );
    for odd in
        ["db.eu-west.example.com", "WEB_3", "münchen-1", "Web Server 1", "10.1.2.3", LONG, "1h"]
    {
        let machines = [("10.0.0.1:9100", odd, "prod"), ("10.0.0.2:9100", "db-1", "prod")];
        let prometheus = Scripted::knowing(&machines, Script::Number("42")).await;
        crate::support::database::on_sqlite(async |database| {
            let room = Room::open(database, &prometheus.url).await;
            room.knows(ANA, Role::Viewer).await;
            let fleet = room.app.metrics.fleet().await.unwrap();
            for command in ["status", "metric cpu", "forecast disk"] {
                let text = format!("{command} host=\"{odd}\"");
                let event = Inbound { origin: Origin::Command, ..room.event(ANA, &text) };
                let card = room.hears(event).await.unwrap();
                assert!(card.title.contains(odd), "{text}: {}", card.title);
                for button in &card.buttons {
                    let event =
                        Inbound { origin: Origin::Button, ..room.event(ANA, &button.command) };
                    let intent = understood(&event, &fleet, &card);
                    assert_eq!(intent.hosts(), [odd], "{}", button.command);
                }
            }
            room.app.store.close().await;
        })
        .await;
    }
}

fn understood(event: &Inbound, fleet: &Fleet, card: &Card) -> Intent {
    let now = event.at.with_timezone(&chrono_tz::UTC);
    let read = interpret(event, fleet, now);
    let wrong = matches!(read.intent, Intent::Unknown {})
        || read.usage.is_some()
        || !read.unknown_hosts.is_empty();
    assert!(!wrong, "the button `{}` of \"{}\": {read:?}", event.text, card.title);
    read.intent
}

#[tokio::test(flavor = "multi_thread")]
async fn cards_fit_a_platform_that_can_do_little() {
    in_a_room(async |_, room| {
        let poor = Capabilities { max_text: 300, ..Capabilities::default() };
        room.is_poor(poor.clone());
        assert_eq!(room.slack.capabilities(), poor);
        for question in QUESTIONS {
            let card = room.says(ANA, question).await.unwrap();
            assert!(card.buttons.is_empty(), "{question}");
            assert!(!card.blocks.iter().any(|it| matches!(it, Block::Image(_))), "{question}");
            let length = length(&card);
            assert!(length <= poor.max_text, "{question}: {length} characters\n{}", read(&card));
            assert!(!card.title.is_empty());
        }
    })
    .await;
}

/// The characters of a card, without what a renderer puts between them.
fn length(card: &Card) -> usize {
    let count = |text: &String| text.chars().count();
    count(&card.title)
        + card
            .blocks
            .iter()
            .map(|block| match block {
                Block::Text(text) | Block::Code(text) | Block::Note(text) => count(text),
                Block::Fields(fields) => {
                    fields.iter().map(|(name, value)| count(name) + count(value)).sum()
                }
                Block::Table(table) => {
                    table.header.iter().chain(table.rows.iter().flatten()).map(count).sum()
                }
                Block::Image(image) => count(&image.alt),
                Block::File(file) => count(&file.name),
            })
            .sum::<usize>()
}
