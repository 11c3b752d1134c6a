//! Hosts that do the same work: found by how their metrics move together, compared at each moment.

use serde::{Deserialize, Serialize};

use super::{
    numbers::median,
    pace::{Average, Pace},
};

/// Two hosts are peers in a metric when its movements within hours correlate at least so.
const CORRELATION: f32 = 0.4;
const MOST_PEERS: usize = 7;
const LEAST_PEERS: usize = 2;
/// Movements are looked at once in so many minutes, smoothed over about as many, without what is
/// slower than this.
const EVERY: f64 = 10.0;
const SMOOTH: f64 = 8.0;
const SLOW: f64 = 360.0;
const FARTHEST: f32 = 4.0;

/// The peers of each host, metric by metric; hosts by their place in the fleet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Peers {
    by_host: Vec<Vec<Vec<u32>>>,
}

impl Peers {
    /// Finds them in scaled rows of equal times, one list of rows for each host.
    pub(super) fn find(hosts: &[&[f32]], metrics: usize, pace: Pace) -> Self {
        let rows = hosts.iter().map(|rows| rows.len() / metrics).min().unwrap_or(0);
        let skip = pace.day().min(rows / 4);
        let movements: Vec<Vec<Vec<f32>>> = hosts
            .iter()
            .map(|host| movements(&host[..rows * metrics], metrics, pace, skip))
            .collect();
        let by_host = (0..hosts.len())
            .map(|host| (0..metrics).map(|metric| peers_of(host, metric, &movements)).collect())
            .collect();
        Self { by_host }
    }

    /// Whether a host has peers in any metric.
    pub(super) fn has(&self, host: usize) -> bool {
        self.by_host.get(host).is_some_and(|metrics| metrics.iter().any(|peers| !peers.is_empty()))
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
        .map(|(other, movements)| {
            let products = own.iter().zip(&movements[metric]).map(|(left, right)| left * right);
            (products.sum::<f32>() / own.len().max(1) as f32, other as u32)
        })
        .filter(|(correlation, _)| *correlation > CORRELATION)
        .collect();
    peers.sort_by(|left, right| right.0.total_cmp(&left.0));
    peers.truncate(MOST_PEERS);
    if peers.len() < LEAST_PEERS {
        peers.clear();
    }
    peers.into_iter().map(|(_, peer)| peer).collect()
}

/// For each metric its standardised movements.
fn movements(rows: &[f32], metrics: usize, pace: Pace, skip: usize) -> Vec<Vec<f32>> {
    let mut fast = Average::new(metrics, pace.minutes(SMOOTH));
    let mut slow = Average::new(metrics, pace.minutes(SLOW));
    let every = pace.minutes(EVERY).max(1.0) as usize;
    let mut movements = vec![Vec::new(); metrics];
    for (index, row) in rows.chunks_exact(metrics).enumerate() {
        fast.learn(row);
        slow.learn(row);
        if index >= skip && index % every == 0 {
            for (movements, (fast, slow)) in
                movements.iter_mut().zip(fast.values.iter().zip(&slow.values))
            {
                let movement = (fast - slow).clamp(-FARTHEST, FARTHEST);
                movements.push(if movement.is_finite() { movement } else { 0.0 });
            }
        }
    }
    for movements in &mut movements {
        let count = movements.len().max(1) as f32;
        let mean = movements.iter().sum::<f32>() / count;
        let variance = movements.iter().map(|it| (it - mean).powi(2)).sum::<f32>() / count;
        let deviation = variance.sqrt().max(1e-6);
        for movement in movements {
            *movement = (*movement - mean) / deviation;
        }
    }
    movements
}
