//! A platform that is lost is said on the others.

use std::{sync::Arc, time::Duration};

use chat::{Card, ChatAdapter, Condition, Conversation, Platform, Tone};
use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use crate::{app::App, bot::outbox::Outbox, http::Health, incidents, store::StoreError};

/// How often it is looked how the platforms are.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// What is over sooner is not worth a message: connections come and go.
const PATIENCE: TimeDelta = TimeDelta::seconds(20);

/// What was seen of one platform.
#[derive(Clone, Debug, Default)]
struct Watched {
    /// What is wrong, and since when.
    wrong: Option<(String, DateTime<Utc>)>,
    /// Whether people were told.
    told: bool,
}

/// What people are told.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Wrong(String),
    Well,
}

impl Watched {
    /// What is to be said now, and since when it is so.
    fn look(&mut self, condition: &Condition, now: DateTime<Utc>) -> Option<(News, DateTime<Utc>)> {
        let why = match condition {
            Condition::Connected => None,
            // On its way: what was wrong still is.
            Condition::Connecting => return None,
            Condition::Degraded(why) | Condition::Lost(why) => Some(why),
        };
        let Some(why) = why else {
            let (_, since) = self.wrong.take()?;
            return std::mem::take(&mut self.told).then_some((News::Well, since));
        };
        // The reason may change; that it is wrong is one thing.
        let since = self.wrong.as_ref().map_or(now, |(_, since)| *since);
        self.wrong = Some((why.clone(), since));
        if self.told || now - since < PATIENCE {
            return None;
        }
        self.told = true;
        Some((News::Wrong(why.clone()), since))
    }
}

/// Looks how the platforms are until told to stop.
pub async fn look_after(
    app: Arc<App>,
    adapters: Vec<Arc<dyn ChatAdapter>>,
    health: Arc<Health>,
    outbox: Arc<Outbox>,
    shutdown: CancellationToken,
) {
    let mut watched = vec![Watched::default(); adapters.len()];
    loop {
        for (adapter, watched) in adapters.iter().zip(&mut watched) {
            let (platform, condition) = (adapter.platform(), adapter.condition());
            note(&health, platform, &condition);
            let before = watched.clone();
            if before.wrong.is_some() && condition == Condition::Connected {
                outbox.try_again(platform).await;
            }
            let Some((news, since)) = watched.look(&condition, app.clock.now()) else { continue };
            match tell(&app, &adapters, platform, &news, since).await {
                Ok(()) => outbox.wake(),
                Err(error) => {
                    tracing::error!(%error, %platform, "cannot tell how a platform is");
                    // Again at the next look.
                    *watched = before;
                }
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

fn note(health: &Health, platform: Platform, condition: &Condition) {
    match condition {
        Condition::Connected => health.works(platform.as_str(), "connected"),
        Condition::Connecting => health.fails(platform.as_str(), "connecting"),
        Condition::Degraded(why) | Condition::Lost(why) => health.fails(platform.as_str(), &**why),
    }
}

/// Says it in every channel of incidents that can be reached.
async fn tell(
    app: &App,
    adapters: &[Arc<dyn ChatAdapter>],
    platform: Platform,
    news: &News,
    since: DateTime<Utc>,
) -> Result<(), StoreError> {
    let reached = |channel: &Conversation| {
        let mut connected =
            adapters.iter().filter(|it| !matches!(it.condition(), Condition::Lost(_)));
        connected.any(|it| it.platform() == channel.platform)
    };
    let state = if *news == News::Well { "well" } else { "wrong" };
    let key = format!("{state}:{platform}:{}", since.timestamp_millis());
    incidents::say_everywhere(app, &card(platform, news), &key, reached).await
}

fn card(platform: Platform, news: &News) -> Card {
    match news {
        News::Wrong(why) => Card::titled(format!("{} does not work as it should", name(platform)))
            .tone(Tone::Bad)
            .line(why.clone())
            .note("What is to be said there waits, and is said when it works again."),
        News::Well => Card::titled(format!("{} works again", name(platform))).tone(Tone::Good),
    }
}

fn name(platform: Platform) -> &'static str {
    match platform {
        Platform::Slack => "Slack",
        Platform::Discord => "Discord",
        Platform::Matrix => "Matrix",
        Platform::Web => "The web page",
        Platform::Console => "The terminal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn a_platform_that_is_lost_is_said_once_and_that_it_is_back_too() {
        let (mut watched, lost) = (Watched::default(), Condition::Lost("gone".into()));
        assert_eq!(watched.look(&Condition::Connecting, at(0)), None);
        assert_eq!(watched.look(&lost, at(5)), None);
        assert_eq!(watched.look(&Condition::Connecting, at(10)), None);
        let told = watched.look(&lost, at(25));
        assert_eq!(told, Some((News::Wrong("gone".into()), at(5))));
        assert_eq!(watched.look(&lost, at(30)), None);
        assert_eq!(watched.look(&Condition::Connected, at(35)), Some((News::Well, at(5))));
        assert_eq!(watched.look(&Condition::Connected, at(40)), None);
    }

    #[test]
    fn what_is_over_soon_is_not_said() {
        let (mut watched, lost) = (Watched::default(), Condition::Lost("gone".into()));
        assert_eq!(watched.look(&lost, at(0)), None);
        assert_eq!(watched.look(&Condition::Connected, at(15)), None);
        assert_eq!(watched.look(&lost, at(30)), None, "a new one");
    }
}
