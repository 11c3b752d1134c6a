//! Quantiles, and thresholds worth trying. Pure.

/// The quantile between neighbours by linear interpolation (type 7 of Hyndman & Fan, 1996), of values
/// in ascending order; not a number when there are none.
pub(super) fn linear(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = last as f64 * share;
    let low = (at.floor() as usize).min(last);
    let high = (low + 1).min(last);
    let (from, to, part) = (sorted[low], sorted[high], at - low as f64);
    // From the nearer end, so that the end itself comes out exactly.
    if part >= 0.5 { to - (to - from) * (1.0 - part) } else { from + (to - from) * part }
}

/// About `count` thresholds at quantiles of the scores, dense at the top, and one above all of them.
pub(super) fn grid(scores: &[f64], count: usize) -> Vec<f64> {
    if scores.is_empty() {
        return Vec::new();
    }
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    let even = (count / 4).max(2);
    let dense = count - count / 4;
    let (first, last) = (0.1_f64, (1.0 / scores.len() as f64).max(1e-6));
    let (log_first, log_last) = (first.log10(), last.log10());
    let step = 0.9 / even as f64;
    let low = (0..even).map(|index| index as f64 * step);
    let log_step = (log_last - log_first) / (dense - 1) as f64;
    let high = (0..dense).map(|index| match index {
        0 => 1.0 - first,
        _ if index == dense - 1 => 1.0 - last,
        _ => 1.0 - 10.0_f64.powf(index as f64 * log_step + log_first),
    });
    let mut thresholds: Vec<f64> =
        low.chain(high).map(|share| linear(&sorted, share.clamp(0.0, 1.0))).collect();
    thresholds.sort_by(f64::total_cmp);
    thresholds.dedup();
    thresholds.extend(thresholds.last().map(|top| top.next_up()));
    thresholds
}
