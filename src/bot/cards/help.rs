//! How to talk to the bot, for the role of whoever asks.

use std::path::Path;

use chat::{Block, Card, Tone};

use crate::{
    access::{Permission, Risk, Role},
    metrics::Fleet,
};

/// What a permission lets people say.
const TOPICS: [(Permission, &str, &[&str]); 8] = [
    (
        Permission::Ask,
        "Ask",
        &[
            "cpu",
            "status",
            "memory of web-1 last 24h",
            "top 3 hosts by disk",
            "when is web-1's disk full?",
            "max load since this morning",
            "what's broken?",
            "anomalies last 3",
            "shadow report",
        ],
    ),
    (Permission::RawQuery, "Ask in PromQL", &["query sum by (job) (up{job=\"node\"})"]),
    (
        Permission::ManageIncidents,
        "Work on incidents",
        &[
            "ack 12",
            "unack 12",
            "silence web-1 cpu 2h",
            "resolve 12 restarted nginx",
            "false alarm 12",
            "accept 12",
            "watch 12",
        ],
    ),
    (Permission::ReadLogs, "Read logs", &["logs web-1 nginx 50 lines"]),
    (
        Permission::RequestAction,
        "Change something",
        &["restart nginx on web-1", "reboot web-2", "scale workers to 5"],
    ),
    (
        Permission::ApproveAction(Risk::Low),
        "Decide",
        &["approvals", "approve 7F3K", "reject 7F3K too risky"],
    ),
    (
        Permission::ConfigureChannels,
        "Say what is told in a channel",
        &["channel", "channel severity high", "channel quiet 22:00-07:00"],
    ),
    (
        Permission::ManageAccess,
        "Give access",
        &["grant operator CODE", "revoke viewer slack:T0123:U0456"],
    ),
];

/// Examples that change nothing: buttons, for those to whom they are of use.
const SAFE: [(Permission, &str, &str); 5] = [
    (Permission::Ask, "CPU now", "cpu"),
    (Permission::Ask, "All hosts", "status"),
    (Permission::Ask, "Open incidents", "open incidents"),
    (Permission::ConfigureChannels, "This channel", "channel"),
    (Permission::Introduce, "Who am I?", "whoami"),
];

/// Features whose words are understood, but which this version does not have.
const LATER: [Permission; 3] =
    [Permission::ReadLogs, Permission::RequestAction, Permission::ApproveAction(Risk::Low)];

/// Everything this role may say, with examples that name real hosts.
pub fn help(role: Role, fleet: &Fleet) -> Card {
    let mut card = Card::titled(format!("You are {role}. This is what you can say"));
    for (permission, title, examples) in TOPICS {
        if role < permission.least_role() {
            continue;
        }
        let later = if LATER.contains(&permission) { " (not available yet)" } else { "" };
        card = card.line(format!("{title}{later}"));
        card = card.with(Block::Code(with_real_hosts(&examples.join("\n"), fleet)));
    }
    card = card
        .line("About yourself")
        .with(Block::Code("whoami\nlink\nhelp".to_owned()))
        .note("Plain questions work too: \"what is the highest CPU since yesterday?\"");
    if role < Role::Viewer {
        card = card
            .note("To ask about machines you need the role Viewer: `whoami` tells how to get it.");
    }
    let allowed = SAFE.iter().filter(|(permission, ..)| role >= permission.least_role());
    allowed.fold(card, |card, (_, label, command)| card.button(*label, *command))
}

/// Examples that can be copied name hosts that exist.
fn with_real_hosts(examples: &str, fleet: &Fleet) -> String {
    let mut names = fleet.hosts().iter().map(|host| host.name.as_str());
    let Some(first) = names.next() else { return examples.to_owned() };
    let second = names.next().unwrap_or(first);
    examples.replace("web-1", first).replace("web-2", second)
}

/// Not understood: no guess, but a way on.
pub fn not_understood(role: Role) -> Card {
    let card = Card::titled("I did not understand that").tone(Tone::Warning);
    if role < Role::Viewer {
        return card.line("Say `whoami` to see how to get a role, or `help`.");
    }
    card.line("I answer questions about hosts and their numbers. Try one of these, or say `help`:")
        .with(Block::Code("cpu\nstatus\ntop 3 hosts by memory\ndisk last 7d".to_owned()))
        .button("Help", "help")
}

/// The first thing someone sees: what is watched, what is kept where, and what to try.
pub fn first_screen(
    version: &str,
    watching: &str,
    telling: &str,
    store: &str,
    serving: &str,
    logs: &Path,
) -> Card {
    Card::titled(format!("Smart CloudOps AI {version}"))
        .with(Block::Fields(vec![
            ("watching".to_owned(), watching.to_owned()),
            ("telling".to_owned(), telling.to_owned()),
            ("stored in".to_owned(), store.to_owned()),
            ("logs in".to_owned(), logs.display().to_string()),
            ("serving".to_owned(), serving.to_owned()),
        ]))
        .line("Three things to try:")
        .with(Block::Code(
            "what's the current CPU?\nmemory over the last hour\nwhen is the disk full?".to_owned(),
        ))
        .note("`help` shows the rest, `exit` leaves.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_buttons_are_for_the_role() {
        let buttons = |role| help(role, &Fleet::default()).buttons;
        let labels =
            |role| buttons(role).into_iter().map(|button| button.label).collect::<Vec<_>>();
        assert_eq!(labels(Role::Guest), ["Who am I?"]);
        assert_eq!(labels(Role::Viewer), ["CPU now", "All hosts", "Open incidents", "Who am I?"]);
        assert_eq!(labels(Role::Operator).len(), SAFE.len());
    }

    #[test]
    fn help_shows_only_what_the_role_may_say() {
        let fleet = Fleet::default();
        let shown = |role| chat::text(&help(role, &fleet), chat::Style::Plain);
        assert!(!shown(Role::Guest).contains("status"));
        assert!(shown(Role::Viewer).contains("status"));
        assert!(!shown(Role::Viewer).contains("restart nginx"));
        assert!(shown(Role::Operator).contains("restart nginx"));
        assert!(!shown(Role::Operator).contains("grant operator"));
        assert!(shown(Role::Admin).contains("grant operator"));
    }
}
