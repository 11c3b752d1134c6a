use proptest::prelude::*;

use super::*;

const DAY: Duration = Duration::from_hours(24);

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
}

fn cpu(seconds: i64, value: f64) -> Sample {
    Sample { at: at(seconds), values: vec![(Signal::Cpu, None, value)] }
}

fn with(samples: impl IntoIterator<Item = Sample>) -> History {
    let mut history = History::new("web-1", DAY);
    samples.into_iter().for_each(|sample| history.push(&sample));
    history
}

fn one(history: &History, stat: Stat, window: u64, now: i64) -> Option<f64> {
    let values = history.stat(Signal::Cpu, stat, Duration::from_secs(window), at(now));
    values.first().map(|measurement| measurement.value)
}

#[test]
fn stats_are_those_of_promql() {
    // 1, 2, … 20 every five seconds.
    let history = with((1..=20).map(|i| cpu(i * 5, i as f64)));
    for (stat, value) in [
        (Stat::Current, 20.0),
        (Stat::Avg, 10.5),
        (Stat::Max, 20.0),
        (Stat::Min, 1.0),
        // rank 0.95 × 19 = 18.05, between 19 and 20.
        (Stat::P95, 19.05),
    ] {
        let got = one(&history, stat, 100, 100).unwrap();
        assert!((got - value).abs() < 1e-9, "{stat:?} {got}");
    }
    // The sample exactly at the window's start is outside of it.
    assert_eq!(one(&history, Stat::Min, 50, 100), Some(11.0));
    assert_eq!(one(&history, Stat::Avg, 50, 10_000), None, "no data is not zero");
    assert_eq!(one(&history, Stat::Current, 50, 500), None, "too old to be current");
}

#[test]
fn a_day_of_sixteen_series_takes_less_than_two_megabytes() {
    let mut history = History::new("web-1", DAY);
    let mut sample = Sample { at: at(0), values: vec![] };
    for i in 0..16 {
        sample.values.push((Signal::Disk, Some(format!("/mnt/{i}")), 1.0));
    }
    for tick in 0..20_000 {
        sample.at = at(tick * 5);
        history.push(&sample);
    }
    assert_eq!(history.len(), History::MAX_TICKS);
    assert!(history.bytes() < 2_000_000, "{}", history.bytes());
    assert!(history.last().unwrap() - history.first().unwrap() <= TimeDelta::days(1));
}

#[test]
fn the_most_it_can_take_is_less_than_three_megabytes() {
    let values = (0..99).map(|i| (Signal::Disk, Some(i.to_string()), 1.0)).collect();
    let mut sample = Sample { at: at(0), values };
    let mut history = History::new("web-1", DAY);
    for tick in 0..18_000 {
        sample.at = at(tick);
        history.push(&sample);
    }
    assert!(history.bytes() <= 3_000_000, "{}", history.bytes());
}

#[test]
fn a_part_that_comes_and_goes_has_values_only_while_it_is_there() {
    let disk = |seconds, part: &str| Sample {
        at: at(seconds),
        values: vec![(Signal::Disk, Some(part.to_owned()), 50.0)],
    };
    let history = with([disk(0, "/"), disk(5, "/usb"), disk(10, "/")]);
    let series = history.series(Signal::Disk, DAY, 100, at(10));
    let lengths: Vec<_> =
        series.iter().map(|s| (s.part.as_deref().unwrap(), s.points.len())).collect();
    assert_eq!(lengths, [("/", 2), ("/usb", 1)]);
}

#[test]
fn long_series_are_means_over_equal_steps() {
    let history = with((1..=3600).map(|i| cpu(i, if i % 2 == 0 { 10.0 } else { 30.0 })));
    let series = history.series(Signal::Cpu, Duration::from_hours(1), 60, at(3600));
    assert_eq!(series[0].points.len(), 60);
    assert!(series[0].points.iter().all(|(_, value)| (value - 20.0).abs() < 1e-9));
    assert_eq!(history.step(Duration::from_hours(1), 60), Duration::from_mins(1));
}

#[test]
fn stored_samples_come_before_those_already_taken() {
    let mut history = with([cpu(100, 3.0)]);
    history.restore([cpu(10, 2.0), cpu(5, 1.0), cpu(100, 9.0)]);
    assert_eq!(history.len(), 3);
    assert_eq!((history.first(), history.last()), (Some(at(5)), Some(at(100))));
    assert_eq!(one(&history, Stat::Current, 1, 100), Some(3.0));
}

#[test]
fn stored_samples_are_taken_in_page_by_page() {
    let mut history = with([]);
    history.restore([cpu(5, 1.0), cpu(10, 2.0)]);
    history.restore([cpu(15, 3.0), cpu(15, 9.0), cpu(20, 4.0)]);
    assert_eq!((history.len(), history.first(), history.last()), (4, Some(at(5)), Some(at(20))));
    assert_eq!(one(&history, Stat::Max, 100, 100), Some(4.0));
}

#[test]
fn a_clock_set_back_forgets_the_future() {
    let history = with([cpu(0, 1.0), cpu(1000, 2.0), cpu(500, 3.0)]);
    assert_eq!((history.len(), history.last()), (2, Some(at(500))));
}

proptest! {
    #[test]
    fn any_samples_and_questions_are_taken(
        samples in proptest::collection::vec((any::<i32>(), any::<f64>()), 0..50),
        window in any::<u64>(), points in 0..100_usize, now in any::<i32>(),
    ) {
        let history = with(samples.into_iter().map(|(s, v)| cpu(i64::from(s), v)));
        let window = Duration::from_secs(window);
        let now = at(i64::from(now));
        for stat in Stat::ALL {
            let _ = history.stat(Signal::Cpu, stat, window, now);
        }
        let series = history.series(Signal::Cpu, window, points, now);
        prop_assert!(series.iter().all(|s| s.points.len() <= points));
        prop_assert!(series.iter().all(|s| s.points.windows(2).all(|p| p[0].0 < p[1].0)));
    }
}
