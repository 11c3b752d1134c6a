//! How long a path is expected to be, and the score that follows from its length.

use std::{array, sync::LazyLock};

use super::MOST_ROWS;

/// The expected number of random splits until one of `rows` rows is alone: c(n) of the paper.
///
/// The paper's `2 H(n − 1) − 2 (n − 1) / n` with the harmonic numbers H is `2 (H(n) − 1)`, here as
/// the exact sum, where others take `ln n + 0.5772` for H. Rows beyond [`MOST_ROWS`] count as that.
pub(super) fn average_path(rows: u16) -> f32 {
    static TABLE: LazyLock<[f32; MOST_ROWS + 1]> = LazyLock::new(|| {
        let mut sum = 0.0_f64;
        array::from_fn(|rows| {
            if rows > 1 {
                sum += 2.0 / rows as f64;
            }
            sum as f32
        })
    });
    TABLE[usize::from(rows).min(MOST_ROWS)]
}

/// The paper's score, `2^(−length / c(n))`, of a mean path length; 0.5 when there is nothing to tell
/// rows apart by.
pub(super) fn score(length: f32, rows: u16) -> f32 {
    let average = average_path(rows);
    if average > 0.0 { (-length / average).exp2() } else { 0.5 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_path_is_that_of_a_random_search_tree() {
        for (rows, expected) in [(0, 0.0), (1, 0.0), (2, 1.0), (3, 5.0 / 3.0), (256, 10.248_69)] {
            assert!((average_path(rows) - expected).abs() < 1e-4, "{rows}");
        }
        // The mean depth of a leaf when the first cut is equally likely between any two of n rows.
        let mut depth = vec![0.0, 0.0];
        for n in 2..=MOST_ROWS {
            let below: f64 =
                (1..n).map(|k| k as f64 * depth[k] + (n - k) as f64 * depth[n - k]).sum();
            depth.push(1.0 + below / (n * (n - 1)) as f64);
            assert!((f64::from(average_path(n as u16)) - depth[n]).abs() < 1e-5, "{n}");
        }
    }

    #[test]
    fn a_path_of_average_length_scores_a_half() {
        assert!((score(average_path(256), 256) - 0.5).abs() < 1e-6);
        assert!(score(1.0, 256) > 0.9);
        assert!((score(0.0, 1) - 0.5).abs() < 1e-6);
    }
}
