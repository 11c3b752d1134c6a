//! Numbers with their units, hosts, times and sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use chat::{Block, Card, Table, Tone};
use chrono::{DateTime, Utc};

use crate::{
    app::App,
    bot::ask::Picture,
    chart::Threshold,
    config::Thresholds,
    format,
    metrics::{
        Host, Measurement, RangeReading, Reading, Series, Signal, Stat, Unit, Window,
        forecast::Forecast, prometheus::RawReading,
    },
};

/// Names of hosts without data that are written out; the rest is counted.
const NAMED_MISSING: usize = 5;
/// Rows of a fleet's table and of a raw query's.
const TABLE_ROWS: usize = 20;

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
    /// Sorted as they are to be shown.
    pub rows: &'a [Measurement],
    /// How many of them are shown.
    pub shown: usize,
    pub missing: &'a [MissingHost],
    pub reading: &'a Reading,
    pub picture: Option<&'a Picture>,
}

/// The numbers of one signal.
pub fn metric(parts: &MetricCard<'_>) -> Card {
    let MetricCard { app, signal, rows, shown, missing, reading, .. } = *parts;
    let manner = manner(parts.stat, parts.window);
    let unit = signal.unit();
    let Some(first) = rows.first() else {
        return no_data(app, signal, &manner, missing, reading);
    };
    let thresholds = app.config.metrics.thresholds;
    let worst = rows[..shown]
        .iter()
        .map(|row| tone(row.value, unit, thresholds))
        .max_by_key(|tone| severity(*tone));
    let name = signal.title();
    let value = format::value(first.value, unit);
    let at = place(&first.host, first.part.as_deref());
    let headline = match (rows.len(), hosts_of(rows).len()) {
        (1, _) => format!("{name} of {at}: {value} {manner}"),
        (_, 1) => format!("{name} of {}: {} at {value} {manner}", first.host, end_of(rows, &at)),
        (_, hosts) => {
            format!("{name} of {}: {} at {value} {manner}", count(hosts, "host"), end_of(rows, &at))
        }
    };
    let mut card = Card::titled(headline).tone(worst.unwrap_or_default());
    if rows.len() > 1 || parts.picture.is_some() {
        card = card.with(Block::Table(table(parts)));
    }
    if let Some(picture) = parts.picture {
        card = card.with(Block::Image(picture.image.clone()));
    }
    if !missing.is_empty() {
        card = card.line(missing_text(signal, missing));
    }
    card = sourced(card, app, reading);
    if parts.window.is_none() && rows.len() <= 8 && signal != Signal::Uptime {
        card = card.button("Last hour", follow_up(signal, rows, "1h"));
        card = card.button("Last 24 h", follow_up(signal, rows, "24h"));
    }
    card
}

/// The typed command that asks the same over a window.
fn follow_up(signal: Signal, rows: &[Measurement], window: &str) -> String {
    let hosts: Vec<_> = hosts_of(rows).into_iter().collect();
    format!("metric {signal} host={} window={window}", hosts.join(","))
}

fn hosts_of(rows: &[Measurement]) -> BTreeSet<&str> {
    rows.iter().map(|row| row.host.as_str()).collect()
}

/// Which end of the table the first row is.
fn end_of(rows: &[Measurement], at: &str) -> String {
    match rows {
        [first, .., last] if first.value > last.value => format!("highest {at}"),
        [first, .., last] if first.value < last.value => format!("lowest {at}"),
        _ => at.to_owned(),
    }
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
    signal: Signal,
    manner: &str,
    missing: &[MissingHost],
    reading: &Reading,
) -> Card {
    let card = Card::titled(format!("{} {manner}: no data", signal.title())).tone(Tone::Warning);
    let card = if missing.is_empty() {
        card.line("The metrics source knows no host that reports it.")
    } else {
        card.line(missing_text(signal, missing))
    };
    sourced(card, app, reading)
}

/// `now`, `on average, last 30m`: after a number.
fn manner(stat: Stat, window: Option<&Window>) -> String {
    let last = window.map(|window| format!(", last {window}")).unwrap_or_default();
    match stat {
        Stat::Current => "now".to_owned(),
        Stat::Avg => format!("on average{last}"),
        Stat::Max => format!("at most{last}"),
        Stat::Min => format!("at least{last}"),
        Stat::P95 => format!("(95th percentile{last})"),
    }
}

/// A host, and the part of it that is meant.
pub fn place(host: &str, part: Option<&str>) -> String {
    part.map_or_else(|| host.to_owned(), |part| format!("{host} {part}"))
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn missing_text(signal: Signal, missing: &[MissingHost]) -> String {
    let names: Vec<_> = missing
        .iter()
        .take(NAMED_MISSING)
        .map(|host| if host.up { host.name.clone() } else { format!("{} (down)", host.name) })
        .collect();
    let more = missing.len().saturating_sub(NAMED_MISSING);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let swap = signal == Signal::Swap && missing.iter().any(|host| host.up);
    let why = if swap { " A host without swap reports none." } else { "" };
    format!("No data from {}{more}.{why}", names.join(", "))
}

/// When, how old, and from which query: under every number.
fn sourced(card: Card, app: &App, reading: &Reading) -> Card {
    let card = warned(card, &reading.warnings);
    let at = app.local(reading.at).format("%H:%M:%S %Z");
    let age = reading.cached.map_or_else(|| "live".to_owned(), format::cached);
    card.note(format!("{age} · {at} · {}", reading.query))
}

fn warned(mut card: Card, warnings: &[String]) -> Card {
    for warning in warnings.iter().take(3) {
        card = card.line(format!("Incomplete: {warning}"));
    }
    card
}

fn tone(value: f64, unit: Unit, thresholds: Thresholds) -> Tone {
    match unit {
        Unit::Percent if value >= thresholds.critical => Tone::Bad,
        Unit::Percent if value >= thresholds.warning => Tone::Warning,
        _ => Tone::Neutral,
    }
}

fn severity(tone: Tone) -> u8 {
    match tone {
        Tone::Neutral | Tone::Good => 0,
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

/// One host in full, or the fleet with those that need a look first.
pub fn status(
    app: &App,
    hosts: &[&Host],
    signals: &[Signal],
    numbers: &BTreeMap<&str, BTreeMap<Signal, Measurement>>,
    readings: &[Reading],
) -> Card {
    let card = match hosts {
        [] => Card::titled("I see no hosts")
            .tone(Tone::Warning)
            .line("The metrics source reports no host. `smartcloudops doctor` says what is wrong."),
        [host] => one_host(app, host, signals, numbers.get(host.name.as_str())),
        _ => fleet(app, hosts, signals, numbers),
    };
    let warnings: Vec<String> =
        readings.iter().flat_map(|reading| reading.warnings.clone()).collect();
    let card = warned(card, &warnings);
    let oldest = readings.iter().min_by_key(|reading| reading.at);
    match oldest {
        Some(reading) => {
            let at = app.local(reading.at).format("%H:%M:%S %Z");
            let age = reading.cached.map_or_else(|| "live".to_owned(), format::cached);
            let queries: Vec<_> = readings.iter().map(|reading| reading.query.as_str()).collect();
            card.note(format!("{age} · {at} · {}", queries.join(" · ")))
        }
        None => card,
    }
}

fn one_host(
    app: &App,
    host: &Host,
    signals: &[Signal],
    numbers: Option<&BTreeMap<Signal, Measurement>>,
) -> Card {
    let thresholds = app.config.metrics.thresholds;
    let mut fields = Vec::new();
    if let Some(environment) = &host.environment {
        fields.push(("environment".to_owned(), environment.clone()));
    }
    if let Some(role) = &host.role {
        fields.push(("role".to_owned(), role.clone()));
    }
    let mut worst = Tone::Neutral;
    let mut concerns = Vec::new();
    for signal in signals {
        let shown = match numbers.and_then(|numbers| numbers.get(signal)) {
            Some(row) => {
                let tone = tone(row.value, signal.unit(), thresholds);
                if severity(tone) > severity(worst) {
                    worst = tone;
                }
                let value = format::value(row.value, signal.unit());
                if severity(tone) > 0 {
                    concerns.push(format!("{} {value}", signal.title()));
                }
                row.part.as_ref().map_or_else(|| value.clone(), |part| format!("{value} ({part})"))
            }
            None => "no data".to_owned(),
        };
        fields.push((signal.title().to_lowercase(), shown));
    }
    let title = if !host.up {
        worst = Tone::Bad;
        format!("{} is down: the metrics source cannot reach it", host.name)
    } else if concerns.is_empty() {
        format!("{} is fine", host.name)
    } else {
        format!("{} needs a look: {}", host.name, concerns.join(", "))
    };
    let card = Card::titled(title).tone(if severity(worst) == 0 { Tone::Good } else { worst });
    card.with(Block::Fields(fields))
        .button("CPU, last hour", format!("metric cpu host={} window=1h", host.name))
        .button("Disk forecast", format!("forecast disk host={}", host.name))
}

fn fleet(
    app: &App,
    hosts: &[&Host],
    signals: &[Signal],
    numbers: &BTreeMap<&str, BTreeMap<Signal, Measurement>>,
) -> Card {
    let thresholds = app.config.metrics.thresholds;
    let rate = |host: &Host| {
        let numbers = numbers.get(host.name.as_str());
        let worst = numbers
            .into_iter()
            .flat_map(|numbers| numbers.iter())
            .map(|(signal, row)| severity(tone(row.value, signal.unit(), thresholds)))
            .max()
            .unwrap_or(0);
        if host.up { worst } else { 3 }
    };
    let mut rated: Vec<(u8, &Host)> = hosts.iter().map(|host| (rate(host), *host)).collect();
    rated.sort_by(|(a, first), (b, second)| b.cmp(a).then_with(|| first.name.cmp(&second.name)));
    let down = rated.iter().filter(|(rating, _)| *rating == 3).count();
    let concerning = rated.iter().filter(|(rating, _)| matches!(rating, 1 | 2)).count();
    let mut title = count(hosts.len(), "host");
    if down > 0 {
        let _ = write!(title, ", {down} down");
    }
    match concerning {
        0 if down == 0 => title.push_str(", all fine"),
        0 => {}
        1 => title.push_str(", 1 needs a look"),
        more => {
            let _ = write!(title, ", {more} need a look");
        }
    }
    let tone = match rated.first() {
        Some((2 | 3, _)) => Tone::Bad,
        Some((1, _)) => Tone::Warning,
        _ => Tone::Good,
    };
    let mut header = vec!["host".to_owned()];
    header.extend(signals.iter().map(|signal| signal.title().to_lowercase()));
    header.push("state".to_owned());
    let rows = rated
        .iter()
        .take(TABLE_ROWS)
        .map(|(rating, host)| {
            let numbers = numbers.get(host.name.as_str());
            let mut cells = vec![host.name.clone()];
            cells.extend(signals.iter().map(|signal| {
                numbers.and_then(|numbers| numbers.get(signal)).map_or_else(
                    || "no data".to_owned(),
                    |row| format::value(row.value, signal.unit()),
                )
            }));
            let state = match rating {
                0 => "fine",
                1 => "look",
                2 => "critical",
                _ => "down",
            };
            cells.push(state.to_owned());
            cells
        })
        .collect();
    let more = rated.len().saturating_sub(TABLE_ROWS);
    Card::titled(title).tone(tone).with(Block::Table(Table { header, rows, more }))
}

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
                    vec![
                        crate::bot::cards::place(&series.host, series.part.as_deref()),
                        sentence,
                        detail,
                    ]
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
        "a straight line from {} until now, {} · {}",
        format::moment(range.start, range.end, app.zone),
        format::moment(range.end, range.end, app.zone),
        range.query
    ))
}

/// A forecast as a sentence without its subject, a second sentence, and how bad it is.
fn foretold(app: &App, now: DateTime<Utc>, forecast: &Forecast) -> (String, String, Tone) {
    let moment = |at: &DateTime<Utc>| format::moment(*at, now, app.zone);
    // Points, because "5 % a day" may also mean 5 % of what there is.
    let points = |per_day: f64| format!("{:.1} points a day", per_day.abs());
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
                    points(*per_day)
                ),
                tone,
            )
        }
        Forecast::NotAtThisRate { per_day } => (
            "will not be full at this rate".to_owned(),
            match *per_day {
                per_day if per_day.abs() < 0.05 => "It hardly changes.".to_owned(),
                per_day if per_day > 0.0 => format!("It grows by {}.", points(per_day)),
                per_day => format!("It falls by {}.", points(per_day)),
            },
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

/// What a query of somebody's own gave.
pub fn query(app: &App, result: &RawReading) -> Card {
    let title = match result.values.len() {
        0 => "The query gave no data".to_owned(),
        number => format!("The query gave {}", count(number, "value")),
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
