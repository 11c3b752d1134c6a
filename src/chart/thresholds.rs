//! Values that matter, as dashed lines with names.

use chat::Tone;

use super::{
    Chart, ChartError, Threshold,
    canvas::{Area, Canvas, Colour, RIGHT},
    draw::{BACKGROUND, MARGIN, SOFT_INK, STRETCH_BASE, STRONG, row},
    value_axis::ValueAxis,
};
use crate::format;

/// A name and its line need this much height.
const ROOM: i32 = 34;
const LONGEST_NAME: i32 = 400;
const PLACES_EVERY: usize = 24;

/// Draws those on the axis, and names those above it beside the stretch, which ends at `free_from`.
pub(super) fn mark(
    canvas: &mut Canvas,
    chart: &Chart,
    axis: &ValueAxis,
    plot: Area,
    free_from: i32,
) -> Result<(), ChartError> {
    let (mut inside, above): (Vec<_>, Vec<_>) = chart
        .thresholds
        .iter()
        .filter(|t| t.value.is_finite() && axis.share(t.value) >= 0.0)
        .partition(|t| axis.share(t.value) <= 1.0);
    inside.sort_by(|a, b| b.value.total_cmp(&a.value));
    for threshold in &inside {
        dash(canvas, row(plot, axis.share(threshold.value)), plot, tone_colour(threshold.tone));
    }
    let mut line_above = plot.top - ROOM / 2;
    for threshold in inside {
        let y = row(plot, axis.share(threshold.value));
        // A name stands on its line, or hangs from it where there is no room above.
        let baseline = if y - line_above < ROOM { y + 26 } else { y - 8 };
        line_above = y;
        name(canvas, threshold, chart, baseline, plot)?;
    }
    name_above(canvas, &above, chart, free_from)
}

fn dash(canvas: &mut Canvas, y: i32, plot: Area, colour: Colour) {
    const DASH: i32 = 14;
    for left in (plot.left..plot.right).step_by(2 * DASH as usize) {
        let right = (left + DASH).min(plot.right);
        canvas.fill(Area { left, right, top: y - 1, bottom: y + 2 }, colour, 255);
    }
}

fn name(
    canvas: &mut Canvas,
    threshold: &Threshold,
    chart: &Chart,
    baseline: i32,
    plot: Area,
) -> Result<(), ChartError> {
    let text = format!("{} {}", threshold.label, format::value(threshold.value, chart.unit));
    let text = STRONG.fit(&text, LONGEST_NAME)?;
    let width = STRONG.width(&text)?;
    let area = |left: i32| Area {
        left: left - 4,
        top: baseline - 21,
        right: left + width + 4,
        bottom: baseline + 6,
    };
    // Where it hides least of the lines and of the other names.
    let left = (plot.left + 10..=plot.right - width - 10)
        .step_by(PLACES_EVERY)
        .min_by_key(|left| canvas.inked(area(*left)))
        .unwrap_or(plot.left + 10);
    canvas.fill(area(left), BACKGROUND, 170);
    canvas.write(&text, (left, baseline), STRONG, tone_colour(threshold.tone))
}

/// Names the thresholds far above all values beside the stretch, from the right on, while there is
/// room: drawing them would press the lines flat.
fn name_above(
    canvas: &mut Canvas,
    thresholds: &[&Threshold],
    chart: &Chart,
    free_from: i32,
) -> Result<(), ChartError> {
    const GAP: i32 = 28;
    let mut right = RIGHT - MARGIN;
    let mut highest_first = thresholds.to_vec();
    highest_first.sort_by(|a, b| b.value.total_cmp(&a.value));
    for threshold in highest_first {
        let value = format::value(threshold.value, chart.unit);
        let text = STRONG.fit(&format!("{} {value} ↑", threshold.label), LONGEST_NAME)?;
        let left = right - STRONG.width(&text)?;
        if left < free_from + GAP {
            break;
        }
        canvas.write(&text, (left, STRETCH_BASE), STRONG, tone_colour(threshold.tone))?;
        right = left - GAP;
    }
    Ok(())
}

fn tone_colour(tone: Tone) -> Colour {
    match tone {
        Tone::Warning => (176, 112, 0),
        Tone::Bad => (196, 0, 0),
        Tone::Good => (0, 120, 70),
        Tone::Neutral | Tone::Muted => SOFT_INK,
    }
}
