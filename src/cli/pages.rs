//! `pages`: from what node_exporters answer to metrics in a CSV file.

use std::{
    fs::{self, File},
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use clap::Args;

use super::{
    CliError, FAILED, SUCCESS, complain,
    detect::{DetectError, is_same},
    note, progress, say,
};
use crate::{
    format,
    metrics::{exposition, host::Pages},
};

const EXAMPLE: &str = "\
Example: keep a page a minute, and learn from a week of them
  curl --silent web-1:9100/metrics --output pages/web-1-$(date +%s).prom
  smartcloudops pages pages/*.prom --csv metrics.csv
  smartcloudops train --csv metrics.csv --model fleet.model";

/// Files that could not be used are named up to so many.
const NAMED: usize = 5;

/// The pages, and where the metrics go.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Arguments {
    /// Pages as node_exporters answer them, each host's in the order of time; each says itself whose and
    /// of when it is
    #[arg(required = true, value_name = "FILE")]
    pages: Vec<PathBuf>,
    /// The CSV file, which is written anew: `host,timestamp,metric,value`
    #[arg(long, value_name = "FILE")]
    csv: PathBuf,
}

/// What came of all pages.
#[derive(Default)]
struct Counts {
    used: usize,
    values: usize,
    bad_lines: u64,
    /// What could not be used, and why.
    others: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, CliError> {
    let out = &arguments.csv;
    if arguments.pages.iter().any(|page| is_same(page, out)) {
        return Err(DetectError::WouldOverwrite { file: out.clone() }.into());
    }
    let failed = |source| CliError::Io { what: format!("write {}", out.display()), source };
    let file = File::create(out).map_err(failed)?;
    let mut rows = csv::Writer::from_writer(BufWriter::with_capacity(1 << 18, file));
    rows.write_record(["host", "timestamp", "metric", "value"])
        .map_err(|error| failed(error.into()))?;
    let (mut pages, mut counts) = (Pages::default(), Counts::default());
    let bar = progress::steps(arguments.pages.len() as u64);
    for file in &arguments.pages {
        let text = read(file)?;
        let page = exposition::parse(&text);
        counts.bad_lines += page.bad;
        match pages.take(&page) {
            Err(reason) => counts.others.push(format!("{}: {reason}", file.display())),
            Ok((host, sample)) => {
                counts.used += 1;
                let at = format!("{:.3}", sample.at.timestamp_millis() as f64 / 1000.0);
                for (metric, value) in sample.named() {
                    counts.values += 1;
                    rows.write_record([&host, &at, &metric, &(value as f32).to_string()])
                        .map_err(|error| failed(error.into()))?;
                }
            }
        }
        bar.inc(1);
    }
    rows.flush().map_err(failed)?;
    bar.finish_and_clear();
    Ok(tell(&counts, out))
}

fn read(file: &Path) -> Result<String, CliError> {
    let bytes = fs::read(file).map_err(|source: io::Error| CliError::Io {
        what: format!("read {}", file.display()),
        source,
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn tell(counts: &Counts, out: &Path) -> u8 {
    let Counts { used, values, bad_lines, others } = counts;
    for other in others.iter().take(NAMED) {
        note(other);
    }
    if others.len() > NAMED {
        note(&format!("{} more were left out as well", format::grouped(others.len() - NAMED)));
    }
    if *bad_lines > 0 {
        note(&format!("{bad_lines} lines could not be read"));
    }
    if *used == 0 {
        complain("none of the files is a page of a node_exporter");
        return FAILED;
    }
    say(&format!(
        "{} of {} are in {}.",
        format::count(*values, "value"),
        format::count(*used, "page"),
        out.display()
    ));
    SUCCESS
}
