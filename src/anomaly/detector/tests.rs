//! A fleet of three hosts with a day and a night, and what happens to it.

use std::{collections::BTreeMap, sync::LazyLock};

use super::*;

mod disk;
mod restless;

const MINUTE: i64 = 60_000;
/// Days of training.
const DAYS: i64 = 3;

fn schema() -> Schema {
    Schema::new(["cpu", "load", "memory", "network", "disk"].map(str::to_owned).to_vec())
}

/// A number between -1 and 1 that only looks random.
fn noise(host: i64, minute: i64, metric: i64) -> f64 {
    let mut bits = (host * 1_000_003 + minute * 7919 + metric * 104_729) as u64;
    bits ^= bits >> 12;
    bits = bits.wrapping_mul(0x2545_f491_4f6c_dd1d);
    bits ^= bits >> 29;
    (bits % 2_000_001) as f64 / 1_000_000.0 - 1.0
}

/// The metrics of a host at a minute on a normal day.
fn normal(host: i64, minute: i64) -> Vec<f64> {
    let day = (minute as f64 / 1440.0 * std::f64::consts::TAU).sin();
    let busy = 40.0 + 20.0 * day + 3.0 * noise(99, minute / 7, 0);
    vec![
        busy + noise(host, minute, 1),
        busy / 20.0 + 0.1 * noise(host, minute, 2),
        55.0 + 0.5 * noise(host, minute, 3),
        1e6 * busy + 2e4 * noise(host, minute, 4),
        30.0 + minute as f64 / 14_400.0 + 0.01 * noise(host, minute, 5),
    ]
}

fn trained() -> Detector {
    static TRAINED: LazyLock<Detector> = LazyLock::new(|| train(DAYS));
    TRAINED.clone()
}

fn train(days: i64) -> Detector {
    Detector::train(schema(), &histories(days), Settings::default())
}

fn histories(days: i64) -> BTreeMap<String, History> {
    (0..3)
        .map(|host| {
            let minutes = 0..days * 1440;
            let history = History {
                times: minutes.clone().map(|minute| minute * MINUTE).collect(),
                rows: minutes
                    .flat_map(|minute| normal(host, minute))
                    .map(|value| value as f32)
                    .collect(),
            };
            (format!("web-{host}"), history)
        })
        .collect()
}

/// Looks at minutes after the training, where `change` may touch what each host reports.
fn watch(
    detector: &mut Detector,
    minutes: std::ops::Range<i64>,
    mut change: impl FnMut(i64, i64, &mut Vec<f64>),
) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for minute in minutes {
        let minute = DAYS * 1440 + minute;
        let observations: Vec<Observation> = (0..3)
            .map(|host| {
                let mut values = normal(host, minute);
                change(host, minute - DAYS * 1440, &mut values);
                Observation { host: format!("web-{host}"), at: minute * MINUTE, values }
            })
            .collect();
        verdicts.extend(detector.look(&observations));
    }
    verdicts
}

fn alarms(verdicts: &[Verdict], host: &str) -> usize {
    verdicts.iter().filter(|verdict| verdict.host == host && verdict.alarm).count()
}

#[test]
fn a_burning_cpu_is_found_at_once_where_it_burns_and_explained() {
    let mut detector = trained();
    let verdicts = watch(&mut detector, 0..600, |host, minute, values| {
        if host == 1 && (300..340).contains(&minute) {
            values[0] += 45.0;
        }
    });
    let first = verdicts.iter().find(|verdict| verdict.alarm).expect("it is found");
    let anomaly = first.anomaly.clone().unwrap();
    let minute = first.at / MINUTE - DAYS * 1440;
    assert!((300..305).contains(&minute), "{minute}");
    assert_eq!(anomaly.host, "web-1");
    assert_eq!(anomaly.metrics[0].metric, "cpu");
    let cpu = &anomaly.metrics[0];
    assert!(cpu.value > cpu.expected_high && cpu.direction == super::super::Direction::Up);
    assert_eq!(alarms(&verdicts, "web-0") + alarms(&verdicts, "web-2"), 0);
    let last = verdicts.iter().rev().find_map(|verdict| verdict.anomaly.clone()).unwrap();
    assert!(last.end.is_some(), "it is over: {last:?}");
}

#[test]
fn the_same_past_and_seed_make_the_same_verdicts() {
    assert_eq!(train(1), train(1));
    let (mut one, mut two) = (trained(), trained());
    let change = |host: i64, minute: i64, values: &mut Vec<f64>| {
        if host == 0 && minute > 30 {
            values[2] += 20.0;
        }
    };
    assert_eq!(watch(&mut one, 0..60, change), watch(&mut two, 0..60, change));
}

#[test]
fn what_people_expected_must_stray_farther() {
    let fault = |host: i64, minute: i64, values: &mut Vec<f64>| {
        if host == 1 && (100..130).contains(&minute) {
            values[2] += 4.0;
        }
    };
    let worst = |verdicts: &[Verdict]| verdicts.iter().map(|it| it.score).fold(0.0, f32::max);
    let mut detector = trained();
    let told = watch(&mut detector.clone(), 0..200, fault);
    let anomaly = told.iter().find_map(|verdict| verdict.anomaly.clone()).expect("it is found");
    assert_eq!(anomaly.metrics[0].metric, "memory");
    detector.tolerate(&[anomaly.clone(), anomaly]);
    let tolerated = watch(&mut detector, 0..200, fault);
    assert!(worst(&tolerated) < worst(&told), "{} and {}", worst(&tolerated), worst(&told));
    let (mut never, mut again) = (trained(), trained());
    again.tolerate(&[told.iter().find_map(|verdict| verdict.anomaly.clone()).unwrap()]);
    again.tolerate(&[]);
    assert_eq!(watch(&mut never, 0..200, fault), watch(&mut again, 0..200, fault), "taken back");
}

#[test]
fn whatever_is_reported_scores_are_numbers() {
    let mut detector = trained();
    let verdicts = watch(&mut detector, 0..300, |host, minute, values| match (host, minute) {
        (0, 50..60) => values.fill(f64::NAN),
        (0, 100) => values[0] = f64::INFINITY,
        (1, 120..125) => values[3] = f64::MAX,
        (1, 130) => values[3] = f64::MIN,
        (2, 150..180) => values[1] = f64::NAN,
        // A counter that was reset.
        (2, 200) => values[3] = -1e12,
        _ => {}
    });
    assert!(verdicts.iter().all(|verdict| verdict.score.is_finite()), "{verdicts:?}");
    let quiet: Vec<_> = verdicts.iter().filter(|it| it.at / MINUTE % 1440 < 45).collect();
    assert!(quiet.iter().all(|verdict| !verdict.alarm));
}

#[test]
fn what_falls_silent_in_an_anomaly_is_told_with_no_number_that_is_none() {
    let mut detector = trained();
    let verdicts = watch(&mut detector, 0..60, |host, minute, values| {
        if host == 1 && minute >= 30 {
            values[0] += 40.0 + minute as f64;
            values[3] = if minute < 32 { 9e7 } else { f64::NAN };
            values[2] = if minute < 34 { 70.0 } else { f64::NAN };
        }
    });
    let anomalies: Vec<_> = verdicts.iter().filter_map(|it| it.anomaly.as_ref()).collect();
    let metrics: Vec<_> = anomalies.iter().flat_map(|it| &it.metrics).collect();
    assert!(metrics.iter().any(|it| it.metric == "network"), "it told at first");
    for it in metrics {
        let numbers = [it.value, it.expected_low, it.expected_high, it.sigmas];
        assert!(numbers.iter().all(|number| number.is_finite()), "{it:?}");
    }
}

#[test]
fn gaps_and_clocks_that_jump_are_no_anomalies() {
    let mut detector = trained();
    let mut verdicts = watch(&mut detector, 0..60, |_, _, _| {});
    // Nothing for three hours, then a clock that is set back.
    verdicts.extend(watch(&mut detector, 240..300, |_, _, _| {}));
    verdicts.extend(watch(&mut detector, 280..340, |_, _, _| {}));
    assert!(
        verdicts.iter().all(|verdict| !verdict.alarm),
        "{:?}",
        verdicts.iter().find(|it| it.alarm)
    );
}

#[test]
fn an_exporter_that_repeats_itself_is_stuck() {
    let mut detector = trained();
    let mut frozen = None;
    let verdicts = watch(&mut detector, 0..120, |host, minute, values| {
        if host == 2 && minute >= 60 {
            *values = frozen.get_or_insert_with(|| values.clone()).clone();
        }
    });
    let found = verdicts.iter().find(|verdict| verdict.alarm).expect("it is found");
    let minute = found.at / MINUTE - DAYS * 1440;
    assert!((61..75).contains(&minute), "{minute}");
    let anomaly = verdicts.iter().rev().find_map(|verdict| verdict.anomaly.as_ref()).unwrap();
    assert_eq!(anomaly.host, "web-2");
    assert_eq!(anomaly.metrics[0].direction, super::super::Direction::Stuck);
}

#[test]
fn hosts_that_come_and_go_disturb_nobody() {
    let mut detector = trained();
    let look = |detector: &mut Detector, hosts: &[&str], minute: i64| {
        let minute = DAYS * 1440 + minute;
        let observations: Vec<Observation> = hosts
            .iter()
            .map(|host| Observation {
                host: (*host).to_owned(),
                at: minute * MINUTE,
                values: normal(0, minute),
            })
            .collect();
        detector.look(&observations)
    };
    assert_eq!(look(&mut detector, &["web-0", "unheard-of"], 0).len(), 1);
    assert!(look(&mut detector, &[], 1).is_empty());
    assert_eq!(look(&mut detector, &["web-2", "web-1"], 2).len(), 2);
}

/// What matters to people of [`schema`].
fn with_worth() -> Schema {
    Schema::with_worth(schema().metrics().to_vec(), |metric| match metric {
        "cpu" => 5.0,
        "memory" => 2.0,
        "network" => 1e5,
        _ => 1.0,
    })
}

#[test]
fn what_is_odd_and_too_small_to_matter_is_not_told() {
    let fault = |host: i64, minute: i64, values: &mut Vec<f64>| {
        if host == 1 && (100..160).contains(&minute) {
            values[4] += 0.4;
        }
    };
    let told = watch(&mut trained(), 0..200, fault);
    assert!(alarms(&told, "web-1") > 0, "0.4 % of a disk that never moved is odd");
    let mut detector = trained();
    detector.schema = with_worth();
    assert_eq!(alarms(&watch(&mut detector, 0..200, fault), "web-1"), 0);
    let larger = |host: i64, minute: i64, values: &mut Vec<f64>| {
        fault(host, minute, values);
        if host == 1 && minute >= 120 {
            values[4] += 4.0;
        }
    };
    let told = watch(&mut detector, 200..400, larger);
    let anomaly = told.iter().find_map(|verdict| verdict.anomaly.as_ref()).expect("it matters");
    assert_eq!(anomaly.metrics[0].metric, "disk");
}

#[test]
fn ten_minutes_are_enough_to_see_a_processor_burn() {
    let quiet = |second: i64| {
        let mut values = normal(0, second / 5);
        values[0] = 3.0 + noise(0, second, 1);
        values[1] = 0.2 + 0.05 * noise(0, second, 2);
        values[3] = 5e3 + 1e3 * noise(0, second, 3);
        values
    };
    let seconds = (0..600).step_by(5);
    let history = History {
        times: seconds.clone().map(|second| second * 1000).collect(),
        rows: seconds.flat_map(quiet).map(|value| value as f32).collect(),
    };
    let histories = BTreeMap::from([("here".to_owned(), history)]);
    let mut detector = Detector::train(with_worth(), &histories, Settings::default());
    let mut look = |second: i64, burning: bool| {
        let mut values = quiet(second);
        values[0] += if burning { 50.0 } else { 0.0 };
        let seen = Observation { host: "here".to_owned(), at: second * 1000, values };
        detector.look(&[seen]).remove(0)
    };
    assert!((600..900).step_by(5).all(|second| !look(second, false).alarm));
    let told: Vec<Verdict> = (900..1020).step_by(5).map(|second| look(second, true)).collect();
    let first = told.iter().find(|verdict| verdict.alarm).expect("it is told");
    assert!(first.at <= 930_000, "{}", first.at);
    let anomaly = first.anomaly.as_ref().unwrap();
    assert_eq!(anomaly.metrics[0].metric, "cpu");
    assert!(anomaly.learned_days.is_some_and(|days| days < 0.01));
    // And is over within minutes.
    let after: Vec<Verdict> = (1020..1400).step_by(5).map(|second| look(second, false)).collect();
    let over = after.iter().find(|verdict| !verdict.alarm).expect("it ends");
    assert!(over.at < 1_200_000, "{}", over.at);
}

#[test]
fn what_goes_on_while_it_learns_anew_stays_one_anomaly() {
    let fault = |host: i64, minute: i64, values: &mut Vec<f64>| {
        if host == 1 && minute >= 10 {
            values[0] += 45.0;
        }
    };
    let mut before = trained();
    let told = watch(&mut before, 0..30, fault);
    let first = told.iter().find_map(|verdict| verdict.anomaly.clone()).unwrap();
    let mut after = trained();
    assert!(after.take_over(before, DateTime::UNIX_EPOCH).is_empty());
    let told = watch(&mut after, 30..40, fault);
    let still = told.iter().find_map(|verdict| verdict.anomaly.clone()).unwrap();
    assert_eq!((first.start, still.end), (still.start, None));
    // A fleet without the host ends what was told of it.
    let mut others = trained();
    others.hosts.remove(1);
    let now = DateTime::from_timestamp_millis(DAYS * 1440 * MINUTE).unwrap();
    let over = others.take_over(after, now);
    assert_eq!(over.len(), 1);
    assert_eq!((&*over[0].host, over[0].end), ("web-1", Some(now)));
}

#[test]
fn a_new_host_is_judged_by_its_role() {
    let mut detector = trained();
    let histories: BTreeMap<String, History> = (0..3)
        .map(|host| {
            let minutes = 0..DAYS * 1440;
            let rows = minutes.clone().flat_map(|minute| normal(host, minute));
            let history = History {
                times: minutes.map(|minute| minute * MINUTE).collect(),
                rows: rows.map(|value| value as f32).collect(),
            };
            (format!("web-{host}"), history)
        })
        .collect();
    let roles = histories.keys().map(|host| (host.clone(), "web".to_owned())).collect();
    detector.learn_roles(&histories, &roles);
    detector.welcome("web-9", "web");
    detector.welcome("web-9", "web");
    detector.welcome("db-1", "db");
    let mut alarmed = Vec::new();
    for minute in 0..300 {
        let at = (DAYS * 1440 + minute) * MINUTE;
        let mut values = normal(9, DAYS * 1440 + minute);
        if minute >= 250 {
            values[0] += 50.0;
        }
        let seen = |host: &str| Observation { host: host.to_owned(), at, values: values.clone() };
        let verdicts = detector.look(&[seen("web-9"), seen("db-1")]);
        assert_eq!(verdicts.len(), 1);
        if verdicts[0].alarm {
            alarmed.push(minute);
        }
    }
    assert!((250..260).contains(&alarmed[0]), "{alarmed:?}");
}

#[test]
fn an_environment_may_have_a_budget_of_its_own() {
    let fault = |_: i64, minute: i64, values: &mut Vec<f64>| {
        if minute >= 100 {
            values[2] += 2.5;
        }
    };
    let mut detector = trained();
    detector.allow(|host| (host == "web-1").then_some(1e-4));
    let verdicts = watch(&mut detector, 0..130, fault);
    let told = |host: &str| verdicts.iter().any(|it| it.host == host && it.alarm);
    assert!(told("web-0") && !told("web-1"), "{:?}", verdicts.last());
}

#[test]
fn what_is_missing_is_no_anomaly() {
    let mut detector = trained();
    let verdicts = watch(&mut detector, 0..400, |host, minute, values| match (host, minute) {
        // One metric of everybody, a whole host, and one row of another.
        (_, 60..120) => values[2] = f64::NAN,
        (1, 150..200) | (2, 250) => values.fill(f64::NAN),
        _ => {}
    });
    let alarm = verdicts.iter().find(|verdict| verdict.alarm);
    assert!(alarm.is_none(), "{alarm:?}");
    // And it still sees what is wrong afterwards.
    let verdicts = watch(&mut detector, 400..420, |host, minute, values| {
        if host == 1 && minute >= 405 {
            values[0] += 45.0;
        }
    });
    assert!(alarms(&verdicts, "web-1") > 0);
}

#[test]
fn after_a_gap_or_a_clock_that_jumped_it_still_sees() {
    for (what, next) in
        [("an hour", 120), ("a day", 1500), ("back one hour", 0), ("six hours ahead", 420)]
    {
        let mut detector = trained();
        // A day later the disks hold a little more, which is no matter.
        detector.schema = with_worth();
        let mut verdicts = watch(&mut detector, 0..60, |_, _, _| {});
        verdicts.extend(watch(&mut detector, next..next + 60, |_, _, _| {}));
        let alarm = verdicts.iter().find(|verdict| verdict.alarm);
        assert!(alarm.is_none(), "after {what}: {alarm:?}");
        let from = next + 60;
        let verdicts = watch(&mut detector, from..from + 10, |host, _, values| {
            if host == 1 {
                values[0] += 45.0;
            }
        });
        assert!(alarms(&verdicts, "web-1") > 0, "blind after {what}");
    }
}

#[test]
fn what_was_wrong_before_a_host_was_silent_for_long_is_not_told_when_it_is_back() {
    let mut detector = trained();
    detector.schema = with_worth();
    let burning = |host: i64, _: i64, values: &mut Vec<f64>| {
        values[0] += if host == 1 { 45.0 } else { 0.0 };
    };
    assert!(alarms(&watch(&mut detector, 0..10, burning), "web-1") > 0);
    let back = watch(&mut detector, 130..160, |_, _, _| {});
    assert!(back.iter().all(|verdict| verdict.anomaly.is_none()), "it is long over");
    let again = watch(&mut detector, 160..170, burning);
    let anomaly = again.iter().find_map(|verdict| verdict.anomaly.as_ref()).expect("it is told");
    assert!(anomaly.start.timestamp_millis() >= (DAYS * 1440 + 160) * MINUTE);
}

#[test]
fn metrics_that_are_scraped_ten_times_less_often_are_no_flood_and_not_hidden() {
    // Learned at a scrape every 15 s; now each value stands for 150 s, which is two or three looks.
    let look = |detector: &mut Detector, minutes: std::ops::Range<i64>, more: f64| {
        let mut alarms = 0;
        for minute in minutes.map(|minute| DAYS * 1440 + minute) {
            let scraped = minute * 60 / 150 * 150 / 60;
            let observation = |host: i64| {
                let mut values = normal(host, scraped);
                values[0] += more;
                Observation { host: format!("web-{host}"), at: minute * MINUTE, values }
            };
            let verdicts = detector.look(&[observation(0), observation(1), observation(2)]);
            alarms += verdicts.iter().filter(|verdict| verdict.alarm).count();
        }
        alarms
    };
    let mut detector = trained();
    assert_eq!(look(&mut detector, 0..1440, 0.0), 0);
    assert!(look(&mut detector, 1440..1450, 45.0) > 0);
}

#[test]
fn a_renamed_host_is_watched_again_after_the_next_learning() {
    let renamed = |detector: &mut Detector, minutes: std::ops::Range<i64>, more: f64| {
        let mut verdicts = Vec::new();
        for minute in minutes.map(|minute| DAYS * 1440 + minute) {
            let observation = |(host, name): (i64, &str)| {
                let mut values = normal(host, minute);
                values[0] += if host == 2 { more } else { 0.0 };
                Observation { host: name.to_owned(), at: minute * MINUTE, values }
            };
            let fleet = [(0, "web-0"), (1, "web-1"), (2, "web-9")].map(observation);
            verdicts.extend(detector.look(&fleet));
        }
        verdicts
    };
    let mut detector = trained();
    let verdicts = renamed(&mut detector, 0..30, 0.0);
    assert_eq!(verdicts.len(), 60, "of the two that kept their names");
    assert!(verdicts.iter().all(|verdict| !verdict.alarm));

    let mut histories = histories(DAYS);
    let history = histories.remove("web-2").unwrap();
    histories.insert("web-9".to_owned(), history);
    let mut learned = Detector::train(schema(), &histories, Settings::default());
    assert!(learned.take_over(detector, DateTime::UNIX_EPOCH).is_empty(), "nothing went on");
    assert_eq!(alarms(&renamed(&mut learned, 30..60, 0.0), "web-9"), 0);
    assert!(alarms(&renamed(&mut learned, 60..65, 45.0), "web-9") > 0);
}
