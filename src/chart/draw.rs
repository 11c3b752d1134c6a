//! Where everything goes on the picture.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Backdrop, Chart, ChartError, Line, MAX_LINES, backdrop,
    canvas::{Area, BOTTOM, Canvas, Colour, Place, RIGHT},
    legend, lines,
    text::Face,
    thresholds, time_axis,
    value_axis::ValueAxis,
};

pub(super) const BACKGROUND: Colour = (255, 255, 255);
pub(super) const INK: Colour = (26, 26, 26);
pub(super) const SOFT_INK: Colour = (85, 85, 85);
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
pub(super) const LABEL: Face = Face { size: 26.0, bold: false };
pub(super) const STRONG: Face = Face { size: 26.0, bold: true };
const EMPTY: Face = Face { size: 48.0, bold: false };

pub(super) const MARGIN: i32 = 20;
const TITLE_BASE: i32 = 38;
pub(super) const STRETCH_BASE: i32 = 72;
const PLOT_TOP: i32 = 96;

/// The lines that are drawn, ready to be drawn.
pub(super) struct Drawn<'a> {
    pub line: &'a Line,
    pub pieces: Vec<Vec<(DateTime<Utc>, f64)>>,
    pub colour: Colour,
}

pub(super) fn picture(chart: &Chart, behind: &Backdrop) -> Result<Canvas, ChartError> {
    let mut canvas = Canvas::new(BACKGROUND);
    let from = chart.from.min(chart.to);
    let to = chart.to.max(from + TimeDelta::seconds(1));
    let drawn: Vec<_> = chart
        .lines
        .iter()
        .zip(PALETTE)
        .map(|(line, colour)| Drawn { line, pieces: lines::pieces(&line.points, from, to), colour })
        .collect();

    let title = TITLE.fit(&chart.title, RIGHT - 2 * MARGIN)?;
    canvas.write(&title, (MARGIN, TITLE_BASE), TITLE, INK)?;
    let mut stretch = time_axis::stretch(from, to, chart.zone);
    if chart.lines.len() > MAX_LINES {
        let more = chart.lines.len() - MAX_LINES;
        let _ = write!(stretch, " · first {MAX_LINES}, +{more} more");
    }
    stretch.push_str(&backdrop::legend(behind));
    canvas.write(&stretch, (MARGIN, STRETCH_BASE), LABEL, SOFT_INK)?;
    let stretch_end = MARGIN + LABEL.width(&stretch)?;

    let values = drawn.iter().flat_map(|d| d.pieces.iter().flatten()).map(|(_, value)| *value);
    if values.clone().next().is_none() {
        return no_data(canvas);
    }
    let values = values.chain(backdrop::values(behind));
    let axis = ValueAxis::new(values, chart.thresholds.iter().map(|t| t.value), chart.unit);
    let legend_top = legend::write(&mut canvas, chart, &drawn)?;
    let plot = frame(&mut canvas, &axis, legend_top - 50)?;
    time_marks(&mut canvas, chart, plot, (from, to))?;
    backdrop::behind(&mut canvas, behind, &axis, plot, (from, to));
    paths(&mut canvas, &drawn, &axis, plot, (from, to));
    backdrop::marks(&mut canvas, behind, &axis, plot, (from, to));
    thresholds::mark(&mut canvas, chart, &axis, plot, stretch_end)?;
    Ok(canvas)
}

fn no_data(mut canvas: Canvas) -> Result<Canvas, ChartError> {
    let area = Area { left: MARGIN, top: PLOT_TOP, right: RIGHT - MARGIN, bottom: BOTTOM - MARGIN };
    canvas.fill(area, (246, 246, 246), 255);
    let text = "no data";
    let left = (RIGHT - EMPTY.width(text)?) / 2;
    canvas.write(text, (left, PLOT_TOP.midpoint(BOTTOM)), EMPTY, SOFT_INK)?;
    Ok(canvas)
}

/// The value axis with its grid. Returns the area for the lines.
fn frame(canvas: &mut Canvas, axis: &ValueAxis, bottom: i32) -> Result<Area, ChartError> {
    let widths = axis.ticks.iter().map(|(_, label)| LABEL.width(label));
    let widest = widths.collect::<Result<Vec<_>, _>>()?.into_iter().max().unwrap_or(0);
    let plot = Area { left: MARGIN + widest + 14, top: PLOT_TOP, right: RIGHT - MARGIN, bottom };
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
        let left = (x - width / 2).min(RIGHT - 4 - width).max(4);
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
            let path: Vec<Place> =
                piece.iter().map(|point| place(*point, axis, plot, stretch)).collect();
            let path = lines::thin(&path);
            if drawn.len() == 1 {
                canvas.shade(&path, d.colour, 34, plot);
            }
            canvas.stroke(&path, LINE_WIDTH, d.colour, room);
        }
    }
}

/// Where a value at a moment is.
pub(super) fn place(
    (at, value): (DateTime<Utc>, f64),
    axis: &ValueAxis,
    plot: Area,
    stretch: (DateTime<Utc>, DateTime<Utc>),
) -> Place {
    let share = axis.share(value).clamp(-1.0, 2.0);
    let y = f64::from(plot.bottom) - share * plot.height();
    (column(plot, at, stretch), y as f32)
}

pub(super) fn row(plot: Area, share: f64) -> i32 {
    (f64::from(plot.bottom) - share * plot.height()).round() as i32
}

fn column(plot: Area, at: DateTime<Utc>, (from, to): (DateTime<Utc>, DateTime<Utc>)) -> f32 {
    let share = (at - from).as_seconds_f64() / (to - from).as_seconds_f64();
    (f64::from(plot.left) + share * plot.width()) as f32
}
