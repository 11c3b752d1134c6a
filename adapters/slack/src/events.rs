//! What Slack says → what was said to the bot. Pure.
//!
//! Payloads are taken as Slack sends them, because slack-morphism's types leave out whose workspace a speaker
//! is of: in a channel that is shared with another company, that decides.

use chat::{Assurance, Conversation, Inbound, MessageRef, Origin, Platform, UserRef};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slack_morphism::prelude::*;

use crate::{blocks::ASK, markup::words};

/// Who the bot is, as `auth.test` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Myself {
    /// Its workspace.
    pub team: String,
    /// Its user, which people mention.
    pub user: String,
}

/// Why something is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// The bot said it itself.
    Own,
    /// Another bot, a workflow or a webhook said it.
    Bot,
    /// The speaker is of another workspace.
    ForeignWorkspace,
    /// People talk to each other.
    NotForTheBot,
    /// There are no words in it: somebody joined, a message was deleted, a link was unfolded.
    NoWords,
    /// It is of a kind that the bot does not hear.
    OtherKind,
}

/// What a payload of the Events API says: the object with `"type": "event_callback"`.
pub fn event(payload: &Value, me: &Myself) -> Result<Inbound, Ignored> {
    let callback = SlackPushEventCallback::deserialize(payload).map_err(|_| Ignored::OtherKind)?;
    if callback.team_id.0 != me.team {
        return Err(Ignored::ForeignWorkspace);
    }
    let inner = &payload["event"];
    match callback.event {
        SlackEventCallbackBody::AppMention(mention) => {
            is_of_ours(inner, me)?;
            is_a_person(Some(&mention.user), text_at(inner, "bot_id"), me)?;
            let text = mention.content.text.as_deref().unwrap_or_default();
            let place =
                Place { channel: &mention.channel.0, origin: &mention.origin, is_direct: false };
            said(&mention.user, text, &place, mention.edited.as_ref(), me)
        }
        SlackEventCallbackBody::Message(message) => heard_message(&message, inner, me),
        _ => Err(Ignored::OtherKind),
    }
}

fn heard_message(
    message: &SlackMessageEvent,
    inner: &Value,
    me: &Myself,
) -> Result<Inbound, Ignored> {
    use SlackMessageEventType as Kind;
    let channel = message.origin.channel.as_ref().ok_or(Ignored::OtherKind)?;
    let is_direct = text_at(inner, "channel_type") == Some("im");
    match message.subtype {
        None | Some(Kind::FileShare | Kind::ThreadBroadcast | Kind::MeMessage) => {
            is_of_ours(inner, me)?;
            is_a_person(message.sender.user.as_ref(), text_at(inner, "bot_id"), me)?;
            let user = message.sender.user.as_ref().ok_or(Ignored::Bot)?;
            let text = message.content.as_ref().and_then(|content| content.text.as_deref());
            let place = Place { channel: &channel.0, origin: &message.origin, is_direct };
            said(user, text.unwrap_or_default(), &place, None, me)
        }
        Some(Kind::MessageChanged) => {
            let (now, raw) = (message.message.as_ref().ok_or(Ignored::NoWords)?, &inner["message"]);
            is_of_ours(raw, me)?;
            is_a_person(now.sender.user.as_ref(), text_at(raw, "bot_id"), me)?;
            let user = now.sender.user.as_ref().ok_or(Ignored::Bot)?;
            // A link that was unfolded changes a message too, and nobody edited it.
            let edited = now.edited.as_ref().ok_or(Ignored::NoWords)?;
            let text = now.content.as_ref().and_then(|content| content.text.as_deref());
            let mut origin = SlackMessageOrigin::new(now.ts.clone());
            origin.thread_ts = text_at(raw, "thread_ts").map(|ts| SlackTs(ts.to_owned()));
            let place = Place { channel: &channel.0, origin: &origin, is_direct };
            said(user, text.unwrap_or_default(), &place, Some(edited), me)
        }
        Some(Kind::BotMessage) => Err(Ignored::Bot),
        Some(_) => Err(Ignored::NoWords),
    }
}

/// What a slash command says: the form of the request, as an object.
pub fn command(payload: &Value, me: &Myself, now: DateTime<Utc>) -> Result<Inbound, Ignored> {
    let field = |name| text_at(payload, name).ok_or(Ignored::OtherKind);
    if field("team_id")? != me.team {
        return Err(Ignored::ForeignWorkspace);
    }
    let (user, trigger) = (field("user_id")?, field("trigger_id")?);
    let conversation = conversation(me, field("channel_id")?, None);
    Ok(Inbound {
        id: format!("command:{trigger}"),
        from: user_ref(me, user),
        display_name: text_at(payload, "user_name").unwrap_or(user).to_owned(),
        message: MessageRef { conversation: conversation.clone(), message: trigger.to_owned() },
        conversation,
        text: words(text_at(payload, "text").unwrap_or_default(), me),
        origin: Origin::Command,
        edited: false,
        assurance: Assurance::Authenticated,
        at: now,
    })
}

/// What opening the app's own tab says: that person's question what is open. The answer is what the tab
/// shows.
pub fn home(payload: &Value, me: &Myself) -> Result<Inbound, Ignored> {
    let inner = &payload["event"];
    if text_at(payload, "team_id") != Some(&me.team) {
        return Err(Ignored::ForeignWorkspace);
    }
    if text_at(inner, "type") != Some("app_home_opened") || text_at(inner, "tab") != Some("home") {
        return Err(Ignored::OtherKind);
    }
    let field = |name| text_at(inner, name).ok_or(Ignored::OtherKind);
    let (user, moment) = (field("user")?, field("event_ts")?);
    let conversation = conversation(me, &format!("{HOME}{user}"), None);
    Ok(Inbound {
        id: format!("home:{user}:{moment}"),
        from: user_ref(me, user),
        display_name: user.to_owned(),
        message: MessageRef { conversation: conversation.clone(), message: moment.to_owned() },
        conversation,
        text: "open incidents".to_owned(),
        origin: Origin::Command,
        edited: false,
        assurance: Assurance::Authenticated,
        at: moment_of(moment).ok_or(Ignored::OtherKind)?,
    })
}

/// How the name of a person's tab begins, as a channel.
pub(crate) const HOME: &str = "home:";

/// What came of a pressed button or a chosen option.
#[derive(Clone, Debug, PartialEq)]
pub enum Pressed {
    /// It said this.
    Said(Inbound),
    /// It wants to ask something first.
    Asks(Question),
}

/// A command that lacks its last words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Slack's permission to ask, good for three seconds.
    pub trigger: String,
    /// What the person is asked.
    pub text: String,
    /// Where, and the command.
    pub about: About,
}

/// What a question is about; goes to Slack with the question and comes back with the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    channel: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<String>,
    command: String,
}

/// What a pressed button or a chosen option says: the object with `"type": "block_actions"`.
pub fn pressed(payload: &Value, me: &Myself) -> Result<Pressed, Ignored> {
    let action = payload["actions"].get(0).ok_or(Ignored::OtherKind)?;
    let chosen = &action["selected_option"];
    let value = text_at(action, "value").or_else(|| text_at(chosen, "value"));
    let text = value.ok_or(Ignored::OtherKind)?;
    let from = who(payload, me)?;
    let container = &payload["container"];
    let moment = text_at(action, "action_ts").ok_or(Ignored::OtherKind)?;
    let name = text_at(action, "action_id").unwrap_or_default();
    let (channel, message, thread) = match text_at(container, "type") {
        // On the app's own tab the answer takes the tab's place.
        Some("view") => (format!("{HOME}{}", from.id), moment.to_owned(), None),
        _ => place_of(payload).ok_or(Ignored::OtherKind)?,
    };
    if name.starts_with(ASK) {
        let (command, question) = text.split_once('\n').ok_or(Ignored::OtherKind)?;
        let trigger = text_at(payload, "trigger_id").ok_or(Ignored::OtherKind)?;
        return Ok(Pressed::Asks(Question {
            trigger: trigger.to_owned(),
            text: question.to_owned(),
            about: About { channel, message, thread, command: command.to_owned() },
        }));
    }
    let id = format!("pressed:{channel}:{message}:{name}:{}:{moment}", from.id);
    let at = moment_of(moment).ok_or(Ignored::OtherKind)?;
    let place = (channel.as_str(), message.as_str(), thread.as_deref());
    // It is the bot's own words, and no markup.
    Ok(Pressed::Said(by_button(id, &from, place, text.to_owned(), at, me)))
}

/// What the answer to a question says: the object with `"type": "view_submission"`.
pub fn submitted(payload: &Value, me: &Myself, now: DateTime<Utc>) -> Result<Inbound, Ignored> {
    let (view, from) = (&payload["view"], who(payload, me)?);
    let about = text_at(view, "private_metadata").ok_or(Ignored::OtherKind)?;
    let about: About = serde_json::from_str(about).map_err(|_| Ignored::OtherKind)?;
    let inputs = view["state"]["values"].as_object().into_iter().flat_map(|blocks| blocks.values());
    let mut inputs = inputs.filter_map(Value::as_object).flat_map(|inputs| inputs.values());
    let answer = inputs.find_map(|input| text_at(input, "value")).unwrap_or_default();
    let answer = answer.split_whitespace().collect::<Vec<_>>().join(" ");
    let id = format!("answered:{}", text_at(view, "id").ok_or(Ignored::OtherKind)?);
    let place = (about.channel.as_str(), about.message.as_str(), about.thread.as_deref());
    let text = format!("{} {answer}", about.command);
    Ok(by_button(id, &from, place, text, now, me))
}

/// Who pressed something.
struct Who<'a> {
    id: &'a str,
    name: &'a str,
}

fn who<'a>(payload: &'a Value, me: &Myself) -> Result<Who<'a>, Ignored> {
    let from = &payload["user"];
    let id = text_at(from, "id").ok_or(Ignored::OtherKind)?;
    let teams = [text_at(&payload["team"], "id"), text_at(from, "team_id")];
    if teams[0] != Some(&me.team) || teams[1].is_some_and(|team| team != me.team) {
        return Err(Ignored::ForeignWorkspace);
    }
    Ok(Who { id, name: text_at(from, "username").unwrap_or(id) })
}

/// The channel, the message and the thread in which something was pressed.
fn place_of(payload: &Value) -> Option<(String, String, Option<String>)> {
    let container = &payload["container"];
    let channel =
        text_at(&payload["channel"], "id").or_else(|| text_at(container, "channel_id"))?;
    let message = text_at(container, "message_ts")?;
    let thread =
        text_at(&payload["message"], "thread_ts").or_else(|| text_at(container, "thread_ts"));
    // What only one person sees is no root of a thread.
    let root = (container["is_ephemeral"] != true).then_some(message);
    Some((channel.to_owned(), message.to_owned(), thread.or(root).map(str::to_owned)))
}

fn by_button(
    id: String,
    from: &Who<'_>,
    (channel, message, thread): (&str, &str, Option<&str>),
    text: String,
    at: DateTime<Utc>,
    me: &Myself,
) -> Inbound {
    Inbound {
        id,
        from: user_ref(me, from.id),
        display_name: from.name.to_owned(),
        conversation: conversation(me, channel, thread),
        message: MessageRef {
            conversation: conversation(me, channel, thread.filter(|thread| *thread != message)),
            message: message.to_owned(),
        },
        text,
        origin: Origin::Button,
        edited: false,
        assurance: Assurance::Authenticated,
        at,
    }
}

/// Where a message is.
struct Place<'a> {
    channel: &'a str,
    origin: &'a SlackMessageOrigin,
    /// Nobody else is there.
    is_direct: bool,
}

fn said(
    user: &SlackUserId,
    text: &str,
    place: &Place<'_>,
    edited: Option<&SlackMessageEdited>,
    me: &Myself,
) -> Result<Inbound, Ignored> {
    let ts = &place.origin.ts.0;
    let thread = place.origin.thread_ts.as_ref().map(|thread| thread.0.as_str());
    // A mention in a channel is sent twice, as a message and as a mention: it is one event.
    let id = match edited {
        Some(edit) => format!("edited:{}:{ts}:{}", place.channel, edit.ts.0),
        None => format!("message:{}:{ts}", place.channel),
    };
    let mentions = |end| text.contains(&format!("<@{}{end}", me.user));
    let is_addressed = place.is_direct || mentions('>') || mentions('|');
    // What people say to each other is none of the bot's business, but for threads that it may be in.
    if !is_addressed && thread.is_none() {
        return Err(Ignored::NotForTheBot);
    }
    let text = words(text, me);
    if text.is_empty() && !is_addressed {
        return Err(Ignored::NoWords);
    }
    // Among others an answer goes into the thread of the question, alone with the bot beside it.
    let answers = if place.is_direct { thread } else { Some(thread.unwrap_or(ts)) };
    Ok(Inbound {
        id,
        from: user_ref(me, &user.0),
        display_name: user.0.clone(),
        conversation: conversation(me, place.channel, answers),
        message: MessageRef {
            conversation: conversation(me, place.channel, thread.filter(|thread| thread != ts)),
            message: ts.clone(),
        },
        text,
        origin: if is_addressed { Origin::Addressed } else { Origin::Overheard },
        edited: edited.is_some(),
        assurance: Assurance::Authenticated,
        at: moment_of(ts).ok_or(Ignored::OtherKind)?,
    })
}

/// Refuses what somebody of another workspace says in a shared channel.
fn is_of_ours(message: &Value, me: &Myself) -> Result<(), Ignored> {
    let teams = ["user_team", "source_team", "team"].map(|name| text_at(message, name));
    let foreign = teams.into_iter().flatten().any(|team| team != me.team);
    if foreign { Err(Ignored::ForeignWorkspace) } else { Ok(()) }
}

fn is_a_person(user: Option<&SlackUserId>, bot: Option<&str>, me: &Myself) -> Result<(), Ignored> {
    match user {
        Some(user) if user.0 == me.user => Err(Ignored::Own),
        _ if bot.is_some() => Err(Ignored::Bot),
        Some(_) => Ok(()),
        None => Err(Ignored::Bot),
    }
}

fn user_ref(me: &Myself, user: &str) -> UserRef {
    UserRef { platform: Platform::Slack, workspace: me.team.clone(), user: user.to_owned() }
}

fn conversation(me: &Myself, channel: &str, thread: Option<&str>) -> Conversation {
    Conversation {
        platform: Platform::Slack,
        workspace: me.team.clone(),
        channel: channel.to_owned(),
        thread: thread.map(str::to_owned),
    }
}

fn text_at<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value[name].as_str().filter(|text| !text.is_empty())
}

/// The moment in a message's name: seconds since 1970, a point and six digits.
fn moment_of(ts: &str) -> Option<DateTime<Utc>> {
    let (seconds, fraction) = ts.split_once('.').unwrap_or((ts, "0"));
    let micros: u32 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    DateTime::from_timestamp(seconds.parse().ok()?, micros.checked_mul(1000)?)
}

#[cfg(test)]
mod tests;
