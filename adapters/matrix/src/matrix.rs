//! The adapter: one account.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chat::{
    Capabilities, Card, ChatAdapter, ChatError, Clock, Condition, Conversation, DedupeKey, Finding,
    Inbox, MessageRef, Platform, Reaction, UserRef, pause,
};
use matrix_sdk_crypto::CollectStrategy;
use ruma::{OwnedRoomId, UserId};
use secrecy::SecretString;
use tokio::{
    sync::{OnceCell, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    account::{Account, Login},
    message::MAX_TEXT,
    refusals::Failed,
    rows::Rows,
    speak::room_of,
    wire::Wire,
};

/// How long what is to be said waits for the login; then it is tried again.
const LOGIN_WITHIN: Duration = Duration::from_secs(10);
/// Two sessions that end within this time are one fault.
const LASTS: Duration = Duration::from_mins(10);

/// Reads the login again, so that a new one is taken without a restart.
pub type Reload = Box<dyn Fn() -> Option<Login> + Send + Sync>;

/// What the adapter needs to know.
pub struct Settings {
    /// Where the homeserver is.
    pub homeserver: Url,
    /// The account now.
    pub login: Login,
    /// The account later.
    pub reload: Reload,
    /// What opens the account's secrets on the homeserver: its recovery key, or a passphrase.
    pub recovery_key: Option<SecretString>,
    /// Servers and people that the bot hears; empty is everybody on its own homeserver.
    pub allow: Vec<String>,
    /// Whether the homeserver's word for who sent something suffices where nothing is encrypted.
    pub trusts_server: bool,
    /// Whether only devices that their owner signed read what the bot says.
    pub only_signed_devices: bool,
    /// The file in which the keys and the place in the stream of events are kept.
    pub file: PathBuf,
    /// The time.
    pub clock: Clock,
}

/// One Matrix account.
pub struct Matrix {
    pub(crate) homeserver: Url,
    pub(crate) recovery_key: Option<SecretString>,
    pub(crate) trusts_server: bool,
    pub(crate) only_signed_devices: bool,
    pub(crate) file: PathBuf,
    allow: Vec<String>,
    server: Option<String>,
    reload: Reload,
    state: Mutex<State>,
    /// Where and when it was said that a message cannot be read.
    pub(crate) told: Arc<Mutex<HashMap<OwnedRoomId, Instant>>>,
    /// The account while it is logged in.
    account: watch::Sender<Option<Arc<Account>>>,
    /// The file, opened once: it is for one process.
    clock: Clock,
    rows: OnceCell<Arc<Rows>>,
}

/// What changes while the adapter runs.
pub(crate) struct State {
    /// Where people are shown that the bot is about to answer.
    pub(crate) typing: HashSet<OwnedRoomId>,
    login: Login,
    condition: Condition,
}

impl Matrix {
    /// An adapter that is not connected yet.
    pub fn new(settings: Settings) -> Self {
        let server = match &settings.login {
            Login::Password { user, .. } => {
                <&UserId>::try_from(&**user).ok().map(|user| user.server_name().to_string())
            }
            Login::Token(_) => None,
        };
        let state = State {
            typing: HashSet::new(),
            login: settings.login,
            condition: Condition::Connecting,
        };
        Self {
            homeserver: settings.homeserver,
            recovery_key: settings.recovery_key,
            trusts_server: settings.trusts_server,
            only_signed_devices: settings.only_signed_devices,
            file: settings.file,
            allow: settings.allow,
            server,
            reload: settings.reload,
            state: Mutex::new(state),
            told: Arc::default(),
            account: watch::Sender::new(None),
            clock: settings.clock,
            rows: OnceCell::new(),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn login(&self) -> Login {
        self.state().login.clone()
    }

    pub(crate) fn is(&self, condition: Condition) {
        let mut state = self.state();
        if state.condition != condition {
            tracing::info!(?condition, "Matrix");
            state.condition = condition;
        }
    }

    /// Whether somebody may speak to the bot.
    pub(crate) fn lets_in(&self, user: &UserId, home: &str) -> bool {
        let server = user.server_name().as_str();
        if self.allow.is_empty() {
            return server == home;
        }
        self.allow.iter().any(|it| it == user.as_str() || it == server)
    }

    pub(crate) fn wire(&self) -> Result<Wire, Failed> {
        Wire::new(&self.homeserver).map_err(|error| Failed::SetUp(error.to_string()))
    }

    /// The account, once it is logged in.
    async fn account(&self) -> Result<Arc<Account>, Failed> {
        let mut account = self.account.subscribe();
        let logged_in = timeout(LOGIN_WITHIN, account.wait_for(Option::is_some)).await;
        let account = logged_in.ok().and_then(Result::ok).and_then(|account| account.clone());
        account.ok_or_else(|| Failed::Unreachable("the bot is not logged in".to_owned()))
    }

    async fn log_in(&self) -> Result<Arc<Account>, Failed> {
        let readers = if self.only_signed_devices {
            CollectStrategy::IdentityBasedStrategy
        } else {
            CollectStrategy::AllDevices
        };
        let open = || async { Rows::open(&self.file, self.clock.clone()).await.map(Arc::new) };
        let rows = self.rows.get_or_try_init(open).await?.clone();
        let login = self.login();
        let how = (readers, self.trusts_server);
        let account = Account::open(self.wire()?, rows, &login, how).await?;
        match account.sign_device(&login, self.recovery_key.as_ref()).await {
            Err(failed) if failed.passes() => return Err(failed),
            // It works without, and people's clients warn of it.
            Err(failed) => tracing::warn!(%failed, "the bot's device is not signed by its account"),
            Ok(()) => {}
        }
        Ok(Arc::new(account))
    }

    /// Logs in, trying again until the homeserver is to be reached.
    async fn introduce(&self) -> Result<Arc<Account>, Failed> {
        let mut failures = 0;
        loop {
            let failed = match self.log_in().await {
                Err(failed) if failed.passes() => failed,
                Err(failed @ Failed::Garbled(_)) => failed,
                known => return known,
            };
            self.is(Condition::Lost(failed.to_string()));
            let asked = if let Failed::TooFast(wait) = failed { wait } else { Duration::ZERO };
            sleep(pause(failures).max(asked)).await;
            failures += 1;
        }
    }

    /// It was answered.
    async fn stops_typing(&self, account: &Account, channel: &str) {
        let Ok(room) = room_of(channel) else { return };
        if self.state().typing.remove(room)
            && let Err(failed) = account.typing(room, false).await
        {
            tracing::debug!(%failed, "typing is still shown");
        }
    }
}

/// Another server's conversation is not ours to speak in.
fn ours(account: &Account, workspace: &str) -> Result<(), ChatError> {
    if account.me.server == workspace {
        return Ok(());
    }
    let reason = format!("this bot is on {}, not on {workspace}", account.me.server);
    Err(ChatError::Refused { platform: Platform::Matrix, reason })
}

#[async_trait]
impl ChatAdapter for Matrix {
    fn platform(&self) -> Platform {
        Platform::Matrix
    }

    fn workspace(&self) -> Option<&str> {
        self.server.as_deref()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all(MAX_TEXT)
    }

    fn condition(&self) -> Condition {
        self.state().condition.clone()
    }

    async fn run(&self, inbox: Inbox, shutdown: CancellationToken) -> Result<(), ChatError> {
        if let Some(login) = (self.reload)() {
            self.state().login = login;
        }
        let ended = self.hear_for_ever(&inbox, &shutdown).await;
        if let Err(error) = &ended {
            self.is(Condition::Lost(error.to_string()));
        }
        ended
    }

    async fn examine(&self, speaks_in: &[Conversation]) -> Vec<Finding> {
        self.look(speaks_in).await
    }

    async fn post(
        &self,
        to: &Conversation,
        card: &Card,
        key: &DedupeKey,
    ) -> Result<MessageRef, ChatError> {
        let account = self.account().await?;
        ours(&account, &to.workspace)?;
        let posted = account.post(to, card, key).await;
        self.stops_typing(&account, &to.channel).await;
        posted
    }

    async fn edit(&self, message: &MessageRef, card: &Card) -> Result<(), ChatError> {
        let account = self.account().await?;
        ours(&account, &message.conversation.workspace)?;
        account.edit(message, card).await
    }

    async fn react(&self, message: &MessageRef, reaction: Reaction) -> Result<(), ChatError> {
        let sign = match reaction {
            Reaction::Seen => "👀",
            Reaction::Done => "✅",
            Reaction::Failed => "❌",
        };
        let account = self.account().await?;
        ours(&account, &message.conversation.workspace)?;
        let room = room_of(&message.conversation.channel)?;
        Ok(account.react(room, &message.message, sign).await?)
    }

    async fn accept_identity(&self, person: &UserRef) -> Result<(), ChatError> {
        let account = self.account().await?;
        ours(&account, &person.workspace)?;
        let nobody = || ChatError::Refused {
            platform: Platform::Matrix,
            reason: format!("{} has no identity that signs devices", person.user),
        };
        let user = <&UserId>::try_from(&*person.user).map_err(|_| nobody())?;
        if account.accept(user).await? { Ok(()) } else { Err(nobody()) }
    }

    async fn whisper(
        &self,
        to: &UserRef,
        conversation: &Conversation,
        card: &Card,
        key: &DedupeKey,
    ) -> Result<(), ChatError> {
        let account = self.account().await?;
        ours(&account, &conversation.workspace)?;
        let told = account.whisper(to, conversation, card, key).await;
        self.stops_typing(&account, &conversation.channel).await;
        told
    }
}

impl Matrix {
    /// Hears, with a new token whenever one does not hold and there is a password.
    async fn hear_for_ever(
        &self,
        inbox: &Inbox,
        shutdown: &CancellationToken,
    ) -> Result<(), ChatError> {
        let mut last: Option<Instant> = None;
        loop {
            let account = tokio::select! {
                known = self.introduce() => known?,
                () = shutdown.cancelled() => return Ok(()),
            };
            let (user, device) = (&account.me.user, &account.session.device);
            tracing::info!(user, %device, "Matrix knows the bot");
            self.account.send_replace(Some(account.clone()));
            let Err(failed) = self.listen(&account, inbox, shutdown).await else { return Ok(()) };
            self.account.send_replace(None);
            if let Failed::Keys(_) = failed {
                // Those in memory may be ahead of those that are kept: begin anew with these.
                return Err(failed.into());
            }
            self.logged_out(&account, failed).await?;
            if last.is_some_and(|last| last.elapsed() < LASTS) {
                return Err(Failed::LoggedOut("new ones are taken away at once".to_owned()).into());
            }
            last = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_servers_are_let_in_by_name() {
        let lets_in = |allow: &[&str], user: &str| {
            let matrix = Matrix::new(Settings {
                homeserver: "https://example.org".parse().unwrap(),
                login: Login::Token("token".to_owned().into()),
                reload: Box::new(|| None),
                recovery_key: None,
                allow: allow.iter().map(ToString::to_string).collect(),
                trusts_server: false,
                only_signed_devices: false,
                file: PathBuf::new(),
                clock: Arc::new(|| chrono::DateTime::UNIX_EPOCH),
            });
            matrix.lets_in(<&UserId>::try_from(user).unwrap(), "example.org")
        };
        assert!(lets_in(&[], "@ana:example.org") && !lets_in(&[], "@ana:other.example"));
        let allow = ["partner.example", "@eve:other.example"];
        assert!(lets_in(&allow, "@ana:partner.example") && lets_in(&allow, "@eve:other.example"));
        assert!(!lets_in(&allow, "@bob:other.example") && !lets_in(&allow, "@ana:example.org"));
        assert!(!lets_in(&allow, "@ana:notpartner.example"));
    }
}
