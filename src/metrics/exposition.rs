//! The text that exporters answer a scrape with: Prometheus' text format 0.0.4. Pure.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>. A line is
//! `name{label="value",…} value [milliseconds]`; in label values `\\`, `\"` and `\n` are escapes.
//! Comments, `HELP` and `TYPE` lines are passed over.

mod sample;

/// More samples than these of one page are not kept, but counted as bad.
pub const MAX_SAMPLES: usize = 200_000;
/// A longer line is bad, in bytes.
pub const LONGEST_LINE: usize = 64 << 10;
/// So many bad lines are named.
pub const EXAMPLES: usize = 10;

/// One value of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric's name.
    pub name: String,
    /// Names and values of its labels, in the order of the text.
    pub labels: Vec<(String, String)>,
    /// Its value; may be infinite or not a number.
    pub value: f64,
    /// When it is from, in milliseconds since 1970; `None` is the moment of the scrape.
    pub at: Option<i64>,
}

impl Sample {
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }
}

/// What a page says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Its samples, in order.
    pub samples: Vec<Sample>,
    /// Lines that were left out.
    pub bad: u64,
    /// The first [`EXAMPLES`] of them: the line, counted from 1, and why.
    pub examples: Vec<(u64, String)>,
}

/// Reads a page. Lines that cannot be read are counted, and do not spoil the others.
pub fn parse(text: &str) -> Page {
    let mut page = Page::default();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let read = if line.len() > LONGEST_LINE {
            Err(format!("it is longer than {LONGEST_LINE} bytes"))
        } else if page.samples.len() >= MAX_SAMPLES {
            Err(format!("the page has more than {MAX_SAMPLES} samples"))
        } else {
            sample::read(line)
        };
        match read {
            Ok(sample) => page.samples.push(sample),
            Err(reason) => {
                page.bad += 1;
                if page.examples.len() < EXAMPLES {
                    page.examples.push((index as u64 + 1, reason));
                }
            }
        }
    }
    page
}

#[cfg(test)]
mod tests;
