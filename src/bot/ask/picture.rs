//! The lines of hosts over a window, as a picture and as sparklines.

use std::{cmp::Reverse, collections::BTreeMap};

use chat::Image;
use chrono::{DateTime, Utc};

use super::Asking;
use crate::{
    bot::{Evidence, EvidenceValue, Failure, cards},
    chart::{self, Chart, ChartError, Line, MAX_LINES},
    metrics::{Metrics, RangeReading, Series, Signal, Unit, Window},
};

/// Points of a line in a picture: more than pixels would not be seen.
const POINTS: u64 = 600;

/// A drawn window.
pub(in crate::bot) struct Picture {
    pub(in crate::bot) image: Image,
    /// One per host and part.
    pub(in crate::bot) sparklines: BTreeMap<(String, Option<String>), String>,
    /// What the lines were asked with, and where they end.
    pub(super) evidence: Vec<Evidence>,
    /// What the source said about them.
    pub(super) warnings: Vec<String>,
}

impl Asking<'_> {
    /// The line of each host over the window, or a sentence on why there is none: a number that is
    /// known already is not lost for want of a picture.
    pub(super) async fn picture(
        &self,
        signal: Signal,
        window: Option<&Window>,
        hosts: &[String],
    ) -> Result<Picture, String> {
        let hour = Window::from_seconds(3600);
        let window = window.unwrap_or(&hour);
        let range = self.app.metrics.range(signal, hosts, window, POINTS).await;
        let range = range.map_err(|error| self.no_picture(&error.into()))?;
        if range.series.iter().all(|series| series.points.is_empty()) {
            return Err(format!("No picture: there is no data of the last {window}."));
        }
        let drawn = self.draw(signal, window, hosts, &range).await;
        let mut picture = drawn.map_err(|failure| self.no_picture(&failure))?;
        // This machine says by itself since when it was watched.
        if matches!(self.app.metrics, Metrics::Prometheus(_)) {
            picture.warnings.extend(cards::late_beginning(&range, self.app.zone));
        }
        Ok(picture)
    }

    /// Says why there is no picture, here and in the log.
    pub(super) fn no_picture(&self, failure: &Failure) -> String {
        if matches!(failure, Failure::Metrics(_)) {
            self.app.meters.metrics_failures.inc();
        }
        tracing::warn!(error = %failure, "an answer has no picture");
        format!("No picture: {failure}.")
    }

    /// Draws beside the requests: a picture takes long enough to hold the others up.
    pub(super) async fn draw(
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
        let drawn = tokio::task::spawn_blocking(move || chart::png(&chart)).await;
        let png = drawn.unwrap_or(Err(ChartError::Interrupted))?;
        let image = Image { name: format!("{signal}.png"), png, alt };
        let drawn = series.into_iter().take(MAX_LINES);
        let evidence = last_points(&range.query, drawn, signal.unit());
        Ok(Picture { image, sparklines, evidence, warnings: range.warnings.clone() })
    }
}

/// The last number of a series, or what there is when it has none.
pub(super) fn last_point(series: &Series) -> Option<&(DateTime<Utc>, f64)> {
    let finite = series.points.iter().rfind(|(_, value)| value.is_finite());
    finite.or(series.points.last())
}

/// The last point of each series, newest first: one evidence for each moment they are of.
pub(super) fn last_points<'a>(
    query: &str,
    series: impl Iterator<Item = &'a Series>,
    unit: Unit,
) -> Vec<Evidence> {
    let mut moments: BTreeMap<_, Vec<EvidenceValue>> = BTreeMap::new();
    for series in series {
        if let Some((at, value)) = last_point(series) {
            moments.entry(Reverse(*at)).or_default().push(EvidenceValue {
                host: series.host.clone(),
                part: series.part.clone(),
                value: *value,
                unit,
            });
        }
    }
    moments
        .into_iter()
        .map(|(Reverse(at), values)| Evidence {
            query: query.to_owned(),
            at,
            cached_seconds: None,
            values,
        })
        .collect()
}
