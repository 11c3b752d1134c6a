//! The labelled set: what people say, and what must be understood.

use std::fmt::Write as _;

use chat::{Assurance, Conversation, Inbound, MessageRef, Origin, Platform, UserRef};
use chrono::{DateTime, TimeZone, Utc};

use super::*;
use crate::metrics::{Fleet, Host};

fn fleet() -> Fleet {
    let host = |name: &str, role: &str, environment: &str| Host {
        name: name.into(),
        aliases: vec![],
        instances: vec![format!("{name}:9100")],
        role: Some(role.into()),
        environment: Some(environment.into()),
        up: true,
    };
    Fleet::new(vec![
        host("web-1", "web", "prod"),
        host("web-2", "web", "prod"),
        host("web-3", "web", "prod"),
        host("web-4", "web", "prod"),
        host("web-5", "web", "staging"),
        host("web-6", "web", "staging"),
        host("db-1", "db", "prod"),
        host("db-2", "db", "staging"),
        host("worker-1", "worker", "prod"),
        host("worker-2", "worker", "prod"),
        host("worker-3", "worker", "staging"),
    ])
}

fn event(text: &str) -> Inbound {
    let conversation = Conversation {
        platform: Platform::Slack,
        workspace: "T1".into(),
        channel: "C1".into(),
        thread: None,
    };
    Inbound {
        id: "e1".into(),
        from: UserRef { platform: Platform::Slack, workspace: "T1".into(), user: "U1".into() },
        display_name: "Ana".into(),
        message: MessageRef { conversation: conversation.clone(), message: "m1".into() },
        conversation,
        text: text.into(),
        origin: Origin::Addressed,
        edited: false,
        assurance: Assurance::Authenticated,
        at: Utc.with_ymd_and_hms(2026, 3, 4, 15, 0, 0).unwrap(),
    }
}

/// Wednesday, 16:00 in Berlin.
fn now() -> DateTime<chrono_tz::Tz> {
    chrono_tz::Europe::Berlin.with_ymd_and_hms(2026, 3, 4, 16, 0, 0).unwrap()
}

fn read(text: &str) -> Interpretation {
    interpret(&event(text), &fleet(), now())
}

#[test]
fn dump() {
    let Ok(path) = std::fs::read_to_string("/tmp/q.txt") else { return };
    let mut out = String::new();
    for line in path.lines() {
        let line = line.replace("\\n", "\n").replace("\\u{200b}", "\u{200b}");
        if line.is_empty() {
            continue;
        }
        let found = read(&line);
        let json = serde_json::to_value(&found.intent).unwrap();
        let _ = write!(
            out,
            "{}\t{} {}",
            line.replace('\n', "\\n"),
            json["name"].as_str().unwrap(),
            json["args"]
        );
        if !found.notes.is_empty() {
            let _ = write!(out, "  N{}", found.notes.len());
        }
        for u in &found.unknown_hosts {
            let _ = write!(out, "  ?{}→{}", u.name, u.nearest.join(","));
        }
        if let Some(u) = &found.usage {
            let _ = write!(out, "  U:{u}");
        }
        out.push('\n');
    }
    std::fs::write("/tmp/a.txt", out).unwrap();
}
