//! Slack as a chat platform.
//!
//! What the core says is a [`chat::Card`]; [`content`] makes a Slack message of it. Nothing in a card can
//! become markup there: what people read is sent as rich text or plain text, which Slack does not parse, and
//! the one text that it does parse is escaped.
//!
//! What Slack says is heard by [`events`]: a message, a slash command or a pressed button becomes a
//! [`chat::Inbound`], or is left alone for a reason that has a name.

mod blocks;
pub mod events;
mod markup;

pub use blocks::{MAX_TEXT, content};
