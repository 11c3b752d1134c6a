//! Which faults there will be: where, when, of which kind and how bad. Pure.

use super::{FaultKind, ROLES, Settings, random::Random};

/// No two faults of a host are nearer than this, in seconds.
const APART: f64 = 2_700.0;
/// Incidents over several hosts per day.
const INCIDENTS_PER_DAY: f64 = 0.35;
const DAY: f64 = 86_400.0;
/// The stream of random numbers that plans are drawn from.
const STREAM: u64 = 2_000_000;

/// One fault of one host.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The host, by its place in the fleet.
    pub host: usize,
    /// What is wrong.
    pub kind: FaultKind,
    /// Its first step.
    pub first: u64,
    /// Its last step.
    pub last: u64,
    /// How bad it is, from 0 to 1.
    pub severity: f64,
    /// The incident over several hosts that it is a part of, counted from 0.
    pub incident: Option<usize>,
}

/// The faults of a simulation, by their beginning.
pub fn plan(settings: &Settings) -> Vec<Fault> {
    let mut random = Random::new(settings.seed, STREAM);
    let mut faults: Vec<Fault> = Vec::new();
    let quiet = f64::from(settings.quiet_days) * DAY;
    let end = f64::from(settings.days) * DAY;
    let days = (end - quiet).max(0.0) / DAY;
    if settings.faults_per_host_day <= 0.0 || days <= 0.0 {
        return faults;
    }
    let mut incidents = 0;
    for number in 0..(INCIDENTS_PER_DAY * days).round() as usize {
        let kind = [FaultKind::Outage, FaultKind::RetryStorm][number % 2];
        let role = ROLES[random.below(ROLES.len())];
        let (start, length) = when(kind, quiet, end, &mut random);
        let severity = random.between(0.1, 1.0);
        let before = faults.len();
        for host in (0..settings.hosts).filter(|host| ROLES[host % ROLES.len()] == role) {
            if random.happens(0.85) {
                let start = start + random.between(0.0, 120.0);
                let severity = (severity + 0.08 * random.normal()).clamp(0.0, 1.0);
                let incident = Some(incidents);
                add(&mut faults, settings, (host, kind, incident), (start, length), severity);
            }
        }
        incidents += usize::from(faults.len() > before);
    }
    for host in 0..settings.hosts {
        for _ in 0..random.count(settings.faults_per_host_day * days) {
            let kind = FaultKind::SINGLE[random.below(FaultKind::SINGLE.len())];
            let span = when(kind, quiet, end, &mut random);
            let severity = random.share();
            add(&mut faults, settings, (host, kind, None), span, severity);
        }
    }
    faults.sort_by_key(|fault| (fault.first, fault.host));
    faults
}

/// A beginning and a length, in seconds, that fit between quiet and the end.
fn when(kind: FaultKind, quiet: f64, end: f64, random: &mut Random) -> (f64, f64) {
    let (shortest, longest) = kind.minutes();
    let length = 60.0 * random.between(shortest, longest);
    (random.between(quiet, (end - length).max(quiet)), length)
}

/// Adds a fault, unless it would be too near to another one of its host.
fn add(
    faults: &mut Vec<Fault>,
    settings: &Settings,
    (host, kind, incident): (usize, FaultKind, Option<usize>),
    (start, length): (f64, f64),
    severity: f64,
) {
    let step = f64::from(settings.step);
    let first = (start / step) as u64;
    let last = first + ((length / step) as u64).max(2) - 1;
    let apart = (APART / step) as u64;
    let near = |other: &&Fault| {
        other.host == host && other.first <= last + apart && first <= other.last + apart
    };
    if last < settings.steps() && faults.iter().find(near).is_none() {
        faults.push(Fault { host, kind, first, last, severity, incident });
    }
}
