//! How good a detector is: its scores and alarms against what is known to have happened. Pure.
//!
//! Events and alarms, for each entity on its own, in points of its usual step:
//!
//! - A labelled event is a longest run of points with label 1.
//! - Runs of alarm 1 that are at most `merge_gap` apart are one alarm.
//! - An alarm hits an event when its *onset* lies in `[start − lead, end + grace]`. It hits one event
//!   only, the first that was not hit before; an event is detected when it is hit.
//! - An alarm that hits none is false. One inside an event that was hit before is neither right nor
//!   wrong, and is counted in the alarms per event.
//! - recall = detected / events, precision = detected / (detected + false alarms).
//!
//! An alarm that is always on detects at most one event of an entity. That is the point of it.

mod curves;
mod events;
mod input;
mod nab;
mod point_adjusted;
mod quantile;
mod volume;

pub use events::{Decisions, Summary, Tolerance};
pub use input::{InputError, read};
pub use nab::{Nab, Profile};

use std::collections::BTreeMap;

use serde::Serialize;

/// So many thresholds are tried for the best one over all entities.
const THRESHOLDS: usize = 160;

/// What is known of one entity, in the order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entity {
    /// Higher is more anomalous.
    pub scores: Vec<f64>,
    /// Whether something was wrong at each point.
    pub labels: Vec<bool>,
    /// The decisions of the detector, when they are known.
    pub alarms: Option<Vec<bool>>,
    /// The usual time between two points, in seconds.
    pub step: f64,
    /// What kind of thing was wrong at each point, where it is known; empty when no kinds are.
    pub kinds: Vec<Option<String>>,
    /// Labelled intervals in which it has no point: nothing can be said of them.
    pub unseen: usize,
}

/// What is to be computed, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// When an alarm belongs to an event.
    pub tolerance: Tolerance,
    /// The widest buffer around an event for the volumes under the surface, in points.
    pub vus_window: usize,
    /// Whether to compute the NAB scores too.
    pub nab: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { tolerance: Tolerance::default(), vus_window: 100, nab: false }
    }
}

/// Everything that is known about a detector. What cannot be computed is not a number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// How many entities have scores.
    pub entities: usize,
    /// The share of points with label 1.
    pub anomaly_ratio: f64,
    /// Labelled intervals in which there is no score. They are no events here.
    pub unseen_intervals: usize,
    /// Means over the entities that have an event; `None` when none has.
    pub threshold_free: Option<ThresholdFree>,
    /// The detector's own alarms, when they are known.
    pub given_alarms: Option<Summary>,
    /// Detected and all events of each kind, of the detector's own alarms.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<String, KindRecall>,
    /// The alarms of the one threshold that is best for all entities together.
    pub global_oracle: Oracle,
    /// NAB scores at the best threshold, when they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nab: Option<Nab>,
    /// NAB scores of the detector's own alarms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nab_given_alarms: Option<Nab>,
}

/// What needs no decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ThresholdFree {
    /// Area under the receiver operating characteristic (Mann–Whitney, ties count one half).
    pub auc_roc: f64,
    /// Area under the precision–recall curve, as average precision.
    pub auc_pr: f64,
    /// Volume under the ROC surface (Paparrizos et al., VLDB 2022).
    pub vus_roc: f64,
    /// Volume under the PR surface (Paparrizos et al., VLDB 2022).
    pub vus_pr: f64,
    /// The best F1 over points of any threshold.
    pub point_f1_best: f64,
    /// Point-adjusted F1. Random scores reach 0.7 on it: never set a target on it.
    pub pa_f1_best: f64,
    /// PA%K F1 with K = 20 % (Kim et al., AAAI 2022).
    pub pa20_f1_best: f64,
    /// PA%K F1 with K = 50 %.
    pub pa50_f1_best: f64,
    /// The area under PA%K F1 over K from 0 to 100 %.
    pub pak_auc: f64,
}

/// How many events of a kind were detected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KindRecall {
    /// Events of this kind.
    pub events: usize,
    /// Those with a hit.
    pub detected: usize,
}

/// The best that one threshold can do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Oracle {
    /// An alarm is where the score is at least this.
    pub threshold: f64,
    /// What comes of it.
    #[serde(flatten)]
    pub summary: Summary,
}

/// Judges the scores and alarms of a detector.
pub fn evaluate(entities: &BTreeMap<String, Entity>, options: &Options) -> Evaluation {
    let all: Vec<&Entity> = entities.values().collect();
    let known = !all.is_empty() && all.iter().all(|entity| entity.alarms.is_some());
    let decided = |entity: &Entity, alarms: &[bool]| {
        events::decisions(alarms, &entity.labels, entity.step, &options.tolerance)
    };
    let given: Vec<Decisions> = all
        .iter()
        .filter_map(|entity| entity.alarms.as_ref().map(|alarms| decided(entity, alarms)))
        .filter(|_| known)
        .collect();
    let kinds = if known { by_kind(&all, &given) } else { BTreeMap::new() };
    let points: usize = all.iter().map(|entity| entity.labels.len()).sum();
    let labelled: usize = all.iter().map(|entity| count(&entity.labels)).sum();
    Evaluation {
        entities: all.len(),
        anomaly_ratio: labelled as f64 / points as f64,
        unseen_intervals: all.iter().map(|entity| entity.unseen).sum(),
        threshold_free: threshold_free(&all, options.vus_window),
        given_alarms: known.then(|| Summary::of(&given)),
        kinds,
        global_oracle: oracle(&all, &options.tolerance),
        nab: options.nab.then(|| Nab::best(&all)),
        nab_given_alarms: (options.nab && known).then(|| Nab::of_alarms(&all)),
    }
}

fn count(flags: &[bool]) -> usize {
    flags.iter().filter(|flag| **flag).count()
}

fn threshold_free(entities: &[&Entity], window: usize) -> Option<ThresholdFree> {
    let rows: Vec<ThresholdFree> = entities
        .iter()
        .filter(|entity| entity.labels.contains(&true))
        .map(|Entity { scores, labels, .. }| {
            let (vus_roc, vus_pr) = volume::vus(scores, labels, window);
            let adjusted = point_adjusted::curve(scores, labels);
            ThresholdFree {
                auc_roc: curves::auc_roc(scores, labels),
                auc_pr: curves::average_precision(scores, labels),
                vus_roc,
                vus_pr,
                point_f1_best: curves::best_point_f1(scores, labels),
                pa_f1_best: adjusted[0],
                pa20_f1_best: adjusted[2],
                pa50_f1_best: adjusted[5],
                pak_auc: point_adjusted::area(&adjusted),
            }
        })
        .collect();
    let mean = |of: fn(&ThresholdFree) -> f64| {
        let known: Vec<f64> = rows.iter().map(of).filter(|value| !value.is_nan()).collect();
        known.iter().sum::<f64>() / known.len() as f64
    };
    (!rows.is_empty()).then(|| ThresholdFree {
        auc_roc: mean(|row| row.auc_roc),
        auc_pr: mean(|row| row.auc_pr),
        vus_roc: mean(|row| row.vus_roc),
        vus_pr: mean(|row| row.vus_pr),
        point_f1_best: mean(|row| row.point_f1_best),
        pa_f1_best: mean(|row| row.pa_f1_best),
        pa20_f1_best: mean(|row| row.pa20_f1_best),
        pa50_f1_best: mean(|row| row.pa50_f1_best),
        pak_auc: mean(|row| row.pak_auc),
    })
}

/// The threshold with the best event F1 over all entities; the lowest of several.
fn oracle(entities: &[&Entity], tolerance: &Tolerance) -> Oracle {
    let all: Vec<f64> = entities.iter().flat_map(|entity| &entity.scores).copied().collect();
    let mut best: Option<Oracle> = None;
    for threshold in quantile::grid(&all, THRESHOLDS) {
        let decisions: Vec<_> = entities
            .iter()
            .map(|entity| {
                let alarms: Vec<bool> =
                    entity.scores.iter().map(|score| *score >= threshold).collect();
                events::decisions(&alarms, &entity.labels, entity.step, tolerance)
            })
            .collect();
        let summary = Summary::of(&decisions);
        if best.is_none_or(|best| summary.event_f1 > best.summary.event_f1) {
            best = Some(Oracle { threshold, summary });
        }
    }
    best.unwrap_or_else(|| Oracle { threshold: f64::INFINITY, summary: Summary::of(&[]) })
}

/// An event is of the kind that its first labelled point has.
fn by_kind(entities: &[&Entity], given: &[Decisions]) -> BTreeMap<String, KindRecall> {
    let mut kinds: BTreeMap<String, KindRecall> = BTreeMap::new();
    for (entity, decisions) in entities.iter().zip(given) {
        let events = events::segments(&entity.labels);
        for ((start, _), hit) in events.iter().zip(&decisions.hits) {
            let Some(Some(kind)) = entity.kinds.get(*start) else { continue };
            let recall = kinds.entry(kind.clone()).or_default();
            recall.events += 1;
            recall.detected += usize::from(hit.is_some());
        }
    }
    kinds
}

#[cfg(test)]
mod tests;
