//! One made-up host: from demand, work and faults to its metrics. Pure.

use super::{
    METRICS, Settings,
    fault::Effects,
    plan::Fault,
    random::{Random, Wander},
    work::{Plan, Work},
};

type Values = [f64; METRICS.len()];

const DAY: f64 = 86_400.0;

/// What makes a host different from others of its role.
struct Character {
    share: f64,
    cores: f64,
    cpu: f64,
    job_cpu: f64,
    writes: f64,
    reads: f64,
    job_disk: f64,
    disk_speed: f64,
    wait: f64,
    memory: f64,
    memory_swing: f64,
    memory_growth: f64,
    swap: f64,
    disk_growth: f64,
    traffic: f64,
    answer: f64,
    connections: f64,
    steal: f64,
}

/// Noise that each metric has of its own.
struct Noise {
    load: Wander,
    cpu: Wander,
    system: Wander,
    writes: Wander,
    reads: Wander,
    wait: Wander,
    iowait: Wander,
    steal: Wander,
    memory: Wander,
    cached: Wander,
    network: Wander,
    answer: Wander,
    connections: Wander,
    switches: Wander,
    files: Wander,
}

/// A host and its state.
pub(super) struct Host {
    random: Random,
    step: f64,
    character: Character,
    noise: Noise,
    plan: Plan,
    /// Memory that grew since the last deployment, in percent.
    grown: f64,
    /// In percent, before what faults add.
    disk_used: f64,
    /// The averages over 1 and 5 minutes, once there is one.
    loads: Option<(f64, f64)>,
    /// What a stuck exporter repeats.
    last: Option<Values>,
}

impl Host {
    pub(super) fn new(settings: &Settings, role: &str, mut random: Random) -> Self {
        let step = f64::from(settings.step);
        let plan = Plan::new(settings, role, &mut random);
        let character = character(role, &mut random);
        let noise = noise(60.0 / step, &mut random);
        let disk_used = random.between(35.0, 60.0);
        Self {
            random,
            step,
            character,
            noise,
            plan,
            grown: 0.0,
            disk_used,
            loads: None,
            last: None,
        }
    }

    /// The metrics at the next step; `None` while the host is gone. Steps are asked for in order.
    pub(super) fn next(&mut self, step: u64, demand: f64, faults: &[&Fault]) -> Option<Values> {
        let seconds = step as f64 * self.step;
        let work = self.plan.at(seconds, &mut self.random);
        let mut effects = Effects::default();
        for fault in faults {
            effects.add(fault, step, self.step, &mut self.random);
        }
        let values = self.values(seconds, demand, work, &effects);
        if effects.gone {
            return None;
        }
        if !effects.stuck {
            self.last = Some(values);
        }
        // One that is stuck from the very beginning repeats the first values.
        Some(*self.last.get_or_insert(values))
    }

    fn values(&mut self, seconds: f64, demand: f64, work: Work, effects: &Effects) -> Values {
        let Self { random, character: own, noise, .. } = self;
        let Work { job, deployment, restarted } = work;
        let load = demand * own.share * noise.load.factor(random);

        let mut cpu = own.cpu * load * noise.cpu.factor(random) + own.job_cpu * job;
        cpu += 25.0 * deployment + random.normal().abs();
        // A lone spike of one sample is no fault.
        if random.happens(0.0015 * self.step / 60.0) {
            cpu += random.waiting(8.0);
        }
        let cpu = cpu * effects.cpu + effects.cpu_more;
        let system = 0.2 * cpu * noise.system.factor(random) + 0.4;
        let steal = noise.steal.next(random).abs() * own.steal + effects.steal_more;

        let writes = own.writes * (0.3 + 0.7 * load) * noise.writes.factor(random)
            + own.job_disk * job
            + effects.disk_write_more;
        let reads =
            own.reads * (0.2 + 0.8 * load) * noise.reads.factor(random) + 0.7 * own.job_disk * job;
        let busy = 100.0 * (1.0 - libm::exp(-(writes + reads) / own.disk_speed));
        let wait = own.wait * (1.0 + 2.5 * (busy / 100.0) * (busy / 100.0));
        let wait = wait * noise.wait.factor(random) * effects.disk_wait;
        let iowait = 0.06 * busy * noise.iowait.factor(random) + 0.1 + effects.iowait_more;
        let blocked = f64::from(random.count(0.05 + 0.01 * busy)) + effects.blocked_more;

        let days = self.step / DAY;
        self.grown = if restarted { 0.0 } else { self.grown + own.memory_growth * days };
        let memory = own.memory
            + self.grown
            + own.memory_swing * (load - 1.0)
            + 3.0 * job
            + noise.memory.next(random)
            + effects.memory_more;
        let cached = 86.0 - memory + noise.cached.next(random);
        let swap = own.swap + 0.02 * random.normal() + effects.swap_more;

        self.disk_used += own.disk_growth * days * (0.5 + 0.5 * load);
        // Old logs go once a day.
        if (seconds / DAY).fract() * DAY < self.step {
            self.disk_used -= own.disk_growth * random.between(0.75, 1.05);
        }
        self.disk_used = self.disk_used.clamp(5.0, 90.0);

        let inwards = own.traffic * load * noise.network.factor(random) * effects.traffic;
        let outwards =
            inwards * own.answer * noise.answer.factor(random) + 0.5 * own.job_disk * job;
        let errors = f64::from(random.count(0.02)) / self.step + effects.errors_more;
        let connections = own.connections * libm::pow(load, 0.8) * effects.connections;
        let connections = (connections * noise.connections.factor(random)).round();
        let retransmits =
            (0.02 * inwards + f64::from(random.count(0.5)) / 60.0) * effects.retransmits;
        let switches = (3e3 + 12e3 * load) * noise.switches.factor(random);
        let switches = (switches + 4e3 * job + 2e3 * deployment) * effects.switches;
        let files = 600.0 + connections * (1.6 + effects.files_more) + noise.files.next(random);

        let total = cpu + system + steal;
        // What does not fit waits in the run queue.
        let running = own.cores * total.min(100.0) / 100.0 + 0.1 * (total - 100.0).max(0.0);
        let (one, five) = self.loads.unwrap_or((running, running));
        let towards = |from: f64, minutes: f64| {
            from + (1.0 - libm::exp(-self.step / 60.0 / minutes)) * (running + blocked - from)
        };
        let loads = (towards(one, 1.0), towards(five, 5.0));
        self.loads = Some(loads);
        let queue = (1.0 + running * libm::exp(0.15 * random.normal())).round().max(1.0);
        let percent = |value: f64| value.clamp(0.0, 99.9);
        [
            percent(cpu.min(99.0 - percent(steal).min(60.0))),
            percent(system.min(60.0)),
            percent(iowait),
            percent(steal),
            loads.0,
            loads.1,
            percent(memory),
            percent(cached.max(2.0)),
            percent(swap),
            percent(self.disk_used + 0.02 * random.normal() + effects.disk_used_more),
            reads.max(0.0),
            writes.max(0.0),
            percent(busy + effects.disk_busy_more),
            wait,
            inwards,
            outwards,
            errors,
            connections,
            retransmits,
            queue,
            blocked,
            switches,
            files.round().max(0.0),
        ]
    }
}

fn character(role: &str, random: &mut Random) -> Character {
    let (cpu, writes, reads): (f64, f64, f64) = match role {
        "database" => (16.0, 6.0, 8.0),
        "worker" => (7.0, 4.0, 1.0),
        "cache" => (10.0, 0.8, 0.4),
        _ => (22.0, 1.5, 0.6),
    };
    Character {
        share: random.between(0.75, 1.25),
        cores: [4.0, 8.0, 16.0, 32.0][random.below(4)],
        cpu: cpu * random.between(0.7, 1.35),
        job_cpu: if role == "cache" { 2.0 } else { random.between(12.0, 35.0) },
        writes: writes * random.between(0.7, 1.4),
        reads: reads * random.between(0.7, 1.4),
        job_disk: random.between(15.0, 60.0),
        disk_speed: random.between(60.0, 160.0),
        wait: random.between(0.6, 2.4),
        memory: random.between(28.0, 55.0),
        memory_swing: random.between(2.0, 8.0),
        memory_growth: random.between(0.0, 0.8),
        swap: random.between(0.1, 2.0),
        disk_growth: random.between(0.25, 1.2),
        traffic: random.between(3.0, 25.0),
        answer: random.between(0.6, 2.4),
        connections: random.between(80.0, 900.0),
        steal: random.between(0.3, 1.5),
    }
}

/// `minutes` is how many steps a minute has.
fn noise(minutes: f64, random: &mut Random) -> Noise {
    let mut wander =
        |deviation, half_life: f64| Wander::new(deviation, half_life * minutes, random);
    Noise {
        load: wander(0.04, 10.0),
        cpu: wander(0.06, 2.0),
        system: wander(0.08, 2.0),
        writes: wander(0.25, 1.0),
        reads: wander(0.35, 1.0),
        wait: wander(0.18, 1.0),
        iowait: wander(0.3, 1.0),
        steal: wander(0.35, 8.0),
        memory: wander(0.35, 20.0),
        cached: wander(0.8, 60.0),
        network: wander(0.07, 1.0),
        answer: wander(0.06, 1.0),
        connections: wander(0.03, 8.0),
        switches: wander(0.06, 1.0),
        files: wander(30.0, 30.0),
    }
}
