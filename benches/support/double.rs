//! A Prometheus of 1,000 hosts in a process of its own, with every answer prepared.
//!
//! It answers in the shape and with the compression of a real one, so that what is measured is the
//! time of the one who asks.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{RawQuery, State},
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use flate2::{Compression, write::GzEncoder};

/// How many hosts it knows.
pub const HOSTS: usize = 1000;

/// The argument that makes a bench be this double.
const ARGUMENT: &str = "be-the-prometheus";

/// The double, running until this is dropped.
pub struct Double {
    child: Child,
    /// Where to ask it.
    pub url: String,
}

impl Double {
    /// Starts it: this very program with one argument.
    pub fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { child, url: format!("http://{}", address.trim()) }
    }

    /// How often each question was asked since this was asked before.
    pub fn asked(&self) -> BTreeMap<String, u64> {
        let mut stream = TcpStream::connect(self.url.trim_start_matches("http://")).unwrap();
        stream.write_all(b"GET /asked HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is the double, when this process was started as one.
pub fn be_one_if_asked() {
    if !std::env::args().any(|argument| argument == ARGUMENT) {
        return;
    }
    // Its starter is gone when this ends, however it went.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/api/v1/query", get(query))
            .route("/asked", get(asked))
            .with_state(Arc::new(Prepared::new()));
        axum::serve(listener, router).await.unwrap();
    });
    std::process::exit(0);
}

struct Prepared {
    /// What a question contains, and its answer, compressed. The first that fits is given.
    answers: Vec<(&'static str, Vec<u8>)>,
    asked: Mutex<BTreeMap<String, u64>>,
}

impl Prepared {
    fn new() -> Self {
        let uname = |host: usize| {
            format!(
                r#""__name__":"node_uname_info","domainname":"(none)","machine":"x86_64","nodename":"{}","release":"6.12.0-1-amd64","sysname":"Linux","version":"1 SMP PREEMPT_DYNAMIC Debian 6.12.1-1","#,
                name(host)
            )
        };
        let mount = |path: &str, device: &str| {
            format!(r#""device":"/dev/{device}","fstype":"ext4","mountpoint":"{path}","#)
        };
        let disks = [mount("/", "sda1"), mount("/var/lib/data", "sdb1")];
        let some = |seed: usize| move |host: usize| ((host * 7919 + seed) % 8000) as f64 / 100.0;
        let mut answers = vec![
            ("node_uname_info", vector(&[uname], |_| 1.0)),
            ("node_cpu_seconds_total", vector(&[|_| String::new()], some(1))),
            ("node_memory_MemAvailable", vector(&[|_| String::new()], some(2))),
            ("node_load1", vector(&[|_| r#""__name__":"node_load1","#.to_owned()], some(4))),
            ("node_boot_time", vector(&[|_| String::new()], |host| 86_400.0 + host as f64 / 7.0)),
            ("up", vector(&[|_| r#""__name__":"up","#.to_owned()], |_| 1.0)),
        ];
        let disks = vector(&disks.map(|labels| move |_: usize| labels.clone()), some(3));
        answers.insert(0, ("node_filesystem_avail", disks));
        Self { answers, asked: Mutex::default() }
    }
}

fn name(host: usize) -> String {
    let role = role(host);
    format!("{role}-{host}")
}

fn role(host: usize) -> &'static str {
    ["web", "db", "worker", "cache"][host % 4]
}

/// One series of each kind for each host, as Prometheus writes it.
fn vector<const KINDS: usize>(
    labels: &[impl Fn(usize) -> String; KINDS],
    value: impl Fn(usize) -> f64,
) -> Vec<u8> {
    let mut json = r#"{"status":"success","data":{"resultType":"vector","result":["#.to_owned();
    for host in 0..HOSTS {
        let environment = if host % 10 == 0 { "staging" } else { "prod" };
        for labels in labels {
            if !json.ends_with('[') {
                json.push(',');
            }
            write!(
                json,
                r#"{{"metric":{{{}"environment":"{environment}","instance":"10.{}.{}.{}:9100","job":"node","role":"{}"}},"value":[1760000000,"{}"]}}"#,
                labels(host),
                host % 4,
                host / 250,
                host % 250,
                role(host),
                value(host),
            )
            .unwrap();
        }
    }
    json.push_str("]}}");
    let mut compressed = GzEncoder::new(Vec::new(), Compression::fast());
    compressed.write_all(json.as_bytes()).unwrap();
    compressed.finish().unwrap()
}

async fn query(State(prepared): State<Arc<Prepared>>, RawQuery(parameters): RawQuery) -> Response {
    let parameters = parameters.unwrap_or_default();
    let query = url::form_urlencoded::parse(parameters.as_bytes())
        .find_map(|(name, value)| (name == "query").then(|| value.into_owned()))
        .unwrap_or_default();
    let answer = prepared.answers.iter().find(|(part, _)| query.contains(part));
    let body = answer.map(|(_, body)| body.clone()).unwrap_or_default();
    *prepared.asked.lock().unwrap().entry(query).or_default() += 1;
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CONTENT_ENCODING, "gzip")];
    (headers, body).into_response()
}

async fn asked(State(prepared): State<Arc<Prepared>>) -> Response {
    axum::Json(std::mem::take(&mut *prepared.asked.lock().unwrap())).into_response()
}
