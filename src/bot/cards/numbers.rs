//! Numbers with their units, hosts, times and sources.

use std::collections::BTreeSet;

use chat::{Block, Card, Table, Tone};
use chrono::TimeDelta;
use chrono_tz::Tz;

use crate::{
    app::App,
    bot::{ask::Picture, intent::Order},
    chart::Threshold,
    config::Thresholds,
    format,
    metrics::{
        Measurement, RangeReading, Reading, Series, Signal, Stat, Unit, Window,
        prometheus::RawReading,
    },
};

/// Names of hosts without data that are written out; the rest is counted.
const NAMED_MISSING: usize = 5;
/// Rows of a fleet's table and of a raw query's.
pub(super) const TABLE_ROWS: usize = 20;

/// A host that was asked about and gave no number.
pub struct MissingHost {
    /// Its name.
    pub name: String,
    /// Whether the source reaches it at all.
    pub up: bool,
}

/// What the card of a metric is made of.
pub struct MetricCard<'a> {
    pub app: &'a App,
    pub signal: Signal,
    pub stat: Stat,
    pub window: Option<&'a Window>,
    pub order: Option<Order>,
    /// Sorted as they are to be shown.
    pub rows: &'a [Measurement],
    /// How many of them are shown.
    pub shown: usize,
    pub missing: &'a [MissingHost],
    pub reading: &'a Reading,
    /// What the source said about the numbers and about the picture.
    pub warnings: &'a [String],
    pub picture: Option<&'a Picture>,
    /// Why there is no picture although one was wanted.
    pub no_picture: Option<&'a str>,
}

/// The numbers of one signal.
pub fn metric(parts: &MetricCard<'_>) -> Card {
    let MetricCard { app, signal, rows, shown, missing, reading, .. } = *parts;
    let unit = signal.unit();
    let Some(first) = rows.first() else {
        let what = subject(signal, parts.stat, parts.window, None);
        return no_data(app, &what, missing, reading, parts.warnings);
    };
    let thresholds = app.config.metrics.thresholds;
    let worst = rows[..shown]
        .iter()
        .map(|row| tone(row.value, unit, thresholds))
        .max_by_key(|tone| severity(*tone));
    let headline = headline(parts, first);
    let mut card = Card::titled(headline).tone(worst.unwrap_or_default());
    if rows.len() > 1 || parts.picture.is_some() {
        card = card.with(Block::Table(table(parts)));
    }
    if let Some(picture) = parts.picture {
        card = card.with(Block::Image(picture.image.clone()));
    }
    if !missing.is_empty() {
        card = card.line(missing_text(missing));
    }
    card = sourced(card, app, reading, parts.warnings);
    if let Some(why) = parts.no_picture {
        card = card.note(why);
    }
    if parts.window.is_none() && rows.len() <= 8 {
        card = card.button("Last hour", follow_up(signal, rows, "1h"));
        card = card.button("Last 24 h", follow_up(signal, rows, "24h"));
    }
    card
}

/// The number itself, or the first of several.
fn headline(parts: &MetricCard<'_>, first: &Measurement) -> String {
    let MetricCard { signal, stat, window, order, rows, .. } = *parts;
    let first_place = place(&first.host, first.part.as_deref());
    let value = format::value(first.value, signal.unit());
    if rows.len() == 1 {
        let what = subject(signal, stat, window, Some(&first_place));
        // A current value is a statement; others belong to the window named before them.
        return match window {
            Some(_) if stat != Stat::Current => format!("{what}: {value}"),
            _ => format!("{what} is {value}"),
        };
    }
    let hosts = rows.iter().map(|row| &row.host).collect::<BTreeSet<_>>().len();
    // Several parts of one host: its name need not be said twice.
    let (whose, first_place) = match &first.part {
        Some(part) if hosts == 1 => (first.host.clone(), part.clone()),
        _ => (format::count(hosts, "host"), first_place),
    };
    let what = subject(signal, stat, window, Some(&whose));
    let extreme = if order == Some(Order::Asc) { "lowest" } else { "highest" };
    format!("{what}: {extreme} is {first_place} with {value}")
}

/// The typed command that asks the same over a window.
fn follow_up(signal: Signal, rows: &[Measurement], window: &str) -> String {
    let hosts: BTreeSet<_> = rows.iter().map(|row| row.host.as_str()).collect();
    let hosts = hosts.into_iter().collect::<Vec<_>>().join(",");
    format!("metric {signal} host={hosts} window={window}")
}

fn table(parts: &MetricCard<'_>) -> Table {
    let unit = parts.signal.unit();
    let rows = &parts.rows[..parts.shown];
    let with_part = rows.iter().any(|row| row.part.is_some());
    let mut header = vec!["host".to_owned()];
    if with_part {
        header.push("part".to_owned());
    }
    header.push(parts.stat.as_str().to_owned());
    if let Some(picture) = parts.picture
        && !picture.sparklines.is_empty()
    {
        header.push("trend".to_owned());
    }
    let has_trend = header.last().is_some_and(|name| name == "trend");
    let rows = rows
        .iter()
        .map(|row| {
            let mut cells = vec![row.host.clone()];
            if with_part {
                cells.push(row.part.clone().unwrap_or_default());
            }
            cells.push(format::value(row.value, unit));
            if has_trend {
                let key = (row.host.clone(), row.part.clone());
                let line = parts.picture.and_then(|picture| picture.sparklines.get(&key));
                cells.push(line.cloned().unwrap_or_default());
            }
            cells
        })
        .collect();
    Table { header, rows, more: parts.rows.len() - parts.shown }
}

fn no_data(
    app: &App,
    what: &str,
    missing: &[MissingHost],
    reading: &Reading,
    warnings: &[String],
) -> Card {
    let card = Card::titled(format!("{what}: no data")).tone(Tone::Warning);
    let card = if missing.is_empty() {
        card.line("The metrics source knows no host that reports it.")
    } else {
        card.line(missing_text(missing))
    };
    sourced(card, app, reading, warnings)
}

/// `CPU of web-1`, `Average memory of 4 hosts, last 30m`.
fn subject(signal: Signal, stat: Stat, window: Option<&Window>, whose: Option<&str>) -> String {
    let name = match stat {
        Stat::Current => signal.title().to_owned(),
        Stat::Avg => format!("Average {}", signal.noun()),
        Stat::Max => format!("Maximum {}", signal.noun()),
        Stat::Min => format!("Minimum {}", signal.noun()),
        Stat::P95 => format!("95th percentile of {}", signal.noun()),
    };
    let whose = whose.map(|whose| format!(" of {whose}")).unwrap_or_default();
    // The newest value is of now, whatever window is drawn beside it.
    let window = window.filter(|_| stat != Stat::Current);
    let last = window.map_or_else(|| " now".to_owned(), |window| format!(", last {window}"));
    // "CPU of web-1 is 40 %" says now already.
    let last = if window.is_none() && !whose.is_empty() { String::new() } else { last };
    format!("{name}{whose}{last}")
}

/// A host, and the part of it that is meant.
pub fn place(host: &str, part: Option<&str>) -> String {
    part.map_or_else(|| host.to_owned(), |part| format!("{host} {part}"))
}

pub(super) fn missing_text(missing: &[MissingHost]) -> String {
    let names: Vec<_> = missing
        .iter()
        .take(NAMED_MISSING)
        .map(|host| if host.up { host.name.clone() } else { format!("{} (down)", host.name) })
        .collect();
    let more = missing.len().saturating_sub(NAMED_MISSING);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("No data from {}{more}.", names.join(", "))
}

/// When, how old, and from which query: under every number.
fn sourced(card: Card, app: &App, reading: &Reading, warnings: &[String]) -> Card {
    let card = warned(card, warnings);
    let at = app.local(reading.at).format("%H:%M:%S %Z");
    let age = reading.cached.map_or_else(|| "live".to_owned(), format::cached);
    card.note(format!("{age} · {at} · {}", reading.query))
}

pub(in crate::bot) fn warned(mut card: Card, warnings: &[String]) -> Card {
    // One question may need several queries, which often say the same.
    let said: BTreeSet<&String> = warnings.iter().collect();
    for warning in said.into_iter().take(3) {
        card = card.line(format!("Incomplete: {warning}"));
    }
    card
}

/// That lines begin later than the window they are of, if by more than a tenth of it.
pub(in crate::bot) fn late_beginning(range: &RangeReading, zone: Tz) -> Option<String> {
    let tenth = (range.end - range.start) / 10;
    // The first step of a rate has nothing to compare with.
    let slack = tenth.max(TimeDelta::from_std(range.step * 2).unwrap_or(tenth));
    let begins = |series: &Series| series.points.first().map(|(at, _)| *at);
    let lines = range.series.iter().filter_map(|series| Some((begins(series)?, series)));
    let (late, early): (Vec<_>, Vec<_>) = lines.partition(|(at, _)| *at - range.start > slack);
    let moment = |at| format::moment(at, range.end, zone);
    let (last, series) = late.iter().max_by_key(|(at, _)| *at)?;
    let place = place(&series.host, series.part.as_deref());
    Some(match (&late[..], &early[..]) {
        ([_], [_, ..]) => format!("data of {place} begins {}", moment(*last)),
        (_, [_, ..]) => format!(
            "data of {} of {} lines begins late, of {place} {}",
            late.len(),
            late.len() + early.len(),
            moment(*last)
        ),
        _ => {
            let first = late.iter().map(|(at, _)| *at).min().unwrap_or(*last);
            format!("data begins {}", moment(first))
        }
    })
}

pub(super) fn tone(value: f64, unit: Unit, thresholds: Thresholds) -> Tone {
    match unit {
        Unit::Percent if value >= thresholds.critical => Tone::Bad,
        Unit::Percent if value >= thresholds.warning => Tone::Warning,
        _ => Tone::Neutral,
    }
}

pub(super) fn severity(tone: Tone) -> u8 {
    match tone {
        Tone::Neutral | Tone::Muted | Tone::Good => 0,
        Tone::Warning => 1,
        Tone::Bad => 2,
    }
}

/// The lines drawn across a chart of percentages.
pub fn thresholds(thresholds: Thresholds) -> Vec<Threshold> {
    vec![
        Threshold { label: "warning".to_owned(), value: thresholds.warning, tone: Tone::Warning },
        Threshold { label: "critical".to_owned(), value: thresholds.critical, tone: Tone::Bad },
    ]
}

/// The picture in words.
pub fn picture_alt(signal: Signal, window: &Window, series: &[&Series]) -> String {
    let unit = signal.unit();
    let mut parts: Vec<String> = series
        .iter()
        .take(4)
        .filter_map(|series| {
            let values =
                series.points.iter().map(|(_, value)| *value).filter(|value| value.is_finite());
            let (low, high) = values
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                    (low.min(value), high.max(value))
                });
            (low <= high).then(|| {
                format!(
                    "{} from {} to {}",
                    place(&series.host, series.part.as_deref()),
                    format::value(low, unit),
                    format::value(high, unit)
                )
            })
        })
        .collect();
    if series.len() > 4 {
        parts.push(format!("{} more", series.len() - 4));
    }
    format!("{}, last {window}: {}", signal.title(), parts.join("; "))
}

/// What a query of somebody's own gave.
pub fn query(app: &App, result: &RawReading) -> Card {
    let title = match result.values.len() {
        0 => "The query gave no data".to_owned(),
        number => format!("The query gave {}", format::count(number, "value")),
    };
    let rows = result
        .values
        .iter()
        .take(TABLE_ROWS)
        .map(|(labels, value)| {
            let labels: Vec<_> =
                labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            vec![labels.join(", "), format::value(*value, Unit::None)]
        })
        .collect();
    let mut card = Card::titled(title);
    if !result.values.is_empty() {
        card = card.with(Block::Table(Table {
            header: vec!["labels".into(), "value".into()],
            rows,
            more: result.values.len().saturating_sub(TABLE_ROWS),
        }));
    }
    let card = warned(card, &result.warnings);
    card.note(format!("live · {} · {}", app.local(result.at).format("%H:%M:%S %Z"), result.query))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(host: &str, value: f64) -> Measurement {
        Measurement { host: host.into(), part: None, value }
    }

    #[test]
    fn a_subject_reads_as_a_sentence_begins() {
        let hour = Window::from_seconds(3600);
        for (stat, window, whose, text) in [
            (Stat::Current, None, Some("web-1"), "Network in of web-1"),
            (Stat::Current, None, None, "Network in now"),
            (Stat::Current, Some(&hour), Some("web-1"), "Network in of web-1"),
            (Stat::Avg, Some(&hour), Some("4 hosts"), "Average network in of 4 hosts, last 1h"),
            (Stat::P95, Some(&hour), None, "95th percentile of network in, last 1h"),
        ] {
            assert_eq!(subject(Signal::NetworkIn, stat, window, whose), text);
        }
        assert_eq!(subject(Signal::Cpu, Stat::Max, Some(&hour), None), "Maximum CPU, last 1h");
    }

    #[test]
    fn a_follow_up_asks_about_the_same_hosts() {
        let rows = [row("web-2", 2.0), row("web-1", 1.0), row("web-2", 0.0)];
        assert_eq!(follow_up(Signal::Cpu, &rows, "1h"), "metric cpu host=web-1,web-2 window=1h");
    }
}
