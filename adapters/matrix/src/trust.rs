//! How sure it is who sent an event.

use std::collections::BTreeMap;

use matrix_sdk_common::deserialized_responses::{
    EncryptionInfo, VerificationLevel, VerificationState,
};
use matrix_sdk_crypto::{UserIdentity, vodozemac::megolm::MegolmMessage};
use ruma::OwnedDeviceId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{account::Account, refusals::Failed};

/// What is known of who sent an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It came in clear: the homeserver says who it was.
    Clear,
    /// From a device that its owner signed.
    CrossSigned(OwnedDeviceId),
    /// From a device that nobody vouches for, or from one that belongs to somebody else: why.
    Unproven(String),
    /// It cannot be read (yet): why.
    Unreadable(String),
}

/// How far a session of keys has come. Each message of one has a number, and the homeserver could show one twice.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Ratchet {
    /// The token of the batch in which it came so far.
    since: Option<String>,
    /// How far it was before that batch.
    before: Option<u32>,
    last: Option<u32>,
}

/// The sessions that spoke in a batch.
pub(crate) type Ratchets = BTreeMap<String, Ratchet>;

/// Under which name it is kept how far a session has come.
pub(crate) fn ratchet_name(session: &str) -> String {
    format!("ratchet {session}")
}

impl Account {
    /// A device that its owner signed, of an owner whose identity is the one that was first seen, or that an Admin
    /// accepted since.
    pub(crate) async fn proof(&self, info: &EncryptionInfo) -> Result<Proof, Failed> {
        let device = match (&info.verification_state, &info.sender_device) {
            (
                VerificationState::Verified
                | VerificationState::Unverified(VerificationLevel::UnverifiedIdentity),
                Some(device),
            ) if info.forwarder.is_none() => device,
            (state, _) => return Ok(Proof::Unproven(format!("{state:?}"))),
        };
        // The device may be gone since, or its owner's identity may be another one.
        let known = self.olm.get_device(&info.sender, device, None).await?;
        if !known.is_some_and(|device| device.is_cross_signed_by_owner()) {
            return Ok(Proof::Unproven("its owner's signature is gone".to_owned()));
        }
        Ok(match self.olm.get_identity(&info.sender, None).await? {
            Some(UserIdentity::Other(identity)) if identity.identity_needs_user_approval() => {
                Proof::Unproven("its owner has a new identity".to_owned())
            }
            Some(_) => Proof::CrossSigned(device.clone()),
            None => Proof::Unproven("its owner has no identity".to_owned()),
        })
    }

    /// Whether an encrypted event is newer than all that its session said before. `since` is the token of the batch
    /// that it came with: the same batch heard again says the same.
    pub(crate) async fn is_next(
        &self,
        ratchets: &mut Ratchets,
        since: Option<&str>,
        event: &Value,
    ) -> Result<bool, Failed> {
        let text = |name: &str| event["content"][name].as_str().unwrap_or_default();
        let session = text("session_id");
        let Ok(sealed) = MegolmMessage::from_base64(text("ciphertext")) else { return Ok(false) };
        if !ratchets.contains_key(session) {
            let before = match self.rows.kept::<Ratchet>(&ratchet_name(session)).await? {
                Some(kept) if kept.since.as_deref() == since => kept.before,
                Some(kept) => kept.last,
                None => None,
            };
            let since = since.map(str::to_owned);
            ratchets.insert(session.to_owned(), Ratchet { since, before, last: before });
        }
        let Some(ratchet) = ratchets.get_mut(session) else { return Ok(false) };
        let index = sealed.message_index();
        let is_next = ratchet.last.is_none_or(|last| index > last);
        if is_next {
            ratchet.last = Some(index);
        }
        Ok(is_next)
    }

    /// Takes the identity that somebody has now for theirs: signs it for all devices of the bot, where it can, and
    /// remembers it here.
    pub(crate) async fn accept(&self, user: &ruma::UserId) -> Result<bool, Failed> {
        self.query(user).await?;
        let Some(UserIdentity::Other(identity)) = self.olm.get_identity(user, None).await? else {
            return Ok(false);
        };
        if identity.has_verification_violation() {
            identity.withdraw_verification().await?;
        }
        identity.pin_current_master_key().await?;
        match identity.verify().await {
            Ok(signature) => {
                self.wire.send(signature).await?;
                // What was signed is known here once the homeserver shows it.
                self.query(user).await?;
            }
            Err(error) => tracing::info!(%error, %user, "an identity is accepted, and not signed"),
        }
        Ok(true)
    }
}
