//! What single words mean, and which word a mistyped one was meant to be.

mod table;
mod typos;

pub(super) use typos::correct;

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::LazyLock,
};

use crate::metrics::{Signal, Stat};

/// The meaning of one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Names something measured.
    Signal(Signal),
    /// Names the network or a transfer, direction still open.
    Network,
    /// "in", "incoming": a direction of the network.
    Inward,
    /// "out", "outgoing".
    Outward,
    /// "io", "throughput": of the disk, unless the network is named.
    Transfer,
    /// Room on a disk.
    Space,
    /// Carries nothing by itself.
    Filler,
    /// Before a host.
    Preposition,
    /// "in": before a place or a time.
    In,
    /// "the": may stand between a preposition and a host.
    Article,
    /// "and".
    And,
    /// Opens a question.
    Question,
    /// A verb that opens a question when it comes first: is, are, does.
    Auxiliary,
    /// Which number.
    Stat(Stat),
    /// "highest": a maximum, or the order of a table.
    Most,
    /// "lowest".
    Least,
    /// "free": turns most into least.
    Free,
    /// "top".
    Top,
    /// "bottom".
    Bottom,
    /// Asks for a picture.
    Chart,
    /// A host in general; whether more than one.
    Host(bool),
    /// Everything there is.
    All,
    /// "this", "here".
    This,
    /// Asks how things are.
    Health,
    /// Something unusual.
    Anomaly,
    /// Something that happened.
    Happened,
    /// An incident.
    Incident,
    /// Alerts and outages.
    Alert,
    /// Broken.
    Broken,
    /// A state of incidents.
    Open,
    /// A state of incidents.
    Acked,
    /// A state of incidents.
    Closed,
    /// In a few words.
    Summary,
    /// Log lines.
    Log,
    /// "lines".
    Lines,
    /// A service that writes logs and can be restarted.
    Service,
    /// Requests that wait.
    Approvals,
    /// What ran.
    Executions,
    /// Runbooks.
    Runbooks,
    /// "predict".
    Forecast,
    /// "full".
    Full,
    /// "busy".
    Busy,
    /// A small number in words.
    Number(u32),
    /// A unit of time: seconds and the letter it is written with.
    Unit(u64, char),
    /// "last", "past".
    Last,
    /// "since".
    Since,
    /// "ago".
    Ago,
    /// "half".
    Half,
    /// A day or a part of one, for "since …".
    Day(Day),
    /// "not".
    Negation,
    /// "if".
    Condition,
    /// "said".
    Reported,
    /// A verb that acts, in the imperative or as a noun.
    Act,
    /// The same verb in the past or as a participle: never a request.
    Acted,
    /// Something the bot does not know about, so that "cpu temperature" is not "cpu".
    OffTopic,
    /// "except".
    Except,
    /// "left", "remaining".
    Left,
    /// "by".
    By,
    /// "to".
    To,
}

/// A day, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Day {
    /// Today.
    Today,
    /// The day before.
    Yesterday,
    /// Parts of the day by the hour they begin at.
    Morning,
    /// From noon.
    Noon,
    /// From 18:00.
    Evening,
    /// From 18:00, yesterday while it is still early.
    Night,
    /// 00:00.
    Midnight,
    /// 0 is Monday.
    Weekday(u8),
}

/// FNV-1a: the words are short and the table is ours, so nobody can choose colliding keys.
#[derive(Default)]
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

type Map = HashMap<&'static str, Word, BuildHasherDefault<Fnv>>;

static WORDS: LazyLock<Map> = LazyLock::new(|| {
    let mut map = Map::default();
    for (word, spellings) in table::WORDS {
        for spelling in spellings.split_ascii_whitespace() {
            map.entry(spelling).or_insert(*word);
        }
    }
    map
});

/// The word itself, as the table has it, with what it means.
pub(super) fn entry(text: &str) -> Option<(&'static str, Word)> {
    WORDS.get_key_value(text).map(|(spelling, word)| (*spelling, *word))
}

/// What a word means.
pub(super) fn look_up(text: &str) -> Option<Word> {
    if text.len() > 24 {
        return None;
    }
    WORDS.get(text).copied()
}

/// A small number written in digits or as a word.
pub(super) fn number(text: &str, word: Option<Word>) -> Option<u32> {
    if let Some(Word::Number(number)) = word {
        return Some(number);
    }
    if text.len() <= 6 && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    None
}
