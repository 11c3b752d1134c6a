//! When a number reaches its limit, in words.

use chat::{Block, Card, Table, Tone};
use chrono::{DateTime, Utc};

use super::numbers::{TABLE_ROWS, count, place, warned};
use crate::{
    app::App,
    format,
    metrics::{RangeReading, Series, Signal, Unit, forecast::Forecast},
};

/// Sorts forecasts: what is full first, then by time, then what never comes.
pub fn soonest(forecast: &Forecast) -> (u8, DateTime<Utc>) {
    match forecast {
        Forecast::AlreadyThere => (0, DateTime::UNIX_EPOCH),
        Forecast::At { when, .. } => (1, *when),
        Forecast::NotAtThisRate { .. } => (2, DateTime::UNIX_EPOCH),
        Forecast::TooLittleData { .. } => (3, DateTime::UNIX_EPOCH),
    }
}

/// When each reaches 100 %.
pub fn forecast(
    app: &App,
    signal: Signal,
    found: &[(&Series, Forecast)],
    range: &RangeReading,
) -> Card {
    let name = signal.title();
    let card = match found {
        [] => Card::titled(format!("{name} forecast: no data")).tone(Tone::Warning),
        [(series, forecast)] => {
            let (sentence, detail, tone) = foretold(app, range.end, forecast);
            let place = place(&series.host, series.part.as_deref());
            Card::titled(format!("{name} of {place} {sentence}")).tone(tone).line(detail)
        }
        [(series, first), ..] => {
            let (sentence, _, tone) = foretold(app, range.end, first);
            let place = place(&series.host, series.part.as_deref());
            let rows = found
                .iter()
                .take(TABLE_ROWS)
                .map(|(series, forecast)| {
                    let (sentence, detail, _) = foretold(app, range.end, forecast);
                    vec![super::place(&series.host, series.part.as_deref()), sentence, detail]
                })
                .collect();
            Card::titled(format!("{name} of {place} {sentence}")).tone(tone).with(Block::Table(
                Table {
                    header: vec!["where".into(), "forecast".into(), "detail".into()],
                    rows,
                    more: found.len().saturating_sub(TABLE_ROWS),
                },
            ))
        }
    };
    let card = warned(card, &range.warnings);
    card.note(format!(
        "a straight line through {} – {} · {}",
        format::moment(range.start, range.end, app.zone),
        format::moment(range.end, range.end, app.zone),
        range.query
    ))
}

/// A forecast as a sentence without its subject, a second sentence, and how bad it is.
fn foretold(app: &App, now: DateTime<Utc>, forecast: &Forecast) -> (String, String, Tone) {
    let moment = |at: &DateTime<Utc>| format::moment(*at, now, app.zone);
    let grows = |per_day: &f64| format!("{} a day", format::value(*per_day, Unit::Percent));
    match forecast {
        Forecast::AlreadyThere => {
            ("is full already".to_owned(), "It is at 100 % now.".to_owned(), Tone::Bad)
        }
        Forecast::At { when, earliest, latest, per_day } => {
            let left = (*when - now).to_std().unwrap_or_default();
            let tone = match left.as_secs() / 86_400 {
                0..2 => Tone::Bad,
                2..14 => Tone::Warning,
                _ => Tone::Neutral,
            };
            let latest = latest.as_ref().map_or_else(|| "never".to_owned(), moment);
            (
                format!(
                    "will be full in about {} ({})",
                    format::span(left.as_secs_f64()),
                    moment(when)
                ),
                format!(
                    "Between {} and {latest} with 90 % confidence, growing {}.",
                    moment(earliest),
                    grows(per_day)
                ),
                tone,
            )
        }
        Forecast::NotAtThisRate { per_day } => (
            "will not be full at this rate".to_owned(),
            format!("It changes by {} on average.", grows(per_day)),
            Tone::Good,
        ),
        Forecast::TooLittleData { have, need } => (
            "cannot be foretold yet".to_owned(),
            format!(
                "I have {} since the last clean-up, and a line needs {need}.",
                count(*have, "measurement")
            ),
            Tone::Warning,
        ),
    }
}
