//! The first pass over the files: their columns, their hosts, and where their runs begin.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::File,
    path::Path,
};

use csv::ByteRecord;

use super::{
    CsvError, Dataset, MAX_METRICS, MAX_RUNS, Part, Report, Source,
    header::{self, Layout, Shape},
    part,
    run::{Run, into_io, line_of, plain},
    value::milliseconds,
};
use crate::anomaly::Schema;

const BUFFER: usize = 256 << 10;
/// Progress is told after so many rows.
const ROWS_PER_PROGRESS: u64 = 1 << 14;

/// What is known of the files so far.
pub(super) struct Scanned<P> {
    part: Option<Part>,
    progress: P,
    files: Vec<Source>,
    runs: Vec<Run>,
    metrics: Metrics,
    hosts: BTreeSet<String>,
    roles: BTreeMap<String, String>,
    span: Option<(i64, i64)>,
}

/// The metrics in the order in which they appear.
#[derive(Default)]
struct Metrics {
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl Metrics {
    fn place(&mut self, name: &str) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.names.len();
        self.names.push(name.to_owned());
        self.places.insert(name.to_owned(), place);
        place
    }
}

impl<P: FnMut(u64)> Scanned<P> {
    pub(super) fn new(part: Option<Part>, progress: P) -> Self {
        Self {
            part,
            progress,
            files: Vec::new(),
            runs: Vec::new(),
            metrics: Metrics::default(),
            hosts: BTreeSet::new(),
            roles: BTreeMap::new(),
            span: None,
        }
    }

    /// Looks through one more file.
    pub(super) fn scan(&mut self, path: &Path) -> Result<(), CsvError> {
        let failed = |source| CsvError::Io { file: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        let before: u64 = self.files.iter().map(|file| file.bytes).sum();
        let mut reader = plain(BUFFER).from_reader(file);
        let mut row = ByteRecord::new();
        let refused = |reason| CsvError::Header { file: path.to_owned(), reason };
        if !reader.read_byte_record(&mut row).map_err(into_io).map_err(failed)? {
            return Err(refused("the file is empty".to_owned()));
        }
        let layout = header::read(&row, |name| self.metrics.place(name)).map_err(refused)?;
        // Where lines end with CR LF, a row begins with the LF of the line before it.
        let first_line = 1 + u64::from(reader.position().line() == 1);
        let mut run = Run {
            file: self.files.len(),
            start: reader.position().byte(),
            end: bytes,
            line: reader.position().line() + first_line - 1,
        };
        let mut newest = None;
        let (mut rows, mut other_parts) = (0, false);
        while reader.read_byte_record(&mut row).map_err(into_io).map_err(failed)? {
            rows += 1;
            if rows % ROWS_PER_PROGRESS == 0 {
                (self.progress)(before + reader.position().byte());
            }
            if part::is_of_another(&row, &layout, self.part) {
                other_parts = true;
                continue;
            }
            let Some(at) = self.look_at(&row, &layout) else { continue };
            if newest.is_some_and(|newest| at < newest) {
                if self.runs.len() + 1 >= MAX_RUNS {
                    let line = line_of(&row, first_line);
                    return Err(CsvError::TooManyRuns { file: path.to_owned(), line });
                }
                let start = row.position().map_or(0, csv::Position::byte);
                let next = Run { start, line: line_of(&row, first_line), ..run.clone() };
                run.end = start;
                self.runs.push(std::mem::replace(&mut run, next));
            }
            newest = Some(at);
        }
        self.runs.push(run);
        if newest.is_none() && !other_parts {
            return Err(CsvError::NoRows { file: path.to_owned() });
        }
        if self.metrics.names.len() > MAX_METRICS {
            return Err(CsvError::TooManyMetrics);
        }
        (self.progress)(before + bytes);
        self.files.push(Source { path: path.to_owned(), bytes, layout });
        Ok(())
    }

    /// Notes the names in a row; its time, when it can be used.
    fn look_at(&mut self, row: &ByteRecord, layout: &Layout) -> Option<i64> {
        if row.len() != layout.fields {
            return None;
        }
        let at = milliseconds(&row[layout.time]).ok()?;
        let host = std::str::from_utf8(row[layout.host].trim_ascii()).ok()?;
        if host.is_empty() {
            return None;
        }
        if !self.hosts.contains(host) {
            self.hosts.insert(host.to_owned());
        }
        if let Some(column) = layout.role
            && !self.roles.contains_key(host)
        {
            let role = String::from_utf8_lossy(row[column].trim_ascii());
            if !role.is_empty() {
                self.roles.insert(host.to_owned(), role.into_owned());
            }
        }
        if let Shape::Long { metric, .. } = layout.shape
            && let Ok(name) = std::str::from_utf8(row[metric].trim_ascii())
            && !name.is_empty()
            // One more than allowed is enough to know that there are too many.
            && self.metrics.names.len() <= MAX_METRICS
        {
            self.metrics.place(name);
        }
        self.span = Some(self.span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        Some(at)
    }

    pub(super) fn into_dataset(self) -> Result<Dataset, CsvError> {
        if let (None, Some(part)) = (self.span, self.part) {
            return Err(CsvError::NoRowsOfPart { part });
        }
        Ok(Dataset {
            files: self.files,
            runs: self.runs,
            schema: Schema::new(self.metrics.names),
            hosts: self.hosts,
            roles: self.roles,
            span: self.span.unwrap_or_default(),
            part: self.part,
            report: Report::default(),
        })
    }
}
