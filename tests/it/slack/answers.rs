//! Who is answered, where, and who sees it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chat::{Block, Card, ChatAdapter as _, ChatError, DedupeKey, Image, Inbox};
use serde_json::{Value, json};
use smartcloudops::clock::Clock;
use tokio_util::sync::CancellationToken;

use super::{adapter, channel, connected};
use crate::support::{
    peers,
    scripted::{Script, Scripted},
    serving::Serving,
    slack::Workspace,
};

fn fleet_settings(server: &str) -> String {
    format!("[metrics.prometheus]\nurl = \"{server}\"\ntimeout = \"10s\"\n")
}

/// Everything that a message shows, as one text.
fn shown(message: &Value) -> String {
    message.to_string()
}

#[test]
fn a_question_in_a_channel_is_answered_in_its_thread_with_a_picture() {
    let Some(workspace) = Workspace::new() else { return };
    for server in peers::fleets().into_iter().take(1) {
        let serving = connected(&workspace, &fleet_settings(&server));
        let asked = workspace.says("U1", "C1", "<@UBOT> cpu of web-1 over the last 6h as a chart");
        let state = workspace.wait("messages=1&channel=C1");
        let answer = &workspace.said("C1")[0];
        assert_eq!(answer["thread_ts"], json!(asked), "{answer:#}");
        assert!(shown(answer).contains("web-1"), "{answer:#}");
        assert_eq!(
            (&answer["unfurl_links"], &answer["link_names"]),
            (&json!(false), &json!(false))
        );
        let files = state["files"].as_object().unwrap();
        assert_eq!(files.len(), 1, "{state:#}");
        let file = files.values().next().unwrap();
        assert!(file["alt_txt"].as_str().unwrap().contains("web-1"), "{file:#}");
        assert_eq!(state["rejected"], json!([]));
        assert_eq!(state["unacked"], json!([]));
        assert_eq!(serving.stop(), 0);
    }
}

#[test]
fn a_slash_command_is_answered_also_where_the_bot_is_no_member() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    for channel in ["C1", "C9"] {
        let said = json!({"channel": channel, "user": "U1", "command": "/ops", "text": "help"});
        workspace.tell("command", &said);
        workspace.wait(&format!("messages=1&channel={channel}"));
    }
    assert_eq!(serving.stop(), 0);
}

#[test]
fn what_somebody_may_not_do_is_said_to_them_alone() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    workspace.says("U2", "C1", "<@UBOT> grant admin <@U2>");
    let state = workspace.wait("ephemerals=1");
    let told = &state["ephemerals"][0];
    assert!(shown(told).contains("Admin"), "{state:#}");
    assert!(told["thread_ts"].is_null(), "a thread that is only begun shows nothing: {told:#}");
    assert!(workspace.said("C1").is_empty());
    // A stranger gets a code to show to an Admin, and nobody else sees it.
    workspace.says("U3", "C1", "<@UBOT> status");
    workspace.wait("ephemerals=2");
    assert!(workspace.said("C1").is_empty());
    // Alone with the bot there is nobody to hide it from.
    workspace.says("U3", "D1", "status");
    workspace.wait("messages=1&channel=D1");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_code_is_not_shown_to_whom_a_stranger_talks_to() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    // Two people alone, without the bot.
    workspace.tell("set", &json!({"member": {"D7": false}}));
    let said = json!({"channel": "D7", "user": "U3", "command": "/ops", "text": "link"});
    workspace.tell("command", &said);
    let state = workspace.wait("ephemerals=1");
    assert!(shown(&state["ephemerals"][0]).contains("code"), "{state:#}");
    assert_eq!(state["messages"]["D7"], json!([]));
    assert_eq!(serving.stop(), 0);
}

#[test]
fn what_people_say_to_each_other_is_heard_only_where_the_bot_takes_part() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    workspace.says("U1", "C1", "what's the current cpu?");
    let among_people = workspace.says("U1", "C1", "lunch?");
    let in_thread = |thread: &str, text: &str| json!({"channel": "C1", "user": "U1", "thread_ts": thread, "text": text});
    workspace.tell("message", &in_thread(&among_people, "what's the current cpu?"));
    let with_the_bot = workspace.says("U1", "C1", "<@UBOT> what's the current cpu?");
    workspace.wait("messages=1&channel=C1");
    workspace.tell("message", &in_thread(&with_the_bot, "what's the current memory?"));
    workspace.wait("messages=2&channel=C1");
    let said = workspace.said("C1");
    assert_eq!(said.len(), 2);
    assert!(said.iter().all(|it| it["thread_ts"] == json!(with_the_bot)), "{said:#?}");
    assert_eq!(serving.stop(), 0);
}

/// A bot that is about to tell in C1 that something is wrong.
pub(super) async fn begins_to_break(workspace: &Workspace) -> (Scripted, Serving) {
    let machines = [("10.0.0.1:9100", "db-1", "prod"), ("10.0.0.2:9100", "db-2", "prod")];
    let prometheus = Scripted::knowing(&machines, Script::Each(["97", "42"].into())).await;
    let settings = format!(
        "[metrics.prometheus]\nurl = \"{}\"\nscrape_interval = \"1s\"\n[detection]\nevery = \"1s\"\n",
        prometheus.url
    );
    let serving = connected(workspace, &settings);
    (prometheus, serving)
}

/// A bot that has told that.
async fn broken(workspace: &Workspace) -> (Scripted, Serving) {
    let broken = begins_to_break(workspace).await;
    workspace.wait("messages=1&channel=C1&text=97");
    broken
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_is_silenced_for_as_long_as_the_window_says() {
    let Some(workspace) = Workspace::new() else { return };
    let (_prometheus, serving) = broken(&workspace).await;
    let root = &workspace.said("C1")[0]["ts"];
    let press = json!({"channel": "C1", "ts": root, "label": "Silence for …", "user": "U1"});
    workspace.tell("press", &press);
    workspace.wait("views=1");
    workspace.tell("submit", &json!({"user": "U1", "values": {"": "90 min"}}));
    workspace.wait("channel=C1&text=silenced%20until");
    assert_eq!(workspace.state()["rejected"], json!([]));
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tab_of_the_app_shows_what_is_open() {
    let Some(workspace) = Workspace::new() else { return };
    let (prometheus, serving) = broken(&workspace).await;
    let shows = |wanted: &str| {
        let patience = Instant::now();
        loop {
            workspace.tell("home", &json!({"user": "U1"}));
            let state = workspace.wait("home=U1");
            if state["home"]["U1"].to_string().contains(wanted) {
                return state;
            }
            assert!(patience.elapsed() < Duration::from_secs(20), "no {wanted}: {state:#}");
        }
    };
    let state = shows("#1");
    assert_eq!(state["home"]["U1"]["type"], "home", "{state:#}");
    prometheus.set(Script::Number("42"));
    workspace.says("U1", "D1", "resolve 1 removed old logs");
    let state = shows("There is no open incident");
    assert!(!state["home"]["U1"].to_string().contains("#1"), "{state:#}");
    assert_eq!(state["rejected"], json!([]));
    assert_eq!(serving.stop(), 0);
}

/// Somebody presses a button that asks why, and sees the window.
pub(super) async fn asks_why(workspace: &Workspace, via: &Value) {
    let mut card = Card::titled("Approval needed").button("Reject", "reject 7F3K");
    card.buttons[0].ask = Some("Why?".to_owned());
    let (place, key) = (channel(workspace, "C1"), DedupeKey::new("approval"));
    let posted = adapter(workspace).post(&place, &card, &key).await.unwrap();
    let mut press = json!({"channel": "C1", "ts": posted.message, "label": "Reject", "user": "U1"});
    if !via.is_null() {
        press["via"] = via.clone();
    }
    workspace.tell("press", &press);
    workspace.wait("views=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_that_asks_opens_a_window_and_says_what_was_answered() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    asks_why(&workspace, &Value::Null).await;
    let state = workspace.state();
    assert!(state["views"][0].to_string().contains("Why?"), "{state:#}");
    workspace.tell("submit", &json!({"user": "U1", "values": {"": "not now"}}));
    let state = workspace.wait("ephemerals=1");
    assert!(shown(&state["ephemerals"][0]).contains("not available yet"), "{state:#}");
    assert_eq!(state["rejected"], json!([]));
    assert_eq!(serving.stop(), 0);
}

#[tokio::test]
async fn a_picture_that_slack_does_not_show_yet_is_tried_again_and_then_described() {
    let Some(workspace) = Workspace::new() else { return };
    let image = Image { name: "cpu.png".into(), png: vec![1, 2, 3], alt: "CPU of web-1".into() };
    let card = Card::titled("CPU").with(Block::Image(image));
    let (slack, place) = (adapter(&workspace), channel(&workspace, "C1"));
    for (times, shows) in [(1, "slack_file"), (3, "[picture] CPU of web-1")] {
        let fault = json!({"method": "chat.postMessage", "kind": "error", "error": "invalid_blocks",
            "times": times});
        workspace.tell("fault", &fault);
        slack.post(&place, &card, &DedupeKey::new(shows)).await.unwrap();
        let said = workspace.said("C1");
        assert!(shown(said.last().unwrap()).contains(shows), "{said:#?}");
    }
    // The picture was uploaded once.
    assert_eq!(workspace.state()["files"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_too_long_is_a_file_in_the_thread() {
    let Some(workspace) = Workspace::new() else { return };
    let slack = adapter(&workspace);
    let card = Card::titled("log").with(Block::Code("x\n".repeat(10_000)));
    let card = card.fit(&slack.capabilities());
    let posted = slack.post(&channel(&workspace, "C1"), &card, &DedupeKey::new("k")).await.unwrap();
    let state = workspace.state();
    let files: Vec<_> = state["files"].as_object().unwrap().values().collect();
    assert!(files.len() == 1 && files[0]["size"].as_u64().unwrap() > 20_000, "{files:#?}");
    let shared = workspace.said("C1").into_iter().find(|it| !it["files"].is_null()).unwrap();
    assert_eq!(shared["thread_ts"], json!(posted.message), "{shared:#}");
    assert_eq!(state["rejected"], json!([]));
}

#[test]
fn the_doctor_looks_at_the_tokens_what_they_may_do_the_clock_and_the_channels() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    let looks = || String::from_utf8_lossy(&serving.bot.run(&["doctor"]).stdout).into_owned();
    let found = looks();
    for wanted in
        ["all that the bot does", "Socket Mode can connect", "the bot is in it", "s apart"]
    {
        assert!(found.contains(wanted), "{wanted} in {found}");
    }
    workspace.set("scopes", "chat:write,commands");
    let found = looks();
    assert!(found.contains("lacks app_mentions:read, channels:history"), "{found}");
    workspace.set("revoked", true);
    let found = looks();
    assert!(found.contains("WRONG  slack bot token"), "{found}");
    assert_eq!(serving.stop(), 0);
}

#[tokio::test]
async fn a_file_that_slack_did_not_take_at_once_is_shared_later_and_once() {
    let Some(workspace) = Workspace::new() else { return };
    let (slack, place) = (adapter(&workspace), channel(&workspace, "C1"));
    let card = Card::titled("log").with(Block::Code("x\n".repeat(10_000)));
    let card = card.fit(&slack.capabilities());
    let method = "files.completeUploadExternal";
    for (kind, key) in [("429", "waits"), ("drop_after", "cut")] {
        let before = workspace.said("C1").len();
        let fault = json!({"method": method, "kind": kind, "times": 1, "retry_after": 1});
        workspace.tell("fault", &fault);
        let first = slack.post(&place, &card, &DedupeKey::new(key)).await;
        assert!(first.is_err(), "{kind}: {first:?}");
        let again = DedupeKey { key: key.to_owned(), again: Some(Clock::system().now()) };
        // Slack asks for a second.
        let mut posted = slack.post(&place, &card, &again).await;
        while matches!(posted, Err(ChatError::RateLimited { .. })) {
            tokio::task::yield_now().await;
            posted = slack.post(&place, &card, &again).await;
        }
        posted.unwrap();
        slack.post(&place, &card, &again).await.unwrap();
        let said = workspace.said("C1").split_off(before);
        let files = said.iter().filter(|it| !it["files"].is_null()).count();
        assert_eq!((said.len(), files), (2, 1), "{kind}: {said:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_sees_within_a_second_that_it_was_heard() {
    let Some(workspace) = Workspace::new() else { return };
    let machines = [("10.0.0.1:9100", "db-1", "prod")];
    let prometheus = Scripted::knowing(&machines, Script::Silence).await;
    let settings = format!("[metrics.prometheus]\nurl = \"{}\"\n", prometheus.url);
    let serving = connected(&workspace, &settings);
    let asked = workspace.says("U1", "C1", "<@UBOT> cpu of db-1");
    let since = Instant::now();
    let state = workspace.wait("reactions=1");
    // On a busy machine.
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    assert_eq!(state["reactions"][0]["ts"], json!(asked), "{:#}", state["reactions"]);
    prometheus.set(Script::Number("42"));
    workspace.wait("messages=1&channel=C1&text=42");
    assert_eq!(serving.stop(), 0);
}

#[tokio::test]
async fn where_the_bot_may_not_read_what_was_said_a_file_is_shared_all_the_same() {
    let Some(workspace) = Workspace::new() else { return };
    let (slack, place) = (adapter(&workspace), channel(&workspace, "C1"));
    let card = Card::titled("log").with(Block::Code("x\n".repeat(10_000)));
    let card = card.fit(&slack.capabilities());
    let fault = json!({"method": "conversations.replies", "kind": "error", "error": "missing_scope", "times": 9});
    workspace.tell("fault", &fault);
    let again = DedupeKey { key: "k".to_owned(), again: Some(Clock::system().now()) };
    slack.post(&place, &card, &again).await.unwrap();
    assert!(workspace.said("C1").iter().any(|it| !it["files"].is_null()));
}

#[tokio::test]
async fn every_long_answer_in_a_talk_has_its_file_also_when_slack_asks_to_wait() {
    let Some(workspace) = Workspace::new() else { return };
    let slack = adapter(&workspace);
    let card = Card::titled("log").with(Block::Code("x\n".repeat(10_000)));
    let card = card.fit(&slack.capabilities());
    let root = slack.post(&channel(&workspace, "C1"), &card, &DedupeKey::new("1")).await.unwrap();
    let talk = slack.thread_of(&root);
    let fault = json!({"method": "files.completeUploadExternal", "kind": "500", "times": 1});
    workspace.tell("fault", &fault);
    assert!(slack.post(&talk, &card, &DedupeKey::new("2")).await.is_err());
    let again = DedupeKey { key: "2".to_owned(), again: Some(Clock::system().now()) };
    slack.post(&talk, &card, &again).await.unwrap();
    let files = workspace.said("C1").iter().filter(|it| !it["files"].is_null()).count();
    assert_eq!(files, 2);
}

/// Alone with the bot, a message said that the answer would come; nobody knows whether the answer did.
#[tokio::test]
async fn an_answer_for_one_is_not_taken_for_what_said_that_it_would_come() {
    let Some(workspace) = Workspace::new() else { return };
    let (slack, place) = (adapter(&workspace), channel(&workspace, "D1"));
    let person = workspace.person("U1").parse().unwrap();
    let key = DedupeKey::new("answer:slack:T:message:D1:1");
    slack.post(&place, &Card::titled("Working on it …"), &key).await.unwrap();
    let again = DedupeKey { again: Some(Clock::system().now()), ..key };
    for _ in 0..2 {
        slack.whisper(&person, &place, &Card::titled("the code"), &again).await.unwrap();
    }
    let said: Vec<_> = workspace.said("D1").iter().map(shown).collect();
    assert!(said.len() == 2 && said[1].contains("the code"), "{said:#?}");
}

/// Where the bot is no member, an answer goes to the address that came with its question, and nothing else does.
#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_a_command_is_for_its_answer_alone() {
    let Some(workspace) = Workspace::new() else { return };
    let (slack, shutdown) = (Arc::new(adapter(&workspace)), CancellationToken::new());
    let (inbox, mut heard) = Inbox::bounded(10);
    let running = tokio::spawn({
        let (slack, shutdown) = (slack.clone(), shutdown.clone());
        async move { slack.run(inbox, shutdown).await }
    });
    workspace.wait("connections=1");
    let mut asked = Vec::new();
    for (user, text) in [("U3", "link"), ("U2", "status")] {
        let command = json!({"channel": "C9", "user": user, "command": "/ops", "text": text});
        workspace.tell("command", &command);
        asked.push(heard.recv().await.unwrap().recorded());
    }
    let key = DedupeKey::new(asked[0].answer_key());
    let place = channel(&workspace, "C9");
    slack.whisper(&asked[0].from, &place, &Card::titled("the code"), &key).await.unwrap();
    let told = workspace.state()["ephemerals"].clone();
    assert_eq!((told.as_array().unwrap().len(), &told[0]["user"]), (1, &json!("U3")), "{told:#}");
    let alert = slack.post(&place, &Card::titled("#1"), &DedupeKey::new("incident:1")).await;
    assert!(matches!(alert, Err(ChatError::Barred { .. })), "{alert:?}");
    assert!(workspace.said("C9").is_empty());
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

#[test]
fn buttons_of_an_answer_are_answered_also_where_the_bot_is_no_member() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    let said = json!({"channel": "C9", "user": "U1", "command": "/ops", "text": "help"});
    workspace.tell("command", &said);
    workspace.wait("messages=1&channel=C9");
    let help = &workspace.said("C9")[0]["ts"];
    let press = json!({"channel": "C9", "ts": help, "label": "Open incidents", "user": "U1"});
    workspace.tell("press", &press);
    workspace.wait("messages=2&channel=C9");
    let rejected = workspace.state()["rejected"].clone();
    let is_expected = |it: &Value| it["why"] == "not_in_channel";
    assert!(rejected.as_array().unwrap().iter().all(is_expected), "{rejected:#}");
    assert_eq!(serving.stop(), 0);
}
