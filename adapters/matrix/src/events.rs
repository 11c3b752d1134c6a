//! Matrix event → what somebody said, or the reason why it is left alone. Pure.

use chat::{Assurance, Conversation, Inbound, MessageRef, Origin, Platform, UserRef};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    markup::{Mentions, words},
    trust::Proof,
};

/// Bytes of the id of an event (<https://spec.matrix.org/latest/appendices/#event-ids>).
const MAX_ID: usize = 255;

/// Who the bot is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Myself {
    /// Its homeserver.
    pub server: String,
    /// Its id, which people mention.
    pub user: String,
    /// What it is called.
    pub name: Option<String>,
}

/// What is known of an event besides itself.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The room.
    pub room: &'a str,
    /// Whether the sender is alone with the bot there.
    pub is_direct: bool,
    /// What the sender is called there.
    pub name: Option<&'a str>,
    /// Who sent it.
    pub proof: &'a Proof,
    /// Whether everything in the room should come encrypted.
    pub is_encrypted: bool,
    /// Whether the homeserver's word for who sent something suffices where nothing is encrypted.
    pub trusts_server: bool,
}

/// Why something is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// The bot said it itself.
    Own,
    /// Another bot said it: nobody answers a notice.
    Bot,
    /// The speaker is of a server that is not let in.
    ForeignServer,
    /// People talk to each other.
    NotForTheBot,
    /// There are no words in it.
    NoWords,
    /// It cannot be read.
    Unreadable,
    /// It is of a kind that the bot does not hear.
    OtherKind,
}

/// What came of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// Somebody said this.
    Said(Inbound),
    /// Somebody changed what they had said.
    Edited {
        /// What it says now.
        now: Inbound,
        /// The message that they changed.
        message: String,
    },
    /// Somebody put a sign on a message.
    Reacted {
        /// The message.
        message: String,
        /// The sign.
        sign: String,
    },
}

/// What an event of a room says.
pub fn heard(event: &Value, around: &Around<'_>, me: &Myself) -> Result<Heard, Ignored> {
    let sender = text_at(event, "sender").ok_or(Ignored::OtherKind)?;
    if sender == me.user {
        return Err(Ignored::Own);
    }
    if let Proof::Unreadable(_) = around.proof {
        return Err(Ignored::Unreadable);
    }
    let (content, id) = (&event["content"], text_at(event, "event_id").ok_or(Ignored::OtherKind)?);
    let relation = &content["m.relates_to"];
    match text_at(event, "type") {
        Some("m.reaction") if text_at(relation, "rel_type") == Some("m.annotation") => {
            let message = event_at(relation).ok_or(Ignored::OtherKind)?;
            let sign = text_at(relation, "key").ok_or(Ignored::OtherKind)?;
            // Some clients send the sign with the request to draw it in colours.
            let sign = sign.trim_end_matches('\u{fe0f}').to_owned();
            Ok(Heard::Reacted { message: message.to_owned(), sign })
        }
        // The homeserver could take the relation away, which is in clear, but not the new content.
        Some("m.room.message") if content["m.new_content"].is_object() => {
            let message = event_at(relation).unwrap_or(id).to_owned();
            let (now, _) = said(event, &content["m.new_content"], id, around, me)?;
            Ok(Heard::Edited { now: Inbound { edited: true, ..now }, message })
        }
        Some("m.room.message") => {
            let (now, thread) = said(event, content, id, around, me)?;
            // What people say to each other is none of the bot's business, but for threads that it may be in.
            if now.origin == Origin::Overheard && thread.is_none() {
                return Err(Ignored::NotForTheBot);
            }
            Ok(Heard::Said(now))
        }
        _ => Err(Ignored::OtherKind),
    }
}

/// What a sign on a message says, when the message offers this command for it.
pub fn reacted(
    event: &Value,
    around: &Around<'_>,
    me: &Myself,
    (message, thread): (&str, Option<&str>),
    command: String,
) -> Result<Inbound, Ignored> {
    let sender = text_at(event, "sender").ok_or(Ignored::OtherKind)?;
    let id = text_at(event, "event_id").ok_or(Ignored::OtherKind)?;
    let answers = if around.is_direct { thread } else { Some(thread.unwrap_or(message)) };
    Ok(Inbound {
        id: format!("reacted:{id}"),
        from: user_ref(me, sender),
        display_name: around.name.unwrap_or(sender).to_owned(),
        conversation: conversation(me, around.room, answers),
        message: MessageRef {
            conversation: conversation(me, around.room, thread),
            message: message.to_owned(),
        },
        text: command,
        origin: Origin::Button,
        edited: false,
        // Signs are never encrypted: anybody on the way could have made one.
        assurance: assurance(around, &Proof::Clear),
        at: moment(event)?,
    })
}

/// What a message says, and the thread that it is in.
fn said(
    event: &Value,
    content: &Value,
    id: &str,
    around: &Around<'_>,
    me: &Myself,
) -> Result<(Inbound, Option<String>), Ignored> {
    match text_at(content, "msgtype") {
        Some("m.text" | "m.emote") => {}
        // "A notice must never be automatically responded to."
        Some("m.notice") => return Err(Ignored::Bot),
        _ => return Err(Ignored::NoWords),
    }
    let sender = text_at(event, "sender").ok_or(Ignored::OtherKind)?;
    let relation = &content["m.relates_to"];
    let is_in_thread = text_at(relation, "rel_type") == Some("m.thread");
    let thread = event_at(relation).filter(|_| is_in_thread);
    let Mentions { is_command, is_mentioned, text } = words(content, me);
    let is_addressed = around.is_direct || is_mentioned || is_command;
    if text.is_empty() && !is_addressed {
        return Err(Ignored::NoWords);
    }
    let origin = if is_addressed { Origin::Addressed } else { Origin::Overheard };
    // Among others an answer goes into the thread of the question, alone with the bot beside it.
    let answers = if around.is_direct { thread } else { Some(thread.unwrap_or(id)) };
    let inbound = Inbound {
        id: id.to_owned(),
        from: user_ref(me, sender),
        display_name: around.name.unwrap_or(sender).to_owned(),
        conversation: conversation(me, around.room, answers),
        message: MessageRef {
            conversation: conversation(me, around.room, thread),
            message: id.to_owned(),
        },
        text,
        origin,
        edited: false,
        assurance: assurance(around, around.proof),
        at: moment(event)?,
    };
    Ok((inbound, thread.map(str::to_owned)))
}

/// The thread in which a message stands, as its event says.
pub fn thread_of(event: &Value) -> Option<&str> {
    let relation = &event["content"]["m.relates_to"];
    let is_in_thread = text_at(relation, "rel_type") == Some("m.thread");
    event_at(relation).filter(|_| is_in_thread)
}

/// The event that a relation speaks of. Inside an encrypted message no homeserver looks at it: it may be anything.
fn event_at(relation: &Value) -> Option<&str> {
    let is_id = |id: &&str| {
        id.starts_with('$') && id.len() <= MAX_ID && id.bytes().all(|byte| byte.is_ascii_graphic())
    };
    text_at(relation, "event_id").filter(is_id)
}

/// What came in clear where everything should be encrypted proves nothing, whatever the setting.
fn assurance(around: &Around<'_>, proof: &Proof) -> Assurance {
    match proof {
        Proof::CrossSigned(_) => Assurance::Authenticated,
        Proof::Clear if around.trusts_server && !around.is_encrypted => Assurance::Authenticated,
        _ => Assurance::Unproven,
    }
}

fn moment(event: &Value) -> Result<DateTime<Utc>, Ignored> {
    let millis = event["origin_server_ts"].as_i64();
    millis.and_then(DateTime::from_timestamp_millis).ok_or(Ignored::OtherKind)
}

fn user_ref(me: &Myself, user: &str) -> UserRef {
    UserRef { platform: Platform::Matrix, workspace: me.server.clone(), user: user.to_owned() }
}

pub(crate) fn conversation(me: &Myself, room: &str, thread: Option<&str>) -> Conversation {
    Conversation {
        platform: Platform::Matrix,
        workspace: me.server.clone(),
        channel: room.to_owned(),
        thread: thread.map(str::to_owned),
    }
}

fn text_at<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value[name].as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
