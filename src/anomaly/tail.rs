//! How improbable a value is, learned from normal ones.

use serde::{Deserialize, Serialize};

use super::numbers::quantile;

/// Points of the empirical distribution that are kept.
const POINTS: usize = 17;
/// The most exceedances a fit looks at: more change its result less than they cost.
const MOST_EXCESSES: usize = 400;

/// The upper tail of a distribution: empirical up to a level, above it a generalised Pareto
/// distribution of the excesses (peaks over threshold, Pickands 1975).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tail {
    /// Quantiles at equal steps of probability from 0 to the level.
    points: Vec<f32>,
    /// Where the Pareto part begins.
    threshold: f32,
    /// The share of values above the threshold.
    share: f32,
    shape: f32,
    scale: f32,
}

impl Tail {
    /// Learns from normal values, sorted; `level` is the share of them that is below the Pareto part.
    pub(super) fn fit(sorted: &[f32], level: f64) -> Self {
        let threshold = quantile(sorted, level);
        let points = (0..POINTS)
            .map(|index| quantile(sorted, level * index as f64 / (POINTS - 1) as f64))
            .collect();
        let first = sorted.partition_point(|value| *value <= threshold);
        let excesses: Vec<f32> = sorted[first..].iter().map(|value| value - threshold).collect();
        let share = excesses.len().max(1) as f32 / sorted.len().max(1) as f32;
        let largest = excesses.last().copied().unwrap_or(0.0);
        let (curve, scale) = if excesses.len() < 10 || largest <= 0.0 {
            (0.0, excesses.iter().sum::<f32>() / excesses.len().max(1) as f32)
        } else {
            pareto(&excesses)
        };
        Self { points, threshold, share, shape: curve.max(0.0), scale: scale.max(1e-9) }
    }

    /// Whether it has all its points.
    pub(super) fn is_whole(&self) -> bool {
        self.points.len() == POINTS
    }

    /// `-log10` of the probability of a value at least this large. Never ends: the shape is not
    /// negative, so that what was never seen is still ranked.
    pub(super) fn surprise(&self, value: f32) -> f32 {
        let at_threshold = -self.share.log10();
        if value > self.threshold {
            let excess = (value - self.threshold) / self.scale;
            let nats =
                if self.shape < 1e-6 { excess } else { (self.shape * excess).ln_1p() / self.shape };
            return at_threshold + nats * std::f32::consts::LOG10_E;
        }
        let above = self.points.partition_point(|point| *point < value);
        if above == 0 {
            return 0.0;
        }
        let (low, high) = (self.points[above - 1], self.points[above.min(POINTS - 1)]);
        let part = if high > low { (value - low) / (high - low) } else { 1.0 };
        let below = (1.0 - self.share) * ((above - 1) as f32 + part) / (POINTS - 1) as f32;
        (-(1.0 - below).max(self.share).log10()).min(at_threshold)
    }
}

/// Shape and scale of a generalised Pareto distribution, by the profile likelihood of Grimshaw
/// (Technometrics 1993) over a grid of `shape / scale`.
fn pareto(sorted_excesses: &[f32]) -> (f32, f32) {
    let step = (sorted_excesses.len() as f64 / MOST_EXCESSES as f64).max(1.0);
    let taken = (sorted_excesses.len() as f64 / step) as usize;
    let excesses: Vec<f32> =
        (0..taken).map(|index| sorted_excesses[(index as f64 * step) as usize]).collect();
    let count = excesses.len() as f32;
    let mean = excesses.iter().sum::<f32>() / count;
    let largest = excesses.iter().fold(0_f32, |largest, excess| largest.max(*excess));
    let bounded = (0..14).map(|index| -(1e-3 * 999_f32.powf(index as f32 / 13.0)) / largest);
    let unbounded = (0..28).map(|index| 1e-3 * 50_000_f32.powf(index as f32 / 27.0) / mean);
    let exponential = (-count * mean.ln() - count, 0.0, mean);
    let best = bounded.chain(unbounded).fold(exponential, |best, ratio| {
        let shape = excesses.iter().map(|excess| (ratio * excess).ln_1p()).sum::<f32>() / count;
        let scale = shape / ratio;
        if shape.abs() < 1e-9 || scale <= 0.0 || !(-0.5..=1.0).contains(&shape) {
            return best;
        }
        let likelihood = -count * scale.ln() - (1.0 + shape) * count;
        if likelihood > best.0 { (likelihood, shape, scale) } else { best }
    });
    (best.1, best.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exponential_distribution_is_found() {
        let values: Vec<f32> =
            (0..20_000).map(|index| -(1.0 - (index as f32 + 0.5) / 20_000.0).ln()).collect();
        let tail = Tail::fit(&values, 0.98);
        for (value, expected) in [(0.5, 0.217), (2.0, 0.869), (6.0, 2.606), (12.0, 5.21)] {
            let surprise = tail.surprise(value);
            assert!((surprise - expected).abs() < 0.05 * expected + 0.02, "{value}: {surprise}");
        }
    }

    #[test]
    fn surprise_grows_with_the_value() {
        let values: Vec<f32> = (0..1000).map(|index| (index * index) as f32).collect();
        let tail = Tail::fit(&values, 0.95);
        let surprises: Vec<f32> =
            (0..200).map(|index| tail.surprise(index as f32 * 10_000.0)).collect();
        assert!(surprises.is_sorted(), "{surprises:?}");
        assert!(surprises.iter().all(|surprise| surprise.is_finite()));
    }

    #[test]
    fn what_never_moved_is_no_division_by_zero() {
        let tail = Tail::fit(&[1.0; 500], 0.98);
        assert!(tail.surprise(1.0) < 3.0);
        assert!(tail.surprise(1.1) > 6.0);
        assert!(Tail::fit(&[], 0.98).surprise(1.0).is_finite());
    }
}
