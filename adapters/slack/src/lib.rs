//! Slack as a chat platform.
//!
//! What the core says is a [`chat::Card`]; [`content`] makes a Slack message of it. Nothing in a card can
//! become markup there: what people read is sent as rich text or plain text, which Slack does not parse, and
//! the one text that it does parse is escaped.

mod blocks;
mod markup;

pub use blocks::{MAX_TEXT, content};
