//! What the bot would have told of the last days, by a real Prometheus and by this machine's own samples.

use std::process::Output;

use chrono::TimeDelta;
use serde_json::{Value, json as value};
use smartcloudops::{
    clock::Clock,
    store::{Sample, Store},
};

use crate::support::{
    bot::{Smartcloudops, json},
    peers,
};

/// Coarse looks, so that tests are quick.
fn asking(server: &str) -> Smartcloudops {
    Smartcloudops::configured(&format!(
        "[metrics.prometheus]\nurl = \"{server}\"\ntimeout = \"10s\"\n\
         [detection]\nevery = \"5m\"\nhistory = \"2d\"\nlearn = \"12h\"\nbudget = 0.2\n"
    ))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn said(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[track_caller]
fn refused(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    text(&output.stderr)
}

fn of_host<'a>(report: &'a Value, host: &str) -> &'a Vec<Value> {
    let hosts = report["hosts"].as_array().unwrap();
    let found = hosts.iter().find(|it| it["host"] == host).unwrap();
    found["anomalies"].as_array().unwrap()
}

#[test]
fn a_busy_processor_of_this_morning_is_found_with_what_was_learned_before() {
    let Some(server) = peers::fleet() else { return };
    let bot = asking(&server);
    let pictures = bot.directory().join("pictures");
    let report = json(&bot.run(&[
        "backtest",
        "--since",
        "8h",
        "--json",
        "--pictures",
        pictures.to_str().unwrap(),
    ]));
    assert_eq!(report["hosts"].as_array().unwrap().len(), 20);
    assert_eq!(report["learned"]["file"], Value::Null);
    assert_eq!(report["learned"]["known_seconds"], 0);
    assert_eq!(report["budget"], 0.2);
    let busy = of_host(&report, "web-2");
    let cpu = busy.iter().filter(|it| {
        it["metrics"].as_array().unwrap().iter().any(|metric| metric["metric"] == "cpu")
    });
    assert!(cpu.count() >= 1, "{report:#}");
    let told = report["incidents"].as_array().unwrap();
    let about =
        |it: &&Value| it["hosts"].as_array().unwrap().iter().any(|it| it["host"] == "web-2");
    assert_eq!(told.iter().filter(about).count(), busy.len(), "{told:#?}");
    let png = std::fs::read(pictures.join("web-2.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG"));
    // Nothing is drawn where nothing was.
    let drawn = std::fs::read_dir(&pictures).unwrap().count();
    let unusual = report["hosts"].as_array().unwrap().iter();
    let unusual = unusual.filter(|it| !it["anomalies"].as_array().unwrap().is_empty());
    assert_eq!(drawn, unusual.count());
}

/// A day and a half of one machine, a sample a minute: its processor was busy three hours ago.
fn a_past(clock: &Clock) -> Vec<Sample> {
    const MINUTES: i64 = 36 * 60;
    let now = clock.now();
    let mut random = 0x00de_cade_u64;
    // Nothing is ever quite the same: a number from 0 to 1.
    let mut noise = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % 1000) as f64 / 1000.0
    };
    let sample = |ago: i64| {
        let at_ms = (now - TimeDelta::minutes(ago)).timestamp_millis();
        let cpu = if (150..180).contains(&ago) { 95.0 } else { 20.0 } + 3.0 * noise();
        let values = value!({ "cpu": cpu, "memory": 40.0 + noise() });
        Sample { at_ms, values: value!({ "at": at_ms, "v": values }).to_string() }
    };
    (0..MINUTES).rev().map(sample).collect()
}

#[tokio::test]
async fn the_samples_of_this_machine_are_tested_too() {
    let bot = Smartcloudops::configured(
        "[metrics]\nkeep = \"2d\"\n[detection]\nevery = \"1m\"\nhistory = \"1d\"\nlearn = \"12h\"\n",
    );
    let (clock, host) = (Clock::system(), whoami::hostname().unwrap());
    let url = format!("sqlite:{}/bot.db", bot.directory().display());
    let store = Store::open(&url, clock.clone()).await.unwrap();
    store.migrate().await.unwrap();
    store.append_samples(&host, &a_past(&clock)).await.unwrap();
    store.close().await;
    let report = json(&bot.run(&["backtest", "--since", "4h", "--relearn", "--json"]));
    let mut metrics =
        of_host(&report, &host).iter().flat_map(|it| it["metrics"].as_array().unwrap());
    let busy = |it: &Value| it["metric"] == "cpu" && it["value"].as_f64().unwrap() > 90.0;
    assert!(metrics.any(busy), "{report:#}");
}

#[test]
fn a_model_from_prometheus_is_tested_and_what_flatters_it_is_said() {
    let Some(server) = peers::fleet() else { return };
    let bot = asking(&server);
    let model = bot.directory().join("fleet.model");
    let model = model.to_str().unwrap();
    let learned = said(&bot.run(&["train", "--prometheus", "--history", "1d", "--model", model]));
    assert!(learned.starts_with("Learned 20 hosts with "), "{learned}");
    assert!(learned.contains("seed 1, budget 0.2 false alarms"), "{learned}");
    // It is the file of the watch: beside the database.
    let told = said(&bot.run(&["backtest", "--since", "6h", "--host", "web-2"]));
    assert!(told.contains("which flatters it"), "{told}");
    assert!(told.contains(" on 1 host, of "), "{told}");
    let honest = said(&bot.run(&["backtest", "--since", "6h", "--relearn", "--host", "WEB-2"]));
    assert!(honest.starts_with("Learned from "), "{honest}");
    let nobody = refused(&bot.run(&["backtest", "--since", "6h", "--host", "web-22"]), 1);
    assert!(nobody.contains("no host `web-22`; did you mean `web-2`"), "{nobody}");
    let long = refused(&bot.run(&["backtest", "--since", "30d", "--relearn"]), 1);
    assert!(long.contains("--since"), "{long}");
}

#[test]
fn hosts_with_too_little_of_a_past_are_left_out_by_name() {
    let Some(server) = peers::fleet() else { return };
    let bot = asking(&server);
    let model = bot.directory().join("new.model");
    let model = model.to_str().unwrap();
    // One of them stopped two hours ago.
    let learned = said(&bot.run(&["train", "--prometheus", "--history", "13h", "--model", model]));
    assert!(learned.starts_with("Learned 19 hosts"), "{learned}");
    assert!(
        learned.contains(
            "Left out, with a past of less than 12h (`detection.learn`): 1 host, `worker-6`."
        ),
        "{learned}"
    );
    let none = bot.run(&["train", "--prometheus", "--history", "6h", "--model", model]);
    let none = refused(&none, 1);
    assert!(none.contains("of 20 hosts") && none.contains("detection.learn"), "{none}");
}

#[test]
fn what_cannot_be_asked_is_said_with_its_exit_code() {
    let down = asking("http://127.0.0.1:9");
    for command in [&["backtest"][..], &["train", "--prometheus", "--model", "none.model"]] {
        let said = refused(&down.run(command), 4);
        assert!(said.starts_with("error: I could not reach Prometheus"), "{said}");
    }
    let here = Smartcloudops::here();
    let said = refused(&here.run(&["train", "--prometheus", "--model", "none.model"]), 1);
    assert!(said.contains("metrics.prometheus.url"), "{said}");
    let both = ["train", "--prometheus", "--csv", "a.csv", "--model", "none.model"];
    assert_eq!(here.run(&both).status.code(), Some(2));
    let said = refused(&here.run(&["backtest"]), 1);
    assert!(said.contains("bot.db"), "{said}");
}
