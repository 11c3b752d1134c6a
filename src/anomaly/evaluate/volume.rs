//! Volumes under the ROC and PR surfaces: areas averaged over buffers of growing width. Pure.
//!
//! Paparrizos et al., "Volume Under the Surface: A New Accuracy Evaluation Measure for Time-Series
//! Anomaly Detection", VLDB 2022, as computed in TSB-AD (Liu & Paparrizos, NeurIPS 2024). A buffer of
//! width w gives the points up to w/2 away from an event the label `√(1 − distance / w)`. At each of
//! 250 thresholds, with P labelled points, the sum L of all labels, and TP the labels above:
//!
//! ```text
//! recall = min(TP / ((P + P + L_buffer_above) / 2), 1) · share of events with a point above
//! precision = TP / points above        false positive rate = (points above − TP) / (n − positives)
//! ```

use super::{curves::descending, events::segments};

const THRESHOLDS: usize = 250;

/// (VUS-ROC, VUS-PR) for buffers of 0 to `window` points; not numbers when there is no event.
///
/// Only buffers change with their width, so each costs its own points and not all of them.
pub(super) fn vus(scores: &[f64], labels: &[bool], window: usize) -> (f64, f64) {
    let events = segments(labels);
    if events.is_empty() {
        return (f64::NAN, f64::NAN);
    }
    let surface = Surface::new(scores, labels);
    let (mut roc, mut pr) = (0.0, 0.0);
    let mut extended = vec![0.0; scores.len()];
    for width in 0..=window {
        let buffer = buffer(&events, labels, width, &mut extended);
        let (area_roc, area_pr) = surface.areas(&buffer, &merged(&events, width / 2, scores.len()));
        roc += area_roc;
        pr += area_pr;
    }
    let widths = (window + 1) as f64;
    (roc / widths, pr / widths)
}

/// The points beside events and their labels. `scratch` is all zero before and after.
fn buffer(
    events: &[(usize, usize)],
    labels: &[bool],
    width: usize,
    scratch: &mut [f64],
) -> Vec<(usize, f64)> {
    let half = width / 2;
    let mut touched = Vec::new();
    for (start, end) in events {
        let after = (*end..(end + half).min(labels.len())).map(|point| (point, point + 1 - end));
        let before = (start.saturating_sub(half)..*start).map(|point| (point, start - point));
        for (point, distance) in after.chain(before).filter(|(point, _)| !labels[*point]) {
            if scratch[point] == 0.0 {
                touched.push(point);
            }
            scratch[point] += (1.0 - distance as f64 / width as f64).sqrt();
        }
    }
    touched.into_iter().map(|point| (point, std::mem::take(&mut scratch[point]).min(1.0))).collect()
}

/// Events with their buffers, as (first, last); those that touch are one.
fn merged(events: &[(usize, usize)], half: usize, points: usize) -> Vec<(usize, usize)> {
    let mut joined = Vec::new();
    let mut start = events[0].0.saturating_sub(half);
    for pair in events.windows(2) {
        let (end, next) = (pair[0].1 - 1 + half, pair[1].0);
        if end + half < next {
            joined.push((start, end));
            start = next - half;
        }
    }
    let last = events[events.len() - 1].1 - 1;
    joined.push((start, (last + half).min(points - 1)));
    joined
}

/// What does not depend on the width.
struct Surface<'a> {
    scores: &'a [f64],
    /// Labelled points.
    positive: f64,
    /// The thresholds, highest first.
    thresholds: Vec<f64>,
    /// Points at or above each.
    predicted: Vec<f64>,
    /// Those with a label.
    right: Vec<f64>,
    /// The first threshold each point is at or above; the number of thresholds when none.
    first: Vec<usize>,
}

impl<'a> Surface<'a> {
    fn new(scores: &'a [f64], labels: &[bool]) -> Self {
        let order = descending(scores);
        let last = scores.len() - 1;
        let step = last as f64 / (THRESHOLDS - 1) as f64;
        let thresholds: Vec<f64> = (0..THRESHOLDS)
            .map(|index| {
                let rank =
                    if index == THRESHOLDS - 1 { last } else { (index as f64 * step) as usize };
                scores[order[rank.min(last)]]
            })
            .collect();
        let first: Vec<usize> = scores
            .iter()
            .map(|score| thresholds.partition_point(|threshold| score < threshold))
            .collect();
        let mut predicted = vec![0.0; THRESHOLDS];
        let mut right = vec![0.0; THRESHOLDS];
        for (first, label) in first.iter().zip(labels).filter(|(first, _)| **first < THRESHOLDS) {
            predicted[*first] += 1.0;
            right[*first] += f64::from(u8::from(*label));
        }
        accumulate(&mut predicted);
        accumulate(&mut right);
        let positive = labels.iter().filter(|label| **label).count() as f64;
        Self { scores, positive, thresholds, predicted, right, first }
    }

    /// The areas under the ROC and PR curves for one width.
    fn areas(&self, buffer: &[(usize, f64)], events: &[(usize, usize)]) -> (f64, f64) {
        let mut near = vec![0.0; THRESHOLDS];
        for (point, label) in buffer {
            if let Some(sum) = near.get_mut(self.first[*point]) {
                *sum += label;
            }
        }
        accumulate(&mut near);
        let highest = |(start, end): &(usize, usize)| {
            self.scores[*start..=*end].iter().copied().fold(f64::NEG_INFINITY, f64::max)
        };
        let mut peaks: Vec<f64> = events.iter().map(highest).collect();
        peaks.sort_by(f64::total_cmp);
        let points = self.scores.len() as f64;
        let (mut roc, mut pr) = (0.0, 0.0);
        let (mut recall_before, mut rate_before) = (0.0, 0.0);
        for (index, threshold) in self.thresholds.iter().enumerate() {
            let missed = peaks.partition_point(|peak| peak < threshold);
            let exist = (peaks.len() - missed) as f64 / peaks.len() as f64;
            let right = self.right[index] + near[index];
            let positive = f64::midpoint(self.positive, self.positive + near[index]);
            let recall = (right / positive).min(1.0) * exist;
            let rate = (self.predicted[index] - right) / (points - positive);
            roc += (rate - rate_before) * f64::midpoint(recall, recall_before);
            pr += (recall - recall_before) * (right / self.predicted[index]);
            (recall_before, rate_before) = (recall, rate);
        }
        roc += (1.0 - rate_before) * f64::midpoint(1.0, recall_before);
        (roc, pr)
    }
}

fn accumulate(values: &mut [f64]) {
    let mut sum = 0.0;
    for value in values {
        sum += *value;
        *value = sum;
    }
}
