//! `evaluate`: how good a detector's scores and alarms are.

mod report;

use std::{fs::File, path::PathBuf};

use clap::Args;

use super::{CliError, FAILED, SUCCESS, complain, progress, say};
use crate::anomaly::evaluate::{self, Evaluation, Options, Tolerance};

const EXAMPLE: &str = "\
Scores:  entity,timestamp,score[,alarm]       Labels:  entity,start,end[,kind]  or  entity,timestamp,label
Times are seconds since 1970 or RFC 3339; rows may be in any order.

Example:
  smartcloudops simulate --seed 1 --quiet-days 3 --out made-up
  smartcloudops evaluate --scores scores.csv --labels made-up/labels.csv --min-event-f1 0.8

Exit codes: 0 done · 1 a limit is missed, or a file cannot be used · 2 wrong usage";

/// What to judge, and by which limits.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Arguments {
    /// What the detector said: entity,timestamp,score[,alarm]
    #[arg(long, value_name = "FILE")]
    scores: PathBuf,
    /// What happened: entity,start,end[,kind] or entity,timestamp,label
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    /// Alarms at most this many seconds apart are one
    #[arg(long, value_name = "SECONDS", default_value_t = 600.0, value_parser = seconds)]
    merge_gap: f64,
    /// An alarm may come this many seconds before an event
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0, value_parser = seconds)]
    lead: f64,
    /// An alarm may begin this many seconds after an event has ended
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0, value_parser = seconds)]
    grace: f64,
    /// The widest buffer around an event for VUS, in points
    #[arg(long, value_name = "POINTS", default_value_t = 100)]
    vus_window: usize,
    /// Also compute the scores of the Numenta Anomaly Benchmark
    #[arg(long)]
    nab: bool,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
    /// Exit with 1 when the event F1 of the alarms is lower
    #[arg(long, value_name = "F1")]
    min_event_f1: Option<f64>,
    /// Exit with 1 when there are more false alarms per host and day
    #[arg(long, value_name = "NUMBER")]
    max_false_alarms: Option<f64>,
}

fn seconds(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0)
        .ok_or_else(|| "a number of seconds is needed, such as 300".to_owned())
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, CliError> {
    let open = |path: &PathBuf| {
        File::open(path)
            .map_err(|source| CliError::Io { what: format!("read {}", path.display()), source })
    };
    let (scores, labels) = (open(&arguments.scores)?, open(&arguments.labels)?);
    let files = [arguments.scores.clone(), arguments.labels.clone()];
    let bar = progress::bytes(progress::size_of(&files));
    let entities = evaluate::read(bar.wrap_read(scores), bar.wrap_read(labels))?;
    bar.finish_and_clear();
    let Arguments { merge_gap, lead, grace, .. } = *arguments;
    let options = Options {
        tolerance: Tolerance { merge_gap, lead, grace },
        vus_window: arguments.vus_window,
        nab: arguments.nab,
    };
    let evaluation = evaluate::evaluate(&entities, &options);
    if arguments.json {
        say(&serde_json::to_string_pretty(&evaluation).unwrap_or_default());
    } else {
        say(&report::text(&evaluation));
    }
    let missed = missed(&evaluation, arguments);
    for reason in &missed {
        complain(reason);
    }
    Ok(if missed.is_empty() { SUCCESS } else { FAILED })
}

/// Which limits are missed, as sentences.
fn missed(evaluation: &Evaluation, arguments: &Arguments) -> Vec<String> {
    let mut missed = Vec::new();
    if arguments.min_event_f1.is_none() && arguments.max_false_alarms.is_none() {
        return missed;
    }
    let Some(given) = &evaluation.given_alarms else {
        missed.push("the limits need alarms: the scores have no column `alarm`".to_owned());
        return missed;
    };
    // What is not a number is never good enough.
    if let Some(limit) = arguments.min_event_f1
        && !matches!(given.event_f1.partial_cmp(&limit), Some(order) if order.is_ge())
    {
        missed.push(format!("the event F1 is {:.3}, less than {limit}", given.event_f1));
    }
    let often = given.false_alarms_per_host_day;
    if let Some(limit) = arguments.max_false_alarms
        && !matches!(often.partial_cmp(&limit), Some(order) if order.is_le())
    {
        missed
            .push(format!("there are {often:.3} false alarms per host and day, more than {limit}"));
    }
    missed
}
