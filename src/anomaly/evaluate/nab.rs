//! The Numenta Anomaly Benchmark's score. Pure.
//!
//! Lavin & Ahmad, "Evaluating Real-time Anomaly Detection Algorithms", ICMLA 2015: a detection counts
//! by where it lies relative to its window, through the scaled sigmoid `σ(x) = 2 / (1 + e⁵ˣ) − 1`, which
//! is nearly 1 at the window's start, 0 at its end, and falls to −1 behind it. The first detection in
//! a window counts; the first 15 % of a series (at most 750 points) are probation and do not. The sum
//! is scaled so that no detection at all is 0 and a perfect detector 100.

use serde::Serialize;

use super::{Entity, curves::descending, events::segments};

/// The share of a series that is not judged, of at most [`PROBATION_POINTS`].
const PROBATION: f64 = 0.15;
const PROBATION_POINTS: f64 = 5_000.0;

/// What is worth how much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    right: f64,
    wrong: f64,
    missed: f64,
}

impl Profile {
    /// The benchmark's standard.
    pub const STANDARD: Self = Self { right: 1.0, wrong: 0.11, missed: 1.0 };
    /// False alarms cost twice as much.
    pub const LOW_FALSE_POSITIVES: Self = Self { right: 1.0, wrong: 0.22, missed: 1.0 };
    /// Missed events cost twice as much.
    pub const LOW_FALSE_NEGATIVES: Self = Self { right: 1.0, wrong: 0.11, missed: 2.0 };
}

/// The scores of the three profiles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Nab {
    /// [`Profile::STANDARD`].
    pub standard: f64,
    /// [`Profile::LOW_FALSE_POSITIVES`].
    #[serde(rename = "low_FP")]
    pub low_false_positives: f64,
    /// [`Profile::LOW_FALSE_NEGATIVES`].
    #[serde(rename = "low_FN")]
    pub low_false_negatives: f64,
}

/// A point that is judged.
struct Point {
    score: f64,
    worth: f64,
    /// The window it lies in.
    window: Option<usize>,
}

impl Nab {
    /// At the threshold that is best for each profile.
    pub(super) fn best(entities: &[&Entity]) -> Self {
        let series: Vec<_> =
            entities.iter().map(|it| (it.scores.clone(), it.labels.as_slice())).collect();
        Self::with(|profile| normalised(&series, profile, None))
    }

    /// Of alarms as they were raised.
    pub(super) fn of_alarms(entities: &[&Entity]) -> Self {
        let scores = |entity: &Entity| {
            let alarms = entity.alarms.iter().flatten();
            alarms.map(|alarm| f64::from(u8::from(*alarm))).collect::<Vec<_>>()
        };
        let series: Vec<_> = entities.iter().map(|it| (scores(it), it.labels.as_slice())).collect();
        Self::with(|profile| normalised(&series, profile, Some(0.5)))
    }

    fn with(score: impl Fn(Profile) -> f64) -> Self {
        Self {
            standard: score(Profile::STANDARD),
            low_false_positives: score(Profile::LOW_FALSE_POSITIVES),
            low_false_negatives: score(Profile::LOW_FALSE_NEGATIVES),
        }
    }
}

fn normalised(series: &[(Vec<f64>, &[bool])], profile: Profile, threshold: Option<f64>) -> f64 {
    let (mut points, mut windows) = (Vec::new(), 0);
    for (scores, labels) in series {
        judged(scores, labels, profile, &mut windows, &mut points);
    }
    // A window that lies in the probation as a whole is not judged.
    let mut parts = vec![None; windows];
    for window in points.iter().filter_map(|point: &Point| point.window) {
        parts[window] = Some(-profile.missed);
    }
    let count = parts.iter().flatten().count() as f64;
    let (null, perfect) = (-profile.missed * count, profile.right * count);
    let scores: Vec<f64> = points.iter().map(|point| point.score).collect();
    let mut order = descending(&scores);
    order.retain(|index| threshold.is_none_or(|threshold| scores[*index] >= threshold));
    let (mut now, mut best) = (null, null);
    for (rank, index) in order.iter().enumerate() {
        let Point { score, worth, window } = points[*index];
        match window.and_then(|window| parts[window].as_mut()) {
            Some(part) if worth > *part => {
                now += worth - *part;
                *part = worth;
            }
            Some(_) => {}
            None => now += worth,
        }
        if order.get(rank + 1).is_none_or(|next| scores[*next] < score) {
            best = best.max(now);
        }
    }
    let reached = if threshold.is_some() { now } else { best };
    100.0 * (reached - null) / (perfect - null)
}

/// The points of one series behind its probation. Windows are numbered over all series.
fn judged(
    scores: &[f64],
    labels: &[bool],
    profile: Profile,
    windows: &mut usize,
    points: &mut Vec<Point>,
) {
    let count = scores.len();
    let probation = (PROBATION * count as f64).floor().min(PROBATION * PROBATION_POINTS).ceil();
    let events = segments(labels);
    let mut event = 0;
    for (index, score) in scores.iter().enumerate() {
        while events.get(event + 1).is_some_and(|(start, _)| *start <= index) {
            event += 1;
        }
        let (worth, window) = match events.get(event).filter(|(start, _)| *start <= index) {
            None => (-profile.wrong, None),
            Some((start, end)) if index < *end => {
                let position = (end - index) as f64 / (end - start) as f64;
                (sigmoid(-position) * profile.right / sigmoid(-1.0), Some(*windows + event))
            }
            Some((start, end)) => {
                let width = ((end - start) as f64 - 1.0).max(1e-9);
                (sigmoid((index + 1 - end) as f64 / width) * profile.wrong, None)
            }
        };
        if index as f64 >= probation {
            points.push(Point { score: *score, worth, window });
        }
    }
    *windows += events.len();
}

fn sigmoid(x: f64) -> f64 {
    if x > 3.0 { -1.0 } else { 2.0 / (1.0 + (5.0 * x).exp()) - 1.0 }
}
