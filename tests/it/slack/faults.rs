//! What can go wrong between Slack and the bot, by the number of the fault.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use chat::{Card, ChatAdapter as _, ChatError, Condition, DedupeKey, Delivery, Inbox};
use serde_json::{Value, json};
use smartcloudops::clock::Clock;
use sqlx::{Connection as _, SqliteConnection};
use tokio::{sync::mpsc::Receiver, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    adapter,
    answers::{asks_why, begins_to_break},
    channel, connected, grant,
};
use crate::support::{
    scripted::{Script, Scripted},
    serving::Serving,
    slack::Workspace,
};

/// A bot that hears through signed requests, and where they go.
fn requested(workspace: &Workspace) -> (Serving, String) {
    let serving = Serving::start(&workspace.http_settings());
    grant(&serving, workspace);
    let address = format!("http://127.0.0.1:{}/slack", serving.port);
    serving.becomes("slack", |slack| slack["ok"] == true);
    (serving, address)
}

fn statuses(answer: &Value) -> Vec<u64> {
    let responses = answer["responses"].as_array().unwrap();
    responses.iter().map(|response| response["status"].as_u64().unwrap()).collect()
}

#[test]
fn f01_an_event_that_is_delivered_again_is_answered_once() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    let said = json!({"channel": "C1", "user": "U1", "text": "<@UBOT> help", "copies": 4});
    workspace.tell("message", &said);
    workspace.wait("acks=8");
    workspace.says("U1", "C1", "<@UBOT> whoami");
    workspace.wait("messages=2&channel=C1");
    assert_eq!(workspace.said("C1").len(), 2, "one answer to each");
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_with_a_stalled_database_slack_is_told_within_a_second_to_come_again() {
    let Some(workspace) = Workspace::new() else { return };
    let (serving, address) = requested(&workspace);
    let database = format!("sqlite:{}", serving.bot.directory().join("bot.db").display());
    let mut stalling = SqliteConnection::connect(&database).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut stalling).await.unwrap();
    let events = format!("{address}/events");
    let mut said = json!({"channel": "D1", "user": "U1", "text": "help", "via": {"url": events}});
    let refused = workspace.tell("message", &said);
    assert_eq!(statuses(&refused), [503]);
    let waited = refused["responses"][0]["ms"].as_f64().unwrap();
    assert!(waited < 1_000.0, "{waited} ms");
    sqlx::query("ROLLBACK").execute(&mut stalling).await.unwrap();
    // Slack comes again, and what it brings is answered.
    said["via"]["retry"] = json!({"num": 1, "reason": "http_error"});
    assert_eq!(statuses(&workspace.tell("message", &said)), [200]);
    workspace.wait("messages=1&channel=D1");
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_with_a_stalled_database_who_does_something_is_told_within_a_second_and_nothing_is_lost()
 {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    let mut stalling = SqliteConnection::connect(&serving.database()).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut stalling).await.unwrap();
    let said = workspace.says("U1", "D1", "help");
    let command = json!({"channel": "C1", "user": "U1", "command": "/ops", "text": "whoami"});
    workspace.tell("command", &command);
    let state = workspace.wait("ephemerals=1&acks=1");
    let told = state["ephemerals"][0].to_string();
    assert!(told.contains("cannot write it down"), "{told}");
    let ack = &state["acks"][0];
    assert_eq!(ack["type"], "slash_commands", "an event comes again: {said} {ack:#}");
    assert!(ack["ms"].as_f64().unwrap() < 1_000.0, "{ack:#}");
    sqlx::query("ROLLBACK").execute(&mut stalling).await.unwrap();
    workspace.wait("messages=1&channel=D1");
    workspace.wait("text=Admin");
    assert_eq!(workspace.said("D1").len(), 1, "answered once, however often it came");
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_with_a_stalled_database_a_window_stays_open_and_says_so() {
    for over_a_socket in [true, false] {
        let Some(workspace) = Workspace::new() else { return };
        let (serving, via) = if over_a_socket {
            (connected(&workspace, ""), Value::Null)
        } else {
            let (serving, address) = requested(&workspace);
            (serving, json!({"url": format!("{address}/interactions")}))
        };
        asks_why(&workspace, &via).await;
        let mut submit = json!({"user": "U1", "values": {"": "not now"}});
        if !over_a_socket {
            submit["via"] = via;
        }
        let mut stalling = SqliteConnection::connect(&serving.database()).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut stalling).await.unwrap();
        workspace.tell("submit", &submit);
        let state = workspace.wait("errors=1");
        let errors = &state["views"][0]["errors"];
        assert!(errors.to_string().contains("not written down yet"), "{errors:#}");
        sqlx::query("ROLLBACK").execute(&mut stalling).await.unwrap();
        // Sent again it is done once.
        workspace.wait("ephemerals=1");
        workspace.tell("submit", &submit);
        workspace.wait("closed=1");
        let mut asks = json!({"channel": "D1", "user": "U1", "text": "whoami"});
        if !over_a_socket {
            asks["via"] = json!({"url": submit["via"]["url"].as_str().unwrap().replace("interactions", "events")});
        }
        workspace.tell("message", &asks);
        let state = workspace.wait("messages=1&channel=D1");
        assert_eq!(state["ephemerals"].as_array().unwrap().len(), 1, "{state:#}");
        assert!(state["ephemerals"][0].to_string().contains("not available yet"), "{state:#}");
        assert_eq!(state["rejected"], json!([]));
        assert_eq!(serving.stop(), 0);
    }
}

#[test]
fn f02_that_slack_holds_events_back_is_told() {
    let Some(workspace) = Workspace::new() else { return };
    let (serving, address) = requested(&workspace);
    let payload = json!({"token": "t", "type": "app_rate_limited", "team_id": workspace.team(),
        "minute_rate_limited": 1_518_467_820, "api_app_id": "A"});
    let url = format!("{address}/events");
    workspace.tell("event", &json!({"payload": payload, "via": {"url": url}}));
    serving.becomes("slack", |slack| {
        slack["ok"] == false && slack["detail"].as_str().unwrap().contains("holds events back")
    });
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f02_that_slack_holds_events_back_is_told_over_a_socket_too() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    let payload = json!({"token": "t", "type": "app_rate_limited", "team_id": workspace.team(),
        "minute_rate_limited": 1_518_467_820, "api_app_id": "A"});
    workspace.tell("envelope", &json!({"type": "events_api", "payload": payload}));
    serving.becomes("slack", |slack| {
        slack["ok"] == false && slack["detail"].as_str().unwrap().contains("holds events back")
    });
    workspace.wait("messages=1&channel=C1&text=holds%20events%20back");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f10_a_connection_on_which_nothing_comes_is_left() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    let opened = || workspace.state()["calls"]["apps.connections.open"].as_u64().unwrap();
    let before = opened();
    workspace.set("mute", true);
    let patience = Instant::now();
    while opened() == before {
        assert!(patience.elapsed() < Duration::from_mins(1), "it waits for ever");
        std::thread::sleep(Duration::from_millis(200));
    }
    workspace.set("mute", false);
    workspace.says("U1", "D1", "help");
    workspace.wait("messages=1&channel=D1");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f03_slack_closes_connections_and_nothing_is_lost() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    for round in 1..=20 {
        workspace.says("U1", "D1", "help");
        workspace.tell("disconnect", &json!({"reason": "refresh_requested", "close_after": 0.3}));
        workspace.says("U1", "D1", "whoami");
        workspace.wait(&format!("messages={}&channel=D1", 2 * round));
    }
    let state = workspace.state();
    assert_eq!(workspace.said("D1").len(), 40);
    assert_eq!(state["unacked"], json!([]), "{:#}", state["unacked"]);
    assert_eq!(serving.stop(), 0);
}

/// Slack brings commands once: one that comes over a connection which is about to end is heard there.
#[tokio::test(flavor = "multi_thread")]
async fn f03_a_thousand_commands_over_twenty_connections_are_heard_once() {
    let Some(workspace) = Workspace::new() else { return };
    let hearing = Hearing::begin(adapter(&workspace), 1_000);
    workspace.wait("connections=1");
    let opened = || workspace.state()["calls"]["apps.connections.open"].as_u64().unwrap();
    for round in 0..20 {
        let before = opened();
        for number in 0..50 {
            if number == 25 {
                let about = json!({"reason": "refresh_requested", "close_after": 0.05});
                workspace.tell("disconnect", &about);
            }
            let text = format!("whoami {round} {number}");
            let command = json!({"channel": "D1", "user": "U1", "command": "/ops", "text": text});
            workspace.tell("command", &command);
        }
        let patience = Instant::now();
        while opened() == before {
            assert!(patience.elapsed() < Duration::from_secs(20), "it did not connect anew");
        }
    }
    hearing.end().await;
    let state = workspace.state();
    assert_eq!((&state["unacked"], &state["lost"]), (&json!([]), &json!(0)), "{state:#}");
}

/// An adapter at work whose events somebody counts.
struct Hearing {
    slack: Arc<slack::Slack>,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), ChatError>>,
    heard: JoinHandle<Receiver<Delivery>>,
}

impl Hearing {
    /// Until so many different texts were heard, none of them twice.
    fn begin(slack: slack::Slack, texts: usize) -> Self {
        let (slack, shutdown) = (Arc::new(slack), CancellationToken::new());
        let (inbox, mut heard) = Inbox::bounded(10);
        let running = tokio::spawn({
            let (slack, shutdown) = (slack.clone(), shutdown.clone());
            async move { slack.run(inbox, shutdown).await }
        });
        let heard = tokio::spawn(async move {
            let mut known = BTreeSet::new();
            while known.len() < texts {
                let text = heard.recv().await.unwrap().recorded().text;
                assert!(known.insert(text.clone()), "{text} was heard twice");
            }
            heard
        });
        Self { slack, shutdown, running, heard }
    }

    /// Waits until all of it was heard, and a condition holds.
    async fn hears_all(&mut self) {
        let patience = Duration::from_secs(40);
        let heard = tokio::time::timeout(patience, &mut self.heard).await.unwrap().unwrap();
        // What is still to come is taken too.
        self.heard = tokio::spawn(async move { heard });
    }

    async fn becomes(&self, holds: fn(&Condition) -> bool) {
        let patience = Instant::now();
        while !holds(&self.slack.condition()) {
            assert!(patience.elapsed() < Duration::from_secs(20), "{:?}", self.slack.condition());
            tokio::task::yield_now().await;
        }
    }

    async fn end(mut self) {
        self.hears_all().await;
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
    }
}

#[test]
fn f04_connections_of_others_are_found_and_told_and_a_command_can_be_typed_instead() {
    let Some(workspace) = Workspace::new() else { return };
    workspace.set("ghosts", 9);
    let serving = connected(&workspace, "");
    serving.becomes("slack", |slack| {
        slack["ok"] == false && slack["detail"].as_str().unwrap().contains("10 connections")
    });
    let begun = Instant::now();
    let state = workspace.wait("messages=1&channel=C1");
    assert!(begun.elapsed() < Duration::from_mins(1));
    let told = state["messages"]["C1"][0].to_string();
    assert!(told.contains("type the command instead"), "{told}");
    // Slack sends events again, and sooner or later one comes here.
    workspace.set("redeliver_after", 0.05);
    for _ in 0..40 {
        workspace.says("U1", "D1", "approve 7F3K");
    }
    workspace.wait("messages=1&channel=D1&text=not%20available%20yet");
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_connections_that_others_open_later_are_counted_and_no_command_is_lost_for_it() {
    let Some(workspace) = Workspace::new() else { return };
    let often = adapter(&workspace).counting_connections_every(Duration::from_millis(20));
    let mut hearing = Hearing::begin(often, 300);
    workspace.wait("connections=1");
    // Slack brings a command once, on whichever connection there is at that moment.
    for number in 0..300 {
        let text = format!("whoami {number}");
        let command = json!({"channel": "D1", "user": "U1", "command": "/ops", "text": text});
        workspace.tell("command", &command);
    }
    hearing.hears_all().await;
    hearing.becomes(|condition| *condition == Condition::Connected).await;
    workspace.set("ghosts", 3);
    hearing.becomes(|condition| matches!(condition, Condition::Degraded(_))).await;
    workspace.set("ghosts", 0);
    hearing.becomes(|condition| *condition == Condition::Connected).await;
    let opened = workspace.state()["calls"]["apps.connections.open"].as_u64().unwrap();
    assert!(opened > 5, "{opened}");
    hearing.end().await;
}

#[tokio::test]
async fn f05_slack_says_how_long_to_wait() {
    let Some(workspace) = Workspace::new() else { return };
    let fault = json!({"method": "chat.postMessage", "kind": "429", "times": 1, "retry_after": 7});
    workspace.tell("fault", &fault);
    let card = Card::titled("hello");
    let slack = adapter(&workspace);
    let posted = slack.post(&channel(&workspace, "C1"), &card, &DedupeKey::new("k")).await;
    let Err(ChatError::RateLimited { retry_after, .. }) = posted else { panic!("{posted:?}") };
    assert_eq!(retry_after.as_secs(), 7);
}

#[tokio::test]
async fn f05_a_method_that_slack_limits_is_not_called_before_and_the_others_are() {
    let Some(workspace) = Workspace::new() else { return };
    let (slack, place) = (adapter(&workspace), channel(&workspace, "C1"));
    let card = Card::titled("hello");
    let posted = slack.post(&place, &card, &DedupeKey::new("k")).await.unwrap();
    let fault = json!({"method": "chat.update", "kind": "429", "times": 1, "retry_after": 7});
    workspace.tell("fault", &fault);
    for _ in 0..3 {
        let edited = slack.edit(&posted, &card).await;
        assert!(matches!(edited, Err(ChatError::RateLimited { .. })), "{edited:?}");
    }
    assert_eq!(workspace.state()["calls"]["chat.update"], 1);
    slack.post(&place, &card, &DedupeKey::new("other")).await.unwrap();
}

#[test]
fn f05_in_a_storm_of_refusals_no_answer_is_lost() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    let fault = json!({"method": "chat.postMessage", "kind": "429", "times": 3, "retry_after": 1});
    workspace.tell("fault", &fault);
    let root = workspace.says("U1", "C1", "<@UBOT> help");
    let questions = ["whoami", "help cpu", "incidents", "roles", "status"];
    for text in questions {
        let said = json!({"channel": "C1", "user": "U1", "thread_ts": root,
            "text": format!("<@UBOT> {text}")});
        workspace.tell("message", &said);
    }
    workspace.wait("messages=6&channel=C1");
    assert_eq!(workspace.said("C1").len(), 6);
    assert_eq!(serving.stop(), 0);
}

#[tokio::test]
async fn f06_a_message_whose_answer_was_lost_is_not_posted_again() {
    let Some(workspace) = Workspace::new() else { return };
    let (slack, place) = (adapter(&workspace), channel(&workspace, "C1"));
    for (number, kind) in ["drop_after", "half_body"].into_iter().enumerate() {
        let fault = json!({"method": "chat.postMessage", "kind": kind, "times": 1});
        workspace.tell("fault", &fault);
        let card = Card::titled(kind);
        let first = slack.post(&place, &card, &DedupeKey::new(kind)).await;
        assert!(matches!(first, Err(ChatError::Unreachable { .. })), "{kind}: {first:?}");
        let again = DedupeKey { key: kind.to_owned(), again: Some(Clock::system().now()) };
        let second = slack.post(&place, &card, &again).await.unwrap();
        let said = workspace.said("C1");
        assert_eq!(said.len(), number + 1, "{kind}: {said:#?}");
        assert_eq!(said[number]["ts"], json!(second.message));
    }
}

#[test]
fn f07_what_slack_did_not_sign_is_not_even_read() {
    let Some(workspace) = Workspace::new() else { return };
    let (serving, address) = requested(&workspace);
    let events = format!("{address}/events");
    let via = |more: Value| {
        let mut via = json!({"url": events});
        for (name, value) in more.as_object().unwrap() {
            via[name] = value.clone();
        }
        json!({"channel": "D1", "user": "U1", "text": "help", "via": via})
    };
    let tampered = [
        "appended",
        "somebody else",
        "later",
        "words",
        "negative",
        "flipped",
        "version",
        "bare",
        "short",
        "long",
        "capitals",
        "empty",
        "prefix",
    ];
    let others = [json!({"secret": "another"}), json!({"age": 400}), json!({"age": -400})];
    for forged in tampered.map(|how| json!({"tamper": how})).into_iter().chain(others) {
        assert_eq!(statuses(&workspace.tell("message", &via(forged.clone()))), [401], "{forged}");
        let mut command = json!({"channel": "C1", "user": "U1", "command": "/ops", "text": "help",
            "via": {"url": format!("{address}/commands")}});
        command["via"].as_object_mut().unwrap().extend(forged.as_object().unwrap().clone());
        assert_eq!(statuses(&workspace.tell("command", &command)), [401], "{forged}");
    }
    assert_eq!(unsigned(&serving, &[]), 401);
    assert_eq!(unsigned(&serving, &["X-Slack-Request-Timestamp: 1700000000"]), 401);
    assert_eq!(
        unsigned(&serving, &["X-Slack-Request-Timestamp: now", "X-Slack-Signature: v0=00"]),
        401
    );
    assert!(workspace.said("D1").is_empty() && workspace.said("C1").is_empty());
    // The same request again is the same event.
    let mut signed = via(json!({}));
    signed["copies"] = json!(3);
    assert_eq!(statuses(&workspace.tell("message", &signed)), [200, 200, 200]);
    workspace.says("U2", "D2", "help");
    let second = json!({"channel": "D1", "user": "U1", "text": "whoami", "via": {"url": events}});
    workspace.tell("message", &second);
    workspace.wait("messages=2&channel=D1");
    assert_eq!(workspace.said("D1").len(), 2);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f07_commands_and_buttons_that_come_as_requests_are_signed_and_count_once() {
    let Some(workspace) = Workspace::new() else { return };
    let (serving, address) = requested(&workspace);
    let command = json!({"channel": "C1", "user": "U1", "command": "/ops", "text": "help", "copies": 3,
        "via": {"url": format!("{address}/commands")}});
    assert_eq!(statuses(&workspace.tell("command", &command)), [200, 200, 200]);
    workspace.wait("messages=1&channel=C1");
    let help = workspace.said("C1")[0]["ts"].clone();
    let via = |more: Value| {
        let mut via = json!({"url": format!("{address}/interactions")});
        via.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"channel": "C1", "ts": help, "label": "Open incidents", "user": "U1", "copies": 3, "via": via})
    };
    for forged in
        [json!({"tamper": "somebody else"}), json!({"secret": "another"}), json!({"age": 400})]
    {
        assert_eq!(statuses(&workspace.tell("press", &via(forged.clone()))), [401; 3], "{forged}");
    }
    assert_eq!(statuses(&workspace.tell("press", &via(json!({})))), [200, 200, 200]);
    workspace.wait("messages=2&channel=C1");
    workspace.says("U1", "C2", "<@UBOT> whoami");
    let last = json!({"channel": "C1", "user": "U1", "command": "/ops", "text": "whoami",
        "via": {"url": format!("{address}/commands")}});
    workspace.tell("command", &last);
    workspace.wait("messages=3&channel=C1");
    assert_eq!(workspace.said("C1").len(), 3, "{:#?}", workspace.said("C1"));
    assert_eq!(serving.stop(), 0);
}

/// The status of a request with these headers and no good signature.
fn unsigned(serving: &Serving, headers: &[&str]) -> u16 {
    use std::{
        io::{Read as _, Write as _},
        net::TcpStream,
    };
    let mut stream = TcpStream::connect(("127.0.0.1", serving.port)).unwrap();
    let headers = headers.join("\r\n") + if headers.is_empty() { "" } else { "\r\n" };
    write!(
        stream,
        "POST /slack/events HTTP/1.1\r\nHost: bot\r\nConnection: close\r\n{headers}Content-Length: \
         2\r\n\r\n{{}}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn f11_a_second_process_on_the_same_token_does_not_serve() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    let said = serving.another();
    assert!(said.contains("another process serves from"), "{said}");
    for _ in 0..10 {
        workspace.says("U1", "D1", "help");
    }
    workspace.wait("messages=10&channel=D1");
    assert_eq!(workspace.said("D1").len(), 10, "each is answered once");
    assert_eq!(workspace.state()["connections"], 1);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f19_an_edited_message_may_ask_and_never_acts() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    let ts = workspace.says("U1", "D1", "help");
    workspace.wait("messages=1&channel=D1");
    let edit = json!({"channel": "D1", "ts": ts, "user": "U1", "text": "grant viewer <@U5>"});
    workspace.tell("edit", &edit);
    workspace.says("U1", "D1", "whoami");
    workspace.wait("messages=2&channel=D1&text=U1");
    let shown = serving.bot.run(&["roles", "list"]);
    let roles = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(roles.contains("U2") && !roles.contains("U5"), "{roles}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f20_bots_and_the_bots_own_words_are_not_answered() {
    let Some(workspace) = Workspace::new() else { return };
    workspace.set("echo", true);
    let serving = connected(&workspace, "");
    let robot = json!({"channel": "C1", "user": "U4", "bot_id": "BOTHER", "text": "<@UBOT> help"});
    workspace.tell("message", &robot);
    let webhook = json!({"channel": "C1", "user": "U4", "bot_id": "BHOOK", "subtype": "bot_message",
        "text": "<@UBOT> help"});
    workspace.tell("message", &webhook);
    for round in 1..=3 {
        workspace.says("U1", "C1", "<@UBOT> help");
        workspace.wait(&format!("messages={round}&channel=C1"));
    }
    workspace.says("U1", "D1", "whoami");
    workspace.wait("messages=1&channel=D1");
    assert_eq!(workspace.said("C1").len(), 3);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f21_a_name_decides_nothing() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    workspace.says("U1", "D1", "whoami");
    workspace.wait("messages=1&channel=D1");
    // A stranger calls himself like the Admin.
    workspace.set("named", json!({"U3": "user1"}));
    workspace.says("U3", "C1", "<@UBOT> grant admin <@U3>");
    workspace.wait("ephemerals=1");
    let shown = serving.bot.run(&["roles", "list"]);
    let roles = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(roles.contains("U1") && !roles.contains("U3"), "{roles}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f22_people_of_another_workspace_are_not_answered() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    let foreign = json!({"channel": "C1", "user": "U1", "team": "TOTHER", "text": "<@UBOT> help"});
    workspace.tell("message", &foreign);
    workspace.says("U1", "C1", "<@UBOT> whoami");
    workspace.wait("messages=1&channel=C1");
    assert_eq!(workspace.said("C1").len(), 1);
    assert!(workspace.state()["ephemerals"].as_array().unwrap().is_empty());
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f23_a_revoked_token_pauses_slack_and_nothing_is_lost() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    workspace
        .tell("fault", &json!({"method": "chat.postMessage", "kind": "drop_before", "times": 1}));
    workspace.says("U1", "D1", "help");
    workspace.wait("acks=1");
    workspace.set("revoked", true);
    serving.becomes("slack", |slack| {
        slack["ok"] == false && slack["detail"].as_str().unwrap().contains("token_revoked")
    });
    workspace.set("revoked", false);
    serving.becomes("slack", |slack| slack["ok"] == true);
    workspace.wait("messages=1&channel=D1");
    assert_eq!(workspace.said("D1").len(), 1);
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_what_a_machine_is_called_mentions_nobody_and_is_no_link() {
    const EVIL: &str = "<!channel> <@U2> <https://evil.example/x|ok> @everyone *b*";
    let Some(workspace) = Workspace::new() else { return };
    let machines = [("10.0.0.1:9100", EVIL, "prod"), ("10.0.0.2:9100", "db-1", "prod")];
    let prometheus = Scripted::knowing(&machines, Script::Number("42")).await;
    let settings = format!("[metrics.prometheus]\nurl = \"{}\"\n", prometheus.url);
    let serving = connected(&workspace, &settings);
    workspace.says("U1", "D1", "top 2 hosts by cpu");
    let state = workspace.wait("messages=1&channel=D1");
    let answer = &workspace.said("D1")[0];
    let text = answer["text"].as_str().unwrap();
    assert!(!text.contains('<') && !text.contains('>'), "{text}");
    let blocks = answer.to_string();
    // It is shown: it is not for want of it that nothing is live.
    assert!(blocks.contains("evil.example"), "{blocks}");
    for live in ["\"mrkdwn\"", "\"type\":\"link\"", "\"type\":\"user\"", "\"type\":\"broadcast\""] {
        assert!(!blocks.contains(live), "{live} in {blocks}");
    }
    assert_eq!((&answer["unfurl_links"], &answer["unfurl_media"]), (&json!(false), &json!(false)));
    assert_eq!(answer["link_names"], json!(false));
    assert_eq!(state["rejected"], json!([]));
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f20_a_thread_that_runs_away_is_left_alone_and_told_of() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "[bot]\nanswers_in_thread = 3\n");
    let root = workspace.says("U1", "C1", "<@UBOT> help");
    for _ in 0..5 {
        let said =
            json!({"channel": "C1", "user": "U1", "thread_ts": root, "text": "<@UBOT> help"});
        workspace.tell("message", &said);
    }
    workspace.wait("messages=4&channel=C1");
    workspace.says("U1", "D1", "whoami");
    workspace.wait("messages=1&channel=D1");
    let said = workspace.said("C1");
    let (answers, told): (Vec<_>, Vec<_>) =
        said.iter().partition(|it| it["thread_ts"] == root.as_str());
    assert_eq!((answers.len(), told.len()), (3, 1), "{said:#?}");
    assert!(told[0].to_string().contains("I stopped answering somebody"), "{told:#?}");
    assert!(said.iter().any(|it| it.to_string().contains("I say nothing more")), "{said:#?}");
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn f23_in_a_channel_that_it_was_taken_out_of_the_bot_answers_commands_all_the_same() {
    let Some(workspace) = Workspace::new() else { return };
    workspace.tell("set", &json!({"member": {"C1": false}}));
    let (_prometheus, serving) = begins_to_break(&workspace).await;
    let asks = |text: &str| {
        let said = json!({"channel": "C1", "user": "U1", "command": "/ops", "text": text});
        workspace.tell("command", &said);
    };
    serving.counts("posts_total{outcome=\"put_back\",platform=\"slack\"}");
    asks("whoami");
    workspace.wait("messages=1&channel=C1&text=Admin");
    assert_eq!(workspace.said("C1").len(), 1);
    assert_eq!(serving.stop(), 0);
}
