//! What is kept over a restart: where the gateway is to go on, how often the bot identified itself, and which
//! interactions still can be answered.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::interactions::Kept;

/// Discord takes a token away that identifies itself 1,000 times in a day
/// (<https://docs.discord.com/developers/events/gateway#rate-limiting>).
const IDENTIFIES_A_DAY: usize = 900;
const DAY: TimeDelta = TimeDelta::hours(24);
/// Within this time the pauses between two identifications grow.
const STORM: TimeDelta = TimeDelta::hours(1);
/// Identifications in that time that are nothing unusual.
const FREE: usize = 3;
/// Discord takes one in five seconds.
const SHORTEST_PAUSE: TimeDelta = TimeDelta::seconds(5);
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(5);

/// A session of the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// Its name.
    pub(crate) id: String,
    /// Where it is resumed.
    pub(crate) resume_url: String,
    /// The number of the last event that is recorded.
    pub(crate) recorded: u64,
}

/// Everything that is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// The session, while there is one to resume.
    #[serde(default)]
    pub(crate) session: Option<Session>,
    /// When the bot identified itself, of the last day.
    #[serde(default)]
    pub(crate) identifies: Vec<DateTime<Utc>>,
    /// Interactions that still can be answered.
    #[serde(default)]
    pub(crate) interactions: Vec<Kept>,
}

impl Memory {
    /// Reads it; what is not there or not readable is forgotten, which costs a new session.
    pub(crate) fn read(file: &Path) -> Self {
        let read = match fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::default(),
            Err(error) => Err(error),
        };
        read.unwrap_or_else(|error| {
            tracing::warn!(%error, file = %file.display(), "what was known of Discord is forgotten");
            Self::default()
        })
    }

    /// Writes it: whole, or not at all. Only the bot's user may read it.
    pub(crate) fn write(&self, file: &Path) -> io::Result<()> {
        let fresh = PathBuf::from(format!("{}.new", file.display()));
        let mut options = fs::File::options();
        options.create(true).write(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&fresh)?.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(fresh, file)
    }

    /// How long the bot has to wait before it identifies itself again.
    pub(crate) fn wait_to_identify(&self, now: DateTime<Utc>) -> Option<Duration> {
        let since = |age: TimeDelta| self.identifies.iter().filter(move |at| now - **at < age);
        let of_today = since(DAY).count();
        let until = if of_today >= IDENTIFIES_A_DAY {
            // So many of them have to be over a day old.
            *since(DAY).nth(of_today - IDENTIFIES_A_DAY)? + DAY
        } else {
            let many = since(STORM).count().saturating_sub(FREE).min(16) as u32;
            *self.identifies.last()? + (SHORTEST_PAUSE * 2_i32.pow(many)).min(LONGEST_PAUSE)
        };
        (until - now).to_std().ok().filter(|wait| !wait.is_zero())
    }

    /// The bot identifies itself now.
    pub(crate) fn identifies_now(&mut self, now: DateTime<Utc>) {
        self.identifies.retain(|at| now - *at < DAY);
        self.identifies.push(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn what_is_written_is_read_again_and_rubbish_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("discord.json");
        assert_eq!(Memory::read(&file), Memory::default());
        let mut memory = Memory::default();
        memory.identifies_now(at(1));
        memory.session =
            Some(Session { id: "s".into(), resume_url: "wss://x".into(), recorded: 7 });
        memory.write(&file).unwrap();
        assert_eq!(Memory::read(&file), memory);
        fs::write(&file, "{").unwrap();
        assert_eq!(Memory::read(&file), Memory::default());
    }

    #[test]
    fn a_crash_loop_identifies_itself_less_and_less_often() {
        let (mut memory, mut now) = (Memory::default(), at(0));
        let mut count = 0;
        while now < at(3_600) {
            if memory.wait_to_identify(now).is_none() {
                memory.identifies_now(now);
                count += 1;
            }
            now += TimeDelta::seconds(1);
        }
        assert!((10..25).contains(&count), "{count} in an hour");
    }

    #[test]
    fn a_day_has_an_end_of_it() {
        let mut memory = Memory::default();
        for minute in 0..900 {
            memory.identifies_now(at(60 * minute));
        }
        let now = at(60 * 1_000);
        let wait = memory.wait_to_identify(now).unwrap();
        assert_eq!(wait, Duration::from_mins(24 * 60 - 1_000));
        assert_eq!(memory.wait_to_identify(at(24 * 3_600)), None);
    }
}
