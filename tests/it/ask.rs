//! Questions from the command line to a real Prometheus, compared with what promtool says.

use crate::support::{
    bot::{Smartcloudops, answered, refused},
    peers,
};

/// Each signal as a person would write it in PromQL for node_exporter, without our code.
const SIGNALS: [(&str, &str); 9] = [
    ("cpu", "100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode='idle'}[5m])))"),
    ("memory", "100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)"),
    ("swap", "100 * (1 - node_memory_SwapFree_bytes / (node_memory_SwapTotal_bytes > 0))"),
    (
        "disk",
        "100 * (1 - node_filesystem_avail_bytes{fstype!~'tmpfs|ramfs|overlay|squashfs|devtmpfs|iso9660|fuse.*|nsfs|rootfs|autofs'} / node_filesystem_size_bytes > 0)",
    ),
    (
        "disk_io",
        "sum by (instance) (rate(node_disk_read_bytes_total{device!~'(dm-|loop|ram|sr|md|fd|zram).*'}[5m])) + sum by (instance) (rate(node_disk_written_bytes_total{device!~'(dm-|loop|ram|sr|md|fd|zram).*'}[5m]))",
    ),
    (
        "network_in",
        "sum by (instance) (rate(node_network_receive_bytes_total{device=~'eth0|en.*'}[5m]))",
    ),
    (
        "network_out",
        "sum by (instance) (rate(node_network_transmit_bytes_total{device=~'eth0|en.*'}[5m]))",
    ),
    ("load", "node_load1"),
    ("uptime", "node_time_seconds - node_boot_time_seconds"),
];

/// The expression over the last half hour, looked at as often as `query` looks; a bare metric is
/// looked at where it was scraped.
fn over(stat: &str, expression: &str, query: &str) -> String {
    if expression == "node_load1" && stat != "current" {
        return match stat {
            "p95" => "quantile_over_time(0.95, node_load1[30m])".to_owned(),
            _ => format!("{stat}_over_time(node_load1[30m])"),
        };
    }
    let step =
        query.split("[30m:").nth(1).and_then(|rest| rest.split(']').next()).unwrap_or_default();
    match stat {
        "current" => expression.to_owned(),
        "p95" => format!("quantile_over_time(0.95, ({expression})[30m:{step}])"),
        _ => format!("{stat}_over_time(({expression})[30m:{step}])"),
    }
}

/// Every signal and stat of the fleet equals what promtool gets for a query of our own.
fn equals_promtool(server: &str) {
    let bot = Smartcloudops::asking(server);
    for (signal, expression) in SIGNALS {
        for stat in ["current", "avg", "max", "min", "p95"] {
            let window = if stat == "current" { "" } else { " window=30m" };
            let question = format!("metric {signal} stat={stat}{window}");
            let answer = answered(&bot.ask(&question));
            let evidence = &answer["evidence"][0];
            let at = evidence["at"].as_str().unwrap();
            let query = over(stat, expression, evidence["query"].as_str().unwrap());
            let theirs = peers::promtool(server, &query, at);
            assert_close(
                &values(evidence),
                &sorted(theirs.into_iter().map(|(_, value)| value)),
                &question,
            );
        }
    }
}

fn values(evidence: &serde_json::Value) -> Vec<f64> {
    let rows = evidence["values"].as_array().unwrap();
    sorted(rows.iter().map(|row| row["value"].as_f64().unwrap()))
}

fn assert_close(ours: &[f64], theirs: &[f64], question: &str) {
    assert!(!ours.is_empty(), "{question} found nothing");
    assert_eq!(ours.len(), theirs.len(), "{question}: {ours:?} {theirs:?}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        let near = (ours - theirs).abs() <= 1e-6 * theirs.abs().max(1e-3);
        assert!(near, "{question}: {ours} is not {theirs}");
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

#[test]
fn every_number_of_the_fleet_is_promtools_number() {
    let Some(server) = peers::fleet() else { return };
    equals_promtool(&server);
}

/// VictoriaMetrics starts a subquery elsewhere and reads a rate's first sample differently, so only
/// what is the same question to both is compared: the newest values of gauges.
#[test]
fn victoriametrics_gives_the_same_newest_values() {
    let (Some(victoria), Some(prometheus)) = (peers::victoria(), peers::fleet()) else { return };
    let bot = Smartcloudops::asking(&victoria);
    for (signal, expression) in SIGNALS {
        let answer = answered(&bot.ask(&format!("metric {signal}")));
        let evidence = &answer["evidence"][0];
        let ours = values(evidence);
        let theirs = peers::promtool(&victoria, expression, evidence["at"].as_str().unwrap());
        let theirs = sorted(theirs.into_iter().map(|(_, value)| value));
        assert_close(&ours, &theirs, signal);
        if !expression.contains("rate(") {
            let theirs = peers::promtool(&prometheus, expression, evidence["at"].as_str().unwrap());
            assert_close(&ours, &sorted(theirs.into_iter().map(|(_, value)| value)), signal);
        }
    }
}

#[test]
fn this_machine_through_node_exporter_is_promtools_number() {
    let Some(server) = peers::live() else { return };
    let bot = Smartcloudops::asking(&server);
    for (signal, expression) in [SIGNALS[1], SIGNALS[7], SIGNALS[8]] {
        let answer = answered(&bot.ask(&format!("metric {signal}")));
        let evidence = &answer["evidence"][0];
        let ours = evidence["values"][0]["value"].as_f64().unwrap();
        let theirs = peers::promtool(&server, expression, evidence["at"].as_str().unwrap())[0].1;
        assert!(
            (ours - theirs).abs() <= 1e-6 * theirs.abs().max(1e-3),
            "{signal}: {ours} {theirs}"
        );
    }
}

#[test]
fn hosts_have_names_whatever_their_instance_label_is() {
    let Some(server) = peers::fleet() else { return };
    let bot = Smartcloudops::asking(&server);
    // web-2 is scraped by its address; web-1 by its name.
    for question in ["cpu of web-1", "cpu of web-2", "cpu of 10.0.1.2"] {
        let answer = answered(&bot.ask(question));
        let values = answer["evidence"][0]["values"].as_array().unwrap().clone();
        assert_eq!(values.len(), 1, "{question}");
        assert!(values[0]["host"].as_str().unwrap().starts_with("web-"), "{question}");
        assert_eq!(values[0]["unit"], "percent");
    }
}

#[test]
fn a_stopped_host_is_named_and_not_zero() {
    let Some(server) = peers::fleet() else { return };
    let bot = Smartcloudops::asking(&server);
    let answer = answered(&bot.ask("memory of worker-6"));
    assert_eq!(answer["evidence"][0]["values"], serde_json::json!([]));
    let text = answer["text"].as_str().unwrap();
    assert!(text.contains("no data") && text.contains("worker-6 (down)"), "{text}");
}

#[test]
fn a_filling_disk_has_a_date_and_a_flat_one_has_none() {
    let Some(server) = peers::fleet() else { return };
    let bot = Smartcloudops::asking(&server);
    let text = |question: &str| answered(&bot.ask(question))["text"].as_str().unwrap().to_owned();
    let filling = text("when will db-1's disk be full?");
    assert!(filling.contains("db-1 /data will be full in about"), "{filling}");
    let days: f64 =
        filling.split("about ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((3.0..=6.0).contains(&days), "{filling}");
    let flat = text("when is web-1's disk full?");
    assert!(flat.contains("not be full at this rate"), "{flat}");
}

#[test]
fn a_chart_is_a_picture_of_the_promised_size() {
    let Some(server) = peers::fleet() else { return };
    let bot = Smartcloudops::asking(&server);
    let file = bot.directory().join("chart.png");
    let answer = answered(&bot.run(&[
        "ask",
        "--json",
        "--chart",
        file.to_str().unwrap(),
        "cpu of web hosts last 6h",
    ]));
    assert_eq!(answer["chart"], file.to_str().unwrap());
    let reader = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&file).unwrap()))
        .read_info()
        .unwrap();
    assert_eq!((reader.info().width, reader.info().height), (1280, 500));
}

#[test]
fn an_unknown_host_is_refused_with_its_neighbours() {
    let Some(server) = peers::fleet() else { return };
    let bot = Smartcloudops::asking(&server);
    let refusal = refused(&bot.ask("cpu of web-77"), 3);
    assert_eq!(refusal["kind"], "unknown_host");
    assert!(refusal["message"].as_str().unwrap().contains("web-7"), "{refusal}");
}

#[test]
fn raw_promql_goes_through_the_gate() {
    let Some(server) = peers::fleet() else { return };
    let bot = Smartcloudops::asking(&server);
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
