//! Questions from the command line to a real Prometheus, compared with what promtool says.

use std::collections::BTreeMap;

use crate::support::{
    bot::{Smartcloudops, answered, refused},
    everywhere::{installed_everywhere, installed_on_each_database},
    peers,
};

/// Each signal as a person would write it in PromQL for node_exporter, without our code.
const SIGNALS: [(&str, &str); 9] = [
    ("cpu", "100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode='idle'}[5m])))"),
    ("memory", "100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)"),
    ("swap", "100 * (1 - node_memory_SwapFree_bytes / (node_memory_SwapTotal_bytes > 0))"),
    (
        "disk",
        "100 * (1 - node_filesystem_avail_bytes{device=~'/dev/.*',fstype=~'ext4|xfs|btrfs'} / node_filesystem_size_bytes)",
    ),
    (
        "disk_io",
        "sum by (instance) (rate(node_disk_read_bytes_total{device!~'(dm-|loop|ram|sr|md|fd|zram).*'}[5m])) + sum by (instance) (rate(node_disk_written_bytes_total{device!~'(dm-|loop|ram|sr|md|fd|zram).*'}[5m]))",
    ),
    (
        "network_in",
        "sum by (instance) (rate(node_network_receive_bytes_total{device=~'eth.*|en.*'}[5m]))",
    ),
    (
        "network_out",
        "sum by (instance) (rate(node_network_transmit_bytes_total{device=~'eth.*|en.*'}[5m]))",
    ),
    ("load", "node_load1"),
    ("uptime", "node_time_seconds - node_boot_time_seconds"),
];

/// The expression over the last half hour, looked at once a scrape; a bare metric is looked at where
/// it was scraped.
fn over(stat: &str, expression: &str, scrape: &str) -> String {
    let range = if expression == "node_load1" {
        format!("{expression}[30m]")
    } else {
        format!("({expression})[30m:{scrape}]")
    };
    match stat {
        "current" => expression.to_owned(),
        "p95" => format!("quantile_over_time(0.95, {range})"),
        _ => format!("{stat}_over_time({range})"),
    }
}

/// Numbers by host and part.
type Numbers = BTreeMap<(String, String), f64>;

fn ours(evidence: &serde_json::Value) -> Numbers {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let rows = evidence["values"].as_array().unwrap();
    rows.iter()
        .map(|row| ((text(&row["host"]), text(&row["part"])), row["value"].as_f64().unwrap()))
        .collect()
}

/// What promtool gets, by the names that `node_uname_info` knows.
fn theirs(server: &str, query: &str, at: &str) -> Numbers {
    let names: BTreeMap<String, String> =
        peers::promtool(server, "last_over_time(node_uname_info[1d])", at)
            .into_iter()
            .map(|(labels, _)| (label(&labels, "instance"), label(&labels, "nodename")))
            .collect();
    peers::promtool(server, query, at)
        .into_iter()
        .map(|(labels, value)| {
            ((names[&label(&labels, "instance")].clone(), label(&labels, "mountpoint")), value)
        })
        .collect()
}

fn label(labels: &str, name: &str) -> String {
    let value = labels.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
    value.unwrap_or_default().to_owned()
}

fn near(ours: f64, theirs: f64) -> bool {
    (ours - theirs).abs() <= 1e-6 * theirs.abs().max(1e-3)
}

fn equal(ours: &Numbers, theirs: &Numbers) -> bool {
    ours.keys().eq(theirs.keys()) && ours.iter().all(|(place, ours)| near(*ours, theirs[place]))
}

fn assert_equal(ours: &Numbers, theirs: &Numbers, question: &str) {
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{question}");
    for (place, ours) in ours {
        let theirs = theirs[place];
        assert!(near(*ours, theirs), "{question} {place:?}: {ours} is not {theirs}");
    }
}

/// Our numbers, which the server says too for this query at the same second, and that second. What is scraped in that
/// second may come into the server a moment after we asked, so it is asked three times; three wrong answers would be
/// ours.
fn agreed(bot: &Smartcloudops, server: &str, question: &str, query: &str) -> (Numbers, String) {
    let asked = || {
        let answer = answered(&bot.ask(question));
        let evidence = &answer["evidence"][0];
        let at = evidence["at"].as_str().unwrap().to_owned();
        (ours(evidence), theirs(server, query, &at), at)
    };
    for _ in 0..2 {
        let (ours, theirs, at) = asked();
        if equal(&ours, &theirs) {
            return (ours, at);
        }
    }
    let (ours, theirs, at) = asked();
    assert_equal(&ours, &theirs, question);
    (ours, at)
}

/// Every signal and stat, of every host and part, equals what promtool gets for a query of our own;
/// `check` is told how many were compared.
fn equals_promtool(server: &str, scrape: &str, check: impl Fn(BTreeMap<&'static str, usize>)) {
    let settings =
        format!("[metrics.prometheus]\nurl = \"{server}\"\nscrape_interval = \"{scrape}\"\n");
    installed_on_each_database(&settings, |bot| {
        let mut compared = BTreeMap::new();
        for (signal, expression) in SIGNALS {
            for stat in ["current", "avg", "max", "min", "p95"] {
                let window = if stat == "current" { "" } else { " window=30m" };
                let question = format!("metric {signal} stat={stat}{window}");
                let query = over(stat, expression, scrape);
                let (ours, _) = agreed(bot, server, &question, &query);
                *compared.entry(signal).or_default() += ours.len();
            }
        }
        check(compared);
    });
}

#[test]
fn every_number_of_the_fleet_is_promtools_number() {
    let Some(server) = peers::fleet() else { return };
    equals_promtool(&server, "15s", |compared| {
        // 20 hosts, one of them stopped two hours ago, five stats; swap only where there is some.
        assert_eq!(compared["cpu"], 95);
        assert_eq!(compared["swap"], 45);
        assert_eq!(compared["disk"], 95 + 20);
        assert!(compared.values().all(|numbers| *numbers >= 45), "{compared:?}");
    });
}

#[test]
fn every_number_of_this_machine_through_node_exporter_is_promtools_number() {
    let Some(server) = peers::live() else { return };
    equals_promtool(&server, "1s", |compared| {
        for signal in ["cpu", "memory", "load", "uptime"] {
            assert_eq!(compared[signal], 5, "{compared:?}");
        }
    });
}

/// VictoriaMetrics starts a subquery elsewhere and reads a rate's first sample differently, so our
/// numbers are compared with its own answers, and with Prometheus' where both read the same samples.
#[test]
fn victoriametrics_gives_its_numbers_and_for_gauges_the_same() {
    let (Some(victoria), Some(prometheus)) = (peers::victoria(), peers::fleet()) else { return };
    let bot = Smartcloudops::asking(&victoria);
    for (signal, expression) in SIGNALS {
        for stat in ["current", "avg", "max", "min", "p95"] {
            let window = if stat == "current" { "" } else { " window=30m" };
            let question = format!("metric {signal} stat={stat}{window}");
            let query = over(stat, expression, "15s");
            let (ours, at) = agreed(&bot, &victoria, &question, &query);
            // Samples are a minute apart; at that very second the two disagree about which is newest.
            let between = !at.ends_with(":00Z");
            if between && stat == "current" && !expression.contains("rate(") {
                assert_equal(&ours, &theirs(&prometheus, &query, &at), &question);
            }
        }
    }
}

#[test]
fn hosts_have_names_whatever_their_instance_label_is() {
    installed_everywhere(|bot| {
        // web-2 is scraped by its address; web-1 by its name.
        for question in ["cpu of web-1", "cpu of web-2", "cpu of 10.0.1.2"] {
            let answer = answered(&bot.ask(question));
            let values = answer["evidence"][0]["values"].as_array().unwrap().clone();
            assert_eq!(values.len(), 1, "{question}");
            assert!(values[0]["host"].as_str().unwrap().starts_with("web-"), "{question}");
            assert_eq!(values[0]["unit"], "percent");
        }
    });
}

#[test]
fn a_stopped_host_is_named_and_not_zero() {
    installed_everywhere(|bot| {
        let answer = answered(&bot.ask("memory of worker-6"));
        assert_eq!(answer["evidence"][0]["values"], serde_json::json!([]));
        let text = answer["text"].as_str().unwrap();
        assert!(text.contains("no data") && text.contains("worker-6 (down)"), "{text}");
    });
}

#[test]
fn a_filling_disk_has_a_date_and_a_flat_one_has_none() {
    installed_everywhere(|bot| {
        let text =
            |question: &str| answered(&bot.ask(question))["text"].as_str().unwrap().to_owned();
        let filling = text("when will db-1's disk be full?");
        assert!(filling.contains("db-1 /data will be full in about"), "{filling}");
        let days: f64 =
            filling.split("about ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!((3.0..=6.0).contains(&days), "{filling}");
        let flat = text("when is web-1's disk full?");
        assert!(flat.contains("not be full at this rate"), "{flat}");
    });
}

#[test]
fn a_chart_is_a_picture_of_the_promised_size() {
    installed_everywhere(|bot| {
        let file = bot.directory().join("chart.png");
        let answer = answered(&bot.run(&[
            "ask",
            "--json",
            "--chart",
            file.to_str().unwrap(),
            "cpu of web hosts last 6h",
        ]));
        assert_eq!(answer["chart"], file.to_str().unwrap());
        let reader =
            png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&file).unwrap()))
                .read_info()
                .unwrap();
        assert_eq!((reader.info().width, reader.info().height), (1280, 500));
    });
}

#[test]
fn an_unknown_host_is_refused_with_its_neighbours() {
    installed_everywhere(|bot| {
        let refusal = refused(&bot.ask("cpu of web-77"), 3);
        assert_eq!(refusal["kind"], "unknown_host");
        assert!(refusal["message"].as_str().unwrap().contains("web-7"), "{refusal}");
    });
}

#[test]
fn raw_promql_goes_through_the_gate() {
    installed_everywhere(|bot| {
        let answer = answered(&bot.ask("query count by (role) (up{job=\"node\"})"));
        assert_eq!(answer["evidence"][0]["values"].as_array().unwrap().len(), 4);
        for hostile in [
            "query {__name__=~\".+\"}",
            "query {job=~\".*\"}",
            "query rate(node_cpu_seconds_total{mode=\"idle\"}[400d])",
            "query ((((",
        ] {
            let refusal = refused(&bot.ask(hostile), 3);
            assert_eq!(refusal["kind"], "usage", "{hostile}: {refusal}");
        }
    });
}

#[test]
fn a_server_that_is_away_is_said_with_the_time() {
    let bot = Smartcloudops::asking("http://127.0.0.1:9");
    let refusal = refused(&bot.ask("cpu"), 4);
    assert_eq!(refusal["kind"], "metrics_unavailable");
    let message = refusal["message"].as_str().unwrap();
    assert!(
        message.starts_with("It is ")
            && message.contains("could not reach Prometheus at http://127.0.0.1:9"),
        "{message}"
    );
    // Help needs no numbers.
    answered(&bot.ask("help"));
}
