//! Whatever is said, the intent parser answers, names no host that does not exist without saying so,
//! and never reads an action out of an edit, a quote or a code block.
#![no_main]

use std::sync::LazyLock;

use chat::{Assurance, Conversation, Inbound, MessageRef, Origin, Platform, UserRef};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use libfuzzer_sys::fuzz_target;
use smartcloudops::{
    access::Permission,
    bot::intent::{Intent, Interpretation, interpret},
    metrics::{Fleet, Host},
};

static FLEET: LazyLock<Fleet> = LazyLock::new(|| {
    let host = |role: &str, number: u8| Host {
        name: format!("{role}-{number}"),
        aliases: vec![format!("10.0.0.{number}")],
        instances: vec![format!("{role}-{number}:9100")],
        environment: Some(if number == 1 { "prod" } else { "staging" }.to_owned()),
        role: Some(role.to_owned()),
        up: true,
    };
    let hosts = ["web", "db", "worker", "cache"].iter();
    Fleet::new(hosts.flat_map(|role| (1..=3).map(move |number| host(role, number))).collect())
});

/// 10 July 2026, 03:00 in Berlin: a moment on which "this morning" and "yesterday" are worth a thought.
fn now() -> DateTime<Tz> {
    DateTime::from_timestamp(1_783_645_200, 0)
        .unwrap_or_default()
        .with_timezone(&Tz::Europe__Berlin)
}

fn said(text: &str, origin: Origin, edited: bool) -> Interpretation {
    let conversation = Conversation {
        platform: Platform::Slack,
        workspace: "T1".to_owned(),
        channel: "C1".to_owned(),
        thread: None,
    };
    let event = Inbound {
        id: "E1".to_owned(),
        from: UserRef {
            platform: Platform::Slack,
            workspace: "T1".to_owned(),
            user: "U1".to_owned(),
        },
        display_name: "Ana".to_owned(),
        message: MessageRef { conversation: conversation.clone(), message: "1".to_owned() },
        conversation,
        text: text.to_owned(),
        origin,
        edited,
        assurance: Assurance::Authenticated,
        at: now().with_timezone(&Utc),
    };
    interpret(&event, &FLEET, now())
}

fn acts(intent: &Intent) -> bool {
    matches!(
        intent.permission(),
        Permission::RequestAction | Permission::ApproveAction(_) | Permission::ManageAccess
    )
}

fuzz_target!(|text: &str| {
    for origin in [Origin::Addressed, Origin::Overheard, Origin::Command] {
        let understood = said(text, origin, false);
        assert_eq!(understood, said(text, origin, false), "the same words mean the same");

        let json = serde_json::to_string(&understood.intent).expect("an intent is JSON");
        let back: Intent = serde_json::from_str(&json).expect("and JSON is an intent");
        assert_eq!(back, understood.intent);

        for host in understood.intent.hosts() {
            assert!(
                FLEET.find(host).is_some() || !understood.unknown_hosts.is_empty(),
                "`{host}` does not exist, and nobody is told"
            );
        }

        let edit = said(text, origin, true).intent;
        assert!(!acts(&edit), "an edit acts: {edit:?}");
    }

    // Only what cannot end the quote or the block from inside.
    let one_line = !text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
    if one_line && !text.contains(['`', '~']) {
        let mut wrappings = vec![format!("> {text}"), format!("```\n{text}\n```")];
        // One word in backticks is a name made clear, such as `web-1`.
        let words = text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric));
        if words.count() > 1 {
            wrappings.push(format!("`{text}`"));
        }
        for wrapped in wrappings {
            let intent = said(&wrapped, Origin::Addressed, false).intent;
            assert!(!acts(&intent), "{wrapped:?} acts: {intent:?}");
        }
    }
});
