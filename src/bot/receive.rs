//! From an adapter's delivery to a posted reply: recorded first, answered once.

use std::{sync::Arc, time::Duration};

use chat::{Inbound, Origin};
use tokio::{
    sync::{Semaphore, mpsc},
    time::MissedTickBehavior,
};
use tokio_util::task::TaskTracker;

use super::{Answer, Bot, Reply, cards, intent::Intent, outbox::Outbox};
use crate::{
    access::Permission,
    store::{
        Actor, AuditEvent, Completed, Completion, FirstSight, InboxId, Recorded,
        Reply as StoredReply, Speaker, Turn,
    },
};

/// Events answered at the same time.
const AT_ONCE: usize = 16;
/// How often claims are renewed and unanswered events looked for: well within the claims' lease.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Events taken up at one look.
const TAKEN_UP: u32 = 50;
/// An event whose attempts were all cut short is given up after this many.
const MOST_ATTEMPTS: u32 = 5;

/// Hears, answers, posts.
#[derive(Clone)]
pub struct Receiver {
    bot: Bot,
    outbox: Arc<Outbox>,
}

impl Receiver {
    /// Answers through this bot and posts through this outbox.
    pub fn new(bot: Bot, outbox: Arc<Outbox>) -> Self {
        Self { bot, outbox }
    }

    /// Answers what is delivered until every adapter is gone, then finishes what was begun.
    pub async fn run(self, mut inbox: mpsc::Receiver<chat::Delivery>) {
        let answering = TaskTracker::new();
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                delivery = inbox.recv() => {
                    let Some(delivery) = delivery else { break };
                    // The semaphore is never closed.
                    let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
                    let receiver = self.clone();
                    answering.spawn(async move {
                        receiver.receive(delivery).await;
                        drop(slot);
                    });
                }
                _ = look.tick() => self.take_up(&answering).await,
            }
        }
        answering.close();
        answering.wait().await;
    }

    /// Keeps what is being answered claimed, and takes up what a crashed run left unanswered.
    async fn take_up(&self, answering: &TaskTracker) {
        let store = &self.bot.app().store;
        let left = match store.renew_claims().await {
            Ok(_) => store.pending(TAKEN_UP).await,
            Err(error) => Err(error),
        };
        match left {
            Ok(left) => {
                for Recorded { id, inbound, attempt } in left {
                    let receiver = self.clone();
                    answering.spawn(async move {
                        if attempt > MOST_ATTEMPTS {
                            receiver.give_up(&id, &inbound).await;
                        } else {
                            receiver.reply(&id, &inbound).await;
                        }
                    });
                }
            }
            Err(error) => {
                self.bot.app().meters.store_failures.inc();
                tracing::error!(%error, "cannot look for unanswered events");
            }
        }
    }

    /// An event that ended the program every time it was tried is not tried again.
    async fn give_up(&self, id: &InboxId, event: &Inbound) {
        tracing::error!(event.id = %event.id, "an event was given up: every attempt to answer it was cut short");
        let reply = Reply {
            intent: Intent::Unknown {},
            card: cards::given_up(),
            outcome: Ok(Answer::default()),
        };
        self.finish(id, event, &reply).await;
    }

    /// Records one event, lets the adapter acknowledge it, and answers it.
    async fn receive(&self, delivery: chat::Delivery) {
        let app = self.bot.app();
        let platform = delivery.inbound.from.platform.as_str();
        let heard = |outcome| app.meters.inbound.with_label_values(&[platform, outcome]).inc();
        match app.store.record(&delivery.inbound).await {
            Ok(FirstSight::New(id)) => {
                let event = delivery.recorded();
                heard("new");
                self.reply(&id, &event).await;
            }
            Ok(FirstSight::Duplicate) => {
                delivery.recorded();
                heard("duplicate");
            }
            // Dropped, so not acknowledged: the platform sends it again.
            Err(error) => {
                app.meters.store_failures.inc();
                heard("not_recorded");
                tracing::error!(%error, "an event was not recorded");
            }
        }
    }

    async fn reply(&self, id: &InboxId, event: &Inbound) {
        let reply = self.bot.answer(event, false).await;
        self.finish(id, event, &reply).await;
    }

    async fn finish(&self, id: &InboxId, event: &Inbound, reply: &Reply) {
        let completion = self.bot.completion(event, reply, true);
        let store = &self.bot.app().store;
        match store.complete(id, &completion).await {
            Ok(Completed::Now(deliveries)) => {
                for delivery in &deliveries {
                    self.outbox.post(delivery).await;
                }
            }
            Ok(Completed::BySomeoneElse) => {}
            Err(error) => {
                // The claim runs out and the event is answered then.
                self.bot.app().meters.store_failures.inc();
                tracing::error!(%error, event.id = %event.id, "an answer was not saved");
            }
        }
    }
}

impl Bot {
    /// What becomes true when an event has been answered: the reply to post (when there is somebody
    /// to post to), the turns of the conversation, and the record of it.
    pub fn completion(&self, event: &Inbound, reply: &Reply, post: bool) -> Completion {
        let now = self.app.clock.now();
        let turn = |speaker, who: String, text: String, at| Turn {
            conversation: event.conversation.clone(),
            speaker,
            who,
            text,
            at,
        };
        let silent =
            event.origin == Origin::Overheard && reply.intent.permission() == Permission::Introduce;
        let replies = if post && !silent {
            vec![StoredReply {
                conversation: event.conversation.clone(),
                card: reply.card.clone(),
                key: format!("answer:{}:{}", event.from.platform, event.id),
            }]
        } else {
            Vec::new()
        };
        let outcome = match &reply.outcome {
            Ok(_) => "answered".to_owned(),
            Err(refusal) => format!("refused: {}", refusal.kind.as_str()),
        };
        Completion {
            outcome: outcome.clone(),
            replies,
            turns: vec![
                turn(Speaker::Person, event.from.to_string(), event.text.clone(), event.at),
                turn(
                    Speaker::Bot,
                    "rules".to_owned(),
                    chat::text(&reply.card, chat::Style::Plain),
                    now,
                ),
            ],
            audit: vec![AuditEvent {
                at: now,
                actor: Actor::Person { identity: event.from.clone(), principal: None },
                action: "ask".to_owned(),
                subject: reply.intent.name().to_owned(),
                detail: serde_json::json!({ "event": event.id, "hosts": reply.intent.hosts() }),
                outcome,
            }],
        }
    }
}
