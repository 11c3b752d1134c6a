//! How long one picture takes: eight lines of a thousand points, smooth and as noisy as can be.
#![allow(missing_docs, clippy::allow_attributes, reason = "criterion's macros")]

use chat::Tone;
use chrono::{DateTime, TimeDelta};
use criterion::{Criterion, criterion_group, criterion_main};
use smartcloudops::{
    chart::{self, Chart, Line, Threshold},
    metrics::Unit,
};

fn chart(noise: f64) -> Chart {
    let from = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    let line = |number: u32| Line {
        label: format!("web-{number}"),
        points: (0..1000_u32)
            .map(|i| {
                let hash = (i + number * 1000).wrapping_mul(2_654_435_761) >> 16;
                let wave = (f64::from(i) / 150.0 + f64::from(number)).sin();
                let value = 50.0 + 20.0 * wave + noise * (f64::from(hash) / 65_536.0 - 0.5);
                (from + TimeDelta::minutes(i64::from(i)), value)
            })
            .collect(),
    };
    Chart {
        title: "CPU of the web hosts".to_owned(),
        unit: Unit::Percent,
        lines: (0..8).map(line).collect(),
        thresholds: vec![Threshold { label: "critical".into(), value: 90.0, tone: Tone::Bad }],
        from,
        to: from + TimeDelta::minutes(1000),
        zone: chrono_tz::Europe::Berlin,
    }
}

fn pictures(criterion: &mut Criterion) {
    for (name, noise) in [("smooth", 5.0), ("noisy", 60.0)] {
        let chart = chart(noise);
        let bytes = chart::png(&chart).map_or(0, |file| file.len());
        criterion.bench_function(&format!("8 lines x 1,000 points, {name}, {bytes} bytes"), |b| {
            b.iter(|| chart::png(&chart));
        });
    }
}

criterion_group!(benches, pictures);
criterion_main!(benches);
