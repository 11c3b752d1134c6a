//! The store of keys that the cryptography asks for: everything is in memory, and each change is a row first. All rows
//! of a change are one transaction.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use matrix_sdk_common::cross_process_lock::CrossProcessLockGeneration;
use matrix_sdk_crypto::{
    DeviceData, GossipRequest, SecretInfo, TrackedUser, UserIdentityData,
    olm::{
        Account, InboundGroupSession, OlmMessageHash, OutboundGroupSession,
        PrivateCrossSigningIdentity, SenderDataType, Session,
    },
    store::{
        CryptoStore, CryptoStoreError, MemoryStore,
        types::{
            BackupKeys, Changes, DehydratedDeviceKey, PendingChanges, RoomKeyCounts,
            RoomKeyWithheldEntry, RoomPendingKeyBundleDetails, RoomSettings,
            StoredRoomKeyBundleData,
        },
    },
    vodozemac::Curve25519PublicKey,
};
use ruma::{
    DeviceId, OwnedDeviceId, OwnedUserId, RoomId, TransactionId, UserId,
    events::secret::request::SecretName,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::MutexGuard;
use zeroize::Zeroizing;

use crate::rows::{Change, Rows};

type Result<T, E = CryptoStoreError> = std::result::Result<T, E>;

/// The keys of one device.
pub(crate) struct Keys {
    memory: MemoryStore,
    rows: Arc<Rows>,
    /// Which copy this is: only the newest may write.
    copy: u64,
    /// What is to be written together with what is still to come.
    held: Mutex<Option<Vec<Change>>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> CryptoStoreError {
    CryptoStoreError::backend(error)
}

fn put(kind: &'static str, key: impl Into<String>, value: &impl Serialize) -> Result<Change> {
    Ok((kind, key.into(), Some(serde_json::to_vec(value).map_err(failed)?)))
}

fn get<T: DeserializeOwned>(value: &[u8]) -> Result<T> {
    serde_json::from_slice(value).map_err(failed)
}

impl Keys {
    /// The keys that are in the rows.
    pub(crate) async fn load(rows: Arc<Rows>) -> Result<Self> {
        let copy = {
            let mut copies = rows.writing.lock().await;
            *copies += 1;
            *copies
        };
        let found = rows.all().await.map_err(failed)?;
        let memory = MemoryStore::new();
        let account = found.iter().find(|(kind, ..)| kind == "account");
        let account =
            account.map(|(_, _, account)| Account::from_pickle(get(account)?).map_err(failed));
        let account = account.transpose()?;
        let own = account.as_ref().map(|it| (it.static_data().clone(), it.device_keys()));
        if let Some(account) = account {
            memory.save_pending_changes(PendingChanges { account: Some(account) }).await?;
        }
        let mut changes = Changes::default();
        let mut tracked: Vec<(OwnedUserId, bool)> = Vec::new();
        for (kind, key, value) in &found {
            match kind.as_str() {
                "identity" => {
                    let identity = PrivateCrossSigningIdentity::from_pickle(get(value)?);
                    changes.private_identity = Some(identity.map_err(failed)?);
                }
                "token" => changes.next_batch_token = Some(get(value)?),
                "session" => {
                    let Some((_, keys)) = &own else { continue };
                    let session = Session::from_pickle(keys.clone(), get(value)?);
                    changes.sessions.push(session.map_err(failed)?);
                }
                "inbound" => {
                    let session = InboundGroupSession::from_pickle(get(value)?);
                    changes.inbound_group_sessions.push(session.map_err(failed)?);
                }
                "outbound" => {
                    let Some((statics, _)) = &own else { continue };
                    let (device, own) = (statics.device_id.clone(), statics.identity_keys.clone());
                    let session = OutboundGroupSession::from_pickle(device, own, get(value)?);
                    changes.outbound_group_sessions.push(session.map_err(failed)?);
                }
                "device" => changes.devices.new.push(get(value)?),
                "person" => changes.identities.new.push(get(value)?),
                "hash" => changes.message_hashes.push(get(value)?),
                "request" => changes.key_requests.push(get(value)?),
                "withheld" => {
                    let entry: RoomKeyWithheldEntry = get(value)?;
                    let (room, session) = key.split_once('/').unwrap_or_default();
                    let room = RoomId::parse(room).map_err(failed)?;
                    let of_room = changes.withheld_session_info.entry(room).or_default();
                    of_room.insert(session.to_owned(), entry);
                }
                "room" => {
                    let room = RoomId::parse(key).map_err(failed)?;
                    changes.room_settings.insert(room, get(value)?);
                }
                "tracked" => tracked.push((UserId::parse(key).map_err(failed)?, get(value)?)),
                "custom" => memory.set_custom_value(key, get(value)?).await?,
                _ => {}
            }
        }
        memory.save_changes(changes).await?;
        let tracked: Vec<_> = tracked.iter().map(|(user, dirty)| (&**user, *dirty)).collect();
        memory.save_tracked_users(&tracked).await?;
        Ok(Self { memory, rows, copy, held: Mutex::default() })
    }

    /// Does something, and writes all that it changes in one transaction at its end. When it is given up, or when the
    /// transaction fails, nothing of it is written.
    pub(crate) async fn at_once<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<Result<T, E>> {
        struct GivenUp<'a>(&'a Keys);
        impl Drop for GivenUp<'_> {
            fn drop(&mut self) {
                *self.0.held() = None;
            }
        }
        let _given_up = GivenUp(self);
        *self.held() = Some(Vec::new());
        let done = work.await;
        let changes = self.held().take();
        if let (Ok(_), Some(changes)) = (&done, changes) {
            let _writing = self.to_write().await?;
            self.write(changes).await?;
        }
        Ok(done)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<Vec<Change>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To write, when this is the newest copy: what an older one knows would undo what came since. Taken before a key
    /// is read, so that an older state of it is never written over a newer one.
    async fn to_write(&self) -> Result<MutexGuard<'_, u64>> {
        let copies = self.rows.writing.lock().await;
        if *copies == self.copy {
            return Ok(copies);
        }
        Err(failed(std::io::Error::other("the bot has logged in anew since")))
    }

    async fn write(&self, changes: Vec<Change>) -> Result<()> {
        if let Some(held) = &mut *self.held() {
            held.extend(changes);
            return Ok(());
        }
        self.rows.write(changes).await.map_err(failed)
    }
}

/// The row of a session of a room.
async fn inbound(session: &InboundGroupSession) -> Result<Change> {
    let key = format!("{}/{}", session.room_id(), session.session_id());
    put("inbound", key, &session.pickle().await)
}

#[async_trait]
impl CryptoStore for Keys {
    type Error = CryptoStoreError;

    async fn save_changes(&self, changes: Changes) -> Result<()> {
        let _writing = self.to_write().await?;
        let mut rows = Vec::new();
        if let Some(identity) = &changes.private_identity {
            rows.push(put("identity", "", &identity.pickle().await)?);
        }
        if let Some(token) = &changes.next_batch_token {
            rows.push(put("token", "", token)?);
        }
        for session in &changes.sessions {
            rows.push(put("session", session.session_id(), &session.pickle().await)?);
        }
        for session in &changes.inbound_group_sessions {
            rows.push(inbound(session).await?);
        }
        for session in &changes.outbound_group_sessions {
            rows.push(put("outbound", session.room_id().as_str(), &session.pickle().await)?);
        }
        let named = |device: &DeviceData| format!("{}/{}", device.user_id(), device.device_id());
        for device in changes.devices.new.iter().chain(&changes.devices.changed) {
            rows.push(put("device", named(device), device)?);
        }
        for device in &changes.devices.deleted {
            rows.push(("device", named(device), None));
        }
        for identity in changes.identities.new.iter().chain(&changes.identities.changed) {
            rows.push(put("person", identity.user_id().as_str(), identity)?);
        }
        for hash in &changes.message_hashes {
            rows.push(put("hash", format!("{}/{}", hash.sender_key, hash.hash), hash)?);
        }
        for request in &changes.key_requests {
            rows.push(put("request", request.request_id.as_str(), request)?);
        }
        for (room, sessions) in &changes.withheld_session_info {
            for (session, entry) in sessions {
                rows.push(put("withheld", format!("{room}/{session}"), entry)?);
            }
        }
        for (room, settings) in &changes.room_settings {
            rows.push(put("room", room.as_str(), settings)?);
        }
        // Backups, dehydrated devices, key bundles and other devices' secrets are not for a bot: in memory only.
        self.write(rows).await?;
        Ok(self.memory.save_changes(changes).await?)
    }

    async fn save_pending_changes(&self, changes: PendingChanges) -> Result<()> {
        let _writing = self.to_write().await?;
        // Without an account there is nothing to change, and the memory would forget the one it has.
        let Some(account) = &changes.account else { return Ok(()) };
        self.write(vec![put("account", "", &account.pickle())?]).await?;
        Ok(self.memory.save_pending_changes(changes).await?)
    }

    async fn save_inbound_group_sessions(
        &self,
        sessions: Vec<InboundGroupSession>,
        backed_up_to_version: Option<&str>,
    ) -> Result<()> {
        let _writing = self.to_write().await?;
        let mut rows = Vec::new();
        for session in &sessions {
            rows.push(inbound(session).await?);
        }
        self.write(rows).await?;
        Ok(self.memory.save_inbound_group_sessions(sessions, backed_up_to_version).await?)
    }

    async fn save_tracked_users(&self, users: &[(&UserId, bool)]) -> Result<()> {
        let _writing = self.to_write().await?;
        let rows = users.iter().map(|(user, dirty)| put("tracked", user.as_str(), dirty));
        self.write(rows.collect::<Result<_>>()?).await?;
        Ok(self.memory.save_tracked_users(users).await?)
    }

    async fn delete_outgoing_secret_requests(&self, request_id: &TransactionId) -> Result<()> {
        let _writing = self.to_write().await?;
        let row = ("request", request_id.to_string(), None);
        self.write(vec![row]).await?;
        Ok(self.memory.delete_outgoing_secret_requests(request_id).await?)
    }

    async fn delete_secrets_from_inbox(&self, secret_name: &SecretName) -> Result<()> {
        Ok(self.memory.delete_secrets_from_inbox(secret_name).await?)
    }

    async fn set_custom_value(&self, key: &str, value: Vec<u8>) -> Result<()> {
        let _writing = self.to_write().await?;
        self.write(vec![put("custom", key, &value)?]).await?;
        Ok(self.memory.set_custom_value(key, value).await?)
    }

    async fn remove_custom_value(&self, key: &str) -> Result<()> {
        let _writing = self.to_write().await?;
        self.write(vec![("custom", key.to_owned(), None)]).await?;
        Ok(self.memory.remove_custom_value(key).await?)
    }

    async fn load_account(&self) -> Result<Option<Account>> {
        Ok(self.memory.load_account().await?)
    }

    async fn load_identity(&self) -> Result<Option<PrivateCrossSigningIdentity>> {
        Ok(self.memory.load_identity().await?)
    }

    async fn get_sessions(&self, sender_key: &str) -> Result<Option<Vec<Session>>> {
        Ok(self.memory.get_sessions(sender_key).await?)
    }

    async fn get_inbound_group_session(
        &self,
        room_id: &RoomId,
        session_id: &str,
    ) -> Result<Option<InboundGroupSession>> {
        Ok(self.memory.get_inbound_group_session(room_id, session_id).await?)
    }

    async fn get_withheld_info(
        &self,
        room_id: &RoomId,
        session_id: &str,
    ) -> Result<Option<RoomKeyWithheldEntry>> {
        Ok(self.memory.get_withheld_info(room_id, session_id).await?)
    }

    async fn get_withheld_sessions_by_room_id(
        &self,
        room_id: &RoomId,
    ) -> Result<Vec<RoomKeyWithheldEntry>> {
        Ok(self.memory.get_withheld_sessions_by_room_id(room_id).await?)
    }

    async fn get_inbound_group_sessions(&self) -> Result<Vec<InboundGroupSession>> {
        Ok(self.memory.get_inbound_group_sessions().await?)
    }

    async fn inbound_group_session_counts(
        &self,
        backup_version: Option<&str>,
    ) -> Result<RoomKeyCounts> {
        Ok(self.memory.inbound_group_session_counts(backup_version).await?)
    }

    async fn get_inbound_group_sessions_by_room_id(
        &self,
        room_id: &RoomId,
    ) -> Result<Vec<InboundGroupSession>> {
        Ok(self.memory.get_inbound_group_sessions_by_room_id(room_id).await?)
    }

    async fn get_inbound_group_sessions_for_device_batch(
        &self,
        curve_key: Curve25519PublicKey,
        sender_data_type: SenderDataType,
        after_session_id: Option<String>,
        limit: usize,
    ) -> Result<Vec<InboundGroupSession>> {
        Ok(self
            .memory
            .get_inbound_group_sessions_for_device_batch(
                curve_key,
                sender_data_type,
                after_session_id,
                limit,
            )
            .await?)
    }

    async fn inbound_group_sessions_for_backup(
        &self,
        backup_version: &str,
        limit: usize,
    ) -> Result<Vec<InboundGroupSession>> {
        Ok(self.memory.inbound_group_sessions_for_backup(backup_version, limit).await?)
    }

    async fn mark_inbound_group_sessions_as_backed_up(
        &self,
        backup_version: &str,
        room_and_session_ids: &[(&RoomId, &str)],
    ) -> Result<()> {
        Ok(self
            .memory
            .mark_inbound_group_sessions_as_backed_up(backup_version, room_and_session_ids)
            .await?)
    }

    async fn reset_backup_state(&self) -> Result<()> {
        Ok(self.memory.reset_backup_state().await?)
    }

    async fn load_backup_keys(&self) -> Result<BackupKeys> {
        Ok(self.memory.load_backup_keys().await?)
    }

    async fn load_dehydrated_device_pickle_key(&self) -> Result<Option<DehydratedDeviceKey>> {
        Ok(self.memory.load_dehydrated_device_pickle_key().await?)
    }

    async fn delete_dehydrated_device_pickle_key(&self) -> Result<()> {
        Ok(self.memory.delete_dehydrated_device_pickle_key().await?)
    }

    async fn get_outbound_group_session(
        &self,
        room_id: &RoomId,
    ) -> Result<Option<OutboundGroupSession>> {
        Ok(self.memory.get_outbound_group_session(room_id).await?)
    }

    async fn load_tracked_users(&self) -> Result<Vec<TrackedUser>> {
        Ok(self.memory.load_tracked_users().await?)
    }

    async fn get_device(
        &self,
        user_id: &UserId,
        device_id: &DeviceId,
    ) -> Result<Option<DeviceData>> {
        Ok(self.memory.get_device(user_id, device_id).await?)
    }

    async fn get_user_devices(
        &self,
        user_id: &UserId,
    ) -> Result<HashMap<OwnedDeviceId, DeviceData>> {
        Ok(self.memory.get_user_devices(user_id).await?)
    }

    async fn get_own_device(&self) -> Result<DeviceData> {
        Ok(self.memory.get_own_device().await?)
    }

    async fn get_user_identity(&self, user_id: &UserId) -> Result<Option<UserIdentityData>> {
        Ok(self.memory.get_user_identity(user_id).await?)
    }

    async fn is_message_known(&self, message_hash: &OlmMessageHash) -> Result<bool> {
        Ok(self.memory.is_message_known(message_hash).await?)
    }

    async fn get_outgoing_secret_requests(
        &self,
        request_id: &TransactionId,
    ) -> Result<Option<GossipRequest>> {
        Ok(self.memory.get_outgoing_secret_requests(request_id).await?)
    }

    async fn get_secret_request_by_info(
        &self,
        secret_info: &SecretInfo,
    ) -> Result<Option<GossipRequest>> {
        Ok(self.memory.get_secret_request_by_info(secret_info).await?)
    }

    async fn get_unsent_secret_requests(&self) -> Result<Vec<GossipRequest>> {
        Ok(self.memory.get_unsent_secret_requests().await?)
    }

    async fn get_secrets_from_inbox(
        &self,
        secret_name: &SecretName,
    ) -> Result<Vec<Zeroizing<String>>> {
        Ok(self.memory.get_secrets_from_inbox(secret_name).await?)
    }

    async fn get_room_settings(&self, room_id: &RoomId) -> Result<Option<RoomSettings>> {
        Ok(self.memory.get_room_settings(room_id).await?)
    }

    async fn get_received_room_key_bundle_data(
        &self,
        room_id: &RoomId,
        user_id: &UserId,
    ) -> Result<Option<StoredRoomKeyBundleData>> {
        Ok(self.memory.get_received_room_key_bundle_data(room_id, user_id).await?)
    }

    async fn get_pending_key_bundle_details_for_room(
        &self,
        room_id: &RoomId,
    ) -> Result<Option<RoomPendingKeyBundleDetails>> {
        Ok(self.memory.get_pending_key_bundle_details_for_room(room_id).await?)
    }

    async fn get_all_rooms_pending_key_bundles(&self) -> Result<Vec<RoomPendingKeyBundleDetails>> {
        Ok(self.memory.get_all_rooms_pending_key_bundles().await?)
    }

    async fn has_downloaded_all_room_keys(&self, room_id: &RoomId) -> Result<bool> {
        Ok(self.memory.has_downloaded_all_room_keys(room_id).await?)
    }

    async fn get_custom_value(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.memory.get_custom_value(key).await?)
    }

    async fn try_take_leased_lock(
        &self,
        lease_duration_ms: u32,
        key: &str,
        holder: &str,
    ) -> Result<Option<CrossProcessLockGeneration>> {
        Ok(self.memory.try_take_leased_lock(lease_duration_ms, key, holder).await?)
    }

    async fn next_batch_token(&self) -> Result<Option<String>> {
        Ok(self.memory.next_batch_token().await?)
    }

    async fn close(&self) -> Result<()> {
        Ok(self.memory.close().await?)
    }

    async fn reopen(&self) -> Result<()> {
        Ok(self.memory.reopen().await?)
    }

    async fn get_size(&self) -> Result<Option<usize>> {
        Ok(self.memory.get_size().await?)
    }
}

#[cfg(test)]
mod tests;
