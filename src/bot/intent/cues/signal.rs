//! Which signal the words name, alone or together: "traffic out", "disk throughput", "how full".

use crate::metrics::{Signal, Stat};

use super::{Cues, Word, any, has};
use crate::bot::intent::tokens::Token;

/// The words that name a signal only together with others.
#[derive(Default)]
struct Parts {
    network: bool,
    inward: bool,
    outward: bool,
    transfer: bool,
    /// A transfer that can only be the disk's.
    disk_transfer: bool,
    space: bool,
    full: bool,
    busy: bool,
    load: bool,
}

impl Cues {
    /// Finds the signal asked for, and a second one.
    pub(super) fn find_signal(&mut self, tokens: &[Token<'_>]) {
        let (parts, mut found) = collect(tokens);
        self.find_flow(&parts, &mut found);
        if found.contains(&Signal::Swap) {
            // "swap memory" is swap.
            let beside = tokens.windows(2).any(|pair| {
                pair[0].word == Some(Word::Signal(Signal::Swap))
                    && matches!(pair[1].word, Some(Word::Signal(Signal::Memory | Signal::Disk)))
            });
            if beside {
                found.retain(|signal| *signal == Signal::Swap);
            }
        }
        if found.is_empty() {
            found.extend(self.implied(&parts, tokens));
        }
        self.signal = found.first().copied();
        self.other_signal = found.get(1).copied();
    }

    /// Network and disk transfers, by direction.
    fn find_flow(&mut self, parts: &Parts, found: &mut Vec<Signal>) {
        let out = parts.outward && !parts.inward;
        if parts.network || ((parts.inward || parts.outward) && found.is_empty()) {
            self.network_guessed = parts.network && !parts.inward && !parts.outward;
            found.retain(|signal| !(out && *signal == Signal::NetworkIn));
            found.insert(0, if out { Signal::NetworkOut } else { Signal::NetworkIn });
            if parts.inward && parts.outward {
                found.insert(1, Signal::NetworkOut);
            }
        } else if parts.transfer && found.contains(&Signal::Disk) {
            found.retain(|signal| *signal != Signal::Disk);
            found.insert(0, Signal::DiskIo);
        } else if parts.disk_transfer && found.is_empty() {
            found.push(Signal::DiskIo);
        }
    }

    /// The signal that is meant without being named.
    fn implied(&mut self, parts: &Parts, tokens: &[Token<'_>]) -> Option<Signal> {
        if parts.load {
            // "load average" is the name of the signal, not a wish for a mean.
            let name = tokens.windows(2).any(|pair| {
                matches!(pair[0].text, "load" | "loads")
                    && matches!(pair[1].text, "average" | "averages" | "avg")
            });
            if name && self.stat == Some(Stat::Avg) {
                self.stat = None;
            }
            return Some(Signal::Load);
        }
        let up = any(tokens, &["up", "running", "online", "alive", "on"]);
        let how_long = has(tokens, &["how", "long"]) || has(tokens, &["since", "when"]);
        let been =
            how_long && up && !parts.full && any(tokens, &["has", "have", "been", "is", "are"]);
        if any(tokens, &["boot", "booted", "boots"]) {
            self.unknown = self.unknown.saturating_sub(1);
            return Some(Signal::Uptime);
        }
        if been && !any(tokens, &["until"]) || up && any(tokens, &["longest", "shortest"]) {
            return Some(Signal::Uptime);
        }
        let full = parts.full || any(tokens, &["fullest"]);
        let path = tokens.iter().any(is_path);
        if (parts.space || full || path) && !self.incidents && !self.anomaly && !self.summary {
            return Some(Signal::Disk);
        }
        parts.busy.then_some(Signal::Cpu)
    }
}

/// "/data": where a file system is mounted.
pub(in crate::bot::intent) fn is_path(token: &Token<'_>) -> bool {
    token.text.len() > 1 && token.text.starts_with('/') && token.word.is_none()
}

/// The signals named outright, and the parts of the others.
fn collect(tokens: &[Token<'_>]) -> (Parts, Vec<Signal>) {
    let mut parts = Parts::default();
    let mut found: Vec<Signal> = Vec::new();
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| !token.used) {
        match token.word {
            Some(Word::Signal(Signal::Load)) => parts.load = true,
            Some(Word::Signal(signal)) if !found.contains(&signal) => found.push(signal),
            Some(Word::Network) => {
                parts.network |= token.text != "bytes"
                    || tokens
                        .iter()
                        .any(|other| matches!(other.word, Some(Word::Inward | Word::Outward)));
                // "network in on web-1", but not "network in prod".
                parts.inward |= tokens.get(at + 1).is_some_and(|next| {
                    next.word == Some(Word::In)
                        && !next.used
                        && tokens
                            .get(at + 2)
                            .is_none_or(|after| after.word == Some(Word::Preposition) || after.used)
                });
            }
            Some(Word::Inward) => parts.inward = true,
            Some(Word::Outward) => {
                // "run out" and "send me" are no direction.
                let after_network = at > 0 && tokens[at - 1].word == Some(Word::Network);
                parts.outward |= match token.text {
                    "send" | "sends" => {
                        let to_me =
                            tokens.get(at + 1).is_some_and(|next| matches!(next.text, "me" | "us"));
                        !to_me && tokens.iter().any(|other| other.word == Some(Word::Network))
                    }
                    "out" => after_network,
                    _ => true,
                };
            }
            Some(Word::Transfer) => {
                parts.transfer = true;
                parts.disk_transfer |= matches!(
                    token.text,
                    "io" | "i/o"
                        | "throughput"
                        | "reads"
                        | "writes"
                        | "read/write"
                        | "reads/writes"
                        | "r/w"
                );
            }
            Some(Word::Space) => parts.space = true,
            Some(Word::Full) => parts.full = true,
            Some(Word::Busy) => parts.busy = true,
            _ => {}
        }
    }
    (parts, found)
}
