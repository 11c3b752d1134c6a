//! The real program, run as a user runs it, in a directory of its own.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// One installation: its own configuration, database and logs.
pub struct Smartcloudops {
    directory: TempDir,
}

impl Smartcloudops {
    /// Watches this machine.
    pub fn here() -> Self {
        Self::configured("")
    }

    /// Asks this Prometheus-compatible server.
    pub fn asking(server: &str) -> Self {
        Self::configured(&format!("[metrics.prometheus]\nurl = \"{server}\"\ntimeout = \"10s\"\n"))
    }

    /// With these settings, and every word in its logs.
    pub fn talkative(settings: &str) -> Self {
        let bot = Self::configured(settings);
        let file = bot.directory().join("smartcloudops.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, text.replacen("[log]\n", "[log]\nlevel = \"trace\"\n", 1)).unwrap();
        bot
    }

    /// With these settings; the database and the logs stay in its own directory unless they say
    /// otherwise.
    pub fn configured(settings: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().display();
        let store = if settings.contains("[store]") {
            String::new()
        } else {
            format!("[store]\nurl = \"sqlite:{at}/bot.db\"\n")
        };
        let bot = "[bot]\ntimezone = \"UTC\"\n";
        let settings = match settings.split_once("[bot]\n") {
            Some((before, after)) => format!("{before}{bot}{after}"),
            None => format!("{bot}{settings}"),
        };
        let text = format!("[log]\ndirectory = \"{at}/logs\"\n{store}{settings}");
        std::fs::write(directory.path().join("smartcloudops.toml"), text).unwrap();
        Self { directory }
    }

    /// Where everything of it is.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A command of it, with standard input closed.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smartcloudops"));
        command
            .args(arguments)
            .env("SMARTCLOUDOPS_CONFIG", self.directory.path().join("smartcloudops.toml"))
            .env("HOME", self.directory.path())
            .env_remove("XDG_DATA_HOME")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_STATE_HOME")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Asks as the person at the console.
    pub fn ask(&self, question: &str) -> Output {
        self.run(&["ask", "--json", question])
    }

    /// Asks as somebody else.
    pub fn ask_as(&self, speaker: &str, question: &str) -> Output {
        self.run(&["ask", "--json", "--as", speaker, question])
    }
}

/// Asks a process we started to stop, as a service manager does. By the shell's own `kill`: the program
/// of that name is missing on a small system.
pub fn terminate(id: u32) {
    let asked = Command::new("sh").args(["-c", &format!("kill -TERM {id}")]).status().unwrap();
    assert!(asked.success(), "{asked}");
}

/// The JSON that was printed.
pub fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "{error}: {}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// The answer of a question that was answered.
pub fn answered(output: &Output) -> Value {
    let printed = json(output);
    assert_eq!(output.status.code(), Some(0), "{printed:#}");
    assert_eq!(printed["refusal"], Value::Null, "{printed:#}");
    printed["answer"].clone()
}

/// The refusal of a question that was refused with this exit code.
pub fn refused(output: &Output, code: i32) -> Value {
    let printed = json(output);
    assert_eq!(output.status.code(), Some(code), "{printed:#}");
    assert_eq!(printed["answer"], Value::Null, "{printed:#}");
    printed["refusal"].clone()
}
