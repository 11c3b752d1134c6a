//! Where Prometheus is, and how its labels name the machines.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use reqwest::{
    Certificate, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{
    config::{masked, masked_values},
    metrics::{MetricsError, Window},
    tls,
};

/// The part `[metrics.prometheus]` of the configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrometheusConfig {
    /// The address, with the path of a proxy but without `/api/v1`. Never with credentials.
    #[serde(deserialize_with = "url_without_credentials")]
    pub url: String,
    /// Sent as `Authorization: Bearer …`.
    #[serde(serialize_with = "masked", skip_serializing_if = "Option::is_none")]
    pub bearer_token: Option<SecretString>,
    /// The name for basic authentication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Its password.
    #[serde(serialize_with = "masked", skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretString>,
    /// Headers sent with every request, such as `X-Scope-OrgID`.
    #[serde(serialize_with = "masked_values")]
    pub headers: BTreeMap<String, SecretString>,
    /// Certificates to trust instead of the system's, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// How long one question may take, with its retry.
    pub timeout: Window,
    /// How far apart samples are; also how long an answer is kept.
    pub scrape_interval: Window,
    /// Over how long rates are computed: at least four scrapes.
    pub rate_window: Window,
    /// The label that tells machines apart. With `instance`, names come from `node_uname_info`.
    pub host_label: String,
    /// The label with the environment; where it is missing, `env` is tried.
    pub environment_label: String,
    /// The label with the role.
    pub role_label: String,
    /// The label with the zone or rack; where it is missing, `availability_zone` is tried.
    pub zone_label: String,
    /// The most series shown of one answer.
    pub max_series: usize,
    /// The most questions in flight.
    pub max_concurrent: usize,
}

impl Default for PrometheusConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            bearer_token: None,
            username: None,
            password: None,
            headers: BTreeMap::new(),
            ca_file: None,
            timeout: Window::from_seconds(10),
            scrape_interval: Window::from_seconds(15),
            rate_window: Window::from_seconds(300),
            host_label: "instance".to_owned(),
            environment_label: "environment".to_owned(),
            role_label: "role".to_owned(),
            zone_label: "zone".to_owned(),
            max_series: 10_000,
            max_concurrent: 4,
        }
    }
}

const CREDENTIALS: &str = "`url` must not contain a user name or a password: set `username` and \
                           `password` beside it";

/// Refused while it is read, so that no later message can show it.
fn url_without_credentials<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    match Url::parse(&text) {
        Ok(url) if has_credentials(&url) => Err(D::Error::custom(CREDENTIALS)),
        Err(_) if text.contains('@') => Err(D::Error::custom(CREDENTIALS)),
        _ => Ok(text),
    }
}

fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn wrong(reason: impl Into<String>) -> MetricsError {
    MetricsError::Config(reason.into())
}

impl PrometheusConfig {
    /// The address, without a slash at the end.
    pub(super) fn base_url(&self) -> Result<Url, MetricsError> {
        if self.url.is_empty() {
            return Err(wrong("`url` is not set: write where Prometheus is"));
        }
        let mut url = Url::parse(&self.url)
            .map_err(|error| wrong(format!("`url` is not an address ({error})")))?;
        if has_credentials(&url) {
            return Err(wrong(CREDENTIALS));
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("`url` must begin with http:// or https://"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong(
                "`url` must end with its path: leave out everything from `?` or `#`",
            ));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(url)
    }

    /// An HTTP client that waits no longer than asked, follows no redirect, and proves who we are.
    pub(super) fn client(&self, url: &Url) -> Result<reqwest::Client, MetricsError> {
        tls::install_provider();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("smartcloudops/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.timeout.duration())
            .timeout(self.timeout.duration())
            .pool_idle_timeout(Duration::from_mins(1))
            .default_headers(self.default_headers(url)?);
        if let Some(path) = &self.ca_file {
            let shown = path.display();
            let pem = std::fs::read(path)
                .map_err(|error| wrong(format!("`ca_file` {shown} cannot be read ({error})")))?;
            let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
            if certificates.is_empty() {
                return Err(wrong(format!("`ca_file` {shown} contains no PEM certificate")));
            }
            builder = builder.tls_certs_only(certificates);
        } else if url.scheme() == "http" {
            // No redirect leads to TLS, so the system's certificates need not even exist.
            builder = builder.tls_certs_only([]);
        }
        if is_loopback(url) {
            builder = builder.no_proxy();
        }
        builder.build().map_err(|error| {
            let reason = super::transport::root_cause(&error);
            wrong(format!("the HTTP client cannot be built ({reason})"))
        })
    }

    fn default_headers(&self, url: &Url) -> Result<HeaderMap, MetricsError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let shown = chat::escape_invisible(name);
            let refuse = || wrong(format!("the header `{shown}` cannot be sent: check its value"));
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse())?;
            let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| refuse())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let authorization = match (&self.bearer_token, &self.username) {
            (Some(_), Some(_)) => {
                return Err(wrong("set either `bearer_token` or `username`, not both"));
            }
            (Some(token), None) => {
                let text = SecretString::from(format!("Bearer {}", token.expose_secret()));
                let value = HeaderValue::from_str(text.expose_secret()).map_err(|_| {
                    wrong("`bearer_token` contains a line break or another control character")
                })?;
                Some(value)
            }
            (None, Some(name)) => basic(url, name, self.password.as_ref())?,
            (None, None) if self.password.is_some() => {
                return Err(wrong("`password` is set without `username`"));
            }
            (None, None) => None,
        };
        if let Some(mut value) = authorization {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(headers)
    }
}

/// The header of basic authentication, as reqwest writes it on a request that is never sent.
fn basic(
    url: &Url,
    name: &str,
    password: Option<&SecretString>,
) -> Result<Option<HeaderValue>, MetricsError> {
    let refuse = |_| wrong("`username` and `password` cannot be sent");
    let client = reqwest::Client::builder().tls_certs_only([]).build().map_err(refuse)?;
    let request = client
        .get(url.clone())
        .basic_auth(name, password.map(ExposeSecret::expose_secret))
        .build()
        .map_err(refuse)?;
    Ok(request.headers().get(AUTHORIZATION).cloned())
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<PrometheusConfig, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_smallest_configuration_is_an_address() {
        let config = config("url = \"https://mimir.example/prometheus/\"").unwrap();
        assert_eq!(config.base_url().unwrap().as_str(), "https://mimir.example/prometheus");
        assert_eq!(config.timeout.seconds(), 10);
        assert!(super::tests::config("uri = \"x\"").unwrap_err().contains("uri"));
    }

    #[test]
    fn credentials_in_the_address_are_refused_and_not_repeated() {
        for url in ["http://bob:hunter2@prom:9090", "http://hunter2@prom", "http//bob:hunter2@p"] {
            let error = config(&format!("url = \"{url}\"")).unwrap_err();
            // The parser shows the line; what matters is what we say ourselves.
            assert!(error.contains("must not contain"), "{error}");
            let made = PrometheusConfig { url: url.to_owned(), ..PrometheusConfig::default() };
            let error = made.base_url().unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn an_address_that_cannot_work_is_refused() {
        for url in ["", "prom:9090", "ftp://prom", "http://prom/?a=b", "http://prom/#x", "http://"]
        {
            let made = PrometheusConfig { url: url.to_owned(), ..PrometheusConfig::default() };
            assert!(matches!(made.base_url(), Err(MetricsError::Config(_))), "{url}");
        }
    }

    #[test]
    fn secrets_do_not_show() {
        let config = config(
            "url = \"http://p\"\nusername = \"bob\"\npassword = \"hunter2\"\n\
             bearer_token = \"hunter2\"\n[headers]\nX-Scope-OrgID = \"hunter2\"",
        )
        .unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        let error = config.client(&config.base_url().unwrap()).unwrap_err();
        assert!(error.to_string().contains("not both"), "{error}");
    }

    #[test]
    fn basic_authentication_is_a_header() {
        let url = Url::parse("http://p").unwrap();
        let config = config("username = \"Aladdin\"\npassword = \"open sesame\"").unwrap();
        tls::install_provider();
        let value = config.default_headers(&url).unwrap()[AUTHORIZATION].clone();
        assert_eq!(value, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(value.is_sensitive());
    }
}
