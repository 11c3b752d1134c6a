//! What Discord says → what was said to the bot. Pure.
//!
//! Payloads are taken as Discord sends them, and only what is used is read: a part that is newer than this
//! program must not make a message unheard.

use chat::{Assurance, Conversation, Inbound, MessageRef, Origin, Platform, UserRef};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use serenity::model::channel::MessageFlags;

use crate::{
    commands,
    markup::words,
    message::{Pressed, pressed},
};

/// An edit of which one hears later is none: sessions are resumed after minutes at most.
const EDITED_WITHIN: TimeDelta = TimeDelta::hours(1);

/// Who the bot is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Myself {
    /// Its user, which people mention.
    pub user: String,
    /// Its application.
    pub application: String,
    /// The server it serves.
    pub guild: String,
    /// The role that it has there by itself, which people mention too.
    pub role: Option<String>,
}

/// Why something is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// The bot said it itself.
    Own,
    /// Another bot or a webhook said it.
    Bot,
    /// It was said on another server, or by somebody who is not on this one.
    ForeignServer,
    /// People talk to each other.
    NotForTheBot,
    /// There are no words in it, or none that the bot may read.
    NoWords,
    /// It is of a kind that the bot does not hear.
    OtherKind,
}

/// The channel that something was said in, and its thread: on Discord a thread is a channel in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The channel.
    pub channel: String,
    /// The thread in it.
    pub thread: Option<String>,
}

/// Who said something where, as far as that is known without asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The speaker.
    pub user: String,
    /// What they are called.
    pub name: String,
    /// The channel or thread.
    pub channel: String,
    /// Nobody else is there.
    pub is_direct: bool,
    /// It is for the bot.
    pub is_addressed: bool,
}

/// Whether a message may be for the bot: the `d` of `MESSAGE_CREATE` or `MESSAGE_UPDATE`
/// (<https://docs.discord.com/developers/resources/message#message-object>).
pub fn said(message: &Value, me: &Myself) -> Result<Said, Ignored> {
    let author = &message["author"];
    let user = text_at(author, "id").ok_or(Ignored::OtherKind)?;
    if user == me.user {
        return Err(Ignored::Own);
    }
    if author["bot"] == true || author["system"] == true || !message["webhook_id"].is_null() {
        return Err(Ignored::Bot);
    }
    let guild = text_at(message, "guild_id");
    if guild.is_some_and(|guild| guild != me.guild) {
        return Err(Ignored::ForeignServer);
    }
    // An ordinary message or a reply; the others say that somebody joined, that a message was pinned.
    if !matches!(message["type"].as_u64(), Some(0 | 19)) {
        return Err(Ignored::NoWords);
    }
    let is_direct = guild.is_none();
    let mentions = message["mentions"].as_array().into_iter().flatten();
    let is_mentioned = mentions.into_iter().any(|it| text_at(it, "id") == Some(&me.user));
    let roles = message["mention_roles"].as_array().into_iter().flatten();
    let has_role = |role: &Value| me.role.is_some() && role.as_str() == me.role.as_deref();
    let is_addressed = is_direct || is_mentioned || roles.into_iter().any(has_role);
    // Where the bot may not read what was not said to it, nothing is there.
    if !is_addressed && text_at(message, "content").is_none() {
        return Err(Ignored::NoWords);
    }
    let nick = text_at(&message["member"], "nick");
    let channel = text_at(message, "channel_id").ok_or(Ignored::OtherKind)?;
    Ok(Said {
        user: user.to_owned(),
        name: nick.unwrap_or(name_of(author, user)).to_owned(),
        channel: channel.to_owned(),
        is_direct,
        is_addressed,
    })
}

/// What a message says, at its place.
pub fn message(
    message: &Value,
    said: &Said,
    place: &Place,
    me: &Myself,
) -> Result<Inbound, Ignored> {
    let id = text_at(message, "id").ok_or(Ignored::OtherKind)?;
    if !said.is_addressed && place.thread.is_none() {
        return Err(Ignored::NotForTheBot);
    }
    let text = words(text_at(message, "content").unwrap_or_default(), me);
    if text.is_empty() && !said.is_addressed {
        return Err(Ignored::NoWords);
    }
    // Among others an answer goes into the thread of the question, alone with the bot beside it.
    let begun = (!said.is_direct).then_some(id);
    let answers = place.thread.as_deref().or(begun);
    Ok(Inbound {
        id: format!("message:{id}"),
        from: user_ref(me, &said.user),
        display_name: said.name.clone(),
        conversation: conversation(me, &place.channel, answers),
        message: MessageRef {
            conversation: conversation(me, &place.channel, place.thread.as_deref()),
            message: id.to_owned(),
        },
        text,
        origin: if said.is_addressed { Origin::Addressed } else { Origin::Overheard },
        edited: false,
        assurance: Assurance::Authenticated,
        at: moment_at(message, "timestamp").ok_or(Ignored::OtherKind)?,
    })
}

/// What an edited message says. One that was only changed by Discord, because a link was unfolded for example,
/// was edited by nobody.
pub fn edited(
    changed: &Value,
    said: &Said,
    place: &Place,
    me: &Myself,
    now: DateTime<Utc>,
) -> Result<Inbound, Ignored> {
    let edited = text_at(changed, "edited_timestamp").ok_or(Ignored::NoWords)?;
    let inbound = message(changed, said, place, me)?;
    let at = moment_at(changed, "edited_timestamp").ok_or(Ignored::OtherKind)?;
    // Something else was changed on a message that was edited long ago: it was pinned, for example.
    if now - at > EDITED_WITHIN {
        return Err(Ignored::NoWords);
    }
    let id = format!("edited:{}:{edited}", inbound.message.message);
    Ok(Inbound { id, at, edited: true, ..inbound })
}

/// Something that wants an answer within three seconds
/// (<https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interaction {
    /// Its id.
    pub id: String,
    /// What it is answered with.
    pub token: String,
    /// Who.
    pub user: String,
    /// Alone with the bot.
    pub is_direct: bool,
    /// On another server than the one that is served.
    pub is_foreign: bool,
    /// What.
    pub kind: Kind,
    name: String,
    place: Place,
    /// The message that something was pressed on.
    on: Option<On>,
}

/// A message that something was pressed on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct On {
    message: String,
    /// Others see it too.
    is_public: bool,
}

/// What kind of interaction it is, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A slash command that says this.
    Command(String),
    /// A pressed button or a chosen option that says this.
    Pressed(String),
    /// A button that wants to ask something first.
    Asks {
        /// What the person is asked.
        question: String,
        /// The command that lacks its last words.
        command: String,
    },
    /// The answer to that, after its command.
    Answered(String),
    /// Somebody is typing an option of a command.
    Typing(commands::Typing),
}

/// Reads the `d` of `INTERACTION_CREATE`.
pub fn interaction(payload: &Value, me: &Myself) -> Result<Interaction, Ignored> {
    let field = |name| text_at(payload, name).ok_or(Ignored::OtherKind);
    let guild = text_at(payload, "guild_id");
    let user = if guild.is_some() { &payload["member"]["user"] } else { &payload["user"] };
    let id = text_at(user, "id").ok_or(Ignored::OtherKind)?;
    let (data, channel) = (&payload["data"], field("channel_id")?);
    let kind = match payload["type"].as_u64() {
        Some(2) => Kind::Command(words(&commands::text(data).ok_or(Ignored::OtherKind)?, me)),
        Some(4) => Kind::Typing(commands::typing(data).ok_or(Ignored::OtherKind)?),
        Some(3) => {
            let chosen = data["values"][0].as_str();
            match (chosen, text_at(data, "custom_id").ok_or(Ignored::OtherKind)?) {
                (Some(chosen), _) => Kind::Pressed(chosen.to_owned()),
                (None, id) => match pressed(id) {
                    Pressed::Says(command) => Kind::Pressed(command.to_owned()),
                    Pressed::Asks { question, command } => {
                        let (question, command) = (question.to_owned(), command.to_owned());
                        Kind::Asks { question, command }
                    }
                },
            }
        }
        Some(5) => {
            let command = text_at(data, "custom_id").ok_or(Ignored::OtherKind)?;
            let answer = words(answer_in(&data["components"]).unwrap_or_default(), me);
            Kind::Answered(format!("{command} {answer}"))
        }
        _ => return Err(Ignored::OtherKind),
    };
    let flags = payload["message"]["flags"].as_u64().unwrap_or_default();
    let is_public = !MessageFlags::from_bits_truncate(flags).contains(MessageFlags::EPHEMERAL);
    let on = text_at(&payload["message"], "id");
    let nick = text_at(&payload["member"], "nick");
    Ok(Interaction {
        id: field("id")?.to_owned(),
        token: field("token")?.to_owned(),
        user: id.to_owned(),
        is_direct: guild.is_none(),
        is_foreign: guild.is_some_and(|guild| guild != me.guild),
        kind,
        name: nick.unwrap_or(name_of(user, id)).to_owned(),
        place: place_of(channel, &payload["channel"]),
        on: on.map(|message| On { message: message.to_owned(), is_public }),
    })
}

impl Interaction {
    /// What it says; `None` where nothing was said yet.
    pub fn inbound(&self, me: &Myself, now: DateTime<Utc>) -> Option<Inbound> {
        let (name, text, origin) = match &self.kind {
            Kind::Command(text) => ("command", text, Origin::Command),
            Kind::Pressed(text) => ("pressed", text, Origin::Button),
            Kind::Answered(text) => ("answered", text, Origin::Button),
            Kind::Asks { .. } | Kind::Typing(_) => return None,
        };
        let Place { channel, thread } = &self.place;
        // What is public and no thread yet becomes the root of one.
        let root = self.on.as_ref().filter(|on| on.is_public && !self.is_direct);
        let answers = thread.as_deref().or(root.map(|on| &*on.message));
        let message = self.on.as_ref().map_or(&self.id, |on| &on.message);
        Some(Inbound {
            id: format!("{name}:{}", self.id),
            from: user_ref(me, &self.user),
            display_name: self.name.clone(),
            conversation: conversation(me, channel, answers),
            message: MessageRef {
                conversation: conversation(me, channel, thread.as_deref()),
                message: message.clone(),
            },
            text: text.clone(),
            origin,
            edited: false,
            assurance: Assurance::Authenticated,
            at: now,
        })
    }

    /// Who it is, as the core knows them.
    pub fn from(&self, me: &Myself) -> UserRef {
        user_ref(me, &self.user)
    }
}

/// The place of a channel that is described: kinds 10 to 12 are threads
/// (<https://docs.discord.com/developers/resources/channel#channel-object-channel-types>).
pub fn place_of(channel: &str, described: &Value) -> Place {
    let is_thread = matches!(described["type"].as_u64(), Some(10..=12));
    match text_at(described, "parent_id").filter(|_| is_thread) {
        Some(parent) => Place { channel: parent.to_owned(), thread: Some(channel.to_owned()) },
        None => Place { channel: channel.to_owned(), thread: None },
    }
}

/// What was written into a window, wherever in it the field is.
fn answer_in(components: &Value) -> Option<&str> {
    match components {
        Value::Array(parts) => parts.iter().find_map(answer_in),
        Value::Object(part) => part
            .get("value")
            .and_then(Value::as_str)
            .or_else(|| part.get("components").and_then(answer_in))
            .or_else(|| part.get("component").and_then(answer_in)),
        _ => None,
    }
}

fn name_of<'a>(user: &'a Value, id: &'a str) -> &'a str {
    text_at(user, "global_name").or_else(|| text_at(user, "username")).unwrap_or(id)
}

fn user_ref(me: &Myself, user: &str) -> UserRef {
    UserRef { platform: Platform::Discord, workspace: me.guild.clone(), user: user.to_owned() }
}

fn conversation(me: &Myself, channel: &str, thread: Option<&str>) -> Conversation {
    Conversation {
        platform: Platform::Discord,
        workspace: me.guild.clone(),
        channel: channel.to_owned(),
        thread: thread.map(str::to_owned),
    }
}

fn text_at<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value[name].as_str().filter(|text| !text.is_empty())
}

fn moment_at(value: &Value, name: &str) -> Option<DateTime<Utc>> {
    let moment = DateTime::parse_from_rfc3339(text_at(value, name)?).ok()?;
    Some(moment.to_utc())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn me() -> Myself {
        Myself { user: "9".into(), application: "8".into(), guild: "7".into(), role: None }
    }

    fn asked() -> Value {
        json!({
            "id": "100", "type": 0, "channel_id": "5", "guild_id": "7",
            "timestamp": "2026-01-02T03:04:05.678000+00:00", "edited_timestamp": null,
            "content": "<@9> what's the CPU?", "mentions": [{"id": "9"}],
            "author": {"id": "1", "username": "ana", "global_name": "Ana"}, "member": {"nick": null},
        })
    }

    fn read(message: &Value, place: &Place) -> Result<Inbound, Ignored> {
        let said = said(message, &me())?;
        super::message(message, &said, place, &me())
    }

    fn in_channel() -> Place {
        Place { channel: "5".into(), thread: None }
    }

    #[test]
    fn a_mention_is_answered_in_a_thread_under_it() {
        let inbound = read(&asked(), &in_channel()).unwrap();
        assert_eq!(inbound.text, "what's the CPU?");
        assert_eq!(inbound.from.to_string(), "discord:7:1");
        assert_eq!((&*inbound.display_name, inbound.origin), ("Ana", Origin::Addressed));
        assert_eq!(inbound.conversation.thread.as_deref(), Some("100"));
        assert_eq!(inbound.message.conversation.thread, None);
    }

    #[test]
    fn what_is_said_in_a_thread_stays_there_and_alone_with_the_bot_there_is_none() {
        let in_thread = Place { channel: "5".into(), thread: Some("50".into()) };
        let inbound = read(&asked(), &in_thread).unwrap();
        assert_eq!(inbound.conversation.thread.as_deref(), Some("50"));
        let mut alone = asked();
        alone.as_object_mut().unwrap().remove("guild_id");
        alone["mentions"] = json!([]);
        alone["content"] = json!("cpu");
        let inbound = read(&alone, &in_channel()).unwrap();
        assert_eq!((inbound.conversation.thread, inbound.text.as_str()), (None, "cpu"));
    }

    #[test]
    fn what_is_not_for_the_bot_is_left_alone() {
        let with = |name: &str, value: Value| {
            let mut message = asked();
            message[name] = value;
            message
        };
        let mut unread = with("mentions", json!([]));
        unread["content"] = json!("");
        for (message, why) in [
            (with("author", json!({"id": "9"})), Ignored::Own),
            (with("author", json!({"id": "1", "bot": true})), Ignored::Bot),
            (with("webhook_id", json!("3")), Ignored::Bot),
            (with("guild_id", json!("6")), Ignored::ForeignServer),
            (with("type", json!(7)), Ignored::NoWords),
            (with("mentions", json!([])), Ignored::NotForTheBot),
            (unread, Ignored::NoWords),
        ] {
            assert_eq!(read(&message, &in_channel()), Err(why), "{message}");
        }
        // In a thread it may be part of the talk.
        let in_thread = Place { channel: "5".into(), thread: Some("50".into()) };
        let heard = read(&with("mentions", json!([])), &in_thread).unwrap();
        assert_eq!(heard.origin, Origin::Overheard);
    }

    #[test]
    fn an_edit_is_one_only_when_somebody_edited() {
        let said = said(&asked(), &me()).unwrap();
        let now = "2026-01-02T03:06:00Z".parse().unwrap();
        let edit = |message: &Value| edited(message, &said, &in_channel(), &me(), now);
        assert_eq!(edit(&asked()), Err(Ignored::NoWords));
        let mut changed = asked();
        changed["edited_timestamp"] = json!("2026-01-02T03:05:00+00:00");
        let inbound = edit(&changed).unwrap();
        assert!(inbound.edited);
        assert_eq!(inbound.id, "edited:100:2026-01-02T03:05:00+00:00");
        let much_later = now + TimeDelta::days(1);
        let pinned = edited(&changed, &said, &in_channel(), &me(), much_later);
        assert_eq!(pinned, Err(Ignored::NoWords));
    }

    fn press(id: &str, message: &Value) -> Interaction {
        let payload = json!({
            "id": "200", "token": "t", "type": 3, "guild_id": "7", "channel_id": "5",
            "channel": {"id": "5", "type": 0}, "member": {"user": {"id": "1", "username": "ana"}},
            "data": {"component_type": 2, "custom_id": id}, "message": message,
        });
        interaction(&payload, &me()).unwrap()
    }

    #[test]
    fn a_pressed_button_says_its_command_under_its_message() {
        let pressed = press("ack 7", &json!({"id": "100", "flags": 0}));
        let inbound = pressed.inbound(&me(), DateTime::UNIX_EPOCH).unwrap();
        assert_eq!((&*inbound.text, inbound.origin), ("ack 7", Origin::Button));
        assert_eq!(inbound.conversation.thread.as_deref(), Some("100"));
        assert_eq!(inbound.id, "pressed:200");
        // What only one person sees is no root of a thread.
        let private = press("ack 7", &json!({"id": "100", "flags": 64}));
        let inbound = private.inbound(&me(), DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(inbound.conversation.thread, None);
    }

    #[test]
    fn a_button_that_asks_says_nothing_yet() {
        let asks = press("?Why?|reject 7F3K", &json!({"id": "100"}));
        let Kind::Asks { question, command } = &asks.kind else { panic!("{asks:?}") };
        assert_eq!((&**question, &**command), ("Why?", "reject 7F3K"));
        assert_eq!(asks.inbound(&me(), DateTime::UNIX_EPOCH), None);
    }

    #[test]
    fn an_answer_comes_after_its_command() {
        for field in [
            json!([{"type": 1, "components": [{"type": 4, "custom_id": "answer", "value": "not  now"}]}]),
            json!([{"type": 18, "component": {"type": 4, "custom_id": "answer", "value": "not now"}}]),
        ] {
            let payload = json!({
                "id": "201", "token": "t", "type": 5, "channel_id": "5", "user": {"id": "1"},
                "data": {"custom_id": "reject 7F3K", "components": field},
                "message": {"id": "100"},
            });
            let answered = interaction(&payload, &me()).unwrap();
            let inbound = answered.inbound(&me(), DateTime::UNIX_EPOCH).unwrap();
            assert_eq!(inbound.text, "reject 7F3K not now");
            assert_eq!(inbound.conversation.thread, None, "alone with the bot");
        }
    }
}
