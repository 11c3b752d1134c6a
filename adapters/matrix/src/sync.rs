//! What the homeserver says, from where the bot stopped listening
//! (<https://spec.matrix.org/latest/client-server-api/#syncing>).

use std::{ops::Deref as _, time::Duration};

use matrix_sdk_common::deserialized_responses::UnableToDecryptReason;
use matrix_sdk_crypto::{
    EncryptionSyncChanges, RoomEventDecryptionResult,
    types::events::room::encrypted::EncryptedEvent,
};
use ruma::{
    OwnedRoomId, OwnedUserId, RoomId,
    api::client::{
        filter::{FilterDefinition, LazyLoadOptions},
        message::get_message_events,
        sync::sync_events,
    },
    events::AnySyncTimelineEvent,
    serde::Raw,
    uint,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::to_raw_value};

use crate::{
    account::Account,
    machine::DECRYPTION,
    refusals::Failed,
    rows::thing,
    trust::{Proof, Sessions, session_name},
};

pub(crate) const ENCRYPTED: &str = "m.room.encrypted";
/// Kinds of events that may say something.
pub(crate) const HEARD: [&str; 3] = ["m.room.message", "m.reaction", ENCRYPTED];
/// Invitations that wait for an answer. More would be somebody's flood.
const MOST_INVITED: usize = 10_000;
/// Events whose key is waited for. More would be somebody's flood.
const MOST_WAITING: usize = 200;
/// Under which names it is kept where the bot stopped listening, and what it waits for.
const SINCE: &str = "since";
pub(crate) const WAITING: &str = "waiting";
pub(crate) const INVITED: &str = "invited";

/// What was heard in one go.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    next: String,
    /// What was said, oldest first in each room.
    pub(crate) heard: Vec<Heard>,
    /// Events that waited for a key which has come.
    late: Vec<String>,
    sessions: Sessions,
}

/// An invitation into a room.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Invite {
    pub(crate) room: OwnedRoomId,
    pub(crate) by: Option<OwnedUserId>,
    /// The two are to be alone there.
    pub(crate) is_direct: bool,
}

/// An event as far as it could be read.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) room: OwnedRoomId,
    pub(crate) event: Value,
    pub(crate) proof: Proof,
}

impl Account {
    /// What was said since the token, oldest first in each room and without gaps. Keys that came with it are kept
    /// when this returns; the new token is not: call [`Account::settle`] once everything is recorded. Until then the
    /// same is heard again, also after a crash.
    pub(crate) async fn hear(&self, wait: Duration) -> Result<Batch, Failed> {
        let since: Option<String> = self.rows.kept(SINCE).await?;
        let (answer, late) = self.sync(since.clone(), wait).await?;
        let mut batch = Batch { next: answer.next_batch.clone(), ..Batch::default() };
        for (room, event) in late {
            batch.late.extend(event["event_id"].as_str().map(str::to_owned));
            let raw = Raw::from_json(to_raw_value(&event)?);
            self.read_into(&mut batch, &room, &[raw]).await?;
        }
        for (room, joined) in &answer.rooms.join {
            let timeline = &joined.timeline;
            self.rooms.changed(room, timeline.limited, &timeline.events, &joined.state);
            // What was said before the bot existed is not for it.
            let Some(since) = &since else { continue };
            if let Some(joined) = timeline.events.iter().rposition(|event| self.is_our_join(event))
            {
                self.read_into(&mut batch, room, &timeline.events[joined..]).await?;
                continue;
            }
            if let (true, Some(until)) = (timeline.limited, &timeline.prev_batch) {
                let missed = match self.between(room, since, until).await {
                    // The others are to be heard all the same.
                    Err(failed @ Failed::No { .. }) => {
                        tracing::error!(%failed, %room, "what was said meanwhile is not to be had");
                        Vec::new()
                    }
                    missed => missed?,
                };
                // In a long gap the bot may have come itself.
                let joined = missed.iter().rposition(|event| self.is_our_join(event));
                self.read_into(&mut batch, room, &missed[joined.unwrap_or(0)..]).await?;
            }
            self.read_into(&mut batch, room, &timeline.events).await?;
        }
        for room in answer.rooms.leave.keys() {
            self.rooms.forget(room);
        }
        for (room, it) in &answer.rooms.invite {
            let new = self.invite(room, &it.invite_state.events);
            let mut invited = self.invited.lock().await;
            invited.retain(|known| known.room != new.room);
            invited.push(new);
            let over = invited.len().saturating_sub(MOST_INVITED);
            invited.drain(..over);
            self.was_invited.notify_one();
        }
        // Before anybody acts on it: what is heard again after a crash is the same, and nothing else is.
        let sessions = batch.sessions.iter();
        let sessions = sessions.map(|(session, heard)| thing(session_name(session), heard));
        self.rows.keep(sessions.collect::<Result<_, _>>()?).await?;
        Ok(batch)
    }

    /// Everything in the batch is recorded: go on after it.
    pub(crate) async fn settle(&self, batch: &Batch) -> Result<(), Failed> {
        let mut things = vec![thing(SINCE, &batch.next)?];
        let mut waiting = self.waiting.lock().await;
        waiting.retain(|(_, event)| !batch.late.iter().any(|late| event["event_id"] == **late));
        things.push(thing(WAITING, &*waiting)?);
        things.push(thing(INVITED, &*self.invited.lock().await)?);
        self.rows.keep(things).await
    }

    /// Who invited the bot.
    fn invite<T>(&self, room: &RoomId, state: &[Raw<T>]) -> Invite {
        let events =
            state.iter().filter_map(|event| event.deserialize_as_unchecked::<Value>().ok());
        let ours = events.into_iter().find(|event| {
            event["type"] == "m.room.member" && event["state_key"] == self.me.user.as_str()
        });
        let by = ours.as_ref().and_then(|event| event["sender"].as_str()?.parse().ok());
        let is_direct = ours.is_some_and(|event| event["content"]["is_direct"] == true);
        Invite { room: room.to_owned(), by, is_direct }
    }

    /// Whether the bot came into the room with this event.
    fn is_our_join(&self, event: &Raw<AnySyncTimelineEvent>) -> bool {
        event.deserialize_as_unchecked::<Value>().is_ok_and(|event| {
            event["type"] == "m.room.member"
                && event["state_key"] == self.me.user.as_str()
                && event["content"]["membership"] == "join"
                && event["unsigned"]["prev_content"]["membership"] != "join"
        })
    }

    /// Whether an event could be heard at all.
    fn may_matter(&self, event: &Raw<AnySyncTimelineEvent>) -> bool {
        let field = |name| event.get_field::<String>(name).ok().flatten();
        let is_own = field("sender").is_some_and(|sender| sender == self.me.user);
        let is_said = field("type").is_some_and(|kind| HEARD.contains(&&*kind));
        (is_said && !is_own) || self.is_our_join(event)
    }

    async fn read_into(
        &self,
        batch: &mut Batch,
        room: &RoomId,
        events: &[Raw<AnySyncTimelineEvent>],
    ) -> Result<(), Failed> {
        // Whose devices are not known, their messages prove nothing.
        let field =
            |event: &Raw<AnySyncTimelineEvent>, name| event.get_field::<String>(name).ok()?;
        let sealed = |event: &&Raw<AnySyncTimelineEvent>| {
            field(event, "type").is_some_and(|kind| kind == ENCRYPTED)
        };
        let senders = events.iter().filter(sealed).filter_map(|event| field(event, "sender"));
        let senders: Vec<OwnedUserId> = senders.filter_map(|sender| sender.parse().ok()).collect();
        if !senders.is_empty() {
            self.olm
                .turn()
                .await
                .update_tracked_users(senders.iter().map(OwnedUserId::deref))
                .await?;
            self.flush().await?;
        }
        for raw in events {
            let Ok(event) = raw.deserialize_as_unchecked::<Value>() else { continue };
            let mut heard = self.read(room, raw, &event).await?;
            let is_sealed = event["type"] == ENCRYPTED;
            let could_read = !matches!(heard.proof, Proof::Unreadable(_));
            if is_sealed && could_read && !self.is_new(&mut batch.sessions, &event).await? {
                heard.proof = Proof::Unproven("it was said before: somebody repeats it".to_owned());
            }
            batch.heard.push(heard);
        }
        Ok(())
    }

    /// The homeserver's answer, and events that waited for a key which has come.
    async fn sync(
        &self,
        since: Option<String>,
        wait: Duration,
    ) -> Result<(sync_events::v3::Response, Vec<(OwnedRoomId, Value)>), Failed> {
        let mut request = sync_events::v3::Request::new();
        request.since = since;
        request.timeout = Some(wait);
        let mut filter = FilterDefinition::empty();
        filter.presence.types = Some(Vec::new());
        filter.account_data.types = Some(Vec::new());
        filter.room.account_data.types = Some(Vec::new());
        filter.room.ephemeral.types = Some(Vec::new());
        filter.room.timeline.limit = Some(uint!(50));
        filter.room.state.lazy_load_options =
            LazyLoadOptions::Enabled { include_redundant_members: false };
        request.filter = Some(filter.into());
        let answer = self.wire.send_within(request, wait + Duration::from_secs(30)).await?;
        let changes = EncryptionSyncChanges {
            to_device_events: answer.to_device.events.clone(),
            changed_devices: &answer.device_lists,
            one_time_keys_counts: &answer.device_one_time_keys_count,
            unused_fallback_keys: answer.device_unused_fallback_key_types.as_deref(),
            next_batch_token: Some(answer.next_batch.clone()),
        };
        self.olm.receive(changes).await?;
        self.flush().await?;
        let mut readable = Vec::new();
        let waiting = self.waiting.lock().await.clone();
        // Not by what came just now: before a crash it may have come already.
        for (room, event) in waiting {
            let sealed = Raw::from_json(to_raw_value(&event)?);
            if self.olm.turn().await.is_room_key_available(&sealed, &room).await? {
                readable.push((room, event));
            }
        }
        Ok((answer, readable))
    }

    /// The events of one room between two tokens, oldest first.
    async fn between(
        &self,
        room: &RoomId,
        from: &str,
        to: &str,
    ) -> Result<Vec<Raw<AnySyncTimelineEvent>>, Failed> {
        let mut request = get_message_events::v3::Request::forward(room.to_owned());
        (request.from, request.to) = (Some(from.to_owned()), Some(to.to_owned()));
        request.limit = uint!(100);
        let mut events = Vec::new();
        loop {
            let answer = self.wire.send(request.clone()).await?;
            let missed = answer.chunk.into_iter().map(Raw::cast);
            // A gap may be long: what is not for the bot is not kept even for a moment.
            events.extend(missed.filter(|event| self.may_matter(event)));
            match answer.end {
                Some(end) if request.from.as_ref() != Some(&end) => request.from = Some(end),
                _ => return Ok(events),
            }
        }
    }

    /// An event of the bot itself in clear; nothing where it cannot be read.
    pub(crate) async fn opened(&self, room: &RoomId, event: &Value) -> Result<Value, Failed> {
        if event["type"] != ENCRYPTED {
            return Ok(event.clone());
        }
        let sealed: Raw<EncryptedEvent> = Raw::from_json(to_raw_value(event)?);
        let opened = self.olm.turn().await.try_decrypt_room_event(&sealed, room, &DECRYPTION).await;
        Ok(match opened.map_err(Failed::keys)? {
            RoomEventDecryptionResult::Decrypted(opened) => {
                serde_json::from_str(opened.event.json().get())?
            }
            RoomEventDecryptionResult::UnableToDecrypt(_) => Value::Null,
        })
    }

    /// Whether the key of an event is still to come.
    pub(crate) async fn waits_for(&self, event: &Value) -> bool {
        let waiting = self.waiting.lock().await;
        waiting.iter().any(|(_, known)| known["event_id"] == event["event_id"])
    }

    /// Reads one event, which is also given as it came.
    async fn read(
        &self,
        room: &RoomId,
        raw: &Raw<AnySyncTimelineEvent>,
        event: &Value,
    ) -> Result<Heard, Failed> {
        let heard = |event: Value, proof| Heard { room: room.to_owned(), event, proof };
        if event["type"] != ENCRYPTED {
            return Ok(heard(event.clone(), Proof::Clear));
        }
        let sealed = raw.cast_ref_unchecked::<EncryptedEvent>();
        let opened = self.olm.turn().await.try_decrypt_room_event(sealed, room, &DECRYPTION).await;
        let opened = match opened {
            Ok(opened) => opened,
            // It is the store of keys that failed, and not the event.
            Err(error) => return Err(Failed::keys(error)),
        };
        match opened {
            RoomEventDecryptionResult::UnableToDecrypt(why) => {
                // Also when somebody's client said that it withholds the key: it may change its mind.
                if let UnableToDecryptReason::MissingMegolmSession { .. } = why.reason {
                    // The same is heard again after a crash.
                    if !self.waits_for(event).await {
                        let mut waiting = self.waiting.lock().await;
                        waiting.push((room.to_owned(), event.clone()));
                        let over = waiting.len().saturating_sub(MOST_WAITING);
                        waiting.drain(..over);
                    }
                }
                Ok(heard(event.clone(), Proof::Unreadable(format!("{:?}", why.reason))))
            }
            RoomEventDecryptionResult::Decrypted(opened) => {
                let proof = self.proof(&opened.encryption_info).await?;
                Ok(heard(serde_json::from_str(opened.event.json().get())?, proof))
            }
        }
    }
}
