//! What a team does with the bot in a day, on every platform: once undisturbed, once with the bot killed after every
//! word, and once over a line that breaks whenever the bot answers.

use std::time::{Duration, Instant};

use chat::{Button, ButtonStyle, Card};
use serde_json::json;
use smartcloudops::{
    clock::Clock,
    store::{Reply, Store},
};

use crate::support::{
    proxy::{Cut, Proxy},
    rooms::{Click, Rooms, Shown},
    scripted::{Machine, Script, Scripted},
    serving::Serving,
};

const MACHINES: [Machine; 2] =
    [("10.0.0.1:9100", "db-1", "prod"), ("10.0.0.2:9100", "db-2", "prod")];
const WELL: Script = Script::Number("42");
const PATIENCE: Duration = Duration::from_secs(40);

/// What goes wrong all day.
enum Trouble {
    Nothing,
    /// The bot is killed after each word, before anybody knows what came of it; how often so far.
    Deaths(usize),
    /// The line to the platform is slow, and breaks at the bot's first message after each word; how often so far.
    Line(Proxy, usize),
}

/// The team, its bot and its machines.
struct Team<'a> {
    rooms: &'a dyn Rooms,
    prometheus: Scripted,
    serving: Serving,
    trouble: Trouble,
}

impl<'a> Team<'a> {
    /// Ana (U1) is an Admin, and Ben (U2) a Viewer.
    async fn gather(rooms: &'a dyn Rooms, trouble: Trouble) -> Self {
        let settings = match &trouble {
            Trouble::Line(proxy, _) => rooms.settings_at(&format!("127.0.0.1:{}", proxy.port)),
            _ => rooms.settings(),
        };
        let prometheus = Scripted::knowing(&MACHINES, WELL).await;
        let serving = Serving::start(&format!(
            "{}[metrics.prometheus]\nurl = \"{}\"\nscrape_interval = \"1s\"\n[detection]\nevery = \
             \"1s\"\n",
            settings, prometheus.url
        ));
        for (user, role) in [("U1", "admin"), ("U2", "viewer")] {
            let granted = serving.bot.run(&["roles", "grant", role, &rooms.identity(user)]);
            assert!(granted.status.success(), "{granted:?}");
        }
        rooms.is_connected();
        Self { rooms, prometheus, serving, trouble }
    }

    /// Somebody writes something; perhaps the bot dies of it.
    async fn writes(
        &mut self,
        who: &str,
        channel: &str,
        under: Option<&str>,
        text: &str,
    ) -> String {
        let text = text.replace("@bot", self.rooms.bot());
        self.line_breaks();
        let written = self.rooms.writes(who, channel, under, &text);
        self.may_die().await;
        written
    }

    /// Somebody clicks; perhaps the bot dies of it. Who sees that nothing came of it clicks again.
    async fn clicks(&mut self, click: impl Fn(&dyn Rooms) -> Click) {
        self.line_breaks();
        let clicked = click(self.rooms);
        if matches!(self.trouble, Trouble::Deaths(_)) {
            self.may_die().await;
            if !self.rooms.was_heard(&clicked) {
                click(self.rooms);
            }
        }
    }

    async fn may_die(&mut self) {
        let Trouble::Deaths(deaths) = &mut self.trouble else { return };
        *deaths += 1;
        self.serving.dies_and_rises();
        self.serving.claims_run_out().await;
        self.rooms.is_connected();
    }

    /// Before the platform hears of the bot's next message, after that, in the middle of saying so, or rudely.
    fn line_breaks(&mut self) {
        let Trouble::Line(proxy, breaks) = &mut self.trouble else { return };
        *breaks += usize::from(proxy.has_cut());
        let cut = [Cut::After, Cut::Before, Cut::Half, Cut::Reset][*breaks % 4];
        proxy.cut(self.rooms.posting(), cut);
    }

    /// Waits until a channel shows this somewhere.
    fn sees(&self, channel: &str, text: &str) -> Shown {
        self.sees_such(channel, &format!("{text:?}"), |shown| shown.says(text))
    }

    fn sees_such(&self, channel: &str, what: &str, is: impl Fn(&Shown) -> bool) -> Shown {
        let looking = Instant::now();
        loop {
            let shown = self.rooms.shown(channel);
            if let Some(shown) = shown.iter().find(|shown| is(shown)) {
                return shown.clone();
            }
            assert!(looking.elapsed() < PATIENCE, "never {what} in {channel}: {shown:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until somebody was told something with this in it; the last of it.
    fn was_told(&self, person: &str, text: &str) -> String {
        let looking = Instant::now();
        loop {
            let told = self.rooms.told(person);
            if let Some(told) = told.iter().rev().find(|told| told.contains(text)) {
                return told.clone();
            }
            assert!(looking.elapsed() < PATIENCE, "{person} was never told {text}: {told:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until somebody was told something, alone or in a channel.
    fn hears(&self, person: &str, channel: &str, text: &str) {
        let looking = Instant::now();
        let says = |shown: &Shown| shown.under.is_some() && shown.says(text);
        let told = || self.rooms.told(person).iter().any(|told| told.contains(text));
        while !told() && !self.rooms.shown(channel).iter().any(says) {
            assert!(looking.elapsed() < PATIENCE, "{person} never heard {text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The message of the incident, as it is now.
    fn root(&self) -> Shown {
        let shown = self.rooms.shown("C1").into_iter();
        let roots: Vec<_> = shown.filter(|shown| shown.under.is_none()).collect();
        assert_eq!(roots.len(), 1, "one message for one incident: {roots:#?}");
        roots[0].clone()
    }

    /// Puts a card with an approval into the channel, as approvals will.
    async fn proposes(&self, channel: &str) {
        let store = Store::open(&self.serving.database(), Clock::system()).await.unwrap();
        let button = |label: &str, command: &str, ask: Option<&str>| Button {
            label: label.to_owned(),
            style: ButtonStyle::Primary,
            command: command.to_owned(),
            ask: ask.map(str::to_owned),
        };
        let card = Card {
            title: "Approval needed: restart db-1".to_owned(),
            buttons: vec![
                button("Approve", "approve 7F3K", None),
                button("Reject", "reject 7F3K", Some("Why?")),
            ],
            ..Card::default()
        };
        let mut tx = store.begin_write().await.unwrap();
        let reply = Reply::new(self.rooms.place(channel), card, "approval:1");
        store.enqueue(&mut tx, &reply).await.unwrap();
        tx.commit().await.unwrap();
        store.close().await;
    }
}

async fn undisturbed(rooms: Option<impl Rooms>) {
    let Some(rooms) = rooms else { return };
    let mut team = Team::gather(&rooms, Trouble::Nothing).await;
    day(&mut team).await;
    assert_eq!(team.serving.stop(), 0);
}

async fn dying(rooms: Option<impl Rooms>) {
    let Some(rooms) = rooms else { return };
    let mut team = Team::gather(&rooms, Trouble::Deaths(0)).await;
    day(&mut team).await;
    assert!(matches!(team.trouble, Trouble::Deaths(10..)));
    assert_eq!(team.serving.stop(), 0);
}

async fn over_a_bad_line(rooms: Option<impl Rooms>) {
    let Some(rooms) = rooms else { return };
    let proxy = Proxy::before(rooms.address().to_owned());
    proxy.set_slow(30);
    let mut team = Team::gather(&rooms, Trouble::Line(proxy, 0)).await;
    day(&mut team).await;
    assert!(matches!(team.trouble, Trouble::Line(_, 7..)));
    assert_eq!(team.serving.stop(), 0);
}

#[cfg(feature = "slack")]
mod slack {
    use crate::support::slack::Workspace;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_day_with_the_bot() {
        super::undisturbed(Workspace::new()).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_day_on_which_the_bot_dies_after_every_word() {
        super::dying(Workspace::new()).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_day_over_a_line_that_breaks_at_every_answer() {
        super::over_a_bad_line(Workspace::new()).await;
    }
}

#[cfg(feature = "discord")]
mod discord {
    use crate::support::discord::Server;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_day_with_the_bot() {
        super::undisturbed(Server::new()).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_day_on_which_the_bot_dies_after_every_word() {
        super::dying(Server::new()).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_day_over_a_line_that_breaks_at_every_answer() {
        super::over_a_bad_line(Server::new()).await;
    }
}

#[cfg(feature = "matrix")]
mod matrix {
    use crate::support::matrix::Homeserver;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_day_with_the_bot() {
        super::undisturbed(Homeserver::encrypted()).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_day_with_the_bot_in_clear() {
        super::undisturbed(Homeserver::in_clear()).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_day_on_which_the_bot_dies_after_every_word() {
        super::dying(Homeserver::encrypted()).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_day_in_clear_on_which_the_bot_dies_after_every_word() {
        super::dying(Homeserver::in_clear()).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_day_over_a_line_that_breaks_at_every_answer() {
        super::over_a_bad_line(Homeserver::encrypted()).await;
    }
}

async fn day(team: &mut Team<'_>) {
    // Somebody new asks, is told a code, and gets a role by it from an Admin.
    team.writes("U3", "C1", None, "@bot status").await;
    let refused = team.was_told("U3", "grant viewer ");
    let code = refused.split("`grant viewer ").nth(1).or(refused.split("grant viewer ").nth(1));
    let code = code.and_then(|rest| rest.get(..8)).expect(&refused);
    assert!(team.rooms.shown("C1").iter().all(|shown| !shown.says(code)), "codes are secrets");
    team.writes("U1", "D1", None, &format!("grant operator {code}")).await;
    team.sees("D1", "Operator");

    // A question, with a picture.
    let asked = team.writes("U3", "C2", None, "@bot cpu of db-1 as a chart").await;
    team.sees_such("C2", "an answer with its picture under the question", |shown| {
        shown.says("42") && shown.pictures == 1 && shown.under.as_ref() == Some(&asked)
    });

    // Something breaks, and is told.
    team.prometheus.set(Script::Each(["97", "42"].into()));
    team.sees("C1", "97");
    team.may_die().await;
    let root = team.root().id;

    // It is taken, silenced, asked about in its thread, and judged; its message says so.
    team.clicks(|rooms| rooms.presses("U3", "C1", &root, "Acknowledge")).await;
    team.sees("C1", "Give back");
    team.clicks(|rooms| rooms.chooses("U3", "C1", &root, "Silence …", "2 h")).await;
    team.sees("C1", "silenced until");
    team.writes("U3", "C1", Some(&root), "@bot why #1?").await;
    team.sees_such("C1", "an answer in the thread", |shown| {
        shown.under.as_ref() == Some(&root) && shown.says("expected")
    });
    team.clicks(|rooms| rooms.presses("U3", "C1", &root, "Expected")).await;
    team.sees("C1", "Undo");

    // Nobody without the role approves, and who has it is told the truth.
    team.proposes("C2").await;
    let proposed = team.sees("C2", "Approval needed");
    team.clicks(|rooms| rooms.presses("U2", "C2", &proposed.id, "Approve")).await;
    team.was_told("U2", "Operator");
    assert!(team.rooms.shown("C2").iter().all(|shown| !shown.says("Operator")), "told in the open");
    team.clicks(|rooms| rooms.presses("U3", "C2", &proposed.id, "Approve")).await;
    // In public where it was written for all to see, and alone where it was pressed.
    team.hears("U3", "C2", "not available yet");
    assert_eq!(team.sees("C2", "Approval needed").words(), proposed.words(), "untouched");

    // It is mended; its message says that too, and is still the only one.
    team.prometheus.set(WELL);
    team.writes("U3", "C1", Some(&root), "@bot resolve 1 removed old logs").await;
    team.sees("C1", "removed old logs");
    team.sees_such("C1", "green", |shown| shown.under.is_none() && shown.is_green);
    assert_eq!(team.root().id, root);

    // Nothing was said twice, and nothing that the platform would not take.
    assert_eq!(team.rooms.rejected(), json!([]));
    let shown = ["C1", "C2", "D1"].into_iter().flat_map(|it| team.rooms.shown(it));
    let mut keys: Vec<_> = shown.map(|shown| shown.key).collect();
    let said = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), said, "said twice");
}
