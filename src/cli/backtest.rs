//! `backtest`: what today's model would have said of the last days.

mod pictures;
mod report;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use chrono::{DateTime, Utc};
use clap::Args;

use super::{
    CliError, SUCCESS, detect::columns::Columns, existing_store, note, progress, say, train::budget,
};
use crate::{
    anomaly::{
        Detector, History, Schema,
        backtest::{backtest, times},
        incident::Placement,
        model::{self, Loaded},
    },
    clock::Clock,
    config::Config,
    format,
    metrics::{Fleet, Metrics, Window},
    sampling,
    watch::{
        self,
        gather::{self, Past},
    },
};
use report::{Learned, Report};

const EXAMPLE: &str = "\
Looks at the past as if it happened now, and tells nobody. Without --model it takes what the watch has
learned; where that is nothing, or with --relearn, it learns from the `detection.history` before the
tested days: that is the honest test, because a model knows the days it has learned from. A model that
does not learn anew is shown up to a day of what came before, which is not counted: where the past does
not reach back so far, fewer days are tested than were asked for.

Only the rule for full file systems is applied; that of hosts that are down is not.

Examples:
  smartcloudops backtest --since 7d
  smartcloudops backtest --since 2d --relearn --budget 0.02 --host web-1 --pictures pictures";
/// A model is shown so much of what came before, uncounted: its slow averages forget in a day.
const WARM_UP: Duration = Duration::from_hours(24);
/// Where there is little of a past, no more than this part of it is left uncounted.
const WARM_UP_PART: i64 = 4;
/// So many hosts are named in a line.
const NAMED: usize = 10;

/// What to test, and what to show of it.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Arguments {
    /// How far back to begin
    #[arg(long, value_name = "TIME", default_value = "7d")]
    since: Window,
    /// A model file that `train` has written [default: that of the watch]
    #[arg(long, value_name = "FILE", conflicts_with = "relearn")]
    model: Option<PathBuf>,
    /// Learn from what was before the tested days, whatever has been learned
    #[arg(long)]
    relearn: bool,
    /// Only tell of this host; can be given several times
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// How many false alarms per host and day you can bear [default: that of the model]
    #[arg(long, value_name = "FALSE_ALARMS_PER_HOST_AND_DAY", value_parser = budget)]
    budget: Option<f64>,
    /// Draw each host that had anomalies into this directory; made when it is not there
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

/// Why nothing could be tested.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BacktestError {
    /// There is no such host.
    #[error("there is no host `{host}`{}", near(.nearest))]
    UnknownHost {
        /// What was asked for.
        host: String,
        /// What resembles it.
        nearest: Vec<String>,
    },
    /// Nothing was measured.
    #[error("{source_name} has nothing of the last {since}: there is nothing to test")]
    NoPast {
        /// What was asked.
        source_name: String,
        /// How far back.
        since: Window,
    },
    /// Nothing was measured before the tested days.
    #[error(
        "no host has the past of {least} before the last {since} that is needed to learn: test fewer days with --since, or name a model with --model"
    )]
    NothingBefore {
        /// `detection.learn`.
        least: Window,
        /// How far back.
        since: Window,
    },
    /// The model is of other hosts.
    #[error("the model knows none of the hosts to be tested: it knows {known}")]
    NoCommonHost {
        /// Hosts that it knows.
        known: String,
    },
}

fn near(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    format!("; did you mean {}?", format::names(names.iter().map(String::as_str), NAMED))
}

/// A detector, what is looked at, and since when it counts.
struct Test {
    detector: Detector,
    learned: Learned,
    histories: BTreeMap<String, History>,
    from: i64,
}

pub(super) async fn run(
    config: Config,
    arguments: &Arguments,
    clock: &Clock,
) -> Result<u8, CliError> {
    let (zone, now) = (config.zone()?, clock.now());
    let metrics = Metrics::new(&config.metrics, zone, clock)?;
    let store = existing_store(&config).await;
    let unwelcome = match (&metrics, store) {
        (Metrics::Host(host), store) => {
            let store = store?;
            sampling::restore(host, &store, &config.metrics.keep, clock).await?;
            store.unwelcome().await?
        }
        (Metrics::Prometheus(_), Ok(store)) => store.unwelcome().await?,
        // Nobody has said anything yet.
        (Metrics::Prometheus(_), Err(_)) => Vec::new(),
    };
    let fleet = metrics.fleet().await?;
    let asked = asked(&arguments.hosts, &fleet)?;
    let mut test = prepare(&config, arguments, &metrics, now).await?;
    let detector = &mut test.detector;
    if let Some(budget) = arguments.budget {
        detector.set_budget(budget);
    } else {
        detector.allow(|host| watch::budget(&config.detection, &fleet, host));
    }
    detector.tolerate(&unwelcome);
    let begin = arguments.pictures.is_some().then(|| detector.clone());
    let times = times(&test.histories);
    let first = times.range(test.from..).next();
    let (Some(&first), Some(&last)) = (first, times.last()) else {
        let (source_name, since) = (metrics.describe(), arguments.since.clone());
        return Err(BacktestError::NoPast { source_name, since }.into());
    };
    let bar = progress::steps(times.len() as u64);
    let found = backtest(detector, &test.histories, test.from, &Placement::of(&fleet), |done| {
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let is_asked = |host: &str| asked.is_empty() || asked.contains(host);
    let hosts = tested(&test, is_asked)?;
    let report = Report {
        from: moment(first),
        to: moment(last),
        budget: test.detector.settings().budget,
        learned: test.learned,
        hosts,
        found: found.about(is_asked),
    };
    if arguments.json {
        say(&serde_json::to_string_pretty(&report.json()).unwrap_or_default());
    } else {
        say(&report.text(now, zone));
    }
    if let (Some(directory), Some(detector)) = (&arguments.pictures, begin) {
        let files = pictures::draw(&report, detector, &test.histories, directory, zone)?;
        if !arguments.json {
            say(&format!("{} in {}.", format::count(files, "picture"), directory.display()));
        }
    }
    Ok(SUCCESS)
}

/// The names of the hosts that were asked for.
fn asked(names: &[String], fleet: &Fleet) -> Result<BTreeSet<String>, BacktestError> {
    let known = |name: &String| {
        fleet.find(name).map(|host| host.name.clone()).ok_or_else(|| BacktestError::UnknownHost {
            host: name.clone(),
            nearest: fleet.nearest(name, 3),
        })
    };
    names.iter().map(known).collect()
}

/// Reads the past, and has something that can judge it.
async fn prepare(
    config: &Config,
    arguments: &Arguments,
    metrics: &Metrics,
    now: DateTime<Utc>,
) -> Result<Test, CliError> {
    let from = now - arguments.since.delta();
    let from = from.timestamp_millis();
    let of_watch = config.model_file().filter(|file| file.exists());
    let file = arguments.model.clone().or(of_watch).filter(|_| !arguments.relearn);
    let Some(file) = file else { return learn_before(config, arguments, metrics, from, now).await };
    let Loaded { model, file, passed_over } = model::load_newest(&file, None)?;
    for reason in &passed_over {
        note(&format!("{reason}; {} is used instead", file.display()));
    }
    // As often as the model has learned to be asked.
    let step = model.detector.step_seconds().fold(f64::INFINITY, f64::min);
    let every = if step.is_finite() {
        Duration::from_secs_f64(step.max(1.0))
    } else {
        config.detection.every.duration()
    };
    let past = read(metrics, arguments, WARM_UP, every, now).await?;
    let histories = rearranged(&past, model.detector.schema())?;
    let from = from.max(warm(&past));
    let learned = Learned::from_file(file, model.header.trained, from);
    Ok(Test { detector: model.detector, learned, histories, from })
}

/// Learns from what was before a moment, as the watch would have then.
async fn learn_before(
    config: &Config,
    arguments: &Arguments,
    metrics: &Metrics,
    from: i64,
    now: DateTime<Utc>,
) -> Result<Test, CliError> {
    let detection = &config.detection;
    let (before, every) = (detection.history.duration(), detection.every.duration());
    let mut past = read(metrics, arguments, before, every, now).await?;
    let mut earlier = past.take_before(from);
    earlier.take_short(&detection.learn);
    let Some(span) = earlier.span() else {
        let (least, since) = (detection.learn.clone(), arguments.since.clone());
        return Err(BacktestError::NothingBefore { least, since }.into());
    };
    let bar = progress::steps(earlier.histories.len() as u64);
    let mut learned_of = |done: usize, _| bar.set_position(done as u64);
    let settings = watch::settings(detection);
    let mut detector =
        Detector::train_telling(earlier.schema, &earlier.histories, settings, &mut learned_of);
    detector.learn_roles(&earlier.histories, &watch::roles(&*metrics.fleet().await?));
    bar.finish_and_clear();
    Ok(Test { detector, learned: Learned::before(span), histories: past.histories, from })
}

/// From when on a detector that comes from elsewhere in time may be judged.
fn warm(past: &Past) -> i64 {
    past.span().map_or(0, |(first, last)| {
        first + ((last - first) / WARM_UP_PART).min(WARM_UP.as_millis() as i64)
    })
}

async fn read(
    metrics: &Metrics,
    arguments: &Arguments,
    before: Duration,
    every: Duration,
    now: DateTime<Utc>,
) -> Result<Past, CliError> {
    let window = Window::from_seconds(arguments.since.seconds() + before.as_secs());
    let bar = progress::steps(gather::SIGNALS.len() as u64);
    let past =
        gather::read(metrics, &window, every, now, |done| bar.set_position(done as u64)).await?;
    bar.finish_and_clear();
    Ok(past)
}

/// The rows with the metrics that a model knows.
fn rearranged(past: &Past, known: &Schema) -> Result<BTreeMap<String, History>, CliError> {
    if past.histories.is_empty() {
        return Ok(BTreeMap::new());
    }
    let columns = Columns::find(known, &past.schema)?;
    let metrics = past.schema.metrics().len();
    let rearranged = |history: &History| {
        let wide = |row: &[f32]| row.iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
        let rows = history.rows.chunks_exact(metrics);
        History {
            times: history.times.clone(),
            rows: rows
                .flat_map(|row| columns.arrange(&wide(row)))
                .map(|value| value as f32)
                .collect(),
        }
    };
    Ok(past.histories.iter().map(|(host, history)| (host.clone(), rearranged(history))).collect())
}

/// The hosts that are looked at and asked for. Says which the model does not know.
fn tested(test: &Test, is_asked: impl Fn(&str) -> bool) -> Result<Vec<String>, CliError> {
    let known: BTreeSet<&str> = test.detector.hosts().collect();
    let there = test.histories.iter().filter(|(host, history)| {
        is_asked(host) && history.times.last().is_some_and(|last| *last >= test.from)
    });
    let (tested, unknown): (Vec<&String>, Vec<&String>) =
        there.map(|(host, _)| host).partition(|host| known.contains(host.as_str()));
    if tested.is_empty() {
        let known = format::names(known, NAMED);
        return Err(BacktestError::NoCommonHost { known }.into());
    }
    if !unknown.is_empty() {
        note(&format!(
            "{} that the model does not know: {}",
            format::count(unknown.len(), "host"),
            format::names(unknown.iter().map(|host| host.as_str()), NAMED)
        ));
    }
    Ok(tested.into_iter().cloned().collect())
}

/// Milliseconds since 1970 as a moment.
fn moment(at: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at).unwrap_or_default()
}
