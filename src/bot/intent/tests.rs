//! The labelled set: what people say, and what must be understood.

use std::fmt::Write as _;

use chat::{Assurance, Conversation, Inbound, MessageRef, Origin, Platform, UserRef};
use chrono::{DateTime, TimeZone, Utc};

use super::*;
use crate::metrics::{Fleet, Host};

fn fleet() -> Fleet {
    let host = |name: &str, role: &str, environment: &str| Host {
        name: name.into(),
        aliases: vec![],
        instances: vec![format!("{name}:9100")],
        role: Some(role.into()),
        environment: Some(environment.into()),
        up: true,
        ..Host::default()
    };
    Fleet::new(vec![
        host("web-1", "web", "prod"),
        host("web-2", "web", "prod"),
        host("web-3", "web", "prod"),
        host("web-4", "web", "prod"),
        host("web-5", "web", "staging"),
        host("web-6", "web", "staging"),
        host("db-1", "db", "prod"),
        host("db-2", "db", "staging"),
        host("worker-1", "worker", "prod"),
        host("worker-2", "worker", "prod"),
        host("worker-3", "worker", "staging"),
    ])
}

fn event(text: &str) -> Inbound {
    let conversation = Conversation {
        platform: Platform::Slack,
        workspace: "T1".into(),
        channel: "C1".into(),
        thread: None,
    };
    Inbound {
        id: "e1".into(),
        from: UserRef { platform: Platform::Slack, workspace: "T1".into(), user: "U1".into() },
        display_name: "Ana".into(),
        message: MessageRef { conversation: conversation.clone(), message: "m1".into() },
        conversation,
        text: text.into(),
        origin: Origin::Addressed,
        edited: false,
        assurance: Assurance::Authenticated,
        at: Utc.with_ymd_and_hms(2026, 3, 4, 15, 0, 0).unwrap(),
    }
}

/// Wednesday, 16:00 in Berlin.
fn now() -> DateTime<chrono_tz::Tz> {
    chrono_tz::Europe::Berlin.with_ymd_and_hms(2026, 3, 4, 16, 0, 0).unwrap()
}

fn read(text: &str) -> Interpretation {
    interpret(&event(text), &fleet(), now())
}

/// Every row of the labelled set: text, name, arguments.
fn rows() -> Vec<(String, &'static str, &'static str)> {
    include_str!("../../../tests/intents.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut parts = line.split('\t');
            let text = parts.next().unwrap();
            let text = text.replace("\\n", "\n").replace("\\u{200b}", "\u{200b}");
            (text, parts.next().unwrap(), parts.next().unwrap())
        })
        .collect()
}

fn acts(intent: &Intent) -> bool {
    matches!(
        intent,
        Intent::Remediate { .. }
            | Intent::Approve { .. }
            | Intent::Reject { .. }
            | Intent::Grant { .. }
            | Intent::Revoke { .. }
            | Intent::Verify { .. }
    )
}

#[test]
fn the_labelled_set_is_understood_as_labelled() {
    let rows = rows();
    assert!(rows.len() >= 350, "{} rows", rows.len());
    let mut wrong = String::new();
    for (text, name, args) in &rows {
        let found = serde_json::to_value(&read(text).intent).unwrap();
        let expected: serde_json::Value = serde_json::from_str(args).unwrap();
        if found["name"] != *name || found["args"] != expected {
            let _ = writeln!(wrong, "{text}\n  expected {name} {args}\n  found    {found}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn at_least_120_rows_speak_of_acting_and_do_not_act() {
    let verbs =
        ["restart", "reboot", "approve", "reject", "grant", "revoke", "scal", "stop", "start"];
    let count = rows()
        .iter()
        .filter(|(text, ..)| {
            let lower = text.to_lowercase();
            verbs.iter().any(|verb| lower.contains(verb)) && !acts(&read(text).intent)
        })
        .count();
    assert!(count >= 120, "{count}");
}

#[test]
fn whatever_acts_does_not_act_edited_overheard_quoted_pasted_or_asked() {
    for (text, ..) in rows() {
        if !acts(&read(&text).intent) {
            continue;
        }
        let mut edited = event(&text);
        edited.edited = true;
        let mut overheard = event(&text);
        overheard.origin = Origin::Overheard;
        for event in [edited, overheard] {
            assert!(!acts(&interpret(&event, &fleet(), now()).intent), "{text}");
        }
        let bare = text.trim_start_matches(['/', '!']).trim_start_matches("ops ");
        for other in [
            format!("> {bare}"),
            format!("&gt; {bare}"),
            format!("```{bare}```"),
            format!("```\n{bare}\n```"),
            format!("look at this\n{bare}"),
            format!("{bare}\n{bare}"),
            format!("{bare} and restart nginx on web-1"),
            format!("bob said {bare}"),
            format!("bob said: {bare}"),
            format!("don't {bare}"),
            format!("do not {bare}"),
            format!("never {bare}"),
            format!("should we {bare}?"),
            format!("what happens if I {bare}"),
            format!("how do I {bare}"),
            format!("if cpu is high {bare}"),
            format!("maybe {bare}"),
            format!("I want to {bare}"),
            format!("{bare}{}", " ".repeat(1_100)),
            format!("• {bare}"),
            format!("// {bare}"),
            format!("✅ {bare}"),
            format!("$ {bare}"),
            format!("Re: {bare}"),
        ] {
            let found = read(&other);
            assert!(!acts(&found.intent), "{other:?} → {found:?}");
        }
        if !text.contains(['"', '`']) {
            for other in [
                format!("\"{bare}\""),
                format!("“{bare}”"),
                format!("`{bare}`"),
                format!("'{bare}'"),
                format!("he wrote \"{bare}\""),
            ] {
                // One word in quotes is still that word: it has no arguments to act with.
                let found = read(&other);
                assert!(!acts(&found.intent) || found.usage.is_some(), "{other:?} → {found:?}");
            }
        }
    }
}

#[test]
fn what_was_left_out_is_said() {
    for (text, note) in [
        ("cpu on web-1 frobnicated", "I left out `frobnicated`, which I do not know."),
        ("disk /data on db-1", "This is every file system, not only `/data`."),
        ("disk over 80%", "I do not filter by a value: this is every host."),
        ("cpu on web-1 an hour ago", "I took the time from then until now, not that moment."),
    ] {
        assert_eq!(read(text).notes, [note], "{text}");
    }
}

#[test]
fn a_button_says_the_same_as_words() {
    let mut pressed = event("approve 7F3K");
    pressed.origin = Origin::Button;
    let found = interpret(&pressed, &fleet(), now());
    assert_eq!(found.intent, Intent::Approve { code: Some("7F3K".into()), reason: None });
}

#[test]
fn a_host_that_does_not_exist_is_shown_as_it_was_written_with_the_nearest_names() {
    let unknown = |text: &str| read(text).unknown_hosts;
    assert_eq!(
        unknown("cpu on web-99"),
        [UnknownHost {
            name: "web-99".into(),
            nearest: vec!["web-1".into(), "web-2".into(), "web-3".into()]
        }]
    );
    assert_eq!(unknown("restart nginx on wbe-1")[0].name, "wbe-1");
    assert_eq!(unknown("cpu on w\u{435}b-1")[0].name, "w\\u{435}b-1");
    assert_eq!(unknown("cpu on web-1\u{200b}")[0].name, "web-1\\u{200b}");
    assert_eq!(unknown("restart nginx on \u{202e}web-1")[0].name, "\\u{202e}web-1");
    assert!(unknown("restart nginx on web-1").is_empty());
    let long = format!("cpu on web-{}", "9".repeat(500));
    assert!(unknown(&long)[0].name.chars().count() <= 80);
}

#[test]
fn corrections_are_shown_back() {
    for (text, note) in [
        ("meomry of web-1", "I read `meomry` as memory."),
        ("cpu of wbe-1", "I read `wbe-1` as web-1."),
        ("restrat nginx on web-1", "I read the first word as restart."),
    ] {
        assert_eq!(read(text).notes, [note], "{text}");
    }
}

#[test]
fn what_is_told_in_a_channel_is_said_in_plain_words() {
    use crate::anomaly::incident::Severity;
    let quiet = |hours: &str| ChannelChange::Quiet(hours.parse().ok());
    for (text, change) in [
        ("channel incidents on", ChannelChange::Incidents(true)),
        ("please channel incidents off", ChannelChange::Incidents(false)),
        ("channel severity high", ChannelChange::Severity(Severity::High)),
        ("channel severity all", ChannelChange::Severity(Severity::Low)),
        ("channel environment PROD", ChannelChange::Environment(Some("prod".into()))),
        ("channel environment all", ChannelChange::Environment(None)),
        ("channel quiet 22:00-07:00", quiet("22:00-07:00")),
        ("channel quiet from 22:00 to 07:00", quiet("22:00-07:00")),
        ("channel quiet 22:00 – 07:30", quiet("22:00-07:30")),
        ("channel quiet off", ChannelChange::Quiet(None)),
        ("/ops channel reset", ChannelChange::Reset),
    ] {
        let read = read(text);
        assert_eq!(read.intent, Intent::Channel { change: Some(change) }, "{text}");
        assert_eq!(read.usage, None, "{text}");
    }
    assert_eq!(read("channel").intent, Intent::Channel { change: None });
    for text in ["channel quiet late", "channel severity loud", "channel incidents"] {
        assert!(read(text).usage.is_some_and(|usage| usage.contains("channel quiet")), "{text}");
    }
    let edited = Inbound { edited: true, ..event("channel incidents off") };
    let intent = interpret(&edited, &fleet(), now()).intent;
    assert!(!matches!(intent, Intent::Channel { change: Some(_) }), "{intent:?}");
}

#[test]
fn what_is_missing_is_said_with_an_example() {
    for text in [
        "restart nginx",
        "reboot",
        "approve",
        "reject",
        "silence",
        "ack",
        "resolve",
        "grant viewer",
        "revoke slack:T1:U1",
        "scale workers",
        "metric",
        "query",
        "free disk",
        "metric cpu window=5x",
        "metric cpu --frobnicate",
        "cpu on web-1 at 9am",
        "cpu on web-1 from 9 to 10",
        "cpu on web-1 next week",
        "cpu on web-1 tomorrow",
        "cpu on web-1 last 0 minutes",
        "cpu on web-1 last 99999 days",
        "reboot web-1 action=stop",
        "reboot web-1 count=5",
        "reboot web-1 limit=1",
        "scale web to 6 host=web-1",
        "scale web count=6 delta=2",
        "scale group=web count=6 action=reboot",
        "remediate action=reboot host=web-1 action=stop",
        "approve 7F3K, 9A2B",
        "metric cpu limit=-1",
        "metric cpu window=abc",
        "metric cpu stat=foo",
        "metric cpu hosst=web-1",
    ] {
        assert!(read(text).usage.is_some(), "{text}");
    }
}

#[test]
fn on_one_machine_this_machine_is_all_there_is() {
    let one = Fleet::new(vec![Host { name: "laptop".into(), up: true, ..Host::default() }]);
    for text in
        ["cpu here", "cpu of this machine", "cpu on localhost", "memory on this host last hour"]
    {
        let found = interpret(&event(text), &one, now());
        assert!(found.intent.hosts().is_empty() && found.unknown_hosts.is_empty(), "{text}");
    }
    // An effect says what it touches.
    let found = interpret(&event("restart nginx on this machine"), &one, now());
    assert_eq!(found.intent.hosts(), ["laptop"]);
}

#[test]
fn other_fleets_have_other_names() {
    let host = |name: &str| Host { name: name.into(), up: true, ..Host::default() };
    let fleet = Fleet::new(
        [
            "app01.example.com",
            "app02.example.com",
            "ip-10-0-3-7",
            "node",
            "backup",
            "10.0.0.9",
            "PC-1",
        ]
        .map(host)
        .to_vec(),
    );
    for (text, hosts) in [
        ("cpu on app01.example.com", &["app01.example.com"][..]),
        ("cpu on app01", &["app01.example.com"]),
        ("app02 memory", &["app02.example.com"]),
        ("cpu of the app servers", &["app01.example.com", "app02.example.com"]),
        ("cpu on ip-10-0-3-7 last hour", &["ip-10-0-3-7"]),
        ("cpu on node", &["node"]),
        ("which node has the highest cpu", &[]),
        ("disk of backup", &["backup"]),
        ("cpu of 10.0.0.9", &["10.0.0.9"]),
        ("cpu on pc-1", &["PC-1"]),
        ("status", &[]),
    ] {
        let found = interpret(&event(text), &fleet, now());
        assert_eq!(found.intent.hosts(), hosts, "{text}");
        assert!(found.unknown_hosts.is_empty(), "{text}");
    }
    let padded: Vec<Host> = (1..=20).map(|number| host(&format!("web-{number:02}"))).collect();
    let padded = Fleet::new(padded);
    for (text, hosts) in [
        ("cpu of web-08 to web-11", &["web-08", "web-09", "web-10", "web-11"][..]),
        ("cpu of web-01, web-02", &["web-01", "web-02"]),
        ("cpu of wbe-07", &["web-07"]),
    ] {
        let found = interpret(&event(text), &padded, now());
        assert_eq!(found.intent.hosts(), hosts, "{text}");
        assert!(found.unknown_hosts.is_empty(), "{text}");
    }
    // A short name is enough to ask, not to act.
    let found = interpret(&event("restart nginx on app01"), &fleet, now());
    assert_eq!(found.unknown_hosts.len(), 1);
}

#[test]
fn an_empty_fleet_refuses_every_host() {
    let none = Fleet::default();
    assert_eq!(interpret(&event("cpu on web-1"), &none, now()).unknown_hosts.len(), 1);
    assert!(acts(&interpret(&event("restart nginx on web-1"), &none, now()).intent));
}

#[test]
fn a_query_is_taken_verbatim() {
    for (text, promql) in [
        ("query sum(up{job=\"A\"}) by (x)", "sum(up{job=\"A\"}) by (x)"),
        ("QUERY  up ", "up"),
        ("/ops query up{a=“b”}", "up{a=“b”}"),
        ("query `up`", "up"),
        ("promql: rate(x[5m])", "rate(x[5m])"),
        ("query a\n+ b", "a\n+ b"),
    ] {
        assert_eq!(read(text).intent, Intent::Query { promql: promql.into() }, "{text}");
    }
}

#[test]
fn hostile_texts_are_read_in_bounded_time() {
    let texts = [
        "cpu ".repeat(2_600_000),
        "🔥".repeat(40_000),
        "\u{301}".repeat(40_000),
        "\0".repeat(40_000),
        "a".repeat(10_000_000),
        "web-9 ".repeat(100_000),
        "\"".repeat(100_000),
        "<@".repeat(100_000),
        "*-".repeat(100_000),
        "=".repeat(100_000),
        format!("restart nginx on web-1 {}", "web-1 ".repeat(100_000)),
        format!("query {}", "x".repeat(10_000_000)),
    ];
    for text in texts {
        let event = event(&text);
        let start = std::time::Instant::now();
        let found = interpret(&event, &fleet(), now());
        assert!(!acts(&found.intent));
        assert!(start.elapsed().as_millis() < 500, "{:.20} took {:?}", text, start.elapsed());
    }
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn imperative() -> impl Strategy<Value = String> {
        let host = prop::sample::select(vec![
            "web-1",
            "db-2",
            "worker-3",
            "web-1 and web-2",
            "the web servers",
        ]);
        let service = prop::sample::select(vec!["nginx", "redis", "php-fpm", "postgresql"]);
        prop_oneof![
            (service, host.clone())
                .prop_map(|(service, host)| format!("restart {service} on {host}")),
            host.prop_map(|host| format!("reboot {host}")),
            (1..50u32).prop_map(|count| format!("scale workers to {count}")),
            "[2-9][A-Z][2-9][A-Z]".prop_map(|code| format!("approve {code}")),
            "[2-9][A-Z][2-9][A-Z]".prop_map(|code| format!("reject {code} too risky")),
            "U[0-9]{3}".prop_map(|user| format!("grant operator slack:T1:{user}")),
            "U[0-9]{3}".prop_map(|user| format!("revoke viewer from slack:T1:{user}")),
        ]
    }

    const PREFIXES: &[&str] = &[
        "don't ",
        "do not ",
        "never ",
        "please don't ",
        "should we ",
        "should I ",
        "what if we ",
        "what happens if you ",
        "why did you ",
        "how do I ",
        "when should I ",
        "is it safe to ",
        "can I ",
        "could we ",
        "may I ",
        "if it fails, ",
        "bob said ",
        "the docs say to ",
        "he told me to ",
        "I want to ",
        "we might ",
        "maybe ",
        "I would like to ",
        "no need to ",
        "> ",
        "```",
        "here:\n",
        "\"",
        "“",
        "'",
        "`",
        "did someone ",
        "who wanted to ",
        "unless it works ",
        "I will ",
        "let's ",
        "tell me how to ",
        "@bob ",
        "stop asking me to ",
        "please avoid to ",
        "someone should ",
        "run `",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_plain_imperative_acts(text in imperative()) {
            let found = read(&text);
            prop_assert!(acts(&found.intent) && found.usage.is_none(), "{text} → {found:?}");
        }

        #[test]
        fn after_a_quote_a_negation_or_a_question_it_does_not(
            prefix in prop::sample::select(PREFIXES),
            text in imperative(),
            end in prop::sample::select(vec!["", "?", ".", "!", " please"]),
        ) {
            let text = format!("{prefix}{text}{end}");
            prop_assert!(!acts(&read(&text).intent), "{text}");
        }

        #[test]
        fn asked_without_a_please_it_does_not(text in imperative()) {
            let text = format!("{text}?");
            prop_assert!(!acts(&read(&text).intent), "{text}");
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,200}") {
            let _ = read(&text);
        }

        #[test]
        fn a_mix_of_known_words_names_no_host_that_is_not_there(words in prop::collection::vec(
            prop_oneof![
                prop::sample::select(vec![
                    "cpu", "memory", "last", "since", "30m", "half", "an", "hour", "and", "a", "web-1", "web-*",
                    "to", "web-9", "on", "the", "top", "3", "host=", "--window", "-n", "reason=\"x", "\"", "'", "`",
                    "restart", "nginx", "approve", "7F3K", "scale", "by", "-2", "+3", "at", "9am", "14:30", "99:99",
                    "monday", "yesterday", "this", "incident", "#", "#1", "<@U1>", "<http://a|b>", "silence", "until",
                    "tomorrow", "except", "all", "hosts", "web", "1", "?", "…", "\u{200b}", "wеb-1", ",", "\n", "grant",
                    "operator", "slack:T1:U1", "in", "prod", "free", "disk", "2026-01-01", "0", "999999", "1.5", "days",
                ]).prop_map(ToOwned::to_owned),
                "\\PC{0,6}",
            ], 0..12)) {
            let fleet = fleet();
            let found = read(&words.join(" "));
            for host in found.intent.hosts() {
                prop_assert!(
                    fleet.find(host).is_some_and(|known| known.name == *host)
                        || found.unknown_hosts.iter().any(|unknown| unknown.name == *host),
                    "{:?} → {:?}", words, found
                );
            }
            // Nothing that changes a host may leave out which.
            if let Intent::Remediate { action, hosts, .. } = &found.intent {
                prop_assert!(
                    *action == ActionName::Scale || !hosts.is_empty() || found.usage.is_some(),
                    "{:?} → {:?}", words, found
                );
            }
        }

        #[test]
        fn a_typed_metric_reads_back(
            signal in prop::sample::select(crate::metrics::Signal::ALL.to_vec()),
            stat in prop::sample::select(crate::metrics::Stat::ALL.to_vec()),
            host in prop::sample::select(vec!["web-1", "web-6", "db-1", "worker-2"]),
            count in 1..300u32,
            unit in prop::sample::select(vec!["s", "m", "h", "d"]),
        ) {
            let window = format!("{count}{unit}");
            let text = format!("metric {signal} host={host} stat={} window={window}", stat.as_str());
            let expected = Intent::Metric {
                metric: signal,
                stat,
                hosts: vec![host.into()],
                window: Some(window.parse().unwrap()),
                order: None,
                limit: None,
                chart: false,
            };
            prop_assert_eq!(read(&text).intent, expected, "{}", text);
        }
    }
}
