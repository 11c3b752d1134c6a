//! What could not be used, counted and named.

use std::{fmt, path::PathBuf};

/// So many bad rows are named; the rest is only counted.
pub const EXAMPLES: usize = 10;
/// More characters of a field than these are not repeated.
const LONGEST_QUOTE: usize = 40;

/// How reading went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows that were read, the bad ones included.
    pub rows: u64,
    /// Rows that were left out.
    pub bad: u64,
    /// The first [`EXAMPLES`] of them.
    pub examples: Vec<BadRow>,
}

/// A row that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Of which file.
    pub file: PathBuf,
    /// On which line it begins, counted from 1.
    pub line: u64,
    /// Why.
    pub reason: String,
}

impl Report {
    /// Counts one more row that is left out.
    pub(crate) fn refuse(&mut self, bad: impl FnOnce() -> BadRow) {
        self.bad += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(bad());
        }
    }
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.reason)
    }
}

/// Lines for people: how many rows are bad, and which ones; empty when none is.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bad == 0 {
            return Ok(());
        }
        write!(f, "{} of {} rows were left out:", self.bad, self.rows)?;
        for example in &self.examples {
            write!(f, "\n  {example}")?;
        }
        let rest = self.bad - self.examples.len() as u64;
        if rest > 0 {
            write!(f, "\n  … and {rest} more")?;
        }
        Ok(())
    }
}

/// A field as it may be repeated in a sentence: short, and without control characters.
pub(crate) fn quote(field: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(field)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST_QUOTE)
        .collect();
    format!("`{text}`")
}
