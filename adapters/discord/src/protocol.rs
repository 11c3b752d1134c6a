//! What is said on the gateway, and what it means. Pure.

use chat::ChatError;
use serde::Deserialize;
use serde_json::Value;
use serenity::model::gateway::GatewayIntents;
use tokio_tungstenite::tungstenite::{self, protocol::CloseFrame};
use url::{Host, Url};

use crate::refusals::{barred, refused_because, unreachable};

/// What an operation of the gateway is called
/// (<https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway-gateway-opcodes>).
pub(crate) mod op {
    pub(crate) const DISPATCH: u64 = 0;
    pub(crate) const HEARTBEAT: u64 = 1;
    pub(crate) const IDENTIFY: u64 = 2;
    pub(crate) const RESUME: u64 = 6;
    pub(crate) const RECONNECT: u64 = 7;
    pub(crate) const INVALID_SESSION: u64 = 9;
    pub(crate) const HELLO: u64 = 10;
    pub(crate) const HEARTBEAT_ACK: u64 = 11;
}

/// Something that came over the wire.
#[derive(Debug, Deserialize)]
pub(crate) struct Frame {
    pub(crate) op: u64,
    #[serde(default)]
    pub(crate) d: Value,
    #[serde(default)]
    pub(crate) s: Option<u64>,
    #[serde(default)]
    pub(crate) t: Option<String>,
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Discord asks to come again, or we were told to stop.
    Asked,
    /// It was lost, and the session may go on.
    Lost(ChatError),
    /// The session is over; a new one begins.
    SessionOver,
    /// Connecting again cannot help.
    ShutOut(ChatError),
}

/// Few: what is said to the bot and what it says itself needs no leave to be read.
pub(crate) fn intents(reads_messages: bool) -> GatewayIntents {
    let few = GatewayIntents::GUILD_MESSAGES | GatewayIntents::DIRECT_MESSAGES;
    if reads_messages { few | GatewayIntents::MESSAGE_CONTENT } else { few }
}

/// The token goes there: over TLS, or on this machine.
pub(crate) fn address(url: &str) -> Result<Url, ChatError> {
    let refused = || refused_because(format!("its gateway is at {url}, where no token is sent to"));
    let mut url: Url = url.parse().map_err(|_| refused())?;
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() != "wss" && !(url.scheme() == "ws" && is_here) {
        return Err(refused());
    }
    url.query_pairs_mut().clear().append_pair("v", "10").append_pair("encoding", "json");
    Ok(url)
}

pub(crate) fn lost(error: &tungstenite::Error) -> ChatError {
    unreachable(format!("gateway: {error}"))
}

pub(crate) fn ended(error: ChatError) -> Ended {
    match error {
        ChatError::Barred { .. } | ChatError::Refused { .. } => Ended::ShutOut(error),
        error => Ended::Lost(error),
    }
}

/// What the number of a closing means
/// (<https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes>).
pub(crate) fn closed(frame: Option<&CloseFrame>) -> Ended {
    let (code, reason) = match frame {
        Some(frame) => (u16::from(frame.code), frame.reason.as_str()),
        None => (1_006, ""),
    };
    let wrong = |what: &str| Ended::ShutOut(barred(format!("{what} ({code} {reason})")));
    match code {
        4_004 => {
            wrong("the token does not hold: replace `discord.token` (\"Bot\", \"Reset Token\")")
        }
        4_013 | 4_014 => wrong(
            "the bot may not read every message: switch on \"Message Content Intent\" under \"Bot\", or take out \
             `discord.read_messages`",
        ),
        4_010..=4_012 => wrong("it is too large for one connection, or this program is too old"),
        4_006 | 4_007 | 4_009 => Ended::SessionOver,
        _ => Ended::Lost(unreachable(format!("gateway: closed with {code} {reason}"))),
    }
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

    use super::*;

    fn close(code: u16) -> Ended {
        closed(Some(&CloseFrame { code: CloseCode::from(code), reason: "".into() }))
    }

    #[test]
    fn what_cannot_be_mended_by_coming_again_is_not_tried_again() {
        for code in [4_004, 4_010, 4_011, 4_012, 4_013, 4_014] {
            assert!(matches!(close(code), Ended::ShutOut(ChatError::Barred { .. })), "{code}");
        }
        for code in [4_007, 4_009] {
            assert!(matches!(close(code), Ended::SessionOver), "{code}");
        }
        for code in [1_000, 1_001, 4_000, 4_001, 4_002, 4_005, 4_008, 1_006, 1_011] {
            assert!(matches!(close(code), Ended::Lost(_)), "{code}");
        }
    }

    #[test]
    fn the_token_goes_over_tls_or_stays_on_this_machine() {
        let shown = |url| address(url).map(|url| url.to_string()).ok();
        assert_eq!(
            shown("wss://gateway.discord.gg/").as_deref(),
            Some("wss://gateway.discord.gg/?v=10&encoding=json")
        );
        assert!(shown("ws://127.0.0.1:4000/gw").is_some());
        for url in ["ws://gateway.discord.gg", "https://gateway.discord.gg", "rubbish"] {
            assert_eq!(shown(url), None, "{url}");
        }
    }

    #[test]
    fn as_little_as_possible_is_asked_for() {
        assert_eq!(intents(false).bits(), 1 << 9 | 1 << 12);
        assert!(intents(true).contains(GatewayIntents::MESSAGE_CONTENT));
    }
}
