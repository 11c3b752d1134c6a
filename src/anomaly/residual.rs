//! How unusual what a model cannot explain is, metric by metric, over several stretches of time.

use serde::{Deserialize, Serialize};

use super::{
    numbers::{newest_weight, quantile, sorted},
    pace::{Average, Lagged, Pace},
    spread::{Spread, mean_distances},
    tail::Tail,
};

/// Stretches of time, in minutes: one for spikes, one for slow creep, two between.
const STRETCHES: [f64; 4] = [1.0, 5.0, 20.0, 60.0];
/// Parts of a day that may be noisier than others.
const PARTS: usize = 12;
/// No single metric says more than this.
const LOUDEST: f32 = 12.0;
/// The share of normal distances that is below the Pareto part of their tail.
const LEVEL: f64 = 0.98;
/// From this surprise on a metric is off.
const OFF: f32 = 3.0;
/// A metric that is off more often than this is believed less.
const TRUSTED: f32 = 0.07;
/// Days until half of that is forgotten.
const HALF_LIFE_OF_TRUST: f64 = 0.7;
/// How old the slow level of the residuals is that is taken off, in minutes.
const LAG: f64 = 120.0;

/// Turns residuals into surprises.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Surprises {
    metrics: usize,
    before: [Vec<f32>; 2],
    level: Lagged,
    stretches: Vec<Stretch>,
    weight_of_trust: f32,
    off: Vec<f32>,
    /// How heavy the tails of the residuals were in training: the 99.9 % quantile in medians, of the
    /// middle metric. 4.9 for a normal distribution.
    pub(super) heaviness: f32,
    /// The newest surprise of each metric.
    pub(super) newest: Vec<f32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stretch {
    average: Average,
    spread: Spread,
    tails: Vec<Tail>,
}

impl Surprises {
    /// Learns from the residuals of the past, a row for each moment; the first `skip` rows only warm
    /// it up. Also returns the surprises of those rows. `level_minutes` is the half-life of the slow
    /// level that residuals are compared with.
    pub(super) fn fit(
        rows: &[f32],
        metrics: usize,
        times: &[i64],
        pace: Pace,
        skip: usize,
        level_minutes: f64,
    ) -> (Self, Vec<f32>) {
        let mut learned = Self {
            metrics,
            before: [vec![0.0; metrics], vec![0.0; metrics]],
            level: Lagged::new(metrics, pace.minutes(level_minutes), pace.minutes(LAG)),
            stretches: Vec::new(),
            weight_of_trust: newest_weight(HALF_LIFE_OF_TRUST * pace.day() as f64),
            off: vec![0.0; metrics],
            heaviness: heaviness(&rows[skip * metrics..], metrics),
            newest: vec![0.0; metrics],
        };
        let mut cleared = rows.to_vec();
        for row in cleared.chunks_exact_mut(metrics) {
            learned.clear(row);
        }
        let mut loudest = vec![0.0_f32; rows.len()];
        for minutes in STRETCHES {
            let observations = pace.minutes(minutes);
            if observations < 0.5 && minutes > 1.0 {
                continue;
            }
            let mut average =
                Average::new(metrics, if observations > 1.0 { observations } else { 0.0 });
            let mut smooth = cleared.clone();
            for row in smooth.chunks_exact_mut(metrics) {
                average.learn(row);
                row.copy_from_slice(&average.values);
            }
            let mut spread =
                Spread::new(&mean_distances(&smooth[skip * metrics..], metrics), PARTS, pace);
            for (row, at) in smooth.chunks_exact_mut(metrics).zip(times) {
                spread.scale(*at, row);
            }
            let tails: Vec<Tail> = (0..metrics)
                .map(|metric| {
                    let distances = smooth[skip * metrics..].iter().skip(metric).step_by(metrics);
                    Tail::fit(&sorted(distances.copied()), LEVEL)
                })
                .collect();
            for (row, loudest) in
                smooth.chunks_exact(metrics).zip(loudest.chunks_exact_mut(metrics))
            {
                for ((distance, tail), loudest) in row.iter().zip(&tails).zip(loudest) {
                    *loudest = loudest.max(tail.surprise(*distance).min(LOUDEST));
                }
            }
            learned.stretches.push(Stretch { average, spread, tails });
        }
        for row in loudest.chunks_exact_mut(metrics) {
            learned.discount(row);
        }
        (learned, loudest)
    }

    /// Whether it is of so many metrics throughout.
    pub(super) fn fits(&self, metrics: usize) -> bool {
        let [newest, older] = &self.before;
        self.metrics == metrics
            && self.level.fits(metrics)
            && [newest, older, &self.off, &self.newest].iter().all(|it| it.len() == metrics)
            && self.stretches.iter().all(|stretch| {
                stretch.average.fits(metrics)
                    && stretch.spread.fits(metrics)
                    && stretch.tails.len() == metrics
                    && stretch.tails.iter().all(Tail::is_whole)
            })
    }

    /// Takes the residuals of one moment; `newest` then holds their surprises. What is missing
    /// surprises nobody.
    pub(super) fn judge(&mut self, at: i64, residuals: &[f32]) {
        let mut cleared = residuals.to_vec();
        self.clear(&mut cleared);
        let mut loudest = vec![0.0_f32; self.metrics];
        let mut distances = Vec::with_capacity(self.metrics);
        for stretch in &mut self.stretches {
            stretch.average.learn(&cleared);
            distances.clear();
            distances.extend_from_slice(&stretch.average.values);
            stretch.spread.scale(at, &mut distances);
            for ((distance, tail), loudest) in
                distances.iter().zip(&stretch.tails).zip(&mut loudest)
            {
                *loudest = loudest.max(tail.surprise(*distance).min(LOUDEST));
            }
        }
        for (loudest, residual) in loudest.iter_mut().zip(residuals) {
            if !residual.is_finite() {
                *loudest = 0.0;
            }
        }
        self.discount(&mut loudest);
        self.newest = loudest;
    }

    /// How far residuals of a metric usually stray.
    pub(super) fn spread(&self, at: i64, metric: usize) -> f32 {
        self.stretches.first().map_or(1.0, |stretch| stretch.spread.of(at, metric))
    }

    /// Drops lone spikes (a median of three) and takes off the slow level. What is missing stays missing:
    /// a last value that is held would average to something that values never average to.
    fn clear(&mut self, row: &mut [f32]) {
        for (metric, value) in row.iter_mut().enumerate().filter(|(_, value)| value.is_finite()) {
            let (newest, older) = (self.before[0][metric], self.before[1][metric]);
            (self.before[0][metric], self.before[1][metric]) = (*value, newest);
            *value = value.min(newest).max(value.max(newest).min(older));
        }
        let steady = row.to_vec();
        if let Some(level) = self.level.values() {
            for (value, level) in row.iter_mut().zip(level) {
                *value -= level;
            }
        } else {
            row.fill(0.0);
        }
        self.level.learn(&steady);
    }

    /// A metric that was off for long says less: the world has changed, or the model is wrong.
    fn discount(&mut self, row: &mut [f32]) {
        for (surprise, off) in row.iter_mut().zip(&mut self.off) {
            let is_off = f32::from(u8::from(*surprise >= OFF));
            *surprise *= (TRUSTED / off.max(TRUSTED)).min(1.0);
            *off += self.weight_of_trust * (is_off - *off);
        }
    }
}

fn heaviness(rows: &[f32], metrics: usize) -> f32 {
    let ratios = (0..metrics).filter_map(|metric| {
        let distances = sorted(rows.iter().skip(metric).step_by(metrics).map(|value| value.abs()));
        let middle = quantile(&distances, 0.5);
        (middle > 1e-5).then(|| quantile(&distances, 0.999) / middle)
    });
    let mut ratios: Vec<f32> = ratios.collect();
    super::numbers::median(&mut ratios)
}
