//! Which word a mistyped one was meant to be.

use std::sync::LazyLock;

use crate::metrics::Signal;

use super::{Word, entry, table};

/// Words worth correcting: those that carry the question. Each at least four letters.
static CORRECTABLE: LazyLock<Vec<(u32, &'static str, Word)>> = LazyLock::new(|| {
    let mut words: Vec<_> = table::WORDS
        .iter()
        .filter(|(word, _)| carries(*word))
        .flat_map(|(word, spellings)| {
            spellings
                .split_ascii_whitespace()
                .filter(|spelling| {
                    spelling.len() >= 4
                        && spelling.bytes().all(|byte| byte.is_ascii_lowercase())
                        && !TOO_COMMON.contains(spelling)
                })
                .map(|spelling| (letters(spelling), spelling, *word))
        })
        .collect();
    for spelling in [
        "usage",
        "utilization",
        "utilisation",
        "percentage",
        "using",
        "much",
        "please",
        "show",
        "give",
    ] {
        words.push((letters(spelling), spelling, Word::Filler));
    }
    words
});

/// Whether a word carries the question.
fn carries(word: Word) -> bool {
    matches!(
        word,
        Word::Signal(_)
            | Word::Network
            | Word::Inward
            | Word::Outward
            | Word::Transfer
            | Word::Stat(_)
            | Word::Most
            | Word::Least
            | Word::Chart
            | Word::Host(_)
            | Word::Health
            | Word::Anomaly
            | Word::Incident
            | Word::Alert
            | Word::Summary
            | Word::Log
            | Word::Approvals
            | Word::Executions
            | Word::Runbooks
            | Word::Forecast
            | Word::Unit(..)
            | Word::Day(_)
            | Word::Free
            | Word::Busy
            | Word::Broken
            | Word::Question
            | Word::Last
            | Word::Since
    )
}

/// Words that too many other words resemble.
const TOO_COMMON: &[&str] = &[
    "rows", "reads", "send", "sends", "sent", "read", "write", "page", "pages", "fire", "dead",
    "fine", "good", "live", "mean", "last", "past", "short", "shape", "core", "cores", "loads",
    "loaded", "matter", "hung", "stuck", "best", "worst", "most", "least", "down", "bad", "well",
    "slow", "lines", "line", "tail", "drive", "drives", "draw", "image", "curve", "plot", "plots",
    "peak", "peaks", "node", "when", "where", "what", "which", "whats", "hows", "wheres", "whens",
    "noon", "pool", "tier", "brief", "state", "working", "writing", "reading", "written", "years",
    "year", "month", "second", "night", "feeling",
];

/// Which letters a word has, one bit each: a cheap bound below the edit distance.
fn letters(text: &str) -> u32 {
    text.bytes().fold(0, |mask, byte| mask | 1 << (u32::from(byte.wrapping_sub(b'a')) & 31))
}

/// The word that a mistyped one was meant to be, when there is exactly one nearest meaning.
pub(in crate::bot::intent) fn correct(text: &str) -> Option<(&'static str, Word)> {
    if text == "cup" {
        return Some(("cpu", Word::Signal(Signal::Cpu)));
    }
    if text.len() < 4 || text.len() > 16 || !text.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return None;
    }
    let bytes = text.as_bytes();
    if bytes.windows(2).any(|pair| pair[0] == pair[1]) {
        let mut single = text.to_owned();
        let mut last = ' ';
        single.retain(|c| std::mem::replace(&mut last, c) != c);
        let found = entry(&single).filter(|(_, word)| single.len() >= 3 && carries(*word));
        if found.is_some() {
            return found;
        }
    }
    let mask = letters(text);
    let mut best: Option<(usize, &'static str, Word)> = None;
    for (candidate_mask, candidate, word) in CORRECTABLE.iter() {
        let long = if matches!(word, Word::Day(_)) { 7 } else { 8 };
        let allowed = if text.len() >= long { 2 } else { 1 };
        if candidate.len().abs_diff(text.len()) > allowed
            || (candidate_mask ^ mask).count_ones() as usize > 2 * allowed
        {
            continue;
        }
        let first = candidate.as_bytes()[0];
        if first != bytes[0] && first != bytes[1] {
            continue;
        }
        let distance = strsim::osa_distance(candidate, text);
        if distance > allowed {
            continue;
        }
        match best {
            Some((nearest, ..)) if nearest < distance => {}
            Some((nearest, _, is)) if nearest == distance && is != *word => return None,
            Some((nearest, ..)) if nearest == distance => {}
            _ => best = Some((distance, candidate, *word)),
        }
    }
    best.map(|(_, spelling, word)| (spelling, word))
}
