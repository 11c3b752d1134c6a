//! The cryptography, which whoever hears and whoever speaks use at the same time.

use std::{ops::Deref, sync::Arc};

use matrix_sdk_crypto::{DecryptionSettings, EncryptionSyncChanges, OlmMachine, TrustRequirement};
use ruma::{DeviceId, UserId};
use tokio::sync::{RwLock, RwLockReadGuard};

use crate::{keys::Keys, refusals::Failed, rows::Rows};

/// Everything is decrypted; how far the sender is to be trusted is judged by [`crate::trust`], and said.
pub(crate) const DECRYPTION: DecryptionSettings =
    DecryptionSettings { sender_device_trust_requirement: TrustRequirement::Untrusted };

/// The machine that encrypts and decrypts, with the keys of one device.
pub(crate) struct Machine {
    olm: OlmMachine,
    keys: Arc<Keys>,
    /// Taken in together: whoever else changes a key in between would write half of what is being taken in.
    turns: RwLock<()>,
}

/// A use of the machine. Whoever has one asks for no other: it would wait for ever behind somebody who waits for this
/// one to end.
pub(crate) struct Turn<'a> {
    olm: &'a OlmMachine,
    _turn: RwLockReadGuard<'a, ()>,
}

impl Deref for Turn<'_> {
    type Target = OlmMachine;

    fn deref(&self) -> &OlmMachine {
        self.olm
    }
}

impl Machine {
    /// With the keys that are in the rows, or new ones.
    pub(crate) async fn open(
        rows: Arc<Rows>,
        user: &UserId,
        device: &DeviceId,
    ) -> Result<Self, Failed> {
        let keys = Arc::new(Keys::load(rows).await?);
        let olm = OlmMachine::with_store(user, device, keys.clone(), None).await?;
        Ok(Self { olm, keys, turns: RwLock::default() })
    }

    /// To do one thing with it.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        let turn = self.turns.read().await;
        Turn { olm: &self.olm, _turn: turn }
    }

    /// Takes in what the homeserver says of keys, all of it or nothing. After an error the keys in memory may be ahead
    /// of those that are kept: open it anew.
    ///
    /// The machine writes a new session as soon as a message opened it, and the room's key that was in the message
    /// later (`decrypt_olm_message` of matrix-sdk-crypto 0.18). A session opens each message once: who dies between
    /// the two would never get at that key again.
    pub(crate) async fn receive(&self, changes: EncryptionSyncChanges<'_>) -> Result<(), Failed> {
        let _alone = self.turns.write().await;
        let received = async { self.olm.receive_sync_changes(changes, &DECRYPTION).await };
        self.keys.at_once(received).await??;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use chrono::DateTime;
    use matrix_sdk_crypto::{
        EncryptionSettings, RoomEventDecryptionResult, types::requests::AnyOutgoingRequest,
    };
    use ruma::{
        UInt,
        api::client::{
            keys::{claim_keys, get_keys, upload_keys},
            sync::sync_events::DeviceLists,
        },
        device_id,
        events::AnyMessageLikeEventContent,
        room_id,
        serde::Raw,
        user_id,
    };
    use serde_json::{Value, json, value::to_raw_value};
    use sqlx::{Connection as _, SqliteConnection};

    use super::*;

    /// What a machine would have the homeserver know of its device.
    async fn published(olm: &OlmMachine) -> upload_keys::v3::Request {
        let requests = olm.outgoing_requests().await.unwrap();
        let upload = requests.iter().find_map(|it| match it.request() {
            AnyOutgoingRequest::KeysUpload(upload) => Some((it.request_id(), upload.clone())),
            _ => None,
        });
        let (id, upload) = upload.unwrap();
        let counts = [("signed_curve25519".into(), UInt::from(50_u32))].into();
        olm.mark_request_as_sent(id, &upload_keys::v3::Response::new(counts)).await.unwrap();
        upload
    }

    /// Ana's first message to the bot, and the message to its device that brings the key.
    async fn said_by_ana(bot: upload_keys::v3::Request) -> (Value, Raw<Value>) {
        let (user, device) = (user_id!("@ops:example.org"), device_id!("BOT"));
        let ana = OlmMachine::new(user_id!("@ana:example.org"), device_id!("PHONE")).await;
        published(&ana).await;
        ana.update_tracked_users([user]).await.unwrap();
        let (query, _) = ana.query_keys_for_users([user]);
        let mut known = get_keys::v3::Response::new();
        let keys = [(device.to_owned(), bot.device_keys.unwrap())];
        known.device_keys.insert(user.to_owned(), keys.into());
        ana.mark_request_as_sent(&query, &known).await.unwrap();
        let (claim, _) = ana.get_missing_sessions([user].into_iter()).await.unwrap().unwrap();
        let key = bot.one_time_keys.into_iter().next().unwrap();
        let keys = [(device.to_owned(), [key].into())].into();
        let claimed = claim_keys::v3::Response::new([(user.to_owned(), keys)].into());
        ana.mark_request_as_sent(&claim, &claimed).await.unwrap();
        let room = room_id!("!room:example.org");
        let settings = EncryptionSettings::default();
        let keys = ana.share_room_key(room, [user].into_iter(), settings).await.unwrap();
        let sealed = keys[0].messages.values().flat_map(|devices| devices.values()).next();
        let content: Value = serde_json::from_str(sealed.unwrap().json().get()).unwrap();
        let key = json!({"type": "m.room.encrypted", "sender": ana.user_id(), "content": content});
        let word = json!({"msgtype": "m.text", "body": "status"});
        let word = Raw::<AnyMessageLikeEventContent>::from_json(to_raw_value(&word).unwrap());
        let sealed = ana.encrypt_room_event_raw(room, "m.room.message", &word).await.unwrap();
        let content: Value = serde_json::from_str(sealed.content.json().get()).unwrap();
        let word = json!({"type": "m.room.encrypted", "sender": ana.user_id(), "event_id": "$1",
            "origin_server_ts": 1, "content": content});
        (word, Raw::from_json(to_raw_value(&key).unwrap()))
    }

    async fn opened(file: &Path) -> Machine {
        let rows = Arc::new(Rows::open(file, Arc::new(|| DateTime::UNIX_EPOCH)).await.unwrap());
        let (user, device) = (user_id!("@ops:example.org"), device_id!("BOT"));
        Machine::open(rows, user, device).await.unwrap()
    }

    #[tokio::test]
    async fn a_key_that_could_not_be_kept_is_taken_in_once_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("matrix.db");
        let bot = opened(&file).await;
        let (word, key) = said_by_ana(published(&*bot.turn().await).await).await;
        let (devices, counts) = (DeviceLists::default(), BTreeMap::new());
        let changes = || EncryptionSyncChanges {
            to_device_events: vec![key.clone().cast_unchecked()],
            changed_devices: &devices,
            one_time_keys_counts: &counts,
            unused_fallback_keys: None,
            next_batch_token: Some("s1".to_owned()),
        };

        // The disk takes what is known of sessions, and is full when the key of the room comes.
        let url = format!("sqlite:{}", file.display());
        let mut disk = SqliteConnection::connect(&url).await.unwrap();
        let full = "CREATE TRIGGER full BEFORE INSERT ON rows WHEN NEW.kind = 'inbound' BEGIN \
                    SELECT RAISE(ABORT, 'full'); END";
        sqlx::query(full).execute(&mut disk).await.unwrap();
        assert!(matches!(bot.receive(changes()).await, Err(Failed::Keys(_))));
        drop(bot);
        sqlx::query("DROP TRIGGER full").execute(&mut disk).await.unwrap();
        disk.close().await.unwrap();

        let bot = opened(&file).await;
        bot.receive(changes()).await.unwrap();
        let word = Raw::from_json(to_raw_value(&word).unwrap());
        let room = room_id!("!room:example.org");
        let turn = bot.turn().await;
        let read = turn.try_decrypt_room_event(&word, room, &DECRYPTION).await.unwrap();
        let RoomEventDecryptionResult::Decrypted(read) = read else { panic!("{read:?}") };
        assert!(read.event.json().get().contains("status"));
    }
}
