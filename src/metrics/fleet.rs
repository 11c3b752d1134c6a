//! The hosts there are. A host that is not in the fleet does not exist: nothing is guessed.

use std::collections::HashMap;

/// One machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// The name shown and accepted: lower-case is compared, the given case is shown.
    pub name: String,
    /// Other names it answers to, such as its address.
    pub aliases: Vec<String>,
    /// The label values that identify it at the metrics source, such as `10.0.3.7:9100`.
    pub instances: Vec<String>,
    /// Its environment label, such as `prod`.
    pub environment: Option<String>,
    /// Its role label, such as `db`.
    pub role: Option<String>,
    /// Its zone label, such as `eu-west-1a`: what fails there fails together.
    pub zone: Option<String>,
    /// Whether the source reached it last time.
    pub up: bool,
}

/// All hosts, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    hosts: Vec<Host>,
    index: HashMap<String, usize>,
    groups: HashMap<String, Vec<usize>>,
    environments: HashMap<String, Vec<usize>>,
}

impl Fleet {
    /// A fleet of these hosts. The first of two hosts with one name wins.
    pub fn new(mut hosts: Vec<Host>) -> Self {
        hosts.sort_by(|a, b| a.name.cmp(&b.name));
        hosts.dedup_by(|a, b| a.name == b.name);
        let mut index = HashMap::new();
        // Names before aliases, so that an alias never hides another host's name.
        for (position, host) in hosts.iter().enumerate() {
            index.entry(host.name.to_lowercase()).or_insert(position);
        }
        for (position, host) in hosts.iter().enumerate() {
            for alias in &host.aliases {
                index.entry(alias.to_lowercase()).or_insert(position);
            }
        }
        let mut groups: HashMap<String, Vec<usize>> = HashMap::new();
        let mut environments: HashMap<String, Vec<usize>> = HashMap::new();
        for (position, host) in hosts.iter().enumerate() {
            let role = host.role.as_ref().map(|role| role.to_lowercase());
            let prefix = prefix(&host.name)
                .map(str::to_lowercase)
                .filter(|name| Some(name) != role.as_ref());
            for name in role.into_iter().chain(prefix) {
                groups.entry(name).or_default().push(position);
            }
            if let Some(environment) = &host.environment {
                environments.entry(environment.to_lowercase()).or_default().push(position);
            }
        }
        Self { hosts, index, groups, environments }
    }

    /// Positions in [`Self::hosts`] of a group: a role, or the letters that names begin with.
    /// The name is given in lower case.
    pub fn group(&self, name: &str) -> Option<&[usize]> {
        self.groups.get(name).map(Vec::as_slice)
    }

    /// The names of all groups, in no promised order.
    pub fn group_names(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    /// Positions in [`Self::hosts`] of an environment, its name given in lower case.
    pub fn environment(&self, name: &str) -> Option<&[usize]> {
        self.environments.get(name).map(Vec::as_slice)
    }

    /// At most `count` names that resemble this one, nearest first.
    pub fn nearest(&self, name: &str, count: usize) -> Vec<String> {
        let name: String = name.chars().take(80).collect::<String>().to_lowercase();
        let length = name.chars().count();
        let mut found: Vec<(usize, &str)> = self
            .hosts
            .iter()
            .filter_map(|host| {
                let candidate = host.name.to_lowercase();
                let distance = strsim::osa_distance(&candidate, &name);
                let related = distance <= 2.max(length / 3) || begins_alike(&candidate, &name);
                related.then_some((distance, host.name.as_str()))
            })
            .collect();
        found.sort_unstable();
        found.into_iter().take(count).map(|(_, name)| name.to_owned()).collect()
    }

    /// All hosts, sorted by name.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The host with exactly this name or alias, whatever the case.
    pub fn find(&self, name: &str) -> Option<&Host> {
        self.index
            .get(name)
            .or_else(|| self.index.get(&name.to_lowercase()))
            .map(|position| &self.hosts[*position])
    }
}

/// The letters before the first number or separator: `web` of `web-1`. `None` when the name is one
/// word, or when it has only one letter there.
fn prefix(name: &str) -> Option<&str> {
    let end = name.find(|c: char| !c.is_ascii_alphabetic())?;
    (end >= 2).then(|| &name[..end])
}

/// Whether one begins with the letters that the other begins with.
fn begins_alike(candidate: &str, name: &str) -> bool {
    prefix(candidate).is_some_and(|letters| name.starts_with(letters))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet() -> Fleet {
        let host = |name: &str, role: &str, environment: &str| Host {
            name: name.into(),
            role: Some(role.into()),
            environment: Some(environment.into()),
            ..Host::default()
        };
        Fleet::new(vec![
            host("web-2", "web", "prod"),
            host("web-1", "web", "staging"),
            host("pg01.example", "Db", "prod"),
        ])
    }

    #[test]
    fn groups_are_roles_and_the_letters_names_begin_with() {
        let fleet = fleet();
        assert_eq!(fleet.group("web"), Some(&[1, 2][..]));
        assert_eq!(fleet.group("db"), Some(&[0][..]));
        assert_eq!(fleet.group("pg"), Some(&[0][..]));
        assert_eq!(fleet.environment("prod"), Some(&[0, 2][..]));
        assert_eq!(fleet.group("cache"), None);
    }

    #[test]
    fn the_nearest_names_come_first_and_strangers_not_at_all() {
        let fleet = fleet();
        assert_eq!(fleet.nearest("web-9", 3), ["web-1", "web-2"]);
        assert_eq!(fleet.nearest("WBE-2", 3), ["web-2", "web-1"]);
        assert!(fleet.nearest("gandalf", 3).is_empty());
    }
}
