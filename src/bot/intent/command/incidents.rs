//! Work on incidents: take them, close them, silence what raised them.

use super::{
    super::{Feedback, Intent, Normality, hosts::Hosts, lexicon::Word, times},
    Parsed, Request, id, note_at, signal, wanted,
};

/// What is done with an incident.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Take it.
    Acknowledge,
    /// Give it back.
    Unacknowledge,
    /// Close it.
    Resolve,
}

impl Request<'_, '_> {
    /// What somebody thinks of an incident, and of nothing else.
    pub(super) fn feedback(&mut self, verdict: Option<Feedback>) -> Parsed {
        let id = self.incident_id(true);
        // "Expected 7 hosts" is talk.
        let hosts = self.tokens.iter().any(|token| matches!(token.word, Some(Word::Host(_))));
        if hosts || !self.nothing_left(|token| token.word == Some(Word::Incident)) {
            return Parsed::Other;
        }
        wanted(Intent::Feedback { verdict, id }, Hosts::default(), None)
    }

    /// Whether an incident is the new normal.
    pub(super) fn new_normal(&mut self, answer: Option<Normality>) -> Parsed {
        let id = self.incident_id(true);
        // "Accept 7 hosts" is talk.
        let hosts = self.tokens.iter().any(|token| matches!(token.word, Some(Word::Host(_))));
        let left = self.nothing_left(|token| {
            token.word == Some(Word::Incident) || matches!(token.text, "as" | "new" | "normal")
        });
        match id {
            Some(id) if left && !hosts => {
                wanted(Intent::NewNormal { answer, id }, Hosts::default(), None)
            }
            _ => Parsed::Other,
        }
    }

    pub(super) fn incident(&mut self, work: Work) -> Parsed {
        if work == Work::Resolve
            && let Some(at) = note_at(self.tokens, 0)
            && let Some(number) = self.tokens.get(at - 1)
        {
            let (id, note) = (id(number.raw), self.note_after(number.end));
            let intent = Intent::Resolve { id: Some(id), hosts: Vec::new(), note };
            return wanted(intent, Hosts::default(), None);
        }
        let id = self.incident_id(true);
        let hosts = self.hosts();
        // "Release 7 hosts" is not about incident 7.
        if id.is_some() && self.tokens.iter().any(|token| token.word == Some(Word::Host(true))) {
            return Parsed::Other;
        }
        let left = self.nothing_left(|token| {
            matches!(
                token.word,
                Some(
                    Word::Incident
                        | Word::Alert
                        | Word::Open
                        | Word::Acked
                        | Word::Closed
                        | Word::Number(1)
                        | Word::Last
                )
            ) || matches!(token.text, "as" | "done")
                || work == Work::Unacknowledge && token.text == "back"
        });
        if !left {
            return Parsed::Other;
        }
        let verb = match work {
            Work::Acknowledge => "acknowledge",
            Work::Unacknowledge => "unack",
            Work::Resolve => "resolve",
        };
        let usage = (id.is_none() && hosts.names.is_empty())
            .then(|| format!("Say which incident: `{verb} 12`."));
        let names = hosts.names.clone();
        let intent = match work {
            Work::Acknowledge => Intent::Acknowledge { id, hosts: names },
            Work::Unacknowledge => Intent::Unacknowledge { id, hosts: names },
            Work::Resolve => Intent::Resolve { id, hosts: names, note: None },
        };
        wanted(intent, hosts, usage)
    }

    /// What was written after this place of the text.
    fn note_after(&self, end: usize) -> Option<String> {
        let text = self.text.folded().get(end..)?;
        let text = text
            .trim_start_matches(|c: char| {
                c.is_whitespace() || matches!(c, ',' | ';' | ':' | '-' | '.' | '`')
            })
            .trim()
            .trim_matches('"');
        (!text.is_empty()).then(|| text.chars().take(500).collect())
    }

    pub(super) fn silence(&mut self) -> Parsed {
        let window = self.options.get("window").and_then(|setting| setting.value.parse().ok());
        let window = window
            .or_else(|| self.window.take())
            .or_else(|| times::take_until(self.tokens, self.now));
        let mut metric = self.options.get("metric").and_then(|setting| signal(setting.value));
        let id = self.incident_id(false);
        let hosts = self.hosts();
        for token in self.tokens.iter_mut().filter(|token| !token.used) {
            if let Some(Word::Signal(signal)) = token.word
                && metric.is_none()
            {
                metric = Some(signal);
                token.used = true;
            }
        }
        let mut id = id;
        if id.is_none() && hosts.names.is_empty() && metric.is_none() {
            id = self.incident_id(true);
        }
        let left = self.nothing_left(|token| {
            matches!(
                token.word,
                Some(Word::Incident | Word::Alert | Word::Anomaly | Word::Space | Word::Number(_))
            ) || matches!(token.text, "about" | "notifications" | "alerting" | "sending" | "until")
        });
        if !left {
            return Parsed::Other;
        }
        let usage = (id.is_none() && hosts.names.is_empty() && metric.is_none()).then(|| {
            format!(
                "Say what to silence, and for how long: `silence {} cpu 2h`, `silence incident 12 1h`.",
                self.example_host()
            )
        });
        let names = hosts.names.clone();
        wanted(Intent::Silence { id, hosts: names, metric, window }, hosts, usage)
    }
}
