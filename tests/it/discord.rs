//! The bot on Discord: the real program and a double of Discord that judges by Discord's own description of its
//! API.

mod answers;
mod faults;

use chat::{ChatAdapter as _, Conversation, Platform, UserRef, testing::conformance};
use discord::Discord;

use crate::support::{discord::Server, serving::Serving};

fn channel(server: &Server, name: &str) -> Conversation {
    Conversation {
        platform: Platform::Discord,
        workspace: server.id("GUILD"),
        channel: server.id(name),
        thread: None,
    }
}

/// A bot that is connected, and in which Ana (U1) is an Admin and Ben (U2) a Viewer.
fn connected(server: &Server, settings: &str) -> Serving {
    let serving = Serving::start(&format!("{}{settings}", server.settings()));
    for (user, role) in [("U1", "admin"), ("U2", "viewer")] {
        let granted = serving.bot.run(&["roles", "grant", role, &server.person(user)]);
        assert!(granted.status.success(), "{granted:?}");
    }
    server.wait("sessions=1");
    serving
}

#[tokio::test]
async fn discord_meets_the_contract_of_a_platform() {
    let Some(server) = Server::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let person: UserRef = server.person("U1").parse().unwrap();
    let discord = Discord::new(server.adapter(folder.path())).unwrap();
    conformance(&discord, &channel(&server, "C1"), &person).await;
    assert_eq!(discord.platform(), Platform::Discord);
    let state = server.state();
    assert_eq!(state["rejected"], serde_json::json!([]), "{state:#}");
}
