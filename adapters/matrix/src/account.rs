//! The bot's account on its homeserver: its device and the keys of that.

use std::{collections::HashMap, sync::Arc};

use matrix_sdk_crypto::{
    CollectStrategy,
    types::requests::{AnyOutgoingRequest, OutgoingRequest, ToDeviceRequest},
};
use ruma::{
    DeviceId, OwnedDeviceId, OwnedRoomId, OwnedUserId, UserId,
    api::client::{
        account::whoami,
        keys::get_keys,
        profile::get_profile_field,
        session::{login, logout},
        to_device::send_event_to_device,
        uiaa,
    },
    profile::ProfileFieldName,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{Mutex, Notify};

use crate::{
    events::Myself,
    machine::Machine,
    refusals::Failed,
    rooms::Rooms,
    rows::{Rows, thing},
    sync::{INVITED, Invite, WAITING},
    wire::Wire,
};

/// How the bot is called where its sessions are listed.
const DEVICE_NAME: &str = "Smart CloudOps AI";
/// Under which name the session is kept.
pub(crate) const SESSION: &str = "session";

/// What opens the door. Shown to nobody.
#[derive(Clone, Debug)]
pub enum Login {
    /// An account and its password; the bot makes a session of its own.
    Password {
        /// `@ops:example.org`.
        user: String,
        /// The account's password.
        password: SecretString,
    },
    /// The access token of a session that nothing else uses.
    Token(SecretString),
}

impl Login {
    pub(crate) fn password(&self) -> Option<&SecretString> {
        match self {
            Self::Password { password, .. } => Some(password),
            Self::Token(_) => None,
        }
    }
}

/// A session on the homeserver.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Session {
    pub(crate) user: OwnedUserId,
    pub(crate) device: OwnedDeviceId,
    /// Empty once it did not hold.
    pub(crate) token: String,
}

impl Session {
    /// Whether it is of this user, however homeservers write the id.
    pub(crate) fn is_of(&self, user: &str) -> bool {
        self.user.as_str().eq_ignore_ascii_case(user)
    }
}

/// An account that is logged in.
pub(crate) struct Account {
    pub(crate) wire: Wire,
    pub(crate) olm: Machine,
    pub(crate) rows: Arc<Rows>,
    pub(crate) session: Session,
    pub(crate) me: Myself,
    pub(crate) rooms: Rooms,
    /// Which devices read what the bot says.
    pub(crate) readers: CollectStrategy,
    /// Whether a sign counts where nothing is encrypted.
    pub(crate) trusts_server: bool,
    /// Invitations that could not be answered yet.
    pub(crate) invited: Mutex<Vec<Invite>>,
    /// Told of each new invitation.
    pub(crate) was_invited: Notify,
    /// What messages say since they were changed.
    pub(crate) changed: std::sync::Mutex<HashMap<String, String>>,
    /// Events whose key did not come yet.
    pub(crate) waiting: Mutex<Vec<(OwnedRoomId, Value)>>,
    /// What the keys need sent is sent once, whoever asks for it.
    flushing: Mutex<()>,
    /// In each room a key is given and used by one message at a time.
    pub(crate) speaking: std::sync::Mutex<HashMap<OwnedRoomId, Arc<Mutex<()>>>>,
    /// One room at a time is made.
    pub(crate) making_rooms: Mutex<()>,
    /// The pictures of one message at a time are shown: which they are is one row.
    pub(crate) picturing: Mutex<()>,
    /// What was posted last with which transactions.
    pub(crate) posted: std::sync::Mutex<HashMap<String, String>>,
}

impl Account {
    /// Logs in, or goes on with the session that the file knows.
    pub(crate) async fn open(
        wire: Wire,
        rows: Arc<Rows>,
        login: &Login,
        (readers, trusts_server): (CollectStrategy, bool),
    ) -> Result<Self, Failed> {
        let session = session(&wire, &rows, login).await?;
        let (olm, session) = machine(&wire, &rows, login, session).await?;
        let me = Myself {
            server: session.user.server_name().to_string(),
            name: display_name(&wire, &session.user).await,
            user: session.user.to_string(),
        };
        let waiting = rows.kept(WAITING).await?.unwrap_or_default();
        let invited = rows.kept(INVITED).await?.unwrap_or_default();
        let account = Self {
            wire,
            olm,
            rows,
            session,
            me,
            rooms: Rooms::default(),
            readers,
            trusts_server,
            invited: Mutex::new(invited),
            was_invited: Notify::new(),
            changed: std::sync::Mutex::default(),
            waiting: Mutex::new(waiting),
            flushing: Mutex::default(),
            speaking: std::sync::Mutex::default(),
            making_rooms: Mutex::default(),
            picturing: Mutex::default(),
            posted: std::sync::Mutex::default(),
        };
        account.flush().await?;
        Ok(account)
    }

    /// The token did not hold: the next time another one is needed.
    pub(crate) async fn forget_token(&self) -> Result<(), Failed> {
        let session = Session { token: String::new(), ..self.session.clone() };
        self.rows.keep(vec![thing(SESSION, &session)?]).await
    }

    /// Sends whatever the keys need sent.
    pub(crate) async fn flush(&self) -> Result<(), Failed> {
        let _flushing = self.flushing.lock().await;
        flush(&self.wire, &self.olm).await
    }

    /// Asks the homeserver for somebody's devices and identity; whether they have one there.
    pub(crate) async fn query(&self, user: &UserId) -> Result<bool, Failed> {
        let (id, query) = self.olm.turn().await.query_keys_for_users([user]);
        let mut request = get_keys::v3::Request::new();
        request.device_keys = query.device_keys;
        let answer = self.wire.send(request).await?;
        self.olm.turn().await.mark_request_as_sent(&id, &answer).await?;
        Ok(answer.master_keys.contains_key(user))
    }

    pub(crate) async fn to_devices(&self, request: &ToDeviceRequest) -> Result<(), Failed> {
        to_devices(&self.wire, &self.olm, request).await
    }
}

/// The session of this login: the one that is kept, or a new one.
async fn session(wire: &Wire, rows: &Rows, login: &Login) -> Result<Session, Failed> {
    let kept: Option<Session> = rows.kept(SESSION).await?;
    let session = match login {
        Login::Token(token) => {
            let token = token.expose_secret().to_owned();
            let is_known = kept.as_ref().is_some_and(|kept| kept.token == token);
            if let Some(kept) = kept.filter(|_| is_known) {
                kept
            } else {
                wire.set_token(Some(token.clone().into()));
                let who = wire.send(whoami::v3::Request::new()).await?;
                let device = who.device_id.ok_or_else(|| {
                    Failed::SetUp("`matrix.token` is of no session: log in for one".to_owned())
                })?;
                taken_over(rows, Session { user: who.user_id, device, token }).await?
            }
        }
        Login::Password { user, password } => match kept {
            Some(kept) if kept.is_of(user) && !kept.token.is_empty() => kept,
            Some(kept) if kept.is_of(user) => {
                let session = log_in(wire, user, password, Some(&kept.device)).await?;
                taken_over(rows, session).await?
            }
            _ => taken_over(rows, log_in(wire, user, password, None).await?).await?,
        },
    };
    wire.set_token(Some(session.token.clone().into()));
    Ok(session)
}

/// Keeps a session, and forgets what was of another one.
async fn taken_over(rows: &Rows, session: Session) -> Result<Session, Failed> {
    match rows.kept::<Session>(SESSION).await? {
        Some(kept) if kept.user != session.user => rows.forget_all().await?,
        Some(kept) if kept.device != session.device => {
            rows.forget_keys(session.user.as_str()).await?;
        }
        _ => {}
    }
    rows.keep(vec![thing(SESSION, &session)?]).await?;
    Ok(session)
}

/// The keys of the session. A device that was deleted stays deaf when it logs in again: its keys are not taken any
/// more, so there is a new one.
async fn machine(
    wire: &Wire,
    rows: &Arc<Rows>,
    login: &Login,
    session: Session,
) -> Result<(Machine, Session), Failed> {
    // A homeserver may let another program's keys be overwritten, and that one and the bot would both be deaf.
    let is_anothers = !rows.have_keys().await? && key_of(wire, &session).await?.is_some();
    if !is_anothers {
        let olm = keys_of(wire, rows, &session).await?;
        let ours = olm.turn().await.identity_keys().ed25519.to_base64();
        if key_of(wire, &session).await? == Some(ours) {
            return Ok((olm, session));
        }
    }
    let Login::Password { user, password } = login else {
        return Err(Failed::SetUp(
            "the session of `matrix.token` was made for another program, or its keys are lost: log in for a new \
             one, and let nothing else use it"
                .to_owned(),
        ));
    };
    tracing::warn!(device = %session.device, "Matrix does not know the keys of this device any more: there is a new one");
    // The session that nobody can use goes.
    if let Err(failed) = wire.send(logout::v3::Request::new()).await {
        tracing::debug!(%failed, "a session of no use stays");
    }
    let session = taken_over(rows, log_in(wire, user, password, None).await?).await?;
    wire.set_token(Some(session.token.clone().into()));
    Ok((keys_of(wire, rows, &session).await?, session))
}

async fn keys_of(wire: &Wire, rows: &Arc<Rows>, session: &Session) -> Result<Machine, Failed> {
    let olm = Machine::open(rows.clone(), &session.user, &session.device).await?;
    flush(wire, &olm).await?;
    Ok(olm)
}

/// The key by which the homeserver knows this device.
async fn key_of(wire: &Wire, session: &Session) -> Result<Option<String>, Failed> {
    let mut request = get_keys::v3::Request::new();
    request.device_keys.insert(session.user.clone(), Vec::new());
    let answer = wire.send(request).await?;
    let known = answer.device_keys.get(&session.user);
    let Some(known) = known.and_then(|devices| devices.get(&session.device)) else {
        return Ok(None);
    };
    let known: Value = serde_json::from_str(known.json().get())?;
    Ok(known["keys"][format!("ed25519:{}", session.device)].as_str().map(str::to_owned))
}

/// Makes a session, or gets a new token for one.
pub(crate) async fn log_in(
    wire: &Wire,
    user: &str,
    password: &SecretString,
    device: Option<&DeviceId>,
) -> Result<Session, Failed> {
    let who = uiaa::UserIdentifier::Matrix(uiaa::MatrixUserIdentifier::new(user.to_owned()));
    let password = login::v3::Password::new(who, password.expose_secret().to_owned());
    let mut request = login::v3::Request::new(login::v3::LoginInfo::Password(password));
    request.device_id = device.map(ToOwned::to_owned);
    request.initial_device_display_name = Some(DEVICE_NAME.to_owned());
    wire.set_token(None);
    let answer = wire.send(request).await.map_err(|failed| match failed {
        Failed::No { what, .. } => Failed::SetUp(format!(
            "{user} cannot log in, look at `matrix.user` and `matrix.password`: {what}"
        )),
        failed => failed,
    })?;
    Ok(Session { user: answer.user_id, device: answer.device_id, token: answer.access_token })
}

async fn display_name(wire: &Wire, user: &UserId) -> Option<String> {
    let request =
        get_profile_field::v3::Request::new(user.to_owned(), ProfileFieldName::DisplayName);
    let answer = wire.send(request).await.ok()?;
    let name = answer.value?.value().as_str()?.to_owned();
    Some(name).filter(|name| !name.trim().is_empty())
}

async fn flush(wire: &Wire, olm: &Machine) -> Result<(), Failed> {
    let requests = olm.turn().await.outgoing_requests().await?;
    for request in requests {
        carry(wire, olm, &request).await?;
    }
    Ok(())
}

/// Sends one thing that the keys need sent, and tells them the answer.
pub(crate) async fn carry(
    wire: &Wire,
    olm: &Machine,
    outgoing: &OutgoingRequest,
) -> Result<(), Failed> {
    let id = outgoing.request_id();
    match outgoing.request() {
        AnyOutgoingRequest::KeysUpload(request) => {
            let answer = match wire.send(request.clone()).await {
                // The keys of this name are another's: whoever looks whether the device is alive sees it.
                Err(Failed::No { what, .. }) => {
                    tracing::warn!(what, "Matrix does not take the keys of this device");
                    return Ok(());
                }
                answer => answer?,
            };
            olm.turn().await.mark_request_as_sent(id, &answer).await?;
        }
        AnyOutgoingRequest::KeysQuery(query) => {
            let mut request = get_keys::v3::Request::new();
            request.device_keys = query.device_keys.clone();
            let answer = wire.send(request).await?;
            olm.turn().await.mark_request_as_sent(id, &answer).await?;
        }
        AnyOutgoingRequest::KeysClaim(request) => {
            let answer = wire.send(request.clone()).await?;
            olm.turn().await.mark_request_as_sent(id, &answer).await?;
        }
        AnyOutgoingRequest::ToDeviceRequest(request) => to_devices(wire, olm, request).await?,
        AnyOutgoingRequest::SignatureUpload(request) => {
            let answer = wire.send(request.clone()).await?;
            olm.turn().await.mark_request_as_sent(id, &answer).await?;
        }
        // Only interactive verification inside rooms makes one.
        AnyOutgoingRequest::RoomMessage(_) => {}
    }
    Ok(())
}

async fn to_devices(wire: &Wire, olm: &Machine, request: &ToDeviceRequest) -> Result<(), Failed> {
    let ToDeviceRequest { event_type, txn_id, messages } = request.clone();
    let request = send_event_to_device::v3::Request::new_raw(event_type, txn_id.clone(), messages);
    let answer = wire.send(request).await?;
    Ok(olm.turn().await.mark_request_as_sent(&txn_id, &answer).await?)
}
