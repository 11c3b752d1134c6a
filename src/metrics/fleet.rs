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
    /// Whether the source reached it last time.
    pub up: bool,
}

/// All hosts, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    hosts: Vec<Host>,
    index: HashMap<String, usize>,
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
        Self { hosts, index }
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
