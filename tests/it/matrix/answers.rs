//! Who is answered, where, and who sees it.

use chat::{Block, Card, ChatAdapter as _, ChatError, DedupeKey, Image};
use serde_json::json;
use smartcloudops::clock::Clock;

use super::{Running, connected, room, was_told};
use crate::support::{
    matrix::{Homeserver, now},
    proxy::{Cut, Proxy},
    serving::Serving,
};

#[test]
fn what_people_say_to_each_other_is_heard_only_where_the_bot_takes_part() {
    let Some(server) = Homeserver::encrypted() else { return };
    let serving = connected(&server, "");
    server.says("U1", "C1", "whoami");
    let root = server.says("U1", "C1", "@bot help");
    server.bot_says("U1", "C1", "count=1");
    // In its thread it takes part, and answers beside nobody else's.
    server.says_so("U1", "C1", "incidents", json!({"thread": root}));
    server.bot_says("U1", "C1", "count=2");
    let said = server.said("U1", "C1");
    assert!(said.iter().all(|it| it["thread"] == root.as_str()), "{said:#?}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn what_somebody_may_not_do_is_said_to_them_alone() {
    let Some(server) = Homeserver::encrypted() else { return };
    let serving = connected(&server, "");
    server.says("U2", "C1", &format!("@bot grant admin {}", server.user("U2")));
    was_told(&server, "U2", "Admin", 1);
    // A stranger gets a code to show to an Admin, and nobody else sees it.
    server.says("U3", "C1", "@bot status");
    was_told(&server, "U3", "grant viewer", 1);
    assert!(server.said("U1", "C1").is_empty());
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_question_that_is_edited_is_answered_anew_in_its_thread() {
    let Some(server) = Homeserver::encrypted() else { return };
    let serving = connected(&server, "");
    let asked = server.says("U1", "C1", "@bot help");
    server.bot_says("U1", "C1", "count=1");
    server.says_so("U1", "C1", "@bot whoami", json!({"edit": asked}));
    let said = server.bot_says("U1", "C1", "text=Admin");
    assert!(said.iter().all(|it| it["thread"] == asked.as_str()), "{said:#?}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn an_invitation_that_could_not_be_answered_is_answered_later() {
    let Some(server) = Homeserver::encrypted() else { return };
    let proxy = Proxy::before(server.address().to_owned());
    proxy.cut("/join", Cut::Before);
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let serving = Serving::start(&server.settings_at(&url));
    server.bot_is_there();
    assert!(proxy.has_cut());
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_said_that_an_answer_would_come_becomes_the_answer() {
    let Some(server) = Homeserver::encrypted() else { return };
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(server.adapter(folder.path()));
    server.bot_is_there();
    let (place, key) = (room(&server, "C1"), DedupeKey::new("answer:matrix:localhost:$1"));
    let coming = Card::titled("Working on it …");
    let first = running.adapter.post(&place, &coming, &key).await.unwrap();
    let answered = running.adapter.post(&place, &Card::titled("42 %"), &key).await.unwrap();
    assert_eq!(answered.message, first.message);
    let said = server.bot_says("U1", "C1", "text=42 %25");
    assert_eq!((said.len(), &now(&said[0])["body"]), (1, &json!("42 %")));
    // Also when the one who said so is gone.
    let key = DedupeKey::new("answer:matrix:localhost:$2");
    let first = running.adapter.post(&place, &coming, &key).await.unwrap();
    running.stop().await;
    let running = Running::start(server.adapter(folder.path()));
    let answered = running.adapter.post(&place, &Card::titled("43 %"), &key).await.unwrap();
    assert_eq!(answered.message, first.message);
    let said = server.bot_says("U1", "C1", "text=43 %25");
    assert_eq!((said.len(), &now(&said[1])["body"]), (2, &json!("43 %")));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_shows_its_newest_picture_and_files_stand_under_it() {
    for server in [Homeserver::encrypted(), Homeserver::in_clear()] {
        let Some(server) = server else { return };
        let folder = tempfile::tempdir().unwrap();
        let running = Running::start(server.adapter(folder.path()));
        server.bot_is_there();
        let card = |title: &str, png: &[u8]| {
            let alt = "CPU of web-1".to_owned();
            let image = Image { name: "cpu.png".into(), png: png.to_vec(), alt };
            Card::titled(title).with(Block::Image(image))
        };
        let (place, key) = (room(&server, "C1"), DedupeKey::new("k"));
        let posted = running.adapter.post(&place, &card("CPU", b"first"), &key).await.unwrap();
        let said = server.bot_says("U1", "C1", "text=CPU of web-1");
        let picture = said.iter().find(|it| it["msgtype"] == "m.image").unwrap();
        assert_eq!(picture["thread"], posted.message.as_str());
        assert_eq!(picture["file"]["encrypted"], server.encrypted, "{picture:#}");
        assert_eq!(picture["file"]["alt"], "CPU of web-1");
        running.adapter.edit(&posted, &card("CPU now", b"second")).await.unwrap();
        let event = picture["event"].as_str().unwrap();
        let said = server.bot_says("U1", "C1", &format!("event={event}&edits=1"));
        assert_eq!(said.iter().filter(|it| it["msgtype"] == "m.image").count(), 1);
        // The same picture again is not shown again.
        running.adapter.edit(&posted, &card("CPU later", b"second")).await.unwrap();
        let said = server.bot_says("U1", "C1", &format!("event={}&edits=2", posted.message));
        let picture = said.iter().find(|it| it["msgtype"] == "m.image").unwrap();
        assert_eq!(picture["edits"].as_array().unwrap().len(), 1);

        let long = Card::titled("log").with(Block::Code("a line\n".repeat(2_000)));
        let long = long.fit(&running.adapter.capabilities());
        let key = DedupeKey::new("long");
        running.adapter.post(&place, &long, &key).await.unwrap();
        let said = server.bot_says("U1", "C1", "text=answer.txt");
        let file = said.iter().find(|it| it["msgtype"] == "m.file").unwrap();
        assert!(file["file"]["size"].as_u64().unwrap() > 10_000, "{file:#}");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_taken_away_is_gone_and_not_edited_unseen() {
    let Some(server) = Homeserver::encrypted() else { return };
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(server.adapter(folder.path()));
    server.bot_is_there();
    let (place, key) = (room(&server, "D1"), DedupeKey::new("k"));
    let posted = running.adapter.post(&place, &Card::titled("here"), &key).await.unwrap();
    let said = server.bot_says("U1", "D1", "text=here");
    assert_eq!(now(&said[0])["body"], "here");
    let (person, room) = (server.short("U1"), server.room("D1"));
    server.tell("redact", &json!({"person": person, "room": room, "event": posted.message}));
    let edited = running.adapter.edit(&posted, &Card::titled("there")).await;
    assert!(matches!(edited, Err(ChatError::Gone { .. })), "{edited:?}");
    running.stop().await;
}

#[test]
fn the_doctor_looks_at_the_login_the_device_and_the_rooms() {
    let Some(server) = Homeserver::in_clear() else { return };
    let serving = connected(&server, "");
    let looked = serving.bot.run(&["doctor"]);
    let shown = String::from_utf8_lossy(&looked.stdout).into_owned();
    for wanted in [
        "matrix homeserver",
        "matrix login",
        "signed by its account",
        "takes the homeserver's word",
        "s apart",
    ] {
        assert!(shown.contains(wanted), "{wanted} in {shown}");
    }
    let levels = json!({"events_default": 50});
    let (person, room) = (server.short("U1"), server.room("C1"));
    let about =
        json!({"person": person, "room": room, "type": "m.room.power_levels", "content": levels});
    server.tell("state", &about);
    let looked = serving.bot.run(&["doctor"]);
    let shown = String::from_utf8_lossy(&looked.stdout).into_owned();
    assert!(shown.contains("may not write there: give it the power level 50"), "{shown}");
    // It looks beside the bot, and takes nothing from it.
    server.says("U1", "D1", "whoami");
    server.bot_says("U1", "D1", "text=Admin");
    assert_eq!(serving.stop(), 0);
}

/// Alone with the bot, a message said that the answer would come; nobody knows whether the answer did.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_for_one_is_not_taken_for_what_said_that_it_would_come() {
    let Some(server) = Homeserver::encrypted() else { return };
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(server.adapter(folder.path()));
    server.bot_is_there();
    let (place, person) = (room(&server, "D1"), server.person("U1").parse().unwrap());
    let key = DedupeKey::new("answer:matrix:localhost:$1");
    let progress = running.adapter.post(&place, &Card::titled("Working"), &key).await.unwrap();
    let again = DedupeKey { again: Some(Clock::system().now()), ..key };
    for _ in 0..2 {
        let card = Card::titled("the code");
        running.adapter.whisper(&person, &place, &card, &again).await.unwrap();
    }
    running.adapter.edit(&progress, &Card::titled("Answered privately")).await.unwrap();
    server.bot_says("U1", "D1", "text=Answered privately");
    let said: Vec<_> = server.said("U1", "D1").iter().map(|it| now(it)["body"].clone()).collect();
    assert_eq!(said, ["Answered privately", "the code"]);
    running.stop().await;
}
