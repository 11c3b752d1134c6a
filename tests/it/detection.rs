//! Making up machines with faults, and judging a detector by them.

mod fleet;
mod pages;
mod training;

use std::{fmt::Write as _, fs, process::Output};

use crate::support::bot::{Smartcloudops, json};

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Two days of six hosts, under `made-up` of this installation.
fn simulated(bot: &Smartcloudops) -> String {
    let directory = bot.directory().join("made-up").to_str().unwrap().to_owned();
    let output = bot.run(&[
        "simulate",
        "--seed",
        "5",
        "--hosts",
        "6",
        "--days",
        "2",
        "--step",
        "5m",
        "--faults-per-host-day",
        "2",
        "--out",
        &directory,
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = out(&output);
    assert!(text.contains("metrics.csv") && text.contains("labels.csv"), "{text}");
    assert!(output.stderr.is_empty(), "{}", err(&output));
    directory
}

/// Scores of a detector that knows the labels; its alarms are only those of every second host.
fn scores(directory: &str) -> String {
    let labels = fs::read_to_string(format!("{directory}/labels.csv")).unwrap();
    let faults: Vec<(String, i64, i64)> = labels
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<_> = line.split(',').collect();
            (fields[0].to_owned(), fields[1].parse().unwrap(), fields[2].parse().unwrap())
        })
        .collect();
    let metrics = fs::read_to_string(format!("{directory}/metrics.csv")).unwrap();
    let mut scores = "entity,timestamp,score,alarm\n".to_owned();
    for line in metrics.lines().skip(1) {
        let fields: Vec<_> = line.splitn(3, ',').collect();
        let at: i64 = fields[1].parse().unwrap();
        let wrong = faults.iter().any(|it| it.0 == fields[0] && (it.1..=it.2).contains(&at));
        let alarm = wrong && fields[0] != "web-1";
        let (host, wrong, alarm) = (fields[0], u8::from(wrong), u8::from(alarm));
        writeln!(scores, "{host},{at},{wrong},{alarm}").unwrap();
    }
    let path = format!("{directory}/scores.csv");
    fs::write(&path, scores).unwrap();
    path
}

#[test]
fn a_detector_is_judged_by_made_up_machines() {
    let bot = Smartcloudops::here();
    let directory = simulated(&bot);
    let scores = scores(&directory);
    let labels = format!("{directory}/labels.csv");
    let command = ["evaluate", "--scores", &scores, "--labels", &labels];
    let output = bot.run(&command);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = out(&output);
    for words in ["Alarms as given", "by kind", "VUS-PR", "do not use it", "precision 1.000"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("NAB"), "{text}");

    let printed = json(&bot.run(&[&command[..], &["--json", "--nab"]].concat()));
    assert_eq!(printed["given_alarms"]["event_precision"], 1.0);
    assert_eq!(printed["global_oracle"]["event_f1"], 1.0);
    assert!(printed["given_alarms"]["event_recall"].as_f64().unwrap() < 1.0);
    assert!(printed["nab_given_alarms"]["standard"].is_number());

    let strict = bot.run(&[&command[..], &["--min-event-f1", "0.999"]].concat());
    assert_eq!(strict.status.code(), Some(1));
    assert!(err(&strict).contains("less than 0.999"), "{}", err(&strict));
    let fair = [&command[..], &["--min-event-f1", "0.5", "--max-false-alarms", "0"]].concat();
    assert_eq!(bot.run(&fair).status.code(), Some(0));
}

#[test]
fn the_same_seed_writes_the_same_files() {
    let (one, other) = (Smartcloudops::here(), Smartcloudops::here());
    let directories = [simulated(&one), simulated(&other)];
    for name in ["metrics.csv", "labels.csv"] {
        let [one, other] = &directories.each_ref().map(|it| fs::read(format!("{it}/{name}")));
        assert!(!one.as_ref().unwrap().is_empty());
        assert_eq!(one.as_ref().unwrap(), other.as_ref().unwrap(), "{name}");
    }
}

#[test]
fn what_cannot_be_judged_is_said_in_a_sentence() {
    let bot = Smartcloudops::here();
    let file = |name: &str, text: &str| {
        let path = bot.directory().join(name).to_str().unwrap().to_owned();
        fs::write(&path, text).unwrap();
        path
    };
    let labels = file("labels.csv", "entity,start,end\n");
    for (scores, words) in [
        (file("a.csv", "entity,score\n"), "no column `timestamp`"),
        (file("b.csv", "entity,timestamp,score\na,soon,1\n"), "line 2 of the scores"),
        ("/nowhere.csv".to_owned(), "cannot read /nowhere.csv"),
    ] {
        let output = bot.run(&["evaluate", "--scores", &scores, "--labels", &labels]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(err(&output).contains(words), "{}", err(&output));
        assert!(output.stdout.is_empty());
    }
    let bare = file("c.csv", "entity,timestamp,score\na,1,1\n");
    let output =
        bot.run(&["evaluate", "--scores", &bare, "--labels", &labels, "--min-event-f1", "0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("no column `alarm`"));
    for wrong in
        [["--step", "7s"], ["--step", "0"], ["--hosts", "0"], ["--faults-per-host-day", "x"]]
    {
        let output = bot.run(&[&["simulate", "--seed", "1", "--out", "x"], &wrong[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}
