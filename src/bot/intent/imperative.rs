//! May this text act? Only a plain imperative may: one sentence, in the speaker's own voice, here
//! and now. Everything that could be something else is read as something else.

use chat::{Inbound, Origin};

use super::{
    Feedback, Normality, command, hosts,
    lexicon::Word,
    tokens::{Marks, Text, Token},
};

/// What an imperative asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Restart a service or a host.
    Restart,
    /// Restart a host.
    Reboot,
    /// Start a host.
    Start,
    /// Stop a host.
    Stop,
    /// Change how many hosts a group has.
    Scale,
    /// "add 2 workers".
    Add,
    /// "remove 2 workers", "remove operator from …".
    Remove,
    /// Delete what may be deleted on a disk.
    Free,
    /// Let a request run.
    Approve,
    /// Refuse a request.
    Reject,
    /// Give a role.
    Grant,
    /// Take a role away.
    Revoke,
    /// Take somebody's identity for theirs.
    Verify,
    /// Take an incident.
    Acknowledge,
    /// Give an incident back.
    Unacknowledge,
    /// Stop alerting.
    Silence,
    /// Close an incident.
    Resolve,
    /// Say what they think of an incident, or take it back.
    Feedback(Option<Feedback>),
    /// Say whether an incident is the new normal, or take it back.
    NewNormal(Option<Normality>),
    /// Say what is told in a channel.
    Channel,
}

/// Where a request begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    /// The verb.
    pub verb: Verb,
    /// The first word after it.
    pub rest: usize,
    /// The verb was corrected: what it was read as.
    pub corrected: Option<&'static str>,
    /// The word is a verb of this bot and of little else, so that a text that begins with it is a
    /// request even where its arguments are not understood.
    pub strong: bool,
    /// Asked as a favour, "can you …?", so that a question mark is polite and not a question.
    pub polite: bool,
}

/// The verb that opens the text, if the text addresses the bot with one.
pub(super) fn opening(tokens: &[Token<'_>]) -> Option<Opening> {
    let (at, polite) = start(tokens);
    let token = tokens.get(at)?;
    if token.quoted {
        return None;
    }
    let next = |offset: usize| tokens.get(at + offset).map_or("", |token| token.text);
    let (verb, words) = match (token.text, next(1)) {
        ("remediate", _) => remediation(&tokens[at + 1..])?,
        ("mark", _) => match tokens.last()?.word {
            Some(Word::Acked) => (Verb::Acknowledge, 1),
            Some(Word::Closed) => (Verb::Resolve, 1),
            _ if tokens.last()?.text == "done" => (Verb::Resolve, 1),
            _ if tokens.last()?.text == "normal" => (Verb::NewNormal(Some(Normality::Accepted)), 1),
            _ => return None,
        },
        ("i" | "i'll", "take") if next(2) == "incident" || hosts::is_incident_id(next(2)) => {
            (Verb::Acknowledge, 2)
        }
        ("channel", what) if command::is_about_channels(what) => (Verb::Channel, 1),
        // "Verify that the disk is fine" is talk.
        ("verify", who) if who.contains(':') => (Verb::Verify, 1),
        ("expected", id) if names_incident(id) => (Verb::Feedback(Some(Feedback::Expected)), 1),
        ("useful", id) if names_incident(id) => (Verb::Feedback(Some(Feedback::Useful)), 1),
        ("false", "alarm") if names_incident(next(2)) => {
            (Verb::Feedback(Some(Feedback::FalseAlarm)), 2)
        }
        ("accept", id) if names_incident(id) => (Verb::NewNormal(Some(Normality::Accepted)), 1),
        ("watch", id) if names_incident(id) => (Verb::NewNormal(Some(Normality::Watched)), 1),
        ("keep" | "continue", "watching") if names_incident(next(2)) => {
            (Verb::NewNormal(Some(Normality::Watched)), 2)
        }
        ("undo", "accept" | "watch") if names_incident(next(2)) => (Verb::NewNormal(None), 2),
        ("undo", "ack" | "acknowledge") => (Verb::Unacknowledge, 2),
        ("give", "back") if names_incident(next(2)) => (Verb::Unacknowledge, 2),
        ("give", id) if names_incident(id) && tokens.last()?.text == "back" => {
            (Verb::Unacknowledge, 1)
        }
        ("release", id) if names_incident(id) => (Verb::Unacknowledge, 1),
        ("undo", "feedback" | "vote") => (Verb::Feedback(None), 2),
        ("undo", id) if id.is_empty() || names_incident(id) => (Verb::Feedback(None), 1),
        ("shut" | "power" | "turn", "down" | "off") => (Verb::Stop, 2),
        ("power" | "turn", "on") | ("start" | "boot", "up") => (Verb::Start, 2),
        ("power", "cycle") => (Verb::Reboot, 2),
        ("scale", "up" | "out" | "down" | "in") => (Verb::Scale, 1),
        ("free" | "clean" | "clear", "up" | "out") => (Verb::Free, 2),
        ("take", "incident") => (Verb::Acknowledge, 1),
        ("take", "away") => (Verb::Revoke, 2),
        ("stop", "alerting" | "notifying" | "paging" | "alerts" | "notifications") => {
            (Verb::Silence, 2)
        }
        ("stop", "sending") if next(2) == "alerts" || next(3) == "alerts" => (Verb::Silence, 2),
        ("shut", "up") if next(2) == "about" => (Verb::Silence, 2),
        (text, _) => (verb(text)?, 1),
    };
    let strong = is_strong(token.text) || token.text == "remediate" || verb == Verb::Reboot;
    Some(Opening { verb, rest: at + words, corrected: None, strong, polite })
}

fn names_incident(text: &str) -> bool {
    text == "incident" || command::is_id(text, true)
}

/// After "remediate": the action, alone or as an option, and how many words name it.
fn remediation(rest: &[Token<'_>]) -> Option<(Verb, usize)> {
    let first = rest.first()?;
    let (action, words) = if let Some(verb) = verb(first.text) {
        (verb, 2)
    } else {
        let at = rest.iter().position(|token| {
            token.text.trim_start_matches('-').strip_prefix("action").is_some_and(|rest| {
                rest.is_empty() && token.text.starts_with('-') || rest.starts_with('=')
            })
        })?;
        let value = rest[at].text.split_once('=').map(|(_, value)| value);
        (verb(value.or_else(|| Some(rest.get(at + 1)?.text))?)?, 1)
    };
    let acts = matches!(
        action,
        Verb::Restart | Verb::Reboot | Verb::Start | Verb::Stop | Verb::Scale | Verb::Free
    );
    acts.then_some((action, words))
}

/// The same, for a verb with one letter wrong, left out or doubled.
pub(super) fn mistyped_opening(tokens: &[Token<'_>]) -> Option<Opening> {
    const VERBS: [&str; 9] = [
        "restart",
        "reboot",
        "approve",
        "reject",
        "revoke",
        "silence",
        "resolve",
        "acknowledge",
        "unacknowledge",
    ];
    let (at, polite) = start(tokens);
    let token = tokens.get(at)?;
    // "restarts" and "approved" are words of their own,
    // and a look-alike letter is no slip at all.
    if !token.text.bytes().all(|byte| byte.is_ascii_lowercase())
        || token.word.is_some()
        || token.quoted
        || token.text.len() < 5
        || token.text.len() > 13
    {
        return None;
    }
    let meant = VERBS.into_iter().find(|verb| {
        verb.as_bytes()[0] == token.text.as_bytes()[0]
            && verb.len().abs_diff(token.text.len()) <= 1
            && !token.text.starts_with(verb)
            && strsim::osa_distance(verb, token.text) == 1
    })?;
    // A last letter more is another form of the verb, not a slip.
    if token.text.ends_with('d') || token.text.ends_with('s') && meant != "resolve" {
        return None;
    }
    Some(Opening { verb: verb(meant)?, rest: at + 1, corrected: Some(meant), strong: true, polite })
}

fn is_strong(text: &str) -> bool {
    matches!(
        text,
        "restart"
            | "reboot"
            | "scale"
            | "approve"
            | "reject"
            | "deny"
            | "decline"
            | "grant"
            | "revoke"
            | "ack"
            | "acknowledge"
            | "unack"
            | "unacknowledge"
            | "silence"
            | "snooze"
            | "mute"
            | "resolve"
            | "shutdown"
            | "restart_service"
            | "free_disk"
    )
}

/// The verb that a word is.
pub(super) fn verb(text: &str) -> Option<Verb> {
    Some(match text {
        "restart" | "bounce" | "restart_service" => Verb::Restart,
        "reboot" => Verb::Reboot,
        "start" => Verb::Start,
        "stop" | "shutdown" | "halt" | "poweroff" => Verb::Stop,
        "scale" | "resize" | "increase" | "decrease" | "grow" | "shrink" => Verb::Scale,
        "add" => Verb::Add,
        "remove" => Verb::Remove,
        "free" | "clean" | "clear" | "free_disk" | "cleanup" => Verb::Free,
        "approve" => Verb::Approve,
        "reject" | "deny" | "decline" => Verb::Reject,
        "grant" | "give" | "make" => Verb::Grant,
        "revoke" => Verb::Revoke,
        "ack" | "acknowledge" => Verb::Acknowledge,
        "unack" | "un-ack" | "unacknowledge" | "un-acknowledge" => Verb::Unacknowledge,
        "silence" | "snooze" | "mute" => Verb::Silence,
        "resolve" | "close" => Verb::Resolve,
        _ => return None,
    })
}

/// Skips greetings and "could you please": where the first real word is.
pub(super) fn start(tokens: &[Token<'_>]) -> (usize, bool) {
    let mut at = 0;
    while tokens.get(at).is_some_and(|token| !token.quoted && is_address(token.text)) {
        at += 1;
    }
    let mut polite = false;
    if let (Some(can), Some(you)) = (tokens.get(at), tokens.get(at + 1))
        && matches!(can.text, "can" | "could" | "would")
        && matches!(you.text, "you" | "u")
        // "Would you reboot it?" may ask for advice.
        && (can.text != "would" || tokens.iter().any(|token| is_please(token.text)))
    {
        polite = true;
        at += 2;
    }
    loop {
        let next = |offset: usize| tokens.get(at + offset).map_or("", |token| token.text);
        if is_please(next(0)) || matches!(next(0), "now" | "just") {
            at += 1;
        } else if (next(0), next(1), next(2)) == ("go", "ahead", "and") {
            at += 3;
        } else {
            break;
        }
    }
    (at, polite)
}

fn is_please(text: &str) -> bool {
    matches!(text, "please" | "pls" | "plz" | "kindly")
}

/// Brings "on web-1, restart nginx" into the order of the grammar. Without the comma it may be a
/// sentence: "on web-1 restart fails".
pub(super) fn turn_around(tokens: &mut [Token<'_>]) {
    let (at, _) = start(tokens);
    let rest = tokens.get_mut(at..).unwrap_or_default();
    if rest.first().is_none_or(|first| first.text != "on") {
        return;
    }
    let commas = (0..rest.len().min(12)).filter(|at| rest[*at].comma);
    let begins = commas.map(|at| at + 1).find(|at| opening(&rest[*at..]).is_some());
    if let Some(begins) = begins {
        rest.rotate_left(begins);
    }
}

fn is_address(text: &str) -> bool {
    is_please(text)
        || matches!(
            text,
            "hey"
                | "hi"
                | "hello"
                | "yo"
                | "ok"
                | "okay"
                | "yes"
                | "bot"
                | "ops"
                | "there"
                | "@bot"
                | "@ops"
                | "smartcloudops"
                | "@smartcloudops"
                | "opsbot"
                | "@opsbot"
                | "cloudops"
                | "alright"
                | "dear"
                | "now"
        )
}

/// Why a text that begins with a verb must not act; `None` when it may.
///
/// `reason` is where free words begin, as in "approve 7F3K looks good": there a quote is harmless.
pub(super) fn objection(
    event: &Inbound,
    text: &Text,
    marks: Marks,
    tokens: &[Token<'_>],
    opening: Opening,
    reason: Option<usize>,
) -> Option<&'static str> {
    if event.origin == Origin::Overheard {
        return Some("it was not said to me");
    }
    if event.edited {
        return Some("an edited message never acts; say it anew");
    }
    if text.long {
        return Some("it is too long for a request");
    }
    if text.reply {
        return Some("it quotes someone");
    }
    if text.pasted {
        return Some("it begins like a pasted line");
    }
    if text.lines {
        return Some("it has several lines; a request is one line");
    }
    if marks.code {
        return Some("it is in a code block");
    }
    if marks.quotes && !(reason.is_some() && quotes_only_after(tokens, reason)) {
        return Some("it is in quotes");
    }
    if marks.question && !opening.polite {
        return Some("it is a question");
    }
    let rest = tokens.get(opening.rest..).unwrap_or_default();
    if opening.verb != Verb::Reject {
        if text.joke {
            return Some("the picture in it may say something else");
        }
        if marks.odd {
            return Some("a sign in it may mean something else");
        }
    }
    // "approve 7F3K was the request", "approve 7F3K on Monday"
    let goes_on = reason.and_then(|reason| tokens.get(reason)).is_some_and(|token| {
        matches!(token.word, Some(Word::Auxiliary | Word::Day(_)))
            || matches!(
                token.text,
                "on" | "at" | "in" | "by" | "needs" | "took" | "fails" | "failed" | "works"
            )
            || token.text.starts_with(':')
            || marks.question && !is_please(token.text)
    });
    if goes_on && opening.verb == Verb::Approve {
        return Some("it goes on like a sentence; say no more than the code and a reason");
    }
    // Rejecting changes nothing, so its reason may say anything.
    let read = match (opening.verb, reason) {
        (Verb::Reject, Some(reason)) => tokens.get(opening.rest..reason).unwrap_or_default(),
        // What fixed it is told in any words; "resolve 7 when …" begins otherwise.
        (Verb::Resolve, Some(reason)) => {
            tokens.get(opening.rest..=reason.min(tokens.len() - 1)).unwrap_or_default()
        }
        _ => rest,
    };
    let joined = rest.windows(2).any(|pair| {
        let joins = pair[0].word == Some(Word::And) || pair[0].text == "then" || pair[0].comma;
        joins && pair[1].word == Some(Word::Act)
    });
    if joined {
        return Some("it asks for several things; ask for one at a time");
    }
    for (at, token) in read.iter().enumerate() {
        // "--action reboot"
        if at > 0 && read[at - 1].text.trim_start_matches('-') == "action" {
            continue;
        }
        match token.word {
            Some(Word::Negation | Word::Except) => return Some("it says not to"),
            Some(Word::Condition)
                if !(opening.verb == Verb::Silence
                    && matches!(token.text, "until" | "till" | "tomorrow")) =>
            {
                return Some("it depends on something, or is not meant now");
            }
            Some(Word::Act) => return Some("it asks for several things; ask for one at a time"),
            Some(Word::Acted) if reason.is_none() && opening.verb != Verb::Silence => {
                return Some("it speaks of what happened");
            }
            Some(Word::Question) => return Some("it depends on something"),
            Some(Word::And) if token.text == "or" => return Some("it leaves a choice open"),
            Some(Word::Reported) => return Some("it says what somebody said"),
            _ if token.text.ends_with("n't") => return Some("it says not to"),
            _ => {}
        }
    }
    None
}

/// Whether no word before `from` is quoted.
fn quotes_only_after(tokens: &[Token<'_>], from: Option<usize>) -> bool {
    let from = from.unwrap_or(tokens.len());
    tokens.iter().take(from).all(|token| !token.quoted)
}

/// Whether the text speaks of acting at all, in any form.
pub(super) fn speaks_of_acting(tokens: &[Token<'_>]) -> bool {
    tokens.iter().any(|token| matches!(token.word, Some(Word::Act | Word::Acted)))
}
