//! The bot on Matrix: the real program, a real homeserver, and people whose clients are of another make.

mod answers;
mod faults;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chat::{ChatAdapter as _, Conversation, Inbox, Platform, UserRef, testing::conformance};
use matrix::Matrix;
use tokio_util::sync::CancellationToken;

use crate::support::{matrix::Homeserver, serving::Serving};

fn room(server: &Homeserver, name: &str) -> Conversation {
    Conversation {
        platform: Platform::Matrix,
        workspace: "localhost".to_owned(),
        channel: server.room(name),
        thread: None,
    }
}

/// A bot that is connected, and in which Ana (U1) is an Admin and Ben (U2) a Viewer.
fn connected(server: &Homeserver, settings: &str) -> Serving {
    let serving = Serving::start(&format!("{}{settings}", server.settings()));
    for (user, role) in [("U1", "admin"), ("U2", "viewer")] {
        let granted = serving.bot.run(&["roles", "grant", role, &server.person(user)]);
        assert!(granted.status.success(), "{granted:?}");
    }
    server.bot_is_there();
    serving
}

/// Waits until the bot said this to somebody alone.
fn was_told(server: &Homeserver, person: &str, text: &str, times: usize) {
    let patience = Instant::now();
    loop {
        let told = server.told(person);
        if told.iter().filter(|it| it["body"].to_string().contains(text)).count() >= times {
            return;
        }
        assert!(patience.elapsed() < Duration::from_mins(1), "never {text:?}: {told:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// An adapter that runs, and how to stop it.
struct Running {
    adapter: Arc<Matrix>,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), chat::ChatError>>,
    _heard: tokio::sync::mpsc::Receiver<chat::Delivery>,
}

impl Running {
    fn start(settings: matrix::Settings) -> Self {
        let adapter = Arc::new(Matrix::new(settings));
        let (shutdown, (inbox, heard)) = (CancellationToken::new(), Inbox::bounded(10));
        let task = tokio::spawn({
            let (adapter, shutdown) = (adapter.clone(), shutdown.clone());
            async move { adapter.run(inbox, shutdown).await }
        });
        Self { adapter, shutdown, task, _heard: heard }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

async fn meets_the_contract(server: Option<Homeserver>) {
    let Some(server) = server else { return };
    let folder = tempfile::tempdir().unwrap();
    let person: UserRef = server.person("U1").parse().unwrap();
    let running = Running::start(server.adapter(folder.path()));
    tokio::task::block_in_place(|| server.bot_is_there());
    conformance(&*running.adapter, &room(&server, "C1"), &person).await;
    let said = tokio::task::block_in_place(|| server.bot_says("U1", "C1", "text=second"));
    let encrypted = said.iter().map(|it| it["encrypted"] == server.encrypted);
    assert!(encrypted.into_iter().all(|as_the_room| as_the_room), "{said:#?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn matrix_meets_the_contract_of_a_platform() {
    meets_the_contract(Homeserver::encrypted()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn matrix_in_clear_meets_the_contract_of_a_platform() {
    meets_the_contract(Homeserver::in_clear()).await;
}
