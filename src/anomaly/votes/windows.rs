//! The last few observations as one shape, against the shapes of the past.

use std::collections::VecDeque;

use linfa::{Dataset, traits::Fit as _};
use linfa_clustering::KMeans;
use ndarray::{Array2, ArrayView1};
use rand_xoshiro::{Xoshiro256Plus, rand_core::SeedableRng as _};
use serde::{Deserialize, Serialize};

use super::{Moment, Past};

/// Observations in a window.
const LENGTH: usize = 5;
/// Shapes that are told apart.
const SHAPES: usize = 20;
/// Windows of the past that the shapes are learned from.
const ROWS: usize = 3000;

/// Distance of the last observations to the nearest usual shape (k-means, after KMeansAD).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Windows {
    /// One shape after the other, each oldest observation first.
    shapes: Vec<f32>,
    before: VecDeque<Vec<f32>>,
}

impl Windows {
    pub(crate) fn fit(past: &Past, seed: u64) -> Self {
        let width = LENGTH * past.metrics;
        let ends: Vec<usize> = past.sample(ROWS).filter(|end| *end + 1 >= LENGTH).collect();
        let mut rows = Vec::with_capacity(ends.len() * width);
        for end in &ends {
            rows.extend_from_slice(
                &past.standard[(end + 1 - LENGTH) * past.metrics..(end + 1) * past.metrics],
            );
        }
        let shapes = Array2::from_shape_vec((ends.len(), width), rows)
            .ok()
            .filter(|rows| rows.nrows() > SHAPES)
            .and_then(|rows| {
                KMeans::params_with_rng(SHAPES, Xoshiro256Plus::seed_from_u64(seed))
                    .max_n_iterations(12)
                    .n_runs(1)
                    .tolerance(1e-3)
                    .fit(&Dataset::from(rows))
                    .ok()
            })
            .map(|model| model.centroids().iter().copied().collect())
            .unwrap_or_default();
        Self { shapes, before: VecDeque::new() }
    }

    /// Whether it is of so many metrics throughout.
    pub(crate) fn fits(&self, metrics: usize) -> bool {
        self.before.len() <= LENGTH && self.before.iter().all(|row| row.len() == metrics)
    }

    pub(crate) fn judge(&mut self, moment: &Moment) -> f32 {
        if self.before.len() == LENGTH {
            self.before.pop_front();
        }
        self.before.push_back(moment.standard.to_vec());
        let width = LENGTH * moment.standard.len();
        if self.before.len() < LENGTH || width == 0 {
            return 0.0;
        }
        let window: Vec<f32> = self.before.iter().flatten().copied().collect();
        let window = ArrayView1::from(&window[..]);
        self.shapes
            .chunks_exact(width)
            .map(|shape| {
                let difference = &window - &ArrayView1::from(shape);
                difference.dot(&difference)
            })
            .min_by(f32::total_cmp)
            .map_or(0.0, f32::sqrt)
    }

    /// After a gap the window begins anew.
    pub(crate) fn forget(&mut self) {
        self.before.clear();
    }
}
