//! What the words of a question point at, collected in one pass.

use crate::metrics::{Signal, Stat};

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
    /// How many words were not understood.
    pub unknown: usize,
    /// How many words carry something.
    pub content: usize,
    future: bool,
}

impl Cues {
    /// Collects what the words point at. Words that name hosts and times are taken already.
    pub fn collect(tokens: &[Token<'_>], hosts: &Hosts, marks: Marks) -> Self {
        let mut cues = Self { order: Order::Desc, ..Self::default() };
        cues.count(tokens);
        cues.find_signal(tokens);
        cues.find_ranking(tokens, hosts);
        cues.find_future(tokens);
        cues.find_manner(tokens, marks);
        cues
    }

    /// Whether it asks when something reaches its limit.
    pub fn forecasts(&self) -> bool {
        self.future
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

    fn find_signal(&mut self, tokens: &[Token<'_>]) {
        let mut found: Vec<Signal> = Vec::new();
        let (mut network, mut inward, mut outward, mut transfer, mut transfer_alone) =
            (false, false, false, false, false);
        let (mut space, mut full, mut busy, mut load) = (false, false, false, false);
        for (at, token) in tokens.iter().enumerate() {
            if token.used {
                continue;
            }
            match token.word {
                Some(Word::Signal(Signal::Load)) => load = true,
                Some(Word::Signal(signal)) => {
                    if !found.contains(&signal) {
                        found.push(signal);
                    }
                }
                Some(Word::Network) => {
                    network |= token.text != "bytes"
                        || tokens
                            .iter()
                            .any(|other| matches!(other.word, Some(Word::Inward | Word::Outward)));
                    inward |= tokens.get(at + 1).is_some_and(|next| {
                        next.word == Some(Word::In)
                            && !next.used
                            && tokens.get(at + 2).is_none_or(|after| {
                                after.word == Some(Word::Preposition) || after.used
                            })
                    });
                }
                Some(Word::Inward) => inward = true,
                Some(Word::Outward) => {
                    outward |= !matches!(token.text, "send" | "sends")
                        && (token.text != "out"
                            || at > 0 && tokens[at - 1].word == Some(Word::Network))
                }
                Some(Word::Transfer) => {
                    transfer = true;
                    transfer_alone |= matches!(
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
                Some(Word::Space) => space = true,
                Some(Word::Full) => full = true,
                Some(Word::Busy) => busy = true,
                _ => {}
            }
        }
        if network || ((inward || outward) && found.is_empty()) {
            self.network_guessed = network && !inward && !outward;
            found
                .insert(0, if outward && !inward { Signal::NetworkOut } else { Signal::NetworkIn });
            found.retain(|signal| !(outward && !inward && *signal == Signal::NetworkIn));
            if inward && outward {
                found.insert(1, Signal::NetworkOut);
            }
        } else if transfer && found.contains(&Signal::Disk) {
            found.retain(|signal| *signal != Signal::Disk);
            found.insert(0, Signal::DiskIo);
        } else if transfer_alone && found.is_empty() {
            found.push(Signal::DiskIo);
        }
        if found.contains(&Signal::Swap) {
            let beside = tokens.windows(2).any(|pair| {
                pair[0].word == Some(Word::Signal(Signal::Swap))
                    && matches!(pair[1].word, Some(Word::Signal(Signal::Memory | Signal::Disk)))
            });
            if beside {
                found.retain(|signal| *signal == Signal::Swap);
            }
        }
        if load && found.is_empty() {
            found.push(Signal::Load);
            // "load average" is the name of the signal, not a wish for a mean.
            let name = tokens.windows(2).any(|pair| {
                matches!(pair[0].text, "load" | "loads")
                    && matches!(pair[1].text, "average" | "averages" | "avg")
            });
            if name && self.stat == Some(Stat::Avg) {
                self.stat = None;
            }
        }
        let long = has(tokens, &["how", "long"]) || has(tokens, &["since", "when"]);
        let up = tokens
            .iter()
            .any(|token| matches!(token.text, "up" | "running" | "online" | "alive" | "on"));
        let boot = tokens.iter().any(|token| matches!(token.text, "boot" | "booted" | "boots"));
        if found.is_empty()
            && (long
                && up
                && !full
                && tokens
                    .iter()
                    .any(|token| matches!(token.text, "has" | "have" | "been" | "is" | "are"))
                && !has(tokens, &["until"])
                || boot)
        {
            found.push(Signal::Uptime);
            if boot {
                self.unknown = self.unknown.saturating_sub(1);
            }
        }
        if found.is_empty() && (space || full) && !self.incidents && !self.anomaly && !self.summary
        {
            found.push(Signal::Disk);
        }
        if found.is_empty() && busy {
            found.push(Signal::Cpu);
        }
        self.signal = found.first().copied();
        self.other_signal = found.get(1).copied();
    }

    /// "which host has the most …", "top 3 …", "hosts by …".
    fn find_ranking(&mut self, tokens: &[Token<'_>], hosts: &Hosts) {
        let mut superlative = None;
        let mut noun = None;
        let mut free = false;
        let (mut top, mut which, mut all, mut sorted) = (false, false, false, false);
        let mut way = None;
        let mut threshold = false;
        for (at, token) in tokens.iter().enumerate() {
            let order = match token.word {
                Some(Word::Most) => Some(Order::Desc),
                Some(Word::Least) => Some(Order::Asc),
                Some(Word::Stat(Stat::Max)) if !token.text.starts_with("peak") => Some(Order::Desc),
                Some(Word::Stat(Stat::Min)) => Some(Order::Asc),
                Some(Word::Busy) if token.text == "busiest" => Some(Order::Desc),
                _ => None,
            };
            if let Some(order) = order
                && superlative.is_none()
            {
                superlative = Some(at);
                way = way.or(Some(order));
            }
            match token.word {
                Some(Word::Top) => {
                    top = true;
                    way = Some(Order::Desc);
                }
                Some(Word::Bottom) => {
                    top = true;
                    way = Some(Order::Asc);
                }
                Some(Word::Host(plural)) => noun = noun.or(Some((at, plural))),
                Some(Word::Free) => free = true,
                Some(Word::All) => all = true,
                _ => {}
            }
            match token.text {
                "which" | "who" => which = true,
                "desc" | "descending" => way = Some(Order::Desc),
                "asc" | "ascending" => way = Some(Order::Asc),
                "sort" | "sorted" | "rank" | "ranked" | "order" | "ordered" => sorted = true,
                "by" => sorted |= noun.is_some(),
                "above" | "over" | "exceeding" | "exceed" | "exceeds" | "than" => threshold = true,
                "below" | "under" => {
                    threshold = true;
                    way = way.or(Some(Order::Asc));
                }
                _ => {}
            }
        }
        // A group noun was taken with its group: "db hosts".
        let single = hosts.by_name && hosts.names.len() == 1;
        let next_to = match (superlative, noun) {
            (Some(superlative), Some((noun, _))) if noun > superlative => {
                !tokens[superlative..noun].iter().any(|token| {
                    matches!(token.word, Some(Word::Preposition | Word::In | Word::All))
                        || token.text == "across"
                })
            }
            (Some(superlative), Some((noun, _))) => {
                noun < superlative
                    && !tokens[..noun].iter().any(|token| matches!(token.word, Some(Word::All)))
                    && !(noun > 0 && matches!(tokens[noun - 1].word, Some(Word::This)))
            }
            _ => false,
        };
        let using = superlative.is_some()
            && tokens.iter().any(|token| {
                matches!(token.text, "using" | "uses" | "eating" | "consuming" | "hogging")
            })
            && tokens.first().is_some_and(|token| token.word == Some(Word::Question));
        let busiest = tokens.iter().any(|token| token.text == "busiest");
        self.ranking = !single
            && (top && (self.signal.is_some() || noun.is_some())
                || superlative.is_some()
                    && (which
                        || next_to
                        || using
                        || busiest
                        || hosts.is_none() && self.number.is_some() && noun.is_some())
                || sorted && noun.is_some() && !(all && self.signal.is_none())
                || threshold
                    && noun.is_some()
                    && (which
                        || tokens
                            .iter()
                            .any(|token| matches!(token.text, "any" | "hosts" | "servers")))
                    && tokens
                        .iter()
                        .any(|token| token.text.ends_with('%') || token.text == "percent"));
        let has_stat_word = |wanted: Stat| {
            tokens.iter().any(|token| token.word == Some(Word::Stat(wanted)) && !token.used)
        };
        if !self.ranking {
            if self.stat.is_none_or(|stat| stat == Stat::Current) {
                match superlative.and_then(|at| tokens[at].word) {
                    Some(Word::Most) => self.stat = Some(Stat::Max),
                    Some(Word::Least) => self.stat = Some(Stat::Min),
                    _ => {}
                }
            }
            // The least free is the most used.
            if free && matches!(self.signal, Some(Signal::Disk | Signal::Memory | Signal::Swap)) {
                self.stat = match self.stat {
                    Some(Stat::Min) => Some(Stat::Max),
                    Some(Stat::Max) => Some(Stat::Min),
                    other => other,
                };
            }
            return;
        }
        let order = way.unwrap_or(Order::Desc);
        self.order = match (order, free) {
            (order, false) => order,
            (Order::Desc, true) => Order::Asc,
            (Order::Asc, true) => Order::Desc,
        };
        // "max" orders the table here; "peak" and "average" still say which number.
        let peaks = tokens.iter().any(|token| token.text.starts_with("peak"));
        if matches!(self.stat, Some(Stat::Max | Stat::Min))
            && !peaks
            && (superlative.is_some_and(|at| matches!(tokens[at].word, Some(Word::Stat(_)))))
        {
            self.stat = if has_stat_word(Stat::Avg) { Some(Stat::Avg) } else { None };
        }
        self.hosts_ranked_by_work = free
            || busiest
            || tokens
                .iter()
                .any(|token| matches!(token.text, "idlest" | "quietest" | "hottest" | "heaviest"));
        self.one = match noun {
            Some((_, plural)) => !plural && (which || superlative.is_some() || top),
            None => superlative.is_some() && !top,
        };
        if tokens.iter().any(|token| token.text == "groups" || token.text == "group") {
            self.one = false;
        }
    }

    fn find_future(&mut self, tokens: &[Token<'_>]) {
        let any = |texts: &[&str]| tokens.iter().any(|token| texts.contains(&token.text));
        let full = tokens.iter().any(|token| token.word == Some(Word::Full));
        let predicts = tokens.iter().any(|token| token.word == Some(Word::Forecast));
        let runs_out = tokens.windows(2).any(|pair| {
            matches!(pair[0].text, "run" | "runs" | "running" | "ran") && pair[1].text == "out"
        });
        let when = any(&["when"])
            || has(tokens, &["how", "long"])
            || has(tokens, &["how", "soon"])
            || any(&["until", "till", "before", "eta"]);
        let will = any(&["will", "going", "gonna", "soon"]);
        let left = any(&["left", "remaining", "remain"])
            && (any(&["days", "hours", "weeks", "time", "long", "day"]));
        self.future = predicts
            || full && (when || will || any(&["filling"]))
            || runs_out
            || left
            || when && will && self.signal.is_some()
            || will
                && self.signal.is_some()
                && any(&["will"])
                && any(&["hit", "reach", "exceed", "exhaust", "end"]);
        if self.future && runs_out && self.signal == Some(Signal::NetworkOut) {
            self.signal = None;
        }
    }

    fn find_manner(&mut self, tokens: &[Token<'_>], marks: Marks) {
        let first = tokens.first();
        self.question = marks.question
            || first.is_some_and(|token| {
                matches!(token.word, Some(Word::Question | Word::Auxiliary))
                    || token.text == "any"
                    || token.text == "anything"
            });
        self.how = tokens.iter().any(|token| matches!(token.text, "how" | "hows"))
            && tokens.iter().any(|token| {
                matches!(token.text, "is" | "are" | "how" | "hows" | "doing" | "does" | "do")
            })
            && !tokens
                .iter()
                .any(|token| matches!(token.text, "many" | "much" | "long" | "to" | "often" | "i"));
        self.unit_subject = tokens
            .iter()
            .any(|token| matches!(token.text, "things" | "it" | "anything" | "everything"));
        self.addresses_the_bot = ["you", "u"].iter().any(|you| {
            has(tokens, &["are", you])
                || has(tokens, &["r", you])
                || has(tokens, &[you, "doing"])
                || has(tokens, &[you, "ok"])
                || has(tokens, &["do", you, "do"])
                || has(tokens, &[you, "feeling"])
        });
        self.lists_hosts = tokens.iter().any(|token| token.word == Some(Word::Host(true)))
            && tokens.len() <= 8
            && tokens.iter().any(|token| {
                matches!(
                    token.text,
                    "list" | "show" | "which" | "what" | "hosts" | "servers" | "many"
                )
            })
            && self.content == 0
            && self.unknown == 0;
        if has(tokens, &["going", "on"]) || has(tokens, &["up", "with"]) {
            self.health = true;
        }
        let waiting = tokens.iter().any(|token| {
            matches!(token.text, "pending" | "waiting" | "awaiting" | "wait" | "waits")
        });
        if waiting
            && (self.approvals
                || tokens.iter().any(|token| {
                    matches!(
                        token.text,
                        "requests"
                            | "request"
                            | "decision"
                            | "decisions"
                            | "me"
                            | "actions"
                            | "proposals"
                            | "what"
                            | "what's"
                            | "anything"
                    )
                }))
        {
            self.approvals = true;
            self.off_topic = false;
            self.unknown = 0;
        }
        if tokens
            .iter()
            .any(|token| matches!(token.text, "actions" | "remediations" | "remediation"))
        {
            let catalogue = has(tokens, &["can", "you"])
                || tokens.iter().any(|token| matches!(token.text, "available" | "possible"));
            if catalogue {
                self.runbooks = true;
            } else {
                self.executions = true;
            }
            self.unknown = self.unknown.saturating_sub(1);
        }
        if has(tokens, &["did", "you", "do"])
            || has(tokens, &["have", "you", "done"])
            || has(tokens, &["did", "you", "run"])
            || has(tokens, &["was", "done"])
        {
            self.executions = true;
        }
        if has(tokens, &["does"]) && tokens.last().is_some_and(|token| token.text == "mean") {
            self.off_topic = true;
        }
        if self.signal == Some(Signal::Cpu) && has(tokens, &["how", "many", "cores"]) {
            self.off_topic = true;
        }
        for token in tokens {
            let percentile = token.text.strip_suffix("th").or_else(|| token.text.strip_prefix('p'));
            if percentile.is_some_and(|digits| {
                digits != "95"
                    && !digits.is_empty()
                    && digits.bytes().all(|byte| byte.is_ascii_digit())
            }) || matches!(token.text, "median" | "stddev" | "variance")
            {
                self.off_topic = true;
            }
        }
    }
}

/// Numbers, percentages, paths and the like: they add nothing that is measured.
fn is_harmless(text: &str) -> bool {
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
        )
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
