//! The detector of a whole fleet: trained on its past, then asked moment by moment.

mod roles;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Anomaly, Deviation, Observation, Schema,
    decision::{Alarm, Limits, once_in_days, threshold},
    forest::{self, Forest},
    host::{HostDetector, Opinion, Prepared, Training, Weights, scaled, scalings},
    incident::STALE_AFTER,
    pace::Pace,
    peers::{Peers, Scaled},
};

/// The past of one host.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Milliseconds since 1970, ascending.
    pub times: Vec<i64>,
    /// A row of one value for each metric of the schema, for each time; missing ones are not numbers.
    pub rows: Vec<f32>,
}

/// What people set, for one environment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// False alarms per host and day that they can bear.
    pub budget: f64,
    /// Everything random begins here.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { budget: 0.1, seed: 1 }
    }
}

/// Everything that was learned of a fleet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detector {
    schema: Schema,
    settings: Settings,
    weights: Weights,
    hosts: Vec<Host>,
    peers: Peers,
    /// One for the whole fleet: hosts on their own scales resemble each other.
    forest: Forest,
    /// What hosts of a role have in common, by the name of the role.
    roles: BTreeMap<String, HostDetector>,
    /// Hosts that nothing was learned of yet, and that are judged by their role.
    newcomers: Vec<Host>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Host {
    name: String,
    detector: HostDetector,
    /// False alarms a day that people can bear here, where it is not what [`Settings`] say.
    budget: Option<f64>,
    alarm: Alarm,
    anomaly: Option<Anomaly>,
}

/// What was found about one host at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Whose.
    pub host: String,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// How unusual, as `-log10` of a probability: this moment or, where no model remembers, the last minutes.
    pub score: f32,
    /// Whether it is in alarm. The last minutes begin none.
    pub alarm: bool,
    /// The surprise of each vote; see [`Detector::votes`].
    pub votes: Vec<f32>,
    /// The anomaly that began, goes on or ended with this observation.
    pub anomaly: Option<Anomaly>,
    /// The least and the most that would have been normal, of a metric that was asked about.
    pub normal: Option<(f64, f64)>,
}

impl Detector {
    /// Learns from the past of all hosts. Hosts with fewer than [`LEAST_ROWS`]
    /// observations are left out.
    pub fn train(
        schema: Schema,
        histories: &BTreeMap<String, History>,
        settings: Settings,
    ) -> Self {
        Self::train_telling(schema, histories, settings, &mut |_, _| {})
    }

    /// The same; `progress` is told how many hosts of how many were learned.
    pub fn train_telling(
        schema: Schema,
        histories: &BTreeMap<String, History>,
        settings: Settings,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Self {
        let metrics = schema.metrics().len();
        let histories: Vec<(&String, &History)> =
            histories.iter().filter(|(_, history)| history.times.len() >= LEAST_ROWS).collect();
        let scaled: Vec<Vec<f32>> = histories
            .iter()
            .map(|(_, history)| scaled(&history.rows, metrics, &scalings(&history.rows, metrics)))
            .collect();
        let pasts: Vec<Scaled> = histories
            .iter()
            .zip(&scaled)
            .map(|((_, history), rows)| Scaled { times: &history.times, rows })
            .collect();
        let pace = histories.first().map_or(Pace { seconds: 60.0 }, |it| Pace::of(&it.1.times));
        let peers = Peers::find(&pasts, metrics, pace);
        let forest = forest(&histories, metrics, settings.seed);
        let hosts = histories
            .iter()
            .enumerate()
            .map(|(place, (name, history))| {
                let medians = medians_of_the_past(&peers, place, &histories, &scaled, metrics);
                let training = Training {
                    schema: &schema,
                    times: &history.times,
                    rows: &history.rows,
                    peers: &medians,
                    seed: settings.seed,
                    forest: &forest,
                };
                let detector = HostDetector::fit(&training);
                progress(place + 1, histories.len());
                Host::new((*name).clone(), detector)
            })
            .collect();
        Self {
            schema,
            settings,
            weights: Weights::default(),
            hosts,
            peers,
            forest,
            roles: BTreeMap::new(),
            newcomers: Vec::new(),
        }
    }

    /// Whether all its parts are of the same hosts and metrics. What training makes is; what was read from
    /// somewhere may not be, and must not be asked then.
    pub fn is_sound(&self) -> bool {
        let metrics = self.schema.metrics().len();
        let hosts = self.hosts.iter().chain(&self.newcomers).map(|host| &host.detector);
        (metrics > 0 || self.hosts.is_empty())
            && hosts.chain(self.roles.values()).all(|host| host.fits(metrics))
            && self.hosts.is_sorted_by(|left, right| left.name < right.name)
            && self.peers.fits(self.hosts.len(), metrics)
            && self.forest.dimensions() == metrics
    }

    /// Lets hosts have budgets of their own: false alarms a day that people can bear. `None` for what
    /// [`Settings`] say.
    pub fn allow(&mut self, budget: impl Fn(&str) -> Option<f64>) {
        for host in self.hosts.iter_mut().chain(&mut self.newcomers) {
            host.budget = budget(&host.name);
        }
    }

    /// The names of the votes, in the order of [`Verdict::votes`].
    pub fn votes() -> &'static [&'static str] {
        &super::host::VOTES
    }

    /// The metrics it knows.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// What people set.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Alarms as often as this budget allows from now on.
    pub fn set_budget(&mut self, budget: f64) {
        self.settings.budget = budget;
    }

    /// Its hosts so many times over, each copy with names and peers of its own: as large a fleet as one
    /// likes, for measuring.
    #[must_use]
    pub fn repeated(&self, times: usize) -> Self {
        let copies = (0..times).flat_map(|copy| {
            let host = move |host: &Host| Host {
                name: format!("{copy:06} {}", host.name),
                ..host.clone()
            };
            self.hosts.iter().map(host)
        });
        Self {
            hosts: copies.collect(),
            peers: self.peers.repeated(times),
            schema: self.schema.clone(),
            forest: self.forest.clone(),
            roles: self.roles.clone(),
            newcomers: Vec::new(),
            ..*self
        }
    }

    /// The hosts it knows.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(|host| &*host.name)
    }

    /// Lets metrics stray farther before they count, where people said that they expected it. Replaces
    /// what was tolerated before. `unwelcome` holds an anomaly for each person who said so.
    pub fn tolerate(&mut self, unwelcome: &[Anomaly]) {
        let mut by_host: BTreeMap<&str, Vec<&Deviation>> = BTreeMap::new();
        // A broken rule is no matter of how far.
        for anomaly in unwelcome.iter().filter(|anomaly| anomaly.once_in_days.is_some()) {
            by_host.entry(&anomaly.host).or_default().extend(anomaly.metrics.first());
        }
        for host in self.hosts.iter_mut().chain(&mut self.newcomers) {
            let metrics = by_host.get(&*host.name).into_iter().flatten();
            let mut times = vec![0; self.schema.metrics().len()];
            for metric in metrics {
                if let Some(place) =
                    self.schema.metrics().iter().position(|name| *name == metric.metric)
                {
                    times[place] += 1;
                }
            }
            host.detector.tolerate(times.into_iter().map(tolerance).collect());
        }
    }

    /// Goes on with what another detector knew of the same hosts: their alarms do not begin anew because
    /// something was learned meanwhile. The anomalies of hosts that this one does not know end at `now`,
    /// and are returned.
    pub fn take_over(&mut self, before: Self, now: DateTime<Utc>) -> Vec<Anomaly> {
        let mut over = Vec::new();
        for Host { name, alarm, anomaly, .. } in before.hosts.into_iter().chain(before.newcomers) {
            match self.hosts.binary_search_by(|host| host.name.cmp(&name)) {
                Ok(place) => {
                    self.hosts[place].alarm = alarm;
                    self.hosts[place].anomaly = anomaly;
                }
                Err(_) => over.extend(anomaly.map(|it| Anomaly { end: Some(now), ..it })),
            }
        }
        over
    }

    /// The hosts that have peers to be compared with, in some metric.
    pub fn hosts_with_peers(&self) -> impl Iterator<Item = &str> {
        self.hosts().enumerate().filter(|(place, _)| self.peers.has(*place)).map(|(_, host)| host)
    }

    /// Seconds between two observations of each host in training, in the order of
    /// [`Detector::hosts`].
    pub fn step_seconds(&self) -> impl Iterator<Item = f64> {
        self.hosts.iter().map(|host| host.detector.step_seconds())
    }

    /// The anomalies that go on, with an open end.
    pub fn anomalies(&self) -> impl Iterator<Item = &Anomaly> {
        self.hosts.iter().chain(&self.newcomers).filter_map(|host| host.anomaly.as_ref())
    }

    /// Looks at the observations of one moment, of all hosts that reported. Observations of hosts that
    /// it neither knows nor welcomed are left out.
    pub fn look(&mut self, observations: &[Observation]) -> Vec<Verdict> {
        self.look_asking(observations, |_| None)
    }

    /// The same. For a host of which `asked` names a metric, by its place in the schema, the verdict
    /// also says what would have been normal for it.
    pub fn look_asking(
        &mut self,
        observations: &[Observation],
        asked: impl Fn(&str) -> Option<usize>,
    ) -> Vec<Verdict> {
        let mut prepared: Vec<Option<(i64, Prepared)>> = vec![None; self.hosts.len()];
        for observation in observations {
            if let Ok(place) =
                self.hosts.binary_search_by(|host| host.name.as_str().cmp(&observation.host))
            {
                let raw: Vec<f32> = observation.values.iter().map(|value| *value as f32).collect();
                let row = self.hosts[place].detector.prepare(observation.at, &raw);
                prepared[place] = Some((observation.at, row));
            }
        }
        let fleet = Common {
            schema: &self.schema,
            settings: self.settings,
            weights: self.weights,
            forest: &self.forest,
        };
        let rows: Vec<Option<&[f32]>> =
            prepared.iter().map(|it| it.as_ref().map(|(_, row)| &*row.robust)).collect();
        let mut verdicts = Vec::with_capacity(observations.len());
        let mut medians = Vec::new();
        for (place, host) in self.hosts.iter_mut().enumerate() {
            let Some((at, row)) = &prepared[place] else { continue };
            self.peers.medians(place, &rows, &mut medians);
            let mut verdict = host.judge(*at, row, &medians, &fleet);
            verdict.normal =
                asked(&host.name).map(|metric| host.detector.normal(*at, row, &medians, metric));
            verdicts.push(verdict);
        }
        medians.clear();
        medians.resize(self.schema.metrics().len(), f32::NAN);
        for newcomer in &mut self.newcomers {
            let seen = observations.iter().find(|observation| observation.host == newcomer.name);
            let Some(Observation { at, values, .. }) = seen else { continue };
            let raw: Vec<f32> = values.iter().map(|value| *value as f32).collect();
            let row = newcomer.detector.prepare(*at, &raw);
            verdicts.push(newcomer.judge(*at, &row, &medians, &fleet));
        }
        verdicts
    }
}

/// What the judgement of every host needs.
struct Common<'a> {
    schema: &'a Schema,
    settings: Settings,
    weights: Weights,
    forest: &'a Forest,
}

/// How much farther a metric may stray after so many people called that expected.
pub fn tolerance(people: i32) -> f32 {
    1.5_f32.powi(people).min(4.0)
}

/// Fewer observations of a host than this teach nothing.
pub const LEAST_ROWS: usize = 60;

impl Host {
    fn new(name: String, detector: HostDetector) -> Self {
        Self { name, detector, budget: None, alarm: Alarm::default(), anomaly: None }
    }

    fn judge(&mut self, at: i64, row: &Prepared, peers: &[f32], fleet: &Common) -> Verdict {
        let Common { schema, settings, weights, forest } = fleet;
        let pace = Pace { seconds: self.detector.step_seconds() };
        let limits = Limits {
            threshold: threshold(self.budget.unwrap_or(settings.budget), pace),
            pace,
            rough: self.detector.rough_days().is_some(),
        };
        let gap = STALE_AFTER.num_milliseconds().max(3 * pace.milliseconds());
        if row.unseen >= gap {
            // What was wrong before nobody saw it for so long is over for everyone else.
            self.alarm.end();
            self.anomaly = None;
        }
        let opinion = self.detector.judge(at, row, peers, *weights, forest).heard(limits.threshold);
        let detector = &self.detector;
        let alarm = self.alarm.judge(opinion.score, &limits, || {
            opinion.stuck || detector.matters(at, row, peers, schema)
        });
        let anomaly = self.follow(at, row, peers, &opinion, alarm, schema);
        Verdict {
            host: self.name.clone(),
            at,
            score: opinion.score.max(opinion.lately),
            alarm,
            votes: opinion.votes.to_vec(),
            anomaly,
            normal: None,
        }
    }

    /// Keeps the anomaly of this host current: begun, worse, or over.
    fn follow(
        &mut self,
        at: i64,
        row: &Prepared,
        peers: &[f32],
        opinion: &Opinion,
        alarm: bool,
        schema: &Schema,
    ) -> Option<Anomaly> {
        let moment = DateTime::from_timestamp_millis(at)?;
        if !alarm {
            let mut over = self.anomaly.take()?;
            over.end = Some(moment);
            return Some(over);
        }
        let score = f64::from(opinion.score);
        if self.anomaly.as_ref().is_none_or(|anomaly| score > anomaly.score) {
            let start = self.anomaly.as_ref().map_or(moment, |anomaly| anomaly.start);
            let begun = self.anomaly.as_ref().map_or(&[][..], |anomaly| &anomaly.metrics);
            let mut metrics = self.detector.explain(at, row, peers, schema, opinion.stuck, begun);
            // What creeps is worst when all of it is expected by now: then its beginning tells more.
            if !begun.is_empty() && !metrics.first().is_some_and(Deviation::is_outside) {
                metrics = begun.to_vec();
            }
            let pace = Pace { seconds: self.detector.step_seconds() };
            self.anomaly = Some(Anomaly {
                host: self.name.clone(),
                start,
                end: None,
                score,
                once_in_days: Some(once_in_days(score, pace)),
                learned_days: self.detector.rough_days(),
                metrics,
            });
        } else if let Some(anomaly) = &mut self.anomaly {
            self.detector.keep_current(at, row, peers, schema, &mut anomaly.metrics);
        }
        self.anomaly.clone()
    }
}

/// Rows of each host that the forest of the fleet grows from: enough for its samples, of all.
const FOREST_ROWS: usize = 2000;

fn forest(histories: &[(&String, &History)], metrics: usize, seed: u64) -> Forest {
    let mut rows = Vec::new();
    for (_, history) in histories {
        let scalings = scalings(&history.rows, metrics);
        let step = (history.times.len() / FOREST_ROWS).max(1);
        for row in history.rows.chunks_exact(metrics).step_by(step) {
            rows.extend(row.iter().zip(&scalings).map(|(value, scaling)| {
                if value.is_finite() { scaling.standard(*value) } else { 0.0 }
            }));
        }
    }
    Forest::fit(&rows, metrics, forest::Settings { trees: 50, sample: 128, seed })
}

/// The medians of a host's peers at each of its own times.
fn medians_of_the_past(
    peers: &Peers,
    place: usize,
    histories: &[(&String, &History)],
    scaled: &[Vec<f32>],
    metrics: usize,
) -> Vec<f32> {
    let times = &histories[place].1.times;
    let mut cursors = vec![0_usize; histories.len()];
    let (mut all, mut medians) = (Vec::with_capacity(times.len() * metrics), Vec::new());
    for at in times {
        let rows: Vec<Option<&[f32]>> = histories
            .iter()
            .zip(&mut cursors)
            .zip(scaled)
            .map(|(((_, history), cursor), scaled)| {
                while history.times.get(*cursor).is_some_and(|time| time < at) {
                    *cursor += 1;
                }
                let found = history.times.get(*cursor) == Some(at);
                found.then(|| &scaled[*cursor * metrics..(*cursor + 1) * metrics])
            })
            .collect();
        peers.medians(place, &rows, &mut medians);
        all.extend_from_slice(&medians);
    }
    all
}

#[cfg(test)]
mod tests;
