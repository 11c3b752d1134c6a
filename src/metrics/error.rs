//! Why there is no number. Each is one sentence that a person can act on, without credentials.

use std::time::Duration;

/// A failure to learn something from the metrics source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetricsError {
    /// No connection, or a proxy that has none.
    #[error(
        "I could not reach Prometheus at {url} ({reason}): check that it runs and that `metrics.prometheus.url` is right"
    )]
    Unreachable {
        /// Where, without credentials.
        url: String,
        /// Why not.
        reason: String,
    },
    /// It showed a certificate that nothing here vouches for.
    #[error(
        "I could not reach Prometheus at {url} ({reason}): set `metrics.prometheus.ca_file` to the certificate of its authority, or check the name in the URL"
    )]
    Untrusted {
        /// Where.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No answer in time.
    #[error("I could not reach Prometheus at {url} (timeout after {} s): try a shorter window, or raise `metrics.prometheus.timeout`", .after.as_secs_f64())]
    Timeout {
        /// Where.
        url: String,
        /// How long I waited.
        after: Duration,
    },
    /// It understood and refused: 400, 422 and the like.
    #[error("Prometheus at {url} refused the question ({status}): {reason}")]
    Rejected {
        /// Where.
        url: String,
        /// The HTTP status.
        status: u16,
        /// Its words, escaped and cut.
        reason: String,
    },
    /// It does not let us in: 401 and 403.
    #[error(
        "Prometheus at {url} does not accept my credentials ({status}): check the token or the password in `metrics.prometheus`"
    )]
    Denied {
        /// Where.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// It is too busy: 429, 500, 503, or too many questions of our own.
    #[error(
        "Prometheus at {url} is too busy to answer ({reason}): ask again in a moment, or for a shorter window"
    )]
    Overloaded {
        /// Where.
        url: String,
        /// Its words, escaped and cut.
        reason: String,
    },
    /// It answered something that is not an answer.
    #[error(
        "Prometheus at {url} gave an answer I cannot read ({reason}): check that `metrics.prometheus.url` is a Prometheus API"
    )]
    Malformed {
        /// Where.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The configuration cannot work.
    #[error("the metrics source is not configured correctly: {0}")]
    Config(String),
}

impl MetricsError {
    /// Whether the source did not answer, or with nothing of use: later it may.
    pub fn is_outage(&self) -> bool {
        !matches!(self, Self::Rejected { .. } | Self::Config(_))
    }
}
