//! A card → a message in its place.

use std::{io::Read as _, ops::Deref as _, sync::PoisonError};

use chat::{Block, Card, ChatError, Conversation, DedupeKey, Image, MessageRef, Platform, UserRef};
use matrix_sdk_crypto::{AttachmentEncryptor, CollectStrategy, EncryptionSettings, UserIdentity};
use ruma::{
    EventId, OwnedEventId, OwnedUserId, RoomId, TransactionId, UserId,
    api::{
        client::{
            media::create_content, message::send_message_event, room::get_room_event,
            typing::create_typing_event,
        },
        error::ErrorKind,
    },
    events::{AnyMessageLikeEventContent, MessageLikeEventType, room::EncryptedFile},
    serde::Raw,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::to_raw_value};
use sha2::{Digest as _, Sha256};

use crate::{
    account::Account,
    markup::plain,
    message::{KEY, in_thread, message, replacing, signs},
    refusals::Failed,
    rooms::Room,
    rows::thing,
    sync::ENCRYPTED,
};

pub(crate) const MESSAGE: &str = "m.room.message";
const REACTION: &str = "m.reaction";
/// Messages whose pictures are known, so that an edit changes them too.
const MOST_PICTURED: usize = 200;
/// Messages of which it is known what they say now.
const MOST_CHANGED: usize = 1_000;
/// Under which name they are kept.
const PICTURES: &str = "pictures";
/// How long people are shown that the bot is about to answer.
const TYPES_FOR: std::time::Duration = std::time::Duration::from_secs(15);

/// The pictures under a message.
#[derive(Debug, Deserialize, Serialize)]
struct Pictured {
    message: String,
    pictures: Vec<Picture>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Picture {
    event: String,
    /// Of what it shows.
    digest: String,
}

/// The same text is the same number.
pub(crate) fn digest(text: impl AsRef<[u8]>) -> String {
    let digest = Sha256::digest(text);
    let half: Vec<_> = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    half.concat()
}

/// The room of a conversation.
pub(crate) fn room_of(channel: &str) -> Result<&RoomId, ChatError> {
    <&RoomId>::try_from(channel).map_err(|_| ChatError::Refused {
        platform: Platform::Matrix,
        reason: format!("`{channel}` is no room: they are named like !abc:example.org"),
    })
}

impl Account {
    /// Posts a card with its pictures and files. The same key is the same message: the homeserver knows what this
    /// session sent with it for about a day.
    pub(crate) async fn post(
        &self,
        to: &Conversation,
        card: &Card,
        key: &DedupeKey,
    ) -> Result<MessageRef, ChatError> {
        let id = room_of(&to.channel)?;
        let room = self.room(id).await?;
        let mut content = in_thread(message(card, self.reacts(&room)), to.thread.as_deref());
        let transaction = digest(&key.key);
        content[KEY] = json!(transaction);
        let event = self.say(id, MESSAGE, &content, &transaction).await?;
        let shown = MessageRef { conversation: to.clone(), message: event.to_string() };
        if !self.says(id, &shown, &content, key, transaction).await? {
            // It is what said that the answer would come.
            self.edit(&shown, card).await?;
        }
        // Posted again it is the same message, and what is missing comes then.
        self.complete(id, &room, card, &shown).await?;
        self.share_files(id, &room, card, &shown).await?;
        Ok(shown)
    }

    /// Whether a message says what was just posted, and not what was posted with the same key before.
    async fn says(
        &self,
        room: &RoomId,
        shown: &MessageRef,
        content: &Value,
        key: &DedupeKey,
        transaction: String,
    ) -> Result<bool, Failed> {
        let new = digest(content.to_string());
        let before = {
            let mut posted = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
            if posted.len() >= MOST_CHANGED {
                posted.clear();
            }
            posted.insert(transaction, new.clone())
        };
        Ok(match before {
            Some(before) => before == new,
            // Another process may have said that the answer would come.
            None if key.answers().is_some() => {
                let said = self.opened(room, &self.event(room, &shown.message).await?).await?;
                said["content"]["body"] == content["body"]
            }
            None => true,
        })
    }

    /// Puts a card in the place of an older one.
    pub(crate) async fn edit(&self, shown: &MessageRef, card: &Card) -> Result<(), ChatError> {
        let id = room_of(&shown.conversation.channel)?;
        let room = self.room(id).await?;
        // The homeserver would take an edit of what somebody took away, and nobody would see it.
        let gone = match self.event(id, &shown.message).await {
            Ok(event) => event["unsigned"]["redacted_because"].is_object(),
            Err(failed) if failed.is_not_found() => true,
            Err(failed) => return Err(failed.into()),
        };
        if gone {
            return Err(ChatError::Gone { platform: Platform::Matrix });
        }
        let content = message(card, self.reacts(&room));
        let says = digest(content.to_string());
        let changed = || self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        // Where only its picture was missing, the words are not sent once more.
        if changed().get(&shown.message) != Some(&says) {
            let content = replacing(&shown.message, content);
            self.say(id, MESSAGE, &content, TransactionId::new().as_str()).await?;
            let mut changed = changed();
            if changed.len() >= MOST_CHANGED {
                changed.clear();
            }
            changed.insert(shown.message.clone(), says);
        }
        match self.complete(id, &room, card, shown).await {
            Err(failed @ Failed::TooFast(_)) => Err(failed.into()),
            Err(failed) => {
                tracing::warn!(%failed, "a message is changed, and its picture is not");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Whether people may answer with signs.
    fn reacts(&self, room: &Room) -> bool {
        !room.is_encrypted && self.trusts_server
    }

    /// Shows what belongs to a message besides its words: its pictures, and the signs that can be pressed. An error
    /// is one that passes: an answer without its picture is still an answer.
    async fn complete(
        &self,
        id: &RoomId,
        room: &Room,
        card: &Card,
        shown: &MessageRef,
    ) -> Result<(), Failed> {
        self.show_pictures(id, card, &shown.message, under(room, shown)).await?;
        for (sign, _) in signs(card).filter(|_| self.reacts(room)) {
            match self.react(id, &shown.message, sign).await {
                Err(failed) if failed.passes() => return Err(failed),
                Err(failed) => tracing::warn!(%failed, sign, "a message does not offer a sign"),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Tells one person something, where nobody else is.
    pub(crate) async fn whisper(
        &self,
        to: &UserRef,
        conversation: &Conversation,
        card: &Card,
        key: &DedupeKey,
    ) -> Result<(), ChatError> {
        let user = <&UserId>::try_from(&*to.user).map_err(|_| ChatError::Refused {
            platform: Platform::Matrix,
            reason: format!("`{}` is nobody's id", to.user),
        })?;
        let key = &key.alone();
        let here = self.room(room_of(&conversation.channel)?).await;
        if here.is_ok_and(|room| room.is_direct() && room.members.contains_key(user)) {
            return self.post(conversation, card, key).await.map(drop);
        }
        let room = self.alone_with(user).await?;
        let alone =
            Conversation { channel: room.to_string(), thread: None, ..conversation.clone() };
        self.post(&alone, card, key).await.map(drop)
    }

    /// Puts a sign on a message. That it is there already is as good.
    pub(crate) async fn react(
        &self,
        room: &RoomId,
        message: &str,
        sign: &str,
    ) -> Result<(), Failed> {
        let content = json!({ "m.relates_to":
            { "rel_type": "m.annotation", "event_id": message, "key": sign } });
        let transaction = digest(format!("{sign}{message}"));
        match self.say(room, REACTION, &content, &transaction).await {
            Err(Failed::No { kind, .. }) if kind.errcode().as_str() == "M_DUPLICATE_ANNOTATION" => {
                Ok(())
            }
            said => said.map(drop),
        }
    }

    /// Shows that the bot is about to answer, or not any more.
    pub(crate) async fn typing(&self, room: &RoomId, is_typing: bool) -> Result<(), Failed> {
        use create_typing_event::v3::{Request, Typing, TypingInfo};
        let typing = if is_typing { Typing::Yes(TypingInfo::new(TYPES_FOR)) } else { Typing::No };
        let user = self.session.user.clone();
        self.wire.send(Request::new(user, room.to_owned(), typing)).await?;
        Ok(())
    }

    /// One event as the homeserver has it.
    pub(crate) async fn event(&self, room: &RoomId, event: &str) -> Result<Value, Failed> {
        let event = EventId::parse(event)
            .map_err(|error| Failed::No { kind: ErrorKind::NotFound, what: error.to_string() })?;
        let request = get_room_event::v3::Request::new(room.to_owned(), event);
        let answer = self.wire.send(request).await?;
        Ok(serde_json::from_str(answer.event.json().get())?)
    }

    /// Sends an event, encrypted where the room is; the same transaction again is the same event.
    pub(crate) async fn say(
        &self,
        room: &RoomId,
        kind: &str,
        content: &Value,
        transaction: &str,
    ) -> Result<OwnedEventId, Failed> {
        let content = Raw::<AnyMessageLikeEventContent>::from_json(to_raw_value(content)?);
        let turn = {
            let mut speaking = self.speaking.lock().unwrap_or_else(PoisonError::into_inner);
            speaking.entry(room.to_owned()).or_default().clone()
        };
        let _speaking = turn.lock().await;
        // Signs are never encrypted: the protocol has no place for them otherwise.
        let (kind, content) = if kind != REACTION && self.room(room).await?.is_encrypted {
            self.give_keys(room).await?;
            let sealed = self.olm.turn().await.encrypt_room_event_raw(room, kind, &content).await;
            let sealed = sealed.map_err(Failed::keys)?;
            (ENCRYPTED, sealed.content.cast_unchecked())
        } else {
            (kind, content)
        };
        let request = send_message_event::v3::Request::new_raw(
            room.to_owned(),
            transaction.into(),
            MessageLikeEventType::from(kind),
            content,
        );
        Ok(self.wire.send(request).await?.event_id)
    }

    /// Everybody in the room gets the key of what is said next.
    async fn give_keys(&self, id: &RoomId) -> Result<(), Failed> {
        let room = self.room(id).await?;
        let mut readers = Vec::new();
        for user in room.members.keys() {
            // The others are told all the same.
            if !self.is_kept_out(user).await? {
                readers.push(user.clone());
            }
        }
        let users = || readers.iter().map(OwnedUserId::deref);
        self.olm.turn().await.update_tracked_users(users()).await?;
        self.flush().await?;
        let missing = self.olm.turn().await.get_missing_sessions(users()).await?;
        if let Some((id, request)) = missing {
            let answer = self.wire.send(request).await?;
            self.olm.turn().await.mark_request_as_sent(&id, &answer).await?;
        }
        let settings = EncryptionSettings {
            sharing_strategy: self.readers.clone(),
            ..EncryptionSettings::default()
        };
        let keys = self.olm.turn().await.share_room_key(id, users(), settings).await?;
        for request in keys {
            self.to_devices(&request).await?;
        }
        Ok(())
    }

    /// Whether somebody has another identity than the one that was verified, where that matters.
    async fn is_kept_out(&self, user: &UserId) -> Result<bool, Failed> {
        if self.readers != CollectStrategy::IdentityBasedStrategy {
            return Ok(false);
        }
        let identity = self.olm.turn().await.get_identity(user, None).await?;
        Ok(matches!(identity, Some(UserIdentity::Other(it)) if it.has_verification_violation()))
    }

    /// Shows the pictures of a card under its message, in the place of those that were there.
    async fn show_pictures(
        &self,
        room: &RoomId,
        card: &Card,
        message: &str,
        under: Option<&str>,
    ) -> Result<(), Failed> {
        let images = card.blocks.iter().filter_map(|block| match block {
            Block::Image(image) => Some(image),
            _ => None,
        });
        let images: Vec<_> = images.collect();
        if images.is_empty() {
            return Ok(());
        }
        // Another message may get its pictures at the same moment.
        let _turn = self.picturing.lock().await;
        let mut known: Vec<Pictured> = self.rows.kept(PICTURES).await?.unwrap_or_default();
        let before = known.iter().position(|it| it.message == message);
        let mut pictures = before.map(|at| known.remove(at).pictures).unwrap_or_default();
        let mut passing = None;
        for (place, image) in images.into_iter().enumerate() {
            let shows = digest(&image.png);
            let older = pictures.get(place).cloned();
            if older.as_ref().is_some_and(|older| older.digest == shows) {
                continue;
            }
            let transaction = digest(format!("{message}{place}{shows}"));
            let name = older.as_ref().map(|older| older.event.as_str());
            match self.show_picture(room, image, (name, under), &transaction).await {
                Ok(event) => {
                    let event = older.map_or(event.to_string(), |older| older.event);
                    let picture = Picture { event, digest: shows };
                    match pictures.get_mut(place) {
                        Some(older) => *older = picture,
                        None => pictures.push(picture),
                    }
                }
                Err(failed) if failed.passes() => {
                    passing = Some(failed);
                    break;
                }
                Err(failed) => {
                    tracing::warn!(%failed, name = image.name, "a picture is not shown");
                }
            }
        }
        known.push(Pictured { message: message.to_owned(), pictures });
        let over = known.len().saturating_sub(MOST_PICTURED);
        known.drain(..over);
        self.rows.keep(vec![thing(PICTURES, &known)?]).await?;
        passing.map_or(Ok(()), Err)
    }

    /// Shows a picture in the place of an older one, or under a message.
    async fn show_picture(
        &self,
        room: &RoomId,
        image: &Image,
        (older, under): (Option<&str>, Option<&str>),
        transaction: &str,
    ) -> Result<OwnedEventId, Failed> {
        let mut content = self.upload(room, &image.name, "image/png", &image.png).await?;
        content["msgtype"] = json!("m.image");
        content["body"] = json!(plain(&image.alt));
        if let Some((width, height)) = size(&image.png) {
            content["info"]["w"] = json!(width);
            content["info"]["h"] = json!(height);
        }
        let content = match older {
            Some(older) => replacing(older, content),
            None => in_thread(content, under),
        };
        self.say(room, MESSAGE, &content, transaction).await
    }

    async fn share_files(
        &self,
        id: &RoomId,
        room: &Room,
        card: &Card,
        shown: &MessageRef,
    ) -> Result<(), Failed> {
        let files = card.blocks.iter().filter_map(|block| match block {
            Block::File(file) => Some(file),
            _ => None,
        });
        for (place, file) in files.enumerate() {
            let shared = async {
                let kind = "text/plain";
                let mut content = self.upload(id, &file.name, kind, file.text.as_bytes()).await?;
                content["msgtype"] = json!("m.file");
                content["body"] = json!(file.name);
                let content = in_thread(content, under(room, shown));
                let transaction = digest(format!("{}#{place}", shown.message));
                self.say(id, MESSAGE, &content, &transaction).await
            };
            match shared.await {
                Err(failed) if failed.passes() => return Err(failed),
                Err(failed) => tracing::warn!(%failed, name = file.name, "a file is not shared"),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// Uploads a file, sealed if the room is encrypted; what the message says of it.
    async fn upload(
        &self,
        room: &RoomId,
        name: &str,
        kind: &str,
        data: &[u8],
    ) -> Result<Value, Failed> {
        let mut content = json!({ "filename": name, "m.mentions": {},
            "info": { "mimetype": kind, "size": data.len() } });
        if self.room(room).await?.is_encrypted {
            let mut reader = data;
            let mut encryptor = AttachmentEncryptor::new(&mut reader);
            let mut sealed = Vec::new();
            encryptor.read_to_end(&mut sealed).map_err(Failed::keys)?;
            let keys = encryptor.finish();
            let mut request = create_content::v3::Request::new(sealed);
            request.content_type = Some("application/octet-stream".to_owned());
            let uri = self.wire.send(request).await?.content_uri;
            let file = EncryptedFile::new(uri, keys.encryption_info, keys.hashes);
            content["file"] = serde_json::to_value(file)?;
        } else {
            let mut request = create_content::v3::Request::new(data.to_vec());
            (request.content_type, request.filename) =
                (Some(kind.to_owned()), Some(name.to_owned()));
            content["url"] = json!(self.wire.send(request).await?.content_uri);
        }
        Ok(content)
    }
}

/// The thread in which stands what belongs to a message. Alone with somebody nothing needs to be kept together.
fn under<'a>(room: &Room, shown: &'a MessageRef) -> Option<&'a str> {
    let beside = room.is_direct() && shown.conversation.thread.is_none();
    (!beside).then(|| shown.conversation.thread.as_ref().unwrap_or(&shown.message).as_str())
}

/// Width and height of a PNG: its first chunk says them (<https://www.w3.org/TR/png-3/#11IHDR>).
fn size(png: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_be_bytes(png.get(at..at + 4)?.try_into().ok()?));
    Some((number(16)?, number(20)?))
}
