//! Which anomalies belong together.
//!
//! Two anomalies of one environment are neighbours when their onsets are at most ten minutes apart
//! and they are on the same host, in the same role, in the same zone, or look alike. A group is
//! whatever is connected by neighbours, which is what DBSCAN finds with `min_points` 2. DBSCAN
//! compares every point with every other, so what a sort can connect (all rules but the likeness)
//! is connected first; DBSCAN then sees one point for each different symptom of each such part. In
//! a storm that is hundreds of points instead of thousands.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use linfa::ParamGuard as _;
use linfa::{Float, traits::Transformer as _};
use linfa_clustering::Dbscan;
use linfa_nn::{CommonNearestNeighbour, distance::Distance};
use ndarray::{Array2, ArrayView, Dimension};

use super::{
    Place, TOGETHER_WITHIN,
    symptom::{ALIKE, Symptom},
};
use crate::anomaly::Anomaly;

/// Distances of neighbours are 0 to 1, others are [`FAR`].
const EPSILON: f64 = 1.5;
const FAR: f64 = 2.0;
/// In a storm with more different symptoms than these only the most unusual metric of each counts:
/// comparing each with each would take longer than people should wait.
const MOST_SYMPTOMS: usize = 500;

/// One anomaly and what else decides where it belongs.
pub(super) struct Point<'a> {
    pub(super) anomaly: &'a Anomaly,
    pub(super) place: Place,
    /// Points with the same mark belong together whatever the rules say: members of an incident.
    pub(super) marks: Vec<String>,
}

/// For each point the group it is in: the position of the group's first point.
pub(super) fn groups(points: &[Point<'_>]) -> Vec<usize> {
    let mut parts = Parts((0..points.len()).collect());
    let mut symptoms: Vec<Symptom> = points.iter().map(|it| Symptom::of(it.anomaly)).collect();
    if symptoms.iter().collect::<HashSet<_>>().len() > MOST_SYMPTOMS {
        symptoms.iter_mut().for_each(Symptom::keep_strongest);
    }
    connect_marks(points, &mut parts);
    connect_runs(points, &symptoms, &mut parts);
    connect_alike(points, &symptoms, &mut parts);
    (0..points.len()).map(|at| parts.of(at)).collect()
}

fn connect_marks(points: &[Point<'_>], parts: &mut Parts) {
    let mut marked: HashMap<(&Option<String>, &str), usize> = HashMap::new();
    for (at, point) in points.iter().enumerate() {
        for mark in &point.marks {
            let first = *marked.entry((&point.place.environment, mark)).or_insert(at);
            parts.unite(first, at);
        }
    }
}

/// Connects what shares a host, a role, a zone or a symptom and follows closely.
fn connect_runs(points: &[Point<'_>], symptoms: &[Symptom], parts: &mut Parts) {
    #[derive(PartialEq, Eq, Hash)]
    enum Shared<'a> {
        Host(&'a str),
        Role(&'a str),
        Zone(&'a str),
        Symptom(&'a Symptom),
    }
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by_key(|at| points[*at].anomaly.start);
    let mut last: HashMap<(Option<&str>, Shared<'_>), usize> = HashMap::new();
    for at in order {
        let Point { anomaly, place, .. } = &points[at];
        let shared = [
            Some(Shared::Host(&anomaly.host)),
            place.role.as_deref().map(Shared::Role),
            place.zone.as_deref().map(Shared::Zone),
            (!anomaly.metrics.is_empty()).then_some(Shared::Symptom(&symptoms[at])),
        ];
        for shared in shared.into_iter().flatten() {
            let before = last.insert((place.environment.as_deref(), shared), at);
            if let Some(before) = before
                && anomaly.start - points[before].anomaly.start <= TOGETHER_WITHIN
            {
                parts.unite(before, at);
            }
        }
    }
}

/// Connects the parts that look alike.
fn connect_alike(points: &[Point<'_>], symptoms: &[Symptom], parts: &mut Parts) {
    let mut environments: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
    for (at, point) in points.iter().enumerate() {
        environments.entry(point.place.environment.as_deref()).or_default().push(at);
    }
    for inside in environments.values() {
        let knots = knots(inside, points, symptoms, parts);
        if knots.iter().all(|knot| knot.part == knots[0].part) {
            continue;
        }
        let rows = Array2::from_shape_fn((knots.len(), 1), |(row, _)| row as f64);
        let dbscan = Dbscan::params_with(2, Between(&knots), CommonNearestNeighbour::LinearSearch);
        let Ok(dbscan) = dbscan.tolerance(EPSILON).check() else { continue };
        let mut first: HashMap<usize, usize> = HashMap::new();
        for (knot, cluster) in knots.iter().zip(dbscan.transform(&rows)) {
            if let Some(cluster) = cluster {
                let part = *first.entry(cluster).or_insert(knot.part);
                parts.unite(part, knot.part);
            }
        }
    }
}

/// Anomalies of one part with one symptom that follow closely.
struct Knot<'a> {
    part: usize,
    symptom: &'a Symptom,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
}

fn knots<'a>(
    inside: &[usize],
    points: &[Point<'_>],
    symptoms: &'a [Symptom],
    parts: &mut Parts,
) -> Vec<Knot<'a>> {
    let mut order = inside.to_vec();
    order.sort_by_key(|at| points[*at].anomaly.start);
    let mut knots: Vec<Knot<'a>> = Vec::new();
    let mut newest: HashMap<(usize, &Symptom), usize> = HashMap::new();
    for at in order {
        let (part, symptom, start) = (parts.of(at), &symptoms[at], points[at].anomaly.start);
        if let Some(knot) = newest.get(&(part, symptom)).map(|knot| &mut knots[*knot])
            && start - knot.last <= TOGETHER_WITHIN
        {
            knot.last = start;
            continue;
        }
        newest.insert((part, symptom), knots.len());
        knots.push(Knot { part, symptom, first: start, last: start });
    }
    knots
}

/// The distance between knots; a row of DBSCAN's input is the position of a knot. It is no metric
/// (likeness is not transitive), so only a linear search may use it.
#[derive(Clone, Copy)]
struct Between<'a>(&'a [Knot<'a>]);

impl<F: Float> Distance<F> for Between<'_> {
    fn distance<D: Dimension>(&self, a: ArrayView<'_, F, D>, b: ArrayView<'_, F, D>) -> F {
        let knot = |row: ArrayView<'_, F, D>| {
            let at = row.iter().next().and_then(num_usize);
            at.and_then(|at| self.0.get(at))
        };
        F::cast(match (knot(a), knot(b)) {
            (Some(a), Some(b)) => between(a, b),
            _ => FAR,
        })
    }
}

fn num_usize<F: Float>(value: &F) -> Option<usize> {
    value.to_usize()
}

fn between(a: &Knot<'_>, b: &Knot<'_>) -> f64 {
    if a.part == b.part {
        return 0.0;
    }
    let gap = (b.first - a.last).max(a.first - b.last).num_milliseconds().max(0) as f64;
    let limit = TOGETHER_WITHIN.num_milliseconds() as f64;
    if gap <= limit && a.symptom.cosine(b.symptom) > ALIKE { gap / limit } else { FAR }
}

/// Sets that only ever grow together: each element points towards the first of its set.
struct Parts(Vec<usize>);

impl Parts {
    fn of(&mut self, mut at: usize) -> usize {
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    fn unite(&mut self, a: usize, b: usize) {
        let (a, b) = (self.of(a), self.of(b));
        let (first, other) = (a.min(b), a.max(b));
        self.0[other] = first;
    }
}
