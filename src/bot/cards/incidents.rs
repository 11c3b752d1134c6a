//! Answers about incidents and anomalies.

use std::collections::BTreeSet;

use chat::{Block, Card, Table, Tone};
use chrono::{DateTime, TimeDelta, Utc};

use super::incident::{metric_name, rarity, short, title};
use crate::{
    access::{Refusal, RefusalKind},
    anomaly::{
        Anomaly,
        incident::{Feedback, Incident, IncidentState, Member, Normality, Silence, Votes},
    },
    app::App,
    format,
    watch::Mode,
};

/// Rows of a list.
const ROWS: usize = 15;

/// The incidents there are.
pub fn incidents(app: &App, state: Option<IncidentState>, found: &[&Incident]) -> Card {
    let which = match state {
        Some(IncidentState::Open) => "open incident",
        Some(IncidentState::Acknowledged) => "acknowledged incident",
        Some(IncidentState::Resolved) => "resolved incident",
        None => "incident",
    };
    if found.is_empty() {
        return Card::titled(format!("There is no {which}")).tone(Tone::Good);
    }
    let now = app.clock.now();
    if let [one] = found {
        return Card::titled(title(one, now, app.zone))
            .tone(if one.is_live() { Tone::Warning } else { Tone::Neutral })
            .button("Details", format!("incident {}", one.number));
    }
    Card::titled(format::count(found.len(), which))
        .tone(if found.iter().any(|it| it.is_live()) { Tone::Warning } else { Tone::Neutral })
        .with(Block::Table(table(app, found)))
        .button("Details of the newest", format!("incident {}", found[0].number))
}

fn table(app: &App, found: &[&Incident]) -> Table {
    let now = app.clock.now();
    let rows = found.iter().take(ROWS).map(|it| {
        vec![
            it.state.as_str().to_owned(),
            it.severity.as_str().to_owned(),
            short(&title(it, now, app.zone), 120),
        ]
    });
    Table {
        header: ["state", "severity", "what"].map(ToOwned::to_owned).to_vec(),
        rows: rows.collect(),
        more: found.len().saturating_sub(ROWS),
    }
}

/// How often people are or would be told.
pub struct Told {
    /// Of what.
    pub incidents: Vec<Incident>,
    /// In which stretch of time, ending now.
    pub length: TimeDelta,
    /// On how many hosts.
    pub hosts: usize,
    /// So often a day people can bear it, on all of them.
    pub budget: f64,
    /// Nobody was told: it was only looked.
    pub shadow: bool,
}

/// `Would have alerted 3 times in 7 days (20 hosts; the budget allows 14)`.
pub fn told(told: &Told) -> String {
    let verb = if told.shadow { "Would have alerted" } else { "Alerted" };
    let days = told.length.num_seconds() as f64 / 86_400.0;
    let allowed = told.budget * days;
    // Of few, the tenths matter.
    let allowed = if allowed < 10.0 { format!("{allowed:.1}") } else { format!("{allowed:.0}") };
    format!(
        "{verb} {} in {} ({}; the budget allows {})",
        format::count(told.incidents.len(), "time"),
        format::span(told.length.num_seconds() as f64),
        format::count(told.hosts, "host"),
        allowed.trim_end_matches(".0")
    )
}

/// The same, with what it was.
pub fn shadow_report(app: &App, about: &Told) -> Card {
    let card = Card::titled(told(about));
    let card = match about.incidents.as_slice() {
        [] => card.tone(Tone::Good),
        found => card.with(Block::Table(table(app, &found.iter().collect::<Vec<_>>()))),
    };
    match app.config.detection.mode {
        Mode::Off => card.note("I look for nothing now: `[detection] mode` is off."),
        Mode::Shadow => card.note("Nobody was told: `[detection] mode` is shadow."),
        Mode::Detect => card,
    }
}

/// What was unusual, as a list or in a few words.
pub fn anomalies(app: &App, found: &[(u32, Member)], summary: bool, since: DateTime<Utc>) -> Card {
    let now = app.clock.now();
    if found.is_empty() {
        let since = format::moment(since, now, app.zone);
        return Card::titled(format!("Nothing unusual since {since}")).tone(Tone::Good);
    }
    let moment = |at| format::moment(at, now, app.zone);
    let what = |member: &Member| {
        let metrics: Vec<_> =
            member.anomaly.metrics.iter().map(|it| metric_name(&it.metric)).collect();
        if metrics.is_empty() { "unusual as a whole".to_owned() } else { metrics.join(", ") }
    };
    let until = |member: &Member| match member.anomaly.end {
        Some(end) => format!("{} to {}", moment(member.anomaly.start), moment(end)),
        None => format!("since {}", moment(member.anomaly.start)),
    };
    let going_on = found.iter().filter(|(_, it)| it.anomaly.end.is_none()).count();
    let title = if going_on == 0 {
        format!("{}, all over", count(found.len()))
    } else {
        format!("{}, {going_on} still going on", count(found.len()))
    };
    let card = Card::titled(title).tone(if going_on > 0 { Tone::Warning } else { Tone::Neutral });
    if summary {
        return found.iter().take(ROWS).fold(card, |card, (number, member)| {
            card.line(format!(
                "{}: {} {}, {} (#{number})",
                short(&member.anomaly.host, 80),
                what(member),
                until(member),
                rarity(&member.anomaly)
            ))
        });
    }
    let rows = found.iter().take(ROWS).map(|(number, member)| {
        vec![
            format!("#{number}"),
            short(&member.anomaly.host, 80),
            what(member),
            until(member),
            rarity(&member.anomaly),
        ]
    });
    card.with(Block::Table(Table {
        header: ["incident", "host", "metrics", "when", "how unusual"]
            .map(ToOwned::to_owned)
            .to_vec(),
        rows: rows.collect(),
        more: found.len().saturating_sub(ROWS),
    }))
}

fn count(anomalies: usize) -> String {
    if anomalies == 1 { "1 anomaly".to_owned() } else { format!("{anomalies} anomalies") }
}

/// There is none of that number, or none that this person may see: they cannot tell which.
pub fn no_incident(id: &str) -> Refusal {
    Refusal::new(
        RefusalKind::NotFound,
        format!(
            "There is no incident `{}` here. Say `incidents` to see those there are.",
            short(id, 40)
        ),
    )
}

/// What was wanted has been done, or came too late.
pub fn not_live(incident: &Incident) -> Refusal {
    let why = match (&incident.acknowledged, incident.state) {
        (_, IncidentState::Resolved) => "is over already".to_owned(),
        (Some(by), _) => format!("was taken by {} already", short(&by.by, 80)),
        (None, _) => "is nobody's yet".to_owned(),
    };
    Refusal::new(RefusalKind::AlreadyDecided, format!("#{} {why}.", incident.number))
}

/// Whether it is the new normal is decided already, or is no question.
pub fn not_to_answer(incident: &Incident) -> Refusal {
    let number = incident.number;
    let why = match incident.answered() {
        Some((answer, by)) => format!(
            "{} already said so of #{number}: {}. Say `undo accept {number}` to take it back.",
            short(&by.by, 80),
            match answer {
                Normality::Accepted => "it is normal",
                Normality::Watched => "it is not",
            }
        ),
        None if !incident.is_live() => format!("#{number} is over already."),
        None if !incident.broken_hosts().is_empty() => {
            format!("#{number} is a broken rule, and that is never normal.")
        }
        None => format!("Nobody said yet whether #{number} is the new normal."),
    };
    Refusal::new(RefusalKind::AlreadyDecided, why)
}

/// Somebody said whether it is the new normal, or took it back.
pub fn answered(incident: &Incident) -> Card {
    let number = incident.number;
    let undo = format!("undo accept {number}");
    match incident.answered() {
        Some((Normality::Accepted, _)) => Card::titled(format!("#{number} is the new normal"))
            .tone(Tone::Good)
            .line(
                "It is resolved, and I learn again. What was before is left out as soon as there is \
                 enough of the new to learn from.",
            )
            .button("Undo", undo),
        Some((Normality::Watched, _)) => Card::titled(format!("I keep watching #{number}"))
            .line("It is left out of what I learn, so it does not become normal.")
            .button("Undo", undo),
        None => Card::titled(format!("What was said of #{number} is taken back"))
            .line("I learn again as if nobody had said it."),
    }
}

/// Their hosts have no open incident, or several.
pub fn which_incident(found: &[u32]) -> Refusal {
    let message = if found.is_empty() {
        "There is no open incident on that host. Say `incidents` to see those there are.".to_owned()
    } else {
        let numbers: Vec<_> = found.iter().take(5).map(|number| format!("#{number}")).collect();
        format!(
            "There are several open incidents there: {}. Say which by its number.",
            numbers.join(", ")
        )
    };
    Refusal::new(RefusalKind::Usage, message)
}

/// Somebody took an incident, gave it back or closed it.
pub fn worked_on(incident: &Incident) -> Card {
    let number = incident.number;
    match incident.state {
        IncidentState::Resolved => Card::titled(format!("#{number} is resolved")).tone(Tone::Good),
        IncidentState::Open => Card::titled(format!("#{number} is nobody's now"))
            .button("Acknowledge", format!("ack {number}")),
        IncidentState::Acknowledged => Card::titled(format!("#{number} is yours"))
            .line(
                "Everybody sees that you took it. Say `resolve` and what fixed it when it is over.",
            )
            .button("Resolve", format!("resolve {number}")),
    }
}

/// What is silent from now on.
pub fn silenced(app: &App, silences: &[Silence]) -> Card {
    let until = silences.first().map(|it| format::moment(it.until, app.clock.now(), app.zone));
    Card::titled(format!(
        "Silenced until {}: {}",
        until.unwrap_or_default(),
        super::incident::silenced(silences)
    ))
    .line("What happens meanwhile is recorded: `anomalies` shows it.")
}

/// A vote was cast. `unwelcome` is what people called expected or false until now, everywhere.
pub fn feedback(
    incident: &Incident,
    verdict: Feedback,
    votes: Votes,
    unwelcome: &[Anomaly],
) -> Card {
    let number = incident.number;
    let word = match verdict {
        Feedback::Expected => "expected",
        Feedback::FalseAlarm => "a false alarm",
        Feedback::Useful => "useful",
    };
    let effect = match verdict {
        Feedback::Useful => "Good to know: I keep looking as I do.".to_owned(),
        Feedback::Expected | Feedback::FalseAlarm => widened(incident, unwelcome),
    };
    let Votes { expected, false_alarm, useful } = votes;
    Card::titled(format!("You think #{number} was {word}"))
        .line(effect)
        .note(format!("{expected} expected · {false_alarm} false alarm · {useful} useful"))
        .button("Undo", format!("undo {number}"))
}

/// What a vote changes, in words.
fn widened(incident: &Incident, unwelcome: &[Anomaly]) -> String {
    let headline = incident.headline().filter(|(lead, _)| lead.once_in_days.is_some());
    let Some((lead, first)) = headline else {
        return "A broken rule stays one: `silence` keeps me quiet about it for a while."
            .to_owned();
    };
    let about = |anomaly: &Anomaly| {
        anomaly
            .once_in_days
            .is_some()
            .then(|| anomaly.metrics.first())
            .flatten()
            .map(|first| (anomaly.host.clone(), first.metric.clone()))
    };
    let this = (lead.host.clone(), first.metric.clone());
    let times = unwelcome.iter().filter(|it| about(it).as_ref() == Some(&this)).count();
    let people = i32::try_from(times).unwrap_or(i32::MAX);
    let all: BTreeSet<_> = incident.members.iter().filter_map(|it| about(&it.anomaly)).collect();
    let others = match all.len().saturating_sub(1) {
        0 => String::new(),
        others => format!(
            " The same goes for {} that began it elsewhere.",
            format::count(others, "metric")
        ),
    };
    format!(
        "From now on {} of {} may stray {} times as far before I speak up.{others}",
        super::incident::metric_name(&first.metric),
        short(&lead.host, 80),
        crate::anomaly::tolerance(people)
    )
}

/// A vote was taken back, or there was none.
pub fn taken_back(number: Option<u32>) -> Card {
    match number {
        Some(number) => Card::titled(format!("Your vote on #{number} is taken back")),
        None => Card::titled("You have no vote to take back"),
    }
}
