//! Which rows of a file belong to which part of the data. Pure.

use std::fmt;

use csv::ByteRecord;

use super::header::Layout;

/// A part of the data, as the column `split` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// To learn from.
    Train,
    /// To look at.
    Test,
}

impl Part {
    /// What the column says, in any case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a row is of another part than the one that is asked for. A row with too few or too many
/// fields is not: it is bad, and should be named.
pub(super) fn is_of_another(row: &ByteRecord, layout: &Layout, part: Option<Part>) -> bool {
    let (Some(part), Some(column)) = (part, layout.split) else { return false };
    row.len() == layout.fields
        && !row[column].trim_ascii().eq_ignore_ascii_case(part.name().as_bytes())
}
