//! Everything a request needs, built once.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use secrecy::ExposeSecret;

use crate::{
    clock::Clock,
    config::{Config, ConfigError},
    incidents::Recent,
    meters::Meters,
    metrics::{Metrics, MetricsError},
    sampling,
    store::{Store, StoreError},
};

/// The parts of a running bot.
pub struct App {
    /// The settings in force.
    pub config: Config,
    /// The people's time zone.
    pub zone: Tz,
    /// Where the time comes from.
    pub clock: Clock,
    /// The database.
    pub store: Store,
    /// Where numbers come from.
    pub metrics: Metrics,
    /// What the bot counts about itself.
    pub meters: Meters,
    /// What was asked of the incidents a moment ago.
    pub recent: Recent,
}

/// Why the bot cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The metrics source's settings.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
}

impl App {
    /// Opens the database, brings its tables up to date and prepares the metrics source. Asks
    /// nothing of the metrics source yet, so that the bot starts while it is down.
    pub async fn build(config: Config, clock: Clock) -> Result<Arc<Self>, AppError> {
        let zone = config.zone()?;
        let store = Store::open(config.store_url()?.expose_secret(), clock.clone()).await?;
        store.migrate().await?;
        let metrics = Metrics::new(&config.metrics, zone, &clock)?;
        if let Metrics::Host(host) = &metrics {
            sampling::restore(host, &store, &config.metrics.keep, &clock).await?;
        }
        Ok(Arc::new(Self {
            config,
            zone,
            clock,
            store,
            metrics,
            meters: Meters::new(),
            recent: Recent::default(),
        }))
    }

    /// The time now, in the people's zone.
    pub fn now(&self) -> DateTime<Tz> {
        self.clock.now().with_timezone(&self.zone)
    }

    /// A moment as people read it.
    pub fn local(&self, at: DateTime<Utc>) -> DateTime<Tz> {
        at.with_timezone(&self.zone)
    }
}
