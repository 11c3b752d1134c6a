use sha2::{Digest as _, Sha256};

use super::*;

fn made(settings: &Settings) -> (String, String, Made) {
    let (mut metrics, mut labels) = (Vec::new(), Vec::new());
    let made = simulate(settings, &mut metrics, &mut labels, |_| {}).unwrap();
    (String::from_utf8(metrics).unwrap(), String::from_utf8(labels).unwrap(), made)
}

fn hash(text: &str) -> String {
    format!("{:x}", Sha256::digest(text)).split_at(16).0.to_owned()
}

const SMALL: Settings =
    Settings { seed: 5, hosts: 6, days: 2, step: 300, faults_per_host_day: 1.0, quiet_days: 1 };

#[test]
fn a_seed_makes_the_same_bytes_in_every_version() {
    let (metrics, labels, _) = made(&SMALL);
    assert_eq!(
        (hash(&metrics).as_str(), hash(&labels).as_str()),
        ("4d70412f481cc209", "3379aa864dfe57b7")
    );
    let (other, _, _) = made(&Settings { seed: 6, ..SMALL });
    assert_ne!(hash(&metrics), hash(&other));
}

#[test]
fn every_row_is_complete_and_in_order() {
    let (metrics, _, summary) = made(&SMALL);
    let mut lines = metrics.lines();
    let header = lines.next().unwrap();
    assert_eq!(header.split(',').count(), 3 + METRICS.len());
    let (mut rows, mut last) = (0, 0);
    for line in lines {
        let fields: Vec<_> = line.split(',').collect();
        assert_eq!(fields.len(), 3 + METRICS.len(), "{line}");
        let at: i64 = fields[1].parse().unwrap();
        assert!(at >= last);
        last = at;
        for (name, field) in METRICS.iter().zip(&fields[3..]) {
            let value: f64 = field.parse().unwrap();
            assert!(value >= 0.0, "{name} {line}");
            assert!(!name.ends_with("_percent") || value <= 100.0, "{name} {line}");
        }
        rows += 1;
    }
    assert_eq!(rows, summary.rows);
}

#[test]
fn faults_are_after_the_quiet_days_apart_and_all_kinds_occur() {
    let settings = Settings {
        hosts: 24,
        days: 20,
        quiet_days: 3,
        faults_per_host_day: 1.0,
        ..Settings::default()
    };
    let faults = plan(&settings);
    let kinds: std::collections::BTreeSet<_> =
        faults.iter().map(|fault| fault.kind.to_string()).collect();
    assert_eq!(kinds.len(), FaultKind::SINGLE.len() + 2, "{kinds:?}");
    for fault in &faults {
        assert!(fault.first >= 3 * 1_440 && fault.first <= fault.last);
        assert!(fault.last < settings.steps() && (0.0..=1.0).contains(&fault.severity));
    }
    for host in 0..settings.hosts {
        let of_host: Vec<_> = faults.iter().filter(|fault| fault.host == host).collect();
        assert!(of_host.windows(2).all(|pair| pair[1].first > pair[0].last + 45));
    }
    assert!(faults.iter().filter(|fault| fault.incident == Some(0)).count() > 1);
    assert!(plan(&Settings { faults_per_host_day: 0.0, ..settings }).is_empty());
}

#[test]
fn a_host_that_is_gone_has_no_rows_and_a_stuck_exporter_repeats_itself() {
    let settings =
        Settings { hosts: 12, days: 12, faults_per_host_day: 1.0, ..Settings::default() };
    let (metrics, _, _) = made(&settings);
    let fleet = settings.fleet();
    let of = |kind: FaultKind| plan(&settings).into_iter().find(|it| it.kind == kind).unwrap();
    let values = |fault: &Fault| -> Vec<&str> {
        let (from, to) = (settings.time(fault.first), settings.time(fault.last));
        let host = format!("{},", fleet[fault.host].0);
        metrics
            .lines()
            .filter_map(|line| line.strip_prefix(&host)?.split_once(','))
            .filter(|(at, _)| (from..=to).contains(&at.parse().unwrap()))
            .map(|(_, values)| values)
            .collect()
    };
    assert!(values(&of(FaultKind::HostGone)).is_empty());
    let stuck = values(&of(FaultKind::StuckExporter));
    assert!(stuck.len() > 10 && stuck.windows(2).all(|pair| pair[0] == pair[1]));
    let steal = values(&of(FaultKind::Steal));
    assert!(steal.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn what_is_made_up_can_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metrics.csv");
    let (metrics, _, summary) = made(&SMALL);
    std::fs::write(&path, metrics).unwrap();
    let mut dataset = crate::anomaly::csv::Dataset::open(&[path]).unwrap();
    assert_eq!(dataset.schema().metrics(), METRICS);
    assert_eq!(dataset.roles()["database-1"], "database");
    assert_eq!(dataset.observations().unwrap().count() as u64, summary.rows);
    assert_eq!(dataset.report().bad, 0);
}
