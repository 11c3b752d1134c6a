//! Looks at the metrics again and again, learns what is normal, and tells of what is not.

mod gather;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use tokio::{task::JoinHandle, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{
    anomaly::{
        self, Anomaly, Detector,
        model::{self, Model},
        rules::Rules,
    },
    app::App,
    incidents::Incidents,
    metrics::{MetricsError, Window},
};

/// What becomes of what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing is looked for.
    Off,
    /// Nobody is told. Incidents are kept all the same, for people who ask: they can look before they
    /// trust.
    Shadow,
    /// People are told.
    Detect,
}

/// How anomalies are found.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DetectionConfig {
    /// What becomes of what is found.
    pub mode: Mode,
    /// False alarms for each host and day that people can bear.
    pub budget: f64,
    /// How often the metrics are looked at.
    pub every: Window,
    /// How much of the past is learned from.
    pub history: Window,
    /// How much of the past there must be before anything but the hard rules speaks.
    pub learn: Window,
    /// How often everything is learned anew.
    pub relearn: Window,
    /// Everything random begins here.
    pub seed: u64,
    /// The file of what was learned; empty is beside the database.
    pub model: PathBuf,
}

/// Before the first learning and after a failed one, it is tried this often.
const TRY_EVERY: TimeDelta = TimeDelta::seconds(30);

/// Watches until told to stop.
pub async fn run(app: Arc<App>, incidents: Incidents, shutdown: CancellationToken) {
    if app.config.detection.mode == Mode::Off {
        shutdown.cancelled().await;
        return;
    }
    let every = app.config.detection.every.duration().max(Duration::from_secs(1));
    let mut watch = Watch::new(app, incidents);
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Err(error) = watch.look().await {
            watch.app.meters.watch_failures.inc();
            tracing::warn!(%error, "this look at the metrics came to nothing; the next one follows");
        }
    }
}

type Learning = JoinHandle<Result<Detector, MetricsError>>;

/// One pair of eyes on the fleet.
pub struct Watch {
    app: Arc<App>,
    incidents: Incidents,
    detector: Option<Detector>,
    rules: Rules,
    learning: Option<Learning>,
    learn_at: DateTime<Utc>,
}

/// Why a look came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The metrics source.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// What people think could not be read.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// What was found could not be kept.
    #[error(transparent)]
    Incidents(#[from] crate::incidents::IncidentsError),
}

impl Watch {
    /// Knows what an earlier run learned, as far as that is not too old, and the hard rules.
    pub fn new(app: Arc<App>, incidents: Incidents) -> Self {
        let mut watch = Self {
            app,
            incidents,
            detector: None,
            rules: Rules::default(),
            learning: None,
            learn_at: DateTime::UNIX_EPOCH,
        };
        if let Some(model) = watch.app.config.model_file().filter(|file| file.exists()) {
            watch.remember(&model);
        }
        watch
    }

    /// Takes in the model file, unless it is too old or was made with other settings.
    fn remember(&mut self, file: &Path) {
        let model = match model::load_newest(file, None) {
            Ok(loaded) => loaded.model,
            Err(error) => {
                tracing::warn!(%error, "learning anew");
                return;
            }
        };
        let written = DateTime::from_timestamp_millis(model.header.written);
        let stale = written.is_none_or(|at| at + self.relearn() <= self.app.clock.now());
        if stale || model.detector.settings() != settings(&self.app.config.detection) {
            return;
        }
        tracing::info!(hosts = model.header.hosts, "remember what is normal");
        self.learn_at = written.unwrap_or_default() + self.relearn();
        self.detector = Some(model.detector);
    }

    /// How many hosts it knows the normal of.
    pub fn learned(&self) -> usize {
        self.detector.as_ref().map_or(0, |detector| detector.hosts().count())
    }

    /// Waits for what is being learned, if anything is.
    pub async fn has_learned(&mut self) {
        if let Some(learning) = self.learning.take() {
            self.take_in(learning, self.app.clock.now()).await;
        }
    }

    /// Looks once, and tells of what is unusual.
    pub async fn look(&mut self) -> Result<(), WatchError> {
        let now = self.app.clock.now();
        self.learn(now).await;
        let found = self.find(now).await?;
        for seen in self.incidents.observe(&found, now).await? {
            tracing::info!(incident = seen.number, change = ?seen.kind, "an incident changed");
        }
        self.app.meters.looks.inc();
        Ok(())
    }

    async fn find(&mut self, now: DateTime<Utc>) -> Result<Vec<Anomaly>, WatchError> {
        let fleet = self.app.metrics.fleet().await?;
        let moment = gather::now(&self.app.metrics, self.detector.as_ref(), now).await?;
        let hosts = fleet.hosts().iter().map(|host| (&*host.name, host.up));
        let mut found = self.rules.judge(hosts, &moment.observations, &moment.schema, now);
        if let Some(detector) = &mut self.detector {
            detector.tolerate(&self.app.store.unwelcome().await?);
            let verdicts = detector.look(&moment.observations);
            for anomaly::Verdict { host, score, votes, .. } in &verdicts {
                tracing::debug!(host, score, ?votes, "looked at a host");
            }
            found.extend(verdicts.into_iter().filter_map(|verdict| verdict.anomaly));
        }
        Ok(found)
    }

    /// Learns from the past when it is time, beside the looks; what is learned is used from the next
    /// look on.
    async fn learn(&mut self, now: DateTime<Utc>) {
        if let Some(learning) = self.learning.take_if(|learning| learning.is_finished()) {
            self.take_in(learning, now).await;
        }
        if self.learning.is_none() && now >= self.learn_at {
            self.learning = Some(tokio::spawn(learned(self.app.clone(), now)));
        }
    }

    async fn take_in(&mut self, learning: Learning, now: DateTime<Utc>) {
        let again = match learning.await {
            Ok(Ok(detector)) => {
                let hosts = detector.hosts().count();
                tracing::info!(hosts, "learned what is normal");
                self.detector = (hosts > 0).then_some(detector);
                if hosts > 0 { self.relearn() } else { TRY_EVERY }
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "cannot learn what is normal; trying again soon");
                TRY_EVERY
            }
            Err(error) => {
                tracing::error!(%error, "learning what is normal was cut short");
                self.relearn()
            }
        };
        self.learn_at = now + again;
    }

    fn relearn(&self) -> TimeDelta {
        TimeDelta::from_std(self.app.config.detection.relearn.duration())
            .unwrap_or(TimeDelta::days(1))
    }
}

async fn learned(app: Arc<App>, now: DateTime<Utc>) -> Result<Detector, MetricsError> {
    let config = app.config.detection.clone();
    let file = app.config.model_file();
    let past = gather::past(&app.metrics, &config, now).await?;
    let training = move || {
        let times = || past.histories.values().flat_map(|history| &history.times).copied();
        let span = times().min().zip(times().max());
        let detector = Detector::train(past.schema, &past.histories, settings(&config));
        if let (Some(file), Some(span)) = (file, span) {
            let saved = model::save(&file, &Model::new(detector.clone(), span, now));
            if let Err(error) = saved {
                tracing::warn!(%error, "what was learned is not kept over a restart");
            }
        }
        detector
    };
    tokio::task::spawn_blocking(training).await.map_err(|error| {
        MetricsError::Config(format!("learning what is normal was cut short: {error}"))
    })
}

fn settings(config: &DetectionConfig) -> anomaly::Settings {
    anomaly::Settings { budget: config.budget, seed: config.seed }
}
