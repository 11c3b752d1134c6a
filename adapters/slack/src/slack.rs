//! The adapter: one workspace.

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chat::{
    Capabilities, Card, ChatAdapter, ChatError, Clock, Condition, Conversation, DedupeKey, Finding,
    Inbox, MessageRef, Platform, Reaction, UserRef,
};
use secrecy::SecretString;
use slack_morphism::prelude::SlackFileId;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    blocks::MAX_TEXT,
    events::{HOME, Myself},
    refusals::refused_because,
    show::Way,
    socket,
    web::{Seen, To, Web},
};

/// How often it is asked whether the token still holds.
const CHECK_EVERY: Duration = Duration::from_secs(10);
/// How often it is counted how many connections the app has.
const COUNT_EVERY: Duration = Duration::from_mins(5);
/// How long after Slack said that it holds events back they may be missing: it says so every minute.
const HELD_BACK_LASTS: Duration = Duration::from_mins(2);
const HELD_BACK: &str = "Slack holds events back, because there were more than 30,000 in an hour: what was written \
                         meanwhile may not reach me. Take me out of channels where much is said";
/// How long a command or a button can be answered at its own address
/// (<https://docs.slack.dev/interactivity/handling-user-interaction#message_responses>).
const ADDRESS_LASTS: Duration = Duration::from_mins(29);
/// Addresses that are remembered.
const ADDRESSES_KEPT: usize = 1_000;

/// What opens the door. Shown to nobody.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The bot's own, `xoxb-…`.
    pub bot: SecretString,
    /// The app's, `xapp-…`: with it the bot hears through Socket Mode.
    pub app: Option<SecretString>,
    /// The secret that requests are signed with: with it, and without the app's token, the bot hears
    /// through HTTP.
    pub signing: Option<SecretString>,
}

/// Reads the tokens again, so that new ones are taken without a restart.
pub type Reload = Box<dyn Fn() -> Option<Tokens> + Send + Sync>;

/// What the adapter needs to know.
pub struct Settings {
    /// The tokens now.
    pub tokens: Tokens,
    /// The tokens later.
    pub reload: Reload,
    /// The workspace that is served; `None` for whichever the token belongs to.
    pub team: Option<String>,
    /// Where the Web API is, mostly `https://slack.com/api`.
    pub api_url: Url,
    /// The time, for what Slack sends without one.
    pub clock: Clock,
}

/// One Slack workspace.
pub struct Slack {
    pub(crate) web: Web,
    pub(crate) state: Mutex<State>,
    pub(crate) clock: Clock,
    pub(crate) count_every: Duration,
    team: Option<String>,
    reload: Reload,
}

/// What changes while the adapter runs.
pub(crate) struct State {
    pub(crate) tokens: Tokens,
    pub(crate) condition: Condition,
    /// When Slack last said that it holds events back.
    pub(crate) held_back: Option<Instant>,
    /// Who the bot is, once Slack said so.
    pub(crate) me: Option<Myself>,
    /// Where events that come through HTTP go.
    pub(crate) inbox: Option<Inbox>,
    /// What people are called.
    pub(crate) names: HashMap<String, String>,
    /// Where commands and pressed buttons can be answered, by their events, and since when; the oldest first.
    addresses: VecDeque<(String, Url, Instant)>,
    pub(crate) pictures: VecDeque<(Vec<u8>, SlackFileId)>,
}

impl Slack {
    /// An adapter that is not connected yet.
    pub fn new(settings: Settings) -> io::Result<Self> {
        let Settings { tokens, reload, team, api_url, clock } = settings;
        let state = State {
            tokens,
            condition: Condition::Connecting,
            held_back: None,
            me: None,
            inbox: None,
            names: HashMap::new(),
            addresses: VecDeque::new(),
            pictures: VecDeque::new(),
        };
        let (web, state) = (Web::new(api_url.as_str())?, Mutex::new(state));
        Ok(Self { web, state, clock, count_every: COUNT_EVERY, team, reload })
    }

    /// Counts the connections of the app this often, instead of every five minutes.
    #[must_use]
    pub fn counting_connections_every(self, pause: Duration) -> Self {
        Self { count_every: pause, ..self }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn bot_token(&self) -> SecretString {
        self.state().tokens.bot.clone()
    }

    pub(crate) fn is(&self, condition: Condition) {
        let mut state = self.state();
        if state.condition != condition {
            tracing::info!(?condition, "Slack");
            state.condition = condition;
        }
    }

    /// An event can be answered here, also where the bot is no member.
    pub(crate) fn can_respond(&self, event: &str, address: Url) {
        let addresses = &mut self.state().addresses;
        if addresses.len() >= ADDRESSES_KEPT {
            addresses.pop_front();
        }
        addresses.push_back((event.to_owned(), address, Instant::now()));
    }

    /// Where what is answered with this key can be answered: nobody else, and nothing else.
    pub(crate) fn response_address(&self, key: &DedupeKey) -> Option<Url> {
        let event = key.answers()?;
        let state = self.state();
        let (_, address, at) = state.addresses.iter().rfind(|(known, ..)| known == event)?;
        (at.elapsed() < ADDRESS_LASTS).then(|| address.clone())
    }

    /// Asks who the bot is until Slack says so.
    async fn introduce(&self) -> Result<Myself, ChatError> {
        let mut pause = Duration::from_secs(1);
        loop {
            match self.identity().await {
                Err(error @ (ChatError::Unreachable { .. } | ChatError::RateLimited { .. })) => {
                    self.is(Condition::Lost(error.to_string()));
                }
                known => return known,
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_mins(1));
        }
    }

    pub(crate) async fn identity(&self) -> Result<Myself, ChatError> {
        let identity = self.web.identity(&self.bot_token()).await?;
        match &self.team {
            Some(team) if *team != identity.team_id => Err(refused_because(format!(
                "the token belongs to the workspace {}, and `slack.team` is {team}",
                identity.team_id
            ))),
            _ => Ok(Myself { team: identity.team_id, user: identity.user_id }),
        }
    }

    /// Returns when the token no longer holds.
    async fn until_shut_out(&self) -> ChatError {
        loop {
            sleep(CHECK_EVERY).await;
            // With Socket Mode it is the sockets that say how it is.
            let by_requests = self.state().inbox.is_some();
            match self.web.identity(&self.bot_token()).await {
                Err(error @ ChatError::Barred { .. }) => return error,
                Err(error) if by_requests => self.is(Condition::Lost(error.to_string())),
                Ok(_) if by_requests => self.is(Condition::Connected),
                Err(error) => {
                    tracing::warn!(%error, "cannot ask whether Slack's token still holds");
                }
                Ok(_) => {}
            }
        }
    }

    /// Hears, by whichever way is set up.
    async fn listen(
        &self,
        me: &Myself,
        inbox: &Inbox,
        shutdown: &CancellationToken,
    ) -> Result<(), ChatError> {
        let app = self.state().tokens.app.clone();
        if let Some(app) = app {
            return socket::listen(self, &app, me, inbox, shutdown).await;
        }
        self.state().inbox = Some(inbox.clone());
        self.is(Condition::Connected);
        shutdown.cancelled().await;
        self.state().inbox = None;
        Ok(())
    }

    /// Another workspace's conversation is not ours to speak in.
    fn ours(&self, workspace: &str) -> Result<(), ChatError> {
        match &self.state().me {
            Some(me) if me.team != workspace => Err(refused_because(format!(
                "this bot is in the workspace {}, not in {workspace}",
                me.team
            ))),
            _ => Ok(()),
        }
    }
}

fn place(conversation: &Conversation) -> To<'_> {
    To { channel: &conversation.channel, thread: conversation.thread.as_deref() }
}

#[async_trait]
impl ChatAdapter for Slack {
    fn platform(&self) -> Platform {
        Platform::Slack
    }

    fn workspace(&self) -> Option<&str> {
        self.team.as_deref()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all(MAX_TEXT)
    }

    fn condition(&self) -> Condition {
        let state = self.state();
        let is_held_back = state.held_back.is_some_and(|at| at.elapsed() < HELD_BACK_LASTS);
        match &state.condition {
            Condition::Connected if is_held_back => Condition::Degraded(HELD_BACK.to_owned()),
            condition => condition.clone(),
        }
    }

    async fn run(&self, inbox: Inbox, shutdown: CancellationToken) -> Result<(), ChatError> {
        if let Some(tokens) = (self.reload)() {
            self.state().tokens = tokens;
        }
        let known = tokio::select! {
            known = self.introduce() => known,
            () = shutdown.cancelled() => return Ok(()),
        };
        let ended = match known {
            Ok(me) => {
                tracing::info!(team = me.team, user = me.user, "Slack knows the bot");
                self.state().me = Some(me.clone());
                tokio::select! {
                    ended = self.listen(&me, &inbox, &shutdown) => ended,
                    error = self.until_shut_out() => Err(error),
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
        let named = |message: String| MessageRef { conversation: to.clone(), message };
        if let Some(user) = to.channel.strip_prefix(HOME) {
            return self.show_home(user, card).await.map(|()| named(String::new()));
        }
        let place = place(to);
        let before = match key.again {
            Some(since) => self.posted_before(place, since, &key.key).await?,
            None => None,
        };
        let message = match before {
            Some(message) => message,
            None => self.say(place, card, key).await?,
        };
        // At an address of its own it has no name, and no files: they are for members.
        if message.is_empty() {
            return Ok(named(message));
        }
        let thread = To { thread: place.thread.or(Some(&message)), ..place };
        self.share_files(card, thread, &message, key.again).await?;
        Ok(named(message))
    }

    async fn edit(&self, message: &MessageRef, card: &Card) -> Result<(), ChatError> {
        let Conversation { workspace, channel, .. } = &message.conversation;
        self.ours(workspace)?;
        if let Some(user) = channel.strip_prefix(HOME) {
            return self.show_home(user, card).await;
        }
        self.show(Way::Edit { channel, message: &message.message }, card).await.map(drop)
    }

    async fn react(&self, message: &MessageRef, reaction: Reaction) -> Result<(), ChatError> {
        let emoji = match reaction {
            Reaction::Seen => "eyes",
            Reaction::Done => "white_check_mark",
            Reaction::Failed => "x",
        };
        let Conversation { workspace, channel, .. } = &message.conversation;
        self.ours(workspace)?;
        self.web.react(&self.bot_token(), channel, &message.message, emoji).await
    }

    async fn whisper(
        &self,
        to: &UserRef,
        conversation: &Conversation,
        card: &Card,
        key: &DedupeKey,
    ) -> Result<(), ChatError> {
        self.ours(&conversation.workspace)?;
        if let Some(user) = conversation.channel.strip_prefix(HOME) {
            return self.show_home(user, card).await;
        }
        let place = place(conversation);
        let alone = key.alone();
        // Alone with the bot there is nothing to hide, and what is posted stays.
        let way = if place.channel.starts_with('D') {
            if let Some(since) = key.again
                && self.posted_before(place, since, &alone.key).await?.is_some()
            {
                return Ok(());
            }
            Way::Post { to: place, key: &alone.key }
        } else {
            Way::Whisper { to: place, user: &to.user }
        };
        match (self.show(way, card).await, self.response_address(key)) {
            // Where the bot is no member, two others may be.
            (Err(ChatError::Barred { .. }), Some(address)) => {
                self.respond(&address, Seen::ByOne, card).await
            }
            (told, _) => told.map(drop),
        }
    }
}
