//! The local HTTP endpoint: is it alive, is it ready, what does it count.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{app::App, format};

/// How long a start, or somebody who asks how the bot is, waits for the metrics source.
const PATIENCE: Duration = Duration::from_millis(500);

/// The state of one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Whether it works.
    pub ok: bool,
    /// What it is, or what is wrong with it.
    pub detail: String,
}

/// The state of the whole.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether questions are recorded and answered.
    pub ready: bool,
    /// Whether some part does not work.
    pub degraded: bool,
    /// Where everything is kept.
    pub database: Part,
    /// Where numbers come from. The bot is ready without it: it says that it is away.
    pub metrics: Part,
    /// What was said of the parts that run: chat, outbox, sampling.
    #[serde(flatten)]
    pub parts: BTreeMap<&'static str, Part>,
}

/// What the running parts say about themselves.
#[derive(Debug, Default)]
pub struct Health(Mutex<BTreeMap<&'static str, Part>>);

impl Health {
    /// It works, and this is what it does.
    pub fn works(&self, part: &'static str, detail: impl Into<String>) {
        self.note(part, Part { ok: true, detail: detail.into() });
    }

    /// It does not, for this reason.
    pub fn fails(&self, part: &'static str, detail: impl Into<String>) {
        self.note(part, Part { ok: false, detail: detail.into() });
    }

    fn note(&self, part: &'static str, state: Part) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(part, state);
    }

    fn parts(&self) -> BTreeMap<&'static str, Part> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How many hosts the metrics source knows, or why that is not known. A source that is slow goes on
/// being asked; nobody waits for it here.
pub async fn hosts(app: &Arc<App>) -> Result<String, String> {
    let asked = app.clone();
    let answer = tokio::spawn(async move {
        let fleet = asked.metrics.fleet().await.map_err(|error| error.to_string())?;
        Ok(format::count(fleet.hosts().len(), "host"))
    });
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer.unwrap_or_else(|error| Err(error.to_string())),
        Err(_) => Err(format!("{} has not answered yet", app.metrics.describe())),
    }
}

/// Serves these routes, and `more`, until `shutdown` is cancelled, then finishes the requests in hand.
pub async fn serve(
    app: Arc<App>,
    health: Arc<Health>,
    more: Router,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    axum::serve(listener, router(app, health).merge(more))
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

/// The routes.
pub fn router(app: Arc<App>, health: Arc<Health>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(meters))
        .with_state((app, health))
}

type Served = State<(Arc<App>, Arc<Health>)>;

async fn ready(State((app, health)): Served) -> Response {
    let readiness = readiness(&app, &health).await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

/// Asks each part how it is.
pub async fn readiness(app: &Arc<App>, health: &Health) -> Readiness {
    let database = match app.store.ping().await {
        Ok(()) => Part { ok: true, detail: format!("{} answers", app.store.backend()) },
        Err(error) => Part { ok: false, detail: error.to_string() },
    };
    let metrics = match hosts(app).await {
        Ok(detail) => Part { ok: true, detail },
        Err(detail) => Part { ok: false, detail },
    };
    let parts = health.parts();
    let whole = database.ok && metrics.ok && parts.values().all(|part| part.ok);
    Readiness { ready: database.ok, degraded: !whole, database, metrics, parts }
}

async fn meters(State((app, _)): Served) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.meters.text())
}
