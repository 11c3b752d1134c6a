//! Slack as a chat platform.
//!
//! What the core says is a [`chat::Card`]; [`content`] makes a Slack message of it. Nothing in a card can
//! become markup there: what people read is sent as rich text or plain text, which Slack does not parse, and
//! the one text that it does parse is escaped.
//!
//! What Slack says is heard by [`events`]: a message, a slash command or a pressed button becomes a
//! [`chat::Inbound`], or is left alone for a reason that has a name.
//!
//! [`Slack`] is the adapter: it hears through Socket Mode or through signed requests, and speaks through the
//! Web API.
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

mod blocks;
mod doctor;
pub mod events;
mod hear;
mod http;
mod markup;
mod refusals;
mod show;
mod slack;
mod socket;
mod web;

pub use blocks::{MAX_TEXT, content};
pub use slack::{Reload, Settings, Slack, Tokens};
