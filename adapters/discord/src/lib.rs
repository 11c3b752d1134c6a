//! Discord as a chat platform.
//!
//! What the core says is a [`chat::Card`]; [`message`] makes a Discord message of it: the title as its content,
//! which notifications show, the rest as embeds. Whatever Discord would read as Markdown is escaped.
//!
//! What Discord says comes through the gateway, a connection that the bot opens. A message, a slash command or
//! a pressed button becomes a [`chat::Inbound`], or is left alone for a reason that has a name ([`events`]). A
//! session is resumed after every interruption, also after a restart, from the last event that is recorded.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::allow_attributes,
        reason = "tests fail by panicking"
    )
)]

mod commands;
mod discord;
mod doctor;
pub mod events;
mod gateway;
mod hear;
mod interactions;
mod known;
mod limits;
mod markup;
mod message;
mod protocol;
mod refusals;
mod rest;
mod session;
mod speak;
mod transport;

pub use discord::{Discord, Reload, Settings};
pub use message::{MAX_TEXT, message};
