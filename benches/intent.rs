//! How many questions per second one core reads, over a mix of what people say.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::allow_attributes,
    clippy::print_stdout,
    reason = "a bench, where failing is panicking"
)]

use std::{hint::black_box, time::Instant};

use chat::{Assurance, Conversation, Inbound, MessageRef, Origin, Platform, UserRef};
use chrono::{TimeZone, Utc};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use smartcloudops::{
    bot::intent::interpret,
    metrics::{Fleet, Host},
};

/// Typed commands, plain questions, typos, requests, talk: one of each kind, as they come.
const MIX: &[&str] = &[
    "cpu web-1 1h",
    "what's the cpu on web-1?",
    "hey bot, could you please tell me the memory usage of web-2 over the last 30 minutes?",
    "metric memory host=web-1,web-2 stat=max window=24h chart=true",
    "which host has the highest memory?",
    "top 3 hosts by cpu",
    "peak cpu on web-1 in the last 24 hours",
    "cpu since yesterday",
    "when will db-1's disk be full?",
    "how are the web servers",
    "status",
    "summarize the last 3 anomalies",
    "open incidents",
    "ack 12",
    "silence web-1 cpu 2h",
    "restart nginx on web-1",
    "should we restart nginx on web-1?",
    "approve 7F3K looks good",
    "show me the last 50 lines of nginx logs on web-1",
    "meomry usage of wbe-1",
    "cpu on web-99",
    "what's the weather like in Paris tomorrow?",
    "help",
    "memory of the workers in prod for the past two hours",
];

fn fleet() -> Fleet {
    let host = |name: String, role: &str, environment: &str| Host {
        name,
        role: Some(role.into()),
        environment: Some(environment.into()),
        up: true,
        ..Host::default()
    };
    let mut hosts = Vec::new();
    for number in 1..=10 {
        hosts.push(host(
            format!("web-{number}"),
            "web",
            if number < 8 { "prod" } else { "staging" },
        ));
    }
    for number in 1..=4 {
        hosts.push(host(format!("db-{number}"), "db", "prod"));
    }
    for number in 1..=6 {
        hosts.push(host(format!("worker-{number}"), "worker", "prod"));
    }
    Fleet::new(hosts)
}

fn event(text: &str) -> Inbound {
    let conversation = Conversation {
        platform: Platform::Console,
        workspace: "laptop".into(),
        channel: "terminal".into(),
        thread: None,
    };
    Inbound {
        id: "e1".into(),
        from: UserRef {
            platform: Platform::Console,
            workspace: "laptop".into(),
            user: "ana".into(),
        },
        display_name: "ana".into(),
        message: MessageRef { conversation: conversation.clone(), message: "m1".into() },
        conversation,
        text: text.into(),
        origin: Origin::Addressed,
        edited: false,
        assurance: Assurance::Authenticated,
        at: Utc.with_ymd_and_hms(2026, 3, 4, 15, 0, 0).unwrap(),
    }
}

fn questions(criterion: &mut Criterion) {
    let fleet = fleet();
    let now = chrono_tz::Europe::Berlin.with_ymd_and_hms(2026, 3, 4, 16, 0, 0).unwrap();
    let events: Vec<Inbound> = MIX.iter().map(|text| event(text)).collect();
    let rounds = 20_000;
    for event in &events {
        black_box(interpret(event, &fleet, now));
    }
    let start = Instant::now();
    for _ in 0..rounds {
        for event in &events {
            black_box(interpret(black_box(event), &fleet, now));
        }
    }
    let questions = f64::from(rounds) * events.len() as f64;
    println!("{:.0} questions/s on one core", questions / start.elapsed().as_secs_f64());
    if std::env::args().any(|argument| argument == "each") {
        for event in &events {
            let start = Instant::now();
            for _ in 0..rounds {
                black_box(interpret(black_box(event), &fleet, now));
            }
            println!(
                "{:8.0} ns  {}",
                start.elapsed().as_nanos() as f64 / f64::from(rounds),
                event.text
            );
        }
        return;
    }

    let mut group = criterion.benchmark_group("intent");
    group.throughput(Throughput::Elements(events.len() as u64));
    group.bench_function("mix", |bencher| {
        bencher.iter(|| {
            for event in &events {
                black_box(interpret(black_box(event), &fleet, now));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, questions);
criterion_main!(benches);
