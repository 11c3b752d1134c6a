//! A card → a message in its place.

use chat::{Card, ChatError, Conversation, DedupeKey, MessageRef, UserRef};
use serde_json::{Value, json};
use serenity::model::channel::MessageFlags;
use sha2::{Digest as _, Sha256};

use crate::{
    discord::Discord,
    events::{Myself, Place},
    hear::MAX_THREAD_NAME,
    interactions::{Open, Stage},
    message::{Attached, message},
    refusals::{Failed, code},
    rest::Posted,
};

/// What is said in the open to somebody who takes no direct messages.
const CLOSED: &str =
    "There is an answer for you alone, and you take no direct messages from this server";

/// Where a message goes.
struct To {
    /// The channel or thread.
    channel: String,
    /// The message that it stands under, where there can be no thread.
    under: Option<String>,
    place: Place,
}

/// What is posted: a card, ready to be sent.
struct Content {
    body: Value,
    files: Vec<Attached>,
    key: String,
}

impl Content {
    fn of(card: &Card, key: &str) -> Self {
        Self::keyed(card, short(key))
    }

    fn keyed(card: &Card, key: String) -> Self {
        let (body, files) = message(card, &key);
        Self { body, files, key }
    }

    /// The same for one person alone.
    fn private(mut self) -> Self {
        let flags = self.body["flags"].as_u64().unwrap_or_default();
        self.body["flags"] = json!(flags | MessageFlags::EPHEMERAL.bits());
        self
    }
}

/// A key of any length in the 25 characters that Discord takes.
fn short(key: &str) -> String {
    let digest = Sha256::digest(key);
    let half: Vec<_> = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    half.concat()
}

impl Discord {
    /// Posts a card: as the answer to a command, or as a message.
    pub(crate) async fn say(
        &self,
        to: &Conversation,
        card: &Card,
        key: &DedupeKey,
    ) -> Result<MessageRef, ChatError> {
        let me = self.myself().await?;
        let content = Content::of(card, &key.key);
        let open = self.interaction(key).await;
        if let Some((Asked::Command, open)) = &open {
            match self.answer_command(&me, open, &content).await {
                Ok(posted) => {
                    return Ok(MessageRef { conversation: to.clone(), message: posted.id });
                }
                Err(error) if error.is_over() => self.interactions.is(&open.id, Stage::Over),
                Err(error) => return Err(error.into()),
            }
        }
        match (self.post(&me, to, &content, key).await, open) {
            // Where the bot may not write, the answer to a button may stand.
            (Err(error), Some((Asked::Button, open))) if may_not_write(&error) => {
                let Content { body, files, .. } = &content;
                let posted = self.rest.follow_up(&me, &open.token, body, files).await?;
                self.interactions.answered_by(&open.id, &posted.id);
                Ok(MessageRef { conversation: to.clone(), message: posted.id })
            }
            (posted, _) => Ok(posted?),
        }
    }

    /// Puts the answer in the place of what said that it would come.
    async fn answer_command(
        &self,
        me: &Myself,
        open: &Open,
        Content { body, files, .. }: &Content,
    ) -> Result<Posted, Failed> {
        let (rest, token) = (&self.rest, &open.token);
        let posted = match (&open.message, open.stage) {
            (Some(message), _) => rest.replace_response(me, token, message, body, files).await,
            (None, Stage::Loading) => {
                rest.replace_response(me, token, "@original", body, files).await
            }
            (None, _) => rest.follow_up(me, token, body, files).await,
        }?;
        self.interactions.answered_by(&open.id, &posted.id);
        Ok(posted)
    }

    async fn post(
        &self,
        me: &Myself,
        to: &Conversation,
        content: &Content,
        key: &DedupeKey,
    ) -> Result<MessageRef, Failed> {
        let to = (to, self.target(to, content).await?);
        let named = |(to, target): (&Conversation, To), message: String| {
            let Place { channel, thread } = target.place;
            MessageRef { conversation: Conversation { channel, thread, ..to.clone() }, message }
        };
        if let Some(posted) = self.posted_before(me, &to.1.channel, content, key).await? {
            self.state().keys.put(&posted.id, content.key.clone());
            return Ok(named(to, posted.id));
        }
        let mut body = content.body.clone();
        body["nonce"] = json!(content.key);
        body["enforce_nonce"] = json!(true);
        if let Some(under) = &to.1.under {
            body["message_reference"] = json!({ "message_id": under, "fail_if_not_exists": false });
        }
        let (token, channel) = (self.token(), to.1.channel.clone());
        let posted = match self.rest.post(&token, &channel, &body, &content.files).await {
            Err(error) if error.code() == Some(code::NO_REPLY_WITHOUT_HISTORY) => {
                body["message_reference"] = Value::Null;
                self.rest.post(&token, &channel, &body, &content.files).await?
            }
            // The thread was taken away: what was to be said there is said beside it.
            Err(error) if error.code() == Some(code::UNKNOWN_CHANNEL) && to.0.thread.is_some() => {
                let place = Place { channel: to.0.channel.clone(), thread: None };
                let posted = self.rest.post(&token, &place.channel, &body, &content.files).await?;
                let beside = To { channel: place.channel.clone(), under: None, place };
                return Ok(named((to.0, beside), posted.id));
            }
            posted => posted?,
        };
        self.state().keys.put(&posted.id, content.key.clone());
        if !is_this(&posted, content) {
            // It is an older one with the same key: that an answer will come, for example.
            let Content { body, files, .. } = content;
            self.rest.edit(&token, &channel, &posted.id, body, files).await?;
        }
        Ok(named(to, posted.id))
    }

    /// The channel or thread that a conversation is in. A thread that is not there yet is begun.
    async fn target(&self, to: &Conversation, content: &Content) -> Result<To, Failed> {
        let channel = &to.channel;
        let Some(thread) = &to.thread else {
            let place = Place { channel: channel.clone(), thread: None };
            return Ok(To { channel: channel.clone(), under: None, place });
        };
        let inside = Place { channel: channel.clone(), thread: Some(thread.clone()) };
        let is_known = self.state().places.get(thread).is_some_and(|it| it.thread.is_some());
        let is_there = is_known || self.begin_thread(channel, thread, content).await?;
        if is_there {
            self.state().places.put(thread, inside.clone());
            return Ok(To { channel: thread.clone(), under: None, place: inside });
        }
        let place = Place { channel: channel.clone(), thread: None };
        Ok(To { channel: channel.clone(), under: Some(thread.clone()), place })
    }

    /// Begins a thread under a message; whether it is there then.
    async fn begin_thread(
        &self,
        channel: &str,
        root: &str,
        content: &Content,
    ) -> Result<bool, Failed> {
        let name = self.thread_name(channel, root, content).await;
        match self.rest.begin_thread(&self.token(), channel, root, &name).await {
            Ok(()) => Ok(true),
            Err(error) if error.code() == Some(code::THREAD_EXISTS) => Ok(true),
            Err(error) if error.is_definite() => {
                // It may be one that was begun without a message; where there are none, the message stands
                // under the other.
                tracing::debug!(%error, "no thread can be begun");
                Ok(self.place(root).await?.thread.is_some())
            }
            Err(error) => Err(error),
        }
    }

    /// A thread is called as its first message is.
    async fn thread_name(&self, channel: &str, root: &str, content: &Content) -> String {
        let known = self.state().titles.get(root);
        let name = match known {
            Some(name) => name,
            None => match self.rest.message(&self.token(), channel, root).await {
                Ok(message) => unescaped(&message.content),
                Err(_) => String::new(),
            },
        };
        let own = || unescaped(content.body["content"].as_str().unwrap_or_default());
        let name = if name.trim().is_empty() { own() } else { name };
        chat::cut(name.trim(), MAX_THREAD_NAME)
    }

    /// The message that an earlier attempt left. Where the bot may not read what was said, Discord's own memory
    /// of some minutes has to do.
    async fn posted_before(
        &self,
        me: &Myself,
        channel: &str,
        content: &Content,
        key: &DedupeKey,
    ) -> Result<Option<Posted>, Failed> {
        let Some(since) = key.again else { return Ok(None) };
        let text = content.body["content"].as_str().unwrap_or_default();
        let ours = (&*content.key, text);
        match self.rest.find(&self.token(), me, channel, since, ours).await {
            Err(error) if error.is_definite() => {
                tracing::warn!(%error, "cannot look for a message that may have been posted before");
                Ok(None)
            }
            found => found,
        }
    }

    /// Replaces a posted card.
    pub(crate) async fn replace(&self, message: &MessageRef, card: &Card) -> Result<(), ChatError> {
        let me = self.myself().await?;
        let id = &message.message;
        let known = self.state().keys.get(id);
        let Content { body, files, .. } = Content::keyed(card, known.unwrap_or_else(|| short(id)));
        if let Some(open) = self.interactions.of_message(id, (self.clock)()) {
            match self.rest.replace_response(&me, &open.token, id, &body, &files).await {
                Err(error) if error.is_over() => self.interactions.is(&open.id, Stage::Over),
                replaced => return Ok(replaced.map(drop)?),
            }
        }
        let channel = channel_of(&message.conversation);
        self.rest.edit(&self.token(), channel, id, &body, &files).await?;
        Ok(())
    }

    /// Tells one person alone: in answer to what they pressed, or as a direct message.
    pub(crate) async fn tell(
        &self,
        to: &UserRef,
        conversation: &Conversation,
        card: &Card,
        key: &DedupeKey,
    ) -> Result<(), ChatError> {
        let me = self.myself().await?;
        if let Some((_, open)) = self.interaction(key).await {
            match self.answer_privately(&me, &open, card, key).await {
                Err(error) if error.is_over() => self.interactions.is(&open.id, Stage::Over),
                told => return Ok(told?),
            }
        }
        let direct = self.rest.direct(&self.token(), &to.user).await?;
        let (place, alone) = (direct.id, key.alone());
        let place = Conversation { channel: place, thread: None, ..conversation.clone() };
        match self.post(&me, &place, &Content::of(card, &alone.key), &alone).await {
            Err(error) if error.code() == Some(code::CANNOT_MESSAGE_USER) => {
                let hint = Card::titled(CLOSED).line(
                    "Allow them in the server's privacy settings, or ask with /ops: then only you see it.",
                );
                // Not in the place of what said that an answer would come.
                let hint_key = DedupeKey { key: format!("{} hint", alone.key), ..alone };
                let hint = Content::of(&hint, &hint_key.key);
                self.post(&me, conversation, &hint, &hint_key).await?;
                Ok(())
            }
            told => Ok(told.map(drop)?),
        }
    }

    async fn answer_privately(
        &self,
        me: &Myself,
        open: &Open,
        card: &Card,
        key: &DedupeKey,
    ) -> Result<(), Failed> {
        // What everybody sees cannot become what one sees.
        if open.stage == Stage::Loading && open.message.is_none() {
            self.rest.take_back_response(me, &open.token).await?;
            self.interactions.is(&open.id, Stage::Told);
        }
        let Content { body, files, .. } = Content::of(card, &key.key).private();
        self.rest.follow_up(me, &open.token, &body, &files).await?;
        Ok(())
    }

    /// The interaction that a message answers, while it takes answers.
    async fn interaction(&self, key: &DedupeKey) -> Option<(Asked, Open)> {
        let (kind, id) = key.answers()?.split_once(':')?;
        let asked = match kind {
            "command" => Asked::Command,
            "pressed" | "answered" => Asked::Button,
            _ => return None,
        };
        Some((asked, self.interactions.open(id, (self.clock)()).await?))
    }
}

/// Whether a posted message shows this, and not something older. Discord trims what it is sent.
fn is_this(posted: &Posted, content: &Content) -> bool {
    let text = |value: &Value| value.as_str().unwrap_or_default().trim().to_owned();
    let embed = |embeds: Option<&Value>| embeds.map(|embed| text(&embed["description"]));
    posted.content.trim() == text(&content.body["content"])
        && embed(posted.embeds.first()) == embed(content.body["embeds"].get(0))
}

/// How something was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Command,
    Button,
}

fn may_not_write(error: &Failed) -> bool {
    matches!(error.code(), Some(code::MISSING_ACCESS | code::MISSING_PERMISSIONS))
}

/// The channel that a conversation is in, as Discord counts threads.
pub(crate) fn channel_of(conversation: &Conversation) -> &str {
    conversation.thread.as_deref().unwrap_or(&conversation.channel)
}

/// A text whose signs are escaped, as people read it.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut signs = text.chars();
    while let Some(c) = signs.next() {
        out.extend(if c == '\\' { signs.next() } else { Some(c) });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::escaped;

    #[test]
    fn a_key_fits_into_a_nonce_and_stays_the_same() {
        let key = short("answer:discord:7:message:100");
        assert_eq!(key.len(), 24);
        assert_eq!(key, short("answer:discord:7:message:100"));
        assert_ne!(key, short("answer:discord:7:message:101"));
    }

    #[test]
    fn what_was_escaped_reads_as_before() {
        let text = "*a* \\ [b](https://x) # c";
        assert_eq!(unescaped(&escaped(text)), text);
    }
}
