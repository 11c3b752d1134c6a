//! Requests that change machines: restart, reboot, start, stop, scale, free a disk.

use crate::metrics::{Fleet, Signal};

use super::{
    super::{
        ActionName, Intent,
        hosts::{self, Hosts},
        lexicon::{self, Word},
    },
    Parsed, Request, is_empty, is_service, wanted,
};

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
    "fails",
    "works",
    "worked",
    "helps",
    "helped",
    "happens",
    "hangs",
    "crashes",
    "crashed",
    "breaks",
    "broke",
    "takes",
    "took",
    "finished",
    "completed",
    "done",
    "pending",
    "scheduled",
    "worries",
    "events",
];

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

fn is_group(fleet: &Fleet, text: &str) -> bool {
    fleet.group(text).is_some()
        || text.strip_suffix('s').is_some_and(|stem| fleet.group(stem).is_some())
        || matches!(text, "workers" | "worker" | "databases" | "webservers")
}

fn small(text: &str, word: Option<Word>) -> Option<u32> {
    lexicon::number(text, word).filter(|number| *number <= 100_000)
}

impl Request<'_, '_> {
    pub(super) fn restart(&mut self) -> Parsed {
        self.drop_because();
        let incident = self.incident_id(false);
        // Words up to "on" name the service; the hosts come after it, or stand alone.
        let on = self
            .tokens
            .iter()
            .position(|token| matches!(token.text, "on" | "at" | "in" | "for" | "of" | "from"));
        let Some((service, kind)) = self.service_before(on) else {
            return Parsed::Other;
        };
        let hosts = self.hosts();
        if !self.nothing_left(|_| false) {
            return Parsed::Other;
        }
        let names = hosts.names.clone();
        // "restart the conversation"
        let known = |service: &str| lexicon::look_up(&service.to_ascii_lowercase()).is_some();
        if names.is_empty()
            && self.tokens.len() > 1
            && self.options.get("service").is_none()
            && !service.as_deref().is_none_or(known)
        {
            return Parsed::Other;
        }
        let Some(service) = service else {
            // "restart web-1" can only mean the host, "restart on web-1" may mean anything there.
            if names.is_empty() || kind || on.is_some() {
                return wanted(
                    remediate(ActionName::RestartService, names, None, incident),
                    hosts,
                    Some("Say which service, and where: `restart nginx on web-1`.".to_owned()),
                );
            }
            let mut parsed =
                wanted(remediate(ActionName::Reboot, names, None, incident), hosts, None);
            if let Parsed::Wanted(found) = &mut parsed {
                found.notes.push(
                    "Without a service, I read this as a reboot of the host. For a service, say: \
                     `restart nginx on web-1`."
                        .to_owned(),
                );
            }
            return parsed;
        };
        let usage = names
            .is_empty()
            .then(|| format!("Say on which host: `restart {service} on {}`.", self.example_host()));
        wanted(remediate(ActionName::RestartService, names, Some(service), incident), hosts, usage)
    }

    /// The service named before "on", and whether a service was spoken of without a name. `None`
    /// when there are words that name neither a service nor a host.
    fn service_before(&mut self, on: Option<usize>) -> Option<(Option<String>, bool)> {
        let mut service = self.options.get("service").map(|setting| setting.raw.to_owned());
        let mut kind = false;
        let mut after_host = false;
        let end = on.unwrap_or(self.tokens.len());
        for at in 0..end {
            let token = self.tokens[at];
            if token.used || self.fleet.find(token.text).is_some() && token.word.is_none() {
                after_host |= !token.used;
                continue;
            }
            if matches!(token.text, "service" | "services" | "daemon" | "unit") {
                self.tokens[at].used = true;
                kind = true;
                continue;
            }
            if matches!(token.word, Some(Word::Host(_) | Word::All | Word::This))
                || is_empty(&token)
            {
                continue;
            }
            // "the web servers", and what looks like a host, are read as hosts.
            let next = self.tokens.get(at + 1);
            let group = next.is_some_and(|next| matches!(next.word, Some(Word::Host(_))));
            let numbered =
                token.text.contains('-') && token.text.bytes().any(|byte| byte.is_ascii_digit());
            if group || on.is_none() && (numbered || !token.text.is_ascii()) {
                continue;
            }
            let plain = is_service(token.text) && matches!(token.word, None | Some(Word::Service));
            // After a host only a service that is known: "restart web-1 lol" names none.
            let late = after_host && token.word.is_none();
            if late || service.is_some() || !plain || NOT_SERVICES.contains(&token.text) {
                return None;
            }
            service = Some(token.raw.to_owned());
            self.tokens[at].used = true;
        }
        Some((service, kind))
    }

    pub(super) fn power(&mut self, action: ActionName) -> Parsed {
        // "start from web-1", "stop at web-8"
        let begins = self.tokens.first().and_then(|token| token.word);
        if matches!(begins, Some(Word::Preposition | Word::In | Word::To))
            || self.tokens.iter().any(|token| token.text == "from")
        {
            return Parsed::Other;
        }
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
            || (weak && hosts.names.is_empty() && service.is_none() && !self.bare)
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

    pub(super) fn free_disk(&mut self) -> Parsed {
        self.drop_because();
        let disk = self
            .tokens
            .iter()
            .any(|token| !token.used && matches!(token.word, Some(Word::Signal(Signal::Disk))));
        let typed = self.text.folded().to_ascii_lowercase().contains("free_disk")
            || self.says_to_make_room();
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
    pub(super) fn scale(&mut self) -> Parsed {
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
                if delta.is_some() || count.is_some() || to {
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
        let weak = !lower.contains("scale");
        if weak
            && !group
                .as_deref()
                .is_some_and(|group| is_group(self.fleet, &group.to_ascii_lowercase()))
        {
            return Parsed::Other;
        }
        let usage = if count.is_some() && delta.is_some() {
            Some("Say either how many there should be, or how many more.".to_owned())
        } else if group.is_none() {
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
    pub(super) fn add(&mut self, sign: i32) -> Parsed {
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

    /// "free up space": with "up" it is a verb, without it a noun.
    fn says_to_make_room(&self) -> bool {
        let text = self.text.folded().to_ascii_lowercase();
        self.tokens.iter().any(|token| token.word == Some(Word::Space))
            && [
                "free up",
                "clean up",
                "clear up",
                "clear out",
                "clean out",
                "free some",
                "clear some",
            ]
            .iter()
            .any(|verb| text.contains(verb))
    }

    /// "… because it hangs": why is no part of what.
    pub(super) fn drop_because(&mut self) {
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
}
