//! `train`: what is normal on each host, learned from its past.

use std::{collections::BTreeMap, path::PathBuf};

use chrono::{DateTime, SecondsFormat};
use clap::Args;

use super::{CliError, SUCCESS, note, progress, say};
use crate::{
    anomaly::{
        Detector, History, LEAST_ROWS, Schema, Settings,
        csv::{Dataset, Part},
        model::{self, Model},
    },
    clock::Clock,
    format,
};

const EXAMPLE: &str = "\
The budget is how many false alarms per host and day you can bear. About right are
  0.4   where machines are young and somebody looks at every alarm
  0.1   usually
  0.02  where an alarm wakes somebody up
A smaller budget finds fewer of the mild faults.

Rows of a file with a column `split` are learned from where it says `train`; of a file without
it all are. Two weeks are good, and a week is the least that knows weekends. Faults in the past do
little harm.

Example:
  smartcloudops simulate --seed 7 --hosts 24 --days 14 --quiet-days 7 --out made-up
  smartcloudops train --csv made-up/metrics.csv --model fleet.model";
/// A shorter past does not know weekends, and its rarest normal moments are too few to know what is rare.
const LEAST_DAYS: f64 = 7.0;
/// So many hosts are named in a line.
const NAMED: usize = 10;

/// From what to learn, and where to keep it.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// The model file; the two before it are kept as OUT.1 and OUT.2
    #[arg(long, value_name = "OUT")]
    model: PathBuf,
    /// The same seed learns the same from the same data
    #[arg(long, value_name = "NUMBER", default_value_t = Settings::default().seed)]
    seed: u64,
    /// How many false alarms per host and day you can bear
    #[arg(long, value_name = "FALSE_ALARMS_PER_HOST_AND_DAY",
          default_value_t = Settings::default().budget, value_parser = budget)]
    budget: f64,
}

/// Where the past is; exactly one of these.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// CSV files with the columns `host`, `timestamp` and one for each metric, or with `host`,
    /// `timestamp`, `metric` and `value`
    #[arg(long, value_name = "FILE", num_args = 1..)]
    csv: Vec<PathBuf>,
}

/// Why nothing could be learned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrainError {
    /// The files hold no metric.
    #[error("the data name no metric: there is nothing to learn")]
    NoMetrics,
    /// No host has enough of a past.
    #[error(
        "no host has {LEAST_ROWS} observations, and fewer teach nothing: the most are {most}, of \
         {hosts}; give a longer past"
    )]
    TooShort {
        /// How many the longest past has.
        most: usize,
        /// How many hosts there are, in words.
        hosts: String,
    },
}

/// The pasts of hosts, and what they were read with.
struct Past {
    schema: Schema,
    histories: BTreeMap<String, History>,
}

fn budget(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|budget| (1e-4..=100.0).contains(budget))
        .ok_or_else(|| "a number from 0.0001 to 100 is needed, such as 0.1".to_owned())
}

pub(super) fn run(arguments: &Arguments, clock: &Clock) -> Result<u8, CliError> {
    let Past { schema, histories } = from_csv(&arguments.source.csv)?;
    if schema.metrics().is_empty() {
        return Err(TrainError::NoMetrics.into());
    }
    let hosts = histories.len();
    let (long, short): (BTreeMap<_, _>, BTreeMap<_, _>) =
        histories.into_iter().partition(|(_, history)| history.times.len() >= LEAST_ROWS);
    let Some(trained) = span(&long) else {
        let most = short.values().map(|history| history.times.len()).max().unwrap_or(0);
        return Err(TrainError::TooShort { most, hosts: format::count(hosts, "host") }.into());
    };
    let days = (trained.1 - trained.0) as f64 / 86_400_000.0;
    if days < LEAST_DAYS - 0.1 {
        note(&format!(
            "the past is {days:.1} days long: with less than a week there are more false alarms than \
             the budget says"
        ));
    }
    let settings = Settings { budget: arguments.budget, seed: arguments.seed };
    let bar = progress::busy("learning what is normal");
    let detector = Detector::train(schema, &long, settings);
    bar.finish_and_clear();
    let model = Model::new(detector, trained, clock.now());
    let bytes = model::save(&arguments.model, &model)?;
    say(&learned(&model.detector, trained));
    if !short.is_empty() {
        say(&format!(
            "Left out, with fewer than {LEAST_ROWS} observations: {}, {}.",
            format::count(short.len(), "host"),
            format::names(short.keys().map(String::as_str), NAMED)
        ));
    }
    say(&format!(
        "The model is in {}, {}; seed {}, budget {} false alarms per host and day.",
        arguments.model.display(),
        format::bytes(bytes as f64),
        settings.seed,
        settings.budget
    ));
    Ok(SUCCESS)
}

fn from_csv(files: &[PathBuf]) -> Result<Past, CliError> {
    let size = progress::size_of(files);
    // Files are read twice: to know their order, then for their values.
    let bar = progress::bytes(2 * size);
    let mut dataset =
        Dataset::open_part(files, Some(Part::Train), |bytes| bar.set_position(bytes))?;
    if let Some(part) = dataset.part() {
        note(&format!("only rows with `{part}` in the column `split` are learned from"));
    }
    let histories = dataset.histories(|bytes| bar.set_position(size + bytes))?;
    bar.finish_and_clear();
    if dataset.report().bad > 0 {
        note(&dataset.report().to_string());
    }
    Ok(Past { schema: dataset.schema().clone(), histories })
}

/// The first and the last moment of all; `None` when there is none.
fn span(histories: &BTreeMap<String, History>) -> Option<(i64, i64)> {
    let first = histories.values().filter_map(|history| history.times.first()).min()?;
    let last = histories.values().filter_map(|history| history.times.last()).max()?;
    Some((*first, *last))
}

/// What a detector knows, in two sentences.
fn learned(detector: &Detector, (first, last): (i64, i64)) -> String {
    let hosts = detector.hosts().count();
    let steps: Vec<f64> = detector.step_seconds().collect();
    let shortest = steps.iter().copied().fold(f64::INFINITY, f64::min);
    let longest = steps.iter().copied().fold(0.0, f64::max);
    let step = if longest > shortest {
        format!("{shortest} s to {longest} s")
    } else {
        format!("{shortest} s")
    };
    let with_peers: Vec<&str> = detector.hosts_with_peers().collect();
    let peers = if with_peers.is_empty() {
        "No host has peers to compare it with: each is judged by its own past.".to_owned()
    } else {
        format!(
            "{} of them have peers to compare them with: {}.",
            with_peers.len(),
            format::names(with_peers, NAMED)
        )
    };
    format!(
        "Learned {} with {}, from {} to {}, every {step}.\n{peers}",
        format::count(hosts, "host"),
        format::count(detector.schema().metrics().len(), "metric"),
        moment(first),
        moment(last)
    )
}

/// Milliseconds since 1970 as RFC 3339.
fn moment(at: i64) -> String {
    DateTime::from_timestamp_millis(at)
        .map_or_else(|| format!("{at} ms"), |at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}
