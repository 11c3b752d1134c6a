use std::{future::ready, pin::pin};

use chrono::DateTime;
use matrix_sdk_crypto::EncryptionSettings;
use ruma::{device_id, room_id, serde::Raw, user_id};

use super::*;

/// A session that was used once more than a row says would use the same key for two messages.
#[tokio::test]
async fn who_waits_for_its_turn_writes_what_is_known_when_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(|| DateTime::UNIX_EPOCH);
    let rows = Rows::open(&folder.path().join("matrix.db"), clock).await.unwrap();
    let rows = Arc::new(rows);
    let keys = Keys::load(rows.clone()).await.unwrap();
    let account = Account::with_device_id(user_id!("@ops:example.org"), device_id!("OPS"));
    let own = account.static_data().clone();
    keys.save_pending_changes(PendingChanges { account: Some(account) }).await.unwrap();
    let room = room_id!("!r:example.org");
    let settings = EncryptionSettings::default();
    let session = OutboundGroupSession::new(own.device_id, own.identity_keys, room, settings);
    let session = session.unwrap();
    let changes = Changes { outbound_group_sessions: vec![session.clone()], ..Changes::default() };

    let writing = rows.writing.lock().await;
    let mut waits = pin!(keys.save_changes(changes));
    tokio::select! {
        biased;
        _ = &mut waits => panic!("somebody else writes"),
        () = ready(()) => {}
    }
    let words = serde_json::json!({ "msgtype": "m.text", "body": "CPU is at 42 %" });
    session.encrypt("m.room.message", &Raw::new(&words).unwrap().cast_unchecked()).await;
    drop(writing);
    waits.await.unwrap();

    let again = Keys::load(rows).await.unwrap();
    let kept = again.get_outbound_group_session(room).await.unwrap().unwrap();
    assert_eq!(kept.message_index().await, 1);
}
