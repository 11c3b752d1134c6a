//! What is told in a channel: `channel severity high`, `channel quiet 22:00-07:00`.

use super::{
    super::{ChannelChange, Intent, hosts::Hosts, tokens::Token},
    Parsed, Request, wanted,
};
use crate::anomaly::incident::{QuietHours, Severity};

const USAGE: &str = "Say what is to be told here: `channel incidents on`, `channel severity high`, `channel \
                     environment prod`, `channel quiet 22:00-07:00`, `channel quiet off`, or `channel reset`.";

/// Whether "channel" before this word speaks of what is told in it.
pub(in super::super) fn is_about_channels(word: &str) -> bool {
    matches!(word, "incidents" | "severity" | "environment" | "quiet" | "reset")
}

/// Whether somebody asks what is told in the channel.
pub(in super::super) fn asks_about_channel(tokens: &[Token<'_>]) -> bool {
    let words: Vec<_> = tokens.iter().map(|token| token.text).collect();
    matches!(words[..], ["channel"] | ["channel", "settings"])
}

impl Request<'_, '_> {
    /// What is told in the channel where it is said, and nothing else.
    pub(super) fn channel(&mut self) -> Parsed {
        let words: Vec<_> = self.tokens.iter().map(|token| token.text).collect();
        let any = |word: &str| matches!(word, "any" | "all");
        let change = match words[..] {
            ["incidents", "on"] => Some(ChannelChange::Incidents(true)),
            ["incidents", "off"] => Some(ChannelChange::Incidents(false)),
            ["severity", word] if any(word) => Some(ChannelChange::Severity(Severity::Low)),
            ["severity", word] => Severity::named(word).map(ChannelChange::Severity),
            ["environment", word] if any(word) => Some(ChannelChange::Environment(None)),
            ["environment", word] => {
                // As the machines are labelled, whatever the case that it was written in.
                let labels = self.fleet.hosts().iter().filter_map(|it| it.environment.as_deref());
                let known = labels.into_iter().find(|label| label.eq_ignore_ascii_case(word));
                let name = known.unwrap_or(self.tokens[1].raw).to_owned();
                Some(ChannelChange::Environment(Some(name)))
            }
            ["quiet", "off"] => Some(ChannelChange::Quiet(None)),
            ["quiet", ref hours @ ..] => {
                quiet(hours).map(|hours| ChannelChange::Quiet(Some(hours)))
            }
            ["reset"] => Some(ChannelChange::Reset),
            _ => None,
        };
        let usage = change.is_none().then(|| USAGE.to_owned());
        wanted(Intent::Channel { change }, Hosts::default(), usage)
    }
}

/// "22:00-07:00", "22:00 - 7", "from 22:00 to 07:00".
fn quiet(words: &[&str]) -> Option<QuietHours> {
    let words = words.iter().filter(|word| !matches!(**word, "from" | "to" | "-"));
    words.copied().collect::<Vec<_>>().join("-").parse().ok()
}
