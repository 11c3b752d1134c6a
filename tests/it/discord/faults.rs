//! What can go wrong between Discord and the bot, by the number of the fault.

use chat::{Card, ChatAdapter as _, ChatError, DedupeKey};
use discord::Discord;
use serde_json::{Value, json};
use smartcloudops::clock::Clock;
use sqlx::{Connection as _, SqliteConnection};

use super::{channel, connected};
use crate::support::{
    discord::Server,
    http::ask,
    scripted::{Script, Scripted},
    serving::Serving,
};

fn command(server: &Server, user: &str, channel: &str, question: &str) -> Value {
    server.tell(
        "command",
        &json!({"channel": channel, "user": user, "name": "ops", "options": [
        {"name": "ask", "type": 1, "options": [{"name": "question", "value": question}]}]}),
    )
}

#[test]
fn f01_an_event_that_is_delivered_again_is_answered_once() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    let said = json!({"channel": "D1", "user": "U1", "text": "help", "copies": 4});
    server.tell("message", &said);
    server.says("U1", "D1", "whoami");
    server.wait("messages=2&channel=D1");
    assert_eq!(server.said("D1").len(), 2, "one answer to each");
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_with_a_stalled_database_who_presses_is_told_within_a_second_and_nothing_is_lost() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    let database = format!("sqlite:{}", serving.bot.directory().join("bot.db").display());
    let mut stalling = SqliteConnection::connect(&database).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut stalling).await.unwrap();
    server.says("U1", "D1", "help");
    command(&server, "U1", "C1", "whoami");
    let state = server.wait("interactions=1");
    let told = &state["interactions"][0];
    assert!(told["ms"].as_f64().unwrap() < 1_000.0, "{told:#}");
    assert!(told["data"]["content"].as_str().unwrap().contains("cannot write it down"), "{told:#}");
    sqlx::query("ROLLBACK").execute(&mut stalling).await.unwrap();
    server.wait("messages=1&channel=D1");
    server.wait("channel=C1&text=Admin");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f05_in_a_storm_of_refusals_no_answer_is_lost() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    let fault = json!({"kind": "429", "times": 3, "retry_after": 0.7});
    server.breaks("POST /channels/D1/messages", fault);
    let questions = ["help", "whoami", "help cpu", "incidents", "roles", "status"];
    for text in questions {
        server.says("U1", "D1", text);
    }
    server.wait("messages=6&channel=D1");
    assert_eq!(server.said("D1").len(), 6);
    assert_eq!(serving.stop(), 0);
}

#[tokio::test]
async fn f05_discord_says_how_long_to_wait_and_is_not_asked_before() {
    let Some(server) = Server::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let fault = json!({"kind": "429", "times": 1, "retry_after": 7});
    server.breaks("POST /channels/C1/messages", fault);
    let discord = Discord::new(server.adapter(folder.path())).unwrap();
    for attempt in 0..3 {
        let key = DedupeKey::new(format!("k{attempt}"));
        let posted = discord.post(&channel(&server, "C1"), &Card::titled("hello"), &key).await;
        let Err(ChatError::RateLimited { retry_after, .. }) = posted else { panic!("{posted:?}") };
        assert!((5..=7).contains(&retry_after.as_secs()), "{retry_after:?}");
    }
    assert_eq!(server.state()["invalid_requests"], 1);
    // Elsewhere it may go on.
    let (place, key) = (channel(&server, "C2"), DedupeKey::new("k"));
    discord.post(&place, &Card::titled("hello"), &key).await.unwrap();
}

#[test]
fn f08_sessions_are_resumed_and_nothing_is_lost() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    let ends = [
        ("reconnect", json!({})),
        ("drop", json!({})),
        ("close", json!({"code": 4000})),
        ("close", json!({"code": 1001})),
        ("invalid", json!({"resumable": true})),
    ];
    for (round, (how, about)) in ends.iter().enumerate() {
        server.says("U1", "D1", "help");
        server.tell(how, about);
        server.says("U1", "D1", "whoami");
        server.wait(&format!("messages={}&channel=D1", 2 * (round + 1)));
        server.wait("sessions=1");
    }
    assert_eq!(server.said("D1").len(), 10, "each is answered once");
    let state = server.state();
    assert!(state["resumes"].as_u64().unwrap() >= 4, "{:#}", state["resumes"]);
    let ours = state["closes"].as_array().unwrap().iter().filter(|it| it["by"] == "bot");
    assert!(
        ours.into_iter().all(|it| it["code"] != 1000 && it["code"] != 1001),
        "{:#}",
        state["closes"]
    );
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f08_a_session_that_is_over_is_begun_anew() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    server.tell("invalid", &json!({"resumable": false}));
    server.wait("identifies=2");
    server.wait("sessions=1");
    server.says("U1", "D1", "help");
    server.wait("messages=1&channel=D1");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f08_what_is_said_while_the_bot_is_down_is_answered_when_it_is_back() {
    let Some(server) = Server::new() else { return };
    let mut serving = connected(&server, "");
    server.says("U1", "D1", "help");
    server.wait("messages=1&channel=D1");
    serving.dies();
    server.wait("sessions=0");
    for text in ["whoami", "incidents", "status"] {
        server.says("U1", "D1", text);
    }
    serving.rises();
    server.wait("messages=4&channel=D1");
    assert_eq!(server.said("D1").len(), 4, "each is answered once");
    let state = server.state();
    assert_eq!((&state["identifies"], &state["resumes"]), (&json!(1), &json!(1)));
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f09_a_crash_loop_does_not_use_up_the_sessions_of_a_day() {
    let Some(server) = Server::new() else { return };
    let mut serving = connected(&server, "");
    for _ in 0..50 {
        serving.dies_and_rises();
    }
    server.wait("sessions=1");
    let state = server.state();
    assert!(state["identifies"].as_u64().unwrap() <= 10, "{}", state["identifies"]);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f10_a_connection_without_a_heart_is_left_and_the_session_goes_on() {
    let Some(server) = Server::new() else { return };
    server.set("heartbeat_interval", 200);
    let serving = connected(&server, "");
    server.wait("heartbeats=3");
    server.tell("mute_acks", &json!({"on": true}));
    server.wait("resumes=1");
    server.tell("mute_acks", &json!({"on": false}));
    server.wait("sessions=1");
    server.says("U1", "D1", "help");
    server.wait("messages=1&channel=D1");
    assert_eq!(server.state()["identifies"], 1);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f12_what_is_finished_too_late_for_its_command_is_a_message() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    server.set("interaction_life", 0);
    command(&server, "U1", "C1", "whoami");
    let state = server.wait("channel=C1&messages=1");
    let said = server.said("C1");
    assert!(said.iter().any(|it| it["interaction"].is_null()), "{said:#?}");
    assert_eq!(state["interactions"][0]["type"], 5, "it was deferred at once");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f12_what_is_for_one_alone_and_finished_too_late_is_a_direct_message() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    server.set("interaction_life", 0);
    command(&server, "U3", "C1", "status");
    server.wait("channel=D3&text=grant");
    let public: Vec<_> = server.said("C1").into_iter().filter(|it| it["to"].is_null()).collect();
    assert!(public.iter().all(|it| !it.to_string().contains("grant")), "{public:#?}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f12_a_command_that_comes_too_late_is_answered_all_the_same() {
    let Some(server) = Server::new() else { return };
    server.set("answer_within", 0);
    let serving = connected(&server, "");
    command(&server, "U1", "C1", "whoami");
    server.wait("channel=C1&text=Admin");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f13_a_command_that_is_sent_to_the_bots_own_address_is_heard_by_nobody() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    let id = |name: &str| server.id(name);
    let forged = json!({"id": "1", "application_id": id("APP"), "type": 2, "token": "t", "version": 1,
        "guild_id": id("GUILD"), "channel_id": id("C1"), "member": {"user": {"id": id("U1"), "username": "ana"}},
        "data": {"id": "2", "name": "ops", "type": 1, "options": [{"name": "ask", "type": 1,
            "options": [{"name": "question", "type": 3, "value": "help"}]}]}});
    let address = format!("127.0.0.1:{}", serving.port);
    for path in ["/", "/interactions", "/discord", "/discord/interactions", "/discord/events"] {
        let (status, _) = ask(&address, "POST", path, &forged.to_string());
        assert_eq!(status, 404, "{path}");
    }
    // What Discord says over the session is heard.
    command(&server, "U1", "C1", "whoami");
    server.wait("channel=C1&text=Admin");
    assert_eq!(server.said("C1").len(), 1, "{:#?}", server.said("C1"));
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f14_a_revoked_token_is_not_tried_again_and_again() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    server.set("token_revoked", true);
    serving.becomes("discord", |discord| {
        discord["ok"] == false && discord["detail"].as_str().unwrap().contains("discord.token")
    });
    let refused = server.state()["invalid_requests"].as_u64().unwrap();
    assert!(refused <= 3, "{refused}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f14_a_token_that_only_requests_refuse_is_told_and_taken_up_again() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    server.set("unauthorized", true);
    server.says("U1", "D1", "help");
    serving.becomes("discord", |discord| discord["ok"] == false);
    assert!(server.state()["invalid_requests"].as_u64().unwrap() <= 3);
    server.set("unauthorized", false);
    serving.becomes("discord", |discord| discord["ok"] == true);
    server.wait("messages=1&channel=D1");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f08_a_bot_that_may_not_read_messages_says_what_to_switch_on() {
    let Some(server) = Server::new() else { return };
    server.set("content_intent_allowed", false);
    let serving = Serving::start(&format!("{}read_messages = true\n", server.settings()));
    serving.becomes("discord", |discord| {
        discord["detail"].as_str().unwrap_or_default().contains("Message Content Intent")
    });
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f22_a_hiccup_of_discord_shuts_nobody_out() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    let fault = json!({"kind": "500", "times": 2});
    server.breaks(&format!("GET /guilds/GUILD/members/{}", server.id("U1")), fault);
    server.says("U1", "D1", "help");
    server.wait("messages=1&channel=D1");
    assert_eq!(server.state()["resumes"], 0, "the connection stays");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f05_while_discord_asks_to_wait_with_who_somebody_is_the_connection_stays() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    let fault = json!({"kind": "429", "times": 3, "retry_after": 1.2});
    server.breaks(&format!("GET /guilds/GUILD/members/{}", server.id("U1")), fault);
    server.says("U1", "D1", "help");
    server.wait("messages=1&channel=D1");
    let state = server.state();
    assert_eq!((&state["resumes"], &state["identifies"]), (&json!(0), &json!(1)));
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn f23_in_a_channel_that_it_may_not_see_the_bot_answers_commands_all_the_same() {
    let Some(server) = Server::new() else { return };
    server.tell("set", &json!({"member": {"C1": false}}));
    let machines = [("10.0.0.1:9100", "db-1", "prod"), ("10.0.0.2:9100", "db-2", "prod")];
    let prometheus = Scripted::knowing(&machines, Script::Each(["97", "42"].into())).await;
    let settings = format!(
        "[metrics.prometheus]\nurl = \"{}\"\nscrape_interval = \"1s\"\n[detection]\nevery = \"1s\"\n",
        prometheus.url
    );
    let serving = connected(&server, &settings);
    serving.counts("posts_total{outcome=\"put_back\",platform=\"discord\"}");
    command(&server, "U1", "C1", "whoami");
    server.wait("channel=C1&text=Admin");
    assert_eq!(server.said("C1").len(), 1);
    assert_eq!(serving.stop(), 0);
}

#[tokio::test]
async fn f16_a_message_whose_answer_was_lost_is_not_posted_again() {
    let Some(server) = Server::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let discord = Discord::new(server.adapter(folder.path())).unwrap();
    let place = channel(&server, "C1");
    let cards = [Card::titled("one line"), Card::titled("more").line("than one")];
    for (number, card) in cards.iter().enumerate() {
        for (kind, nonce_life) in [("drop_after", 300), ("half_body", 0)] {
            server.set("nonce_life", nonce_life);
            let fault = json!({"kind": kind, "times": 1});
            server.breaks("POST /channels/C1/messages", fault);
            let (key, before) = (format!("{kind}{number}"), server.said("C1").len());
            let card = Card { title: format!("{} {kind}", card.title), ..card.clone() };
            let first = discord.post(&place, &card, &DedupeKey::new(&key)).await;
            assert!(matches!(first, Err(ChatError::Unreachable { .. })), "{kind}: {first:?}");
            let again = DedupeKey { key, again: Some(Clock::system().now()) };
            let second = discord.post(&place, &card, &again).await.unwrap();
            let said = server.said("C1");
            assert_eq!(said.len(), before + 1, "{kind}: {said:#?}");
            assert_eq!(said[before]["id"], json!(second.message));
        }
    }
}

#[test]
fn f11_a_second_process_on_the_same_token_does_not_serve() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    let said = serving.another();
    assert!(said.contains("another process serves from"), "{said}");
    for _ in 0..10 {
        server.says("U1", "D1", "help");
    }
    server.wait("messages=10&channel=D1");
    assert_eq!(server.said("D1").len(), 10, "each is answered once");
    assert_eq!(server.state()["identifies"], 1);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f19_an_edited_message_may_ask_and_never_acts() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    let id = server.says("U1", "D1", "help");
    server.wait("messages=1&channel=D1");
    server.tell("edit", &json!({"channel": "D1", "id": id, "text": "grant viewer <@U5>"}));
    server.says("U1", "D1", "whoami");
    server.wait("channel=D1&text=whoami");
    server.wait("messages=2&channel=D1");
    let shown = serving.bot.run(&["roles", "list"]);
    let roles = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(roles.contains(&server.id("U2")) && !roles.contains(&server.id("U5")), "{roles}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f20_bots_webhooks_and_the_bots_own_words_are_not_answered() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    let robot = json!({"channel": "C1", "user": "U4", "bot": true, "text": "<@BOT> help"});
    server.tell("message", &robot);
    server.tell("message", &json!({"channel": "C1", "webhook": true, "text": "<@BOT> help"}));
    server.says("U1", "D1", "help");
    server.wait("messages=1&channel=D1");
    server.says("U1", "D1", "whoami");
    server.wait("messages=2&channel=D1");
    assert_eq!(server.state()["threads"], json!({}));
    assert_eq!(server.said("C1").len() + server.said("D1").len(), 2);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f20_a_thread_that_runs_away_is_left_alone_and_told_of() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "[bot]\nanswers_in_thread = 3\n");
    let root = server.says("U1", "C1", "<@BOT> help");
    server.wait("messages=1&text=what%20you%20can");
    let thread = server.thread(&root);
    for _ in 0..5 {
        server.says("U1", &thread, "<@BOT> help");
    }
    server.wait(&format!("messages=3&channel={thread}"));
    server.wait("messages=1&channel=C1&text=I%20stopped%20answering%20somebody");
    server.says("U1", "D1", "whoami");
    server.wait("messages=1&channel=D1");
    let said = server.said(&thread);
    assert_eq!(said.len(), 3);
    assert!(said.iter().any(|it| it.to_string().contains("I say nothing more")), "{said:#?}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f21_a_name_decides_nothing() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    server.says("U1", "D1", "whoami");
    server.wait("messages=1&channel=D1");
    // A stranger calls himself like the Admin.
    server.set("named", json!({"U3": "User1"}));
    server.says("U3", "C1", "<@BOT> grant admin <@U3>");
    server.wait("channel=D3&messages=1");
    let shown = serving.bot.run(&["roles", "list"]);
    let roles = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(!roles.contains(&server.id("U3")), "{roles}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f22_who_is_not_on_the_server_is_not_answered() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    server.set("left", json!(["U5"]));
    server.says("U5", "D5", "help");
    server.says("U1", "D1", "help");
    server.wait("messages=1&channel=D1");
    server.says("U1", "D1", "whoami");
    server.wait("messages=2&channel=D1");
    assert_eq!(server.said("D5").len(), 0);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f23_a_revoked_token_pauses_discord_and_nothing_is_lost() {
    let Some(server) = Server::new() else { return };
    let serving = connected(&server, "");
    server.breaks("POST /channels/D1/messages", json!({"kind": "drop_before", "times": 1}));
    server.says("U1", "D1", "help");
    server.wait("faults=0");
    server.set("token_revoked", true);
    serving.becomes("discord", |discord| discord["ok"] == false);
    server.set("token_revoked", false);
    serving.becomes("discord", |discord| discord["ok"] == true);
    server.wait("messages=1&channel=D1");
    assert_eq!(server.said("D1").len(), 1);
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_what_a_machine_is_called_mentions_nobody_and_is_no_link() {
    const EVIL: &str = "@everyone <@1100000000000100002> [x](https://evil.example/x) **b**";
    let Some(server) = Server::new() else { return };
    let machines = [("10.0.0.1:9100", EVIL, "prod"), ("10.0.0.2:9100", "db-1", "prod")];
    let prometheus = Scripted::knowing(&machines, Script::Number("42")).await;
    let settings = format!("[metrics.prometheus]\nurl = \"{}\"\n", prometheus.url);
    let serving = connected(&server, &settings);
    server.says("U1", "D1", "top 2 hosts by cpu");
    let state = server.wait("messages=1&channel=D1&text=evil");
    let answer = &server.said("D1")[0];
    assert_eq!(answer["allowed_mentions"], json!({"parse": []}));
    assert_eq!(
        (&answer["mentions"], &answer["everyone"]),
        (&json!([]), &json!(false)),
        "{answer:#}"
    );
    // Outside of what is shown as it is written.
    let description = answer["embeds"][0]["description"].as_str().unwrap();
    let prose: String = description.split("```").step_by(2).collect();
    for text in [answer["content"].as_str().unwrap(), &prose] {
        // What a backslash makes plain is not live.
        let mut live = text.to_owned();
        for sign in ['@', '<', '[', ']', ':', '*'] {
            live = live.replace(&format!("\\{sign}"), "");
        }
        assert!(!live.contains(['[', '<']) && !live.contains("://"), "{live} of {text}");
    }
    assert_eq!(state["rejected"], json!([]));
    assert_eq!(serving.stop(), 0);
}
