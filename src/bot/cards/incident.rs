//! One incident as people see it: the card that lives as long as the incident, and its history.

use std::collections::BTreeSet;

use chat::{Block, Card, Image, MAX_COMMAND_BYTES, Table, Tone};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::{
    anomaly::{
        Anomaly, Deviation, Direction,
        incident::{ChangeKind, Incident, IncidentState, Member, Normality, Silence, metric_base},
    },
    format,
    metrics::{Signal, Unit, Window},
    store::Earlier,
};

/// Hosts named on a card.
const NAMED: usize = 10;
/// The longest title, as phones and headers show it.
const TITLE: usize = 150;
/// The longest name or note shown, in characters.
const WORD: usize = 80;
const NOTE: usize = 300;

/// What a card is made of besides the incident.
#[derive(Clone, Debug)]
pub struct Around {
    /// What was like it before.
    pub earlier: Earlier,
    /// Until when it is not to be heard.
    pub silenced_until: Option<DateTime<Utc>>,
    /// When the card is made.
    pub now: DateTime<Utc>,
    /// The people's zone.
    pub zone: Tz,
    /// Its first metric against what is normal, as a PNG.
    pub picture: Option<Vec<u8>>,
}

/// An incident in full, with what can be done about it.
pub fn incident(incident: &Incident, around: &Around) -> Card {
    let card = Card::titled(short(&title(incident, around.now, around.zone), TITLE))
        .tone(tone(incident, around))
        .with(Block::Fields(facts(incident, around)));
    let card = match incident.lead().filter(|lead| !lead.metrics.is_empty()) {
        Some(lead) => card.with(Block::Table(metrics(incident, lead))),
        None => card,
    };
    let mut card = card;
    for note in incident.notes.iter().rev().take(3).rev() {
        card =
            card.line(format!("{}: {}", short(&note.signature.by, WORD), short(&note.text, NOTE)));
    }
    // That a host is down is nothing to draw, and an earlier picture shows something else.
    let drawn = incident.headline().filter(|(_, it)| signal(&it.metric).is_some());
    if let (Some(png), Some(shows), Some(_)) = (&around.picture, &incident.pictured, drawn) {
        let alt = short(shows, TITLE);
        let name = format!("incident-{}.png", incident.number);
        card = card.with(Block::Image(Image { name, png: png.clone(), alt }));
    }
    buttons(card, incident)
}

/// One line that stands alone at three in the morning:
/// `#7 CPU 97 % on web-1 (normal 12–35 %) since 03:12`.
pub fn title(incident: &Incident, now: DateTime<Utc>, zone: Tz) -> String {
    let number = format!("#{}", incident.number);
    let whose = whose(incident);
    let what = incident.headline().map_or_else(
        || format!("{whose}: something is unusual"),
        |(_, first)| symptom(first, &whose, now),
    );
    // A broken rule is told from when it broke, whatever came before it.
    let broken = incident.lead().filter(|_| !incident.broken_hosts().is_empty());
    let started = broken.map_or(incident.started, |lead| lead.start);
    let moment = |at| format::moment(at, now, zone);
    match incident.resolved_at {
        Some(over) => {
            format!("{number} over: {what}, {} to {}", moment(started), moment(over))
        }
        None if incident.reopened > 0 => {
            format!("{number} is back: {what} since {}", moment(started))
        }
        None => format!("{number} {what} since {}", moment(started)),
    }
}

/// `CPU 97 % (normal 12–35 %)`.
pub(crate) fn measured(deviation: &Deviation) -> String {
    let name = metric_name(&deviation.metric);
    let value = format::value(deviation.value, unit(&deviation.metric));
    match deviation.direction {
        Direction::Stuck => format!("{name} stuck at {value}"),
        Direction::Up | Direction::Down => format!("{name} {value} (normal {})", normal(deviation)),
    }
}

/// `CPU 97 % on web-1 (normal 12–35 %)`.
fn symptom(deviation: &Deviation, whose: &str, now: DateTime<Utc>) -> String {
    if deviation.metric == "up" && deviation.value < 0.5 {
        return format!("{whose} down");
    }
    let name = metric_name(&deviation.metric);
    let value = format::value(deviation.value, unit(&deviation.metric));
    if let Some(full_at) = deviation.full_at {
        let left = format::span(((full_at - now).num_minutes() * 60).max(60) as f64);
        return format!("{name} {value} on {whose}, full in about {left}");
    }
    match deviation.direction {
        Direction::Stuck => format!("{name} stuck at {value} on {whose}"),
        Direction::Up | Direction::Down => {
            format!("{name} {value} on {whose} (normal {})", normal(deviation))
        }
    }
}

/// The host that leads, and how many more are as it is.
fn whose(incident: &Incident) -> String {
    let host = short(leading_host(incident), WORD);
    let alike = match incident.broken_hosts().len() {
        0 => incident.hosts.len(),
        broken => broken,
    };
    match alike {
        0 | 1 => host,
        hosts => format!("{host} and {} more", format::grouped(hosts - 1)),
    }
}

fn leading_host(incident: &Incident) -> &str {
    incident.lead().map_or(&*incident.suspect, |lead| &*lead.host)
}

/// `CPU`, or `Disk /data`.
pub(crate) fn metric_name(metric: &str) -> String {
    let base = metric_base(metric);
    let title = signal(metric).map_or(base, |signal| signal.title());
    short(&format!("{title}{}", &metric[base.len()..]), WORD)
}

/// The signal that a detector's metric is of.
pub(crate) fn signal(metric: &str) -> Option<Signal> {
    Signal::ALL.into_iter().find(|signal| signal.as_str() == metric_base(metric))
}

fn unit(metric: &str) -> Unit {
    signal(metric).map_or(Unit::None, Signal::unit)
}

/// `12–35 %`; the unit once where it is the same.
fn normal(deviation: &Deviation) -> String {
    let unit = unit(&deviation.metric);
    let (low, high) =
        (format::value(deviation.expected_low, unit), format::value(deviation.expected_high, unit));
    match (low.rsplit_once(' '), high.rsplit_once(' ')) {
        (Some((number, a)), Some((_, b))) if a == b => format!("{number}–{high}"),
        _ if low == high => low,
        _ => format!("{low}–{high}"),
    }
}

fn tone(incident: &Incident, around: &Around) -> Tone {
    match incident.state {
        IncidentState::Resolved => Tone::Good,
        _ if around.silenced_until.is_some() => Tone::Muted,
        IncidentState::Open => Tone::Bad,
        IncidentState::Acknowledged => Tone::Warning,
    }
}

fn facts(incident: &Incident, around: &Around) -> Vec<(String, String)> {
    let moment = |at| format::moment(at, around.now, around.zone);
    let mut facts = vec![
        ("state".to_owned(), state(incident, around)),
        ("severity".to_owned(), incident.severity.as_str().to_owned()),
        ("where".to_owned(), places(incident)),
        (
            "since".to_owned(),
            format!(
                "{} ({})",
                moment(incident.started),
                format::span(incident.lasted(around.now).num_seconds().max(0) as f64)
            ),
        ),
    ];
    let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
    if let Some(lead) = incident.lead() {
        fact("how unusual", rarity(lead));
    }
    if incident.hosts.len() > 1 {
        fact("suspect", format!("{}: it began there", short(&incident.suspect, WORD)));
    }
    if let Some((answer, by)) = incident.answered() {
        let who = short(&by.by, WORD);
        let said = match answer {
            Normality::Accepted => format!("{who} accepted it"),
            Normality::Watched => format!("{who} keeps watching: it is not learned as normal"),
        };
        fact("new normal", said);
    }
    let Earlier { times, fixed_by } = &around.earlier;
    if *times > 0 {
        let fixed = fixed_by
            .as_ref()
            .map_or_else(String::new, |by| format!(", last time: {}", short(by, NOTE)));
        fact("seen before", format!("×{times}{fixed}"));
    }
    facts
}

fn state(incident: &Incident, around: &Around) -> String {
    let moment = |at| format::moment(at, around.now, around.zone);
    let state = match (&incident.acknowledged, incident.resolved_at) {
        (_, Some(at)) => format!("resolved at {}", moment(at)),
        (Some(by), None) => format!("{} took it at {}", short(&by.by, WORD), moment(by.at)),
        (None, None) => "open".to_owned(),
    };
    match around.silenced_until {
        Some(until) if incident.is_live() => format!("{state}, silenced until {}", moment(until)),
        _ => state,
    }
}

/// `web-1, web-2 and 4,990 more · web · prod`.
fn places(incident: &Incident) -> String {
    let hosts: Vec<_> = incident.hosts.iter().take(NAMED).map(|it| short(&it.host, WORD)).collect();
    let mut places = vec![and_more(&hosts, incident.hosts.len())];
    let roles: BTreeSet<&str> = incident.hosts.iter().filter_map(|it| it.role.as_deref()).collect();
    if !roles.is_empty() {
        let named: Vec<_> = roles.iter().take(3).map(|role| short(role, WORD)).collect();
        places.push(and_more(&named, roles.len()));
    }
    places.extend(incident.environment.as_deref().map(|name| short(name, WORD)));
    places.join(" · ")
}

/// Some names, and how many there are besides.
pub(super) fn and_more(named: &[String], all: usize) -> String {
    match all.saturating_sub(named.len()) {
        0 => named.join(", "),
        more => format!("{} and {} more", named.join(", "), format::grouped(more)),
    }
}

/// How rare something like it is.
pub(crate) fn rarity(anomaly: &Anomaly) -> String {
    let Some(days) = anomaly.once_in_days else {
        return "wrong however often it happens".to_owned();
    };
    if let Some(days) = anomaly.learned_days {
        let learned = format::span((days * 1440.0).round() * 60.0);
        return format!("not seen in the {learned} learned so far");
    }
    if !days.is_finite() || days >= 3650.0 {
        return "less than once in ten years".to_owned();
    }
    match days.round() as i64 {
        i64::MIN..=1 => "about once a day".to_owned(),
        days => format!("about once in {days} days"),
    }
}

fn metrics(incident: &Incident, lead: &Anomaly) -> Table {
    let row = |it: &Deviation| {
        let sign = match it.direction {
            Direction::Up => "above",
            Direction::Down => "below",
            Direction::Stuck => "stuck",
        };
        vec![
            metric_name(&it.metric),
            format::value(it.value, unit(&it.metric)),
            normal(it),
            sign.to_owned(),
        ]
    };
    let metric = match incident.hosts.len() {
        0 | 1 => "metric".to_owned(),
        _ => format!("metric of {}", short(&lead.host, WORD)),
    };
    let rest = ["was", "normal", ""].map(ToOwned::to_owned);
    Table {
        header: std::iter::once(metric).chain(rest).collect(),
        rows: lead.metrics.iter().map(row).collect(),
        more: 0,
    }
}

/// How long an incident can be silenced by choosing.
const SILENCES: [(&str, &str); 6] = [
    ("1 h", "1h"),
    ("30 min", "30m"),
    ("2 h", "2h"),
    ("4 h", "4h"),
    ("12 h", "12h"),
    ("24 h", "24h"),
];

/// What is asked of whom none of these suits.
const SILENCE_FOR: &str = "How long? For example 90 min, 3 d or until 18:00";

/// What fits the state. All of them are commands that may as well be typed.
fn buttons(card: Card, incident: &Incident) -> Card {
    let number = incident.number;
    let card = match incident.state {
        IncidentState::Open => card.primary("Acknowledge", format!("ack {number}")),
        IncidentState::Acknowledged => card.button("Resolve", format!("resolve {number}")),
        IncidentState::Resolved => card,
    };
    let card = if incident.is_live() {
        let host = leading_host(incident);
        let silence = |(label, window)| (label, format!("silence incident {number} {window}"));
        card.button("Ask", format!("status {host}"))
            .button("Remediate", format!("reboot {host} incident={number}"))
            .menu("Silence …", SILENCES.map(silence))
    } else {
        card
    };
    // Asked and not answered: where there are no threads, this is the only place to answer.
    let card = if incident.is_live() && incident.asked && incident.answered().is_none() {
        answers(card, number)
    } else {
        card
    };
    let card = card
        .button("Expected", format!("expected {number}"))
        .button("False alarm", format!("false alarm {number}"));
    let card = if incident.is_live() {
        card.asking("Silence for …", format!("silence incident {number}"), SILENCE_FOR)
    } else {
        card
    };
    match incident.state {
        IncidentState::Acknowledged => card.button("Give back", format!("unack {number}")),
        IncidentState::Open | IncidentState::Resolved => card,
    }
}

fn answers(card: Card, number: u32) -> Card {
    card.button("Accept as normal", format!("accept {number}"))
        .button("Keep watching", format!("watch {number}"))
}

/// That nobody took it yet.
pub fn reminder(incident: &Incident, now: DateTime<Utc>) -> Card {
    let (severity, number) = (incident.severity.as_str(), incident.number);
    Card::titled(format!(
        "Nobody took #{number} yet: {} old, severity {severity}",
        age(incident, now)
    ))
    .tone(Tone::Bad)
    .primary("Acknowledge", format!("ack {number}"))
}

/// Whether this is the new normal.
pub fn is_it_normal(incident: &Incident, now: DateTime<Utc>) -> Card {
    let number = incident.number;
    let card = Card::titled(format!(
        "#{number} has gone on for {}: is this the new normal?",
        age(incident, now)
    ));
    answers(card, number).line(
        "Accepted, what was before is forgotten. Watched, it is never learned as normal. Without an \
         answer it becomes normal little by little.",
    )
}

fn age(incident: &Incident, now: DateTime<Utc>) -> String {
    // In whole minutes, as it is looked at.
    format::span((incident.lasted(now).num_minutes().max(0) * 60) as f64)
}

/// Silences that were set together are over: what they held back, and how to go on.
pub fn silence_is_over(over: &[Silence], held_back: &[(u32, Member)]) -> Card {
    let held: Vec<u32> = held_back
        .iter()
        .filter(|(number, member)| over.iter().any(|it| it.held_back(*number, &member.anomaly)))
        .map(|(number, _)| *number)
        .collect();
    let incidents: BTreeSet<u32> = held.iter().copied().collect();
    let named: Vec<_> = incidents.iter().take(5).map(|number| format!("#{number}")).collect();
    let what = match held.len() {
        0 => "Nothing was held back".to_owned(),
        1 => format!("1 anomaly was held back, in {}", named.join(", ")),
        held => format!(
            "{} anomalies were held back, in {}",
            format::grouped(held),
            and_more(&named, incidents.len())
        ),
    };
    let card = Card::titled(format!("The silence is over: {}. {what}", silenced(over)));
    let Some(first) = over.first() else { return card };
    let hosts: Vec<_> = over.iter().filter_map(|it| it.host.as_deref()).collect();
    let length = Window::from_seconds((first.until - first.at).num_seconds().unsigned_abs());
    let incident = first.incident.map(|number| format!("incident {number}"));
    let about = incident.into_iter().chain(hosts.into_iter().map(ToOwned::to_owned));
    let words: Vec<_> = about.chain(first.metric.clone()).collect();
    let again = format!("silence {} {length}", words.join(" "));
    if again.len() > MAX_COMMAND_BYTES {
        return card;
    }
    card.button(format!("Silence {length} more"), again)
}

/// What is silent, in words.
pub(super) fn silenced(silences: &[Silence]) -> String {
    let named: Vec<_> = silences
        .iter()
        .take(NAMED)
        .map(|it| {
            let incident = it.incident.map(|number| format!("#{number}"));
            let parts = [incident, it.host.clone(), it.metric.as_deref().map(metric_name)];
            let parts: Vec<_> =
                parts.into_iter().flatten().map(|part| short(&part, WORD)).collect();
            if parts.is_empty() { "everything".to_owned() } else { parts.join(" ") }
        })
        .collect();
    and_more(&named, silences.len())
}

/// One line of an incident's history; `None` where nothing happened that is worth one.
pub fn line(kind: ChangeKind, incident: &Incident) -> Option<String> {
    let hosts = format::count(incident.hosts.len(), "host");
    let severity = incident.severity.as_str();
    Some(match kind {
        ChangeKind::Seen | ChangeKind::Updated => return None,
        // The same host once more.
        ChangeKind::Joined if incident.hosts.len() == 1 => return None,
        ChangeKind::Opened => format!("Opened: {hosts}, severity {severity}"),
        ChangeKind::Joined => format!("It is on {hosts} now"),
        ChangeKind::Worsened => format!("Severity is {severity} now, on {hosts}"),
        ChangeKind::Reopened => format!("It is back, on {hosts}"),
        ChangeKind::Resolved => "It is over: nothing was unusual for 5 minutes".to_owned(),
    })
}

/// At most so many characters.
pub(super) fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
