//! The bot on Matrix: the real program, a real homeserver, and people whose clients are of another make.

use std::sync::Arc;

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

async fn meets_the_contract(server: Option<Homeserver>) {
    let Some(server) = server else { return };
    let folder = tempfile::tempdir().unwrap();
    let person: UserRef = server.person("U1").parse().unwrap();
    let adapter = Arc::new(Matrix::new(server.adapter(folder.path())));
    let (shutdown, (inbox, _heard)) = (CancellationToken::new(), Inbox::bounded(10));
    let running = tokio::spawn({
        let (adapter, shutdown) = (adapter.clone(), shutdown.clone());
        async move { adapter.run(inbox, shutdown).await }
    });
    tokio::task::block_in_place(|| server.bot_is_there());
    conformance(&*adapter, &room(&server, "C1"), &person).await;
    let said = tokio::task::block_in_place(|| server.bot_says("U1", "C1", "text=second"));
    let encrypted = said.iter().map(|it| it["encrypted"] == server.encrypted);
    assert!(encrypted.into_iter().all(|as_the_room| as_the_room), "{said:#?}");
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn matrix_meets_the_contract_of_a_platform() {
    meets_the_contract(Homeserver::encrypted()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn matrix_in_clear_meets_the_contract_of_a_platform() {
    meets_the_contract(Homeserver::in_clear()).await;
}
