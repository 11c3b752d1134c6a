//! Lines over time as a picture for a phone, and as a row of blocks for a line of text. Pure.

mod backdrop;
mod canvas;
mod draw;
mod legend;
mod lines;
mod palette;
mod sparkline;
mod text;
mod thresholds;
mod time_axis;
mod value_axis;

pub use sparkline::sparkline;

use chat::Tone;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::metrics::Unit;

/// Width of every picture, in pixels.
pub const WIDTH: u32 = 1280;
/// Height of every picture, in pixels.
pub const HEIGHT: u32 = 500;
/// More lines than these cannot be told apart: the rest is only counted.
pub const MAX_LINES: usize = 8;

/// What to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// One line at the top, such as `CPU of web-1`.
    pub title: String,
    /// What all values are in.
    pub unit: Unit,
    /// The lines, most important first. Those after the first [`MAX_LINES`] are only counted.
    pub lines: Vec<Line>,
    /// Horizontal lines at values that matter.
    pub thresholds: Vec<Threshold>,
    /// The left edge.
    pub from: DateTime<Utc>,
    /// The right edge.
    pub to: DateTime<Utc>,
    /// Whose clock the time axis shows.
    pub zone: Tz,
}

/// One host, or one part of it, over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its name in the legend.
    pub label: String,
    /// Time and value. A value that is not a number breaks the line, an infinite one is left out.
    pub points: Vec<(DateTime<Utc>, f64)>,
}

/// A value that matters.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// What it is, such as `critical`.
    pub label: String,
    /// Where it is.
    pub value: f64,
    /// Its colour: amber for a warning, red for bad.
    pub tone: Tone,
}

/// What the lines are seen against.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Backdrop {
    /// What would be normal: time, least and most.
    pub band: Vec<(DateTime<Utc>, f64, f64)>,
    /// The same a day before, moved by a day to where it is drawn.
    pub day_before: Vec<(DateTime<Utc>, f64)>,
    /// What is unusual.
    pub marks: Vec<(DateTime<Utc>, f64)>,
    /// When something was unusual, from and to.
    pub spans: Vec<(DateTime<Utc>, DateTime<Utc>)>,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    /// The font that is part of the program cannot be read.
    #[error("the built-in font cannot be used")]
    Font,
    /// The text could not be drawn.
    #[error("a text could not be drawn: {0}")]
    Text(String),
    /// The picture could not be encoded.
    #[error("the picture could not be encoded")]
    Encode(#[from] png::EncodingError),
    /// The drawing ended before it was done.
    #[error("the drawing was cut short")]
    Interrupted,
}

/// The chart as a PNG of [`WIDTH`] × [`HEIGHT`] pixels.
pub fn png(chart: &Chart) -> Result<Vec<u8>, ChartError> {
    png_against(chart, &Backdrop::default())
}

/// The same, seen against what is normal: an expected band, the day before, and what is unusual
/// marked.
pub fn png_against(chart: &Chart, backdrop: &Backdrop) -> Result<Vec<u8>, ChartError> {
    draw::picture(chart, backdrop)?.encode()
}

#[cfg(test)]
mod tests;
