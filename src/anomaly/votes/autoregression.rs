//! Each metric against what its own last minutes, and the whole host's, foretell.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Moment, Past, Smooth};
use crate::anomaly::{
    numbers::{median, quantile, sorted},
    regression::{Linear, dot},
};

/// Own observations that foretell the next, by age.
const LAGS: [usize; 5] = [1, 2, 3, 5, 10];
const OLDEST: usize = 10;
/// Directions of the whole host's movement that foretell it.
const FACTORS: usize = 8;
/// Rows that the models are learned from.
const ROWS: usize = 8000;
const FARTHEST: f32 = 50.0;
const FADE: f64 = 3.0;

/// How far metrics are from what was foretold: the mean over all, in robust deviations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Autoregression {
    metrics: usize,
    mean: Vec<f32>,
    /// Principal directions, one after the other.
    directions: Vec<f32>,
    models: Vec<Linear>,
    middle: Vec<f32>,
    spread: Vec<f32>,
    /// The last observations, newest first.
    before: VecDeque<Vec<f32>>,
    smooth: Smooth,
}

impl Autoregression {
    pub(crate) fn fit(past: &Past) -> Self {
        let metrics = past.metrics;
        let (mean, directions) = principal(past.standard, metrics);
        let mut learned = Self {
            metrics,
            mean,
            directions,
            models: Vec::new(),
            middle: vec![0.0; metrics],
            spread: vec![1.0; metrics],
            before: VecDeque::new(),
            smooth: Smooth::default(),
        };
        let row = |index: usize| &past.standard[index * metrics..(index + 1) * metrics];
        let step = (past.len().saturating_sub(OLDEST) / ROWS).max(1);
        let indices: Vec<usize> = (OLDEST..past.len()).step_by(step).collect();
        let factors: Vec<Vec<f32>> =
            indices.iter().map(|index| learned.factors(row(index - 1))).collect();
        for metric in 0..metrics {
            let mut features = Vec::with_capacity(indices.len() * (LAGS.len() + FACTORS));
            for (index, factors) in indices.iter().zip(&factors) {
                features.extend(LAGS.iter().map(|lag| row(index - lag)[metric]));
                features.extend_from_slice(factors);
            }
            let targets: Vec<f32> = indices.iter().map(|index| row(*index)[metric]).collect();
            let model = Linear::fit(&features, &targets, 1.0, 1);
            let width = features.len() / targets.len().max(1);
            let residuals: Vec<f32> = features
                .chunks_exact(width.max(1))
                .zip(&targets)
                .map(|(features, target)| target - model.predict(features))
                .collect();
            (learned.middle[metric], learned.spread[metric]) = location_and_spread(&residuals);
            learned.models.push(model);
        }
        learned
    }

    /// Whether it is of so many metrics throughout.
    pub(crate) fn fits(&self, metrics: usize) -> bool {
        self.metrics == metrics
            && self.models.len() == metrics
            && [&self.mean, &self.middle, &self.spread].iter().all(|it| it.len() == metrics)
            && self.before.len() <= OLDEST
            && self.before.iter().all(|row| row.len() == metrics)
    }

    pub(crate) fn judge(&mut self, moment: &Moment) -> f32 {
        let mut sum = 0.0;
        if self.before.len() == OLDEST {
            let factors = self.factors(&self.before[0]);
            let mut features = vec![0.0; LAGS.len()];
            features.extend_from_slice(&factors);
            for (metric, model) in self.models.iter().enumerate() {
                for (feature, lag) in features.iter_mut().zip(LAGS) {
                    *feature = self.before[lag - 1][metric];
                }
                let residual = moment.standard[metric] - model.predict(&features);
                let distance = (residual - self.middle[metric]).abs() / self.spread[metric];
                sum += if moment.raw[metric].is_finite() { distance.min(FARTHEST) } else { 0.0 };
            }
            self.before.pop_back();
        }
        self.before.push_front(moment.standard.to_vec());
        self.smooth.learn(sum / self.metrics.max(1) as f32, FADE)
    }

    /// After a gap the last observations are not the last minutes any more.
    pub(crate) fn forget(&mut self) {
        self.before.clear();
    }

    fn factors(&self, row: &[f32]) -> Vec<f32> {
        let centred: Vec<f32> =
            row.iter().zip(&self.mean).map(|(value, mean)| value - mean).collect();
        self.directions.chunks_exact(self.metrics).map(|it| dot(it, &centred)).collect()
    }
}

/// Mean and the first principal directions, by power iteration with deflation.
fn principal(rows: &[f32], metrics: usize) -> (Vec<f32>, Vec<f32>) {
    let count = (rows.len() / metrics).max(1) as f64;
    let mut mean = vec![0.0_f64; metrics];
    for row in rows.chunks_exact(metrics) {
        for (mean, value) in mean.iter_mut().zip(row) {
            *mean += f64::from(*value) / count;
        }
    }
    let mut covariance = vec![0.0_f64; metrics * metrics];
    let mut centred = vec![0.0_f64; metrics];
    for row in rows.chunks_exact(metrics).step_by(2) {
        for ((centred, value), mean) in centred.iter_mut().zip(row).zip(&mean) {
            *centred = f64::from(*value) - mean;
        }
        for (line, left) in covariance.chunks_exact_mut(metrics).zip(&centred) {
            for (into, right) in line.iter_mut().zip(&centred) {
                *into += left * right;
            }
        }
    }
    let mut directions = Vec::new();
    for factor in 0..FACTORS.min(metrics) {
        let mut direction: Vec<f64> =
            (0..metrics).map(|metric| 1.0 + ((metric * 7 + factor * 3) % 5) as f64).collect();
        let mut length = 0.0;
        for _ in 0..60 {
            let next: Vec<f64> = covariance
                .chunks_exact(metrics)
                .map(|line| line.iter().zip(&direction).map(|(left, right)| left * right).sum())
                .collect();
            length = next.iter().map(|value: &f64| value * value).sum::<f64>().sqrt().max(1e-12);
            direction = next.into_iter().map(|value| value / length).collect();
        }
        for (line, left) in covariance.chunks_exact_mut(metrics).zip(&direction) {
            for (into, right) in line.iter_mut().zip(&direction) {
                *into -= length * left * right;
            }
        }
        directions.extend(direction.into_iter().map(|value| value as f32));
    }
    (mean.into_iter().map(|value| value as f32).collect(), directions)
}

fn location_and_spread(residuals: &[f32]) -> (f32, f32) {
    let sorted = sorted(residuals.iter().copied());
    let count = sorted.len().max(1) as f32;
    let mean = sorted.iter().sum::<f32>() / count;
    let deviation = (sorted.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / count).sqrt();
    let quartiles = (quantile(&sorted, 0.75) - quantile(&sorted, 0.25)) / 1.349;
    let range = quantile(&sorted, 0.999) - quantile(&sorted, 0.001);
    let spread = quartiles.max(0.02 * range).max(0.3 * deviation);
    (median(&mut residuals.to_vec()), spread.max(1e-3))
}
