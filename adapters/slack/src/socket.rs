//! Socket Mode: Slack speaks over connections that the bot opens
//! (<https://docs.slack.dev/apis/events-api/using-socket-mode>).
//!
//! Slack closes a connection every few hours and says so before: the next one is open before the old one
//! closes, and what was heard on the old one is still acknowledged there.

use std::time::Duration;

use chat::{ChatError, Condition, Inbox, pause};
use futures::{
    FutureExt as _, SinkExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::mpsc::{UnboundedSender, unbounded_channel},
    time::{Instant, interval, sleep_until, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Bytes, Message, protocol::WebSocketConfig},
};
use tokio_util::sync::CancellationToken;

use crate::{
    events::Myself,
    hear::{Doer, Kind, RECORDED_WITHIN},
    refusals::unreachable,
    slack::Slack,
};

/// How long a stop waits for what was heard to be recorded and acknowledged, and a connection that the bot closes
/// for what Slack sent before it knew.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a connection that Slack is about to close goes on being heard.
const LEAVES_WITHIN: Duration = Duration::from_secs(30);
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const PING_EVERY: Duration = Duration::from_secs(10);
/// A connection on which nothing came for so long, not even an answer to a ping, is dead.
const DEAD_AFTER: Duration = Duration::from_secs(30);
/// Envelopes in hand on one connection; more wait with Slack.
const IN_HAND: usize = 256;
/// Most envelopes are smaller; the whole of it is cleared before each reading.
const READ_AT_ONCE: usize = 8 << 10;
/// The largest envelope taken.
const MAX_BYTES: usize = 1 << 20;

type Wire = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What a connection says about itself while it lasts.
enum News {
    /// Slack said hello, and how many connections of this app it counts.
    Open(u64),
    /// Slack is about to close it.
    Leaving,
}

/// How a connection ended.
struct Ended {
    was_open: bool,
    was_leaving: bool,
    result: Result<(), ChatError>,
}

/// What every connection needs.
struct Ears<'a> {
    slack: &'a Slack,
    app: &'a SecretString,
    me: &'a Myself,
    inbox: &'a Inbox,
    shutdown: &'a CancellationToken,
    news: UnboundedSender<News>,
}

/// Hears until told to stop, or until Slack no longer lets the app connect.
pub(crate) async fn listen(
    slack: &Slack,
    app: &SecretString,
    me: &Myself,
    inbox: &Inbox,
    shutdown: &CancellationToken,
) -> Result<(), ChatError> {
    let (news, mut heard) = unbounded_channel();
    let ears = Ears { slack, app, me, inbox, shutdown, news };
    let mut connections = FuturesUnordered::new();
    let (mut open, mut failures, mut next) = (0_u64, 0_u32, Some(Instant::now()));
    // Only a new connection says how many there are: one is opened now and then, and the others leave.
    let (mut generation, mut outdated, mut count_at) = (CancellationToken::new(), None, None);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = at(next) => {
                next = None;
                connections.push(ears.connection(generation.clone()));
            }
            () = at(count_at) => {
                count_at = None;
                outdated = Some(std::mem::take(&mut generation));
                next = next.or(Some(Instant::now()));
            }
            Some(news) = heard.recv() => match news {
                News::Open(counted) => {
                    (open, failures) = (open + 1, 0);
                    count_at = Some(Instant::now() + slack.count_every);
                    slack.is(condition(counted, open));
                    if let Some(outdated) = outdated.take() {
                        let outdated: CancellationToken = outdated;
                        outdated.cancel();
                    }
                }
                News::Leaving => next = next.or(Some(Instant::now())),
            },
            Some(ended) = connections.next(), if !connections.is_empty() => {
                open -= u64::from(ended.was_open);
                // The next one counts.
                count_at = count_at.filter(|_| open > 0);
                if let Err(error) = ended.result {
                    tracing::warn!(%error, "a connection to Slack was lost");
                    if open == 0 {
                        slack.is(Condition::Lost(error.to_string()));
                        if matches!(error, ChatError::Barred { .. } | ChatError::Refused { .. }) {
                            return Err(error);
                        }
                    }
                }
                // The one after it was opened when it was about to leave.
                if !ended.was_leaving {
                    next = next.or(Some(Instant::now() + pause(failures)));
                    failures += 1;
                }
            }
        }
    }
    // All of them were told to stop too.
    if timeout(DRAIN, connections.collect::<Vec<_>>()).await.is_err() {
        tracing::warn!("something that Slack said could not be recorded before the stop");
    }
    Ok(())
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Slack deals what it has to say out among all connections that it counts: those that are not ours get
/// their share, and we never see it.
fn condition(counted: u64, open: u64) -> Condition {
    if counted <= open {
        return Condition::Connected;
    }
    Condition::Degraded(format!(
        "Slack counts {counted} connections of this app and this program has {open}: a pressed button may be \
         lost, so type the command instead. Stop the other program that uses the app's token, or replace the \
         token if you know of none"
    ))
}

impl Ears<'_> {
    /// One connection, until it ends or is told to leave.
    async fn connection(&self, leave: CancellationToken) -> Ended {
        let mut ended = Ended { was_open: false, was_leaving: false, result: Ok(()) };
        ended.result = match self.connect().await {
            Ok(wire) => self.hear(wire, &leave, &mut ended).await,
            Err(error) => Err(error),
        };
        ended
    }

    async fn connect(&self) -> Result<Wire, ChatError> {
        let address = self.slack.web.socket(self.app).await?;
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MAX_BYTES))
            .read_buffer_size(READ_AT_ONCE);
        let connecting = connect_async_with_config(address.as_str(), Some(limits), true);
        match timeout(CONNECT_WITHIN, connecting).await {
            Ok(Ok((wire, _))) => Ok(wire),
            // The address is a secret, and not in the error.
            Ok(Err(error)) => Err(unreachable(format!("Socket Mode: {error}"))),
            Err(_) => Err(unreachable("Socket Mode: connecting took too long".to_owned())),
        }
    }

    /// Hears and acknowledges until one side closes.
    async fn hear(
        &self,
        wire: Wire,
        leave: &CancellationToken,
        ended: &mut Ended,
    ) -> Result<(), ChatError> {
        let (mut sink, mut stream) = wire.split();
        let mut in_hand = FuturesUnordered::new();
        let mut ping = interval(PING_EVERY);
        let (mut last_heard, mut leaves_at, mut stops) = (Instant::now(), None, false);
        let (mut leaves, mut said_goodbye) = (false, false);
        let lost = |error| unreachable(format!("Socket Mode: {error}"));
        while !(stops && in_hand.is_empty()) {
            let room = in_hand.len() < IN_HAND;
            // What is in hand can be acknowledged before, and what Slack sends until it hears this is heard.
            if leaves && !said_goodbye && in_hand.is_empty() {
                said_goodbye = true;
                sink.close().await.map_err(lost)?;
            }
            tokio::select! {
                message = stream.next(), if room && !stops => {
                    last_heard = Instant::now();
                    match message {
                        Some(Ok(Message::Text(text))) => match envelope(&text) {
                            Envelope::Hello(counted) => {
                                ended.was_open = true;
                                self.tell(News::Open(counted));
                            }
                            Envelope::Leaving(reason) => {
                                tracing::debug!(reason, "Slack is about to close a connection");
                                ended.was_leaving = true;
                                leaves_at = Some(Instant::now() + LEAVES_WITHIN);
                                self.tell(News::Leaving);
                            }
                            Envelope::Closing(reason) => {
                                return Err(unreachable(format!("Socket Mode: {reason}")));
                            }
                            Envelope::Heard(heard) => in_hand.push(self.record(heard).boxed()),
                            Envelope::Other => {}
                        },
                        Some(Ok(Message::Close(_))) | None => stops = true,
                        Some(Ok(_)) => {}
                        Some(Err(error)) => return Err(lost(error)),
                    }
                }
                Some(mut recorded) = in_hand.next(), if !in_hand.is_empty() => {
                    // All that are ready leave together.
                    loop {
                        if let Some(text) = recorded.acknowledgement.filter(|_| !said_goodbye) {
                            sink.feed(Message::text(text)).await.map_err(lost)?;
                        }
                        in_hand.extend(recorded.rest);
                        match in_hand.next().now_or_never().flatten() {
                            Some(next) => recorded = next,
                            None => break,
                        }
                    }
                    if !said_goodbye {
                        sink.flush().await.map_err(lost)?;
                    }
                }
                _ = ping.tick(), if !said_goodbye => {
                    if room && last_heard.elapsed() > DEAD_AFTER {
                        return Err(unreachable("Socket Mode: the connection is dead".to_owned()));
                    }
                    sink.send(Message::Ping(Bytes::new())).await.map_err(lost)?;
                }
                () = at(leaves_at) => (leaves_at, stops) = (None, true),
                () = leave.cancelled(), if !leaves => {
                    (ended.was_leaving, leaves) = (true, true);
                    leaves_at = Some(Instant::now() + DRAIN);
                }
                () = self.shutdown.cancelled(), if !stops => stops = true,
            }
        }
        // Slack may have closed it already.
        let _ = sink.close().await;
        Ok(())
    }

    fn tell(&self, news: News) {
        // The other end lives as long as this one.
        let _ = self.news.send(news);
    }

    /// Hears one envelope. What Slack brings again is acknowledged once it is recorded; what it brings once, a second
    /// later at the latest.
    async fn record(&self, Heard { id, kind, payload }: Heard) -> Recorded<'_> {
        let acknowledgement = Some(json!({ "envelope_id": id }).to_string());
        let Some(kind) = kind else { return Recorded { acknowledgement, rest: None } };
        let doer = Doer::of(&payload);
        let window = doer.window.clone();
        let window =
            window.map(|window| json!({ "envelope_id": id, "payload": window }).to_string());
        let mut recording =
            async move { self.slack.hear(kind, &payload, self.me, self.inbox).await }.boxed();
        let recorded = match timeout(RECORDED_WITHIN, &mut recording).await {
            Ok(recorded) => recorded,
            Err(_) if kind == Kind::Event => recording.await,
            Err(_) => {
                let rest = self.slack.record_slowly(doer, recording);
                let rest = rest.map(|()| Recorded { acknowledgement: None, rest: None });
                return Recorded {
                    acknowledgement: window.or(acknowledgement),
                    rest: Some(rest.boxed()),
                };
            }
        };
        let acknowledgement = if recorded.is_ok() { acknowledgement } else { window };
        Recorded { acknowledgement, rest: None }
    }
}

/// What came of recording an envelope.
struct Recorded<'a> {
    /// What is to be sent back; when it was not recorded nothing, or what keeps a window open.
    acknowledgement: Option<String>,
    /// What goes on after that.
    rest: Option<BoxFuture<'a, Recorded<'a>>>,
}

/// What came over the wire.
#[derive(Debug, PartialEq)]
enum Envelope {
    /// The connection is ready; Slack counts so many.
    Hello(u64),
    /// The connection will be closed soon, for this reason.
    Leaving(String),
    /// The connection is of no use, for this reason.
    Closing(String),
    /// Something to hear and to acknowledge.
    Heard(Heard),
    /// Nothing that is known.
    Other,
}

#[derive(Debug, PartialEq)]
struct Heard {
    id: String,
    /// `None` for a kind that is not heard, and is acknowledged so that it is not sent again.
    kind: Option<Kind>,
    payload: Value,
}

fn envelope(text: &str) -> Envelope {
    let Ok(mut envelope) = serde_json::from_str::<Value>(text) else { return Envelope::Other };
    let kind = match envelope["type"].as_str() {
        Some("hello") => return Envelope::Hello(envelope["num_connections"].as_u64().unwrap_or(1)),
        Some("disconnect") => {
            let reason = envelope["reason"].as_str().unwrap_or_default().to_owned();
            return match &*reason {
                "warning" | "refresh_requested" => Envelope::Leaving(reason),
                "link_disabled" => {
                    Envelope::Closing("it was switched off in the app's settings".to_owned())
                }
                _ => Envelope::Closing(reason),
            };
        }
        Some("events_api") => Some(Kind::Event),
        Some("slash_commands") => Some(Kind::Command),
        Some("interactive") => Some(Kind::Interaction),
        _ => None,
    };
    match envelope["envelope_id"].as_str() {
        Some(id) => {
            let id = id.to_owned();
            Envelope::Heard(Heard { id, kind, payload: envelope["payload"].take() })
        }
        None => Envelope::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_that_are_not_ours_are_said() {
        assert_eq!(condition(1, 1), Condition::Connected);
        assert_eq!(condition(1, 2), Condition::Connected, "the old one is about to close");
        let Condition::Degraded(why) = condition(10, 1) else { panic!() };
        assert!(why.contains("10 connections") && why.contains("type the command"), "{why}");
    }

    #[test]
    fn envelopes_are_read_or_at_least_acknowledged() {
        let read = |text: &str| envelope(text);
        assert_eq!(read(r#"{"type":"hello","num_connections":3}"#), Envelope::Hello(3));
        assert_eq!(
            read(r#"{"type":"disconnect","reason":"warning"}"#),
            Envelope::Leaving("warning".into())
        );
        assert!(matches!(
            read(r#"{"type":"disconnect","reason":"link_disabled"}"#),
            Envelope::Closing(_)
        ));
        let heard =
            |kind| Envelope::Heard(Heard { id: "e".into(), kind, payload: json!({"a": 1}) });
        assert_eq!(
            read(r#"{"type":"events_api","envelope_id":"e","payload":{"a":1}}"#),
            heard(Some(Kind::Event))
        );
        assert_eq!(read(r#"{"type":"new","envelope_id":"e","payload":{"a":1}}"#), heard(None));
        assert_eq!(read("rubbish"), Envelope::Other);
    }
}
