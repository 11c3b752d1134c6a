//! The local HTTP endpoint: is it alive, is it ready, what does it count.

use std::sync::Arc;

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

/// The state of one part.
#[derive(Debug, PartialEq, Eq, Serialize)]
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
}

/// Serves until `shutdown` is cancelled, then finishes the requests in hand.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    axum::serve(listener, router(app)).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

/// The routes.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(meters))
        .with_state(app)
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    let readiness = readiness(&app).await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

/// Asks each part how it is.
pub async fn readiness(app: &App) -> Readiness {
    let database = match app.store.ping().await {
        Ok(()) => Part { ok: true, detail: format!("{} answers", app.store.backend()) },
        Err(error) => Part { ok: false, detail: error.to_string() },
    };
    let metrics = match app.metrics.fleet().await {
        Ok(fleet) => Part { ok: true, detail: format::count(fleet.hosts().len(), "host") },
        Err(error) => Part { ok: false, detail: error.to_string() },
    };
    Readiness { ready: database.ok, degraded: !(database.ok && metrics.ok), database, metrics }
}

async fn meters(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.meters.text())
}
