//! Made-up machines, as files of several shapes.

use std::{fmt::Write as _, fs};

use smartcloudops::anomaly::simulate::START;

use crate::support::bot::Smartcloudops;

const DAY: i64 = 86_400;
/// Fewer metrics than there are, so that tests are quick.
const FEW: [&str; 3] = ["cpu_user_percent", "memory_used_percent", "network_in_mb_per_second"];
/// What one host measured at one moment.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) host: String,
    pub(super) at: i64,
    pub(super) values: Vec<String>,
}

/// Made-up machines: their metrics, and the directory with their labels.
pub(super) struct Fleet {
    pub(super) metrics: Vec<&'static str>,
    pub(super) rows: Vec<Row>,
    pub(super) directory: String,
    /// The days that have no fault, which are learned from.
    quiet: i64,
}

impl Fleet {
    /// Observed every ten minutes, in these metrics alone.
    pub(super) fn make(
        bot: &Smartcloudops,
        metrics: &[&'static str],
        hosts: u32,
        quiet: i64,
        more: i64,
    ) -> Self {
        let directory = bot.directory().join("made-up").to_str().unwrap().to_owned();
        let [hosts, quiet_days, days] =
            [i64::from(hosts), quiet, quiet + more].map(|it| it.to_string());
        let output = bot.run(&[
            "simulate",
            "--seed",
            "3",
            "--hosts",
            &hosts,
            "--days",
            &days,
            "--quiet-days",
            &quiet_days,
            "--step",
            "10m",
            "--faults-per-host-day",
            "1",
            "--out",
            &directory,
        ]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let text = fs::read_to_string(format!("{directory}/metrics.csv")).unwrap();
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let header = lines.next().unwrap();
        let columns: Vec<usize> = metrics
            .iter()
            .map(|metric| header.iter().position(|name| name == metric).unwrap())
            .collect();
        let rows = lines.map(|fields| Row {
            host: fields[0].to_owned(),
            at: fields[1].parse().unwrap(),
            values: columns.iter().map(|column| fields[*column].to_owned()).collect(),
        });
        let (metrics, rows) = (metrics.to_vec(), rows.collect());
        Self { metrics, rows, directory, quiet }
    }

    /// A small one: two hosts, three days to learn from and one to look at.
    pub(super) fn small(bot: &Smartcloudops) -> Self {
        Self::make(bot, &FEW, 2, 3, 1)
    }

    pub(super) fn is_past(&self, row: &Row) -> bool {
        row.at < START + self.quiet * DAY
    }

    pub(super) fn past(&self) -> Vec<Row> {
        self.rows.iter().filter(|row| self.is_past(row)).cloned().collect()
    }

    pub(super) fn after(&self) -> Vec<Row> {
        self.rows.iter().filter(|row| !self.is_past(row)).cloned().collect()
    }

    /// A column for each metric.
    pub(super) fn wide(&self, rows: &[Row]) -> String {
        let mut text = format!("host,timestamp,{}\n", self.metrics.join(","));
        for Row { host, at, values } in rows {
            writeln!(text, "{host},{at},{}", values.join(",")).unwrap();
        }
        text
    }

    /// A row for each value.
    pub(super) fn long(&self, rows: &[Row]) -> String {
        let mut text = "instance,metric,time,value\n".to_owned();
        for Row { host, at, values } in rows {
            for (metric, value) in self.metrics.iter().zip(values) {
                writeln!(text, "{host},{metric},{at},{value}").unwrap();
            }
        }
        text
    }
}
