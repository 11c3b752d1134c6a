//! What comes in: who said what, where, and how sure the platform is about it.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ANSWER;

/// A place where people talk to the bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// Slack.
    Slack,
    /// Discord.
    Discord,
    /// Matrix.
    Matrix,
    /// The bot's own web page.
    Web,
    /// The terminal.
    Console,
}

impl Platform {
    /// Every platform, in the order shown to people.
    pub const ALL: [Self; 5] = [Self::Slack, Self::Discord, Self::Matrix, Self::Web, Self::Console];

    /// The lower-case name used in identities and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Matrix => "matrix",
            Self::Web => "web",
            Self::Console => "console",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The speaker as the platform vouches for them: the platform's stable id, never a display name.
///
/// Written `PLATFORM:WORKSPACE:USER`; the user part may itself contain colons, as Matrix ids do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UserRef {
    /// The platform that vouches.
    pub platform: Platform,
    /// Slack team, Discord guild, Matrix server, or machine name for the console.
    pub workspace: String,
    /// The platform's immutable id of the person.
    pub user: String,
}

impl fmt::Display for UserRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.platform, self.workspace, self.user)
    }
}

/// Why a text is not an identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an identity: write PLATFORM:WORKSPACE:USER with a platform of slack, discord, \
     matrix, web or console, for example slack:T0123:U0456"
)]
pub struct ParseUserRefError(String);

impl FromStr for UserRef {
    type Err = ParseUserRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || ParseUserRefError(crate::escape_invisible(text).chars().take(80).collect());
        let mut parts = text.splitn(3, ':');
        let (Some(platform), Some(workspace), Some(user)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(refuse());
        };
        let platform = Platform::ALL
            .into_iter()
            .find(|candidate| candidate.as_str().eq_ignore_ascii_case(platform))
            .ok_or_else(refuse)?;
        // Ids are visible ASCII on every platform, so a look-alike character is never one.
        let plain = |part: &str| {
            !part.is_empty()
                && part.len() <= 255
                && part.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !plain(workspace) || !plain(user) {
            return Err(refuse());
        }
        Ok(Self { platform, workspace: workspace.to_owned(), user: user.to_owned() })
    }
}

/// Where to answer: a channel, and the thread inside it when there is one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Conversation {
    /// The platform it is on.
    pub platform: Platform,
    /// Slack team, Discord guild, Matrix server, or machine name for the console.
    pub workspace: String,
    /// The room.
    pub channel: String,
    /// The sub-line of talk inside the room.
    pub thread: Option<String>,
}

/// One posted message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MessageRef {
    /// Where it was posted.
    pub conversation: Conversation,
    /// The platform's id of the message.
    pub message: String,
}

/// How a text reached the bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A mention, a direct message, or a line typed at the console.
    Addressed,
    /// Said in a room where the bot listens, to nobody in particular.
    Overheard,
    /// A slash command.
    Command,
    /// A pressed button: the text is the command that the button stands for.
    Button,
}

/// What the platform proves about the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assurance {
    /// Nothing beyond the server's word, for example a Matrix device that is not cross-signed.
    Unproven,
    /// The platform authenticated the sender.
    Authenticated,
}

/// Something said to the bot. A pressed button or a reaction arrives as the command it stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inbound {
    /// The platform's id of this event: the same event delivered twice has the same id.
    pub id: String,
    /// The speaker.
    pub from: UserRef,
    /// The name people see. For showing only: rights never depend on it.
    pub display_name: String,
    /// Where it was said, and where to answer.
    pub conversation: Conversation,
    /// The message itself.
    pub message: MessageRef,
    /// What was said, with the mention of the bot removed.
    pub text: String,
    /// How it reached the bot.
    pub origin: Origin,
    /// Whether this is an edit of an earlier message. Edits may ask, but never act.
    pub edited: bool,
    /// What the platform proves about the sender.
    pub assurance: Assurance,
    /// When it was said, by the platform's clock.
    pub at: DateTime<Utc>,
}

impl Inbound {
    /// One event, one answer: the key of the answer is as unique as the event is.
    pub fn answer_key(&self) -> String {
        let Conversation { platform, workspace, .. } = &self.conversation;
        format!("{ANSWER}{platform}:{workspace}:{}", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_reads_back_as_it_is_written() {
        for text in
            ["slack:T0123:U0456", "matrix:example.org:@ana:example.org", "console:laptop:ana"]
        {
            assert_eq!(text.parse::<UserRef>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn names_look_alikes_and_halves_are_not_identities() {
        for text in [
            "ana",
            "slack:T0123",
            "irc:net:ana",
            "slack::U1",
            "slack:T1:",
            "slack:T1:аna",
            "slack:T1:a b",
        ] {
            assert!(text.parse::<UserRef>().is_err(), "{text}");
        }
    }
}
