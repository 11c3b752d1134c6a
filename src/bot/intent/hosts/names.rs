//! Names, groups and shapes of names, compared with the fleet.

use std::borrow::Cow;

use crate::metrics::Fleet;

/// The position of the host with exactly this name, with or without a port.
pub(in crate::bot::intent) fn position(fleet: &Fleet, text: &str) -> Option<usize> {
    let host = fleet.find(text).or_else(|| {
        let (name, port) = text.rsplit_once(':')?;
        port.bytes().all(|byte| byte.is_ascii_digit()).then(|| fleet.find(name))?
    })?;
    fleet.hosts().binary_search_by(|other| other.name.cmp(&host.name)).ok()
}

/// The hosts that a pattern with `*` matches; `None` when it is no pattern.
pub(in crate::bot::intent) fn glob(fleet: &Fleet, text: &str) -> Option<Vec<usize>> {
    if !text.contains('*') || text.len() < 2 || text.len() > 80 {
        return None;
    }
    let parts: Vec<&str> = text.split('*').collect();
    if parts.len() > 8 {
        return None;
    }
    let matches = |name: &str| {
        let mut rest = name;
        for (index, part) in parts.iter().enumerate() {
            if index == 0 {
                let Some(after) = rest.strip_prefix(part) else { return false };
                rest = after;
            } else if index == parts.len() - 1 {
                return rest.ends_with(part);
            } else {
                let Some(at) = rest.find(part) else { return false };
                rest = &rest[at + part.len()..];
            }
        }
        true
    };
    Some(
        fleet
            .hosts()
            .iter()
            .enumerate()
            .filter(|(_, host)| matches(&host.name.to_lowercase()))
            .map(|(position, _)| position)
            .collect(),
    )
}

/// The group that a word names, in the singular or plural.
pub(in crate::bot::intent) fn group<'f>(fleet: &'f Fleet, text: &str) -> Option<&'f [usize]> {
    if let Some(positions) = fleet.group(text) {
        return Some(positions);
    }
    if let Some((_, bare)) = GROUPS.iter().find(|(name, _)| is_plural(text, name)) {
        return fleet.group(bare);
    }
    let stem = ["servers", "server", "hosts", "nodes", "boxes", "machines", "s"]
        .into_iter()
        .find_map(|ending| text.strip_suffix(ending))
        .filter(|stem| stem.len() >= 2)?;
    fleet.group(stem.trim_end_matches('-'))
}

/// What groups are called besides their names.
const GROUPS: [(&str, &str); 3] = [("database", "db"), ("website", "web"), ("frontend", "web")];

/// Whether a text is this name, in the singular or plural.
fn is_plural(text: &str, name: &str) -> bool {
    text.strip_prefix(name).is_some_and(|rest| matches!(rest, "" | "s"))
}

/// The group that a mistyped word can only mean.
pub(in crate::bot::intent) fn near_group<'f>(fleet: &'f Fleet, text: &str) -> Option<&'f str> {
    if text.len() < 5 || !text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return None;
    }
    let stem = text.strip_suffix('s').unwrap_or(text);
    let is_near =
        |name: &str| strsim::osa_distance(name, stem) <= 1 || strsim::osa_distance(name, text) <= 1;
    let mut near = fleet.group_names().filter(|name| name.len() >= 4 && is_near(name));
    if let Some(first) = near.next() {
        return near.next().is_none().then_some(first);
    }
    let (_, bare) = GROUPS.iter().find(|(name, _)| is_near(name))?;
    fleet.group_names().find(|name| name == bare)
}

pub(in crate::bot::intent) const KNOWN_ENVIRONMENTS: [&[&str]; 6] = [
    &["prod", "production", "prd"],
    &["staging", "stage", "stg"],
    &["dev", "development"],
    &["test", "testing"],
    &["qa"],
    &["uat"],
];

/// The environment that a word names.
pub(in crate::bot::intent) fn environment<'f>(fleet: &'f Fleet, text: &str) -> Option<&'f [usize]> {
    fleet.environment(text).or_else(|| {
        let names = KNOWN_ENVIRONMENTS.iter().find(|names| names.contains(&text))?;
        names.iter().find_map(|name| fleet.environment(name))
    })
}

/// The names from one to the other, when both count the same thing.
pub(in crate::bot::intent) fn range(from: &str, to: &str) -> Option<Vec<String>> {
    let from = from.to_ascii_lowercase();
    let split = |name: &str| {
        let letters = name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        name[letters..].parse::<u32>().ok().map(|number| (letters, number))
    };
    let (letters, first) = split(&from)?;
    let (other, last) = split(to)?;
    if to[..other] != from[..letters] || last < first || last - first > 100 {
        return None;
    }
    // "web-08 to web-11" keeps its leading zeros.
    let width = from.len() - letters;
    let name = |number| format!("{}{number:0width$}", &from[..letters]);
    Some((first..=last).map(name).collect())
}

/// The names that `web-[1-3]`, `web-{1,2,5}`, `web-1..web-3` or `web-1..3` stands for.
pub(in crate::bot::intent) fn expand(text: &str) -> Option<Vec<String>> {
    if !text.contains(['[', '{'])
        && let Some((from, to)) = text.split_once("..")
    {
        let letters = from.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = !to.is_empty() && to.bytes().all(|byte| byte.is_ascii_digit());
        return if digits { range(from, &format!("{letters}{to}")) } else { range(from, to) };
    }
    let open = text.find(['[', '{']).filter(|open| *open > 0)?;
    let (before, rest) = text.split_at(open);
    let (inside, after) = rest[1..].split_once([']', '}'])?;
    let mut names = Vec::new();
    for part in inside.split(',') {
        match part.split_once("..").or_else(|| part.split_once('-')) {
            Some((from, to)) => {
                names.extend(range(&format!("{before}{from}"), &format!("{before}{to}"))?);
            }
            None if !part.is_empty() => names.push(format!("{before}{part}")),
            None => return None,
        }
        if names.len() > 200 {
            return None;
        }
    }
    Some(names.into_iter().map(|name| name + after).collect())
}

/// Whether a word that is no host has the shape of one.
pub(in crate::bot::intent) fn looks_like_a_host(text: &str, fleet: &Fleet) -> bool {
    let bytes = text.as_bytes();
    if !bytes.first().is_some_and(u8::is_ascii_alphanumeric) || bytes.len() < 3 {
        return false;
    }
    if !bytes
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':'))
    {
        return false;
    }
    let letters = bytes.iter().any(u8::is_ascii_alphabetic);
    let digits = bytes.iter().any(u8::is_ascii_digit);
    let separators = bytes.iter().filter(|byte| matches!(byte, b'-' | b'.' | b'_')).count();
    if !letters {
        // An address.
        return text.split('.').count() == 4;
    }
    if digits && separators > 0 && bytes[0].is_ascii_alphabetic() {
        // "inc-12" is an incident.
        return !is_incident_id(text);
    }
    let head = text.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or("");
    if head.len() < 2 || head.len() == text.len() {
        return false;
    }
    let like =
        |name: &str| name == head || (name.len() > 2 && strsim::osa_distance(name, head) <= 1);
    (digits || separators > 0) && head.len() <= 20 && fleet.group_names().any(like)
}

/// Whether a host's name begins with this, up to the first dot.
pub(in crate::bot::intent) fn is_short_name(text: &str, fleet: &Fleet) -> bool {
    fleet.hosts().iter().any(|host| {
        host.name.split_once('.').is_some_and(|(label, _)| label.eq_ignore_ascii_case(text))
    })
}

/// `inc-12`, in lower case.
pub(in crate::bot::intent) fn is_incident_id(text: &str) -> bool {
    ["inc-", "inc", "incident-"].iter().any(|prefix| {
        text.strip_prefix(prefix).is_some_and(|rest| {
            !rest.is_empty() && rest.len() <= 12 && rest.bytes().all(|byte| byte.is_ascii_digit())
        })
    })
}

/// Letters, digits and the separators of host names, beginning with a letter or digit.
pub(in crate::bot::intent) fn can_be_a_name(text: &str) -> bool {
    text.len() >= 2
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && !text.as_bytes()[0].is_ascii_digit()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':'))
}

/// Shows letters of other scripts by their number where Latin letters stand beside them, so that
/// a look-alike can be seen.
pub(in crate::bot::intent) fn escape_mixed(raw: &str) -> Cow<'_, str> {
    let latin = raw.bytes().any(|byte| byte.is_ascii_alphabetic());
    if !latin || raw.is_ascii() {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    for c in raw.chars() {
        if c.is_ascii() || !c.is_alphanumeric() || ('\u{c0}'..='\u{24f}').contains(&c) {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    Cow::Owned(out)
}
