//! When a growing number reaches its limit, and how sure that is. Pure.
//!
//! The line is the least-squares line Prometheus fits for `predict_linear`
//! (`linearRegression` in `promql/functions.go`):
//!
//! ```text
//! slope = Σ (x − x̄)(y − ȳ) / Σ (x − x̄)²        fit(x) = ȳ + slope · (x − x̄)
//! ```
//!
//! The slope's standard error is the textbook one, `√(Σ residual² / (n − 2) / Σ (x − x̄)²)`,
//! inflated by `√((1 + r) / (1 − r))` where r is the lag-1 autocorrelation of the residuals:
//! neighbouring samples of a disk say nearly the same, so n samples are worth fewer (the effective
//! sample size of Bayley & Hammersley, 1946). The two bounds are the lines through `(x̄, ȳ)` with
//! slope ± 1.645 standard errors, about 90 % when the growth really is a line.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Fewer points than these make no line.
pub const POINTS_NEEDED: usize = 10;

const DAY_SECONDS: f64 = 86_400.0;
/// Two-sided 90 % of the normal distribution.
const QUANTILE_90: f64 = 1.645;
/// Larger than any number a machine has; their squares still fit an `f64`.
const LARGEST: f64 = 1e100;
/// Autocorrelation above this would say that the points are worth nothing at all.
const MOST_AUTOCORRELATION: f64 = 0.99;
const LONGEST_HORIZON: Duration = Duration::from_hours(24 * 366 * 100);

/// What a straight line says about the time a limit is reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Forecast {
    /// The line reaches the limit within the horizon.
    At {
        /// When the fitted line does.
        when: DateTime<Utc>,
        /// When the steepest plausible line does, not before now.
        earliest: DateTime<Utc>,
        /// When the flattest plausible line does; `None` when that is never or out of sight.
        latest: Option<DateTime<Utc>>,
        /// Growth per day, in the unit of the points.
        per_day: f64,
    },
    /// It shrinks, stands still, or grows too slowly to reach the limit within the horizon.
    NotAtThisRate {
        /// Growth per day, in the unit of the points.
        per_day: f64,
    },
    /// The newest point is at or over the limit.
    AlreadyThere,
    /// There are too few points (since the last clean-up) to fit a line.
    TooLittleData {
        /// Usable points.
        have: usize,
        /// Points needed.
        need: usize,
    },
}

/// When the points, growing as they do, reach `limit` from below, looking `horizon` ahead of `now`.
///
/// Points may come in any order and with gaps. Points that are not numbers are left out, and only
/// those after the last big drop are used: after a clean-up, the growth before it says little.
pub fn time_to_reach(
    points: &[(DateTime<Utc>, f64)],
    limit: f64,
    now: DateTime<Utc>,
    horizon: Duration,
) -> Forecast {
    let points = usable(points, now);
    if points.last().is_some_and(|(_, value)| *value >= limit) {
        return Forecast::AlreadyThere;
    }
    let points = after_last_drop(&points, limit);
    if points.len() < POINTS_NEEDED {
        return Forecast::TooLittleData { have: points.len(), need: POINTS_NEEDED };
    }
    let line = Line::fit(points);
    let per_day = line.slope * DAY_SECONDS;
    let never = Forecast::NotAtThisRate { per_day };
    let moment = |slope: f64| {
        let seconds = line.reaches(limit, slope)?.max(0.0);
        (seconds <= horizon.min(LONGEST_HORIZON).as_secs_f64())
            .then(|| TimeDelta::try_milliseconds((seconds * 1e3) as i64))
            .flatten()
            .and_then(|wait| now.checked_add_signed(wait))
    };
    let Some(when) = moment(line.slope) else { return never };
    let margin = QUANTILE_90 * line.slope_error;
    Forecast::At {
        when,
        earliest: moment(line.slope + margin).unwrap_or(when).min(when),
        latest: moment(line.slope - margin).map(|latest| latest.max(when)),
        per_day,
    }
}

/// The finite points up to now as (seconds relative to now, value), oldest first, one per moment.
fn usable(points: &[(DateTime<Utc>, f64)], now: DateTime<Utc>) -> Vec<(f64, f64)> {
    let mut usable: Vec<_> = points
        .iter()
        .filter(|(at, value)| *at <= now && value.abs() <= LARGEST)
        .map(|(at, value)| ((*at - now).as_seconds_f64(), *value))
        .collect();
    usable.sort_by(|a, b| a.0.total_cmp(&b.0));
    usable.dedup_by(|later, earlier| {
        let same = later.0.total_cmp(&earlier.0).is_eq();
        if same {
            earlier.1 = later.1;
        }
        same
    });
    usable
}

/// The points after the last big drop. A drop may take several samples. It is big when it is a
/// quarter of all the movement there was, 2 % of the limit, and far outside the usual noise.
fn after_last_drop(points: &[(f64, f64)], limit: f64) -> &[(f64, f64)] {
    let mut steps: Vec<f64> = points.windows(2).map(|pair| (pair[1].1 - pair[0].1).abs()).collect();
    steps.sort_by(f64::total_cmp);
    let noise = steps.get(steps.len() / 2).copied().unwrap_or(0.0);
    let (low, high) = points
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), p| (low.min(p.1), high.max(p.1)));
    let big = (0.25 * (high - low)).max(0.02 * limit.abs());
    let (mut start, mut fall) = (0, 0.0);
    for (index, pair) in points.windows(2).enumerate() {
        // A steady decline is made of usual steps: it is no drop, however far it goes.
        let step = pair[0].1 - pair[1].1;
        fall = if step > 4.0 * noise { fall + step } else { 0.0 };
        if fall > big.max(8.0 * noise) {
            start = index + 1;
        }
    }
    &points[start..]
}

/// A least-squares line over (seconds relative to now, value).
struct Line {
    mean_x: f64,
    mean_y: f64,
    slope: f64,
    slope_error: f64,
}

impl Line {
    fn fit(points: &[(f64, f64)]) -> Self {
        let count = points.len() as f64;
        let mean_x = points.iter().map(|p| p.0).sum::<f64>() / count;
        let mean_y = points.iter().map(|p| p.1).sum::<f64>() / count;
        let (mut cov, mut var) = (0.0, 0.0);
        for (x, y) in points {
            cov += (x - mean_x) * (y - mean_y);
            var += (x - mean_x) * (x - mean_x);
        }
        let slope = if var > 0.0 { cov / var } else { 0.0 };
        let residuals: Vec<f64> =
            points.iter().map(|(x, y)| y - mean_y - slope * (x - mean_x)).collect();
        let squares: f64 = residuals.iter().map(|r| r * r).sum();
        let products: f64 = residuals.windows(2).map(|pair| pair[0] * pair[1]).sum();
        let r = if squares > 0.0 { products / squares } else { 0.0 };
        let r = r.clamp(0.0, MOST_AUTOCORRELATION);
        let slope_error = if var > 0.0 && count > 2.0 {
            (squares / (count - 2.0) / var).sqrt() * ((1.0 + r) / (1.0 - r)).sqrt()
        } else {
            0.0
        };
        Self { mean_x, mean_y, slope, slope_error }
    }

    /// Seconds from now until the line through the centre with this slope is at the limit.
    fn reaches(&self, limit: f64, slope: f64) -> Option<f64> {
        let seconds = self.mean_x + (limit - self.mean_y) / slope;
        (slope > 0.0 && seconds.is_finite()).then_some(seconds)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const YEAR: Duration = Duration::from_hours(24 * 365);

    fn now() -> DateTime<Utc> {
        "2025-11-05T12:00:00Z".parse().unwrap()
    }

    /// One point per hour, the last one now.
    fn hourly(values: impl IntoIterator<Item = f64>) -> Vec<(DateTime<Utc>, f64)> {
        let values: Vec<f64> = values.into_iter().collect();
        let count = values.len();
        values
            .into_iter()
            .enumerate()
            .map(|(i, value)| (now() - TimeDelta::hours((count - 1 - i) as i64), value))
            .collect()
    }

    /// A repeatable wobble between -1 and 1.
    fn wobble(i: usize) -> f64 {
        f64::from((i * 7919 % 201) as u32) / 100.0 - 1.0
    }

    #[test]
    fn a_clean_line_is_forecast_to_the_second() {
        // 1 % per hour, 50 % now: 90 % in 40 hours.
        let points = hourly((0..=24).map(|i| 26.0 + f64::from(i)));
        let Forecast::At { when, earliest, latest, per_day } =
            time_to_reach(&points, 90.0, now(), YEAR)
        else {
            panic!("a growing line reaches its limit");
        };
        let off = |at: DateTime<Utc>| (at - (now() + TimeDelta::hours(40))).num_seconds().abs();
        assert!(off(when) <= 1 && off(earliest) <= 1 && off(latest.unwrap()) <= 1);
        assert!((per_day - 24.0).abs() < 1e-6);
    }

    #[test]
    fn noise_widens_the_bounds_and_they_hold_the_truth() {
        let points = hourly((0..168).map(|i| 40.0 + 0.05 * i as f64 + wobble(i)));
        let Forecast::At { when, earliest, latest, .. } = time_to_reach(&points, 90.0, now(), YEAR)
        else {
            panic!("a growing line reaches its limit");
        };
        let truth = now() + TimeDelta::minutes((90.0 - 40.0 - 0.05 * 167.0) as i64 * 60 * 20);
        assert!(earliest < when && when < latest.unwrap());
        assert!(earliest < truth && truth < latest.unwrap(), "{earliest} {truth} {latest:?}");
    }

    #[test]
    fn slow_autocorrelated_noise_makes_the_bounds_wider_than_white_noise() {
        let width = |period: f64| {
            let wave = |i: usize| (i as f64 * std::f64::consts::TAU / period).sin();
            let points = hourly((0..168).map(|i| 40.0 + 0.05 * i as f64 + wave(i)));
            match time_to_reach(&points, 90.0, now(), YEAR) {
                Forecast::At { earliest, latest, .. } => latest.unwrap() - earliest,
                other => panic!("{other:?}"),
            }
        };
        assert!(width(24.0) > width(2.1) * 2);
    }

    #[test]
    fn what_shrinks_stands_still_or_crawls_does_not_get_there() {
        let crawling = hourly((0..48).map(|i| 10.0 + f64::from(i) * 1e-4));
        for points in
            [hourly((0..48).map(|i| 50.0 - f64::from(i) * 0.1)), hourly([50.0; 48]), crawling]
        {
            let forecast = time_to_reach(&points, 90.0, now(), YEAR);
            assert!(matches!(forecast, Forecast::NotAtThisRate { .. }), "{forecast:?}");
        }
    }

    #[test]
    fn growth_lost_in_noise_has_no_latest_moment() {
        let points = hourly((0..48).map(|i| 60.0 + 0.01 * i as f64 + 3.0 * wobble(i)));
        match time_to_reach(&points, 90.0, now(), YEAR) {
            Forecast::At { latest, .. } => assert_eq!(latest, None),
            other => assert!(matches!(other, Forecast::NotAtThisRate { .. }), "{other:?}"),
        }
    }

    #[test]
    fn only_the_growth_since_the_last_clean_up_counts() {
        // 60 → 95 %, a clean-up over three samples to 40 %, then 1 % per hour up to 63 %.
        let before = (0..36).map(|i| 60.0 + f64::from(i));
        let points = hourly(before.chain([80.0, 60.0]).chain((0..24).map(|i| 40.0 + f64::from(i))));
        let Forecast::At { when, per_day, .. } = time_to_reach(&points, 100.0, now(), YEAR) else {
            panic!("it grows again");
        };
        assert!((per_day - 24.0).abs() < 1e-6);
        assert!((when - (now() + TimeDelta::hours(37))).num_seconds().abs() <= 1);
        let fresh = hourly((0..36).map(|i| 60.0 + f64::from(i)).chain([40.0, 41.0]));
        assert_eq!(
            time_to_reach(&fresh, 100.0, now(), YEAR),
            Forecast::TooLittleData { have: 2, need: POINTS_NEEDED }
        );
    }

    #[test]
    fn gaps_and_what_is_no_number_do_not_change_a_line() {
        let mut points = hourly((0..100).map(|i| 10.0 + 0.5 * f64::from(i)));
        points.drain(30..60);
        points[5].1 = f64::NAN;
        points[6].1 = f64::INFINITY;
        points.reverse();
        let Forecast::At { per_day, .. } = time_to_reach(&points, 90.0, now(), YEAR) else {
            panic!("it grows");
        };
        assert!((per_day - 12.0).abs() < 1e-6);
    }

    #[test]
    fn at_the_limit_or_without_points_there_is_nothing_to_fit() {
        assert_eq!(time_to_reach(&hourly([99.0; 20]), 95.0, now(), YEAR), Forecast::AlreadyThere);
        let need = POINTS_NEEDED;
        assert_eq!(
            time_to_reach(&[], 95.0, now(), YEAR),
            Forecast::TooLittleData { have: 0, need }
        );
        let same_moment = vec![(now(), 5.0); 50];
        assert_eq!(
            time_to_reach(&same_moment, 95.0, now(), YEAR),
            Forecast::TooLittleData { have: 1, need }
        );
    }

    proptest! {
        #[test]
        fn a_noise_free_line_is_exact(
            start in 0.0..50.0_f64, per_hour in 0.01..5.0_f64, count in 10..200_usize,
        ) {
            let points = hourly((0..count).map(|i| start + per_hour * i as f64));
            let last = points[count - 1].1;
            let hours = 40.0;
            let limit = last + per_hour * hours;
            match time_to_reach(&points, limit, now(), YEAR) {
                Forecast::At { when, .. } => {
                    let off = (when - now()).as_seconds_f64() - hours * 3600.0;
                    prop_assert!(off.abs() < 1.0, "{off}");
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }

        #[test]
        fn no_input_makes_it_panic(
            points in proptest::collection::vec((any::<i32>(), any::<f64>()), 0..60),
            limit in any::<f64>(), horizon in any::<u64>(),
        ) {
            let points: Vec<_> = points
                .into_iter()
                .map(|(s, v)| (now() + TimeDelta::seconds(i64::from(s) - i64::from(i32::MAX)), v))
                .collect();
            let forecast = time_to_reach(&points, limit, now(), Duration::from_secs(horizon));
            if let Forecast::At { when, earliest, latest, .. } = forecast {
                prop_assert!(now() <= earliest && earliest <= when);
                prop_assert!(latest.is_none_or(|latest| when <= latest));
            }
        }
    }
}
