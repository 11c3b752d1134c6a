//! From signals of the metrics source to rows that a detector reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};

use super::DetectionConfig;
use crate::{
    anomaly::{Detector, History, Observation, Schema, incident::LeftOut},
    metrics::{Metrics, MetricsError, Series, Signal, Stat, Window},
};

/// What is watched: all signals that can be unusual. Time since boot only grows.
pub(crate) const SIGNALS: [Signal; 8] = [
    Signal::Cpu,
    Signal::Memory,
    Signal::Swap,
    Signal::Disk,
    Signal::DiskIo,
    Signal::NetworkIn,
    Signal::NetworkOut,
    Signal::Load,
];
/// How far outside its normal range a signal must be to matter to people, in its own unit.
fn worth(metric: &str) -> f32 {
    let signal = SIGNALS.iter().find(|signal| is_of(metric, **signal));
    match signal {
        Some(Signal::Cpu) => 5.0,
        Some(Signal::Memory | Signal::Swap) => 2.0,
        Some(Signal::Load) => 0.5,
        Some(Signal::DiskIo) => 500e3,
        Some(Signal::NetworkIn | Signal::NetworkOut) => 100e3,
        Some(Signal::Disk | Signal::Uptime) | None => 1.0,
    }
}

/// How much of the past says when a file system will be full, and at what distance.
const TREND: Duration = Duration::from_hours(6);
const TREND_STEP: Duration = Duration::from_mins(5);
/// Parts, such as mount points, of one signal that are watched: a runaway label is not learned.
const MOST_METRICS: usize = 64;

/// What was measured at one moment.
pub(super) struct Moment {
    /// All there are.
    pub(super) schema: Schema,
    pub(super) observations: Vec<Observation>,
    /// The same with the metrics that the detector knows.
    pub(super) known: Vec<Observation>,
}

/// What was measured over time.
pub(crate) struct Past {
    pub(crate) schema: Schema,
    pub(crate) histories: BTreeMap<String, History>,
}

/// What is measured now.
pub(super) async fn now(
    metrics: &Metrics,
    detector: Option<&Detector>,
    now: DateTime<Utc>,
) -> Result<Moment, MetricsError> {
    let mut values: BTreeMap<(String, String), f64> = BTreeMap::new();
    for signal in SIGNALS {
        let read = metrics.read(signal, Stat::Current, None).await?.values;
        for measured in read.into_iter().filter(|measured| measured.value.is_finite()) {
            values.insert((measured.host, name(signal, measured.part.as_deref())), measured.value);
        }
    }
    let schema = Schema::new(ordered(values.keys().map(|(_, metric)| metric.clone())));
    let hosts: BTreeSet<&String> = values.keys().map(|(host, _)| host).collect();
    let observed = |schema: &Schema| {
        let value = |host: &String, metric: &String| values.get(&(host.clone(), metric.clone()));
        let observation = |host: &&String| Observation {
            host: (*host).clone(),
            at: now.timestamp_millis(),
            values: schema
                .metrics()
                .iter()
                .map(|metric| value(host, metric).copied().unwrap_or(f64::NAN))
                .collect(),
        };
        hosts.iter().map(observation).collect()
    };
    let observations = observed(&schema);
    let known = detector.map_or_else(Vec::new, |detector| observed(detector.schema()));
    Ok(Moment { schema, observations, known })
}

/// What file systems were full to before now: host, metric, and the points in order of time.
pub(super) async fn disks(
    metrics: &Metrics,
    now: DateTime<Utc>,
) -> Result<Vec<(String, String, Vec<(DateTime<Utc>, f64)>)>, MetricsError> {
    let window = Window::from_seconds(TREND.as_secs());
    let series = metrics.history(Signal::Disk, &window, TREND_STEP, now).await?;
    Ok(series
        .into_iter()
        .map(|series| {
            let metric = name(Signal::Disk, series.part.as_deref());
            (series.host, metric, series.points)
        })
        .collect())
}

/// What there is to learn from before now, at the distance of the looks. What people said is no lesson is
/// left out, and so are hosts with less than is needed to learn.
pub(super) async fn past(
    metrics: &Metrics,
    config: &DetectionConfig,
    left_out: &BTreeMap<String, LeftOut>,
    now: DateTime<Utc>,
) -> Result<Past, MetricsError> {
    let every = config.every.duration();
    let mut past = read(metrics, &config.history, every, now, |_| ()).await?;
    for (host, left_out) in left_out {
        if let Some(history) = past.histories.get_mut(host) {
            *history = left_out.of(std::mem::take(history), config.learn.delta());
        }
    }
    past.take_short(&config.learn);
    Ok(past)
}

/// What was measured over a window that ends now, at this distance. `progress` is told how many of
/// [`SIGNALS`] were read.
pub(crate) async fn read(
    metrics: &Metrics,
    window: &Window,
    every: Duration,
    now: DateTime<Utc>,
    mut progress: impl FnMut(usize) + Send,
) -> Result<Past, MetricsError> {
    let step = TimeDelta::from_std(every).unwrap_or(TimeDelta::minutes(1));
    let mut by_host: BTreeMap<String, BTreeMap<String, Series>> = BTreeMap::new();
    for (place, signal) in SIGNALS.into_iter().enumerate() {
        for series in metrics.history(signal, window, every, now).await? {
            let metric = name(signal, series.part.as_deref());
            by_host.entry(series.host.clone()).or_default().insert(metric, series);
        }
        progress(place + 1);
    }
    let (schema, left_out) = schema(by_host.values().flat_map(|metrics| metrics.keys().cloned()));
    if left_out > 0 {
        tracing::warn!(left_out, most = MOST_METRICS, "not all file systems are learned");
    }
    let histories =
        by_host.into_iter().map(|(host, series)| (host, rows(&schema, &series, step))).collect();
    Ok(Past { schema, histories })
}

impl Past {
    /// Takes out the hosts with less of a past than this; gives how long it is, in seconds.
    pub(crate) fn take_short(&mut self, least: &Window) -> BTreeMap<String, u64> {
        let length = |history: &History| {
            let span = history.times.last().zip(history.times.first());
            span.map_or(0, |(last, first)| (last - first).unsigned_abs() / 1000)
        };
        let is_short = |_: &String, history: &mut History| length(history) < least.seconds();
        let short = self.histories.extract_if(.., is_short);
        short.map(|(host, history)| (host, length(&history))).collect()
    }

    /// Takes out what was measured before this moment, in milliseconds since 1970.
    pub(crate) fn take_before(&mut self, at: i64) -> Self {
        let metrics = self.schema.metrics().len();
        let mut before = BTreeMap::new();
        for (host, history) in &mut self.histories {
            let count = history.times.partition_point(|time| *time < at);
            let times = history.times.drain(..count).collect();
            let rows = history.rows.drain(..count * metrics).collect();
            before.insert(host.clone(), History { times, rows });
        }
        self.histories.retain(|_, history| !history.times.is_empty());
        Self { schema: self.schema.clone(), histories: before }
    }

    /// The first and the last moment of all, in milliseconds since 1970; `None` when there is none.
    pub(crate) fn span(&self) -> Option<(i64, i64)> {
        let times = || self.histories.values().flat_map(|history| &history.times).copied();
        times().min().zip(times().max())
    }
}

fn name(signal: Signal, part: Option<&str>) -> String {
    match part {
        Some(part) => format!("{signal} {part}"),
        None => signal.to_string(),
    }
}

/// What is learned, in order, and how many metrics are not.
fn schema(metrics: impl Iterator<Item = String>) -> (Schema, usize) {
    let mut metrics = ordered(metrics);
    // Of many file systems some are left out, but no signal is.
    let left_out = metrics.len().saturating_sub(MOST_METRICS);
    let most_parts = metrics.iter().filter(|it| is_part(it)).count().saturating_sub(left_out);
    let mut parts = 0;
    metrics.retain(|metric| {
        parts += usize::from(is_part(metric));
        !is_part(metric) || parts <= most_parts
    });
    (Schema::with_worth(metrics, worth), left_out)
}

/// The metrics, in the order of the signals, then of their parts.
fn ordered(metrics: impl Iterator<Item = String>) -> Vec<String> {
    let order = |metric: &String| SIGNALS.iter().position(|signal| is_of(metric, *signal));
    let mut metrics: Vec<String> = metrics.collect::<BTreeSet<_>>().into_iter().collect();
    metrics.sort_by_key(|metric| (order(metric), metric.clone()));
    metrics
}

/// Whether it is of one part of a host, such as a file system.
fn is_part(metric: &str) -> bool {
    metric.contains(' ')
}

fn is_of(metric: &str, signal: Signal) -> bool {
    metric
        .strip_prefix(signal.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// One row for each step in which anything was measured.
fn rows(schema: &Schema, series: &BTreeMap<String, Series>, step: TimeDelta) -> History {
    let step = step.num_milliseconds().max(1);
    let width = schema.metrics().len();
    let mut by_time: BTreeMap<i64, Vec<f32>> = BTreeMap::new();
    for (column, metric) in schema.metrics().iter().enumerate() {
        for (at, value) in series.get(metric).iter().flat_map(|series| &series.points) {
            let at = at.timestamp_millis().div_euclid(step) * step;
            by_time.entry(at).or_insert_with(|| vec![f32::NAN; width])[column] = *value as f32;
        }
    }
    History {
        times: by_time.keys().copied().collect(),
        rows: by_time.into_values().flatten().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_in_the_order_of_the_signals() {
        let names = ["network_in", "disk /", "cpu", "disk_io", "disk /data"];
        let (schema, _) = schema(names.into_iter().map(str::to_owned));
        assert_eq!(schema.metrics(), ["cpu", "disk /", "disk /data", "disk_io", "network_in"]);
    }

    #[test]
    fn many_file_systems_leave_no_signal_out() {
        let disks = (0..100).map(|number| format!("disk /mnt/{number:03}"));
        let signals = ["cpu", "load", "network_in"].map(str::to_owned);
        let (schema, left_out) = schema(disks.chain(signals));
        assert_eq!((schema.metrics().len(), left_out), (MOST_METRICS, 39));
        for metric in ["cpu", "load", "network_in", "disk /mnt/000"] {
            assert!(schema.metrics().iter().any(|it| it == metric), "{metric}");
        }
    }

    #[test]
    fn series_become_rows_and_what_is_missing_is_no_number() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let series = |points: &[(i64, f64)]| Series {
            host: "web-1".into(),
            part: None,
            points: points.iter().map(|(second, value)| (at(*second), *value)).collect(),
        };
        let measured = BTreeMap::from([
            ("cpu".to_owned(), series(&[(60, 1.0), (120, 2.0)])),
            ("load".to_owned(), series(&[(125, 7.0)])),
        ]);
        let (schema, _) = schema(measured.keys().cloned());
        let history = rows(&schema, &measured, TimeDelta::minutes(1));
        assert_eq!(history.times, [60_000, 120_000]);
        assert_eq!(history.rows.len(), 4);
        assert!(history.rows[1].is_nan());
        assert_eq!(history.rows[2..], [2.0, 7.0]);
    }

    #[test]
    fn a_past_is_cut_at_a_moment_and_the_short_ones_are_taken_out() {
        let history = |times: &[i64]| History {
            times: times.to_vec(),
            rows: times.iter().flat_map(|at| [*at as f32, 0.0]).collect(),
        };
        let mut past = Past {
            schema: Schema::new(vec!["cpu".into(), "load".into()]),
            histories: BTreeMap::from([
                ("new".to_owned(), history(&[120_000])),
                ("old".to_owned(), history(&[0, 60_000, 120_000])),
            ]),
        };
        let mut before = past.take_before(120_000);
        assert_eq!(past.span(), Some((120_000, 120_000)));
        assert_eq!(past.histories["old"].rows, [120_000.0, 0.0]);
        assert_eq!(before.span(), Some((0, 60_000)));
        assert_eq!(before.histories["old"].rows.len(), 4);
        let short = before.take_short(&Window::from_seconds(60));
        assert_eq!(short, BTreeMap::from([("new".to_owned(), 0)]));
        assert_eq!(before.histories.len(), 1);
    }
}
