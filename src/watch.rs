//! Looks at the metrics again and again, learns what is normal, and tells of what is not.

pub(crate) mod gather;

use std::{
    collections::{BTreeMap, BTreeSet},
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
        self, Anomaly, Detector, Schema,
        incident::left_out,
        model::{self, Loaded, Model},
        rules::Rules,
    },
    app::App,
    incidents::Incidents,
    metrics::{Fleet, Host, MetricsError, Window},
    store::Wanted,
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
    /// The same for the hosts of an environment, by its name, where it differs.
    pub budgets: BTreeMap<String, f64>,
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

impl DetectionConfig {
    /// Looks often, and learns from minutes instead of days.
    pub fn fast_start(&mut self) {
        self.every = Window::from_seconds(5);
        self.history = Window::from_seconds(24 * 3600);
        self.learn = Window::from_seconds(10 * 60);
    }
}

/// Before the first learning and after a failed one, it is tried this often.
const TRY_EVERY: TimeDelta = TimeDelta::seconds(30);

/// From so many hosts on, learning takes long enough to say how far it is.
const MANY: usize = 200;

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

type Learning = JoinHandle<Result<Learned, WatchError>>;

/// What came of learning.
struct Learned {
    detector: Detector,
    /// How much of the past there was.
    span: TimeDelta,
}

/// One pair of eyes on the fleet.
pub struct Watch {
    app: Arc<App>,
    incidents: Incidents,
    detector: Option<Detector>,
    rules: Rules,
    /// Whether the rules know what was before the first look.
    recalled: bool,
    learning: Option<Learning>,
    learn_at: DateTime<Utc>,
    /// Hosts that nothing was learned of, and since when there was something to learn.
    unknown: BTreeMap<String, DateTime<Utc>>,
    /// What ended while something new was learned, and is still to be told.
    over: Vec<Anomaly>,
    /// When the past was read that is or will be known.
    knows_until: DateTime<Utc>,
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
        let scraped_every = app.config.metrics.prometheus.scrape_interval.delta();
        let mut watch = Self {
            app,
            incidents,
            detector: None,
            rules: Rules::of_hosts_scraped_every(scraped_every),
            recalled: false,
            learning: None,
            learn_at: DateTime::UNIX_EPOCH,
            unknown: BTreeMap::new(),
            over: Vec::new(),
            knows_until: DateTime::UNIX_EPOCH,
        };
        if let Some(model) = watch.app.config.model_file().filter(|file| file.exists()) {
            watch.remember(&model);
        }
        watch
    }

    /// Takes in the model file, unless it is too old or was made with other settings.
    fn remember(&mut self, file: &Path) {
        let Loaded { model, passed_over, .. } = match model::load_newest(file, None) {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::warn!(%error, "learning anew");
                return;
            }
        };
        for reason in passed_over {
            tracing::warn!(%reason, "an older model is used");
        }
        let config = &self.app.config.detection;
        let header = &model.header;
        let span = TimeDelta::milliseconds(header.trained.1 - header.trained.0);
        let learn_at = DateTime::from_timestamp_millis(header.written)
            .map(|written| written + self.relearn().min(span));
        let every = config.every.duration().as_secs_f64();
        let same_pace =
            model.detector.step_seconds().all(|step| (0.5..2.0).contains(&(step / every)));
        let current = learn_at.filter(|at| *at > self.app.clock.now());
        if let Some(learn_at) = current.filter(|_| same_pace)
            && model.detector.settings() == settings(config)
        {
            tracing::info!(hosts = header.hosts, "remember what is normal");
            self.knows_until = DateTime::from_timestamp_millis(header.written).unwrap_or_default();
            self.learn_at = learn_at;
            self.detector = Some(model.detector);
        } else {
            let old = current.is_none();
            tracing::info!(old, same_pace, "what was learned does not fit any more: learning anew");
        }
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
        self.learn(now).await?;
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
        if !self.recalled {
            for (host, metric, past) in gather::disks(&self.app.metrics, now).await? {
                self.rules.recall(&host, &metric, &past);
            }
            self.forget_another_fleet(&fleet, &moment.schema, now);
            self.recalled = true;
        }
        let hosts = fleet.hosts().iter().map(|host| (&*host.name, host.up));
        let mut found = self.rules.judge(hosts, &moment.observations, &moment.schema, now);
        found.append(&mut self.over);
        self.meet(&fleet, now);
        if let Some(detector) = &mut self.detector {
            detector.tolerate(&self.app.store.unwelcome().await?);
            let verdicts = detector.look(&moment.known);
            for anomaly::Verdict { host, score, votes, .. } in &verdicts {
                tracing::debug!(host, score, ?votes, "looked at a host");
            }
            found.extend(verdicts.into_iter().filter_map(|verdict| verdict.anomaly));
        }
        Ok(found)
    }

    /// The model file may be of other hosts or metrics than those that are there: then everything is
    /// learned. Only what was remembered is looked at: hosts that leave later are no reason to forget.
    fn forget_another_fleet(&mut self, fleet: &Fleet, measured: &Schema, now: DateTime<Utc>) {
        let Some(detector) = &self.detector else { return };
        let of_these_hosts = detector.hosts().any(|name| fleet.find(name).is_some());
        let of_these_metrics =
            detector.schema().metrics().iter().any(|metric| measured.metrics().contains(metric));
        let nothing_there = fleet.hosts().is_empty() || measured.metrics().is_empty();
        if nothing_there || of_these_hosts && of_these_metrics {
            return;
        }
        tracing::warn!("what was learned is of other hosts or metrics: learning anew");
        self.detector = None;
        self.learn_at = now;
    }

    /// Takes note of hosts that are new: they are judged by their role until there is enough of their
    /// own past, and then it is time to learn.
    fn meet(&mut self, fleet: &Fleet, now: DateTime<Utc>) {
        let Some(detector) = &mut self.detector else { return };
        let config = &self.app.config.detection;
        let known: BTreeSet<&str> = detector.hosts().collect();
        let new = fleet.hosts().iter().filter(|host| host.up && !known.contains(&*host.name));
        let new: Vec<_> = new.collect();
        self.unknown.retain(|name, _| new.iter().any(|host| host.name == *name));
        let (enough, relearn) = (config.learn.delta(), config.relearn.delta());
        for host in &new {
            let since = self.unknown.entry(host.name.clone()).or_insert(now);
            if now - *since >= enough {
                // One of which nothing can be learned does not make it learn again and again.
                *since = now + relearn - enough;
                self.learn_at = now;
            }
            if let Some(role) = &host.role {
                detector.welcome(&host.name, role);
            }
        }
        detector.allow(|name| budget(config, fleet, name));
    }

    /// Learns from the past when it is time, beside the looks; what is learned is used from the next
    /// look on.
    async fn learn(&mut self, now: DateTime<Utc>) -> Result<(), WatchError> {
        if let Some(learning) = self.learning.take_if(|learning| learning.is_finished()) {
            self.take_in(learning, now).await;
        }
        // What is normal may be what somebody just said.
        let answered = self.app.store.last_answer().await?.is_some_and(|at| at > self.knows_until);
        if self.learning.is_none() && (answered || now >= self.learn_at) {
            self.learning = Some(tokio::spawn(learned(self.app.clone(), now)));
            self.knows_until = now;
        }
        Ok(())
    }

    async fn take_in(&mut self, learning: Learning, now: DateTime<Utc>) {
        let again = match learning.await {
            Ok(Ok(Learned { detector, .. })) if detector.hosts().next().is_none() => TRY_EVERY,
            Ok(Ok(Learned { mut detector, span })) => {
                let hosts = detector.hosts().count();
                tracing::info!(hosts, minutes = span.num_minutes(), "learned what is normal");
                if let Some(before) = self.detector.take() {
                    self.over.extend(detector.take_over(before, now));
                }
                self.detector = Some(detector);
                // What was learned from little is soon learned better: when there is twice as much.
                self.relearn().min(span)
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
        self.app.config.detection.relearn.delta()
    }
}

/// The roles of the hosts of a fleet.
pub(crate) fn roles(fleet: &Fleet) -> BTreeMap<String, String> {
    let role = |host: &Host| Some((host.name.clone(), host.role.clone()?));
    fleet.hosts().iter().filter_map(role).collect()
}

/// The budget of a host: that of its environment, where it has one.
pub(crate) fn budget(config: &DetectionConfig, fleet: &Fleet, host: &str) -> Option<f64> {
    let environment = fleet.find(host)?.environment.as_ref()?;
    let named = |(name, _): &(&String, &f64)| name.eq_ignore_ascii_case(environment);
    config.budgets.iter().find(named).map(|(_, budget)| *budget)
}

async fn learned(app: Arc<App>, now: DateTime<Utc>) -> Result<Learned, WatchError> {
    let config = app.config.detection.clone();
    let file = app.config.model_file();
    let since = now - config.history.delta();
    let incidents = app.store.incidents(Wanted::Since(since)).await?;
    let left_out = left_out(&incidents, &app.store.all_votes().await?, now);
    let past = gather::past(&app.metrics, &config, &left_out, now).await?;
    let fleet = app.metrics.fleet().await?;
    let training = move || {
        let span = past.span();
        let mut quarters = 0;
        let mut progress = |done: usize, all: usize| {
            // Few hosts are learned in a moment.
            if all >= MANY && 4 * done / all > quarters {
                quarters = 4 * done / all;
                tracing::info!(done, all, "learning what is normal");
            }
        };
        let mut detector =
            Detector::train_telling(past.schema, &past.histories, settings(&config), &mut progress);
        detector.learn_roles(&past.histories, &roles(&fleet));
        if let (Some(file), Some(span)) = (file, span) {
            let saved = model::save(&file, &Model::new(detector.clone(), span, now));
            if let Err(error) = saved {
                tracing::warn!(%error, "what was learned is not kept over a restart");
            }
        }
        let span = span.map_or(0, |(first, last)| last - first);
        Learned { detector, span: TimeDelta::milliseconds(span) }
    };
    tokio::task::spawn_blocking(training).await.map_err(|error| {
        MetricsError::Config(format!("learning what is normal was cut short: {error}")).into()
    })
}

pub(crate) fn settings(config: &DetectionConfig) -> anomaly::Settings {
    anomaly::Settings { budget: config.budget, seed: config.seed }
}
