//! The way from a text to what is wanted: raw query, request, question, in this order.

use chat::Inbound;
use chrono::DateTime;

use crate::metrics::Fleet;

use super::{
    Intent, Interpretation, command, imperative, options, question, times,
    tokens::{Text, Token},
};

/// The longest PromQL that is taken.
const MAX_QUERY_BYTES: usize = 8_000;

/// Where file systems are mounted.
const PATHS: &[&str] = &[
    "data", "var", "home", "boot", "tmp", "opt", "srv", "usr", "mnt", "media", "root", "run",
    "backup", "backups", "export", "u01", "nfs",
];

/// Reads what is wanted from what was said. Pure and total: any text gives an interpretation, and
/// what is not understood is [`Intent::Unknown`].
///
/// Only a plain imperative, addressed to the bot, becomes an intent that changes something.
pub fn interpret(event: &Inbound, fleet: &Fleet, now: DateTime<chrono_tz::Tz>) -> Interpretation {
    let written = strip_prefix(&event.text);
    if let Some(query) = query(written) {
        return query;
    }
    let text = Text::read(written);
    let (mut words, marks) = text.tokens();
    if command::asks_about_channel(&words) {
        return question::plain(Intent::Channel { change: None });
    }
    imperative::turn_around(&mut words);
    let opening = imperative::opening(&words).or_else(|| imperative::mistyped_opening(&words));
    let mut refused = None;
    if let Some(opening) = opening {
        let reason = command::reason_at(opening.verb, &words, opening.rest);
        let objection = imperative::objection(event, &text, marks, &words, opening, reason);
        if let Some(objection) = objection {
            refused = Some(objection);
        } else if let Some(wanted) = request(event, &text, &words, opening, fleet, now) {
            // "Can you reboot hosts?" asks what the bot can do.
            let asks = opening.polite && marks.question && wanted.usage.is_some();
            if !asks || names_something(&wanted.intent) {
                return wanted;
            }
        }
        if opening.strong {
            return question::unknown(vec![hint(refused, fleet)]);
        }
    }
    if text.cut {
        return question::unknown(vec![
            "That is longer than I read. Ask in one sentence.".to_owned(),
        ]);
    }
    let acting = imperative::speaks_of_acting(&words);
    let options = options::Options::take(&mut words);
    let mut interpretation = question::read(&mut words, &options, marks, fleet, now);
    if matches!(interpretation.intent, Intent::Unknown {}) && (acting || refused.is_some()) {
        interpretation.notes.push(hint(refused, fleet));
    }
    interpretation
}

/// The strict reading of a text that begins with a verb.
fn request(
    event: &Inbound,
    text: &Text,
    words: &[Token<'_>],
    opening: imperative::Opening,
    fleet: &Fleet,
    now: DateTime<chrono_tz::Tz>,
) -> Option<Interpretation> {
    let words_said = words.len();
    let mut words = words.get(opening.rest..).unwrap_or_default().to_vec();
    let options = options::Options::take(&mut words);
    let stray = command::stray_option(opening.verb, &options);
    let window =
        if opening.verb == imperative::Verb::Silence { times::take(&mut words, now) } else { None };
    let request = command::Request {
        event,
        text,
        tokens: &mut words,
        options: &options,
        fleet,
        window,
        bare: words_said == 1,
        now,
    };
    let command::Parsed::Wanted(mut wanted) = command::read(opening.verb, request) else {
        return None;
    };
    if let Some(error) = options.error.or(stray) {
        wanted.usage = Some(error);
    }
    if let Some(meant) = opening.corrected {
        wanted.notes.insert(0, format!("I read the first word as {meant}."));
    }
    Some(wanted)
}

/// Whether a request says what it is about, even where something is missing.
fn names_something(intent: &Intent) -> bool {
    match intent {
        Intent::Remediate { service, group, .. } => service.is_some() || group.is_some(),
        Intent::Grant { user, .. } | Intent::Revoke { user, .. } => user.is_some(),
        _ => !intent.hosts().is_empty(),
    }
}

/// Why nothing is done, and how to ask for it.
fn hint(objection: Option<&str>, fleet: &Fleet) -> String {
    let host = fleet.hosts().first().map_or("web-1", |host| host.name.as_str());
    let why = objection.map_or_else(
        || "I take an action only from a plain request".to_owned(),
        |objection| format!("I did nothing, because {objection}"),
    );
    format!("{why}. To request one, say for example: `restart nginx on {host}`.")
}

/// Drops `/ops`, `!ops`, `/` and `!` before a command.
fn strip_prefix(text: &str) -> &str {
    let text = text.trim_start();
    let Some(rest) = text.strip_prefix(['/', '!']) else { return text };
    let word = rest.split_whitespace().next().unwrap_or("");
    // "/var on web-1" begins with a path.
    let path = text.starts_with('/') && PATHS.contains(&word.split('/').next().unwrap_or(""));
    if path || !rest.starts_with(|next: char| next.is_ascii_alphabetic()) {
        return text;
    }
    if ["ops", "smartcloudops", "cloudops", "bot"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(word))
    {
        rest[word.len()..].trim_start()
    } else {
        rest
    }
}

/// `query …`: everything after the word, verbatim.
fn query(text: &str) -> Option<Interpretation> {
    let rest = ["query", "promql"].iter().find_map(|name| {
        let (word, rest) = text.split_at_checked(name.len())?;
        let ends = rest.chars().next().is_none_or(|next| next.is_whitespace() || next == ':');
        (word.eq_ignore_ascii_case(name) && ends).then_some(rest)
    })?;
    let mut promql = rest.strip_prefix(':').unwrap_or(rest).trim();
    // Code marks around the whole of it are the chat's, not PromQL's.
    if let Some(inner) = promql.strip_prefix('`').and_then(|inner| inner.strip_suffix('`'))
        && !inner.contains('`')
    {
        promql = inner.trim();
    }
    let usage = if promql.is_empty() {
        Some("Write the PromQL after the word: `query up`.".to_owned())
    } else if promql.len() > MAX_QUERY_BYTES {
        Some(format!("That query is too long: at most {MAX_QUERY_BYTES} bytes."))
    } else {
        None
    };
    let promql = if promql.len() > MAX_QUERY_BYTES { String::new() } else { promql.to_owned() };
    Some(Interpretation {
        intent: Intent::Query { promql },
        notes: Vec::new(),
        unknown_hosts: Vec::new(),
        usage,
    })
}
