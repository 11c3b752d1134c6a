//! What goes wrong, and what it does to the metrics. Pure.

use std::fmt;

use super::{plan::Fault, random::Random};

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// A process takes the CPU.
    CpuSaturation,
    /// Memory grows until it is gone.
    MemoryLeak,
    /// A disk fills.
    DiskFill,
    /// Packets stop arriving.
    NetworkDrop,
    /// A neighbour takes the machine's CPU.
    Steal,
    /// A service starts, fails, and starts again.
    CrashLoop,
    /// Everything costs more than before.
    LevelShift,
    /// A disk has become slow.
    DiskDegradation,
    /// Connections are opened and never closed.
    ConnectionLeak,
    /// The exporter repeats itself.
    StuckExporter,
    /// There is nothing from the host.
    HostGone,
    /// A service is down, on several hosts.
    Outage,
    /// Clients try again and again, on several hosts.
    RetryStorm,
}

impl FaultKind {
    /// What happens to one host alone.
    pub const SINGLE: [Self; 11] = [
        Self::CpuSaturation,
        Self::MemoryLeak,
        Self::DiskFill,
        Self::NetworkDrop,
        Self::Steal,
        Self::CrashLoop,
        Self::LevelShift,
        Self::DiskDegradation,
        Self::ConnectionLeak,
        Self::StuckExporter,
        Self::HostGone,
    ];

    /// The shortest and the longest it lasts, in minutes.
    pub(super) fn minutes(self) -> (f64, f64) {
        match self {
            Self::CpuSaturation | Self::DiskDegradation => (10.0, 90.0),
            Self::MemoryLeak => (120.0, 600.0),
            Self::DiskFill => (60.0, 420.0),
            Self::NetworkDrop => (5.0, 60.0),
            Self::Steal => (15.0, 120.0),
            Self::CrashLoop | Self::StuckExporter => (15.0, 60.0),
            Self::LevelShift => (120.0, 480.0),
            Self::ConnectionLeak => (90.0, 360.0),
            Self::HostGone | Self::Outage | Self::RetryStorm => (6.0, 30.0),
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CpuSaturation => "cpu_saturation",
            Self::MemoryLeak => "memory_leak",
            Self::DiskFill => "disk_fill",
            Self::NetworkDrop => "network_drop",
            Self::Steal => "steal",
            Self::CrashLoop => "crash_loop",
            Self::LevelShift => "level_shift",
            Self::DiskDegradation => "disk_degradation",
            Self::ConnectionLeak => "connection_leak",
            Self::StuckExporter => "stuck_exporter",
            Self::HostGone => "host_gone",
            Self::Outage => "outage",
            Self::RetryStorm => "retry_storm",
        })
    }
}

/// How a host's work is changed by its faults. Factors are 1 and additions 0 where nothing is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Effects {
    pub(super) traffic: f64,
    pub(super) connections: f64,
    pub(super) cpu: f64,
    pub(super) switches: f64,
    pub(super) retransmits: f64,
    pub(super) disk_wait: f64,
    pub(super) cpu_more: f64,
    pub(super) memory_more: f64,
    pub(super) swap_more: f64,
    pub(super) disk_used_more: f64,
    pub(super) disk_write_more: f64,
    pub(super) disk_busy_more: f64,
    pub(super) iowait_more: f64,
    pub(super) steal_more: f64,
    pub(super) errors_more: f64,
    pub(super) blocked_more: f64,
    pub(super) files_more: f64,
    pub(super) stuck: bool,
    pub(super) gone: bool,
}

impl Default for Effects {
    fn default() -> Self {
        Self {
            traffic: 1.0,
            connections: 1.0,
            cpu: 1.0,
            switches: 1.0,
            retransmits: 1.0,
            disk_wait: 1.0,
            cpu_more: 0.0,
            memory_more: 0.0,
            swap_more: 0.0,
            disk_used_more: 0.0,
            disk_write_more: 0.0,
            disk_busy_more: 0.0,
            iowait_more: 0.0,
            steal_more: 0.0,
            errors_more: 0.0,
            blocked_more: 0.0,
            files_more: 0.0,
            stuck: false,
            gone: false,
        }
    }
}

impl Effects {
    /// Adds what a fault does at a step of it. `step_seconds` is the time between two steps.
    pub(super) fn add(&mut self, fault: &Fault, step: u64, step_seconds: f64, random: &mut Random) {
        let bad = fault.severity;
        let seconds = (step - fault.first) as f64 * step_seconds;
        let left = (fault.last + 1 - step) as f64 * step_seconds;
        // From 0 to 1 over the whole fault: for what grows.
        let grown = seconds / (seconds + left);
        // Up within two minutes, and down again: for what breaks.
        let on = ((seconds + step_seconds) / 120.0).min(left / 60.0).min(1.0);
        match fault.kind {
            FaultKind::CpuSaturation => {
                self.cpu_more += on * (14.0 + 50.0 * bad) * (1.0 + 0.05 * random.normal());
                self.switches *= 1.0 + 0.2 * bad * on;
            }
            FaultKind::MemoryLeak => {
                self.memory_more += grown * (8.0 + 34.0 * bad);
                self.swap_more += (grown - 0.6).max(0.0) * 30.0 * bad;
            }
            FaultKind::DiskFill => {
                self.disk_used_more += grown * (4.0 + 22.0 * bad);
                self.disk_write_more += 0.5 + 4.0 * bad;
            }
            FaultKind::NetworkDrop => {
                let lost = on * (0.35 + 0.6 * bad);
                self.traffic *= 1.0 - lost;
                self.cpu *= 1.0 - 0.4 * lost;
                self.connections *= 1.0 - on * (0.15 + 0.35 * bad);
                self.retransmits *= 1.0 + 3.0 * bad;
            }
            FaultKind::Steal => {
                self.steal_more += on * (2.0 + 12.0 * bad) * libm::exp(0.25 * random.normal());
                self.switches *= 1.0 - 0.1 * bad * on;
            }
            FaultKind::CrashLoop => {
                // Down, then busy starting, every few minutes.
                let period = 180.0 + 180.0 * bad;
                let starting = seconds % period >= 0.4 * period;
                self.cpu *= if starting { 1.0 } else { 0.4 };
                self.cpu_more += if starting { 6.0 + 24.0 * bad } else { 0.0 };
                self.memory_more -= (2.0 + 7.0 * bad) * if starting { 0.4 } else { 1.0 };
                self.connections *= 0.85 - 0.3 * bad;
            }
            FaultKind::LevelShift => {
                self.cpu *= 1.0 + on * (0.25 + 0.45 * bad);
                self.switches *= 1.0 + on * (0.1 + 0.3 * bad);
            }
            FaultKind::DiskDegradation => {
                self.disk_wait *= 1.0 + on * (1.0 + 5.0 * bad);
                self.iowait_more += on * (2.0 + 13.0 * bad);
                self.blocked_more += f64::from(random.count(0.5 + 4.0 * bad));
                self.disk_busy_more += on * (5.0 + 35.0 * bad);
            }
            FaultKind::ConnectionLeak => {
                self.connections *= 1.0 + grown * (0.5 + 1.6 * bad);
                self.files_more += grown * (0.5 + 1.2 * bad);
            }
            FaultKind::StuckExporter => self.stuck = true,
            FaultKind::HostGone => self.gone = true,
            FaultKind::Outage => {
                let lost = on * (0.45 + 0.5 * bad);
                self.traffic *= 1.0 - lost;
                self.cpu *= 1.0 - lost;
                self.switches *= 1.0 - lost;
                self.connections *= 1.0 - lost;
                self.errors_more += f64::from(random.count(0.3 + 2.0 * bad)) / 10.0;
            }
            FaultKind::RetryStorm => {
                let more = 1.0 + on * (0.4 + 0.9 * bad);
                self.traffic *= more;
                self.connections *= more;
                self.cpu *= more;
                self.switches *= more;
                self.retransmits *= 1.0 + 4.0 * bad * on;
            }
        }
    }
}
