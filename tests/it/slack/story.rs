//! What a team does with the bot in a day: once undisturbed, and once killed after every word.

use std::time::{Duration, Instant};

use chat::{Button, ButtonStyle, Card, Conversation};
use serde_json::{Value, json};
use smartcloudops::{
    clock::Clock,
    store::{Reply, Store},
};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::{channel, grant};
use crate::support::{
    scripted::{Machine, Script, Scripted},
    serving::Serving,
    slack::Workspace,
};

const MACHINES: [Machine; 2] =
    [("10.0.0.1:9100", "db-1", "prod"), ("10.0.0.2:9100", "db-2", "prod")];
const WELL: Script = Script::Number("42");

/// The team, its bot and its machines.
struct Team<'a> {
    workspace: &'a Workspace,
    prometheus: Scripted,
    serving: Serving,
    /// Whether the bot is killed after each word, before anybody knows what came of it.
    mortal: bool,
    deaths: usize,
}

impl<'a> Team<'a> {
    async fn gather(workspace: &'a Workspace, mortal: bool) -> Self {
        let prometheus = Scripted::knowing(&MACHINES, WELL).await;
        let serving = Serving::start(&format!(
            "{}[metrics.prometheus]\nurl = \"{}\"\nscrape_interval = \"1s\"\n[detection]\nevery = \
             \"1s\"\n",
            workspace.settings(),
            prometheus.url
        ));
        grant(&serving, workspace);
        workspace.wait("connections=1");
        Self { workspace, prometheus, serving, mortal, deaths: 0 }
    }

    fn database(&self) -> String {
        format!("sqlite:{}", self.serving.bot.directory().join("bot.db").display())
    }

    /// Somebody does something; perhaps the bot dies of it. What Slack does not bring again, because it
    /// was a click, the person clicks again.
    async fn does(&mut self, what: &str, about: Value) -> Value {
        let done = self.workspace.tell(what, &about);
        if !self.mortal {
            return done;
        }
        self.dies().await;
        let heard = |state: &Value, envelope: &Value| {
            let acks = state["acks"].as_array().unwrap();
            acks.iter().any(|ack| ack["envelope_id"] == *envelope)
        };
        let state = self.workspace.state();
        let is_click = matches!(what, "press" | "choose" | "command");
        let envelopes = done["envelopes"].as_array().unwrap();
        if is_click && !envelopes.iter().all(|envelope| heard(&state, envelope)) {
            return self.workspace.tell(what, &about);
        }
        done
    }

    async fn dies(&mut self) {
        self.serving.dies_and_rises();
        self.deaths += 1;
        // As if the claims of the dead had run out.
        let mut database = SqliteConnection::connect(&self.database()).await.unwrap();
        for expired in [
            "UPDATE inbox SET claimed_until = 0 WHERE state = 'pending'",
            "UPDATE outbox SET due_at = 0 WHERE state = 'waiting'",
        ] {
            sqlx::query(AssertSqlSafe(expired)).execute(&mut database).await.unwrap();
        }
        database.close().await.unwrap();
        self.workspace.wait("connections=1");
    }

    /// Waits until a channel shows this somewhere.
    fn sees(&self, channel: &str, text: &str) -> Value {
        self.workspace.wait(&format!("channel={channel}&text={}", text.replace(' ', "%20")))
    }

    /// Waits for the last thing that only one person sees, of what they were told about the approval.
    fn whispered(&self, user: &str) -> String {
        let patience = Instant::now();
        loop {
            let state = self.workspace.state();
            let told = state["ephemerals"].as_array().unwrap().iter();
            // Whoever is told when the bot dies may be told again.
            let mut told =
                told.filter(|it| it["user"] == user && !it.to_string().contains("grant viewer"));
            if let Some(told) = told.next_back() {
                return told.to_string();
            }
            assert!(patience.elapsed() < Duration::from_secs(30), "{:#}", state["ephemerals"]);
        }
    }

    /// The message of the incident, as it is now.
    fn root(&self) -> Value {
        let said = self.workspace.said("C1");
        let roots: Vec<_> = said.into_iter().filter(|it| it["thread_ts"].is_null()).collect();
        assert_eq!(roots.len(), 1, "one message for one incident: {roots:#?}");
        roots[0].clone()
    }

    /// Puts a card with an approval into the channel, as approvals will.
    async fn proposes(&self, to: Conversation) {
        let store = Store::open(&self.database(), Clock::system()).await.unwrap();
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
        store.enqueue(&mut tx, &Reply::new(to, card, "approval:1")).await.unwrap();
        tx.commit().await.unwrap();
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_with_the_bot() {
    let Some(workspace) = Workspace::new() else { return };
    let mut team = Team::gather(&workspace, false).await;
    day(&mut team).await;
    assert_eq!(team.serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_on_which_the_bot_dies_after_every_word() {
    let Some(workspace) = Workspace::new() else { return };
    let mut team = Team::gather(&workspace, true).await;
    day(&mut team).await;
    assert!(team.deaths >= 10, "{}", team.deaths);
    assert_eq!(team.serving.stop(), 0);
}

async fn day(team: &mut Team<'_>) {
    let workspace = team.workspace;
    // Somebody new asks, is told a code, and gets a role by it from an Admin.
    let asks = json!({"channel": "C1", "user": "U3", "text": "<@UBOT> status"});
    team.does("message", asks).await;
    let refused = workspace.wait("ephemerals=1")["ephemerals"][0].clone();
    let text = refused.to_string();
    let code = text.split("`grant viewer ").nth(1).and_then(|rest| rest.get(..8)).expect(&text);
    let grants = json!({"channel": "D1", "user": "U1", "text": format!("grant operator {code}")});
    team.does("message", grants).await;
    team.sees("D1", "Operator");

    // A question, with a picture.
    let asks = json!({"channel": "C2", "user": "U3", "text": "<@UBOT> cpu of db-1 as a chart"});
    let asked = team.does("message", asks).await["ts"].clone();
    let state = team.sees("C2", "42");
    let answer = &workspace.said("C2")[0];
    assert_eq!(answer["thread_ts"], asked);
    assert!(state["files"].as_object().unwrap().values().any(|file| file["completed"] == true));

    // Something breaks, and is told.
    team.prometheus.set(Script::Each(["97", "42"].into()));
    team.sees("C1", "97");
    if team.mortal {
        team.dies().await;
    }
    let root = team.root();
    let ts = root["ts"].clone();

    // It is taken, silenced, asked about in its thread, and judged; its message says so.
    let press =
        |label: &str, user: &str| json!({"channel": "C1", "ts": ts, "label": label, "user": user});
    team.does("press", press("Acknowledge", "U3")).await;
    team.sees("C1", "Give back");
    let silence = json!({"channel": "C1", "ts": ts, "placeholder": "Silence …", "option": "2 h",
        "user": "U3"});
    team.does("choose", silence).await;
    team.sees("C1", "silenced until");
    let why = json!({"channel": "C1", "user": "U3", "thread_ts": ts, "text": "<@UBOT> why #1?"});
    team.does("message", why).await;
    team.sees("C1", "expected");
    team.does("press", press("Expected", "U3")).await;
    team.sees("C1", "Undo");

    // Nobody without the role approves, and who has it is told the truth.
    team.proposes(channel(workspace, "C2")).await;
    team.sees("C2", "Approval needed");
    let proposed = workspace.said("C2").pop().unwrap();
    let approve = |user: &str| json!({"channel": "C2", "ts": proposed["ts"], "label": "Approve", "user": user});
    team.does("press", approve("U2")).await;
    assert!(team.whispered("U2").contains("Operator"));
    team.does("press", approve("U3")).await;
    assert!(team.whispered("U3").contains("not available yet"));
    assert_eq!(workspace.said("C2").pop().unwrap()["blocks"], proposed["blocks"], "untouched");

    // It is mended; its message says that too, and is still the only one.
    team.prometheus.set(WELL);
    let mended = json!({"channel": "C1", "user": "U3", "thread_ts": ts,
        "text": "<@UBOT> resolve 1 removed old logs"});
    team.does("message", mended).await;
    team.sees("C1", "removed old logs");
    let patience = Instant::now();
    while team.root()["attachments"][0]["color"] != "#2eb886" {
        assert!(patience.elapsed() < Duration::from_secs(30), "{:#}", team.root());
    }
    assert_eq!(team.root()["ts"], ts);

    // Nothing was said twice, and nothing that Slack would not take.
    let state = workspace.state();
    assert_eq!(state["rejected"], json!([]));
    let mut keys: Vec<_> =
        ["C1", "C2", "D1"].into_iter().flat_map(|it| workspace.said(it)).collect();
    let said = keys.len();
    keys.sort_by_key(|it| it["metadata"]["event_payload"]["key"].to_string());
    keys.dedup_by_key(|it| it["metadata"]["event_payload"]["key"].to_string());
    assert_eq!(keys.len(), said, "said twice");
}
