//! How far a long command is, for people at a terminal.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over so many steps on standard error; invisible where that is no terminal.
pub(super) fn steps(count: u64) -> ProgressBar {
    bar(count, "{bar:40} {percent:>3} %, {eta} left")
}

/// The same over bytes that are read.
#[expect(dead_code, reason = "for commands that read large files")]
pub(super) fn bytes(count: u64) -> ProgressBar {
    bar(count, "{bar:40} {bytes} of {total_bytes}, {eta} left")
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
