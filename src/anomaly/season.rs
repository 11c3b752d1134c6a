//! What a metric usually is at this time of day, and on this day of the week.

use serde::{Deserialize, Serialize};

use super::numbers::{median, newest_weight};

/// Parts of a day: half hours.
pub(super) const PARTS: usize = 48;
/// How long each of them is, in milliseconds.
const PART: i64 = 86_400_000 / 48;
const DAY: i64 = 86_400_000;
/// Days until half of a profile is new.
const HALF_LIFE: f64 = 4.0;
/// With less of the past than so many days, all days are alike: two Mondays may be chance.
const DAYS_FOR_WEEKDAYS: i64 = 21;
/// Parts of a day in which the days of the week differ: three hours each.
const COARSE: usize = 8;
/// Days of the week are told apart only beyond this, in robust deviations.
const CHANCE: f32 = 0.25;
/// The farthest one day moves a profile, in robust deviations.
const FARTHEST: f32 = 4.0;

/// The part of the day at a moment (milliseconds since 1970).
pub(super) fn part_of_day(at: i64) -> usize {
    (at.rem_euclid(DAY) / PART) as usize
}

/// The day of the week and the coarse part of the day at a moment, as one number.
fn part_of_week(at: i64) -> usize {
    let day = at.div_euclid(DAY).rem_euclid(7) as usize;
    day * COARSE + part_of_day(at) * COARSE / PARTS
}

/// Profiles of the day for all metrics of a host, in robust scale, that follow slow changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Season {
    metrics: usize,
    /// By part of the day, then by metric.
    profile: Vec<f32>,
    /// How days of the week differ from that, by part of the week, then by metric; empty for not at all.
    weekdays: Vec<f32>,
    sum: Vec<f32>,
    count: Vec<f32>,
    part: usize,
}

impl Season {
    /// Medians by part of the day. `rows` are robustly scaled, one value for each metric.
    pub(super) fn fit(rows: &[f32], metrics: usize, times: &[i64]) -> Self {
        let mut by_part = vec![Vec::new(); PARTS];
        for (index, at) in times.iter().enumerate() {
            by_part[part_of_day(*at)].push(index);
        }
        let everything: Vec<usize> = (0..times.len()).collect();
        let mut profile = vec![0.0; PARTS * metrics];
        for (part, indices) in by_part.iter().enumerate() {
            let indices = if indices.is_empty() { &everything } else { indices };
            for metric in 0..metrics {
                let mut values: Vec<f32> = indices
                    .iter()
                    .map(|index| rows[index * metrics + metric])
                    .filter(|value| value.is_finite())
                    .collect();
                profile[part * metrics + metric] = median(&mut values);
            }
        }
        let part = times.last().map_or(0, |at| part_of_day(*at));
        let mut season = Self {
            metrics,
            profile,
            weekdays: Vec::new(),
            sum: vec![0.0; metrics],
            count: vec![0.0; metrics],
            part,
        };
        let span = times.last().zip(times.first()).map_or(0, |(last, first)| last - first);
        if span >= DAYS_FOR_WEEKDAYS * DAY {
            season.weekdays = season.differences(rows, times);
        }
        season
    }

    /// Whether it is of so many metrics throughout.
    pub(super) fn fits(&self, metrics: usize) -> bool {
        self.metrics == metrics
            && self.profile.len() == PARTS * metrics
            && (self.weekdays.is_empty() || self.weekdays.len() == 7 * COARSE * metrics)
            && self.sum.len() == metrics
            && self.count.len() == metrics
            && self.part < PARTS
    }

    /// Medians of what the profile of the day leaves, by part of the week.
    fn differences(&self, rows: &[f32], times: &[i64]) -> Vec<f32> {
        let metrics = self.metrics;
        let mut left = vec![Vec::new(); 7 * COARSE * metrics];
        let mut usual = Vec::with_capacity(metrics);
        for (at, row) in times.iter().zip(rows.chunks_exact(metrics)) {
            self.at(*at, &mut usual);
            let from = part_of_week(*at) * metrics;
            for (metric, (value, usual)) in row.iter().zip(&usual).enumerate() {
                if value.is_finite() {
                    left[from + metric].push(value - usual);
                }
            }
        }
        let difference = |left: &mut Vec<f32>| {
            let middle = median(left);
            middle.signum() * (middle.abs() - CHANCE).max(0.0)
        };
        left.iter_mut().map(difference).collect()
    }

    /// How this day of the week differs, one value for each metric; empty for not at all.
    fn weekday(&self, at: i64) -> &[f32] {
        let from = part_of_week(at) * self.metrics;
        self.weekdays.get(from..from + self.metrics).unwrap_or_default()
    }

    /// The profile at a moment, smoothed over its neighbours, one value for each metric.
    pub(super) fn at(&self, at: i64, into: &mut Vec<f32>) {
        let part = part_of_day(at);
        let row = |part: usize| {
            let part = part % PARTS;
            &self.profile[part * self.metrics..(part + 1) * self.metrics]
        };
        into.clear();
        into.extend(
            row(part + PARTS - 1)
                .iter()
                .zip(row(part))
                .zip(row(part + 1))
                .map(|((before, now), after)| 0.25 * before + 0.5 * now + 0.25 * after),
        );
        for (usual, difference) in into.iter_mut().zip(self.weekday(at)) {
            *usual += difference;
        }
    }

    /// Learns an observation: at the end of each part of the day the profile moves towards what was
    /// seen in it.
    pub(super) fn learn(&mut self, at: i64, row: &[f32]) {
        let part = part_of_day(at);
        if part != self.part {
            let weight = newest_weight(HALF_LIFE);
            let from = self.part * self.metrics;
            for (metric, (sum, count)) in self.sum.iter_mut().zip(&mut self.count).enumerate() {
                if *count > 0.0 {
                    self.profile[from + metric] += weight * *sum / *count;
                }
                (*sum, *count) = (0.0, 0.0);
            }
            self.part = part;
        }
        let from = part * self.metrics;
        for (metric, value) in row.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            let difference = self.weekday(at).get(metric).copied().unwrap_or(0.0);
            let usual = self.profile[from + metric] + difference;
            self.sum[metric] += (value - usual).clamp(-FARTHEST, FARTHEST);
            self.count[metric] += 1.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_three_weeks_a_sunday_is_no_monday() {
        // The first day of 1970 was a Thursday: the fourth one after it is a Sunday.
        let weekend = |at: i64| matches!(at.div_euclid(DAY).rem_euclid(7), 2 | 3);
        let load = |at: i64| if weekend(at) { 1.0 } else { 5.0 };
        let usual = |days: i64| {
            let times: Vec<i64> = (0..days * 288).map(|slot| slot * 300_000).collect();
            let rows: Vec<f32> = times.iter().map(|at| load(*at)).collect();
            let season = Season::fit(&rows, 1, &times);
            let mut profile = Vec::new();
            move |day: i64| {
                season.at(day * DAY + DAY / 2, &mut profile);
                profile[0]
            }
        };
        let mut two_weeks = usual(14);
        assert!((two_weeks(16) - two_weeks(18)).abs() < 1e-6);
        let mut four_weeks = usual(28);
        assert!(four_weeks(31) < 1.5 && four_weeks(32) > 4.5);
    }

    #[test]
    fn nights_are_not_days() {
        let times: Vec<i64> = (0..4 * 1440).map(|minute| minute * 60_000).collect();
        let night = |at: &i64| part_of_day(*at) < 12;
        let rows: Vec<f32> = times.iter().map(|at| if night(at) { 1.0 } else { 5.0 }).collect();
        let mut season = Season::fit(&rows, 1, &times);
        let mut profile = Vec::new();
        season.at(3 * 3_600_000, &mut profile);
        assert_eq!(profile, [1.0]);
        season.at(15 * 3_600_000, &mut profile);
        assert_eq!(profile, [5.0]);
        // A week of busier nights.
        for at in (4 * 1440..11 * 1440).map(|minute| minute * 60_000) {
            season.learn(at, &[if night(&at) { 2.0 } else { 5.0 }]);
        }
        season.at(3 * 3_600_000, &mut profile);
        assert!((1.6..1.8).contains(&profile[0]), "{profile:?}");
    }
}
