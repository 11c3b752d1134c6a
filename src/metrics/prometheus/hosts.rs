//! From label values to machines with names. Pure.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use super::answer::{Item, bounded};
use crate::{
    format,
    metrics::{Fleet, Host, Measurement, Series, Signal},
};

/// The longest name of a host: what a domain name may have.
const MAX_NAME: usize = 253;

/// Which labels say what about a machine.
#[derive(Clone, Debug)]
pub(super) struct Labels {
    pub host: String,
    pub environment: String,
    pub role: String,
    pub zone: String,
}

/// What was found out about the machines.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    /// Series that only machines have, such as `node_uname_info`, fresh.
    pub present: Vec<Item>,
    /// The same of the last day: names of machines that are down now.
    pub past: Vec<Item>,
    /// `up` of their jobs.
    pub up: Vec<Item>,
    /// Whether an `up` alone makes a machine.
    pub up_counts: bool,
}

/// The fleet, and how to get from a series to its host.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub fleet: Arc<Fleet>,
    /// Host label value → host name.
    names: HashMap<String, String>,
    pub warnings: Vec<String>,
}

/// Host, part and what was said about it.
type Attributed = (String, Option<String>, Item);

#[derive(Debug, Default)]
struct Member {
    nodename: Option<String>,
    environment: Option<String>,
    role: Option<String>,
    zone: Option<String>,
    up: Option<bool>,
}

/// Machines with one address and one node name are one host.
#[derive(Debug, Default)]
struct Group {
    values: Vec<String>,
    members: Vec<Member>,
}

impl Labels {
    pub fn host_of<'a>(&self, item: &'a Item) -> Option<&'a str> {
        item.metric.get(&self.host).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// The address without its port: `10.0.0.1:9100`, `[::1]:9100`, `web-1`.
pub(super) fn without_port(instance: &str) -> &str {
    if let Some((address, rest)) = instance.strip_prefix('[').and_then(|text| text.split_once(']'))
    {
        let port = rest.strip_prefix(':').unwrap_or(rest);
        return if port.bytes().all(|b| b.is_ascii_digit()) { address } else { instance };
    }
    match instance.rsplit_once(':') {
        Some((address, port))
            if !address.is_empty()
                && !address.contains(':')
                && !port.is_empty()
                && port.bytes().all(|b| b.is_ascii_digit()) =>
        {
            address
        }
        _ => instance,
    }
}

/// Whether people can read and type it.
fn is_readable(name: &str) -> bool {
    !name.trim().is_empty()
        && name.chars().count() <= MAX_NAME
        && !name.contains(['\n', '\t'])
        && chat::escape_invisible(name) == name
}

impl Known {
    pub fn from_sightings(labels: &Labels, sightings: &Sightings) -> Self {
        let members = members(labels, sightings);
        let by_instance = labels.host == "instance";
        let mut groups: BTreeMap<(String, Option<String>), Group> = BTreeMap::new();
        for (value, member) in members {
            let key = if by_instance {
                (without_port(&value).to_owned(), member.nodename.clone())
            } else {
                (value.clone(), None)
            };
            let group = groups.entry(key).or_default();
            group.values.push(value);
            group.members.push(member);
        }
        let mut addresses: HashMap<&str, usize> = HashMap::new();
        let mut nodenames: HashMap<&str, usize> = HashMap::new();
        for (address, nodename) in groups.keys() {
            *addresses.entry(address).or_default() += 1;
            if let Some(nodename) = nodename {
                *nodenames.entry(nodename).or_default() += 1;
            }
        }
        let mut known = Self::default();
        let (mut hosts, mut unreadable) = (vec![], 0);
        for ((address, nodename), group) in &groups {
            // A name that two machines answer to names neither.
            let nodename = nodename.as_deref().filter(|name| {
                nodenames.get(name) == Some(&1)
                    && (*name == address || !addresses.contains_key(name))
            });
            let address = Some(address.as_str()).filter(|it| addresses.get(it) == Some(&1));
            let names = nodename.into_iter().chain(address);
            let names: Vec<_> = names.chain(group.values.iter().map(String::as_str)).collect();
            let Some(name) = names.iter().find(|name| is_readable(name)) else {
                unreadable += 1;
                continue;
            };
            let aliases: HashSet<_> =
                names.iter().filter(|it| *it != name && is_readable(it)).collect();
            let mut aliases: Vec<_> = aliases.into_iter().map(|it| (*it).to_owned()).collect();
            aliases.sort();
            for value in &group.values {
                known.names.insert(value.clone(), (*name).to_owned());
            }
            hosts.push(group.host((*name).to_owned(), aliases));
        }
        if unreadable > 0 {
            known.warnings.push(format!(
                "hosts left out because their names cannot be read: {}",
                format::grouped(unreadable)
            ));
        }
        known.fleet = Arc::new(Fleet::new(hosts));
        known
    }

    /// The host a series is about.
    fn name_of(&self, labels: &Labels, item: &Item) -> Option<&str> {
        self.names.get(labels.host_of(item)?).map(String::as_str)
    }

    /// One number for each host and part, with what had to be left out.
    pub fn measure(
        &self,
        labels: &Labels,
        signal: Signal,
        items: Vec<Item>,
    ) -> (Vec<Measurement>, Vec<String>) {
        let (found, warnings) = self.attribute(labels, signal, items);
        let values = found.into_iter().filter_map(|(host, part, item)| {
            item.value.map(|(_, number)| Measurement { host, part, value: number.0 })
        });
        (values.collect(), warnings)
    }

    /// The samples of each host and part.
    pub fn series(
        &self,
        labels: &Labels,
        signal: Signal,
        items: Vec<Item>,
    ) -> (Vec<Series>, Vec<String>) {
        let (found, warnings) = self.attribute(labels, signal, items);
        let series = found.into_iter().map(|(host, part, item)| {
            let points = item.values.into_iter().filter_map(|(seconds, number)| {
                super::answer::moment(seconds).map(|at| (at, number.0))
            });
            Series { host, part, points: points.collect() }
        });
        (series.collect(), warnings)
    }

    fn attribute(
        &self,
        labels: &Labels,
        signal: Signal,
        mut items: Vec<Item>,
    ) -> (Vec<Attributed>, Vec<String>) {
        // Of two series about one thing, always the same one is taken; and of two mount points of
        // one device the shortest, which is where people look for it.
        let mount = |item: &Item| item.metric.get("mountpoint").map_or(0, String::len);
        items.sort_by(|a, b| mount(a).cmp(&mount(b)).then_with(|| a.metric.cmp(&b.metric)));
        let (mut seen, mut devices) = (HashSet::new(), HashSet::new());
        let (mut found, mut unknown) = (vec![], 0);
        for item in items {
            let Some(host) = self.name_of(labels, &item) else {
                unknown += 1;
                continue;
            };
            let mut part = None;
            if signal == Signal::Disk {
                let device = item.metric.get("device").filter(|device| device.starts_with('/'));
                if device.is_some_and(|device| !devices.insert((host, device.clone()))) {
                    continue;
                }
                part = item.metric.get("mountpoint").map(|mount| bounded(mount, MAX_NAME));
            }
            if seen.insert((host, part.clone())) {
                found.push((host.to_owned(), part, item));
            }
        }
        let mut warnings = self.warnings.clone();
        if unknown > 0 {
            warnings.push(format!(
                "series left out because they belong to no known host: {}",
                format::grouped(unknown)
            ));
        }
        (found, warnings)
    }
}

impl Group {
    fn host(&self, name: String, aliases: Vec<String>) -> Host {
        let first = |pick: fn(&Member) -> &Option<String>| {
            self.members.iter().find_map(|member| pick(member).clone())
        };
        let flags: Vec<_> = self.members.iter().filter_map(|member| member.up).collect();
        Host {
            name,
            aliases,
            instances: self.values.clone(),
            environment: first(|member| &member.environment),
            role: first(|member| &member.role),
            zone: first(|member| &member.zone),
            up: flags.is_empty() || flags.contains(&true),
        }
    }
}

/// Host label value → what is known, sorted.
fn members(labels: &Labels, sightings: &Sightings) -> BTreeMap<String, Member> {
    let mut members: BTreeMap<String, Member> = BTreeMap::new();
    let describe = |member: &mut Member, item: &Item| {
        let label = |name: &str| {
            let value = item.metric.get(name).filter(|value| !value.trim().is_empty())?;
            Some(bounded(value, MAX_NAME))
        };
        let environment = || label(&labels.environment).or_else(|| label("env"));
        member.nodename = member.nodename.take().or_else(|| item.metric.get("nodename").cloned());
        member.environment = member.environment.take().or_else(environment);
        member.role = member.role.take().or_else(|| label(&labels.role));
        let zone = || label(&labels.zone).or_else(|| label("availability_zone"));
        member.zone = member.zone.take().or_else(zone);
    };
    for item in &sightings.present {
        if let Some(value) = labels.host_of(item) {
            describe(members.entry(value.to_owned()).or_default(), item);
        }
    }
    for item in &sightings.up {
        let Some(value) = labels.host_of(item) else { continue };
        if !sightings.up_counts && !members.contains_key(value) {
            continue;
        }
        let member = members.entry(value.to_owned()).or_default();
        let up = item.value.is_some_and(|(_, number)| number.0 > 0.0);
        member.up = Some(member.up == Some(true) || up);
        describe(member, item);
    }
    let nothing_now = members.is_empty();
    for item in &sightings.past {
        let Some(value) = labels.host_of(item) else { continue };
        if nothing_now && !members.contains_key(value) {
            let gone = Member { up: Some(false), ..Member::default() };
            members.insert(value.to_owned(), gone);
        }
        if let Some(member) = members.get_mut(value) {
            describe(member, item);
        }
    }
    members
}

#[cfg(test)]
#[path = "hosts_tests.rs"]
mod tests;
