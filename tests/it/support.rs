//! What several stories need.

pub mod bot;
pub mod database;
#[cfg(feature = "discord")]
pub mod discord;
#[cfg(any(feature = "discord", feature = "slack"))]
pub mod double;
pub mod everywhere;
#[cfg(any(feature = "discord", feature = "matrix", feature = "slack"))]
pub mod http;
#[cfg(feature = "matrix")]
pub mod matrix;
pub mod peers;
pub mod proxy;
pub mod room;
#[cfg(any(feature = "discord", feature = "matrix", feature = "slack"))]
pub mod rooms;
pub mod scripted;
pub mod serving;
#[cfg(feature = "slack")]
pub mod slack;
