//! Metrics of any unit on common scales.

use serde::{Deserialize, Serialize};

use super::numbers::{quantile, sorted};

/// The farthest a robustly scaled value goes.
const FARTHEST: f32 = 25.0;
/// The farthest a standardised value goes.
const FARTHEST_STANDARD: f32 = 20.0;
/// A metric that hardly ever falls below this share of its median is a rate or a size.
const POSITIVE: f32 = 0.05;

/// How one metric is scaled, learned from its past.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Scaling {
    /// Of the logarithms where the metric is on a logarithmic scale.
    median: f32,
    spread: f32,
    mean: f32,
    deviation: f32,
    /// Whether it was ever below zero.
    signed: bool,
    /// Whether it varies by factors.
    logarithmic: bool,
}

impl Scaling {
    /// Learns from the values of a metric; missing ones are not finite.
    pub(super) fn fit(values: impl Iterator<Item = f32>) -> Self {
        let sorted = sorted(values);
        if sorted.is_empty() {
            // Whatever such a metric is one day, nothing is known of it.
            return Self {
                median: f32::NAN,
                spread: 1.0,
                mean: f32::NAN,
                deviation: 1.0,
                signed: true,
                logarithmic: false,
            };
        }
        let count = sorted.len() as f64;
        let mean = sorted.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
        let deviation = deviation(&sorted);
        let largest = sorted[0].abs().max(sorted[sorted.len() - 1].abs());
        let least = 1e-6 * largest.max(1.0);
        let signed = sorted[0] < 0.0;
        let logarithmic = !signed && quantile(&sorted, 0.001) > POSITIVE * quantile(&sorted, 0.5);
        let (median, spread) = if logarithmic {
            let logarithms: Vec<f32> = sorted.iter().map(|value| logarithm(*value)).collect();
            (quantile(&logarithms, 0.5), spread(&logarithms).max(1e-3))
        } else {
            let spread = spread(&sorted);
            let least = (largest * 1e-3).max(1e-6);
            let lazy = (least * 10.0).max(if largest <= 1.5 { 1e-3 } else { 0.0 });
            (quantile(&sorted, 0.5), if spread < least { lazy } else { spread })
        };
        let deviation = if deviation < least { 1e-2 * largest.max(1.0) } else { deviation };
        Self { median, spread, mean: mean as f32, deviation, signed, logarithmic }
    }

    /// Whether there was anything to learn from.
    pub(super) fn is_known(&self) -> bool {
        self.median.is_finite()
    }

    /// Distance from the median in robust deviations, compressed far out: `3 asinh(x / 3)`.
    pub(super) fn robust(&self, value: f32) -> f32 {
        let value = if self.logarithmic { logarithm(value) } else { value };
        (3.0 * ((value - self.median) / (3.0 * self.spread)).asinh()).clamp(-FARTHEST, FARTHEST)
    }

    /// The value at this robust distance; never below zero for a metric that never was.
    pub(super) fn value_at(&self, robust: f32) -> f32 {
        let value = self.median + 3.0 * self.spread * (robust / 3.0).sinh();
        let value = if self.logarithmic { value.exp().min(f32::MAX) } else { value };
        if self.signed { value } else { value.max(0.0) }
    }

    /// Distance from the mean in standard deviations, clipped.
    pub(super) fn standard(&self, value: f32) -> f32 {
        ((value - self.mean) / self.deviation).clamp(-FARTHEST_STANDARD, FARTHEST_STANDARD)
    }
}

/// The logarithm of a metric that is never below zero; finite for zero, which is merely rare.
fn logarithm(value: f32) -> f32 {
    if value <= 0.0 { f32::MIN_POSITIVE.ln() } else { value.ln() }
}

fn deviation(sorted: &[f32]) -> f32 {
    let count = sorted.len() as f64;
    let mean = sorted.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
    (sorted.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / count).sqrt()
        as f32
}

/// How far values usually go. A metric that rests most of the time has no quartiles to speak of: its
/// rare movements still say how far it goes.
fn spread(sorted: &[f32]) -> f32 {
    let quartiles = (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / 1.349;
    let range = quantile(sorted, 0.999) - quantile(sorted, 0.001);
    quartiles.max(0.02 * range).max(0.3 * deviation(sorted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_vary_by_factors() {
        let scaling = Scaling::fit((0..1000).map(|index| 1.005_f32.powi(index)));
        assert!(
            (scaling.robust(1.005_f32.powi(900)) + scaling.robust(1.005_f32.powi(99))).abs() < 1e-2
        );
        let back = scaling.value_at(scaling.robust(3.0));
        assert!((back - 3.0).abs() < 1e-2, "{back}");
        assert!(scaling.robust(0.0) < -5.0 && scaling.robust(0.0).is_finite());
        assert!(scaling.robust(f32::NAN).is_nan());
        assert!(scaling.value_at(25.0).is_finite());
    }

    #[test]
    fn there_and_back() {
        let scaling = Scaling::fit((0..1000).map(|index| index as f32 / 10.0));
        for value in [0.0, 49.95, 100.0, 180.0] {
            let back = scaling.value_at(scaling.robust(value));
            assert!((back - value).abs() < 1e-2, "{value} became {back}");
        }
        assert!(scaling.robust(1e12) >= FARTHEST);
        assert!(scaling.value_at(-20.0).abs() < 1e-9, "it never was below zero");
    }

    #[test]
    fn a_metric_that_never_moved_notices_when_it_does() {
        let scaling = Scaling::fit([5.0; 100].into_iter());
        assert!(scaling.robust(5.0).abs() < 1e-9);
        assert!(scaling.robust(6.0) > 3.0);
        assert!(!Scaling::fit([f32::NAN].into_iter()).is_known());
    }
}
