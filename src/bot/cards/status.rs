//! How the hosts are: one in full, or the fleet with those first that need a look.

use std::{collections::BTreeMap, fmt::Write as _};

use chat::{Block, Card, Table, Tone};

use super::numbers::{TABLE_ROWS, severity, tone, warned};
use crate::{
    app::App,
    config::Thresholds,
    format,
    metrics::{Host, Measurement, Reading, Signal},
};

/// Label matchers longer than this are left out where many queries are shown at once.
const LONG_MATCHERS: usize = 40;

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
            let queries: Vec<_> = readings.iter().map(|reading| in_short(&reading.query)).collect();
            card.note(format!("{age} · {at} · {}", queries.join(" · ")))
        }
        None => card,
    }
}

/// How a host is, from best to worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Fine,
    /// Reachable, but without a single number to judge it by.
    NoData,
    Look,
    Critical,
    Down,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::NoData => "no data",
            Self::Look => "look",
            Self::Critical => "critical",
            Self::Down => "down",
        }
    }
}

fn state_of(
    host: &Host,
    numbers: Option<&BTreeMap<Signal, Measurement>>,
    thresholds: Thresholds,
) -> State {
    if !host.up {
        return State::Down;
    }
    let numbers = numbers.into_iter().flatten().filter(|(_, row)| !row.value.is_nan());
    numbers
        .map(|(signal, row)| match severity(tone(row.value, signal.unit(), thresholds)) {
            0 => State::Fine,
            1 => State::Look,
            _ => State::Critical,
        })
        // One number is enough to judge by, and the worst one counts.
        .max()
        .unwrap_or(State::NoData)
}

/// A query with its long label matchers left out, where many stand side by side. The evidence has
/// all of them in full.
fn in_short(query: &str) -> String {
    let mut short = String::with_capacity(query.len());
    let mut rest = query;
    while let Some((before, inside)) = rest.split_once('{') {
        let Some((matchers, after)) = inside.split_once("\"}") else { break };
        short.push_str(before);
        if matchers.len() > LONG_MATCHERS {
            short.push_str("{…}");
        } else {
            let _ = write!(short, "{{{matchers}\"}}");
        }
        rest = after;
    }
    short.push_str(rest);
    short
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
    if let Some(zone) = &host.zone {
        fields.push(("zone".to_owned(), zone.clone()));
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
    } else if state_of(host, numbers, thresholds) == State::NoData {
        worst = Tone::Warning;
        format!("{} gives no data", host.name)
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
    let mut rated: Vec<(State, &Host)> = hosts
        .iter()
        .map(|host| (state_of(host, numbers.get(host.name.as_str()), thresholds), *host))
        .collect();
    rated.sort_by(|(a, first), (b, second)| b.cmp(a).then_with(|| first.name.cmp(&second.name)));
    let number_of = |states: &[State]| rated.iter().filter(|(it, _)| states.contains(it)).count();
    let mut title = format::count(hosts.len(), "host");
    match number_of(&[State::Down]) {
        0 => {}
        down => {
            let _ = write!(title, ", {down} down");
        }
    }
    match number_of(&[State::Critical, State::Look]) {
        0 => {}
        1 => title.push_str(", 1 needs a look"),
        more => {
            let _ = write!(title, ", {more} need a look");
        }
    }
    match number_of(&[State::NoData]) {
        0 => {}
        silent => {
            let _ = write!(title, ", {silent} without data");
        }
    }
    if number_of(&[State::Fine]) == hosts.len() {
        title.push_str(", all fine");
    }
    let tone = match rated.first() {
        Some((State::Down | State::Critical, _)) => Tone::Bad,
        Some((State::Look | State::NoData, _)) => Tone::Warning,
        _ => Tone::Good,
    };
    let mut header = vec!["host".to_owned()];
    header.extend(signals.iter().map(|signal| signal.title().to_lowercase()));
    header.push("state".to_owned());
    let rows = rated
        .iter()
        .take(TABLE_ROWS)
        .map(|(state, host)| {
            let numbers = numbers.get(host.name.as_str());
            let mut cells = vec![host.name.clone()];
            cells.extend(signals.iter().map(|signal| {
                numbers.and_then(|numbers| numbers.get(signal)).map_or_else(
                    || "no data".to_owned(),
                    |row| format::value(row.value, signal.unit()),
                )
            }));
            cells.push(state.as_str().to_owned());
            cells
        })
        .collect();
    let more = rated.len().saturating_sub(TABLE_ROWS);
    Card::titled(title).tone(tone).with(Block::Table(Table { header, rows, more }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_matchers_are_left_out() {
        let long = format!("a{{device!~\"{}\"}} / b{{mode=\"idle\"}}", "lo|".repeat(20));
        assert_eq!(in_short(&long), "a{…} / b{mode=\"idle\"}");
        for whole in ["node_load1", "a{", "sysinfo cpu current"] {
            assert_eq!(in_short(whole), whole);
        }
    }
}
