//! A Prometheus that misbehaves, over real HTTP: one clear sentence each, and never a panic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::allow_attributes,
    reason = "tests fail by panicking"
)]

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use smartcloudops::{
    clock::Clock,
    metrics::{
        MetricsError, Signal, Stat,
        prometheus::{Prometheus, PrometheusConfig},
        promql::{Limits, gate},
    },
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const UNAME: &str = r#"{"status":"success","data":{"resultType":"vector","result":[
    {"metric":{"instance":"10.0.0.1:9100","job":"node","nodename":"web-1"},"value":[1700000000,"1"]},
    {"metric":{"instance":"10.0.0.2:9100","job":"node","nodename":"web-2"},"value":[1700000000,"1"]}]}}"#;
const UP: &str = r#"{"status":"success","data":{"resultType":"vector","result":[
    {"metric":{"instance":"10.0.0.1:9100","job":"node"},"value":[1700000000,"1"]},
    {"metric":{"instance":"10.0.0.2:9100","job":"node"},"value":[1700000000,"0"]}]}}"#;
const ONE: &str = r#"{"status":"success","data":{"resultType":"vector","result":[
    {"metric":{"instance":"10.0.0.1:9100"},"value":[1700000000,"1"]}]}}"#;
const EMPTY: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

/// A server that answers `up` and `node_uname_info`, and everything else as it is told; it counts.
struct Fake {
    url: String,
    asked: Arc<AtomicUsize>,
}

async fn fake<F, R>(answer: F) -> Fake
where
    F: Fn(usize, Request) -> R + Clone + Send + Sync + 'static,
    R: IntoResponse + Send,
{
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let app = Router::new().fallback(move |request: Request| {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let response = if query.starts_with("query=node_uname_info") {
            json(UNAME)
        } else if query.starts_with("query=up") {
            json(UP)
        } else {
            answer(counter.fetch_add(1, Ordering::SeqCst), request).into_response()
        };
        async move { response }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    Fake { url, asked }
}

fn json(body: impl Into<Body>) -> Response {
    Response::builder().header(header::CONTENT_TYPE, "application/json").body(body.into()).unwrap()
}

fn status(code: u16, body: &'static str) -> Response {
    (StatusCode::from_u16(code).unwrap(), body).into_response()
}

fn config(url: &str, more: &str) -> PrometheusConfig {
    toml::from_str(&format!("url = \"{url}\"\ntimeout = \"1s\"\n{more}")).unwrap()
}

fn prometheus(url: &str) -> Prometheus {
    Prometheus::new(&config(url, ""), Clock::system()).unwrap()
}

async fn read(fake: &Fake) -> Result<smartcloudops::metrics::Reading, MetricsError> {
    prometheus(&fake.url).read(Signal::Load, Stat::Current, None).await
}

#[tokio::test]
async fn nobody_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = prometheus(&url).read(Signal::Cpu, Stat::Current, None).await.unwrap_err();
    assert!(matches!(error, MetricsError::Unreachable { .. }));
    let text = error.to_string();
    assert!(text.starts_with(&format!("I could not reach Prometheus at {url} (")), "{text}");
    assert!(text.contains("refused"), "{text}");
}

#[tokio::test]
async fn an_answer_that_never_comes() {
    // Connections are taken by the system and never answered.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let error = prometheus(&url).fleet().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "I could not reach Prometheus at {url} (timeout after 1 s): try a shorter window, or \
             raise `metrics.prometheus.timeout`"
        )
    );
}

#[tokio::test]
async fn half_a_body() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = prometheus(&format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000";
            let half = format!("{head}\r\n\r\n{{\"status\":\"success\",\"data\":{{");
            let _ = connection.read(&mut [0; 4096]).await;
            let _ = connection.write_all(half.as_bytes()).await;
        }
    });
    let error = source.fleet().await.unwrap_err();
    assert!(matches!(error, MetricsError::Malformed { .. }), "{error}");
    assert!(error.to_string().contains("breaks off"), "{error}");
}

#[tokio::test]
async fn answers_that_are_none() {
    for (body, words) in [
        ("", "empty"),
        ("<!doctype html><title>Log in</title>", "web page"),
        ("{\"status\":\"success\",\"data\":{\"result\":[{\"metric\":", "breaks off"),
        ("{\"status\":\"success\",\"data\":{\"result\":\"many\"}}", "not the JSON"),
        ("{\"status\":\"error\",\"error\":\"out of \\u001b[31mluck\"}", "luck"),
        ("null", "not the JSON"),
    ] {
        let fake = fake(move |_, _| json(body)).await;
        let error = read(&fake).await.unwrap_err();
        assert!(matches!(error, MetricsError::Malformed { .. }), "{body}: {error:?}");
        let text = error.to_string();
        assert!(text.contains(words) && !text.contains(['\u{1b}', '\n']), "{body}: {text}");
    }
}

#[tokio::test]
async fn refusals_keep_their_reason() {
    let prometheus_says =
        r#"{"status":"error","errorType":"execution","error":"found duplicate series\nfor x"}"#;
    let victoria_says = r#"{"status":"error","errorType":"422","error":"cannot parse: x"}"#;
    for (code, body, words) in [
        (422, prometheus_says, "found duplicate series for x"),
        (422, victoria_says, "cannot parse: x"),
        (400, "remoteAddr: \"127.0.0.1\"; too many points", "too many points"),
        (404, "<html>404</html>", "404"),
        (400, "", "without a reason"),
    ] {
        let fake = fake(move |_, _| status(code, body)).await;
        let error = read(&fake).await.unwrap_err();
        assert!(matches!(&error, MetricsError::Rejected { status, .. } if *status == code));
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(fake.asked.load(Ordering::SeqCst), 1, "a refusal is not asked twice");
    }
    let fake = fake(|_, _| status(401, "no")).await;
    assert!(matches!(read(&fake).await.unwrap_err(), MetricsError::Denied { .. }));
}

#[tokio::test]
async fn a_busy_server_is_asked_once_more() {
    for code in [429, 502, 503] {
        let recovers =
            fake(move |n, _| if n == 0 { status(code, "busy") } else { json(ONE) }).await;
        assert_eq!(read(&recovers).await.unwrap().values.len(), 1);
        assert_eq!(recovers.asked.load(Ordering::SeqCst), 2);
        let stays = fake(move |_, _| status(code, "busy")).await;
        let error = read(&stays).await.unwrap_err();
        assert!(error.to_string().contains(&code.to_string()), "{error}");
        assert_eq!(stays.asked.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn what_was_too_hard_once_is_not_asked_again() {
    let fake = fake(|_, _| {
        status(503, r#"{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}"#)
    })
    .await;
    let error = read(&fake).await.unwrap_err();
    assert!(matches!(error, MetricsError::Overloaded { .. }), "{error}");
    assert_eq!(fake.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_wait_longer_than_the_patience_is_not_waited() {
    let fake =
        fake(|_, _| (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "3600")], "slow down"))
            .await;
    let started = std::time::Instant::now();
    assert!(matches!(read(&fake).await.unwrap_err(), MetricsError::Overloaded { .. }));
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let fake = fake(|_, _| {
        (StatusCode::FOUND, [(header::LOCATION, "http://169.254.169.254/latest/meta-data")])
    })
    .await;
    let error = read(&fake).await.unwrap_err();
    assert!(matches!(error, MetricsError::Config(_)), "{error}");
    assert!(error.to_string().contains("169.254.169.254"), "{error}");
    assert_eq!(fake.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn special_numbers_and_warnings_arrive() {
    let body = r#"{"status":"success","warnings":["partial \u202e data"],"infos":["metric might not be a counter"],
        "data":{"resultType":"vector","result":[
        {"metric":{"instance":"10.0.0.1:9100"},"value":[1700000000.123,"NaN"]},
        {"metric":{"instance":"10.0.0.2:9100"},"value":[1700000000.123,"+Inf"]},
        {"metric":{"instance":"10.9.9.9:9100"},"value":[1700000000.123,"1"]}]}}"#;
    let fake = fake(move |_, _| json(body)).await;
    let reading = read(&fake).await.unwrap();
    let values: HashMap<_, _> =
        reading.values.iter().map(|value| (value.host.as_str(), value.value)).collect();
    assert!(values["web-1"].is_nan());
    assert!(values["web-2"].is_infinite() && values["web-2"] > 0.0);
    assert_eq!(values.len(), 2);
    assert_eq!(
        reading.warnings,
        [
            "partial \\u{202e} data",
            "metric might not be a counter",
            "series left out because they belong to no known host: 1"
        ]
    );
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    let fake = fake(|_, _| {
        let megabyte = Bytes::from(vec![b' '; 1 << 20]);
        json(Body::from_stream(futures::stream::iter(
            (0..100).map(move |_| Ok::<_, std::io::Error>(megabyte.clone())),
        )))
    })
    .await;
    let patient = PrometheusConfig { timeout: "30s".parse().unwrap(), ..config(&fake.url, "") };
    let patient = Prometheus::new(&patient, Clock::system());
    let error = patient.unwrap().read(Signal::Load, Stat::Current, None).await.unwrap_err();
    assert!(error.to_string().contains("longer than 64 MB"), "{error}");
}

#[tokio::test]
async fn more_series_than_shown_are_counted() {
    let fake = fake(|_, _| {
        let items = vec![r#"{"metric":{"a":"b"},"value":[1,"1"]}"#; 1500].join(",");
        json(format!(r#"{{"status":"success","data":{{"result":[{items}]}}}}"#))
    })
    .await;
    let few = Prometheus::new(&config(&fake.url, "max_series = 1000"), Clock::system()).unwrap();
    let raw = few.query(&gate("a", &Limits::default()).unwrap()).await.unwrap();
    assert_eq!(raw.values.len(), 1000);
    assert_eq!(raw.warnings, ["showing the first 1,000 of 1,500 series"]);
}

#[tokio::test]
async fn one_question_serves_all_who_ask_within_a_scrape() {
    let now = "2026-01-01T12:00:00Z".parse().unwrap();
    let clock = Clock::fixed(now);
    let fake = fake(|_, _| json(ONE)).await;
    let source = Prometheus::new(&config(&fake.url, ""), clock.clone()).unwrap();
    let ask = || source.read(Signal::Load, Stat::Current, None);
    let (a, b, c) = futures::join!(ask(), ask(), ask());
    let fresh = [a, b, c].into_iter().filter(|r| r.as_ref().unwrap().cached.is_none()).count();
    assert_eq!((fresh, fake.asked.load(Ordering::SeqCst)), (1, 1));
    clock.advance(chrono::TimeDelta::seconds(7));
    assert_eq!(ask().await.unwrap().cached, Some(Duration::from_secs(7)));
    assert_eq!(fake.asked.load(Ordering::SeqCst), 1);
    source.read(Signal::Cpu, Stat::Current, None).await.unwrap();
    assert_eq!(fake.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn at_most_four_questions_are_in_flight() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, highest) = (now.clone(), most.clone());
    let app = Router::new().fallback(move || {
        let (now, most) = (counted.clone(), highest.clone());
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            now.fetch_sub(1, Ordering::SeqCst);
            json(EMPTY)
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = prometheus(&format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let gated = gate("up", &Limits::default()).unwrap();
    let answers = futures::future::join_all((0..40).map(|_| source.query(&gated))).await;
    assert!(answers.iter().all(Result::is_ok));
    let most = most.load(Ordering::SeqCst);
    assert!((2..=4).contains(&most), "{most}");
}

#[tokio::test]
async fn a_range_asks_for_few_hosts_by_name_and_bounds_its_points() {
    let seen = Arc::new(std::sync::Mutex::new(vec![]));
    let log = seen.clone();
    let fake = fake(move |_, request: Request| {
        log.lock().unwrap().push(request.uri().to_string());
        json(
            r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"instance":"10.0.0.1:9100"},"values":[[1700000000,"1"],[1700000060,"NaN"]]},
            {"metric":{"instance":"10.0.0.2:9100"},"values":[[1700000000,"2"]]}]}}"#,
        )
    })
    .await;
    let source = prometheus(&fake.url);
    let window = "7d".parse().unwrap();
    let hosts = ["WEB-1".to_owned()];
    let reading = source.range(Signal::Load, &hosts, &window, 500).await.unwrap();
    assert_eq!(reading.query, r#"node_load1{instance="10.0.0.1:9100"}"#);
    assert_eq!(reading.step, Duration::from_mins(30));
    assert_eq!((reading.end - reading.start).num_seconds(), 604_800);
    assert_eq!(reading.series.len(), 1);
    assert_eq!(reading.series[0].host, "web-1");
    assert!(reading.series[0].points[1].1.is_nan());

    let all = source.range(Signal::Load, &[], &window, u64::MAX).await.unwrap();
    assert_eq!((all.query.as_str(), all.series.len()), ("node_load1", 2));
    assert_eq!(all.step, Duration::from_mins(1), "no more than 11,000 points");
    assert!(seen.lock().unwrap()[0].starts_with("/api/v1/query_range?query=node_load1%7B"));

    let nobody = source.range(Signal::Load, &["nobody".into()], &window, 500).await.unwrap();
    assert_eq!((nobody.series.len(), fake.asked.load(Ordering::SeqCst)), (0, 2));
}

#[tokio::test]
async fn credentials_are_sent_and_never_shown() {
    let seen = Arc::new(std::sync::Mutex::new(HashMap::new()));
    let log = seen.clone();
    let fake = fake(move |_, request: Request| {
        for (name, value) in request.headers() {
            log.lock().unwrap().insert(name.to_string(), value.to_str().unwrap().to_owned());
        }
        status(422, "no")
    })
    .await;
    let more = "bearer_token = \"s3cret\"\nheaders = { X-Scope-OrgID = \"t3nant\" }";
    let source = Prometheus::new(&config(&fake.url, more), Clock::system()).unwrap();
    let error = source.read(Signal::Load, Stat::Current, None).await.unwrap_err();
    for text in [error.to_string(), format!("{error:?}"), format!("{source:?}")] {
        assert!(!text.contains("s3cret") && !text.contains("t3nant"), "{text}");
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen["authorization"], "Bearer s3cret");
    assert_eq!(seen["x-scope-orgid"], "t3nant");
    assert!(seen["user-agent"].starts_with("smartcloudops/"));
}

#[tokio::test]
async fn empty_is_not_zero_and_a_wrong_clock_is_said() {
    let fake = fake(|_, request: Request| {
        let time = request.uri().query().is_some_and(|query| query.starts_with("query=time"));
        json(if time {
            r#"{"status":"success","data":{"resultType":"scalar","result":[1700000000,"1700000000"]}}"#
        } else {
            EMPTY
        })
    })
    .await;
    let ask = async |at: &str| {
        let clock = Clock::fixed(at.parse().unwrap());
        let source = Prometheus::new(&config(&fake.url, ""), clock).unwrap();
        source.read(Signal::Swap, Stat::Current, None).await.unwrap()
    };
    let reading = ask("2023-11-14T22:13:22.5Z").await;
    assert_eq!((reading.values.len(), reading.warnings.len()), (0, 0));
    assert_eq!(reading.at.to_rfc3339(), "2023-11-14T22:13:22+00:00");
    let reading = ask("2023-11-14T22:33:20Z").await;
    assert_eq!(
        reading.warnings,
        ["my clock and that of Prometheus are 1200 s apart: set both by NTP"]
    );
}
