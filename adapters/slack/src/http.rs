//! The other way to hear: Slack sends signed requests
//! (<https://docs.slack.dev/authentication/verifying-requests-from-slack>).

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use futures::FutureExt as _;
use secrecy::ExposeSecret;
use serde_json::{Map, Value};
use slack_morphism::{prelude::*, signature_verifier::SlackEventSignatureVerifier as Verifier};
use tokio::time::timeout;
use url::form_urlencoded;

use crate::{
    hear::{Doer, Kind, RECORDED_WITHIN},
    slack::Slack,
};

/// The largest request taken.
const MAX_BYTES: usize = 1 << 20;

impl Slack {
    /// Where Slack sends its requests: `/slack/events`, `/slack/commands` and `/slack/interactions`.
    pub fn routes(self: Arc<Self>) -> Router {
        let of = |kind| {
            post(async move |State(slack): State<Arc<Self>>, headers: HeaderMap, body: Bytes| {
                slack.requested(kind, &headers, &body).await
            })
        };
        Router::new()
            .route("/slack/events", of(Kind::Event))
            .route("/slack/commands", of(Kind::Command))
            .route("/slack/interactions", of(Kind::Interaction))
            .layer(DefaultBodyLimit::max(MAX_BYTES))
            .with_state(self)
    }

    async fn requested(self: &Arc<Self>, kind: Kind, headers: &HeaderMap, body: &[u8]) -> Response {
        // Nothing of a request is read before it is known to be Slack's.
        let Some(body) =
            std::str::from_utf8(body).ok().filter(|body| self.is_signed(headers, body))
        else {
            return StatusCode::UNAUTHORIZED.into_response();
        };
        let Some(payload) = payload(kind, body) else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        if payload["type"] == "url_verification" {
            return payload["challenge"].as_str().unwrap_or_default().to_owned().into_response();
        }
        let (me, inbox) = {
            let state = self.state();
            (state.me.clone(), state.inbox.clone())
        };
        let (Some(me), Some(inbox)) = (me, inbox) else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        let (slack, doer) = (self.clone(), Doer::of(&payload));
        let window = doer.window.clone();
        let mut recording = async move { slack.hear(kind, &payload, &me, &inbox).await }.boxed();
        let recorded = timeout(RECORDED_WITHIN, &mut recording).await;
        let goes_on = recorded.is_err() && kind != Kind::Event;
        if goes_on {
            let slack = self.clone();
            tokio::spawn(async move { slack.record_slowly(doer, recording).await });
        }
        match (recorded, window) {
            (Ok(Ok(())), _) => StatusCode::OK.into_response(),
            (_, Some(window)) => Json(window).into_response(),
            (_, None) if goes_on => StatusCode::OK.into_response(),
            // Slack comes again with it, or tells who did it that it failed.
            (_, None) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    }

    fn is_signed(&self, headers: &HeaderMap, body: &str) -> bool {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let Some(secret) = self.state().tokens.signing.clone() else { return false };
        let (Some(signature), Some(moment)) =
            (header(Verifier::SLACK_SIGNED_HASH_HEADER), header(Verifier::SLACK_SIGNED_TIMESTAMP))
        else {
            return false;
        };
        let secret = SlackSigningSecret(secret.expose_secret().to_owned());
        match Verifier::new(&secret).verify(signature, body, moment) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "a request that is not Slack's was refused");
                false
            }
        }
    }
}

/// The payload of a request: JSON, JSON in a form, or the form itself.
fn payload(kind: Kind, body: &str) -> Option<Value> {
    let fields = || form_urlencoded::parse(body.as_bytes());
    match kind {
        Kind::Event => serde_json::from_str(body).ok(),
        Kind::Interaction => {
            let (_, json) = fields().find(|(name, _)| name == "payload")?;
            serde_json::from_str(&json).ok()
        }
        Kind::Command => {
            let fields: Map<String, Value> = fields()
                .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
                .collect();
            Some(Value::Object(fields))
        }
    }
}
