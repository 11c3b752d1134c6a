//! Order statistics and exponential averages.

/// The value below which this share of sorted values lies, interpolated; 0 for none.
pub(super) fn quantile(sorted: &[f32], share: f64) -> f32 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = share * last as f64;
    let below = (place.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let part = (place - below as f64) as f32;
    sorted[below] * (1.0 - part) + sorted[above] * part
}

/// The middle value; 0 for none. The order of the values is lost.
pub(super) fn median(values: &mut [f32]) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// Sorted without what is no number.
pub(super) fn sorted(values: impl Iterator<Item = f32>) -> Vec<f32> {
    let mut sorted: Vec<f32> = values.filter(|value| value.is_finite()).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    sorted
}

/// The weight of the newest value in an exponential average that forgets half within this many
/// values.
pub(super) fn newest_weight(half_life: f64) -> f32 {
    (1.0 - 0.5_f64.powf(1.0 / half_life.max(1e-6))) as f32
}

/// The mean of the largest few of these values.
pub(super) fn mean_of_largest(values: &[f32], count: usize, scratch: &mut Vec<f32>) -> f32 {
    let count = count.min(values.len());
    if count == 0 {
        return 0.0;
    }
    scratch.clear();
    scratch.extend_from_slice(values);
    if count < scratch.len() {
        scratch.select_nth_unstable_by(count - 1, |left, right| right.total_cmp(left));
    }
    scratch[..count].iter().sum::<f32>() / count as f32
}
