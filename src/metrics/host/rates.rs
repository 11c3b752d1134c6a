//! From what the machine says to what is measured: rates between two snapshots. Pure.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use chrono::{DateTime, Utc};

use super::Sample;
use crate::metrics::{Signal, interfaces};

/// File systems that are no place of their own: in memory, or a picture of another one.
const NO_DISK: [&str; 9] =
    ["tmpfs", "devtmpfs", "ramfs", "squashfs", "iso9660", "erofs", "nullfs", "autofs", "efivarfs"];
/// Smaller than any disk: control file systems that pretend to have a size.
const SMALLEST_DISK: u64 = 1024 * 1024;
/// Two clocks may differ by this much, or half the time between the snapshots, before the machine
/// must have slept.
const CLOCK_SLACK: f64 = 1.0;

/// Bytes counted since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counter {
    /// Received, or read and written.
    pub inward: u64,
    /// Sent; nothing for a disk.
    pub outward: u64,
}

/// A mounted file system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mount {
    pub device: String,
    pub file_system: String,
    pub point: String,
    /// Containers mount single files.
    pub is_folder: bool,
    pub total: u64,
    pub available: u64,
}

/// Everything read from the machine at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Snapshot {
    pub at: DateTime<Utc>,
    /// Time on a clock that only goes forward and stands still while the machine sleeps.
    pub awake: Duration,
    /// Busy percent since the snapshot before.
    pub cpu: f64,
    /// Total and available bytes.
    pub memory: (u64, u64),
    /// Total and free bytes.
    pub swap: (u64, u64),
    pub load: Option<f64>,
    pub uptime: Option<u64>,
    pub mounts: Vec<Mount>,
    /// By device.
    pub disks: BTreeMap<String, Counter>,
    /// By interface.
    pub networks: BTreeMap<String, Counter>,
}

/// What the newer snapshot says, with rates since the older one.
pub(super) fn sample(before: Option<&Snapshot>, now: &Snapshot) -> Sample {
    let mut values = Vec::with_capacity(12);
    let mut add = |signal, part: Option<String>, value: Option<f64>| {
        values.extend(value.filter(|v| v.is_finite()).map(|value| (signal, part, value)));
    };
    let seconds = before.and_then(|before| seconds_between(before, now));
    add(Signal::Cpu, None, seconds.map(|_| now.cpu.clamp(0.0, 100.0)));
    add(Signal::Memory, None, used_percent(now.memory));
    add(Signal::Swap, None, used_percent(now.swap));
    for mount in shown_mounts(&now.mounts) {
        let used = used_percent((mount.total, mount.available));
        add(Signal::Disk, Some(mount.point.clone()), used);
    }
    if let (Some(before), Some(seconds)) = (before, seconds) {
        let rate = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64 / seconds);
        let disks = growth(&before.disks, &now.disks, |_| true);
        let networks = growth(&before.networks, &now.networks, interfaces::is_counted);
        add(Signal::DiskIo, None, rate(disks.map(|counter| counter.inward)));
        add(Signal::NetworkIn, None, rate(networks.map(|counter| counter.inward)));
        add(Signal::NetworkOut, None, rate(networks.map(|counter| counter.outward)));
    }
    add(Signal::Load, None, now.load);
    add(Signal::Uptime, None, now.uptime.map(|seconds| seconds as f64));
    Sample { at: now.at, values }
}

/// The time the counters counted; `None` when the machine slept or its clock was set meanwhile.
pub(super) fn seconds_between(before: &Snapshot, now: &Snapshot) -> Option<f64> {
    let awake = now.awake.checked_sub(before.awake)?.as_secs_f64();
    let wall = (now.at - before.at).as_seconds_f64();
    let same = (wall - awake).abs() <= CLOCK_SLACK.max(awake / 2.0);
    (same && awake > 0.0).then_some(awake)
}

/// 100 × (1 − available / total), or nothing when there is nothing.
fn used_percent((total, available): (u64, u64)) -> Option<f64> {
    (total > 0).then(|| 100.0 * (1.0 - available.min(total) as f64 / total as f64))
}

/// How much all counters together grew. Nothing when there is no device or when one of them went
/// backwards: it was replaced or wrapped, and the true growth is unknown.
fn growth(
    before: &BTreeMap<String, Counter>,
    now: &BTreeMap<String, Counter>,
    wanted: impl Fn(&str) -> bool,
) -> Option<Counter> {
    let mut sum = None;
    for (name, new) in now.iter().filter(|(name, _)| wanted(name)) {
        let Some(old) = before.get(name) else { continue };
        let grown = Counter {
            inward: new.inward.checked_sub(old.inward)?,
            outward: new.outward.checked_sub(old.outward)?,
        };
        let Counter { inward, outward } = sum.unwrap_or_default();
        sum = Some(Counter {
            inward: grown.inward.saturating_add(inward),
            outward: grown.outward.saturating_add(outward),
        });
    }
    sum
}

/// The mounts worth a line: one for each device, at its shortest path.
fn shown_mounts(mounts: &[Mount]) -> Vec<&Mount> {
    let mut shown: Vec<_> = mounts
        .iter()
        .filter(|mount| {
            mount.is_folder
                && mount.total >= SMALLEST_DISK
                && !NO_DISK.contains(&mount.file_system.as_str())
                // Inside a container, the overlay at the root is the disk people mean.
                && (mount.file_system != "overlay" || mount.point == "/")
        })
        .collect();
    shown.sort_by(|a, b| (a.point.len(), &a.point).cmp(&(b.point.len(), &b.point)));
    let mut devices = HashSet::new();
    shown.retain(|mount| devices.insert(&mount.device));
    shown
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn snapshot(seconds: i64) -> Snapshot {
        Snapshot {
            at: DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds),
            awake: Duration::from_secs(seconds as u64),
            ..Snapshot::default()
        }
    }

    fn counted(mut snapshot: Snapshot, disk: u64, received: u64, sent: u64) -> Snapshot {
        let network = |inward, outward| Counter { inward, outward };
        snapshot.disks.insert("vda".into(), network(disk, 0));
        snapshot.networks.insert("eth0".into(), network(received, sent));
        // What is counted on eth0 already, or never leaves the machine.
        for other in ["lo", "lo0", "veth12", "bond0", "br0", "wg0", "tun0", "tailscale0", "eth0.5"]
        {
            snapshot.networks.insert(other.into(), network(received * 9, sent * 9));
        }
        snapshot
    }

    fn value(sample: &Sample, signal: Signal) -> Option<f64> {
        sample.values.iter().find(|(s, ..)| *s == signal).map(|(.., value)| *value)
    }

    #[test]
    fn rates_are_growth_over_time_on_real_devices() {
        let (before, now) =
            (counted(snapshot(0), 100, 1000, 10), counted(snapshot(5), 600, 6000, 60));
        let sample = sample(Some(&before), &now);
        assert_eq!(value(&sample, Signal::DiskIo), Some(100.0));
        assert_eq!(value(&sample, Signal::NetworkIn), Some(1000.0));
        assert_eq!(value(&sample, Signal::NetworkOut), Some(10.0));
    }

    #[test]
    fn a_reset_a_sleep_or_no_earlier_snapshot_gives_no_rate() {
        let reset = sample(Some(&counted(snapshot(0), 100, 9, 9)), &counted(snapshot(5), 50, 9, 9));
        assert_eq!(value(&reset, Signal::DiskIo), None);
        assert_eq!(value(&reset, Signal::NetworkIn), Some(0.0), "the others still count");
        let mut slept = counted(snapshot(3600), 900, 9, 9);
        slept.awake = Duration::from_secs(5);
        for sample in [
            sample(Some(&counted(snapshot(0), 100, 9, 9)), &slept),
            sample(None, &counted(snapshot(5), 900, 9, 9)),
            sample(Some(&snapshot(5)), &counted(snapshot(5), 900, 9, 9)),
        ] {
            assert_eq!(value(&sample, Signal::DiskIo), None);
            assert_eq!(value(&sample, Signal::Cpu), None);
        }
    }

    #[test]
    fn what_the_machine_does_not_have_is_not_measured() {
        let mut now = snapshot(5);
        now.memory = (1000, 250);
        let sample = sample(Some(&snapshot(0)), &now);
        assert_eq!(value(&sample, Signal::Memory), Some(75.0));
        for signal in [Signal::Swap, Signal::DiskIo, Signal::NetworkIn, Signal::Load] {
            assert_eq!(value(&sample, signal), None, "{signal}");
        }
    }

    #[test]
    fn each_real_disk_is_shown_once() {
        let mount = |device: &str, file_system: &str, point: &str, total: u64| Mount {
            device: device.into(),
            file_system: file_system.into(),
            point: point.into(),
            is_folder: !point.contains("hosts"),
            total,
            available: total / 4,
        };
        let mounts = [
            mount("/dev/sdb1", "xfs", "/data/copy", 1 << 40),
            mount("/dev/sdb1", "xfs", "/data", 1 << 40),
            mount("overlay", "overlay", "/", 1 << 36),
            mount("overlay", "overlay", "/var/lib/docker/overlay2/x", 1 << 36),
            mount("/dev/sda1", "ext4", "/etc/hosts", 1 << 36),
            mount("tmpfs", "tmpfs", "/dev/shm", 1 << 30),
            mount("/dev/loop3", "squashfs", "/snap/core", 1 << 27),
            mount("/dev/sdc", "ext4", "/tiny", 4096),
        ];
        let points: Vec<_> = shown_mounts(&mounts).iter().map(|m| m.point.as_str()).collect();
        assert_eq!(points, ["/", "/data"]);
    }
}
