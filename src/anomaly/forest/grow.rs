//! Growing one tree from a sample of rows.

use super::{
    MOST_DIMENSIONS,
    random::Random,
    tree::{Cut, Place, Tree},
};

/// What trees are grown from: rows of `dimensions` values, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f32],
    pub(super) dimensions: usize,
}

impl Rows<'_> {
    /// How many there are.
    pub(super) fn len(self) -> usize {
        self.values.len().checked_div(self.dimensions).unwrap_or(0)
    }
}

/// Grows trees from the same rows, one after the other.
pub(super) struct Grower<'a> {
    rows: Rows<'a>,
    random: Random,
    /// Every row, the last sample first.
    order: Vec<usize>,
    /// The metrics that can be chosen, in any order.
    metrics: Vec<u8>,
    /// One metric of the rows at one place: the row and its value.
    column: Vec<(usize, f32)>,
}

impl<'a> Grower<'a> {
    pub(super) fn new(rows: Rows<'a>, seed: u64) -> Self {
        Self {
            rows,
            random: Random::new(seed),
            order: (0..rows.len()).collect(),
            metrics: (0..rows.dimensions.min(MOST_DIMENSIONS)).map(|metric| metric as u8).collect(),
            column: Vec::new(),
        }
    }

    /// A tree of `sample` rows, drawn without putting any back.
    pub(super) fn tree(&mut self, sample: u16) -> Tree {
        let mut order = std::mem::take(&mut self.order);
        let size = usize::from(sample).min(order.len());
        for drawn in 0..size {
            let other = drawn + self.random.below(order.len() - drawn);
            order.swap(drawn, other);
        }
        // The limit of the paper: what is deeper is as normal as can be.
        let levels = size.next_power_of_two().trailing_zeros();
        let mut tree = Tree::new(size as u16);
        let top = tree.top();
        self.grow(&mut tree, top, &mut order[..size], levels);
        self.order = order;
        tree
    }

    /// Grows what is at this place and below; the mean length of the paths there.
    fn grow(&mut self, tree: &mut Tree, place: Place, rows: &mut [usize], levels: u32) -> f32 {
        let choice = if place.level < levels && rows.len() > 1 { self.choose(rows) } else { None };
        let Some((metric, threshold)) = choice else { return tree.end(place) };
        let lower = self.divide(rows, threshold);
        let cut = Cut { metric, threshold, below: place.below(lower as u16) };
        let (first, second) = rows.split_at_mut(lower);
        let means = [
            self.grow(tree, cut.below[0], first, levels),
            self.grow(tree, cut.below[1], second, levels),
        ];
        tree.split(place, cut, means)
    }

    /// A metric that differs between these rows, each equally likely, and a threshold between its
    /// least and its highest finite value; its values are in `column` then.
    fn choose(&mut self, rows: &[usize]) -> Option<(u8, f32)> {
        for tried in 0..self.metrics.len() {
            let other = tried + self.random.below(self.metrics.len() - tried);
            self.metrics.swap(tried, other);
            let metric = self.metrics[tried];
            let Rows { values, dimensions } = self.rows;
            let value = |row: &usize| (*row, values[*row * dimensions + usize::from(metric)]);
            self.column.clear();
            self.column.extend(rows.iter().map(value));
            let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
            for (_, value) in self.column.iter().filter(|(_, value)| value.is_finite()) {
                (low, high) = (low.min(*value), high.max(*value));
            }
            if low < high {
                return Some((metric, between(low, high, self.random.unit())));
            }
        }
        None
    }

    /// Puts the rows of `column` that are at most the threshold first, and says how many they are.
    ///
    /// A row whose value is missing goes to either side as the others do, by chance: so a missing
    /// value isolates nothing, and the two sides keep their proportion.
    fn divide(&mut self, rows: &mut [usize], threshold: f32) -> usize {
        let known = self.column.iter().filter(|(_, value)| !value.is_nan()).count();
        let below = self.column.iter().filter(|(_, value)| *value <= threshold).count();
        let (mut lower, mut upper) = (0, rows.len());
        for (row, value) in &self.column {
            let first =
                if value.is_nan() { self.random.below(known) < below } else { *value <= threshold };
            if first {
                rows[lower] = *row;
                lower += 1;
            } else {
                upper -= 1;
                rows[upper] = *row;
            }
        }
        lower
    }
}

/// The threshold at this share of the way: at least `low` and below `high`, so that both sides get a
/// row, however near the two are.
fn between(low: f32, high: f32, share: f64) -> f32 {
    let (low_wide, high_wide) = (f64::from(low), f64::from(high));
    let threshold = (low_wide + share * (high_wide - low_wide)) as f32;
    threshold.min(high.next_down()).max(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_leaves_a_row_on_both_sides() {
        for (low, high) in
            [(0.0, 1.0), (1.0, 1.0_f32.next_up()), (f32::MIN, f32::MAX), (0.0, 1e-45)]
        {
            for share in [0.0, 0.3, 0.5, 0.999_999_999_999] {
                let threshold = between(low, high, share);
                assert!(low <= threshold && threshold < high, "{low} {high} {share}");
            }
        }
        assert!((between(2.0, 4.0, 0.25) - 2.5).abs() < 1e-6);
    }
}
