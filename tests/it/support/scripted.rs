//! A Prometheus that answers as it is told, also badly.

use std::{
    io,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use smartcloudops::clock::Clock;
use tokio::sync::watch;

/// The machines it knows: address, name, environment.
pub type Machine = (&'static str, &'static str, &'static str);

/// Two in production, one in staging.
pub const MACHINES: [Machine; 3] = [
    ("10.0.0.1:9100", "web-1", "prod"),
    ("10.0.0.2:9100", "db-1", "prod"),
    ("10.0.0.3:9100", "web-2", "staging"),
];

/// What it says to every question but the one about which machines there are.
#[derive(Clone, Debug)]
pub enum Script {
    /// This number, as Prometheus writes it, for every machine.
    Number(&'static str),
    /// One for each machine, in their order.
    Each(Arc<[&'static str]>),
    /// A number, with this warning.
    Warned(&'static str),
    /// Success, and nothing in it.
    Empty,
    /// This status and body.
    Status(u16, &'static str),
    /// The beginning of an answer, and then the wire breaks.
    Half,
    /// Nothing until another script is set.
    Silence,
}

impl Script {
    /// The numbers that it gives to the machines; they go round: one is everybody's.
    fn numbers(&self) -> &[&'static str] {
        match self {
            Self::Number(number) => std::slice::from_ref(number),
            Self::Each(numbers) => numbers,
            _ => &["42"],
        }
    }
}

/// What it says, and what it said before: the past stays as it was.
#[derive(Clone, Debug)]
struct Told {
    script: Script,
    /// Seconds since 1970.
    since: f64,
    before: Script,
}

pub struct Scripted {
    pub url: String,
    script: watch::Sender<Told>,
    headers: Arc<Mutex<HeaderMap>>,
}

impl Scripted {
    pub async fn start(script: Script) -> Self {
        Self::knowing(&MACHINES, script).await
    }

    pub async fn knowing(machines: &[Machine], script: Script) -> Self {
        let machines: Arc<[Machine]> = machines.into();
        let told = Told { before: script.clone(), script, since: 0.0 };
        let (script, told) = watch::channel(told);
        let headers: Arc<Mutex<HeaderMap>> = Arc::default();
        let seen = headers.clone();
        let app = Router::new().fallback(move |request: Request| {
            *seen.lock().unwrap() = request.headers().clone();
            answer(machines.clone(), told.clone(), request)
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, script, headers }
    }

    /// What the last question said in this header.
    pub fn was_told(&self, header: &str) -> String {
        let headers = self.headers.lock().unwrap();
        headers.get(header).map(|it| it.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    /// From now on it answers like this.
    pub fn set(&self, script: Script) {
        let since = Clock::system().now().timestamp() as f64;
        let before = self.script.borrow().script.clone();
        self.script.send_replace(Told { script, since, before });
    }
}

async fn answer(
    machines: Arc<[Machine]>,
    mut told: watch::Receiver<Told>,
    request: Request,
) -> Response {
    let uri = request.uri().clone();
    let parameter = |wanted: &str| {
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .find_map(|(name, value)| (name == wanted).then(|| value.into_owned()))
    };
    let query = parameter("query").unwrap_or_default();
    let ask_for_machines = query.starts_with("node_uname_info")
        || query.starts_with("up")
        || query.contains("[1d:5m]");
    if ask_for_machines {
        return success(&vector(&machines, &["1"]), &[]);
    }
    while matches!(told.borrow_and_update().script, Script::Silence) {
        if told.changed().await.is_err() {
            break;
        }
    }
    let told = told.borrow().clone();
    let data = || match parameter("end").and_then(|end| end.parse::<f64>().ok()) {
        Some(end) => matrix(&machines, &told, end),
        None => vector(&machines, told.script.numbers()),
    };
    match told.script {
        Script::Number(_) | Script::Each(_) => success(&data(), &[]),
        Script::Warned(warning) => success(&data(), &[warning]),
        Script::Empty => success(&json!({ "resultType": "vector", "result": [] }), &[]),
        Script::Status(code, body) => (StatusCode::from_u16(code).unwrap(), body).into_response(),
        Script::Half => {
            let first = stream::once(async { Ok("{\"status\":\"success\",\"data\":{") });
            // Between the two the first half goes out.
            let second = stream::once(async {
                tokio::task::yield_now().await;
                Err(io::Error::other("cut"))
            });
            Response::new(Body::from_stream(first.chain(second)))
        }
        Script::Silence => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn vector(machines: &[Machine], numbers: &[&str]) -> Value {
    let result: Vec<_> = machines
        .iter()
        .zip(numbers.iter().cycle())
        .map(|(machine, number)| {
            json!({ "metric": labels(machine), "value": [1_767_268_800, number] })
        })
        .collect();
    json!({ "resultType": "vector", "result": result })
}

fn matrix(machines: &[Machine], told: &Told, end: f64) -> Value {
    let times = || (0..5).rev().map(|step| end - 60.0 * f64::from(step));
    let (now, before) = (told.script.numbers(), told.before.numbers());
    let result: Vec<_> = machines
        .iter()
        .zip(now.iter().cycle().zip(before.iter().cycle()))
        .map(|(machine, (now, before))| {
            let values = times().map(|at| json!([at, if at < told.since { before } else { now }]));
            json!({ "metric": labels(machine), "values": values.collect::<Vec<_>>() })
        })
        .collect();
    json!({ "resultType": "matrix", "result": result })
}

fn labels((instance, name, environment): &Machine) -> Value {
    json!({
        "instance": instance,
        "job": "node",
        "nodename": name,
        "environment": environment,
        "mountpoint": "/",
        "device": "eth0",
    })
}

fn success(data: &Value, warnings: &[&str]) -> Response {
    let body = json!({ "status": "success", "data": data, "warnings": warnings }).to_string();
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
