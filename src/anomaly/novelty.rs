//! What a host never did, where too little is known of it for statistics.
//!
//! Minutes of the past cannot say what happens once in ten days. They do say what was seen in them: a
//! metric that stays far beyond all of it, by as much as would matter to anybody several times over, is
//! worth a word.

use serde::{Deserialize, Serialize};

use super::{
    Schema,
    numbers::{quantile, sorted},
    pace::Pace,
};

/// With less than this many days learned, novelty speaks.
const DAYS: f64 = 1.0;
/// The share of what was seen that is no part of the range, at each end: the bot's own start, a hiccup.
const RARE: f64 = 0.02;
/// How far beyond the range is far: so many times what matters, and at least as far again as the range.
const FAR: f32 = 4.0;
/// How long it must stay there: so many minutes, and observations.
const LASTING: f64 = 0.5;
const LEAST_OBSERVATIONS: u32 = 3;

/// The range of each metric, and for how long it has been beyond.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Novelty {
    /// Lowest and highest that was seen.
    seen: Vec<(f32, f32)>,
    /// How much farther is not far yet.
    room: Vec<f32>,
    /// Observations in a row that were far.
    far_for: Vec<u32>,
    learned_days: f64,
    lasting: u32,
}

impl Novelty {
    /// Learns the ranges, where little was learned, of metrics of which is known what matters.
    pub(super) fn fit(rows: &[f32], schema: &Schema, pace: Pace) -> Option<Self> {
        let worth = schema.worth()?;
        let observations = rows.len() / worth.len();
        if observations as f64 >= DAYS * pace.day() as f64 {
            return None;
        }
        let range = |metric: usize| {
            let seen = sorted(rows.iter().skip(metric).step_by(schema.metrics().len()).copied());
            if seen.is_empty() {
                return (f32::NEG_INFINITY, f32::INFINITY);
            }
            (quantile(&seen, RARE), quantile(&seen, 1.0 - RARE))
        };
        let seen: Vec<(f32, f32)> = (0..worth.len()).map(range).collect();
        let room = seen.iter().zip(worth).map(|((low, high), worth)| (FAR * worth).max(high - low));
        Some(Self {
            room: room.collect(),
            seen,
            far_for: vec![0; worth.len()],
            learned_days: observations as f64 / pace.day() as f64,
            lasting: (pace.minutes(LASTING).ceil() as u32).max(LEAST_OBSERVATIONS),
        })
    }

    /// Whether it is of so many metrics throughout.
    pub(super) fn fits(&self, metrics: usize) -> bool {
        self.seen.len() == metrics && self.room.len() == metrics && self.far_for.len() == metrics
    }

    /// Takes an observation; says whether any metric is far beyond what it was, and for long enough.
    /// `tolerance` says how many times farther than usual each metric may stray; empty for not at all.
    pub(super) fn judge(&mut self, raw: &[f32], tolerance: &[f32]) -> bool {
        for (metric, far_for) in self.far_for.iter_mut().enumerate() {
            let (low, high) = self.seen[metric];
            let room = self.room[metric] * tolerance.get(metric).copied().unwrap_or(1.0);
            // What is missing is not far.
            let far = raw[metric] < low - room || raw[metric] > high + room;
            *far_for = if far { far_for.saturating_add(1) } else { 0 };
        }
        (0..self.far_for.len()).any(|metric| self.is_new(metric))
    }

    /// How much was seen.
    pub(super) fn learned_days(&self) -> f64 {
        self.learned_days
    }

    /// Whether this metric is.
    pub(super) fn is_new(&self, metric: usize) -> bool {
        self.far_for.get(metric).is_some_and(|far_for| *far_for >= self.lasting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { seconds: 5.0 };

    fn learned() -> Option<Novelty> {
        let schema = Schema::with_worth(vec!["cpu".into(), "disk /".into()], |metric| {
            if metric == "cpu" { 5.0 } else { 1.0 }
        });
        let minutes: Vec<f32> =
            (0..120).flat_map(|index| [2.0 + (index % 4) as f32, 41.3]).collect();
        Novelty::fit(&minutes, &schema, PACE)
    }

    #[test]
    fn a_processor_that_stays_busy_is_new_after_half_a_minute() {
        let mut novelty = learned().unwrap();
        for _ in 0..5 {
            assert!(!novelty.judge(&[52.0, 41.3], &[]));
        }
        assert!(novelty.judge(&[52.0, 41.3], &[]));
        assert!(novelty.is_new(0) && !novelty.is_new(1));
        assert!(!novelty.judge(&[4.0, 41.3], &[]), "and it is over at once");
    }

    #[test]
    fn little_more_is_not_new_and_neither_is_a_moment() {
        let mut novelty = learned().unwrap();
        for index in 0..100 {
            let cpu = if index % 5 == 0 { 3.0 } else { 90.0 };
            assert!(!novelty.judge(&[cpu, 41.3], &[]));
            assert!(!novelty.judge(&[f32::NAN, 44.0], &[]));
        }
    }

    #[test]
    fn what_people_expect_must_be_farther() {
        let mut novelty = learned().unwrap();
        for _ in 0..20 {
            assert!(!novelty.judge(&[30.0, 41.3], &[1.5, 1.0]));
        }
        for _ in 0..5 {
            novelty.judge(&[30.0, 41.3], &[]);
        }
        assert!(novelty.judge(&[30.0, 41.3], &[]));
    }

    #[test]
    fn whoever_knows_a_day_or_no_units_needs_none() {
        let day = vec![1.0; PACE.day()];
        let known = Schema::with_worth(vec!["cpu".into()], |_| 5.0);
        assert_eq!(Novelty::fit(&day, &known, PACE), None);
        assert!(Novelty::fit(&day[1..], &known, PACE).is_some());
        assert_eq!(Novelty::fit(&day[1..], &Schema::new(vec!["cpu".into()]), PACE), None);
    }
}
