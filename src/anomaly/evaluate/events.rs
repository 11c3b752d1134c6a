//! Events, alarms, and which belong together. Pure.

use serde::Serialize;

use super::{count, quantile};

const DAY: f64 = 86_400.0;

/// When an alarm belongs to an event, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Alarms at most this far apart are one.
    pub merge_gap: f64,
    /// An alarm may come this much before an event.
    pub lead: f64,
    /// An alarm may begin this much after an event has ended.
    pub grace: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { merge_gap: 600.0, lead: 300.0, grace: 300.0 }
    }
}

/// The alarms of one entity against its events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decisions {
    /// For each event the point of the alarm that hit it.
    pub hits: Vec<Option<usize>>,
    /// Alarms that hit no event.
    pub false_alarms: usize,
    /// Further alarms for events that were hit before.
    pub extra: usize,
    /// From the start of each detected event to its alarm, in seconds; 0 when it came before.
    pub delays: Vec<f64>,
    /// How long the entity was watched, in days.
    pub days: f64,
    /// All points.
    pub points: usize,
    /// Points in alarm.
    pub alarm_points: usize,
    /// Points in alarm with label 1.
    pub true_points: usize,
    /// Points with label 1.
    pub labelled_points: usize,
    /// Events with any point in alarm.
    pub overlapped: usize,
}

/// All entities together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Detected events / events.
    pub event_recall: f64,
    /// Detected events / (detected events + false alarms).
    pub event_precision: f64,
    /// Their harmonic mean.
    pub event_f1: f64,
    /// Labelled events.
    pub events: usize,
    /// Events with a hit.
    pub detected: usize,
    /// Alarms that hit no event.
    pub false_alarms: usize,
    /// False alarms per entity and day.
    pub false_alarms_per_host_day: f64,
    /// Alarms per detected event.
    pub alarms_per_event: f64,
    /// The share of points in alarm.
    pub time_in_alarm: f64,
    /// The median delay of detected events, in seconds.
    pub delay_median_seconds: f64,
    /// The 90th percentile of the delays, in seconds.
    pub delay_p90_seconds: f64,
    /// F1 over points.
    pub point_f1: f64,
    /// Precision over points with recall over events of which any point is in alarm (Garg et al.,
    /// IEEE TNNLS 2021).
    pub composite_f1: f64,
    /// Entities × days watched.
    pub host_days: f64,
}

/// The runs of true values, as (first, one after the last).
pub(super) fn segments(flags: &[bool]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut start = None;
    for (index, flag) in flags.iter().enumerate() {
        match (flag, start) {
            (true, None) => start = Some(index),
            (false, Some(from)) => {
                found.push((from, index));
                start = None;
            }
            _ => {}
        }
    }
    found.extend(start.map(|from| (from, flags.len())));
    found
}

/// Joins runs that are at most `gap` points apart.
fn merged(segments: Vec<(usize, usize)>, gap: usize) -> Vec<(usize, usize)> {
    let mut joined: Vec<(usize, usize)> = Vec::new();
    for (start, end) in segments {
        match joined.last_mut() {
            Some(last) if start - last.1 <= gap => last.1 = end,
            _ => joined.push((start, end)),
        }
    }
    joined
}

/// Sets alarms against labels, on points that are `step` seconds apart.
pub(super) fn decisions(
    alarms: &[bool],
    labels: &[bool],
    step: f64,
    tolerance: &Tolerance,
) -> Decisions {
    let points = |seconds: f64| (seconds / step).round_ties_even().max(0.0) as usize;
    let (lead, grace) = (points(tolerance.lead), points(tolerance.grace));
    let events = segments(labels);
    let mut result = Decisions { hits: vec![None; events.len()], ..Decisions::default() };
    for (onset, _) in merged(segments(alarms), points(tolerance.merge_gap)) {
        let near = |(start, end): &(usize, usize)| {
            start.saturating_sub(lead) <= onset && onset < end + grace
        };
        // Events are in order: those near an onset are neighbours.
        let from = events.partition_point(|(_, end)| end + grace <= onset);
        let mut candidates = (from..events.len()).take_while(|event| near(&events[*event]));
        match candidates.clone().find(|event| result.hits[*event].is_none()) {
            Some(event) => result.hits[event] = Some(onset),
            None if candidates.next().is_some() => result.extra += 1,
            None => result.false_alarms += 1,
        }
    }
    let delay = |(event, hit): (&(usize, usize), &Option<usize>)| {
        hit.map(|onset| onset.saturating_sub(event.0) as f64 * step)
    };
    result.delays = events.iter().zip(&result.hits).filter_map(delay).collect();
    result.days = labels.len() as f64 * step / DAY;
    result.points = labels.len();
    result.alarm_points = count(alarms);
    result.true_points =
        alarms.iter().zip(labels).filter(|(alarm, label)| **alarm && **label).count();
    result.labelled_points = count(labels);
    result.overlapped =
        events.iter().filter(|(start, end)| alarms[*start..*end].contains(&true)).count();
    result
}

/// The harmonic mean of precision and recall; 0 when both are.
pub(super) fn f1(precision: f64, recall: f64) -> f64 {
    if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 }
}

impl Summary {
    /// Counts of all entities pooled.
    pub fn of(decisions: &[Decisions]) -> Self {
        let sum = |of: fn(&Decisions) -> usize| decisions.iter().map(of).sum::<usize>();
        let ratio = |part: usize, whole: usize| part as f64 / whole as f64;
        let or_zero = |part: usize, whole: usize| if whole > 0 { ratio(part, whole) } else { 0.0 };
        let events = sum(|it| it.hits.len());
        let detected = sum(|it| it.hits.iter().flatten().count());
        let false_alarms = sum(|it| it.false_alarms);
        let host_days: f64 = decisions.iter().map(|it| it.days).sum();
        let mut delays: Vec<f64> = decisions.iter().flat_map(|it| &it.delays).copied().collect();
        delays.sort_by(f64::total_cmp);
        let (right, alarmed) = (sum(|it| it.true_points), sum(|it| it.alarm_points));
        let labelled = sum(|it| it.labelled_points);
        let recall = ratio(detected, events);
        let precision = or_zero(detected, detected + false_alarms);
        let point_precision = or_zero(right, alarmed);
        let when_any = |value: f64| if events > 0 { value } else { f64::NAN };
        Self {
            event_recall: recall,
            event_precision: precision,
            event_f1: when_any(f1(precision, recall)),
            events,
            detected,
            false_alarms,
            false_alarms_per_host_day: false_alarms as f64 / host_days,
            alarms_per_event: ratio(detected + sum(|it| it.extra), detected),
            time_in_alarm: or_zero(alarmed, sum(|it| it.points)),
            delay_median_seconds: quantile::linear(&delays, 0.5),
            delay_p90_seconds: quantile::linear(&delays, 0.9),
            point_f1: when_any(f1(point_precision, ratio(right, labelled))),
            composite_f1: when_any(f1(point_precision, ratio(sum(|it| it.overlapped), events))),
            host_days,
        }
    }
}
