//! Smart CloudOps AI: a ChatOps bot for cloud operations.
//!
//! `docs/ARCHITECTURE.md` is the map. Pure: [`access`], [`anomaly`], [`bot::intent`], [`bot::cards`], [`chart`],
//! [`mod@format`]. I/O at the edges: [`store`], [`metrics`], [`incidents`], [`http`], [`serve`].
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::allow_attributes,
        reason = "tests fail by panicking"
    )
)]

pub mod access;
pub mod anomaly;
pub mod app;
pub mod bot;
pub mod chart;
pub mod cli;
pub mod clock;
pub mod config;
pub mod format;
pub mod http;
pub mod incidents;
pub mod meters;
pub mod metrics;
pub mod people;
pub mod platforms;
pub mod sampling;
pub mod serve;
pub mod store;
pub mod telemetry;
mod tls;
pub mod watch;
