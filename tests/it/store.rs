//! What is saved is saved once, stays as it was, and comes back.

mod alone;
mod audit;
mod conversations;
mod engine;
mod inbox;
mod outage;
mod outbox;
mod people;
mod samples;

use chat::{Assurance, Conversation, Inbound, MessageRef, Origin, Platform};
use serde_json::json;
use smartcloudops::store::{Actor, AuditEvent, Served};

use crate::support::database::at;

/// Ana says something in a Slack channel.
pub fn said(id: &str, text: &str) -> Inbound {
    Inbound {
        id: id.to_owned(),
        from: "slack:T1:U1".parse().unwrap(),
        display_name: "Ana".to_owned(),
        conversation: channel(),
        message: MessageRef { conversation: channel(), message: format!("m-{id}") },
        text: text.to_owned(),
        origin: Origin::Addressed,
        edited: false,
        assurance: Assurance::Authenticated,
        at: at("2026-01-01T12:00:00Z"),
    }
}

pub fn channel() -> Conversation {
    Conversation {
        platform: Platform::Slack,
        workspace: "T1".to_owned(),
        channel: "C1".to_owned(),
        thread: None,
    }
}

/// What the process of these stories is connected to.
pub fn slack() -> [Served; 1] {
    [Served { platform: Platform::Slack, workspace: None }]
}

/// Something that goes on record.
pub fn asked(subject: &str) -> AuditEvent {
    AuditEvent {
        at: at("2026-01-01T12:00:00Z"),
        actor: Actor::Person { identity: "slack:T1:U1".parse().unwrap(), principal: None },
        action: "ask".to_owned(),
        subject: subject.to_owned(),
        detail: json!({ "intent": "metric", "hosts": ["web-1"] }),
        outcome: "done".to_owned(),
    }
}
