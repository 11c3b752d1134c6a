//! `simulate`: made-up machines with known faults.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use clap::Args;

use super::{CliError, SUCCESS, progress, say};
use crate::anomaly::simulate::{Made, Settings, simulate};

const EXAMPLE: &str = "\
Example: two weeks of 24 machines, the first of them without faults to learn from
  smartcloudops simulate --seed 7 --hosts 24 --days 14 --quiet-days 7 --out made-up";

/// What to make up, and where to write it.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Arguments {
    /// The same seed makes the same files, on every machine
    #[arg(long, value_name = "NUMBER")]
    seed: u64,
    /// How many hosts
    #[arg(long, value_name = "COUNT", default_value_t = 12,
          value_parser = clap::value_parser!(u16).range(1..=10_000))]
    hosts: u16,
    /// How many days
    #[arg(long, value_name = "COUNT", default_value_t = 7,
          value_parser = clap::value_parser!(u32).range(1..=3_650))]
    days: u32,
    /// The time between two rows of a host, such as 60s, 5m or 1h; a day must be a multiple of it
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = step)]
    step: u32,
    /// How many faults there are per host and day, on average
    #[arg(long, value_name = "NUMBER", default_value_t = 0.3, value_parser = rate)]
    faults_per_host_day: f64,
    /// So many days at the beginning have no fault, for training
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    quiet_days: u32,
    /// The directory for metrics.csv and labels.csv, which are written anew; made when it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

fn step(text: &str) -> Result<u32, String> {
    let (digits, factor) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(digits) if text.ends_with('m') => (digits, 60),
        Some(digits) if text.ends_with('h') => (digits, 3_600),
        Some(digits) => (digits, 1),
        None => (text, 1),
    };
    digits
        .parse::<u32>()
        .ok()
        .and_then(|count| count.checked_mul(factor))
        .filter(|seconds| (1..=86_400).contains(seconds) && 86_400 % seconds == 0)
        .ok_or_else(|| "a time that divides a day is needed, such as 15s, 60s or 5m".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate| (0.0..=10.0).contains(rate))
        .ok_or_else(|| "a number from 0 to 10 is needed".to_owned())
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, CliError> {
    let settings = Settings {
        seed: arguments.seed,
        hosts: usize::from(arguments.hosts),
        days: arguments.days,
        step: arguments.step,
        faults_per_host_day: arguments.faults_per_host_day,
        quiet_days: arguments.quiet_days,
    };
    let out = &arguments.out;
    let failed =
        |path: &Path, source| CliError::Io { what: format!("write {}", path.display()), source };
    fs::create_dir_all(out).map_err(|source| failed(out, source))?;
    let (metrics, labels) = (out.join("metrics.csv"), out.join("labels.csv"));
    let mut label_rows = create(&labels).map_err(|source| failed(&labels, source))?;
    let mut rows = create(&metrics).map_err(|source| failed(&metrics, source))?;
    let bar = progress::steps(settings.steps());
    let made = simulate(&settings, &mut rows, &mut label_rows, |step| bar.set_position(step))
        .map_err(|source| failed(out, source))?;
    label_rows.flush().map_err(|source| failed(&labels, source))?;
    rows.flush().map_err(|source| failed(&metrics, source))?;
    bar.finish_and_clear();
    let Made { rows, faults, incidents } = made;
    say(&format!(
        "{rows} rows of {} hosts over {} days are in {}.\n{faults} faults are in {}; {incidents} of \
         the incidents behind them are over several hosts.",
        settings.hosts,
        settings.days,
        metrics.display(),
        labels.display()
    ));
    Ok(SUCCESS)
}

fn create(path: &Path) -> io::Result<BufWriter<File>> {
    Ok(BufWriter::with_capacity(1 << 18, File::create(path)?))
}
