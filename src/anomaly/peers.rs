//! Hosts that do the same work: found by how their metrics move together, compared at each moment.

use serde::{Deserialize, Serialize};

use super::{
    numbers::median,
    pace::{Average, Pace},
};

/// Two hosts are peers in a metric when its movements within hours correlate at least so.
const CORRELATION: f32 = 0.4;
const MOST_PEERS: usize = 7;
/// Of fewer, one that is at fault would move the median.
const LEAST_PEERS: usize = 3;
/// Movements are looked at once in so many minutes, smoothed over about as many, without what is
/// slower than this.
const EVERY: f64 = 10.0;
const SMOOTH: f64 = 8.0;
const SLOW: f64 = 360.0;
const FARTHEST: f32 = 4.0;
/// Fewer shared moments than this say nothing.
const LEAST_SHARED: usize = 30;

/// The peers of each host, metric by metric; hosts by their place in the fleet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Peers {
    by_host: Vec<Vec<Vec<u32>>>,
}

impl Peers {
    /// Finds them in the pasts of all hosts, wherever those overlap.
    pub(super) fn find(hosts: &[Scaled], metrics: usize, pace: Pace) -> Self {
        let times = || hosts.iter().flat_map(|host| host.times);
        let (Some(first), Some(last)) = (times().min(), times().max()) else {
            return Self::default();
        };
        // The first day only warms averages up.
        let warm =
            (hosts.iter().map(|host| host.times.len()).max().unwrap_or(0) / 4).min(pace.day());
        let slots = Slots { first: slot(*first), count: (slot(*last) - slot(*first) + 1) as usize };
        let movements: Vec<Vec<Vec<f32>>> =
            hosts.iter().map(|host| movements(host, metrics, pace, warm, slots)).collect();
        let by_host = (0..hosts.len())
            .map(|host| (0..metrics).map(|metric| peers_of(host, metric, &movements)).collect())
            .collect();
        Self { by_host }
    }

    /// Whether it is of so many hosts and metrics throughout.
    pub(super) fn fits(&self, hosts: usize, metrics: usize) -> bool {
        self.by_host.len() == hosts && self.by_host.iter().all(|host| host.len() == metrics)
    }

    /// Whether a host has peers in any metric.
    pub(super) fn has(&self, host: usize) -> bool {
        self.by_host.get(host).is_some_and(|metrics| metrics.iter().any(|peers| !peers.is_empty()))
    }

    /// The same hosts so many times over; peers are of one copy.
    pub(super) fn repeated(&self, times: usize) -> Self {
        let hosts = self.by_host.len();
        let copies = std::iter::repeat_n(&self.by_host, times);
        let mut by_host: Vec<_> = copies.flatten().cloned().collect();
        for (place, metrics) in by_host.iter_mut().enumerate() {
            for peer in metrics.iter_mut().flatten() {
                *peer += (place / hosts * hosts) as u32;
            }
        }
        Self { by_host }
    }

    /// Medians of the peers, a value for each metric; not a number where there are too few. `rows`
    /// holds the scaled values of each host that reported.
    pub(super) fn medians(&self, host: usize, rows: &[Option<&[f32]>], into: &mut Vec<f32>) {
        into.clear();
        let mut values = Vec::with_capacity(MOST_PEERS);
        for (metric, peers) in self.by_host[host].iter().enumerate() {
            values.clear();
            values.extend(
                peers
                    .iter()
                    .filter_map(|peer| rows.get(*peer as usize).copied().flatten())
                    .map(|row| row[metric])
                    .filter(|value| value.is_finite()),
            );
            let enough = values.len() >= LEAST_PEERS;
            into.push(if enough { even_median(&mut values) } else { f32::NAN });
        }
    }
}

/// The median, the mean of the middle two where there are two.
fn even_median(values: &mut [f32]) -> f32 {
    if values.len() % 2 == 1 {
        return median(values);
    }
    values.sort_unstable_by(f32::total_cmp);
    let middle = values.len() / 2;
    0.5 * (values[middle - 1] + values[middle])
}

fn peers_of(host: usize, metric: usize, movements: &[Vec<Vec<f32>>]) -> Vec<u32> {
    let own = &movements[host][metric];
    let mut peers: Vec<(f32, u32)> = movements
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != host)
        .map(|(other, movements)| (correlation(own, &movements[metric]), other as u32))
        .filter(|(correlation, _)| *correlation > CORRELATION)
        .collect();
    peers.sort_by(|left, right| right.0.total_cmp(&left.0));
    peers.truncate(MOST_PEERS);
    if peers.len() < LEAST_PEERS {
        peers.clear();
    }
    peers.into_iter().map(|(_, peer)| peer).collect()
}

/// The mean product of standardised movements, over the moments that both have; none of too few.
fn correlation(left: &[f32], right: &[f32]) -> f32 {
    let products = left.iter().zip(right).map(|(left, right)| left * right);
    let (sum, count) = products
        .filter(|product| product.is_finite())
        .fold((0.0, 0), |(sum, count), product| (sum + product, count + 1));
    if count < LEAST_SHARED { 0.0 } else { sum / count as f32 }
}

/// The past of a host, robustly scaled: a row of all metrics for each time.
#[derive(Clone, Copy)]
pub(super) struct Scaled<'a> {
    /// Milliseconds since 1970, ascending.
    pub(super) times: &'a [i64],
    pub(super) rows: &'a [f32],
}

/// Stretches of [`EVERY`] minutes that all hosts share.
#[derive(Clone, Copy)]
struct Slots {
    first: i64,
    count: usize,
}

fn slot(at: i64) -> i64 {
    at.div_euclid((EVERY * 60_000.0) as i64)
}

/// For each metric its standardised movement in each slot; not a number where there was none.
fn movements(
    host: &Scaled,
    metrics: usize,
    pace: Pace,
    warm: usize,
    slots: Slots,
) -> Vec<Vec<f32>> {
    let mut fast = Average::new(metrics, pace.minutes(SMOOTH));
    let mut slow = Average::new(metrics, pace.minutes(SLOW));
    let mut movements = vec![vec![f32::NAN; slots.count]; metrics];
    for (index, (at, row)) in host.times.iter().zip(host.rows.chunks_exact(metrics)).enumerate() {
        fast.learn(row);
        slow.learn(row);
        if index < warm {
            continue;
        }
        let moment = (slot(*at) - slots.first) as usize;
        for (metric, (fast, slow)) in fast.values.iter().zip(&slow.values).enumerate() {
            movements[metric][moment] = (fast - slow).clamp(-FARTHEST, FARTHEST);
        }
    }
    for movements in &mut movements {
        let moved = || movements.iter().copied().filter(|movement| movement.is_finite());
        let count = moved().count().max(1) as f32;
        let mean = moved().sum::<f32>() / count;
        let variance = moved().map(|movement| (movement - mean).powi(2)).sum::<f32>() / count;
        let deviation = variance.sqrt().max(1e-6);
        for movement in movements {
            *movement = (*movement - mean) / deviation;
        }
    }
    movements
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { seconds: 600.0 };

    /// A host that moves with its service, from a slot on, with a hole.
    fn host(service: i64, from: i64, hole: std::ops::Range<i64>) -> (Vec<i64>, Vec<f32>) {
        let slots = (from..2000).filter(|slot| !hole.contains(slot));
        slots
            .map(|slot| {
                let wave = (slot as f32 * (0.11 + 0.07 * service as f32)).sin();
                (slot * 600_000, wave)
            })
            .unzip()
    }

    #[test]
    fn hosts_of_a_service_are_peers_also_with_holes_and_when_one_is_new() {
        let hosts = [
            host(0, 0, 0..0),
            host(0, 0, 400..450),
            host(0, 0, 0..0),
            host(0, 1600, 0..0),
            host(1, 0, 0..0),
        ];
        let scaled: Vec<Scaled> =
            hosts.iter().map(|(times, rows)| Scaled { times, rows }).collect();
        let peers = Peers::find(&scaled, 1, PACE);
        assert_eq!(
            (0..5).map(|host| peers.has(host)).collect::<Vec<_>>(),
            [true, true, true, true, false]
        );
        let rows = [Some(&[1.0][..]), Some(&[2.0]), Some(&[9.0]), Some(&[3.0]), Some(&[7.0])];
        let mut medians = Vec::new();
        peers.medians(0, &rows, &mut medians);
        assert_eq!(medians, [3.0]);
        peers.medians(4, &rows, &mut medians);
        assert!(medians[0].is_nan());
    }
}
