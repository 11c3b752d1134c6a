//! A card → a message in its place.

use std::{io::Read as _, ops::Deref as _};

use chat::{Block, Card, ChatError, Conversation, DedupeKey, MessageRef, Platform, UserRef};
use matrix_sdk_crypto::{AttachmentEncryptor, EncryptionSettings};
use ruma::{
    EventId, OwnedEventId, OwnedUserId, RoomId, TransactionId, UserId,
    api::client::{
        media::create_content, message::send_message_event, room::get_room_event,
        typing::create_typing_event,
    },
    events::{AnyMessageLikeEventContent, MessageLikeEventType, room::EncryptedFile},
    serde::Raw,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::to_raw_value};
use sha2::{Digest as _, Sha256};

use crate::{
    account::Account,
    message::{KEY, in_thread, message, replacing, signs},
    refusals::Failed,
    rooms::Room,
    rows::thing,
    sync::ENCRYPTED,
};

const MESSAGE: &str = "m.room.message";
const REACTION: &str = "m.reaction";
/// Messages whose pictures are known, so that an edit changes them too.
const MOST_PICTURED: usize = 200;
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
        let mut content = in_thread(message(card, !room.is_encrypted), to.thread.as_deref());
        let transaction = digest(&key.key);
        content[KEY] = json!(transaction);
        let event = self.say(id, MESSAGE, &content, &transaction).await?;
        // Alone with somebody nothing needs to be kept together.
        let under = to.thread.clone().or_else(|| (!room.is_direct()).then(|| event.to_string()));
        self.show_pictures(id, card, event.as_str(), under.as_deref()).await;
        self.share_files(id, card, under.as_deref(), &key.key).await;
        self.offer_signs(id, &room, card, event.as_str()).await;
        Ok(MessageRef { conversation: to.clone(), message: event.to_string() })
    }

    /// Puts a card in the place of an older one.
    pub(crate) async fn edit(&self, shown: &MessageRef, card: &Card) -> Result<(), ChatError> {
        let (channel, thread) = (&shown.conversation.channel, &shown.conversation.thread);
        let id = room_of(channel)?;
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
        let content = replacing(&shown.message, message(card, !room.is_encrypted));
        self.say(id, MESSAGE, &content, TransactionId::new().as_str()).await?;
        let under = (!room.is_direct()).then_some(&shown.message);
        self.show_pictures(id, card, &shown.message, thread.as_ref().or(under).map(|it| &**it))
            .await;
        self.offer_signs(id, &room, card, &shown.message).await;
        Ok(())
    }

    /// Puts the signs of a card on its message, so that people only have to press them.
    async fn offer_signs(&self, id: &RoomId, room: &Room, card: &Card, message: &str) {
        for (sign, _) in signs(card).filter(|_| !room.is_encrypted) {
            if let Err(failed) = self.react(id, message, sign).await {
                tracing::warn!(%failed, sign, "a message does not offer a sign");
            }
        }
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
        let event = EventId::parse(event).map_err(|error| Failed::Garbled(error.to_string()))?;
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
        let _speaking = self.speaking.lock().await;
        // Signs are never encrypted: the protocol has no place for them otherwise.
        let (kind, content) = if kind != REACTION && self.room(room).await?.is_encrypted {
            self.give_keys(room).await?;
            let sealed = self.olm.encrypt_room_event_raw(room, kind, &content).await;
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
        let users = || room.members.keys().map(OwnedUserId::deref);
        self.olm.update_tracked_users(users()).await?;
        self.flush().await?;
        if let Some((id, request)) = self.olm.get_missing_sessions(users()).await? {
            let answer = self.wire.send(request).await?;
            self.olm.mark_request_as_sent(&id, &answer).await?;
        }
        let settings = EncryptionSettings {
            sharing_strategy: self.readers.clone(),
            ..EncryptionSettings::default()
        };
        for request in self.olm.share_room_key(id, users(), settings).await? {
            self.to_devices(&request).await?;
        }
        Ok(())
    }

    /// Shows the pictures of a card under its message, in the place of those that were there. An answer without its
    /// picture is still an answer.
    async fn show_pictures(&self, room: &RoomId, card: &Card, message: &str, under: Option<&str>) {
        let images = card.blocks.iter().filter_map(|block| match block {
            Block::Image(image) => Some(image),
            _ => None,
        });
        let images: Vec<_> = images.collect();
        if images.is_empty() {
            return;
        }
        let mut known: Vec<Pictured> =
            self.rows.kept(PICTURES).await.ok().flatten().unwrap_or_default();
        let before = known.iter().position(|it| it.message == message);
        let mut pictures = before.map(|at| known.remove(at).pictures).unwrap_or_default();
        for (place, image) in images.into_iter().enumerate() {
            let digest = digest(&image.png);
            let older = pictures.get(place).cloned();
            if older.as_ref().is_some_and(|older| older.digest == digest) {
                continue;
            }
            let shown = async {
                let mut content = self.upload(room, &image.name, "image/png", &image.png).await?;
                content["msgtype"] = json!("m.image");
                content["body"] = json!(crate::markup::plain(&image.alt));
                if let Some((width, height)) = size(&image.png) {
                    content["info"]["w"] = json!(width);
                    content["info"]["h"] = json!(height);
                }
                let content = match &older {
                    Some(older) => replacing(&older.event, content),
                    None => in_thread(content, under),
                };
                let transaction = self::digest(format!("{message}{place}{digest}"));
                self.say(room, MESSAGE, &content, &transaction).await
            };
            match shown.await {
                Ok(event) => {
                    let event = older.map_or(event.to_string(), |older| older.event);
                    pictures.truncate(place);
                    pictures.push(Picture { event, digest });
                }
                Err(failed) => {
                    tracing::warn!(%failed, name = image.name, "a picture is not shown");
                }
            }
        }
        known.push(Pictured { message: message.to_owned(), pictures });
        let over = known.len().saturating_sub(MOST_PICTURED);
        known.drain(..over);
        let kept = match thing(PICTURES, &known) {
            Ok(known) => self.rows.keep(vec![known]).await,
            Err(failed) => Err(failed),
        };
        if let Err(failed) = kept {
            tracing::warn!(%failed, "which pictures a message has is not known after a restart");
        }
    }

    async fn share_files(&self, room: &RoomId, card: &Card, under: Option<&str>, key: &str) {
        let files = card.blocks.iter().filter_map(|block| match block {
            Block::File(file) => Some(file),
            _ => None,
        });
        for (place, file) in files.enumerate() {
            let shared = async {
                let kind = "text/plain";
                let mut content = self.upload(room, &file.name, kind, file.text.as_bytes()).await?;
                content["msgtype"] = json!("m.file");
                content["body"] = json!(file.name);
                let content = in_thread(content, under);
                self.say(room, MESSAGE, &content, &digest(format!("{key}#{place}"))).await
            };
            if let Err(failed) = shared.await {
                tracing::warn!(%failed, name = file.name, "a file is not shared");
            }
        }
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

/// Width and height of a PNG: its first chunk says them (<https://www.w3.org/TR/png-3/#11IHDR>).
fn size(png: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_be_bytes(png.get(at..at + 4)?.try_into().ok()?));
    Some((number(16)?, number(20)?))
}
