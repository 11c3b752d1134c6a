//! The vertical axis: from zero to a fifth above the highest value, with round numbers on it.

use crate::{format, metrics::Unit};

/// Larger numbers are drawn as this: their differences must stay finite.
const LARGEST: f64 = 1e300;
/// Above this the picture shows the whole hundred, so that 65 % looks like 65 %.
const WHOLE_PERCENT: f64 = 60.0;
/// A threshold this little above the data is worth seeing.
const NEAR: f64 = 1.5;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct ValueAxis {
    pub low: f64,
    pub high: f64,
    pub ticks: Vec<(f64, String)>,
}

impl ValueAxis {
    /// An axis for these values and, when they are near, these thresholds.
    pub(super) fn new(
        values: impl Iterator<Item = f64>,
        thresholds: impl Iterator<Item = f64>,
        unit: Unit,
    ) -> Self {
        let (mut low, mut high) = (0.0_f64, 0.0_f64);
        for value in values.filter(|v| v.is_finite()) {
            low = low.min(value.max(-LARGEST));
            high = high.max(value.min(LARGEST));
        }
        let reach = high * NEAR;
        high = thresholds.filter(|t| *t <= reach).fold(high, f64::max);
        if low < 0.0 {
            low *= 1.2;
        }
        high = match unit {
            Unit::Percent if high > WHOLE_PERCENT && high <= 100.0 => 100.0,
            _ if high > 0.0 => high * 1.2,
            _ if low < 0.0 => 0.0,
            Unit::Percent => 10.0,
            Unit::BytesPerSecond => 1024.0,
            Unit::Seconds => 60.0,
            Unit::Load | Unit::None => 1.0,
        };
        let step = step((high - low) / 5.0, unit);
        // Counted, not added up: a tiny step added to a huge number changes nothing.
        let first = (low / step).ceil();
        let count = ((high / step).floor() - first).clamp(0.0, 12.0) as u32;
        let ticks = (0..=count)
            .map(|i| (first + f64::from(i)) * step)
            .map(|tick| (tick, format::value(tick, unit)))
            .collect();
        Self { low, high, ticks }
    }

    /// Where a value is: 0 at the bottom, 1 at the top, beyond them outside.
    pub(super) fn share(&self, value: f64) -> f64 {
        (value.clamp(-LARGEST, LARGEST) - self.low) / (self.high - self.low)
    }
}

/// The smallest round step of at least `least`.
fn step(least: f64, unit: Unit) -> f64 {
    const SPANS: [f64; 22] = [
        1.0,
        2.0,
        5.0,
        10.0,
        15.0,
        30.0,
        60.0,
        120.0,
        300.0,
        600.0,
        900.0,
        1800.0,
        3600.0,
        7200.0,
        10_800.0,
        21_600.0,
        43_200.0,
        86_400.0,
        172_800.0,
        432_000.0,
        864_000.0,
        1_728_000.0,
    ];
    match unit {
        Unit::BytesPerSecond if least >= 1.0 => {
            let base = 1024_f64.powf(least.log(1024.0).floor().min(8.0));
            match decimal(least / base) {
                step if step >= 1000.0 && base < 1e24 => base * 1024.0,
                step => base * step,
            }
        }
        Unit::Seconds if least >= 1.0 => {
            let day = 86_400.0;
            SPANS
                .into_iter()
                .find(|span| *span >= least)
                .unwrap_or_else(|| decimal(least / day) * day)
        }
        _ => decimal(least),
    }
}

/// The smallest of …, 1, 2, 5, 10, 20, … that is at least `least`.
fn decimal(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(f64::MIN_POSITIVE).log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= least).unwrap_or(least)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn axis(values: &[f64], unit: Unit) -> ValueAxis {
        ValueAxis::new(values.iter().copied(), [90.0].into_iter(), unit)
    }

    fn labels(axis: &ValueAxis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn the_axis_begins_at_zero_with_room_above() {
        let small = axis(&[3.0, 25.0], Unit::Percent);
        assert_eq!((small.low, small.high), (0.0, 30.0));
        assert_eq!(labels(&small), ["0 %", "10 %", "20 %", "30 %"]);
        assert!((axis(&[64.0], Unit::Percent).high - 100.0).abs() < 1e-9);
        let near = axis(&[60.0, 70.0], Unit::None);
        assert!((near.high - 108.0).abs() < 1e-9, "the threshold of 90 is near: {near:?}");
    }

    #[test]
    fn bytes_and_spans_have_ticks_at_their_own_round_numbers() {
        let mib = axis(&[6.0 * 1024.0 * 1024.0], Unit::BytesPerSecond);
        assert_eq!(labels(&mib), ["0 B/s", "2 MiB/s", "4 MiB/s", "6 MiB/s"]);
        let days = axis(&[40.0 * 86_400.0], Unit::Seconds);
        assert_eq!(labels(&days), ["0 s", "10 d", "20 d", "30 d", "40 d"]);
    }

    proptest! {
        #[test]
        fn any_values_give_a_finite_axis_with_few_ticks(
            values in proptest::collection::vec(any::<f64>(), 0..20), threshold in any::<f64>(),
        ) {
            for unit in [Unit::Percent, Unit::BytesPerSecond, Unit::Load, Unit::Seconds] {
                let axis = ValueAxis::new(values.iter().copied(), [threshold].into_iter(), unit);
                prop_assert!(axis.low.is_finite() && axis.high.is_finite());
                prop_assert!(axis.high > axis.low, "{axis:?}");
                prop_assert!(axis.ticks.len() <= 13);
            }
        }
    }
}
