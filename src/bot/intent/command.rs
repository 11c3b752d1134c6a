//! Requests that change something: each verb with its own strict grammar. A word that is not
//! understood makes the whole text a non-request, because half a request is another request.

mod channels;
mod incidents;
mod machines;
mod people;

pub(super) use channels::{asks_about_channel, is_about_channels};
use incidents::Work;
use people::code_at;

use chat::Inbound;
use chrono::DateTime;

use crate::metrics::{Fleet, Signal, Window};

use super::{
    ActionName, Intent, Interpretation,
    hosts::{self, Hosts, Reading},
    imperative::{self, Verb},
    lexicon::{self, Word},
    options::Options,
    tokens::{Text, Token},
};

/// What the strict grammar says about a text that begins with a verb.
pub(super) enum Parsed {
    /// This is what is wanted.
    Wanted(Interpretation),
    /// The words after the verb are not those of a request.
    Other,
}

/// Everything a request is read from.
pub(super) struct Request<'r, 'a> {
    /// Who said it, where.
    pub event: &'r Inbound,
    /// The whole text.
    pub text: &'a Text,
    /// The words after the verb.
    pub tokens: &'r mut [Token<'a>],
    /// What is written as options.
    pub options: &'r Options<'a>,
    /// The hosts there are.
    pub fleet: &'r Fleet,
    /// A length of time that was named.
    pub window: Option<Window>,
    /// The verb is all that was said.
    pub bare: bool,
    /// What time it is.
    pub now: DateTime<chrono_tz::Tz>,
}

/// Reads what follows the verb.
pub(super) fn read(verb: Verb, mut request: Request<'_, '_>) -> Parsed {
    match verb {
        Verb::Restart => request.restart(),
        Verb::Reboot => request.power(ActionName::Reboot),
        Verb::Start => request.power(ActionName::Start),
        Verb::Stop => request.power(ActionName::Stop),
        Verb::Scale => request.scale(),
        Verb::Add => request.add(1),
        Verb::Remove => match request.add(-1) {
            Parsed::Other => request.access(false),
            found @ Parsed::Wanted(_) => found,
        },
        Verb::Free => request.free_disk(),
        Verb::Approve | Verb::Reject => request.decide(verb == Verb::Approve),
        Verb::Grant => request.access(true),
        Verb::Revoke => request.access(false),
        Verb::Acknowledge => request.incident(Work::Acknowledge),
        Verb::Resolve => request.incident(Work::Resolve),
        Verb::Unacknowledge => request.incident(Work::Unacknowledge),
        Verb::Feedback(verdict) => request.feedback(verdict),
        Verb::NewNormal(answer) => request.new_normal(answer),
        Verb::Silence => request.silence(),
        Verb::Channel => request.channel(),
        Verb::Verify => request.verify(),
    }
}

/// An option that does not belong to the verb: an effect never ignores what was said.
pub(super) fn stray_option(verb: Verb, options: &Options<'_>) -> Option<String> {
    const WHERE: [&str; 4] = ["host", "group", "role", "environment"];
    let (places, own): (&[&str], &[&str]) = match verb {
        Verb::Restart | Verb::Reboot | Verb::Start | Verb::Stop | Verb::Free => {
            (&WHERE, &["service", "incident", "action", "reason"])
        }
        Verb::Scale => (&[], &["group", "count", "delta", "incident", "action", "reason"]),
        Verb::Approve | Verb::Reject => (&[], &["code", "reason"]),
        Verb::Add | Verb::Remove | Verb::Grant | Verb::Revoke => {
            (&[], &["role", "user", "environment"])
        }
        Verb::Acknowledge | Verb::Unacknowledge | Verb::Resolve => (&WHERE, &["incident"]),
        Verb::Silence => (&WHERE, &["incident", "metric", "window"]),
        Verb::Feedback(_) | Verb::NewNormal(_) => (&[], &["incident"]),
        Verb::Channel | Verb::Verify => (&[], &[]),
    };
    let all: Vec<&str> = places.iter().chain(own).copied().collect();
    if let Some(key) = options.other_than(&all) {
        return Some(format!("The option `{key}` does not belong here; say it without."));
    }
    let action = options.get("action")?;
    (imperative::verb(action.value) != Some(verb))
        .then(|| "That names two actions; ask for one at a time.".to_owned())
}

/// Where the reason begins, for the verbs that take one.
pub(super) fn reason_at(verb: Verb, tokens: &[Token<'_>], rest: usize) -> Option<usize> {
    if verb == Verb::Resolve {
        return note_at(tokens, rest);
    }
    if !matches!(verb, Verb::Approve | Verb::Reject) {
        return None;
    }
    let written = tokens.iter().position(|token| {
        token.text.starts_with("reason=") || matches!(token.text, "--reason" | "-reason")
    });
    written.or_else(|| code_at(tokens.get(rest..)?).map(|(at, _)| rest + at)).map(|at| at + 1)
}

/// Where the words begin that say what fixed an incident: after its number, when there are any
/// that are more than courtesy.
pub(super) fn note_at(tokens: &[Token<'_>], rest: usize) -> Option<usize> {
    let noun = tokens.get(rest).is_some_and(|token| token.word == Some(Word::Incident));
    let at = rest + usize::from(noun);
    let id = tokens.get(at)?;
    let after = tokens.get(at + 1..)?;
    // "mark 7 as done" is no note, and an option is none either.
    let first = after.first().is_some_and(|it| it.text != "as" && !it.text.starts_with('-'));
    let says = after.iter().any(|token| !token.used && !is_empty(token));
    (is_id(id.text, true) && first && says).then_some(at + 1)
}

impl Request<'_, '_> {
    /// Takes the hosts out of the words and the options. "All hosts" and "here" become names, so
    /// that an effect always says what it touches.
    fn hosts(&mut self) -> Hosts {
        let mut hosts = hosts::take(self.tokens, self.options, self.fleet, Reading::Effect);
        // "Everything" alone is no list of hosts; "all hosts" is.
        hosts.all &= self
            .tokens
            .iter()
            .any(|token| matches!(token.word, Some(Word::Host(_))) || token.text == "fleet")
            || self.options.get("host").is_some();
        let one = self.fleet.hosts().len() == 1;
        if hosts.names.is_empty() && (hosts.all || (hosts.here && one)) {
            hosts.names = self.fleet.hosts().iter().map(|host| host.name.clone()).collect();
        }
        hosts
    }

    /// The incident a request refers to: `incident 12`, `INC-12`, `incident=12`.
    fn incident_id(&mut self, bare: bool) -> Option<String> {
        if let Some(setting) = self.options.get("incident") {
            return Some(id(setting.raw));
        }
        let mut found = None;
        for at in 0..self.tokens.len() {
            let token = self.tokens[at];
            if token.used {
                continue;
            }
            let after_noun = at > 0 && self.tokens[at - 1].word == Some(Word::Incident);
            if is_id(token.text, bare || after_noun) || hosts::is_incident_id(token.text) {
                if found.is_some() {
                    return None;
                }
                self.tokens[at].used = true;
                if after_noun {
                    self.tokens[at - 1].used = true;
                }
                found = Some(id(token.raw));
            }
        }
        found
    }

    /// Whether every word left carries nothing.
    fn nothing_left(&self, also: impl Fn(&Token<'_>) -> bool) -> bool {
        self.tokens
            .iter()
            .enumerate()
            .all(|(at, token)| token.used || is_empty(token) && !self.is_vague(at) || also(token))
    }

    /// "a web server", "some workers": not all of them, and not said which.
    fn is_vague(&self, at: usize) -> bool {
        matches!(self.tokens[at].text, "a" | "an" | "some" | "any" | "another" | "both")
            && self
                .tokens
                .get(at + 1)
                .is_some_and(|next| next.used && self.fleet.find(next.text).is_none())
    }

    fn example_host(&self) -> &str {
        self.fleet.hosts().first().map_or("web-1", |host| host.name.as_str())
    }
}

fn wanted(intent: Intent, hosts: Hosts, usage: Option<String>) -> Parsed {
    Parsed::Wanted(Interpretation {
        intent,
        notes: hosts.notes,
        unknown_hosts: hosts.unknown,
        usage,
    })
}

/// Whether a word left over changes nothing.
fn is_empty(token: &Token<'_>) -> bool {
    matches!(
        token.word,
        Some(
            Word::Preposition
                | Word::In
                | Word::Article
                | Word::Host(_)
                | Word::All
                | Word::This
                | Word::And
        )
    ) || matches!(
        token.text,
        "please"
            | "some"
            | "pls"
            | "plz"
            | "kindly"
            | "now"
            | "immediately"
            | "asap"
            | "thanks"
            | "thank"
            | "you"
            | "thx"
            | "right"
            | "away"
            | "me"
            | "us"
            | "a"
            | "an"
            | "again"
            | "our"
            | "my"
            | "its"
            | "too"
            | "bot"
            | "quickly"
            | "just"
            | "maintenance"
            | "both"
            | "cheers"
            | "very"
            | "much"
            | "mate"
            | "real"
            | "quick"
            | "named"
            | "called"
            | "to"
    )
}

/// A service or group name: what a unit file may be called.
fn is_service(text: &str) -> bool {
    text.len() >= 2
        && text.len() <= 64
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@'))
}

/// Whether a word is an incident's id: `12`, `#12`, `INC-12`; after "incident" anything with a digit.
pub(super) fn is_id(text: &str, bare: bool) -> bool {
    if let Some(rest) = text.strip_prefix('#') {
        return !rest.is_empty()
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    }
    hosts::is_incident_id(text)
        || bare
            && text.len() <= 40
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && !text.is_empty()
}

/// An incident's id as it is kept.
pub(super) fn id(raw: &str) -> String {
    raw.trim_start_matches('#').chars().take(40).collect()
}

/// The signal that one word names.
pub(super) fn signal(text: &str) -> Option<Signal> {
    match lexicon::look_up(text)? {
        Word::Signal(signal) => Some(signal),
        Word::Network => Some(Signal::NetworkIn),
        Word::Transfer => Some(Signal::DiskIo),
        _ => None,
    }
}
