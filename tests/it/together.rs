//! All platforms at once: one person on several, and one that is lost while the others go on.

use std::time::{Duration, Instant};

use crate::support::{
    discord::Server, matrix::Homeserver, proxy::Proxy, rooms::Rooms, serving::Serving,
    slack::Workspace,
};

/// A bot on all, with the channels of incidents C1 on each, in which Ana (U1) is an Admin on Slack.
struct All {
    slack: Workspace,
    discord: Server,
    matrix: Homeserver,
    /// Between the bot and the homeserver.
    proxy: Proxy,
    serving: Serving,
}

impl All {
    fn new() -> Option<Self> {
        let (slack, discord, matrix) =
            (Workspace::new()?, Server::new()?, Homeserver::encrypted()?);
        let proxy = Proxy::before(matrix.address().to_owned());
        let tables = |settings: &str| {
            settings
                .lines()
                .filter(|line| !line.contains("alerts") && !line.starts_with("channels"))
                .fold(String::new(), |all, line| all + line + "\n")
        };
        let channels = format!(
            "[alerts]\nchannels = [\"slack:{}:C1\", \"discord:{}:{}\", \"matrix:localhost:{}\"]\n",
            slack.team(),
            discord.id("GUILD"),
            discord.id("C1"),
            matrix.room("C1")
        );
        let homeserver = matrix.settings_at(&format!("http://127.0.0.1:{}", proxy.port));
        let settings = [&slack.settings(), &discord.settings(), &homeserver].map(|it| tables(it));
        let serving = Serving::start(&format!("{channels}{}", settings.concat()));
        let granted = serving.bot.run(&["roles", "grant", "admin", &slack.person("U1")]);
        assert!(granted.status.success(), "{granted:?}");
        slack.wait("connections=1");
        discord.wait("sessions=1");
        matrix.bot_is_there();
        Some(Self { slack, discord, matrix, proxy, serving })
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
fn one_person_is_joined_over_the_platforms_by_a_code_confirmed_on_both() {
    let Some(All { slack, discord, matrix, serving, .. }) = All::new() else { return };
    let places: [&dyn Rooms; 2] = [&discord, &matrix];
    for (number, rooms) in places.into_iter().enumerate() {
        // There nobody knows Ana yet: she is shown a code.
        rooms.writes("U1", "D1", None, "link");
        shows(rooms, "D1", "link ");
        let shown = rooms.shown("D1")[0].content.to_string();
        let code = shown.split("link ").nth(1).and_then(|rest| rest.get(..8)).expect(&shown);
        assert!(code.chars().all(|c| c.is_ascii_alphanumeric()), "{shown}");
        // Where she has a role she says it, and that she means it.
        slack.says("U1", "D1", &format!("link {code}"));
        slack.wait(&format!("messages={}&channel=D1", 2 * number + 1));
        let question = &slack.said("D1")[2 * number];
        assert!(question.to_string().contains(&format!("link {code} yes")), "{question:#}");
        slack.says("U1", "D1", &format!("link {code} yes"));
        slack.wait(&format!("messages={}&channel=D1", 2 * number + 2));
        rooms.writes("U1", "D1", None, "whoami");
        shows(rooms, "D1", "Admin");
    }
    assert_eq!(serving.stop(), 0);
}

/// A platform by its name, the people there, and how it is lost and found.
type Losable<'a> = (&'a str, &'a dyn Rooms, &'a dyn Fn(bool));

#[test]
fn f23_a_platform_that_is_lost_changes_nothing_on_the_others_and_is_told_there() {
    let Some(All { slack, discord, matrix, proxy, serving }) = All::new() else { return };
    let rooms: [Losable<'_>; 3] = [
        ("Slack", &slack, &|lost| slack.set("revoked", lost)),
        ("Discord", &discord, &|lost| discord.set("token_revoked", lost)),
        ("Matrix", &matrix, &|lost| proxy.set_down(lost)),
    ];
    for (name, _, set_lost) in rooms {
        set_lost(true);
        let others = || rooms.into_iter().filter(move |(other, ..)| *other != name);
        for (_, other, _) in others() {
            let took = shows(other, "C1", &format!("{name} does not work as it should"));
            assert!(took < Duration::from_mins(1), "{took:?}");
            // And they answer as before.
            let before = other.shown("D1").len();
            other.writes("U1", "D1", None, "whoami");
            until(|| other.shown("D1").len() > before);
        }
        set_lost(false);
        for (_, other, _) in others() {
            shows(other, "C1", &format!("{name} works again"));
        }
    }
    for (_, room, _) in rooms {
        room.writes("U1", "D1", None, "help");
        shows(room, "D1", "what you can say");
    }
    assert_eq!(serving.stop(), 0);
}

#[test]
fn f23_that_a_token_of_matrix_was_taken_away_is_told_elsewhere() {
    let Some(slack) = Workspace::new() else { return };
    let Some(matrix) = Homeserver::encrypted() else { return };
    let login = matrix.tell("login", &serde_json::json!({"person": matrix.short("ops")}));
    let token = format!("token = {}", login["token"]);
    let settings = matrix
        .settings()
        .replace("user = ", "#")
        .replace("password = \"password\"", &token)
        .replace("[alerts]", "#")
        .replace("channels", "#");
    let serving = Serving::start(&format!("{}{settings}", slack.settings()));
    let granted = serving.bot.run(&["roles", "grant", "admin", &slack.person("U1")]);
    assert!(granted.status.success(), "{granted:?}");
    matrix.bot_is_there();
    let device = &login["device"];
    matrix.tell("revoke", &serde_json::json!({"user": matrix.user("ops"), "device": device}));
    let took = shows(&slack, "C1", "Matrix does not work as it should");
    assert!(took < Duration::from_mins(1), "{took:?}");
    slack.says("U1", "D1", "whoami");
    shows(&slack, "D1", "Admin");
    assert_eq!(serving.stop(), 0);
}

fn until(holds: impl Fn() -> bool) {
    let patience = Instant::now();
    while !holds() {
        assert!(patience.elapsed() < Duration::from_mins(1), "never");
        std::thread::sleep(Duration::from_millis(50));
    }
}
