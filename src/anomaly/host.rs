//! The detector of one host: scales what was measured, asks every vote, and makes one score of them.

mod explain;

use serde::{Deserialize, Serialize};

use super::{
    Schema,
    forest::Forest,
    novelty::Novelty,
    pace::{Lagged, Pace},
    reference::Reference,
    scaling::Scaling,
    season::{PARTS, Season},
    votes::{
        Autoregression, Conditional, Expectation, Jump, Moment, Past, Smooth, Stuck, Windows,
        distance,
    },
};

/// The votes that are weighed against each other, by name.
pub(crate) const VOTES: [&str; 8] = [
    "distance",
    "jump",
    "loud_jump",
    "autoregression",
    "windows",
    "conditional",
    "expectation",
    "forest",
];
/// No vote says more than this. What the other metrics do not explain may say more: it is rarely wrong
/// where it is sure.
const LOUDEST: f32 = 5.0;
const LOUDEST_CONDITIONAL: f32 = 12.0;
/// Places in [`VOTES`].
const DISTANCE: usize = 0;
const WINDOWS: usize = 4;
const CONDITIONAL: usize = 5;
/// What a stuck exporter scores: it is no matter of degree.
const STUCK: f32 = 99.0;
/// What is new scores so many thresholds: a host that often alarms is still heard.
const NEW: f32 = 1.5;
/// Half-life of the average of what the votes said lately, in minutes, and the power that is averaged:
/// the loudest minutes count, and one alone less than several.
const LATELY: f64 = 5.0;
const LATELY_POWER: i32 = 6;
/// Half-life of a metric's own slow level, and how old it is when it is used, in minutes.
const LEVEL: f64 = 720.0;
const LEVEL_LAG: f64 = 60.0;
/// More missing observations than this, and the last minutes are forgotten.
const GAP: i64 = 3;

/// Everything that is known of one host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct HostDetector {
    pace: Pace,
    scalings: Vec<Scaling>,
    /// How many times farther than usual each metric may stray; empty for not at all.
    tolerance: Vec<f32>,
    season: Season,
    level: Lagged,
    last: Option<i64>,
    jump: Jump,
    autoregression: Autoregression,
    windows: Windows,
    conditional: Conditional,
    expectation: Expectation,
    stuck: Stuck,
    /// Where little was learned.
    novelty: Option<Novelty>,
    references: Vec<Reference>,
    /// What the votes said together in the last minutes: the average of its power.
    lately: Smooth,
}

/// What a host was at one moment, on the scales of its votes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepared {
    raw: Vec<f32>,
    pub(crate) robust: Vec<f32>,
    standard: Vec<f32>,
    season: Vec<f32>,
    level: Vec<f32>,
    /// Milliseconds since the observation before.
    pub(crate) unseen: i64,
}

/// What the votes said of one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Opinion {
    /// Surprise of each of [`VOTES`].
    pub(crate) votes: [f32; VOTES.len()],
    /// All of them in one number, which decides.
    pub(crate) score: f32,
    /// What they said in the last minutes, as far as nothing else remembers it.
    pub(crate) lately: f32,
    /// Whether the exporter repeats itself.
    pub(crate) stuck: bool,
    /// Whether something is far beyond all that was seen, where that was little.
    pub(crate) new: bool,
}

impl Opinion {
    /// The same, loud enough to be heard where something is new.
    pub(crate) fn heard(mut self, threshold: f32) -> Self {
        if self.new {
            self.score = self.score.max(NEW * threshold);
        }
        self
    }
}

/// Weights of the votes, in the order of [`VOTES`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Weights(pub(crate) [f32; VOTES.len()]);

impl Default for Weights {
    fn default() -> Self {
        Self([1.4, 2.0, 1.0, 2.0, 1.0, 3.0, 0.2, 0.1])
    }
}

/// The training data of one host: a row of `schema.len()` values for each moment.
pub(crate) struct Training<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) times: &'a [i64],
    pub(crate) rows: &'a [f32],
    /// The scaled medians of its peers, a row for each moment.
    pub(crate) peers: &'a [f32],
    pub(crate) seed: u64,
    pub(crate) forest: &'a Forest,
}

impl HostDetector {
    pub(crate) fn fit(training: &Training) -> Self {
        let metrics = training.schema.metrics().len();
        let pace = Pace::of(training.times);
        let scalings = scalings(training.rows, metrics);
        let robust = scaled(training.rows, metrics, &scalings);
        let season = Season::fit(&robust, metrics, training.times);
        let mut level = Lagged::new(metrics, pace.minutes(LEVEL), pace.minutes(LEVEL_LAG));
        let count = training.rows.len();
        let (mut filled, mut standard) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let (mut seasons, mut levels) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for (at, raw) in training.times.iter().zip(training.rows.chunks_exact(metrics)) {
            let prepared = prepare(*at, raw, &scalings, &season, &mut level);
            filled.extend_from_slice(&prepared.robust);
            standard.extend_from_slice(&prepared.standard);
            seasons.extend_from_slice(&prepared.season);
            levels.extend_from_slice(&prepared.level);
        }
        let past = Past {
            metrics,
            times: training.times,
            raw: training.rows,
            robust: &filled,
            standard: &standard,
            season: &seasons,
            level: &levels,
            peers: training.peers,
            skip: (training.times.len() / 4).min(2 * pace.day()),
        };
        let mut detector = Self {
            pace,
            scalings,
            tolerance: Vec::new(),
            season,
            level,
            last: None,
            jump: Jump::fit(&past, pace),
            autoregression: Autoregression::fit(&past),
            windows: Windows::fit(&past, training.seed),
            conditional: Conditional::fit(&past, pace),
            expectation: Expectation::fit(&past, pace),
            stuck: Stuck::fit(&past),
            novelty: Novelty::fit(training.rows, training.schema, pace),
            references: Vec::new(),
            lately: Smooth::default(),
        };
        detector.learn_references(&past, training.forest);
        detector
    }

    /// Lets the votes speak on the past, to learn what they say on normal days.
    fn learn_references(&mut self, past: &Past, forest: &Forest) {
        let mut series = vec![Vec::with_capacity(past.len()); VOTES.len()];
        let mut rehearsal = self.clone();
        for index in 0..past.len() {
            let votes = rehearsal.ask(&past.moment(index), forest);
            if index >= past.skip {
                for (series, vote) in series.iter_mut().zip(votes) {
                    series.push(vote);
                }
            }
        }
        let half_a_day = (self.pace.day() / 2).max(1) as u32;
        self.references = series.iter().map(|series| Reference::fit(series, half_a_day)).collect();
        // What the surprises have learned by the end of the past goes on; the rest begins warm too.
        self.jump = rehearsal.jump;
        self.autoregression = rehearsal.autoregression;
        self.windows = rehearsal.windows;
        self.stuck = rehearsal.stuck;
    }

    /// Whether it is of so many metrics throughout.
    pub(crate) fn fits(&self, metrics: usize) -> bool {
        self.pace.is_possible()
            && self.scalings.len() == metrics
            && (self.tolerance.is_empty() || self.tolerance.len() == metrics)
            && self.season.fits(metrics)
            && self.level.fits(metrics)
            && self.jump.fits(metrics)
            && self.autoregression.fits(metrics)
            && self.windows.fits(metrics)
            && self.conditional.fits(metrics)
            && self.expectation.fits(metrics)
            && self.stuck.fits(metrics)
            && self.novelty.as_ref().is_none_or(|novelty| novelty.fits(metrics))
            && self.references.len() == VOTES.len()
            && self.references.iter().all(Reference::is_possible)
    }

    /// Scales an observation. Between this and [`HostDetector::judge`] the peers are compared.
    pub(crate) fn prepare(&mut self, at: i64, raw: &[f32]) -> Prepared {
        let unseen = self.last.map_or(0, |last| at.saturating_sub(last));
        if unseen > (GAP + 1) * self.pace.milliseconds() {
            self.jump.forget();
            self.autoregression.forget();
            self.windows.forget();
            self.lately = Smooth::default();
        }
        self.last = Some(at);
        let mut prepared = prepare(at, raw, &self.scalings, &self.season, &mut self.level);
        prepared.unseen = unseen;
        let measured: Vec<f32> = prepared
            .robust
            .iter()
            .zip(&prepared.raw)
            .map(|(robust, raw)| if raw.is_finite() { *robust } else { f32::NAN })
            .collect();
        self.season.learn(at, &measured);
        self.pull_back(&mut prepared);
        prepared
    }

    /// How many times farther than usual each metric may stray.
    pub(crate) fn tolerate(&mut self, tolerance: Vec<f32>) {
        self.tolerance = tolerance;
    }

    /// Brings metrics that may stray nearer to what is usual, for all votes alike.
    fn pull_back(&self, prepared: &mut Prepared) {
        for (metric, tolerance) in self.tolerance.iter().enumerate().filter(|it| *it.1 > 1.0) {
            let usual = prepared.season[metric];
            let standard = self.scalings[metric].standard(self.scalings[metric].value_at(usual));
            let nearer = |value: f32, usual: f32| usual + (value - usual) / tolerance;
            prepared.robust[metric] = nearer(prepared.robust[metric], usual);
            prepared.standard[metric] = nearer(prepared.standard[metric], standard);
        }
    }

    /// What the votes say of an observation, given the medians of its peers.
    pub(crate) fn judge(
        &mut self,
        at: i64,
        prepared: &Prepared,
        peers: &[f32],
        weights: Weights,
        forest: &Forest,
    ) -> Opinion {
        let moment = moment(at, prepared, peers);
        let raw = self.ask(&moment, forest);
        let stuck = self.stuck.judge(&moment);
        let mut votes = [0.0; VOTES.len()];
        for ((vote, raw), reference) in votes.iter_mut().zip(raw).zip(&mut self.references) {
            *vote = reference.judge(raw);
        }
        // These two compare with the past as it was, so they suffer when a host drifts.
        for place in [DISTANCE, WINDOWS] {
            votes[place] *= self.references[place].credit();
        }
        let mut weights = weights.0;
        let credit = self.conditional.credit();
        weights[CONDITIONAL] *= credit;
        let fused = fuse(&votes, &weights);
        // What the other metrics do not explain remembers up to an hour. Where it is not believed this
        // stands in: a fault that is seen now and then is more than a lone hiccup.
        let average = self.lately.learn(fused.powi(LATELY_POWER), self.pace.minutes(LATELY));
        let lately = average.powf(1.0 / LATELY_POWER as f32) * (1.0 - credit);
        let score = if stuck { STUCK } else { fused };
        let new = self
            .novelty
            .as_mut()
            .is_some_and(|novelty| novelty.judge(&prepared.raw, &self.tolerance));
        Opinion { votes, score, lately, stuck, new }
    }

    fn ask(&mut self, moment: &Moment, forest: &Forest) -> [f32; VOTES.len()] {
        let [jump, loud_jump] = self.jump.judge(moment);
        let [_, conditional] = self.conditional.judge(moment);
        [
            distance(moment),
            jump,
            loud_jump,
            self.autoregression.judge(moment),
            self.windows.judge(moment),
            conditional,
            self.expectation.judge(moment),
            // Scores lie between 0 and 1: stretched, so that the bins of a reference tell them apart.
            isolation(forest.score(moment.standard)),
        ]
    }

    /// The days that were learned from, where that is little.
    pub(crate) fn rough_days(&self) -> Option<f64> {
        self.novelty.as_ref().map(Novelty::learned_days)
    }

    /// Seconds between observations in training.
    pub(crate) fn step_seconds(&self) -> f64 {
        self.pace.seconds
    }
}

/// Scalings of all metrics of a host.
pub(crate) fn scalings(rows: &[f32], metrics: usize) -> Vec<Scaling> {
    (0..metrics)
        .map(|metric| Scaling::fit(rows.iter().skip(metric).step_by(metrics).copied()))
        .collect()
}

/// All rows, robustly scaled; what is missing stays missing.
pub(crate) fn scaled(rows: &[f32], metrics: usize, scalings: &[Scaling]) -> Vec<f32> {
    let mut scaled = rows.to_vec();
    for row in scaled.chunks_exact_mut(metrics) {
        for (value, scaling) in row.iter_mut().zip(scalings) {
            *value = scaling.robust(*value);
        }
    }
    scaled
}

fn prepare(
    at: i64,
    raw: &[f32],
    scalings: &[Scaling],
    season: &Season,
    level: &mut Lagged,
) -> Prepared {
    let mut prepared = Prepared { raw: raw.to_vec(), ..Prepared::default() };
    for (raw, scaling) in prepared.raw.iter_mut().zip(scalings) {
        if !scaling.is_known() {
            *raw = f32::NAN;
        }
    }
    season.at(at, &mut prepared.season);
    for ((raw, scaling), usual) in prepared.raw.iter().zip(scalings).zip(&prepared.season) {
        let present = raw.is_finite();
        prepared.robust.push(if present { scaling.robust(*raw) } else { *usual });
        prepared.standard.push(if present { scaling.standard(*raw) } else { 0.0 });
    }
    level.learn(&prepared.robust);
    prepared.level.extend_from_slice(level.values().unwrap_or(&prepared.robust));
    prepared
}

fn moment<'a>(at: i64, prepared: &'a Prepared, peers: &'a [f32]) -> Moment<'a> {
    Moment {
        at,
        raw: &prepared.raw,
        robust: &prepared.robust,
        standard: &prepared.standard,
        season: &prepared.season,
        level: &prepared.level,
        peers,
    }
}

/// How short the way to a leaf was, on a scale without an end: what is isolated at once has a score
/// near 1.
fn isolation(score: f32) -> f32 {
    let score = score.clamp(0.0, 0.999);
    10.0 * score / (1.0 - score)
}

/// The weighted quadratic mean: one vote that is certain outweighs several that doubt.
fn fuse(votes: &[f32], weights: &[f32]) -> f32 {
    let total: f32 = weights.iter().sum();
    let sum: f32 = votes
        .iter()
        .zip(weights)
        .enumerate()
        .map(|(place, (vote, weight))| {
            let loudest = if place == CONDITIONAL { LOUDEST_CONDITIONAL } else { LOUDEST };
            weight * vote.clamp(0.0, loudest).powi(2)
        })
        .sum();
    (sum / total.max(1e-6)).sqrt()
}

/// The parts of a day that profiles know.
const _: () = assert!(PARTS == 48, "profiles of stored models have 48 parts");
