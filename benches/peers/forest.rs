//! Our isolation forest's part of `benches/peers/run`: reads the data set, prints its times as JSON
//! and writes its scores, so that the other side judges them as it judges its own.
#![allow(
    missing_docs,
    clippy::allow_attributes,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench, where failing is panicking"
)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use smartcloudops::anomaly::forest::{Forest, Settings};

const ROUNDS: usize = 15;
const LIVE_ROWS: usize = 1_000;

/// The middle one of some rounds, in milliseconds.
fn median<T>(mut work: impl FnMut() -> T) -> f64 {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            black_box(work());
            start.elapsed()
        })
        .collect();
    times.sort();
    times[ROUNDS / 2].as_secs_f64() * 1000.0
}

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [data, metrics, scores] = arguments.as_slice() else {
        println!("Compares nothing on its own: run benches/peers/run.");
        return;
    };
    let metrics: usize = metrics.parse().unwrap();
    let number = |bytes: &[u8; 4]| f32::from_le_bytes(*bytes);
    let rows: Vec<f32> = std::fs::read(data).unwrap().as_chunks().0.iter().map(number).collect();

    let settings = Settings::default();
    let fit = median(|| Forest::fit(&rows, metrics, settings));
    let forest = Forest::fit(&rows, metrics, settings);
    let batch = median(|| forest.score_all(&rows));
    let live = median(|| {
        rows.chunks_exact(metrics).take(LIVE_ROWS).map(|row| forest.score(row)).sum::<f32>()
    }) / LIVE_ROWS as f64;
    let bytes: Vec<u8> =
        forest.score_all(&rows).iter().flat_map(|score| score.to_le_bytes()).collect();
    std::fs::write(scores, bytes).unwrap();
    println!("{{\"fit\": {fit}, \"batch\": {batch}, \"live\": {live}}}");
}
