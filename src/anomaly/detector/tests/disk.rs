//! A file system that never moved in its past, or only at the end of it, and then fills.

use super::*;

/// Fills the disk of web-1 by 0.3 % a minute from minute 60 on, and burns its processor from minute 300 on,
/// after a past whose last `late` minutes it was filling already. What was told of it at minute 299
/// and at minute 305, and all that was told of all hosts.
fn fills(late: i64) -> [Vec<Anomaly>; 3] {
    let disk = |minute: i64, more: f64| {
        25.0 + 0.1 * (minute - (1440 - late)).clamp(0, late) as f64
            + more
            + 0.001 * noise(7, minute, 5)
    };
    let mut histories = histories(1);
    for history in histories.values_mut() {
        for (minute, row) in history.rows.chunks_exact_mut(5).enumerate() {
            row[4] = disk(i64::try_from(minute).unwrap(), 0.0) as f32;
        }
    }
    let mut detector = Detector::train(with_worth(), &histories, Settings::default());
    let verdicts = watch(&mut detector, 0..420, |host, minute, values| {
        let filled = if host == 1 { 0.3 * (minute - 60).max(0) as f64 } else { 0.0 };
        values[4] = disk(DAYS * 1440 + minute, filled).min(95.0);
        values[0] += if host == 1 && minute >= 300 { 50.0 } else { 0.0 };
    });
    let told = |host: &str, minutes: std::ops::Range<i64>| {
        let within = |at: i64| minutes.contains(&(at / MINUTE - DAYS * 1440));
        let ours = verdicts.iter().filter(|it| it.host.starts_with(host) && within(it.at));
        ours.filter_map(|verdict| verdict.anomaly.clone()).collect()
    };
    [told("web-1", 299..300), told("web-1", 305..306), told("web", 0..420)]
}

fn named<'a>(anomalies: &'a [Anomaly], metric: &'a str) -> impl Iterator<Item = &'a Deviation> {
    anomalies.iter().flat_map(|it| &it.metrics).filter(move |it| it.metric == metric)
}

#[test]
fn what_it_is_told_to_be_normal_at_was_seen() {
    for late in [0, 60] {
        let [_, _, all] = fills(late);
        assert!(named(&all, "disk").count() > 0, "{late}");
        for seen in named(&all, "disk") {
            let sane = seen.expected_low > 20.0 && seen.expected_high < 95.1;
            assert!(sane, "filling for {late} minutes: {seen:?}");
        }
    }
}

#[test]
fn its_value_is_kept_current_and_what_breaks_beside_it_is_named() {
    for late in [0, 60] {
        let [before, after, _] = fills(late);
        assert_eq!(before[0].metrics[0].metric, "disk");
        assert!(before[0].metrics[0].value > 80.0, "{:?}", before[0].metrics);
        assert_eq!(named(&before, "cpu").count(), 0, "{late}");
        assert_eq!(after[0].metrics[0].metric, "disk");
        assert_eq!(named(&after, "cpu").count(), 1, "{:?}", after[0].metrics);
    }
}
