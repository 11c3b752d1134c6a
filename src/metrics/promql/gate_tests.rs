use proptest::prelude::*;

use super::*;

const ACCEPTED: &[(&str, &str)] = &[
    ("up", "up"),
    (" up ", "up"),
    ("up # the targets", "up"),
    ("1 + 1", "1 + 1"),
    ("time()", "time()"),
    ("vector(1)", "vector(1)"),
    ("node_load1 > 4", "node_load1 > 4"),
    ("node_load1 > bool 4", "node_load1 > bool 4"),
    (r#"up{job="node", instance='a:1'}"#, r#"up{instance="a:1",job="node"}"#),
    (r#"{job="node"}"#, r#"{job="node"}"#),
    (r#"{__name__="up"}"#, r#"{__name__="up"}"#),
    (r#"up{job=~".*"}"#, r#"up{job=~".*"}"#),
    (r#"up{job=~"web-(1|2)",env!="dev"}"#, r#"up{env!="dev",job=~"web-(1|2)"}"#),
    ("up offset 5m", "up offset 5m"),
    ("up offset -5m", "up offset -5m"),
    ("up @ 1700000000", "up @ 1700000000.000"),
    ("up @ end()", "up @ end()"),
    ("rate(http_requests_total[5m])", "rate(http_requests_total[5m])"),
    ("rate(http_requests_total[31d])", "rate(http_requests_total[31d])"),
    ("sum by (job) (rate(a[5m]))", "sum by (job) (rate(a[5m]))"),
    ("sum(rate(a[5m])) by (job)", "sum by (job) (rate(a[5m]))"),
    ("sum by () (a)", "sum(a)"),
    ("topk(5, a)", "topk(5, a)"),
    (r#"count_values("version", build_version)"#, r#"count_values("version", build_version)"#),
    ("absent(up)", "absent(up)"),
    ("a / on (instance) group_left (job) b", "a / on (instance) group_left (job) b"),
    ("a and b or c unless d", "a and b or c unless d"),
    ("a * ignoring () b", "a * b"),
    ("max_over_time(rate(a[5m])[1h:1m])", "max_over_time(rate(a[5m])[1h:1m])"),
    ("avg_over_time(a[1w:10m])", "avg_over_time(a[1w:10m])"),
    (
        "histogram_quantile(0.9, sum by (le) (rate(a_bucket[5m])))",
        "histogram_quantile(0.9, sum by (le) (rate(a_bucket[5m])))",
    ),
    ("-a", "-a"),
    ("-1 ^ 2", "-1 ^ 2"),
    ("0x10 + 1e3", "16 + 1000"),
    ("a > Inf", "a > Inf"),
    ("a{b=\"\\\"} or up{\"}", "a{b=\"\\\"} or up{\"}"),
    (r#"a{b="\x41\u00e9"}"#, "a{b=\"Aé\"}"),
    ("job:rate:sum", "job:rate:sum"),
    ("predict_linear(a[1h], 3600)", "predict_linear(a[1h], 3600)"),
    ("label_value", "label_value"),
];

#[test]
fn a_reasonable_query_passes_in_its_canonical_form() {
    for (text, canonical) in ACCEPTED {
        let passed = gate(text, &Limits::default()).map(|gated| gated.as_str().to_owned());
        assert_eq!(passed.as_deref(), Ok(*canonical), "{text}");
        assert_eq!(gate(canonical, &Limits::default()).unwrap().as_str(), *canonical);
    }
}

type Expected = fn(&GateRefusal) -> bool;

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn a_hostile_query_is_refused() {
    let many = |piece: &str, times: usize| piece.repeat(times);
    let nested = |open: &str, inner: &str, close: &str, times: usize| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    let rows: Vec<(String, Expected)> = vec![
        (String::new(), |r| *r == GateRefusal::Empty),
        (" \n\t ".into(), |r| *r == GateRefusal::Empty),
        (many("a", 4097), |r| *r == GateRefusal::TooLong(4097, 4096)),
        (many("🦀", 40_000), |r| matches!(r, GateRefusal::TooLong(..))),
        ("up\u{0}".into(), |r| *r == GateRefusal::Invisible),
        ("up\u{202e}".into(), |r| *r == GateRefusal::Invisible),
        ("u\u{200b}p".into(), |r| *r == GateRefusal::Invisible),
        ("up{a=\"\u{feff}\"}".into(), |r| *r == GateRefusal::Invisible),
        ("up\u{1b}[2J".into(), |r| *r == GateRefusal::Invisible),
        (r#"up{instance="Sa\atefc"}"#.into(), |r| *r == GateRefusal::Invisible),
        (r#"up{instance="\u200b"}"#.into(), |r| *r == GateRefusal::Invisible),
        // Selectors that match everything.
        ("{}".into(), |r| matches!(r, GateRefusal::Syntax(_) | GateRefusal::TooBroad(_))),
        (r#"{__name__=~".+"}"#.into(), |r| *r == GateRefusal::NamePattern),
        (r#"{__name__=~"node_.*",job="a"}"#.into(), |r| *r == GateRefusal::NamePattern),
        (r#"{__name__!="up"}"#.into(), |r| matches!(r, GateRefusal::Syntax(_))),
        (r#"{__name__!="up",job="a"}"#.into(), |r| *r == GateRefusal::NamePattern),
        (r#"{__name__!~"up",job="a"}"#.into(), |r| *r == GateRefusal::NamePattern),
        (r#"{"__name__"=~".+"}"#.into(), |r| *r == GateRefusal::NamePattern),
        (r#"{job=~".*"}"#.into(), |r| matches!(r, GateRefusal::Syntax(_))),
        (r#"{job=~".+"}"#.into(), |r| matches!(r, GateRefusal::TooBroad(_))),
        (r#"{job=~"a.*|[^a].*"}"#.into(), |r| matches!(r, GateRefusal::TooBroad(_))),
        (r#"{job!=""}"#.into(), |r| matches!(r, GateRefusal::TooBroad(_))),
        (r#"{job!~""}"#.into(), |r| matches!(r, GateRefusal::TooBroad(_))),
        (r#"{job=""}"#.into(), |r| matches!(r, GateRefusal::Syntax(_))),
        (r#"{job="",env!=""}"#.into(), |r| matches!(r, GateRefusal::TooBroad(_))),
        (r#"count({job=~".+"})"#.into(), |r| matches!(r, GateRefusal::TooBroad(_))),
        (r#"rate({job=~".+"}[5m])"#.into(), |r| matches!(r, GateRefusal::TooBroad(_))),
        (r#"topk(scalar(count({job=~".+"})), up)"#.into(), |r| {
            matches!(r, GateRefusal::TooBroad(_))
        }),
        (r#"up or -(({job=~".+"}))"#.into(), |r| matches!(r, GateRefusal::TooBroad(_))),
        (r#"max_over_time({job=~".+"}[1h:1m])"#.into(), |r| matches!(r, GateRefusal::TooBroad(_))),
        (r#"{job="a" or job=~".+"}"#.into(), |r| {
            *r == GateRefusal::Extension("`or` between matchers")
        }),
        (r#"up{job="a" or job="b"}"#.into(), |r| {
            *r == GateRefusal::Extension("`or` between matchers")
        }),
        // Ranges, offsets and subqueries.
        ("rate(a[32d])".into(), |r| *r == GateRefusal::TooFar(31)),
        ("rate(a[10y])".into(), |r| *r == GateRefusal::TooFar(31)),
        ("up offset 32d".into(), |r| *r == GateRefusal::TooFar(31)),
        ("up offset -1y".into(), |r| *r == GateRefusal::TooFar(31)),
        ("rate(a[5m] offset 1y)".into(), |r| *r == GateRefusal::TooFar(31)),
        ("avg_over_time(a[1y:1d])".into(), |r| *r == GateRefusal::TooFar(31)),
        ("avg_over_time(a[1h:1m] offset 1y)".into(), |r| *r == GateRefusal::TooFar(31)),
        ("avg_over_time(a[1d:1s])".into(), |r| *r == GateRefusal::TooManyPoints(86_401, 11_000)),
        ("avg_over_time(a[31d:])".into(), |r| matches!(r, GateRefusal::TooManyPoints(..))),
        ("avg_over_time(a[1h:1ms])".into(), |r| matches!(r, GateRefusal::TooManyPoints(..))),
        ("max_over_time(avg_over_time(a[1h:1m])[1h:1m])".into(), |r| {
            *r == GateRefusal::NestedSubquery
        }),
        ("max_over_time(rate(a[31d])[31d:5m])".into(), |r| {
            matches!(r, GateRefusal::TooManySamples(..))
        }),
        ((0..8).map(|n| format!("rate(a{n}[31d])")).collect::<Vec<_>>().join("+"), |r| {
            matches!(r, GateRefusal::TooManySamples(..))
        }),
        (many("a+", 11) + "a", |r| *r == GateRefusal::TooComplex("selectors")),
        // Durations that make the parser panic, or that it misreads.
        ("a[1e99]".into(), |r| *r == GateRefusal::Duration),
        ("a[99999999999999999999]".into(), |r| *r == GateRefusal::Duration),
        ("a[99999999999d5m]".into(), |r| *r == GateRefusal::Duration),
        ("a[5m:1e99]".into(), |r| *r == GateRefusal::Duration),
        ("a[-5m]".into(), |r| *r == GateRefusal::Duration),
        ("a[0xffffffffffffff]".into(), |r| *r == GateRefusal::Duration),
        ("a offset 1e99".into(), |r| *r == GateRefusal::Duration),
        ("a offset Inf".into(), |r| *r == GateRefusal::Duration),
        ("a offset -NaN".into(), |r| *r == GateRefusal::Duration),
        ("a OFFSET # 5m\n 1e99".into(), |r| *r == GateRefusal::Duration),
        ("a offset 99999999999".into(), |r| *r == GateRefusal::Duration),
        ("a offset .5e30".into(), |r| *r == GateRefusal::Duration),
        ("a[0]".into(), |r| matches!(r, GateRefusal::Syntax(_) | GateRefusal::Ambiguous)),
        ("a @ -1".into(), |r| *r == GateRefusal::Ambiguous),
        ("a @ 1e300".into(), |r| *r == GateRefusal::Time),
        ("a @ 99999999999".into(), |r| *r == GateRefusal::Time),
        ("a @ NaN".into(), |r| matches!(r, GateRefusal::Syntax(_))),
        // Deep and long.
        (nested("(", "up", ")", 1000), |r| *r == GateRefusal::TooComplex("nested brackets")),
        (nested("abs(", "up", ")", 25), |r| *r == GateRefusal::TooComplex("nested brackets")),
        (many("(", 4096), |r| *r == GateRefusal::TooComplex("nested brackets")),
        (many("-", 4095) + "1", |r| *r == GateRefusal::TooComplex("operators")),
        (many("- ", 2000) + "up", |r| *r == GateRefusal::TooComplex("operators")),
        (many("1+", 2000) + "1", |r| *r == GateRefusal::TooComplex("operators")),
        (many("1^", 2000) + "1", |r| *r == GateRefusal::TooComplex("operators")),
        (many("a or ", 800) + "a", |r| *r == GateRefusal::TooComplex("operators")),
        (many("a AND\n", 600) + "a", |r| *r == GateRefusal::TooComplex("operators")),
        (format!("a{}", many("[1m:]", 800)), |r| *r == GateRefusal::TooComplex("ranges")),
        (many("[", 4096), |r| *r == GateRefusal::Duration),
        (many("{", 4096), |r| *r == GateRefusal::TooComplex("nested brackets")),
        (format!("a{{b=~\"(a|{}){{9}}\"}}", many("c", 600)), |r| *r == GateRefusal::Pattern),
        (format!("a{{b!~\"{}\"}}", many(r"\\w", 200)), |r| *r == GateRefusal::Pattern),
        (format!("a{{{}}}", many(r#"b=~"\\pL{9}","#, 20)), |r| *r == GateRefusal::Pattern),
        (r#"a{b=~"(((\\pL{1000}){1000}){1000})"}"#.into(), |r| *r == GateRefusal::Pattern),
        (r#"a{b=~"("}"#.into(), |r| *r == GateRefusal::Pattern),
        // Labels made up.
        (r#"label_replace(up, "instance", "db-1", "", "")"#.into(), |r| {
            *r == GateRefusal::Function("label_replace")
        }),
        (r#"sum(label_join(up, "a", "b", "c"))"#.into(), |r| {
            *r == GateRefusal::Function("label_join")
        }),
        // Not numbers.
        ("a[5m]".into(), |r| *r == GateRefusal::ResultType("a range of samples")),
        ("a[5m:1m]".into(), |r| *r == GateRefusal::ResultType("a range of samples")),
        (r#""text""#.into(), |r| *r == GateRefusal::ResultType("text")),
        // Not PromQL.
        ("up; drop table hosts".into(), |r| matches!(r, GateRefusal::Syntax(_))),
        ("up up".into(), |r| matches!(r, GateRefusal::Syntax(_))),
        ("up{job=“a”}".into(), |r| matches!(r, GateRefusal::Syntax(_))),
        ("up{job=\"a".into(), |r| matches!(r, GateRefusal::Syntax(_))),
        ("up{job=\"a\\".into(), |r| matches!(r, GateRefusal::Syntax(_))),
        ("up{job=\"\\q\"}".into(), |r| matches!(r, GateRefusal::Syntax(_))),
        ("nosuchfunction(up)".into(), |r| matches!(r, GateRefusal::Syntax(_))),
        ("rate(up)".into(), |r| matches!(r, GateRefusal::Syntax(_))),
        ("WITH (x = up) x".into(), |r| matches!(r, GateRefusal::Syntax(_))),
        ("up default 0".into(), |r| matches!(r, GateRefusal::Syntax(_))),
        ("a + fill(0) b".into(), |r| *r == GateRefusal::Extension("`fill`")),
        (r#"{"my metric"}"#.into(), |_| true),
        ("ｕｐ".into(), |r| matches!(r, GateRefusal::Syntax(_))),
    ];
    assert!(rows.len() >= 60);
    for (text, expected) in rows {
        let shown: String = text.chars().take(80).collect();
        match gate(&text, &Limits::default()) {
            Ok(gated) if text == r#"{"my metric"}"# => {
                assert_eq!(gated.as_str(), r#"{__name__="my metric"}"#);
            }
            Ok(gated) => panic!("{shown} passed as {}", gated.as_str()),
            Err(refusal) => {
                assert!(expected(&refusal), "{shown}: {refusal:?}");
                assert!(!refusal.to_string().contains('\n') && refusal.to_string().len() < 300);
            }
        }
    }
}

#[test]
fn patterns_have_a_budget_together() {
    // A class is the largest thing that can be written in few characters.
    let query = |classes: usize| format!(r#"a{{b=~"{}"}}"#, r"\\w".repeat(classes));
    assert!(gate(&query(115), &Limits::default()).is_ok());
    assert_eq!(gate(&query(120), &Limits::default()), Err(GateRefusal::Pattern));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn any_text_gets_an_answer(text in ".{0,200}") {
        let _ = gate(&text, &Limits::default());
    }

    #[test]
    fn any_row_of_tokens_gets_an_answer(
        tokens in proptest::collection::vec(proptest::sample::select(&[
            "up", "a:b", "{", "}", "(", ")", "[", "]", "5m", "1e99", "0x1", "1.5", ":", ",", "-",
            "+", "^", "==", "=~", "!~", "!=", "=", "\"x\"", "'\\''", "`y`", "\".+\"", " or ", "and",
            "offset", "@", "start", "end", "()", "by", "without", "on", "ignoring", "group_left",
            "bool", "sum", "topk", "rate", "quantile", "count_values", "label_replace", "exp", "ln",
            "NaN", "Inf", "#", "\n", " ", "job", "__name__", "fill", "\\", "é", "\u{0}",
        ][..]), 0..24)
    ) {
        let text = tokens.concat();
        if let Ok(gated) = gate(&text, &Limits::default()) {
            // What passes is stable: its canonical form passes unchanged.
            prop_assert_eq!(&gate(gated.as_str(), &Limits::default()), &Ok(gated));
        }
    }
}
