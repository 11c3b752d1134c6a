//! What a ranking of points is worth, without any threshold. Pure.

use super::count;

/// Indices from the highest score to the lowest; equal ones stay in order.
pub(super) fn descending(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    order
}

/// For each distinct score, from the highest: the points at or above it, and those of them with a label.
fn steps(scores: &[f64], labels: &[bool]) -> Vec<(usize, usize)> {
    let order = descending(scores);
    let mut found = Vec::new();
    let mut right = 0;
    for (rank, index) in order.iter().enumerate() {
        right += usize::from(labels[*index]);
        let next = order.get(rank + 1).map(|next| scores[*next]);
        // Points of one score are above the threshold together.
        if next.is_none_or(|next| next < scores[*index]) {
            found.push((rank + 1, right));
        }
    }
    found
}

/// The probability that a labelled point scores higher than another, ties counting one half (Hanley &
/// McNeil, 1982); not a number when all points are alike.
pub(super) fn auc_roc(scores: &[f64], labels: &[bool]) -> f64 {
    let positive = count(labels) as f64;
    let negative = labels.len() as f64 - positive;
    if positive == 0.0 || negative == 0.0 {
        return f64::NAN;
    }
    let (mut sum, mut before) = (0.0, (0.0, 0.0));
    for (predicted, right) in steps(scores, labels) {
        let now = ((predicted - right) as f64, right as f64);
        sum += (now.0 - before.0) * f64::midpoint(now.1, before.1);
        before = now;
    }
    sum / (positive * negative)
}

/// Average precision: `Σ (recallᵢ − recallᵢ₋₁) · precisionᵢ` over distinct scores.
pub(super) fn average_precision(scores: &[f64], labels: &[bool]) -> f64 {
    let positive = count(labels) as f64;
    let (mut sum, mut before) = (0.0, 0);
    for (predicted, right) in steps(scores, labels) {
        sum += (right - before) as f64 / positive * (right as f64 / predicted as f64);
        before = right;
    }
    sum
}

/// The best F1 over points that any threshold reaches.
pub(super) fn best_point_f1(scores: &[f64], labels: &[bool]) -> f64 {
    let positive = count(labels);
    steps(scores, labels)
        .into_iter()
        .map(|(predicted, right)| 2.0 * right as f64 / (predicted + positive) as f64)
        .fold(0.0, f64::max)
}
