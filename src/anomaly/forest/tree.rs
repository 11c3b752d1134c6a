//! One tree, laid out to be walked: a heap of splits eight levels deep, and the path lengths below it.
//!
//! Split `i` has the splits `2i` (at most the threshold) and `2i + 1` (above it) below it; the first
//! is 1. A branch that ends early leads on through splits that decide nothing, to path lengths that
//! are all the same, so that every walk takes the same eight steps without a jump.

use super::{
    MOST_DIMENSIONS,
    keys::{self, Keys},
    path::average_path,
};

/// The levels of splits: the limit of the paper, log2 of the sample.
pub(super) const LEVELS: u32 = 8;
/// The leaves of a full tree, which is also its splits and one.
pub(super) const LEAVES: usize = 1 << LEVELS;
/// The metric of a split that decides nothing.
pub(super) const NONE: u8 = MOST_DIMENSIONS as u8;

/// A tree.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tree {
    splits: [Split; LEAVES],
    /// The length of the path to each leaf, with what the paper expects beyond it.
    lengths: [f32; LEAVES],
    /// The mean length of the paths of the sample's rows that go through each place.
    means: [f32; LEAVES],
    /// How many rows of the sample went to the first side of each split.
    lower: [u16; LEAVES],
    /// The rows of the sample.
    rows: u16,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Split {
    /// The key of the highest value on the first side.
    threshold: u32,
    metric: u8,
}

/// One split, as it is to be read.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    pub(super) metric: u8,
    /// The highest value on the first side.
    pub(super) threshold: f32,
    /// The two places below.
    pub(super) below: [Place; 2],
}

/// A place in a tree: a split, or the end of a branch.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// The place in the heap.
    pub(super) at: usize,
    /// Its level, 0 at the top.
    pub(super) level: u32,
    /// The rows of the sample that came here.
    pub(super) rows: u16,
}

impl Place {
    /// The top of a tree grown from this many rows.
    pub(super) fn top(rows: u16) -> Self {
        Self { at: 1, level: 0, rows }
    }

    /// The two places below, when `lower` of the rows go to the first.
    pub(super) fn below(self, lower: u16) -> [Self; 2] {
        let (at, level) = (self.at * 2, self.level + 1);
        let upper = self.rows.saturating_sub(lower);
        [Self { at, level, rows: lower }, Self { at: at + 1, level, rows: upper }]
    }

    /// How long a path that ends here is expected to be: its splits, and those that the limit or
    /// equal rows kept from being made.
    pub(super) fn length(self) -> f32 {
        self.level as f32 + average_path(self.rows)
    }
}

impl Tree {
    /// A tree of one leaf with this many rows.
    pub(super) fn new(rows: u16) -> Self {
        Self {
            splits: [Split { threshold: 0, metric: NONE }; LEAVES],
            lengths: [average_path(rows); LEAVES],
            means: [average_path(rows); LEAVES],
            lower: [0; LEAVES],
            rows,
        }
    }

    /// Makes this place a split, given the mean lengths of the paths through the two places below;
    /// the mean of both.
    pub(super) fn split(&mut self, place: Place, cut: Cut, below: [f32; 2]) -> f32 {
        let [lower, upper] = cut.below.map(|below| f32::from(below.rows));
        let mean = (lower * below[0] + upper * below[1]) / (lower + upper);
        self.splits[place.at] = Split { threshold: keys::key(cut.threshold), metric: cut.metric };
        self.lower[place.at] = cut.below[0].rows;
        self.means[place.at] = mean;
        mean
    }

    /// Makes this place the end of its branch; the length of the paths that end here.
    pub(super) fn end(&mut self, place: Place) -> f32 {
        let leaves = LEAVES >> place.level;
        let first = place.at * leaves - LEAVES;
        self.lengths[first..first + leaves].fill(place.length());
        place.length()
    }

    /// Where walks start.
    pub(super) fn top(&self) -> Place {
        Place::top(self.rows)
    }

    /// The cut at this place; `None` where a branch ends.
    pub(super) fn at(&self, place: Place) -> Option<Cut> {
        let split = self.splits.get(place.at).filter(|split| split.metric != NONE)?;
        Some(Cut {
            metric: split.metric,
            threshold: keys::value(split.threshold),
            below: place.below(self.lower[place.at]),
        })
    }

    /// The mean length of the paths of the sample's rows that go through this place.
    pub(super) fn mean(&self, place: Place) -> f32 {
        if self.at(place).is_some() { self.means[place.at] } else { place.length() }
    }

    /// The metrics of its splits.
    pub(super) fn metrics(&self) -> impl Iterator<Item = u8> {
        self.splits.iter().map(|split| split.metric).filter(|metric| *metric != NONE)
    }
}

/// The lengths of the paths of some rows, each through a tree of its own, none with a missing value.
///
/// A step waits for memory far longer than it computes, so several walks that do not wait for each
/// other take hardly longer than one. A place is kept in eight bits, which no index can exceed: the
/// leading 1 that says how deep it is falls off at the last step, and what stays is the leaf.
#[inline]
pub(super) fn walk<const WALKS: usize>(
    trees: [&Tree; WALKS],
    rows: [&Keys; WALKS],
) -> [f32; WALKS] {
    let mut at = [1_u8; WALKS];
    for _ in 0..LEVELS {
        for walk in 0..WALKS {
            let split = &trees[walk].splits[usize::from(at[walk])];
            let value = rows[walk][usize::from(split.metric)];
            at[walk] = (at[walk] << 1) | u8::from(split.threshold < value);
        }
    }
    std::array::from_fn(|walk| trees[walk].lengths[usize::from(at[walk])])
}
