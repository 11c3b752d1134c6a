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
mod tests;
