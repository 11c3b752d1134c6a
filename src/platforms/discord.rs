//! Settings of Discord. They are the same in every build, so that a file fits all of them.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::address;
use crate::config::masked;

/// A Discord server; without `token` there is none.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DiscordConfig {
    /// The bot's token.
    #[serde(default, serialize_with = "masked", skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretString>,
    /// The server that is served; empty is the only one that the bot is on.
    pub guild: String,
    /// Whether the bot hears what is said in threads without a mention.
    pub read_messages: bool,
    /// Whether `/ops` is there also where people are alone with the bot.
    pub commands_everywhere: bool,
    /// Where the REST API is.
    pub api_url: String,
}

impl DiscordConfig {
    /// The token, when there is a server.
    pub(crate) fn token(&self) -> Option<&SecretString> {
        self.token.as_ref().filter(|token| !token.expose_secret().is_empty())
    }

    /// What the types cannot say: one sentence.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Some(token) = self.token() else { return Ok(()) };
        // Three parts, as JSON Web Tokens have.
        if token.expose_secret().split('.').count() != 3 {
            return Err("`discord.token` is no token of a bot: on the application's page \"Bot\" press \"Reset \
                        Token\" and copy all of it, without \"Bot\" before it"
                .to_owned());
        }
        if !self.guild.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!(
                "`discord.guild` is `{}`, and not the number of a server: switch on \"Developer Mode\" under \
                 \"Advanced\" in Discord's settings, then right-click the server and \"Copy Server ID\"",
                self.guild
            ));
        }
        self.address().map(drop)
    }

    pub(super) fn address(&self) -> Result<url::Url, String> {
        address("discord.api_url", &self.api_url, "https://discord.com/api/v10")
    }
}

#[cfg(feature = "discord")]
mod adapter {
    use std::path::{Path, PathBuf};

    use discord::{Discord, Settings};

    use crate::{
        clock::Clock,
        config::{Config, ConfigError},
        platforms::{read_again, tls_failed},
    };

    /// The adapter of the server, when there is one. A new token is read from `file`, and from the file that
    /// it names.
    pub(crate) fn discord(
        config: &Config,
        file: Option<&Path>,
        clock: &Clock,
    ) -> Result<Option<Discord>, ConfigError> {
        let Some(token) = config.discord.token() else { return Ok(None) };
        let file: Option<PathBuf> = file.map(Path::to_owned);
        let settings = Settings {
            token: token.clone(),
            reload: Box::new(move || read_again(file.as_deref())?.discord.token().cloned()),
            guild: Some(config.discord.guild.clone()).filter(|guild| !guild.is_empty()),
            reads_messages: config.discord.read_messages,
            commands_everywhere: config.discord.commands_everywhere,
            api_url: config.discord.address().map_err(ConfigError::Invalid)?,
            memory: config.platform_file("discord.json")?,
            clock: clock.of_chat(),
        };
        Discord::new(settings).map(Some).map_err(|error| tls_failed("Discord", &error))
    }
}
#[cfg(feature = "discord")]
pub(super) use adapter::discord;

#[cfg(test)]
mod tests {
    use super::*;

    fn discord(token: &str, guild: &str) -> DiscordConfig {
        DiscordConfig {
            token: Some(token.to_owned().into()),
            guild: guild.to_owned(),
            read_messages: false,
            commands_everywhere: false,
            api_url: "https://discord.com/api/v10".to_owned(),
        }
    }

    #[test]
    fn a_set_up_that_cannot_work_is_said_before_it_is_tried() {
        assert_eq!(discord("", "").check(), Ok(()));
        assert_eq!(discord("a.b.c", "7").check(), Ok(()));
        for (config, wanted) in [
            (discord("secret", ""), "discord.token"),
            (discord("a.b.c", "my server"), "discord.guild"),
            (
                DiscordConfig { api_url: "http://discord.com".into(), ..discord("a.b.c", "") },
                "discord.api_url",
            ),
        ] {
            let error = config.check().unwrap_err();
            assert!(error.contains(wanted) && !error.contains("secret"), "{error}");
        }
    }
}
