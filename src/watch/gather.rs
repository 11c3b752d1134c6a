//! From signals of the metrics source to rows that a detector reads.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::DetectionConfig;
use crate::{
    anomaly::{Detector, History, Observation, Schema, incident::LeftOut},
    metrics::{Metrics, MetricsError, Series, Signal, Stat},
};

/// What is watched: all signals that can be unusual. Time since boot only grows.
const SIGNALS: [Signal; 8] = [
    Signal::Cpu,
    Signal::Memory,
    Signal::Swap,
    Signal::Disk,
    Signal::DiskIo,
    Signal::NetworkIn,
    Signal::NetworkOut,
    Signal::Load,
];
/// Parts, such as mount points, of one signal that are watched: a runaway label is not learned.
const MOST_METRICS: usize = 64;

/// What was measured at one moment.
pub(super) struct Moment {
    pub(super) schema: Schema,
    pub(super) observations: Vec<Observation>,
}

/// What was measured over time.
pub(super) struct Past {
    pub(super) schema: Schema,
    pub(super) histories: BTreeMap<String, History>,
}

/// What is measured now, with the metrics that the detector knows, or with all there are.
pub(super) async fn now(
    metrics: &Metrics,
    detector: Option<&Detector>,
    now: DateTime<Utc>,
) -> Result<Moment, MetricsError> {
    let mut values: BTreeMap<(String, String), f64> = BTreeMap::new();
    for signal in SIGNALS {
        for measured in metrics.read(signal, Stat::Current, None).await?.values {
            values.insert((measured.host, name(signal, measured.part.as_deref())), measured.value);
        }
    }
    let schema = match detector {
        Some(detector) => detector.schema().clone(),
        None => schema(values.keys().map(|(_, metric)| metric.clone())),
    };
    let hosts: BTreeSet<&String> = values.keys().map(|(host, _)| host).collect();
    let observations = hosts
        .into_iter()
        .map(|host| Observation {
            host: host.clone(),
            at: now.timestamp_millis(),
            values: schema
                .metrics()
                .iter()
                .map(|metric| {
                    values.get(&(host.clone(), metric.clone())).copied().unwrap_or(f64::NAN)
                })
                .collect(),
        })
        .collect();
    Ok(Moment { schema, observations })
}

/// What was measured before now, at the distance of the looks. Hosts with less than is needed to
/// learn are left out, and so is what people said.
pub(super) async fn past(
    metrics: &Metrics,
    config: &DetectionConfig,
    left_out: &BTreeMap<String, LeftOut>,
    now: DateTime<Utc>,
) -> Result<Past, MetricsError> {
    let step = TimeDelta::from_std(config.every.duration()).unwrap_or(TimeDelta::minutes(1));
    let mut by_host: BTreeMap<String, BTreeMap<String, Series>> = BTreeMap::new();
    for signal in SIGNALS {
        for series in metrics.history(signal, &config.history, config.every.duration(), now).await?
        {
            let metric = name(signal, series.part.as_deref());
            by_host.entry(series.host.clone()).or_default().insert(metric, series);
        }
    }
    let schema = schema(by_host.values().flat_map(|metrics| metrics.keys().cloned()));
    let enough = TimeDelta::from_std(config.learn.duration()).unwrap_or(TimeDelta::days(1));
    let histories = by_host
        .into_iter()
        .map(|(host, series)| {
            let history = rows(&schema, &series, step);
            match left_out.get(&host) {
                Some(left_out) => (host, left_out.of(history, enough)),
                None => (host, history),
            }
        })
        .filter(|(_, history)| {
            let span = history.times.last().zip(history.times.first());
            span.is_some_and(|(last, first)| last - first >= enough.num_milliseconds())
        })
        .collect();
    Ok(Past { schema, histories })
}

fn name(signal: Signal, part: Option<&str>) -> String {
    match part {
        Some(part) => format!("{signal} {part}"),
        None => signal.to_string(),
    }
}

/// The metrics, in the order of the signals, then of their parts.
fn schema(metrics: impl Iterator<Item = String>) -> Schema {
    let order = |metric: &String| {
        SIGNALS.iter().position(|signal| {
            metric
                .strip_prefix(signal.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        })
    };
    let mut metrics: Vec<String> = metrics.collect::<BTreeSet<_>>().into_iter().collect();
    metrics.sort_by_key(|metric| (order(metric), metric.clone()));
    metrics.truncate(MOST_METRICS);
    Schema::new(metrics)
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
        let schema = schema(names.into_iter().map(str::to_owned));
        assert_eq!(schema.metrics(), ["cpu", "disk /", "disk /data", "disk_io", "network_in"]);
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
        let schema = schema(measured.keys().cloned());
        let history = rows(&schema, &measured, TimeDelta::minutes(1));
        assert_eq!(history.times, [60_000, 120_000]);
        assert_eq!(history.rows.len(), 4);
        assert!(history.rows[1].is_nan());
        assert_eq!(history.rows[2..], [2.0, 7.0]);
    }
}
