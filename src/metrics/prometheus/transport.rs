//! Asking over HTTP: few at a time, in limited time, with one retry, and never more than fits.

use std::{error::Error as _, time::Duration};

use chrono::{DateTime, Utc};
use prometheus_http_query::Client;
use reqwest::{Response, StatusCode, header};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout_at},
};

use super::{
    answer::{self, Answer, bounded},
    config::PrometheusConfig,
};
use crate::metrics::MetricsError;

/// The longest answer read, decompressed.
const MAX_BODY: usize = 64 << 20;
/// The longest complaint read.
const MAX_COMPLAINT: usize = 64 << 10;
/// Queries up to this long are sent with GET, which every proxy lets pass.
const MAX_GET: usize = 4000;
/// How long to wait before the retry.
const PAUSE: Duration = Duration::from_millis(100);

/// A safe question: asking it twice changes nothing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call<'a> {
    /// With the second it is evaluated at; without, the server's own now.
    Instant {
        query: &'a str,
        at: Option<i64>,
    },
    Range {
        query: &'a str,
        start: i64,
        end: i64,
        step: Duration,
    },
    BuildInfo,
}

pub(super) struct Transport {
    client: Client,
    /// The address as it is shown.
    pub url: String,
    timeout: Duration,
    permits: Semaphore,
}

/// An attempt that failed, and how long to wait before another makes sense.
struct Failed {
    error: MetricsError,
    again: Option<Duration>,
}

impl From<MetricsError> for Failed {
    fn from(error: MetricsError) -> Self {
        Self { error, again: None }
    }
}

impl Transport {
    pub fn new(config: &PrometheusConfig) -> Result<Self, MetricsError> {
        let url = config.base_url()?;
        let http = config.client(&url)?;
        let client = Client::from(http, url.as_str())
            .map_err(|_| MetricsError::Config("`url` is not an address".to_owned()))?;
        Ok(Self {
            client,
            url: url.as_str().trim_end_matches('/').to_owned(),
            timeout: config.timeout.duration(),
            permits: Semaphore::new(config.max_concurrent.max(1)),
        })
    }

    /// Asks for now, as the server sees it.
    pub async fn now(&self, query: &str) -> Result<Answer, MetricsError> {
        self.answer(Call::Instant { query, at: None }).await
    }

    pub async fn at(&self, query: &str, at: DateTime<Utc>) -> Result<Answer, MetricsError> {
        self.answer(Call::Instant { query, at: Some(at.timestamp()) }).await
    }

    pub async fn answer(&self, call: Call<'_>) -> Result<Answer, MetricsError> {
        let body = self.exchange(call).await?;
        answer::read(&body).map_err(|reason| self.malformed(reason))
    }

    pub fn malformed(&self, reason: impl Into<String>) -> MetricsError {
        MetricsError::Malformed { url: self.url.clone(), reason: reason.into() }
    }

    /// Sends the question and returns the body of a successful answer.
    pub async fn exchange(&self, call: Call<'_>) -> Result<Vec<u8>, MetricsError> {
        let deadline = Instant::now() + self.timeout;
        let late = MetricsError::Timeout { url: self.url.clone(), after: self.timeout };
        let Ok(permit) = timeout_at(deadline, self.permits.acquire()).await else {
            let reason = "too many questions are waiting for an answer".to_owned();
            return Err(MetricsError::Overloaded { url: self.url.clone(), reason });
        };
        let failed = match timeout_at(deadline, self.attempt(call)).await {
            Err(_) => return Err(late),
            Ok(Ok(body)) => return Ok(body),
            Ok(Err(failed)) => failed,
        };
        // A second attempt must have a fair part of the time left.
        let Some(pause) = failed.again.filter(|pause| *pause < (deadline - Instant::now()) / 2)
        else {
            return Err(failed.error);
        };
        sleep(pause).await;
        let second = timeout_at(deadline, self.attempt(call)).await;
        drop(permit);
        second.map_err(|_| late)?.map_err(|failed| failed.error)
    }

    async fn send(&self, call: Call<'_>) -> Result<Response, Failed> {
        let millis = i64::try_from(self.timeout.as_millis()).unwrap_or(i64::MAX);
        let sent = match call {
            Call::Instant { query, at } => {
                let mut builder = self.client.query(query).timeout(millis);
                if let Some(at) = at {
                    builder = builder.at(at);
                }
                if query.len() > MAX_GET {
                    builder.post_raw().await
                } else {
                    builder.get_raw().await
                }
            }
            Call::Range { query, start, end, step } => {
                let builder = self.client.query_range(query, start, end, step.as_secs_f64());
                let builder = builder.timeout(millis);
                if query.len() > MAX_GET {
                    builder.post_raw().await
                } else {
                    builder.get_raw().await
                }
            }
            // The crate's own method insists on fields that only Prometheus answers.
            Call::BuildInfo => {
                let url = format!("{}/api/v1/status/buildinfo", self.url);
                return self.client.inner().get(url).send().await.map_err(|e| self.broken(&e));
            }
        };
        sent.map_err(|error| match error.source().and_then(|source| source.downcast_ref()) {
            Some(error) => self.broken(error),
            None => self.malformed(bounded(&error.to_string(), 120)).into(),
        })
    }

    async fn attempt(&self, call: Call<'_>) -> Result<Vec<u8>, Failed> {
        let response = self.send(call).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(self.body(response, MAX_BODY).await?);
        }
        let wait = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|wait| wait.to_str().ok()?.trim().parse().ok().map(Duration::from_secs));
        let target = response
            .headers()
            .get(header::LOCATION)
            .map(|target| bounded(&String::from_utf8_lossy(target.as_bytes()), 120));
        let body = self.body(response, MAX_COMPLAINT).await.unwrap_or_default();
        Err(self.refusal(status, &answer::complaint(&body), wait, target))
    }

    /// Reads the body up to a limit: a compressed answer may grow without bounds.
    async fn body(&self, mut response: Response, limit: usize) -> Result<Vec<u8>, MetricsError> {
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(None) => return Ok(body),
                Ok(Some(chunk)) if body.len() + chunk.len() <= limit => body.extend(chunk),
                Ok(Some(_)) => {
                    let reason = format!("it is longer than {} MB", limit >> 20);
                    return Err(self.malformed(reason));
                }
                Err(error) if error.is_timeout() => return Err(self.broken(&error).error),
                Err(_) => return Err(self.malformed("it breaks off")),
            }
        }
    }

    fn broken(&self, error: &reqwest::Error) -> Failed {
        let url = self.url.clone();
        if error.is_timeout() {
            return MetricsError::Timeout { url, after: self.timeout }.into();
        }
        let reason = root_cause(error);
        if reason.contains("certificate") {
            return MetricsError::Untrusted { url, reason }.into();
        }
        let again = (error.is_connect() || error.is_request()).then_some(PAUSE);
        Failed { error: MetricsError::Unreachable { url, reason }, again }
    }

    fn refusal(
        &self,
        status: StatusCode,
        words: &str,
        wait: Option<Duration>,
        target: Option<String>,
    ) -> Failed {
        let url = self.url.clone();
        let code = status.as_u16();
        // The server gave up on the question itself: asking again would only double the load.
        let too_hard = words.contains("timed out") || words.contains("query timeout");
        let retry = (!too_hard).then(|| wait.unwrap_or(PAUSE));
        match code {
            300..=399 => {
                let target = target.unwrap_or_else(|| "nowhere".to_owned());
                MetricsError::Config(format!(
                    "{url} sends me on to {target}, and I follow no redirects: set \
                     `metrics.prometheus.url` to the final address"
                ))
                .into()
            }
            401 | 403 => MetricsError::Denied { url, status: code }.into(),
            429 | 503 => Failed {
                error: MetricsError::Overloaded { url, reason: format!("{code}: {words}") },
                again: retry,
            },
            502 | 504 => Failed {
                error: MetricsError::Unreachable { url, reason: format!("{code} from its proxy") },
                again: if code == 502 { retry } else { None },
            },
            500..=599 => {
                MetricsError::Overloaded { url, reason: format!("{code}: {words}") }.into()
            }
            _ => MetricsError::Rejected { url, status: code, reason: words.to_owned() }.into(),
        }
    }
}

/// The innermost reason of an error: the outer ones repeat the address.
pub(super) fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    bounded(&cause.to_string(), 120)
}
