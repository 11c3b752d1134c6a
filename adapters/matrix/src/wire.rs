//! The client-server API over HTTP: one request, one answer, nothing tried again.

use std::{
    borrow::Cow,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use ruma::api::{
    IncomingResponse, MatrixVersion, OutgoingRequest, SupportedVersions,
    auth_scheme::{
        AccessToken, AccessTokenOptional, AppserviceTokenOptional, AuthScheme, NoAccessToken,
        NoAuthentication, SendAccessToken,
    },
    error::FromHttpResponseError,
    path_builder::{PathBuilder, SinglePath, VersionHistory},
};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::refusals::Failed;

/// How long the homeserver may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is asked is in every version since this one, which has threads.
pub(crate) const SPOKEN: MatrixVersion = MatrixVersion::V1_4;

/// A homeserver.
pub(crate) struct Wire {
    http: reqwest::Client,
    base: String,
    versions: SupportedVersions,
    token: Mutex<Option<SecretString>>,
}

/// How each scheme of authentication is met.
pub(crate) trait Authenticate: AuthScheme {
    fn input(token: SendAccessToken<'_>) -> Self::Input<'_>;
}

macro_rules! by_token {
    ($($scheme:ty),*) => {$(
        impl Authenticate for $scheme {
            fn input(token: SendAccessToken<'_>) -> Self::Input<'_> {
                token
            }
        }
    )*};
}
by_token!(AccessToken, AccessTokenOptional, AppserviceTokenOptional, NoAccessToken);

impl Authenticate for NoAuthentication {
    fn input(_token: SendAccessToken<'_>) -> Self::Input<'_> {}
}

/// How the path is chosen.
pub(crate) trait Paths: PathBuilder {
    fn input(versions: &SupportedVersions) -> Self::Input<'_>;
}

impl Paths for VersionHistory {
    fn input(versions: &SupportedVersions) -> Self::Input<'_> {
        Cow::Borrowed(versions)
    }
}

impl Paths for SinglePath {
    fn input(_versions: &SupportedVersions) -> Self::Input<'_> {}
}

impl Wire {
    /// To the homeserver at this address; connects to nothing yet.
    pub(crate) fn new(base: &Url) -> Result<Self, reqwest::Error> {
        // A program that uses TLS elsewhere may have chosen its provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(PATIENCE).build()?;
        Ok(Self {
            http,
            base: base.as_str().trim_end_matches('/').to_owned(),
            versions: SupportedVersions { versions: [SPOKEN].into(), features: [].into() },
            token: Mutex::default(),
        })
    }

    pub(crate) fn set_token(&self, token: Option<SecretString>) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }

    pub(crate) async fn send<R>(&self, request: R) -> Result<R::IncomingResponse, Failed>
    where
        R: OutgoingRequest,
        R::Authentication: Authenticate,
        R::PathBuilder: Paths,
        Failed: From<R::EndpointError>,
    {
        self.send_within(request, PATIENCE).await
    }

    /// The same, for a request that the homeserver may hold longer than others.
    pub(crate) async fn send_within<R>(
        &self,
        request: R,
        patience: Duration,
    ) -> Result<R::IncomingResponse, Failed>
    where
        R: OutgoingRequest,
        R::Authentication: Authenticate,
        R::PathBuilder: Paths,
        Failed: From<R::EndpointError>,
    {
        let garbled = |error: &dyn std::error::Error| Failed::Garbled(error.to_string());
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let token = token.as_ref().map_or(SendAccessToken::None, |token| {
            SendAccessToken::IfRequired(token.expose_secret())
        });
        let request = request
            .try_into_http_request::<Vec<u8>>(
                &self.base,
                R::Authentication::input(token),
                R::PathBuilder::input(&self.versions),
            )
            .map_err(|error| garbled(&error))?;
        let mut request =
            reqwest::Request::try_from(request).map_err(|error| unreachable(&error))?;
        *request.timeout_mut() = Some(patience);
        let mut response = self.http.execute(request).await.map_err(|error| unreachable(&error))?;
        let mut head = http::Response::builder().status(response.status());
        if let Some(headers) = head.headers_mut() {
            *headers = std::mem::take(response.headers_mut());
        }
        let body: Bytes = response.bytes().await.map_err(|error| unreachable(&error))?;
        let response = head.body(body).map_err(|error| garbled(&error))?;
        R::IncomingResponse::try_from_http_response(response).map_err(|error| match error {
            FromHttpResponseError::Server(error) => error.into(),
            error => garbled(&error),
        })
    }
}

/// What happened, down to its cause: reqwest says it in parts. The address may hold what nobody should read.
fn unreachable(error: &reqwest::Error) -> Failed {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let what = if error.is_timeout() { "no answer in time".to_owned() } else { cause.to_string() };
    Failed::Unreachable(format!("the homeserver is not to be reached: {what}"))
}
