//! What was asked of the incidents a moment ago: many people ask the same at once.

use std::{sync::Arc, time::Duration};

use moka::future::Cache;

use crate::{
    anomaly::incident::{Incident, Member},
    app::App,
    store::{StoreError, Wanted},
};

/// Another process may have changed them since.
const KEEP: Duration = Duration::from_secs(5);
/// Days of anomalies that are looked through.
pub(crate) const ANOMALY_DAYS: i64 = 30;
/// The most of them.
const MOST_ANOMALIES: u32 = 5000;
/// Who may see more hosts than this has the anomalies of all read, and picked from.
const MOST_HOSTS: usize = 500;
/// Questions about so many different hosts are kept.
const MOST_QUESTIONS: u64 = 50;

type Hosts = Option<Vec<String>>;
type Anomalies = Arc<Vec<(u32, Member)>>;

/// The incidents that are not over, and the latest anomalies.
pub struct Recent {
    live: Cache<(), Arc<Vec<Incident>>>,
    anomalies: Cache<Hosts, Anomalies>,
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            live: Cache::builder().max_capacity(1).time_to_live(KEEP).build(),
            anomalies: Cache::builder().max_capacity(MOST_QUESTIONS).time_to_live(KEEP).build(),
        }
    }
}

impl Recent {
    /// Something changed.
    pub(crate) fn forget(&self) {
        self.live.invalidate_all();
        self.anomalies.invalidate_all();
    }

    /// The incidents that are not over, newest first.
    pub(crate) async fn live(&self, app: &App) -> Result<Arc<Vec<Incident>>, StoreError> {
        if let Some(live) = self.live.get(&()).await {
            return Ok(live);
        }
        let mut live = app.store.incidents(Wanted::Known).await?;
        live.retain(Incident::is_live);
        let live = Arc::new(live);
        self.live.insert((), live.clone()).await;
        Ok(live)
    }

    /// The latest anomalies of these hosts (`None`: of all) with the numbers of their incidents, newest
    /// first.
    pub(crate) async fn anomalies(
        &self,
        app: &App,
        hosts: Option<&[String]>,
    ) -> Result<Anomalies, StoreError> {
        let few = hosts.filter(|hosts| hosts.len() <= MOST_HOSTS);
        let asked = few.map(<[String]>::to_vec);
        if let Some(anomalies) = self.anomalies.get(&asked).await {
            return Ok(anomalies);
        }
        let since = app.clock.now() - chrono::TimeDelta::days(ANOMALY_DAYS);
        let anomalies = Arc::new(app.store.latest_anomalies(since, few, MOST_ANOMALIES).await?);
        self.anomalies.insert(asked, anomalies.clone()).await;
        Ok(anomalies)
    }
}
