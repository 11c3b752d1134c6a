//! Each metric against what the others, the time of day and the peers explain.

use serde::{Deserialize, Serialize};

use super::{Moment, Past, Smooth};
use crate::anomaly::{
    numbers::mean_of_largest, pace::Pace, regression::Linear, residual::Surprises,
};

/// Rows that the models are learned from.
const ROWS: usize = 6000;
const PENALTY: f64 = 30.0;
const ROUNDS: usize = 3;
/// Metrics that mirror each other explain nothing.
const MIRROR: f64 = 0.995;
const FADE: f64 = 1.5;

/// What the other metrics do not explain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Conditional {
    models: Vec<Linear>,
    surprises: Surprises,
    one: Smooth,
    two: Smooth,
}

/// Minutes in which half of the slow level of the residuals is forgotten.
const LEVEL_OF_CONDITIONAL: f64 = 1440.0;
const LEVEL_OF_EXPECTATION: f64 = 2880.0;

impl Conditional {
    pub(crate) fn fit(past: &Past, pace: Pace) -> Self {
        let metrics = past.metrics;
        let correlation = correlations(past.robust, metrics);
        let shared: Vec<Vec<f32>> =
            (0..past.len()).map(|index| shared_features(&past.moment(index))).collect();
        let sample: Vec<usize> = past.sample(ROWS).collect();
        let mut residuals = vec![0.0; past.len() * metrics];
        let mut models = Vec::new();
        for metric in 0..metrics {
            let explains: Vec<bool> = (0..metrics)
                .map(|other| {
                    other != metric && correlation[metric * metrics + other].abs() < MIRROR
                })
                .collect();
            let mut features = Vec::with_capacity(sample.len() * (2 * metrics + OWN));
            for index in &sample {
                let shared = &shared[*index];
                features.extend(
                    shared
                        .iter()
                        .enumerate()
                        .map(|(at, value)| if explains[at % metrics] { *value } else { 0.0 }),
                );
                features.extend(own_features(&past.moment(*index), metric));
            }
            let targets: Vec<f32> =
                sample.iter().map(|index| past.robust[index * metrics + metric]).collect();
            let model = Linear::fit(&features, &targets, PENALTY, ROUNDS);
            for (index, shared) in shared.iter().enumerate() {
                let mut features = shared.clone();
                features.extend(own_features(&past.moment(index), metric));
                residuals[index * metrics + metric] =
                    past.robust[index * metrics + metric] - model.predict(&features);
            }
            models.push(model);
        }
        let (surprises, _) =
            Surprises::fit(&residuals, metrics, past.times, pace, past.skip, LEVEL_OF_CONDITIONAL);
        Self { models, surprises, one: Smooth::default(), two: Smooth::default() }
    }

    /// Whether it is of so many metrics throughout.
    pub(crate) fn fits(&self, metrics: usize) -> bool {
        self.models.len() == metrics && self.surprises.fits(metrics)
    }

    /// The surprise of the most surprising metric, and of the two most surprising.
    pub(crate) fn judge(&mut self, moment: &Moment) -> [f32; 2] {
        let mut features = shared_features(moment);
        let shared = features.len();
        let residuals: Vec<f32> = self
            .models
            .iter()
            .enumerate()
            .map(|(metric, model)| {
                features.truncate(shared);
                features.extend(own_features(moment, metric));
                if moment.raw[metric].is_finite() {
                    moment.robust[metric] - model.predict(&features)
                } else {
                    f32::NAN
                }
            })
            .collect();
        self.surprises.judge(moment.at, &residuals);
        let mut scratch = Vec::new();
        [
            self.one.learn(mean_of_largest(&self.surprises.newest, 1, &mut scratch), FADE),
            self.two.learn(mean_of_largest(&self.surprises.newest, 2, &mut scratch), FADE),
        ]
    }

    /// The newest surprise of each metric.
    pub(crate) fn by_metric(&self) -> &[f32] {
        &self.surprises.newest
    }

    /// How far to believe it: a model whose residuals have heavy tails is no good model here.
    pub(crate) fn credit(&self) -> f32 {
        (7.5 / self.surprises.heaviness.max(1e-3)).powi(12).min(1.0)
    }
}

/// Features of a metric's own.
const OWN: usize = 4;

fn own_features(moment: &Moment, metric: usize) -> [f32; OWN] {
    let (season, level) = (moment.season[metric], moment.level[metric]);
    let peers = moment.peers[metric];
    let peers = if peers.is_finite() { peers } else { 0.0 };
    [season, level, peers, (peers / 2.0).tanh()]
}

/// All metrics, and all of them bent, so that a model may follow a curve.
fn shared_features(moment: &Moment) -> Vec<f32> {
    let bent = moment.robust.iter().map(|value| (value / 2.0).tanh());
    moment.robust.iter().copied().chain(bent).collect()
}

fn correlations(rows: &[f32], metrics: usize) -> Vec<f64> {
    let count = (rows.len() / metrics).max(1) as f64;
    let mut mean = vec![0.0_f64; metrics];
    for row in rows.chunks_exact(metrics) {
        for (mean, value) in mean.iter_mut().zip(row) {
            *mean += f64::from(*value) / count;
        }
    }
    let mut products = vec![0.0_f64; metrics * metrics];
    for row in rows.chunks_exact(metrics).step_by(3) {
        for (left, line) in products.chunks_exact_mut(metrics).enumerate() {
            let from_mean = f64::from(row[left]) - mean[left];
            for ((into, value), mean) in line.iter_mut().zip(row).zip(&mean) {
                *into += from_mean * (f64::from(*value) - mean);
            }
        }
    }
    let variance: Vec<f64> =
        (0..metrics).map(|metric| products[metric * metrics + metric]).collect();
    for (left, line) in products.chunks_exact_mut(metrics).enumerate() {
        for (into, right) in line.iter_mut().zip(&variance) {
            *into /= (variance[left] * right).sqrt().max(1e-9);
        }
    }
    products
}

/// What a metric should be by the time of day, its own level and its peers; and how unusual it is that
/// it is not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Expectation {
    models: Vec<Linear>,
    surprises: Surprises,
    two: Smooth,
}

impl Expectation {
    pub(crate) fn fit(past: &Past, pace: Pace) -> Self {
        let metrics = past.metrics;
        let sample: Vec<usize> = past.sample(ROWS).collect();
        let mut residuals = vec![0.0; past.len() * metrics];
        let mut models = Vec::new();
        for metric in 0..metrics {
            let features: Vec<f32> = sample
                .iter()
                .flat_map(|index| own_features(&past.moment(*index), metric))
                .collect();
            let targets: Vec<f32> =
                sample.iter().map(|index| past.robust[index * metrics + metric]).collect();
            let model = Linear::fit(&features, &targets, PENALTY, ROUNDS);
            for index in 0..past.len() {
                residuals[index * metrics + metric] = past.robust[index * metrics + metric]
                    - model.predict(&own_features(&past.moment(index), metric));
            }
            models.push(model);
        }
        let (surprises, _) =
            Surprises::fit(&residuals, metrics, past.times, pace, past.skip, LEVEL_OF_EXPECTATION);
        Self { models, surprises, two: Smooth::default() }
    }

    /// Whether it is of so many metrics throughout.
    pub(crate) fn fits(&self, metrics: usize) -> bool {
        self.models.len() == metrics && self.surprises.fits(metrics)
    }

    /// The surprise of the two most surprising metrics.
    pub(crate) fn judge(&mut self, moment: &Moment) -> f32 {
        let residuals: Vec<f32> = self
            .models
            .iter()
            .enumerate()
            .map(|(metric, model)| {
                if moment.raw[metric].is_finite() {
                    moment.robust[metric] - model.predict(&own_features(moment, metric))
                } else {
                    f32::NAN
                }
            })
            .collect();
        self.surprises.judge(moment.at, &residuals);
        self.two.learn(mean_of_largest(&self.surprises.newest, 2, &mut Vec::new()), FADE)
    }

    /// The newest surprise of each metric.
    pub(crate) fn by_metric(&self) -> &[f32] {
        &self.surprises.newest
    }

    /// What is expected of a metric, and how far it usually strays from that; robustly scaled.
    pub(crate) fn expected(&self, moment: &Moment, metric: usize) -> (f32, f32) {
        let middle = self.models[metric].predict(&own_features(moment, metric));
        (middle, self.surprises.spread(moment.at, metric))
    }
}
