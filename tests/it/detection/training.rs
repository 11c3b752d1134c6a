//! Learning from made-up machines, looking at them, and being judged.

use std::{fmt::Write as _, fs, path::Path, process::Output};

use serde_json::Value;
use smartcloudops::anomaly::model;

use super::{
    err,
    fleet::{Fleet, Row},
    out,
};
use crate::support::bot::{Smartcloudops, json};

const SEVERAL: [&str; 12] = [
    "cpu_user_percent",
    "cpu_iowait_percent",
    "cpu_steal_percent",
    "load1",
    "memory_used_percent",
    "disk_used_percent",
    "disk_wait_ms",
    "network_in_mb_per_second",
    "tcp_connections",
    "tcp_retransmits_per_second",
    "context_switches_per_second",
    "open_files",
];

/// A file of this installation.
fn file(bot: &Smartcloudops, name: &str, text: &str) -> String {
    let path = path(bot, name);
    fs::write(&path, text).unwrap();
    path
}

fn path(bot: &Smartcloudops, name: &str) -> String {
    bot.directory().join(name).to_str().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap()
}

#[track_caller]
fn went_well(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}{}", out(output), err(output));
}

/// Learns from this file; the model's path.
#[track_caller]
fn trained(bot: &Smartcloudops, csv: &str, name: &str) -> String {
    let model = path(bot, name);
    went_well(&bot.run(&["train", "--csv", csv, "--model", &model]));
    model
}

/// Looks at this file; the scores, the events and what was said.
#[track_caller]
fn detected(bot: &Smartcloudops, model: &str, csv: &str) -> (String, Vec<Value>, Output) {
    let (scores, events) = (path(bot, "scores.csv"), path(bot, "events.jsonl"));
    let output = bot
        .run(&["detect", "--model", model, "--csv", csv, "--scores", &scores, "--events", &events]);
    went_well(&output);
    let events = read(&events).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (read(&scores), events, output)
}

/// The command that looks at something, where it is refused: the sentence.
#[track_caller]
fn refused(bot: &Smartcloudops, model: &str, csv: &str) -> String {
    let scores = path(bot, "none.csv");
    let output = bot.run(&["detect", "--model", model, "--csv", csv, "--scores", &scores]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    err(&output)
}

#[test]
fn faults_are_found_and_alarms_are_seldom_false() {
    let bot = Smartcloudops::here();
    let fleet = Fleet::make(&bot, &SEVERAL, 4, 14, 4);
    // One file with all of it, as data sets of this kind come.
    let mut text = format!("host,timestamp,split,{}\n", fleet.metrics.join(","));
    for row in &fleet.rows {
        let split = if fleet.is_past(row) { "train" } else { "test" };
        writeln!(text, "{},{},{split},{}", row.host, row.at, row.values.join(",")).unwrap();
    }
    let csv = file(&bot, "both.csv", &text);
    let model = path(&bot, "fleet.model");
    let output = bot.run(&["train", "--csv", &csv, "--model", &model, "--budget", "0.2"]);
    went_well(&output);
    let said = out(&output);
    for words in [
        "Learned 4 hosts with 12 metrics, from 2026-01-05T00:00:00Z to 2026-01-18T23:50:00Z, every 600 s",
        "budget 0.2",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(err(&output).contains("only rows with `train`"), "{}", err(&output));

    let (scores, events, output) = detected(&bot, &model, &csv);
    assert_eq!(scores.lines().count(), fleet.after().len() + 1);
    assert!(err(&output).contains("only rows with `test`"), "{}", err(&output));
    let said = out(&output).replace(',', "");
    let printed = format!("4 hosts {} observations {} events", fleet.after().len(), events.len());
    assert!(said.contains(&printed), "{printed}: {said}");

    let judged = json(&bot.run(&[
        "evaluate",
        "--scores",
        &path(&bot, "scores.csv"),
        "--labels",
        &format!("{}/labels.csv", fleet.directory),
        "--json",
    ]));
    let alarms = &judged["given_alarms"];
    let figure = |name: &str| alarms[name].as_f64().unwrap();
    assert!(figure("event_recall") > 0.5, "{alarms}");
    assert!(figure("event_f1") > 0.35, "{alarms}");
    assert!(figure("false_alarms_per_host_day") < 1.5, "{alarms}");
}

#[test]
fn the_same_seed_learns_and_says_the_same_to_the_last_byte() {
    let bot = Smartcloudops::here();
    let fleet = Fleet::small(&bot);
    let past = file(&bot, "past.csv", &fleet.wide(&fleet.past()));
    let after = file(&bot, "after.csv", &fleet.wide(&fleet.after()));
    let models = ["one", "other"].map(|name| trained(&bot, &past, name));
    let bytes = models.each_ref().map(|file| {
        let mut model = model::load(Path::new(file), None).unwrap();
        // The only thing that may differ.
        model.header.written = 0;
        model::encode(&model).unwrap()
    });
    assert!(bytes[0] == bytes[1]);
    let [one, other] = models.map(|model| detected(&bot, &model, &after));
    assert_eq!((one.0, one.1), (other.0, other.1));

    let model = path(&bot, "seed");
    went_well(&bot.run(&["train", "--csv", &past, "--model", &model, "--seed", "2"]));
    assert_eq!(model::load(Path::new(&model), None).unwrap().header.seed, 2);
}

#[test]
fn a_score_rests_on_what_was_before_alone() {
    let bot = Smartcloudops::here();
    let fleet = Fleet::small(&bot);
    let model = trained(&bot, &file(&bot, "past.csv", &fleet.wide(&fleet.past())), "model");
    let rows = fleet.after();
    let (all, ..) = detected(&bot, &model, &file(&bot, "all.csv", &fleet.wide(&rows)));
    for count in [1, 2, rows.len() / 3, rows.len() - 1] {
        // A part of a moment would be another moment: hosts are compared with their peers.
        let count = count + usize::from(rows[count - 1].at == rows[count].at);
        let part = file(&bot, "part.csv", &fleet.wide(&rows[..count]));
        let (scores, ..) = detected(&bot, &model, &part);
        assert_eq!(scores.lines().count(), count + 1);
        assert!(all.starts_with(&scores), "{count}");
    }
}

#[test]
fn the_shape_of_a_file_and_the_order_of_its_columns_do_not_matter() {
    let bot = Smartcloudops::here();
    let mut fleet = Fleet::small(&bot);
    let (past, after) = (fleet.past(), fleet.after());
    let wide = trained(&bot, &file(&bot, "past.csv", &fleet.wide(&past)), "wide");
    let long = trained(&bot, &file(&bot, "long.csv", &fleet.long(&past)), "long");
    let (expected, ..) = detected(&bot, &wide, &file(&bot, "after.csv", &fleet.wide(&after)));
    let long_after = file(&bot, "long_after.csv", &fleet.long(&after));
    for model in [&wide, &long] {
        assert!(detected(&bot, model, &long_after).0 == expected, "{model}");
    }
    // The other way round, and with a metric more.
    fleet.metrics.reverse();
    fleet.metrics.push("temperature");
    let turned: Vec<Row> = after
        .iter()
        .map(|row| {
            let values = row.values.iter().rev().cloned().chain(["21".to_owned()]).collect();
            Row { values, ..row.clone() }
        })
        .collect();
    let file = file(&bot, "turned.csv", &fleet.wide(&turned));
    let (scores, _, output) = detected(&bot, &wide, &file);
    assert!(scores == expected);
    assert!(err(&output).contains("does not know are ignored: `temperature`"), "{}", err(&output));
}

#[test]
fn metrics_that_are_missing_are_named_and_none_at_all_is_refused() {
    let bot = Smartcloudops::here();
    let mut fleet = Fleet::small(&bot);
    let model = trained(&bot, &file(&bot, "past.csv", &fleet.wide(&fleet.past())), "model");
    let after = fleet.after();
    fleet.metrics[1] = "temperature";
    let (scores, _, output) = detected(&bot, &model, &file(&bot, "b.csv", &fleet.wide(&after)));
    assert_eq!(scores.lines().count(), after.len() + 1);
    assert!(err(&output).contains("the data lack: `memory_used_percent`"), "{}", err(&output));
    fleet.metrics = vec!["a", "b", "c"];
    let refusal = refused(&bot, &model, &file(&bot, "c.csv", &fleet.wide(&after)));
    assert!(refusal.contains("none of the metrics that the model knows"), "{refusal}");
    assert!(refusal.contains("they have `a`, `b`, `c`"), "{refusal}");
}

#[test]
fn hosts_that_the_model_does_not_know_are_not_dropped_silently() {
    let bot = Smartcloudops::here();
    let fleet = Fleet::small(&bot);
    let model = trained(&bot, &file(&bot, "past.csv", &fleet.wide(&fleet.past())), "model");
    let mut rows = fleet.after();
    let strangers = rows.iter_mut().filter(|row| row.host == "web-2");
    let count = strangers.map(|row| "a-stranger".clone_into(&mut row.host)).count();
    let (scores, _, output) = detected(&bot, &model, &file(&bot, "after.csv", &fleet.wide(&rows)));
    assert_eq!(scores.lines().count(), rows.len() + 1);
    let of_strangers: Vec<&str> =
        scores.lines().filter(|line| line.starts_with("a-stranger,")).collect();
    assert_eq!(of_strangers.len(), count);
    assert!(of_strangers.iter().all(|line| line.ends_with(",0,0")));
    let words = format!("{count} observations of 1 host that the model does not know");
    assert!(err(&output).contains(&words), "{}", err(&output));
    assert!(err(&output).contains("`a-stranger`"), "{}", err(&output));
}

#[test]
fn an_event_says_what_was_expected_and_one_that_goes_on_has_no_end() {
    let bot = Smartcloudops::here();
    let fleet = Fleet::small(&bot);
    let model = trained(&bot, &file(&bot, "past.csv", &fleet.wide(&fleet.past())), "model");
    let mut rows: Vec<Row> = fleet.after().into_iter().take(60).collect();
    for row in &mut rows[40..] {
        row.values[0] = "99.5".to_owned();
    }
    let since = rows[40].at;
    let (scores, events, _) = detected(&bot, &model, &file(&bot, "after.csv", &fleet.wide(&rows)));
    assert!(scores.lines().last().unwrap().ends_with(",1"), "{scores}");
    let event = events.iter().find(|event| event["end"].is_null()).unwrap();
    let start: chrono::DateTime<chrono::Utc> = event["start"].as_str().unwrap().parse().unwrap();
    assert!((since - 3_600..since + 3_600).contains(&start.timestamp()), "{event}");
    let metric = &event["metrics"][0];
    assert_eq!(
        (&metric["metric"], &metric["direction"]),
        (&"cpu_user_percent".into(), &"up".into())
    );
    let number = |name: &str| metric[name].as_f64().unwrap();
    assert!((number("value") - 99.5).abs() < 1e-9 && number("sigmas") > 3.0, "{event}");
    assert!(number("expected_low") < number("expected_high"), "{event}");
    assert!(number("expected_high") < 99.5, "{event}");
    assert!(event["score"].as_f64().unwrap() > 0.0 && event["once_in_days"].is_number());
}

#[test]
fn a_damaged_model_is_refused_and_the_one_before_is_used() {
    let bot = Smartcloudops::here();
    let fleet = Fleet::small(&bot);
    let past = file(&bot, "past.csv", &fleet.wide(&fleet.past()));
    let after = file(&bot, "after.csv", &fleet.wide(&fleet.after()));
    let model = trained(&bot, &past, "model");
    let (expected, ..) = detected(&bot, &model, &after);
    let mut bytes = fs::read(&model).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&model, &bytes).unwrap();
    assert!(refused(&bot, &model, &after).contains("it is damaged"));
    bytes.truncate(middle);
    fs::write(&model, bytes).unwrap();
    assert!(refused(&bot, &model, &after).contains("it is cut off"));
    assert!(refused(&bot, &past, &after).contains("it is not a model file"));
    assert!(refused(&bot, &path(&bot, "nowhere"), &after).contains("cannot read"));

    trained(&bot, &past, "model");
    trained(&bot, &past, "model");
    fs::write(&model, "nothing").unwrap();
    let (scores, _, output) = detected(&bot, &model, &after);
    assert!(scores == expected);
    assert!(err(&output).contains("model.1 is used instead"), "{}", err(&output));
}

#[test]
fn what_cannot_be_learned_from_is_said_in_a_sentence() {
    let bot = Smartcloudops::here();
    let fleet = Fleet::small(&bot);
    let rows = fleet.past();
    let short = file(&bot, "short.csv", &fleet.wide(&rows[..100]));
    let model = path(&bot, "model");
    let output = bot.run(&["train", "--csv", &short, "--model", &model]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("no host has 60 observations"), "{}", err(&output));
    assert!(!Path::new(&model).exists());

    // A host that is too short is left out, and a row that cannot be read is named.
    let mut text = fleet.wide(&rows);
    text.push_str("new-1,1767600000,1,2,3\nweb-1,soon,1,2,3\n");
    let csv = file(&bot, "past.csv", &text);
    let output = bot.run(&["train", "--csv", &csv, "--model", &model]);
    went_well(&output);
    let said = out(&output);
    assert!(said.contains("fewer than 60 observations: 1 host, `new-1`"), "{said}");
    assert!(err(&output).contains("the past is 3.0 days long"), "{}", err(&output));
    assert!(err(&output).contains("1 of 866 rows were left out"), "{}", err(&output));
    assert!(err(&output).contains("`soon` is no time"), "{}", err(&output));

    let same = bot.run(&["detect", "--model", &model, "--csv", &csv, "--scores", &csv]);
    assert_eq!(same.status.code(), Some(1));
    assert!(err(&same).contains("cannot be written too"), "{}", err(&same));
    assert_eq!(read(&csv), text);
    for wrong in [
        &["train", "--model", "x"][..],
        &["train", "--csv", "x"],
        &["train", "--csv", "x", "--model", "x", "--budget", "0"],
        &["detect", "--model", "x", "--csv", "x"],
    ] {
        assert_eq!(bot.run(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn a_host_that_has_no_past_is_judged_by_its_role() {
    let bot = Smartcloudops::here();
    let fleet = Fleet::make(&bot, &SEVERAL, 16, 3, 1);
    let role = |row: &Row| row.host.rsplit_once('-').unwrap().0.to_owned();
    let with_roles = |rows: &[Row]| {
        let mut text = format!("host,timestamp,role,{}\n", fleet.metrics.join(","));
        for row in rows {
            let values = row.values.join(",");
            writeln!(text, "{},{},{},{values}", row.host, row.at, role(row)).unwrap();
        }
        text
    };
    let mut others = fleet.past();
    others.retain(|row| row.host != "web-4");
    let model = trained(&bot, &file(&bot, "past.csv", &with_roles(&others)), "fleet.model");
    let judged = |csv: &str| {
        let (scores, _, output) = detected(&bot, &model, csv);
        let of_it = scores.lines().filter(|line| line.starts_with("web-4,"));
        let judged = of_it.filter(|line| line.split(',').nth(2) != Some("0")).count();
        (judged, err(&output).contains("web-4"))
    };
    let (scores, is_unknown) = judged(&file(&bot, "after.csv", &with_roles(&fleet.after())));
    assert!(scores > 100 && !is_unknown, "{scores}");
    let plain = file(&bot, "plain.csv", &fleet.wide(&fleet.after()));
    let (scores, is_unknown) = judged(&plain);
    assert_eq!((scores, is_unknown), (0, true), "nothing says what it is");
}
