//! Two platforms at once: one person on both, and one that is lost while the other goes on.

use std::time::{Duration, Instant};

use crate::support::{discord::Server, rooms::Rooms, serving::Serving, slack::Workspace};

/// A bot on both, with the channels of incidents C1 on each, in which Ana (U1) is an Admin on Slack.
struct Both {
    slack: Workspace,
    discord: Server,
    serving: Serving,
}

impl Both {
    fn new() -> Option<Self> {
        let (slack, discord) = (Workspace::new()?, Server::new()?);
        let tables = |settings: &str| {
            settings
                .lines()
                .filter(|line| !line.contains("alerts") && !line.starts_with("channels"))
                .fold(String::new(), |all, line| all + line + "\n")
        };
        let channels = format!(
            "[alerts]\nchannels = [\"slack:{}:C1\", \"discord:{}:{}\"]\n",
            slack.team(),
            discord.id("GUILD"),
            discord.id("C1")
        );
        let settings =
            format!("{channels}{}{}", tables(&slack.settings()), tables(&discord.settings()));
        let serving = Serving::start(&settings);
        let granted = serving.bot.run(&["roles", "grant", "admin", &slack.person("U1")]);
        assert!(granted.status.success(), "{granted:?}");
        slack.wait("connections=1");
        discord.wait("sessions=1");
        Some(Self { slack, discord, serving })
    }
}

/// Waits until a channel shows this; how long it took.
fn shows(rooms: &dyn Rooms, channel: &str, text: &str) -> Duration {
    let looking = Instant::now();
    loop {
        let shown = rooms.shown(channel);
        if shown.iter().any(|shown| shown.says(text)) {
            return looking.elapsed();
        }
        assert!(looking.elapsed() < Duration::from_mins(1), "never {text}: {shown:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn one_person_is_joined_over_two_platforms_by_a_code_confirmed_on_both() {
    let Some(Both { slack, discord, serving }) = Both::new() else { return };
    // On Discord nobody knows Ana yet: she is shown a code.
    discord.says("U1", "D1", "link");
    discord.wait("messages=1&channel=D1");
    let shown = discord.said("D1")[0].to_string();
    let code = shown.split("link ").nth(1).and_then(|rest| rest.get(..8)).expect(&shown);
    assert!(code.chars().all(|c| c.is_ascii_alphanumeric()), "{shown}");
    // Where she has a role she says it, and that she means it.
    slack.says("U1", "D1", &format!("link {code}"));
    slack.wait("messages=1&channel=D1");
    let question = &slack.said("D1")[0];
    assert!(question.to_string().contains(&format!("link {code} yes")), "{question:#}");
    slack.says("U1", "D1", &format!("link {code} yes"));
    slack.wait("messages=2&channel=D1");
    discord.says("U1", "D1", "whoami");
    shows(&discord, "D1", "Admin");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f23_a_platform_that_is_lost_changes_nothing_on_the_other_and_is_told_there() {
    let Some(Both { slack, discord, serving }) = Both::new() else { return };
    slack.set("revoked", true);
    let took = shows(&discord, "C1", "Slack does not work as it should");
    assert!(took < Duration::from_mins(1), "{took:?}");
    discord.says("U1", "D1", "whoami");
    shows(&discord, "D1", &discord.id("GUILD"));
    slack.set("revoked", false);
    shows(&discord, "C1", "Slack works again");
    // And the other way round.
    discord.set("token_revoked", true);
    let took = shows(&slack, "C1", "Discord does not work as it should");
    assert!(took < Duration::from_mins(1), "{took:?}");
    slack.says("U1", "D1", "whoami");
    shows(&slack, "D1", "Admin");
    discord.set("token_revoked", false);
    shows(&slack, "C1", "Discord works again");
    discord.says("U1", "D1", "help");
    shows(&discord, "D1", "what you can say");
    assert_eq!(serving.stop(), 0);
}
