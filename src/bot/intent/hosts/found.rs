//! What was found so far, and what it comes to.

use super::{Hosts, Reading, names::escape_mixed};
use crate::{bot::intent::UnknownHost, metrics::Fleet};

impl Hosts {
    pub(super) fn add(&mut self, positions: Vec<usize>, excluding: bool) {
        if excluding {
            self.excluded.extend(positions);
        } else {
            self.picked.extend(positions);
        }
    }

    pub(super) fn add_environment(&mut self, positions: &[usize], written: &str) {
        self.narrowed = true;
        self.environments.extend(positions);
        self.written.push(written.to_owned());
    }

    pub(super) fn add_group(&mut self, positions: Vec<usize>, written: &str) {
        self.narrowed = true;
        self.groups.extend(positions);
        self.written.push(written.to_owned());
    }

    pub(super) fn unknown(&mut self, raw: &str, fleet: &Fleet) {
        let name: String = chat::escape_invisible(&escape_mixed(raw)).chars().take(80).collect();
        if self.unknown.iter().all(|known| known.name != name) {
            let nearest = fleet.nearest(raw, 3);
            self.unknown.push(UnknownHost { name, nearest });
        }
    }

    /// The one host that a mistyped name can only mean. Digits are never corrected: `web-9` is not
    /// a typo of `web-1` but another machine.
    pub(super) fn corrected(
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
    pub(super) fn finish(&mut self, fleet: &Fleet) {
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
