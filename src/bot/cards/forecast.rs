//! When a number reaches its limit, in words.

use chat::{Block, Card, Table, Tone};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::numbers::{MissingHost, TABLE_ROWS, missing_text, place, warned};
use crate::{
    app::App,
    format,
    metrics::{RangeReading, Series, Signal, Unit, forecast::Forecast},
};

/// Percent a day that are shown as nothing.
const SMALLEST_GROWTH: f64 = 0.000_5;

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
    missing: &[MissingHost],
    range: &RangeReading,
) -> Card {
    let name = signal.title();
    let foretold = |forecast: &Forecast| foretold(signal, app.zone, range.end, forecast);
    let title = |series: &Series, sentence: &str| {
        format!("{name} of {} {sentence}", place(&series.host, series.part.as_deref()))
    };
    let mut card = match found {
        [] => Card::titled(format!("{name} forecast: no data")).tone(Tone::Warning),
        [(series, forecast)] => {
            let (sentence, detail, tone) = foretold(forecast);
            Card::titled(title(series, &sentence)).tone(tone).line(detail)
        }
        [(series, first), ..] => {
            let (sentence, _, tone) = foretold(first);
            let rows = found
                .iter()
                .take(TABLE_ROWS)
                .map(|(series, forecast)| {
                    let (sentence, detail, _) = foretold(forecast);
                    vec![place(&series.host, series.part.as_deref()), sentence, detail]
                })
                .collect();
            Card::titled(title(series, &sentence)).tone(tone).with(Block::Table(Table {
                header: vec!["where".into(), "forecast".into(), "detail".into()],
                rows,
                more: found.len().saturating_sub(TABLE_ROWS),
            }))
        }
    };
    if !missing.is_empty() {
        card = card.line(missing_text(missing));
    }
    let card = warned(card, &range.warnings);
    card.note(format!(
        "a straight line through {} – {} · {}",
        format::moment(range.start, range.end, app.zone),
        format::moment(range.end, range.end, app.zone),
        range.query
    ))
}

/// A forecast as a sentence without its subject, a second sentence, and how bad it is.
fn foretold(
    signal: Signal,
    zone: Tz,
    now: DateTime<Utc>,
    forecast: &Forecast,
) -> (String, String, Tone) {
    let moment = |at: &DateTime<Utc>| format::moment(*at, now, zone);
    let grows = |per_day: &f64| format!("{} a day", format::value(*per_day, Unit::Percent));
    // Only what keeps things can be full.
    let full = signal == Signal::Disk;
    match forecast {
        Forecast::AlreadyThere => {
            let sentence = if full { "is full already" } else { "has reached 100 % already" };
            (sentence.to_owned(), "It is at 100 % now.".to_owned(), Tone::Bad)
        }
        Forecast::At { when, earliest, latest, per_day } => {
            let left = (*when - now).to_std().unwrap_or_default();
            let tone = match left.as_secs() / 86_400 {
                0..2 => Tone::Bad,
                2..14 => Tone::Warning,
                _ => Tone::Neutral,
            };
            let latest = latest.as_ref().map_or_else(|| "never".to_owned(), moment);
            let happens = if full { "be full" } else { "reach 100 %" };
            (
                format!(
                    "will {happens} in about {} ({})",
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
        Forecast::NotAtThisRate { per_day } => {
            let happens = if full { "be full" } else { "reach 100 %" };
            let detail = if per_day.abs() < SMALLEST_GROWTH {
                "It does not grow.".to_owned()
            } else {
                format!("It changes by {} on average.", grows(per_day))
            };
            (format!("will not {happens} at this rate"), detail, Tone::Good)
        }
        Forecast::TooLittleData { have, need } => (
            "cannot be foretold yet".to_owned(),
            format!(
                "I have {} since the last clean-up, and a line needs {need}.",
                format::count(*have, "measurement")
            ),
            Tone::Warning,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(signal: Signal, forecast: &Forecast) -> String {
        let (sentence, detail, _) = foretold(signal, Tz::UTC, DateTime::UNIX_EPOCH, forecast);
        format!("{sentence}. {detail}")
    }

    #[test]
    fn only_disks_are_full_and_all_else_reaches_100_percent() {
        let when = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(3);
        let at = Forecast::At { when, earliest: when, latest: None, per_day: 2.0 };
        let never = Forecast::NotAtThisRate { per_day: -1.0 };
        for (forecast, disk, other) in [
            (at, "will be full in about 3 d", "will reach 100 % in about 3 d"),
            (never, "will not be full", "will not reach 100 %"),
            (Forecast::AlreadyThere, "is full already", "has reached 100 % already"),
        ] {
            assert!(words(Signal::Disk, &forecast).starts_with(disk));
            for signal in [Signal::Cpu, Signal::Memory, Signal::Swap] {
                let words = words(signal, &forecast);
                assert!(words.starts_with(other) && !words.contains("full"), "{words}");
            }
        }
    }

    #[test]
    fn a_growth_that_rounds_to_nothing_is_none() {
        for (per_day, text) in [
            (-0.000_1, "It does not grow."),
            (0.000_4, "It does not grow."),
            (0.0, "It does not grow."),
            (-0.002, "It changes by -0.002 % a day on average."),
        ] {
            let words = words(Signal::Disk, &Forecast::NotAtThisRate { per_day });
            assert!(words.ends_with(text), "{words}");
        }
    }
}
