//! The gateway: Discord speaks over a connection that the bot opens
//! (<https://docs.discord.com/developers/events/gateway>).
//!
//! Events are numbered. A session that was interrupted is resumed with the number of the last event that is
//! recorded, also by the next run of the program, and Discord sends what came after it again.

use std::time::Duration;

use chat::{ChatAdapter as _, ChatError, Condition, Inbox, NotRecorded, pause};
use futures::{
    FutureExt as _, SinkExt as _, StreamExt as _,
    future::{BoxFuture, ready},
    stream::FuturesOrdered,
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{Instant, MissedTickBehavior, interval, interval_at, sleep_until, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{
        Message,
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    discord::Discord,
    events::Myself,
    hear::Event,
    protocol::{Ended, Frame, address, closed, ended, intents, lost, op},
    refusals::unreachable,
    session::Session,
};

/// How long a stop waits for what was heard to be recorded.
const DRAIN: Duration = Duration::from_secs(5);
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long Discord may take to say hello, and to say that a session goes on.
const GREETED_WITHIN: Duration = Duration::from_secs(20);
/// How often what a restart needs is written down.
const REMEMBER_EVERY: Duration = Duration::from_millis(500);
/// Events in hand on one connection; more wait with Discord.
const IN_HAND: usize = 256;
/// The largest event taken.
const MAX_BYTES: usize = 16 << 20;
/// Closing with 1000 or 1001 would end the session.
const CLOSES_WITH: u16 = 4_000;
/// A pause to identify that is longer is said to people.
const UNUSUAL: Duration = Duration::from_secs(30);
/// After so many failures a session is no longer looked for where it was begun.
const LOOK_ELSEWHERE_AFTER: u32 = 2;

type Wire = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Hears until told to stop, or until Discord no longer lets the bot connect.
pub(crate) async fn listen(
    discord: &Discord,
    me: &Myself,
    inbox: &Inbox,
    shutdown: &CancellationToken,
) -> Result<(), ChatError> {
    let mut failures = 0;
    loop {
        let mut ears = Ears { discord, me, inbox, shutdown, was_well: false, failures };
        let ended = Box::pin(ears.connection()).await;
        let was_well = ears.was_well;
        discord.remember();
        if shutdown.is_cancelled() {
            return Ok(());
        }
        tracing::info!(?ended, "a connection to Discord ended");
        failures = if was_well { 0 } else { failures + 1 };
        let wait = match ended {
            Ended::ShutOut(error) => return Err(error),
            Ended::Asked if was_well => Duration::ZERO,
            Ended::Asked => pause(failures),
            Ended::Lost(error) => {
                discord.is(Condition::Lost(error.to_string()));
                pause(failures)
            }
            // Discord wants a pause of one to five seconds here.
            Ended::SessionOver => {
                discord.state().memory.session = None;
                Duration::from_secs(1) + pause(2.max(failures))
            }
        };
        if shutdown.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return Ok(());
        }
    }
}

/// What a connection needs.
struct Ears<'a> {
    discord: &'a Discord,
    me: &'a Myself,
    inbox: &'a Inbox,
    shutdown: &'a CancellationToken,
    /// The session went on, or a new one began.
    was_well: bool,
    /// Attempts before this one that came to nothing.
    failures: u32,
}

/// An event that is being recorded, and its number.
type Recording<'a> = BoxFuture<'a, (Option<u64>, Result<(), NotRecorded>)>;

/// Whether Discord answered the last heartbeat.
struct Beat {
    is_answered: bool,
}

impl<'a> Ears<'a> {
    /// One connection, until it ends or we are told to stop.
    async fn connection(&mut self) -> Ended {
        let session = self.discord.state().memory.session.clone();
        let shutdown = self.shutdown;
        let greeting = Box::pin(async {
            let address = self.address(session.as_ref()).await?;
            self.greet(&address, session.as_ref()).await
        });
        let (wire, every) = match shutdown.run_until_cancelled(greeting).await {
            None => return Ended::Asked,
            Some(Err(error)) => return ended(error),
            Some(Ok(greeted)) => greeted,
        };
        self.hear(wire, every).await
    }

    /// Where to connect. A new session waits until the bot may identify itself.
    async fn address(&self, session: Option<&Session>) -> Result<Url, ChatError> {
        if let Some(session) = session.filter(|_| self.failures < LOOK_ELSEWHERE_AFTER) {
            return address(&session.resume_url);
        }
        let gateway = self.discord.rest.gateway(&self.discord.token()).await?;
        if session.is_none() {
            let limit = &gateway.session_start_limit;
            let by_discord =
                (limit.remaining == 0).then(|| Duration::from_millis(limit.reset_after));
            let by_us = self.discord.state().memory.wait_to_identify((self.discord.clock)());
            if let Some(wait) = by_discord.max(by_us) {
                self.wait_to_identify(wait).await;
            }
        }
        address(&gateway.url)
    }

    async fn wait_to_identify(&self, wait: Duration) {
        // What is wrong already matters more.
        let is_lost = matches!(self.discord.condition(), Condition::Lost(_));
        if wait > UNUSUAL && !is_lost {
            self.discord.is(Condition::Lost(format!(
                "the bot began too many sessions, and waits {} s before the next: Discord takes a token away \
                 that begins 1,000 in a day. Look in the log why it is restarted so often",
                wait.as_secs()
            )));
        }
        tokio::time::sleep(wait).await;
    }

    /// Connects, and says who we are; returns how often the heart is to beat.
    async fn greet(
        &self,
        address: &Url,
        session: Option<&Session>,
    ) -> Result<(Wire, Duration), ChatError> {
        let limits = WebSocketConfig::default().max_message_size(Some(MAX_BYTES));
        let connecting = connect_async_with_config(address.as_str(), Some(limits), true);
        let mut wire = match timeout(CONNECT_WITHIN, connecting).await {
            Ok(Ok((wire, _))) => wire,
            Ok(Err(error)) => return Err(unreachable(format!("gateway: {error}"))),
            Err(_) => return Err(unreachable("gateway: connecting took too long".to_owned())),
        };
        let greeting = timeout(GREETED_WITHIN, wire.next()).await;
        let Ok(Some(Ok(Message::Text(text)))) = greeting else {
            return Err(unreachable("gateway: it did not greet".to_owned()));
        };
        let hello = serde_json::from_str::<Frame>(&text).ok().filter(|frame| frame.op == op::HELLO);
        let every = hello.and_then(|frame| frame.d["heartbeat_interval"].as_u64());
        let Some(every) = every.filter(|every| *every > 0) else {
            return Err(unreachable("gateway: it did not say hello".to_owned()));
        };
        let introduction = self.introduction(session);
        wire.send(Message::text(introduction)).await.map_err(|error| lost(&error))?;
        Ok((wire, Duration::from_millis(every)))
    }

    /// Goes on with a session, or begins one.
    fn introduction(&self, session: Option<&Session>) -> String {
        let token = self.discord.token();
        let token = token.expose_secret();
        if let Some(Session { id, recorded, .. }) = session {
            let resume = json!({ "token": token, "session_id": id, "seq": recorded });
            return json!({ "op": op::RESUME, "d": resume }).to_string();
        }
        self.discord.state().memory.identifies_now((self.discord.clock)());
        self.discord.remember();
        let identify = json!({
            "token": token,
            "intents": intents(self.discord.reads_messages).bits(),
            "properties": {
                "os": std::env::consts::OS, "browser": "smartcloudops", "device": "smartcloudops",
            },
        });
        json!({ "op": op::IDENTIFY, "d": identify }).to_string()
    }

    /// Hears until one side closes.
    async fn hear(&mut self, wire: Wire, every: Duration) -> Ended {
        let (mut sink, mut stream) = wire.split();
        let mut in_hand: FuturesOrdered<Recording<'a>> = FuturesOrdered::new();
        // Programs that lost the same server shall not all come at once.
        let first = Instant::now() + every.mul_f64(share());
        let (mut heartbeat, mut remember) = (interval_at(first, every), interval(REMEMBER_EVERY));
        // After a standstill two at once would look like a dead connection.
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut beat = Beat { is_answered: true };
        let greeted_until = Instant::now() + GREETED_WITHIN;
        let mut ended = None;
        while ended.is_none() {
            let room = in_hand.len() < IN_HAND;
            tokio::select! {
                message = stream.next(), if room => match message {
                    Some(Ok(Message::Text(text))) => match self.frame(&text, &mut beat, &mut in_hand) {
                        Heard::Nothing => {}
                        Heard::WantsHeartbeat => {
                            if let Err(error) = sink.send(heart(self.discord)).await {
                                ended = Some(Ended::Lost(lost(&error)));
                            }
                        }
                        Heard::End(how) => ended = Some(how),
                    },
                    Some(Ok(Message::Close(frame))) => ended = Some(closed(frame.as_ref())),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => ended = Some(Ended::Lost(lost(&error))),
                    None => ended = Some(closed(None)),
                },
                Some((number, recorded)) = in_hand.next(), if !in_hand.is_empty() => {
                    ended = self.recorded(number, recorded);
                }
                _ = heartbeat.tick() => {
                    // While there is no room, its answers are not read.
                    if room && !std::mem::replace(&mut beat.is_answered, false) {
                        ended = Some(Ended::Lost(unreachable("gateway: the connection is dead".to_owned())));
                    } else if let Err(error) = sink.send(heart(self.discord)).await {
                        ended = Some(Ended::Lost(lost(&error)));
                    }
                }
                _ = remember.tick() => self.discord.remember(),
                () = sleep_until(greeted_until), if !self.was_well => {
                    ended = Some(Ended::Lost(unreachable("gateway: the session did not begin".to_owned())));
                }
                () = self.shutdown.cancelled() => ended = Some(Ended::Asked),
            }
        }
        self.drain(in_hand).await;
        let code = CloseCode::from(CLOSES_WITH);
        // Discord may have closed it already.
        let _ = sink.send(Message::Close(Some(CloseFrame { code, reason: "".into() }))).await;
        ended.unwrap_or(Ended::Asked)
    }

    /// Waits for what is being recorded.
    async fn drain(&self, mut in_hand: FuturesOrdered<Recording<'_>>) {
        let all = async {
            while let Some((number, recorded)) = in_hand.next().await {
                if self.recorded(number, recorded).is_some() {
                    return;
                }
            }
        };
        if timeout(DRAIN, all).await.is_err() {
            tracing::warn!(
                "something that Discord said was not recorded in time, and will come again"
            );
        }
    }

    /// An event is recorded, and all before it are. When it is not, Discord is asked for it again.
    fn recorded(&self, number: Option<u64>, recorded: Result<(), NotRecorded>) -> Option<Ended> {
        if recorded.is_err() {
            return Some(Ended::Lost(unreachable("an event was not recorded".to_owned())));
        }
        if let (Some(number), Some(session)) = (number, &mut self.discord.state().memory.session) {
            session.recorded = number;
        }
        None
    }

    fn frame(
        &mut self,
        text: &str,
        beat: &mut Beat,
        in_hand: &mut FuturesOrdered<Recording<'a>>,
    ) -> Heard {
        let Ok(Frame { op, d, s, t }) = serde_json::from_str(text) else { return Heard::Nothing };
        match op {
            op::DISPATCH => {
                in_hand.push_back(self.dispatch(t.as_deref().unwrap_or_default(), d, s));
                Heard::Nothing
            }
            op::HEARTBEAT => Heard::WantsHeartbeat,
            op::HEARTBEAT_ACK => {
                beat.is_answered = true;
                Heard::Nothing
            }
            op::RECONNECT => Heard::End(Ended::Asked),
            op::INVALID_SESSION if d == true => Heard::End(Ended::Lost(unreachable(
                "gateway: the session cannot go on at this moment".to_owned(),
            ))),
            op::INVALID_SESSION => Heard::End(Ended::SessionOver),
            _ => Heard::Nothing,
        }
    }

    fn dispatch(&mut self, name: &str, d: Value, number: Option<u64>) -> Recording<'a> {
        let event = match name {
            "MESSAGE_CREATE" => Event::Said,
            "MESSAGE_UPDATE" => Event::Changed,
            "INTERACTION_CREATE" => Event::Interaction,
            "READY" => {
                self.begins(&d, number.unwrap_or_default());
                return ready((number, Ok(()))).boxed();
            }
            "RESUMED" => {
                self.is_well();
                return ready((number, Ok(()))).boxed();
            }
            _ => return ready((number, Ok(()))).boxed(),
        };
        let (discord, me, inbox) = (self.discord, self.me, self.inbox);
        async move { (number, discord.hear(event, &d, me, inbox).await) }.boxed()
    }

    /// A new session begins.
    fn begins(&mut self, ready: &Value, number: u64) {
        let text = |name: &str| ready[name].as_str().map(str::to_owned);
        let (id, resume_url) = (text("session_id"), text("resume_gateway_url"));
        let session = id.zip(resume_url);
        self.discord.state().memory.session =
            session.map(|(id, resume_url)| Session { id, resume_url, recorded: number });
        self.discord.remember();
        self.is_well();
    }

    fn is_well(&mut self) {
        self.was_well = true;
        self.discord.is(Condition::Connected);
    }
}

/// What a frame asks for at once.
enum Heard {
    Nothing,
    WantsHeartbeat,
    End(Ended),
}

/// What is not recorded shall not be taken for heard.
fn heart(discord: &Discord) -> Message {
    let recorded = discord.state().memory.session.as_ref().map(|session| session.recorded);
    Message::text(json!({ "op": op::HEARTBEAT, "d": recorded }).to_string())
}

/// A number from 0 to 1.
fn share() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    (RandomState::new().hash_one(0) % 1000) as f64 / 1000.0
}
