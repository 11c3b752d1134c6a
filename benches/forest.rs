//! How long an isolation forest takes to grow, and to score many rows and one.
#![allow(
    missing_docs,
    clippy::allow_attributes,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench, where failing is panicking"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use smartcloudops::anomaly::forest::{Forest, Settings};

const METRICS: usize = 38;
const ROWS: u32 = 24_000;

/// Rows of metrics that move together, half of their movement, and for the rest each on its own.
fn rows() -> Vec<f32> {
    let noise = |number: u32| {
        let hash = |round: u32| (number ^ round).wrapping_mul(2_654_435_761) >> 16;
        (0..4).map(|round| hash(round * 7_919) as f32 / 65_536.0 - 0.5).sum::<f32>()
    };
    let metrics = METRICS as u32;
    (0..ROWS)
        .flat_map(|row| {
            let load = noise(row);
            (0..metrics).map(move |metric| load + noise((row + 1) * metrics + metric))
        })
        .collect()
}

fn forest(criterion: &mut Criterion) {
    let rows = rows();
    let forest = Forest::fit(&rows, METRICS, Settings::default());
    let mut group = criterion.benchmark_group("forest of 100 trees, 38 metrics");
    group.bench_function("grown from 24,000 rows", |bencher| {
        bencher.iter(|| Forest::fit(black_box(&rows), METRICS, Settings::default()));
    });
    let row = |number: usize| &rows[number % 1_000 * METRICS..][..METRICS];
    let mut number = 0;
    group.bench_function("one row", |bencher| {
        bencher.iter(|| {
            number += 1;
            forest.score(black_box(row(number)))
        });
    });
    let mut partial = rows[..1_000 * METRICS].to_vec();
    for row in partial.chunks_exact_mut(METRICS) {
        (row[3], row[17]) = (f32::NAN, f32::NAN);
    }
    group.bench_function("one row, 2 values missing", |bencher| {
        bencher.iter(|| {
            number += 1;
            forest.score(black_box(&partial[number % 1_000 * METRICS..][..METRICS]))
        });
    });
    group.bench_function("one row, without any value", |bencher| {
        bencher.iter(|| forest.score(black_box(&[])));
    });
    group.bench_function("what each metric of one row did", |bencher| {
        bencher.iter(|| {
            number += 1;
            forest.attribution(black_box(row(number)))
        });
    });
    group.throughput(Throughput::Elements(u64::from(ROWS)));
    group.bench_function("24,000 rows", |bencher| {
        bencher.iter(|| forest.score_all(black_box(&rows)));
    });
    group.finish();
}

criterion_group!(benches, forest);
criterion_main!(benches);
