//! A chat platform in memory, and the contract that every adapter must meet.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use chrono::DateTime;
use tokio_util::sync::CancellationToken;

use crate::{
    Block, Button, ButtonStyle, Capabilities, Card, ChatAdapter, ChatError, Conversation,
    DedupeKey, Image, Inbox, MessageRef, Platform, Reaction, Table, Tone, UserRef,
};

/// The beginning of the year 2020, in seconds.
const LONG_AGO: i64 = 1_577_836_800;

/// A chat platform that keeps what it was told, for tests to read.
pub struct FakeChat {
    platform: Platform,
    capabilities: Capabilities,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    posts: Vec<(MessageRef, Card)>,
    keys: HashMap<String, MessageRef>,
    reactions: Vec<(MessageRef, Reaction)>,
    whispers: Vec<(UserRef, Card)>,
    failures: Vec<ChatError>,
}

impl FakeChat {
    /// A platform that can do everything.
    pub fn new(platform: Platform) -> Self {
        Self { platform, capabilities: Capabilities::all(4000), state: Mutex::default() }
    }

    /// The next post, edit, reaction or whisper fails with this.
    pub fn fail_next(&self, error: ChatError) {
        self.state().failures.push(error);
    }

    /// What the room shows now, oldest first.
    pub fn cards(&self) -> Vec<Card> {
        self.state().posts.iter().map(|(_, card)| card.clone()).collect()
    }

    /// What the room shows now and where, oldest first.
    pub fn posts(&self) -> Vec<(MessageRef, Card)> {
        self.state().posts.clone()
    }

    /// What only one person saw.
    pub fn whispers(&self) -> Vec<(UserRef, Card)> {
        self.state().whispers.clone()
    }

    /// The signs put on messages, oldest first.
    pub fn reactions(&self) -> Vec<(MessageRef, Reaction)> {
        self.state().reactions.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn due_failure(&self) -> Result<(), ChatError> {
        let mut state = self.state();
        if state.failures.is_empty() { Ok(()) } else { Err(state.failures.remove(0)) }
    }
}

#[async_trait]
impl ChatAdapter for FakeChat {
    fn platform(&self) -> Platform {
        self.platform
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn run(&self, _inbox: Inbox, shutdown: CancellationToken) -> Result<(), ChatError> {
        shutdown.cancelled().await;
        Ok(())
    }

    async fn post(
        &self,
        to: &Conversation,
        card: &Card,
        key: &DedupeKey,
    ) -> Result<MessageRef, ChatError> {
        self.due_failure()?;
        let mut state = self.state();
        if let Some(message) = state.keys.get(&key.key) {
            return Ok(message.clone());
        }
        let message =
            MessageRef { conversation: to.clone(), message: format!("m{}", state.posts.len() + 1) };
        state.posts.push((message.clone(), card.clone()));
        state.keys.insert(key.key.clone(), message.clone());
        Ok(message)
    }

    async fn edit(&self, message: &MessageRef, card: &Card) -> Result<(), ChatError> {
        self.due_failure()?;
        let mut state = self.state();
        match state.posts.iter_mut().find(|(posted, _)| posted == message) {
            Some((_, posted)) => {
                *posted = card.clone();
                Ok(())
            }
            None => Err(ChatError::Refused {
                platform: self.platform,
                reason: format!("no message {}", message.message),
            }),
        }
    }

    async fn react(&self, message: &MessageRef, reaction: Reaction) -> Result<(), ChatError> {
        self.due_failure()?;
        self.state().reactions.push((message.clone(), reaction));
        Ok(())
    }

    async fn whisper(
        &self,
        to: &UserRef,
        _conversation: &Conversation,
        card: &Card,
        _key: &DedupeKey,
    ) -> Result<(), ChatError> {
        self.due_failure()?;
        self.state().whispers.push((to.clone(), card.clone()));
        Ok(())
    }
}

/// One card of every kind, for golden files.
pub fn sample_cards() -> Vec<(&'static str, Card)> {
    let image = |name: &str, alt: &str| {
        let png = vec![0x89, b'P', b'N', b'G'];
        Block::Image(Image { name: name.into(), png, alt: alt.into() })
    };
    let fields = |fields: &[(&str, &str)]| {
        let owned = fields.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Block::Fields(owned.collect())
    };
    let rows = |header: &[&str], rows: &[&[&str]], more| {
        let texts = |row: &[&str]| row.iter().map(|cell| (*cell).to_owned()).collect();
        let rows = rows.iter().map(|row| texts(row)).collect();
        Block::Table(Table { header: texts(header), rows, more })
    };
    let button = |label: &str, style, command: &str, ask: Option<&str>| Button {
        label: label.into(),
        style,
        command: command.into(),
        ask: ask.map(str::to_owned),
    };
    let incident = Card::titled("#7 CPU 97 % on web-1 (normal 12–35 %) since 12:00")
        .tone(Tone::Bad)
        .with(fields(&[
            ("state", "open, nobody is on it"),
            ("severity", "high"),
            ("seen", "twice"),
        ]))
        .with(rows(
            &["metric", "value", "normal"],
            &[&["CPU", "97 %", "12–35 %"], &["load", "14.2", "0.3–2.1"]],
            1,
        ))
        .with(image("incident.png", "CPU of web-1 against what is normal and the day before"))
        .note("about once in 40 days · live 12:03:10 UTC")
        .button("Acknowledge", "ack 7")
        .button("Expected", "expected 7")
        .menu("Silence …", [("1 h", "silence incident 7 1h"), ("2 h", "silence incident 7 2h")]);
    let mut approval = Card::titled("Approval needed: restart nginx on web-1")
        .tone(Tone::Warning)
        .with(fields(&[("asked by", "Ana"), ("why", "#7 CPU 97 %"), ("risk", "low")]))
        .with(Block::Code("systemctl restart nginx".into()))
        .note("expires 14:32 · or say `approve 7F3K`");
    approval.buttons = vec![
        button("Approve", ButtonStyle::Primary, "approve 7F3K", None),
        button("Reject", ButtonStyle::Danger, "reject 7F3K", Some("Why not?")),
    ];
    vec![
        (
            "answer",
            Card::titled("CPU, last 30 min: 2 hosts")
                .with(rows(&["host", "avg"], &[&["web-1", "41.7 %"], &["web-2", "38.2 %"]], 18))
                .with(image("cpu.png", "CPU of web-1 and web-2 over 30 minutes"))
                .note("live 12:03:10 UTC")
                .button("Last 6 h", "metric cpu window=6h"),
        ),
        ("incident", incident.clone()),
        (
            "resolved",
            Card { tone: Tone::Good, ..Card::titled("#7 over: CPU 97 % on web-1, 24 min") }.with(
                fields(&[("state", "resolved by Ana at 12:24"), ("note", "removed old logs")]),
            ),
        ),
        ("approval", approval),
        (
            "refusal",
            Card::titled("There is no host `wbe-9`")
                .tone(Tone::Warning)
                .line("The nearest names are web-1, web-2."),
        ),
        (
            "hostile",
            Card {
                title: "<!channel> @everyone @room *bold* `code` <b>&amp;</b>".into(),
                tone: Tone::Bad,
                blocks: vec![
                    Block::Text("[link](https://evil.example) \u{202e}txt\u{200b}".into()),
                    Block::Code("``` $(reboot)".into()),
                    Block::Fields(vec![("instance|name".into(), "a\nb".into())]),
                ],
                buttons: vec![Button {
                    label: "Approve".into(),
                    style: ButtonStyle::Primary,
                    command: "approve 7F3K".into(),
                    ask: None,
                }],
                menus: vec![],
            },
        ),
    ]
}

/// The contract of an adapter, run against a real or local counterpart: everything it says it can
/// do, it does, and what it cannot do it refuses as [`ChatError::Unsupported`].
pub async fn conformance(adapter: &dyn ChatAdapter, to: &Conversation, person: &UserRef) {
    let can = adapter.capabilities();
    assert!(can.max_text >= 200, "a platform must carry at least one sentence");
    let key = DedupeKey::new("conformance-1");
    for (name, card) in sample_cards() {
        let card = card.fit(&can);
        let key = DedupeKey::new(format!("conformance-{name}"));
        let posted = adapter.post(to, &card, &key).await;
        assert!(posted.is_ok(), "{name}: {posted:?}");
    }
    let card = Card::titled("first");
    let message = adapter.post(to, &card, &key).await.expect("post");
    assert_eq!(message.conversation.channel, to.channel);
    if can.edits {
        let again = DedupeKey { again: DateTime::from_timestamp(LONG_AGO, 0), ..key.clone() };
        let posted = adapter.post(to, &card, &again).await.expect("post again");
        assert_eq!(posted.message, message.message, "the same key is the same message");
    }
    supported(can.edits, adapter.edit(&message, &Card::titled("second")).await);
    if can.threads {
        let thread = adapter.thread_of(&message);
        assert_eq!((&thread.channel, thread.thread.is_some()), (&to.channel, true));
        let key = DedupeKey::new("conformance-line");
        let line = adapter.post(&thread, &Card::titled("a line"), &key).await.expect("a line");
        assert_eq!(adapter.thread_of(&line), thread, "threads have no threads");
    }
    supported(can.reactions, adapter.react(&message, Reaction::Seen).await);
    supported(can.private, adapter.whisper(person, to, &card, &key).await);
}

fn supported(can: bool, result: Result<(), ChatError>) {
    match result {
        Ok(()) => assert!(can, "does what it says it cannot"),
        Err(ChatError::Unsupported { .. }) => assert!(!can, "cannot do what it says it can"),
        Err(error) => panic!("{error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_fake_meets_the_contract() {
        let to = Conversation {
            platform: Platform::Slack,
            workspace: "T1".into(),
            channel: "C1".into(),
            thread: None,
        };
        let person =
            UserRef { platform: Platform::Slack, workspace: "T1".into(), user: "U1".into() };
        conformance(&FakeChat::new(Platform::Slack), &to, &person).await;
    }
}
