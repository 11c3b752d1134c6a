//! What the bot's account signs its devices with
//! (<https://spec.matrix.org/latest/client-server-api/#cross-signing>).

use matrix_sdk_crypto::{
    CrossSigningBootstrapRequests,
    secret_storage::{AesHmacSha2EncryptedData, SecretStorageKey},
    store::types::CrossSigningKeyExport,
};
use ruma::{
    api::client::{
        keys::{upload_signatures::v3::Request as SignatureUploadRequest, upload_signing_keys},
        uiaa,
    },
    events::{
        EventContentFromType as _, secret::request::SecretName,
        secret_storage::key::SecretStorageKeyEventContent,
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{json, value::to_raw_value};

use crate::{
    account::{Account, Login, carry},
    refusals::Failed,
};

const SECRETS: [SecretName; 3] = [
    SecretName::CrossSigningMasterKey,
    SecretName::CrossSigningSelfSigningKey,
    SecretName::CrossSigningUserSigningKey,
];
const DEFAULT_KEY: &str = "m.secret_storage.default_key";

impl Account {
    /// Has the bot's device signed by its account: with the identity that is here, with the one that the recovery key
    /// opens, or with a new one where there was none.
    pub(crate) async fn sign_device(
        &self,
        login: &Login,
        recovery: Option<&SecretString>,
    ) -> Result<(), Failed> {
        let (user, device) = (&self.session.user, &self.session.device);
        // What is only here may not have come through when it was made.
        let is_published = self.query(user).await?;
        let status = self.olm.turn().await.cross_signing_status().await;
        let known = self.olm.turn().await.get_device(user, device, None).await?;
        let is_signed = known.is_some_and(|device| device.is_cross_signed_by_owner());
        match (is_published, status.is_complete(), recovery) {
            (false, ..) => self.make_identity(login).await?,
            (true, true, _) if is_signed => {}
            (true, true, _) => self.sign_own_device().await?,
            (true, false, Some(recovery)) => return self.recover(recovery).await,
            (true, false, None) if is_signed => return Ok(()),
            (true, false, None) => {
                return Err(Failed::SetUp(
                    "the account has an identity, and this device is not signed by it: set `matrix.recovery_key` to \
                     the account's recovery key, or reset the identity in another client"
                        .to_owned(),
                ));
            }
        }
        match recovery {
            // The recovery key may be newer than the identity.
            Some(recovery) if !self.are_secrets_kept().await? => self.keep_secrets(recovery).await,
            _ => Ok(()),
        }
    }

    /// Whether the homeserver has all secrets of the identity.
    async fn are_secrets_kept(&self) -> Result<bool, Failed> {
        let Some(id) = self.account_data(DEFAULT_KEY).await? else { return Ok(false) };
        let id = id["key"].as_str().unwrap_or_default();
        for name in &SECRETS {
            let sealed = self.account_data(name.as_str()).await?.unwrap_or_default();
            if !sealed["encrypted"][id].is_object() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn upload_signatures(&self, request: SignatureUploadRequest) -> Result<(), Failed> {
        let answer = self.wire.send(request).await?;
        // It says yes, and names what it did not take.
        match answer.failures.values().flat_map(|failures| failures.keys()).next() {
            Some(key) => Err(Failed::Keys(format!("the signature of {key} was not taken"))),
            None => Ok(()),
        }
    }

    async fn sign_own_device(&self) -> Result<(), Failed> {
        let device = self
            .olm
            .turn()
            .await
            .get_device(&self.session.user, &self.session.device, None)
            .await?;
        let device = device.ok_or_else(|| Failed::Keys("this device is not known".to_owned()))?;
        self.upload_signatures(device.verify().await.map_err(Failed::keys)?).await
    }

    /// Makes the account's identity, or publishes the one that is here already.
    async fn make_identity(&self, login: &Login) -> Result<(), Failed> {
        let CrossSigningBootstrapRequests {
            upload_keys_req,
            upload_signing_keys_req: keys,
            upload_signatures_req,
        } = self.olm.turn().await.bootstrap_cross_signing(false).await?;
        if let Some(request) = upload_keys_req {
            carry(&self.wire, &self.olm, &request).await?;
        }
        let mut request = upload_signing_keys::v3::Request::new();
        request.master_key = keys.master_key.map(|key| key.to_raw());
        request.self_signing_key = keys.self_signing_key.map(|key| key.to_raw());
        request.user_signing_key = keys.user_signing_key.map(|key| key.to_raw());
        match (self.wire.send(request.clone()).await, login.password()) {
            (Err(Failed::Prove(info)), Some(password)) => {
                let user = self.session.user.to_string();
                let who = uiaa::UserIdentifier::Matrix(uiaa::MatrixUserIdentifier::new(user));
                let mut proof = uiaa::Password::new(who, password.expose_secret().to_owned());
                proof.session = info.session;
                request.auth = Some(uiaa::AuthData::Password(proof));
                self.wire.send(request).await?;
            }
            (sent, _) => {
                sent?;
            }
        }
        self.upload_signatures(upload_signatures_req).await?;
        // From the homeserver, so that it is known that it has it.
        self.query(&self.session.user).await.map(drop)
    }

    /// Keeps the secrets of the identity on the homeserver, sealed with the recovery key.
    async fn keep_secrets(&self, recovery: &SecretString) -> Result<(), Failed> {
        let missing = || Failed::Keys("a part of the identity is missing".to_owned());
        let key = SecretStorageKey::new_from_passphrase(recovery.expose_secret());
        let content = serde_json::to_value(key.event_content())?;
        self.set_account_data(&key.event_type().to_string(), &content).await?;
        self.set_account_data(DEFAULT_KEY, &json!({"key": key.key_id()})).await?;
        let secrets =
            self.olm.turn().await.export_cross_signing_keys().await?.ok_or_else(missing)?;
        let secrets = [&secrets.master_key, &secrets.self_signing_key, &secrets.user_signing_key];
        for (name, secret) in SECRETS.iter().zip(secrets) {
            let secret = secret.clone().ok_or_else(missing)?;
            let sealed = key.encrypt(secret.into_bytes(), name);
            let sealed = json!({"encrypted": {key.key_id(): sealed}});
            self.set_account_data(name.as_str(), &sealed).await?;
        }
        Ok(())
    }

    /// Takes the account's identity from the homeserver with the key that opens its secrets, and signs this device.
    async fn recover(&self, recovery: &SecretString) -> Result<(), Failed> {
        let wrong = |why: &str| {
            Failed::SetUp(format!(
                "`matrix.recovery_key` does not open the account's secrets ({why}): write the recovery key or \
                 passphrase of the account, or reset the identity in another client"
            ))
        };
        let none = || wrong("none are kept on the homeserver");
        let id = self.account_data(DEFAULT_KEY).await?.ok_or_else(none)?;
        let id = id["key"].as_str().ok_or_else(none)?;
        let kind = format!("m.secret_storage.key.{id}");
        let content = to_raw_value(&self.account_data(&kind).await?.ok_or_else(none)?)?;
        let content = SecretStorageKeyEventContent::from_parts(&kind, &content)?;
        let key = SecretStorageKey::from_account_data(recovery.expose_secret(), content)
            .map_err(|error| wrong(&error.to_string()))?;
        let mut secrets = Vec::new();
        for name in &SECRETS {
            let sealed = self.account_data(name.as_str()).await?.ok_or_else(none)?;
            let sealed: AesHmacSha2EncryptedData =
                serde_json::from_value(sealed["encrypted"][id].clone())?;
            let secret = key.decrypt(&sealed, name).map_err(|error| wrong(&error.to_string()))?;
            secrets.push(String::from_utf8(secret).map_err(|_| wrong("they are no text"))?);
        }
        let mut secrets = secrets.into_iter();
        let export = CrossSigningKeyExport {
            master_key: secrets.next(),
            self_signing_key: secrets.next(),
            user_signing_key: secrets.next(),
        };
        self.olm
            .turn()
            .await
            .import_cross_signing_keys(export)
            .await
            .map_err(|error| wrong(&error.to_string()))?;
        self.sign_own_device().await?;
        self.query(&self.session.user).await.map(drop)
    }
}
