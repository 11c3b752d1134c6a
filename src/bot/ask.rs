//! Questions about numbers: from an intent to an answer with its evidence.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use chat::{Block, Image};

use crate::{
    access::{Refusal, RefusalKind},
    app::App,
    bot::{
        Answer, Evidence, EvidenceValue, Failure, cards,
        intent::{Intent, Order},
    },
    chart::{self, Chart, Line},
    metrics::{
        Fleet, Measurement, Metrics, RangeReading, Reading, Series, Signal, Stat, Unit, Window,
        forecast::{self, Forecast},
        promql,
    },
};

/// Rows of a table when nobody asked for a number of them.
const DEFAULT_ROWS: usize = 10;
/// Points of a line in a picture: more than pixels would not be seen.
const CHART_POINTS: u64 = 600;
/// How far back a forecast looks, and how far ahead it dares to look.
const FORECAST_PAST: u64 = 7 * 86_400;
const FORECAST_AHEAD: Duration = Duration::from_hours(90 * 24);
/// Signals of the fleet's table; a single host shows all of them.
const FLEET_SIGNALS: [Signal; 5] =
    [Signal::Cpu, Signal::Memory, Signal::Disk, Signal::Load, Signal::Uptime];

/// A question with all that its answer depends on.
pub(super) struct Asking<'a> {
    pub(super) app: &'a App,
    pub(super) fleet: &'a Fleet,
    /// The hosts it is about; `None` is all.
    pub(super) hosts: Option<Vec<String>>,
    /// Whether a picture is wanted whatever the words were.
    pub(super) chart: bool,
}

impl Asking<'_> {
    /// Numbers of one signal.
    pub(super) async fn metric(&self, intent: &Intent) -> Result<Answer, Failure> {
        let Intent::Metric { metric, stat, window, order, limit, chart, .. } = intent else {
            return Err(
                Refusal::new(RefusalKind::Usage, "That is not a question about a metric.").into()
            );
        };
        let reading = self.app.metrics.read(*metric, *stat, window.as_ref()).await?;
        let mut rows = self.chosen(&reading.values);
        sort(&mut rows, *order);
        let shown = limit.map_or(DEFAULT_ROWS, |limit| limit.max(1) as usize).min(rows.len());
        let missing = self.missing(&reading);
        let picture = if *chart || self.chart || window.is_some() {
            let drawn: Vec<String> = distinct_hosts(&rows[..shown]);
            self.picture(*metric, window.as_ref(), &drawn).await?
        } else {
            None
        };
        let evidence = vec![evidence(&reading, &rows, metric.unit())];
        let card = cards::metric(&cards::MetricCard {
            app: self.app,
            signal: *metric,
            stat: *stat,
            window: window.as_ref(),
            rows: &rows,
            shown,
            missing: &missing,
            reading: &reading,
            picture: picture.as_ref(),
        });
        Ok(Answer { card, evidence, ..Answer::default() })
    }

    /// The line of each host over the window, as a picture and as sparklines.
    async fn picture(
        &self,
        signal: Signal,
        window: Option<&Window>,
        hosts: &[String],
    ) -> Result<Option<Picture>, Failure> {
        if hosts.is_empty() {
            return Ok(None);
        }
        let hour = Window::from_seconds(3600);
        let window = window.unwrap_or(&hour);
        let range = self.app.metrics.range(signal, hosts, window, CHART_POINTS).await?;
        if range.series.iter().all(|series| series.points.is_empty()) {
            return Ok(None);
        }
        Ok(Some(self.draw(signal, window, hosts, &range)?))
    }

    fn draw(
        &self,
        signal: Signal,
        window: &Window,
        hosts: &[String],
        range: &RangeReading,
    ) -> Result<Picture, Failure> {
        // In the order of the table, so that the first rows are the first lines.
        let mut series: Vec<&Series> = range.series.iter().collect();
        series.sort_by_key(|series| hosts.iter().position(|host| *host == series.host));
        let chart = Chart {
            title: format!("{}, last {window}", signal.title()),
            unit: signal.unit(),
            lines: series
                .iter()
                .map(|series| Line {
                    label: cards::place(&series.host, series.part.as_deref()),
                    points: series.points.clone(),
                })
                .collect(),
            thresholds: if signal.unit() == Unit::Percent {
                cards::thresholds(self.app.config.metrics.thresholds)
            } else {
                Vec::new()
            },
            from: range.start,
            to: range.end,
            zone: self.app.zone,
        };
        let alt = cards::picture_alt(signal, window, &series);
        let sparklines = series
            .iter()
            .map(|series| {
                let values: Vec<f64> = series.points.iter().map(|(_, value)| *value).collect();
                ((series.host.clone(), series.part.clone()), chart::sparkline(&values, 16))
            })
            .collect();
        let image = Image { name: format!("{signal}.png"), png: chart::png(&chart)?, alt };
        Ok(Picture { image, sparklines })
    }

    /// All signals at a glance: one query per signal, however many hosts there are.
    pub(super) async fn status(&self) -> Result<Answer, Failure> {
        let hosts: Vec<_> =
            self.fleet.hosts().iter().filter(|host| self.includes(&host.name)).collect();
        let signals: &[Signal] = if hosts.len() == 1 { &Signal::ALL } else { &FLEET_SIGNALS };
        let readings = futures::future::try_join_all(
            signals.iter().map(|signal| self.app.metrics.read(*signal, Stat::Current, None)),
        )
        .await?;
        let mut evidences = Vec::with_capacity(readings.len());
        let mut worst: BTreeMap<&str, BTreeMap<Signal, Measurement>> = BTreeMap::new();
        for (signal, reading) in signals.iter().zip(&readings) {
            let rows = self.chosen(&reading.values);
            evidences.push(evidence(reading, &rows, signal.unit()));
            for row in rows {
                let Some(host) = self.fleet.find(&row.host) else { continue };
                // A host with several parts shows the fullest one.
                let slot = worst.entry(&host.name).or_default().entry(*signal);
                slot.and_modify(|kept| {
                    if row.value > kept.value {
                        *kept = row.clone();
                    }
                })
                .or_insert(row);
            }
        }
        let card = cards::status(self.app, &hosts, signals, &worst, &readings);
        let mut answer = Answer { card, evidence: evidences, ..Answer::default() };
        if self.chart {
            let names: Vec<String> = hosts.iter().take(8).map(|host| host.name.clone()).collect();
            if let Some(picture) = self.picture(Signal::Cpu, None, &names).await? {
                answer.card.blocks.push(Block::Image(picture.image));
            }
        }
        Ok(answer)
    }

    /// When a percentage reaches 100.
    pub(super) async fn forecast(&self, signal: Signal) -> Result<Answer, Failure> {
        if signal.unit() != Unit::Percent {
            return Err(Refusal::new(
                RefusalKind::Usage,
                format!(
                    "{} has no limit to run into. Ask for disk, memory or swap, for example \
                     `forecast disk`.",
                    signal.title()
                ),
            )
            .into());
        }
        let hosts = self.hosts.clone().unwrap_or_default();
        let past = Window::from_seconds(FORECAST_PAST);
        let range = self.app.metrics.range(signal, &hosts, &past, 1000).await?;
        let now = range.end;
        let mut found: Vec<(&Series, Forecast)> = range
            .series
            .iter()
            .filter(|series| self.includes(&series.host))
            .map(|series| {
                (series, forecast::time_to_reach(&series.points, 100.0, now, FORECAST_AHEAD))
            })
            .collect();
        found.sort_by_key(|(series, forecast)| {
            (cards::soonest(forecast), series.host.clone(), series.part.clone())
        });
        let values = found
            .iter()
            .filter_map(|(series, _)| {
                let (_, value) = series.points.last()?;
                Some(EvidenceValue {
                    host: series.host.clone(),
                    part: series.part.clone(),
                    value: *value,
                    unit: signal.unit(),
                })
            })
            .collect();
        let evidence =
            Evidence { query: range.query.clone(), at: now, cached_seconds: None, values };
        let mut card = cards::forecast(self.app, signal, &found, &range);
        if !found.is_empty() {
            let shown: Vec<String> = distinct(found.iter().map(|(series, _)| &series.host), 8);
            let drawn = RangeReading {
                series: found.iter().take(8).map(|(series, _)| (*series).clone()).collect(),
                ..range.clone()
            };
            card.blocks.push(Block::Image(self.draw(signal, &past, &shown, &drawn)?.image));
        }
        Ok(Answer { card, evidence: vec![evidence], ..Answer::default() })
    }

    /// PromQL of the speaker's own, through the gate.
    pub(super) async fn query(&self, text: &str) -> Result<Answer, Failure> {
        if matches!(self.app.metrics, Metrics::Host(_)) {
            return Err(Refusal::new(
                RefusalKind::NotAvailable,
                "PromQL needs a Prometheus. Set `metrics.prometheus.url` to have one asked.",
            )
            .into());
        }
        let gated = promql::gate(text, &promql::Limits::default()).map_err(|refused| {
            Refusal::new(RefusalKind::Usage, format!("I do not send this query: {refused}"))
        })?;
        let result = self.app.metrics.query(&gated).await?;
        let values = result
            .values
            .iter()
            .map(|(labels, value)| EvidenceValue {
                host: labels
                    .get("instance")
                    .map(|instance| self.fleet.find(instance).map_or(instance, |host| &host.name))
                    .cloned()
                    .unwrap_or_default(),
                part: None,
                value: *value,
                unit: Unit::None,
            })
            .collect();
        let evidence =
            Evidence { query: result.query.clone(), at: result.at, cached_seconds: None, values };
        Ok(Answer {
            card: cards::query(self.app, &result),
            evidence: vec![evidence],
            ..Answer::default()
        })
    }

    fn includes(&self, host: &str) -> bool {
        self.hosts.as_ref().is_none_or(|hosts| hosts.iter().any(|wanted| wanted == host))
    }

    fn chosen(&self, values: &[Measurement]) -> Vec<Measurement> {
        values.iter().filter(|value| self.includes(&value.host)).cloned().collect()
    }

    /// Hosts that were asked about and gave nothing.
    fn missing(&self, reading: &Reading) -> Vec<cards::MissingHost> {
        let found: HashSet<&str> = reading.values.iter().map(|value| value.host.as_str()).collect();
        self.fleet
            .hosts()
            .iter()
            .filter(|host| self.includes(&host.name))
            .filter(|host| !found.contains(host.name.as_str()))
            .map(|host| cards::MissingHost { name: host.name.clone(), up: host.up })
            .collect()
    }
}

/// A drawn window.
pub(super) struct Picture {
    pub(super) image: Image,
    /// One per host and part.
    pub(super) sparklines: BTreeMap<(String, Option<String>), String>,
}

/// Largest first unless asked otherwise; equal ones by name, so that the order is always the same.
fn sort(rows: &mut [Measurement], order: Option<Order>) {
    rows.sort_by(|a, b| {
        let by_value = match order {
            Some(Order::Asc) => a.value.total_cmp(&b.value),
            Some(Order::Desc) | None => b.value.total_cmp(&a.value),
        };
        // What is not a number has no place in an order: it goes last.
        a.value
            .is_nan()
            .cmp(&b.value.is_nan())
            .then(by_value)
            .then_with(|| a.host.cmp(&b.host))
            .then_with(|| a.part.cmp(&b.part))
    });
}

fn distinct_hosts(rows: &[Measurement]) -> Vec<String> {
    distinct(rows.iter().map(|row| &row.host), usize::MAX)
}

fn distinct<'a>(names: impl Iterator<Item = &'a String>, most: usize) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for name in names {
        if kept.len() < most && !kept.contains(name) {
            kept.push(name.clone());
        }
    }
    kept
}

fn evidence(reading: &Reading, rows: &[Measurement], unit: Unit) -> Evidence {
    Evidence {
        query: reading.query.clone(),
        at: reading.at,
        cached_seconds: reading.cached.map(|age| age.as_secs()),
        values: rows
            .iter()
            .map(|row| EvidenceValue {
                host: row.host.clone(),
                part: row.part.clone(),
                value: row.value,
                unit,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format;

    fn row(host: &str, value: f64) -> Measurement {
        Measurement { host: host.into(), part: None, value }
    }

    #[test]
    fn rows_go_from_worst_to_best_and_not_a_number_last() {
        let mut rows = [
            row("c", f64::NAN),
            row("b", 5.0),
            row("a", 5.0),
            row("d", f64::INFINITY),
            row("e", 9.0),
        ];
        sort(&mut rows, None);
        let order: Vec<_> = rows.iter().map(|row| row.host.as_str()).collect();
        assert_eq!(order, ["d", "e", "a", "b", "c"]);
        sort(&mut rows, Some(Order::Asc));
        assert_eq!(rows[0].host, "a");
        assert_eq!(rows[4].host, "c");
    }

    #[test]
    fn a_table_row_is_an_evidence_value() {
        let reading = Reading {
            query: "up".into(),
            at: chrono::DateTime::UNIX_EPOCH,
            cached: Some(Duration::from_millis(4900)),
            values: vec![row("a", 1.0)],
            warnings: vec![],
        };
        let evidence = evidence(&reading, &reading.values, Unit::Load);
        assert_eq!(evidence.cached_seconds, Some(4));
        assert_eq!(evidence.values[0].host, "a");
        assert_eq!(format::value(evidence.values[0].value, Unit::Load), "1");
    }
}
