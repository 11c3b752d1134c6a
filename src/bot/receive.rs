//! From an adapter's delivery to a posted reply: recorded first, answered once.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chat::{Conversation, Inbound, MessageRef, Origin, Reaction};
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, MissedTickBehavior},
};
use tokio_util::task::TaskTracker;

use super::{
    Answer, Bot, Reply,
    admission::Admission,
    budget::{self, Allowed, Budget},
    cards,
    intent::Intent,
    outbox::Outbox,
    receipt::{Pace, Receipt},
};
use crate::{
    access::{Permission, RefusalKind},
    incidents,
    store::{
        AuditEvent, Completed, Completion, FirstSight, InboxId, OVERHEARD, Recorded,
        Reply as StoredReply, Speaker, StoreError, Subject, Turn,
    },
};

/// Events answered at the same time.
const AT_ONCE: usize = 16;
/// Events in hand: recorded, and answered or waiting for that. More are recorded, and taken up when there is room.
const IN_HAND: usize = 1000;
/// Events recorded in one commit.
const TOGETHER: usize = 64;
/// How often claims are renewed and unanswered events looked for: well within the claims' lease.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The outcome of what is not answered because too much was.
const TOO_MANY: &str = "ignored: too many answers here";
/// An event whose attempts were all cut short is given up after this many.
const MOST_ATTEMPTS: u32 = 5;

/// Hears, answers, posts.
#[derive(Clone)]
pub struct Receiver {
    bot: Bot,
    outbox: Arc<Outbox>,
    /// Recording waits for none of these: a platform that is not told in time sends it again.
    answering: Arc<Semaphore>,
    admission: Arc<Admission>,
    /// Events that are in nobody's hands and not finished, to be given back and taken up again.
    unfinished: Arc<Mutex<Vec<InboxId>>>,
    look_every: Duration,
    pace: Pace,
    budget: Arc<Mutex<Budget>>,
}

/// An event being answered. Dropped unfinished, also by a panic, it is given back.
struct Begun<'a> {
    id: &'a InboxId,
    unfinished: &'a Mutex<Vec<InboxId>>,
    finished: bool,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if !self.finished {
            let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
            unfinished.push(self.id.clone());
        }
    }
}

impl Receiver {
    /// Answers through this bot and posts through this outbox.
    pub fn new(bot: Bot, outbox: Arc<Outbox>) -> Self {
        let budget = Budget::of(bot.app().config.bot.answers_in_thread);
        Self {
            budget: Arc::new(Mutex::new(budget)),
            bot,
            outbox,
            answering: Arc::new(Semaphore::new(AT_ONCE)),
            admission: Arc::new(Admission::of(IN_HAND)),
            unfinished: Arc::default(),
            look_every: LOOK_EVERY,
            pace: Pace::default(),
        }
    }

    /// Shows at this pace that an answer takes long.
    #[must_use]
    pub fn at_pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Looks this often for unanswered events, instead of every ten seconds.
    #[must_use]
    pub fn looking_every(self, pause: Duration) -> Self {
        Self { look_every: pause, ..self }
    }

    /// Has so many events in hand at most, instead of a thousand.
    #[must_use]
    pub fn with_room_for(self, events: usize) -> Self {
        Self { admission: Arc::new(Admission::of(events)), ..self }
    }

    /// Answers what is delivered until every adapter is gone, then finishes what was begun.
    pub async fn run(self, inbox: mpsc::Receiver<chat::Delivery>) {
        let in_hand = TaskTracker::new();
        let mut look = tokio::time::interval_at(Instant::now() + self.look_every, self.look_every);
        look.set_missed_tick_behavior(MissedTickBehavior::Skip);
        // What an earlier run left is answered also when nobody is there to talk.
        self.take_up(&in_hand).await;
        let mut listening = tokio::spawn(self.clone().listen(inbox, in_hand.clone()));
        loop {
            tokio::select! {
                _ = look.tick() => self.take_up(&in_hand).await,
                () = self.admission.has_room_again() => self.take_up(&in_hand).await,
                ended = &mut listening => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "hearing ended early");
                    }
                    break;
                }
            }
        }
        in_hand.close();
        in_hand.wait().await;
        // For whoever comes next, at once.
        if let Err(error) = self.give_back().await {
            tracing::error!(%error, "what was not answered is taken up only when its claim has run out");
        }
    }

    /// Records what is delivered until every adapter is gone. What comes while a commit is under way shares
    /// the next one.
    async fn listen(self, mut inbox: mpsc::Receiver<chat::Delivery>, in_hand: TaskTracker) {
        while let Some(first) = inbox.recv().await {
            let mut arrived = vec![first];
            while arrived.len() < TOGETHER
                && let Ok(next) = inbox.try_recv()
            {
                arrived.push(next);
            }
            self.receive(arrived, &in_hand).await;
        }
    }

    /// Keeps what is being answered claimed, and takes up what a crashed run left unanswered, or for what there was no
    /// room, as far as there is.
    async fn take_up(&self, in_hand: &TaskTracker) {
        match self.left_over().await {
            Ok(left) => {
                for Recorded { id, inbound, attempt } in left {
                    let receiver = self.clone();
                    let admitted = self.admission.waited();
                    in_hand.spawn(async move {
                        let _admitted = admitted;
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

    async fn left_over(&self) -> Result<Vec<Recorded>, StoreError> {
        let store = &self.bot.app().store;
        store.renew_claims().await?;
        self.give_back().await?;
        let free = self.admission.free();
        if free == 0 {
            return Ok(Vec::new());
        }
        let left = store.pending(self.outbox.serves(), free).await?;
        if left.len() < free as usize {
            self.admission.nobody_waits();
        }
        Ok(left)
    }

    /// Gives back what is in nobody's hands: its claim would be renewed for ever.
    async fn give_back(&self) -> Result<(), StoreError> {
        let unfinished = || self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = std::mem::take(&mut *unfinished());
        let given = self.bot.app().store.release_claims(&left).await;
        if given.is_err() {
            unfinished().append(&mut left);
        }
        given
    }

    /// An event that ended the program every time it was tried is not tried again.
    async fn give_up(&self, id: &InboxId, event: &Inbound) {
        tracing::error!(event.id = %event.id, "an event was given up: every attempt to answer it was cut short");
        let reply = Reply {
            intent: Intent::Unknown {},
            principal: None,
            card: cards::given_up(),
            outcome: Ok(Answer::default()),
        };
        let mut begun = Begun { id, unfinished: &self.unfinished, finished: false };
        begun.finished = self.finish(id, event, &reply, None).await;
    }

    /// Records events, lets the adapters acknowledge them, and has them answered.
    async fn receive(&self, arrived: Vec<chat::Delivery>, in_hand: &TaskTracker) {
        let app = self.bot.app();
        let events: Vec<_> = arrived.iter().map(|delivery| &delivery.inbound).collect();
        let not_recorded = |error: StoreError| {
            app.meters.store_failures.inc();
            tracing::error!(%error, "an event was not recorded");
        };
        let recorded = match app.store.record_all(&events).await {
            Ok(recorded) => recorded,
            // Dropped, so not acknowledged: the platforms send them again.
            Err(error) => {
                for event in events {
                    let platform = event.from.platform.as_str();
                    app.meters.inbound.with_label_values(&[platform, "not_recorded"]).inc();
                }
                return not_recorded(error);
            }
        };
        for (delivery, recorded) in arrived.into_iter().zip(recorded) {
            let platform = delivery.inbound.from.platform.as_str();
            let heard = |outcome| app.meters.inbound.with_label_values(&[platform, outcome]).inc();
            if recorded.is_ok() {
                let took = delivery.since.elapsed().as_secs_f64();
                app.meters.acknowledge_seconds.with_label_values(&[platform]).observe(took);
            }
            match recorded {
                Ok(FirstSight::New(id)) => {
                    let event = delivery.recorded();
                    heard("new");
                    let Some(admitted) = self.admission.came() else {
                        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner).push(id);
                        continue;
                    };
                    let receiver = self.clone();
                    in_hand.spawn(async move {
                        let _admitted = admitted;
                        receiver.reply(&id, &event).await;
                    });
                }
                Ok(FirstSight::Duplicate) => {
                    delivery.recorded();
                    heard("duplicate");
                }
                Err(error) => {
                    heard("not_recorded");
                    not_recorded(error);
                }
            }
        }
    }

    async fn reply(&self, id: &InboxId, event: &Inbound) {
        let mut begun = Begun { id, unfinished: &self.unfinished, finished: false };
        // What was overheard is mostly not answered, and is counted when it is.
        let is_overheard = event.origin == Origin::Overheard;
        let mut allowed =
            if is_overheard { self.may_be_allowed(event) } else { self.allowed(event) };
        if allowed == Allowed::No {
            tracing::warn!(event.id = %event.id, "too many answers here");
            let outcome = if is_overheard { OVERHEARD } else { TOO_MANY };
            begun.finished = self.ignore(id, event, outcome).await;
            return;
        }
        // What people say to each other is for the bot where it is part of the talk.
        if is_overheard
            && let Ok(false) = self.bot.app().store.takes_part(&event.conversation).await
        {
            begun.finished = self.ignore(id, event, OVERHEARD).await;
            return;
        }
        // From here on, so that people are told also while others are answered before them.
        let receipt = Receipt::of(&self.outbox, event, self.pace);
        // The semaphore is never closed.
        let _slot = self.answering.acquire().await;
        let mut reply = self.bot.answer(event, false).await;
        // What was done is said, also when others were answered meanwhile.
        if is_overheard && !is_chatter(event, &reply) {
            allowed = self.allowed(event);
        }
        if allowed == Allowed::TheLast {
            reply.card = reply.card.note(cards::the_last_here(budget::STRETCH));
            self.tell_of_runaway(event).await;
        }
        let receipt = receipt.taken().await;
        begun.finished = self.finish(id, event, &reply, receipt.progress.as_ref()).await;
        if receipt.seen {
            let sign = if reply.outcome.is_ok() { Reaction::Done } else { Reaction::Failed };
            self.outbox.react(&event.message, sign).await;
        }
    }

    /// Whether who speaks has not had too many answers in this thread, and in its channel.
    fn allowed(&self, event: &Inbound) -> Allowed {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        budget.take(&event.conversation, &event.from, self.bot.app().clock.now())
    }

    /// The same, without counting an answer.
    fn may_be_allowed(&self, event: &Inbound) -> Allowed {
        let budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        let left = budget.left(&event.conversation, &event.from, self.bot.app().clock.now());
        if left == 0 { Allowed::No } else { Allowed::Yes }
    }

    /// Whoever looks after the bot is told that somebody gets no more answers.
    async fn tell_of_runaway(&self, event: &Inbound) {
        tracing::error!(event.from = %event.from, "a talk ran away: no more answers there for now");
        let card = cards::ran_away(event, budget::STRETCH);
        let key = format!("runaway:{}", event.answer_key());
        let reached = |place: &Conversation| self.outbox.serves().iter().any(|it| it.covers(place));
        match incidents::say_everywhere(self.bot.app(), &card, &key, reached).await {
            Ok(()) => self.outbox.wake(),
            Err(error) => tracing::error!(%error, "cannot tell that a talk ran away"),
        }
    }

    /// Finishes an event without a word.
    async fn ignore(&self, id: &InboxId, event: &Inbound, outcome: &str) -> bool {
        let completion = Completion { outcome: outcome.to_owned(), ..Completion::default() };
        match self.bot.app().store.complete(id, &completion).await {
            Ok(_) => true,
            Err(error) => {
                tracing::error!(%error, event.id = %event.id, "an event was not finished");
                false
            }
        }
    }

    /// Saves and posts an answer, in the place of what said that it would come. Says whether the event is
    /// finished.
    async fn finish(
        &self,
        id: &InboxId,
        event: &Inbound,
        reply: &Reply,
        progress: Option<&MessageRef>,
    ) -> bool {
        let completion = self.bot.completion(event, reply, true);
        let store = &self.bot.app().store;
        match store.complete(id, &completion).await {
            Ok(Completed::Now(deliveries)) => {
                for delivery in &deliveries {
                    self.outbox.post(delivery, progress).await;
                }
                // Messages of incidents may have changed with it.
                if reply.intent.permission() == Permission::ManageIncidents {
                    self.outbox.wake();
                }
                true
            }
            Ok(Completed::BySomeoneElse) => true,
            Err(error) => {
                self.bot.app().meters.store_failures.inc();
                tracing::error!(%error, event.id = %event.id, "an answer was not saved");
                false
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
        if is_chatter(event, reply) {
            return Completion { outcome: OVERHEARD.to_owned(), ..Completion::default() };
        }
        let replies = if post {
            let (key, card) = (event.answer_key(), reply.card.clone());
            vec![if is_private(event, reply) {
                // Beside the question: a thread that is only begun shows nothing to one person alone.
                let beside = event.message.conversation.clone();
                StoredReply::new(beside, card, key).only_for(event.from.clone())
            } else {
                StoredReply::new(event.conversation.clone(), card, key)
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
                actor: self.actor(&event.from, reply.principal.as_ref()),
                action: "ask".to_owned(),
                subject: reply.intent.name().to_owned(),
                detail: detail(event, &reply.intent),
                outcome,
            }],
        }
    }
}

/// What is on record of a question besides its kind: never the wording.
fn detail(event: &Inbound, intent: &Intent) -> serde_json::Value {
    let mut detail = serde_json::json!({ "event": event.id, "hosts": intent.hosts() });
    if let Intent::Grant { role, user, environment } | Intent::Revoke { role, user, environment } =
        intent
    {
        // What is no account and no code is wording.
        let subject = user.as_deref().and_then(|user| user.parse().ok()).map(|who| match who {
            Subject::Identity(identity) => identity.to_string(),
            Subject::Code(code) => code,
        });
        detail["role"] = serde_json::json!(role);
        detail["subject"] = serde_json::json!(subject);
        detail["environment"] = serde_json::json!(environment);
    }
    if let Intent::Verify { user } = intent {
        detail["subject"] = serde_json::json!(user);
    }
    detail
}

/// Whether this was talk among people. Something overheard is answered when it was a question with
/// an answer, or with one that an outage kept away; then it is on record like any other. Refusals
/// would be noise, and what was not meant for the bot is none of its business: not remembered, not
/// audited.
fn is_chatter(event: &Inbound, reply: &Reply) -> bool {
    let clear = match &reply.outcome {
        Ok(_) => reply.intent.permission() != Permission::Introduce,
        Err(refusal) => refusal.kind == RefusalKind::MetricsUnavailable,
    };
    event.origin == Origin::Overheard && !clear
}

/// Whether only who asked is to see the answer, where that is possible: codes are secrets, a person is not
/// told before all what they may not do, what came of no message would stand there without its question, and what
/// was done to an incident its own message shows to all.
fn is_private(event: &Inbound, reply: &Reply) -> bool {
    let without_message = matches!(event.origin, Origin::Button | Origin::Command);
    match &reply.outcome {
        // Who is not known yet is shown a code.
        Ok(_) => match reply.intent {
            Intent::Link { .. } => true,
            Intent::Whoami {} => reply.principal.is_none(),
            Intent::Acknowledge { .. }
            | Intent::Unacknowledge { .. }
            | Intent::Silence { id: Some(_), .. }
            | Intent::Resolve { .. } => without_message,
            _ => false,
        },
        Err(refusal) => {
            without_message
                || matches!(refusal.kind, RefusalKind::NotPermitted | RefusalKind::UnknownUser)
        }
    }
}
