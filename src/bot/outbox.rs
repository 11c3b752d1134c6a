//! The only way out to chat: posts replies, keeps what could not be posted, tries again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chat::{
    ANSWER, Block, Card, ChatAdapter, ChatError, Conversation, DedupeKey, MessageRef, Platform,
    Reaction,
};
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
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
/// The pause where somebody has to let the bot in.
const BARRED_PAUSE: Duration = Duration::from_mins(1);
/// After so many attempts to reach a platform an answer is given up. What people are told without asking
/// never is.
const MOST_ATTEMPTS: u32 = 30;

/// Posts replies on the platforms that are connected.
pub struct Outbox {
    app: Arc<App>,
    lines: Vec<Line>,
    serves: Vec<Served>,
}

/// The way out to one platform. Each has its own, so that one that is slow or away holds up no other.
struct Line {
    adapter: Arc<dyn ChatAdapter>,
    served: Served,
    wake: Notify,
    /// Channels that are left alone for now. One stays here until what waited for it was posted, so that an answer
    /// that is ready at that moment does not come before it.
    held: Mutex<HashMap<String, Hold>>,
}

/// Why a channel is left alone, and until when.
#[derive(Clone, Copy, Debug)]
struct Hold {
    until: DateTime<Utc>,
    /// The bot may not speak there. Who asks is answered all the same: commands and buttons have a way of their own.
    is_barred: bool,
}

impl Line {
    fn holds(&self) -> MutexGuard<'_, HashMap<String, Hold>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when this is not said in its channel, or was not: then the channel's queue comes first.
    fn held(&self, channel: &str, key: &str) -> Option<DateTime<Utc>> {
        let hold = self.holds().get(channel).copied()?;
        (!hold.is_barred || !key.starts_with(ANSWER)).then_some(hold.until)
    }

    /// What waited until this moment was posted.
    fn release(&self, now: DateTime<Utc>) {
        self.holds().retain(|_, hold| hold.until > now);
    }

    /// How long until there may be something to post that nobody says is there.
    fn pause(&self, now: DateTime<Utc>) -> Duration {
        let next = self.holds().values().map(|hold| hold.until).min();
        let until = next.map(|next| (next - now).to_std().unwrap_or_default());
        until.map_or(LOOK_EVERY, |until| until.min(LOOK_EVERY))
    }
}

impl Outbox {
    /// An outbox to these platforms.
    pub fn new(app: Arc<App>, adapters: Vec<Arc<dyn ChatAdapter>>) -> Self {
        let line = |adapter: Arc<dyn ChatAdapter>| Line {
            served: served(&*adapter),
            adapter,
            wake: Notify::new(),
            held: Mutex::default(),
        };
        let lines: Vec<_> = adapters.into_iter().map(line).collect();
        let serves = lines.iter().map(|line| line.served.clone()).collect();
        Self { app, lines, serves }
    }

    /// The platforms that are connected here. The rest is for other processes.
    pub fn serves(&self) -> &[Served] {
        &self.serves
    }

    fn line(&self, conversation: &Conversation) -> Option<&Line> {
        self.lines.iter().find(|line| line.served.covers(conversation))
    }

    /// Posts one reply now, perhaps in the place of a message that said that it would come, and notes what came
    /// of it. A failure leaves it in the queue.
    pub async fn post(&self, delivery: &Delivery, progress: Option<&MessageRef>) {
        let conversation = &delivery.reply.conversation;
        let Some(line) = self.line(conversation) else {
            // Perhaps it is connected elsewhere, or after the next start: the reply stays, untried.
            let reason = format!("{} is not connected", conversation.platform);
            return self.put_back(delivery, self.app.clock.now(), &reason, "put_back").await;
        };
        match line.held(&conversation.channel, &delivery.reply.key) {
            None => self.post_on(line, delivery, progress).await,
            Some(until) => {
                self.hold(delivery, until).await;
                line.wake.notify_one();
            }
        }
    }

    async fn post_on(&self, line: &Line, delivery: &Delivery, progress: Option<&MessageRef>) {
        let store = &self.app.store;
        let (label, noted) = match show(&*line.adapter, delivery, progress).await {
            Ok(Shown::As(message)) => ("posted", store.delivered(delivery, &message).await),
            Ok(Shown::Nowhere(reason)) => {
                ("left_out", store.failed(&delivery.id, None, reason).await)
            }
            Err(error) => self.not_posted(line, delivery, &error).await,
        };
        self.note(delivery, label, noted);
    }

    /// Leaves it in the queue until the channel may be spoken in.
    async fn hold(&self, delivery: &Delivery, until: DateTime<Utc>) {
        let reason = format!("{} asked to wait", delivery.reply.conversation.platform);
        self.put_back(delivery, until, &reason, "held").await;
    }

    async fn put_back(
        &self,
        delivery: &Delivery,
        due: DateTime<Utc>,
        reason: &str,
        label: &'static str,
    ) {
        let noted = self.app.store.untried(&delivery.id, due, reason).await;
        self.note(delivery, label, noted);
    }

    fn note(&self, delivery: &Delivery, label: &str, noted: Result<(), StoreError>) {
        let platform = delivery.reply.conversation.platform;
        self.app.meters.posts.with_label_values(&[platform.as_str(), label]).inc();
        if let Err(error) = noted {
            // The claim runs out and the reply falls due again: at worst it is shown twice.
            tracing::error!(%error, delivery.id = %delivery.id, "cannot note what came of a reply");
        }
    }

    /// Puts a reply back into the queue, or gives it up when another attempt cannot help.
    async fn not_posted(
        &self,
        line: &Line,
        delivery: &Delivery,
        error: &ChatError,
    ) -> (&'static str, Result<(), StoreError>) {
        let answer = matches!(delivery.how, How::Once);
        let attempts = if answer { MOST_ATTEMPTS } else { u32::MAX };
        let retry = pause_before_retry(error, delivery.attempt, attempts)
            .and_then(|pause| TimeDelta::from_std(pause).ok())
            .map(|pause| self.app.clock.now() + pause);
        // Where the bot may not speak each message would be refused for itself. An answer has a way of its own, and
        // that it is barred says nothing of the channel.
        let is_barred = matches!(error, ChatError::Barred { .. });
        let is_answer = delivery.reply.key.starts_with(ANSWER);
        let holds = matches!(error, ChatError::RateLimited { .. }) || (is_barred && !is_answer);
        if let (true, Some(until)) = (holds, retry) {
            let channel = delivery.reply.conversation.channel.clone();
            line.holds().insert(channel, Hold { until, is_barred });
            line.wake.notify_one();
        }
        let label = if retry.is_some() { "put_back" } else { "given_up" };
        tracing::warn!(%error, delivery.id = %delivery.id, label, "a reply was not posted");
        (label, self.app.store.failed(&delivery.id, retry, &error.to_string()).await)
    }

    /// Puts a sign on a message, where the platform has signs. One that cannot be put is no loss.
    pub async fn react(&self, message: &MessageRef, reaction: Reaction) {
        let Some(line) = self.line(&message.conversation) else { return };
        if line.adapter.capabilities().reactions
            && let Err(error) = line.adapter.react(message, reaction).await
        {
            tracing::debug!(%error, "a reaction was not put");
        }
    }

    /// Whether a conversation can be shown signs on messages.
    pub fn can_react(&self, conversation: &Conversation) -> bool {
        self.line(conversation).is_some_and(|line| line.adapter.capabilities().reactions)
    }

    /// Says that an answer is on its way, or how far it is; where messages can be changed. It carries the
    /// key of the answer, so that after a crash the answer finds it and takes its place.
    pub async fn progress(
        &self,
        conversation: &Conversation,
        shown: Option<MessageRef>,
        card: &Card,
        key: &str,
    ) -> Option<MessageRef> {
        let line = self.line(conversation)?;
        let can = line.adapter.capabilities();
        if !can.edits || line.held(&conversation.channel, key).is_some() {
            return shown;
        }
        let card = card.clone().fit(&can);
        let done = match &shown {
            // Some places take messages and give them no name.
            Some(message) if message.message.is_empty() => return shown,
            Some(message) => line.adapter.edit(message, &card).await.map(|()| message.clone()),
            None => line.adapter.post(conversation, &card, &DedupeKey::new(key)).await,
        };
        match done {
            Ok(message) => Some(message),
            Err(error) => {
                tracing::debug!(%error, "progress was not shown");
                shown
            }
        }
    }

    /// A platform is back: what waits for it is posted now, and not when its next attempt would be.
    pub async fn try_again(&self, platform: Platform) {
        for line in self.lines.iter().filter(|line| line.served.platform == platform) {
            if let Err(error) = self.app.store.due_now(&line.served).await {
                tracing::error!(%error, "cannot hurry the outbox");
            }
            let now = self.app.clock.now();
            line.holds().values_mut().for_each(|hold| hold.until = now);
            line.wake.notify_one();
        }
    }

    /// Something was put into the queue.
    pub fn wake(&self) {
        for line in &self.lines {
            line.wake.notify_one();
        }
    }

    /// Posts what is due until told to stop.
    pub async fn run(&self, shutdown: CancellationToken) {
        if self.lines.is_empty() {
            return shutdown.cancelled().await;
        }
        join_all(self.lines.iter().map(|line| self.run_line(line, &shutdown))).await;
    }

    async fn run_line(&self, line: &Line, shutdown: &CancellationToken) {
        let served = std::slice::from_ref(&line.served);
        loop {
            let mut pause = LOOK_EVERY;
            let now = self.app.clock.now();
            match self.app.store.due(served, now, BATCH).await {
                Ok(due) => {
                    for delivery in &due {
                        let reply = &delivery.reply;
                        match line.held(&reply.conversation.channel, &reply.key) {
                            Some(until) if until > now => self.hold(delivery, until).await,
                            _ => self.post_on(line, delivery, None).await,
                        }
                    }
                    match self.app.store.waiting().await {
                        Ok(waiting) => self.app.meters.outbox_waiting.set(waiting),
                        Err(error) => tracing::error!(%error, "cannot count the outbox"),
                    }
                    // What was posted may be what a line of its history waited for.
                    if !due.is_empty() && !shutdown.is_cancelled() {
                        continue;
                    }
                    line.release(now);
                    pause = line.pause(self.app.clock.now());
                }
                Err(error) => {
                    self.app.meters.store_failures.inc();
                    tracing::error!(%error, "cannot read the outbox");
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = line.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
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
async fn show(
    adapter: &dyn ChatAdapter,
    delivery: &Delivery,
    progress: Option<&MessageRef>,
) -> Result<Shown, ChatError> {
    let reply = &delivery.reply;
    let mut can = adapter.capabilities();
    // What only one person sees has no files.
    can.files &= reply.only_for.is_none();
    let card = reply.card.clone().fit(&can);
    let again = (delivery.attempt > 1).then_some(delivery.since);
    let key = DedupeKey { key: reply.key.clone(), again };
    let message = match &delivery.how {
        How::Once => answer(adapter, delivery, &card, &key, progress).await?,
        How::Under(root) if can.threads => {
            adapter.post(&adapter.thread_of(root), &card, &key).await?
        }
        How::Under(_) => return Ok(Shown::Nowhere("the platform has no threads")),
        How::Living { shown: None, .. } => {
            let message = adapter.post(&reply.conversation, &card, &key).await?;
            // An earlier attempt may have got through, with an older card.
            if key.again.is_some() && can.edits {
                adapter.edit(&message, &card).await?;
            }
            message
        }
        How::Living { shown: Some(message), version, .. } if can.edits => {
            match adapter.edit(message, &card).await {
                // Somebody took it away, and it lives on in a new one.
                Err(ChatError::Gone { .. }) => {
                    let key = DedupeKey { key: format!("{}#{version}", reply.key), ..key };
                    adapter.post(&reply.conversation, &card, &key).await?
                }
                edited => {
                    edited?;
                    message.clone()
                }
            }
        }
        How::Living { shown: Some(_), news: true, version } => {
            let key = DedupeKey { key: format!("{}#{version}", reply.key), ..key };
            adapter.post(&reply.conversation, &card, &key).await?
        }
        How::Living { shown: Some(message), news: false, .. } => message.clone(),
    };
    Ok(Shown::As(message))
}

/// Shows what stays as it is: to one person, in the place of its progress, or as a new message.
async fn answer(
    adapter: &dyn ChatAdapter,
    delivery: &Delivery,
    card: &Card,
    key: &DedupeKey,
    progress: Option<&MessageRef>,
) -> Result<MessageRef, ChatError> {
    let conversation = &delivery.reply.conversation;
    if let Some(person) =
        delivery.reply.only_for.as_ref().filter(|_| adapter.capabilities().private)
    {
        adapter.whisper(person, conversation, card, key).await?;
        if let Some(progress) = progress
            && let Err(error) = adapter.edit(progress, &Card::titled("Answered privately")).await
        {
            tracing::debug!(%error, "that an answer was private is not shown");
        }
        return Ok(MessageRef { conversation: conversation.clone(), message: String::new() });
    }
    let has_files = card.blocks.iter().any(|block| matches!(block, Block::File(_)));
    if let Some(progress) = progress {
        // Files come with a message, and not with a change of one.
        let below = Card::titled("The answer is below");
        match adapter.edit(progress, if has_files { &below } else { card }).await {
            Ok(()) if !has_files => return Ok(progress.clone()),
            Ok(()) => {}
            Err(error) => tracing::debug!(%error, "an answer comes as a message of its own"),
        }
    }
    let message = adapter.post(conversation, card, key).await?;
    // An earlier attempt may have left a message that says that the answer would come.
    if key.again.is_some() && adapter.capabilities().edits && !message.message.is_empty() {
        adapter.edit(&message, card).await?;
    }
    Ok(message)
}

/// How long to wait before the next attempt, of so many at most; `None` when another one cannot help.
fn pause_before_retry(error: &ChatError, attempt: u32, most: u32) -> Option<Duration> {
    match error {
        ChatError::Barred { .. } | ChatError::Unreachable { .. } if attempt >= most => None,
        // Whoever let it in again is told what was to be said.
        ChatError::Barred { .. } => Some(BARRED_PAUSE),
        ChatError::RateLimited { retry_after, .. } => Some(*retry_after),
        ChatError::Refused { .. } | ChatError::Unsupported { .. } | ChatError::Gone { .. } => None,
        ChatError::Unreachable { .. } => {
            let doubled = Duration::from_secs(1).saturating_mul(1 << attempt.min(16));
            Some(doubled.min(LONGEST_PAUSE))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
