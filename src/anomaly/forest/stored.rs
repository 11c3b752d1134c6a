//! A forest as it is kept in a file: only the splits there are, checked when they are read.

use serde::{Deserialize, Serialize};

use super::{
    Forest, MOST_ROWS,
    tree::{Cut, LEVELS, NONE, Place, Tree},
};

/// All trees one after the other, each from its top, first the side at most the threshold.
///
/// A split takes 7 bytes and a branch's end takes 1, as a compact format writes them.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    /// The values of a row.
    dimensions: u32,
    /// The rows each tree was grown from.
    rows: u16,
    trees: u32,
    /// The metric of each split; 255 for the end of a branch.
    metrics: Vec<u8>,
    /// The highest value on the first side, of splits only.
    thresholds: Vec<f32>,
    /// The rows that went to the first side, of splits only.
    lower: Vec<u16>,
}

/// Why what was stored is not a forest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoredError {
    /// It ends in the middle of a tree.
    #[error("the forest was cut short")]
    Short,
    /// There is more than its trees.
    #[error("the forest has more splits than its trees have")]
    Long,
    /// A split that no growing makes: a metric that is none, no row on one side, a threshold that is
    /// no number, or a tree that is too deep.
    #[error("the forest has a split that cannot be")]
    Split,
}

impl From<Forest> for Stored {
    fn from(forest: Forest) -> Self {
        let mut stored = Self {
            dimensions: forest.dimensions as u32,
            rows: forest.rows,
            trees: forest.trees.len() as u32,
            metrics: Vec::new(),
            thresholds: Vec::new(),
            lower: Vec::new(),
        };
        for tree in &forest.trees {
            stored.push(tree, tree.top());
        }
        stored
    }
}

impl Stored {
    fn push(&mut self, tree: &Tree, place: Place) {
        let Some(cut) = tree.at(place) else { return self.metrics.push(NONE) };
        self.metrics.push(cut.metric);
        self.thresholds.push(cut.threshold);
        self.lower.push(cut.below[0].rows);
        for below in cut.below {
            self.push(tree, below);
        }
    }
}

impl TryFrom<Stored> for Forest {
    type Error = StoredError;

    fn try_from(stored: Stored) -> Result<Self, StoredError> {
        if usize::from(stored.rows) > MOST_ROWS || stored.trees == 0 {
            return Err(StoredError::Split);
        }
        let mut reader = Reader {
            dimensions: stored.dimensions,
            metrics: stored.metrics.into_iter(),
            splits: stored.thresholds.into_iter().zip(stored.lower),
        };
        let mut trees = Vec::new();
        for _ in 0..stored.trees {
            let mut tree = Tree::new(stored.rows);
            let top = tree.top();
            reader.read(&mut tree, top)?;
            trees.push(tree);
        }
        if reader.metrics.next().is_some() || reader.splits.next().is_some() {
            return Err(StoredError::Long);
        }
        Ok(Self::of(stored.dimensions as usize, stored.rows, trees))
    }
}

struct Reader<M, S> {
    dimensions: u32,
    metrics: M,
    splits: S,
}

impl<M: Iterator<Item = u8>, S: Iterator<Item = (f32, u16)>> Reader<M, S> {
    /// Reads what is at this place and below; the mean length of the paths there.
    fn read(&mut self, tree: &mut Tree, place: Place) -> Result<f32, StoredError> {
        let metric = self.metrics.next().ok_or(StoredError::Short)?;
        if metric == NONE {
            return Ok(tree.end(place));
        }
        let (threshold, lower) = self.splits.next().ok_or(StoredError::Short)?;
        let possible = u32::from(metric) < self.dimensions && threshold.is_finite();
        if !possible || place.level == LEVELS || lower == 0 || lower >= place.rows {
            return Err(StoredError::Split);
        }
        let cut = Cut { metric, threshold, below: place.below(lower) };
        let means = [self.read(tree, cut.below[0])?, self.read(tree, cut.below[1])?];
        Ok(tree.split(place, cut, means))
    }
}
