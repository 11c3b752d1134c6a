//! The one place where a question goes to this machine or to a Prometheus.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{
    Fleet, MetricsError, RangeReading, Reading, Series, Signal, Stat, Window,
    host::HostMetrics,
    prometheus::{Prometheus, RawReading},
    promql::Gated,
};
use crate::{clock::Clock, config::MetricsConfig};

/// Where numbers come from.
pub enum Metrics {
    /// This machine, when nothing else is configured.
    Host(HostMetrics),
    /// A Prometheus-compatible server.
    Prometheus(Prometheus),
}

/// What a look at the source found.
pub struct SourceCheck {
    /// What it is.
    pub description: String,
    /// How far its clock is ahead of ours, when it has one of its own.
    pub clock_offset: Option<TimeDelta>,
}

impl Metrics {
    /// The configured source. Asks nothing of it yet.
    pub fn new(config: &MetricsConfig, zone: Tz, clock: &Clock) -> Result<Self, MetricsError> {
        if config.prometheus.url.is_empty() {
            let host = HostMetrics::open(clock.clone(), zone, config.keep.duration())
                .map_err(|error| MetricsError::Config(error.to_string()))?;
            return Ok(Self::Host(host));
        }
        Ok(Self::Prometheus(Prometheus::new(&config.prometheus, clock.clone())?))
    }

    /// What is watched, in a few words.
    pub fn describe(&self) -> String {
        match self {
            Self::Host(_) => "this machine".to_owned(),
            Self::Prometheus(prometheus) => format!("Prometheus at {}", prometheus.url()),
        }
    }

    /// The hosts there are.
    pub async fn fleet(&self) -> Result<Arc<Fleet>, MetricsError> {
        match self {
            Self::Host(host) => Ok(host.fleet()),
            Self::Prometheus(prometheus) => prometheus.fleet().await,
        }
    }

    /// One number of a signal for each host and part, of the whole fleet.
    pub async fn read(
        &self,
        signal: Signal,
        stat: Stat,
        window: Option<&Window>,
    ) -> Result<Reading, MetricsError> {
        match self {
            Self::Host(host) => {
                let hour = Window::from_seconds(3600);
                Ok(host.read(signal, stat, window.unwrap_or(&hour)).await)
            }
            Self::Prometheus(prometheus) => prometheus.read(signal, stat, window).await,
        }
    }

    /// Leaves out those of all values that are too many for one answer, and says so.
    pub fn cut<T>(&self, values: &mut Vec<T>) -> Option<String> {
        match self {
            Self::Host(_) => None,
            Self::Prometheus(prometheus) => prometheus.cut(values),
        }
    }

    /// The samples of a signal over a window ending now; no hosts means all of them.
    pub async fn range(
        &self,
        signal: Signal,
        hosts: &[String],
        window: &Window,
        max_points: u64,
    ) -> Result<RangeReading, MetricsError> {
        match self {
            Self::Host(host) => Ok(host.range(signal, hosts, window, max_points as usize).await),
            Self::Prometheus(prometheus) => {
                prometheus.range(signal, hosts, window, max_points).await
            }
        }
    }

    /// A signal of every host over a window that ends at `now`, a point each `step`, however many.
    pub async fn history(
        &self,
        signal: Signal,
        window: &Window,
        step: Duration,
        now: DateTime<Utc>,
    ) -> Result<Vec<Series>, MetricsError> {
        match self {
            Self::Host(host) => Ok(host.past(signal, window, step)),
            Self::Prometheus(prometheus) => prometheus.history(signal, window, step, now).await,
        }
    }

    /// The answer to a query that somebody wrote and the gate let through.
    pub async fn query(&self, query: &Gated) -> Result<RawReading, MetricsError> {
        match self {
            Self::Host(_) => Err(MetricsError::Config(
                "PromQL needs a Prometheus: set `metrics.prometheus.url`".to_owned(),
            )),
            Self::Prometheus(prometheus) => prometheus.query(query).await,
        }
    }

    /// Whether the source answers, and what it says about itself.
    pub async fn check(&self) -> Result<SourceCheck, MetricsError> {
        match self {
            Self::Host(_) => Ok(SourceCheck { description: self.describe(), clock_offset: None }),
            Self::Prometheus(prometheus) => Ok(SourceCheck {
                description: prometheus.check().await?,
                clock_offset: Some(prometheus.clock_offset().await?),
            }),
        }
    }
}
