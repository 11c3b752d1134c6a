use proptest::prelude::*;

use super::{random::Random, *};

fn seeded(seed: u64) -> Settings {
    Settings { seed, ..Settings::default() }
}

/// A number around 0 that is nearly normal, with the standard deviation 1.
fn normal(random: &mut Random) -> f32 {
    ((0..12).map(|_| random.unit()).sum::<f64>() - 6.0) as f32
}

/// Rows of independent metrics around 0.
fn usual(count: usize, dimensions: usize, random: &mut Random) -> Vec<f32> {
    (0..count * dimensions).map(|_| normal(random)).collect()
}

/// The probability that an unusual row scores higher than a usual one.
fn auc(usual: &[f32], unusual: &[f32]) -> f64 {
    let wins: f64 = unusual
        .iter()
        .flat_map(|high| usual.iter().map(move |low| high.partial_cmp(low)))
        .map(|order| order.map_or(0.0, |order| f64::midpoint(f64::from(order as i8), 1.0)))
        .sum();
    wins / (usual.len() * unusual.len()) as f64
}

#[test]
fn two_rows_are_told_apart_by_one_cut() {
    let forest = Forest::fit(&[0.0, 1.0], 1, Settings::default());
    for row in [0.0, 1.0, -5.0, 5.0] {
        assert!((forest.score(&[row]) - 0.5).abs() < 1e-6);
    }
}

#[test]
fn a_row_far_from_the_others_takes_the_paths_that_were_counted_by_hand() {
    // Of 0, 0, 0 and 1 one cut parts 1 from the others, which are equal: lengths 1 and 1 + c(3).
    let forest = Forest::fit(&[0.0, 0.0, 0.0, 1.0], 1, Settings::default());
    let average = 2.0 * (1.0 / 2.0 + 1.0 / 3.0 + 1.0 / 4.0);
    let expected = |length: f32| (-length / average).exp2();
    assert!((forest.score(&[1.0]) - expected(1.0)).abs() < 1e-6);
    assert!((forest.score(&[0.0]) - expected(1.0 + 5.0 / 3.0)).abs() < 1e-6);
}

#[test]
fn what_is_unusual_scores_higher() {
    let mut random = Random::new(1);
    let rows = usual(2_000, 10, &mut random);
    let forest = Forest::fit(&rows, 10, seeded(1));
    let mut strange = usual(200, 10, &mut random);
    strange
        .chunks_exact_mut(10)
        .for_each(|row| row[3..6].iter_mut().for_each(|value| *value += 5.0));
    let auc = auc(&forest.score_all(&rows), &forest.score_all(&strange));
    assert!(auc > 0.97, "{auc}");
    assert!(forest.score(&[9.0; 10]) > 0.7);
    assert!(forest.score(&[0.0; 10]) < 0.45);
}

#[test]
fn an_even_cloud_has_paths_as_long_as_the_theory_says() {
    // Values that are equally likely everywhere are cut between any two with the same probability.
    let mut random = Random::new(2);
    let rows: Vec<f32> = (0..256).map(|_| random.unit() as f32).collect();
    let forest = Forest::fit(&rows, 1, Settings { trees: 400, ..seeded(2) });
    let scores = forest.score_all(&rows);
    let mean = scores.iter().map(|score| f64::from(-score.log2())).sum::<f64>() / 256.0;
    assert!((mean - 1.0).abs() < 0.02, "{mean}");
}

#[test]
fn the_same_seed_makes_the_same_forest_and_another_seed_another() {
    let rows = usual(1_000, 5, &mut Random::new(3));
    let forest = Forest::fit(&rows, 5, seeded(3));
    assert_eq!(forest, Forest::fit(&rows, 5, seeded(3)));
    assert_ne!(forest, Forest::fit(&rows, 5, seeded(4)));
}

#[test]
fn a_seed_makes_this_forest_for_ever() {
    let rows: Vec<f32> = (0_u16..600).map(|number| f32::from(number * 7 % 101)).collect();
    let forest = Forest::fit(&rows, 3, Settings { trees: 1, sample: 4, seed: 42 });
    let stored = serde_json::to_string(&forest).unwrap();
    assert_eq!(
        stored,
        r#"{"dimensions":3,"rows":4,"trees":1,"metrics":[2,2,255,255,2,255,255],"thresholds":[71.46443,45.60512,89.53343],"lower":[2,1,1]}"#
    );
}

#[test]
fn the_order_of_rows_does_not_matter_when_all_are_in_the_sample() {
    let mut random = Random::new(5);
    let rows = usual(200, 4, &mut random);
    let forest = Forest::fit(&rows, 4, seeded(5));
    let mut turned: Vec<&[f32]> = rows.chunks_exact(4).collect();
    turned.reverse();
    turned.swap(3, 120);
    assert_eq!(forest, Forest::fit(&turned.concat(), 4, seeded(5)));
}

#[test]
fn many_rows_at_once_score_as_each_does() {
    let mut random = Random::new(6);
    let mut rows = usual(BLOCK * 2 + 5, 7, &mut random);
    rows[10] = f32::NAN;
    rows[7 * BLOCK + 1] = f32::INFINITY;
    let forest = Forest::fit(&rows, 7, Settings { trees: 37, ..seeded(6) });
    let each: Vec<f32> = rows.chunks_exact(7).map(|row| forest.score(row)).collect();
    assert_eq!(forest.score_all(&rows), each);
    assert!(forest.score_all(&[]).is_empty());
    assert_eq!(forest.score_all(&rows[..13]), each[..1]);
}

#[test]
fn walking_one_step_at_a_time_comes_to_the_same_length() {
    let mut random = Random::new(7);
    let rows = usual(500, 6, &mut random);
    let forest = Forest::fit(&rows, 6, seeded(7));
    for row in rows.chunks_exact(6).take(50) {
        assert!((forest.score(row) - forest.score_partial(row)).abs() < 1e-6);
    }
}

#[test]
fn metrics_that_never_change_are_never_chosen() {
    let mut random = Random::new(8);
    let rows: Vec<f32> = (0..500).flat_map(|_| [7.0, normal(&mut random), f32::NAN, 0.0]).collect();
    let forest = Forest::fit(&rows, 4, seeded(8));
    assert_eq!(forest.used, [0, u32::MAX, 0, 0]);
    let score = forest.score(&[7.0, 0.3, f32::NAN, 0.0]);
    assert!((score - forest.score(&[-1e9, 0.3, 1e9, f32::NAN])).abs() < 1e-9);
}

#[test]
fn rows_that_are_all_the_same_score_a_half_and_so_does_everything() {
    for rows in [vec![3.0; 400], vec![f32::NAN; 400], vec![1.0, 2.0], vec![]] {
        let forest = Forest::fit(&rows, 2, Settings::default());
        for row in [&[3.0, 3.0][..], &[-9.0, f32::NAN], &[]] {
            assert!((forest.score(row) - 0.5).abs() < 1e-6, "{rows:?} {row:?}");
        }
    }
    let nothing = Forest::fit(&[1.0], 0, Settings { trees: 0, sample: 0, seed: 0 });
    assert!((nothing.score(&[1.0]) - 0.5).abs() < 1e-6);
    assert!(nothing.score_all(&[1.0]).is_empty() && nothing.attribution(&[1.0]).is_empty());
}

#[test]
fn a_row_without_any_value_scores_as_the_average_row() {
    let rows = usual(200, 6, &mut Random::new(9));
    let forest = Forest::fit(&rows, 6, seeded(9));
    let length = |score: &f32| -score.log2();
    let scores = forest.score_all(&rows);
    let mean = scores.iter().map(length).sum::<f32>() / 200.0;
    assert!((length(&forest.score(&[f32::NAN; 6])) - mean).abs() < 1e-3);
    assert!((forest.score(&[]) - forest.score(&[f32::NAN; 6])).abs() < 1e-9);
}

#[test]
fn a_missing_value_hides_what_is_unusual_there_and_nothing_else() {
    let rows = usual(2_000, 6, &mut Random::new(10));
    let forest = Forest::fit(&rows, 6, seeded(10));
    let strange = forest.score(&[0.0, 0.0, 8.0, 0.0, 0.0, 0.0]);
    let hidden = forest.score(&[0.0, 0.0, f32::NAN, 0.0, 0.0, 0.0]);
    let other = forest.score(&[0.0, 0.0, 8.0, 0.0, 0.0, f32::NAN]);
    assert!(hidden < 0.4 && strange > 0.45 && other > 0.45, "{strange} {hidden} {other}");
}

#[test]
fn a_forest_grown_with_gaps_still_finds_what_is_unusual() {
    let mut random = Random::new(11);
    let mut rows = usual(2_000, 6, &mut random);
    for value in &mut rows {
        if random.below(5) == 0 {
            *value = f32::NAN;
        }
    }
    let forest = Forest::fit(&rows, 6, seeded(11));
    let mut strange = usual(200, 6, &mut random);
    strange.chunks_exact_mut(6).for_each(|row| row[2] -= 6.0);
    let auc = auc(&forest.score_all(&rows), &forest.score_all(&strange));
    assert!(auc > 0.9, "{auc}");
}

/// In how many of 100 trials the one of twenty metrics that moved six standard deviations is the
/// first, and one of the first three; all others are within `limit` standard deviations.
fn named(limit: f32) -> (usize, usize) {
    let (mut random, mut first, mut among) = (Random::new(12), 0, 0);
    for trial in 0..100 {
        let rows = usual(500, 20, &mut random);
        let forest = Forest::fit(&rows, 20, seeded(trial));
        let mut row = usual(1, 20, &mut random);
        for value in &mut row {
            *value = value.clamp(-limit, limit);
        }
        let moved = random.below(20);
        row[moved] += 6.0;
        let savings = forest.attribution(&row);
        let before = savings.iter().filter(|saved| **saved > savings[moved]).count();
        first += usize::from(before == 0);
        among += usize::from(before < 3);
    }
    (first, among)
}

#[test]
fn the_one_metric_of_twenty_that_moved_is_named_first() {
    let (first, among) = named(1.5);
    assert!(first >= 95 && among == 100, "{first} {among}");
}

#[test]
fn beside_metrics_that_are_at_their_edge_it_is_among_the_first_three() {
    // Cuts lie within what was seen: how far beyond it a value is, no tree knows.
    let (first, among) = named(f32::INFINITY);
    assert!(first >= 70 && among >= 95, "{first} {among}");
}

#[test]
fn what_was_stored_is_read_as_it_was_and_checked() {
    let rows = usual(700, 3, &mut Random::new(13));
    let forest = Forest::fit(&rows, 3, Settings { trees: 5, ..seeded(13) });
    let stored = serde_json::to_value(&forest).unwrap();
    assert_eq!(serde_json::from_value::<Forest>(stored.clone()).unwrap(), forest);
    let spoilt = |spoil: &dyn Fn(&mut serde_json::Value)| {
        let mut stored = stored.clone();
        spoil(&mut stored);
        serde_json::from_value::<Forest>(stored).unwrap_err().to_string()
    };
    let short = spoilt(&|stored| stored["trees"] = 6.into());
    let long = spoilt(&|stored| stored["trees"] = 4.into());
    let metric = spoilt(&|stored| stored["dimensions"] = 1.into());
    let nobody = spoilt(&|stored| stored["lower"][0] = 0.into());
    let rows = spoilt(&|stored| stored["rows"] = 257.into());
    assert_eq!(short, "the forest was cut short");
    assert_eq!(long, "the forest has more splits than its trees have");
    for told in [metric, nobody, rows] {
        assert_eq!(told, "the forest has a split that cannot be");
    }
}

#[test]
fn metrics_after_the_255th_are_not_looked_at() {
    let mut random = Random::new(14);
    let rows: Vec<f32> =
        (0..300).flat_map(|_| [vec![1.0; 255], vec![normal(&mut random)]].concat()).collect();
    let forest = Forest::fit(&rows, 256, Settings::default());
    assert_eq!(forest.score_all(&rows).len(), 300);
    assert!((forest.score(&[9.0; 256]) - 0.5).abs() < 1e-6);
}

/// Values of all kinds: ordinary, equal, huge, infinite and missing.
fn value() -> impl Strategy<Value = f32> {
    prop_oneof![
        6 => -10.0_f32..10.0,
        2 => Just(1.0),
        1 => any::<f32>(),
        1 => Just(f32::NAN),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_the_rows_a_score_is_between_0_and_1_and_its_reasons_add_up(
        rows in prop::collection::vec(value(), 0..300),
        dimensions in 1_usize..6,
        asked in prop::collection::vec(value(), 0..8),
        trees in 1_usize..20,
        seed in any::<u64>(),
    ) {
        let forest = Forest::fit(&rows, dimensions, Settings { trees, sample: 64, seed });
        for score in forest.score_all(&rows) {
            prop_assert!(score > 0.0 && score < 1.0);
        }
        let score = forest.score(&asked);
        prop_assert!(score > 0.0 && score < 1.0);
        let average = path::average_path(forest.rows);
        let sum: f32 = forest.attribution(&asked).iter().sum();
        if average > 0.0 {
            let length = forest.typical_length() - sum;
            prop_assert!(((-length / average).exp2() - score).abs() < 1e-4, "{sum} {score}");
        } else {
            prop_assert!(sum.abs() < 1e-6);
        }
        let stored = serde_json::to_string(&forest).unwrap();
        prop_assert_eq!(serde_json::from_str::<Forest>(&stored).unwrap(), forest);
    }
}
