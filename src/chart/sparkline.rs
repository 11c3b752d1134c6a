//! A row of block characters: the shape of a line where there is no room for a picture.

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// A column shows its most unusual point, not its mean, when that is so many standard deviations
/// away from all others: a peak of one sample must not drown.
const PEAK_DEVIATIONS: f64 = 2.0;

/// At most `width` blocks, lowest value lowest. Gaps (NaN, infinities) are spaces, a constant
/// series is drawn half high.
pub fn sparkline(points: &[f64], width: usize) -> String {
    let finite = || points.iter().copied().filter(|p| p.is_finite());
    let low = finite().fold(f64::INFINITY, f64::min);
    let high = finite().fold(f64::NEG_INFINITY, f64::max);
    // Halves, because the difference of two finite numbers may be infinite.
    let height = |point: f64| match high / 2.0 - low / 2.0 {
        range if range > 0.0 => (point / 2.0 - low / 2.0) / range,
        _ => 0.5,
    };
    let count = finite().count() as f64;
    let mean = finite().map(height).sum::<f64>() / count;
    let deviation = (finite().map(|p| (height(p) - mean).powi(2)).sum::<f64>() / count).sqrt();

    let columns = width.min(points.len());
    let mut line = String::with_capacity(columns * 3);
    for column in 0..columns {
        let bucket =
            &points[column * points.len() / columns..(column + 1) * points.len() / columns];
        let heights = || bucket.iter().filter(|p| p.is_finite()).map(|p| height(*p));
        let farthest = heights().max_by(|a, b| (a - mean).abs().total_cmp(&(b - mean).abs()));
        line.push(match farthest {
            None => ' ',
            Some(peak) if (peak - mean).abs() > PEAK_DEVIATIONS * deviation => block(peak),
            Some(_) => block(heights().sum::<f64>() / heights().count() as f64),
        });
    }
    line
}

fn block(height: f64) -> char {
    BLOCKS[((height * BLOCKS.len() as f64) as usize).min(BLOCKS.len() - 1)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_ramp_climbs_all_blocks() {
        let ramp: Vec<f64> = (0..8).map(f64::from).collect();
        assert_eq!(sparkline(&ramp, 8), "▁▂▃▄▅▆▇█");
        let long: Vec<f64> = (0..800).map(f64::from).collect();
        assert_eq!(sparkline(&long, 8), "▁▂▃▄▅▆▇█");
    }

    #[test]
    fn gaps_are_spaces_and_a_constant_is_half_high() {
        assert_eq!(sparkline(&[5.0, f64::NAN, 5.0, f64::INFINITY], 10), "▅ ▅ ");
        assert_eq!(sparkline(&[], 10), "");
        assert_eq!(sparkline(&[1.0], 0), "");
        assert_eq!(sparkline(&[-f64::MAX, f64::MAX], 5), "▁█");
    }

    #[test]
    fn a_peak_of_one_sample_stays_visible() {
        let mut points = vec![10.0; 1000];
        points[503] = 90.0;
        assert_eq!(sparkline(&points, 10), "▁▁▁▁▁█▁▁▁▁");
    }

    proptest! {
        #[test]
        fn any_points_give_at_most_width_blocks(
            points in proptest::collection::vec(any::<f64>(), 0..200), width in 0..80_usize,
        ) {
            let line = sparkline(&points, width);
            prop_assert_eq!(line.chars().count(), width.min(points.len()));
            prop_assert!(line.chars().all(|c| c == ' ' || BLOCKS.contains(&c)));
        }
    }
}
