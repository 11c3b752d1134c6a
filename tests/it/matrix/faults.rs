//! What can go wrong between Matrix and the bot, by the number of the fault.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use chat::{Button, ButtonStyle, Card, ChatAdapter as _, ChatError, DedupeKey, Inbox};
use futures::future::join_all;
use serde_json::json;
use smartcloudops::{
    clock::Clock,
    store::{Reply, Store},
};
use sqlx::{Connection as _, SqliteConnection};
use tokio_util::sync::CancellationToken;

use super::{Running, connected, room, was_told};
use crate::support::{
    matrix::Homeserver,
    proxy::{Cut, Proxy},
    scripted::{Script, Scripted},
    serving::Serving,
};

#[tokio::test(flavor = "multi_thread")]
async fn f01_what_is_heard_again_after_a_crash_is_answered_once() {
    let Some(server) = Homeserver::encrypted() else { return };
    let mut serving = connected(&server, "");
    for _ in 0..10 {
        server.says("U1", "D1", "whoami");
        serving.dies_and_rises();
        serving.claims_run_out().await;
    }
    server.says("U1", "D1", "help");
    server.bot_says("U1", "D1", "count=11");
    assert_eq!(server.said("U1", "D1").len(), 11, "one answer to each");
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_with_a_stalled_database_people_see_at_once_that_they_were_heard_and_nothing_is_lost() {
    let Some(server) = Homeserver::encrypted() else { return };
    let serving = connected(&server, "");
    let mut stalling = SqliteConnection::connect(&serving.database()).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut stalling).await.unwrap();
    server.says("U1", "D1", "help");
    let asked = Instant::now();
    server.wait("U1", "D1", &format!("typing={}", server.user("ops")));
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    sqlx::query("ROLLBACK").execute(&mut stalling).await.unwrap();
    server.bot_says("U1", "D1", "count=1");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f05_in_a_storm_of_refusals_no_answer_is_lost() {
    let Some(server) = Homeserver::in_clear() else { return };
    let serving = connected(&server, "");
    server.tell("limit", &json!({"user": server.user("ops"), "per_second": 2, "burst": 1}));
    for text in ["help", "whoami", "help cpu", "incidents", "roles", "status"] {
        server.says("U1", "D1", text);
    }
    server.bot_says("U1", "D1", "count=6");
    assert_eq!(server.said("U1", "D1").len(), 6);
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn f05_the_homeserver_says_how_long_to_wait() {
    let Some(server) = Homeserver::in_clear() else { return };
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(server.adapter(folder.path()));
    server.bot_is_there();
    server.tell("limit", &json!({"user": server.user("ops"), "per_second": 1, "burst": 1}));
    let mut waits = Vec::new();
    // At the same moment, because a slow machine may need a second for each.
    for attempt in 0..20 {
        let posts = ["C1", "C2", "D1"].map(async |name| {
            let key = DedupeKey::new(format!("{name}{attempt}"));
            running.adapter.post(&room(&server, name), &Card::titled("hello"), &key).await
        });
        for posted in join_all(posts).await {
            match posted {
                Err(ChatError::RateLimited { retry_after, .. }) => waits.push(retry_after),
                posted => drop(posted.unwrap()),
            }
        }
        if !waits.is_empty() {
            break;
        }
    }
    assert!(!waits.is_empty() && waits.iter().all(|wait| !wait.is_zero()), "{waits:?}");
    running.stop().await;
}

/// So many messages while the bot is away; those that ask it something.
fn people_talk(server: &Homeserver, messages: usize) -> Vec<String> {
    let mut asked = Vec::new();
    for number in 0..messages {
        if number % 30 == 7 {
            asked.push(server.says("U1", "C1", "@bot whoami"));
        } else {
            server.says("U2", "C1", &format!("talk {number}"));
        }
    }
    asked
}

/// After one answer before them.
fn each_is_answered_once(server: &Homeserver, asked: &[String]) {
    server.bot_says("U1", "C1", &format!("count={}", 1 + asked.len()));
    let said = server.said("U1", "C1");
    for asked in asked {
        let answers = said.iter().filter(|it| it["thread"] == asked.as_str()).count();
        assert_eq!(answers, 1, "{said:#?}");
    }
    assert_eq!(said.len(), 1 + asked.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_in_a_long_gap_nothing_is_lost_and_nothing_answered_twice() {
    let Some(server) = Homeserver::encrypted() else { return };
    let mut serving = connected(&server, "");
    server.says("U1", "C1", "@bot help");
    server.bot_says("U1", "C1", "count=1");
    serving.dies();
    let asked = people_talk(&server, 120);
    serving.rises();
    // Once more, while it fills the gap.
    serving.dies_and_rises();
    serving.claims_run_out().await;
    each_is_answered_once(&server, &asked);
    assert_eq!(serving.stop(), 0);
}

/// How often it is killed, while it fills one gap and after: when it has said from nothing to fifteen things, over
/// and over.
const DEATHS: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn f15_killed_fifty_times_in_a_gap_of_500_messages_it_answers_each_command_once() {
    let Some(server) = Homeserver::encrypted() else { return };
    let proxy = Proxy::before(server.address().to_owned());
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let mut serving = Serving::start(&server.settings_at(&url));
    let granted = serving.bot.run(&["roles", "grant", "admin", &server.person("U1")]);
    assert!(granted.status.success(), "{granted:?}");
    server.bot_is_there();
    server.says("U1", "C1", "@bot help");
    server.bot_says("U1", "C1", "count=1");
    serving.dies();
    let asked = people_talk(&server, 500);
    for death in 0..DEATHS {
        let before = proxy.heard();
        serving.rises();
        // When it has said enough, or has nothing to say any more.
        let patience = Instant::now();
        while proxy.heard() < before + death % 16 && patience.elapsed() < Duration::from_secs(2) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        serving.dies();
    }
    serving.rises();
    serving.claims_run_out().await;
    each_is_answered_once(&server, &asked);
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_a_message_whose_answer_was_lost_is_not_posted_again() {
    for (server, words) in [
        (Homeserver::in_clear(), "/send/m.room.message/"),
        (Homeserver::encrypted(), "/send/m.room.encrypted/"),
    ] {
        let Some(server) = server else { return };
        let proxy = Proxy::before(server.address().to_owned());
        let url = format!("http://127.0.0.1:{}", proxy.port);
        let folder = tempfile::tempdir().unwrap();
        let running = Running::start(server.adapter_at(&url, folder.path()));
        server.bot_is_there();
        let place = room(&server, "C1");
        let mut running = running;
        for (number, cut) in [Cut::After, Cut::Half].into_iter().enumerate() {
            let (key, card) = (format!("k{number}"), Card::titled(format!("once {number}")));
            proxy.cut(words, cut);
            let first = running.adapter.post(&place, &card, &DedupeKey::new(&key)).await;
            assert!(matches!(first, Err(ChatError::Unreachable { .. })), "{cut:?}: {first:?}");
            assert!(proxy.has_cut());
            let again = DedupeKey { key, again: Some(Clock::system().now()) };
            // Also by another process with the same session.
            running.stop().await;
            running = Running::start(server.adapter_at(&url, folder.path()));
            let second = running.adapter.post(&place, &card, &again).await.unwrap();
            server.bot_says("U1", "C1", &format!("text=once {number}"));
            let said = server.said("U1", "C1");
            assert_eq!(said.len(), number + 1, "{cut:?}: {said:#?}");
            assert_eq!(said[number]["event"], json!(second.message));
        }
        running.stop().await;
    }
}

#[test]
fn f08_a_homeserver_that_is_away_is_told_and_nothing_is_lost() {
    let Some(server) = Homeserver::encrypted() else { return };
    let proxy = Proxy::before(server.address().to_owned());
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let serving = Serving::start(&server.settings_at(&url));
    let granted = serving.bot.run(&["roles", "grant", "admin", &server.person("U1")]);
    assert!(granted.status.success(), "{granted:?}");
    server.bot_is_there();
    proxy.set_down(true);
    server.says("U1", "D1", "help");
    serving.becomes("matrix", |matrix| matrix["ok"] == false);
    server.says("U1", "D1", "whoami");
    proxy.set_down(false);
    serving.becomes("matrix", |matrix| matrix["ok"] == true);
    server.bot_says("U1", "D1", "count=2");
    assert_eq!(server.said("U1", "D1").len(), 2);
    assert_eq!(serving.stop(), 0);
}

/// A login at a homeserver that is played here, and answers each request as it is told.
fn played(folder: &Path, answer: Option<&'static str>) -> (matrix::Settings, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    thread::spawn(move || {
        let mut mute = Vec::new();
        for client in listener.incoming() {
            let mut client = client.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let Some(answer) = answer else {
                mute.push(client);
                continue;
            };
            let _ = client.read(&mut [0; 4096]);
            let head = "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length";
            let _ = write!(client, "{head}: {}\r\n\r\n{answer}", answer.len());
        }
    });
    let settings = matrix::Settings {
        homeserver: url.parse().unwrap(),
        login: matrix::Login::Token("taken away".to_owned().into()),
        reload: Box::new(|| None),
        recovery_key: None,
        allow: Vec::new(),
        trusts_server: false,
        only_signed_devices: false,
        file: folder.join("matrix.db"),
        clock: Clock::system().of_chat(),
    };
    (settings, asked)
}

#[tokio::test(start_paused = true)]
async fn f10_a_homeserver_that_never_answers_is_not_waited_for_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, _) = played(folder.path(), None);
    let found = matrix::Matrix::new(settings).examine(&[]).await;
    let wrong = found[0].result.as_ref().unwrap_err();
    assert!(wrong.contains("no answer in time"), "{wrong}");
}

#[test]
fn f10_a_homeserver_that_is_slow_is_waited_for() {
    let Some(server) = Homeserver::encrypted() else { return };
    let proxy = Proxy::before(server.address().to_owned());
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let serving = Serving::start(&server.settings_at(&url));
    server.bot_is_there();
    proxy.set_slow(300);
    for text in ["help", "whoami", "help cpu"] {
        server.says("U1", "D1", text);
    }
    server.bot_says("U1", "D1", "count=3");
    assert_eq!(server.said("U1", "D1").len(), 3, "each is answered once");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f10_a_homeserver_that_falls_silent_is_asked_again() {
    let Some(server) = Homeserver::encrypted() else { return };
    let proxy = Proxy::before(server.address().to_owned());
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let serving = Serving::start(&server.settings_at(&url));
    server.bot_is_there();
    proxy.cut("/sync?", Cut::Silence);
    server.says("U1", "D1", "help");
    let patience = Instant::now();
    while !proxy.has_cut() || server.said("U1", "D1").is_empty() {
        assert!(patience.elapsed() < Duration::from_mins(2), "it waits for ever");
        thread::sleep(Duration::from_millis(200));
    }
    server.says("U1", "D1", "whoami");
    server.bot_says("U1", "D1", "count=2");
    assert_eq!(server.said("U1", "D1").len(), 2, "each is answered once");
    assert_eq!(serving.stop(), 0);
}

#[tokio::test]
async fn f14_a_token_that_does_not_hold_is_not_tried_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = r#"{"errcode": "M_UNKNOWN_TOKEN", "error": "Unknown access token"}"#;
    let (settings, asked) = played(folder.path(), Some(refusal));
    let (inbox, _heard) = Inbox::bounded(1);
    let adapter = matrix::Matrix::new(settings);
    let ended = adapter.run(inbox, CancellationToken::new()).await;
    assert!(matches!(ended, Err(ChatError::Barred { .. })), "{ended:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

/// A card with an approval in a room, as approvals will be.
async fn proposes(serving: &Serving, server: &Homeserver, name: &str) {
    let store = Store::open(&serving.database(), Clock::system()).await.unwrap();
    let button = Button {
        label: "Approve".to_owned(),
        style: ButtonStyle::Primary,
        command: "approve 7F3K".to_owned(),
        ask: None,
    };
    let title = "Approval needed".to_owned();
    let card = Card { title, buttons: vec![button], ..Card::default() };
    let mut tx = store.begin_write().await.unwrap();
    store.enqueue(&mut tx, &Reply::new(room(server, name), card, "approval:1")).await.unwrap();
    tx.commit().await.unwrap();
    store.close().await;
}

const UNPROVEN: &str = "does not prove that it is you";
const PROVEN: &str = "not available yet";

#[tokio::test(flavor = "multi_thread")]
async fn f17_only_a_signed_device_of_a_known_identity_decides() {
    let Some(server) = Homeserver::encrypted() else { return };
    let mut serving = connected(&server, "");
    let granted = serving.bot.run(&["roles", "grant", "operator", &server.person("U3")]);
    assert!(granted.status.success(), "{granted:?}");
    let says = |person: &str, how| server.says_so(person, "C2", "!ops approve 7F3K", how);

    let approved = says("U3", json!({}));
    server.bot_says("U3", "C2", "text=not available yet");
    // A device that nobody signed, as whoever rules the homeserver could make one.
    says("U3/LAPTOP", json!({}));
    was_told(&server, "U3", UNPROVEN, 1);
    // In clear, where everything should be encrypted.
    says("U3", json!({"clear": true}));
    was_told(&server, "U3", UNPROVEN, 2);
    // What was said once, shown once more.
    let (person, place) = (server.short("U3"), server.room("C2"));
    let again = json!({"person": person, "room": place, "event": approved});
    server.tell("repeat", &again);
    was_told(&server, "U3", UNPROVEN, 3);
    // And once more, when the bot could have forgotten it.
    serving.dies_and_rises();
    server.tell("repeat", &again);
    was_told(&server, "U3", UNPROVEN, 4);
    // A sign, which nobody can encrypt.
    proposes(&serving, &server, "C2").await;
    let card = server.bot_says("U3", "C2", "text=Approval needed");
    let card = card.iter().find(|it| it["body"].to_string().contains("Approval needed")).unwrap();
    server.reacts("U3", "C2", card["event"].as_str().unwrap(), "✅");
    was_told(&server, "U3", UNPROVEN, 5);
    // Somebody who has a new identity since.
    server.tell("reset", &json!({"person": person}));
    says("U3", json!({}));
    was_told(&server, "U3", UNPROVEN, 6);
    // Also when the homeserver has the bot make a new device.
    server.tell("revoke", &json!({"user": server.user("ops")}));
    serving.becomes("matrix", |matrix| matrix["ok"] == true);
    let devices = || server.tell("devices", &json!({"user": server.user("ops")}));
    let patience = Instant::now();
    while devices()["devices"].as_object().unwrap().is_empty() {
        assert!(patience.elapsed() < Duration::from_mins(1), "no new device");
    }
    says("U3", json!({}));
    was_told(&server, "U3", UNPROVEN, 7);
    // An Admin takes it for theirs.
    server.says("U1", "D1", &format!("verify {}", server.user("U3")));
    server.bot_says("U1", "D1", "text=signs their devices now");
    says("U3", json!({}));
    server.bot_says("U3", "C2", "text=not available yet&count=2");
    let said = server.said("U3", "C2");
    let proven = said.iter().filter(|it| it["body"].to_string().contains(PROVEN));
    assert_eq!(proven.count(), 2, "{said:#?}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f17_in_clear_people_ask_and_do_not_act_unless_the_homeserver_is_trusted() {
    let Some(server) = Homeserver::in_clear() else { return };
    let settings = server.settings().replace("trust_server = true", "");
    let serving = Serving::start(&settings);
    let granted = serving.bot.run(&["roles", "grant", "admin", &server.person("U1")]);
    assert!(granted.status.success(), "{granted:?}");
    server.bot_is_there();
    server.says("U1", "C2", "@bot whoami");
    server.bot_says("U1", "C2", "text=Admin");
    server.says("U1", "C2", "!ops approve 7F3K");
    was_told(&server, "U1", UNPROVEN, 1);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f18_what_cannot_be_read_is_said_and_read_when_its_key_comes() {
    let Some(server) = Homeserver::encrypted() else { return };
    let serving = connected(&server, "");
    server.says("U1", "D1", "help");
    server.bot_says("U1", "D1", "count=1");
    // The bot's devices by their names.
    let devices = server.tell("devices", &json!({"user": server.user("ops")}));
    let device = devices["devices"].as_object().unwrap().keys().next().unwrap().clone();
    server.says_so("U1", "D1", "whoami", json!({"withhold": [device]}));
    server.bot_says("U1", "D1", "text=cannot read this message");
    server.tell("share", &json!({"person": server.short("U1"), "room": server.room("D1")}));
    server.bot_says("U1", "D1", "text=Admin");
    assert_eq!(serving.stop(), 0);
}

/// The devices of the bot's account, and whether each is signed by it.
fn signed(server: &Homeserver) -> Vec<bool> {
    let devices = server.tell("devices", &json!({"user": server.user("ops")}));
    devices["devices"].as_object().unwrap().values().map(|signed| *signed == true).collect()
}

#[test]
fn f18_the_recovery_key_that_another_client_printed_signs_the_bots_device() {
    let Some(server) = Homeserver::encrypted() else { return };
    let kept = server.tell("secrets", &json!({"person": server.short("ops")}));
    let key = kept["recovery_key"].as_str().unwrap();
    assert_eq!(key.split(' ').map(str::len).collect::<Vec<_>>(), [4; 12], "{key}");
    let serving = connected(&server, &format!("recovery_key = \"{key}\"\n"));
    server.says("U1", "D1", "whoami");
    server.bot_says("U1", "D1", "text=Admin");
    assert_eq!(signed(&server), [true]);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f18_a_recovery_key_that_does_not_open_the_secrets_is_said() {
    let Some(server) = Homeserver::encrypted() else { return };
    server.tell("secrets", &json!({"person": server.short("ops")}));
    let serving = connected(&server, "recovery_key = \"a passphrase of something else\"\n");
    server.says("U1", "D1", "whoami");
    server.bot_says("U1", "D1", "text=Admin");
    assert_eq!(signed(&server), [false]);
    let checked = serving.bot.run(&["doctor"]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(said.contains("is not signed by its account"), "{said}");
    let log = std::fs::read_to_string(serving.bot.directory().join("serve.log")).unwrap();
    assert!(log.contains("`matrix.recovery_key` does not open the account's secrets"), "{log}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f18_lost_keys_are_made_anew_and_signed_with_the_recovery_key() {
    let Some(server) = Homeserver::encrypted() else { return };
    let mut serving = connected(&server, "recovery_key = \"a passphrase that nobody guesses\"\n");
    server.says("U1", "D1", "help");
    server.bot_says("U1", "D1", "count=1");
    assert_eq!(signed(&server), [true]);
    serving.dies();
    for name in ["matrix.db", "matrix.db-wal", "matrix.db-shm"] {
        let _ = std::fs::remove_file(serving.bot.directory().join(name));
    }
    serving.rises();
    serving.becomes("matrix", |matrix| matrix["ok"] == true);
    assert_eq!(signed(&server), [true, true], "a new device");
    server.says("U1", "D1", "whoami");
    server.bot_says("U1", "D1", "text=Admin");
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_the_keys_of_a_device_are_for_one_process() {
    let Some(server) = Homeserver::encrypted() else { return };
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(server.adapter(folder.path()));
    server.bot_is_there();
    let other = matrix::Matrix::new(server.adapter(folder.path()));
    let (inbox, _heard) = Inbox::bounded(1);
    let error = other.run(inbox, CancellationToken::new()).await.unwrap_err().to_string();
    assert!(error.contains("another process has the keys"), "{error}");
    running.stop().await;
}

#[test]
fn f19_an_edited_message_may_ask_and_never_acts() {
    let Some(server) = Homeserver::encrypted() else { return };
    let serving = connected(&server, "");
    let event = server.says("U1", "D1", "help");
    server.bot_says("U1", "D1", "count=1");
    let edit = format!("grant viewer {}", server.person("U3"));
    server.says_so("U1", "D1", &edit, json!({"edit": event}));
    server.says("U1", "D1", "whoami");
    server.bot_says("U1", "D1", "text=Admin");
    let shown = serving.bot.run(&["roles", "list"]);
    let roles = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(roles.contains(&server.user("U2")) && !roles.contains(&server.user("U3")), "{roles}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f20_notices_and_the_bots_own_words_are_not_answered() {
    let Some(server) = Homeserver::encrypted() else { return };
    let serving = connected(&server, "");
    server.says_so("U2", "C1", "@bot help", json!({"notice": true}));
    server.says("U1", "C1", "@bot whoami");
    server.bot_says("U1", "C1", "text=Admin");
    server.says("U1", "C1", "@bot whoami");
    server.bot_says("U1", "C1", "count=2");
    assert_eq!(server.said("U1", "C1").len(), 2);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f20_a_thread_or_a_room_for_two_that_runs_away_is_left_alone_and_told_of() {
    let Some(server) = Homeserver::in_clear() else { return };
    let serving = connected(&server, "[bot]\nanswers_in_thread = 3\n");
    let root = server.says("U1", "C1", "@bot help");
    server.bot_says("U1", "C1", "count=1");
    for _ in 0..5 {
        server.says_so("U1", "C1", "@bot help", json!({"thread": root}));
    }
    server.bot_says("U1", "C1", "text=I say nothing more");
    server.bot_says("U1", "C1", "text=I stopped answering somebody");
    // A room for two is one conversation, good for three talks.
    for _ in 0..11 {
        server.says("U1", "D1", "whoami");
    }
    server.bot_says("U1", "D1", "text=I say nothing more");
    server.bot_says("U1", "C1", "count=2&text=I stopped answering somebody");
    assert_eq!(server.said("U1", "D1").len(), 9);
    assert_eq!(server.said("U1", "C1").len(), 5, "three answers, and both were told");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f21_a_name_decides_nothing() {
    let Some(server) = Homeserver::encrypted() else { return };
    let serving = connected(&server, "");
    // A stranger calls himself like the Admin, who is called by the beginning of her id.
    server.tell("rename", &json!({"person": server.short("U3"), "name": server.short("U1")}));
    server.says("U3", "C1", &format!("@bot grant admin {}", server.user("U3")));
    was_told(&server, "U3", "I do not know you yet", 1);
    let shown = serving.bot.run(&["roles", "list"]);
    let roles = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(!roles.contains(&server.user("U3")), "{roles}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f22_who_is_not_let_in_is_not_answered_and_cannot_invite() {
    let Some(server) = Homeserver::encrypted() else { return };
    let serving = connected(&server, &format!("allow = [\"{}\"]\n", server.user("U1")));
    server.says("U2", "C1", "@bot help");
    let made = server.tell(
        "room",
        &json!({"person": server.short("U2"), "invite": [server.user("ops")], "direct": true}),
    );
    let theirs = made["room"].as_str().unwrap();
    server.says("U1", "C1", "@bot whoami");
    server.bot_says("U1", "C1", "text=Admin");
    server.says("U2", theirs, "help");
    server.says("U1", "D1", "whoami");
    server.bot_says("U1", "D1", "count=1");
    assert_eq!(server.said("U1", "C1").len(), 1);
    let seen = server.wait("U2", theirs, "text=help");
    let members = seen["state"]["members"].as_array().unwrap();
    assert!(!members.contains(&json!(server.user("ops"))), "{seen:#}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f23_a_session_that_was_taken_away_is_replaced_and_nothing_is_lost() {
    let Some(server) = Homeserver::in_clear() else { return };
    let serving = connected(&server, "");
    server.says("U1", "D1", "help");
    server.bot_says("U1", "D1", "count=1");
    server.tell("revoke", &json!({"user": server.user("ops")}));
    server.says("U1", "D1", "whoami");
    server.bot_says("U1", "D1", "text=Admin");
    serving.becomes("matrix", |matrix| matrix["ok"] == true);
    assert_eq!(server.said("U1", "D1").len(), 2);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f23_a_token_that_was_taken_away_is_told_and_a_new_one_taken_up() {
    let Some(server) = Homeserver::encrypted() else { return };
    let login = || server.tell("login", &json!({"person": server.short("ops")}));
    let (first, folder) = (login(), tempfile::tempdir().unwrap());
    let file = folder.path().join("token");
    std::fs::write(&file, first["token"].as_str().unwrap()).unwrap();
    let settings = server
        .settings()
        .replace("user = ", "#")
        .replace("password = \"password\"", &format!("token_file = \"{}\"", file.display()));
    let serving = Serving::start(&settings);
    let granted = serving.bot.run(&["roles", "grant", "admin", &server.person("U1")]);
    assert!(granted.status.success(), "{granted:?}");
    server.bot_is_there();
    server.tell("revoke", &json!({"user": server.user("ops"), "device": first["device"]}));
    serving.becomes("matrix", |matrix| {
        matrix["detail"].as_str().unwrap_or_default().contains("matrix.token")
    });
    std::fs::write(&file, login()["token"].as_str().unwrap()).unwrap();
    serving.becomes("matrix", |matrix| matrix["ok"] == true);
    server.says("U1", "D1", "whoami");
    server.bot_says("U1", "D1", "text=Admin");
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn f18_while_keys_cannot_be_kept_nothing_is_lost_and_nobody_is_blamed() {
    let Some(server) = Homeserver::encrypted() else { return };
    let serving = connected(&server, "");
    server.says("U1", "D1", "help");
    server.bot_says("U1", "D1", "count=1");
    let file = format!("sqlite:{}", serving.bot.directory().join("matrix.db").display());
    let mut keys = SqliteConnection::connect(&file).await.unwrap();
    for event in ["INSERT", "UPDATE"] {
        let refuse = format!(
            "CREATE TRIGGER refuse_{event} BEFORE {event} ON rows WHEN NEW.kind IN ('inbound', 'session') \
             BEGIN SELECT RAISE(ABORT, 'no space left'); END"
        );
        sqlx::query(sqlx::AssertSqlSafe(refuse)).execute(&mut keys).await.unwrap();
    }
    // Of somebody whose key the bot does not have yet.
    server.says("U2", "C1", "@bot whoami");
    serving.becomes("matrix", |matrix| {
        matrix["detail"].as_str().unwrap_or_default().contains("no space left")
    });
    for event in ["INSERT", "UPDATE"] {
        let allow = format!("DROP TRIGGER refuse_{event}");
        sqlx::query(sqlx::AssertSqlSafe(allow)).execute(&mut keys).await.unwrap();
    }
    server.bot_says("U2", "C1", "text=Viewer");
    assert_eq!(server.said("U2", "C1").len(), 1, "{:#?}", server.said("U2", "C1"));
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn f23_a_room_that_it_was_taken_out_of_is_spoken_in_again_once_somebody_lets_it_in() {
    let Some(server) = Homeserver::in_clear() else { return };
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(server.adapter(folder.path()));
    server.bot_is_there();
    let place = room(&server, "C1");
    let (card, key) = (Card::titled("#1 is open"), DedupeKey::new("incident:1"));
    let people = |what: &str| {
        let about = json!({"person": server.short("U1"), "room": server.room("C1"), "user": server.user("ops")});
        server.tell(what, &about)
    };
    people("kick");
    let patience = Instant::now();
    // It hears of it in a moment.
    while running
        .adapter
        .post(&place, &Card::titled("still there"), &DedupeKey::new("0"))
        .await
        .is_ok()
    {
        assert!(patience.elapsed() < Duration::from_secs(20), "it may still speak");
    }
    let refused = running.adapter.post(&place, &card, &key).await;
    assert!(matches!(refused, Err(ChatError::Barred { .. })), "{refused:?}");
    people("invite");
    let patience = Instant::now();
    while let Err(error) = running.adapter.post(&place, &card, &key).await {
        assert!(patience.elapsed() < Duration::from_secs(20), "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.bot_says("U1", "C1", "text=#1 is open");
    running.stop().await;
}

/// Nobody but the sender sees what such a message relates to, and the bot would be asked for it.
#[tokio::test(flavor = "multi_thread")]
async fn f24_a_relation_that_is_no_id_of_an_event_deafens_nobody() {
    let Some(server) = Homeserver::encrypted() else { return };
    let serving = connected(&server, "");
    for id in [format!("${}", "/".repeat(22_000)), "$".to_owned() + &"%".repeat(200)] {
        let content = json!({"msgtype": "m.text", "body": "* !ops help",
            "m.new_content": {"msgtype": "m.text", "body": "!ops help"},
            "m.relates_to": {"rel_type": "m.replace", "event_id": id}});
        let (person, room) = (server.short("U1"), server.room("C1"));
        server.tell(
            "send",
            &json!({"person": person, "room": room, "type": "m.room.message",
            "content": content, "hiding": true}),
        );
    }
    server.says("U1", "D1", "whoami");
    server.bot_says("U1", "D1", "text=Admin");
    // One is a message of its own, and the other changes nothing that there is.
    server.bot_says("U1", "C1", "count=1");
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_what_a_machine_is_called_mentions_nobody_and_is_no_link() {
    const EVIL: &str = "@room <a href='https://evil.example/x'>x</a> https://evil.example";
    let Some(server) = Homeserver::encrypted() else { return };
    let machines = [("10.0.0.1:9100", EVIL, "prod"), ("10.0.0.2:9100", "db-1", "prod")];
    let prometheus = Scripted::knowing(&machines, Script::Number("42")).await;
    let settings = format!("[metrics.prometheus]\nurl = \"{}\"\n", prometheus.url);
    let serving = connected(&server, &settings);
    server.says("U1", "D1", "top 2 hosts by cpu");
    let said = server.bot_says("U1", "D1", "text=evil");
    let answer = &said[0];
    assert_eq!(answer["content"]["m.mentions"], json!({}), "{answer:#}");
    // Outside of what is shown as it is written.
    let page = answer["html"].as_str().unwrap();
    let prose = page.split("<code>").map(|part| part.split("</code>").last().unwrap());
    let prose: String = prose.collect();
    assert!(!page.contains("<a") && !prose.contains("://"), "{page}");
    assert!(!answer["body"].as_str().unwrap().contains("://"), "{answer:#}");
    assert_eq!(serving.stop(), 0);
}
