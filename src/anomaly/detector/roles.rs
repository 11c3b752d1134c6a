//! What the hosts of a role have in common, for judging a new one that has no past.

use std::collections::BTreeMap;

use super::{Detector, History, Host, HostDetector, LEAST_ROWS, Training};

/// Fewer hosts than this do not make a role.
const LEAST_OF_A_ROLE: usize = 3;
/// How long each host of a role speaks for all before the next one does, in milliseconds: no part of a
/// day, so that none always speaks of the same hour.
const TURN: i64 = 7 * 3_600_000;

impl Detector {
    /// Learns what the hosts of each role have in common, so that [`Detector::welcome`] can judge a new
    /// one before it has a past. `roles` holds the role of each host; a role needs three
    /// hosts.
    pub fn learn_roles(
        &mut self,
        histories: &BTreeMap<String, History>,
        roles: &BTreeMap<String, String>,
    ) {
        let known = histories.iter().filter(|(_, history)| history.times.len() >= LEAST_ROWS);
        let mut members: BTreeMap<&String, Vec<&History>> = BTreeMap::new();
        for (host, history) in known {
            if let Some(role) = roles.get(host) {
                members.entry(role).or_default().push(history);
            }
        }
        members.retain(|_, histories| histories.len() >= LEAST_OF_A_ROLE);
        let learn = |(role, histories): (&String, Vec<&History>)| {
            let common = taking_turns(&histories, self.schema.metrics().len());
            let training = Training {
                schema: &self.schema,
                times: &common.times,
                rows: &common.rows,
                peers: &vec![f32::NAN; common.rows.len()],
                seed: self.settings.seed,
                forest: &self.forest,
            };
            (role.clone(), HostDetector::fit(&training))
        };
        self.roles = members.into_iter().map(learn).collect();
    }

    /// Judges a host that nothing was learned of by what is normal for its role, from now on. Does
    /// nothing for hosts that are known, and for roles that are not.
    pub fn welcome(&mut self, host: &str, role: &str) {
        let known = self.hosts.binary_search_by(|it| it.name.as_str().cmp(host)).is_ok()
            || self.newcomers.iter().any(|newcomer| newcomer.name == host);
        if let Some(detector) = self.roles.get(role).filter(|_| !known) {
            self.newcomers.push(Host::new(host.to_owned(), detector.clone()));
        }
    }
}

/// One past of several hosts that take turns: how they differ becomes part of how such a host varies.
fn taking_turns(histories: &[&History], metrics: usize) -> History {
    let mut common: BTreeMap<i64, &[f32]> = BTreeMap::new();
    let turns = i64::try_from(histories.len()).unwrap_or(i64::MAX).max(1);
    for (turn, history) in (0..turns).zip(histories) {
        for (at, row) in history.times.iter().zip(history.rows.chunks_exact(metrics)) {
            if at.div_euclid(TURN).rem_euclid(turns) == turn {
                common.insert(*at, row);
            }
        }
    }
    History {
        times: common.keys().copied().collect(),
        rows: common.into_values().flatten().copied().collect(),
    }
}
