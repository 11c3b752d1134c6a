//! Which metrics make a moment unusual, and what would have been normal for them.

use super::{HostDetector, Prepared, moment};
use crate::anomaly::{Deviation, Direction, Schema, TOP_METRICS, votes::Moment};

/// Farther from expected than this, all are equally far.
const FARTHEST: f32 = 30.0;
/// How far an expected band reaches, in usual distances (mean absolute deviations: about 2.4 standard
/// deviations).
const BAND: f32 = 3.0;
/// So many times farther outside its normal range, a metric of a running anomaly has a new value to be told:
/// a few times on the way of a disk that fills, not at every look.
const FARTHER: f64 = 1.25;
/// A metric that tells so much joins an anomaly which was worse before: what it was not expected to be
/// by its own past nor by the other metrics once in some ten thousand observations, each.
const JOINS: f32 = 25.0;
/// Robust distances from the median that any metric may be expected at; farther only where it is, usually
/// is, or lately was.
const ORDINARY: f32 = 4.0;

impl HostDetector {
    /// The metrics that tell most about this moment, the most telling first. What is far enough from
    /// normal to matter comes before what is not. Those that told when it began (`begun`) stay as
    /// long as they are: what comes later is more often an effect than the cause.
    pub(crate) fn explain(
        &self,
        at: i64,
        prepared: &Prepared,
        peers: &[f32],
        schema: &Schema,
        stuck: bool,
        begun: &[Deviation],
    ) -> Vec<Deviation> {
        let moment = moment(at, prepared, peers);
        let metrics = if stuck {
            let there = |metric: &usize| moment.raw[*metric].is_finite();
            self.stuck.stuck_metrics().filter(there).take(TOP_METRICS).collect()
        } else {
            self.still_told(&moment, schema, begun)
                .unwrap_or_else(|| self.most_telling(&moment, schema))
        };
        metrics.iter().map(|metric| self.deviation(&moment, *metric, schema, stuck)).collect()
    }

    fn most_telling(&self, moment: &Moment, schema: &Schema) -> Vec<usize> {
        let tells = |metric: usize| {
            let new = self.novelty.as_ref().is_some_and(|novelty| novelty.is_new(metric));
            (new, self.metric_matters(moment, metric, schema), self.telling(moment, metric))
        };
        let mut ranked: Vec<(usize, (bool, bool, f32))> =
            measured(moment.raw).map(|metric| (metric, tells(metric))).collect();
        ranked.sort_by(|(_, left), (_, right)| {
            let flags = |it: &(bool, bool, f32)| (it.0, it.1);
            flags(right).cmp(&flags(left)).then(right.2.total_cmp(&left.2))
        });
        // What is too small to matter is no explanation where there is another.
        if ranked.first().is_some_and(|(_, first)| first.1) {
            ranked.retain(|(_, tells)| tells.1);
        }
        ranked.into_iter().take(TOP_METRICS).map(|(metric, _)| metric).collect()
    }

    /// The metrics that told when it began, as long as the first of them is outside its normal range, and
    /// after them what tells now.
    /// With little learned, nothing is that sure.
    fn still_told(
        &self,
        moment: &Moment,
        schema: &Schema,
        begun: &[Deviation],
    ) -> Option<Vec<usize>> {
        let place = |it: &Deviation| schema.metrics().iter().position(|name| *name == it.metric);
        let mut told: Vec<usize> = begun.iter().filter_map(place).collect();
        let lead = *told.first().filter(|_| self.novelty.is_none())?;
        // What is missing now has no value to be told.
        told.retain(|metric| moment.raw[*metric].is_finite());
        let (low, high) = self.band(moment, lead);
        let value = f64::from(moment.raw[lead]);
        if value >= low && value <= high {
            return None;
        }
        // What else is far from normal by now is named after them.
        let outside = |metric: &usize| self.deviation(moment, *metric, schema, false).is_outside();
        let more = self.most_telling(moment, schema).into_iter().filter(outside);
        for metric in more {
            if !told.contains(&metric) {
                told.push(metric);
            }
        }
        told.truncate(TOP_METRICS);
        Some(told)
    }

    /// Keeps current what a running anomaly names, whose score was higher before: a metric that went
    /// clearly farther has its new value, and what is clearly off by now and not named joins, as far as
    /// there is room: another fault, or an effect that came late.
    pub(crate) fn keep_current(
        &self,
        at: i64,
        prepared: &Prepared,
        peers: &[f32],
        schema: &Schema,
        named: &mut Vec<Deviation>,
    ) {
        if named.iter().any(|it| it.direction == Direction::Stuck) {
            return;
        }
        let moment = moment(at, prepared, peers);
        let mut joined = Vec::new();
        for metric in measured(moment.raw) {
            let now = || self.deviation(&moment, metric, schema, false);
            if let Some(then) = named.iter_mut().find(|it| it.metric == schema.metrics()[metric]) {
                let now = now();
                if now.outside_by() > FARTHER * then.outside_by().max(0.0) {
                    *then = now;
                }
            } else if self.surprise(metric) + 0.1 * FARTHEST >= JOINS
                && self.telling(&moment, metric) >= JOINS
                && self.metric_matters(&moment, metric, schema)
            {
                joined.push(now());
            }
        }
        joined.sort_by(|left, right| right.sigmas.total_cmp(&left.sigmas));
        named.extend(joined);
        named.truncate(TOP_METRICS);
    }

    /// Whether anything is far enough from normal to matter to people.
    pub(crate) fn matters(
        &self,
        at: i64,
        prepared: &Prepared,
        peers: &[f32],
        schema: &Schema,
    ) -> bool {
        let moment = moment(at, prepared, peers);
        measured(&prepared.raw).any(|metric| self.metric_matters(&moment, metric, schema))
    }

    fn metric_matters(&self, moment: &Moment, metric: usize, schema: &Schema) -> bool {
        let Some(worth) = schema.worth() else { return true };
        self.deviation(moment, metric, schema, false).outside_by() >= f64::from(worth[metric])
    }

    /// How much a metric tells: both what the other metrics and what its own past explain must leave
    /// something over. In the first moment neither is sure yet, and what is farthest from expected tells.
    fn telling(&self, moment: &Moment, metric: usize) -> f32 {
        let (middle, spread) = self.expectation.expected(moment, metric);
        let sigmas = (moment.robust[metric] - middle).abs() / (1.25 * spread);
        self.surprise(metric) + 0.1 * sigmas.min(FARTHEST)
    }

    /// How little both explain.
    fn surprise(&self, metric: usize) -> f32 {
        let conditional = self.conditional.by_metric()[metric];
        let expectation = self.expectation.by_metric()[metric];
        (0.5 + conditional) * (0.5 + expectation)
    }

    /// The least and the most that are normal for a metric at this moment.
    pub(crate) fn normal(
        &self,
        at: i64,
        prepared: &Prepared,
        peers: &[f32],
        metric: usize,
    ) -> (f64, f64) {
        self.band(&moment(at, prepared, peers), metric)
    }

    fn band(&self, moment: &Moment, metric: usize) -> (f64, f64) {
        let (middle, spread) = self.expectation.expected(moment, metric);
        let scaling = &self.scalings[metric];
        let reach = BAND * self.tolerance.get(metric).copied().unwrap_or(1.0) * spread;
        // Far from all that was learned, a model is a guess, and the scales make a small error large.
        let known = [moment.robust, moment.season, moment.level].map(|it| it[metric]).into_iter();
        let least = known.clone().fold(-ORDINARY, f32::min);
        let most = known.fold(ORDINARY, f32::max);
        let edge = |robust: f32| f64::from(scaling.value_at(robust.clamp(least, most)));
        (edge(middle - reach), edge(middle + reach))
    }

    fn deviation(&self, moment: &Moment, metric: usize, schema: &Schema, stuck: bool) -> Deviation {
        let (middle, spread) = self.expectation.expected(moment, metric);
        let from_middle = moment.robust[metric] - middle;
        let (expected_low, expected_high) = self.band(moment, metric);
        Deviation {
            metric: schema.metrics()[metric].clone(),
            value: f64::from(moment.raw[metric]),
            expected_low,
            expected_high,
            direction: match (stuck, from_middle >= 0.0) {
                (true, _) => Direction::Stuck,
                (false, true) => Direction::Up,
                (false, false) => Direction::Down,
            },
            sigmas: f64::from(from_middle.abs() / (1.25 * spread)),
            full_at: None,
        }
    }
}

fn measured(raw: &[f32]) -> impl Iterator<Item = usize> {
    (0..raw.len()).filter(|metric| raw[*metric].is_finite())
}
