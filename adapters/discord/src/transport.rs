//! How Discord's REST API is asked: with whose token, how fast, and what an answer means
//! (<https://docs.discord.com/developers/reference>).

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reqwest::{
    Client, Method, RequestBuilder, Response,
    header::{AUTHORIZATION, HeaderMap},
    multipart::{Form, Part},
};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{sync::watch, time::Instant};
use url::Url;

use crate::{
    limits::Limits,
    message::{Attached, PROJECT},
    refusals::{Failed, code},
};

/// How long one call may take.
const PATIENCE: Duration = Duration::from_secs(15);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long to wait when Discord says "too fast" and not for how long.
const DEFAULT_WAIT: Duration = Duration::from_secs(5);
/// What is over sooner is waited for, and not reported.
const SHORT: Duration = Duration::from_millis(500);
/// The largest answer taken.
const MAX_BYTES: usize = 8 << 20;

/// The way to the API. The bot's token is given with each call, because it can be replaced.
pub(crate) struct Transport {
    client: Client,
    address: Url,
    limits: Mutex<Limits>,
    /// Discord said that the token does not hold: it is not asked again before somebody looks.
    shut_out: watch::Sender<Option<String>>,
}

/// What goes with a request.
#[derive(Clone, Copy)]
pub(crate) enum Body<'a> {
    None,
    Json(&'a Value),
    Message(&'a Value, &'a [Attached]),
}

impl Transport {
    /// Asks this address, mostly `https://discord.com/api/v10`.
    pub(crate) fn new(address: Url) -> Result<Self, reqwest::Error> {
        install_tls_provider();
        let client = Client::builder()
            // Discord refuses programs that do not say who they are.
            .user_agent(format!("DiscordBot ({PROJECT}, {})", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_WITHIN)
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let (shut_out, _) = watch::channel(None);
        Ok(Self { client, address, limits: Mutex::default(), shut_out })
    }

    /// The token may hold again: Discord is asked again.
    pub(crate) fn try_again(&self) {
        self.shut_out.send_replace(None);
    }

    /// Returns when the token no longer holds.
    pub(crate) async fn until_shut_out(&self) -> Failed {
        let mut shut_out = self.shut_out.subscribe();
        let message = shut_out.wait_for(Option::is_some).await.map(|message| message.clone());
        // The sender lives as long as this one.
        let message = message.ok().flatten().unwrap_or_default();
        Failed::No { what: "the last call", status: 401, code: 0, message }
    }

    /// Asks as the bot.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        token: &SecretString,
        method: Method,
        what: &'static str,
        path: &str,
        body: Body<'_>,
    ) -> Result<T, Failed> {
        let shut_out = self.shut_out.borrow().clone();
        if let Some(message) = shut_out {
            return Err(Failed::No { what, status: 401, code: 0, message });
        }
        let answer = self.answered(Some(token), method, what, path, body).await;
        if let Err(error) = &answer
            && error.is_shut_out()
        {
            self.shut_out.send_replace(Some(error.to_string()));
        }
        answer
    }

    /// Asks with a token in the path, as whoever was given it.
    pub(crate) async fn ask_by_path<T: DeserializeOwned>(
        &self,
        method: Method,
        what: &'static str,
        path: &str,
        body: Body<'_>,
    ) -> Result<T, Failed> {
        self.answered(None, method, what, path, body).await
    }

    async fn answered<T: DeserializeOwned>(
        &self,
        token: Option<&SecretString>,
        method: Method,
        what: &'static str,
        path: &str,
        body: Body<'_>,
    ) -> Result<T, Failed> {
        let route = route(&method, path);
        let wait = self.limits().wait(&route, token.is_none(), Instant::now());
        match wait {
            Some(wait) if wait <= SHORT => tokio::time::sleep(wait).await,
            Some(wait) => return Err(Failed::TooFast(wait)),
            None => {}
        }
        let address = format!("{}/{path}", self.address.as_str().trim_end_matches('/'));
        let mut request = with(self.client.request(method, address), body)?;
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bot {}", token.expose_secret()));
        }
        let failed = |error| Failed::Unreachable(format!("{what}: {}", root(error)));
        let response = request.send().await.map_err(failed)?;
        self.keep_to_limits(&route, response.headers());
        let (status, retry_after) = (response.status(), number(response.headers(), "retry-after"));
        let bytes = whole(response).await.map_err(|error| {
            Failed::Unreachable(format!("{what}: an answer that broke off: {error}"))
        })?;
        if status.is_success() {
            let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
            // Discord may have done it: the next attempt looks first.
            return serde_json::from_slice(bytes).map_err(|error| {
                Failed::Unreachable(format!("{what}: an answer that is not understood: {error}"))
            });
        }
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status.as_u16() == 429 {
            return Err(Failed::TooFast(self.told_to_wait(&route, &answer, retry_after)));
        }
        let message = answer["message"].as_str().unwrap_or_default();
        let why = answer.get("errors").map(|errors| format!(" {errors}")).unwrap_or_default();
        let message: String = format!("{message}{why}").chars().take(500).collect();
        let code = answer["code"].as_u64().unwrap_or_default();
        // Not Discord said that, but somebody on the way to it.
        let on_the_way = status.as_u16() == 403 && answer.is_null();
        if status.is_server_error() || on_the_way || code == code::BLOCKED_ON_THE_WAY {
            return Err(Failed::Unreachable(format!("{what}: HTTP {status} {message}")));
        }
        Err(Failed::No { what, status: status.as_u16(), code, message })
    }

    /// Discord says with every answer how many more it takes, and until when.
    fn keep_to_limits(&self, route: &str, headers: &HeaderMap) {
        if number(headers, "x-ratelimit-remaining") == Some(0.0)
            && let Some(wait) = number(headers, "x-ratelimit-reset-after").and_then(seconds)
        {
            self.limits().hold(route, wait, Instant::now());
        }
    }

    fn told_to_wait(&self, route: &str, answer: &Value, header: Option<f64>) -> Duration {
        let wait = answer["retry_after"].as_f64().or(header).and_then(seconds);
        let wait = wait.unwrap_or(DEFAULT_WAIT);
        // Without words it is not Discord that says so, but who stands before it: to all.
        if answer["global"] == true || answer.is_null() {
            self.limits().hold_all(wait, Instant::now());
        } else {
            self.limits().hold(route, wait, Instant::now());
        }
        wait
    }

    fn limits(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// reqwest panics without one. Whoever was first is kept.
fn install_tls_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Losing the race against another thread is fine: then there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// What is limited together: a method in a channel, on a server or for a webhook, whichever message it is about.
fn route(method: &Method, path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let mut parts = path.split('/');
    let major: Vec<_> = parts.by_ref().take(2).collect();
    let is_id = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    let rest: Vec<_> = parts.filter(|part| !is_id(part)).collect();
    format!("{method} {}/{}", major.join("/"), rest.join("/"))
}

fn number(headers: &HeaderMap, name: &str) -> Option<f64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number).ok()
}

fn with(request: RequestBuilder, body: Body<'_>) -> Result<RequestBuilder, Failed> {
    Ok(match body {
        Body::None => request,
        Body::Json(value) | Body::Message(value, []) => request.json(value),
        Body::Message(message, files) => {
            let mut form =
                Form::new().part("payload_json", part(message.to_string(), "application/json")?);
            for (number, file) in files.iter().enumerate() {
                let file = part(file.bytes.clone(), file.mime)?.file_name(file.name.clone());
                form = form.part(format!("files[{number}]"), file);
            }
            request.multipart(form)
        }
    })
}

fn part(bytes: impl Into<Vec<u8>>, mime: &str) -> Result<Part, Failed> {
    let part = Part::bytes(bytes.into()).mime_str(mime);
    part.map_err(|error| Failed::Unreachable(error.to_string()))
}

/// The whole answer, unless it is too large.
async fn whole(mut response: Response) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(root)? {
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err("it is too large".to_owned());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// What is at the bottom of an error. The address may hold a token.
fn root(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", PATIENCE.as_secs());
    }
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_one_channel_are_limited_together_and_channels_apart() {
        let of = |path| route(&Method::PATCH, path);
        assert_eq!(of("channels/1/messages/2"), of("channels/1/messages/3?x=1"));
        assert_ne!(of("channels/1/messages/2"), of("channels/2/messages/2"));
        assert_ne!(of("channels/1/messages"), route(&Method::POST, "channels/1/messages"));
    }
}
