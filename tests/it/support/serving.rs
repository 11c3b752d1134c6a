//! The real program as it serves.

use std::{
    fs::File,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Child,
    time::{Duration, Instant},
};

#[cfg(any(feature = "discord", feature = "matrix", feature = "slack"))]
use sqlx::{Connection as _, SqliteConnection};

use super::bot::{Smartcloudops, terminate};

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// A running bot; it is ended with the test.
pub struct Serving {
    child: Child,
    pub port: u16,
    pub bot: Smartcloudops,
}

impl Serving {
    pub fn start(settings: &str) -> Self {
        let port = free_port();
        let bot = Smartcloudops::configured(&format!(
            "[http]\nlisten = \"127.0.0.1:{port}\"\n{settings}"
        ));
        Self::again(bot, port)
    }

    fn again(bot: Smartcloudops, port: u16) -> Self {
        let serving = Self { child: spawn(&bot), port, bot };
        serving.answers();
        serving
    }

    /// Kills it, and starts it again.
    pub fn dies_and_rises(&mut self) {
        self.dies();
        self.rises();
    }

    /// Kills it.
    pub fn dies(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again.
    pub fn rises(&mut self) {
        self.child = spawn(&self.bot);
        self.answers();
    }

    fn answers(&self) {
        let patience = Instant::now();
        while get(self.port, "/healthz").is_none() {
            assert!(patience.elapsed() < Duration::from_secs(30), "it never answered");
            std::thread::yield_now();
        }
    }

    /// Waits until the bot has counted something: a metric with its labels.
    #[cfg(any(feature = "discord", feature = "slack"))]
    pub fn counts(&self, metric: &str) {
        let patience = Instant::now();
        while !get(self.port, "/metrics").unwrap().1.contains(metric) {
            assert!(patience.elapsed() < Duration::from_secs(20), "never counted {metric}");
        }
    }

    /// Waits until the bot says so of a part of itself.
    #[cfg(any(feature = "discord", feature = "matrix", feature = "slack"))]
    pub fn becomes(&self, part: &str, holds: impl Fn(&serde_json::Value) -> bool) {
        let patience = Instant::now();
        loop {
            let (_, body) = get(self.port, "/readyz").unwrap();
            let ready: serde_json::Value = serde_json::from_str(&body).unwrap();
            if holds(&ready[part]) {
                return;
            }
            assert!(patience.elapsed() < Duration::from_mins(1), "never: {body}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where its database is.
    #[cfg(any(feature = "discord", feature = "matrix", feature = "slack"))]
    pub fn database(&self) -> String {
        format!("sqlite:{}", self.bot.directory().join("bot.db").display())
    }

    /// As if the claims of the dead had run out.
    #[cfg(any(feature = "discord", feature = "matrix", feature = "slack"))]
    pub async fn claims_run_out(&self) {
        let mut database = SqliteConnection::connect(&self.database()).await.unwrap();
        for expired in [
            "UPDATE inbox SET claimed_until = 0 WHERE state = 'pending'",
            "UPDATE outbox SET due_at = 0 WHERE state = 'waiting'",
        ] {
            sqlx::query(expired).execute(&mut database).await.unwrap();
        }
        database.close().await.unwrap();
    }

    /// What another process says that would serve with the same configuration, and ends.
    pub fn another(&self) -> String {
        let ended = self.bot.run(&["serve"]);
        assert!(!ended.status.success(), "{ended:?}");
        String::from_utf8_lossy(&ended.stderr).into_owned()
    }

    /// Asks it to stop; its exit code.
    pub fn stop(mut self) -> i32 {
        terminate(self.child.id());
        self.child.wait().unwrap().code().unwrap()
    }
}

fn spawn(bot: &Smartcloudops) -> Child {
    let log = bot.directory().join("serve.log");
    let log = File::options().create(true).append(true).open(log).unwrap();
    bot.command(&["serve"]).stderr(log).spawn().unwrap()
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
