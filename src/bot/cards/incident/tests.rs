use chat::{
    Assurance, Conversation, Inbound, MAX_COMMAND_BYTES, MessageRef, Origin, Platform, UserRef,
};
use chrono::TimeDelta;

use super::*;
use crate::{
    anomaly::incident::{Placement, Signature, correlate},
    bot::intent::{Intent, interpret},
    metrics::{Fleet, Host},
};

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
}

fn deviation(metric: &str, value: f64, direction: Direction) -> Deviation {
    Deviation {
        metric: metric.to_owned(),
        value,
        expected_low: 12.0,
        expected_high: 35.0,
        direction,
        sigmas: 9.0,
        full_at: None,
    }
}

fn on(hosts: &[&str], deviation: &Deviation) -> Incident {
    let anomalies: Vec<_> = hosts
        .iter()
        .map(|host| Anomaly {
            host: (*host).to_owned(),
            start: at(192),
            end: None,
            score: 9.0,
            once_in_days: Some(40.2),
            learned_days: None,
            metrics: vec![deviation.clone()],
        })
        .collect();
    let changes = correlate(&[], &anomalies, &Placement::default(), at(193));
    Incident { number: 7, ..changes[0].incident.clone() }
}

fn around() -> Around {
    Around {
        earlier: Earlier { times: 2, fixed_by: Some("restarted nginx".to_owned()) },
        silenced_until: None,
        now: at(200),
        zone: chrono_tz::UTC,
        picture: None,
    }
}

#[test]
fn titles_read_well_at_three_in_the_morning() {
    let cpu = deviation("cpu", 97.0, Direction::Up);
    let title = |incident: &Incident| title(incident, at(200), chrono_tz::UTC);
    let mut one = on(&["web-1"], &cpu);
    assert_eq!(title(&one), "#7 CPU 97 % on web-1 (normal 12–35 %) since 03:12");
    assert_eq!(
        title(&on(&["web-1", "web-2", "web-3"], &cpu)),
        "#7 CPU 97 % on web-1 and 2 more (normal 12–35 %) since 03:12"
    );
    let title_of =
        |metric, value, direction| title(&on(&["web-1"], &deviation(metric, value, direction)));
    assert_eq!(title_of("up", 0.0, Direction::Down), "#7 web-1 down since 03:12");
    assert_eq!(
        title_of("disk /data", 96.0, Direction::Up),
        "#7 Disk /data 96 % on web-1 (normal 12–35 %) since 03:12"
    );
    assert_eq!(title_of("load", 3.0, Direction::Stuck), "#7 Load stuck at 3 on web-1 since 03:12");
    assert_eq!(
        title_of("tcp_retransmits", 3.0, Direction::Up),
        "#7 tcp_retransmits 3 on web-1 (normal 12–35) since 03:12"
    );
    one.resolved_at = Some(at(220));
    one.state = IncidentState::Resolved;
    assert_eq!(title(&one), "#7 over: CPU 97 % on web-1 (normal 12–35 %), 03:12 to 03:40");
}

#[test]
fn a_broken_rule_leads_whichever_host_it_is_on() {
    let (disk, down) =
        (deviation("disk /", 35.6, Direction::Up), deviation("up", 0.0, Direction::Down));
    let mut shown = on(&["worker-2", "worker-6"], &disk);
    let member = &mut shown.members[1];
    assert_eq!(member.anomaly.host, "worker-6");
    member.anomaly = Anomaly {
        start: at(195),
        once_in_days: None,
        score: 1.0,
        metrics: vec![down],
        ..member.anomaly.clone()
    };
    let text = chat::text(&incident(&shown, &around()), chat::Style::Plain);
    assert!(text.contains("#7 worker-6 down since 03:15"), "{text}");
    for said in ["worker-2: it began there", "metric of worker-6", "reboot worker-6 incident=7"] {
        assert!(text.contains(said), "{said} in\n{text}");
    }
    let end = Some(at(198));
    shown.members[1].anomaly.end = end;
    let title = |incident: &Incident| title(incident, at(200), chrono_tz::UTC);
    assert_eq!(
        title(&shown),
        "#7 Disk / 35.6 % on worker-2 and 1 more (normal 12–35 %) since 03:12",
        "it is up again, and the disk is not well"
    );
    shown.members[0].anomaly.end = end;
    (shown.state, shown.resolved_at) = (IncidentState::Resolved, Some(at(220)));
    assert_eq!(title(&shown), "#7 over: worker-6 down, 03:15 to 03:40");
}

#[test]
fn a_card_says_what_where_since_when_and_what_helped() {
    let card = incident(&on(&["web-1"], &deviation("cpu", 97.0, Direction::Up)), &around());
    let text = chat::text(&card, chat::Style::Plain);
    for said in ["about once in 40 days", "×2, last time: restarted nginx", "03:12 (8 min)", "high"]
    {
        assert!(text.contains(said), "{said} in\n{text}");
    }
    assert_eq!(card.tone, Tone::Bad);
}

#[test]
fn whatever_a_label_says_the_card_stays_short() {
    let hostile = "<!channel>\u{202e}".repeat(500);
    let mut hostile = on(&[&hostile], &deviation(&hostile, 97.0, Direction::Up));
    let by = Signature { by: "x".repeat(9000), at: at(1) };
    hostile.notes =
        vec![crate::anomaly::incident::Note { signature: by, text: "y".repeat(9000) }; 9];
    let card = incident(&hostile, &around());
    assert!(card.title.chars().count() <= TITLE);
    let text = chat::text(&card, chat::Style::Plain);
    assert!(text.len() < 9000 && !text.contains('\u{202e}'), "{}", text.len());
}

#[test]
fn every_button_is_a_command_that_is_understood() {
    let fleet = Fleet::new(vec![Host { name: "web-1".into(), ..Host::default() }]);
    let conversation = Conversation {
        platform: Platform::Slack,
        workspace: "T1".into(),
        channel: "C1".into(),
        thread: None,
    };
    let pressed = |command: &str| Inbound {
        id: "e1".into(),
        from: UserRef { platform: Platform::Slack, workspace: "T1".into(), user: "U1".into() },
        display_name: "Ana".into(),
        message: MessageRef { conversation: conversation.clone(), message: "m1".into() },
        conversation: conversation.clone(),
        text: command.into(),
        origin: Origin::Button,
        edited: false,
        assurance: Assurance::Authenticated,
        at: at(200),
    };
    let mut shown = on(&["web-1"], &deviation("cpu", 97.0, Direction::Up));
    let mut names = Vec::new();
    for state in [IncidentState::Open, IncidentState::Acknowledged, IncidentState::Resolved] {
        (shown.state, shown.asked) = (state, true);
        let card = incident(&shown, &around());
        let pressable = card.buttons.into_iter().map(|button| button.command);
        let chosen = card.menus.into_iter().flat_map(|menu| menu.choices);
        for command in pressable.chain(chosen.map(|choice| choice.command)) {
            let now = at(200).with_timezone(&chrono_tz::UTC);
            let read = interpret(&pressed(&command), &fleet, now);
            assert!(command.len() <= MAX_COMMAND_BYTES);
            assert!(!matches!(read.intent, Intent::Unknown {}), "{command}");
            assert_eq!((read.usage, read.unknown_hosts.len()), (None, 0), "{command}");
            names.push(read.intent.name());
        }
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(
        names,
        [
            "acknowledge",
            "feedback",
            "new_normal",
            "remediate",
            "resolve",
            "silence",
            "status",
            "unacknowledge"
        ]
    );
}
