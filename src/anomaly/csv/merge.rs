//! Many runs into one order: by time, then by host.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    fs::File,
    path::PathBuf,
    sync::Arc,
};

use csv::ByteRecord;

use super::{
    BadRow, CsvError, MAX_ROWS_AT_ONCE, Part, Report, Source,
    header::{Layout, Shape},
    part,
    report::quote,
    run::{Rows, Run},
    value::{milliseconds, number},
};
use crate::anomaly::Observation;

/// The observations of a data set, in order. After an error there are no more.
pub struct Observations<'a> {
    files: &'a [Source],
    heads: Vec<Head>,
    /// The time of the next row of each run that has one.
    next: BinaryHeap<Reverse<(i64, usize)>>,
    places: HashMap<&'a str, usize>,
    metrics: usize,
    part: Option<Part>,
    ready: VecDeque<Observation>,
    bytes: u64,
    report: &'a mut Report,
}

/// A run and its next row.
struct Head {
    file: usize,
    rows: Rows,
    row: ByteRecord,
    line: u64,
}

/// A row of the moment that is being put together.
struct Piece {
    host: String,
    file: usize,
    line: u64,
    /// Places in the schema, and the values there.
    cells: Vec<(usize, f64)>,
}

impl<'a> Observations<'a> {
    pub(super) fn start(
        files: &'a [Source],
        runs: &[Run],
        metrics: &'a [String],
        part: Option<Part>,
        report: &'a mut Report,
    ) -> Result<Self, CsvError> {
        let mut open = Vec::with_capacity(files.len());
        for Source { path, .. } in files {
            let file =
                File::open(path).map_err(|source| CsvError::Io { file: path.clone(), source })?;
            open.push(Arc::new(file));
        }
        let heads = runs.iter().map(|run| Head {
            file: run.file,
            rows: Rows::open(Arc::clone(&open[run.file]), run, runs.len()),
            row: ByteRecord::new(),
            line: 0,
        });
        let mut started = Self {
            files,
            heads: heads.collect(),
            next: BinaryHeap::new(),
            places: metrics.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect(),
            metrics: metrics.len(),
            part,
            ready: VecDeque::new(),
            bytes: 0,
            report,
        };
        for run in 0..started.heads.len() {
            started.advance(run)?;
        }
        Ok(started)
    }

    /// Bytes read so far, of [`Dataset::bytes`](super::Dataset::bytes).
    pub fn bytes_read(&self) -> u64 {
        self.bytes
    }

    /// Goes to the next row of a run whose time and host can be read.
    fn advance(&mut self, run: usize) -> Result<(), CsvError> {
        let head = &mut self.heads[run];
        let Source { path, layout, .. } = &self.files[head.file];
        loop {
            let before = head.rows.bytes;
            let line = head
                .rows
                .next(&mut head.row)
                .map_err(|source| CsvError::Io { file: path.clone(), source })?;
            self.bytes += head.rows.bytes - before;
            let Some(line) = line else { return Ok(()) };
            if part::is_of_another(&head.row, layout, self.part) {
                continue;
            }
            self.report.rows += 1;
            match moment(&head.row, layout) {
                Ok(at) => {
                    head.line = line;
                    self.next.push(Reverse((at, run)));
                    return Ok(());
                }
                Err(reason) => {
                    self.report.refuse(|| BadRow { file: path.clone(), line, reason });
                }
            }
        }
    }

    /// Takes every row of the next moment.
    fn fill(&mut self) -> Result<(), CsvError> {
        let Some(Reverse((moment, _))) = self.next.peek().copied() else { return Ok(()) };
        let mut pieces = Vec::new();
        while let Some(Reverse((at, run))) = self.next.peek().copied()
            && at == moment
        {
            self.next.pop();
            let Head { file, row, line, .. } = &self.heads[run];
            let (file, line) = (*file, *line);
            match cells_of(row, &self.files[file].layout, &self.places) {
                Ok((host, cells)) => pieces.push(Piece { host, file, line, cells }),
                Err(reason) => self.refuse(file, line, reason),
            }
            if pieces.len() > MAX_ROWS_AT_ONCE {
                return Err(CsvError::TooManyAtOnce { at });
            }
            self.advance(run)?;
        }
        // Rows of one host stay in the order of the files: the first one of two alike counts.
        pieces.sort_by(|a, b| a.host.cmp(&b.host));
        self.join(moment, pieces);
        Ok(())
    }

    /// Joins the rows of each host, which are neighbours.
    fn join(&mut self, at: i64, pieces: Vec<Piece>) {
        let mut given = vec![false; self.metrics];
        let mut last: Option<Observation> = None;
        for Piece { host, file, line, cells } in pieces {
            if last.as_ref().is_none_or(|last| last.host != host) {
                given.fill(false);
                let values = vec![f64::NAN; self.metrics];
                self.ready.extend(last.replace(Observation { host, at, values }));
            }
            if cells.iter().any(|(place, _)| given[*place]) {
                self.refuse(file, line, "this host and time were there before".to_owned());
                continue;
            }
            for (place, value) in cells {
                given[place] = true;
                if let Some(last) = &mut last {
                    last.values[place] = value;
                }
            }
        }
        self.ready.extend(last);
    }

    fn refuse(&mut self, file: usize, line: u64, reason: String) {
        let path: &PathBuf = &self.files[file].path;
        self.report.refuse(|| BadRow { file: path.clone(), line, reason });
    }
}

impl Iterator for Observations<'_> {
    type Item = Result<Observation, CsvError>;

    fn next(&mut self) -> Option<Self::Item> {
        // A moment whose rows are all bad has no observation.
        while self.ready.is_empty() && !self.next.is_empty() {
            if let Err(error) = self.fill() {
                self.next.clear();
                self.ready.clear();
                return Some(Err(error));
            }
        }
        self.ready.pop_front().map(Ok)
    }
}

/// When a row is from, when it has the fields that the header promises and names a host.
fn moment(row: &ByteRecord, layout: &Layout) -> Result<i64, String> {
    if row.len() != layout.fields {
        return Err(format!("it has {} fields where the header has {}", row.len(), layout.fields));
    }
    let host = std::str::from_utf8(row[layout.host].trim_ascii())
        .map_err(|_| format!("{} is no UTF-8", quote(&row[layout.host])))?;
    if host.is_empty() {
        return Err("it names no host".to_owned());
    }
    milliseconds(&row[layout.time])
}

/// The host and the values of a row that [`moment`] accepted.
fn cells_of(
    row: &ByteRecord,
    layout: &Layout,
    places: &HashMap<&str, usize>,
) -> Result<(String, Vec<(usize, f64)>), String> {
    let host = String::from_utf8_lossy(row[layout.host].trim_ascii()).into_owned();
    let cells = match &layout.shape {
        Shape::Wide(columns) => columns
            .iter()
            .map(|(column, place)| Ok((*place, number(&row[*column])?)))
            .collect::<Result<_, String>>()?,
        Shape::Long { metric, value } => {
            let place = std::str::from_utf8(row[*metric].trim_ascii())
                .ok()
                .and_then(|name| places.get(name))
                .ok_or_else(|| "it names no metric".to_owned())?;
            vec![(*place, number(&row[*value])?)]
        }
    };
    Ok((host, cells))
}
