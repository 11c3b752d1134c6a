//! Keeps this machine's samples over restarts, when this machine is what is watched.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{app::App, metrics::{Metrics, host::Sample}, store};

/// Batches that wait to be stored.
const WAITING: usize = 8;

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
            save(&app, &batch).await;
        }
    };
    tokio::join!(sampling, storing);
}

async fn save(app: &App, batch: &[Sample]) {
    let rows: Vec<_> = batch
        .iter()
        .map(|sample| store::Sample { at_ms: sample.at.timestamp_millis(), values: sample.to_json() })
        .collect();
    let keep = i64::try_from(app.config.metrics.keep.seconds()).unwrap_or(i64::MAX / 1000);
    let oldest = app.clock.now().timestamp_millis() - keep * 1000;
    let host = crate::people::console_user().workspace;
    let saved = async {
        app.store.append_samples(&host, &rows).await?;
        app.store.purge_samples_before(oldest).await
    };
    if let Err(error) = saved.await {
        app.meters.store_failures.inc();
        tracing::error!(%error, "this machine's samples were not stored");
    }
}
