//! Free text that asks. The words are collected by what they mean, then the strongest cue decides;
//! where too many words are left over, nothing is decided.

use chrono::DateTime;

use crate::metrics::{Fleet, Signal, Stat, Window};

use super::{
    IncidentState, Intent, Interpretation, Order, command,
    cues::{Cues, has, starts},
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
    if tokens.is_empty() {
        return if marks.question { found(Intent::Help {}) } else { unknown(Vec::new()) };
    }
    if let Some(intent) = phrase(tokens) {
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
    let logs = tokens.iter().any(|token| token.word == Some(Word::Log));
    let reading = if logs { Reading::Logs } else { Reading::Question };
    let mut hosts = hosts::take(tokens, fleet, reading);
    for setting in options.all("host") {
        hosts.name(setting.value, setting.raw, fleet, reading);
    }
    notes.append(&mut hosts.notes);
    let mut cues = Cues::collect(tokens, &hosts, marks);
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
        if self.hosts.here && self.hosts.names.is_empty() && self.fleet.hosts().len() > 1 {
            self.notes.push("I watch several machines, so this is about all of them.".to_owned());
        }
        let unknown_hosts = if intent.hosts().is_empty() { Vec::new() } else { self.hosts.unknown };
        Interpretation { intent, notes: self.notes, unknown_hosts, usage: self.usage }
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
        if (self.cues.incidents || self.cues.broken) && self.cues.unknown <= 1 {
            return Some(Intent::Incidents { state: self.state(), hosts: names });
        }
        if self.cues.forecasts() && self.cues.unknown <= 1 {
            let metric = self.cues.signal.unwrap_or(Signal::Disk);
            return Some(Intent::Forecast { metric, hosts: names });
        }
        let ranks_something = self.cues.ranking && self.cues.hosts_ranked_by_work;
        if let Some(metric) = self.cues.signal.or(ranks_something.then_some(Signal::Cpu))
            && self.cues.unknown <= usize::from(self.has_anchor())
        {
            return Some(self.metric(metric));
        }
        let subject = !self.hosts.is_none() || self.cues.question || self.cues.unit_subject;
        let only_hosts = !self.hosts.is_none() && self.cues.content == 0;
        let asks = self.cues.health && (subject || self.cues.plain_status)
            || self.cues.how && !self.hosts.is_none()
            || (self.cues.summary || self.cues.lists_hosts) && self.cues.signal.is_none()
            || only_hosts;
        let allowed = usize::from(self.cues.plain_status && !self.hosts.names.is_empty());
        if asks && self.cues.unknown <= allowed && !self.cues.addresses_the_bot {
            return Some(Intent::Status { hosts: names });
        }
        None
    }

    /// Whether something besides the signal shows that a measurement is meant.
    fn has_anchor(&self) -> bool {
        !self.hosts.is_none()
            || self.window.is_some()
            || self.cues.stat.is_some()
            || self.cues.chart
    }

    /// "when was web-1 rebooted", "who restarted nginx", "runbook for restarting": asks about
    /// actions. Everything else that speaks of acting is not understood, and says why.
    fn about_acting(&mut self) -> Option<Intent> {
        let words = |wanted: Word| self.tokens.iter().any(|token| token.word == Some(wanted));
        let texts = |wanted: &[&str]| self.tokens.iter().any(|token| wanted.contains(&token.text));
        if self.cues.unknown > 1
            || words(Word::Negation)
            || words(Word::Condition)
            || words(Word::Reported)
        {
            return None;
        }
        let joined = self.tokens.windows(2).any(|pair| {
            (pair[0].word == Some(Word::And) || pair[0].text == "then" || pair[0].comma)
                && pair[1].word == Some(Word::Act)
        });
        if joined {
            return None;
        }
        let hosts = self.hosts.names.clone();
        if self.cues.runbooks {
            return Some(Intent::Runbooks {});
        }
        if self.cues.approvals
            || texts(&["approve", "approving"]) && self.cues.question && starts_open(self.tokens)
        {
            return Some(Intent::Approvals {});
        }
        if self.cues.logs {
            return self.logs();
        }
        let power = texts(&["reboot", "rebooted", "restart", "restarted", "started"]);
        let service = words(Word::Service) || self.cues.unknown > 0;
        let when = texts(&["when"]) && texts(&["was", "did", "were"])
            || has(self.tokens, &["how", "long"]) && texts(&["since"])
            || has(self.tokens, &["last", "reboot"]) && texts(&["when", "time"]);
        if power && when && !service {
            return Some(Intent::Metric {
                metric: Signal::Uptime,
                stat: Stat::Current,
                hosts,
                window: None,
                order: None,
                limit: None,
                chart: false,
            });
        }
        let past = words(Word::Acted)
            && texts(&[
                "who", "did", "was", "were", "has", "have", "what", "which", "why", "show", "list",
                "recently",
            ])
            && !texts(&["you'd", "should", "happens"])
            && !texts(&["i", "bob"])
            || texts(&["did"])
                && (texts(&[
                    "who", "what", "why", "anyone", "someone", "anybody", "somebody", "you",
                ]))
                && words(Word::Act)
            || texts(&["restarts", "reboots", "history"])
                && texts(&["show", "list", "recent", "last", "history", "any"]);
        let own = matches!(
            self.tokens.first().map(|token| token.text),
            Some("i" | "we" | "they" | "he" | "she")
        );
        if (past || self.cues.executions) && !own {
            return Some(Intent::Executions { hosts, limit: self.limit() });
        }
        None
    }

    fn logs(&mut self) -> Option<Intent> {
        let mut service = self.options.get("service").map(|setting| setting.raw.to_owned());
        let mut lines = self.options.get("lines").or_else(|| self.options.get("limit"));
        let mut count = lines.take().and_then(|setting| setting.value.parse().ok());
        let mut extra = 0;
        for token in self.tokens.iter_mut().filter(|token| !token.used) {
            if let Some(number) = lexicon::number(token.text, token.word)
                && token.word != Some(Word::Number(1))
            {
                count = count.or(Some(number));
            } else if matches!(token.word, Some(Word::Service)) {
                if service.is_none() || token.text != "access" && token.text != "auth" {
                    service = Some(token.raw.to_owned());
                }
            } else if token.word.is_none()
                && !matches!(
                    token.text,
                    "error"
                        | "errors"
                        | "warnings"
                        | "warning"
                        | "stderr"
                        | "stdout"
                        | "file"
                        | "files"
                        | "output"
                )
            {
                if service.is_none() && token.text.is_ascii() {
                    service = Some(token.raw.to_owned());
                } else {
                    extra += 1;
                }
            }
        }
        if self.tokens.iter().any(|token| token.text == "journalctl" && self.tokens.len() == 1) {
            service = None;
        }
        (extra <= 1).then(|| Intent::Logs {
            hosts: self.hosts.names.clone(),
            service,
            lines: count,
            window: self.window.clone(),
        })
    }

    /// `incident 12`, `INC-12`.
    fn incident_id(&self) -> Option<String> {
        if self.cues.incidents
            && let Some(setting) = self.options.get("incident")
        {
            return Some(command::id(setting.raw));
        }
        self.tokens.iter().enumerate().find_map(|(at, token)| {
            let after_noun = at > 0
                && (self.tokens[at - 1].word == Some(Word::Incident)
                    || matches!(self.tokens[at - 1].text, "number" | "id" | "alert")
                        && at > 1
                        && self.tokens[at - 2].word == Some(Word::Incident));
            let is =
                hosts::is_incident_id(token.text) || after_noun && command::is_id(token.text, true);
            (is && !token.used).then(|| command::id(token.raw))
        })
    }

    fn state(&self) -> Option<IncidentState> {
        if let Some(setting) = self.options.get("state") {
            return match setting.value {
                "open" | "active" => Some(IncidentState::Open),
                "acknowledged" | "acked" => Some(IncidentState::Acknowledged),
                "resolved" | "closed" => Some(IncidentState::Resolved),
                _ => None,
            };
        }
        self.cues.state.or(self.cues.broken.then_some(IncidentState::Open))
    }

    /// A number that says how many.
    fn limit(&self) -> Option<u32> {
        if let Some(setting) = self.options.get("limit") {
            return setting.value.parse().ok().filter(|limit| *limit > 0);
        }
        self.cues.number.filter(|limit| *limit > 0)
    }

    fn anomaly_limit(&self) -> Option<u32> {
        self.limit().or_else(|| {
            let last = self.tokens.iter().any(|token| matches!(token.text, "last" | "latest"));
            let one = self.tokens.iter().any(|token| token.text == "anomaly");
            (last && one && self.window.is_none()).then_some(1)
        })
    }

    fn metric(&mut self, metric: Signal) -> Intent {
        let typed = self.options.get("stat").map(|setting| setting.value);
        let mut stat = typed.and_then(stat_named).or(self.cues.stat);
        if let Some(written) = typed
            && stat_named(written).is_none()
        {
            self.usage.get_or_insert_with(|| {
                "The stat is one of current, avg, max, min and p95.".to_owned()
            });
        }
        let chart = self.cues.chart || self.options.switch("chart");
        let (mut order, mut limit) = if self.cues.ranking {
            (Some(self.cues.order), self.limit().or(self.cues.one.then_some(1)))
        } else {
            (None, None)
        };
        if let Some(setting) = self.options.get("order") {
            order = match setting.value {
                "asc" | "ascending" => Some(Order::Asc),
                "desc" | "descending" => Some(Order::Desc),
                _ => {
                    self.usage.get_or_insert_with(|| "The order is asc or desc.".to_owned());
                    order
                }
            };
        }
        if let Some(setting) = self.options.get("limit") {
            limit = setting.value.parse().ok().filter(|limit| *limit > 0);
            if limit.is_none() {
                self.usage
                    .get_or_insert_with(|| "The limit is a whole number from 1 up.".to_owned());
            }
        }
        let mut window = self.window.take();
        if metric == Signal::Uptime {
            stat = Some(Stat::Current);
        }
        if chart && window.is_none() && stat.is_none_or(|stat| stat == Stat::Current) {
            window = Some(Window::from_seconds(3_600));
            stat = stat.or(Some(Stat::Avg));
        }
        let stat = stat.unwrap_or(if window.is_some() { Stat::Avg } else { Stat::Current });
        if stat != Stat::Current && window.is_none() {
            window = Some(Window::from_seconds(3_600));
            self.notes.push("You named no length of time, so I took the last hour.".to_owned());
        }
        if self.cues.network_guessed {
            self.notes.push(
                "I took the network as what comes in; ask `network_out` for the rest.".to_owned(),
            );
        }
        if let Some(other) = self.cues.other_signal.filter(|other| *other != metric) {
            self.notes.push(format!("One signal at a time: for the other, ask `{other}`."));
        }
        Intent::Metric {
            metric,
            stat,
            hosts: self.hosts.names.clone(),
            window,
            order,
            limit,
            chart,
        }
    }
}

/// Whole phrases that mean one thing.
fn phrase(tokens: &[Token<'_>]) -> Option<Intent> {
    let (at, _) = imperative::start(tokens);
    let rest = &tokens[at.min(tokens.len())..];
    let Some(first) = rest.first() else {
        // Nothing but a greeting.
        let greets = tokens.iter().any(|token| matches!(token.text, "hi" | "hello" | "hey" | "yo"));
        return greets.then_some(Intent::Help {});
    };
    let text = first.text;
    if matches!(text, "whoami" | "who-am-i") || has(rest, &["who", "am", "i"]) {
        return Some(Intent::Whoami {});
    }
    let mine = ["role", "roles", "permissions", "permission", "rights", "access"];
    if rest.len() <= 10
        && (rest.windows(2).any(|pair| pair[0].text == "my" && mine.contains(&pair[1].text))
            || rest.windows(2).any(|pair| {
                matches!(pair[0].text, "what" | "which")
                    && mine.contains(&pair[1].text)
                    && has(rest, &["i"])
            })
            || has(rest, &["am", "i", "allowed"])
            || has(rest, &["may", "i", "do"])
            || has(rest, &["am", "i"])
                && rest
                    .iter()
                    .any(|token| matches!(token.text, "admin" | "operator" | "viewer" | "guest")))
    {
        return Some(Intent::Whoami {});
    }
    let help = matches!(text, "help" | "?") && rest.len() <= 4
        || matches!(text, "help" | "commands" | "usage" | "manual" | "man" | "-h" | "--help")
            && rest.len() == 1
        || has(rest, &["what", "can", "you", "do"])
        || has(rest, &["what", "can", "i", "do"])
        || has(rest, &["what", "can", "i", "ask"])
        || has(rest, &["what", "can", "i", "say"])
        || has(rest, &["what", "do", "you", "do"])
        || has(rest, &["what", "you", "can", "do"])
        || has(rest, &["how", "does", "this", "work"])
        || has(rest, &["how", "do", "you", "work"])
        || has(rest, &["who", "are", "you"])
        || has(rest, &["what", "are", "you"]) && rest.len() == 3
        || has(rest, &["use", "you"])
        || has(rest, &["use", "this"])
        || has(rest, &["help", "me"]) && rest.len() <= 4
        || rest.len() <= 6 && rest.iter().any(|token| token.text == "commands")
        || rest.len() <= 4
            && rest.iter().any(|token| token.text == "help")
            && !has(rest, &["need", "to"])
        || text == "good"
            && rest.len() <= 3
            && rest
                .get(1)
                .is_some_and(|next| matches!(next.word, Some(Word::Day(_))) || next.text == "day");
    if help {
        return Some(Intent::Help {});
    }
    if text == "link" && rest.len() <= 5 {
        let code = rest[1..].iter().find(|token| {
            token.word.is_none()
                && token.text.len() >= 4
                && token.text.len() <= 12
                && token.text.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && !matches!(
                    token.text,
                    "account"
                        | "accounts"
                        | "code"
                        | "identity"
                        | "user"
                        | "slack"
                        | "discord"
                        | "matrix"
                )
        });
        let talk = rest[1..].iter().filter(|token| token.word.is_none()).count();
        if talk <= 2 {
            let confirmed = code.is_some() && rest.last().is_some_and(|token| token.text == "yes");
            let code = code.map(|token| token.raw.to_ascii_uppercase());
            return Some(Intent::Link { code, confirmed });
        }
    }
    None
}

/// "what needs approving", "anything to approve": asks what there is, not whether to.
fn starts_open(tokens: &[Token<'_>]) -> bool {
    starts(tokens, &["what"])
        || starts(tokens, &["anything"])
        || starts(tokens, &["which"])
        || starts(tokens, &["is", "there"])
}

/// Reads mistyped words as what they were meant to be, and says so.
fn correct_words(tokens: &mut [Token<'_>], fleet: &Fleet, notes: &mut Vec<String>) {
    let mut tries = 12;
    for at in 0..tokens.len() {
        let token = tokens[at];
        if token.word.is_some()
            || token.used
            || fleet.find(token.text).is_some()
            || fleet.group(token.text).is_some()
        {
            continue;
        }
        let plural = token.text.strip_suffix('s').is_some_and(|stem| fleet.group(stem).is_some());
        if plural || fleet.environment(token.text).is_some() {
            continue;
        }
        tries -= 1;
        if tries == 0 {
            return;
        }
        if let Some((meant, word)) = lexicon::correct(token.text) {
            let written: String = token.raw.chars().take(40).collect();
            notes.push(format!("I read `{written}` as {meant}."));
            tokens[at].word = Some(word);
            tokens[at].text = meant;
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
pub(super) fn unknown(notes: Vec<String>) -> Interpretation {
    Interpretation { intent: Intent::Unknown {}, notes, unknown_hosts: Vec::new(), usage: None }
}
