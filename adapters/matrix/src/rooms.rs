//! Who is in a room, and whether it is encrypted. What was asked is known until the homeserver says that it changed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use matrix_sdk_crypto::store::types::RoomSettings;
use ruma::{
    OwnedRoomId, OwnedUserId, RoomId, UserId,
    api::client::{
        config::{get_global_account_data, set_global_account_data},
        membership::{get_member_events, invite_user},
        room::create_room,
        state::get_state_event_for_key,
        sync::sync_events::v3::State,
    },
    events::{AnySyncTimelineEvent, StateEventType},
    serde::Raw,
};
use serde_json::{Value, json, value::to_raw_value};

use crate::{account::Account, refusals::Failed, rows::thing};

/// The kind of account data that says which rooms are for two
/// (<https://spec.matrix.org/latest/client-server-api/#mdirect>).
const DIRECT: &str = "m.direct";

/// A room as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room {
    /// Who is in it or will be, and what they are called there.
    pub(crate) members: HashMap<OwnedUserId, Option<String>>,
    pub(crate) is_encrypted: bool,
}

impl Room {
    /// Whether somebody is alone with the bot.
    pub(crate) fn is_direct(&self) -> bool {
        self.members.len() <= 2
    }
}

/// The rooms that are known.
#[derive(Default)]
pub(crate) struct Rooms {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    rooms: HashMap<OwnedRoomId, Arc<Room>>,
    /// How often something changed: what was asked before that is old.
    changes: u64,
}

impl Rooms {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a room when something of it changed, or may have.
    pub(crate) fn changed(
        &self,
        room: &RoomId,
        is_limited: bool,
        timeline: &[Raw<AnySyncTimelineEvent>],
        state: &State,
    ) {
        let matters = |kind: Option<String>| {
            kind.is_some_and(|kind| matches!(&*kind, "m.room.member" | "m.room.encryption"))
        };
        let kind = |kind: Result<Option<String>, _>| kind.ok().flatten();
        let in_timeline = timeline.iter().any(|it| matters(kind(it.get_field("type"))));
        let state = match state {
            State::Before(state) | State::After(state) => &*state.events,
            _ => &[],
        };
        let in_state = state.iter().any(|it| matters(kind(it.get_field("type"))));
        if is_limited || in_timeline || in_state {
            self.forget(room);
        }
    }

    pub(crate) fn forget(&self, room: &RoomId) {
        let mut known = self.known();
        known.rooms.remove(room);
        known.changes += 1;
    }
}

impl Account {
    /// The room as it is now.
    pub(crate) async fn room(&self, id: &RoomId) -> Result<Arc<Room>, Failed> {
        let changes = {
            let known = self.rooms.known();
            if let Some(room) = known.rooms.get(id) {
                return Ok(room.clone());
            }
            known.changes
        };
        let members = self.members(id).await?;
        let room = Arc::new(Room { members, is_encrypted: self.is_encrypted(id).await? });
        let mut known = self.rooms.known();
        if known.changes == changes {
            known.rooms.insert(id.to_owned(), room.clone());
        }
        Ok(room)
    }

    /// Who is in the room or will be: the invited read what is said from now on once they come.
    async fn members(&self, room: &RoomId) -> Result<HashMap<OwnedUserId, Option<String>>, Failed> {
        let events = self.wire.send(get_member_events::v3::Request::new(room.to_owned())).await?;
        let mut members = HashMap::new();
        for event in &events.chunk {
            let Ok(event) = event.deserialize_as_unchecked::<Value>() else { continue };
            let content = &event["content"];
            let user = event["state_key"].as_str().and_then(|user| UserId::parse(user).ok());
            if let (Some(user), Some("join" | "invite")) = (user, content["membership"].as_str()) {
                members.insert(user, content["displayname"].as_str().map(str::to_owned));
            }
        }
        Ok(members)
    }

    async fn is_encrypted(&self, room: &RoomId) -> Result<bool, Failed> {
        // Once encrypted, always encrypted, whatever the homeserver says later.
        if self.olm.turn().await.room_settings(room).await?.is_some() {
            return Ok(true);
        }
        let request = get_state_event_for_key::v3::Request::new(
            room.to_owned(),
            StateEventType::RoomEncryption,
            String::new(),
        );
        match self.wire.send(request).await {
            Ok(_) => {
                let set =
                    self.olm.turn().await.set_room_settings(room, &RoomSettings::default()).await;
                set.map_err(Failed::keys)?;
                Ok(true)
            }
            Err(failed) if failed.is_not_found() => Ok(false),
            Err(failed) => Err(failed),
        }
    }

    /// The room in which this person and the bot are alone and nobody on the way reads along, made if there is none.
    /// Who left it is invited again.
    pub(crate) async fn alone_with(&self, user: &UserId) -> Result<OwnedRoomId, Failed> {
        let _one = self.making_rooms.lock().await;
        let name = format!("alone {user}");
        let made: Option<OwnedRoomId> = self.rows.kept(&name).await?;
        let direct = self.account_data(DIRECT).await?.unwrap_or_default();
        let theirs = direct[user.as_str()].as_array().into_iter().flatten().rev();
        let theirs = theirs.filter_map(|room| RoomId::parse(room.as_str()?).ok());
        for id in made.into_iter().chain(theirs) {
            let room = match self.room(&id).await {
                Err(failed) if failed.passes() => return Err(failed),
                Err(_) => continue,
                Ok(room) => room,
            };
            if !room.is_encrypted || !room.is_direct() {
                continue;
            }
            if room.members.contains_key(user) {
                return Ok(id);
            }
            if room.members.len() == 1 {
                let invited = invite_user::v3::InvitationRecipient::UserId(
                    invite_user::v3::InviteUserId::new(user.to_owned()),
                );
                match self.wire.send(invite_user::v3::Request::new(id.clone(), invited)).await {
                    Err(failed) if failed.passes() => return Err(failed),
                    Err(_) => continue,
                    Ok(_) => {}
                }
                self.rooms.forget(&id);
                return Ok(id);
            }
        }
        let mut request = create_room::v3::Request::new();
        (request.is_direct, request.invite) = (true, vec![user.to_owned()]);
        request.preset = Some(create_room::v3::RoomPreset::TrustedPrivateChat);
        let encryption = json!({"type": "m.room.encryption", "state_key": "",
            "content": {"algorithm": "m.megolm.v1.aes-sha2"}});
        request.initial_state = vec![Raw::from_json(to_raw_value(&encryption)?)];
        let room = self.wire.send(request).await?.room_id;
        self.rows.keep(vec![thing(name, &room)?]).await?;
        // For people's clients. The bot knows it now.
        if let Err(failed) = self.is_direct_with(user, &room).await {
            tracing::warn!(%failed, %room, "that a room is for two is not remembered");
        }
        Ok(room)
    }

    /// Remembers on the homeserver that a room is for two.
    pub(crate) async fn is_direct_with(&self, user: &UserId, room: &RoomId) -> Result<(), Failed> {
        let direct = self.account_data(DIRECT).await?;
        let mut direct = direct.filter(Value::is_object).unwrap_or_else(|| json!({}));
        let rooms = &mut direct[user.as_str()];
        if !rooms.is_array() {
            *rooms = json!([]);
        }
        if let Some(rooms) = rooms.as_array_mut() {
            rooms.push(json!(room));
        }
        self.set_account_data(DIRECT, &direct).await
    }

    pub(crate) async fn account_data(&self, kind: &str) -> Result<Option<Value>, Failed> {
        let user = self.session.user.clone();
        let request = get_global_account_data::v3::Request::new(user, kind.into());
        match self.wire.send(request).await {
            Ok(answer) => Ok(Some(serde_json::from_str(answer.account_data.json().get())?)),
            Err(failed) if failed.is_not_found() => Ok(None),
            Err(failed) => Err(failed),
        }
    }

    pub(crate) async fn set_account_data(&self, kind: &str, data: &Value) -> Result<(), Failed> {
        let (user, data) = (self.session.user.clone(), Raw::from_json(to_raw_value(data)?));
        let request = set_global_account_data::v3::Request::new_raw(user, kind.into(), data);
        self.wire.send(request).await?;
        Ok(())
    }
}
