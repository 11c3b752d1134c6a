//! The adapter: one server.

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chat::{
    Capabilities, Card, ChatAdapter, ChatError, Clock, Condition, Conversation, DedupeKey, Finding,
    Inbox, MessageRef, Platform, Reaction, UserRef, pause,
};
use secrecy::SecretString;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    commands,
    events::{Myself, Place},
    gateway,
    interactions::Interactions,
    known::Known,
    message::MAX_TEXT,
    refusals::refused_because,
    rest::Rest,
    session::Memory,
    speak::channel_of,
};

/// How long it is remembered what a channel is. A thread never becomes anything else.
const PLACES_LAST: Duration = Duration::from_hours(24);
/// How long it is remembered who is on the server.
const MEMBERS_LAST: Duration = Duration::from_mins(5);
/// How long it is remembered what a thread would be called.
const TITLES_LAST: Duration = Duration::from_hours(1);

/// How long it is remembered which key a message carries.
const KEYS_LAST: Duration = Duration::from_hours(24);

/// Reads the token again, so that a new one is taken without a restart.
pub type Reload = Box<dyn Fn() -> Option<SecretString> + Send + Sync>;
/// What the adapter needs to know.
pub struct Settings {
    /// The bot's token now.
    pub token: SecretString,
    /// The token later.
    pub reload: Reload,
    /// The server that is served; `None` for the only one that the bot is in.
    pub guild: Option<String>,
    /// Whether the bot may read messages that are not for it, and hears them in threads.
    pub reads_messages: bool,
    /// Whether `/ops` is there also where people are alone with the bot.
    pub commands_everywhere: bool,
    /// Where the REST API is, mostly `https://discord.com/api/v10`.
    pub api_url: Url,
    /// The file in which is kept what a restart needs.
    pub memory: PathBuf,
    /// The time.
    pub clock: Clock,
}

/// One Discord server.
pub struct Discord {
    pub(crate) rest: Rest,
    pub(crate) interactions: Interactions,
    pub(crate) clock: Clock,
    pub(crate) reads_messages: bool,
    state: Mutex<State>,
    guild: Option<String>,
    reload: Reload,
    commands_everywhere: bool,
    file: PathBuf,
}

/// What changes while the adapter runs.
pub(crate) struct State {
    pub(crate) memory: Memory,
    /// What channels are.
    pub(crate) places: Known<Place>,
    /// Who is on the server.
    pub(crate) members: Known<bool>,
    /// What threads under messages would be called.
    pub(crate) titles: Known<String>,
    /// What messages of a while ago are known by.
    pub(crate) keys: Known<String>,
    token: SecretString,
    condition: Condition,
    /// Who the bot is, once Discord said so.
    me: Option<Myself>,
    /// As it is in the file.
    written: Memory,
}

impl Discord {
    /// An adapter that is not connected yet.
    pub fn new(settings: Settings) -> Result<Self, reqwest::Error> {
        let mut memory = Memory::read(&settings.memory);
        let interactions = Interactions::from_kept(std::mem::take(&mut memory.interactions));
        let state = State {
            written: Memory::default(),
            memory,
            places: Known::for_(PLACES_LAST),
            members: Known::for_(MEMBERS_LAST),
            titles: Known::for_(TITLES_LAST),
            keys: Known::for_(KEYS_LAST),
            token: settings.token,
            condition: Condition::Connecting,
            me: None,
        };
        Ok(Self {
            rest: Rest::new(settings.api_url)?,
            interactions,
            clock: settings.clock,
            reads_messages: settings.reads_messages,
            state: Mutex::new(state),
            guild: settings.guild,
            reload: settings.reload,
            commands_everywhere: settings.commands_everywhere,
            file: settings.memory,
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn token(&self) -> SecretString {
        self.state().token.clone()
    }

    pub(crate) fn is(&self, condition: Condition) {
        let mut state = self.state();
        if state.condition != condition {
            tracing::info!(?condition, "Discord");
            state.condition = condition;
        }
    }

    /// Writes down what a restart needs, when it has changed. Without it a restart begins a new session.
    pub(crate) fn remember(&self) {
        let interactions = self.interactions.kept((self.clock)());
        let mut state = self.state();
        let memory = Memory { interactions, ..state.memory.clone() };
        if memory == state.written {
            return;
        }
        match memory.write(&self.file) {
            Ok(()) => state.written = memory,
            Err(error) => {
                let file = self.file.display();
                tracing::warn!(%error, %file, "what a restart needs could not be written down");
            }
        }
    }

    /// Who the bot is; asked when that is not known yet.
    pub(crate) async fn myself(&self) -> Result<Myself, ChatError> {
        let known = self.state().me.clone();
        match known {
            Some(me) => Ok(me),
            None => self.identity().await,
        }
    }

    /// Asks who the bot is until Discord says so.
    async fn introduce(&self) -> Result<Myself, ChatError> {
        let mut failures = 0;
        loop {
            match self.identity().await {
                Err(error @ (ChatError::Unreachable { .. } | ChatError::RateLimited { .. })) => {
                    self.is(Condition::Lost(error.to_string()));
                }
                known => return known,
            }
            sleep(pause(failures)).await;
            failures += 1;
        }
    }

    pub(crate) async fn identity(&self) -> Result<Myself, ChatError> {
        let token = self.token();
        let user = self.rest.me(&token).await?;
        let application = self.rest.application(&token).await?;
        let application = application["id"].as_str().unwrap_or(&user).to_owned();
        let guild = match &self.guild {
            Some(guild) => guild.clone(),
            None => only(&self.rest.guilds(&token).await?)?,
        };
        let role = self.rest.role(&token, &guild, &user).await;
        let me = Myself { user, application, guild, role };
        self.state().me = Some(me.clone());
        Ok(me)
    }

    /// Tells Discord the commands; telling the same again changes nothing. Without them people still can write.
    async fn register_commands(&self, me: &Myself) {
        let (everywhere, mut failures) = (self.commands_everywhere, 0);
        let all = commands::all(everywhere);
        while let Err(error) = self.rest.set_commands(&self.token(), me, everywhere, &all).await {
            tracing::error!(%error, "the commands could not be registered");
            sleep(pause(failures)).await;
            failures += 1;
        }
    }

    /// Another server's conversation is not ours to speak in.
    fn ours(&self, workspace: &str) -> Result<(), ChatError> {
        match &self.state().me {
            Some(me) if me.guild != workspace => Err(refused_because(format!(
                "this bot serves the server {}, not {workspace}",
                me.guild
            ))),
            _ => Ok(()),
        }
    }
}

/// The only server of a bot.
fn only(guilds: &[String]) -> Result<String, ChatError> {
    match guilds {
        [guild] => Ok(guild.clone()),
        [] => Err(refused_because(
            "the bot is on no server: open its invitation (\"OAuth2\", \"URL Generator\") and choose one",
        )),
        _ => Err(refused_because(
            "the bot is on several servers: set `discord.guild` to the one it is to serve",
        )),
    }
}

#[async_trait]
impl ChatAdapter for Discord {
    fn platform(&self) -> Platform {
        Platform::Discord
    }

    fn workspace(&self) -> Option<&str> {
        self.guild.as_deref()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all(MAX_TEXT)
    }

    fn condition(&self) -> Condition {
        self.state().condition.clone()
    }

    async fn run(&self, inbox: Inbox, shutdown: CancellationToken) -> Result<(), ChatError> {
        if let Some(token) = (self.reload)() {
            self.state().token = token;
        }
        self.rest.try_again();
        let known = tokio::select! {
            known = self.introduce() => known,
            () = shutdown.cancelled() => return Ok(()),
        };
        let ended = match known {
            Ok(me) => {
                tracing::info!(guild = me.guild, user = me.user, "Discord knows the bot");
                let hears = Box::pin(gateway::listen(self, &me, &inbox, &shutdown));
                let registers = async {
                    self.register_commands(&me).await;
                    std::future::pending::<()>().await;
                };
                tokio::select! {
                    ended = hears => ended,
                    failed = self.rest.until_shut_out() => Err(failed.into()),
                    () = registers => Ok(()),
                }
            }
            Err(error) => Err(error),
        };
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
        self.ours(&to.workspace)?;
        self.say(to, card, key).await
    }

    async fn edit(&self, message: &MessageRef, card: &Card) -> Result<(), ChatError> {
        self.ours(&message.conversation.workspace)?;
        self.replace(message, card).await
    }

    async fn react(&self, message: &MessageRef, reaction: Reaction) -> Result<(), ChatError> {
        // As they stand in an address.
        let emoji = match reaction {
            Reaction::Seen => "%F0%9F%91%80",
            Reaction::Done => "%E2%9C%85",
            Reaction::Failed => "%E2%9D%8C",
        };
        self.ours(&message.conversation.workspace)?;
        let channel = channel_of(&message.conversation);
        Ok(self.rest.react(&self.token(), channel, &message.message, emoji).await?)
    }

    async fn whisper(
        &self,
        to: &UserRef,
        conversation: &Conversation,
        card: &Card,
        key: &DedupeKey,
    ) -> Result<(), ChatError> {
        self.ours(&conversation.workspace)?;
        self.tell(to, conversation, card, key).await
    }
}
