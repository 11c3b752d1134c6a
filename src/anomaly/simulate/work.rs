//! What a host does by plan: nightly jobs and deployments, neither of them a fault. Pure.

use super::{Settings, random::Random};

const DAY: f64 = 86_400.0;

/// Something that rises, stays and falls, in seconds.
#[derive(Clone, Debug)]
pub(super) struct Pulse {
    start: f64,
    end: f64,
    height: f64,
    ramp: f64,
}

impl Pulse {
    pub(super) fn new(start: f64, length: f64, height: f64, ramp: f64) -> Self {
        Self { start, end: start + length, height, ramp: ramp.max(1.0) }
    }

    /// Its height at a moment; 0 outside of it.
    pub(super) fn at(&self, seconds: f64) -> f64 {
        let inside = (seconds - self.start).min(self.end - seconds) / self.ramp;
        self.height * inside.clamp(0.0, 1.0)
    }
}

/// What is going on at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    /// How busy jobs keep the host: about 1 while one runs.
    pub(super) job: f64,
    /// The same for deployments.
    pub(super) deployment: f64,
    /// Whether the services were just started anew.
    pub(super) restarted: bool,
}

/// The plan of one host.
pub(super) struct Plan {
    /// When the nightly job begins, in seconds of the day.
    nightly: f64,
    length: f64,
    height: f64,
    /// Further jobs in a day, at any time.
    daily_jobs: f64,
    day: u64,
    jobs: Vec<Pulse>,
    deployment: Option<Pulse>,
    restart: Option<f64>,
}

impl Plan {
    pub(super) fn new(_settings: &Settings, role: &str, random: &mut Random) -> Self {
        Self {
            nightly: random.between(0.0, 6.0) * 3_600.0,
            length: random.between(20.0, 70.0) * 60.0,
            height: random.between(0.5, 1.0),
            daily_jobs: if role == "worker" { 3.0 } else { 0.0 },
            day: u64::MAX,
            jobs: Vec::new(),
            deployment: None,
            restart: None,
        }
    }

    /// What goes on now. Moments are asked for in order.
    pub(super) fn at(&mut self, seconds: f64, random: &mut Random) -> Work {
        let day = (seconds / DAY) as u64;
        if day != self.day {
            self.day = day;
            self.begin(day as f64 * DAY, random);
        }
        let restarted = self.restart.is_some_and(|at| at <= seconds);
        if restarted {
            self.restart = None;
        }
        Work {
            job: self.jobs.iter().map(|job| job.at(seconds)).sum(),
            deployment: self.deployment.as_ref().map_or(0.0, |it| it.at(seconds)),
            restarted,
        }
    }

    fn begin(&mut self, midnight: f64, random: &mut Random) {
        self.jobs.retain(|job| job.end > midnight);
        // Now and then a night is skipped.
        if !random.happens(0.04) {
            let start = midnight + (self.nightly + 240.0 * random.normal()).max(0.0);
            let length = self.length * random.between(0.85, 1.2);
            let height = self.height * random.between(0.85, 1.2);
            self.jobs.push(Pulse::new(start, length, height, 180.0));
        }
        for _ in 0..random.count(self.daily_jobs) {
            let start = midnight + random.between(0.0, DAY);
            let length = random.between(10.0, 60.0) * 60.0;
            self.jobs.push(Pulse::new(start, length, random.between(0.4, 1.1), 120.0));
        }
        self.deployment = None;
        if random.happens(0.25) {
            // People deploy while they are at work.
            let start = midnight + random.between(9.0, 17.0) * 3_600.0;
            self.deployment = Some(Pulse::new(start, random.between(180.0, 540.0), 1.0, 30.0));
            self.restart = Some(start);
        }
    }
}
