//! Text in the font that is part of the program, so that every machine draws the same picture.

use std::sync::OnceLock;

use plotters::{
    backend::{BitMapBackend, DrawingBackend},
    style::{
        Color as _, FontDesc, FontFamily, FontStyle, IntoTextStyle as _, RGBColor, register_font,
    },
};

use super::{
    ChartError, HEIGHT, WIDTH,
    canvas::{Canvas, Colour},
};

const FAMILY: &str = "DejaVu Sans";
static REGULAR: &[u8] = include_bytes!("DejaVuSans.ttf");
static BOLD: &[u8] = include_bytes!("DejaVuSans-Bold.ttf");

/// A size and weight of text. The size is the height of a line: capitals are 0.63 of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Face {
    pub size: f64,
    pub bold: bool,
}

impl Face {
    fn font(self) -> Result<FontDesc<'static>, ChartError> {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        let registered = *REGISTERED.get_or_init(|| {
            register_font(FAMILY, FontStyle::Normal, REGULAR).is_ok()
                && register_font(FAMILY, FontStyle::Bold, BOLD).is_ok()
        });
        let style = if self.bold { FontStyle::Bold } else { FontStyle::Normal };
        registered
            .then(|| FontDesc::new(FontFamily::Name(FAMILY), self.size, style))
            .ok_or(ChartError::Font)
    }

    /// How many pixels wide the text is.
    pub(super) fn width(self, text: &str) -> Result<i32, ChartError> {
        let (width, _) =
            self.font()?.box_size(text).map_err(|e| ChartError::Text(e.to_string()))?;
        Ok(width as i32)
    }

    /// The text itself when it fits, otherwise its beginning and end around an ellipsis: hosts of
    /// one fleet often differ in their last characters.
    pub(super) fn fit(self, text: &str, max_width: i32) -> Result<String, ChartError> {
        /// More than fit on the widest picture.
        const MOST: usize = 200;
        let text = one_line(text);
        let chars: Vec<char> = text.chars().collect();
        let mut keep = chars.len();
        if keep <= MOST && self.width(&text)? <= max_width {
            return Ok(text);
        }
        keep = keep.min(MOST);
        while keep > 2 {
            keep -= 1 + keep / 40;
            let (head, tail) = (keep.div_ceil(2), keep / 2);
            let short: String =
                chars[..head].iter().chain(&['…']).chain(&chars[chars.len() - tail..]).collect();
            if self.width(&short)? <= max_width {
                return Ok(short);
            }
        }
        Ok("…".to_owned())
    }
}

/// The text without line breaks and without characters that have no shape.
fn one_line(text: &str) -> String {
    chat::escape_invisible(text).replace(['\n', '\t'], " ")
}

impl Canvas {
    /// Writes the text from `left` on, standing on `baseline`.
    pub(super) fn write(
        &mut self,
        text: &str,
        (left, baseline): (i32, i32),
        face: Face,
        colour: Colour,
    ) -> Result<(), ChartError> {
        let colour = RGBColor(colour.0, colour.1, colour.2).to_rgba();
        let style = face.font()?.into_text_style(&(WIDTH, HEIGHT)).color(&colour);
        // plotters' ab_glyph text stands half a size below the place it is given.
        let top = baseline - (face.size / 2.0) as i32;
        BitMapBackend::with_buffer(&mut self.pixels, (WIDTH, HEIGHT))
            .draw_text(text, &style, (left, top))
            .map_err(|e| ChartError::Text(e.to_string()))
    }
}
