//! The whole program, killed at any moment: what was answered is on record, what was heard is
//! answered, and the audit is whole.

mod watching;

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    process::Stdio,
    time::{Duration, Instant},
};

use crate::support::{
    bot::Smartcloudops,
    database::{Database, on_postgres, on_sqlite},
};

const ROUNDS: u64 = 52;
/// Every so often it is the server that is killed, while it starts and while it idles.
const SERVES: u64 = 13;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_program_loses_nothing_on_sqlite() {
    on_sqlite(kill_again_and_again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_program_loses_nothing_on_postgresql() {
    on_postgres(kill_again_and_again).await;
}

async fn kill_again_and_again(database: &Database) {
    let started = Instant::now();
    let bot = Smartcloudops::configured(&format!(
        "[store]\nurl = \"{}\"\n[http]\nenabled = false\n[metrics]\nsample_interval = \"1s\"\n",
        database.url
    ));
    let mut random = 0x00c0_ffee_u64;
    let (mut answered, mut silent) = (BTreeSet::new(), 0);
    for round in 0..ROUNDS {
        // xorshift: the same moments in every run, as far as the machine allows.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let life = Duration::from_micros(random % 300_000);
        let shown = live_and_die(&bot, round, life);
        silent += usize::from(shown.is_empty());
        answered.extend(shown);
        assert_whole(&bot);
    }
    assert!(answered.len() > 200, "too little happened: {}", answered.len());
    assert!(silent > 0 && silent < ROUNDS as usize / 2, "{silent} died before they spoke");

    // Every answer that somebody saw is on record, with what it was about.
    let audited = asked(&database.look("SELECT detail FROM audit WHERE action = 'ask'").await);
    let lost: Vec<_> = answered.difference(&audited).collect();
    assert!(lost.is_empty(), "shown and not on record: {lost:?}");

    // As if the claims of those that died had run out.
    let left = database.meddle("UPDATE inbox SET claimed_until = 0 WHERE state = 'pending'").await;
    // The next conversation answers what is left, also when nobody says a word in it.
    let finishing = bot.run(&["chat"]);
    assert!(finishing.status.success(), "{finishing:?}");
    let pending = database.look("SELECT event FROM inbox WHERE state <> 'done'").await;
    assert!(pending.is_empty(), "heard and never answered: {pending:?}");
    assert_eq!(
        database.count("SELECT COUNT(*) FROM inbox").await,
        database.count("SELECT COUNT(*) FROM audit WHERE action = 'ask'").await,
        "one record of each"
    );
    assert_eq!(
        database.count("SELECT COUNT(*) FROM inbox").await,
        database.count("SELECT COUNT(*) FROM outbox").await,
        "one reply to each"
    );
    assert_whole(&bot);
    if database.url.starts_with("sqlite") {
        assert_eq!(database.look("PRAGMA integrity_check").await, ["ok"]);
    }
    println!(
        "{ROUNDS} kills, {} answers shown, {left} left to the last run, {:.1} s",
        answered.len(),
        started.elapsed().as_secs_f64()
    );
}

fn assert_whole(bot: &Smartcloudops) {
    let verified = bot.run(&["audit", "verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

/// The lines whose answers were shown before the end, this long after the first of them; one in
/// four dies at a moment counted from its start.
fn live_and_die(bot: &Smartcloudops, round: u64, life: Duration) -> BTreeSet<String> {
    let serves = round % SERVES == SERVES - 1;
    let mut child = bot
        .command(&[if serves { "serve" } else { "chat" }])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        // Until the pipe breaks.
        (0..u32::MAX)
            .take_while(|line| writeln!(stdin, "cpu of {}", name(round, *line)).is_ok())
            .count()
    });
    let mut stdout = child.stdout.take().unwrap();
    let mut shown = Vec::new();
    if !serves && !round.is_multiple_of(4) {
        let mut byte = [0];
        while !shown.ends_with(b"\n\n") && stdout.read(&mut byte).unwrap() == 1 {
            shown.push(byte[0]);
        }
    }
    std::thread::sleep(life);
    child.kill().unwrap();
    child.wait().unwrap();
    stdout.read_to_end(&mut shown).unwrap();
    writer.join().unwrap();
    // A card without its end was not seen; each names what it was about in backticks.
    let text = String::from_utf8(shown).unwrap();
    let whole = text.rfind("\n\n").map_or("", |end| &text[..end]);
    whole.split("\n\n").filter_map(|card| Some(card.split('`').nth(1)?.to_owned())).collect()
}

/// A host that does not exist: the refusal names it, and so does the audit.
fn name(round: u64, line: u32) -> String {
    format!("x{round}y{line}z")
}

fn asked(details: &[String]) -> BTreeSet<String> {
    details
        .iter()
        .filter_map(|detail| {
            let detail: serde_json::Value = serde_json::from_str(detail).unwrap();
            Some(detail["hosts"].get(0)?.as_str()?.to_owned())
        })
        .collect()
}
