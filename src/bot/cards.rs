//! Domain values → cards: every sentence a person reads is written here. Pure.

mod channels;
mod forecast;
mod help;
pub mod incident;
mod incidents;
mod numbers;
mod people;
mod status;

pub use channels::{channel, no_environment};
pub(super) use forecast::{forecast, soonest};
pub use help::{first_screen, help, not_understood};
pub(super) use incidents::{
    Told, anomalies, answered, feedback, incidents, no_incident, not_live, not_to_answer,
    shadow_report, silenced, taken_back, told, which_incident, worked_on,
};
pub(super) use numbers::{
    MetricCard, MissingHost, late_beginning, metric, picture_alt, place, query, thresholds, warned,
};
pub(super) use people::{granted, revoked, verified};
pub(super) use people::{link_code, link_question, linked, whoami};
pub(super) use status::status;

use std::time::Duration;

use chat::{Block, Card, Inbound, Tone};
use chrono::{DateTime, TimeDelta};
use chrono_tz::Tz;

use crate::{
    access::{Permission, Refusal, RefusalKind},
    bot::intent::{Intent, UnknownHost},
    metrics::{Fleet, MetricsError},
    store::StoreError,
};

/// A refusal as people see it.
pub fn refusal(refusal: &Refusal) -> Card {
    let tone = if refusal.kind.is_outage() { Tone::Bad } else { Tone::Warning };
    let (title, rest) = first_sentence(&refusal.message);
    let card = Card::titled(title).tone(tone);
    if rest.is_empty() { card } else { card.line(rest) }
}

/// Splits after the first full stop that ends a sentence, so that the title stands alone.
fn first_sentence(text: &str) -> (&str, &str) {
    match text.find(". ") {
        Some(end) if end < 150 => (&text[..end], &text[end + 2..]),
        _ => (text.trim_end_matches('.'), ""),
    }
}

/// There is no such host; these names are near, of the hosts that the person may see.
pub(super) fn unknown_host(unknown: &UnknownHost, fleet: &Fleet, visible: &Fleet) -> Refusal {
    let remedy = if fleet.hosts().is_empty() {
        "The metrics source knows no hosts at all: `smartcloudops doctor` says why.".to_owned()
    } else if visible.hosts().is_empty() {
        "There are no hosts where you have a role: `whoami` says where that is.".to_owned()
    } else {
        let nearest = near(unknown, visible);
        if nearest.is_empty() {
            "Say `status` to see the hosts there are.".to_owned()
        } else {
            format!("The nearest names are {}.", nearest.join(", "))
        }
    };
    Refusal::new(RefusalKind::UnknownHost, format!("There is no host `{}`. {remedy}", unknown.name))
}

/// The nearest names, or the nearest of those that may be seen.
fn near(unknown: &UnknownHost, visible: &Fleet) -> Vec<String> {
    if unknown.nearest.iter().all(|name| visible.find(name).is_some()) {
        return unknown.nearest.clone();
    }
    visible.nearest(&unknown.name, 3)
}

/// The platform proves nothing about the sender.
pub(super) fn unproven(permission: Permission) -> Refusal {
    let what = match permission {
        Permission::Introduce => "link accounts",
        other => other.describe(),
    };
    Refusal::new(
        RefusalKind::NotPermitted,
        format!(
            "You may not {what} from here: your chat platform does not prove that it is you. \
             Verify this device or session there, and write it as a message. If you reset your identity, \
             ask an Admin to say `verify` and your id."
        ),
    )
}

/// The metrics source did not answer.
pub(super) fn metrics_unavailable(error: &MetricsError, now: DateTime<Tz>) -> Refusal {
    Refusal::new(
        RefusalKind::MetricsUnavailable,
        format!("It is {} and {error}", now.format("%H:%M")),
    )
}

/// The database did not answer. What it says about itself is a whole sentence, with the remedy.
pub fn database_unavailable(error: &StoreError) -> Refusal {
    Refusal::new(RefusalKind::DatabaseUnavailable, error.to_string())
}

/// A part of the product that does not exist yet.
pub(super) fn not_available(intent: &Intent) -> Refusal {
    let (what, meanwhile) = match intent {
        Intent::Logs { .. } => ("Reading logs", "Read them on the host itself for now."),
        Intent::Approve { .. } | Intent::Reject { .. } | Intent::Approvals {} => {
            ("Approving actions", "Nothing is waiting for a decision.")
        }
        Intent::Executions { .. } => ("Running actions", "Nothing was ever run."),
        Intent::Runbooks {} => ("Keeping runbooks", "Say `help` to see what I can do."),
        _ => ("Running actions", "Nothing was run; do it by hand for now."),
    };
    Refusal::new(
        RefusalKind::NotAvailable,
        format!(
            "{what} is not available yet. I understood you, but this version cannot do it. {meanwhile}"
        ),
    )
}

/// Small print of the last answer that somebody gets in a thread for a while.
pub(super) fn the_last_here(stretch: TimeDelta) -> String {
    format!(
        "You had many answers here: I say nothing more to you here for {} min. Ask elsewhere if you need me.",
        stretch.num_minutes()
    )
}

/// What is said elsewhere of somebody who gets no more answers in a thread.
pub(super) fn ran_away(event: &Inbound, stretch: TimeDelta) -> Card {
    let minutes = stretch.num_minutes();
    Card::titled("I stopped answering somebody who asks without end")
        .tone(Tone::Warning)
        .with(Block::Fields(vec![
            ("who".to_owned(), format!("{} ({})", event.display_name, event.from)),
            ("where".to_owned(), event.conversation.channel.clone()),
        ]))
        .line(format!(
            "They had `bot.answers_in_thread` answers in one place within {minutes} min. Perhaps two machines answer \
             each other; I say nothing more to them there for {minutes} min."
        ))
}

/// An answer that takes long is on its way.
pub(super) fn working(since: Duration) -> Card {
    Card::titled("Working on it …").note(format!("{} s so far", since.as_secs()))
}

/// Something that could not be answered although it was tried several times.
pub(super) fn given_up() -> Card {
    Card::titled("I could not answer this").tone(Tone::Bad).line(
        "Every attempt was cut short. Please ask again in other words, and tell whoever runs me: the \
         log names the event.",
    )
}

/// Puts how the words were read above the answer.
pub(super) fn show_reading(card: &mut Card, notes: &[String]) {
    if !notes.is_empty() {
        card.blocks.insert(0, Block::Note(notes.join(" ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_of_a_refusal_stands_alone() {
        let card = refusal(&Refusal::new(
            RefusalKind::UnknownHost,
            "There is no host `wbe-9`. The nearest names are web-1, web-2.",
        ));
        assert_eq!(card.title, "There is no host `wbe-9`");
        assert_eq!(card.blocks, [Block::Text("The nearest names are web-1, web-2.".into())]);
    }
}
