//! `detect`: how unusual observations are, by what a model has learned.

pub(super) mod columns;
mod output;
mod stream;

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufWriter},
    path::{Path, PathBuf},
    time::Instant,
};

use clap::Args;

use super::{CliError, SUCCESS, note, progress, say};
use crate::{
    anomaly::{
        csv::{Dataset, Part},
        model::{self, Loaded},
    },
    format,
};
use columns::Columns;
use output::{Events, Scores};
use stream::{Counts, Detection};

const EXAMPLE: &str = "\
Scores:  entity,timestamp,score,alarm
         A row for each observation, in the order of time. The score is -log10 of how often
         something as unusual comes on normal days; the alarm is 0 or 1.
Events:  A line of JSON for each anomaly: host, start, end, score, once_in_days and the metrics
         that tell most, each with its value, what was expected, the direction and the sigmas.
         The end is null for what goes on at the end of the data.

Rows of a file with a column `split` are looked at where it says `test`; of a file without it all
are. Columns are found by their names. Hosts that the model does not know get the score 0.

Example:
  smartcloudops detect --model fleet.model --csv metrics.csv --scores scores.csv
  smartcloudops evaluate --scores scores.csv --labels labels.csv";
/// So many hosts or metrics are named in a line.
const NAMED: usize = 10;
const BUFFER: usize = 1 << 18;

/// What to look at, and where to write what was found.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Arguments {
    /// The model file that `train` has written
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// CSV files with the columns `host`, `timestamp` and one for each metric, or with `host`,
    /// `timestamp`, `metric` and `value`
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    csv: Vec<PathBuf>,
    /// Where to write a score for each observation
    #[arg(long, value_name = "OUT.csv")]
    scores: PathBuf,
    /// Where to write a line for each anomaly
    #[arg(long, value_name = "OUT.jsonl")]
    events: Option<PathBuf>,
}

/// Why nothing can be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DetectError {
    /// The data have none of the metrics of the model.
    #[error(
        "the data have none of the metrics that the model knows: it knows {known}, they have {given}; \
         train a model on data like these"
    )]
    NoCommonMetric {
        /// The first metrics of the model.
        known: String,
        /// The first metrics of the data.
        given: String,
    },
    /// Writing would destroy what is read.
    #[error("{} is read by this command and cannot be written too: name another file", file.display())]
    WouldOverwrite {
        /// Which file.
        file: PathBuf,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, CliError> {
    let Arguments { model, csv, scores, events } = arguments;
    for written in [Some(scores), events.as_ref()].into_iter().flatten() {
        if csv.iter().chain([model]).any(|read| is_same(read, written)) {
            return Err(DetectError::WouldOverwrite { file: written.clone() }.into());
        }
    }
    let Loaded { model, file, passed_over } = model::load_newest(model, None)?;
    for reason in &passed_over {
        note(&format!("{reason}; {} is used instead", file.display()));
    }
    let started = Instant::now();
    let size = progress::size_of(csv);
    // Files are read twice: to know their order, then for their values.
    let bar = progress::bytes(2 * size);
    let mut dataset = Dataset::open_part(csv, Some(Part::Test), |bytes| bar.set_position(bytes))?;
    let columns = Columns::find(model.detector.schema(), dataset.schema())?;
    bar.suspend(|| tell(&columns, dataset.part()));
    let mut detector = model.detector;
    for (host, role) in dataset.roles() {
        detector.welcome(host, role);
    }
    let mut detection = Detection::new(
        detector,
        columns,
        Scores::start(create(scores)?).map_err(|source| cannot_write(scores, source))?,
        events.as_ref().map(|file| create(file).map(Events::new)).transpose()?,
    );
    let mut observations = dataset.observations()?;
    while let Some(observation) = observations.next() {
        if detection.take(observation?).map_err(|error| error.about(scores, events.as_deref()))? {
            bar.set_position(size + observations.bytes_read());
        }
    }
    drop(observations);
    let counts = detection.finish().map_err(|error| error.about(scores, events.as_deref()))?;
    bar.finish_and_clear();
    if dataset.report().bad > 0 {
        note(&dataset.report().to_string());
    }
    tell_counts(&counts);
    say(&summary(&counts, dataset.hosts().len(), started.elapsed().as_secs_f64()));
    let events = events.as_ref().map(|file| format!("; the events are in {}", file.display()));
    say(&format!("The scores are in {}{}.", scores.display(), events.unwrap_or_default()));
    Ok(SUCCESS)
}

/// Says which columns are used otherwise than one may think.
fn tell(columns: &Columns, part: Option<Part>) {
    let names = |names: &[String]| format::names(names.iter().map(String::as_str), NAMED);
    if let Some(part) = part {
        note(&format!("only rows with `{part}` in the column `split` are looked at"));
    }
    if !columns.missing.is_empty() {
        note(&format!("metrics of the model that the data lack: {}", names(&columns.missing)));
    }
    if !columns.additional.is_empty() {
        note(&format!(
            "metrics that the model does not know are ignored: {}",
            names(&columns.additional)
        ));
    }
}

fn tell_counts(counts: &Counts) {
    let names = |hosts: &BTreeSet<String>| format::names(hosts.iter().map(String::as_str), NAMED);
    if !counts.unknown.is_empty() {
        note(&format!(
            "{} of {} that the model does not know have the score 0: {}",
            format::count(counts.of_unknown as usize, "observation"),
            format::count(counts.unknown.len(), "host"),
            names(&counts.unknown)
        ));
    }
    if counts.not_finite > 0 {
        note(&format!(
            "{} no finite number and are written as 0 or {}: please tell the project",
            if counts.not_finite == 1 {
                "1 score is".to_owned()
            } else {
                format!("{} scores are", counts.not_finite)
            },
            output::HIGHEST
        ));
    }
}

fn summary(counts: &Counts, hosts: usize, seconds: f64) -> String {
    format!(
        "{}, {}, {} in {seconds:.1} s ({:.0} observations/s).",
        format::count(hosts, "host"),
        format::count(counts.observations as usize, "observation"),
        format::count(counts.events as usize, "event"),
        counts.observations as f64 / seconds.max(1e-3)
    )
}

fn create(path: &Path) -> Result<BufWriter<File>, CliError> {
    let file = File::create(path).map_err(|source| cannot_write(path, source))?;
    Ok(BufWriter::with_capacity(BUFFER, file))
}

fn cannot_write(path: &Path, source: io::Error) -> CliError {
    CliError::Io { what: format!("write {}", path.display()), source }
}

/// Whether two paths lead to one file that is there.
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}
