//! The chat platforms that are configured: the only edge between the program and their crates.

mod condition;
mod discord;
mod matrix;
mod slack;
mod time;

use std::{path::Path, sync::Arc};

use axum::Router;
use chat::{ChatAdapter, Platform};
use chrono::TimeDelta;

pub use condition::look_after;
pub use discord::DiscordConfig;
pub use matrix::MatrixConfig;
pub use slack::SlackConfig;

use crate::{
    clock::Clock,
    config::{Config, ConfigError},
    incidents,
};

/// What is connected to people besides the terminal.
#[derive(Default)]
pub struct Platforms {
    /// Where people talk to the bot.
    pub adapters: Vec<Arc<dyn ChatAdapter>>,
    /// Where platforms send requests to.
    pub routes: Router,
    /// Whether somebody sends requests: without HTTP the bot would be deaf.
    pub needs_http: bool,
}

impl Platforms {
    /// The platforms of this configuration, which was read from `file`. Connects to nothing yet.
    pub fn of(config: &Config, file: Option<&Path>, clock: &Clock) -> Result<Self, ConfigError> {
        let mut platforms = Self::default();
        platforms.add_slack(config, file, clock)?;
        platforms.add_discord(config, file, clock)?;
        platforms.add_matrix(config, file, clock)?;
        Ok(platforms)
    }

    #[cfg(feature = "slack")]
    fn add_slack(
        &mut self,
        config: &Config,
        file: Option<&Path>,
        clock: &Clock,
    ) -> Result<(), ConfigError> {
        if let Some(slack) = slack::slack(config, file, clock)? {
            let slack = Arc::new(slack);
            if config.slack.hears_by_http() {
                self.needs_http = true;
                self.routes = std::mem::take(&mut self.routes).merge(slack.clone().routes());
            }
            self.adapters.push(slack);
        }
        Ok(())
    }

    #[cfg(not(feature = "slack"))]
    #[expect(clippy::unused_self, reason = "the same as with the feature")]
    fn add_slack(
        &mut self,
        config: &Config,
        _: Option<&Path>,
        _: &Clock,
    ) -> Result<(), ConfigError> {
        if config.slack.tokens().is_none() { Ok(()) } else { Err(not_built("slack", "bot_token")) }
    }

    #[cfg(feature = "discord")]
    fn add_discord(
        &mut self,
        config: &Config,
        file: Option<&Path>,
        clock: &Clock,
    ) -> Result<(), ConfigError> {
        let discord = discord::discord(config, file, clock)?;
        self.adapters.extend(discord.map(|discord| Arc::new(discord) as Arc<dyn ChatAdapter>));
        Ok(())
    }

    #[cfg(not(feature = "discord"))]
    #[expect(clippy::unused_self, reason = "the same as with the feature")]
    fn add_discord(
        &mut self,
        config: &Config,
        _: Option<&Path>,
        _: &Clock,
    ) -> Result<(), ConfigError> {
        if config.discord.token().is_none() { Ok(()) } else { Err(not_built("discord", "token")) }
    }

    #[cfg(feature = "matrix")]
    fn add_matrix(
        &mut self,
        config: &Config,
        file: Option<&Path>,
        clock: &Clock,
    ) -> Result<(), ConfigError> {
        let matrix = matrix::matrix(config, file, clock)?;
        self.adapters.extend(matrix.map(|matrix| Arc::new(matrix) as Arc<dyn ChatAdapter>));
        Ok(())
    }

    #[cfg(not(feature = "matrix"))]
    #[expect(clippy::unused_self, reason = "the same as with the feature")]
    fn add_matrix(
        &mut self,
        config: &Config,
        _: Option<&Path>,
        _: &Clock,
    ) -> Result<(), ConfigError> {
        match config.matrix.secrets() {
            (None, None) => Ok(()),
            (Some(_), _) => Err(not_built("matrix", "password")),
            _ => Err(not_built("matrix", "token")),
        }
    }
}

#[cfg(not(all(feature = "discord", feature = "matrix", feature = "slack")))]
fn not_built(platform: &str, key: &str) -> ConfigError {
    ConfigError::Invalid(format!(
        "`{platform}.{key}` is set, and this program was built without {platform}: build it with \
         `--features {platform}`"
    ))
}

/// Looks at every configured platform as it is now: what was looked at, and what is there, or what is wrong and
/// how to mend it.
pub async fn examine(config: &Config, clock: &Clock) -> Vec<(String, Result<String, String>)> {
    let platforms = match Platforms::of(config, None, clock) {
        Ok(platforms) => platforms,
        Err(error) => return vec![("platforms".to_owned(), Err(error.to_string()))],
    };
    let mut found = Vec::new();
    for adapter in platforms.adapters {
        let platform = adapter.platform();
        let channels = incidents::configured(config).into_iter();
        let channels: Vec<_> = channels.filter(|it| it.platform == platform).collect();
        let findings = adapter.examine(&channels).await.into_iter();
        found.extend(findings.map(|it| (format!("{platform} {}", it.what), it.result)));
    }
    found
}

/// How far the clocks of the configured platforms are ahead of ours, where they say so.
pub async fn clock_offsets(config: &Config, clock: &Clock) -> Vec<(Platform, TimeDelta)> {
    let Config { slack, discord, matrix, .. } = config;
    let known = [
        (Platform::Slack, slack.tokens().is_some(), slack.address()),
        (Platform::Discord, discord.token().is_some(), discord.address()),
        (Platform::Matrix, !matches!(matrix.secrets(), (None, None)), matrix.address()),
    ];
    let mut offsets = Vec::new();
    for (platform, is_configured, address) in known {
        if let (true, Ok(address)) = (is_configured, address)
            && let Some(offset) = time::clock_offset(address, clock).await
        {
            offsets.push((platform, offset));
        }
    }
    offsets
}

/// Where a platform is asked. Tokens go there: only this machine may be asked in clear.
fn address(key: &str, url: &str, example: &str) -> Result<url::Url, String> {
    let wrong = || format!("`{key}` is `{url}`: write {example}");
    let url: url::Url = url.parse().map_err(|_| wrong())?;
    let is_here = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    if url.scheme() == "https" || url.scheme() == "http" && is_here {
        return Ok(url);
    }
    Err(wrong())
}

/// The configuration as it is now, so that a new token is taken without a restart.
#[cfg(any(feature = "discord", feature = "matrix", feature = "slack"))]
fn read_again(file: Option<&Path>) -> Option<Config> {
    let read = Config::load(file);
    read.inspect_err(|error| tracing::warn!(%error, "the configuration cannot be read again")).ok()
}

#[cfg(any(feature = "discord", feature = "slack"))]
fn tls_failed(platform: &str, error: &dyn std::error::Error) -> ConfigError {
    ConfigError::Invalid(format!(
        "{platform} cannot be reached over TLS, because this machine's certificates cannot be read: {error}; \
         install ca-certificates"
    ))
}

#[cfg(all(test, not(all(feature = "discord", feature = "matrix", feature = "slack"))))]
mod tests {
    use super::*;

    #[test]
    fn a_platform_that_is_configured_and_was_not_built_is_said() {
        let platforms = [
            ("slack", cfg!(feature = "slack"), "bot_token = \"xoxb-1\"\napp_token = \"xapp-1\""),
            ("discord", cfg!(feature = "discord"), "token = \"a.b.c\""),
            (
                "matrix",
                cfg!(feature = "matrix"),
                "homeserver = \"https://matrix.example.org\"\ntoken = \"syt_1\"",
            ),
        ];
        for (platform, _, settings) in platforms.iter().filter(|(_, is_built, _)| !is_built) {
            let config = Config::parse(&format!("[{platform}]\n{settings}\n")).unwrap();
            let refused = Platforms::of(&config, None, &Clock::system()).err().unwrap().to_string();
            assert!(refused.contains(&format!("built without {platform}")), "{refused}");
            assert!(refused.contains(&format!("`--features {platform}`")), "{refused}");
        }
    }
}
