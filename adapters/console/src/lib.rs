//! The terminal as a chat platform: one person, one conversation, answers as text.

mod input;
mod pictures;

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use chat::{
    Assurance, Block, Capabilities, Card, ChatAdapter, ChatError, Clock, Conversation, DedupeKey,
    Inbound, Inbox, MessageRef, Origin, Platform, Style, Tone, UserRef,
};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use input::{Lines, Screen};

/// Who waits longer than this for an answer is told so, and may go on typing.
const PATIENCE: Duration = Duration::from_secs(15);

/// How the terminal is set up.
pub struct ConsoleConfig {
    /// The person at the keyboard: the operating-system user on this machine.
    pub person: UserRef,
    /// The name shown.
    pub display_name: String,
    /// Where typed lines are remembered between runs; `None` forgets them.
    pub history: Option<PathBuf>,
    /// Where pictures are saved, since a terminal cannot show them.
    pub pictures: PathBuf,
    /// How long they are kept.
    pub keep_pictures: Duration,
    /// Whether to use colours.
    pub style: Style,
    /// Unique per process, so that message ids never repeat.
    pub run: String,
    /// Where times come from.
    pub clock: Clock,
}

/// The terminal.
pub struct Console {
    config: ConsoleConfig,
    screen: Screen,
    lines: Mutex<Option<Lines>>,
    answered: mpsc::Sender<()>,
    answers: Mutex<mpsc::Receiver<()>>,
    counter: AtomicU64,
}

impl Console {
    /// Takes over standard input and output. With a terminal there are editing and history;
    /// otherwise lines are read until the input ends.
    pub fn new(config: ConsoleConfig) -> io::Result<Self> {
        let (screen, lines) = if io::stdin().is_terminal() {
            input::terminal(config.history.clone())?
        } else {
            input::piped()
        };
        let now = (config.clock)();
        if let Err(error) = pictures::forget(&config.pictures, config.keep_pictures, now) {
            tracing::warn!(%error, "old pictures cannot be removed");
        }
        Ok(Self::with(config, screen, lines))
    }

    fn with(config: ConsoleConfig, screen: Screen, lines: Lines) -> Self {
        // One slot: what matters is that something was shown, not how often.
        let (answered, answers) = mpsc::channel(1);
        Self {
            config,
            screen,
            lines: Mutex::new(Some(lines)),
            answered,
            answers: Mutex::new(answers),
            counter: AtomicU64::new(0),
        }
    }

    /// Shows a card that answers nobody, such as the first screen.
    pub fn show(&self, card: &Card) {
        let fitted = card.clone().fit(&self.capabilities());
        self.screen.print(&format!("{}\n\n", chat::text(&fitted, self.config.style)));
    }

    fn conversation(&self) -> Conversation {
        Conversation {
            platform: Platform::Console,
            workspace: self.config.person.workspace.clone(),
            channel: self.config.person.user.clone(),
            thread: None,
        }
    }

    fn next_id(&self) -> String {
        format!("{}-{}", self.config.run, self.counter.fetch_add(1, Ordering::Relaxed))
    }

    fn heard(&self, text: String) -> Inbound {
        let id = self.next_id();
        let conversation = self.conversation();
        Inbound {
            id: id.clone(),
            from: self.config.person.clone(),
            display_name: self.config.display_name.clone(),
            message: MessageRef { conversation: conversation.clone(), message: id },
            conversation,
            text,
            origin: Origin::Addressed,
            edited: false,
            assurance: Assurance::Authenticated,
            at: (self.config.clock)(),
        }
    }

    /// Saves the card's pictures and files and puts where they are in their place. An answer without its
    /// picture is still an answer.
    fn save_files(&self, card: &Card, key: &DedupeKey) -> Card {
        let mut card = card.clone();
        for block in &mut card.blocks {
            let (kind, name, bytes, about) = match block {
                Block::Image(image) => {
                    ("picture", &image.name, &image.png[..], format!(" ({})", image.alt))
                }
                Block::File(file) => ("file", &file.name, file.text.as_bytes(), String::new()),
                _ => continue,
            };
            let safe: String =
                key.key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
            let path = self.config.pictures.join(format!("{safe}-{name}"));
            let saved = std::fs::create_dir_all(&self.config.pictures)
                .and_then(|()| std::fs::write(&path, bytes));
            *block = Block::Note(match saved {
                Ok(()) => format!("{kind}: {}{about}", path.display()),
                Err(error) => format!("the {kind} could not be saved: {error}{about}"),
            });
        }
        card
    }
}

#[async_trait]
impl ChatAdapter for Console {
    fn platform(&self) -> Platform {
        Platform::Console
    }

    /// This machine: another one's people look at another screen.
    fn workspace(&self) -> Option<&str> {
        Some(&self.config.person.workspace)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { files: true, max_text: 20_000, ..Capabilities::default() }
    }

    async fn run(&self, inbox: Inbox, shutdown: CancellationToken) -> Result<(), ChatError> {
        let Some(mut lines) = self.lines.lock().await.take() else { return Ok(()) };
        let mut answers = self.answers.lock().await;
        loop {
            let line = tokio::select! {
                line = lines.next() => line,
                () = shutdown.cancelled() => return Ok(()),
            };
            let Some(line) = line else { return Ok(()) };
            if line.trim().is_empty() {
                continue;
            }
            while answers.try_recv().is_ok() {}
            if inbox.deliver(self.heard(line)).await.is_err() {
                self.show(&Card::titled(
                    "I could not record that, so I did nothing. `smartcloudops doctor` says what is wrong.",
                ));
                continue;
            }
            // The next prompt comes after the answer, so that the two do not mix on the screen.
            tokio::select! {
                _ = answers.recv() => {}
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(PATIENCE) => self.show(
                    &Card::titled(
                        "I heard you, but could not save the answer; `smartcloudops doctor` says why",
                    )
                    .tone(Tone::Warning)
                    .line("Should it still come, it is shown here."),
                ),
            }
        }
    }

    async fn post(
        &self,
        to: &Conversation,
        card: &Card,
        key: &DedupeKey,
    ) -> Result<MessageRef, ChatError> {
        let card = self.save_files(card, key);
        self.show(&card);
        // A full channel already says that something was shown.
        let _ = self.answered.try_send(());
        Ok(MessageRef { conversation: to.clone(), message: self.next_id() })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex as StdMutex};

    use rustyline::ExternalPrinter;

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<StdMutex<String>>);

    impl ExternalPrinter for Paper {
        fn print(&mut self, text: String) -> rustyline::Result<()> {
            self.0.lock().unwrap().push_str(&text);
            Ok(())
        }
    }

    fn console(pictures: PathBuf, paper: &Paper, lines: Lines) -> Console {
        let config = ConsoleConfig {
            person: "console:laptop:ana".parse().unwrap(),
            display_name: "ana".to_owned(),
            history: None,
            pictures,
            keep_pictures: Duration::MAX,
            style: Style::Plain,
            run: "run".to_owned(),
            clock: std::sync::Arc::new(|| chrono::DateTime::UNIX_EPOCH),
        };
        Console::with(config, Screen::on(paper.clone()), lines)
    }

    #[tokio::test]
    async fn the_terminal_meets_the_contract_of_a_platform() {
        let (folder, paper) = (tempfile::tempdir().unwrap(), Paper::default());
        let console = console(folder.path().to_owned(), &paper, Lines::typed(mpsc::channel(1).1));
        let to = console.conversation();
        chat::testing::conformance(&console, &to, &"console:laptop:ana".parse().unwrap()).await;
        assert!(paper.0.lock().unwrap().contains("first"));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_in_vain_is_told_so_and_may_go_on() {
        let paper = Paper::default();
        let (typed, lines) = mpsc::channel(2);
        for line in ["cpu", "whoami"] {
            typed.send(line.to_owned()).await.unwrap();
        }
        drop(typed);
        let console = console(std::env::temp_dir(), &paper, Lines::typed(lines));
        let (inbox, mut deliveries) = Inbox::bounded(1);
        let bot = async {
            // The first is heard and never answered.
            let first = deliveries.recv().await.unwrap().recorded();
            assert_eq!(first.text, "cpu");
            let second = deliveries.recv().await.unwrap().recorded();
            let key = DedupeKey::new(second.id);
            console.post(&second.conversation, &Card::titled("You"), &key).await.unwrap();
        };
        let started = tokio::time::Instant::now();
        let (ended, ()) = tokio::join!(console.run(inbox, CancellationToken::new()), bot);
        ended.unwrap();
        assert_eq!(started.elapsed().as_secs(), PATIENCE.as_secs());
        let shown = paper.0.lock().unwrap().clone();
        assert!(shown.contains("could not save the answer"), "{shown}");
        assert!(shown.contains("doctor"), "{shown}");
        assert!(shown.ends_with("You\n\n"), "{shown}");
    }
}
