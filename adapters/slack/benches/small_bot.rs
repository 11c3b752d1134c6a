//! Our part of `benches/peers/chat/run`: a bot that answers every message with one line and a button, through the
//! adapter alone. Runs until it is killed.
#![allow(
    missing_docs,
    clippy::allow_attributes,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench, where failing is panicking"
)]

use std::sync::Arc;

use chat::{Card, ChatAdapter as _, DedupeKey, Inbox};
use slack::{Settings, Slack, Tokens};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

// One thread, as Bolt has.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [api_url, bot, app] = arguments.as_slice() else {
        println!("Answers nobody on its own: run benches/peers/chat/run.");
        return;
    };
    let settings = Settings {
        tokens: Tokens { bot: bot.clone().into(), app: Some(app.clone().into()), signing: None },
        reload: Box::new(|| None),
        team: None,
        api_url: api_url.parse().unwrap(),
        clock: Arc::new(|| chrono::DateTime::UNIX_EPOCH),
    };
    let slack = Arc::new(Slack::new(settings).unwrap());
    let (inbox, mut deliveries) = Inbox::bounded(1_000);
    let hears = {
        let slack = slack.clone();
        tokio::spawn(async move { slack.run(inbox, CancellationToken::new()).await })
    };
    // As many as the core answers at the same time; each takes a connection.
    let at_once = Arc::new(Semaphore::new(16));
    while let Some(delivery) = deliveries.recv().await {
        let slot = at_once.clone().acquire_owned().await.unwrap();
        let (event, slack) = (delivery.recorded(), slack.clone());
        tokio::spawn(async move {
            let card = Card::titled(format!("You said {}", event.text)).button("Again", "again");
            let key = DedupeKey::new(event.answer_key());
            slack.post(&event.conversation, &card, &key).await.unwrap();
            drop(slot);
        });
    }
    hears.await.unwrap().unwrap();
}
