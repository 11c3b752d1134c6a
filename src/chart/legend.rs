//! The names of the lines and their newest values.

use super::{
    Chart, ChartError,
    canvas::{Area, BOTTOM, Canvas, RIGHT},
    draw::{Drawn, INK, LABEL, MARGIN, STRONG},
};
use crate::format;

const ROW: i32 = 34;
const MOST_COLUMNS: i32 = 4;

/// The names of the lines with their newest values, at the bottom. Returns where it begins.
pub(super) fn write(
    canvas: &mut Canvas,
    chart: &Chart,
    drawn: &[Drawn<'_>],
) -> Result<i32, ChartError> {
    let entries = drawn.iter().fold(0, |count, _| count + 1);
    let columns = if entries <= 2 { entries } else { ((entries + 1) / 2).clamp(2, MOST_COLUMNS) };
    let rows = (entries + columns - 1) / columns;
    let column_width = (RIGHT - 2 * MARGIN) / columns;
    let top = BOTTOM - 8 - rows * ROW;
    let place = |i: i32| (MARGIN + i % columns * column_width, top + i / columns * ROW + 25);

    let domain = common_domain(drawn);
    for (i, d) in (0..).zip(drawn) {
        let (left, baseline) = place(i);
        let swatch = Area { left, top: baseline - 14, right: left + 22, bottom: baseline - 4 };
        canvas.fill(swatch, d.colour, 255);
        let value = summary(d, chart, drawn.len() == 1);
        let value_width = STRONG.width(&value)?;
        let name = d.line.label.strip_suffix(domain).unwrap_or(&d.line.label);
        let name = LABEL.fit(name, column_width - 32 - 12 - value_width - 24)?;
        canvas.write(&name, (left + 32, baseline), LABEL, INK)?;
        let value_left = left + 32 + LABEL.width(&name)? + 12;
        canvas.write(&value, (value_left, baseline), STRONG, INK)?;
    }
    Ok(top)
}

/// What all labels end with from a dot on, such as `.eu-west-1.example.net`: it tells none of them
/// from another and takes the room of what does.
fn common_domain<'a>(drawn: &[Drawn<'a>]) -> &'a str {
    let [first, rest @ ..] = drawn else { return "" };
    let label = first.line.label.as_str();
    let shared = |domain: &&str| rest.iter().all(|d| d.line.label.ends_with(domain));
    let mut domains = label.match_indices('.').map(|(dot, _)| &label[dot..]);
    if rest.is_empty() { "" } else { domains.find(shared).unwrap_or("") }
}

/// The newest value, with its time when it is not of the end of the picture; for a line on its own
/// also its mean and highest.
fn summary(d: &Drawn<'_>, chart: &Chart, alone: bool) -> String {
    /// Newest points this share of the width before the right edge are old.
    const OLD: i32 = 20;
    let values = || d.pieces.iter().flatten().map(|(_, value)| *value);
    let show = |value: f64| format::value(value, chart.unit);
    let Some((at, newest)) = d.pieces.iter().flatten().last() else {
        return "no data".to_owned();
    };
    let old = chart.to - at > (chart.to - chart.from) / OLD;
    let age = if old {
        format!(" at {}", format::moment(*at, chart.to, chart.zone))
    } else {
        String::new()
    };
    if !alone {
        return show(*newest) + &age;
    }
    let word = if old { "last" } else { "now" };
    let count = values().count() as f64;
    let mean: f64 = values().map(|value| value / count).sum();
    let highest = values().fold(f64::NEG_INFINITY, f64::max);
    format!("{word} {}{age} · avg {} · max {}", show(*newest), show(mean), show(highest))
}
