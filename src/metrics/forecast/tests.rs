use proptest::prelude::*;

use super::*;

const YEAR: Duration = Duration::from_hours(24 * 365);

fn now() -> DateTime<Utc> {
    "2025-11-05T12:00:00Z".parse().unwrap()
}

/// One point per hour, the last one now.
fn hourly(values: impl IntoIterator<Item = f64>) -> Vec<(DateTime<Utc>, f64)> {
    let values: Vec<f64> = values.into_iter().collect();
    let mut points: Vec<_> = (0..)
        .zip(values.into_iter().rev())
        .map(|(hours, value)| (now() - TimeDelta::hours(hours), value))
        .collect();
    points.reverse();
    points
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
    for points in [hourly((0..48).map(|i| 50.0 - f64::from(i) * 0.1)), hourly([50.0; 48]), crawling]
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
    assert_eq!(time_to_reach(&[], 95.0, now(), YEAR), Forecast::TooLittleData { have: 0, need });
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
