//! The status of 1,000 hosts: how often Prometheus is asked, and the processor time it takes here.
#![allow(
    missing_docs,
    clippy::allow_attributes,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench, where failing is panicking"
)]

mod support;

use std::{
    collections::BTreeMap,
    hint::black_box,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::Criterion;
use smartcloudops::{
    app::App,
    bot::{Bot, Reply},
    meters::Meters,
    metrics::Metrics,
};
use support::{
    Times, Verdicts,
    double::{Double, HOSTS},
    measures, ms, processor_time,
};

/// Of processor time, for the whole answer.
const TARGET: Duration = Duration::from_millis(50);

/// The same bot without anything in its cache.
fn fresh(app: &App, directory: &std::path::Path, url: &str) -> Bot {
    let config = support::settings(directory, url);
    let metrics = Metrics::new(&config.metrics, app.zone, &app.clock).unwrap();
    Bot::new(Arc::new(App {
        config,
        zone: app.zone,
        clock: app.clock.clone(),
        store: app.store.clone(),
        metrics,
        meters: Meters::new(),
        recent: smartcloudops::incidents::Recent::default(),
    }))
}

async fn status(bot: &Bot) -> Reply {
    let reply = bot.answer(&support::said(bot.app(), "status"), false).await;
    let answer = reply.outcome.as_ref().unwrap();
    assert!(answer.evidence.iter().all(|evidence| evidence.values.len() >= HOSTS));
    reply
}

/// What promtool takes to ask the same questions and print the answers, when it is installed.
fn promtool(url: &str, questions: &BTreeMap<String, u64>) -> Option<Duration> {
    let before = children();
    for question in questions.keys() {
        let done = Command::new("promtool")
            .args(["query", "instant", url, question])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !done.ok()?.success() {
            return None;
        }
    }
    Some(children().saturating_sub(before))
}

/// The processor time of processes that were started here and ended, in hundredths of a second.
fn children() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: u64 = fields.skip(13).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn main() {
    support::double::be_one_if_asked();
    let double = Double::start();
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let app = runtime.block_on(support::app(directory.path(), &double.url));
    let mut verdicts = Verdicts::default();
    let fresh = || fresh(&app, directory.path(), &double.url);

    runtime.block_on(status(&fresh()));
    let asked = double.asked();
    println!("The status of {HOSTS} hosts asks:");
    for (question, times) in &asked {
        println!("  {times} x {}", question.chars().take(90).collect::<String>());
    }
    let most = asked.values().max().copied().unwrap_or(0);
    verdicts.line("queries per signal, at most", &most.to_string(), "<= 1", most == 1);

    let rounds = if measures() { 50 } else { 2 };
    let (mut used, mut times) = (Duration::ZERO, Times::default());
    for _ in 0..rounds {
        let bot = fresh();
        let before = processor_time();
        let start = Instant::now();
        runtime.block_on(status(&bot));
        times.since(start);
        used += processor_time().saturating_sub(before);
    }
    let used = used / rounds;
    println!("{rounds} answers with an empty cache: {} each at the median", ms(times.median()));
    verdicts.line("processor time of one status", &ms(used), "<= 50 ms", used <= TARGET);
    double.asked();
    if let Some(peer) = promtool(&double.url, &asked) {
        println!(
            "promtool, asking the same {} questions one by one: {}, {:.1} times as much",
            asked.len(),
            ms(peer),
            peer.as_secs_f64() / used.as_secs_f64()
        );
    }

    let bot = fresh();
    let reply = runtime.block_on(status(&bot));
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("status of 1,000 hosts");
    group.sample_size(30);
    group.bench_function("asked", |bencher| {
        bencher.iter_batched(
            fresh,
            |bot| runtime.block_on(status(&bot)),
            criterion::BatchSize::PerIteration,
        );
    });
    group.bench_function("from the cache", |bencher| {
        bencher.iter(|| runtime.block_on(status(&bot)));
    });
    group.bench_function("from the cache, as text", |bencher| {
        bencher.iter(|| black_box(chat::text(&reply.card, chat::Style::Plain)));
    });
    group.bench_function("one signal from the cache", |bencher| {
        let event = support::said(bot.app(), "top 10 hosts by cpu");
        bencher.iter(|| runtime.block_on(bot.answer(&event, false)));
    });
    group.finish();
    criterion.final_summary();
    verdicts.end();
}
