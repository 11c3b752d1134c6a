//! How far a long command is, for people at a terminal.

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over so many steps on standard error; invisible where that is no terminal.
pub(super) fn steps(count: u64) -> ProgressBar {
    bar(count, "{bar:40} {percent:>3} %, {eta} left")
}

/// The same over bytes that are read.
pub(super) fn bytes(count: u64) -> ProgressBar {
    bar(count, "{bar:40} {bytes} of {total_bytes}, {eta} left")
}

/// The size of all of these files together, in bytes; one that cannot be read has none.
pub(super) fn size_of(files: &[PathBuf]) -> u64 {
    files.iter().filter_map(|file| file.metadata().ok()).map(|it| it.len()).sum()
}

fn bar(count: u64, template: &str) -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(count), target).with_style(style)
}
