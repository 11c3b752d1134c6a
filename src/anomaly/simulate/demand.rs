//! What people want of a service: the season its hosts share. Pure.

use std::f64::consts::TAU;

use super::{
    Settings,
    random::{Random, Wander},
    work::Pulse,
};

const DAY: f64 = 86_400.0;

/// The demand for one role, about 1 on average.
pub(super) struct Demand {
    random: Random,
    step: f64,
    /// When in the day it is highest, as a share of the day.
    peak: f64,
    swing: f64,
    second_swing: f64,
    second_peak: f64,
    weekend: f64,
    growth_per_day: f64,
    slow: Wander,
    fast: Wander,
    burst: Option<Pulse>,
    next_burst: f64,
}

impl Demand {
    pub(super) fn new(settings: &Settings, mut random: Random) -> Self {
        let step = f64::from(settings.step);
        let minutes = 60.0 / step;
        Self {
            step,
            peak: random.between(0.45, 0.7),
            swing: random.between(0.25, 0.55),
            second_swing: random.between(0.05, 0.2),
            second_peak: random.share(),
            weekend: random.between(0.6, 0.95),
            growth_per_day: random.between(-0.001, 0.006),
            slow: Wander::new(0.05, 120.0 * minutes, &mut random),
            fast: Wander::new(0.025, 5.0 * minutes, &mut random),
            burst: None,
            next_burst: random.waiting(2.0 * DAY),
            random,
        }
    }

    /// The demand at the next step. Steps are asked for in order.
    pub(super) fn next(&mut self, step: u64) -> f64 {
        let seconds = step as f64 * self.step;
        let days = seconds / DAY;
        let of_day = days.fract();
        let season = 1.0
            + self.swing * libm::cos(TAU * (of_day - self.peak))
            + self.second_swing * libm::cos(2.0 * TAU * (of_day - self.second_peak));
        let noise = self.slow.next(&mut self.random) + self.fast.next(&mut self.random);
        if seconds >= self.next_burst {
            let length = self.random.between(600.0, 2_700.0);
            let height = self.random.between(0.1, 0.45);
            self.burst = Some(Pulse::new(seconds, length, height, 240.0));
            self.next_burst = seconds + length + self.random.waiting(2.0 * DAY);
        }
        let burst = self.burst.as_ref().map_or(0.0, |burst| burst.at(seconds));
        let week = self.week(days % 7.0);
        let growth = 1.0 + self.growth_per_day * days;
        (season * week * growth * libm::exp(noise) * (1.0 + burst)).max(0.02)
    }

    /// The factor of a day of the week (0 is Monday's midnight), with soft edges of a few hours.
    fn week(&self, day: f64) -> f64 {
        const EDGE: f64 = 0.15;
        let into = ((day - 5.0 + EDGE) / (2.0 * EDGE)).clamp(0.0, 1.0);
        let out_of = ((7.0 - day) / (2.0 * EDGE)).clamp(0.0, 1.0);
        1.0 - (1.0 - self.weekend) * into.min(out_of)
    }
}
