//! Scores and labels from CSV.

use std::{
    collections::{BTreeMap, HashMap},
    io::Read,
};

use csv::{ReaderBuilder, StringRecord, Trim};

use super::Entity;
use crate::anomaly::csv::milliseconds;

/// Why scores or labels cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The header lacks a column.
    #[error("the {what} have no column `{column}`: their header should be {header}")]
    Column {
        /// `scores` or `labels`.
        what: &'static str,
        /// What is missing.
        column: &'static str,
        /// What it should be.
        header: &'static str,
    },
    /// A row cannot be used. A figure from the rest of them would be wrong.
    #[error("line {line} of the {what} cannot be used: {reason}")]
    Row {
        /// `scores` or `labels`.
        what: &'static str,
        /// Which line, counted from 1.
        line: u64,
        /// Why.
        reason: String,
    },
    /// They cannot be read at all.
    #[error("the {what} cannot be read: {source}")]
    Read {
        /// `scores` or `labels`.
        what: &'static str,
        /// Why.
        source: csv::Error,
    },
    /// There is nothing to judge.
    #[error("the scores have no rows: write `entity,timestamp,score` rows first")]
    Empty,
}

const SCORES: &str = "`entity,timestamp,score[,alarm]`";
const LABELS: &str = "`entity,start,end[,kind]` or `entity,timestamp,label`";

/// (time, score, alarm) of one entity.
type Points = Vec<(i64, f64, bool)>;

/// What happened to one entity.
#[derive(Default)]
struct Truth {
    /// (start, end, kind), both ends included.
    intervals: Vec<(i64, i64, Option<String>)>,
    points: HashMap<i64, bool>,
}

/// Reads `entity,timestamp,score[,alarm]` and the labels, `entity,start,end[,kind]` (both ends included)
/// or `entity,timestamp,label`. Rows may be in any order; an entity without labels had no event, and
/// labels of other entities are ignored. A missing score counts as 0.
pub fn read(scores: impl Read, labels: impl Read) -> Result<BTreeMap<String, Entity>, InputError> {
    let (series, has_alarms) = read_scores(scores)?;
    if series.is_empty() {
        return Err(InputError::Empty);
    }
    let mut truths = read_labels(labels)?;
    let mut entities = BTreeMap::new();
    for (name, mut points) in series {
        points.sort_by(|a, b| (a.0, a.2).cmp(&(b.0, b.2)).then(a.1.total_cmp(&b.1)));
        let truth = truths.remove(&name).unwrap_or_default();
        entities.insert(name, entity(&points, truth, has_alarms));
    }
    Ok(entities)
}

fn entity(points: &[(i64, f64, bool)], mut truth: Truth, has_alarms: bool) -> Entity {
    let times: Vec<i64> = points.iter().map(|point| point.0).collect();
    let mut labels = vec![false; times.len()];
    let mut kinds = Vec::new();
    let mut unseen = 0;
    if truth.intervals.iter().any(|(_, _, kind)| kind.is_some()) {
        kinds = vec![None; times.len()];
    }
    // The interval that began first names the kind.
    truth.intervals.sort();
    for (start, end, kind) in truth.intervals {
        let from = times.partition_point(|at| *at < start);
        let to = times.partition_point(|at| *at <= end).max(from);
        labels[from..to].fill(true);
        unseen += usize::from(from == to);
        for slot in kinds.iter_mut().take(to).skip(from).filter(|slot| slot.is_none()) {
            slot.clone_from(&kind);
        }
    }
    if !truth.points.is_empty() {
        labels = times.iter().map(|at| truth.points.get(at).copied().unwrap_or(false)).collect();
    }
    Entity {
        step: usual_step(&times),
        scores: points.iter().map(|point| point.1).collect(),
        alarms: has_alarms.then(|| points.iter().map(|point| point.2).collect()),
        labels,
        kinds,
        unseen,
    }
}

/// The median distance of neighbours, in seconds; a minute when there is only one point.
fn usual_step(times: &[i64]) -> f64 {
    let mut steps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_unstable();
    let Some(middle) = steps.get(steps.len() / 2) else { return 60.0 };
    let lower = steps[(steps.len() - 1) / 2];
    // Rows of one moment only: any step does, but not 0.
    if *middle == 0 { 60.0 } else { f64::midpoint(lower as f64, *middle as f64) / 1e3 }
}

fn read_scores(from: impl Read) -> Result<(BTreeMap<String, Points>, bool), InputError> {
    let mut table = Table::open("scores", SCORES, from)?;
    let entity = table.column("entity")?;
    let time = table.column("timestamp")?;
    let score = table.column("score")?;
    let alarm = table.optional("alarm");
    let mut series: BTreeMap<String, Points> = BTreeMap::new();
    table.rows(|row| {
        let value = match &row[score] {
            "" => 0.0,
            text => {
                let value: f64 = text.parse().map_err(|_| no_number(text))?;
                if value.is_infinite() {
                    return Err("the score is infinite: it must be a number".to_owned());
                }
                if value.is_nan() { 0.0 } else { value }
            }
        };
        let alarm = alarm.map_or(Ok(false), |column| flag(&row[column]))?;
        let point = (milliseconds(row[time].as_bytes())?, value, alarm);
        match series.get_mut(&row[entity]) {
            Some(points) => points.push(point),
            None => drop(series.insert(row[entity].to_owned(), vec![point])),
        }
        Ok(())
    })?;
    Ok((series, alarm.is_some()))
}

fn read_labels(from: impl Read) -> Result<HashMap<String, Truth>, InputError> {
    let mut table = Table::open("labels", LABELS, from)?;
    let entity = table.column("entity")?;
    let mut truths: HashMap<String, Truth> = HashMap::new();
    if let Some(start) = table.optional("start") {
        let end = table.column("end")?;
        let kind = table.optional("kind");
        table.rows(|row| {
            let from = milliseconds(row[start].as_bytes())?;
            let to = milliseconds(row[end].as_bytes())?;
            let kind = kind.map(|column| row[column].to_owned()).filter(|kind| !kind.is_empty());
            truths.entry(row[entity].to_owned()).or_default().intervals.push((from, to, kind));
            Ok(())
        })?;
    } else {
        let time = table.column("timestamp")?;
        let label = table.column("label")?;
        table.rows(|row| {
            let at = milliseconds(row[time].as_bytes())?;
            let label = flag(&row[label])?;
            truths.entry(row[entity].to_owned()).or_default().points.insert(at, label);
            Ok(())
        })?;
    }
    Ok(truths)
}

/// 0 or 1, also as `0.0`; any other number counts by its whole part.
fn flag(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value.trunc().abs() > 0.0),
            _ => Err(no_number(text)),
        },
    }
}

fn no_number(text: &str) -> String {
    format!("`{}` is no number", text.chars().take(40).collect::<String>().escape_debug())
}

/// A CSV file with a header.
struct Table<R> {
    what: &'static str,
    header: &'static str,
    names: StringRecord,
    reader: csv::Reader<R>,
}

impl<R: Read> Table<R> {
    fn open(what: &'static str, header: &'static str, from: R) -> Result<Self, InputError> {
        let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(from);
        let names = reader.headers().map_err(|source| InputError::Read { what, source })?.clone();
        Ok(Self { what, header, names, reader })
    }

    fn optional(&self, column: &str) -> Option<usize> {
        self.names.iter().position(|name| name.eq_ignore_ascii_case(column))
    }

    fn column(&self, column: &'static str) -> Result<usize, InputError> {
        let Self { what, header, .. } = self;
        self.optional(column).ok_or(InputError::Column { what, column, header })
    }

    fn rows(
        &mut self,
        mut take: impl FnMut(&StringRecord) -> Result<(), String>,
    ) -> Result<(), InputError> {
        let what = self.what;
        let mut row = StringRecord::new();
        while self
            .reader
            .read_record(&mut row)
            .map_err(|source| InputError::Read { what, source })?
        {
            let line = row.position().map_or(0, csv::Position::line);
            take(&row).map_err(|reason| InputError::Row { what, line, reason })?;
        }
        Ok(())
    }
}
