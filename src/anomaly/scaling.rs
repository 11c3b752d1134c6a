//! Metrics of any unit on common scales.

use serde::{Deserialize, Serialize};

use super::numbers::{quantile, sorted};

/// The farthest a robustly scaled value goes.
const FARTHEST: f32 = 25.0;
/// The farthest a standardised value goes.
const FARTHEST_STANDARD: f32 = 20.0;

/// How one metric is scaled, learned from its past.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Scaling {
    median: f32,
    spread: f32,
    mean: f32,
    deviation: f32,
    /// Whether it was ever below zero.
    signed: bool,
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
            };
        }
        let count = sorted.len() as f64;
        let mean = sorted.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
        let variance =
            sorted.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / count;
        let deviation = variance.sqrt() as f32;
        let largest = sorted[0].abs().max(sorted[sorted.len() - 1].abs());
        let quartiles = (quantile(&sorted, 0.75) - quantile(&sorted, 0.25)) / 1.349;
        let range = quantile(&sorted, 0.999) - quantile(&sorted, 0.001);
        // A metric that rests most of the time has no quartiles to speak of: its rare movements
        // still say how far it goes.
        let mut spread = quartiles.max(0.02 * range).max(0.3 * deviation);
        let least = (largest * 1e-3).max(1e-6);
        if spread < least {
            spread = (least * 10.0).max(if largest <= 1.5 { 1e-3 } else { 0.0 });
        }
        let least = 1e-6 * largest.max(1.0);
        let deviation = if deviation < least { 1e-2 * largest.max(1.0) } else { deviation };
        let signed = sorted[0] < 0.0;
        Self { median: quantile(&sorted, 0.5), spread, mean: mean as f32, deviation, signed }
    }

    /// Whether there was anything to learn from.
    pub(super) fn is_known(&self) -> bool {
        self.median.is_finite()
    }

    /// Distance from the median in robust deviations, compressed far out: `3 asinh(x / 3)`.
    pub(super) fn robust(&self, value: f32) -> f32 {
        (3.0 * ((value - self.median) / (3.0 * self.spread)).asinh()).clamp(-FARTHEST, FARTHEST)
    }

    /// The value at this robust distance; never below zero for a metric that never was.
    pub(super) fn value_at(&self, robust: f32) -> f32 {
        let value = self.median + 3.0 * self.spread * (robust / 3.0).sinh();
        if self.signed { value } else { value.max(0.0) }
    }

    /// Distance from the mean in standard deviations, clipped.
    pub(super) fn standard(&self, value: f32) -> f32 {
        ((value - self.mean) / self.deviation).clamp(-FARTHEST_STANDARD, FARTHEST_STANDARD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
