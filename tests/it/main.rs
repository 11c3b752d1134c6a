//! Stories told to the whole program, in one binary. One module per feature.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::allow_attributes,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests fail by panicking, and their names are their documentation"
)]

mod access;
mod architecture;
mod ask;
mod backtest;
mod bad_input;
#[cfg(all(feature = "discord", feature = "matrix", feature = "slack"))]
mod cards;
mod cli;
mod conversation;
mod crash;
mod detection;
#[cfg(feature = "discord")]
mod discord;
mod golden;
mod incidents;
mod killed;
mod locked;
#[cfg(feature = "matrix")]
mod matrix;
mod outage;
mod pages;
mod running;
mod secrets;
#[cfg(feature = "slack")]
mod slack;
mod store;
#[cfg(any(feature = "discord", feature = "matrix", feature = "slack"))]
mod story;
mod support;
#[cfg(all(feature = "discord", feature = "matrix", feature = "slack"))]
mod together;
mod watch;
