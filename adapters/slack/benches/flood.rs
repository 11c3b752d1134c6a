//! The other side of `benches/peers/chat/run`: a Slack that says everything at once, and is faster than any bot, so
//! that a bot is never measured waiting. Prints where it listens, and runs until it is killed.
//!
//! It knows four methods of the Web API, and to be told what to do:
//! `POST /flood?events=N` says so much to the bot, and `GET /state` counts.
#![allow(
    missing_docs,
    clippy::allow_attributes,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench, where failing is panicking"
)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Query, State},
    routing::{any, get, post},
};
use futures::{SinkExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, time::interval};
use tokio_tungstenite::{accept_async, tungstenite::Message};

/// What happened.
#[derive(Clone, Debug, Default, Serialize)]
struct Counts {
    connections: usize,
    acknowledged: usize,
    answered: usize,
    wrong: usize,
}

struct World {
    /// Where Socket Mode is.
    socket: String,
    counts: Mutex<Counts>,
    /// How many events are to be said, to who is connected.
    asked: Mutex<Option<mpsc::Sender<usize>>>,
}

// One thread, as the bots have.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    if std::env::args().nth(1).as_deref() != Some("serve") {
        println!("Says nothing on its own: run benches/peers/chat/run.");
        return;
    }
    let wires = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = Arc::new(World {
        socket: format!("ws://{}/", wires.local_addr().unwrap()),
        counts: Mutex::default(),
        asked: Mutex::default(),
    });
    println!("http://{}", listener.local_addr().unwrap());
    let listens = world.clone();
    tokio::spawn(async move {
        loop {
            let (wire, _) = wires.accept().await.unwrap();
            wire.set_nodelay(true).unwrap();
            tokio::spawn(socket(listens.clone(), wire));
        }
    });
    let app = Router::new()
        .route("/api/auth.test", any(who))
        .route("/api/apps.connections.open", any(open))
        .route("/api/users.info", any(name))
        .route("/api/chat.postMessage", post(take))
        .route("/flood", post(flood))
        .route("/state", get(state))
        .with_state(world);
    axum::serve(listener, app).await.unwrap();
}

async fn who() -> Json<Value> {
    Json(
        json!({"ok": true, "url": "https://bench.slack.com/", "team": "bench", "user": "bot", "team_id": "T1",
        "user_id": "UBOT", "bot_id": "BBOT", "is_enterprise_install": false}),
    )
}

async fn open(State(world): State<Arc<World>>) -> Json<Value> {
    Json(json!({"ok": true, "url": world.socket}))
}

async fn name() -> Json<Value> {
    Json(
        json!({"ok": true, "user": {"id": "U1", "team_id": "T1", "name": "ana", "profile": {"display_name": "ana"}}}),
    )
}

async fn take(State(world): State<Arc<World>>, body: String) -> Json<Value> {
    let mut counts = world.counts.lock().unwrap();
    // As JSON or as a form, written in either way.
    if ["You said hello", "You+said+hello", "You%20said%20hello"].iter().any(|it| body.contains(it))
    {
        counts.answered += 1;
    } else {
        counts.wrong += 1;
    }
    let ts = format!("1700000000.{:06}", counts.answered);
    Json(
        json!({"ok": true, "channel": "D1", "ts": ts, "message": {"type": "message", "bot_id": "BBOT", "ts": ts,
        "text": "You said hello"}}),
    )
}

#[derive(Deserialize)]
struct Flood {
    events: usize,
}

async fn flood(State(world): State<Arc<World>>, Query(flood): Query<Flood>) -> Json<Value> {
    let to = world.asked.lock().unwrap().clone().unwrap();
    to.send(flood.events).await.unwrap();
    Json(json!({}))
}

async fn state(State(world): State<Arc<World>>) -> Json<Counts> {
    Json(world.counts.lock().unwrap().clone())
}

/// A connection of Socket Mode.
async fn socket(world: Arc<World>, wire: tokio::net::TcpStream) {
    let (mut sink, mut stream) = accept_async(wire).await.unwrap().split();
    let hello = json!({"type": "hello", "num_connections": 1, "debug_info": {"host": "bench"},
        "connection_info": {"app_id": "A1"}});
    sink.send(Message::text(hello.to_string())).await.unwrap();
    let (asks, mut asked) = mpsc::channel(1);
    *world.asked.lock().unwrap() = Some(asks);
    world.counts.lock().unwrap().connections += 1;
    let counts = world.clone();
    tokio::spawn(async move {
        let mut open = std::collections::HashSet::new();
        while let Some(Ok(message)) = stream.next().await {
            let Message::Text(text) = message else { continue };
            let ack: Value = serde_json::from_str(&text).unwrap();
            let mut counts = counts.counts.lock().unwrap();
            if open.insert(ack["envelope_id"].as_str().unwrap().to_owned()) {
                counts.acknowledged += 1;
            } else {
                counts.wrong += 1;
            }
        }
    });
    let (mut ping, mut number) = (interval(Duration::from_secs(10)), 0);
    loop {
        tokio::select! {
            Some(events) = asked.recv() => {
                for _ in 0..events {
                    number += 1;
                    sink.feed(Message::text(envelope(number).to_string())).await.unwrap();
                }
                sink.flush().await.unwrap();
            }
            _ = ping.tick() => {
                if sink.send(Message::Ping("bench".into())).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// What Slack says when somebody writes to the bot (<https://docs.slack.dev/reference/events/message.im>).
fn envelope(number: usize) -> Value {
    let ts = format!("1700000000.{number:06}");
    json!({
        "envelope_id": format!("00000000-0000-4000-8000-{number:012}"),
        "type": "events_api",
        "accepts_response_payload": false,
        "retry_attempt": 0,
        "retry_reason": "",
        "payload": {
            "token": "verification-token",
            "team_id": "T1",
            "context_team_id": "T1",
            "api_app_id": "A1",
            "event": {
                "type": "message",
                "text": "hello",
                "ts": ts,
                "team": "T1",
                "client_msg_id": format!("00000000-0000-4000-9000-{number:012}"),
                "user": "U1",
                "channel": "D1",
                "event_ts": ts,
                "channel_type": "im",
            },
            "type": "event_callback",
            "event_id": format!("Ev{number:09}"),
            "event_time": 1_700_000_000,
            "is_ext_shared_channel": false,
            "event_context": format!("{number:032}"),
            "authorizations": [{"enterprise_id": null, "team_id": "T1", "user_id": "UBOT", "is_bot": true,
                "is_enterprise_install": false}],
        },
    })
}
