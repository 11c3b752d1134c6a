//! Questions about numbers: from an intent to an answer with its evidence.

mod forecast;
mod picture;

pub(super) use picture::Picture;

use std::collections::{BTreeMap, HashSet};

use chat::Block;
use chrono::{DateTime, Utc};

use crate::{
    access::{Refusal, RefusalKind},
    app::App,
    bot::{
        Answer, Evidence, EvidenceValue, Failure, cards,
        intent::{Intent, Order},
    },
    chart::MAX_LINES,
    metrics::{Fleet, Measurement, Metrics, Reading, Signal, Stat, Unit, promql},
};

/// Rows of a table when nobody asked for a number of them.
const DEFAULT_ROWS: usize = 10;
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
        // Whoever names hosts gets all of them.
        let cut = if self.hosts.is_none() { self.app.metrics.cut(&mut rows) } else { None };
        let shown = limit.map_or(DEFAULT_ROWS, |limit| limit.max(1) as usize).min(rows.len());
        let missing = self.missing(&reading);
        let drawn = distinct(rows[..shown].iter().map(|row| &row.host), MAX_LINES);
        let wanted = *chart || self.chart || window.is_some();
        let (mut picture, mut no_picture) = (None, None);
        if wanted && !drawn.is_empty() {
            match self.picture(*metric, window.as_ref(), &drawn).await {
                Ok(drawn) => picture = Some(drawn),
                Err(why) => no_picture = Some(why),
            }
        }
        let mut evidence = vec![evidence(&reading, &rows, metric.unit())];
        let mut warnings = reading.warnings.clone();
        warnings.extend(cut);
        if let Some(picture) = &picture {
            evidence.extend(picture.evidence.iter().cloned());
            // This machine says the same about both, but for the seconds between them.
            if warnings.is_empty() || !matches!(self.app.metrics, Metrics::Host(_)) {
                warnings.extend(picture.warnings.iter().cloned());
            }
        }
        let card = cards::metric(&cards::MetricCard {
            app: self.app,
            signal: *metric,
            stat: *stat,
            window: window.as_ref(),
            order: *order,
            rows: &rows,
            shown,
            missing: &missing,
            reading: &reading,
            warnings: &warnings,
            picture: picture.as_ref(),
            no_picture: no_picture.as_deref(),
        });
        Ok(Answer { card, evidence, ..Answer::default() })
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
                // A host with several parts shows the fullest one; what is no number is not that.
                let slot = worst.entry(&host.name).or_default().entry(*signal);
                slot.and_modify(|kept| {
                    if kept.value.is_nan() || row.value > kept.value {
                        *kept = row.clone();
                    }
                })
                .or_insert(row);
            }
        }
        let card = cards::status(self.app, &hosts, signals, &worst, &readings);
        let mut answer = Answer { card, evidence: evidences, ..Answer::default() };
        if self.chart && !hosts.is_empty() {
            let names: Vec<String> =
                hosts.iter().take(MAX_LINES).map(|host| host.name.clone()).collect();
            match self.picture(Signal::Cpu, None, &names).await {
                Ok(picture) => {
                    answer.card = cards::warned(answer.card, &picture.warnings);
                    answer.card.blocks.push(Block::Image(picture.image));
                    answer.evidence.extend(picture.evidence);
                }
                Err(why) => answer.card = answer.card.note(why),
            }
        }
        Ok(answer)
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
        let settings = &self.app.config.metrics.prometheus;
        let limits = promql::Limits {
            interval: settings.scrape_interval.duration(),
            ..promql::Limits::default()
        };
        let gated = promql::gate(text, &limits).map_err(|refused| {
            Refusal::new(RefusalKind::Usage, format!("I do not send this query: {refused}"))
        })?;
        let result = self.app.metrics.query(&gated).await?;
        let values = result
            .values
            .iter()
            .map(|(labels, value)| EvidenceValue {
                host: labels
                    .get(&settings.host_label)
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
        self.silent(&reading.values.iter().map(|value| value.host.as_str()).collect())
    }

    /// Hosts that were asked about and are not among these.
    fn silent(&self, found: &HashSet<&str>) -> Vec<cards::MissingHost> {
        self.fleet
            .hosts()
            .iter()
            .filter(|host| self.includes(&host.name))
            .filter(|host| !found.contains(host.name.as_str()))
            .map(|host| cards::MissingHost { name: host.name.clone(), up: host.up })
            .collect()
    }
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

fn distinct<'a>(names: impl Iterator<Item = &'a String>, most: usize) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for name in names {
        if kept.len() < most && !kept.contains(name) {
            kept.push(name.clone());
        }
    }
    kept
}

/// A question that had no answer.
fn nothing(query: &str, at: DateTime<Utc>) -> Evidence {
    Evidence { query: query.to_owned(), at, cached_seconds: None, values: vec![] }
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
mod tests;
