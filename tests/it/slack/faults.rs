//! What can go wrong between Slack and the bot, by the number of the fault.

use chat::{Card, ChatAdapter as _, ChatError, DedupeKey};
use serde_json::json;

use super::{adapter, channel, connected};
use crate::support::slack::Workspace;

#[test]
fn f01_an_event_that_is_delivered_again_is_answered_once() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    let said = json!({"channel": "C1", "user": "U1", "text": "<@UBOT> help", "copies": 4});
    workspace.tell("message", &said);
    workspace.wait("acks=8");
    workspace.says("U1", "C1", "<@UBOT> whoami");
    workspace.wait("messages=2&channel=C1");
    assert_eq!(workspace.said("C1").len(), 2, "one answer to each");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f03_slack_closes_connections_and_nothing_is_lost() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    for round in 1..=20 {
        workspace.says("U1", "D1", "help");
        workspace.tell("disconnect", &json!({"reason": "refresh_requested", "close_after": 0.3}));
        workspace.says("U1", "D1", "whoami");
        workspace.wait(&format!("messages={}&channel=D1", 2 * round));
    }
    let state = workspace.state();
    assert_eq!(workspace.said("D1").len(), 40);
    assert_eq!(state["unacked"], json!([]), "{:#}", state["unacked"]);
    assert_eq!(serving.stop(), 0);
}

#[tokio::test]
async fn f05_slack_says_how_long_to_wait() {
    let Some(workspace) = Workspace::new() else { return };
    let fault = json!({"method": "chat.postMessage", "kind": "429", "times": 1, "retry_after": 7});
    workspace.tell("fault", &fault);
    let card = Card::titled("hello");
    let posted = adapter(&workspace)
        .post(&channel(&workspace, "C1"), &card, &DedupeKey::new("k"))
        .await;
    let Err(ChatError::RateLimited { retry_after, .. }) = posted else { panic!("{posted:?}") };
    assert_eq!(retry_after.as_secs(), 7);
}

#[tokio::test]
async fn f06_a_message_whose_answer_was_lost_is_not_posted_again() {
    let Some(workspace) = Workspace::new() else { return };
    let (slack, place) = (adapter(&workspace), channel(&workspace, "C1"));
    for (number, kind) in ["drop_after", "half_body"].into_iter().enumerate() {
        let fault = json!({"method": "chat.postMessage", "kind": kind, "times": 1});
        workspace.tell("fault", &fault);
        let card = Card::titled(kind);
        let first = slack.post(&place, &card, &DedupeKey::new(kind)).await;
        assert!(matches!(first, Err(ChatError::Unreachable { .. })), "{kind}: {first:?}");
        let again = DedupeKey { key: kind.to_owned(), again: true };
        let second = slack.post(&place, &card, &again).await.unwrap();
        let said = workspace.said("C1");
        assert_eq!(said.len(), number + 1, "{kind}: {said:#?}");
        assert_eq!(said[number]["ts"], json!(second.message));
    }
}
