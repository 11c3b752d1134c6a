//! Metrics in CSV files, streamed in the order of time over all hosts.
//!
//! Two shapes are told apart by the header: wide (`host,timestamp,cpu,memory,…`) and long
//! (`host,timestamp,metric,value`). `host` may be called `entity`, `instance` or `node`, and
//! `timestamp` may be called `time` or `at`. Columns named in [`LABELS`] say something about the host
//! and are no metrics; of a file with the column `split`, [`Dataset::open_part`] takes the rows of one
//! [`Part`] alone. Times are seconds since 1970 or RFC 3339; an empty value, one that is not a
//! number and an infinite one are missing.
//!
//! Files need not fit into memory. A first pass splits them into runs in which time does not go
//! backwards (a file written host by host is one run per host) and remembers where each begins; the
//! runs are then merged through small buffers. Several files are one data set.

mod header;
mod histories;
mod merge;
mod part;
mod report;
mod run;
mod scan;
mod value;

pub use header::LABELS;
pub use merge::Observations;
pub use part::Part;
pub use report::{BadRow, EXAMPLES, Report};
pub(crate) use value::milliseconds;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
};

use header::Layout;
use run::Run;
use scan::Scanned;

use super::Schema;

/// More runs than these in all files together are refused: the data are hardly in any order.
pub const MAX_RUNS: usize = 20_000;
/// The most metrics of all files together.
pub const MAX_METRICS: usize = 4_096;
/// The most rows that may be of one moment: they are sorted by host in memory.
pub const MAX_ROWS_AT_ONCE: usize = 2_000_000;

/// Why files cannot be read as metrics.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// No file was named.
    #[error("no file was named: name at least one CSV file")]
    NoFiles,
    /// The system could not read it.
    #[error("cannot read {}: {source}", file.display())]
    Io {
        /// Which file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The first line does not name the columns that are needed.
    #[error("cannot use the header of {}: {reason}", file.display())]
    Header {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// None of its rows says when it is from.
    #[error(
        "no row of {} has a readable time: times are seconds since 1970 or RFC 3339",
        file.display()
    )]
    NoRows {
        /// Which file.
        file: PathBuf,
    },
    /// All rows belong to other parts of the data.
    #[error(
        "no row has `{part}` in the column `split`: name a file with such rows, or leave the column \
         out to use all of them"
    )]
    NoRowsOfPart {
        /// Which part was asked for.
        part: Part,
    },
    /// The long shape names very many metrics.
    #[error(
        "the files name more than {MAX_METRICS} metrics: leave out those that tell nothing about \
         the health of a host"
    )]
    TooManyMetrics,
    /// Time goes backwards too often.
    #[error(
        "time goes backwards {MAX_RUNS} times up to line {line} of {}: sort it by time \
         first, for instance with `(head -n 1 metrics.csv; tail -n +2 metrics.csv | sort -t, -k2,2) \
         > sorted.csv`, where 2 is the column of the time",
        file.display()
    )]
    TooManyRuns {
        /// Which file.
        file: PathBuf,
        /// Where it became too much.
        line: u64,
    },
    /// One moment has more rows than fit into memory.
    #[error(
        "more than {MAX_ROWS_AT_ONCE} rows are of one moment ({at} ms since 1970): is the column of \
         the time the right one?"
    )]
    TooManyAtOnce {
        /// Which moment, in milliseconds since 1970.
        at: i64,
    },
}

/// The metrics of one or several files.
#[derive(Debug)]
pub struct Dataset {
    files: Vec<Source>,
    runs: Vec<Run>,
    schema: Schema,
    hosts: BTreeSet<String>,
    roles: BTreeMap<String, String>,
    span: (i64, i64),
    part: Option<Part>,
    report: Report,
}

/// One file, and how its columns are read.
#[derive(Debug)]
struct Source {
    path: PathBuf,
    bytes: u64,
    layout: Layout,
}

impl Dataset {
    /// Looks through the files once, without keeping their rows.
    pub fn open(files: &[PathBuf]) -> Result<Self, CsvError> {
        Self::open_part(files, None, |_| {})
    }

    /// As [`Dataset::open`]; every now and then `progress` is told how many bytes of all files were
    /// looked through.
    pub fn open_with(files: &[PathBuf], progress: impl FnMut(u64)) -> Result<Self, CsvError> {
        Self::open_part(files, None, progress)
    }

    /// As [`Dataset::open_with`], with the rows of one part alone where a file has the column `split`;
    /// of a file without it all rows count. Rows of other parts are as if they were not there, and a
    /// part without any row is an error.
    pub fn open_part(
        files: &[PathBuf],
        part: Option<Part>,
        progress: impl FnMut(u64),
    ) -> Result<Self, CsvError> {
        if files.is_empty() {
            return Err(CsvError::NoFiles);
        }
        let mut scanned = Scanned::new(part, progress);
        for file in files {
            scanned.scan(file)?;
        }
        scanned.into_dataset()
    }

    /// The metrics of all files, in the order in which they first appear.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// All hosts.
    pub fn hosts(&self) -> &BTreeSet<String> {
        &self.hosts
    }

    /// The role of each host that has one, from the column `role`; the first one counts.
    pub fn roles(&self) -> &BTreeMap<String, String> {
        &self.roles
    }

    /// The part whose rows are read, when one was asked for and a file has the column `split`.
    pub fn part(&self) -> Option<Part> {
        self.part.filter(|_| self.files.iter().any(|file| file.layout.split.is_some()))
    }

    /// The first and the last moment, in milliseconds since 1970.
    pub fn span(&self) -> (i64, i64) {
        self.span
    }

    /// The size of all files, in bytes: what a progress bar reaches.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Everything from the beginning: in the order of time, and of host names within a moment.
    ///
    /// Rows of the same host and moment are joined into one observation. What cannot be used is
    /// counted in [`Dataset::report`], which begins anew.
    pub fn observations(&mut self) -> Result<Observations<'_>, CsvError> {
        self.report = Report::default();
        let Self { files, runs, schema, part, report, .. } = self;
        Observations::start(files, runs, schema.metrics(), *part, report)
    }

    /// What the last [`Dataset::observations`] met so far.
    pub fn report(&self) -> &Report {
        &self.report
    }
}

#[cfg(test)]
mod tests;
