//! When a percentage reaches 100.

use std::{collections::HashSet, time::Duration};

use chat::Block;

use super::{
    Asking, distinct,
    picture::{last_point, last_points},
};
use crate::{
    access::{Refusal, RefusalKind},
    bot::{Answer, Failure, cards},
    chart::MAX_LINES,
    metrics::{
        RangeReading, Series, Signal, Unit, Window,
        forecast::{self, Forecast},
    },
};

/// How far back a forecast looks, and how far ahead it dares to look.
const PAST: u64 = 7 * 86_400;
const AHEAD: Duration = Duration::from_hours(90 * 24);
/// Points of each line that is fitted.
const POINTS: u64 = 1000;
/// A series that ended longer ago than this, and than three steps, says nothing about now.
const STALE_AFTER: Duration = Duration::from_mins(15);

impl Asking<'_> {
    /// When a percentage reaches 100.
    pub(in crate::bot) async fn forecast(&self, signal: Signal) -> Result<Answer, Failure> {
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
        let past = Window::from_seconds(PAST);
        let range = self.app.metrics.range(signal, &hosts, &past, POINTS).await?;
        let now = range.end;
        let (alive, ended): (Vec<&Series>, Vec<&Series>) = range
            .series
            .iter()
            .filter(|series| self.includes(&series.host))
            .partition(|series| is_alive(series, &range));
        let missing = self.without_forecast(&alive, &ended);
        let mut found: Vec<(&Series, Forecast)> = alive
            .into_iter()
            .map(|series| (series, forecast::time_to_reach(&series.points, 100.0, now, AHEAD)))
            .collect();
        found.sort_by_key(|(series, forecast)| {
            (cards::soonest(forecast), series.host.clone(), series.part.clone())
        });
        let fitted = found.iter().map(|(series, _)| *series);
        let mut evidence = last_points(&range.query, fitted, signal.unit());
        if evidence.is_empty() {
            evidence.push(super::nothing(&range.query, now));
        }
        let mut card = cards::forecast(self.app, signal, &found, &missing, &range);
        if !found.is_empty() {
            let shown: Vec<String> =
                distinct(found.iter().map(|(series, _)| &series.host), MAX_LINES);
            let drawn = RangeReading {
                series: found.iter().take(MAX_LINES).map(|(series, _)| (*series).clone()).collect(),
                ..range.clone()
            };
            match self.draw(signal, &past, &shown, &drawn).await {
                Ok(picture) => card.blocks.push(Block::Image(picture.image)),
                Err(failure) => card = card.note(self.no_picture(&failure)),
            }
        }
        Ok(Answer { card, evidence, ..Answer::default() })
    }

    /// Hosts without any series that lasts until now, and single parts of the others.
    fn without_forecast(&self, alive: &[&Series], ended: &[&Series]) -> Vec<cards::MissingHost> {
        let speaking: HashSet<&str> = alive.iter().map(|series| series.host.as_str()).collect();
        let hosts = self.silent(&speaking);
        let parts = ended
            .iter()
            .filter(|series| speaking.contains(series.host.as_str()))
            .map(|series| cards::place(&series.host, series.part.as_deref()))
            .map(|name| cards::MissingHost { name, up: true });
        let mut missing: Vec<_> = hosts.into_iter().chain(parts).collect();
        missing.sort_by(|a, b| a.name.cmp(&b.name));
        missing
    }
}

/// Whether a series lasts until near the end of its range.
fn is_alive(series: &Series, range: &RangeReading) -> bool {
    last_point(series).is_some_and(|(at, _)| {
        (range.end - *at).to_std().unwrap_or_default() <= STALE_AFTER.max(range.step * 3)
    })
}
