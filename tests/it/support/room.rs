//! A room on a chat platform with the bot in it: the real bot and database, a platform in memory.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chat::{
    Assurance, Capabilities, Card, ChatAdapter, ChatError, Conversation, DedupeKey, Inbound, Inbox,
    MessageRef, NotRecorded, Origin, Platform, Reaction, UserRef, testing::FakeChat,
};
use smartcloudops::{
    access::Role,
    app::App,
    bot::{Bot, outbox::Outbox, receipt::Pace, receive::Receiver},
    config::Config,
    store::{Actor, Subject},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::database::Database;

pub const ANA: &str = "slack:T1:UANA";
pub const BEN: &str = "slack:T1:UBEN";

/// Events that the bot has in hand at once, so that a test can go beyond it.
const IN_HAND: usize = 30;
/// The longest anything here may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// A query again and again without a pause would take the machine from what it waits for.
const BETWEEN_QUERIES: Duration = Duration::from_millis(5);

/// Slack in memory, which tells when something was tried.
pub struct Slack {
    pub fake: FakeChat,
    capabilities: Mutex<Capabilities>,
    shown: Mutex<HashMap<String, (Conversation, Card)>>,
    attempts: watch::Sender<Vec<String>>,
}

/// The bot in a room.
pub struct Room<'a> {
    pub app: Arc<App>,
    pub slack: Arc<Slack>,
    pub outbox: Arc<Outbox>,
    database: &'a Database,
    inbox: Inbox,
    shutdown: CancellationToken,
    events: AtomicU32,
}

impl<'a> Room<'a> {
    /// A bot on this database that asks this Prometheus.
    pub async fn open(database: &'a Database, prometheus: &str) -> Room<'a> {
        Self::configured(database, prometheus, "").await
    }

    /// The same with more settings.
    pub async fn configured(database: &'a Database, prometheus: &str, settings: &str) -> Room<'a> {
        // However slow the machine is, nothing is shown but answers.
        let never = Duration::from_hours(1);
        let pace = Pace { heard_after: never, progress_every: never };
        Self::paced(database, prometheus, settings, pace).await
    }

    /// The same, in which it is shown at this pace that an answer takes long.
    pub async fn paced(
        database: &'a Database,
        prometheus: &str,
        settings: &str,
        pace: Pace,
    ) -> Room<'a> {
        let text = format!(
            "[bot]\ntimezone = \"UTC\"\nanswers_in_thread = 1000\n[store]\nurl = \"{}\"\n[metrics.prometheus]\nurl = \
             \"{prometheus}\"\ntimeout = \"10s\"\n[alerts]\nchannels = [\"slack:T1:C1\"]\n{settings}",
            database.url
        );
        let config = Config::parse(&text).unwrap();
        let app = App::build(config, database.clock.clone()).await.unwrap();
        let fake = FakeChat::new(Platform::Slack);
        let slack = Arc::new(Slack {
            capabilities: Mutex::new(fake.capabilities()),
            fake,
            shown: Mutex::default(),
            attempts: watch::Sender::default(),
        });
        let outbox = Arc::new(Outbox::new(app.clone(), vec![slack.clone()]));
        let (inbox, deliveries) = Inbox::bounded(100);
        let shutdown = CancellationToken::new();
        let receiver = Receiver::new(Bot::new(app.clone()), outbox.clone())
            .looking_every(Duration::from_millis(100))
            .with_room_for(IN_HAND)
            .at_pace(pace);
        tokio::spawn(receiver.run(deliveries));
        tokio::spawn({
            let (outbox, shutdown) = (outbox.clone(), shutdown.clone());
            async move { outbox.run(shutdown).await }
        });
        Room { app, slack, outbox, database, inbox, shutdown, events: AtomicU32::new(0) }
    }

    /// Gives somebody a role.
    pub async fn knows(&self, who: &str, role: Role) {
        let subject = Subject::Identity(who.parse().unwrap());
        self.app.store.grant(&Actor::System, &subject, role, None).await.unwrap();
    }

    /// A message addressed to the bot, in a thread of the room.
    pub fn event(&self, who: &str, text: &str) -> Inbound {
        let from: UserRef = who.parse().unwrap();
        let conversation = Conversation {
            platform: from.platform,
            workspace: from.workspace.clone(),
            channel: "C1".to_owned(),
            thread: Some("1700000000.1".to_owned()),
        };
        let number = self.events.fetch_add(1, Ordering::Relaxed);
        let id = format!("Ev{}-{number}", self.app.store.new_id());
        Inbound {
            display_name: from.user.clone(),
            from,
            message: MessageRef { conversation: conversation.clone(), message: format!("m-{id}") },
            id,
            conversation,
            text: text.to_owned(),
            origin: Origin::Addressed,
            edited: false,
            assurance: Assurance::Authenticated,
            at: self.app.clock.now(),
        }
    }

    /// Somebody says something to the bot; the card they see, if any.
    pub async fn says(&self, who: &str, text: &str) -> Option<Card> {
        self.hears(self.event(who, text)).await
    }

    /// The event is delivered and dealt with; the card that came of it, if any.
    pub async fn hears(&self, event: Inbound) -> Option<Card> {
        self.delivers(&event).await.unwrap();
        self.is_done(&event).await;
        self.card_for(&event)
    }

    /// The platform delivers an event; returns when it may acknowledge it.
    pub async fn delivers(&self, event: &Inbound) -> Result<(), NotRecorded> {
        within("acknowledged", self.inbox.deliver(event.clone())).await
    }

    /// Waits until an event is finished and its reply, if there is one, was given to the platform.
    pub async fn is_done(&self, event: &Inbound) {
        let done = format!(
            "SELECT id FROM inbox WHERE event = '{}' AND workspace = '{}' AND state = 'done'",
            event.id, event.conversation.workspace
        );
        self.becomes_true(&done).await;
        let key = key_of(event);
        let replies = self
            .database
            .look(&format!("SELECT dedupe_key FROM outbox WHERE dedupe_key = '{key}'"))
            .await;
        if !replies.is_empty() {
            self.was_tried(event, 1).await;
        }
    }

    /// Waits until the reply to an event was tried this often.
    pub async fn was_tried(&self, event: &Inbound, times: usize) {
        let key = key_of(event);
        let mut attempts = self.slack.attempts.subscribe();
        let enough = |tried: &Vec<String>| tried.iter().filter(|it| **it == key).count() >= times;
        within("tried", attempts.wait_for(enough)).await.unwrap();
    }

    /// Waits until something holds.
    pub async fn becomes(&self, what: &str, holds: impl Fn() -> bool) {
        within(what, async {
            while !holds() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Waits until a query finds something.
    pub async fn becomes_true(&self, sql: &str) {
        within(sql, async {
            while self.database.look(sql).await.is_empty() {
                tokio::time::sleep(BETWEEN_QUERIES).await;
            }
        })
        .await;
    }

    /// Waits until the reply to an event is in this state of the queue.
    pub async fn reply_becomes(&self, event: &Inbound, state: &str) {
        self.becomes_true(&format!(
            "SELECT id FROM outbox WHERE dedupe_key = '{}' AND state = '{state}' AND \
             (reason IS NOT NULL OR settled_at IS NOT NULL)",
            key_of(event)
        ))
        .await;
    }

    pub fn card_for(&self, event: &Inbound) -> Option<Card> {
        self.slack.shown.lock().unwrap().get(&key_of(event)).map(|(_, card)| card.clone())
    }

    /// Where the reply to an event was shown.
    pub fn place_of(&self, event: &Inbound) -> Option<Conversation> {
        self.slack.shown.lock().unwrap().get(&key_of(event)).map(|(place, _)| place.clone())
    }

    pub fn last_card(&self) -> Card {
        self.slack.fake.cards().pop().expect("nothing was said")
    }

    /// How often the platform was asked to post anything.
    pub fn attempts(&self) -> usize {
        self.slack.attempts.borrow().len()
    }

    /// Time passes, and the outbox looks again.
    pub fn later(&self, by: chrono::TimeDelta) {
        self.app.clock.advance(by);
        self.outbox.wake();
    }

    /// How often the outbox came to this outcome.
    pub fn posts(&self, outcome: &str) -> u64 {
        self.app.meters.posts.with_label_values(&["slack", outcome]).get()
    }

    /// The platform can do only this.
    pub fn is_poor(&self, capabilities: Capabilities) {
        *self.slack.capabilities.lock().unwrap() = capabilities;
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

#[async_trait]
impl ChatAdapter for Slack {
    fn platform(&self) -> Platform {
        Platform::Slack
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.lock().unwrap().clone()
    }

    async fn run(&self, inbox: Inbox, shutdown: CancellationToken) -> Result<(), ChatError> {
        self.fake.run(inbox, shutdown).await
    }

    async fn post(
        &self,
        to: &Conversation,
        card: &Card,
        key: &DedupeKey,
    ) -> Result<MessageRef, ChatError> {
        let posted = self.fake.post(to, card, key).await;
        if posted.is_ok() {
            let shown = (to.clone(), card.clone());
            self.shown.lock().unwrap().entry(key.key.clone()).or_insert(shown);
        }
        self.attempts.send_modify(|tried| tried.push(key.key.clone()));
        posted
    }

    async fn react(&self, message: &MessageRef, reaction: Reaction) -> Result<(), ChatError> {
        self.fake.react(message, reaction).await
    }

    async fn whisper(
        &self,
        to: &UserRef,
        conversation: &Conversation,
        card: &Card,
        key: &DedupeKey,
    ) -> Result<(), ChatError> {
        let told = self.fake.whisper(to, conversation, card, key).await;
        if told.is_ok() {
            let shown = (conversation.clone(), card.clone());
            self.shown.lock().unwrap().entry(key.key.clone()).or_insert(shown);
        }
        self.attempts.send_modify(|tried| tried.push(key.key.clone()));
        told
    }

    async fn edit(&self, message: &MessageRef, card: &Card) -> Result<(), ChatError> {
        let edited = self.fake.edit(message, card).await;
        self.attempts.send_modify(|tried| tried.push(format!("edit {}", message.message)));
        edited
    }
}

fn key_of(event: &Inbound) -> String {
    format!("answer:{}:{}:{}", event.from.platform, event.conversation.workspace, event.id)
}

/// The card as a person reads it.
pub fn read(card: &Card) -> String {
    chat::text(card, chat::Style::Plain)
}

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("it never came: {what}"))
}
