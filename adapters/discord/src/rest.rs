//! What the bot asks of Discord: the REST API (<https://docs.discord.com/developers/reference>).

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use url::Url;

use crate::{
    events::Myself,
    message::{Attached, address},
    refusals::{Failed, code},
    transport::{Body, Transport},
};

/// Messages looked through for one that was posted before.
const LOOK_AT: &str = "100";
/// How far Discord's clock may be from ours.
const CLOCKS_APART: TimeDelta = TimeDelta::minutes(2);
/// Discord's first moment (<https://docs.discord.com/developers/reference#snowflakes>).
const FIRST_MILLISECOND: i64 = 1_420_070_400_000;

/// The REST API.
pub(crate) struct Rest(Transport);

/// Where the gateway is, and how often the bot may identify itself there.
#[derive(Debug, Deserialize)]
pub(crate) struct GatewayAddress {
    pub(crate) url: String,
    pub(crate) session_start_limit: StartLimit,
}

/// How often the bot may identify itself.
#[derive(Debug, Deserialize)]
pub(crate) struct StartLimit {
    pub(crate) remaining: u64,
    /// Milliseconds.
    pub(crate) reset_after: u64,
}

/// A channel, as far as it matters.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Channel {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: u8,
    #[serde(default)]
    pub(crate) parent_id: Option<String>,
    #[serde(default)]
    pub(crate) guild_id: Option<String>,
}

/// A message, as far as it matters.
#[derive(Debug, Deserialize)]
pub(crate) struct Posted {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) content: String,
    #[serde(default)]
    pub(crate) embeds: Vec<Value>,
    #[serde(default)]
    author: Value,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

impl Rest {
    /// Asks this address, mostly `https://discord.com/api/v10`.
    pub(crate) fn new(address: Url) -> Result<Self, reqwest::Error> {
        Transport::new(address).map(Self)
    }

    /// The token may hold again: Discord is asked again.
    pub(crate) fn try_again(&self) {
        self.0.try_again();
    }

    /// Returns when the token no longer holds.
    pub(crate) async fn until_shut_out(&self) -> Failed {
        self.0.until_shut_out().await
    }

    pub(crate) async fn me(&self, token: &SecretString) -> Result<String, Failed> {
        let me: Named = self.get(token, "GET me", "users/@me").await?;
        Ok(me.id)
    }

    /// The application that the bot belongs to.
    pub(crate) async fn application(&self, token: &SecretString) -> Result<Value, Failed> {
        self.get(token, "GET application", "applications/@me").await
    }

    /// The servers that the bot is in, at most two of them.
    pub(crate) async fn guilds(&self, token: &SecretString) -> Result<Vec<String>, Failed> {
        let guilds: Vec<Named> = self.get(token, "GET servers", "users/@me/guilds?limit=2").await?;
        Ok(guilds.into_iter().map(|guild| guild.id).collect())
    }

    /// What the bot may do on a server, as a set of bits and apart from what single channels say; `None` where it is
    /// not on it.
    pub(crate) async fn permissions(
        &self,
        token: &SecretString,
        guild: &str,
    ) -> Result<Option<u64>, Failed> {
        #[derive(Deserialize)]
        struct Guild {
            id: String,
            permissions: String,
        }
        // They come in the order of their ids.
        let before = guild.parse::<u64>().map_or(0, |id| id.saturating_sub(1));
        let path = format!("users/@me/guilds?limit=1&after={before}");
        let guilds: Vec<Guild> = self.get(token, "GET servers", &path).await?;
        let found = guilds.into_iter().find(|it| it.id == guild);
        Ok(found.map(|it| it.permissions.parse().unwrap_or(0)))
    }

    /// The role that Discord gave the bot on its server: people mention it as they mention the bot.
    pub(crate) async fn role(
        &self,
        token: &SecretString,
        guild: &str,
        user: &str,
    ) -> Option<String> {
        #[derive(Deserialize)]
        struct Role {
            id: String,
            #[serde(default)]
            tags: Value,
        }
        let roles: Result<Vec<Role>, _> =
            self.get(token, "GET roles", &format!("guilds/{guild}/roles")).await;
        let roles =
            roles.inspect_err(|error| tracing::warn!(%error, "the bot's role is not known"));
        Some(roles.ok()?.into_iter().find(|role| role.tags["bot_id"] == user)?.id)
    }

    pub(crate) async fn gateway(&self, token: &SecretString) -> Result<GatewayAddress, Failed> {
        self.get(token, "GET gateway", "gateway/bot").await
    }

    pub(crate) async fn channel(
        &self,
        token: &SecretString,
        channel: &str,
    ) -> Result<Channel, Failed> {
        self.get(token, "GET channel", &format!("channels/{channel}")).await
    }

    /// Whether somebody is on the server.
    pub(crate) async fn is_member(
        &self,
        token: &SecretString,
        me: &Myself,
        user: &str,
    ) -> Result<bool, Failed> {
        let path = format!("guilds/{}/members/{user}", me.guild);
        let found: Result<Value, _> = self.get(token, "GET member", &path).await;
        match found {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(error.code(), Some(code::UNKNOWN_MEMBER | code::UNKNOWN_USER)) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Posts a message; with a nonce that Discord saw within the last minutes, it is that message.
    pub(crate) async fn post(
        &self,
        token: &SecretString,
        channel: &str,
        message: &Value,
        files: &[Attached],
    ) -> Result<Posted, Failed> {
        let path = format!("channels/{channel}/messages");
        let body = Body::Message(message, files);
        self.0.ask(token, Method::POST, "POST message", &path, body).await
    }

    /// Replaces a message.
    pub(crate) async fn edit(
        &self,
        token: &SecretString,
        channel: &str,
        id: &str,
        message: &Value,
        files: &[Attached],
    ) -> Result<Posted, Failed> {
        let path = format!("channels/{channel}/messages/{id}");
        let body = Body::Message(message, files);
        self.0.ask(token, Method::PATCH, "PATCH message", &path, body).await
    }

    pub(crate) async fn message(
        &self,
        token: &SecretString,
        channel: &str,
        id: &str,
    ) -> Result<Posted, Failed> {
        self.get(token, "GET message", &format!("channels/{channel}/messages/{id}")).await
    }

    /// The bot's message that carries this key, among those of a channel since then; where a message carries
    /// none, the one with this content.
    pub(crate) async fn find(
        &self,
        token: &SecretString,
        me: &Myself,
        channel: &str,
        since: DateTime<Utc>,
        (key, content): (&str, &str),
    ) -> Result<Option<Posted>, Failed> {
        let since = (since - CLOCKS_APART).timestamp_millis() - FIRST_MILLISECOND;
        let after = since.max(0) << 22;
        let path = format!("channels/{channel}/messages?after={after}&limit={LOOK_AT}");
        let posted: Vec<Posted> = self.get(token, "GET messages", &path).await?;
        let carries = |it: &Posted| match it.embeds.first() {
            Some(embed) => embed["url"] == *address(key),
            None => it.content == content,
        };
        Ok(posted.into_iter().find(|it| it.author["id"] == *me.user && carries(it)))
    }

    /// Begins a thread under a message.
    pub(crate) async fn begin_thread(
        &self,
        token: &SecretString,
        channel: &str,
        message: &str,
        name: &str,
    ) -> Result<(), Failed> {
        let path = format!("channels/{channel}/messages/{message}/threads");
        let body = json!({ "name": name });
        let begun: Result<Value, _> =
            self.0.ask(token, Method::POST, "POST thread", &path, Body::Json(&body)).await;
        begun.map(drop)
    }

    /// The channel in which the bot is alone with somebody.
    pub(crate) async fn direct(&self, token: &SecretString, user: &str) -> Result<Channel, Failed> {
        let body = Body::Json(&json!({ "recipient_id": user }));
        self.0.ask(token, Method::POST, "POST direct channel", "users/@me/channels", body).await
    }

    /// Puts an emoji on a message; one that is there already is what was wanted.
    pub(crate) async fn react(
        &self,
        token: &SecretString,
        channel: &str,
        message: &str,
        emoji: &str,
    ) -> Result<(), Failed> {
        let path = format!("channels/{channel}/messages/{message}/reactions/{emoji}/@me");
        let put: Value = self.0.ask(token, Method::PUT, "PUT reaction", &path, Body::None).await?;
        drop(put);
        Ok(())
    }

    /// Replaces the commands of the bot on its server, or those everywhere; there are none in the other place.
    pub(crate) async fn set_commands(
        &self,
        token: &SecretString,
        me: &Myself,
        everywhere: bool,
        commands: &Value,
    ) -> Result<(), Failed> {
        let (none, of_all) = (json!([]), format!("applications/{}/commands", me.application));
        let of_one = format!("applications/{}/guilds/{}/commands", me.application, me.guild);
        let (here, elsewhere) = if everywhere { (of_all, of_one) } else { (of_one, of_all) };
        for (path, commands) in [(here, commands), (elsewhere, &none)] {
            let body = Body::Json(commands);
            let _: Value = self.0.ask(token, Method::PUT, "PUT commands", &path, body).await?;
        }
        Ok(())
    }

    /// The first thing that is said to an interaction: within three seconds, and once.
    pub(crate) async fn respond(
        &self,
        id: &str,
        token: &str,
        response: &Value,
    ) -> Result<(), Failed> {
        let path = format!("interactions/{id}/{token}/callback");
        let said: Result<Value, _> =
            self.0.ask_by_path(Method::POST, "POST response", &path, Body::Json(response)).await;
        match said {
            Err(error) if error.code() == Some(code::ALREADY_ACKNOWLEDGED) => Ok(()),
            said => said.map(drop),
        }
    }

    /// Puts a message in the place of the one that said that it would come.
    pub(crate) async fn replace_response(
        &self,
        me: &Myself,
        token: &SecretString,
        which: &str,
        message: &Value,
        files: &[Attached],
    ) -> Result<Posted, Failed> {
        let path =
            format!("webhooks/{}/{}/messages/{which}", me.application, token.expose_secret());
        let body = Body::Message(message, files);
        self.0.ask_by_path(Method::PATCH, "PATCH response", &path, body).await
    }

    /// Takes away the message that said that an answer would come.
    pub(crate) async fn take_back_response(
        &self,
        me: &Myself,
        token: &SecretString,
    ) -> Result<(), Failed> {
        let path =
            format!("webhooks/{}/{}/messages/@original", me.application, token.expose_secret());
        let gone: Result<Value, _> =
            self.0.ask_by_path(Method::DELETE, "DELETE response", &path, Body::None).await;
        match gone {
            Err(error) if error.code() == Some(code::UNKNOWN_MESSAGE) => Ok(()),
            gone => gone.map(drop),
        }
    }

    /// Says something more to an interaction.
    pub(crate) async fn follow_up(
        &self,
        me: &Myself,
        token: &SecretString,
        message: &Value,
        files: &[Attached],
    ) -> Result<Posted, Failed> {
        let path = format!("webhooks/{}/{}", me.application, token.expose_secret());
        let body = Body::Message(message, files);
        self.0.ask_by_path(Method::POST, "POST follow-up", &path, body).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        token: &SecretString,
        what: &'static str,
        path: &str,
    ) -> Result<T, Failed> {
        self.0.ask(token, Method::GET, what, path, Body::None).await
    }
}
