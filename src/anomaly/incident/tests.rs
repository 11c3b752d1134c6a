use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::*;
use crate::anomaly::{Deviation, Direction};

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
}

fn up(metric: &str, sigmas: f64) -> Deviation {
    Deviation {
        metric: metric.to_owned(),
        value: 90.0,
        expected_low: 10.0,
        expected_high: 30.0,
        direction: Direction::Up,
        sigmas,
        full_at: None,
    }
}

fn anomaly(host: &str, start: i64, end: Option<i64>, metrics: &[&str]) -> Anomaly {
    let metrics = metrics.iter().zip([8.0, 4.0, 2.0]).map(|(it, sigmas)| up(it, sigmas)).collect();
    Anomaly {
        host: host.to_owned(),
        start: at(start),
        end: end.map(at),
        score: 4.0,
        once_in_days: Some(40.0),
        learned_days: None,
        metrics,
    }
}

/// web-1 to web-8 and db-1 to db-4 in prod, and the same in staging with an `s` before the name.
fn placement() -> Placement {
    let mut places = Vec::new();
    for (environment, prefix) in [("prod", ""), ("staging", "s")] {
        for (role, count) in [("web", 8), ("db", 4)] {
            for n in 1..=count {
                let place = Place {
                    environment: Some(environment.to_owned()),
                    role: Some(role.to_owned()),
                    zone: None,
                };
                places.push((format!("{prefix}{role}-{n}"), place));
            }
        }
    }
    Placement::new(places)
}

/// The incidents after the changes, numbered as the database would.
fn after(known: &[Incident], changes: Vec<IncidentChange>) -> Vec<Incident> {
    let mut incidents = known.to_vec();
    let mut next = incidents.iter().map(|it| it.number).max().unwrap_or(0);
    for mut change in changes {
        if change.kind == ChangeKind::Opened {
            next += 1;
            change.incident.number = next;
            incidents.push(change.incident);
        } else {
            let number = change.incident.number;
            *incidents.iter_mut().find(|it| it.number == number).unwrap() = change.incident;
        }
    }
    incidents
}

fn tick(known: &[Incident], found: &[Anomaly], now: i64) -> (Vec<ChangeKind>, Vec<Incident>) {
    let changes = correlate(known, found, &placement(), at(now));
    (changes.iter().map(|it| it.kind).collect(), after(known, changes))
}

/// Some incident.
pub(super) fn incident() -> Incident {
    tick(&[], &[anomaly("web-1", 0, None, &["cpu"])], 0).1.remove(0)
}

#[test]
fn one_host_is_one_incident_with_its_own_name_and_place() {
    let (kinds, open) = tick(&[], &[anomaly("web-1", 0, None, &["cpu", "load"])], 1);
    assert_eq!(kinds, [ChangeKind::Opened]);
    assert_eq!(open[0].environment.as_deref(), Some("prod"));
    assert_eq!((open[0].suspect.as_str(), open[0].wide), ("web-1", false));
    assert_eq!(open[0].severity, Severity::Low);
    assert_eq!(open[0].started, at(0));
}

#[test]
fn a_role_that_suffers_together_is_one_wide_incident_and_the_first_is_the_suspect() {
    let found: Vec<_> =
        (1..=3).map(|n| anomaly(&format!("web-{n}"), 4 - n, None, &["cpu"])).collect();
    let (kinds, open) = tick(&[], &found, 5);
    assert_eq!(kinds, [ChangeKind::Opened]);
    assert_eq!((open[0].suspect.as_str(), open[0].wide), ("web-3", true));
    assert_eq!(open[0].severity, Severity::Medium, "one step worse for being wide");
    let two = [anomaly("db-1", 0, None, &["cpu"]), anomaly("db-2", 0, None, &["disk_io"])];
    assert!(tick(&[], &two, 1).1[0].wide, "half of a role");
}

#[test]
fn what_looks_alike_belongs_together_and_environments_never_mix() {
    let alike =
        [anomaly("web-1", 0, None, &["cpu", "load"]), anomaly("db-1", 5, None, &["cpu", "load"])];
    assert_eq!(tick(&[], &alike, 6).1.len(), 1);
    let unlike = [anomaly("web-1", 0, None, &["cpu"]), anomaly("db-1", 5, None, &["disk_io"])];
    assert_eq!(tick(&[], &unlike, 6).1.len(), 2);
    let apart = [anomaly("web-1", 0, None, &["cpu"]), anomaly("sweb-1", 0, None, &["cpu"])];
    assert_eq!(tick(&[], &apart, 6).1.len(), 2);
    let later = [anomaly("web-1", 0, None, &["cpu"]), anomaly("web-2", 11, None, &["cpu"])];
    assert_eq!(tick(&[], &later, 12).1.len(), 2);
}

#[test]
fn what_shares_a_zone_belongs_together_whatever_it_is_and_does() {
    let zoned = |zones: [&str; 2]| {
        let hosts = ["web-1", "db-1"].into_iter().zip(zones).map(|(host, zone)| {
            let environment = Some("prod".to_owned());
            let place =
                Place { environment, role: Some(host.to_owned()), zone: Some(zone.to_owned()) };
            (host.to_owned(), place)
        });
        let found = [anomaly("web-1", 0, None, &["cpu"]), anomaly("db-1", 5, None, &["disk_io"])];
        correlate(&[], &found, &Placement::new(hosts), at(6)).len()
    };
    assert_eq!(zoned(["a", "a"]), 1);
    assert_eq!(zoned(["a", "b"]), 2);
}

#[test]
fn more_hosts_join_worse_is_said_and_quiet_is_the_end() {
    let first = anomaly("web-1", 0, None, &["cpu"]);
    let (_, open) = tick(&[], std::slice::from_ref(&first), 1);
    let (kinds, open) = tick(&open, &[first.clone(), anomaly("web-2", 3, None, &["memory"])], 4);
    assert_eq!(kinds, [ChangeKind::Joined]);
    assert_eq!(open[0].hosts.len(), 2);
    let worse = Anomaly { score: 9.0, ..first.clone() };
    let (kinds, open) = tick(&open, std::slice::from_ref(&worse), 5);
    assert_eq!(kinds, [ChangeKind::Worsened]);
    assert_eq!(open[0].severity, Severity::High);
    let ended = [Anomaly { end: Some(at(8)), ..worse }, anomaly("web-2", 3, Some(9), &["memory"])];
    let (kinds, open) = tick(&open, &ended, 9);
    assert_eq!(kinds, [ChangeKind::Updated]);
    assert_eq!(tick(&open, &[], 13).0, []);
    let (kinds, over) = tick(&open, &[], 14);
    assert_eq!(kinds, [ChangeKind::Resolved]);
    assert_eq!(over[0].resolved_at, Some(at(14)));
}

#[test]
fn what_flaps_is_one_incident() {
    let (_, open) = tick(&[], &[anomaly("web-1", 0, Some(2), &["cpu"])], 2);
    let (kinds, open) = tick(&open, &[anomaly("web-1", 25, None, &["cpu"])], 3);
    assert_eq!(kinds, [ChangeKind::Joined], "it was not over yet, whenever it began");
    let (_, over) = tick(&open, &[anomaly("web-1", 25, Some(30), &["cpu"])], 35);
    assert_eq!(over[0].state, IncidentState::Resolved);
    let (kinds, back) = tick(&over, &[anomaly("web-1", 60, None, &["cpu"])], 61);
    assert_eq!(kinds, [ChangeKind::Reopened]);
    assert_eq!((back.len(), back[0].state, back[0].reopened), (1, IncidentState::Open, 1));
    let (kinds, _) = tick(&over, &[anomaly("web-1", 64, None, &["cpu"])], 66);
    assert_eq!(kinds, [ChangeKind::Opened], "too late to be the same");
    let (kinds, _) = tick(&over, &[anomaly("web-1", 50, None, &["disk_io"])], 51);
    assert_eq!(kinds, [ChangeKind::Opened], "something else");
}

#[test]
fn what_was_resolved_by_hand_stays_so_while_the_same_goes_on() {
    let found = [anomaly("web-1", 0, None, &["cpu"])];
    let (_, mut open) = tick(&[], &found, 1);
    open[0].state = IncidentState::Resolved;
    open[0].resolved_at = Some(at(2));
    assert!(tick(&open, &found, 3).0.is_empty());
    assert_eq!(tick(&open, &[anomaly("web-1", 3, None, &["cpu"])], 4).0, [ChangeKind::Reopened]);
}

#[test]
fn what_nobody_reports_any_more_ends_when_it_is_stale() {
    let (_, open) = tick(&[], &[anomaly("web-1", 0, None, &["cpu"])], 1);
    assert!(tick(&open, &[], 30).0.is_empty());
    let (kinds, over) = tick(&open, &[], 31);
    assert_eq!(kinds, [ChangeKind::Resolved]);
    assert_eq!(over[0].members[0].anomaly.end, Some(at(1)));
    assert!(tick(&[], &[anomaly("web-1", 0, Some(2), &["cpu"])], 40).0.is_empty(), "history");
}

#[test]
fn a_host_that_is_down_is_critical_and_a_full_disk_is_high() {
    let mut down = anomaly("web-1", 0, None, &["up"]);
    down.metrics[0] = Deviation { value: 0.0, direction: Direction::Down, ..up("up", 9.0) };
    assert_eq!(tick(&[], &[down], 1).1[0].severity, Severity::Critical);
    let mut full = anomaly("web-1", 0, None, &["disk /data"]);
    full.metrics[0].value = 95.5;
    assert_eq!(tick(&[], &[full], 1).1[0].severity, Severity::High);
}

#[test]
fn a_silence_covers_what_it_names_until_its_end() {
    let (_, open) = tick(
        &[],
        &[anomaly("web-1", 0, None, &["cpu"]), anomaly("web-2", 0, None, &["memory"])],
        1,
    );
    let silence = |host: Option<&str>, metric: Option<&str>, incident: Option<u32>| Silence {
        id: "s".to_owned(),
        incident,
        host: host.map(ToOwned::to_owned),
        metric: metric.map(ToOwned::to_owned),
        until: at(60),
        by: "ana".to_owned(),
        at: at(0),
    };
    let until = |silences: &[Silence], now| open[0].silenced_until(silences, at(now));
    let web_1 = silence(Some("web-1"), Some("cpu"), None);
    let web_2 = silence(Some("web-2"), None, None);
    assert_eq!(until(std::slice::from_ref(&web_1), 2), None, "web-2 still speaks");
    assert_eq!(until(&[web_1.clone(), web_2], 2), Some(at(60)));
    assert_eq!(until(&[silence(None, None, Some(1))], 2), Some(at(60)));
    assert_eq!(until(&[silence(None, None, Some(2))], 2), None);
    assert_eq!(until(&[silence(None, None, None)], 60), None, "it has ended");
}

#[test]
fn a_storm_of_five_thousand_is_few_incidents_and_quick() {
    let metrics = ["cpu", "memory", "disk_io", "network_in", "load"];
    let mut found = Vec::new();
    for n in 0..5000_usize {
        let names = [metrics[n % 5], metrics[(n / 5) % 5], metrics[(n / 25) % 5]];
        let mut one = anomaly(&format!("node-{n}"), i64::try_from(n % 9).unwrap(), None, &names);
        for (place, deviation) in one.metrics.iter_mut().enumerate() {
            deviation.sigmas = 1.0 + (n * (place + 3) % 17) as f64;
        }
        found.push(one);
    }
    let started = std::time::Instant::now();
    let (kinds, open) = tick(&[], &found, 10);
    let first = started.elapsed();
    println!("5,000 anomalies: {} incidents in {first:?}", kinds.len());
    assert_eq!(open.iter().map(|it| it.members.len()).sum::<usize>(), 5000);
    assert!(kinds.len() < 5, "{}", kinds.len());
    assert!(first.as_secs_f64() < 2.0, "without optimisation and on a busy machine: {first:?}");
    assert!(tick(&open, &found, 10).0.is_empty());
}

#[test]
fn a_storm_without_roles_in_which_no_two_are_the_same_is_quick_too() {
    let mut found = Vec::new();
    let mut random = 0x5eed_u64;
    for n in 0..5000_usize {
        let mut next = || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random
        };
        let mut one = anomaly(&format!("alone-{n}"), i64::try_from(next() % 9).unwrap(), None, &[]);
        one.metrics = (0..3)
            .map(|_| up(&format!("metric_{}", next() % 40), 1.0 + (next() % 90) as f64 / 10.0))
            .collect();
        found.push(one);
    }
    let started = std::time::Instant::now();
    let (kinds, open) = tick(&[], &found, 10);
    let took = started.elapsed();
    println!("5,000 of their own: {} incidents in {took:?}", kinds.len());
    assert!(took.as_secs_f64() < 2.0, "without optimisation and on a busy machine: {took:?}");
    assert!(kinds.len() <= 40, "no more than there are metrics: {}", kinds.len());
    assert_eq!(open.iter().map(|it| it.members.len()).sum::<usize>(), 5000);
}

fn any_anomaly() -> impl Strategy<Value = Anomaly> {
    let metric = prop::sample::select(vec!["cpu", "memory", "disk /data", "disk_io", "load", "up"]);
    let direction = prop::sample::select(vec![Direction::Up, Direction::Down, Direction::Stuck]);
    let deviation = (metric, direction, 0.0..30.0_f64, 0.0..100.0_f64).prop_map(
        |(metric, direction, sigmas, value)| Deviation { value, direction, ..up(metric, sigmas) },
    );
    let host = prop::sample::select(vec![
        "web-1", "web-2", "web-3", "db-1", "db-2", "sweb-1", "sdb-1", "alone", "unknown",
    ]);
    (
        host,
        0..60_i64,
        prop::option::of(0..50_i64),
        0.0..12.0_f64,
        prop::collection::vec(deviation, 0..4),
    )
        .prop_map(|(host, start, lasted, score, metrics)| Anomaly {
            host: host.to_owned(),
            start: at(start),
            end: lasted.map(|it| at(start + it)),
            score,
            once_in_days: Some(10.0),
            learned_days: None,
            metrics,
        })
}

proptest! {
    #[test]
    fn the_order_does_not_matter_each_is_in_one_incident_and_twice_is_once(
        found in prop::collection::vec(any_anomaly(), 0..25),
        later in prop::collection::vec(any_anomaly(), 0..10),
        seed in any::<u64>(),
    ) {
        let (mut known, mut told) = (Vec::new(), Vec::new());
        for (batch, now) in [(found, 61), (later, 75)] {
            let mut shuffled = batch.clone();
            let count = shuffled.len();
            for at in 0..count {
                shuffled.swap(at, (seed as usize).wrapping_mul(at + 1) % count);
            }
            let changes = correlate(&known, &batch, &placement(), at(now));
            prop_assert_eq!(&changes, &correlate(&known, &shuffled, &placement(), at(now)));
            known = after(&known, changes);
            prop_assert_eq!(correlate(&known, &batch, &placement(), at(now)), vec![]);
            told.extend(batch.into_iter().filter(|it| it.end.is_none_or(|end| at(now) - end < REOPEN_WITHIN)));
        }
        for anomaly in &told {
            let owners = known.iter().flat_map(|it| &it.members)
                .filter(|it| it.anomaly.host == anomaly.host && it.anomaly.start == anomaly.start);
            prop_assert_eq!(owners.count(), 1);
        }
        let live: Vec<_> = known.iter().filter(|it| it.is_live()).map(|it| &it.fingerprint).collect();
        let mut distinct = live.clone();
        distinct.sort();
        distinct.dedup();
        prop_assert_eq!(live.len(), distinct.len());
        for incident in &known {
            for host in &incident.hosts {
                prop_assert_eq!(&placement().of_host(&host.host).environment, &incident.environment);
            }
        }
    }
}

#[test]
fn what_was_closed_by_hand_and_is_seen_no_more_ends() {
    let (_, mut open) = tick(&[], &[anomaly("web-1", 0, None, &["cpu"])], 1);
    open[0].state = IncidentState::Resolved;
    open[0].resolved_at = Some(at(2));
    let (kinds, known) = tick(&open, &[], 20);
    assert!(kinds.is_empty(), "it may go on still: {kinds:?}");
    let (kinds, known) = tick(&known, &[], 60);
    assert_eq!(kinds, [ChangeKind::Seen]);
    assert_eq!(known[0].members[0].anomaly.end, Some(at(1)));
    assert_eq!(known[0].resolved_at, Some(at(2)), "it was over before");
    assert!(tick(&known, &[], 90).0.is_empty());
}
