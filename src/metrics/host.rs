//! This machine's own metrics, sampled through `sysinfo`.

mod history;
mod machine;
mod pages;
mod rates;
mod sample;

pub use history::History;
pub use pages::{NotAPage, Pages};
pub use sample::{ParseSampleError, Sample};

use std::{
    fmt::Write as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use tokio::{sync::mpsc, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use self::{machine::Machine, rates::Snapshot};
use super::{Fleet, Host, RangeReading, Reading, Series, Signal, Stat, Window};
use crate::{clock::Clock, format};

/// How often the machine is looked at.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// Samples handed over at once: one write to the database every half minute.
const BATCH: usize = 6;
/// Samples kept for a receiver that does not take them: an hour.
const MOST_UNTAKEN: usize = 720;
/// Rates need two looks this far apart; processor time is counted in hundredths of a second.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);
/// A newest sample older than this is not good enough for an answer.
const FRESH: TimeDelta = TimeDelta::seconds(10);
/// A rate since an older look than this says nothing about now.
const COMPARABLE: TimeDelta = TimeDelta::seconds(90);
/// A dead network disk can block for minutes.
const LOOK_WITHIN: Duration = Duration::from_secs(5);

/// The metrics source that needs nothing installed: the machine it runs on.
pub struct HostMetrics {
    clock: Clock,
    zone: Tz,
    fleet: Arc<Fleet>,
    history: Mutex<History>,
    machine: Arc<Mutex<Machine>>,
    /// The newest look; holding it is the right to look again.
    look: tokio::sync::Mutex<Option<Snapshot>>,
    blind: AtomicBool,
}

/// Why this machine cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("this machine's metrics cannot be read")]
pub struct OpenHostError(#[from] sysinfo::Error);

impl HostMetrics {
    /// Opens this machine's counters; nothing is read yet. The zone is for the words of warnings,
    /// and samples older than `keep` are forgotten.
    pub fn open(clock: Clock, zone: Tz, keep: Duration) -> Result<Self, OpenHostError> {
        let name = Machine::host_name().unwrap_or_else(|| "localhost".to_owned());
        let short = name.split('.').next().unwrap_or_default().to_owned();
        let mut aliases = vec!["localhost".to_owned()];
        if short != name && !short.is_empty() {
            aliases.push(short);
        }
        let host = Host {
            name: name.clone(),
            aliases,
            instances: vec![name.clone()],
            up: true,
            ..Host::default()
        };
        Ok(Self {
            clock,
            zone,
            fleet: Arc::new(Fleet::new(vec![host])),
            history: Mutex::new(History::new(name, keep)),
            machine: Arc::new(Mutex::new(Machine::open()?)),
            look: tokio::sync::Mutex::new(None),
            blind: AtomicBool::new(false),
        })
    }

    /// This machine.
    pub fn fleet(&self) -> Arc<Fleet> {
        Arc::clone(&self.fleet)
    }

    /// Takes in samples stored by an earlier run.
    pub fn restore(&self, samples: impl IntoIterator<Item = Sample>) {
        self.history().restore(samples);
    }

    /// When the oldest sample is of.
    pub fn watched_since(&self) -> Option<DateTime<Utc>> {
        self.history().first()
    }

    /// The stat of a signal over the last `window`, one number for each part of the machine.
    pub async fn read(&self, signal: Signal, stat: Stat, window: &Window) -> Reading {
        let mut warnings = self.refresh().await;
        let now = self.clock.now();
        let (values, at) = {
            let history = self.history();
            (history.stat(signal, stat, window.duration(), now), history.last())
        };
        let query = match stat {
            Stat::Current => format!("sysinfo {signal} current"),
            _ => format!("sysinfo {signal} {} {window}", stat.as_str()),
        };
        if stat != Stat::Current {
            warnings.extend(self.watched_only_since(window, now));
        }
        Reading { query, at: at.unwrap_or(now), cached: None, values, warnings }
    }

    /// The samples of a signal over the last `window`, at most `max_points` for each part. No hosts
    /// means all hosts.
    pub async fn range(
        &self,
        signal: Signal,
        hosts: &[String],
        window: &Window,
        max_points: usize,
    ) -> RangeReading {
        let mut warnings = self.refresh().await;
        let end = self.clock.now();
        warnings.extend(self.watched_only_since(window, end));
        let asked = hosts.is_empty() || hosts.iter().any(|host| self.fleet.find(host).is_some());
        let history = self.history();
        let length = window.duration();
        RangeReading {
            query: format!("sysinfo {signal} {window}"),
            start: end - window.delta(),
            end,
            step: history.step(length, max_points).max(INTERVAL),
            series: if asked { history.series(signal, length, max_points, end) } else { vec![] },
            warnings,
        }
    }

    /// The samples of a signal over the last `window`, as means over steps of this length.
    pub fn past(&self, signal: Signal, window: &Window, step: Duration) -> Vec<Series> {
        let points = window.seconds() / step.as_secs().max(1);
        self.history().series(signal, window.duration(), points as usize, self.clock.now())
    }

    /// Looks at the machine now, and once more shortly before when there is no recent look to
    /// compare with. `None` when the machine does not answer in time.
    pub async fn sample_now(&self) -> Option<Sample> {
        let mut look = self.look.lock().await;
        let age = |before: &Snapshot| self.clock.now() - before.at;
        let recent = look.take().filter(|b| (TimeDelta::zero()..COMPARABLE).contains(&age(b)));
        let before = match recent {
            Some(before) => before,
            None => self.snapshot().await?,
        };
        let wait = BETWEEN_LOOKS.saturating_sub(age(&before).to_std().unwrap_or_default());
        tokio::time::sleep(wait).await;
        let now = self.snapshot().await?;
        let sample = rates::sample(Some(&before), &now);
        self.history().push(&sample);
        *look = Some(now);
        Some(sample)
    }

    /// Samples the machine every `interval` until the shutdown, and hands the samples over in
    /// batches to be stored. When the receiver is slow the oldest are dropped; when it is gone
    /// nothing is handed over, and sampling goes on.
    pub async fn run(
        &self,
        shutdown: CancellationToken,
        interval: Duration,
        stored: mpsc::Sender<Vec<Sample>>,
    ) {
        let mut ticks = tokio::time::interval(interval.max(Duration::from_secs(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut untaken = Vec::new();
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            untaken.extend(self.sample_now().await);
            if untaken.len() >= BATCH {
                hand_over(&mut untaken, &stored);
            }
        }
        hand_over(&mut untaken, &stored);
    }

    /// A sample new enough for an answer, and what there is to say when there is none.
    async fn refresh(&self) -> Vec<String> {
        let now = self.clock.now();
        let newest = self.history().last();
        if newest.is_some_and(|at| now - at <= FRESH) || self.sample_now().await.is_some() {
            return Vec::new();
        }
        let mut warning = "this machine did not answer just now".to_owned();
        if let Some(at) = newest {
            let _ = write!(warning, "; the newest numbers are {}", format::ago(at, now));
        }
        vec![warning]
    }

    async fn snapshot(&self) -> Option<Snapshot> {
        let (machine, at) = (Arc::clone(&self.machine), self.clock.now());
        // Never waits for the lock: behind a look that hangs, the next ones would pile up.
        let look = tokio::task::spawn_blocking(move || {
            machine.try_lock().ok().map(|mut machine| machine.snapshot(at))
        });
        let snapshot = tokio::time::timeout(LOOK_WITHIN, look).await.ok()?.ok().flatten();
        self.tell(snapshot.is_none());
        snapshot
    }

    /// Logs when it stops or starts to see the machine, not at every look.
    fn tell(&self, blind: bool) {
        if self.blind.swap(blind, Ordering::Relaxed) == blind {
            return;
        }
        if blind {
            tracing::warn!("this machine's metrics cannot be read; trying again at every tick");
        } else {
            tracing::info!("this machine's metrics can be read again");
        }
    }

    fn watched_only_since(&self, window: &Window, now: DateTime<Utc>) -> Option<String> {
        let first = self.history().first()?;
        let start = now - window.delta();
        (first - start > FRESH).then(|| {
            format!(
                "I have watched this machine only since {} ({})",
                format::moment(first, now, self.zone),
                format::age((now - first).to_std().unwrap_or_default()),
            )
        })
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hand_over(untaken: &mut Vec<Sample>, stored: &mpsc::Sender<Vec<Sample>>) {
    if untaken.is_empty() {
        return;
    }
    match stored.try_send(std::mem::take(untaken)) {
        Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
        Err(mpsc::error::TrySendError::Full(samples)) => {
            *untaken = samples;
            untaken.drain(..untaken.len().saturating_sub(MOST_UNTAKEN));
        }
    }
}

#[cfg(test)]
mod tests;
