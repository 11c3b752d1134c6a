//! Requests that change something: each verb with its own strict grammar. A word that is not
//! understood makes the whole text a non-request, because half a request is another request.

use chat::Inbound;

use crate::{
    access::Role,
    metrics::{Fleet, Signal, Window},
};

use super::{
    ActionName, Intent, Interpretation,
    hosts::{self, Hosts, Reading},
    imperative::Verb,
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
}

/// Reads what follows the verb.
pub(super) fn read(verb: Verb, mut request: Request<'_, '_>) -> Parsed {
    match verb {
        Verb::Restart => request.restart(),
        Verb::Reboot => request.power(ActionName::Reboot),
        Verb::Start => request.power(ActionName::Start),
        Verb::Stop => request.power(ActionName::Stop),
        Verb::Scale => request.scale(1),
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
        Verb::Silence => request.silence(),
    }
}

/// Where the reason begins, for the verbs that take one.
pub(super) fn reason_at(verb: Verb, tokens: &[Token<'_>], rest: usize) -> Option<usize> {
    if !matches!(verb, Verb::Approve | Verb::Reject) {
        return None;
    }
    code_at(tokens.get(rest..)?).map(|(at, _)| rest + at + 1)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Acknowledge,
    Resolve,
}

impl Request<'_, '_> {
    /// Takes the hosts out of the words and the options. "All hosts" and "here" become names, so
    /// that an effect always says what it touches.
    fn hosts(&mut self) -> Hosts {
        let mut hosts = hosts::take(self.tokens, self.fleet, Reading::Effect);
        for setting in self.options.all("host") {
            hosts.name(setting.value, setting.raw, self.fleet, Reading::Effect);
        }
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
        self.tokens.iter().all(|token| token.used || is_empty(token) || also(token))
    }

    fn restart(&mut self) -> Parsed {
        self.drop_because();
        let incident = self.incident_id(false);
        let mut service = self.options.get("service").map(|setting| setting.raw.to_owned());
        // Words up to "on" name the service; the hosts come after it, or stand alone.
        let on = self
            .tokens
            .iter()
            .position(|token| matches!(token.text, "on" | "at" | "in" | "for" | "of" | "from"))
            .unwrap_or(self.tokens.len());
        for at in 0..on {
            let token = self.tokens[at];
            if token.used || self.fleet.find(token.text).is_some() && token.word.is_none() {
                continue;
            }
            let empty =
                is_empty(&token) || matches!(token.text, "service" | "daemon" | "unit" | "app");
            if matches!(token.word, Some(Word::Host(_) | Word::All | Word::This)) || empty {
                if matches!(token.text, "service" | "daemon" | "unit" | "app") {
                    self.tokens[at].used = true;
                }
                continue;
            }
            let groups = self
                .tokens
                .get(at + 1)
                .is_some_and(|next| matches!(next.word, Some(Word::Host(_))));
            if groups
                || on == self.tokens.len()
                    && token.text.contains('-')
                    && token.text.bytes().any(|byte| byte.is_ascii_digit())
            {
                continue;
            }
            let plain = is_service(token.text) && matches!(token.word, None | Some(Word::Service));
            if service.is_some() || !plain || NOT_SERVICES.contains(&token.text) {
                return Parsed::Other;
            }
            service = Some(token.raw.to_owned());
            self.tokens[at].used = true;
        }
        let hosts = self.hosts();
        if !self.nothing_left(|_| false) {
            return Parsed::Other;
        }
        if service.is_none() && hosts.names.is_empty() {
            return wanted(
                remediate(ActionName::RestartService, Vec::new(), None, incident),
                hosts,
                Some("Say what to restart, and where: `restart nginx on web-1`.".to_owned()),
            );
        }
        let usage = match &service {
            Some(service) if hosts.names.is_empty() => {
                Some(format!("Say on which host: `restart {service} on {}`.", self.example_host()))
            }
            _ => None,
        };
        let action =
            if service.is_some() { ActionName::RestartService } else { ActionName::Reboot };
        let intent = remediate(action, hosts.names.clone(), service, incident);
        let mut parsed = wanted(intent, hosts, usage);
        if action == ActionName::Reboot
            && let Parsed::Wanted(found) = &mut parsed
        {
            found.notes.push(
                "Without a service, I read this as a reboot of the host. For a service, say: \
                 `restart nginx on web-1`."
                    .to_owned(),
            );
        }
        parsed
    }

    fn power(&mut self, action: ActionName) -> Parsed {
        self.drop_because();
        let incident = self.incident_id(false);
        let hosts = self.hosts();
        let (verb, weak) = match action {
            ActionName::Reboot => ("reboot", false),
            ActionName::Start => ("start", true),
            _ => ("stop", true),
        };
        // "stop nginx on web-1": clear, but not in the catalogue.
        let mut service = self.options.get("service").map(|setting| setting.raw.to_owned());
        for token in self.tokens.iter_mut().filter(|token| !token.used) {
            if matches!(token.word, Some(Word::Service)) && service.is_none() {
                service = Some(token.raw.to_owned());
                token.used = true;
            } else if matches!(token.text, "service" | "daemon") && service.is_some() {
                token.used = true;
            }
        }
        if !self.nothing_left(|_| false)
            || (weak && hosts.names.is_empty() && service.is_none() && self.tokens.len() > 1)
        {
            return Parsed::Other;
        }
        let usage = if service.is_some() {
            Some(format!(
                "I can {verb} hosts, and restart services: `{verb} {}`, `restart nginx on web-1`.",
                self.example_host()
            ))
        } else {
            hosts
                .names
                .is_empty()
                .then(|| format!("Say which host: `{verb} {}`.", self.example_host()))
        };
        wanted(remediate(action, hosts.names.clone(), service, incident), hosts, usage)
    }

    fn free_disk(&mut self) -> Parsed {
        self.drop_because();
        let disk = self
            .tokens
            .iter()
            .any(|token| !token.used && matches!(token.word, Some(Word::Signal(Signal::Disk))));
        let typed = self.text.folded().to_ascii_lowercase().contains("free_disk");
        if !disk && !typed {
            return Parsed::Other;
        }
        let incident = self.incident_id(false);
        let hosts = self.hosts();
        let left = self.nothing_left(|token| {
            matches!(token.word, Some(Word::Signal(Signal::Disk) | Word::Space))
        });
        if !left {
            return Parsed::Other;
        }
        let usage = hosts
            .names
            .is_empty()
            .then(|| format!("Say on which host: `free disk on {}`.", self.example_host()));
        wanted(remediate(ActionName::FreeDisk, hosts.names.clone(), None, incident), hosts, usage)
    }

    /// "workers to 5", "up workers by 2", "workers count=5".
    fn scale(&mut self, _sign: i32) -> Parsed {
        self.drop_because();
        let incident = self.incident_id(false);
        let lower = self.text.folded().to_ascii_lowercase();
        let mut sign = 0;
        if lower.contains("increase") || lower.contains("grow") {
            sign = 1;
        } else if lower.contains("decrease") || lower.contains("shrink") {
            sign = -1;
        }
        let mut group = self.options.get("group").map(|setting| setting.raw.to_owned());
        let mut count = self.options.get("count").and_then(|setting| setting.value.parse().ok());
        let mut delta: Option<i32> = self
            .options
            .get("delta")
            .and_then(|setting| setting.value.trim_start_matches('+').parse().ok());
        let mut by = false;
        let mut to = false;
        for at in 0..self.tokens.len() {
            let token = self.tokens[at];
            if token.used {
                continue;
            }
            let signed = token
                .text
                .strip_prefix('+')
                .map(|text| (1, text))
                .or_else(|| token.text.strip_prefix('-').map(|text| (-1, text)));
            if let Some((direction, digits)) = signed
                && let Some(number) = small(digits, None)
            {
                if delta.is_some() || count.is_some() {
                    return Parsed::Other;
                }
                delta = i32::try_from(number).ok().map(|number| number * direction);
            } else if let Some(number) = small(token.text, token.word) {
                if delta.is_some() || count.is_some() {
                    return Parsed::Other;
                }
                if by {
                    delta = i32::try_from(number).ok();
                } else {
                    count = Some(number);
                }
            } else {
                match token.text {
                    "up" | "out" => sign = 1,
                    "down" | "in" | "back" if sign == 0 => sign = -1,
                    "by" => by = true,
                    "to" | "at" => to = true,
                    "the" | "a" | "an" | "our" | "my" | "number" | "of" | "size" | "more"
                    | "instances" | "instance" | "nodes" | "hosts" | "servers" | "machines"
                    | "group" | "tier" | "pool" | "count" | "please" | "now" => {}
                    _ if is_empty(&token) => {}
                    _ if group.is_none() && token.word.is_none() && is_service(token.text) => {
                        group = Some(token.raw.to_owned());
                    }
                    _ => return Parsed::Other,
                }
            }
        }
        let _ = to;
        if sign != 0 {
            // "scale up workers 2" without "to" is by two; "scale down to 2" is to two.
            if !to && delta.is_none() && count.is_some() {
                delta = count.take().and_then(|count: u32| i32::try_from(count).ok());
            }
            delta = delta.map(|delta| delta.abs() * sign);
            if delta.is_none() && count.is_none() && group.is_some() {
                delta = Some(sign);
            }
        }
        let usage = if group.is_none() {
            Some("Say which group, and to how many: `scale workers to 5`.".to_owned())
        } else if count.is_none() && delta.is_none_or(|delta| delta == 0) {
            Some(format!(
                "Say to how many: `scale {} to 5`.",
                group.as_deref().unwrap_or("workers")
            ))
        } else {
            None
        };
        scaled(group, count, delta, incident, usage)
    }

    /// "add 2 workers", "remove one worker".
    fn add(&mut self, sign: i32) -> Parsed {
        let mut number = None;
        let mut group = None;
        for token in self.tokens.iter() {
            if let Some(found) = small(token.text, token.word).filter(|_| number.is_none()) {
                number = Some(found);
                continue;
            }
            match token.text {
                "a" | "an" | "another" if number.is_none() => number = Some(1),
                "more" | "new" | "extra" | "additional" | "please" | "now" | "to" | "from"
                | "the" | "of" => {}
                _ if matches!(token.word, Some(Word::Host(_))) => {}
                text if group.is_none() && token.word.is_none() && is_group(self.fleet, text) => {
                    group = Some(token.raw.to_owned());
                }
                _ => return Parsed::Other,
            }
        }
        match (number, group) {
            (Some(number), Some(group)) if number > 0 => {
                let delta = i32::try_from(number).ok().map(|number| number * sign);
                scaled(Some(group), None, delta, None, None)
            }
            _ => Parsed::Other,
        }
    }

    fn decide(&mut self, approve: bool) -> Parsed {
        let verb = if approve { "approve" } else { "reject" };
        let mut code = self.options.get("code").map(|setting| setting.value.to_ascii_uppercase());
        let mut reason = self.options.get("reason").map(|setting| setting.start);
        if code.is_none()
            && let Some((at, found)) = code_at(self.tokens)
        {
            code = Some(found);
            let after = self.tokens[at].end;
            let next = self.tokens.get(at + 1);
            // "approve 7F3K and 8G2L"
            let list = self.tokens.get(at + 1..).unwrap_or_default();
            let several = list.iter().take(2).any(|token| is_code(token.raw))
                && list
                    .first()
                    .is_some_and(|token| token.word == Some(Word::And) || is_code(token.raw));
            if several {
                return wanted(
                    decision(approve, None, None),
                    Hosts::default(),
                    Some(format!("One at a time, with its code: `{verb} 7F3K`.")),
                );
            }
            reason = reason.or(next.filter(|next| !next.used).map(|_| after));
        }
        let Some(code) = code else {
            // "approve of this plan" and "deny everything" are talk.
            let talk =
                self.tokens.iter().filter(|token| !token.used && token.word.is_none()).count();
            if talk > 1 || self.tokens.first().is_some_and(|token| token.text == "of") {
                return Parsed::Other;
            }
            return wanted(
                decision(approve, None, None),
                Hosts::default(),
                Some(format!("Say which request, with its code: `{verb} 7F3K`.")),
            );
        };
        let reason = reason
            .and_then(|start| self.text.folded().get(start..))
            .map(|text| {
                let text = text.trim_start_matches(|c: char| {
                    c.is_whitespace() || matches!(c, ',' | ';' | ':' | '-' | '.' | '`')
                });
                text.trim().trim_matches('"').chars().take(500).collect::<String>()
            })
            .filter(|text| {
                !text.is_empty() && !matches!(text.as_str(), "please" | "please." | "!" | "?")
            });
        wanted(decision(approve, Some(code), reason), Hosts::default(), None)
    }

    /// "operator to slack:T1:U1 in prod", "slack:T1:U1 an admin".
    fn access(&mut self, grant: bool) -> Parsed {
        let mut role = None;
        let mut user = None;
        let mut environment = None;
        let mut strange = false;
        if let Some(setting) = self.options.get("role") {
            role = setting.value.parse::<Role>().ok();
            strange |= role.is_none();
        }
        if let Some(setting) = self.options.get("user") {
            user = self.user(setting.raw);
            strange |= user.is_none();
        }
        if let Some(setting) = self.options.get("environment") {
            environment = Some(setting.raw.to_owned());
        }
        let mut at = 0;
        while at < self.tokens.len() {
            let token = self.tokens[at];
            at += 1;
            if token.used {
                continue;
            }
            let singular = token.text.strip_suffix('s').unwrap_or(token.text);
            if let Ok(found) = singular.parse::<Role>() {
                if role.is_some() {
                    return Parsed::Other;
                }
                role = Some(found);
            } else if let Some(found) = self.user(token.raw) {
                if user.is_some() {
                    return Parsed::Other;
                }
                user = Some(found);
            } else if matches!(token.text, "in" | "for" | "on")
                && let Some(next) = self.tokens.get(at)
                && !next.used
                && is_service(next.text)
                && environment.is_none()
                && !next.text.contains(':')
            {
                let next = *next;
                at += 1;
                // "in the prod environment", "for everything"
                if next.word == Some(Word::Article) {
                    continue;
                }
                environment = Some(next.raw.to_owned());
            } else if environment.is_none()
                && self.fleet.environment(token.text).is_some()
                && token.word.is_none()
            {
                environment = Some(token.raw.to_owned());
            } else if !is_empty(&token)
                && !matches!(
                    token.text,
                    "to" | "role" | "roles" | "rights" | "access" | "environment" | "an" | "away"
                )
            {
                strange = true;
                // "give me a hand", "make cpu great": talk, unless a role or a person was named.
                if role.is_none() && user.is_none() {
                    return Parsed::Other;
                }
            }
        }
        let verb = if grant { "grant" } else { "revoke" };
        if role.is_none() && user.is_none() && self.event.text.len() > 16 {
            return Parsed::Other;
        }
        let to = if grant { "" } else { "from " };
        let example = format!("{verb} operator {to}slack:T0123:U0456");
        let usage = if role.is_none() {
            Some(format!("Say which role (guest, viewer, operator or admin): `{example}`."))
        } else if user.is_none() {
            Some(format!("Say whom, as PLATFORM:WORKSPACE:USER or by link code: `{example}`."))
        } else if strange {
            return Parsed::Other;
        } else {
            None
        };
        let intent = if grant {
            Intent::Grant { role, user, environment }
        } else {
            Intent::Revoke { role, user, environment }
        };
        wanted(intent, Hosts::default(), usage)
    }

    /// A person: an identity, a mention on this platform, or a link code.
    fn user(&self, raw: &str) -> Option<String> {
        if raw.contains(':') {
            return raw.parse::<chat::UserRef>().ok().map(|user| user.to_string());
        }
        if let Some(id) = raw.strip_prefix('@') {
            let plain = id.len() >= 6
                && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
                || id.len() >= 2
                    && id.starts_with(['U', 'W'])
                    && id[1..]
                        .bytes()
                        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
            return plain.then(|| {
                format!("{}:{}:{id}", self.event.from.platform, self.event.from.workspace)
            });
        }
        is_code(raw).then(|| raw.to_ascii_uppercase())
    }

    fn incident(&mut self, work: Work) -> Parsed {
        let id = self.incident_id(true);
        let hosts = self.hosts();
        let left = self.nothing_left(|token| {
            matches!(
                token.word,
                Some(Word::Incident | Word::Alert | Word::Open | Word::Number(1) | Word::Last)
            )
        });
        if !left {
            return Parsed::Other;
        }
        let verb = if work == Work::Acknowledge { "acknowledge" } else { "resolve" };
        let usage = (id.is_none() && hosts.names.is_empty())
            .then(|| format!("Say which incident: `{verb} 12`."));
        let names = hosts.names.clone();
        let intent = match work {
            Work::Acknowledge => Intent::Acknowledge { id, hosts: names },
            Work::Resolve => Intent::Resolve { id, hosts: names },
        };
        wanted(intent, hosts, usage)
    }

    fn silence(&mut self) -> Parsed {
        let window = self.options.get("window").and_then(|setting| setting.value.parse().ok());
        let window = window.or_else(|| self.window.take());
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
        let usage = (id.is_none() && hosts.names.is_empty()).then(|| {
            format!(
                "Say what to silence, and for how long: `silence {} cpu 2h`, `silence incident 12 1h`.",
                self.example_host()
            )
        });
        let names = hosts.names.clone();
        wanted(Intent::Silence { id, hosts: names, metric, window }, hosts, usage)
    }

    /// "… because it hangs": why is no part of what.
    fn drop_because(&mut self) {
        let because =
            self.tokens.iter().position(|token| matches!(token.text, "because" | "due" | "bc"));
        if let Some(at) = because {
            let about_incident = self.tokens[at..].iter().any(|token| {
                token.word == Some(Word::Incident) || hosts::is_incident_id(token.text)
            });
            for token in &mut self.tokens[at..] {
                if !(about_incident
                    && (token.word == Some(Word::Incident)
                        || token.text.bytes().any(|byte| byte.is_ascii_digit())))
                {
                    token.used = true;
                }
            }
        }
    }

    fn example_host(&self) -> &str {
        self.fleet.hosts().first().map_or("web-1", |host| host.name.as_str())
    }
}

/// Nouns that make "restart count" and "restart loop" something to ask about.
const NOT_SERVICES: &[&str] = &[
    "count",
    "counts",
    "history",
    "loop",
    "loops",
    "policy",
    "reason",
    "required",
    "needed",
    "failed",
    "rate",
    "procedure",
    "plan",
    "schedule",
    "everything",
    "things",
    "it",
    "that",
    "them",
    "something",
    "button",
    "sequence",
    "yourself",
    "time",
    "because",
    "please",
    "failure",
    "failures",
    "events",
];

fn wanted(intent: Intent, hosts: Hosts, usage: Option<String>) -> Parsed {
    Parsed::Wanted(Interpretation {
        intent,
        notes: hosts.notes,
        unknown_hosts: hosts.unknown,
        usage,
    })
}

fn remediate(
    action: ActionName,
    hosts: Vec<String>,
    service: Option<String>,
    incident: Option<String>,
) -> Intent {
    Intent::Remediate { action, hosts, service, group: None, count: None, delta: None, incident }
}

fn scaled(
    group: Option<String>,
    count: Option<u32>,
    delta: Option<i32>,
    incident: Option<String>,
    usage: Option<String>,
) -> Parsed {
    let intent = Intent::Remediate {
        action: ActionName::Scale,
        hosts: Vec::new(),
        service: None,
        group,
        count,
        delta,
        incident,
    };
    wanted(intent, Hosts::default(), usage)
}

fn decision(approve: bool, code: Option<String>, reason: Option<String>) -> Intent {
    if approve { Intent::Approve { code, reason } } else { Intent::Reject { code, reason } }
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
            | "for"
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
            | "mate"
            | "real"
            | "quick"
            | "up"
            | "named"
            | "called"
            | "to"
    ) && token.text != "up"
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

fn is_group(fleet: &Fleet, text: &str) -> bool {
    fleet.group(text).is_some()
        || text.strip_suffix('s').is_some_and(|stem| fleet.group(stem).is_some())
        || matches!(text, "workers" | "worker" | "databases" | "webservers")
}

fn small(text: &str, word: Option<Word>) -> Option<u32> {
    lexicon::number(text, word).filter(|number| *number <= 100_000)
}

/// The code of a request among the first words: `7F3K`.
fn code_at(tokens: &[Token<'_>]) -> Option<(usize, String)> {
    for (at, token) in tokens.iter().enumerate().take(5) {
        if token.used {
            continue;
        }
        if is_code(token.raw) {
            return Some((at, token.raw.to_ascii_uppercase()));
        }
        if !matches!(
            token.text,
            "the"
                | "request"
                | "code"
                | "action"
                | "approval"
                | "number"
                | "please"
                | "with"
                | "id"
                | "proposal"
        ) {
            return None;
        }
    }
    None
}

/// 4 to 12 letters and digits that are no ordinary word: with a digit, or all in capitals.
fn is_code(raw: &str) -> bool {
    let raw = raw.strip_prefix('#').unwrap_or(raw);
    (4..=12).contains(&raw.len())
        && raw.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && (raw.bytes().any(|byte| byte.is_ascii_digit())
            || raw.bytes().all(|byte| byte.is_ascii_uppercase())
                && lexicon::look_up(&raw.to_ascii_lowercase()).is_none()
                && !matches!(raw, "THIS" | "THAT" | "EVERYTHING" | "THEM" | "LOOKS"))
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
