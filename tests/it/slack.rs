//! The bot in Slack: the real program and a double of Slack whose messages Slack's own SDK checks.

mod answers;
mod faults;

use chat::{ChatAdapter as _, Conversation, Platform, UserRef, testing::conformance};
use secrecy::SecretString;
use slack::{Settings, Slack, Tokens};

use crate::support::{serving::Serving, slack::Workspace};

/// An adapter for a workspace, not connected.
fn adapter(workspace: &Workspace) -> Slack {
    Slack::new(Settings {
        tokens: Tokens {
            bot: SecretString::from(workspace.bot_token()),
            app: Some(SecretString::from(workspace.app_token())),
            signing: None,
        },
        reload: Box::new(|| None),
        team: None,
        api_url: workspace.api_url().parse().unwrap(),
        clock: std::sync::Arc::new(|| chrono::DateTime::UNIX_EPOCH),
    })
    .unwrap()
}

fn channel(workspace: &Workspace, name: &str) -> Conversation {
    Conversation {
        platform: Platform::Slack,
        workspace: workspace.team(),
        channel: name.to_owned(),
        thread: None,
    }
}

/// A bot that is connected, and in which Ana (U1) is an Admin and Ben (U2) a Viewer.
fn connected(workspace: &Workspace, settings: &str) -> Serving {
    let serving = Serving::start(&format!("{}{settings}", workspace.settings()));
    grant(&serving, workspace);
    workspace.wait("connections=1");
    serving
}

fn grant(serving: &Serving, workspace: &Workspace) {
    for (user, role) in [("U1", "admin"), ("U2", "viewer")] {
        let granted = serving.bot.run(&["roles", "grant", role, &workspace.person(user)]);
        assert!(granted.status.success(), "{granted:?}");
    }
}

#[tokio::test]
async fn slack_meets_the_contract_of_a_platform() {
    let Some(workspace) = Workspace::new() else { return };
    let person: UserRef = workspace.person("U1").parse().unwrap();
    let slack = adapter(&workspace);
    conformance(&slack, &channel(&workspace, "C1"), &person).await;
    assert_eq!(slack.platform(), Platform::Slack);
    let state = workspace.state();
    assert_eq!(state["rejected"], serde_json::json!([]), "{state:#}");
}
