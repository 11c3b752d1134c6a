//! Settings: embedded defaults ← one TOML file ← the environment.
//!
//! Each part's settings live with the part; this module reads, merges and checks them. It is the
//! only reader of the process environment.

mod environment;
mod or_never;
mod problems;
mod secrets;

pub use or_never::OrNever;
pub use secrets::{masked, masked_values};

use problems::{explain, well_formed};

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use figment::{
    Figment, Profile, Provider,
    providers::{Format, Serialized, Toml},
    value::Dict,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::{
    access::Role,
    metrics::{Window, prometheus::PrometheusConfig},
    platforms::{DiscordConfig, MatrixConfig, SlackConfig},
    watch::DetectionConfig,
};

/// The defaults, which are also the documentation of every key.
pub const EXAMPLE: &str = include_str!("config.default.toml");

/// Environment variables that set a key start with this; `__` stands for the dot between tables:
/// `SMARTCLOUDOPS_METRICS__PROMETHEUS__URL`.
pub const ENV_PREFIX: &str = "SMARTCLOUDOPS_";

/// All settings.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How the bot presents itself.
    pub bot: BotConfig,
    /// Who may do what before anybody was granted anything.
    pub access: AccessConfig,
    /// Where numbers come from.
    pub metrics: MetricsConfig,
    /// Where everything is kept.
    pub store: StoreConfig,
    /// The local HTTP endpoint.
    pub http: HttpConfig,
    /// Discord, where there is one.
    pub discord: DiscordConfig,
    /// Matrix, where there is one.
    pub matrix: MatrixConfig,
    /// Slack, where there is one.
    pub slack: SlackConfig,
    /// How anomalies are found.
    pub detection: DetectionConfig,
    /// Where people are told of incidents.
    pub alerts: AlertsConfig,
    /// Logs.
    pub log: LogConfig,
}

/// Where people are told of incidents, and when again.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AlertsConfig {
    /// `console` for the terminal, or `PLATFORM:WORKSPACE:CHANNEL`.
    pub channels: Vec<String>,
    /// After how long a serious incident that nobody took is said again.
    pub remind: OrNever,
    /// After how long it is asked whether an incident is the new normal.
    pub new_normal_after: OrNever,
}

/// How the bot presents itself.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BotConfig {
    /// IANA time zone for "this morning" and for the times shown; `local` is this machine's.
    pub timezone: String,
    /// How many days of conversation are kept.
    pub history_days: u32,
    /// How many answers one account gets in one thread within ten minutes.
    pub answers_in_thread: usize,
}

/// Who may do what before anybody was granted anything.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AccessConfig {
    /// The role of the operating-system user who runs the console.
    pub console_role: Role,
}

/// Where numbers come from.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    /// How often this machine is sampled when no Prometheus is configured.
    pub sample_interval: Window,
    /// How long this machine's samples are kept.
    pub keep: Window,
    /// A Prometheus-compatible server; without `url`, this machine is watched.
    pub prometheus: PrometheusConfig,
    /// Percentages from which a number is shown as a warning, and as critical.
    pub thresholds: Thresholds,
}

/// Percentages from which a number is shown as a warning, and as critical.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// From here on: look at this.
    pub warning: f64,
    /// From here on: something is wrong.
    pub critical: f64,
}

/// Where everything is kept.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// `sqlite:PATH` or `postgres://…`; empty is SQLite in the platform's data directory.
    #[serde(serialize_with = "masked", skip_serializing_if = "Option::is_none")]
    pub url: Option<SecretString>,
}

/// The local HTTP endpoint.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Whether it is served at all.
    pub enabled: bool,
    /// Where it listens. It has no authentication: keep it on loopback.
    pub listen: SocketAddr,
}

/// Logs.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, or `tracing` directives.
    pub level: String,
    /// Folder of the JSON log files; empty is the platform's state directory.
    pub directory: PathBuf,
    /// How many daily files are kept.
    pub keep_days: usize,
}

/// Why the settings cannot be used: one sentence that names the key and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file given does not exist.
    #[error("there is no configuration file {0}: write one with `smartcloudops config example`")]
    NoFile(String),
    /// A key is unknown or has a wrong value.
    #[error("{0}")]
    Invalid(String),
    /// A secret's file cannot be read.
    #[error("cannot read {path}, named by `{key}_file`: {source}")]
    SecretFile {
        /// The key.
        key: String,
        /// The path.
        path: String,
        /// What happened.
        source: std::io::Error,
    },
    /// The platform has no home or data directory.
    #[error("this platform names no data directory: set `{0}` in the configuration")]
    NoDirectory(&'static str),
}

impl Config {
    /// Reads the defaults, then `file` (or `smartcloudops.toml` in the platform's configuration
    /// directory when it exists), then the environment, and checks the whole.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let file = match file {
            Some(path) if !path.exists() => {
                return Err(ConfigError::NoFile(path.display().to_string()));
            }
            Some(path) => Some(path.to_owned()),
            None => default_file().filter(|path| path.exists()),
        };
        let defaults = Figment::new().merge(Toml::string(EXAMPLE));
        let environment = environment::settings(&defaults);
        let mut figment = defaults;
        if let Some(path) = &file {
            let place = path.display().to_string();
            let text = std::fs::read_to_string(path)
                .map_err(|error| ConfigError::Invalid(format!("cannot read {place}: {error}")))?;
            well_formed(&text, &place)?;
            figment = figment.merge(Toml::string(&text));
        }
        let from_environment = environment.clone();
        Self::from_figment(&figment.merge(Serialized::defaults(environment)), &from_environment)
    }

    /// The settings of a TOML text over the defaults, without the environment.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        well_formed(text, "the configuration")?;
        let figment = Figment::new().merge(Toml::string(EXAMPLE)).merge(Toml::string(text));
        Self::from_figment(&figment, &Dict::new())
    }

    fn from_figment(figment: &Figment, environment: &Dict) -> Result<Self, ConfigError> {
        let data = figment.data().map_err(|error| explain(&error))?;
        let mut dict = data
            .into_iter()
            .find_map(|(profile, dict)| (profile == Profile::Default).then_some(dict))
            .unwrap_or_default();
        secrets::resolve(&mut dict, environment)?;
        let config: Self = Figment::new()
            .merge(Serialized::defaults(dict))
            .extract()
            .map_err(|error| explain(&error))?;
        config.check()?;
        Ok(config)
    }

    /// What the types cannot say.
    fn check(&self) -> Result<(), ConfigError> {
        let invalid = |text: String| Err(ConfigError::Invalid(text));
        self.zone()?;
        if self.metrics.thresholds.warning > self.metrics.thresholds.critical {
            return invalid("`metrics.thresholds.warning` is above `critical`: swap them".into());
        }
        if self.metrics.sample_interval.seconds() > 60 {
            return invalid(
                "`metrics.sample_interval` is over 60s: at that pace nothing short is seen".into(),
            );
        }
        if self.log.keep_days == 0 {
            return invalid("`log.keep_days` is 0: keep at least 1 day".into());
        }
        for channel in self.alerts.channels.iter().filter(|channel| *channel != "console") {
            if channel.parse::<chat::UserRef>().is_err() {
                return invalid(format!(
                    "`alerts.channels` names `{channel}`: write console, or \
                     PLATFORM:WORKSPACE:CHANNEL such as slack:T0123:C0456"
                ));
            }
        }
        self.discord.check().map_err(ConfigError::Invalid)?;
        self.matrix.check().map_err(ConfigError::Invalid)?;
        self.slack.check().map_err(ConfigError::Invalid)?;
        if self.slack.hears_by_http() && !self.http.enabled {
            return invalid(
                "`slack.signing_secret` without `slack.app_token` needs requests over HTTP: set \
                 `http.enabled = true`, or `slack.app_token`"
                    .into(),
            );
        }
        // A bare word that is no level would silence everything but the module of that name.
        let bare = self.log.level.chars().all(|c| c.is_ascii_alphanumeric());
        if bare && self.log.level.parse::<tracing::level_filters::LevelFilter>().is_err() {
            return invalid(format!(
                "`log.level` is `{}`, which is not a level: write error, warn, info, debug or trace",
                self.log.level
            ));
        }
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.log.level) {
            return invalid(format!(
                "`log.level` is not a level: {error}; write error, warn, info, debug or trace"
            ));
        }
        Ok(())
    }

    /// The time zone of the people.
    pub fn zone(&self) -> Result<chrono_tz::Tz, ConfigError> {
        if self.bot.timezone == "local" {
            let local = iana_time_zone::get_timezone().unwrap_or_default();
            return Ok(local.parse().unwrap_or(chrono_tz::UTC));
        }
        self.bot.timezone.parse().map_err(|_| {
            ConfigError::Invalid(format!(
                "`bot.timezone` is `{}`, which is not an IANA zone: write one such as Europe/Madrid, UTC or local",
                self.bot.timezone
            ))
        })
    }

    /// The database's address, with the default filled in.
    pub fn store_url(&self) -> Result<SecretString, ConfigError> {
        if let Some(url) = self.store.url.as_ref().filter(|url| !url.expose_secret().is_empty()) {
            return Ok(url.clone());
        }
        let path = directories()
            .map(|dirs| dirs.data_dir().join("smartcloudops.db"))
            .ok_or(ConfigError::NoDirectory("store.url"))?;
        Ok(format!("sqlite:{}", path.display()).into())
    }

    /// The folder of the embedded database; `None` when the database is a server.
    pub fn database_directory(&self) -> Option<PathBuf> {
        let url = self.store_url().ok()?;
        let path = url.expose_secret().strip_prefix("sqlite:")?;
        let path = std::path::absolute(path.strip_prefix("//").unwrap_or(path)).ok()?;
        path.parent().map(Path::to_owned)
    }

    /// The file of what was learned: beside the embedded database, or in the platform's folder where
    /// the database is a server. `None` where there is neither.
    pub fn model_file(&self) -> Option<PathBuf> {
        if !self.detection.model.as_os_str().is_empty() {
            return Some(self.detection.model.clone());
        }
        self.database_directory().or_else(data_directory).map(|folder| folder.join("fleet.model"))
    }

    /// A file that a chat platform keeps between two runs, where what was learned is kept too.
    pub fn platform_file(&self, name: &str) -> Result<PathBuf, ConfigError> {
        let folder = self.database_directory().or_else(data_directory);
        folder.map(|folder| folder.join(name)).ok_or(ConfigError::NoDirectory("store.url"))
    }

    /// The folder of the log files, with the default filled in.
    pub fn log_directory(&self) -> Result<PathBuf, ConfigError> {
        if !self.log.directory.as_os_str().is_empty() {
            return Ok(self.log.directory.clone());
        }
        directories()
            .map(|dirs| dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir()).join("logs"))
            .ok_or(ConfigError::NoDirectory("log.directory"))
    }

    /// Everything in force, as TOML, with secrets masked.
    pub fn shown(&self) -> Result<String, ConfigError> {
        toml::to_string_pretty(self).map_err(|error| ConfigError::Invalid(error.to_string()))
    }
}

/// Whether the people at this terminal asked for no colours (<https://no-color.org>).
pub fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Where the configuration is looked for when none is named.
pub fn default_file() -> Option<PathBuf> {
    directories().map(|dirs| dirs.config_dir().join("smartcloudops.toml"))
}

/// The platform's folder for what is kept: the embedded database, the console's history, pictures.
pub fn data_directory() -> Option<PathBuf> {
    directories().map(|dirs| dirs.data_dir().to_owned())
}

fn directories() -> Option<directories::ProjectDirs> {
    directories::ProjectDirs::from("", "", "smartcloudops")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_defaults_are_a_whole_configuration() {
        let config = Config::parse("").unwrap();
        assert_eq!(config.http.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.access.console_role, Role::Admin);
    }

    #[test]
    fn the_folder_of_the_database_is_known_when_it_is_a_file() {
        let folder = |url: &str| {
            Config::parse(&format!("[store]\nurl = '{url}'")).unwrap().database_directory()
        };
        assert_eq!(folder("sqlite:///var/lib/bot.db"), Some("/var/lib".into()));
        assert_eq!(folder("sqlite:/var/lib/bot.db"), Some("/var/lib".into()));
        assert_eq!(folder("postgres://db/ops"), None);
    }

    #[test]
    fn an_unknown_key_names_its_nearest_neighbour() {
        for (text, wanted) in [
            ("[metrics.prometheus]\nurll = 'x'", "`metrics.prometheus.urll`: did you mean `url`?"),
            ("[metric]\nx = 1", "did you mean `metrics`?"),
            ("[log]\nkeep_day = 3", "did you mean `keep_days`?"),
            ("[config]\nx = 1", "unknown key `config`"),
            ("test_x = 1", "unknown key `test_x`"),
        ] {
            let error = Config::parse(text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn a_wrong_value_names_its_key() {
        for (text, key) in [
            ("[http]\nlisten = 'nowhere'", "http.listen"),
            ("[bot]\ntimezone = 'Mars/Olympus'", "bot.timezone"),
            ("[metrics]\nsample_interval = '5 parsecs'", "metrics.sample_interval"),
            ("[log]\nkeep_days = 0", "log.keep_days"),
            ("[log]\nlevel = 'a=b=c'", "log.level"),
            ("[log]\nlevel = 'loud'", "log.level"),
            (
                "[access]\nconsole_role = 'king'",
                "access.console_role` is `king`, but it must be one of guest",
            ),
            ("[metrics]\nsample_interval = 5", "is the number `5`, but it must be text in quotes"),
            ("rubbish = [", "at line 1, column 12: invalid array: expected"),
        ] {
            let error = Config::parse(text).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn secrets_come_from_files_and_are_never_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "postgres://bot:hunter2@db/ops\n").unwrap();
        let text = format!("[store]\nurl_file = '{}'", file.path().display());
        let config = Config::parse(&text).unwrap();
        assert_eq!(
            config.store.url.as_ref().unwrap().expose_secret(),
            "postgres://bot:hunter2@db/ops"
        );
        let shown = config.shown().unwrap();
        assert!(!shown.contains("hunter2") && shown.contains("********"), "{shown}");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn a_missing_secret_file_is_named() {
        let error = Config::parse("[store]\nurl_file = '/nowhere/secret'").unwrap_err().to_string();
        assert!(error.contains("/nowhere/secret") && error.contains("store.url_file"), "{error}");
    }
}
