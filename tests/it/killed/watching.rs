//! The whole program, killed at any moment while it watches: what is wrong becomes one incident, and
//! every incident is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    process::Stdio,
    time::{Duration, Instant},
};

use super::assert_whole;
use crate::support::{
    bot::Smartcloudops,
    database::{Database, on_postgres, on_sqlite},
    scripted::{Machine, Script, Scripted},
};

/// How many kills there are, unless this variable says another number.
const KILLS: &str = "SMARTCLOUDOPS_TEST_KILLS";
const USUAL_KILLS: usize = 50;
/// Every so often nobody is connected while it watches, so that somebody else has to tell.
const UNHEARD: usize = 4;
/// A life that is waited for has this long to tell.
const PATIENCE: Duration = Duration::from_mins(1);
const WELL: &str = "42";
const FULL: &str = "97";

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_watch_tells_of_everything_on_sqlite() {
    on_sqlite(watch_and_die).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_watch_tells_of_everything_on_postgresql() {
    on_postgres(watch_and_die).await;
}

async fn watch_and_die(database: &Database) {
    let started = Instant::now();
    let kills = std::env::var_os(KILLS)
        .map_or(USUAL_KILLS, |number| number.to_string_lossy().parse().expect("a number"));
    // Each in an environment of its own, so that each is an incident of its own.
    let machines: Vec<Machine> = (0..kills)
        .map(|it| {
            let text = |text: String| -> &'static str { text.leak() };
            (text(format!("10.0.0.{it}:9100")), text(host(it)), text(format!("e{it}")))
        })
        .collect();
    let server = Scripted::knowing(&machines, Script::Number(WELL)).await;
    let bot = Smartcloudops::configured(&format!(
        "[store]\nurl = \"{}\"\n[http]\nenabled = false\n[metrics.prometheus]\nurl = \
         \"{}\"\nscrape_interval = \"1s\"\n[detection]\nevery = \"1s\"\n",
        database.url, server.url
    ));
    let mut random = 0x00de_cade_u64;
    let mut told: BTreeMap<u32, usize> = BTreeMap::new();
    let mut silent = 0;
    // How long a life needs to tell, on this machine as busy as it is: the first one shows it.
    let mut usual: Option<Duration> = None;
    for kill in 0..kills {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // A fault goes away a while after it is known, whether or not anybody was told.
        let known: BTreeSet<String> = kept(database).await.into_iter().collect();
        let wrong = |it: usize| it <= kill && (it + 3 > kill || !known.contains(&host(it)));
        let disks = (0..kills).map(|it| if wrong(it) { FULL } else { WELL }).collect();
        server.set(Script::Each(disks));
        let command = if kill % UNHEARD == UNHEARD - 1 { "serve" } else { "chat" };
        let (begun, life) = (Instant::now(), Life::begin(&bot, command));
        let left = if let Some(usual) = usual {
            usual.mul_f64((random % 1000) as f64 / 600.0)
        } else {
            told_all(database, 1).await;
            usual = Some(begun.elapsed());
            Duration::ZERO
        };
        let shown = life.kill_after(left);
        silent += usize::from(shown.is_empty());
        count(&mut told, &shown);
        assert_whole(&bot);
        // As if the claims of those that died had run out.
        if kill % 5 == 0 {
            database.meddle("UPDATE outbox SET due_at = 0 WHERE state = 'waiting'").await;
        }
    }
    assert!(silent > 0 && silent < kills, "{silent} of {kills} died before they told anything");

    database.meddle("UPDATE outbox SET due_at = 0 WHERE state = 'waiting'").await;
    let left = kills - told.len();
    let life = Life::begin(&bot, "chat");
    told_all(database, kills).await;
    count(&mut told, &life.kill_after(Duration::ZERO));

    let hosts: BTreeSet<String> = (0..kills).map(host).collect();
    assert_eq!(kept(database).await.into_iter().collect::<BTreeSet<_>>(), hosts, "wrong and known");
    let incidents = database.look("SELECT CAST(number AS TEXT) FROM incidents").await;
    assert_eq!(incidents.len(), kills, "one of each fault");
    let untold: Vec<_> =
        incidents.iter().filter(|it| !told.contains_key(&it.parse().unwrap())).collect();
    assert!(untold.is_empty(), "never told: {untold:?}");
    // Lines of history have no place at a terminal.
    let messages = "SELECT state || ' ' || dedupe_key FROM outbox WHERE under IS NULL";
    let messages = database.look(messages).await;
    assert_eq!(messages.len(), kills, "one message of each: {messages:?}");
    assert!(messages.iter().all(|it| it.starts_with("delivered ")), "{messages:?}");
    let twice = told.values().sum::<usize>() - told.len();
    assert!(twice < kills / 4, "{twice} told again");
    assert_whole(&bot);
    println!(
        "{kills} kills, {silent} before anything was told, {left} incidents left to the last life, \
         {twice} told twice, {:.1} s",
        started.elapsed().as_secs_f64()
    );
}

fn host(number: usize) -> String {
    format!("disk-{number}")
}

/// Waits until so many incidents were told, but not for ever.
async fn told_all(database: &Database, incidents: usize) {
    let delivered = "SELECT COUNT(*) FROM outbox WHERE state = 'delivered' AND under IS NULL";
    let patience = Instant::now() + PATIENCE;
    while database.count(delivered).await < i64::try_from(incidents).unwrap()
        && Instant::now() < patience
    {
        tokio::task::yield_now().await;
    }
}

/// The hosts that are in an incident.
async fn kept(database: &Database) -> Vec<String> {
    database.look("SELECT host FROM anomalies").await
}

/// Counts incidents that were told, none of them twice in one life.
fn count(told: &mut BTreeMap<u32, usize>, shown: &[u32]) {
    let different: BTreeSet<_> = shown.iter().collect();
    assert_eq!(different.len(), shown.len(), "told twice in one life: {shown:?}");
    for number in shown {
        *told.entry(*number).or_default() += 1;
    }
}

struct Life(std::process::Child);

impl Life {
    fn begin(bot: &Smartcloudops, command: &str) -> Self {
        let child =
            bot.command(&[command]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        Self(child)
    }

    /// The numbers of the incidents whose cards were shown to the end.
    fn kill_after(mut self, life: Duration) -> Vec<u32> {
        std::thread::sleep(life);
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        let mut text = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        let whole = text.rfind("\n\n").map_or("", |end| &text[..end]);
        whole
            .split("\n\n")
            .filter_map(|card| {
                let title = card.trim_start().lines().next()?;
                title.split_whitespace().find_map(|word| word.strip_prefix('#')?.parse().ok())
            })
            .collect()
    }
}
