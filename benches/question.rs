//! What a question answered from the cache costs, beside one durable commit of SQLite itself.
#![allow(
    missing_docs,
    clippy::allow_attributes,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench, where failing is panicking"
)]

mod support;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use criterion::Criterion;
use smartcloudops::bot::Bot;
use sqlx::{Connection as _, Executor as _, SqliteConnection};
use support::{Times, Verdicts, double::Double, measures, ms};

/// Beyond one durable commit.
const TARGET: Duration = Duration::from_millis(1);

/// SQLite with the same promises, and a table for one small row per commit.
async fn bare(directory: &Path) -> SqliteConnection {
    let url = format!("sqlite:{}/bare.db?mode=rwc", directory.display());
    let mut sqlite = SqliteConnection::connect(&url).await.unwrap();
    for statement in [
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "CREATE TABLE rows (id INTEGER PRIMARY KEY, at INTEGER NOT NULL)",
    ] {
        sqlite.execute(statement).await.unwrap();
    }
    sqlite
}

async fn commit(sqlite: &mut SqliteConnection) {
    sqlite.execute("INSERT INTO rows (at) VALUES (1760000000000)").await.unwrap();
}

/// Answered, recorded and finished, as `smartcloudops ask` does.
async fn question(bot: &Bot, text: &str) {
    let app = bot.app();
    let event = support::said(app, text);
    let reply = bot.answer(&event, false).await;
    let cached =
        reply.outcome.as_ref().unwrap().evidence.iter().all(|e| e.cached_seconds.is_some());
    assert!(cached, "asked again: {text}");
    app.store.record_and_complete(&event, &bot.completion(&event, &reply, false)).await.unwrap();
}

fn main() {
    support::double::be_one_if_asked();
    let double = Double::start();
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let app = runtime.block_on(support::app(directory.path(), &double.url));
    let mut sqlite = runtime.block_on(bare(directory.path()));
    let bot = Bot::new(app.clone());
    let mut verdicts = Verdicts::default();

    for (what, text) in [
        ("one host", "what's the cpu on web-4?"),
        ("1,000 hosts", "which hosts have the highest cpu?"),
    ] {
        runtime.block_on(async {
            let first = bot.answer(&support::said(&app, text), false).await;
            assert!(first.outcome.is_ok(), "{:?}", first.outcome.err());
            double.asked();
            let (mut commits, mut questions, mut answers) =
                (Times::default(), Times::default(), Times::default());
            // Side by side, so that both see the same disk at the same time.
            for _ in 0..if measures() { 600 } else { 3 } {
                let start = Instant::now();
                commit(&mut sqlite).await;
                commits.since(start);
                let start = Instant::now();
                question(&bot, text).await;
                questions.since(start);
                let event = support::said(&app, text);
                let start = Instant::now();
                bot.answer(&event, false).await;
                answers.since(start);
            }
            assert_eq!(double.asked().len(), 0, "the cache did not answer");
            println!("{what}: median / mean / 95th percentile");
            for (name, times) in
                [("one commit", &commits), ("question", &questions), ("answer alone", &answers)]
            {
                println!(
                    "  {name:<13} {} / {} / {}",
                    ms(times.median()),
                    ms(times.mean()),
                    ms(times.quantile(0.95))
                );
            }
            let beyond = questions.median().saturating_sub(commits.median());
            let ratio = questions.median().as_secs_f64() / commits.median().as_secs_f64();
            verdicts.line(
                &format!("a cached question about {what}, beyond one commit"),
                &ms(beyond),
                "<= 1 ms",
                beyond <= TARGET,
            );
            println!("  {ratio:.2} commits of SQLite itself");
        });
    }

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("question");
    group.sample_size(50);
    group.bench_function("one durable commit of SQLite", |bencher| {
        bencher.iter(|| runtime.block_on(commit(&mut sqlite)));
    });
    group.bench_function("answered from the cache, recorded and finished", |bencher| {
        bencher.iter(|| runtime.block_on(question(&bot, "what's the cpu on web-4?")));
    });
    group.bench_function("answered from the cache", |bencher| {
        let event = support::said(&app, "what's the cpu on web-4?");
        bencher.iter(|| runtime.block_on(bot.answer(&event, false)));
    });
    group.finish();
    criterion.final_summary();
    verdicts.end();
}
