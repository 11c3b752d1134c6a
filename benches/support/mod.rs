//! What the benches share: a Prometheus to ask, a bot that asks it, and the processor time it takes.
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench, where failing is panicking, and each bench uses a part of this"
)]

pub mod double;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use chat::{Assurance, Conversation, Inbound, MessageRef, Origin, Platform};
use smartcloudops::{app::App, clock::Clock, config::Config, people::console_user};

/// Whether this is a measurement (`cargo bench`) or only a try (`cargo test --benches`).
pub fn measures() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// The settings of a bot that asks this Prometheus and keeps everything in this directory.
pub fn settings(directory: &Path, prometheus: &str) -> Config {
    let at = directory.display();
    Config::parse(&format!(
        "[bot]\ntimezone = \"UTC\"\n[log]\ndirectory = \"{at}/logs\"\n\
         [store]\nurl = \"sqlite:{at}/bot.db\"\n\
         [metrics.prometheus]\nurl = \"{prometheus}\"\nscrape_interval = \"1h\"\n"
    ))
    .unwrap()
}

/// A bot with its database.
pub async fn app(directory: &Path, prometheus: &str) -> Arc<App> {
    App::build(settings(directory, prometheus), Clock::system()).await.unwrap()
}

/// The person at the console says this.
pub fn said(app: &App, text: &str) -> Inbound {
    let id = app.store.new_id();
    let from = console_user();
    let conversation = Conversation {
        platform: Platform::Console,
        workspace: from.workspace.clone(),
        channel: "bench".to_owned(),
        thread: None,
    };
    Inbound {
        id: id.clone(),
        display_name: from.user.clone(),
        from,
        message: MessageRef { conversation: conversation.clone(), message: id },
        conversation,
        text: text.to_owned(),
        origin: Origin::Addressed,
        edited: false,
        assurance: Assurance::Authenticated,
        at: app.clock.now(),
    }
}

/// The processor time of every thread of this process so far; zero where the kernel does not say.
pub fn processor_time() -> Duration {
    // A thread that runs is counted at the next switch, so let this one switch.
    std::thread::sleep(Duration::from_millis(1));
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return Duration::ZERO };
    let nanoseconds = |thread: std::fs::DirEntry| -> Option<u64> {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    Duration::from_nanos(threads.flatten().filter_map(nanoseconds).sum())
}

/// Times of many rounds of the same thing.
#[derive(Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Adds the time since this moment.
    pub fn since(&mut self, start: Instant) {
        self.0.push(start.elapsed());
    }

    /// The time that this share of the rounds took at most.
    pub fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        sorted[((sorted.len() - 1) as f64 * share).round() as usize]
    }

    /// The middle one.
    pub fn median(&self) -> Duration {
        self.quantile(0.5)
    }

    /// All rounds over their number.
    pub fn mean(&self) -> Duration {
        self.0.iter().sum::<Duration>() / self.0.len() as u32
    }
}

/// Milliseconds with three digits behind the point.
pub fn ms(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1000.0)
}

/// The targets, and whether any was missed.
#[derive(Default)]
pub struct Verdicts(bool);

impl Verdicts {
    /// Prints a figure beside its target.
    pub fn line(&mut self, what: &str, figure: &str, target: &str, met: bool) {
        self.0 |= !met;
        println!("{what:<58} {figure:>14}  {target:<14} {}", if met { "met" } else { "MISSED" });
    }

    /// Ends the process when a target was missed and this was a measurement.
    pub fn end(self) {
        if self.0 && measures() {
            std::process::exit(1);
        }
    }
}
