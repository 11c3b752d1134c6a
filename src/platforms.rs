//! The chat platforms that are configured: the only edge between the program and their crates.

mod condition;
mod config;

use std::{path::Path, sync::Arc};

use axum::Router;
use chat::ChatAdapter;

pub use condition::look_after;
pub use config::SlackConfig;

use crate::{
    clock::Clock,
    config::{Config, ConfigError},
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
        Ok(platforms)
    }

    #[cfg(feature = "slack")]
    fn add_slack(
        &mut self,
        config: &Config,
        file: Option<&Path>,
        clock: &Clock,
    ) -> Result<(), ConfigError> {
        if let Some(slack) = config.slack.adapter(file, clock)? {
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
}

#[cfg(not(feature = "slack"))]
fn not_built(platform: &str, key: &str) -> ConfigError {
    ConfigError::Invalid(format!(
        "`{platform}.{key}` is set, and this program was built without {platform}: build it with \
         `--features {platform}`"
    ))
}

/// Looks at every configured platform as it is now: what was looked at, and what is there, or what is wrong and
/// how to mend it.
#[cfg_attr(
    not(feature = "slack"),
    expect(clippy::unused_async, reason = "there is nothing to ask")
)]
pub async fn examine(config: &Config, clock: &Clock) -> Vec<(String, Result<String, String>)> {
    #[cfg(feature = "slack")]
    match config.slack.adapter(None, clock) {
        Ok(Some(slack)) => return examine_slack(config, &slack).await,
        Ok(None) => {}
        Err(error) => {
            return vec![("slack".to_owned(), Err(error.to_string()))];
        }
    }
    #[cfg(not(feature = "slack"))]
    if let Err(error) = Platforms::of(config, None, clock) {
        return vec![("platforms".to_owned(), Err(error.to_string()))];
    }
    Vec::new()
}

#[cfg(feature = "slack")]
async fn examine_slack(
    config: &Config,
    slack: &slack::Slack,
) -> Vec<(String, Result<String, String>)> {
    let channels = crate::incidents::channels(config).into_iter();
    let channels = channels.filter(|it| it.platform == chat::Platform::Slack);
    let channels: Vec<_> = channels.map(|it| (it.workspace, it.channel)).collect();
    let found = slack.examine(&channels).await.into_iter();
    found.map(|it| (format!("slack {}", it.what), it.result)).collect()
}
