//! Slack's errors → the port's: does it help to try again, and who can do something about it. Pure.

use std::time::Duration;

use chat::{ChatError, Platform};
use slack_morphism::errors::SlackClientError;

/// How long to wait when Slack says "too fast" and not for how long.
const DEFAULT_WAIT: Duration = Duration::from_secs(30);

/// What the failure of a method means to the core.
pub(crate) fn chat_error(method: &str, error: SlackClientError) -> ChatError {
    match error {
        SlackClientError::RateLimitError(limit) => too_fast(limit.retry_after),
        SlackClientError::ApiError(error) => refused(method, &error.code),
        SlackClientError::HttpError(error) if error.status_code.is_client_error() => {
            refused_because(format!("{method}: HTTP {}", error.status_code))
        }
        SlackClientError::HttpError(error) => {
            unreachable(format!("{method}: HTTP {}", error.status_code))
        }
        // Slack may have done it: the next attempt looks first.
        SlackClientError::ProtocolError(error) => {
            unreachable(format!("{method}: an answer that is no JSON: {}", error.json_error))
        }
        error @ (SlackClientError::HttpProtocolError(_)
        | SlackClientError::EndOfStream(_)
        | SlackClientError::SystemError(_)
        | SlackClientError::SocketModeProtocolError(_)) => {
            unreachable(format!("{method}: {error}"))
        }
    }
}

/// The connection failed, or Slack is not well.
pub(crate) fn unreachable(what: String) -> ChatError {
    ChatError::Unreachable { platform: Platform::Slack, source: what.into() }
}

/// Slack said no.
pub(crate) fn refused_because(reason: impl Into<String>) -> ChatError {
    ChatError::Refused { platform: Platform::Slack, reason: reason.into() }
}

fn too_fast(retry_after: Option<Duration>) -> ChatError {
    let retry_after = retry_after.unwrap_or(DEFAULT_WAIT);
    ChatError::RateLimited { platform: Platform::Slack, retry_after }
}

/// The codes are those of <https://docs.slack.dev/reference/methods/chat.postMessage#errors> and its
/// neighbours; one that is not listed is a plain no.
fn refused(method: &str, code: &str) -> ChatError {
    let barred = |reason: String| ChatError::Barred { platform: Platform::Slack, reason };
    match code {
        "ratelimited" | "rate_limited" => too_fast(None),
        "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org"
        | "accesslimited" => unreachable(format!("{method}: {code}")),
        "invalid_auth" | "not_authed" | "token_revoked" | "account_inactive"
            if method == "apps.connections.open" =>
        {
            barred(format!(
                "{code}: replace `slack.app_token` (\"Basic Information\", \"App-Level Tokens\")"
            ))
        }
        "invalid_auth"
        | "not_authed"
        | "token_revoked"
        | "token_expired"
        | "account_inactive"
        | "org_login_required"
        | "ekm_access_denied"
        | "access_denied"
        | "team_access_not_granted" => {
            barred(format!("{code}: give it a valid token (install the app again to get one)"))
        }
        "not_allowed_token_type" => {
            barred(format!("{code}: `bot_token` starts with xoxb-, and `app_token` with xapp-"))
        }
        "missing_scope" | "no_permission" => {
            barred(format!("{code} for {method}: add the scope and install the app again"))
        }
        "not_in_channel" | "channel_not_found" => {
            barred(format!("{code}: invite the bot to the channel"))
        }
        "message_not_found" => ChatError::Gone { platform: Platform::Slack },
        "is_archived" => barred(format!("{code}: the channel is archived")),
        code => refused_because(code),
    }
}

#[cfg(test)]
mod tests {
    use slack_morphism::errors::{SlackClientApiError, SlackRateLimitError};

    use super::*;

    fn api(code: &str) -> ChatError {
        chat_error(
            "chat.postMessage",
            SlackClientError::ApiError(SlackClientApiError::new(code.into())),
        )
    }

    #[test]
    fn slack_says_how_long_to_wait() {
        let limit = SlackRateLimitError::new().with_retry_after(Duration::from_secs(7));
        let error = chat_error("chat.postMessage", SlackClientError::RateLimitError(limit));
        let ChatError::RateLimited { retry_after, .. } = error else { panic!("{error}") };
        assert_eq!(retry_after, Duration::from_secs(7));
        assert!(matches!(api("ratelimited"), ChatError::RateLimited { .. }));
    }

    #[test]
    fn a_bot_that_is_shut_out_waits_to_be_let_in_and_says_how() {
        for code in ["token_revoked", "account_inactive", "not_in_channel", "missing_scope"] {
            let error = api(code);
            assert!(matches!(error, ChatError::Barred { .. }), "{error}");
            assert!(error.to_string().contains(code), "{error}");
        }
    }

    #[test]
    fn what_slack_will_never_take_is_not_tried_again() {
        assert!(matches!(api("msg_too_long"), ChatError::Refused { .. }));
        assert!(matches!(api("internal_error"), ChatError::Unreachable { .. }));
    }
}
