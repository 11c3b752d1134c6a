//! When the metrics source fails, people get one clear sentence, and the next question is answered.

use std::time::{Duration, Instant};

use serde_json::Value;
use smartcloudops::access::Role;

use crate::support::{
    bot::{Smartcloudops, answered, refused},
    database::for_each,
    room::{ANA, Room, read},
    scripted::{Script, Scripted},
};

/// What goes wrong, and words that the sentence must have.
const OUTAGES: [(Script, &[&str]); 9] = [
    (Script::Half, &["answer I cannot read", "breaks off"]),
    (
        Script::Status(
            422,
            r#"{"status":"error","errorType":"execution","error":"found duplicate series"}"#,
        ),
        &["refused the question (422)", "found duplicate series"],
    ),
    (
        Script::Status(400, r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#),
        &["(400)", "parse error"],
    ),
    (Script::Status(503, "the query engine is gone"), &["too busy", "503"]),
    (Script::Status(500, ""), &["500"]),
    (Script::Status(401, "no"), &["credentials", "401"]),
    (Script::Status(200, "<!doctype html><title>Log in</title>"), &["web page"]),
    (Script::Status(200, r#"{"status":"success","data":{"result":"many"}}"#), &["not the JSON"]),
    (Script::Status(200, r#"{"status":"error","error":"out of luck"}"#), &["out of luck"]),
];

fn assert_clear(sentence: &str, words: &[&str]) {
    for word in words {
        assert!(sentence.contains(word), "no `{word}` in: {sentence}");
    }
    assert!(sentence.chars().count() <= 300, "{} long: {sentence}", sentence.chars().count());
    for noise in ["Error {", "Err(", "Some(", "None", "panicked", "::", "stack", "\n", "\u{1b}"] {
        assert!(!sentence.contains(noise), "`{noise}` in: {sentence}");
    }
}

fn bot(url: &str) -> Smartcloudops {
    Smartcloudops::configured(&format!("[metrics.prometheus]\nurl = \"{url}\"\ntimeout = \"1s\"\n"))
}

/// Asks for JSON and for people: the same sentence, exit code 4, no chatter on standard error.
fn outage(bot: &Smartcloudops, question: &str, words: &[&str]) {
    let refusal = refused(&bot.ask(question), 4);
    assert_eq!(refusal["kind"], "metrics_unavailable", "{refusal}");
    assert_clear(refusal["message"].as_str().unwrap(), words);
    let plain = bot.run(&["ask", question]);
    assert_eq!(plain.status.code(), Some(4));
    assert!(plain.stderr.is_empty(), "{}", String::from_utf8_lossy(&plain.stderr));
    let shown = String::from_utf8(plain.stdout).unwrap();
    let sentence = shown.trim_start_matches("✖ ").trim_end().replace('\n', " ");
    assert_clear(&sentence, words);
}

#[test]
fn nobody_there_is_one_sentence() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let bot = bot(&format!("http://{closed}"));
    let words = ["It is ", "I could not reach Prometheus at http://127.0.0.1", "refused"];
    outage(&bot, "cpu", &words);
    // What needs no numbers works all the same.
    answered(&bot.ask("whoami"));
    answered(&bot.ask("help"));
}

#[test]
fn nobody_answering_is_one_sentence_after_the_timeout() {
    // The system takes the connection, and nobody ever answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let bot = bot(&format!("http://{}", silent.local_addr().unwrap()));
    let started = Instant::now();
    let refusal = refused(&bot.ask("cpu"), 4);
    assert_eq!(refusal["kind"], "metrics_unavailable");
    assert_clear(refusal["message"].as_str().unwrap(), &["I could not reach", "timeout after 1 s"]);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_bad_answer_is_one_sentence() {
    let prometheus = Scripted::start(Script::Empty).await;
    let bot = bot(&prometheus.url);
    for (script, words) in OUTAGES {
        prometheus.set(script);
        outage(&bot, "cpu of web-1", words);
    }
    prometheus.set(Script::Status(503, "gone"));
    for question in ["status", "memory last 24h", "forecast disk", "query sum(node_load1{a=\"b\"})"]
    {
        outage(&bot, question, &["503"]);
    }
    prometheus.set(Script::Number("42"));
    answered(&bot.ask("cpu of web-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_room_the_bot_says_it_and_goes_on() {
    let prometheus = Scripted::start(Script::Empty).await;
    for_each(async |database| {
        let room = Room::open(database, &prometheus.url).await;
        room.knows(ANA, Role::Viewer).await;
        for (index, (script, words)) in OUTAGES.into_iter().enumerate() {
            prometheus.set(script);
            let card = room.says(ANA, "cpu of web-1").await.unwrap();
            assert_clear(&read(&card).trim_start_matches("✖ ").replace('\n', " "), words);
            assert_eq!(room.app.meters.metrics_failures.get(), index as u64 + 1);
        }
        prometheus.set(Script::Number("42"));
        let card = room.says(ANA, "cpu of web-1").await.unwrap();
        assert!(card.title.contains("42 %"), "{}", card.title);
        room.app.store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_answer_is_no_data_and_never_zero() {
    let prometheus = Scripted::start(Script::Empty).await;
    let bot = bot(&prometheus.url);
    for question in
        ["cpu", "cpu of web-1", "max memory last 24h", "forecast disk", "status of web-1"]
    {
        let answer = answered(&bot.ask(question));
        let text = answer["text"].as_str().unwrap();
        assert!(text.to_lowercase().contains("no data"), "{question}: {text}");
        assert!(!text.contains("0 %") && !text.contains(" fine"), "{question}: {text}");
        for evidence in answer["evidence"].as_array().unwrap() {
            assert_eq!(evidence["values"], Value::Array(vec![]), "{evidence}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_number_is_said_in_words_and_is_null_for_scripts() {
    let prometheus = Scripted::start(Script::Empty).await;
    let bot = bot(&prometheus.url);
    for (number, words) in
        [("NaN", "not a number"), ("+Inf", "infinite"), ("-Inf", "minus infinite")]
    {
        prometheus.set(Script::Number(number));
        for question in ["cpu of web-1", "load", "status", "memory last 1h", "uptime of web-1"] {
            let output = bot.ask(question);
            let answer = answered(&output);
            let text = answer["text"].as_str().unwrap();
            assert!(text.contains(words), "{number}, {question}: {text}");
            for noise in ["NaN", "inf ", " inf", "Inf"] {
                assert!(
                    !text.split(" · ").next().unwrap().contains(noise)
                        || words.contains(noise.trim()),
                    "{text}"
                );
            }
            let values = answer["evidence"][0]["values"].as_array().unwrap();
            assert!(!values.is_empty());
            assert!(values.iter().all(|value| value["value"].is_null()), "{answer:#}");
        }
        // A line cannot be laid through it, which is said.
        let text = answered(&bot.ask("forecast disk of web-1"))["text"].to_string();
        assert!(text.contains("cannot be foretold"), "{number}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_numbers_are_no_numbers_is_not_called_fine() {
    let prometheus = Scripted::start(Script::Number("NaN")).await;
    let bot = bot(&prometheus.url);
    for question in ["status", "status of web-1"] {
        let text = answered(&bot.ask(question))["text"].as_str().unwrap().to_owned();
        assert!(!text.contains("fine"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn warnings_are_shown_with_the_numbers_they_are_about() {
    let prometheus = Scripted::start(Script::Warned("some \u{1b}[2J stores did not answer")).await;
    let bot = bot(&prometheus.url);
    for question in ["cpu of web-1", "cpu", "memory last 1h", "status", "forecast disk of web-1"] {
        let text = answered(&bot.ask(question))["text"].as_str().unwrap().to_owned();
        assert!(
            text.contains("Incomplete: some \\u{1b}[2J stores did not answer"),
            "{question}: {text}"
        );
        let times = text.matches("stores did not answer").count();
        assert_eq!(times, 1, "{question} says it {times} times: {text}");
    }
}
