//! What is told in a channel.

use std::collections::BTreeSet;

use chat::{Block, Card, escape_invisible};
use chrono_tz::Tz;

use crate::{
    access::{Refusal, RefusalKind},
    anomaly::incident::{ChannelSettings, Severity},
    metrics::Fleet,
};

/// Environments to choose from.
const ENVIRONMENTS: usize = 20;
/// Quiet hours to choose from; others can be typed.
const HOURS: [&str; 3] = ["22:00-07:00", "20:00-08:00", "18:00-09:00"];

/// What is told in a channel; with the machines for those who may change it.
pub fn channel(settings: &ChannelSettings, zone: Tz, changes: Option<&Fleet>) -> Card {
    let card = if settings.incidents {
        let quiet = settings.quiet.map_or("none".to_owned(), |hours| {
            format!("{hours} ({zone}): only what is critical is told then")
        });
        let severity = match settings.severity {
            Severity::Low => "all".to_owned(),
            Severity::Critical => "critical".to_owned(),
            least => format!("{} and worse", least.as_str()),
        };
        let environment = settings.environment.clone().unwrap_or_else(|| "all".to_owned());
        Card::titled("Incidents are told in this channel").with(Block::Fields(vec![
            ("severity".to_owned(), severity),
            ("environment".to_owned(), environment),
            ("quiet hours".to_owned(), quiet),
        ]))
    } else {
        Card::titled("Incidents are not told in this channel")
    };
    let Some(fleet) = changes else { return card };
    if !settings.incidents {
        return card.button("Tell them here", "channel incidents on");
    }
    let say = |what: &str, value: &str| format!("channel {what} {value}");
    let worse = Severity::ALL[1..].iter().map(|it| it.as_str());
    let severities = worse.map(|name| (name, say("severity", name)));
    let all = |what| std::iter::once(("all", say(what, "all")));
    let hours = HOURS.map(|hours| (hours, say("quiet", hours)));
    let off = std::iter::once(("none", say("quiet", "off")));
    let card = card
        .menu("Severity …", all("severity").chain(severities))
        .menu("Quiet hours …", off.chain(hours));
    let known = environments(fleet);
    let known = known.iter().take(ENVIRONMENTS).map(|name| (*name, say("environment", name)));
    let known: Vec<_> = all("environment").chain(known).collect();
    // Where there is only one there is nothing to choose.
    let card = if known.len() > 2 { card.menu("Environment …", known) } else { card };
    card.button("Tell none here", "channel incidents off")
}

/// There is no environment of this name.
pub fn no_environment(name: &str, fleet: &Fleet) -> Refusal {
    let name: String = escape_invisible(name).chars().take(80).collect();
    let known = environments(fleet);
    let known = if known.is_empty() {
        "no machine has an environment".to_owned()
    } else {
        format!("there are {}", known.into_iter().collect::<Vec<_>>().join(", "))
    };
    Refusal::new(RefusalKind::Usage, format!("There is no environment `{name}`: {known}."))
}

fn environments(fleet: &Fleet) -> BTreeSet<&str> {
    fleet.hosts().iter().filter_map(|host| host.environment.as_deref()).collect()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::{anomaly::incident::ChannelChange, metrics::Host};

    fn shown(settings: &ChannelSettings, fleet: Option<&Fleet>) -> String {
        chat::text(&channel(settings, Tz::Europe__Berlin, fleet), chat::Style::Plain)
    }

    #[test]
    fn it_says_what_is_told_and_offers_the_rest_to_those_who_may() {
        let at = DateTime::UNIX_EPOCH;
        let host = |environment: &str| Host {
            name: format!("{environment}-1"),
            environment: Some(environment.to_owned()),
            ..Host::default()
        };
        let fleet = Fleet::new(vec![host("prod"), host("staging")]);
        let settings = ChannelSettings::all(true, at)
            .after(&ChannelChange::Severity(Severity::High), at)
            .after(&ChannelChange::Quiet("22-7".parse().ok()), at);
        let text = shown(&settings, Some(&fleet));
        for part in ["high and worse", "22:00-07:00 (Europe/Berlin)", "channel environment prod"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!shown(&settings, None).contains("→"), "only who may change it is offered to");
        let none = shown(&ChannelSettings::all(false, at), Some(&fleet));
        assert!(none.contains("not told") && none.contains("channel incidents on"), "{none}");
    }
}
