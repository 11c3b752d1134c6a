//! A buffer of pixels with smooth lines.
//!
//! plotters' own thick lines have jagged edges and spikes at sharp turns, which is most of what a
//! CPU chart is made of. Here each pixel's share of a line is computed from its distance to it.

use super::{ChartError, HEIGHT, WIDTH, palette};

/// Red, green, blue.
pub(super) type Colour = (u8, u8, u8);

/// A place on the canvas, in pixels from the top left.
pub(super) type Place = (f32, f32);

/// A part of the canvas: left, top, right, bottom. Right and bottom are outside of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub left: i32,
    pub top: i32,
    pub right: i32,
    pub bottom: i32,
}

impl Area {
    pub(super) fn width(&self) -> f64 {
        f64::from(self.right - self.left)
    }

    pub(super) fn height(&self) -> f64 {
        f64::from(self.bottom - self.top)
    }

    fn clipped(self) -> Self {
        Self {
            left: self.left.clamp(0, WIDTH as i32),
            top: self.top.clamp(0, HEIGHT as i32),
            right: self.right.clamp(0, WIDTH as i32),
            bottom: self.bottom.clamp(0, HEIGHT as i32),
        }
    }
}

pub(super) struct Canvas {
    /// RGB, row by row.
    pub(super) pixels: Vec<u8>,
    /// How much of each pixel the line being drawn covers.
    cover: Vec<u8>,
}

impl Canvas {
    pub(super) fn new(background: Colour) -> Self {
        let size = (WIDTH * HEIGHT) as usize;
        let pixels = [background.0, background.1, background.2].repeat(size);
        Self { pixels, cover: vec![0; size] }
    }

    /// Fills a rectangle; `opacity` 255 hides what was there.
    pub(super) fn fill(&mut self, area: Area, colour: Colour, opacity: u8) {
        let area = area.clipped();
        for y in area.top..area.bottom {
            for x in area.left..area.right {
                self.blend(index(x, y), colour, opacity);
            }
        }
    }

    /// Joins the places with a line of this width, with round ends, inside `area`.
    /// A single place becomes a dot three times as wide.
    pub(super) fn stroke(&mut self, path: &[Place], width: f32, colour: Colour, area: Area) {
        let area = area.clipped();
        if let [place] = path {
            self.segment(*place, *place, width * 1.5, area);
        }
        for pair in path.windows(2) {
            self.segment(pair[0], pair[1], width / 2.0, area);
        }
        for y in area.top..area.bottom {
            for x in area.left..area.right {
                let at = index(x, y);
                let cover = std::mem::take(&mut self.cover[at]);
                if cover > 0 {
                    self.blend(at, colour, cover);
                }
            }
        }
    }

    /// Tints what is between the path and the bottom of `area`.
    pub(super) fn shade(&mut self, path: &[Place], colour: Colour, opacity: u8, area: Area) {
        for pair in path.windows(2) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            for x in (x0.round() as i32)..(x1.round() as i32) {
                let share =
                    if x1 > x0 { ((x as f32 - x0) / (x1 - x0)).clamp(0.0, 1.0) } else { 0.0 };
                let top = (y0 + (y1 - y0) * share).round() as i32;
                let column = Area { left: x, right: x + 1, top: top.max(area.top), ..area };
                self.fill(column, colour, opacity);
            }
        }
    }

    /// Adds the cover of one straight piece, walking along its longer side.
    fn segment(&mut self, a: Place, b: Place, half_width: f32, area: Area) {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let squared = dx * dx + dy * dy;
        let reach = half_width + 1.0;
        let steep = dy.abs() > dx.abs();
        let (long, cross) = if steep { (dy, dx) } else { (dx, dy) };
        // Across the walk, a slanted line is wider than it is thick.
        let spread = if squared > 0.0 { reach * squared.sqrt() / long.abs() } else { reach };
        let slope = if long == 0.0 { 0.0 } else { cross / long };
        let (start, side) = if steep { (a.1, a.0) } else { (a.0, a.1) };
        let (end, limits, side_limits) = if steep {
            (b.1, (area.top, area.bottom), (area.left, area.right))
        } else {
            (b.0, (area.left, area.right), (area.top, area.bottom))
        };
        let first = ((start.min(end) - reach).floor() as i32).max(limits.0);
        let last = ((start.max(end) + reach).ceil() as i32).min(limits.1 - 1);
        for along in first..=last {
            let near = (along as f32).clamp(start.min(end), start.max(end));
            let middle = side + (near - start) * slope;
            let low = ((middle - spread).floor() as i32).max(side_limits.0);
            let high = ((middle + spread).ceil() as i32).min(side_limits.1 - 1);
            for across in low..=high {
                let (x, y) = if steep { (across, along) } else { (along, across) };
                let (px, py) = (x as f32 - a.0, y as f32 - a.1);
                let share = if squared > 0.0 {
                    ((px * dx + py * dy) / squared).clamp(0.0, 1.0)
                } else {
                    0.0
                };
                let (ex, ey) = (px - share * dx, py - share * dy);
                let distance = (ex * ex + ey * ey).sqrt();
                let cover = ((half_width + 0.5 - distance).clamp(0.0, 1.0) * 255.0) as u8;
                let pixel = &mut self.cover[index(x, y)];
                *pixel = (*pixel).max(cover);
            }
        }
    }

    fn blend(&mut self, at: usize, colour: Colour, opacity: u8) {
        let pixel = &mut self.pixels[at * 3..at * 3 + 3];
        for (old, new) in pixel.iter_mut().zip([colour.0, colour.1, colour.2]) {
            let (old_share, new_share) = (255 - u32::from(opacity), u32::from(opacity));
            *old = ((u32::from(*old) * old_share + u32::from(new) * new_share + 127) / 255) as u8;
        }
    }

    /// The pixels as a PNG file.
    pub(super) fn encode(&self) -> Result<Vec<u8>, ChartError> {
        let indexed = palette::index(&self.pixels);
        let mut file = Vec::with_capacity(64 * 1024);
        let mut encoder = png::Encoder::new(&mut file, WIDTH, HEIGHT);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_palette(indexed.palette);
        encoder.set_compression(png::Compression::Balanced);
        // Neighbouring places in a palette have nothing to do with each other.
        encoder.set_filter(png::Filter::NoFilter);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&indexed.pixels)?;
        writer.finish()?;
        Ok(file)
    }
}

fn index(x: i32, y: i32) -> usize {
    y as usize * WIDTH as usize + x as usize
}
