//! From samples to paths: sorted, broken at gaps, and no denser than the pixels.

use chrono::{DateTime, Utc};

use super::canvas::Place;

type Point = (DateTime<Utc>, f64);

/// A step this many times the usual one is a gap.
const GAP: f64 = 2.5;

/// The unbroken pieces of a line inside the stretch, each oldest first and without any value that
/// is not finite.
pub(super) fn pieces(points: &[Point], from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<Vec<Point>> {
    let mut sorted: Vec<Point> = points
        .iter()
        .copied()
        .filter(|(at, value)| from <= *at && *at <= to && !value.is_infinite())
        .collect();
    sorted.sort_by_key(|(at, _)| *at);
    sorted.dedup_by_key(|(at, _)| *at);
    let mut steps: Vec<_> = sorted.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    steps.sort();
    let usual = steps.get(steps.len() / 2).map_or(0.0, |step| step.as_seconds_f64());

    let mut pieces: Vec<Vec<Point>> = Vec::new();
    let mut before: Option<Point> = None;
    for point in sorted {
        let joined = before.is_some_and(|(at, value)| {
            !value.is_nan() && (point.0 - at).as_seconds_f64() <= GAP * usual
        });
        before = Some(point);
        if point.1.is_nan() {
            continue;
        }
        match pieces.last_mut() {
            Some(piece) if joined => piece.push(point),
            _ => pieces.push(vec![point]),
        }
    }
    pieces
}

/// The same path with at most four places for each column of pixels: first, lowest, highest and
/// last, so that no peak is lost.
pub(super) fn thin(path: &[Place]) -> Vec<Place> {
    let mut thinned = Vec::with_capacity(path.len().min(4096));
    for column in path.chunk_by(|a, b| a.0.floor().total_cmp(&b.0.floor()).is_eq()) {
        if column.len() <= 4 {
            thinned.extend_from_slice(column);
            continue;
        }
        let low = (0..column.len()).min_by(|a, b| column[*a].1.total_cmp(&column[*b].1));
        let high = (0..column.len()).max_by(|a, b| column[*a].1.total_cmp(&column[*b].1));
        let mut kept = [0, low.unwrap_or(0), high.unwrap_or(0), column.len() - 1];
        kept.sort_unstable();
        thinned.extend(kept.map(|i| column[i]));
    }
    thinned
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn minute(i: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(i)
    }

    fn lengths(points: &[(i64, f64)]) -> Vec<usize> {
        let points: Vec<_> = points.iter().map(|(at, value)| (minute(*at), *value)).collect();
        pieces(&points, minute(0), minute(100)).iter().map(Vec::len).collect()
    }

    #[test]
    fn a_line_breaks_where_steps_are_missing_or_not_numbers() {
        assert_eq!(lengths(&[(0, 1.0), (1, 1.0), (2, 1.0), (4, 1.0)]), [4]);
        assert_eq!(lengths(&[(0, 1.0), (1, 1.0), (2, 1.0), (5, 1.0)]), [3, 1]);
        assert_eq!(lengths(&[(0, 1.0), (1, f64::NAN), (2, 1.0), (3, 1.0)]), [1, 2]);
        assert_eq!(lengths(&[(0, 1.0), (1, f64::INFINITY), (2, 1.0), (3, 1.0)]), [3]);
    }

    #[test]
    fn points_may_come_in_any_order_twice_or_from_outside() {
        assert_eq!(lengths(&[(3, 1.0), (2, 1.0), (2, 5.0), (1, 1.0), (-5, 1.0), (999, 1.0)]), [3]);
        assert_eq!(lengths(&[]), [0; 0]);
    }

    #[test]
    fn thinning_keeps_the_peak() {
        let mut path: Vec<Place> = (0..1000).map(|i| (i as f32 / 100.0, 50.0)).collect();
        path[555].1 = 3.0;
        let thinned = thin(&path);
        assert!(thinned.len() <= 40 && thinned.contains(&path[555]));
    }
}
