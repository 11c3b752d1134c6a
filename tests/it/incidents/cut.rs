//! Cut short between any two steps, nothing is lost and nothing is told twice that need not be.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use chat::{
    Capabilities, Card, ChatAdapter, ChatError, Conversation, DedupeKey, Inbox, MessageRef,
    Platform,
};
use chrono::TimeDelta;
use futures::{future::Either, poll};
use smartcloudops::{
    anomaly::Anomaly, app::App, bot::outbox::Outbox, config::Config, incidents::Incidents,
    store::Wanted,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{hot, placement};
use crate::support::database::{Database, on_postgres, on_sqlite};

const ROUNDS: u64 = 120;

/// A platform that cannot tell a message it was given twice, and may be cut off after it took one.
#[derive(Default)]
struct Forgetful {
    posts: Mutex<Vec<(String, MessageRef, Card)>>,
    cut: AtomicBool,
    took: Notify,
}

impl Forgetful {
    async fn answer<T>(&self, value: T) -> T {
        if self.cut.load(Ordering::SeqCst) {
            self.took.notify_one();
            std::future::pending::<()>().await;
        }
        value
    }
}

#[async_trait]
impl ChatAdapter for Forgetful {
    fn platform(&self) -> Platform {
        Platform::Slack
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { edits: true, threads: true, max_text: 4000, ..Capabilities::default() }
    }

    async fn run(&self, _: Inbox, shutdown: CancellationToken) -> Result<(), ChatError> {
        shutdown.cancelled().await;
        Ok(())
    }

    async fn post(
        &self,
        to: &Conversation,
        card: &Card,
        key: &DedupeKey,
    ) -> Result<MessageRef, ChatError> {
        let message = {
            let mut posts = self.posts.lock().unwrap();
            let message =
                MessageRef { conversation: to.clone(), message: format!("m{}", posts.len()) };
            posts.push((key.key.clone(), message.clone(), card.clone()));
            message
        };
        Ok(self.answer(message).await)
    }

    async fn edit(&self, message: &MessageRef, card: &Card) -> Result<(), ChatError> {
        if let Some(post) = self.posts.lock().unwrap().iter_mut().find(|it| it.1 == *message) {
            post.2 = card.clone();
        }
        self.answer(()).await;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_short_between_any_two_steps_nothing_is_lost_on_sqlite() {
    on_sqlite(again_and_again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_short_between_any_two_steps_nothing_is_lost_on_postgresql() {
    on_postgres(again_and_again).await;
}

async fn again_and_again(database: &Database) {
    let slack = Arc::new(Forgetful::default());
    let mut found: Vec<Anomaly> = Vec::new();
    let mut random = 0x5eed_u64;
    let mut taken_and_cut = 0;
    for round in 0..ROUNDS {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // What is going on changes in every round, and so does the place of the cut.
        let now = database.clock.now();
        match random % 3 {
            0 => found.iter_mut().filter(|it| it.end.is_none()).for_each(|it| it.end = Some(now)),
            1 => found.push(hot(["web-1", "web-2", "web-3"][round as usize % 3], now)),
            _ => found.push(hot("web-9", now)),
        }
        found.retain(|it| it.end.is_none_or(|end| now - end < TimeDelta::minutes(20)));
        let process = Process::start(database, &slack).await;
        match random >> 8 & 7 {
            // While it is being kept.
            0 | 1 => process.observe_for(&found, random as usize >> 12 & 63).await,
            // After it was kept, before anybody was told.
            2 => process.observe(&found).await,
            // In the hands of whoever was to tell it.
            3 => {
                process.observe(&found).await;
                process.claim().await;
            }
            // After the platform had it, before that was noted.
            4 | 5 => {
                process.observe(&found).await;
                taken_and_cut += process.tell_and_be_cut(&slack).await;
            }
            _ => {
                process.observe(&found).await;
                process.tell().await;
            }
        }
        drop(process);
        // Sometimes long enough for the next one to be another incident.
        let pause = if (random >> 20).is_multiple_of(4) { 45 } else { 2 };
        database.clock.advance(TimeDelta::minutes(pause));
    }
    let process = Process::start(database, &slack).await;
    process.observe(&found).await;
    for _ in 0..3 {
        process.tell().await;
        database.clock.advance(TimeDelta::minutes(2));
    }

    assert_eq!(database.count("SELECT COUNT(*) FROM outbox WHERE state = 'waiting'").await, 0);
    let posts = slack.posts.lock().unwrap().clone();
    let mut times: HashMap<&String, usize> = HashMap::new();
    for (key, ..) in &posts {
        *times.entry(key).or_default() += 1;
    }
    let queued = database.look("SELECT dedupe_key FROM outbox").await;
    let lost: Vec<_> = queued.iter().filter(|key| !times.contains_key(key)).collect();
    assert!(lost.is_empty(), "queued and never told: {lost:?}");
    let twice = posts.len() - times.len();
    assert!(twice <= taken_and_cut, "{twice} told twice, {taken_and_cut} cut after being told");

    let incidents = process.app.store.incidents(Wanted::Latest(None, 10_000)).await.unwrap();
    let members: usize = incidents.iter().map(|it| it.members.len()).sum();
    let kept = database.count("SELECT COUNT(*) FROM anomalies").await;
    assert_eq!(i64::try_from(members), Ok(kept));
    for incident in &incidents {
        let key = format!("incident:{}:slack:T1:C1", incident.number);
        let (_, _, card) = posts.iter().rev().find(|it| it.0 == key).expect("told");
        let over = card.title.contains("over:");
        assert_eq!(over, !incident.is_live(), "#{} shows {}", incident.number, card.title);
    }
    process.app.store.verify_audit().await.unwrap();
    println!(
        "{ROUNDS} cuts, {} incidents, {} messages, {twice} of them twice, {taken_and_cut} allowed",
        incidents.len(),
        posts.len()
    );
}

/// One life of the program.
struct Process {
    app: Arc<App>,
    incidents: Incidents,
    outbox: Outbox,
}

impl Process {
    async fn start(database: &Database, slack: &Arc<Forgetful>) -> Self {
        slack.cut.store(false, Ordering::SeqCst);
        let text = format!(
            "[bot]\ntimezone = \"UTC\"\n[store]\nurl = \"{}\"\n[metrics.prometheus]\nurl = \
             \"http://127.0.0.1:1\"\n[alerts]\nchannels = [\"slack:T1:C1\"]\n",
            database.url
        );
        let config = Config::parse(&text).unwrap();
        let app = App::build(config, database.clock.clone()).await.unwrap();
        let outbox = Outbox::new(app.clone(), vec![slack.clone()]);
        let incidents = Incidents::new(app.clone(), outbox.serves());
        Self { app, incidents, outbox }
    }

    async fn observe(&self, found: &[Anomaly]) {
        let now = self.app.clock.now();
        self.incidents.observe_in(found, &placement(), now).await.unwrap();
    }

    /// Dies after so many steps of it.
    async fn observe_for(&self, found: &[Anomaly], steps: usize) {
        let mut work = pin!(self.observe(found));
        for _ in 0..steps {
            if poll!(&mut work).is_ready() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn claim(&self) {
        self.app.store.due(self.outbox.serves(), self.app.clock.now(), 20).await.unwrap();
    }

    /// Tells everything that is due.
    async fn tell(&self) {
        loop {
            let now = self.app.clock.now();
            let due = self.app.store.due(self.outbox.serves(), now, 20).await.unwrap();
            if due.is_empty() {
                return;
            }
            for delivery in &due {
                self.outbox.post(delivery, None).await;
            }
        }
    }

    /// Dies when the platform has the first; says whether it came to that.
    async fn tell_and_be_cut(&self, slack: &Forgetful) -> usize {
        slack.cut.store(true, Ordering::SeqCst);
        let (tell, took) = (pin!(self.tell()), pin!(slack.took.notified()));
        match futures::future::select(tell, took).await {
            Either::Left(_) => 0,
            Either::Right(_) => 1,
        }
    }
}
