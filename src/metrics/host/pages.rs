//! What a node_exporter says of its machine, page by page, as the same signals. Pure.
//!
//! The names are those of node_exporter 1.x on Linux.

use std::{collections::BTreeMap, time::Duration};

use chrono::DateTime;

use super::{
    Sample,
    rates::{Counter, Mount, Snapshot, sample},
};
use crate::metrics::exposition::{self, Page};

/// Layers above the real disks, whose bytes would be counted again, and what holds nothing for long.
const LAYERS: [&str; 7] = ["dm-", "fd", "loop", "md", "ram", "sr", "zram"];

/// Why a page says nothing of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAPage {
    /// Whose it is.
    #[error(
        "`node_uname_info` is missing: is this a page of a node_exporter, with its collector `uname`?"
    )]
    NoHost,
    /// When it is from.
    #[error(
        "`node_time_seconds` is missing: is this a page of a node_exporter, with its collector `time`?"
    )]
    NoTime,
}

/// What was read of each host before, for its rates.
#[derive(Debug, Default)]
pub struct Pages {
    before: BTreeMap<String, Before>,
}

#[derive(Debug)]
struct Before {
    snapshot: Snapshot,
    /// Idle seconds of each processor.
    idle: BTreeMap<String, f64>,
}

impl Pages {
    /// The host of a page, and what it says. Rates are those since the page of the same host that was
    /// taken before; the first one has none, and neither has one after a restart of the machine or from
    /// before the last one.
    pub fn take(&mut self, page: &Page) -> Result<(String, Sample), NotAPage> {
        let host = label(page, "node_uname_info", "nodename").ok_or(NotAPage::NoHost)?.to_owned();
        let time = value(page, "node_time_seconds").ok_or(NotAPage::NoTime)?;
        let at = DateTime::from_timestamp_millis((time * 1000.0) as i64).ok_or(NotAPage::NoTime)?;
        let before = self.before.get(&host);
        let idle = idle(page);
        let uptime = value(page, "node_boot_time_seconds").map_or(0.0, |booted| time - booted);
        let awake = Duration::try_from_secs_f64(uptime).unwrap_or_default();
        let cpu = before
            .and_then(|it| busy_percent(&it.idle, &idle, awake.checked_sub(it.snapshot.awake)?));
        let snapshot = Snapshot {
            at,
            awake,
            // What is not a number is left out.
            cpu: cpu.unwrap_or(f64::NAN),
            memory: pair(page, "node_memory_MemTotal_bytes", "node_memory_MemAvailable_bytes"),
            swap: pair(page, "node_memory_SwapTotal_bytes", "node_memory_SwapFree_bytes"),
            load: value(page, "node_load1"),
            uptime: None,
            mounts: mounts(page),
            disks: counters(page, "node_disk_read_bytes_total", "node_disk_written_bytes_total")
                .filter(|(device, _)| is_disk(device))
                .map(|(device, (read, written))| {
                    let inward = read.saturating_add(written);
                    (device, Counter { inward, outward: 0 })
                })
                .collect(),
            networks: counters(
                page,
                "node_network_receive_bytes_total",
                "node_network_transmit_bytes_total",
            )
            .map(|(device, (inward, outward))| (device, Counter { inward, outward }))
            .collect(),
        };
        let mut said = sample(before.map(|it| &it.snapshot), &snapshot);
        said.values.retain(|(.., value)| value.is_finite());
        self.before.insert(host.clone(), Before { snapshot, idle });
        Ok((host, said))
    }
}

fn named<'a>(page: &'a Page, name: &'a str) -> impl Iterator<Item = &'a exposition::Sample> {
    page.samples.iter().filter(move |sample| sample.name == name)
}

fn value(page: &Page, name: &str) -> Option<f64> {
    named(page, name).map(|sample| sample.value).find(|value| value.is_finite())
}

fn label<'a>(page: &'a Page, name: &'a str, label: &str) -> Option<&'a str> {
    let found = named(page, name).find_map(|sample| sample.label(label));
    found.filter(|found| !found.is_empty())
}

/// Total and available bytes; nothing where one of them is not said.
fn pair(page: &Page, total: &str, available: &str) -> (u64, u64) {
    value(page, total)
        .zip(value(page, available))
        .map_or((0, 0), |(total, available)| (total as u64, available as u64))
}

/// Two counters of each device.
fn counters(page: &Page, one: &str, other: &str) -> impl Iterator<Item = (String, (u64, u64))> {
    let mut devices: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for sample in page.samples.iter().filter(|sample| sample.value.is_finite()) {
        let Some(device) = sample.label("device") else { continue };
        if sample.name == one {
            devices.entry(device.to_owned()).or_default().0 = sample.value as u64;
        } else if sample.name == other {
            devices.entry(device.to_owned()).or_default().1 = sample.value as u64;
        }
    }
    devices.into_iter()
}

fn is_disk(device: &str) -> bool {
    !LAYERS.iter().any(|layer| {
        device
            .strip_prefix(layer)
            .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

fn mounts(page: &Page) -> Vec<Mount> {
    let mount = |size: &exposition::Sample| {
        let free =
            named(page, "node_filesystem_avail_bytes").find(|it| it.labels == size.labels)?;
        Some(Mount {
            device: size.label("device")?.to_owned(),
            file_system: size.label("fstype")?.to_owned(),
            point: size.label("mountpoint")?.to_owned(),
            is_folder: true,
            total: size.value as u64,
            available: free.value as u64,
        })
    };
    named(page, "node_filesystem_size_bytes").filter_map(mount).collect()
}

/// Idle seconds by processor.
fn idle(page: &Page) -> BTreeMap<String, f64> {
    named(page, "node_cpu_seconds_total")
        .filter(|sample| sample.label("mode") == Some("idle"))
        .filter_map(|sample| Some((sample.label("cpu")?.to_owned(), sample.value)))
        .collect()
}

/// The share of its time that a processor was busy, on average over all of them.
fn busy_percent(
    before: &BTreeMap<String, f64>,
    now: &BTreeMap<String, f64>,
    passed: Duration,
) -> Option<f64> {
    let rested: Option<Vec<f64>> = now
        .iter()
        .filter_map(|(cpu, idle)| Some(idle - before.get(cpu)?))
        .map(|rested| (rested >= 0.0).then_some(rested))
        .collect();
    let rested = rested.filter(|rested| !rested.is_empty() && !passed.is_zero())?;
    let share = rested.iter().sum::<f64>() / rested.len() as f64 / passed.as_secs_f64();
    Some((100.0 * (1.0 - share)).clamp(0.0, 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Signal;

    const PAGE: &str = include_str!("../../../tests/data/node_exporter.txt");

    /// The recorded page, so many seconds later.
    fn later(seconds: f64, changes: &[(&str, f64)]) -> Page {
        let mut page = exposition::parse(PAGE);
        for sample in &mut page.samples {
            let more = |(name, more): &(&str, f64)| (sample.name == *name).then_some(*more);
            sample.value += changes.iter().find_map(more).unwrap_or(0.0);
            if sample.name == "node_time_seconds" {
                sample.value += seconds;
            }
        }
        page
    }

    fn read(said: &Sample, signal: Signal) -> Option<f64> {
        said.values.iter().find(|(it, ..)| *it == signal).map(|(.., value)| *value)
    }

    #[test]
    fn two_pages_say_what_a_prometheus_would_of_them() {
        let mut pages = Pages::default();
        let (host, first) = pages.take(&later(0.0, &[])).unwrap();
        assert_eq!(host, "web-1");
        assert_eq!(read(&first, Signal::Cpu), None, "no rate of one page");
        let memory = 100.0
            * (1.0
                - 23_639_748_608.0
                    / value(&later(0.0, &[]), "node_memory_MemTotal_bytes").unwrap());
        assert!((read(&first, Signal::Memory).unwrap() - memory).abs() < 1e-9);
        assert_eq!(read(&first, Signal::Swap), None, "there is none");
        let disk = first.values.iter().find(|(it, ..)| *it == Signal::Disk).unwrap();
        assert_eq!(disk.1.as_deref(), Some("/"));
        assert!((disk.2 - 100.0 * (1.0 - 21_394_337_792.0 / 270_553_174_016.0)).abs() < 1e-9);

        // Both processors rest a quarter of a minute; a disk, a compressed one in memory and all
        // interfaces carry bytes.
        let changes = [
            ("node_cpu_seconds_total", 15.0),
            ("node_disk_read_bytes_total", 6e6),
            ("node_network_receive_bytes_total", 1.2e6),
        ];
        let (_, said) = pages.take(&later(60.0, &changes)).unwrap();
        assert!((read(&said, Signal::Cpu).unwrap() - 75.0).abs() < 1e-3, "{said:?}");
        assert!((read(&said, Signal::DiskIo).unwrap() - 1e5).abs() < 1.0, "zram0 is no disk");
        assert!((read(&said, Signal::NetworkIn).unwrap() - 2e4).abs() < 1.0, "ifb0 is not counted");
        assert!(read(&said, Signal::NetworkOut).unwrap().abs() < 1e-9);
        assert!((read(&said, Signal::Load).unwrap() - 4.36).abs() < 1e-9);
    }

    #[test]
    fn after_a_restart_there_is_no_rate_and_then_there_is_one() {
        let mut pages = Pages::default();
        pages.take(&later(0.0, &[])).unwrap();
        let booted = [("node_boot_time_seconds", 3e4), ("node_cpu_seconds_total", -100.0)];
        let (_, said) = pages.take(&later(3e4, &booted)).unwrap();
        assert_eq!(read(&said, Signal::Cpu), None);
        assert_eq!(read(&said, Signal::NetworkIn), None);
        let booted = [("node_boot_time_seconds", 3e4), ("node_cpu_seconds_total", -90.0)];
        let (_, said) = pages.take(&later(3e4 + 20.0, &booted)).unwrap();
        assert!((read(&said, Signal::Cpu).unwrap() - 50.0).abs() < 1e-3, "{said:?}");
        let (_, said) = pages.take(&later(0.0, &[])).unwrap();
        assert_eq!(read(&said, Signal::Cpu), None, "time goes backwards");
    }

    #[test]
    fn other_pages_are_named() {
        let mut pages = Pages::default();
        let mut page = later(0.0, &[]);
        page.samples.retain(|sample| sample.name != "node_time_seconds");
        assert_eq!(pages.take(&page).unwrap_err(), NotAPage::NoTime);
        assert_eq!(pages.take(&Page::default()).unwrap_err(), NotAPage::NoHost);
    }
}
