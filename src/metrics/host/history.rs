//! The last day in memory, in columns of single-precision numbers. Pure.

use std::{collections::VecDeque, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use super::Sample;
use crate::metrics::{Measurement, Series, Signal, Stat};

/// A value older than this is not the current one: Prometheus looks back as far.
const CURRENT_WITHIN: TimeDelta = TimeDelta::minutes(5);

/// The samples of one machine, oldest first.
///
/// One column for each signal and part, as long as the column of times; a moment without a value is
/// NaN. With [`History::MAX_TICKS`] × [`History::MAX_COLUMNS`] it stays below 3 MB.
#[derive(Clone, Debug)]
pub struct History {
    host: String,
    keep: TimeDelta,
    /// Milliseconds since 1970, strictly growing.
    times: VecDeque<i64>,
    columns: Vec<Column>,
}

#[derive(Clone, Debug)]
struct Column {
    signal: Signal,
    part: Option<String>,
    values: VecDeque<f32>,
}

impl History {
    /// A day of samples every five seconds.
    pub const MAX_TICKS: usize = 17_280;
    /// The signals, and room for a server with many mounts. What comes later is left out.
    pub const MAX_COLUMNS: usize = 40;

    /// An empty history of this host, which forgets what is older than `keep`.
    pub fn new(host: impl Into<String>, keep: Duration) -> Self {
        let keep = TimeDelta::from_std(keep).unwrap_or(TimeDelta::days(1));
        Self { host: host.into(), keep, times: VecDeque::new(), columns: Vec::new() }
    }

    /// Takes a sample in and lets those go that are too old or too many.
    ///
    /// After the clock was set back, the samples that claim to be of the future are forgotten.
    pub fn push(&mut self, sample: &Sample) {
        let at = sample.at.timestamp_millis();
        while self.times.back().is_some_and(|newest| *newest >= at) {
            self.times.pop_back();
            for column in &mut self.columns {
                column.values.pop_back();
            }
        }
        self.evict(sample.at);
        self.reserve();
        for column in &mut self.columns {
            column.values.push_back(f32::NAN);
        }
        self.times.push_back(at);
        for (signal, part, value) in &sample.values {
            if let Some(column) = self.column_mut(*signal, part.as_deref())
                && let Some(newest) = column.values.back_mut()
            {
                *newest = *value as f32;
            }
        }
    }

    /// Takes stored samples in, in any order, beside those it already has. In order and newer than
    /// those, they cost no memory on the way.
    pub fn restore(&mut self, samples: impl IntoIterator<Item = Sample>) {
        let mut late = Vec::new();
        for sample in samples {
            let at = sample.at.timestamp_millis();
            if self.times.back().is_none_or(|newest| *newest < at) {
                self.push(&sample);
            } else {
                late.push(sample);
            }
        }
        if late.is_empty() {
            return;
        }
        let mut all: Vec<Sample> = self.samples().chain(late).collect();
        all.sort_by_key(|sample| sample.at);
        all.dedup_by_key(|sample| sample.at.timestamp_millis());
        let newest = all.len().saturating_sub(Self::MAX_TICKS);
        self.times.clear();
        self.columns.clear();
        for sample in &all[newest..] {
            self.push(sample);
        }
    }

    /// When the oldest sample is of.
    pub fn first(&self) -> Option<DateTime<Utc>> {
        self.times.front().and_then(|at| DateTime::from_timestamp_millis(*at))
    }

    /// When the newest sample is of.
    pub fn last(&self) -> Option<DateTime<Utc>> {
        self.times.back().and_then(|at| DateTime::from_timestamp_millis(*at))
    }

    /// How many moments it has.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// How many bytes its numbers take, with the room reserved for more.
    pub fn bytes(&self) -> usize {
        let columns: usize = self.columns.iter().map(|c| c.values.capacity() * 4).sum();
        self.times.capacity() * 8 + columns
    }

    /// One number for each part, over the samples of the window up to `now`. Parts without a value
    /// in it are left out.
    pub fn stat(
        &self,
        signal: Signal,
        stat: Stat,
        window: Duration,
        now: DateTime<Utc>,
    ) -> Vec<Measurement> {
        let (from, until) = match stat {
            Stat::Current => self.range(now - CURRENT_WITHIN, now),
            _ => self.range(before(now, window), now),
        };
        self.parts(signal)
            .filter_map(|column| {
                let values = column.values.range(from..until).copied().map(f64::from);
                let value = aggregate(values.filter(|v| !v.is_nan()).collect(), stat)?;
                Some(Measurement { host: self.host.clone(), part: column.part.clone(), value })
            })
            .collect()
    }

    /// The samples of the window up to `now`, as means over steps, so that there are at most
    /// `max_points` of them. Parts without a value are left out.
    pub fn series(
        &self,
        signal: Signal,
        window: Duration,
        max_points: usize,
        now: DateTime<Utc>,
    ) -> Vec<Series> {
        let start = before(now, window);
        let (from, until) = self.range(start, now);
        let step = self.step(window, max_points).as_millis().max(1) as i64;
        // Steps on round times: the same moment is in the same step at the next question.
        let step_of = |at: i64| (at - 1).div_euclid(step);
        self.parts(signal)
            .filter_map(|column| {
                let mut points: Vec<(DateTime<Utc>, f64)> = Vec::new();
                let (mut current, mut count) = (None, 0.0);
                for (at, value) in
                    self.times.range(from..until).zip(column.values.range(from..until))
                {
                    if value.is_nan() {
                        continue;
                    }
                    let (moment, value) =
                        (DateTime::from_timestamp_millis(*at)?, f64::from(*value));
                    match points.last_mut() {
                        Some(point) if current == Some(step_of(*at)) => {
                            count += 1.0;
                            *point = (moment, point.1 + (value - point.1) / count);
                        }
                        _ => {
                            points.push((moment, value));
                            (current, count) = (Some(step_of(*at)), 1.0);
                        }
                    }
                }
                // The step cut by the left edge may make one too many.
                points.drain(..points.len().saturating_sub(max_points));
                (!points.is_empty()).then(|| Series {
                    host: self.host.clone(),
                    part: column.part.clone(),
                    points,
                })
            })
            .collect()
    }

    /// The distance of two points of [`Self::series`]: the window over the points, in whole seconds.
    pub fn step(&self, window: Duration, max_points: usize) -> Duration {
        let seconds = window.as_secs().div_ceil(max_points.max(1) as u64);
        Duration::from_secs(seconds.max(1))
    }

    fn parts(&self, signal: Signal) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(move |column| column.signal == signal)
    }

    fn column_mut(&mut self, signal: Signal, part: Option<&str>) -> Option<&mut Column> {
        let known = |c: &Column| c.signal == signal && c.part.as_deref() == part;
        if let Some(place) = self.columns.iter().position(known) {
            return self.columns.get_mut(place);
        }
        if self.columns.len() >= Self::MAX_COLUMNS {
            // A disk that was unmounted a day ago makes room.
            self.columns.retain(|column| column.values.iter().any(|value| !value.is_nan()));
        }
        if self.columns.len() >= Self::MAX_COLUMNS {
            return None;
        }
        let mut values = VecDeque::with_capacity(self.times.capacity());
        values.resize(self.times.len(), f32::NAN);
        self.columns.push(Column { signal, part: part.map(str::to_owned), values });
        self.columns.last_mut()
    }

    /// The places of the samples after `start` up to `end`.
    fn range(&self, start: DateTime<Utc>, end: DateTime<Utc>) -> (usize, usize) {
        let place = |at: DateTime<Utc>| {
            let at = at.timestamp_millis();
            self.times.partition_point(|time| *time <= at)
        };
        let (from, until) = (place(start), place(end));
        (from, until.max(from))
    }

    fn evict(&mut self, now: DateTime<Utc>) {
        let oldest = (now - self.keep).timestamp_millis();
        while self.times.front().is_some_and(|at| *at < oldest)
            || self.times.len() >= Self::MAX_TICKS
        {
            self.times.pop_front();
            for column in &mut self.columns {
                column.values.pop_front();
            }
        }
    }

    /// Grows by eighths, because doubling would take twice the memory in the end.
    fn reserve(&mut self) {
        if self.times.len() < self.times.capacity() {
            return;
        }
        let more = (self.times.len() / 8).max(256).min(Self::MAX_TICKS - self.times.len()).max(1);
        self.times.reserve_exact(more);
        for column in &mut self.columns {
            column.values.reserve_exact(more);
        }
    }

    fn samples(&self) -> impl Iterator<Item = Sample> {
        self.times.iter().enumerate().filter_map(|(i, at)| {
            let values = self
                .columns
                .iter()
                .filter(|column| !column.values[i].is_nan())
                .map(|c| (c.signal, c.part.clone(), f64::from(c.values[i])))
                .collect();
            Some(Sample { at: DateTime::from_timestamp_millis(*at)?, values })
        })
    }
}

fn before(now: DateTime<Utc>, window: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(window)
        .ok()
        .and_then(|window| now.checked_sub_signed(window))
        .unwrap_or(DateTime::UNIX_EPOCH)
}

/// One number of many; nothing of none.
fn aggregate(mut values: Vec<f64>, stat: Stat) -> Option<f64> {
    let last = *values.last()?;
    Some(match stat {
        Stat::Current => last,
        Stat::Avg => values.iter().sum::<f64>() / values.len() as f64,
        Stat::Max => values.into_iter().fold(f64::NEG_INFINITY, f64::max),
        Stat::Min => values.into_iter().fold(f64::INFINITY, f64::min),
        Stat::P95 => {
            values.sort_by(f64::total_cmp);
            quantile(0.95, &values)
        }
    })
}

/// As Prometheus' `quantile_over_time`: the rank q × (n − 1) between its two neighbours.
fn quantile(q: f64, sorted: &[f64]) -> f64 {
    let rank = q * (sorted.len() as f64 - 1.0);
    let lower = (rank.floor() as usize).min(sorted.len() - 1);
    let upper = (lower + 1).min(sorted.len() - 1);
    let weight = rank - rank.floor();
    sorted[lower] * (1.0 - weight) + sorted[upper] * weight
}

#[cfg(test)]
mod tests;
