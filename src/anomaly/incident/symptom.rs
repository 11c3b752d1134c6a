//! What an anomaly looks like: its signed vector of metrics, and its name for recognising it.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::Place;
use crate::anomaly::{Anomaly, Direction};

/// Anomalies whose vectors have a cosine above this look alike.
pub(super) const ALIKE: f64 = 0.7;
/// More standard deviations than this say no more: one wild metric must not hide the others.
const MOST_SIGMAS: f64 = 10.0;
/// Weights are rounded to this part of the vector's length, so that a storm has few vectors.
const STEPS: f64 = 4.0;

/// The signed weights of an anomaly's metrics, rounded. Two metrics that are stuck are alike too,
/// but on axes of their own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Symptom(Vec<(String, i8)>);

impl Symptom {
    pub(super) fn of(anomaly: &Anomaly) -> Self {
        let mut axes: Vec<(String, f64)> = Vec::with_capacity(anomaly.metrics.len());
        for deviation in &anomaly.metrics {
            let base = metric_base(&deviation.metric);
            let (name, sign) = match deviation.direction {
                Direction::Up => (base.to_owned(), 1.0),
                Direction::Down => (base.to_owned(), -1.0),
                Direction::Stuck => (format!("{base} stuck"), 1.0),
            };
            let sigmas = if deviation.sigmas.is_finite() { deviation.sigmas } else { MOST_SIGMAS };
            let weight = sign * sigmas.clamp(0.0, MOST_SIGMAS);
            match axes.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += weight,
                None => axes.push((name, weight)),
            }
        }
        let length = axes.iter().map(|(_, weight)| weight * weight).sum::<f64>().sqrt();
        let mut rounded: Vec<(String, i8)> = axes
            .into_iter()
            .map(|(axis, weight)| (axis, (weight / length * STEPS).round() as i8))
            .filter(|(_, weight)| *weight != 0)
            .collect();
        rounded.sort_unstable();
        Self(rounded)
    }

    /// Forgets all but the heaviest weight.
    pub(super) fn keep_strongest(&mut self) {
        let strongest = self
            .0
            .iter()
            .max_by_key(|(axis, weight)| (weight.unsigned_abs(), std::cmp::Reverse(axis.clone())));
        self.0 = strongest.cloned().into_iter().collect();
    }

    /// The cosine of the angle between two; 0 when one of them has no metrics.
    pub(super) fn cosine(&self, other: &Self) -> f64 {
        let length = |symptom: &Self| {
            symptom.0.iter().map(|(_, weight)| f64::from(*weight).powi(2)).sum::<f64>()
        };
        let mut dot = 0.0;
        for (axis, weight) in &self.0 {
            if let Some((_, theirs)) = other.0.iter().find(|(name, _)| name == axis) {
                dot += f64::from(*weight) * f64::from(*theirs);
            }
        }
        let lengths = (length(self) * length(other)).sqrt();
        if lengths > 0.0 { dot / lengths } else { 0.0 }
    }
}

/// The metric without the part it is of: `disk` of `disk /data`.
pub fn metric_base(metric: &str) -> &str {
    metric.split_once(' ').map_or(metric, |(base, _)| base)
}

/// What an incident that begins with this anomaly is recognised by: 32 hexadecimal digits.
pub fn fingerprint(place: &Place, anomaly: &Anomaly) -> String {
    name(place, &anomaly.host, anomaly)
}

/// The same for all hosts of a role: what is alike elsewhere, or on another day.
pub(super) fn family(place: &Place, anomaly: &Anomaly) -> String {
    match &place.role {
        Some(role) => name(place, &format!("role {role}"), anomaly),
        None => name(place, &anomaly.host, anomaly),
    }
}

fn name(place: &Place, whose: &str, anomaly: &Anomaly) -> String {
    let first = anomaly.metrics.first();
    let direction = first.map_or("", |it| match it.direction {
        Direction::Up => "up",
        Direction::Down => "down",
        Direction::Stuck => "stuck",
    });
    let metric = first.map_or("", |it| it.metric.as_str());
    let mut digest = Sha256::new();
    for part in [place.environment.as_deref().unwrap_or(""), whose, metric, direction] {
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    }
    let mut hex = String::with_capacity(32);
    for byte in digest.finalize().iter().take(16) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
