//! How bad an incident is.

use serde::{Deserialize, Serialize};

use super::{Member, metric_base};
use crate::anomaly::{Anomaly, Deviation, Direction};

/// The metric that is 0 while a host cannot be reached.
const UP: &str = "up";
/// A file system that is fuller than this, in percent, is about to stop what writes to it.
const DISK_FULL: f64 = 95.0;
/// From this score on an anomaly alone is more than a curiosity, and then serious.
const MEDIUM_SCORE: f64 = 5.0;
const HIGH_SCORE: f64 = 8.0;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth a look some time.
    Low,
    /// Worth a look today.
    Medium,
    /// Look now.
    High,
    /// Wake somebody.
    Critical,
}

impl Severity {
    /// Its name in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Every severity, the least first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == name)
    }

    /// The next worse one.
    fn worse(self) -> Self {
        match self {
            Self::Low => Self::Medium,
            Self::Medium => Self::High,
            Self::High | Self::Critical => Self::Critical,
        }
    }
}

/// How bad these anomalies are together: by the worst score, one step worse when they are wide, and
/// by rules that need no statistics: a host that is down is critical, a full disk is at least high.
pub(super) fn severity(members: &[Member], wide: bool) -> Severity {
    let score = members.iter().map(|it| it.anomaly.score).fold(0.0, f64::max);
    let by_score = if score >= HIGH_SCORE {
        Severity::High
    } else if score >= MEDIUM_SCORE {
        Severity::Medium
    } else {
        Severity::Low
    };
    let by_spread = if wide { by_score.worse() } else { by_score };
    members
        .iter()
        .filter_map(|member| broken(&member.anomaly))
        .fold(by_spread, |worst, (severity, _)| worst.max(severity))
}

/// The worst hard rule that an anomaly breaks, and by what.
pub(super) fn broken(anomaly: &Anomaly) -> Option<(Severity, &Deviation)> {
    let broken = anomaly.metrics.iter().filter_map(|it| Some((by_rule(it)?, it)));
    broken.rev().max_by_key(|(severity, _)| *severity)
}

fn by_rule(deviation: &Deviation) -> Option<Severity> {
    match metric_base(&deviation.metric) {
        UP if deviation.direction == Direction::Down && deviation.value < 0.5 => {
            Some(Severity::Critical)
        }
        "disk" if deviation.value > DISK_FULL => Some(Severity::High),
        "disk" if deviation.full_at.is_some() => Some(Severity::Medium),
        _ => None,
    }
}
