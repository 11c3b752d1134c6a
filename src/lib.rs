//! Smart CloudOps AI: a ChatOps bot for cloud operations.
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
pub mod bot;
pub mod chart;
pub mod clock;
pub mod format;
pub mod metrics;
pub mod store;
