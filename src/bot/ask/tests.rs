use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::Request, http::StatusCode, response::IntoResponse as _};
use chat::{Assurance, Conversation, Inbound, MessageRef, Origin, Platform};
use serde_json::{Value, json};

use super::*;
use crate::{
    bot::{Bot, Reply},
    clock::Clock,
    config::Config,
    format,
};

/// Noon of a Thursday, in seconds since 1970.
const NOW: i64 = 1_767_268_800;
const DAY: i64 = 86_400;

/// A question to the server.
#[derive(Clone, Debug, Default)]
struct Asked {
    query: String,
    /// The ends and the step of a range.
    range: Option<(i64, i64, i64)>,
}

/// A bot and the Prometheus it asks.
struct Room {
    bot: Bot,
    asked: Arc<Mutex<Vec<Asked>>>,
    _directory: tempfile::TempDir,
}

/// A bot whose Prometheus knows these hosts and answers as `tell` does; nothing is a 503.
async fn room(
    hosts: &[&str],
    settings: &str,
    tell: impl Fn(&Asked) -> Option<Vec<Value>> + Send + Sync + 'static,
) -> Room {
    let machines: Vec<Value> = hosts
        .iter()
        .map(|host| json!({ "metric": labels(host, None), "value": [NOW, "1"] }))
        .collect();
    let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
    let (heard, tell) = (asked.clone(), Arc::new(tell));
    let server = Router::new().fallback(move |request: Request| {
        let (heard, tell, machines) = (heard.clone(), tell.clone(), machines.clone());
        async move {
            let parameters: BTreeMap<String, String> =
                url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
                    .into_owned()
                    .collect();
            let query = parameters.get("query").cloned().unwrap_or_default();
            let number =
                |name: &str| parameters.get(name).and_then(|text| text.parse::<f64>().ok());
            let range = number("start").zip(number("end")).zip(number("step"));
            let range = range.map(|((start, end), step)| (start as i64, end as i64, step as i64));
            let about_machines = query.starts_with("node_uname_info") || query.starts_with("up");
            let result = if about_machines {
                Some(machines)
            } else {
                let asked = Asked { query, range };
                heard.lock().unwrap().push(asked.clone());
                tell(&asked)
            };
            match result {
                Some(result) => {
                    let body = json!({ "status": "success", "data": { "result": result } });
                    body.to_string().into_response()
                }
                None => (StatusCode::SERVICE_UNAVAILABLE, "busy").into_response(),
            }
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, server).await });
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        "[bot]\ntimezone = \"UTC\"\n[store]\nurl = \"sqlite:{}/bot.db\"\n[metrics.prometheus]\nurl = \
         \"{url}\"\n{settings}",
        directory.path().display()
    );
    let clock = Clock::fixed(chrono::DateTime::from_timestamp(NOW, 0).unwrap());
    let app = App::build(Config::parse(&text).unwrap(), clock).await.unwrap();
    Room { bot: Bot::new(app), asked, _directory: directory }
}

impl Room {
    async fn hears(&self, text: &str) -> Reply {
        let from = crate::people::console_user();
        let conversation = Conversation {
            platform: Platform::Console,
            workspace: from.workspace.clone(),
            channel: "ask".to_owned(),
            thread: None,
        };
        let event = Inbound {
            id: "1".to_owned(),
            display_name: from.user.clone(),
            from,
            message: MessageRef { conversation: conversation.clone(), message: "1".to_owned() },
            conversation,
            text: text.to_owned(),
            origin: Origin::Addressed,
            edited: false,
            assurance: Assurance::Authenticated,
            at: self.bot.app().clock.now(),
        };
        self.bot.answer(&event, false).await
    }

    /// The answer, and all of its words.
    async fn answers(&self, text: &str) -> (Answer, String) {
        let reply = self.hears(text).await;
        let answer = reply.outcome.unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
        let words = chat::text(&answer.card, chat::Style::Plain);
        (answer, words)
    }

    fn ranges(&self) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.range.is_some()).cloned().collect()
    }
}

fn labels(host: &str, part: Option<&str>) -> Value {
    match part {
        Some(part) => json!({ "instance": host, "job": "node", "mountpoint": part }),
        None => json!({ "instance": host, "job": "node", "nodename": host }),
    }
}

fn number(host: &str, part: Option<&str>, value: &str) -> Value {
    json!({ "metric": labels(host, part), "value": [NOW, value] })
}

/// A line through the steps of a range, of those moments that are wanted.
fn line(
    host: &str,
    part: Option<&str>,
    (start, end, step): (i64, i64, i64),
    value: impl Fn(i64) -> Option<f64>,
) -> Value {
    let values: Vec<Value> = (start..=end)
        .step_by(step as usize)
        .filter_map(|at| value(at).map(|value| json!([at, value.to_string()])))
        .collect();
    json!({ "metric": labels(host, part), "values": values })
}

fn has_picture(answer: &Answer) -> bool {
    answer.card.blocks.iter().any(|block| matches!(block, Block::Image(_)))
}

#[tokio::test]
async fn a_picture_that_fails_leaves_the_number() {
    let room = room(&["web-1"], "", |asked| {
        asked.range.is_none().then(|| vec![number("web-1", None, "42")])
    })
    .await;
    let (answer, words) = room.answers("cpu of web-1 last 7d").await;
    assert!(answer.card.title.contains("42 %"), "{words}");
    assert!(words.contains("No picture: ") && words.contains("503"), "{words}");
    assert_eq!(answer.evidence.len(), 1);
}

#[tokio::test]
async fn what_a_picture_shows_is_evidence_too() {
    let room = room(&["web-1", "web-2"], "", |asked| {
        Some(match asked.range {
            None => vec![number("web-1", None, "42"), number("web-2", None, "7")],
            Some(range) => vec![
                line("web-1", None, range, |_| Some(41.0)),
                // It stopped an hour before the end.
                line("web-2", None, range, |at| (at <= NOW - 3600).then_some(6.0)),
            ],
        })
    })
    .await;
    let (answer, _) = room.answers("cpu last 24h").await;
    let [_, now, before] = &answer.evidence[..] else { panic!("{:?}", answer.evidence) };
    assert_eq!(now.query, room.ranges()[0].query);
    assert_eq!(now.at.timestamp(), NOW);
    assert_eq!((now.values[0].host.as_str(), now.values[0].value), ("web-1", 41.0));
    assert!(before.at.timestamp() <= NOW - 3600);
    assert_eq!((before.values[0].host.as_str(), before.values[0].value), ("web-2", 6.0));
}

#[tokio::test]
async fn a_partial_range_is_said_to_be_incomplete() {
    // The series of a stranger is left out of the range alone.
    let room = room(&["web-1"], "", |asked| {
        Some(match asked.range {
            None => vec![number("web-1", None, "42")],
            Some(range) => {
                let known = line("web-1", None, range, |_| Some(41.0));
                vec![known, line("stranger", None, range, |_| Some(1.0))]
            }
        })
    })
    .await;
    let (_, words) = room.answers("cpu last 24h").await;
    assert!(words.contains("Incomplete: series left out"), "{words}");
}

#[tokio::test]
async fn a_series_that_ended_is_not_foretold_but_missing() {
    let room = room(&["web-1", "web-2", "web-3"], "", |asked| {
        let growing = |at: i64| 50.0 + (at - NOW) as f64 / DAY as f64;
        Some(vec![
            line("web-1", Some("/"), asked.range?, |at| Some(growing(at))),
            line("web-1", Some("/old"), asked.range?, |at| (at <= NOW - DAY).then(|| growing(at))),
            // It goes on without a number.
            line("web-2", Some("/"), asked.range?, |at| {
                Some(if at <= NOW - DAY { growing(at) } else { f64::NAN })
            }),
        ])
    })
    .await;
    let (answer, words) = room.answers("forecast disk").await;
    assert!(answer.card.title.starts_with("Disk of web-1 / will be full in about 50 d"), "{words}");
    assert!(words.contains("No data from web-1 /old, web-2, web-3."), "{words}");
    assert_eq!(answer.evidence[0].at.timestamp(), NOW);
    assert_eq!(answer.evidence[0].values.len(), 1, "{:?}", answer.evidence);
    let (_, words) = room.answers("forecast disk of web-2").await;
    assert!(words.contains("Disk forecast: no data"), "{words}");
    assert!(words.contains("No data from web-2."), "{words}");
}

#[tokio::test]
async fn evidence_of_a_forecast_is_of_the_moment_it_was_measured() {
    let room = room(&["web-1"], "", |asked| {
        Some(vec![line("web-1", None, asked.range?, |at| (at < NOW).then_some(20.0))])
    })
    .await;
    let (answer, words) = room.answers("forecast memory of web-1").await;
    let (_, end, step) = room.ranges()[0].range.unwrap();
    assert_eq!(answer.evidence[0].at.timestamp(), end - step, "{words}");
    assert!(words.contains("will not reach 100 % at this rate"), "{words}");
    assert!(words.contains("It does not grow."), "{words}");
}

#[tokio::test]
async fn a_named_host_is_never_cut() {
    let hosts = ["a-1", "b-1", "c-1"];
    let room = room(&hosts, "max_series = 2\n", move |asked| {
        Some(match asked.range {
            None => hosts.map(|host| number(host, None, "42")).to_vec(),
            Some(range) => hosts.map(|host| line(host, None, range, |_| Some(5.0))).to_vec(),
        })
    })
    .await;
    let (_, words) = room.answers("load of c-1").await;
    assert!(words.contains("Load of c-1 is 42"), "{words}");
    let (answer, words) = room.answers("forecast memory of c-1").await;
    assert!(answer.card.title.contains("c-1"), "{words}");
    // A question about all is cut at the end, where the least important are.
    let (answer, words) = room.answers("load").await;
    assert!(words.contains("showing the first 2 of 3 series"), "{words}");
    assert!(!words.contains("No data from"), "{words}");
    assert_eq!(answer.evidence[0].values.len(), 2);
}

#[tokio::test]
async fn the_lowest_is_called_lowest_also_before_what_is_no_number() {
    let room = room(&["web-1", "web-2"], "", |_| {
        Some(vec![number("web-1", None, "NaN"), number("web-2", None, "3")])
    })
    .await;
    let (answer, words) = room.answers("metric load order=asc").await;
    assert!(answer.card.title.contains("lowest is web-2"), "{words}");
    let (answer, words) = room.answers("load").await;
    assert!(answer.card.title.contains("highest is web-2"), "{words}");
}

#[tokio::test]
async fn a_full_disk_is_not_hidden_behind_one_without_a_number() {
    let room = room(&["web-1"], "", |asked| {
        Some(if asked.query.contains("filesystem") {
            vec![number("web-1", Some("/"), "NaN"), number("web-1", Some("/data"), "97")]
        } else {
            vec![]
        })
    })
    .await;
    let (_, words) = room.answers("status of web-1").await;
    assert!(words.contains("97 % (/data)"), "{words}");
}

#[tokio::test]
async fn a_current_value_is_of_now_whatever_window_is_named() {
    let room = room(&["web-1", "web-2"], "", |asked| {
        let all = [("web-1", 3600.0), ("web-2", 7200.0)];
        Some(match asked.range {
            None => all.map(|(host, up)| number(host, None, &up.to_string())).to_vec(),
            Some(range) => all.map(|(host, up)| line(host, None, range, |_| Some(up))).to_vec(),
        })
    })
    .await;
    let (answer, _) = room.answers("uptime last 24h").await;
    assert_eq!(answer.card.title, "Uptime of 2 hosts: highest is web-2 with 2 h");
    let (answer, _) = room.answers("uptime of web-1 last 24h").await;
    assert_eq!(answer.card.title, "Uptime of web-1 is 1 h");
}

#[tokio::test]
async fn a_window_that_begins_before_the_data_says_so() {
    let room = room(&["web-1", "web-2"], "", |asked| {
        Some(match asked.range {
            None => vec![number("web-1", None, "42"), number("web-2", None, "7")],
            Some(range) => vec![
                line("web-1", None, range, |at| (at >= NOW - 7 * DAY).then_some(4.0)),
                line("web-2", None, range, |at| (at >= NOW - 30 * DAY).then_some(4.0)),
            ],
        })
    })
    .await;
    let (_, words) = room.answers("cpu last 400d").await;
    assert!(words.contains("Incomplete: data begins 2025-12-02 12:00"), "{words}");
    let (_, words) = room.answers("cpu last 31d").await;
    assert!(words.contains("Incomplete: data of web-1 begins 2025-12-25"), "{words}");
    let (_, words) = room.answers("cpu last 7d").await;
    assert!(!words.contains("Incomplete"), "{words}");
}

#[tokio::test]
async fn lines_are_asked_of_those_hosts_that_are_drawn() {
    let hosts = ["h-1", "h-2", "h-3", "h-4", "h-5", "h-6", "h-7", "h-8", "h-9"];
    let room = room(&hosts, "", move |asked| {
        Some(match asked.range {
            None => hosts.map(|host| number(host, None, &host[2..])).to_vec(),
            Some(range) => hosts.map(|host| line(host, None, range, |_| Some(5.0))).to_vec(),
        })
    })
    .await;
    let (answer, words) = room.answers("cpu last 1h").await;
    assert!(has_picture(&answer));
    for host in hosts {
        assert!(words.contains(host), "{host} is a row: {words}");
        assert_eq!(room.ranges()[0].query.contains(host), host != "h-1", "{:?}", room.ranges());
    }
}

#[tokio::test]
async fn others_are_served_while_a_picture_is_drawn() {
    let room = room(&["web-1"], "", |_| None).await;
    let app = room.bot.app();
    let fleet = Fleet::default();
    let asking = Asking { app, fleet: &fleet, hosts: None, chart: false };
    let end = app.clock.now();
    let points = vec![(end - chrono::TimeDelta::hours(1), 1.0), (end, 2.0)];
    let range = crate::metrics::RangeReading {
        query: "q".to_owned(),
        start: points[0].0,
        end,
        step: Duration::from_hours(1),
        series: vec![crate::metrics::Series { host: "web-1".to_owned(), part: None, points }],
        warnings: vec![],
    };
    let hour = crate::metrics::Window::from_seconds(3600);
    let drawing = asking.draw(Signal::Cpu, &hour, &[], &range);
    let mut drawing = std::pin::pin!(drawing);
    assert!(futures::poll!(drawing.as_mut()).is_pending(), "it draws in the way of the others");
    assert!(drawing.await.is_ok());
}

#[tokio::test]
async fn a_query_is_weighed_by_the_configured_interval_and_named_by_the_configured_label() {
    let settings = "host_label = \"node\"\nscrape_interval = \"5m\"\n";
    let room = room(&["web-1"], settings, |_| {
        Some(vec![json!({ "metric": { "node": "web-9", "instance": "x" }, "value": [NOW, "1"] })])
    })
    .await;
    // 744 points over a day each: far too much to read at every 15 s, little at every 5 min.
    let (answer, _) = room.answers("query max_over_time(rate(a[1d])[31d:1h])").await;
    assert_eq!(answer.evidence[0].values[0].host, "web-9");
}

fn row(host: &str, value: f64) -> Measurement {
    Measurement { host: host.into(), part: None, value }
}

#[test]
fn rows_go_from_worst_to_best_and_not_a_number_last() {
    let mut rows =
        [row("c", f64::NAN), row("b", 5.0), row("a", 5.0), row("d", f64::INFINITY), row("e", 9.0)];
    sort(&mut rows, None);
    let order: Vec<_> = rows.iter().map(|row| row.host.as_str()).collect();
    assert_eq!(order, ["d", "e", "a", "b", "c"]);
    sort(&mut rows, Some(Order::Asc));
    assert_eq!(rows[0].host, "a");
    assert_eq!(rows[4].host, "c");
}

#[test]
fn a_table_row_is_an_evidence_value() {
    let reading = Reading {
        query: "up".into(),
        at: chrono::DateTime::UNIX_EPOCH,
        cached: Some(Duration::from_millis(4900)),
        values: vec![row("a", 1.0)],
        warnings: vec![],
    };
    let evidence = evidence(&reading, &reading.values, Unit::Load);
    assert_eq!(evidence.cached_seconds, Some(4));
    assert_eq!(evidence.values[0].host, "a");
    assert_eq!(format::value(evidence.values[0].value, Unit::Load), "1");
}
