//! The only way out to chat: posts replies, keeps what could not be posted, tries again.

use std::{sync::Arc, time::Duration};

use chat::{ChatAdapter, ChatError, DedupeKey, MessageRef};
use chrono::TimeDelta;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    store::{Delivery, How, Served, StoreError},
};

/// How often the queue is looked at when nobody says that something was put in.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Replies taken from the queue at once.
const BATCH: u32 = 20;
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// After this many attempts an answer is given up. What people are told without asking never is.
const MOST_ATTEMPTS: u32 = 30;

/// Posts replies on the platforms that are connected.
pub struct Outbox {
    app: Arc<App>,
    adapters: Vec<Arc<dyn ChatAdapter>>,
    serves: Vec<Served>,
    wake: Notify,
}

impl Outbox {
    /// An outbox to these platforms.
    pub fn new(app: Arc<App>, adapters: Vec<Arc<dyn ChatAdapter>>) -> Self {
        let serves = adapters.iter().map(|adapter| served(&**adapter)).collect();
        Self { app, adapters, serves, wake: Notify::new() }
    }

    /// The platforms that are connected here. The rest is for other processes.
    pub fn serves(&self) -> &[Served] {
        &self.serves
    }

    /// Posts one reply now and notes what came of it. A failure leaves it in the queue.
    pub async fn post(&self, delivery: &Delivery) {
        let reply = &delivery.reply;
        let platform = reply.conversation.platform;
        let adapter =
            self.adapters.iter().find(|adapter| served(&***adapter).covers(&reply.conversation));
        let (label, noted) = if let Some(adapter) = adapter {
            match show(&**adapter, delivery).await {
                Ok(Shown::As(message)) => {
                    ("posted", self.app.store.delivered(delivery, &message).await)
                }
                Ok(Shown::Nowhere(reason)) => {
                    ("left_out", self.app.store.failed(&delivery.id, None, reason).await)
                }
                Err(error) => self.not_posted(delivery, &error).await,
            }
        } else {
            // Perhaps it is connected elsewhere, or after the next start: the reply stays, untried.
            let reason = format!("{platform} is not connected");
            ("put_back", self.app.store.not_ours(&delivery.id, &reason).await)
        };
        self.app.meters.posts.with_label_values(&[platform.as_str(), label]).inc();
        if let Err(error) = noted {
            // The claim runs out and the reply falls due again: at worst it is shown twice.
            tracing::error!(%error, delivery.id = %delivery.id, "cannot note what came of a reply");
        }
    }

    /// Puts a reply back into the queue, or gives it up when another attempt cannot help.
    async fn not_posted(
        &self,
        delivery: &Delivery,
        error: &ChatError,
    ) -> (&'static str, Result<(), StoreError>) {
        let answer = matches!(delivery.how, How::Once);
        let attempts = if answer { MOST_ATTEMPTS } else { u32::MAX };
        let retry = pause_before_retry(error, delivery.attempt, attempts)
            .and_then(|pause| TimeDelta::from_std(pause).ok())
            .map(|pause| self.app.clock.now() + pause);
        let label = if retry.is_some() { "put_back" } else { "given_up" };
        tracing::warn!(%error, delivery.id = %delivery.id, label, "a reply was not posted");
        (label, self.app.store.failed(&delivery.id, retry, &error.to_string()).await)
    }

    /// Something was put into the queue.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Posts what is due until told to stop.
    pub async fn run(&self, shutdown: CancellationToken) {
        loop {
            match self.app.store.due(&self.serves, self.app.clock.now(), BATCH).await {
                Ok(due) => {
                    let full = due.len() == BATCH as usize;
                    for delivery in &due {
                        self.post(delivery).await;
                    }
                    match self.app.store.waiting().await {
                        Ok(waiting) => self.app.meters.outbox_waiting.set(waiting),
                        Err(error) => tracing::error!(%error, "cannot count the outbox"),
                    }
                    if full && !shutdown.is_cancelled() {
                        continue;
                    }
                }
                Err(error) => {
                    self.app.meters.store_failures.inc();
                    tracing::error!(%error, "cannot read the outbox");
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }
}

fn served(adapter: &dyn ChatAdapter) -> Served {
    Served { platform: adapter.platform(), workspace: adapter.workspace().map(ToOwned::to_owned) }
}

/// What became of something to show.
enum Shown {
    /// It is this message.
    As(MessageRef),
    /// This platform has no place for it.
    Nowhere(&'static str),
}

/// Posts a message, or edits the one that shows an older card.
async fn show(adapter: &dyn ChatAdapter, delivery: &Delivery) -> Result<Shown, ChatError> {
    let reply = &delivery.reply;
    let can = adapter.capabilities();
    let card = reply.card.clone().fit(&can);
    let key = DedupeKey(reply.key.clone());
    let message = match &delivery.how {
        How::Once => adapter.post(&reply.conversation, &card, &key).await?,
        How::Under(root) if can.threads => {
            adapter.post(&adapter.thread_of(root), &card, &key).await?
        }
        How::Under(_) => return Ok(Shown::Nowhere("the platform has no threads")),
        How::Living { shown: None, .. } => {
            let message = adapter.post(&reply.conversation, &card, &key).await?;
            // An earlier attempt may have got through, with an older card.
            if delivery.attempt > 1 && can.edits {
                adapter.edit(&message, &card).await?;
            }
            message
        }
        How::Living { shown: Some(message), .. } if can.edits => {
            adapter.edit(message, &card).await?;
            message.clone()
        }
        How::Living { shown: Some(_), news: true, version } => {
            let key = DedupeKey(format!("{}#{version}", reply.key));
            adapter.post(&reply.conversation, &card, &key).await?
        }
        How::Living { shown: Some(message), news: false, .. } => message.clone(),
    };
    Ok(Shown::As(message))
}

/// How long to wait before the next attempt, of so many at most; `None` when another one cannot help.
fn pause_before_retry(error: &ChatError, attempt: u32, most: u32) -> Option<Duration> {
    if attempt >= most {
        return None;
    }
    match error {
        ChatError::RateLimited { retry_after, .. } => Some(*retry_after),
        ChatError::Unreachable { .. } => {
            let doubled = Duration::from_secs(1).saturating_mul(1 << attempt.min(16));
            Some(doubled.min(LONGEST_PAUSE))
        }
        ChatError::Refused { .. } | ChatError::Unsupported { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat::Platform;

    #[test]
    fn a_platform_that_is_away_is_asked_less_and_less_often() {
        let away = ChatError::Unreachable { platform: Platform::Slack, source: "gone".into() };
        let pause = |attempt| pause_before_retry(&away, attempt, MOST_ATTEMPTS);
        assert_eq!(pause(1), Some(Duration::from_secs(2)));
        assert_eq!(pause(5), Some(Duration::from_secs(32)));
        assert_eq!(pause(29), Some(LONGEST_PAUSE));
        assert_eq!(pause(30), None);
        assert_eq!(pause_before_retry(&away, 3000, u32::MAX), Some(LONGEST_PAUSE));
    }

    #[test]
    fn a_platform_says_itself_how_long_to_wait() {
        let limited = ChatError::RateLimited {
            platform: Platform::Slack,
            retry_after: Duration::from_secs(7),
        };
        assert_eq!(pause_before_retry(&limited, 3, MOST_ATTEMPTS), Some(Duration::from_secs(7)));
        let refused = ChatError::Refused { platform: Platform::Slack, reason: "no".into() };
        assert_eq!(pause_before_retry(&refused, 1, MOST_ATTEMPTS), None);
    }
}
