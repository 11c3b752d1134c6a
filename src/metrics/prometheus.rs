//! Instant and range queries to a Prometheus-compatible server.
//!
//! One query per signal answers for the whole fleet, and is kept for one scrape interval. Whatever
//! comes back is untrusted: names are bounded and escaped, bodies and series are limited.

mod answer;
mod config;
mod history;
mod hosts;
mod transport;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use moka::future::Cache;

pub use config::PrometheusConfig;

use self::{
    answer::{bounded, moment},
    hosts::{Known, Labels, Sightings},
    transport::{Call, Transport},
};
use super::{
    Fleet, MetricsError, RangeReading, Reading, Signal, Stat, Window,
    promql::{
        Gated, Settings, TreeError, expression, nice_step, over_window, print, select,
        with_rate_window,
    },
};
use crate::clock::Clock;

/// What Prometheus itself refuses to exceed.
const MAX_POINTS: u64 = 11_000;
/// Up to this many hosts are asked for by name; of more, all are asked and some are kept.
const MAX_MATCHED_HOSTS: usize = 50;
/// How many numbers the cache holds.
const CACHED_VALUES: u64 = 200_000;

/// The answer to a query that somebody wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct RawReading {
    /// What was asked.
    pub query: String,
    /// The moment the numbers are of.
    pub at: DateTime<Utc>,
    /// Labels, escaped and bounded, and the number.
    pub values: Vec<(BTreeMap<String, String>, f64)>,
    /// What the source said about its own answer.
    pub warnings: Vec<String>,
}

/// A Prometheus, or anything that answers like one.
pub struct Prometheus {
    transport: Transport,
    clock: Clock,
    settings: Settings,
    labels: Labels,
    max_series: usize,
    fleets: Cache<(), Arc<Known>>,
    readings: Cache<String, Arc<Fresh>>,
}

/// A reading with the moment it was fetched, by our own clock.
struct Fresh {
    reading: Reading,
    fetched: DateTime<Utc>,
}

impl fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prometheus").field("url", &self.transport.url).finish_non_exhaustive()
    }
}

impl Prometheus {
    /// Prepares to ask; nothing is sent yet.
    pub fn new(config: &PrometheusConfig, clock: Clock) -> Result<Self, MetricsError> {
        let keep = config.scrape_interval.duration();
        let weigh = |_: &String, fresh: &Arc<Fresh>| {
            u32::try_from(fresh.reading.values.len()).unwrap_or(u32::MAX).saturating_add(1)
        };
        // A label name with anything else in it would be refused later, at every question.
        select(
            expression(Signal::Load, &Settings::default()),
            &config.host_label,
            &[String::new()],
        )
        .map_err(|error| MetricsError::Config(format!("`host_label`: {error}")))?;
        Ok(Self {
            transport: Transport::new(config)?,
            clock,
            settings: Settings {
                rate_window: config.rate_window.duration(),
                scrape_interval: keep,
            },
            labels: Labels {
                host: config.host_label.clone(),
                environment: config.environment_label.clone(),
                role: config.role_label.clone(),
                zone: config.zone_label.clone(),
            },
            max_series: config.max_series.max(1),
            fleets: Cache::builder().max_capacity(1).time_to_live(keep).build(),
            readings: Cache::builder()
                .max_capacity(CACHED_VALUES)
                .weigher(weigh)
                .time_to_live(keep)
                .build(),
        })
    }

    /// The address, as it may be shown.
    pub fn url(&self) -> &str {
        &self.transport.url
    }

    /// The machines there are, at most one scrape interval old.
    pub async fn fleet(&self) -> Result<Arc<Fleet>, MetricsError> {
        Ok(self.known().await?.fleet.clone())
    }

    /// The values there are too many of are left out, with a sentence that says so. For the end of
    /// a question: only there is known whose values were wanted.
    pub fn cut<T>(&self, values: &mut Vec<T>) -> Option<String> {
        answer::cut(values, self.max_series)
    }

    /// A signal of every host: one query, or none when the answer is at most one scrape old.
    pub async fn read(
        &self,
        signal: Signal,
        stat: Stat,
        window: Option<&Window>,
    ) -> Result<Reading, MetricsError> {
        let expr = match window {
            Some(window) => over_window(signal, stat, window, &self.settings),
            None => expression(signal, &self.settings),
        };
        let query = self.printed(&expr)?;
        let (mut fresh, mut age) = self.cached(signal, &query).await?;
        // The cache counts the time that passed, our clock may have been set meanwhile.
        if age.is_some_and(|age| age >= self.settings.scrape_interval) {
            self.readings.invalidate(&query).await;
            (fresh, age) = self.cached(signal, &query).await?;
        }
        Ok(Reading { cached: age, ..fresh.reading.clone() })
    }

    /// An answer, and how old it is when it was in the cache.
    async fn cached(
        &self,
        signal: Signal,
        query: &str,
    ) -> Result<(Arc<Fresh>, Option<Duration>), MetricsError> {
        let entry = self
            .readings
            .entry_by_ref(query)
            .or_try_insert_with(self.fetch(signal, query))
            .await
            .map_err(|error| MetricsError::clone(&error))?;
        let from_cache = !entry.is_fresh();
        let fresh = entry.into_value();
        let age = (self.clock.now() - fresh.fetched).to_std().unwrap_or_default();
        Ok((fresh, from_cache.then_some(age)))
    }

    async fn fetch(&self, signal: Signal, query: &str) -> Result<Arc<Fresh>, MetricsError> {
        let at = self.this_second();
        let (known, answer) =
            futures::future::try_join(self.known(), self.transport.at(query, at)).await?;
        let fetched = self.clock.now();
        let (values, left_out) = known.measure(&self.labels, signal, answer.items);
        let mut warnings: Vec<_> = answer.warnings.into_iter().chain(left_out).collect();
        if values.is_empty() {
            warnings.extend(self.clock_warning().await);
        }
        let reading = Reading { query: query.to_owned(), at, cached: None, values, warnings };
        Ok(Arc::new(Fresh { reading, fetched }))
    }

    /// A signal of these hosts, or of all when none is named, over a stretch of time until now.
    pub async fn range(
        &self,
        signal: Signal,
        hosts: &[String],
        window: &Window,
        max_points: u64,
    ) -> Result<RangeReading, MetricsError> {
        let known = self.known().await?;
        let range = window.duration();
        // Both ends of the range are points.
        let steps = max_points.clamp(2, MAX_POINTS) - 1;
        let step = nice_step(range, self.settings.scrape_interval, steps);
        let end = self.clock.now().timestamp();
        let length = range.as_secs() / step.as_secs() * step.as_secs();
        let start = end - i64::try_from(length).unwrap_or(0);

        let wanted: Vec<_> = hosts.iter().filter_map(|name| known.fleet.find(name)).collect();
        let expr = expression(signal, &self.settings);
        // Rates cover their step, so that no burst between two points is lost.
        let mut expr = with_rate_window(expr, self.settings.rate_window.max(step));
        let instances: Vec<_> =
            wanted.iter().flat_map(|host| host.instances.iter().cloned()).collect();
        if !instances.is_empty() && instances.len() <= MAX_MATCHED_HOSTS {
            expr = select(expr, &self.labels.host, &instances).map_err(|e| self.unwritable(&e))?;
        }
        let query = self.printed(&expr)?;
        let moment = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        let mut reading = RangeReading {
            query,
            start: moment(start),
            end: moment(end),
            step,
            series: vec![],
            warnings: vec![],
        };
        if wanted.is_empty() && !hosts.is_empty() {
            return Ok(reading);
        }
        let call = Call::Range { query: &reading.query, start, end, step };
        let answer = self.transport.answer(call).await?;
        let (mut series, left_out) = known.series(&self.labels, signal, answer.items);
        if !wanted.is_empty() {
            let names: BTreeSet<_> = wanted.iter().map(|host| host.name.as_str()).collect();
            series.retain(|series| names.contains(series.host.as_str()));
        }
        // Whoever names hosts gets all of them.
        let too_many =
            if hosts.is_empty() { answer::cut(&mut series, self.max_series) } else { None };
        reading.series = series;
        reading.warnings = answer.warnings.into_iter().chain(left_out).chain(too_many).collect();
        Ok(reading)
    }

    /// A query that somebody wrote and that passed the gate.
    pub async fn query(&self, gated: &Gated) -> Result<RawReading, MetricsError> {
        let at = self.this_second();
        let mut answer = self.transport.at(gated.as_str(), at).await?;
        answer.warnings.extend(answer::cut(&mut answer.items, self.max_series));
        let values = answer.items.into_iter().filter_map(|item| {
            let (_, number) = item.value?;
            let label =
                |(name, value): (String, String)| (bounded(&name, 253), bounded(&value, 253));
            Some((item.metric.into_iter().map(label).collect(), number.0))
        });
        let query = gated.as_str().to_owned();
        Ok(RawReading { query, at, values: values.collect(), warnings: answer.warnings })
    }

    /// Whether it answers, and which version it says it is: for `doctor`.
    pub async fn check(&self) -> Result<String, MetricsError> {
        let offset = self.clock_offset().await?;
        let version = match self.transport.exchange(Call::BuildInfo).await {
            Ok(body) => serde_json::from_slice::<serde_json::Value>(&body)
                .ok()
                .and_then(|info| Some(bounded(info["data"]["version"].as_str()?, 40))),
            // Proxies of some vendors pass queries only.
            Err(_) => None,
        };
        let version = version.map(|version| format!(", version {version}")).unwrap_or_default();
        let seconds = offset.num_milliseconds().abs() / 1000;
        let clocks = if seconds < 5 {
            String::new()
        } else {
            let side = if offset > TimeDelta::zero() { "ahead of" } else { "behind" };
            format!(", its clock is {seconds} s {side} mine: set both by NTP")
        };
        Ok(format!("{} answers{version}{clocks}", self.transport.url))
    }

    /// How far its clock is ahead of ours.
    pub async fn clock_offset(&self) -> Result<TimeDelta, MetricsError> {
        let before = self.clock.now();
        let answer = self.transport.now("time()").await?;
        let after = self.clock.now();
        let theirs = answer.items.first().and_then(|item| moment(item.value?.1.0));
        let theirs = theirs.ok_or_else(|| self.transport.malformed("`time()` has no value"))?;
        Ok(theirs - (before + (after - before) / 2))
    }

    /// Now, in whole seconds: a moment that can be asked for again, also of servers that leave the
    /// fraction out of their answers.
    fn this_second(&self) -> DateTime<Utc> {
        let now = self.clock.now();
        DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now)
    }

    /// Why there may be no data now, although there are machines: our now is not the server's.
    async fn clock_warning(&self) -> Option<String> {
        let seconds = self.clock_offset().await.ok()?.num_seconds().abs();
        (seconds > 60).then(|| {
            format!("my clock and that of Prometheus are {seconds} s apart: set both by NTP")
        })
    }

    async fn known(&self) -> Result<Arc<Known>, MetricsError> {
        self.fleets
            .try_get_with((), self.discover())
            .await
            .map_err(|error| MetricsError::clone(&error))
    }

    /// Machines are what has `node_uname_info`, and the other targets of its jobs.
    async fn discover(&self) -> Result<Arc<Known>, MetricsError> {
        // Beyond the five minutes after which a series is stale; a subquery reads few samples.
        const PAST: &str = "last_over_time(node_uname_info[1d:5m])";
        // Where no machine tells its name, those are machines that have a load or a processor.
        const OTHERWISE: [&str; 2] =
            ["node_load1", "count without (cpu, mode) (node_cpu_seconds_total)"];

        let mut warnings = vec![];
        let mut keep = |answer: answer::Answer| {
            warnings.extend(answer.warnings);
            answer.items
        };
        let mut seen = Sightings {
            present: keep(self.transport.now("node_uname_info").await?),
            ..Default::default()
        };
        if seen.present.is_empty() {
            seen.past = keep(self.transport.now(PAST).await?);
        }
        for query in OTHERWISE {
            if seen.present.is_empty() && seen.past.is_empty() {
                seen.present = keep(self.transport.now(query).await?);
            }
        }
        let marks = seen.present.iter().chain(&seen.past);
        let jobs: BTreeSet<_> = marks.filter_map(|item| item.metric.get("job").cloned()).collect();
        let nothing = seen.present.is_empty() && seen.past.is_empty();
        seen.up_counts = nothing || !jobs.is_empty();
        let up = self.up_query(&jobs.into_iter().collect::<Vec<_>>())?;
        seen.up = keep(self.transport.now(&up).await?);
        // A machine that is down now had a name before.
        let nameless = {
            let named: BTreeSet<_> =
                seen.present.iter().filter_map(|item| self.labels.host_of(item)).collect();
            seen.up
                .iter()
                .any(|item| self.labels.host_of(item).is_some_and(|value| !named.contains(value)))
        };
        if nameless && seen.past.is_empty() && !nothing {
            seen.past = keep(self.transport.now(PAST).await?);
        }
        let mut known = Known::from_sightings(&self.labels, &seen);
        known.warnings.extend(warnings);
        Ok(Arc::new(known))
    }

    fn up_query(&self, jobs: &[String]) -> Result<String, MetricsError> {
        let up = super::promql::metric("up");
        let expr = if jobs.is_empty() { Ok(up) } else { select(up, "job", jobs) };
        expr.and_then(|expr| print(&expr)).map_err(|error| self.unwritable(&error))
    }

    fn printed(&self, expr: &promql_parser::parser::Expr) -> Result<String, MetricsError> {
        print(expr).map_err(|error| self.unwritable(&error))
    }

    fn unwritable(&self, error: &TreeError) -> MetricsError {
        self.transport.malformed(error.to_string())
    }
}
