//! `train`: what is normal on each host, learned from its past.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use chrono::{DateTime, SecondsFormat};
use clap::Args;

use super::{CliError, SUCCESS, note, progress, say};
use crate::{
    anomaly::{
        Detector, LEAST_ROWS, Settings,
        csv::{Dataset, Part},
        model::{self, Model},
    },
    clock::Clock,
    config::Config,
    format,
    metrics::{Metrics, Window},
    watch::{
        self,
        gather::{self, Past},
    },
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

With --prometheus everything that the bot watches is read from the server of the configuration, at
the distance of its looks.

Examples:
  smartcloudops simulate --seed 7 --hosts 24 --days 14 --quiet-days 7 --out made-up
  smartcloudops train --csv made-up/metrics.csv --model fleet.model
  smartcloudops train --prometheus --history 14d --model fleet.model";
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
    /// How much of the past to read from Prometheus [default: `detection.history`]
    #[arg(long, value_name = "TIME", requires = "prometheus")]
    history: Option<Window>,
    /// The same seed learns the same from the same data [default: 1, or with --prometheus that of the
    /// configuration]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// How many false alarms per host and day you can bear [default: 0.1, or with --prometheus that of
    /// the configuration]
    #[arg(long, value_name = "FALSE_ALARMS_PER_HOST_AND_DAY", value_parser = budget)]
    budget: Option<f64>,
}

/// Where the past is; exactly one of these.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// CSV files with the columns `host`, `timestamp` and one for each metric, or with `host`,
    /// `timestamp`, `metric` and `value`
    #[arg(long, value_name = "FILE", num_args = 1..)]
    csv: Vec<PathBuf>,
    /// The Prometheus-compatible server of the configuration
    #[arg(long)]
    prometheus: bool,
}

impl Arguments {
    /// Whether it needs the configuration.
    pub(super) fn asks_prometheus(&self) -> bool {
        self.source.prometheus
    }

    /// What was set here, and otherwise these.
    fn settings(&self, otherwise: Settings) -> Settings {
        Settings {
            budget: self.budget.unwrap_or(otherwise.budget),
            seed: self.seed.unwrap_or(otherwise.seed),
        }
    }
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
    /// This machine is watched, and no server.
    #[error(
        "no Prometheus is configured: set `metrics.prometheus.url`, or learn from files with --csv"
    )]
    NoPrometheus,
    /// The server knows nothing that is watched.
    #[error("Prometheus has nothing of the last {window}: check that it scrapes node_exporters")]
    NothingThere {
        /// What was asked for.
        window: Window,
    },
    /// No host has enough of a past at the server.
    #[error(
        "no host has the past of {least} that is needed to learn (`detection.learn`): the longest is \
         {longest}, of {hosts}; wait, or set `detection.learn` lower"
    )]
    TooYoung {
        /// How much is needed.
        least: Window,
        /// How much the oldest has.
        longest: String,
        /// How many hosts there are, in words.
        hosts: String,
    },
}

pub(super) fn budget(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|budget| (1e-4..=100.0).contains(budget))
        .ok_or_else(|| "a number from 0.0001 to 100 is needed, such as 0.1".to_owned())
}

/// Learns from files.
pub(super) fn from_files(arguments: &Arguments, clock: &Clock) -> Result<u8, CliError> {
    let (Past { schema, histories }, roles) = from_csv(&arguments.source.csv)?;
    if schema.metrics().is_empty() {
        return Err(TrainError::NoMetrics.into());
    }
    let hosts = histories.len();
    let (long, short): (BTreeMap<_, _>, BTreeMap<_, _>) =
        histories.into_iter().partition(|(_, history)| history.times.len() >= LEAST_ROWS);
    if long.is_empty() {
        let most = short.values().map(|history| history.times.len()).max().unwrap_or(0);
        return Err(TrainError::TooShort { most, hosts: format::count(hosts, "host") }.into());
    }
    let past = Past { schema, histories: long };
    let settings = arguments.settings(Settings::default());
    let why = format!("with fewer than {LEAST_ROWS} observations");
    let short: Vec<&str> = short.keys().map(String::as_str).collect();
    learn(&past, &roles, settings, &arguments.model, (&why, &short), clock)
}

/// Learns from the configured Prometheus.
pub(super) async fn from_prometheus(
    config: Config,
    arguments: &Arguments,
    clock: &Clock,
) -> Result<u8, CliError> {
    let metrics = Metrics::new(&config.metrics, config.zone()?, clock)?;
    if matches!(metrics, Metrics::Host(_)) {
        return Err(TrainError::NoPrometheus.into());
    }
    let detection = &config.detection;
    let window = arguments.history.as_ref().unwrap_or(&detection.history);
    let bar = progress::steps(gather::SIGNALS.len() as u64);
    let mut past =
        gather::read(&metrics, window, detection.every.duration(), clock.now(), |done| {
            bar.set_position(done as u64);
        })
        .await?;
    bar.finish_and_clear();
    if past.histories.is_empty() {
        return Err(TrainError::NothingThere { window: window.clone() }.into());
    }
    let short = past.take_short(&detection.learn);
    if past.histories.is_empty() {
        let longest = short.values().max().copied().unwrap_or(0);
        return Err(TrainError::TooYoung {
            least: detection.learn.clone(),
            longest: format::span(longest as f64),
            hosts: format::count(short.len(), "host"),
        }
        .into());
    }
    let why = format!("with a past of less than {} (`detection.learn`)", detection.learn);
    let short: Vec<&str> = short.keys().map(String::as_str).collect();
    let settings = arguments.settings(watch::settings(detection));
    let roles = watch::roles(&*metrics.fleet().await?);
    learn(&past, &roles, settings, &arguments.model, (&why, &short), clock)
}

/// Learns, writes the model and says what it knows; also who was left out, and why.
fn learn(
    past: &Past,
    roles: &BTreeMap<String, String>,
    settings: Settings,
    file: &Path,
    (why, left_out): (&str, &[&str]),
    clock: &Clock,
) -> Result<u8, CliError> {
    let Some(trained) = past.span() else { return Err(TrainError::NoMetrics.into()) };
    let days = (trained.1 - trained.0) as f64 / 86_400_000.0;
    if days < LEAST_DAYS - 0.1 {
        note(&format!(
            "the past is {days:.1} days long: with less than a week there are more false alarms than \
             the budget says"
        ));
    }
    let bar = progress::steps(past.histories.len() as u64);
    let mut learned_of = |done: usize, _| bar.set_position(done as u64);
    let mut detector =
        Detector::train_telling(past.schema.clone(), &past.histories, settings, &mut learned_of);
    detector.learn_roles(&past.histories, roles);
    bar.finish_and_clear();
    let model = Model::new(detector, trained, clock.now());
    let bytes = model::save(file, &model)?;
    say(&learned(&model.detector, trained));
    if !left_out.is_empty() {
        say(&format!(
            "Left out, {why}: {}, {}.",
            format::count(left_out.len(), "host"),
            format::names(left_out.iter().copied(), NAMED)
        ));
    }
    say(&format!(
        "The model is in {}, {}; seed {}, budget {} false alarms per host and day.",
        file.display(),
        format::bytes(bytes as f64),
        settings.seed,
        settings.budget
    ));
    Ok(SUCCESS)
}

/// The past, and the roles of its hosts.
fn from_csv(files: &[PathBuf]) -> Result<(Past, BTreeMap<String, String>), CliError> {
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
    Ok((Past { schema: dataset.schema().clone(), histories }, dataset.roles().clone()))
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
