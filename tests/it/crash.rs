//! kill -9 at any moment loses no acknowledged message and no audit row.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Write as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use chat::Card;
use chrono::TimeDelta;
use smartcloudops::{
    clock::Clock,
    store::{Completed, Completion, FirstSight, Reply, Speaker, Store, Turn},
};

use crate::{
    store::{asked, channel, said, slack},
    support::database::{Database, on_postgres, on_sqlite},
};

/// Tells the child which database to use. Without it the child's test has nothing to do.
const CHILD: &str = "SMARTCLOUDOPS_TEST_CRASH_CHILD";
const ROUND: &str = "SMARTCLOUDOPS_TEST_CRASH_ROUND";
const ROUNDS: u32 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_bot_loses_nothing_on_sqlite() {
    on_sqlite(kill_again_and_again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_bot_loses_nothing_on_postgresql() {
    on_postgres(kill_again_and_again).await;
}

async fn kill_again_and_again(database: &Database) {
    let started = Instant::now();
    let mut random = 0x5eed_u64;
    let mut acknowledged = BTreeSet::new();
    for round in 0..ROUNDS {
        // xorshift: the same moments in every run, as far as the machine allows.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let life = Duration::from_micros(random % 250_000);
        for line in live_and_die(&database.url, round, life).lines() {
            match line.split_once(' ') {
                Some(("acknowledged", id)) => assert!(acknowledged.insert(id.to_owned()), "{id}"),
                Some(("error", why)) => panic!("round {round}: {why}"),
                _ => {}
            }
        }
        database.store.verify_audit().await.unwrap();
    }

    let recorded: BTreeSet<_> =
        database.look("SELECT event FROM inbox").await.into_iter().collect();
    let lost: Vec<_> = acknowledged.difference(&recorded).collect();
    assert!(lost.is_empty(), "acknowledged and gone: {lost:?}");
    assert!(acknowledged.len() > ROUNDS as usize, "too little happened: {}", acknowledged.len());

    let done: BTreeSet<_> =
        database.look("SELECT event FROM inbox WHERE state = 'done'").await.into_iter().collect();
    assert_eq!(done, all_once(&database.look("SELECT subject FROM audit").await));
    assert_eq!(done, all_once(&database.look("SELECT dedupe_key FROM outbox").await));
    assert_eq!(done, all_once(&database.look("SELECT text FROM turns").await));

    // The bot that starts after the last crash finishes what was left.
    let after =
        Store::open(&database.url, Clock::fixed(Clock::system().now() + TimeDelta::hours(1)))
            .await
            .unwrap();
    let pending = after.pending(&slack(), 10_000).await.unwrap();
    let left: BTreeSet<_> = pending.iter().map(|it| it.inbound.id.clone()).collect();
    assert_eq!(left, recorded.difference(&done).cloned().collect::<BTreeSet<_>>());
    for event in &pending {
        let done = after.complete(&event.id, &answer(&event.inbound.id)).await.unwrap();
        assert!(matches!(done, Completed::Now(_)));
    }
    assert!(after.pending(&slack(), 10).await.unwrap().is_empty());
    assert_eq!(after.verify_audit().await.unwrap().rows, recorded.len() as u64);
    println!(
        "{}: {ROUNDS} kills, {} acknowledged, {} recorded, {} left pending, {:.1} s",
        after.backend(),
        acknowledged.len(),
        recorded.len(),
        left.len(),
        started.elapsed().as_secs_f64()
    );
}

fn all_once(things: &[String]) -> BTreeSet<String> {
    let mut counts = BTreeMap::new();
    for thing in things {
        *counts.entry(thing.clone()).or_insert(0) += 1;
    }
    assert!(counts.values().all(|count| *count == 1), "twice: {counts:?}");
    counts.into_keys().collect()
}

fn answer(id: &str) -> Completion {
    Completion {
        outcome: "answered".to_owned(),
        replies: vec![Reply::new(channel(), Card::titled(id), id)],
        turns: vec![Turn {
            conversation: channel(),
            speaker: Speaker::Person,
            who: "slack:T1:U1".to_owned(),
            text: id.to_owned(),
            at: asked(id).at,
        }],
        audit: vec![asked(id)],
    }
}

/// What a bot acknowledged before it was killed, this long after its first acknowledgement.
fn live_and_die(url: &str, round: u32, life: Duration) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["crash::bot", "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, url)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = child.stdout.take().unwrap();
    // A quarter of the bots dies while starting.
    let mut first = Vec::new();
    if !round.is_multiple_of(4) {
        let mut byte = [0];
        while !first.ends_with(b"acknowledged ") && pipe.read(&mut byte).unwrap() == 1 {
            first.push(byte[0]);
        }
    }
    std::thread::sleep(life);
    child.kill().unwrap();
    child.wait().unwrap();
    pipe.read_to_end(&mut first).unwrap();
    let mut heard = String::from_utf8(first).unwrap();
    // A line without its end was not heard.
    heard.truncate(heard.rfind('\n').map_or(0, |end| end + 1));
    heard
}

/// The bot that is killed: records, acknowledges, answers, as fast as it can, on three lines of
/// work; and everything is delivered to it twice.
#[tokio::test(flavor = "multi_thread")]
async fn bot() {
    let Some(url) = std::env::var_os(CHILD) else { return };
    let round = std::env::var_os(ROUND).unwrap().into_string().unwrap();
    println!();
    let store = Store::open(&url.into_string().unwrap(), Clock::system()).await.unwrap();
    let lines = (0..3).map(|line| {
        let (store, round) = (store.clone(), round.clone());
        tokio::spawn(async move {
            for n in 0.. {
                if let Err(why) = live(&store, &format!("{round}-{line}-{n}")).await {
                    hear(&format!("error {why}"));
                }
            }
        })
    });
    futures::future::join_all(lines).await;
}

async fn live(store: &Store, id: &str) -> Result<(), String> {
    let fail = |error: smartcloudops::store::StoreError| error.to_string();
    let FirstSight::New(row) = store.record(&said(id, "cpu?")).await.map_err(fail)? else {
        return Err(format!("{id} was seen before"));
    };
    hear(&format!("acknowledged {id}"));
    if store.record(&said(id, "cpu?")).await.map_err(fail)? != FirstSight::Duplicate {
        return Err(format!("{id} was new twice"));
    }
    match store.complete(&row, &answer(id)).await.map_err(fail)? {
        Completed::Now(_) => Ok(()),
        Completed::BySomeoneElse => Err(format!("{id} was answered by someone else")),
    }
}

fn hear(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}
