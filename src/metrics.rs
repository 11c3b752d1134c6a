//! What can be measured, of which hosts, and where the numbers come from.
//!
//! The words here (signal, stat, window, fleet, reading) are shared by the intent grammar, which
//! asks, and by the two sources, which answer: [`prometheus`] and [`host`].

mod error;
pub mod exposition;
mod fleet;
pub mod forecast;
pub mod host;
mod interfaces;
pub mod prometheus;
pub mod promql;
mod source;
mod window;

pub use error::MetricsError;
pub use fleet::{Fleet, Host};
pub use source::{Metrics, SourceCheck};
pub use window::{ParseWindowError, Window};

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A thing measured on every host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Share of processor time not idle.
    Cpu,
    /// Share of memory not available.
    Memory,
    /// Share of swap used.
    Swap,
    /// Share of each file system used.
    Disk,
    /// Bytes read and written per second, all disks.
    DiskIo,
    /// Bytes received per second, all real interfaces.
    NetworkIn,
    /// Bytes sent per second, all real interfaces.
    NetworkOut,
    /// One-minute load average.
    Load,
    /// Time since boot.
    Uptime,
}

impl Signal {
    /// Every signal, in the order shown to people.
    pub const ALL: [Self; 9] = [
        Self::Cpu,
        Self::Memory,
        Self::Swap,
        Self::Disk,
        Self::DiskIo,
        Self::NetworkIn,
        Self::NetworkOut,
        Self::Load,
        Self::Uptime,
    ];

    /// The name used in commands and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Swap => "swap",
            Self::Disk => "disk",
            Self::DiskIo => "disk_io",
            Self::NetworkIn => "network_in",
            Self::NetworkOut => "network_out",
            Self::Load => "load",
            Self::Uptime => "uptime",
        }
    }

    /// The name people read at the start of a sentence.
    pub fn title(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Memory => "Memory",
            Self::Swap => "Swap",
            Self::Disk => "Disk",
            Self::DiskIo => "Disk I/O",
            Self::NetworkIn => "Network in",
            Self::NetworkOut => "Network out",
            Self::Load => "Load",
            Self::Uptime => "Uptime",
        }
    }

    /// The name inside a sentence.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Memory => "memory",
            Self::Swap => "swap",
            Self::Disk => "disk",
            Self::DiskIo => "disk I/O",
            Self::NetworkIn => "network in",
            Self::NetworkOut => "network out",
            Self::Load => "load",
            Self::Uptime => "uptime",
        }
    }

    /// What its numbers are in.
    pub fn unit(self) -> Unit {
        match self {
            Self::Cpu | Self::Memory | Self::Swap | Self::Disk => Unit::Percent,
            Self::DiskIo | Self::NetworkIn | Self::NetworkOut => Unit::BytesPerSecond,
            Self::Load => Unit::Load,
            Self::Uptime => Unit::Seconds,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a number is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// 0 to 100.
    Percent,
    /// Bytes per second.
    BytesPerSecond,
    /// Runnable tasks.
    Load,
    /// Seconds.
    Seconds,
    /// Unknown: the number of a query somebody wrote.
    None,
}

/// How many samples become one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stat {
    /// The newest.
    #[default]
    Current,
    /// Their mean.
    Avg,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// The 95th percentile, interpolated as PromQL's `quantile_over_time` does.
    P95,
}

impl Stat {
    /// Every stat.
    pub const ALL: [Self; 5] = [Self::Current, Self::Avg, Self::Max, Self::Min, Self::P95];

    /// The name used in commands and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Avg => "avg",
            Self::Max => "max",
            Self::Min => "min",
            Self::P95 => "p95",
        }
    }
}

/// One number of one host.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// The host's name in the [`Fleet`].
    pub host: String,
    /// Which part of the host, such as a mount point; `None` for the whole host.
    pub part: Option<String>,
    /// The number, in the signal's unit. NaN and infinities are kept as they came.
    pub value: f64,
}

/// The answer to an instant question.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What was asked of the source, ready to be asked again.
    pub query: String,
    /// The moment the numbers are of.
    pub at: DateTime<Utc>,
    /// How long the answer had been in the cache; `None` when it was asked just now.
    pub cached: Option<Duration>,
    /// The numbers of all hosts, in no promised order.
    pub values: Vec<Measurement>,
    /// What the source said about its own answer: partial data, cut series.
    pub warnings: Vec<String>,
}

/// The samples of one host, or one part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The host's name in the [`Fleet`].
    pub host: String,
    /// Which part of the host.
    pub part: Option<String>,
    /// Time and value, oldest first. A missing step is a gap, not a zero.
    pub points: Vec<(DateTime<Utc>, f64)>,
}

/// The answer to a question about a stretch of time.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeReading {
    /// What was asked of the source.
    pub query: String,
    /// From when.
    pub start: DateTime<Utc>,
    /// Until when.
    pub end: DateTime<Utc>,
    /// Distance between two points.
    pub step: Duration,
    /// The samples.
    pub series: Vec<Series>,
    /// What the source said about its own answer.
    pub warnings: Vec<String>,
}
