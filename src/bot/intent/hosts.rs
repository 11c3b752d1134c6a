//! Which hosts the words name. A name that is not in the fleet stays as it was written: no host is
//! guessed, and no character is dropped to make a name fit.

mod names;

use names::{
    can_be_a_name, escape_mixed, expand, glob, group, is_short_name, looks_like_a_host, near_group,
    position, range,
};

pub(super) use names::{KNOWN_ENVIRONMENTS, environment, is_incident_id};

use crate::metrics::Fleet;

use super::{
    UnknownHost,
    cues::is_harmless,
    lexicon::{self, Word},
    options::Options,
    tokens::Token,
};

/// How freely names are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// A question: a mistyped name may be corrected, and the correction is shown.
    Question,
    /// A question about logs: "logs for nginx" names a service.
    Logs,
    /// Something changes: names are taken exactly or not at all.
    Effect,
}

impl Reading {
    fn corrects(self) -> bool {
        self != Self::Effect
    }
}

/// The hosts that a text names.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// Names in the fleet, sorted, and names as written that are not in it.
    pub names: Vec<String>,
    /// Names that are not in the fleet.
    pub unknown: Vec<UnknownHost>,
    /// Corrections to show back.
    pub notes: Vec<String>,
    /// "all hosts" was said.
    pub all: bool,
    /// "this machine" was said.
    pub here: bool,
    /// A host was named by its own name.
    pub by_name: bool,
    environments: Vec<usize>,
    groups: Vec<usize>,
    picked: Vec<usize>,
    excluded: Vec<usize>,
    narrowed: bool,
    /// How the groups and environments were written.
    written: Vec<String>,
}

/// Takes the hosts out of the words.
pub(super) fn take(
    tokens: &mut [Token<'_>],
    options: &Options<'_>,
    fleet: &Fleet,
    reading: Reading,
) -> Hosts {
    let mut hosts = Hosts::default();
    for setting in options.all("host").chain(options.all("group")).chain(options.all("role")) {
        hosts.name(setting.value, setting.raw, fleet, reading);
    }
    for setting in options.all("environment") {
        match environment(fleet, setting.value) {
            Some(positions) => hosts.add_environment(positions, setting.raw),
            None => hosts.unknown(setting.raw, fleet),
        }
    }
    // Whether the next word stands where a host stands, after "on" or "host" or in a list.
    let mut expecting = false;
    let mut excluding = false;
    let subject = if reading == Reading::Question { subject(tokens) } else { None };
    let mut at = 0;
    while at < tokens.len() {
        let token = tokens[at];
        expecting |= subject == Some(at);
        if token.used {
            at += 1;
            expecting &= token.comma;
            continue;
        }
        let place = Place { at, expecting, excluding };
        if let Some(taken) = hosts.read(tokens, place, fleet, reading) {
            for token in &mut tokens[at..at + taken] {
                token.used = true;
            }
            at += taken;
            // A list may go on; whatever is not a host ends it.
            let last = tokens[at - 1];
            expecting = last.comma
                || tokens.get(at).is_some_and(|next| matches!(next.word, Some(Word::And)));
            continue;
        }
        match token.word {
            Some(Word::Preposition) => {
                // "out of patience"
                expecting = reading != Reading::Logs && (at == 0 || tokens[at - 1].text != "out")
                    || !matches!(token.text, "for" | "of" | "from");
            }
            Some(Word::Host(_)) => expecting = true,
            Some(Word::Except) => {
                expecting = true;
                excluding = true;
            }
            // "everything but web-1"
            Some(Word::Filler)
                if token.text == "but"
                    && tokens[..at]
                        .iter()
                        .any(|token| matches!(token.word, Some(Word::All | Word::Host(true)))) =>
            {
                expecting = true;
                excluding = true;
            }
            Some(Word::Article | Word::And | Word::All) => {}
            Some(Word::This) => {
                hosts.here |= is_here(tokens, at);
            }
            _ => expecting = false,
        }
        hosts.all |= token.word == Some(Word::All) || token.text == "*";
        at += 1;
    }
    hosts.finish(fleet);
    hosts
}

/// Where an unknown word stands as what is asked about: "how is gandalf doing", "status gandalf".
fn subject(tokens: &[Token<'_>]) -> Option<usize> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    tokens
        .iter()
        .enumerate()
        .take(10)
        .skip(1)
        .position(|(at, token)| {
            if token.used
                || token.word.is_some()
                || is_harmless(token.text)
                || !can_be_a_name(token.text)
            {
                return false;
            }
            let asked = match text(at - 1) {
                "is" | "are" => {
                    at > 1 && text(at - 2) == "how"
                        || at == 1
                            && tokens.get(2).is_some_and(|next| next.word == Some(Word::Health))
                }
                "hows" => true,
                // "how's gandalf", but not "how hot"
                "how" => token.start > tokens[at - 1].end + 2,
                "status" | "health" | "check" => at + 1 == tokens.len(),
                "does" | "do" | "did" => {
                    tokens.iter().any(|token| matches!(token.word, Some(Word::Signal(_))))
                }
                _ => false,
            };
            asked && lexicon::correct(token.text).is_none()
        })
        .map(|before| before + 1)
}

/// "here", "localhost", "this machine", but not "this week".
fn is_here(tokens: &[Token<'_>], at: usize) -> bool {
    matches!(tokens[at].text, "here" | "localhost")
        || tokens.get(at + 1).is_some_and(|next| matches!(next.word, Some(Word::Host(_))))
}

#[derive(Clone, Copy)]
struct Place {
    at: usize,
    expecting: bool,
    excluding: bool,
}

impl Hosts {
    /// Whether anything was said about where.
    pub fn is_none(&self) -> bool {
        self.names.is_empty() && !self.all && !self.here
    }

    /// Adds a host that was named explicitly, as in `host=web-1`.
    fn name(&mut self, text: &str, raw: &str, fleet: &Fleet, reading: Reading) {
        if matches!(text, "*" | "all") {
            self.all = true;
        } else if let Some(position) = position(fleet, text) {
            self.by_name = true;
            self.picked.push(position);
        } else if let Some(names) = expand(text) {
            self.add_names(&names, raw, false, fleet);
        } else if let Some(positions) = glob(fleet, text) {
            self.add_group(positions, text);
        } else if let Some(positions) = group(fleet, text) {
            self.add_group(positions.to_vec(), text);
        } else if matches!(text, "localhost" | "here" | "this") {
            self.here = true;
        } else if let Some(position) = self.corrected(text, raw, fleet, reading) {
            self.picked.push(position);
        } else {
            self.unknown(raw, fleet);
        }
    }

    /// Tries to read a host at this word: how many words it takes.
    fn read(
        &mut self,
        tokens: &[Token<'_>],
        place: Place,
        fleet: &Fleet,
        reading: Reading,
    ) -> Option<usize> {
        let Place { at, expecting, excluding } = place;
        let token = &tokens[at];
        let text = token.text;
        if !text.is_ascii() || text.bytes().any(|byte| byte.is_ascii_control()) {
            return self.read_strange(token, expecting, fleet);
        }
        if is_incident_id(text) {
            return None;
        }
        // An ordinary word names a host only where a host stands.
        let ordinary = token.word.is_some() && !(expecting && token.word != Some(Word::Article));
        if !ordinary && let Some(position) = position(fleet, text) {
            return Some(self.pick(tokens, at, position, excluding, fleet));
        }
        if let Some(positions) = glob(fleet, text) {
            if positions.is_empty() {
                self.unknown(token.raw, fleet);
            } else {
                self.add(positions, excluding);
            }
            return Some(1);
        }
        if let Some(names) = expand(text) {
            self.add_names(&names, token.raw, excluding, fleet);
            return Some(1);
        }
        // "web-1/web-2"
        if reading.corrects() && text.contains('/') {
            let found: Option<Vec<usize>> =
                text.split('/').map(|name| names::position(fleet, name)).collect();
            if let Some(found) = found {
                self.by_name = true;
                self.add(found, excluding);
                return Some(1);
            }
        }
        // "web 1": the host, not the group.
        if let Some(next) = tokens.get(at + 1)
            && fleet.group(text).is_some()
            && lexicon::number(next.text, None).is_some()
        {
            let joined = format!("{text}-{}", next.text);
            if reading.corrects()
                && let Some(position) = position(fleet, &joined)
            {
                self.notes.push(format!("I read `{text} {}` as {joined}.", next.text));
                self.by_name = true;
                self.add(vec![position], excluding);
                return Some(2);
            }
            if reading == Reading::Effect {
                self.unknown(&format!("{text} {}", next.text), fleet);
                return Some(2);
            }
        }
        if let Some(taken) = self.read_group(tokens, place, fleet, reading) {
            return Some(taken);
        }
        if token.word.is_some() || lexicon::number(text, None).is_some() {
            return None;
        }
        let looks = looks_like_a_host(text, fleet) || is_short_name(text, fleet);
        let placed = expecting && can_be_a_name(text) && lexicon::correct(text).is_none();
        // "the mail servers", when there are none
        let described = token.word.is_none()
            && tokens.get(at + 1).is_some_and(|next| matches!(next.word, Some(Word::Host(_))))
            && can_be_a_name(text)
            && lexicon::correct(text).is_none()
            && !text.ends_with("est");
        if !looks && !placed && !described {
            return None;
        }
        if let Some(position) = self.corrected(text, token.raw, fleet, reading) {
            self.by_name = true;
            self.add(vec![position], excluding);
        } else if reading.corrects()
            && let Some(name) = near_group(fleet, text)
        {
            let positions = fleet.group(name).unwrap_or_default().to_vec();
            self.notes.push(format!("I read `{text}` as {name}."));
            self.add(positions, excluding);
        } else if reading == Reading::Logs && !looks && !placed {
            return None;
        } else {
            self.unknown(token.raw, fleet);
        }
        Some(1)
    }

    /// A word with characters outside ASCII, or with invisible ones: never one of our names.
    fn read_strange(&mut self, token: &Token<'_>, expecting: bool, fleet: &Fleet) -> Option<usize> {
        if let Some(position) = position(fleet, &token.raw.to_lowercase()) {
            self.by_name = true;
            self.picked.push(position);
            return Some(1);
        }
        let plain = token.text.bytes().any(|byte| byte.is_ascii_alphanumeric());
        let letters = token.text.chars().any(char::is_alphanumeric);
        let joined =
            token.text.bytes().any(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
        if (plain && joined) || (letters && (expecting || joined)) {
            self.unknown(token.raw, fleet);
            return Some(1);
        }
        // Emoji and decoration.
        (!letters).then_some(1)
    }

    /// "the workers", "db hosts", "in staging".
    fn read_group(
        &mut self,
        tokens: &[Token<'_>],
        place: Place,
        fleet: &Fleet,
        reading: Reading,
    ) -> Option<usize> {
        let token = &tokens[place.at];
        let before = place.at.checked_sub(1).map(|before| tokens[before]);
        let in_place =
            place.expecting || before.is_some_and(|before| before.word == Some(Word::In));
        let noun =
            tokens.get(place.at + 1).is_some_and(|next| matches!(next.word, Some(Word::Host(_))));
        if token.word.is_some() && !noun && !in_place {
            return None;
        }
        if matches!(token.word, Some(Word::Article | Word::All | Word::Host(_) | Word::Filler)) {
            return None;
        }
        let (positions, is_environment) = if let Some(positions) = group(fleet, token.text) {
            (positions, false)
        } else if let Some(positions) = environment(fleet, token.text) {
            (positions, true)
        } else if KNOWN_ENVIRONMENTS.iter().any(|names| names.contains(&token.text))
            && token.word.is_none()
            && (noun || in_place)
        {
            self.unknown(token.raw, fleet);
            return Some(1);
        } else {
            return None;
        };
        // "the web server" is one of them, and not said which.
        let one = noun
            && tokens[place.at + 1].word == Some(Word::Host(false))
            && positions.len() > 1
            && before.is_none_or(|before| before.word != Some(Word::All));
        if reading == Reading::Effect && one {
            return None;
        }
        // "cpu of database disk": a bare group name is fine in a question, but an effect needs
        // "the web servers" or "workers", so that a service's name is never a group of hosts.
        let plural = !is_environment && fleet.group(token.text).is_none();
        if reading == Reading::Effect && !noun && !plural && !in_place {
            return None;
        }
        if place.excluding {
            self.excluded.extend(positions);
        } else if is_environment {
            self.add_environment(positions, token.raw);
        } else {
            self.add_group(positions.to_vec(), token.raw);
        }
        Some(1 + usize::from(noun))
    }

    /// One host, or a range that begins with it: "web-1 to web-3".
    fn pick(
        &mut self,
        tokens: &[Token<'_>],
        at: usize,
        position: usize,
        excluding: bool,
        fleet: &Fleet,
    ) -> usize {
        if let (Some(to), Some(end)) = (tokens.get(at + 1), tokens.get(at + 2))
            && matches!(to.text, "to" | "through" | "thru")
            && let Some(names) = range(&fleet.hosts()[position].name, end.text)
        {
            let written = format!("{} {} {}", tokens[at].raw, to.raw, end.raw);
            self.add_names(&names, &written, excluding, fleet);
            return 3;
        }
        self.by_name = true;
        self.add(vec![position], excluding);
        1
    }

    /// The hosts that one pattern stands for; when many of them do not exist, it is the pattern that
    /// does not fit.
    fn add_names(&mut self, names: &[String], written: &str, excluding: bool, fleet: &Fleet) {
        self.by_name = true;
        let missing = names.iter().filter(|name| fleet.find(name).is_none()).count();
        if missing > 3 {
            self.unknown(written, fleet);
            return;
        }
        for name in names {
            match names::position(fleet, name) {
                Some(position) => self.add(vec![position], excluding),
                None => self.unknown(name, fleet),
            }
        }
    }

    fn add(&mut self, positions: Vec<usize>, excluding: bool) {
        if excluding {
            self.excluded.extend(positions);
        } else {
            self.picked.extend(positions);
        }
    }

    fn add_environment(&mut self, positions: &[usize], written: &str) {
        self.narrowed = true;
        self.environments.extend(positions);
        self.written.push(written.to_owned());
    }

    fn add_group(&mut self, positions: Vec<usize>, written: &str) {
        self.narrowed = true;
        self.groups.extend(positions);
        self.written.push(written.to_owned());
    }

    fn unknown(&mut self, raw: &str, fleet: &Fleet) {
        let name: String = chat::escape_invisible(&escape_mixed(raw)).chars().take(80).collect();
        if self.unknown.iter().all(|known| known.name != name) {
            let nearest = fleet.nearest(raw, 3);
            self.unknown.push(UnknownHost { name, nearest });
        }
    }

    /// The one host that a mistyped name can only mean. Digits are never corrected: `web-9` is not
    /// a typo of `web-1` but another machine.
    fn corrected(
        &mut self,
        text: &str,
        raw: &str,
        fleet: &Fleet,
        reading: Reading,
    ) -> Option<usize> {
        if !reading.corrects() || !text.is_ascii() || text.len() < 3 || text.len() > 80 {
            return None;
        }
        let allowed = if text.len() >= 8 { 2 } else { 1 };
        let digits = |name: &str| name.bytes().filter(u8::is_ascii_digit).collect::<Vec<_>>();
        let wanted = digits(text);
        // "app01" for "app01.example.com", when only one begins so.
        let short = |name: &str| {
            name.split_once('.').is_some_and(|(label, _)| label.eq_ignore_ascii_case(text))
        };
        let mut shorts = fleet.hosts().iter().enumerate().filter(|(_, host)| short(&host.name));
        if let (Some((position, host)), None) = (shorts.next(), shorts.next()) {
            self.notes.push(format!("I read `{raw}` as {}.", host.name));
            return Some(position);
        }
        let mut found = None;
        for (position, host) in fleet.hosts().iter().enumerate() {
            if host.name.len().abs_diff(text.len()) > allowed {
                continue;
            }
            let name = host.name.to_ascii_lowercase();
            if digits(&name) == wanted && strsim::osa_distance(&name, text) <= allowed {
                if found.is_some() {
                    return None;
                }
                found = Some(position);
            }
        }
        let position = found?;
        self.notes.push(format!("I read `{raw}` as {}.", fleet.hosts()[position].name));
        Some(position)
    }

    /// Turns what was collected into sorted names.
    fn finish(&mut self, fleet: &Fleet) {
        let mut positions = std::mem::take(&mut self.picked);
        let groups = std::mem::take(&mut self.groups);
        let mut environments = std::mem::take(&mut self.environments);
        // "web-1 in prod" is web-1, if it is there.
        if !positions.is_empty() && groups.is_empty() && !environments.is_empty() {
            let written = self.written.join(" ");
            let (there, elsewhere): (Vec<_>, Vec<_>) =
                positions.into_iter().partition(|position| environments.contains(position));
            if self.by_name || there.is_empty() {
                for position in elsewhere {
                    let name = format!("{} in {written}", fleet.hosts()[position].name);
                    self.unknown(&name, fleet);
                }
            }
            positions = there;
            environments = Vec::new();
            self.narrowed = false;
        }
        let narrowed = if groups.is_empty() && (self.written.len() < 2 || !environments.is_empty())
        {
            environments
        } else if environments.is_empty() {
            groups
        } else {
            groups.into_iter().filter(|position| environments.contains(position)).collect()
        };
        if self.narrowed && narrowed.is_empty() {
            // No host fits: an empty list would mean all of them.
            let written = self.written.join(" ");
            self.unknown(&written, fleet);
        }
        positions.extend(narrowed);
        let excluded = std::mem::take(&mut self.excluded);
        if !excluded.is_empty() {
            if positions.is_empty() && self.unknown.is_empty() {
                positions = (0..fleet.hosts().len()).collect();
            }
            positions.retain(|position| !excluded.contains(position));
        }
        positions.sort_unstable();
        positions.dedup();
        self.narrowed = false;
        self.names
            .extend(positions.into_iter().map(|position| fleet.hosts()[position].name.clone()));
        self.names.extend(self.unknown.iter().map(|unknown| unknown.name.clone()));
        self.names.sort();
        self.names.dedup();
    }
}
