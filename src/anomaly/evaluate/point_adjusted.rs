//! Point-adjusted F1, and what is left of it when events must be detected for K percent. Pure.
//!
//! Point adjustment counts all points of an event as detected when one is: random scores do well on
//! it. PA%K (Kim et al., "Towards a Rigorous Evaluation of Time-Series Anomaly Detection", AAAI 2022)
//! does so only where more than K percent of the event's points are; K = 0 is point adjustment, and
//! K = 100 plain F1.

use super::{count, events::segments, quantile};

/// Thresholds that are tried.
const THRESHOLDS: usize = 200;
/// K goes from 0 to 100 % in so many steps.
const STEPS: usize = 10;

/// The best F1 for K = 0, 10, … 100 %, each at its own threshold.
pub(super) fn curve(scores: &[f64], labels: &[bool]) -> [f64; STEPS + 1] {
    let positive = count(labels);
    let ascending = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values
    };
    let normal: Vec<f64> =
        scores.iter().zip(labels).filter(|(_, label)| !**label).map(|(score, _)| *score).collect();
    let normal = ascending(normal);
    let events: Vec<Vec<f64>> = segments(labels)
        .into_iter()
        .map(|(start, end)| ascending(scores[start..end].to_vec()))
        .collect();
    let mut best = [0.0_f64; STEPS + 1];
    for threshold in quantile::grid(scores, THRESHOLDS) {
        let above =
            |sorted: &[f64]| sorted.len() - sorted.partition_point(|score| *score < threshold);
        let wrong = above(&normal);
        let detected: Vec<usize> = events.iter().map(|event| above(event)).collect();
        for (step, best) in best.iter_mut().enumerate() {
            let share = (step * 100 / STEPS) as f64 / 100.0;
            let right: usize = events
                .iter()
                .zip(&detected)
                .map(|(event, detected)| {
                    let enough = *detected as f64 > share * event.len() as f64;
                    if step < STEPS && enough { event.len() } else { *detected }
                })
                .sum();
            let f1 = 2.0 * right as f64 / (right + wrong + positive).max(1) as f64;
            *best = best.max(f1);
        }
    }
    best
}

/// The area under the curve over K, by trapezoids.
pub(super) fn area(curve: &[f64; STEPS + 1]) -> f64 {
    curve.windows(2).map(|pair| f64::midpoint(pair[0], pair[1]) / STEPS as f64).sum()
}
