//! The machine itself, read through `sysinfo`. These calls may block.

use std::{collections::BTreeMap, time::Instant};

use chrono::{DateTime, Utc};
use sysinfo::{DiskRefreshKind, Disks, Networks, System};

use super::rates::{Counter, Mount, Snapshot};

/// What has to live on between two snapshots.
pub(super) struct Machine {
    system: System,
    disks: Disks,
    networks: Networks,
    started: Instant,
}

impl Machine {
    pub(super) fn open() -> Result<Self, sysinfo::Error> {
        Ok(Self {
            system: System::new()?,
            disks: Disks::new()?,
            networks: Networks::new()?,
            started: Instant::now(),
        })
    }

    /// The name the machine calls itself.
    pub(super) fn host_name() -> Option<String> {
        System::host_name().ok().filter(|name| !name.trim().is_empty())
    }

    pub(super) fn snapshot(&mut self, at: DateTime<Utc>) -> Snapshot {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        let what = DiskRefreshKind::nothing().with_storage().with_io_usage();
        self.disks.refresh_specifics(true, what);
        self.networks.refresh(true);
        Snapshot {
            at,
            awake: self.started.elapsed(),
            cpu: f64::from(self.system.global_cpu_usage()),
            memory: (self.system.total_memory(), self.system.available_memory()),
            swap: (self.system.total_swap(), self.system.free_swap()),
            load: System::load_average().ok().map(|load| load.one),
            uptime: System::uptime().ok(),
            mounts: self.mounts(),
            disks: self.disk_counters(),
            networks: self.network_counters(),
        }
    }

    fn mounts(&self) -> Vec<Mount> {
        self.disks
            .iter()
            .map(|disk| Mount {
                device: disk.name().to_string_lossy().into_owned(),
                file_system: disk.file_system().to_string_lossy().into_owned(),
                point: disk.mount_point().to_string_lossy().into_owned(),
                is_folder: disk.mount_point().is_dir(),
                total: disk.total_space(),
                available: disk.available_space(),
            })
            .collect()
    }

    /// By device, because a device mounted twice still reads once.
    fn disk_counters(&self) -> BTreeMap<String, Counter> {
        self.disks
            .iter()
            .map(|disk| (disk.name().to_string_lossy().into_owned(), disk.usage()))
            .map(|(name, usage)| {
                let bytes = usage.total_read_bytes.saturating_add(usage.total_written_bytes);
                (name, Counter { inward: bytes, outward: 0 })
            })
            // Nothing since boot: the system does not count this device.
            .filter(|(_, counter)| counter.inward > 0)
            .collect()
    }

    fn network_counters(&self) -> BTreeMap<String, Counter> {
        self.networks
            .iter()
            .map(|(name, network)| {
                let (inward, outward) = (network.total_received(), network.total_transmitted());
                (name.to_string_lossy().into_owned(), Counter { inward, outward })
            })
            .collect()
    }
}
