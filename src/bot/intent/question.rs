//! Free text that asks. The words are collected by what they mean, then the strongest cue decides;
//! where too many words are left over, nothing is decided.

mod metric;
mod phrase;
mod work;

use chrono::DateTime;

use crate::metrics::{Fleet, Signal, Stat, Window};

use super::{
    Intent, Interpretation, command,
    cues::{self, Cues, is_path},
    hosts::{self, Hosts, Reading},
    imperative,
    lexicon::{self, Word},
    options::Options,
    times,
    tokens::{Marks, Token},
};

/// A question, taken apart.
struct Question<'q, 'a> {
    tokens: &'q mut [Token<'a>],
    options: &'q Options<'a>,
    fleet: &'q Fleet,
    window: Option<Window>,
    hosts: Hosts,
    cues: Cues,
    notes: Vec<String>,
    usage: Option<String>,
}

/// Reads a text that does not act.
pub(super) fn read<'a>(
    tokens: &mut [Token<'a>],
    options: &Options<'a>,
    marks: Marks,
    fleet: &Fleet,
    now: DateTime<chrono_tz::Tz>,
) -> Interpretation {
    if tokens.iter().all(|token| token.text == "?") {
        return if marks.question || !tokens.is_empty() {
            found(Intent::Help {})
        } else {
            unknown(Vec::new())
        };
    }
    if phrase::asks_what_was_told(tokens) {
        let window = options.get("window").and_then(|setting| setting.value.parse().ok());
        let window = window.or_else(|| times::take(tokens, now));
        return found(Intent::ShadowReport { window });
    }
    if let Some(intent) = phrase::phrase(tokens) {
        return found(intent);
    }
    let mut notes = Vec::new();
    correct_words(tokens, fleet, &mut notes);
    let mut usage = options.error.clone();
    let window = match options.get("window") {
        Some(setting) => match times::amount(&[word(setting.value)], 0) {
            Some((window, _)) => Some(window),
            None => match setting.value.parse() {
                Ok(window) => Some(window),
                Err(error) => {
                    let error: crate::metrics::ParseWindowError = error;
                    usage.get_or_insert(sentence(&error.to_string()));
                    None
                }
            },
        },
        None => times::take(tokens, now),
    };
    let logs = tokens.iter().any(|token| token.word == Some(Word::Log)) || says_log(tokens);
    let reading = if logs { Reading::Logs } else { Reading::Question };
    let mut hosts = hosts::take(tokens, options, fleet, reading);
    notes.append(&mut hosts.notes);
    let mut cues = Cues::collect(tokens, &hosts, marks);
    cues.logs |= logs && !cues.executions;
    if let Some(setting) = options.get("metric") {
        match command::signal(setting.value) {
            Some(signal) => cues.signal = Some(signal),
            None => {
                usage.get_or_insert_with(|| which_metric(setting.raw));
            }
        }
    }
    let mut question = Question { tokens, options, fleet, window, hosts, cues, notes, usage };
    let intent = question.decide();
    question.answer(intent)
}

impl Question<'_, '_> {
    fn answer(mut self, intent: Option<Intent>) -> Interpretation {
        let Some(intent) = intent else {
            let mut interpretation = unknown(Vec::new());
            if let Some(first) = self.tokens.first()
                && matches!(first.text, "metric" | "metrics")
            {
                let written = self.tokens.iter().skip(1).find(|token| !token.used);
                interpretation.usage = self
                    .usage
                    .or_else(|| Some(which_metric(written.map_or("", |token| token.raw))));
            }
            return interpretation;
        };
        self.remark(&intent);
        if self.hosts.here && self.hosts.names.is_empty() && self.fleet.hosts().len() > 1 {
            self.notes.push("I watch several machines, so this is about all of them.".to_owned());
        }
        let unknown_hosts = if intent.hosts().is_empty() { Vec::new() } else { self.hosts.unknown };
        Interpretation { intent, notes: self.notes, unknown_hosts, usage: self.usage }
    }

    /// Says what was left out of the answer.
    fn remark(&mut self, intent: &Intent) {
        let disk = matches!(
            intent,
            Intent::Metric { metric: Signal::Disk, .. }
                | Intent::Forecast { metric: Signal::Disk, .. }
        );
        if let Some(path) = self.tokens.iter().find(|token| disk && is_path(token)) {
            let path: String = path.raw.chars().take(40).collect();
            self.notes.push(format!("This is every file system, not only `{path}`."));
        }
        if matches!(intent, Intent::Metric { .. }) {
            if self.cues.threshold && intent.hosts().len() != 1 {
                self.notes.push("I do not filter by a value: this is every host.".to_owned());
            }
            if self.tokens.iter().any(|token| token.word == Some(Word::Ago))
                && self.tokens.iter().all(|token| token.word != Some(Word::Since))
            {
                self.notes.push("I took the time from then until now, not that moment.".to_owned());
            }
        }
        if !matches!(
            intent,
            Intent::Metric { .. }
                | Intent::Forecast { .. }
                | Intent::Status { .. }
                | Intent::Anomalies { .. }
                | Intent::Incidents { .. }
        ) {
            return;
        }
        let strange = self
            .tokens
            .iter()
            .find(|token| !token.used && token.word.is_none() && !cues::is_harmless(token.text));
        if let Some(token) = strange
            && self.cues.unknown > 0
        {
            let word: String = chat::escape_invisible(token.raw).chars().take(40).collect();
            self.notes.push(format!("I left out `{word}`, which I do not know."));
        }
    }

    /// The strongest cue decides.
    fn decide(&mut self) -> Option<Intent> {
        let names = self.hosts.names.clone();
        let cues = &self.cues;
        if cues.off_topic
            || (cues.refuses && !self.tokens.iter().any(|token| token.word == Some(Word::Question)))
        {
            return None;
        }
        if imperative::speaks_of_acting(self.tokens) {
            return self.about_acting();
        }
        if cues.approvals && cues.unknown <= 1 {
            return Some(Intent::Approvals {});
        }
        if cues.runbooks && cues.unknown <= 2 {
            return Some(Intent::Runbooks {});
        }
        if cues.logs {
            return self.logs();
        }
        if cues.executions && cues.unknown <= 1 {
            return Some(Intent::Executions { hosts: names, limit: self.limit() });
        }
        if let Some(id) = self.incident_id()
            && self.cues.unknown <= 1
        {
            return Some(Intent::Incident { id });
        }
        if (self.cues.anomaly || self.cues.happened && self.cues.signal.is_none())
            && self.cues.unknown <= 1
        {
            return Some(Intent::Anomalies {
                hosts: names,
                metric: self.cues.signal,
                window: self.window.clone(),
                limit: self.anomaly_limit(),
                summary: self.cues.summary || self.options.switch("summary"),
            });
        }
        // "summarize last night" is about what was unusual then.
        if self.recaps() {
            return Some(Intent::Anomalies {
                hosts: names,
                metric: None,
                window: self.window.clone(),
                limit: None,
                summary: true,
            });
        }
        if (self.cues.incidents || self.cues.broken) && self.cues.unknown <= 1 {
            return Some(Intent::Incidents { state: self.state(), hosts: names });
        }
        if self.cues.forecasts && self.cues.unknown <= 1 {
            let metric = self.cues.signal.unwrap_or(Signal::Disk);
            return Some(Intent::Forecast { metric, hosts: names });
        }
        let ranks_something = self.cues.ranking && self.cues.hosts_ranked_by_work;
        if let Some(metric) = self.cues.signal.or(ranks_something.then_some(Signal::Cpu))
            && self.cues.unknown <= usize::from(self.has_anchor() && !self.guessed_place())
        {
            if times::is_left(self.tokens) {
                self.usage.get_or_insert_with(|| {
                    "I can answer for a time that ends now: `last 2h`, `since 9am`, `since Monday`."
                        .to_owned()
                });
            }
            return Some(self.metric(metric));
        }
        let subject = !self.hosts.is_none() || self.cues.question || self.cues.unit_subject;
        let only_hosts = !self.hosts.is_none() && self.cues.content == 0;
        let asks = self.cues.health && (subject || self.cues.plain_status)
            || self.cues.how && (!self.hosts.is_none() || self.cues.unit_subject)
            || (self.cues.summary || self.cues.lists_hosts) && self.cues.signal.is_none()
            || only_hosts;
        let allowed = usize::from(self.cues.plain_status && !self.hosts.names.is_empty());
        if asks && self.cues.unknown <= allowed && !self.cues.addresses_the_bot {
            return Some(Intent::Status { hosts: names });
        }
        None
    }

    fn recaps(&self) -> bool {
        self.cues.summary
            && self.window.is_some()
            && self.cues.signal.is_none()
            && self.cues.unknown == 0
            && !self.cues.incidents
            && !self.cues.health
    }

    /// Whether a word was taken for a host only because of where it stands, "at the conference".
    fn guessed_place(&self) -> bool {
        self.hosts.unknown.iter().any(|host| !host.name.bytes().any(|byte| byte.is_ascii_digit()))
    }

    /// Whether something besides the signal shows that a measurement is meant.
    fn has_anchor(&self) -> bool {
        !self.hosts.is_none()
            || self.cues.ranking
            || (self.window.is_some() && self.cues.question)
            || self.cues.stat.is_some()
            || self.cues.chart
    }
}

/// "errors of nginx", "last 10 errors", "50 lines of syslog": logs without the word.
fn says_log(tokens: &[Token<'_>]) -> bool {
    let source = |token: &Token<'_>| {
        token.word == Some(Word::Service) || matches!(token.text, "last" | "recent" | "latest")
    };
    tokens.iter().any(source)
        && tokens.iter().any(|token| {
            token.word == Some(Word::Lines) || matches!(token.text, "error" | "errors")
        })
}

/// Reads mistyped words as what they were meant to be, and says so.
fn correct_words(tokens: &mut [Token<'_>], fleet: &Fleet, notes: &mut Vec<String>) {
    let mut tries = 12;
    for token in tokens {
        if token.word.is_some()
            || token.used
            || fleet.find(token.text).is_some()
            || fleet.group(token.text).is_some()
        {
            continue;
        }
        let environment = hosts::environment(fleet, token.text).is_some()
            || hosts::KNOWN_ENVIRONMENTS.iter().any(|names| names.contains(&token.text));
        let plural = token.text.strip_suffix('s').is_some_and(|stem| fleet.group(stem).is_some());
        if plural || environment {
            continue;
        }
        tries -= 1;
        if tries == 0 {
            return;
        }
        if let Some((meant, word)) = lexicon::correct(token.text) {
            let written: String = token.raw.chars().take(40).collect();
            notes.push(format!("I read `{written}` as {meant}."));
            token.word = Some(word);
            token.text = meant;
        }
    }
}

fn stat_named(text: &str) -> Option<Stat> {
    match lexicon::look_up(text)? {
        Word::Stat(stat) => Some(stat),
        _ => None,
    }
}

fn which_metric(written: &str) -> String {
    let all: Vec<&str> = Signal::ALL.iter().map(|signal| signal.as_str()).collect();
    let shown: String = chat::escape_invisible(written).chars().take(40).collect();
    let start = if shown.is_empty() {
        "Say which metric".to_owned()
    } else {
        format!("`{shown}` is not a metric")
    };
    format!("{start}: one of {}. For example: `metric cpu host=web-1 window=1h`.", all.join(", "))
}

fn sentence(text: &str) -> String {
    format!("{text}.")
}

fn word(text: &str) -> Token<'_> {
    Token {
        text,
        raw: text,
        word: lexicon::look_up(text),
        start: 0,
        end: text.len(),
        comma: false,
        quoted: false,
        used: false,
    }
}

fn found(intent: Intent) -> Interpretation {
    Interpretation { intent, notes: Vec::new(), unknown_hosts: Vec::new(), usage: None }
}

/// Not understood.
/// What is wanted, with nothing to say about it.
pub(super) fn plain(intent: Intent) -> Interpretation {
    Interpretation { intent, notes: Vec::new(), unknown_hosts: Vec::new(), usage: None }
}

pub(super) fn unknown(notes: Vec<String>) -> Interpretation {
    Interpretation { intent: Intent::Unknown {}, notes, unknown_hosts: Vec::new(), usage: None }
}
