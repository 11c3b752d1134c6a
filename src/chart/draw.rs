//! Where everything goes on the picture.

use chat::Tone;
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Chart, ChartError, HEIGHT, Line, MAX_LINES, Threshold, WIDTH,
    canvas::{Area, Canvas, Colour, Place},
    lines,
    text::Face,
    time_axis,
    value_axis::ValueAxis,
};
use crate::format;

const BACKGROUND: Colour = (255, 255, 255);
const INK: Colour = (26, 26, 26);
const SOFT_INK: Colour = (85, 85, 85);
const GRID: Colour = (226, 226, 226);
const AXIS: Colour = (140, 140, 140);
/// The colours of Okabe and Ito, told apart by colour-blind people too. Grey stands for their
/// yellow, which cannot be seen on white; orange and vermilion, which are near the threshold
/// colours, come last.
const PALETTE: [Colour; MAX_LINES] = [
    (0, 114, 178),
    (0, 158, 115),
    (204, 121, 167),
    (0, 0, 0),
    (86, 180, 233),
    (230, 159, 0),
    (128, 128, 128),
    (213, 94, 0),
];
const LINE_WIDTH: f32 = 3.0;

const TITLE: Face = Face { size: 36.0, bold: true };
const LABEL: Face = Face { size: 26.0, bold: false };
const STRONG: Face = Face { size: 26.0, bold: true };
const EMPTY: Face = Face { size: 48.0, bold: false };

const MARGIN: i32 = 20;
const TITLE_BASE: i32 = 38;
const STRETCH_BASE: i32 = 72;
const PLOT_TOP: i32 = 96;
const LEGEND_ROW: i32 = 34;
const MOST_COLUMNS: i32 = 4;

/// The lines that are drawn, ready to be drawn.
struct Drawn<'a> {
    line: &'a Line,
    pieces: Vec<Vec<(DateTime<Utc>, f64)>>,
    colour: Colour,
}

pub(super) fn picture(chart: &Chart) -> Result<Canvas, ChartError> {
    let mut canvas = Canvas::new(BACKGROUND);
    let from = chart.from.min(chart.to);
    let to = chart.to.max(from + TimeDelta::seconds(1));
    let drawn: Vec<_> = chart
        .lines
        .iter()
        .zip(PALETTE)
        .map(|(line, colour)| Drawn { line, pieces: lines::pieces(&line.points, from, to), colour })
        .collect();

    let title = TITLE.fit(&chart.title, WIDTH as i32 - 2 * MARGIN)?;
    canvas.write(&title, (MARGIN, TITLE_BASE), TITLE, INK)?;
    let mut stretch = time_axis::stretch(from, to, chart.zone);
    if chart.lines.len() > MAX_LINES {
        stretch += &format!(" · first {MAX_LINES}, +{} more", chart.lines.len() - MAX_LINES);
    }
    canvas.write(&stretch, (MARGIN, STRETCH_BASE), LABEL, SOFT_INK)?;
    let stretch_end = MARGIN + LABEL.width(&stretch)?;

    let values = drawn.iter().flat_map(|d| d.pieces.iter().flatten()).map(|(_, value)| *value);
    if values.clone().next().is_none() {
        return no_data(canvas);
    }
    let axis = ValueAxis::new(values, chart.thresholds.iter().map(|t| t.value), chart.unit);
    let legend_top = legend(&mut canvas, chart, &drawn)?;
    let plot = frame(&mut canvas, &axis, legend_top - 50)?;
    time_marks(&mut canvas, chart, plot, (from, to))?;
    paths(&mut canvas, &drawn, &axis, plot, (from, to));
    let (inside, above): (Vec<_>, Vec<_>) = chart
        .thresholds
        .iter()
        .filter(|t| t.value.is_finite() && axis.share(t.value) >= 0.0)
        .partition(|t| axis.share(t.value) <= 1.0);
    for threshold in inside {
        mark_threshold(&mut canvas, threshold, chart, &axis, plot)?;
    }
    name_thresholds_above(&mut canvas, &above, chart, stretch_end)?;
    Ok(canvas)
}

fn no_data(mut canvas: Canvas) -> Result<Canvas, ChartError> {
    let area = Area {
        left: MARGIN,
        top: PLOT_TOP,
        right: WIDTH as i32 - MARGIN,
        bottom: HEIGHT as i32 - MARGIN,
    };
    canvas.fill(area, (246, 246, 246), 255);
    let text = "no data";
    let left = (WIDTH as i32 - EMPTY.width(text)?) / 2;
    canvas.write(text, (left, (PLOT_TOP + HEIGHT as i32) / 2), EMPTY, SOFT_INK)?;
    Ok(canvas)
}

/// The names of the lines with their newest values, at the bottom. Returns where it begins.
fn legend(canvas: &mut Canvas, chart: &Chart, drawn: &[Drawn<'_>]) -> Result<i32, ChartError> {
    let entries = drawn.len() as i32;
    let columns = if entries <= 2 { entries } else { ((entries + 1) / 2).clamp(2, MOST_COLUMNS) };
    let rows = (entries + columns - 1) / columns;
    let column_width = (WIDTH as i32 - 2 * MARGIN) / columns;
    let top = HEIGHT as i32 - 8 - rows * LEGEND_ROW;
    let place = |i: i32| (MARGIN + i % columns * column_width, top + i / columns * LEGEND_ROW + 25);

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

/// The value axis with its grid. Returns the area for the lines.
fn frame(canvas: &mut Canvas, axis: &ValueAxis, bottom: i32) -> Result<Area, ChartError> {
    let widths = axis.ticks.iter().map(|(_, label)| LABEL.width(label));
    let widest = widths.collect::<Result<Vec<_>, _>>()?.into_iter().max().unwrap_or(0);
    let plot =
        Area { left: MARGIN + widest + 14, top: PLOT_TOP, right: WIDTH as i32 - MARGIN, bottom };
    for (value, label) in &axis.ticks {
        let y = row(plot, axis.share(*value));
        canvas.fill(Area { top: y - 1, bottom: y + 1, ..plot }, GRID, 255);
        let left = plot.left - 14 - LABEL.width(label)?;
        canvas.write(label, (left, y + 8), LABEL, SOFT_INK)?;
    }
    let zero = row(plot, axis.share(0.0));
    canvas.fill(Area { top: zero - 1, bottom: zero + 1, ..plot }, AXIS, 255);
    Ok(plot)
}

fn time_marks(
    canvas: &mut Canvas,
    chart: &Chart,
    plot: Area,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> Result<(), ChartError> {
    let mut free_from = i32::MIN;
    for tick in time_axis::ticks(from, to, chart.zone) {
        let x = column(plot, tick.at, (from, to)).round() as i32;
        let mark = Area { left: x - 1, right: x + 1, bottom: plot.bottom + 8, ..plot };
        let (face, grid) = if tick.day { (STRONG, (200, 200, 200)) } else { (LABEL, GRID) };
        canvas.fill(mark, grid, 255);
        let width = face.width(&tick.label)?;
        let left = (x - width / 2).min(WIDTH as i32 - 4 - width).max(4);
        if left >= free_from {
            canvas.write(&tick.label, (left, plot.bottom + 34), face, SOFT_INK)?;
            free_from = left + width + 16;
        }
    }
    Ok(())
}

/// The lines themselves, the first one on top.
fn paths(
    canvas: &mut Canvas,
    drawn: &[Drawn<'_>],
    axis: &ValueAxis,
    plot: Area,
    stretch: (DateTime<Utc>, DateTime<Utc>),
) {
    // Lines at the very edge keep their full width.
    let room = Area { left: plot.left - 2, right: plot.right + 6, bottom: plot.bottom + 3, ..plot };
    for d in drawn.iter().rev() {
        for piece in &d.pieces {
            let path: Vec<Place> = piece
                .iter()
                .map(|(at, value)| {
                    let share = axis.share(*value).clamp(-1.0, 2.0);
                    let y = f64::from(plot.bottom) - share * plot.height();
                    (column(plot, *at, stretch), y as f32)
                })
                .collect();
            let path = lines::thin(&path);
            if drawn.len() == 1 {
                canvas.shade(&path, d.colour, 34, plot);
            }
            canvas.stroke(&path, LINE_WIDTH, d.colour, room);
        }
    }
}

/// A dashed line with its name.
fn mark_threshold(
    canvas: &mut Canvas,
    threshold: &Threshold,
    chart: &Chart,
    axis: &ValueAxis,
    plot: Area,
) -> Result<(), ChartError> {
    const DASH: i32 = 14;
    let colour = tone_colour(threshold.tone);
    let y = row(plot, axis.share(threshold.value));
    for left in (plot.left..plot.right).step_by(2 * DASH as usize) {
        let right = (left + DASH).min(plot.right);
        canvas.fill(Area { left, right, top: y - 1, bottom: y + 2 }, colour, 255);
    }
    let text = format!("{} {}", threshold.label, format::value(threshold.value, chart.unit));
    let text = STRONG.fit(&text, (plot.width() / 2.0) as i32)?;
    let left = plot.left + 10;
    // Under its line where there is no room above it.
    let baseline = if y - 30 < plot.top - 10 { y + 26 } else { y - 8 };
    let halo = Area {
        left: left - 4,
        top: baseline - 21,
        right: left + STRONG.width(&text)? + 4,
        bottom: baseline + 6,
    };
    canvas.fill(halo, BACKGROUND, 200);
    canvas.write(&text, (left, baseline), STRONG, colour)
}

/// Names the thresholds far above all values beside the stretch, from the right on, while there is
/// room: drawing them would press the lines flat.
fn name_thresholds_above(
    canvas: &mut Canvas,
    thresholds: &[&Threshold],
    chart: &Chart,
    free_from: i32,
) -> Result<(), ChartError> {
    const GAP: i32 = 28;
    let mut right = WIDTH as i32 - MARGIN;
    let mut highest_first = thresholds.to_vec();
    highest_first.sort_by(|a, b| b.value.total_cmp(&a.value));
    for threshold in highest_first {
        let value = format::value(threshold.value, chart.unit);
        let text = STRONG.fit(&format!("{} {value} ↑", threshold.label), 320)?;
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
        Tone::Neutral => SOFT_INK,
    }
}

fn row(plot: Area, share: f64) -> i32 {
    (f64::from(plot.bottom) - share * plot.height()).round() as i32
}

fn column(plot: Area, at: DateTime<Utc>, (from, to): (DateTime<Utc>, DateTime<Utc>)) -> f32 {
    let share = (at - from).as_seconds_f64() / (to - from).as_seconds_f64();
    (f64::from(plot.left) + share * plot.width()) as f32
}
