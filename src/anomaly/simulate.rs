//! Made-up machines with known faults, to try and judge a detector on. Deterministic in its seed.
//!
//! Hosts of a role serve one demand with a daily and a weekly season; each adds noise of its own,
//! nightly jobs, deployments and bursts that are no faults. Then faults of [`FaultKind`] are laid over
//! them. Rows are written as they are made: memory does not grow with the days.

mod demand;
mod fault;
mod host;
mod number;
mod plan;
mod random;
mod work;

pub use fault::FaultKind;
pub use plan::{Fault, plan};

use std::io::{self, Write};

use demand::Demand;
use host::Host;
use random::Random;

/// The metrics of a made-up host, in the order of the columns.
pub const METRICS: [&str; 23] = [
    "cpu_user_percent",
    "cpu_system_percent",
    "cpu_iowait_percent",
    "cpu_steal_percent",
    "load1",
    "load5",
    "memory_used_percent",
    "memory_cached_percent",
    "swap_used_percent",
    "disk_used_percent",
    "disk_read_mb_per_second",
    "disk_write_mb_per_second",
    "disk_busy_percent",
    "disk_wait_ms",
    "network_in_mb_per_second",
    "network_out_mb_per_second",
    "network_errors_per_second",
    "tcp_connections",
    "tcp_retransmits_per_second",
    "processes_running",
    "processes_blocked",
    "context_switches_per_second",
    "open_files",
];

/// The first moment of every simulation: Monday 2026-01-05 00:00 UTC, in seconds since 1970.
pub const START: i64 = 1_767_571_200;
/// Roles, in the order in which hosts get them.
const ROLES: [&str; 6] = ["web", "web", "database", "worker", "cache", "web"];
const DAY: u32 = 86_400;

/// What to make up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The same seed makes the same bytes.
    pub seed: u64,
    /// How many hosts.
    pub hosts: usize,
    /// How many days.
    pub days: u32,
    /// Seconds between two rows of a host.
    pub step: u32,
    /// How many faults of a single host there are per host and day, on average.
    pub faults_per_host_day: f64,
    /// So many days at the beginning have no fault.
    pub quiet_days: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: 1, hosts: 12, days: 7, step: 60, faults_per_host_day: 0.3, quiet_days: 0 }
    }
}

/// What was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// Rows of metrics.
    pub rows: u64,
    /// Rows of labels.
    pub faults: usize,
    /// Faults over several hosts.
    pub incidents: usize,
}

impl Settings {
    /// Rows that each host would have if it were always there.
    pub fn steps(&self) -> u64 {
        u64::from(self.days) * u64::from(DAY / self.step.clamp(1, DAY))
    }

    /// The name and role of each host.
    pub fn fleet(&self) -> Vec<(String, &'static str)> {
        let mut counts = [0_usize; ROLES.len()];
        (0..self.hosts)
            .map(|index| {
                let role = ROLES[index % ROLES.len()];
                // Hosts of one role are numbered together, wherever they stand in the list.
                let first = ROLES.iter().position(|it| *it == role).unwrap_or_default();
                counts[first] += 1;
                (format!("{role}-{}", counts[first]), role)
            })
            .collect()
    }

    /// The time of a step, in seconds since 1970.
    pub fn time(&self, step: u64) -> i64 {
        START + i64::try_from(step).unwrap_or(0) * i64::from(self.step)
    }
}

/// Writes metrics (`host,timestamp,role,…`) and labels (`entity,start,end,kind,incident`), and tells
/// `progress` the step after each day. A host that is gone has no rows; its label says since when.
pub fn simulate(
    settings: &Settings,
    metrics: &mut impl Write,
    labels: &mut impl Write,
    mut progress: impl FnMut(u64),
) -> io::Result<Made> {
    let fleet = settings.fleet();
    let faults = plan(settings);
    write_labels(settings, &fleet, &faults, labels)?;
    let mut demands: Vec<Demand> = (0..ROLES.len() as u64)
        .map(|role| Demand::new(settings, Random::new(settings.seed, 1_000_000 + role)))
        .collect();
    let mut hosts: Vec<Host> = fleet
        .iter()
        .enumerate()
        .map(|(index, (_, role))| {
            Host::new(settings, role, Random::new(settings.seed, index as u64))
        })
        .collect();
    let mut running: Vec<Vec<&Fault>> = vec![Vec::new(); hosts.len()];
    let mut coming = faults.iter().peekable();
    let mut line = Vec::with_capacity(256);
    write!(metrics, "host,timestamp,role")?;
    for name in METRICS {
        write!(metrics, ",{name}")?;
    }
    writeln!(metrics)?;
    let day = u64::from(DAY / settings.step.clamp(1, DAY));
    let mut rows = 0;
    for step in 0..settings.steps() {
        while let Some(fault) = coming.next_if(|fault| fault.first <= step) {
            running[fault.host].push(fault);
        }
        let loads: Vec<f64> = demands.iter_mut().map(|demand| demand.next(step)).collect();
        for (index, host) in hosts.iter_mut().enumerate() {
            running[index].retain(|fault| fault.last >= step);
            let (name, role) = &fleet[index];
            let service = ROLES.iter().position(|it| it == role).unwrap_or_default();
            let values = host.next(step, loads[service], &running[index]);
            let Some(values) = values else { continue };
            line.clear();
            write!(line, "{name},{},{role}", settings.time(step))?;
            for value in values {
                line.push(b',');
                number::write(&mut line, value);
            }
            line.push(b'\n');
            metrics.write_all(&line)?;
            rows += 1;
        }
        if (step + 1) % day == 0 {
            progress(step + 1);
        }
    }
    let incidents =
        faults.iter().filter_map(|fault| fault.incident).max().map_or(0, |last| last + 1);
    Ok(Made { rows, faults: faults.len(), incidents })
}

fn write_labels(
    settings: &Settings,
    fleet: &[(String, &str)],
    faults: &[Fault],
    labels: &mut impl Write,
) -> io::Result<()> {
    writeln!(labels, "entity,start,end,kind,incident")?;
    for fault in faults {
        let incident = fault.incident.map(|number| format!("incident-{}", number + 1));
        writeln!(
            labels,
            "{},{},{},{},{}",
            fleet[fault.host].0,
            settings.time(fault.first),
            settings.time(fault.last),
            fault.kind,
            incident.unwrap_or_default()
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
