//! Questions about work: incidents, logs, what ran and what was restarted when.

use crate::metrics::{Signal, Stat};

use super::{
    super::{
        IncidentState, Intent, Order, command,
        cues::{has, starts},
        hosts, imperative,
        lexicon::{self, Word},
        tokens::Token,
    },
    Question,
};

impl Question<'_, '_> {
    /// "when was web-1 rebooted", "who restarted nginx", "runbook for restarting": asks about
    /// actions. Everything else that speaks of acting is not understood, and says why.
    pub(super) fn about_acting(&mut self) -> Option<Intent> {
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
        // A verb that is not in the catalogue, "delete old logs": no question either.
        let (first, _) = imperative::start(self.tokens);
        if self.tokens.get(first).is_some_and(|token| token.word == Some(Word::Act)) {
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
            || has(self.tokens, &["last", "reboot"])
            || has(self.tokens, &["last", "restart"]) && !hosts.is_empty();
        // "which host was rebooted most recently"
        let newest = texts(&["recently", "latest"])
            && texts(&["most", "latest"])
            && self.tokens.first().is_some_and(|token| matches!(token.text, "which" | "what"));
        if power && newest && hosts.is_empty() && !service {
            return Some(Intent::Metric {
                metric: Signal::Uptime,
                stat: Stat::Current,
                hosts,
                window: None,
                order: Some(Order::Asc),
                limit: Some(1),
                chart: false,
            });
        }
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
            && (self.cues.question || texts(&["show", "list", "recently"]))
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

    pub(super) fn logs(&mut self) -> Option<Intent> {
        // "clean up the logs"
        if imperative::opening(self.tokens).is_some() {
            return None;
        }
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
                        | "timeout"
                        | "timeouts"
                        | "exception"
                        | "exceptions"
                )
            {
                if service.is_none() && token.text.is_ascii() {
                    service = Some(token.raw.to_owned());
                } else {
                    extra += 1;
                }
            }
        }
        (extra <= 1).then(|| Intent::Logs {
            hosts: self.hosts.names.clone(),
            service,
            lines: count,
            window: self.window.clone(),
        })
    }

    /// `incident 12`, `INC-12`.
    pub(super) fn incident_id(&self) -> Option<String> {
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
            let hash = token.text.strip_prefix('#').is_some_and(|number| {
                (1..=9).contains(&number.len()) && number.bytes().all(|it| it.is_ascii_digit())
            });
            let is = hash
                || hosts::is_incident_id(token.text)
                || after_noun && command::is_id(token.text, true);
            (is && !token.used).then(|| command::id(token.raw))
        })
    }

    pub(super) fn state(&self) -> Option<IncidentState> {
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
    pub(super) fn limit(&self) -> Option<u32> {
        if let Some(setting) = self.options.get("limit") {
            return setting.value.parse().ok().filter(|limit| *limit > 0);
        }
        self.cues.number.filter(|limit| *limit > 0)
    }

    pub(super) fn anomaly_limit(&self) -> Option<u32> {
        self.limit().or_else(|| {
            let last = self.tokens.iter().any(|token| matches!(token.text, "last" | "latest"));
            let one = self.tokens.iter().any(|token| token.text == "anomaly");
            (last && one && self.window.is_none()).then_some(1)
        })
    }
}

/// "what needs approving", "anything to approve": asks what there is, not whether to.
fn starts_open(tokens: &[Token<'_>]) -> bool {
    starts(tokens, &["what"])
        || starts(tokens, &["anything"])
        || starts(tokens, &["which"])
        || starts(tokens, &["is", "there"])
}
