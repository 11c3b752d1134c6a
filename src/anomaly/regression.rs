//! Linear models that do not follow outliers.

use serde::{Deserialize, Serialize};

use super::numbers::median;

/// A linear model of one value given others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Linear {
    weights: Vec<f32>,
    intercept: f32,
}

impl Linear {
    /// Ridge regression, reweighted by Huber's rule (1964) so that the faults in the past do not bend
    /// it. `features` holds a row of equal length for each target; `penalty` is in units of rows.
    pub(super) fn fit(features: &[f32], targets: &[f32], penalty: f64, rounds: usize) -> Self {
        let rows = targets.len();
        if rows == 0 {
            return Self { weights: Vec::new(), intercept: 0.0 };
        }
        let width = features.len() / rows;
        let (mean, inverse) = standardisation(features, width, rows);
        // The last column is the intercept.
        let columns = width + 1;
        let mut standard = vec![1.0_f32; rows * columns];
        for (row, into) in features.chunks_exact(width).zip(standard.chunks_exact_mut(columns)) {
            for ((value, into), (mean, inverse)) in
                row.iter().zip(into).zip(mean.iter().zip(&inverse))
            {
                *into = (value - mean) * inverse;
            }
        }
        let mut trust = vec![1.0_f32; rows];
        let mut solution = vec![0.0_f32; columns];
        for _ in 0..rounds {
            solution = weighted_ridge(&standard, columns, targets, &trust, penalty);
            let residuals: Vec<f32> = standard
                .chunks_exact(columns)
                .zip(targets)
                .map(|(row, target)| (target - dot(row, &solution)).abs())
                .collect();
            let deviation = median(&mut residuals.clone()) * 1.4826 + 1e-3;
            for (trust, residual) in trust.iter_mut().zip(&residuals) {
                *trust = (3.0 * deviation / residual.max(1e-9)).min(1.0);
            }
        }
        let weights: Vec<f32> = solution[..width]
            .iter()
            .zip(&inverse)
            .map(|(weight, inverse)| weight * inverse)
            .collect();
        let intercept = solution[width] - dot(&mean, &weights);
        Self { weights, intercept }
    }

    /// What the model says for these features.
    pub(super) fn predict(&self, features: &[f32]) -> f32 {
        self.intercept + dot(&self.weights, features)
    }
}

/// The inner product, in lanes that the compiler can run at once.
pub(super) fn dot(left: &[f32], right: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let (left_chunks, right_chunks) = (left.chunks_exact(8), right.chunks_exact(8));
    let rest: f32 = left_chunks
        .remainder()
        .iter()
        .zip(right_chunks.remainder())
        .map(|(left, right)| left * right)
        .sum();
    for (left, right) in left_chunks.zip(right_chunks) {
        for (lane, (left, right)) in lanes.iter_mut().zip(left.iter().zip(right)) {
            *lane += left * right;
        }
    }
    lanes.iter().sum::<f32>() + rest
}

fn standardisation(features: &[f32], width: usize, rows: usize) -> (Vec<f32>, Vec<f32>) {
    let (mut mean, mut square) = (vec![0.0_f64; width], vec![0.0_f64; width]);
    for row in features.chunks_exact(width) {
        for ((value, mean), square) in row.iter().zip(&mut mean).zip(&mut square) {
            *mean += f64::from(*value);
            *square += f64::from(*value) * f64::from(*value);
        }
    }
    let rows = rows as f64;
    let inverse = mean
        .iter()
        .zip(&square)
        .map(|(sum, square)| {
            let mean = sum / rows;
            let deviation = (square / rows - mean * mean).max(0.0).sqrt() as f32;
            1.0 / (deviation + 1e-3)
        })
        .collect();
    (mean.iter().map(|sum| (sum / rows) as f32).collect(), inverse)
}

fn weighted_ridge(
    rows: &[f32],
    columns: usize,
    targets: &[f32],
    trust: &[f32],
    penalty: f64,
) -> Vec<f32> {
    let mut gram = vec![0.0_f32; columns * columns];
    let mut right = vec![0.0_f32; columns];
    for ((row, target), trust) in rows.chunks_exact(columns).zip(targets).zip(trust) {
        for (column, value) in row.iter().enumerate() {
            let weighted = value * trust;
            right[column] += weighted * target;
            let into = &mut gram[column * columns..=column * columns + column];
            for (into, other) in into.iter_mut().zip(row) {
                *into += weighted * other;
            }
        }
    }
    let mut lower: Vec<f64> = gram.iter().map(|value| f64::from(*value)).collect();
    for column in 0..columns {
        lower[column * columns + column] += penalty;
    }
    let right: Vec<f64> = right.iter().map(|value| f64::from(*value)).collect();
    solve(&mut lower, columns, &right).into_iter().map(|value| value as f32).collect()
}

/// Solves a symmetric positive definite system by Cholesky's method; only the lower triangle is read.
fn solve(matrix: &mut [f64], size: usize, right: &[f64]) -> Vec<f64> {
    for row in 0..size {
        for column in 0..=row {
            let mut sum = matrix[row * size + column];
            for inner in 0..column {
                sum -= matrix[row * size + inner] * matrix[column * size + inner];
            }
            matrix[row * size + column] = if row == column {
                sum.max(1e-9).sqrt()
            } else {
                sum / matrix[column * size + column]
            };
        }
    }
    let mut solution = right.to_vec();
    for row in 0..size {
        let known: f64 = (0..row).map(|inner| matrix[row * size + inner] * solution[inner]).sum();
        solution[row] = (solution[row] - known) / matrix[row * size + row];
    }
    for row in (0..size).rev() {
        let known: f64 =
            (row + 1..size).map(|inner| matrix[inner * size + row] * solution[inner]).sum();
        solution[row] = (solution[row] - known) / matrix[row * size + row];
    }
    solution
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_in_spite_of_outliers() {
        let features: Vec<f32> = (0..600).map(|index| (index % 37) as f32).collect();
        let targets: Vec<f32> = features
            .iter()
            .enumerate()
            .map(|(index, x)| if index % 20 == 0 { 500.0 } else { 3.0 + 2.0 * x })
            .collect();
        let line = Linear::fit(&features, &targets, 1e-3, 8);
        for x in [0.0, 10.0, 36.0] {
            let y = line.predict(&[x]);
            assert!((y - 3.0 - 2.0 * x).abs() < 1.0, "{x}: {y}");
        }
    }

    #[test]
    fn nothing_to_learn_from_predicts_nothing() {
        assert_eq!(Linear::fit(&[], &[], 1.0, 3).predict(&[]), 0.0);
    }
}
