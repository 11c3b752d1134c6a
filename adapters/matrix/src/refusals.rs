//! The homeserver's errors → the port's: does it help to try again, and who can do something about it. Pure.

use std::time::Duration;

use chat::{ChatError, Platform};
use matrix_sdk_crypto::{OlmError, SessionRecipientCollectionError, store::CryptoStoreError};
use ruma::api::{
    client::uiaa::{UiaaInfo, UiaaResponse},
    error::{Error, ErrorKind, RetryAfter},
};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// The homeserver asks to wait.
    #[error("too fast, wait {} s", .0.as_secs_f64())]
    TooFast(Duration),
    /// It could not be reached, or is not well.
    #[error("{0}")]
    Unreachable(String),
    /// The access token does not hold.
    #[error("the access token does not hold: {0}")]
    LoggedOut(String),
    /// It wants to know first that the bot is the account's owner
    /// (<https://spec.matrix.org/latest/client-server-api/#user-interactive-authentication-api>).
    #[error("the homeserver asks for the account's password once more")]
    Prove(Box<UiaaInfo>),
    /// It said no: <https://spec.matrix.org/latest/client-server-api/#standard-error-response>.
    #[error("{what}")]
    No {
        /// The reason, as the protocol names it.
        kind: ErrorKind,
        /// The homeserver's words.
        what: String,
    },
    /// What it said is not Matrix.
    #[error("the homeserver's answer is not Matrix: {0}")]
    Garbled(String),
    /// The bot's own keys could not be read, written or used.
    #[error("the keys of this device: {0}")]
    Keys(String),
    /// The set-up does not fit.
    #[error("{0}")]
    SetUp(String),
}

impl Failed {
    /// What was wrong with the keys.
    pub(crate) fn keys(error: impl std::error::Error) -> Self {
        Self::Keys(error.to_string())
    }

    /// Whether it may be done a little later.
    pub(crate) fn passes(&self) -> bool {
        matches!(self, Self::TooFast(_) | Self::Unreachable(_))
    }

    /// Whether there is no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::No { kind: ErrorKind::NotFound, .. })
    }
}

impl From<CryptoStoreError> for Failed {
    fn from(error: CryptoStoreError) -> Self {
        Self::keys(error)
    }
}

impl From<OlmError> for Failed {
    fn from(error: OlmError) -> Self {
        use SessionRecipientCollectionError::{
            CrossSigningNotSetup, SendingFromUnverifiedDevice,
            VerifiedUserChangedIdentity as Changed,
        };
        match error {
            OlmError::SessionRecipientCollectionError(CrossSigningNotSetup | SendingFromUnverifiedDevice) => {
                Self::SetUp(
                    "with `matrix.only_signed_devices` the bot's own device has to be signed: `smartcloudops doctor` \
                     says how"
                        .to_owned(),
                )
            }
            OlmError::SessionRecipientCollectionError(Changed(users)) => Self::SetUp(format!(
                "{} have new identities: an Admin says `verify` and their id where the bot hears it, or take \
                 `matrix.only_signed_devices` out",
                users.iter().map(|user| user.as_str()).collect::<Vec<_>>().join(", ")
            )),
            error => Self::keys(error),
        }
    }
}

impl From<serde_json::Error> for Failed {
    fn from(error: serde_json::Error) -> Self {
        Self::Garbled(error.to_string())
    }
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self::keys(error)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let what = error.to_string();
        match error.error_kind() {
            Some(ErrorKind::LimitExceeded(data)) => Self::TooFast(match data.retry_after {
                Some(RetryAfter::Delay(delay)) => delay,
                _ => Duration::from_secs(1),
            }),
            Some(
                ErrorKind::UnknownToken(_) | ErrorKind::MissingToken | ErrorKind::UserDeactivated,
            ) => Self::LoggedOut(what),
            _ if error.status_code.as_u16() == 429 => Self::TooFast(Duration::from_secs(1)),
            // A proxy before the homeserver speaks like this too, and not in JSON.
            _ if error.status_code.is_server_error() => Self::Unreachable(what),
            Some(kind) => Self::No { kind: kind.clone(), what },
            None => Self::Garbled(what),
        }
    }
}

impl From<UiaaResponse> for Failed {
    fn from(response: UiaaResponse) -> Self {
        match response {
            UiaaResponse::AuthResponse(info) => Self::Prove(Box::new(info)),
            UiaaResponse::MatrixError(error) => error.into(),
        }
    }
}

/// Whether a refusal ends when somebody has done something about the account.
fn is_for_now(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UserLocked | ErrorKind::UserSuspended | ErrorKind::ResourceLimitExceeded(_)
    ) || kind.errcode().as_str() == "M_CONSENT_NOT_GIVEN"
}

impl From<Failed> for ChatError {
    fn from(failed: Failed) -> Self {
        let platform = Platform::Matrix;
        match failed {
            Failed::TooFast(retry_after) => Self::RateLimited { platform, retry_after },
            Failed::Unreachable(_) | Failed::Garbled(_) | Failed::Keys(_) => {
                Self::Unreachable { platform, source: failed.to_string().into() }
            }
            Failed::LoggedOut(_) => Self::Barred {
                platform,
                reason: format!("{failed}: write a new `matrix.token`, or set `matrix.password`"),
            },
            Failed::No { kind: ErrorKind::Forbidden, ref what } => Self::Barred {
                platform,
                reason: format!("{what}: invite the bot into the room, and let it speak there"),
            },
            // Somebody has to do something, and then it helps to try again.
            Failed::Prove(_) | Failed::SetUp(_) => {
                Self::Barred { platform, reason: failed.to_string() }
            }
            Failed::No { ref kind, ref what } if is_for_now(kind) => {
                Self::Barred { platform, reason: format!("{what}: ask who runs the homeserver") }
            }
            Failed::No { .. } => Self::Refused { platform, reason: failed.to_string() },
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ruma::api::EndpointError as _;

    use super::*;

    fn said(status: u16, body: &str) -> Failed {
        let body = Bytes::from(body.to_owned());
        Error::from_http_response(http::Response::builder().status(status).body(body).unwrap())
            .into()
    }

    #[test]
    fn what_helps_is_told_by_the_error() {
        let error = |status, code: &str| {
            ChatError::from(said(status, &format!(r#"{{"errcode": "{code}", "error": "why"}}"#)))
        };
        assert!(matches!(error(401, "M_UNKNOWN_TOKEN"), ChatError::Barred { .. }));
        assert!(matches!(error(403, "M_FORBIDDEN"), ChatError::Barred { .. }));
        assert!(matches!(error(413, "M_TOO_LARGE"), ChatError::Refused { .. }));
        assert!(matches!(error(500, "M_UNKNOWN"), ChatError::Unreachable { .. }));
        assert!(matches!(ChatError::from(said(502, "<html>")), ChatError::Unreachable { .. }));
        assert!(matches!(error(429, "M_UNKNOWN"), ChatError::RateLimited { .. }));
    }
}
