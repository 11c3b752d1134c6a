//! What a chat platform must do.

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{Card, Conversation, Inbound, MessageRef, Platform, UserRef};

/// What a platform can do. The core never asks which platform it is, only what it can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Pressable buttons.
    pub buttons: bool,
    /// Threads.
    pub threads: bool,
    /// Changing a posted message.
    pub edits: bool,
    /// Pictures and files.
    pub files: bool,
    /// Emoji on a message.
    pub reactions: bool,
    /// Messages that only one person sees.
    pub private: bool,
    /// Longest message, in characters.
    pub max_text: usize,
}

/// A sign on a message that the bot heard it, did it, or failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Heard.
    Seen,
    /// Done.
    Done,
    /// Failed.
    Failed,
}

/// The same key posted twice is one message, as far as the platform can tell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DedupeKey(pub String);

/// Why a platform did not take a message.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The platform cannot do this; the core uses [`Capabilities`] to avoid asking.
    #[error("{platform} cannot {what}")]
    Unsupported {
        /// The platform.
        platform: Platform,
        /// What was asked.
        what: &'static str,
    },
    /// Try again after this long.
    #[error("{platform} asks to wait {} s", retry_after.as_secs())]
    RateLimited {
        /// The platform.
        platform: Platform,
        /// How long.
        retry_after: std::time::Duration,
    },
    /// The connection failed; trying again may help.
    #[error("could not reach {platform}: {source}")]
    Unreachable {
        /// The platform.
        platform: Platform,
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The platform said no; trying again does not help.
    #[error("{platform} refused: {reason}")]
    Refused {
        /// The platform.
        platform: Platform,
        /// Its reason.
        reason: String,
    },
}

/// One chat platform: connects, acknowledges, translates.
#[async_trait]
pub trait ChatAdapter: Send + Sync {
    /// Which platform this is.
    fn platform(&self) -> Platform;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Connects, acknowledges, forwards; reconnects by itself; returns when `shutdown` is cancelled
    /// or, for a platform that can end, when its people left.
    async fn run(
        &self,
        inbox: mpsc::Sender<Inbound>,
        shutdown: CancellationToken,
    ) -> Result<(), ChatError>;

    /// Posts a card. Posting again with the same key must not show it twice where the platform
    /// offers a way to tell.
    async fn post(
        &self,
        to: &Conversation,
        card: &Card,
        key: &DedupeKey,
    ) -> Result<MessageRef, ChatError>;

    /// Replaces a posted card.
    async fn edit(&self, _message: &MessageRef, _card: &Card) -> Result<(), ChatError> {
        Err(self.unsupported("edit a message"))
    }

    /// Puts a sign on a message.
    async fn react(&self, _message: &MessageRef, _reaction: Reaction) -> Result<(), ChatError> {
        Err(self.unsupported("react to a message"))
    }

    /// Tells one person something that the others in the conversation do not see.
    async fn whisper(
        &self,
        _to: &UserRef,
        _conversation: &Conversation,
        _card: &Card,
    ) -> Result<(), ChatError> {
        Err(self.unsupported("send a private message"))
    }

    /// The error of something this platform cannot do.
    fn unsupported(&self, what: &'static str) -> ChatError {
        ChatError::Unsupported { platform: self.platform(), what }
    }
}
