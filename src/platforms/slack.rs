//! Settings of Slack. They are the same in every build, so that a file fits all of them.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::address;
use crate::config::masked;

/// A Slack workspace; without `bot_token` there is none.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SlackConfig {
    /// The bot's token, `xoxb-…`.
    #[serde(default, serialize_with = "masked", skip_serializing_if = "Option::is_none")]
    pub bot_token: Option<SecretString>,
    /// The app's token, `xapp-…`, for Socket Mode.
    #[serde(default, serialize_with = "masked", skip_serializing_if = "Option::is_none")]
    pub app_token: Option<SecretString>,
    /// What Slack signs its requests with, where they come through HTTP.
    #[serde(default, serialize_with = "masked", skip_serializing_if = "Option::is_none")]
    pub signing_secret: Option<SecretString>,
    /// The workspace that is served; empty is whichever the token belongs to.
    pub team: String,
    /// Where the Web API is.
    pub api_url: String,
}

/// What opens Slack's door.
#[derive(Clone, Copy)]
pub(crate) struct SlackTokens<'a> {
    pub(crate) bot: &'a SecretString,
    pub(crate) app: Option<&'a SecretString>,
    pub(crate) signing: Option<&'a SecretString>,
}

impl SlackConfig {
    /// The tokens, when there is a workspace.
    pub(crate) fn tokens(&self) -> Option<SlackTokens<'_>> {
        let given = |token: &'_ Option<SecretString>| {
            token.as_ref().is_some_and(|token| !token.expose_secret().is_empty())
        };
        let kept = |token| if given(token) { token.as_ref() } else { None };
        Some(SlackTokens {
            bot: kept(&self.bot_token)?,
            app: kept(&self.app_token),
            signing: kept(&self.signing_secret),
        })
    }

    /// Whether Slack sends requests, because there is no Socket Mode.
    pub(crate) fn hears_by_http(&self) -> bool {
        self.tokens().is_some_and(|tokens| tokens.app.is_none())
    }

    /// What the types cannot say: one sentence.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Some(tokens) = self.tokens() else { return Ok(()) };
        let begins = |token: &SecretString, with| token.expose_secret().starts_with(with);
        if !begins(tokens.bot, "xoxb-") {
            return Err("`slack.bot_token` does not start with xoxb-: copy the \"Bot User OAuth \
                        Token\" of the page \"Install App\""
                .to_owned());
        }
        match (tokens.app, tokens.signing) {
            (None, None) => {
                Err("`slack.bot_token` is set, but neither `slack.app_token` (for Socket \
                                 Mode) nor `slack.signing_secret` (for requests over HTTP): set one"
                    .to_owned())
            }
            (Some(app), _) if !begins(app, "xapp-") => {
                Err("`slack.app_token` does not start with \
                                                            xapp-: make one under \"Basic \
                                                            Information\", \"App-Level Tokens\""
                    .to_owned())
            }
            _ => self.address().map(drop),
        }
    }

    pub(super) fn address(&self) -> Result<url::Url, String> {
        address("slack.api_url", &self.api_url, "https://slack.com/api")
    }
}

#[cfg(feature = "slack")]
mod adapter {
    use std::path::{Path, PathBuf};

    use slack::{Settings, Slack, Tokens};

    use super::SlackTokens;
    use crate::{
        clock::Clock,
        config::{Config, ConfigError},
        platforms::{read_again, tls_failed},
    };

    /// The adapter of the workspace, when there is one. New tokens are read from `file`, and from the files
    /// that it names.
    pub(crate) fn slack(
        config: &Config,
        file: Option<&Path>,
        clock: &Clock,
    ) -> Result<Option<Slack>, ConfigError> {
        let Some(tokens) = config.slack.tokens().map(owned) else { return Ok(None) };
        let file: Option<PathBuf> = file.map(Path::to_owned);
        let settings = Settings {
            tokens,
            reload: Box::new(move || read_again(file.as_deref())?.slack.tokens().map(owned)),
            team: Some(config.slack.team.clone()).filter(|team| !team.is_empty()),
            api_url: config.slack.address().map_err(ConfigError::Invalid)?,
            clock: clock.of_chat(),
        };
        Slack::new(settings).map(Some).map_err(|error| tls_failed("Slack", &error))
    }

    fn owned(tokens: SlackTokens<'_>) -> Tokens {
        Tokens {
            bot: tokens.bot.clone(),
            app: tokens.app.cloned(),
            signing: tokens.signing.cloned(),
        }
    }
}
#[cfg(feature = "slack")]
pub(super) use adapter::slack;

#[cfg(test)]
mod tests {
    use super::*;

    fn slack(bot: &str, app: &str, signing: &str) -> SlackConfig {
        let secret = |text: &str| Some(text.to_owned().into());
        SlackConfig {
            bot_token: secret(bot),
            app_token: secret(app),
            signing_secret: secret(signing),
            team: String::new(),
            api_url: "https://slack.com/api".to_owned(),
        }
    }

    #[test]
    fn a_set_up_that_cannot_work_is_said_before_it_is_tried() {
        assert_eq!(slack("", "", "").check(), Ok(()));
        assert_eq!(slack("xoxb-1", "xapp-1", "").check(), Ok(()));
        assert_eq!(slack("xoxb-1", "", "secret").check(), Ok(()));
        for (config, wanted) in [
            (slack("xapp-1", "xapp-1", ""), "slack.bot_token"),
            (slack("xoxb-1", "", ""), "slack.signing_secret"),
            (slack("xoxb-1", "xoxb-2", ""), "slack.app_token"),
        ] {
            let error = config.check().unwrap_err();
            assert!(error.contains(wanted) && !error.contains("xoxb-1"), "{error}");
        }
    }

    #[test]
    fn tokens_go_over_tls_or_stay_on_this_machine() {
        let at =
            |url: &str| SlackConfig { api_url: url.to_owned(), ..slack("xoxb-1", "xapp-1", "") };
        for url in ["https://slack.com/api", "http://127.0.0.1:4000/api", "http://localhost/api"] {
            assert_eq!(at(url).check(), Ok(()), "{url}");
        }
        for url in ["http://slack.com/api", "ftp://127.0.0.1", "rubbish"] {
            assert!(at(url).check().is_err(), "{url}");
        }
    }
}
