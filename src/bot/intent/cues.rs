//! What the words of a question point at.

mod manner;
mod ranking;
mod signal;

use crate::metrics::{Signal, Stat};

pub(super) use signal::is_path;

use super::{
    IncidentState, Order,
    hosts::Hosts,
    lexicon::{self, Word},
    tokens::{Marks, Token},
};

/// Everything the words point at.
#[derive(Debug, Default)]
pub(super) struct Cues {
    /// The signal asked for.
    pub signal: Option<Signal>,
    /// A second signal, to be told about.
    pub other_signal: Option<Signal>,
    /// "network" without a direction.
    pub network_guessed: bool,
    /// The number asked for.
    pub stat: Option<Stat>,
    /// A table of hosts is wanted, sorted.
    pub ranking: bool,
    /// The table is about who works most, without a signal.
    pub hosts_ranked_by_work: bool,
    /// Sorted how.
    pub order: Order,
    /// One host is wanted.
    pub one: bool,
    /// A number that is no time and no percentage.
    pub number: Option<u32>,
    /// A picture.
    pub chart: bool,
    /// Words about health.
    pub health: bool,
    /// One of them is "status" or as plain.
    pub plain_status: bool,
    /// "how is", "how are".
    pub how: bool,
    /// "things", "it", "anything": everything there is, in a loose way.
    pub unit_subject: bool,
    /// "you": the bot's own health is not ours.
    pub addresses_the_bot: bool,
    /// "which hosts are there".
    pub lists_hosts: bool,
    /// Opens like a question.
    pub question: bool,
    /// Words about anomalies.
    pub anomaly: bool,
    /// "what happened".
    pub happened: bool,
    /// Words about incidents.
    pub incidents: bool,
    /// "what's broken".
    pub broken: bool,
    /// A state of incidents.
    pub state: Option<IncidentState>,
    /// In a few words.
    pub summary: bool,
    /// Words about logs.
    pub logs: bool,
    /// Words about requests that wait.
    pub approvals: bool,
    /// Words about what ran.
    pub executions: bool,
    /// Words about runbooks.
    pub runbooks: bool,
    /// A word about something else entirely.
    pub off_topic: bool,
    /// "don't".
    pub refuses: bool,
    /// Only what is above or below a number is wanted.
    pub threshold: bool,
    /// How many words were not understood.
    pub unknown: usize,
    /// How many words carry something.
    pub content: usize,
    /// It asks when something reaches its limit.
    pub forecasts: bool,
}

impl Cues {
    /// Collects what the words point at. Words that name hosts and times are taken already.
    pub fn collect(tokens: &[Token<'_>], hosts: &Hosts, marks: Marks) -> Self {
        let mut cues = Self { order: Order::Desc, ..Self::default() };
        cues.count(tokens);
        let first = tokens.first();
        cues.question = marks.question
            || first.is_some_and(|token| {
                matches!(token.word, Some(Word::Question | Word::Auxiliary))
                    || matches!(
                        token.text,
                        "any" | "anything" | "have" | "has" | "had" | "did" | "does"
                    )
            });
        cues.find_signal(tokens);
        cues.find_ranking(tokens, hosts);
        cues.find_future(tokens);
        cues.find_manner(tokens);
        cues
    }

    fn count(&mut self, tokens: &[Token<'_>]) {
        for (at, token) in tokens.iter().enumerate() {
            if token.used {
                continue;
            }
            let next = tokens.get(at + 1).map_or("", |next| next.text);
            match token.word {
                None if is_harmless(token.text) => {
                    if self.number.is_none()
                        && !matches!(next, "percent" | "%" | "pc")
                        && !token.text.ends_with('%')
                    {
                        self.number =
                            lexicon::number(token.text, None).filter(|number| *number <= 10_000);
                    }
                }
                None => self.unknown += 1,
                Some(Word::Number(number)) => {
                    self.number = self.number.or(Some(number).filter(|_| token.text != "one"));
                }
                Some(Word::OffTopic) => self.off_topic = true,
                Some(Word::Negation) => self.refuses = true,
                Some(Word::Stat(stat)) => {
                    self.content += 1;
                    if self.stat.is_none_or(|found| found == Stat::Current) {
                        self.stat = Some(stat);
                    }
                }
                Some(
                    Word::Filler
                    | Word::Preposition
                    | Word::In
                    | Word::Article
                    | Word::And
                    | Word::Question
                    | Word::Auxiliary
                    | Word::Host(_)
                    | Word::All
                    | Word::This
                    | Word::By
                    | Word::To
                    | Word::Condition
                    | Word::Last,
                ) => {}
                Some(word) => {
                    self.content += 1;
                    self.mark(word, token.text);
                }
            }
        }
    }

    fn mark(&mut self, word: Word, text: &str) {
        match word {
            Word::Chart => self.chart = true,
            Word::Health => {
                self.health = true;
                self.plain_status |= matches!(
                    text,
                    "status" | "health" | "overview" | "dashboard" | "healthcheck" | "healthy"
                );
            }
            Word::Anomaly => self.anomaly = true,
            Word::Happened => self.happened = true,
            Word::Incident => self.incidents = true,
            Word::Alert => {
                self.incidents = true;
                if text.starts_with("problem") || text.starts_with("issue") {
                    self.state = Some(IncidentState::Open);
                }
            }
            Word::Broken => {
                self.broken = true;
                self.state = Some(IncidentState::Open);
            }
            Word::Open => self.state = Some(IncidentState::Open),
            Word::Acked => self.state = Some(IncidentState::Acknowledged),
            Word::Closed => self.state = Some(IncidentState::Resolved),
            Word::Summary => self.summary = true,
            Word::Log => self.logs = true,
            Word::Approvals => self.approvals = true,
            Word::Executions => self.executions = true,
            Word::Runbooks => self.runbooks = true,
            _ => {}
        }
    }
}

/// Numbers, percentages, paths and the like: they add nothing that is measured.
pub(super) fn is_harmless(text: &str) -> bool {
    let digits = text.trim_end_matches('%').trim_start_matches(['>', '<', '=', '#', '~']);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        || text.starts_with('/')
        || text.starts_with('@')
        || matches!(
            text,
            "%" | "asc"
                | "desc"
                | "ascending"
                | "descending"
                | "soon"
                | "anything"
                | "things"
                | "eta"
                | "nothing's"
                | "per-host"
                | "hogging"
                | "hog"
                | "hogs"
        )
}

/// Whether one of these words occurs.
fn any(tokens: &[Token<'_>], words: &[&str]) -> bool {
    tokens.iter().any(|token| words.contains(&token.text))
}

/// Whether these words stand side by side.
pub(super) fn has(tokens: &[Token<'_>], words: &[&str]) -> bool {
    tokens
        .windows(words.len())
        .any(|window| window.iter().zip(words).all(|(token, word)| token.text == *word))
}

/// Whether the text begins with these words.
pub(super) fn starts(tokens: &[Token<'_>], words: &[&str]) -> bool {
    tokens.len() >= words.len() && tokens.iter().zip(words).all(|(token, word)| token.text == *word)
}
