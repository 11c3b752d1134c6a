//! Pages of node_exporters: from what they answer to an anomaly.

use std::fs;

use super::{err, out};
use crate::support::bot::Smartcloudops;

const PAGE: &str = include_str!("../../data/node_exporter.txt");
const SECONDS: f64 = 60.0;

/// The recorded page, so many minutes later, of a machine whose processors are busy to so many percent.
fn page(minute: u32, idle: f64) -> String {
    let lines = PAGE.lines().map(|line| {
        let Some((name, value)) = line.rsplit_once(' ').filter(|_| !line.starts_with('#')) else {
            return line.to_owned();
        };
        let Ok(value) = value.parse::<f64>() else { return line.to_owned() };
        let more = match name {
            "node_time_seconds" => f64::from(minute) * SECONDS,
            _ if name.starts_with("node_cpu") && name.contains("\"idle\"") => idle,
            _ => return line.to_owned(),
        };
        format!("{name} {}", value + more)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn pages_of_a_node_exporter_are_learned_from_and_judged() {
    let bot = Smartcloudops::here();
    let path = |name: &str| bot.directory().join(name).to_str().unwrap().to_owned();
    let (mut idle, mut files) = (0.0, Vec::new());
    for minute in 0..800 {
        // About 10 % busy, and 90 % in the last ten minutes.
        let busy = if minute >= 790 { 0.9 } else { 0.1 + 0.01 * f64::from(minute % 7) };
        idle += SECONDS * (1.0 - busy);
        files.push(path(&format!("{minute:04}.prom")));
        fs::write(files.last().unwrap(), page(minute, idle)).unwrap();
    }
    let to_csv = |pages: &[String], csv: &str| {
        let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
        bot.run(&[&["pages"], &*pages, &["--csv", csv]].concat())
    };
    let (past, now) = (path("past.csv"), path("now.csv"));
    let output = to_csv(&files[..700], &past);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains("700 pages"), "{}", out(&output));
    let text = fs::read_to_string(&past).unwrap();
    let cpu = text.lines().find(|line| line.contains(",cpu,")).unwrap();
    assert_eq!(cpu, "web-1,1795526450.433,cpu,11");
    fs::write(path("other.prom"), "up 1\n").unwrap();
    let output = to_csv(&[&files[700..], &[path("other.prom")]].concat(), &now);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(err(&output).contains("other.prom: `node_uname_info` is missing"), "{}", err(&output));

    let (model, events) = (path("fleet.model"), path("events.jsonl"));
    let output = bot.run(&["train", "--csv", &past, "--model", &model]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let scores = path("scores.csv");
    let files = ["--csv", &now, "--scores", &scores, "--events", &events];
    let output = bot.run(&[&["detect", "--model", &model], &files[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let events = fs::read_to_string(&events).unwrap();
    assert_eq!(events.lines().count(), 1, "{events}");
    assert!(events.contains("{\"metric\":\"cpu\",\"value\":90"), "{events}");
}

#[test]
fn what_is_no_page_is_refused_and_no_page_is_overwritten() {
    let bot = Smartcloudops::here();
    let path = |name: &str| bot.directory().join(name).to_str().unwrap().to_owned();
    let one = path("one.prom");
    fs::write(&one, page(0, 0.0)).unwrap();
    let output = bot.run(&["pages", &one, "--csv", &one]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("cannot be written too"), "{}", err(&output));
    assert_eq!(fs::read_to_string(&one).unwrap(), page(0, 0.0));
    fs::write(&one, "<html>").unwrap();
    let output = bot.run(&["pages", &one, "--csv", &path("metrics.csv")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("none of the files is a page"), "{}", err(&output));
    let output = bot.run(&["pages", &path("none.prom"), "--csv", &path("metrics.csv")]);
    assert!(err(&output).contains("cannot read"), "{}", err(&output));
}
