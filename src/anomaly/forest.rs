//! An isolation forest: how easily a row is told apart from the others. Pure, and the same for the
//! same seed.
//!
//! Liu, Ting and Zhou, "Isolation Forest" (ICDM 2008): a tree cuts a random metric of a small sample
//! at a random value between the least and the highest there, until every row is alone or the tree
//! is `log2` of the sample deep. What is unusual is alone after few cuts. Over many trees, with the
//! mean length E of a row's path and the average length c(n) for n rows, the score is
//!
//! ```text
//! score = 2^(−E / c(n))        c(n) = 2 (H(n) − 1),  H(n) = 1 + 1/2 + … + 1/n
//! ```
//!
//! A value that is not a number is missing. It is left out when a cut is chosen, and where it would
//! decide the way of a row both ways are taken, weighted by the rows that went there when the tree
//! was grown. A row without any value so gets the score of the average row, a little below a half.
//!
//! A forest of 100 trees of 256 rows takes 460 kB of memory. It is stored without what follows from
//! its splits, usually 60 to 70 of a tree: about 50 kB in a compact binary format, 130 kB as JSON.

mod grow;
mod keys;
mod partial;
mod path;
mod random;
mod stored;
mod tree;

pub use stored::StoredError;

use serde::{Deserialize, Serialize};

use grow::{Grower, Rows};
use keys::{Keys, NO_KEYS};
use stored::Stored;
use tree::{LEAVES, Tree, walk};

/// The most metrics a forest looks at: those after them are never chosen.
pub const MOST_DIMENSIONS: usize = 255;
/// The most rows a tree is grown from, which the paper found to be enough for any number of rows.
pub const MOST_ROWS: usize = LEAVES;

/// Rows that are walked through all trees before the next ones are: with a tree they fit the
/// processor's nearest memory.
const BLOCK: usize = 32;
/// Walks at the same time.
const WALKS: usize = 8;

/// How a forest is grown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many trees; none is taken as one. More make the score steadier, and take longer.
    pub trees: usize,
    /// The rows each tree is grown from, between 2 and [`MOST_ROWS`]: what is outside counts as the
    /// nearest of them. All rows, when there are fewer.
    pub sample: usize,
    /// The same seed and the same rows make the same forest, on any machine.
    pub seed: u64,
}

impl Default for Settings {
    /// The paper's 100 trees of 256 rows, with the seed 0.
    fn default() -> Self {
        Self { trees: 100, sample: MOST_ROWS, seed: 0 }
    }
}

/// Trees that isolate rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Forest {
    dimensions: usize,
    /// The rows each tree was grown from.
    rows: u16,
    trees: Vec<Tree>,
    /// For each metric, all ones when a tree has a split of it.
    used: Vec<u32>,
}

impl Forest {
    /// Grows a forest from rows of `dimensions` values each, one row after the other. A last row that
    /// is not complete is left out.
    ///
    /// A metric that has the same value in all rows of a sample, or none, is never chosen there.
    /// Without any that can be, as without rows, every score is 0.5. When all rows are in every
    /// sample and no value is missing, their order does not matter.
    pub fn fit(rows: &[f32], dimensions: usize, settings: Settings) -> Self {
        let rows = Rows { values: rows, dimensions };
        let sample = settings.sample.clamp(2, MOST_ROWS).min(rows.len()) as u16;
        let mut grower = Grower::new(rows, settings.seed);
        let trees = (0..settings.trees.max(1)).map(|_| grower.tree(sample)).collect();
        Self::of(dimensions, sample, trees)
    }

    fn of(dimensions: usize, rows: u16, trees: Vec<Tree>) -> Self {
        let mut used = vec![0; dimensions.min(MOST_DIMENSIONS)];
        for metric in trees.iter().flat_map(Tree::metrics) {
            used[usize::from(metric)] = u32::MAX;
        }
        Self { dimensions, rows, trees, used }
    }

    /// The values of a row.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// How unusual a row is: above 0 and below 1, about 0.5 or less for most rows and near 1 for one
    /// that is alone after a cut or two. A row that is too short lacks its last values.
    pub fn score(&self, row: &[f32]) -> f32 {
        let mut keys = NO_KEYS;
        if keys::write(row, &self.used, &mut keys) {
            return self.score_partial(row);
        }
        let mut length = 0.0;
        let (groups, rest) = self.trees.as_chunks::<WALKS>();
        for trees in groups {
            for walked in walk(trees.each_ref(), [&keys; WALKS]) {
                length += walked;
            }
        }
        for tree in rest {
            length += walk([tree], [&keys])[0];
        }
        self.score_of(length)
    }

    /// The score of each row of [`Forest::dimensions`] values, one after the other: what
    /// [`Forest::score`] tells, several times as fast. A last row that is not complete is left out.
    pub fn score_all(&self, rows: &[f32]) -> Vec<f32> {
        let dimensions = self.dimensions;
        if dimensions == 0 {
            return Vec::new();
        }
        let mut scores = Vec::with_capacity(rows.len() / dimensions);
        let mut block = vec![NO_KEYS; BLOCK];
        for rows in rows.chunks(dimensions * BLOCK) {
            let rows = rows.chunks_exact(dimensions);
            let mut partial = [false; BLOCK];
            for ((row, keys), partial) in rows.clone().zip(&mut block).zip(&mut partial) {
                *partial = keys::write(row, &self.used, keys);
            }
            let lengths = self.lengths(&block, rows.len());
            for ((row, partial), length) in rows.zip(partial).zip(lengths) {
                let score = if partial { self.score_partial(row) } else { self.score_of(length) };
                scores.push(score);
            }
        }
        scores
    }

    /// How many cuts each metric saved the row, in the order of the metrics: positive for those that
    /// make it unusual, negative for those in which it is like many others.
    ///
    /// A cut sends the row to one side. How much shorter the paths of the sample's rows on that side
    /// are, on average, than those on both, is what the metric of the cut saved; the mean over all
    /// trees is told (the decomposition of Saabas, "Interpreting random forests", 2014). What is in
    /// between cancels out along a path, so the sum over all metrics is how much shorter the mean
    /// path of this row is than that of the average row, which [`Forest::typical_length`] tells. A
    /// missing value saves nothing.
    pub fn attribution(&self, row: &[f32]) -> Vec<f32> {
        let mut savings = vec![0.0; self.dimensions];
        for tree in &self.trees {
            partial::add_savings(tree, row, &mut savings);
        }
        let trees = self.trees.len() as f32;
        for saved in &mut savings {
            *saved /= trees;
        }
        savings
    }

    /// The mean length of the paths of the rows that the trees were grown from, in cuts.
    ///
    /// With the sum of an attribution, `length = typical_length − sum`, and with the average length
    /// c(n) for the n rows of a tree, `score = 2^(−length / c(n))`.
    pub fn typical_length(&self) -> f32 {
        let sum: f32 = self.trees.iter().map(|tree| tree.mean(tree.top())).sum();
        sum / self.trees.len() as f32
    }

    /// The lengths of the paths of the first `count` rows of a block, summed over all trees.
    fn lengths(&self, block: &[Keys], count: usize) -> [f32; BLOCK] {
        let mut lengths = [0.0; BLOCK];
        let groups = count.div_ceil(WALKS);
        for tree in &self.trees {
            let rows = block.as_chunks::<WALKS>().0.iter();
            let sums = lengths.as_chunks_mut::<WALKS>().0;
            for (rows, sums) in rows.zip(sums).take(groups) {
                for (sum, length) in sums.iter_mut().zip(walk([tree; WALKS], rows.each_ref())) {
                    *sum += length;
                }
            }
        }
        lengths
    }

    fn score_partial(&self, row: &[f32]) -> f32 {
        self.score_of(self.trees.iter().map(|tree| partial::length(tree, row)).sum())
    }

    fn score_of(&self, length: f32) -> f32 {
        path::score(length / self.trees.len() as f32, self.rows)
    }
}

#[cfg(test)]
mod tests;
