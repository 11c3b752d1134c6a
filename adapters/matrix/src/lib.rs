//! Matrix as a chat platform.
//!
//! What the core says is a [`chat::Card`]; [`message`] makes a Matrix message of it. There are no buttons on Matrix:
//! every command of a card can be written, and two can be a sign on the message where the room is not encrypted.
//!
//! What people say comes from the homeserver's stream of events, from where the bot stopped listening: its place is
//! kept only once everything before it is recorded. Encryption is that of `matrix-sdk-crypto`, with a store of our
//! own; how sure it is who sent something is judged here, for each event.
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

mod account;
mod doctor;
pub mod events;
mod hear;
mod identity;
mod keys;
mod machine;
mod markup;
mod matrix;
mod message;
mod refusals;
mod rooms;
mod rows;
mod speak;
mod sync;
mod trust;
mod wire;

pub use account::Login;
pub use markup::COMMAND;
pub use matrix::{Matrix, Reload, Settings};
pub use message::{MAX_TEXT, in_thread, message, replacing};
pub use trust::Proof;
