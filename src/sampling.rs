//! Keeps this machine's samples over restarts, when this machine is what is watched.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    clock::Clock,
    metrics::{
        Metrics, Window,
        host::{HostMetrics, Sample},
    },
    store::{self, Store, StoreError},
};

/// Batches that wait to be stored.
const WAITING: usize = 8;
/// Stored samples taken in at once: a day of them in one piece would be most of the memory in use.
const PAGE: u32 = 500;

/// Samples and stores until told to stop; with a Prometheus there is nothing to do but wait.
pub async fn run(app: Arc<App>, shutdown: CancellationToken) {
    let Metrics::Host(host) = &app.metrics else {
        shutdown.cancelled().await;
        return;
    };
    let (batches, mut taken) = mpsc::channel::<Vec<Sample>>(WAITING);
    let interval = app.config.metrics.sample_interval.duration();
    let sampling = host.run(shutdown, interval, batches);
    let storing = async {
        while let Some(batch) = taken.recv().await {
            save(&app, host, &batch).await;
        }
    };
    tokio::join!(sampling, storing);
}

/// Takes in what an earlier run stored, so that a window reaches back beyond the start.
pub(crate) async fn restore(
    host: &HostMetrics,
    store: &Store,
    keep: &Window,
    clock: &Clock,
) -> Result<(), StoreError> {
    let name = name(host);
    let mut since = oldest(keep, clock);
    loop {
        let rows = store.samples_since(&name, since, PAGE).await?;
        host.restore(rows.iter().filter_map(|row| match Sample::from_row(&row.values) {
            Ok(sample) => Some(sample),
            Err(error) => {
                tracing::warn!(%error, "a stored sample was left out");
                None
            }
        }));
        match rows.last() {
            Some(last) if rows.len() == PAGE as usize => since = last.at_ms.saturating_add(1),
            _ => return Ok(()),
        }
    }
}

async fn save(app: &App, host: &HostMetrics, batch: &[Sample]) {
    let rows: Vec<_> = batch
        .iter()
        .map(|sample| store::Sample {
            at_ms: sample.at.timestamp_millis(),
            values: sample.to_row(),
        })
        .collect();
    let saved = async {
        app.store.append_samples(&name(host), &rows).await?;
        app.store.purge_samples_before(oldest(&app.config.metrics.keep, &app.clock)).await
    };
    if let Err(error) = saved.await {
        app.meters.store_failures.inc();
        tracing::error!(%error, "this machine's samples were not stored");
    }
}

/// The name under which this machine's samples are stored.
fn name(host: &HostMetrics) -> String {
    host.fleet().hosts().first().map(|host| host.name.clone()).unwrap_or_default()
}

fn oldest(keep: &Window, clock: &Clock) -> i64 {
    let keep = i64::try_from(keep.seconds()).unwrap_or(i64::MAX / 1000);
    clock.now().timestamp_millis() - keep * 1000
}
