//! What a chat platform must do.

use std::{fmt, sync::Arc, time::Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot};
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

impl Capabilities {
    /// Everything, in messages of so many characters.
    pub fn all(max_text: usize) -> Self {
        Self {
            buttons: true,
            threads: true,
            edits: true,
            files: true,
            reactions: true,
            private: true,
            max_text,
        }
    }
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DedupeKey {
    /// What is the same of both.
    pub key: String,
    /// Since when an earlier attempt may have got through: worth looking for its message first.
    pub again: Option<DateTime<Utc>>,
}

/// How the key of an answer begins.
pub const ANSWER: &str = "answer:";

impl DedupeKey {
    /// The key of a first attempt.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), again: None }
    }

    /// The same for what one person sees: where that is a message, it is another one than what said in the open that
    /// an answer would come, also when both stand in one place.
    #[must_use]
    pub fn alone(&self) -> Self {
        Self { key: format!("{} alone", self.key), again: self.again }
    }

    /// The id of the event that is answered with this key, as [`Inbound::answer_key`] made it.
    pub fn answers(&self) -> Option<&str> {
        self.key.strip_prefix(ANSWER)?.splitn(3, ':').nth(2)
    }
}

/// How a platform is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// It hears and can speak.
    #[default]
    Connected,
    /// It is on its way to that.
    Connecting,
    /// It works, but not as it should: what is wrong, in one sentence.
    Degraded(String),
    /// Nothing is heard: why, in one sentence.
    Lost(String),
}

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
    /// The platform does not let the bot in: a token was revoked, it was removed from a channel. Trying
    /// again helps once somebody has let it in.
    #[error("{platform} does not let the bot in: {reason}")]
    Barred {
        /// The platform.
        platform: Platform,
        /// Its reason, and the remedy.
        reason: String,
    },
    /// The message is not there any more: somebody took it away.
    #[error("the message on {platform} is gone")]
    Gone {
        /// The platform.
        platform: Platform,
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

/// Says what time it is.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// One thing that was looked at in a set-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub what: String,
    /// What it is, or what is wrong and the remedy.
    pub result: Result<String, String>,
}

impl Finding {
    /// It is as it should be.
    pub fn good(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { what: what.into(), result: Ok(found.into()) }
    }

    /// Something is wrong with it.
    pub fn bad(what: impl Into<String>, wrong: impl Into<String>) -> Self {
        Self { what: what.into(), result: Err(wrong.into()) }
    }
}

/// What a word names that somebody is typing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Something that is measured.
    Metric,
    /// A machine.
    Host,
}

/// Knows how words go on.
#[async_trait]
pub trait Suggest: Send + Sync {
    /// What somebody may be about to write, the likeliest first, at most so many.
    async fn suggest(&self, from: &UserRef, topic: Topic, typed: &str, most: usize) -> Vec<String>;
}

/// Where an adapter puts what it heard.
#[derive(Clone)]
pub struct Inbox {
    deliveries: mpsc::Sender<Delivery>,
    suggests: Option<Arc<dyn Suggest>>,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("deliveries", &self.deliveries).finish_non_exhaustive()
    }
}

/// One event on its way from an adapter to the core.
#[derive(Debug)]
pub struct Delivery {
    /// What was heard.
    pub inbound: Inbound,
    /// When the adapter handed it over.
    pub since: Instant,
    recorded: oneshot::Sender<()>,
}

/// The core could not record an event: do not acknowledge it, so that the platform sends it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event was not recorded")]
pub struct NotRecorded;

impl Inbox {
    /// An inbox that holds at most `capacity` events which the core did not look at yet.
    pub fn bounded(capacity: usize) -> (Self, mpsc::Receiver<Delivery>) {
        let (sender, receiver) = mpsc::channel(capacity);
        (Self { deliveries: sender, suggests: None }, receiver)
    }

    /// The same with somebody who knows how words go on.
    #[must_use]
    pub fn suggesting(self, suggests: Arc<dyn Suggest>) -> Self {
        Self { suggests: Some(suggests), ..self }
    }

    /// What somebody may be about to write, the likeliest first, at most so many.
    pub async fn suggest(
        &self,
        from: &UserRef,
        topic: Topic,
        typed: &str,
        most: usize,
    ) -> Vec<String> {
        match &self.suggests {
            Some(suggests) => suggests.suggest(from, topic, typed, most).await,
            None => Vec::new(),
        }
    }

    /// Hands an event over and returns once it is recorded durably: acknowledge it then, not before.
    pub async fn deliver(&self, inbound: Inbound) -> Result<(), NotRecorded> {
        let (recorded, receipt) = oneshot::channel();
        let delivery = Delivery { inbound, since: Instant::now(), recorded };
        self.deliveries.send(delivery).await.map_err(|_| NotRecorded)?;
        receipt.await.map_err(|_| NotRecorded)
    }
}

impl Delivery {
    /// Tells the adapter that the event is recorded. Dropping the delivery instead tells it that it
    /// is not.
    pub fn recorded(self) -> Inbound {
        // An adapter that stopped waiting has nothing to acknowledge.
        let _ = self.recorded.send(());
        self.inbound
    }
}

/// One chat platform: connects, acknowledges, translates.
#[async_trait]
pub trait ChatAdapter: Send + Sync {
    /// Which platform this is.
    fn platform(&self) -> Platform;

    /// The one workspace it talks in; `None` for all workspaces of the platform. What belongs to
    /// another workspace is left to the process that serves it.
    fn workspace(&self) -> Option<&str> {
        None
    }

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Connects, acknowledges, forwards; reconnects by itself; returns when `shutdown` is cancelled
    /// or, for a platform that can end, when its people left. An error means that connecting again now
    /// cannot help; it may be run again later.
    async fn run(&self, inbox: Inbox, shutdown: CancellationToken) -> Result<(), ChatError>;

    /// How it is at this moment.
    fn condition(&self) -> Condition {
        Condition::Connected
    }

    /// Looks at its set-up as it is now, and whether it can speak in these conversations.
    async fn examine(&self, _speaks_in: &[Conversation]) -> Vec<Finding> {
        Vec::new()
    }

    /// Posts a card. Posting again with the same key must not show it twice where the platform
    /// offers a way to tell.
    async fn post(
        &self,
        to: &Conversation,
        card: &Card,
        key: &DedupeKey,
    ) -> Result<MessageRef, ChatError>;

    /// The thread under a posted message, where [`Capabilities::threads`] says that there are any.
    /// A message that is in a thread belongs to that one; threads have no threads.
    fn thread_of(&self, message: &MessageRef) -> Conversation {
        let conversation = message.conversation.clone();
        let thread = conversation.thread.clone().or_else(|| Some(message.message.clone()));
        Conversation { thread, ..conversation }
    }

    /// Replaces a posted card.
    async fn edit(&self, _message: &MessageRef, _card: &Card) -> Result<(), ChatError> {
        Err(self.unsupported("edit a message"))
    }

    /// Puts a sign on a message.
    async fn react(&self, _message: &MessageRef, _reaction: Reaction) -> Result<(), ChatError> {
        Err(self.unsupported("react to a message"))
    }

    /// Tells one person something that the others in the conversation do not see. Telling it again with the
    /// same key must not show it twice where the platform offers a way to tell.
    async fn whisper(
        &self,
        _to: &UserRef,
        _conversation: &Conversation,
        _card: &Card,
        _key: &DedupeKey,
    ) -> Result<(), ChatError> {
        Err(self.unsupported("send a private message"))
    }

    /// Takes the identity with which somebody signs their devices now for theirs, where the platform has such: an
    /// Admin says so after it was changed.
    async fn accept_identity(&self, _person: &UserRef) -> Result<(), ChatError> {
        Err(self.unsupported("have somebody's devices verified"))
    }

    /// The error of something this platform cannot do.
    fn unsupported(&self, what: &'static str) -> ChatError {
        ChatError::Unsupported { platform: self.platform(), what }
    }
}
