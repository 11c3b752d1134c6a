//! What changes when anomalies were found. Doing it twice changes nothing the second time, and the
//! order of the anomalies does not matter.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Affected, Incident, IncidentState, Member, Placement, QUIET_FOR, REOPEN_WITHIN, SEEN_EVERY,
    Severity, WIDE_HOSTS, WIDE_SHARE, cluster,
    cluster::Point,
    severity::severity,
    symptom::{family, fingerprint},
};
use crate::anomaly::Anomaly;

/// What became of an incident, the more telling the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It still goes on, as before.
    Seen,
    /// Its numbers moved, or it ended somewhere.
    Updated,
    /// It reached more, or what is alike joined it.
    Joined,
    /// It is worse than before.
    Worsened,
    /// It is over.
    Resolved,
    /// It is back.
    Reopened,
    /// It is new.
    Opened,
}

/// An incident that is not as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentChange {
    /// What became of it.
    pub kind: ChangeKind,
    /// How it is now; its number is 0 when it is new.
    pub incident: Incident,
    /// Which of its members are new or changed, by position.
    pub touched: Vec<usize>,
}

/// What an anomaly is recognised by.
type Key = (DateTime<Utc>, String);

fn key(anomaly: &Anomaly) -> Key {
    (anomaly.start, anomaly.host.clone())
}

/// An incident while its changes are worked out.
struct Draft {
    incident: Incident,
    kind: Option<ChangeKind>,
    touched: BTreeSet<Key>,
}

/// What changes: `known` are the incidents that are not over, those that were over less than
/// [`REOPEN_WITHIN`] ago, and those with members that go on. `found` are anomalies that go on or
/// ended; one that is not among them stays as it was, until it is stale.
pub fn correlate(
    known: &[Incident],
    found: &[Anomaly],
    context: &Placement,
    now: DateTime<Utc>,
) -> Vec<IncidentChange> {
    let mut drafts: Vec<Draft> = known
        .iter()
        .map(|it| Draft { incident: it.clone(), kind: None, touched: BTreeSet::new() })
        .collect();
    drafts.sort_by_key(|draft| draft.incident.number);
    let fresh = follow(&mut drafts, unique(found), now);
    place(&mut drafts, &fresh, context, now);
    for draft in &mut drafts {
        draft.take_stock(context);
        draft.end_when_quiet(now);
    }
    drafts.into_iter().filter_map(Draft::into_change).collect()
}

/// Each anomaly once, by onset and host: of two reports the one that tells more.
fn unique(found: &[Anomaly]) -> BTreeMap<Key, &Anomaly> {
    let mut unique: BTreeMap<Key, &Anomaly> = BTreeMap::new();
    for anomaly in found {
        let slot = unique.entry(key(anomaly)).or_insert(anomaly);
        let tells = |it: &Anomaly| (it.end.is_none(), it.end);
        let order = tells(anomaly)
            .cmp(&tells(slot))
            .then(anomaly.score.total_cmp(&slot.score))
            .then_with(|| format!("{anomaly:?}").cmp(&format!("{slot:?}")));
        if order.is_gt() {
            *slot = anomaly;
        }
    }
    unique
}

/// Brings members up to date; what is left is new.
fn follow<'a>(
    drafts: &mut [Draft],
    found: BTreeMap<Key, &'a Anomaly>,
    now: DateTime<Utc>,
) -> Vec<&'a Anomaly> {
    let mut members: HashMap<Key, (usize, usize)> = HashMap::new();
    for (at, draft) in drafts.iter().enumerate() {
        for (position, member) in draft.incident.members.iter().enumerate() {
            members.insert(key(&member.anomaly), (at, position));
        }
    }
    let mut fresh = Vec::new();
    for (key, anomaly) in found {
        if let Some((at, position)) = members.get(&key) {
            drafts[*at].see(*position, anomaly, now);
        } else if anomaly.end.is_none_or(|end| now - end < REOPEN_WITHIN) {
            // What was over long ago and nobody knew of is history.
            fresh.push(anomaly);
        }
    }
    fresh
}

/// Finds an incident for each new anomaly.
fn place(drafts: &mut Vec<Draft>, fresh: &[&Anomaly], context: &Placement, now: DateTime<Utc>) {
    if fresh.is_empty() {
        return;
    }
    // The members of the incidents first, so that a group is named after the oldest incident in it.
    let live: Vec<usize> = (0..drafts.len()).filter(|at| drafts[*at].incident.is_live()).collect();
    let mut points = Vec::new();
    let mut owners = Vec::new();
    for at in live {
        let incident = &drafts[at].incident;
        for member in &incident.members {
            let place = super::Place {
                environment: incident.environment.clone(),
                ..context.of_host(&member.anomaly.host)
            };
            let marks = vec![
                format!("#{}", incident.number),
                incident.fingerprint.clone(),
                fingerprint(&place, &member.anomaly),
            ];
            points.push(Point { anomaly: &member.anomaly, place, marks });
            owners.push(at);
        }
    }
    let old = points.len();
    for anomaly in fresh {
        let place = context.of_host(&anomaly.host);
        let marks = vec![fingerprint(&place, anomaly)];
        points.push(Point { anomaly, place, marks });
    }
    let groups = cluster::groups(&points);
    let mut joined: BTreeMap<usize, Vec<&Anomaly>> = BTreeMap::new();
    for (position, group) in groups.iter().enumerate().skip(old) {
        joined.entry(*group).or_default().push(fresh[position - old]);
    }
    let owned: Vec<(Option<usize>, Vec<Anomaly>)> = joined
        .into_iter()
        .map(|(group, anomalies)| {
            (owners.get(group).copied(), anomalies.into_iter().cloned().collect())
        })
        .collect();
    for (owner, anomalies) in owned {
        let at = owner.unwrap_or_else(|| home(drafts, &anomalies, context, now));
        for anomaly in anomalies {
            drafts[at].join(anomaly, now);
        }
    }
}

/// The incident that came back with these anomalies, or a new one.
fn home(
    drafts: &mut Vec<Draft>,
    anomalies: &[Anomaly],
    context: &Placement,
    now: DateTime<Utc>,
) -> usize {
    let suspect = suspect(anomalies.iter());
    let place = context.of_host(&suspect.host);
    let (fingerprint, family) = (fingerprint(&place, suspect), family(&place, suspect));
    let going_on = anomalies.iter().any(|it| !is_quiet(it.end, now));
    let back = drafts.iter().rposition(|Draft { incident, .. }| {
        let recent = incident.resolved_at.is_some_and(|at| now - at < REOPEN_WITHIN);
        let again = incident.fingerprint == fingerprint
            || incident.family == family
                && anomalies.iter().any(|anomaly| incident.is_on(&anomaly.host));
        recent && again && incident.environment == place.environment
    });
    if let Some(at) = back {
        // Something short that is over already does not wake anybody again.
        if going_on {
            drafts[at].reopen();
        }
        return at;
    }
    drafts.push(Draft {
        incident: Incident {
            number: 0,
            fingerprint,
            family,
            state: IncidentState::Open,
            severity: Severity::Low,
            environment: place.environment,
            hosts: Vec::new(),
            suspect: suspect.host.clone(),
            wide: false,
            started: suspect.start,
            last_seen: now,
            resolved_at: None,
            acknowledged: None,
            notes: Vec::new(),
            reopened: 0,
            announced: false,
            resolved_by: None,
            told_over: false,
            pictured: None,
            last_told: None,
            reminders: 0,
            asked: false,
            answer: None,
            members: Vec::new(),
        },
        kind: Some(ChangeKind::Opened),
        touched: BTreeSet::new(),
    });
    drafts.len() - 1
}

/// Where it began: the earliest, of several the one with most metrics out of their range, then the
/// most unusual.
fn suspect<'a>(anomalies: impl Iterator<Item = &'a Anomaly> + Clone) -> &'a Anomaly {
    let before = |left: &&Anomaly, right: &&Anomaly| {
        left.start
            .cmp(&right.start)
            .then_with(|| right.metrics.len().cmp(&left.metrics.len()))
            .then_with(|| right.score.total_cmp(&left.score))
            .then_with(|| left.host.cmp(&right.host))
    };
    anomalies.min_by(before).unwrap_or_else(|| unreachable!("a group has anomalies"))
}

fn is_quiet(end: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    end.is_some_and(|end| now - end >= QUIET_FOR)
}

impl Draft {
    fn becomes(&mut self, kind: ChangeKind) {
        self.kind = self.kind.max(Some(kind));
    }

    /// A member is reported again.
    fn see(&mut self, position: usize, anomaly: &Anomaly, now: DateTime<Utc>) {
        let member = &mut self.incident.members[position];
        let resumes = member.anomaly.end.is_some() && anomaly.end.is_none();
        let worse = anomaly.score >= member.anomaly.score;
        let kept = if worse { anomaly } else { &member.anomaly };
        let merged = Anomaly { end: anomaly.end, ..kept.clone() };
        let moved = merged != member.anomaly;
        let old = anomaly.end.is_none() && now - member.seen >= SEEN_EVERY;
        if !moved && !old {
            return;
        }
        member.anomaly = merged;
        if anomaly.end.is_none() {
            member.seen = now;
        }
        self.touched.insert(key(anomaly));
        self.becomes(if moved { ChangeKind::Updated } else { ChangeKind::Seen });
        // Resolved by hand while it went on: that it still does is no news.
        if resumes && !self.incident.is_live() {
            self.reopen();
        }
    }

    fn join(&mut self, anomaly: Anomaly, now: DateTime<Utc>) {
        self.becomes(if self.incident.is_live() {
            ChangeKind::Joined
        } else {
            ChangeKind::Updated
        });
        self.touched.insert(key(&anomaly));
        let seen = anomaly.end.unwrap_or(now);
        self.incident.members.push(Member { anomaly, seen });
    }

    fn reopen(&mut self) {
        self.incident.state = IncidentState::Open;
        self.incident.resolved_at = None;
        self.incident.resolved_by = None;
        self.incident.acknowledged = None;
        self.incident.reopened += 1;
        self.becomes(ChangeKind::Reopened);
    }

    /// Works out again what follows from the members.
    fn take_stock(&mut self, context: &Placement) {
        if self.touched.is_empty() {
            return;
        }
        let incident = &mut self.incident;
        incident.members.sort_by_cached_key(|member| key(&member.anomaly));
        let mut onsets: HashMap<&str, DateTime<Utc>> = HashMap::new();
        for Member { anomaly, .. } in &incident.members {
            onsets.entry(&anomaly.host).or_insert(anomaly.start);
        }
        let mut hosts: Vec<Affected> = onsets
            .into_iter()
            .map(|(host, onset)| {
                // A host that is gone stays what it was.
                let before = incident.hosts.iter().find(|it| it.host == host);
                let place = context.of_host(host);
                let role = place.role.or_else(|| before?.role.clone());
                let zone = place.zone.or_else(|| before?.zone.clone());
                Affected { host: host.to_owned(), onset, role, zone }
            })
            .collect();
        hosts.sort_by(|a, b| (a.onset, &a.host).cmp(&(b.onset, &b.host)));
        incident.hosts = hosts;
        incident.wide |= is_wide(incident, context);
        let first = suspect(incident.members.iter().map(|it| &it.anomaly));
        incident.suspect = first.host.clone();
        incident.started = first.start;
        let seen = incident.members.iter().map(|it| it.anomaly.end.unwrap_or(it.seen)).max();
        incident.last_seen = seen.unwrap_or(incident.last_seen);
        let severity = severity(&incident.members, incident.wide);
        if severity > incident.severity {
            incident.severity = severity;
            if incident.is_live() {
                self.becomes(ChangeKind::Worsened);
            }
        }
    }

    /// Over is what ended everywhere and stayed quiet. What people closed while it went on gets its end
    /// as well: nobody looks at it for ever.
    fn end_when_quiet(&mut self, now: DateTime<Utc>) {
        let incident = &mut self.incident;
        let quiet = incident.members.iter().all(|member| is_quiet(member.ended(now), now));
        if !quiet {
            return;
        }
        let mut settled = false;
        for member in &mut incident.members {
            let ended = member.ended(now);
            if member.anomaly.end != ended {
                member.anomaly.end = ended;
                self.touched.insert(key(&member.anomaly));
                settled = true;
            }
        }
        if incident.is_live() {
            incident.state = IncidentState::Resolved;
            incident.resolved_at = Some(now);
            self.becomes(ChangeKind::Resolved);
        } else if settled {
            self.becomes(ChangeKind::Seen);
        }
    }

    fn into_change(self) -> Option<IncidentChange> {
        let kind = self.kind?;
        let members = self.incident.members.iter().enumerate();
        let touched = members
            .filter(|(_, member)| self.touched.contains(&key(&member.anomaly)))
            .map(|(position, _)| position)
            .collect();
        Some(IncidentChange { kind, touched, incident: self.incident })
    }
}

/// Whether it is on three hosts, or on two that are a good part of their role.
fn is_wide(incident: &Incident, context: &Placement) -> bool {
    if incident.hosts.len() >= WIDE_HOSTS {
        return true;
    }
    let mut roles: HashMap<&str, usize> = HashMap::new();
    for role in incident.hosts.iter().filter_map(|it| it.role.as_deref()) {
        *roles.entry(role).or_insert(0) += 1;
    }
    roles.into_iter().any(|(role, hosts)| {
        let all = context.role_size(incident.environment.as_deref(), role);
        hosts >= 2 && hosts as f64 >= WIDE_SHARE * all as f64
    })
}
