//! How sure it is who sent an event.

use std::collections::BTreeMap;

use matrix_sdk_common::deserialized_responses::{
    AlgorithmInfo, EncryptionInfo, VerificationLevel, VerificationState,
};
use matrix_sdk_crypto::{
    UserIdentity,
    vodozemac::{Curve25519PublicKey, megolm::MegolmMessage},
};
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

/// Which messages of a session of keys were heard. Each has a number, and the homeserver could show one twice.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Heard {
    /// Everything up to this number may have been heard.
    floor: Option<u32>,
    /// The event that each number after that came with.
    events: BTreeMap<u32, String>,
}

/// Numbers of a session that are remembered: most sessions end after so many messages.
const REMEMBERED: usize = 100;

impl Heard {
    /// Whether a number is heard for the first time, or again with the same event.
    fn hear(&mut self, number: u32, event: &str) -> bool {
        if let Some(before) = self.events.get(&number) {
            return before == event;
        }
        if self.floor.is_some_and(|floor| number <= floor) {
            return false;
        }
        self.events.insert(number, event.to_owned());
        while self.events.len() > REMEMBERED {
            self.floor = self.events.pop_first().map(|(number, _)| number);
        }
        true
    }
}

/// The sessions that spoke in a batch.
pub(crate) type Sessions = BTreeMap<String, Heard>;

/// What the names begin with under which it is kept what was heard of sessions.
pub(crate) const HEARD: &str = "heard ";

/// Under which name it is kept what was heard of a session.
pub(crate) fn session_name(session: &str) -> String {
    format!("{HEARD}{session}")
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
        let known = self.olm.turn().await.get_device(&info.sender, device, None).await?;
        let is_its = |key: Option<Curve25519PublicKey>| match &info.algorithm_info {
            AlgorithmInfo::MegolmV1AesSha2 { curve25519_key, .. } => {
                key.is_some_and(|key| key.to_base64() == *curve25519_key)
            }
            AlgorithmInfo::OlmV1Curve25519AesSha2 { .. } => false,
        };
        if !known.is_some_and(|it| it.is_cross_signed_by_owner() && is_its(it.curve25519_key())) {
            return Ok(Proof::Unproven("its owner's signature is gone".to_owned()));
        }
        Ok(match self.olm.turn().await.get_identity(&info.sender, None).await? {
            Some(UserIdentity::Other(identity)) if identity.identity_needs_user_approval() => {
                Proof::Unproven("its owner has a new identity".to_owned())
            }
            Some(_) => Proof::CrossSigned(device.clone()),
            None => Proof::Unproven("its owner has no identity".to_owned()),
        })
    }

    /// Whether what an encrypted event says was not said by another event before.
    pub(crate) async fn is_new(
        &self,
        sessions: &mut Sessions,
        event: &Value,
    ) -> Result<bool, Failed> {
        let text = |name: &str| event["content"][name].as_str().unwrap_or_default();
        let session = text("session_id");
        let Ok(sealed) = MegolmMessage::from_base64(text("ciphertext")) else { return Ok(false) };
        if !sessions.contains_key(session) {
            let known = self.rows.kept::<Heard>(&session_name(session)).await?;
            sessions.insert(session.to_owned(), known.unwrap_or_default());
        }
        let event = event["event_id"].as_str().unwrap_or_default();
        let heard = sessions.get_mut(session);
        Ok(heard.is_some_and(|heard| heard.hear(sealed.message_index(), event)))
    }

    /// Takes the identity that somebody has now for theirs: signs it for all devices of the bot, where it can, and
    /// remembers it here.
    pub(crate) async fn accept(&self, user: &ruma::UserId) -> Result<bool, Failed> {
        self.query(user).await?;
        let Some(UserIdentity::Other(identity)) =
            self.olm.turn().await.get_identity(user, None).await?
        else {
            return Ok(false);
        };
        let turn = self.olm.turn().await;
        if identity.has_verification_violation() {
            identity.withdraw_verification().await?;
        }
        identity.pin_current_master_key().await?;
        drop(turn);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_heard_once_whatever_the_order_and_again_only_with_its_event() {
        let mut heard = Heard::default();
        assert!(heard.hear(5, "$5") && heard.hear(3, "$3"), "events may overtake each other");
        assert!(heard.hear(5, "$5"), "after a crash the same is heard again");
        assert!(!heard.hear(5, "$other") && !heard.hear(3, "$5"));
        for number in 6..200 {
            assert!(heard.hear(number, "$x"));
        }
        assert!(!heard.hear(4, "$4"), "so long ago that it is not known");
        assert_eq!(heard.events.len(), REMEMBERED);
    }
}
