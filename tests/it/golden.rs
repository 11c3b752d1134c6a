//! A model that an older version wrote is still read, and still says the same.
//!
//! When the version of the format rises, or the detector learns or judges otherwise on purpose, the
//! files under `tests/data` are written anew by one command:
//!
//! ```sh
//! cargo test --test it golden -- --ignored
//! ```

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use chrono::DateTime;
use smartcloudops::anomaly::{
    Detector, Observation, Settings,
    csv::Dataset,
    model::{self, Model},
    simulate::{self, simulate},
};

const METRICS: [&str; 4] =
    ["cpu_user_percent", "load1", "memory_used_percent", "network_in_mb_per_second"];
const STEP: u32 = 600;
/// Days that are learned from.
const PAST: i64 = 3;
/// Moments that are kept, after the past.
const MOMENTS: i64 = 40;
/// In the last of them the CPU is busier than ever.
const BUSY: i64 = 6;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The past of two made-up hosts, and the moments after it, as CSV with a few metrics.
fn made_up() -> [String; 2] {
    let settings = simulate::Settings {
        seed: 11,
        hosts: 2,
        days: PAST as u32 + 1,
        step: STEP,
        quiet_days: PAST as u32,
        ..simulate::Settings::default()
    };
    let mut metrics = Vec::new();
    simulate(&settings, &mut metrics, &mut Vec::new(), |_| {}).unwrap();
    let text = String::from_utf8(metrics).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let columns = METRICS.map(|name| header.iter().position(|it| *it == name).unwrap());
    let header = format!("host,timestamp,{}\n", METRICS.join(","));
    let (mut past, mut after) = (header.clone(), header);
    let end = simulate::START + PAST * 86_400;
    for fields in lines {
        let at: i64 = fields[1].parse().unwrap();
        let moment = (at - end).div_euclid(i64::from(STEP));
        let file = match moment {
            ..0 => &mut past,
            0..MOMENTS => &mut after,
            _ => continue,
        };
        write!(file, "{},{at}", fields[0]).unwrap();
        for (place, column) in columns.iter().enumerate() {
            let busy = place == 0 && moment >= MOMENTS - BUSY;
            let value = if busy { "97.5" } else { fields[*column] };
            write!(file, ",{value}").unwrap();
        }
        file.push('\n');
    }
    [past, after]
}

/// What is said of each observation: `entity,timestamp,score,alarm`, in full.
fn scores(mut detector: Detector, observations: &[Observation]) -> String {
    let mut scores = "entity,timestamp,score,alarm\n".to_owned();
    for moment in observations.chunk_by(|one, other| one.at == other.at) {
        for verdict in detector.look(moment) {
            let alarm = u8::from(verdict.alarm);
            let (host, at) = (verdict.host, verdict.at / 1000);
            writeln!(scores, "{host},{at},{},{alarm}", verdict.score).unwrap();
        }
    }
    scores
}

fn observations(file: &Path) -> Vec<Observation> {
    let mut dataset = Dataset::open(&[file.to_owned()]).unwrap();
    assert_eq!(dataset.schema().metrics(), METRICS);
    dataset.observations().unwrap().map(Result::unwrap).collect()
}

#[test]
fn the_golden_model_is_read_and_says_the_same() {
    let Model { header, detector } = model::load(&data("golden.model"), None).unwrap();
    assert_eq!((header.hosts, header.seed), (2, Settings::default().seed));
    assert_eq!(detector.hosts().collect::<Vec<_>>(), ["web-1", "web-2"]);
    let observations = observations(&data("golden.csv"));
    assert_eq!(observations.len(), 2 * usize::try_from(MOMENTS).unwrap());
    let said = scores(detector, &observations);
    let expected = fs::read_to_string(data("golden_scores.csv")).unwrap();
    assert_eq!(said.lines().count(), expected.lines().count());
    let mut alarms = 0;
    for (said, expected) in said.lines().zip(expected.lines()).skip(1) {
        let fields = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
        let (said_fields, expected_fields) = (fields(said), fields(expected));
        assert_eq!(said_fields[..2], expected_fields[..2]);
        assert_eq!(said_fields[3], expected_fields[3], "{said} instead of {expected}");
        let score = |fields: &[String]| fields[2].parse::<f64>().unwrap();
        let difference = score(&said_fields) - score(&expected_fields);
        assert!(difference.abs() < 1e-4, "{said} instead of {expected}");
        alarms += u32::from(said_fields[3] == "1");
    }
    assert!(alarms > 0, "a golden model that never alarms shows little");
}

#[test]
#[ignore = "writes the golden files anew"]
fn the_golden_model_is_written() {
    let [past, after] = made_up();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("past.csv");
    fs::write(&file, past).unwrap();
    let mut dataset = Dataset::open(&[file]).unwrap();
    let histories = dataset.histories(|_| {}).unwrap();
    let detector = Detector::train(dataset.schema().clone(), &histories, Settings::default());
    let model = Model::new(detector, dataset.span(), DateTime::UNIX_EPOCH);
    let bytes = model::encode(&model).unwrap();
    assert!(bytes.len() < 60_000, "{} bytes: keep it small", bytes.len());
    fs::write(data("golden.model"), bytes).unwrap();
    fs::write(data("golden.csv"), after).unwrap();
    let said = scores(model.detector, &observations(&data("golden.csv")));
    fs::write(data("golden_scores.csv"), said).unwrap();
}
