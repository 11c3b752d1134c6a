//! Discord's errors → the port's: does it help to try again, and who can do something about it. Pure.

use std::time::Duration;

use chat::{ChatError, Platform};

/// Why Discord did not do something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// It asks to wait.
    #[error("too fast, wait {} s", .0.as_secs_f64())]
    TooFast(Duration),
    /// It could not be reached, or is not well.
    #[error("{0}")]
    Unreachable(String),
    /// It said no: <https://docs.discord.com/developers/topics/opcodes-and-status-codes#json>.
    #[error("{what}: {message} ({code})")]
    No {
        /// What was asked.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// Discord's number of the reason; 0 where it gives none.
        code: u64,
        /// Its words.
        message: String,
    },
}

/// Discord's numbers of reasons that are not the end.
pub(crate) mod code {
    pub(crate) const UNKNOWN_MESSAGE: u64 = 10_008;
    pub(crate) const UNKNOWN_CHANNEL: u64 = 10_003;
    pub(crate) const UNKNOWN_MEMBER: u64 = 10_007;
    pub(crate) const UNKNOWN_USER: u64 = 10_013;
    pub(crate) const UNKNOWN_WEBHOOK: u64 = 10_015;
    pub(crate) const UNKNOWN_INTERACTION: u64 = 10_062;
    pub(crate) const ALREADY_ACKNOWLEDGED: u64 = 40_060;
    pub(crate) const MISSING_ACCESS: u64 = 50_001;
    pub(crate) const CANNOT_MESSAGE_USER: u64 = 50_007;
    pub(crate) const MISSING_PERMISSIONS: u64 = 50_013;
    pub(crate) const INVALID_WEBHOOK_TOKEN: u64 = 50_027;
    pub(crate) const NO_REPLY_WITHOUT_HISTORY: u64 = 160_002;
    pub(crate) const THREAD_EXISTS: u64 = 160_004;
    pub(crate) const BLOCKED_ON_THE_WAY: u64 = 40_333;
}

impl Failed {
    /// Discord's number of the reason, when it said no.
    pub(crate) fn code(&self) -> Option<u64> {
        match self {
            Self::No { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether Discord said no, and would again.
    pub(crate) fn is_definite(&self) -> bool {
        matches!(self, Self::No { .. }) && !self.is_shut_out()
    }

    /// Whether the token of an interaction is of no use any more.
    pub(crate) fn is_over(&self) -> bool {
        use code::{INVALID_WEBHOOK_TOKEN, UNKNOWN_INTERACTION, UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK};
        // Or somebody took away what said that the answer would come.
        let over = [UNKNOWN_WEBHOOK, UNKNOWN_INTERACTION, INVALID_WEBHOOK_TOKEN, UNKNOWN_MESSAGE];
        self.code().is_some_and(|code| over.contains(&code))
    }

    /// Whether the bot's own token does not hold.
    pub(crate) fn is_shut_out(&self) -> bool {
        matches!(self, Self::No { status: 401, code, .. } if *code != code::INVALID_WEBHOOK_TOKEN)
    }
}

impl From<Failed> for ChatError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::TooFast(retry_after) => {
                Self::RateLimited { platform: Platform::Discord, retry_after }
            }
            Failed::Unreachable(what) => unreachable(what),
            Failed::No { status: 401, .. } if failed.is_shut_out() => barred(
                "the token does not hold: replace `discord.token` (\"Bot\", \"Reset Token\")",
            ),
            Failed::No { code: code::MISSING_ACCESS | code::UNKNOWN_CHANNEL, .. } => {
                barred(format!("{failed}: let the bot see the channel"))
            }
            Failed::No { code: code::MISSING_PERMISSIONS, .. } => {
                barred(format!("{failed}: give the bot's role the permissions of the set-up page"))
            }
            Failed::No { code: 50_083 | 160_005, .. } => {
                barred(format!("{failed}: unlock the thread"))
            }
            Failed::No { code: code::UNKNOWN_MESSAGE, .. } => {
                Self::Gone { platform: Platform::Discord }
            }
            Failed::No { .. } => refused_because(failed.to_string()),
        }
    }
}

/// The connection failed, or Discord is not well.
pub(crate) fn unreachable(what: String) -> ChatError {
    ChatError::Unreachable { platform: Platform::Discord, source: what.into() }
}

/// Discord said no.
pub(crate) fn refused_because(reason: impl Into<String>) -> ChatError {
    ChatError::Refused { platform: Platform::Discord, reason: reason.into() }
}

/// Discord does not let the bot in.
pub(crate) fn barred(reason: impl Into<String>) -> ChatError {
    ChatError::Barred { platform: Platform::Discord, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no(status: u16, code: u64) -> ChatError {
        Failed::No { what: "POST message", status, code, message: "no".into() }.into()
    }

    #[test]
    fn a_bot_that_is_shut_out_waits_to_be_let_in_and_says_how() {
        for (status, code, remedy) in [
            (401, 0, "discord.token"),
            (403, 50_001, "see the channel"),
            (404, 10_003, "see the channel"),
            (403, 50_013, "permissions"),
        ] {
            let error = no(status, code);
            assert!(matches!(error, ChatError::Barred { .. }), "{error}");
            assert!(error.to_string().contains(remedy), "{error}");
        }
    }

    #[test]
    fn what_discord_will_never_take_is_not_tried_again() {
        assert!(matches!(no(400, 50_035), ChatError::Refused { .. }));
        assert!(matches!(no(404, 10_008), ChatError::Gone { .. }));
        let gone = Failed::No { what: "PATCH", status: 404, code: 10_008, message: String::new() };
        assert!(gone.is_over(), "an answer has no place where its message was taken away");
        // The token of an interaction is not the bot's.
        assert!(matches!(no(401, 50_027), ChatError::Refused { .. }));
    }
}
