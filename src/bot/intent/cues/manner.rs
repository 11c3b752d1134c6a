//! How something is asked: about health, about the future, about what waits or what ran.

use crate::metrics::{Signal, Stat};

use super::{Cues, Word, any, has};
use crate::bot::intent::tokens::Token;

impl Cues {
    /// Whether it asks when something reaches its limit.
    pub(super) fn find_future(&mut self, tokens: &[Token<'_>]) {
        let full = tokens.iter().any(|token| token.word == Some(Word::Full));
        let predicts = tokens.iter().any(|token| token.word == Some(Word::Forecast))
            || tokens.first().is_some_and(|token| token.text == "project");
        let runs_out = tokens.windows(2).any(|pair| {
            matches!(pair[0].text, "run" | "runs" | "running" | "ran" | "is" | "are")
                && pair[1].text == "out"
        }) && tokens.windows(2).all(|pair| {
            pair[0].text != "of"
                || pair[1].word.is_some()
                || !has(tokens, &["out", "of", pair[1].text])
        });
        let when = any(tokens, &["when", "until", "till", "before", "eta"])
            || has(tokens, &["how", "long"])
            || has(tokens, &["how", "soon"]);
        let will = any(tokens, &["will", "going", "gonna", "soon"])
            || has(tokens, &["about", "to"])
            || has(tokens, &["to", "full"]);
        let left = any(tokens, &["left", "remaining", "remain"])
            && any(tokens, &["days", "hours", "weeks", "time", "long", "day"]);
        let reaches = any(tokens, &["will"])
            && any(tokens, &["hit", "reach", "exceed", "exhaust", "end", "be"]);
        let hits = any(tokens, &["when"]) && any(tokens, &["hit", "hits", "reach", "reaches"]);
        self.forecasts = predicts
            || full && (when || will || any(tokens, &["filling"]))
            || runs_out
            || left
            || self.signal.is_some() && (when && will || reaches || hits);
    }

    /// Everything else that several words say together.
    pub(super) fn find_manner(&mut self, tokens: &[Token<'_>]) {
        self.how = any(tokens, &["how", "hows"])
            && !any(tokens, &["many", "much", "long", "to", "often", "i"]);
        self.unit_subject = any(tokens, &["things", "it", "anything", "everything", "we"]);
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
            && any(tokens, &["list", "show", "which", "what", "hosts", "servers", "many"])
            && self.content == 0
            && self.unknown == 0;
        let ok = tokens.iter().skip(1).any(|token| matches!(token.text, "ok" | "okay"));
        self.health |= ok
            && (self.question || has(tokens, &["is", "ok"]) || has(tokens, &["are", "ok"]))
            || has(tokens, &["going", "on"])
            || has(tokens, &["up", "with"]);
        if self.stat.is_none() && self.signal.is_some() && any(tokens, &["did"]) {
            if has(tokens, &["how", "high"]) {
                self.stat = Some(Stat::Max);
            } else if has(tokens, &["how", "low"]) {
                self.stat = Some(Stat::Min);
            }
        }
        self.find_work(tokens);
        self.find_what_is_not_measured(tokens);
    }

    /// What waits for a decision, what ran, what could run.
    fn find_work(&mut self, tokens: &[Token<'_>]) {
        let waits = any(tokens, &["pending", "waiting", "awaiting", "wait", "waits"]);
        let requests = any(
            tokens,
            &[
                "requests",
                "request",
                "decision",
                "decisions",
                "me",
                "actions",
                "proposals",
                "what",
                "anything",
            ],
        );
        let need = any(tokens, &["need", "needs", "requires", "require"])
            && any(tokens, &["approving", "approval", "approve", "approved"]);
        if waits && (self.approvals || requests) || need && self.question {
            self.approvals = true;
            self.off_topic = false;
            self.unknown = 0;
        }
        if any(tokens, &["actions", "remediations", "remediation"])
            || has(tokens, &["action", "history"])
            || has(tokens, &["action", "log"])
        {
            let catalogue = has(tokens, &["can", "you"]) || any(tokens, &["available", "possible"]);
            if catalogue {
                self.runbooks = true;
            } else {
                self.executions = true;
                self.logs = false;
            }
        }
        self.executions |= has(tokens, &["did", "you", "do"])
            || has(tokens, &["have", "you", "done"])
            || has(tokens, &["did", "you", "run"])
            || has(tokens, &["was", "done"])
            || ["was", "were", "been"].iter().any(|was| has(tokens, &[was, "run"]));
    }

    /// Known words about something else: the meaning of a word, the number of cores, a percentile
    /// that is not offered.
    fn find_what_is_not_measured(&mut self, tokens: &[Token<'_>]) {
        let explains =
            any(tokens, &["does"]) && tokens.last().is_some_and(|token| token.text == "mean");
        let counts = self.signal == Some(Signal::Cpu) && has(tokens, &["how", "many", "cores"]);
        let other_stat = tokens.iter().any(|token| {
            let digits = token.text.strip_suffix("th").or_else(|| token.text.strip_prefix('p'));
            digits.is_some_and(|digits| {
                digits != "95"
                    && !digits.is_empty()
                    && digits.bytes().all(|byte| byte.is_ascii_digit())
            }) || matches!(token.text, "median" | "stddev" | "variance")
        });
        self.off_topic |= explains || counts || other_stat || has(tokens, &["my", "memory"]);
    }
}
