//! The bot as it runs: the conversation in a pipe, HTTP, stopping, and coming back.

use std::{
    io::Write,
    net::TcpListener,
    process::Stdio,
    time::{Duration, Instant},
};

use crate::support::{
    bot::Smartcloudops,
    database::for_each,
    peers,
    scripted::{Script, Scripted},
    serving::{Serving, free_port, get},
};

#[test]
fn it_serves_without_a_terminal_and_stops_cleanly() {
    let serving = Serving::start("");
    let (status, body) = get(serving.port, "/readyz").unwrap();
    assert_eq!(status, 200, "{body}");
    let ready: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&ready["ready"], &ready["degraded"]), (&true.into(), &false.into()), "{body}");
    for part in ["database", "metrics", "chat", "outbox", "sampling"] {
        assert_eq!(ready[part]["ok"], true, "{body}");
        assert!(ready[part]["detail"].is_string(), "{body}");
    }
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_serves_from_a_database_and_after_its_death_another() {
    for_each(async |database| {
        let mut serving = Serving::start(&format!("[store]\nurl = \"{}\"\n", database.url));
        let said = serving.another();
        assert!(said.contains("another process serves from"), "{said}");
        assert!(said.contains("stop it, or give this one its own `store.url`"), "{said}");
        // Everything else works beside it.
        let asked = serving.bot.run(&["roles", "list"]);
        assert!(asked.status.success(), "{asked:?}");
        serving.dies_and_rises();
        assert_eq!(serving.stop(), 0);
    })
    .await;
}

#[test]
fn it_is_ready_and_says_so_while_prometheus_is_away() {
    let serving = Serving::start("[metrics.prometheus]\nurl = \"http://127.0.0.1:9\"\n");
    let (status, body) = get(serving.port, "/readyz").unwrap();
    let ready: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &ready["degraded"], &ready["metrics"]["ok"]),
        (200, &true.into(), &false.into()),
        "{body}"
    );
    assert_eq!(serving.stop(), 0);
}

#[test]
fn readiness_does_not_wait_for_a_slow_prometheus() {
    // Takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let settings = format!("[metrics.prometheus]\nurl = \"{url}\"\ntimeout = \"10s\"\n");
    let words = format!("Prometheus at {url} has not answered yet");
    let serving = Serving::start(&settings);
    let asked = Instant::now();
    let (status, body) = get(serving.port, "/readyz").unwrap();
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    assert!(status == 200 && body.contains(&words), "{body}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn the_doctor_knows_the_bot_that_runs() {
    let serving = Serving::start("");
    let output = serving.bot.run(&["doctor"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("the bot is running there"), "{text}");
    assert_eq!(serving.stop(), 0);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let bot = Smartcloudops::configured(&format!(
        "[http]\nlisten = \"{}\"\n",
        taken.local_addr().unwrap()
    ));
    let output = bot.run(&["doctor"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("cannot listen on"), "{output:?}");
}

#[test]
fn its_own_metrics_are_as_prometheus_wants_them() {
    let Some(promtool) = peers::peer("SMARTCLOUDOPS_TEST_PROMTOOL") else { return };
    let serving = Serving::start("");
    let (_, text) = get(serving.port, "/metrics").unwrap();
    assert!(text.contains("smartcloudops_build_info"), "{text}");
    let mut check = std::process::Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_piped_conversation_is_answered_line_by_line() {
    let bot = Smartcloudops::here();
    let mut child = bot.command(&["chat"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for line in [&b"whoami"[..], b"\xff\xfe xyzzy \x00 utf-8", &vec![b'x'; 100_000], b"", b"uptime"]
    {
        stdin.write_all(line).unwrap();
        stdin.write_all(b"\n").unwrap();
    }
    // The end of the input ends the conversation, once everything is answered.
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let titles: Vec<&str> = text.split("\n\n").filter_map(|card| card.lines().next()).collect();
    assert_eq!(titles.len(), 4, "{text}");
    assert_eq!(titles[0], "You are Admin");
    assert_eq!(titles[1], "▲ I did not understand that");
    assert_eq!(titles[2], "▲ I did not understand that");
    assert!(titles[3].starts_with("Uptime of "), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_whose_picture_cannot_be_saved_is_shown_without_it() {
    let prometheus = Scripted::start(Script::Number("42")).await;
    let bot = Smartcloudops::asking(&prometheus.url);
    let data = bot.directory().join(".local/share/smartcloudops");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("pictures"), "a file where a folder should be").unwrap();
    let mut child = bot
        .command(&["chat"])
        .env("XDG_DATA_HOME", bot.directory().join(".local/share"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"memory of web-1 last 1h\nwhoami\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("42 %") && text.contains("picture could not be saved"), "{text}");
    assert!(text.contains("You are Admin"), "{text}");
}

#[test]
fn a_taken_port_is_said_in_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let bot = Smartcloudops::configured(&format!("[http]\nlisten = \"{address}\"\n"));
    let output = bot.run(&["serve"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.contains(&format!("cannot listen on {address}")) && text.contains("http.listen"),
        "{text}"
    );
}

#[test]
fn the_doctor_finds_what_is_wrong() {
    let bot =
        Smartcloudops::configured(&format!("[http]\nlisten = \"127.0.0.1:{}\"\n", free_port()));
    let output = bot.run(&["doctor"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("Everything is in order"), "{text}");
    let bot = Smartcloudops::asking("http://127.0.0.1:9");
    let output = bot.run(&["doctor"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && text.contains("WRONG"), "{text}");
    assert!(text.contains("could not reach Prometheus at http://127.0.0.1:9"), "{text}");
    let bot = Smartcloudops::configured("[http]\nlisten_on = 1\n");
    let output = bot.run(&["doctor"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && text.contains("http.listen_on"), "{text}");
}

#[test]
fn the_configuration_can_be_written_checked_and_shown_without_its_secrets() {
    let bot = Smartcloudops::configured(
        "[metrics.prometheus]\nbearer_token = \"hunter2\"\nurl = \"http://127.0.0.1:9\"\n",
    );
    let shown = bot.run(&["config", "show"]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.status.success() && !text.contains("hunter2") && text.contains("********"),
        "{text}"
    );
    assert!(bot.run(&["config", "check"]).status.success());
    let example = bot.run(&["config", "example"]);
    let file = bot.directory().join("example.toml");
    std::fs::write(&file, example.stdout).unwrap();
    assert!(bot.run(&["--config", file.to_str().unwrap(), "config", "check"]).status.success());
    let missing = bot.run(&["--config", "/nowhere.toml", "ask", "cpu"]);
    assert_eq!(missing.status.code(), Some(1));
}
