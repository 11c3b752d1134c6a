//! What is asked for each signal: expressions over node_exporter's metrics.

use std::{sync::LazyLock, time::Duration};

use promql_parser::parser::{Expr, MatrixSelector, ParenExpr};

use super::tree::{for_each_mut, parse};
use crate::metrics::{Signal, Stat, Window, interfaces};

/// How the metrics are collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Over how long rates are computed: at least four scrapes.
    pub rate_window: Duration,
    /// How far apart samples are.
    pub scrape_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { rate_window: Duration::from_mins(5), scrape_interval: Duration::from_secs(15) }
    }
}

/// The most samples that one number is made of: enough for a week in steps of five minutes, which
/// is as long as a value counts as current. Longer windows have longer steps.
const MAX_STAT_POINTS: u64 = 2100;

/// Lengths that people and axes like, in seconds.
const NICE: [u64; 18] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];

const CPU: &str =
    r#"100 * (1 - avg without (cpu, mode) (rate(node_cpu_seconds_total{mode="idle"}[5m])))"#;
const MEMORY: &str = "100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)";
// A machine without swap has no answer, rather than 0 / 0.
const SWAP: &str = "100 * (1 - node_memory_SwapFree_bytes / (node_memory_SwapTotal_bytes > 0))";
// File systems that hold no data of their own, or can never be freed.
const DISK: &str = r#"100 * (1 - node_filesystem_avail_bytes{fstype!~"autofs|binfmt_misc|cgroup2?|devpts|devtmpfs|efivarfs|erofs|fuse.lxcfs|iso9660|nsfs|overlay|proc|ramfs|rootfs|rpc_pipefs|squashfs|sysfs|tmpfs|tracefs"} / (node_filesystem_size_bytes{fstype!~"autofs|binfmt_misc|cgroup2?|devpts|devtmpfs|efivarfs|erofs|fuse.lxcfs|iso9660|nsfs|overlay|proc|ramfs|rootfs|rpc_pipefs|squashfs|sysfs|tmpfs|tracefs"} > 0))"#;
// Layers above the real disks would count the same bytes again.
const DISK_IO: &str = r#"sum without (device) (rate(node_disk_read_bytes_total{device!~"dm-.*|fd[0-9]+|loop.*|md.*|ram.*|sr[0-9]+|zram.*"}[5m]) + rate(node_disk_written_bytes_total{device!~"dm-.*|fd[0-9]+|loop.*|md.*|ram.*|sr[0-9]+|zram.*"}[5m]))"#;
// The names that are not counted take the place of the pattern.
const NETWORK_IN: &str =
    r#"sum without (device) (rate(node_network_receive_bytes_total{device!~"NAMES"}[5m]))"#;
const NETWORK_OUT: &str =
    r#"sum without (device) (rate(node_network_transmit_bytes_total{device!~"NAMES"}[5m]))"#;
const LOAD: &str = "node_load1";
const UPTIME: &str = "node_time_seconds - node_boot_time_seconds";

const OVER_TIME: [&str; 4] = [
    "avg_over_time(up[1m:1m])",
    "max_over_time(up[1m:1m])",
    "min_over_time(up[1m:1m])",
    "quantile_over_time(0.95, up[1m:1m])",
];

static SIGNALS: LazyLock<[Expr; 9]> = LazyLock::new(|| {
    let names = interfaces::not_counted();
    [CPU, MEMORY, SWAP, DISK, DISK_IO, NETWORK_IN, NETWORK_OUT, LOAD, UPTIME]
        .map(|text| constant(&text.replace("NAMES", &names)))
});

static STATS: LazyLock<[Expr; 4]> = LazyLock::new(|| OVER_TIME.map(constant));

#[expect(clippy::expect_used, reason = "only constants of this file, each parsed by a test")]
fn constant(text: &str) -> Expr {
    parse(text).expect("a constant expression")
}

/// The expression of a signal, for all hosts, with whatever labels they carry.
pub fn expression(signal: Signal, settings: &Settings) -> Expr {
    let [cpu, memory, swap, disk, disk_io, network_in, network_out, load, uptime] = &*SIGNALS;
    let expr = match signal {
        Signal::Cpu => cpu,
        Signal::Memory => memory,
        Signal::Swap => swap,
        Signal::Disk => disk,
        Signal::DiskIo => disk_io,
        Signal::NetworkIn => network_in,
        Signal::NetworkOut => network_out,
        Signal::Load => load,
        Signal::Uptime => uptime,
    };
    with_rate_window(expr.clone(), settings.rate_window)
}

/// The same expression with its rates computed over this long.
pub fn with_rate_window(mut expr: Expr, window: Duration) -> Expr {
    for_each_mut(&mut expr, &mut |node| {
        if let Expr::MatrixSelector(matrix) = node {
            matrix.range = window;
        }
    });
    expr
}

/// What a signal's stat over a window is: the expression, evaluated at steps of the window and put
/// together. Steps are one scrape apart, further in long windows; rates cover their step, so that
/// no sample goes uncounted.
pub fn over_window(signal: Signal, stat: Stat, window: &Window, settings: &Settings) -> Expr {
    let [avg, max, min, p95] = &*STATS;
    let mut whole = match stat {
        Stat::Current => return expression(signal, settings),
        Stat::Avg => avg.clone(),
        Stat::Max => max.clone(),
        Stat::Min => min.clone(),
        Stat::P95 => p95.clone(),
    };
    let range = window.duration();
    let step = nice_step(range, settings.scrape_interval, MAX_STAT_POINTS).min(range);
    let inner = expression(signal, settings);
    let inner = with_rate_window(inner, settings.rate_window.max(step));
    for_each_mut(&mut whole, &mut |node| {
        // A bare series gives every sample as it was scraped; what is computed has to be looked at
        // in steps, and so has a window that may hold no sample.
        if let (Expr::Subquery(_), Expr::VectorSelector(vs)) = (&*node, &inner)
            && range >= settings.scrape_interval * 4
        {
            *node = Expr::MatrixSelector(MatrixSelector { vs: vs.clone(), range });
        } else if let Expr::Subquery(subquery) = node {
            *subquery.expr = Expr::Paren(ParenExpr { expr: Box::new(inner.clone()) });
            (subquery.range, subquery.step) = (range, Some(step));
        }
    });
    whole
}

/// The shortest pleasant step that is no shorter than `least` and gives at most `points` steps.
pub fn nice_step(range: Duration, least: Duration, points: u64) -> Duration {
    let needed = range.as_secs().div_ceil(points.max(1));
    let needed = needed.max(least.as_secs()).max(1);
    let day = 86_400;
    let step = NICE.into_iter().find(|step| *step >= needed);
    // A scrape interval need not be pleasant to be the right step.
    let step = if needed == least.as_secs() { Some(needed) } else { step };
    Duration::from_secs(step.unwrap_or_else(|| needed.div_ceil(day) * day))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::promql::print;

    #[test]
    fn every_signal_and_stat_can_be_asked() {
        let window: Window = "30m".parse().unwrap();
        for signal in Signal::ALL {
            for stat in Stat::ALL {
                let expr = over_window(signal, stat, &window, &Settings::default());
                assert!(print(&expr).is_ok(), "{signal} {stat:?}");
            }
        }
    }

    #[test]
    fn a_stat_is_the_expression_evaluated_over_the_window() {
        let settings = Settings::default();
        let ask = |signal, stat, window: &str| {
            print(&over_window(signal, stat, &window.parse().unwrap(), &settings)).unwrap()
        };
        assert_eq!(
            ask(Signal::Cpu, Stat::Avg, "30m"),
            "avg_over_time((100 * (1 - avg without (cpu, mode) \
             (rate(node_cpu_seconds_total{mode=\"idle\"}[5m]))))[30m:15s])"
        );
        assert_eq!(ask(Signal::Load, Stat::P95, "7d"), "quantile_over_time(0.95, node_load1[1w])");
        for (window, end) in [("24h", "[1d:1m])"), ("7d", "[1w:5m])"), ("30d", "[30d:30m])")] {
            let query = ask(Signal::Memory, Stat::P95, window);
            assert!(query.ends_with(end), "{query}");
        }
        assert_eq!(ask(Signal::Load, Stat::Current, "7d"), "node_load1");
        assert!(ask(Signal::NetworkIn, Stat::Max, "30d").contains("[30m]"), "rates cover the step");
        assert_eq!(ask(Signal::Load, Stat::Min, "5s"), "min_over_time((node_load1)[5s:5s])");
    }

    #[test]
    fn a_prometheus_is_asked_for_the_interfaces_that_are_counted_here() {
        let names = interfaces::not_counted();
        for signal in [Signal::NetworkIn, Signal::NetworkOut] {
            let query = print(&expression(signal, &Settings::default())).unwrap();
            assert!(query.contains(&format!("{{device!~\"{names}\"}}")), "{query}");
        }
        for part in ["lo[0-9]*|", "|bond.*|", "|br[0-9]+|", "|eni[0-9a-f]{11}|", "|.*[.].*"] {
            assert!(names.contains(part), "{part}: {names}");
        }
    }

    #[test]
    fn the_rate_window_is_configurable() {
        let settings = Settings { rate_window: Duration::from_mins(1), ..Settings::default() };
        let query = print(&expression(Signal::DiskIo, &settings)).unwrap();
        assert!(query.contains("[1m]") && !query.contains("[5m]"), "{query}");
    }

    #[test]
    fn a_step_is_pleasant_and_bounded() {
        for (range, least, points, step) in [
            (1800, 15, 1500, 15),
            (86_400, 15, 1500, 60),
            (604_800, 15, 1500, 600),
            (3600, 7, 1500, 7),
            (3600, 15, 60, 60),
            (86_400 * 3660, 15, 100, 86_400 * 37),
            (1, 0, 0, 1),
        ] {
            let seconds = Duration::from_secs;
            assert_eq!(
                nice_step(seconds(range), seconds(least), points),
                seconds(step),
                "{range} {least} {points}"
            );
        }
    }
}
