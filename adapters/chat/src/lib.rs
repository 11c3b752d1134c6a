//! The chat port: the words shared by the core and every chat platform.
//!
//! The core speaks [`Card`]s and hears [`Inbound`]s; an adapter translates between them and one
//! platform. Nothing here names a platform's SDK or performs I/O.
#![cfg_attr(
    any(test, feature = "testing"),
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::allow_attributes,
        reason = "tests fail by panicking"
    )
)]

mod adapter;
mod card;
mod inbound;
mod pause;
mod text;

#[cfg(feature = "testing")]
pub mod testing;

pub use adapter::{
    ANSWER, Capabilities, ChatAdapter, ChatError, Clock, Condition, DedupeKey, Delivery, Finding,
    Inbox, NotRecorded, Reaction, Suggest, Topic,
};
pub use card::{
    Block, Button, ButtonStyle, CUT, Card, Choice, File, Image, MAX_COMMAND_BYTES, Menu, Table,
    Tone,
};
pub use inbound::{
    Assurance, Conversation, Inbound, MessageRef, Origin, ParseUserRefError, Platform, UserRef,
};
pub use pause::pause;
pub use text::{Style, cut, escape_invisible, text, tidy};
