//! The opinions of a host's detector: each looks at one moment in its own way and says how odd it is.

mod autoregression;
mod conditional;
mod jump;
mod stuck;
mod windows;

pub(super) use autoregression::Autoregression;
pub(super) use conditional::{Conditional, Expectation};
pub(super) use jump::Jump;
pub(super) use stuck::Stuck;
pub(super) use windows::Windows;

/// One moment of one host, as the votes see it. Each slice holds a value for each metric.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'a> {
    /// Milliseconds since 1970.
    pub(super) at: i64,
    /// As measured; missing values are not numbers.
    pub(super) raw: &'a [f32],
    /// Robustly scaled, what is missing filled with what is usual at this time of day.
    pub(super) robust: &'a [f32],
    /// Standardised, what is missing filled with the mean.
    pub(super) standard: &'a [f32],
    /// What is usual at this time of day, robustly scaled.
    pub(super) season: &'a [f32],
    /// The slow level of an hour ago, robustly scaled.
    pub(super) level: &'a [f32],
    /// The median of the host's peers, robustly scaled by each; not a number without peers.
    pub(super) peers: &'a [f32],
}

/// The moments of the past that a vote learns from: the same as [`Moment`], a row for each.
pub(super) struct Past<'a> {
    pub(super) metrics: usize,
    pub(super) times: &'a [i64],
    pub(super) raw: &'a [f32],
    pub(super) robust: &'a [f32],
    pub(super) standard: &'a [f32],
    pub(super) season: &'a [f32],
    pub(super) level: &'a [f32],
    pub(super) peers: &'a [f32],
    /// The first rows that only warm averages up.
    pub(super) skip: usize,
}

impl Past<'_> {
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    pub(super) fn moment(&self, index: usize) -> Moment<'_> {
        let row = index * self.metrics..(index + 1) * self.metrics;
        Moment {
            at: self.times[index],
            raw: &self.raw[row.clone()],
            robust: &self.robust[row.clone()],
            standard: &self.standard[row.clone()],
            season: &self.season[row.clone()],
            level: &self.level[row.clone()],
            peers: &self.peers[row],
        }
    }

    /// At most this many rows after the warm-up, evenly spread.
    pub(super) fn sample(&self, most: usize) -> impl Iterator<Item = usize> + use<> {
        let step = ((self.len() - self.skip) / most).max(1);
        (self.skip..self.len()).step_by(step)
    }
}

/// Distance from normal over all metrics: the Euclidean norm of standardised values, as if none were
/// missing.
pub(super) fn distance(moment: &Moment) -> f32 {
    let present = moment.raw.iter().filter(|value| value.is_finite()).count();
    if present == 0 {
        return 0.0;
    }
    let square: f32 = moment.standard.iter().map(|value| value * value).sum();
    (square * moment.raw.len() as f32 / present as f32).sqrt()
}

/// An exponential average of one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Smooth(Option<f32>);

impl Smooth {
    /// Takes a value, gives the average with a half-life of so many observations.
    pub(super) fn learn(&mut self, value: f32, half_life: f64) -> f32 {
        let weight = super::numbers::newest_weight(half_life);
        let average = self.0.map_or(value, |average| average + weight * (value - average));
        self.0 = Some(average);
        average
    }
}
