//! Who is answered, where, and who sees it.

use std::time::{Duration, Instant};

use chat::{Block, Card, ChatAdapter as _, DedupeKey, File, Image};
use discord::Discord;
use serde_json::{Value, json};
use smartcloudops::clock::Clock;

use super::{channel, connected};
use crate::support::{
    discord::Server,
    peers,
    scripted::{Script, Scripted},
    serving::Serving,
};

#[test]
fn a_question_in_a_channel_is_answered_in_a_thread_with_a_picture() {
    let Some(server) = Server::new() else { return };
    for prometheus in peers::fleets().into_iter().take(1) {
        let settings = format!("[metrics.prometheus]\nurl = \"{prometheus}\"\ntimeout = \"10s\"\n");
        let serving = connected(&server, &settings);
        let asked = server.says("U1", "C1", "<@BOT> cpu of web-1 over the last 6h as a chart");
        let state = server.wait("messages=1&text=web-1");
        let thread = server.thread(&asked);
        assert_eq!(state["threads"][&thread]["name"], "cpu of web-1 over the last 6h as a chart");
        let answer = &server.said(&thread)[0];
        let picture = &answer["attachments"][0];
        assert!(picture["description"].as_str().unwrap().contains("web-1"), "{answer:#}");
        assert!(picture["width"].as_u64().unwrap() > 100, "{answer:#}");
        assert_eq!(answer["allowed_mentions"], json!({"parse": []}), "{answer:#}");
        assert_eq!(state["rejected"], json!([]));
        assert_eq!(serving.stop(), 0);
    }
}

#[test]
fn alone_with_the_bot_answers_stand_beside_the_question() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    server.says("U1", "D1", "help");
    server.wait("messages=1&channel=D1");
    server.says("U1", "D1", "whoami");
    let state = server.wait("messages=2&channel=D1");
    assert_eq!(state["threads"], json!({}));
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_command_is_deferred_at_once_and_answered_in_its_place_also_where_the_bot_may_not_write() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    for (number, channel) in ["C1", "C9"].into_iter().enumerate() {
        let said = json!({"channel": channel, "user": "U1", "name": "ops",
            "options": [{"name": "help", "type": 1}]});
        server.tell("command", &said);
        let state = server.wait(&format!("messages=1&channel={channel}"));
        assert_eq!(state["interactions"][number]["type"], 5, "{state:#}");
        assert_eq!(server.said(channel).len(), 1);
    }
    assert_eq!(server.state()["rejected"], json!([]));
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_are_being_typed_are_completed_for_those_who_may_ask() {
    let Some(server) = Server::new() else { return };
    let machines = [("10.0.0.1:9100", "db-1", "prod"), ("10.0.0.2:9100", "web-1", "prod")];
    let prometheus = Scripted::knowing(&machines, Script::Number("42")).await;
    let settings = format!("[metrics.prometheus]\nurl = \"{}\"\n", prometheus.url);
    let serving = connected(&server, &settings);
    let typing = |user: &str, name: &str, typed: &str| {
        let option = json!({"name": name, "value": typed, "focused": true});
        let said = json!({"channel": "C1", "user": user, "name": "ops",
            "options": [{"name": "metric", "type": 1, "options": [option]}]});
        server.tell("autocomplete", &said);
    };
    let offered = |number: usize| -> Vec<Value> {
        let state = server.wait(&format!("interactions={}", number + 1));
        let choices = &state["interactions"][number]["data"]["choices"];
        choices.as_array().unwrap().iter().map(|it| it["value"].clone()).collect()
    };
    typing("U2", "host", "d");
    assert_eq!(offered(0), ["db-1"]);
    typing("U2", "metric", "mem");
    assert_eq!(offered(1), ["memory"]);
    typing("U3", "host", "d");
    assert!(offered(2).is_empty(), "a Guest may not know");
    let chosen = json!([{"name": "metric", "value": "cpu"}, {"name": "host", "value": "db-1"}]);
    let said = json!({"channel": "C1", "user": "U2", "name": "ops",
        "options": [{"name": "metric", "type": 1, "options": chosen}]});
    server.tell("command", &said);
    server.wait("channel=C1&text=42");
    assert_eq!(server.state()["rejected"], json!([]));
    assert_eq!(serving.stop(), 0);
}

#[test]
fn what_somebody_may_not_do_is_said_to_them_alone() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    // A message is answered in private, a command where only they see it.
    server.says("U2", "C1", "<@BOT> grant admin <@U2>");
    server.wait("channel=D2&text=Admin");
    let said = json!({"channel": "C1", "user": "U2", "name": "ops", "options": [
        {"name": "ask", "type": 1, "options": [{"name": "question", "value": "grant admin <@U2>"}]}]});
    server.tell("command", &said);
    server.wait("channel=C1&text=Admin");
    let public: Vec<_> = server.said("C1").into_iter().filter(|it| it["to"].is_null()).collect();
    assert_eq!(public, [] as [Value; 0]);
    // A stranger gets a code to show to an Admin, and nobody else sees it.
    server.says("U3", "C1", "<@BOT> status");
    server.wait("channel=D3&text=grant%20viewer");
    assert_eq!(server.state()["rejected"], json!([]));
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_code_is_no_answer_for_everybody() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    server.says("U3", "C1", "<@BOT> whoami");
    server.wait("channel=D3&text=grant%20viewer");
    let said = json!({"channel": "C1", "user": "U3", "name": "ops",
        "options": [{"name": "whoami", "type": 1}]});
    server.tell("command", &said);
    server.wait("channel=C1&text=grant%20viewer");
    assert!(server.said("C1").iter().all(|it| it["to"] == "U3"), "{:#?}", server.said("C1"));
    assert_eq!(serving.stop(), 0);
}

#[test]
fn mentions_in_a_command_are_accounts() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    let said = json!({"channel": "C1", "user": "U1", "name": "ops", "options": [
        {"name": "ask", "type": 1, "options": [{"name": "question", "value":
        format!("grant viewer <@{}>", server.id("U4"))}]}]});
    server.tell("command", &said);
    server.wait("channel=C1&text=Viewer");
    let roles = serving.bot.run(&["roles", "list"]);
    assert!(String::from_utf8_lossy(&roles.stdout).contains(&server.id("U4")), "{roles:?}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_bot_that_may_read_messages_takes_part_in_threads_and_answers_to_its_role() {
    let Some(server) = Server::new() else { return };
    let serving = Serving::start(&format!("{}read_messages = true\n", server.settings()));
    let granted = serving.bot.run(&["roles", "grant", "viewer", &server.person("U1")]);
    assert!(granted.status.success(), "{granted:?}");
    server.wait("sessions=1");
    let asked = server.says("U1", "C1", &format!("<@&{}> whoami", server.id("self")));
    server.wait("messages=1&text=Viewer");
    let thread = server.thread(&asked);
    server.says("U1", &thread, "lunch?");
    server.says("U1", &thread, "what's the current cpu?");
    server.wait(&format!("messages=2&channel={thread}"));
    assert_eq!(server.said(&thread).len(), 2, "what people say to each other is theirs");
    assert_eq!(serving.stop(), 0);
}

#[tokio::test]
async fn what_said_that_an_answer_would_come_becomes_the_answer() {
    let Some(server) = Server::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let discord = Discord::new(server.adapter(folder.path())).unwrap();
    let (place, key) = (channel(&server, "C1"), DedupeKey::new("answer"));
    let working = discord.post(&place, &Card::titled("Working on it …"), &key).await.unwrap();
    let file = File { name: "answer.txt".into(), text: "all of it".into() };
    let answer = Card::titled("log").line("cut").with(Block::File(file));
    let posted = discord.post(&place, &answer, &key).await.unwrap();
    assert_eq!(posted, working);
    let said = server.said("C1");
    assert_eq!((said.len(), &said[0]["content"]), (1, &json!("log")), "{said:#?}");
    assert_eq!(said[0]["attachments"][0]["filename"], "1-answer.txt");
    // Said again it is this one.
    let again = DedupeKey { key: key.key, again: Some(Clock::system().now()) };
    server.set("nonce_life", 0);
    assert_eq!(discord.post(&place, &answer, &again).await.unwrap(), posted);
    assert_eq!(server.state()["rejected"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_whose_message_was_taken_away_lives_on_in_a_new_one() {
    let Some(server) = Server::new() else { return };
    let machines = [("10.0.0.1:9100", "db-1", "prod"), ("10.0.0.2:9100", "db-2", "prod")];
    let prometheus = Scripted::knowing(&machines, Script::Number("42")).await;
    let serving = connected(
        &server,
        &format!(
            "[metrics.prometheus]\nurl = \"{}\"\nscrape_interval = \"1s\"\n[detection]\nevery = \"1s\"\n",
            prometheus.url
        ),
    );
    prometheus.set(Script::Each(["97", "42"].into()));
    server.wait("channel=C1&text=97");
    let root = server.said("C1")[0]["id"].clone();
    server.tell("delete", &json!({"channel": "C1", "id": root}));
    server.says("U1", "D1", "ack 1");
    server.wait("channel=C1&text=Give%20back");
    // That somebody took it, told to who did; the new message, and its history.
    server.wait("messages=3");
    let said = server.said("C1");
    assert!(said.len() == 1 && said[0]["id"] != root, "{said:#?}");
    let thread = server.said(&server.thread(said[0]["id"].as_str().unwrap()));
    assert!(thread.iter().any(|line| line.to_string().contains("took it")), "{thread:#?}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn who_takes_no_direct_messages_is_told_so_and_no_secret() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    server.set("dms_closed", json!(["U3"]));
    server.says("U3", "C1", "<@BOT> status");
    server.wait("text=direct%20messages");
    let told = server.said("C1");
    assert!(!told[0].to_string().contains("grant viewer"), "{told:#?}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_button_that_asks_opens_a_window_and_says_what_was_answered() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    let posted = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let mut card = Card::titled("Approval needed").button("Reject", "reject 7F3K");
        card.buttons[0].ask = Some("Why not?".to_owned());
        let discord = Discord::new(server.adapter(folder.path())).unwrap();
        discord.post(&channel(&server, "C1"), &card, &DedupeKey::new("approval")).await.unwrap()
    });
    let press = json!({"channel": "C1", "id": posted.message, "label": "Reject", "user": "U1"});
    server.tell("press", &press);
    let state = server.wait("interactions=1");
    let window = &state["interactions"][0];
    assert_eq!(window["type"], 9, "{window:#}");
    assert!(window.to_string().contains("Why not?"), "{window:#}");
    server.tell("submit", &json!({"user": "U1", "values": {"answer": "not now"}}));
    server.wait("channel=C1&text=not%20available%20yet");
    assert_eq!(server.state()["rejected"], json!([]));
    assert_eq!(serving.stop(), 0);
}

#[tokio::test]
async fn a_message_shows_its_newest_picture_and_no_other() {
    let Some(server) = Server::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let discord = Discord::new(server.adapter(folder.path())).unwrap();
    let image = |alt: &str| {
        let image = Image { name: "cpu.png".into(), png: alt.as_bytes().to_vec(), alt: alt.into() };
        Card::titled("CPU").with(Block::Image(image))
    };
    let (place, key) = (channel(&server, "C1"), DedupeKey::new("k"));
    let posted = discord.post(&place, &image("before"), &key).await.unwrap();
    discord.edit(&posted, &image("after")).await.unwrap();
    let shown = &server.said("C1")[0]["attachments"];
    assert_eq!(shown.as_array().unwrap().len(), 1, "{shown:#}");
    assert_eq!(shown[0]["description"], "after");
    discord.edit(&posted, &Card::titled("CPU")).await.unwrap();
    assert_eq!(server.said("C1")[0]["attachments"], json!([]));
    assert_eq!(server.state()["rejected"], json!([]));
}

#[test]
fn the_doctor_looks_at_the_token_what_the_bot_may_do_the_clock_and_the_channels() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    let looks = || String::from_utf8_lossy(&serving.bot.run(&["doctor"]).stdout).into_owned();
    let found = looks();
    for wanted in ["all that it does", "new sessions are left", "the bot sees it", "s apart"] {
        assert!(found.contains(wanted), "{wanted} in {found}");
    }
    server.set("permissions", (1 << 10).to_string());
    let found = looks();
    assert!(found.contains("lacks Send Messages, Send Messages in Threads"), "{found}");
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_sees_within_a_second_that_it_was_heard() {
    let Some(server) = Server::new() else { return };
    let prometheus = Scripted::knowing(&[("10.0.0.1:9100", "db-1", "prod")], Script::Silence).await;
    let settings = format!("[metrics.prometheus]\nurl = \"{}\"\n", prometheus.url);
    let serving = connected(&server, &settings);
    server.says("U1", "C1", "<@BOT> cpu of db-1");
    let since = Instant::now();
    server.wait("reactions=1");
    // On a busy machine.
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    prometheus.set(Script::Number("42"));
    server.wait("messages=1&text=42");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn commands_are_on_the_server_or_everywhere_and_not_in_both_places() {
    let Some(server) = Server::new() else { return };
    let everywhere =
        server.settings().replace("[discord]\n", "[discord]\ncommands_everywhere = true\n");
    for (settings, here, elsewhere) in
        [(everywhere, "global", "guild"), (server.settings(), "guild", "global")]
    {
        let serving = Serving::start(&settings);
        let patience = Instant::now();
        loop {
            let commands = &server.state()["commands"];
            if commands[here][0]["name"] == "ops" && commands[elsewhere] == json!([]) {
                break;
            }
            assert!(patience.elapsed() < Duration::from_secs(20), "{commands:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(serving.stop(), 0);
    }
}

/// Alone with the bot, a message said that the answer would come; nobody knows whether the answer did.
#[tokio::test]
async fn an_answer_for_one_is_not_taken_for_what_said_that_it_would_come() {
    let Some(server) = Server::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let discord = Discord::new(server.adapter(folder.path())).unwrap();
    let (place, person) = (channel(&server, "D1"), server.person("U1").parse().unwrap());
    let key = DedupeKey::new("answer:discord:1:message:1");
    let progress = discord.post(&place, &Card::titled("Working on it …"), &key).await.unwrap();
    let again = DedupeKey { again: Some(Clock::system().now()), ..key };
    for _ in 0..2 {
        discord.whisper(&person, &place, &Card::titled("the code"), &again).await.unwrap();
    }
    discord.edit(&progress, &Card::titled("Answered privately")).await.unwrap();
    let said: Vec<_> = server.said("D1").iter().map(|it| it["content"].clone()).collect();
    assert!(said.len() == 2 && said[1].to_string().contains("the code"), "{said:#?}");
}
