//! What the lines are seen against: what would be normal, how it was a day before, and what is
//! unusual.

use chrono::{DateTime, Utc};

use super::{
    Backdrop,
    canvas::{Area, Canvas, Colour, Place},
    draw::place,
    lines,
    value_axis::ValueAxis,
};

type Stretch = (DateTime<Utc>, DateTime<Utc>);

const BAND: Colour = (0, 158, 115);
const BAND_OPACITY: u8 = 44;
const DAY_BEFORE: Colour = (190, 190, 190);
const DAY_BEFORE_WIDTH: f32 = 2.0;
const MARK: Colour = (196, 0, 0);
const MARK_WIDTH: f32 = 3.0;
const SPAN_OPACITY: u8 = 36;
/// A short anomaly in a long picture is still seen, in pixels.
const LEAST_SPAN: i32 = 4;

/// What the signs mean, to stand beside the stretch of time.
pub(super) fn legend(behind: &Backdrop) -> String {
    let words = [
        (!behind.band.is_empty(), "green: normal"),
        (!behind.day_before.is_empty(), "grey: a day before"),
        (!behind.marks.is_empty() || !behind.spans.is_empty(), "red: unusual"),
    ];
    words.into_iter().filter(|(there, _)| *there).flat_map(|(_, words)| [" · ", words]).collect()
}

/// The values that must have room on the axis.
pub(super) fn values(behind: &Backdrop) -> impl Iterator<Item = f64> + Clone {
    let band = behind.band.iter().flat_map(|(_, low, high)| [*low, *high]);
    let before = behind.day_before.iter().map(|(_, value)| *value);
    band.chain(before).filter(|value| value.is_finite())
}

/// What is drawn before the lines.
pub(super) fn behind(
    canvas: &mut Canvas,
    behind: &Backdrop,
    axis: &ValueAxis,
    plot: Area,
    stretch: Stretch,
) {
    for (from, to) in
        behind.spans.iter().filter(|(from, to)| *to >= stretch.0 && *from <= stretch.1)
    {
        let x = |at: &DateTime<Utc>| place((*at, 0.0), axis, plot, stretch).0.round() as i32;
        let left = x(from).max(plot.left);
        let right = x(to).max(left + LEAST_SPAN).min(plot.right);
        canvas.fill(Area { left, right, ..plot }, MARK, SPAN_OPACITY);
    }
    for pair in behind.band.windows(2) {
        let [(start, low, high), (end, next_low, next_high)] = [pair[0], pair[1]];
        let at = |moment, value| place((moment, value), axis, plot, stretch);
        let finite = [low, high, next_low, next_high].iter().all(|value| value.is_finite());
        if finite {
            let low = (at(start, low), at(end, next_low));
            let high = (at(start, high), at(end, next_high));
            between(canvas, low, high, plot);
        }
    }
    for piece in lines::pieces(&behind.day_before, stretch.0, stretch.1) {
        let path: Vec<Place> =
            piece.iter().map(|point| place(*point, axis, plot, stretch)).collect();
        canvas.stroke(&lines::thin(&path), DAY_BEFORE_WIDTH, DAY_BEFORE, plot);
    }
}

/// Tints what is between two edges, column by column.
fn between(canvas: &mut Canvas, low: (Place, Place), high: (Place, Place), plot: Area) {
    let (left, right) = (low.0.0, low.1.0);
    let first = (left.round() as i32).max(plot.left);
    let last = (right.round() as i32).min(plot.right);
    for x in first..last {
        let share = ((x as f32 - left) / (right - left)).clamp(0.0, 1.0);
        let y = |edge: (Place, Place)| (edge.0.1 + (edge.1.1 - edge.0.1) * share).round() as i32;
        let (top, bottom) = (y(high).max(plot.top), y(low).min(plot.bottom));
        // A band without any height is still seen.
        let bottom = bottom.max(top + 2).min(plot.bottom);
        canvas.fill(Area { left: x, right: x + 1, top, bottom }, BAND, BAND_OPACITY);
    }
}

/// Dots on what is unusual, on top of everything.
pub(super) fn marks(
    canvas: &mut Canvas,
    behind: &Backdrop,
    axis: &ValueAxis,
    plot: Area,
    stretch: Stretch,
) {
    let room = Area { left: plot.left - 2, right: plot.right + 6, bottom: plot.bottom + 3, ..plot };
    let inside = |at: &DateTime<Utc>| stretch.0 <= *at && *at <= stretch.1;
    for point in behind.marks.iter().filter(|(at, value)| inside(at) && value.is_finite()) {
        canvas.stroke(&[place(*point, axis, plot, stretch)], MARK_WIDTH, MARK, room);
    }
}
