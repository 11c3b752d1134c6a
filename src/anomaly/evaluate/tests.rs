use std::fmt::Write as _;

use super::*;

/// Three entities of 1200 minutes with a few events, and scores that lean towards them. The scores come
/// from the linear congruential generator of POSIX's example `rand`.
fn data() -> (String, String) {
    let events: [(&str, &[(usize, usize)]); 3] = [
        ("a", &[(100, 130), (131, 140), (400, 403), (700, 790)]),
        ("b", &[(0, 4), (350, 360), (1190, 1199)]),
        ("c", &[]),
    ];
    let mut scores = "entity,timestamp,score,alarm\n".to_owned();
    let mut labels = "entity,start,end,kind\n".to_owned();
    let mut state: u64 = 12_345;
    for (entity, events) in events {
        for point in 0..1_200 {
            state = (state * 1_103_515_245 + 12_345) % (1 << 31);
            let inside = events.iter().any(|(start, end)| (*start..=*end).contains(&point));
            let more = if inside && point % 3 == 0 { 0.5 } else { 0.0 };
            let score = (state / 65_536 % 1_000) as f64 / 1_000.0 + more;
            let alarm = u8::from(score > 0.97);
            writeln!(scores, "{entity},{},{score},{alarm}", 1_000 + 60 * point).unwrap();
        }
        for (index, (start, end)) in events.iter().enumerate() {
            let kind = ["drop", "leak"][index % 2];
            let (start, end) = (1_000 + 60 * start, 1_000 + 60 * end);
            writeln!(labels, "{entity},{start},{end},{kind}").unwrap();
        }
    }
    (scores, labels)
}

fn near(value: f64, expected: f64) {
    assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
}

#[test]
fn the_figures_are_those_of_an_independent_implementation() {
    let (scores, labels) = data();
    let entities = read(scores.as_bytes(), labels.as_bytes()).unwrap();
    let options = Options { nab: true, ..Options::default() };
    let all = evaluate(&entities, &options);
    near(all.anomaly_ratio, 0.045);
    let free = all.threshold_free.unwrap();
    near(free.auc_roc, 0.628_169_098_399_365_7);
    near(free.auc_pr, 0.247_002_171_120_018_82);
    near(free.vus_roc, 0.810_583_145_733_088_9);
    near(free.vus_pr, 0.314_200_112_875_739_8);
    near(free.point_f1_best, 0.267_479_674_796_747_95);
    near(free.pa_f1_best, 0.992_537_313_432_835_8);
    near(free.pa20_f1_best, 0.481_618_293_755_496_9);
    near(free.pa50_f1_best, 0.334_232_883_558_220_9);
    near(free.pak_auc, 0.428_354_409_313_207_9);
    let given = all.given_alarms.unwrap();
    assert_eq!((given.events, given.detected, given.false_alarms), (6, 5, 66));
    near(given.event_f1, 0.129_870_129_870_129_89);
    near(given.false_alarms_per_host_day, 26.4);
    near(given.alarms_per_event, 1.4);
    near(given.time_in_alarm, 0.035_277_777_777_777_776);
    near(given.delay_median_seconds, 240.0);
    near(given.delay_p90_seconds, 456.0);
    near(given.point_f1, 0.200_692_041_522_491_37);
    near(given.composite_f1, 0.358_467_243_510_506_8);
    let oracle = all.global_oracle;
    near(oracle.threshold, 1.003_552_414_786_665_4);
    near(oracle.summary.event_f1, 0.909_090_909_090_909_1);
    near(oracle.summary.delay_p90_seconds, 588.0);
    let nab = all.nab.unwrap();
    near(nab.standard, 73.958_221_986_839);
    near(nab.low_false_negatives, 74.305_481_324_559_32);
    let nab = all.nab_given_alarms.unwrap();
    near(nab.standard, -39.213_738_920_515_54);
    near(nab.low_false_positives, -152.385_699_827_870_18);
    near(nab.low_false_negatives, -1.142_492_613_677_011_5);
    let seen: Vec<_> =
        all.kinds.iter().map(|(kind, it)| (kind.as_str(), it.detected, it.events)).collect();
    assert_eq!(seen.iter().map(|it| it.2).sum::<usize>(), 6);
    assert_eq!(seen.iter().map(|it| it.1).sum::<usize>(), 5);
    assert_eq!(seen.iter().map(|it| it.0).collect::<Vec<_>>(), ["drop", "leak"]);
}

#[test]
fn a_label_for_each_point_says_the_same_as_intervals() {
    let (scores, labels) = data();
    let by_interval = read(scores.as_bytes(), labels.as_bytes()).unwrap();
    let mut points = "entity,timestamp,label\n".to_owned();
    for (name, entity) in &by_interval {
        for (index, label) in entity.labels.iter().enumerate() {
            writeln!(points, "{name},{},{}", 1_000 + 60 * index, u8::from(*label)).unwrap();
        }
    }
    let by_point = read(scores.as_bytes(), points.as_bytes()).unwrap();
    for (name, entity) in by_point {
        assert_eq!(entity.labels, by_interval[&name].labels);
    }
}

/// 5000 minutes with four events.
fn labels() -> Vec<bool> {
    let mut labels = vec![false; 5_000];
    for (start, length) in [(500, 40), (1_500, 5), (3_000, 200), (4_500, 20)] {
        labels[start..start + length].fill(true);
    }
    labels
}

fn decided(alarms: &[usize]) -> Decisions {
    let mut flags = vec![false; 5_000];
    for alarm in alarms {
        flags[*alarm] = true;
    }
    events::decisions(&flags, &labels(), 60.0, &Tolerance::default())
}

#[test]
fn an_alarm_hits_by_its_onset_and_only_one_event() {
    let hits = |alarms: &[usize]| {
        let it = decided(alarms);
        (it.hits.iter().flatten().count(), it.extra, it.false_alarms)
    };
    assert_eq!(hits(&[505]), (1, 0, 0));
    assert_eq!(decided(&[505]).delays, [300.0]);
    // Five minutes before, and five after the end, are near enough.
    assert_eq!((hits(&[495]), hits(&[494])), ((1, 0, 0), (0, 0, 1)));
    assert_eq!((hits(&[544]), hits(&[545])), ((1, 0, 0), (0, 0, 1)));
    assert_eq!(decided(&[495]).delays, [0.0]);
    // The first two are one alarm; the third one is no news.
    assert_eq!(hits(&[501, 505, 530]), (1, 1, 0));
}

#[test]
fn an_alarm_that_is_always_on_is_worth_nothing() {
    let always = events::decisions(&[true; 5_000], &labels(), 60.0, &Tolerance::default());
    assert_eq!((always.hits.iter().flatten().count(), always.false_alarms), (0, 1));
    let summary = Summary::of(&[always]);
    near(summary.event_f1, 0.0);
    near(summary.time_in_alarm, 1.0);
}

#[test]
fn a_perfect_detector_is_perfect() {
    let entity = Entity {
        scores: labels().iter().map(|label| f64::from(u8::from(*label))).collect(),
        labels: labels(),
        alarms: Some(labels()),
        step: 60.0,
        ..Entity::default()
    };
    let entities = BTreeMap::from([("host".to_owned(), entity)]);
    let options = Options { nab: true, vus_window: 20, ..Options::default() };
    let all = evaluate(&entities, &options);
    let given = all.given_alarms.unwrap();
    near(given.event_f1, 1.0);
    near(given.delay_median_seconds, 0.0);
    near(all.threshold_free.unwrap().auc_pr, 1.0);
    assert!(all.threshold_free.unwrap().vus_pr > 0.9);
    near(all.nab.unwrap().standard, 100.0);
}

#[test]
fn without_events_or_alarms_there_is_no_figure_and_no_panic() {
    let entities = read(
        &b"entity,timestamp,score\na,2026-01-05T00:00:00Z,1\n"[..],
        &b"entity,start,end\n"[..],
    )
    .unwrap();
    let all = evaluate(&entities, &Options { nab: true, ..Options::default() });
    assert!(all.given_alarms.is_none() && all.threshold_free.is_none());
    assert!(all.global_oracle.summary.event_f1.is_nan());
    assert!(serde_json::to_string(&all).unwrap().contains("\"event_f1\":null"));
}

#[test]
fn labels_without_a_score_are_counted() {
    let scores = "entity,timestamp,score\na,0,1\na,60,1\na,3600,2\n";
    let labels = "entity,start,end\na,600,1200\na,3600,3600\nz,0,9\n";
    let entities = read(scores.as_bytes(), labels.as_bytes()).unwrap();
    assert_eq!(entities["a"].unseen, 1);
    assert_eq!(entities["a"].labels, [false, false, true]);
}

#[test]
fn what_cannot_be_used_is_named_by_its_line() {
    let labels = "entity,start,end\n";
    let refused =
        |scores: &str| read(scores.as_bytes(), labels.as_bytes()).unwrap_err().to_string();
    assert!(refused("entity,score\n").contains("no column `timestamp`"));
    assert!(refused("entity,timestamp,score\n").contains("no rows"));
    let text = refused("entity,timestamp,score\na,1,2\na,soon,3\n");
    assert!(text.starts_with("line 3 of the scores cannot be used: `soon` is no time"), "{text}");
    assert!(refused("entity,timestamp,score\na,1,high\n").contains("`high` is no number"));
    assert!(refused("entity,timestamp,score\na,1,inf\n").contains("infinite"));
}
