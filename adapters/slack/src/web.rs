//! What the bot asks of Slack: the Web API (<https://docs.slack.dev/reference/methods>).

use std::{
    collections::HashMap,
    future::Future,
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chat::{ChatError, Platform, cut};
use chrono::{DateTime, TimeDelta, Utc};
use http::{Request, header::AUTHORIZATION};
use http_body_util::Empty;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use slack_morphism::{errors::SlackClientError, prelude::*};
use tokio::time::{Instant, timeout};
use url::Url;

use crate::refusals::{chat_error, unreachable};

mod files;

/// How long one call may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Messages looked through for one that was posted before.
const LOOK_AT: usize = 500;
/// How far Slack's clock may be from ours.
const CLOCKS_APART: TimeDelta = TimeDelta::minutes(2);
/// Characters of a person's name.
const MAX_NAME: usize = 80;
/// What Slack limits in each channel apart: others go on.
const LIMITED_BY_CHANNEL: [&str; 2] = ["chat.postMessage", "chat.postEphemeral"];
/// The name of the metadata that carries the key of a message.
const METADATA: &str = "smartcloudops_message";

type Connector = SlackClientHyperConnector<HttpsConnector<HttpConnector>>;

/// The Web API. Tokens are given with each call, because they can be replaced.
///
/// Answers are read into types of our own that hold what is used: Slack repeats whole messages, and a block
/// that is newer than this program must not make a posted message look like a failure.
pub(crate) struct Web {
    client: SlackClient<Connector>,
    /// For what Slack says beside its answers.
    bare: Client<HttpsConnector<HttpConnector>, Empty<&'static [u8]>>,
    address: String,
    /// Until when Slack wants a method not to be called
    /// (<https://docs.slack.dev/apis/web-api/rate-limits>).
    limits: Mutex<HashMap<&'static str, Instant>>,
}

/// Who a token belongs to.
#[derive(Debug, Deserialize)]
pub(crate) struct Identity {
    pub(crate) team_id: String,
    pub(crate) user_id: String,
}

/// Where a message goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct To<'a> {
    pub(crate) channel: &'a str,
    pub(crate) thread: Option<&'a str>,
}

/// Who sees an answer at an address of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Everybody in the channel.
    ByAll,
    /// Who said it.
    ByOne,
}

/// An answer of which nothing is used.
#[derive(Deserialize)]
struct Taken {}

impl Web {
    /// Asks this address, mostly `https://slack.com/api`.
    pub(crate) fn new(address: &str) -> io::Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()?
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .build();
        let bare = Client::builder(TokioExecutor::new()).build(connector.clone());
        let address = address.trim_end_matches('/').to_owned();
        let connector = SlackClientHyperConnector::with_connector(connector);
        let client = SlackClient::new(connector.with_slack_api_url(&address));
        Ok(Self { client, bare, address, limits: Mutex::default() })
    }

    /// Who the bot's token belongs to.
    pub(crate) async fn identity(&self, token: &SecretString) -> Result<Identity, ChatError> {
        self.post(token, "auth.test", &json!({})).await
    }

    /// What a token may do, by the names of its scopes: a header of every answer
    /// (<https://docs.slack.dev/authentication/installing-with-oauth#scopes>).
    pub(crate) async fn scopes(&self, token: &SecretString) -> Result<Vec<String>, ChatError> {
        let lost = |error: &dyn std::error::Error| unreachable(format!("auth.test: {error}"));
        let request = Request::post(format!("{}/auth.test", self.address))
            .header(AUTHORIZATION, format!("Bearer {}", token.expose_secret()))
            .body(Empty::new())
            .map_err(|error| lost(&error))?;
        let answer = match timeout(PATIENCE, self.bare.request(request)).await {
            Ok(answer) => answer.map_err(|error| lost(&error))?,
            Err(error) => return Err(lost(&error)),
        };
        let scopes = answer.headers().get("x-oauth-scopes").and_then(|it| it.to_str().ok());
        let scopes = scopes.ok_or_else(|| unreachable("Slack does not name the scopes".to_owned()));
        Ok(scopes?.split(',').map(|scope| scope.trim().to_owned()).collect())
    }

    /// An address for Socket Mode, good for one connection. Wants the app's token.
    pub(crate) async fn socket(&self, token: &SecretString) -> Result<Url, ChatError> {
        #[derive(Deserialize)]
        struct Opened {
            url: Url,
        }
        let opened: Opened = self.post(token, "apps.connections.open", &json!({})).await?;
        Ok(opened.url)
    }

    /// Posts a message that carries this key; returns its name in the channel.
    pub(crate) async fn post_message(
        &self,
        token: &SecretString,
        to: To<'_>,
        content: SlackMessageContent,
        key: &str,
    ) -> Result<String, ChatError> {
        #[derive(Deserialize)]
        struct Posted {
            ts: String,
        }
        let payload = [("key".to_owned(), key.to_owned())].into();
        let metadata = SlackMessageMetadata::new(METADATA.to_owned()).with_event_payload(payload);
        // Nothing in a card is a link or a mention, and nothing shall become one.
        let request =
            SlackApiChatPostMessageRequest::new(to.channel.into(), content.with_metadata(metadata))
                .opt_thread_ts(to.thread.map(Into::into))
                .with_link_names(false)
                .with_unfurl_links(false)
                .with_unfurl_media(false);
        let posted: Posted = self.post(token, "chat.postMessage", &request).await?;
        Ok(posted.ts)
    }

    /// The message that carries this key, among those of its channel or thread since then.
    pub(crate) async fn find_message(
        &self,
        token: &SecretString,
        to: To<'_>,
        since: DateTime<Utc>,
        key: &str,
    ) -> Result<Option<String>, ChatError> {
        #[derive(Deserialize)]
        struct Past {
            messages: Vec<Message>,
        }
        #[derive(Deserialize)]
        struct Message {
            ts: String,
            #[serde(default)]
            metadata: Value,
        }
        let past: Past = self.past(token, to, since).await?;
        let ours = |message: &Message| {
            message.metadata["event_type"] == METADATA
                && message.metadata["event_payload"]["key"] == key
        };
        Ok(past.messages.into_iter().find(ours).map(|message| message.ts))
    }

    /// What was said in a channel or thread since then.
    async fn past<T: DeserializeOwned + Send>(
        &self,
        token: &SecretString,
        to: To<'_>,
        since: DateTime<Utc>,
    ) -> Result<T, ChatError> {
        let (limit, oldest) = (LOOK_AT.to_string(), (since - CLOCKS_APART).timestamp().to_string());
        let mut parameters = vec![
            ("channel", Some(to.channel)),
            ("limit", Some(&*limit)),
            ("oldest", Some(&*oldest)),
            ("include_all_metadata", Some("true")),
        ];
        let method = match to.thread {
            Some(thread) => {
                parameters.push(("ts", Some(thread)));
                "conversations.replies"
            }
            None => "conversations.history",
        };
        self.get(token, method, &parameters).await
    }

    /// Replaces a message. What Slack would keep because it is not named is named.
    pub(crate) async fn update(
        &self,
        token: &SecretString,
        channel: &str,
        ts: &str,
        mut content: SlackMessageContent,
    ) -> Result<(), ChatError> {
        content.blocks.get_or_insert_default();
        content.attachments.get_or_insert_default();
        let request = SlackApiChatUpdateRequest::new(channel.into(), content, ts.into())
            .with_link_names(false);
        let Taken {} = self.post(token, "chat.update", &request).await?;
        Ok(())
    }

    /// Shows a message to one person.
    pub(crate) async fn whisper(
        &self,
        token: &SecretString,
        to: To<'_>,
        user: &str,
        content: SlackMessageContent,
    ) -> Result<(), ChatError> {
        let request =
            SlackApiChatPostEphemeralRequest::new(to.channel.into(), user.into(), content)
                .opt_thread_ts(to.thread.map(Into::into))
                .with_link_names(false);
        let Taken {} = self.post(token, "chat.postEphemeral", &request).await?;
        Ok(())
    }

    /// Answers a command or a button at its own address, which is the permission to do so.
    pub(crate) async fn respond(
        &self,
        address: &Url,
        seen: Seen,
        content: &SlackMessageContent,
    ) -> Result<(), ChatError> {
        #[derive(Serialize)]
        struct Told<'a> {
            response_type: &'static str,
            /// The message whose button was pressed stays.
            replace_original: bool,
            #[serde(flatten)]
            content: &'a SlackMessageContent,
        }
        let response_type = match seen {
            Seen::ByAll => "in_channel",
            Seen::ByOne => "ephemeral",
        };
        let response = Told { response_type, replace_original: false, content };
        let token = SlackApiToken::new(SlackApiTokenValue(String::new()));
        let session = self.client.open_session(&token);
        let call = session.http_session_api.http_post_uri(address.clone(), &response, None);
        let Taken {} = answered("response_url", call).await?;
        Ok(())
    }

    /// Puts an emoji on a message. One that is there already is what was wanted.
    pub(crate) async fn react(
        &self,
        token: &SecretString,
        channel: &str,
        ts: &str,
        emoji: &str,
    ) -> Result<(), ChatError> {
        let request = json!({ "channel": channel, "timestamp": ts, "name": emoji });
        match self.post(token, "reactions.add", &request).await {
            Ok(Taken {}) => Ok(()),
            Err(ChatError::Refused { reason, .. }) if reason == "already_reacted" => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Opens a window that asks something.
    pub(crate) async fn open_view(
        &self,
        token: &SecretString,
        trigger: &str,
        view: SlackModalView,
    ) -> Result<(), ChatError> {
        let request = SlackApiViewsOpenRequest::new(trigger.into(), SlackView::Modal(view));
        let Taken {} = self.post(token, "views.open", &request).await?;
        Ok(())
    }

    /// Replaces what a person's tab of the app shows.
    pub(crate) async fn publish_home(
        &self,
        token: &SecretString,
        user: &str,
        view: SlackHomeView,
    ) -> Result<(), ChatError> {
        let request = SlackApiViewsPublishRequest::new(user.into(), SlackView::Home(view));
        let Taken {} = self.post(token, "views.publish", &request).await?;
        Ok(())
    }

    /// What somebody is called.
    pub(crate) async fn name_of(
        &self,
        token: &SecretString,
        user: &str,
    ) -> Result<String, ChatError> {
        #[derive(Deserialize)]
        struct Info {
            user: User,
        }
        #[derive(Deserialize)]
        struct User {
            name: String,
            #[serde(default)]
            profile: Profile,
        }
        #[derive(Default, Deserialize)]
        struct Profile {
            display_name: Option<String>,
            real_name: Option<String>,
        }
        let Info { user } = self.get(token, "users.info", &vec![("user", Some(user))]).await?;
        let names = [user.profile.display_name, user.profile.real_name, Some(user.name)];
        let name = names.into_iter().flatten().find(|name| !name.is_empty());
        Ok(cut(&name.unwrap_or_default(), MAX_NAME))
    }

    /// Whether the bot is a member of a channel; a conversation with one person counts.
    pub(crate) async fn is_member(
        &self,
        token: &SecretString,
        channel: &str,
    ) -> Result<bool, ChatError> {
        #[derive(Deserialize)]
        struct Info {
            channel: Room,
        }
        #[derive(Deserialize)]
        struct Room {
            #[serde(default)]
            is_member: bool,
            #[serde(default)]
            is_im: bool,
        }
        let parameters = vec![("channel", Some(channel))];
        let info: Info = self.get(token, "conversations.info", &parameters).await?;
        Ok(info.channel.is_member || info.channel.is_im)
    }

    async fn post<T: DeserializeOwned + Send>(
        &self,
        token: &SecretString,
        method: &'static str,
        request: &(impl Serialize + Send + Sync),
    ) -> Result<T, ChatError> {
        let token = slack_token(token);
        let session = self.client.open_session(&token);
        self.within_limits(method, session.http_session_api.http_post(method, request, None)).await
    }

    async fn get<T: DeserializeOwned + Send>(
        &self,
        token: &SecretString,
        method: &'static str,
        parameters: &Vec<(&str, Option<&str>)>,
    ) -> Result<T, ChatError> {
        let token = slack_token(token);
        let session = self.client.open_session(&token);
        self.within_limits(method, session.http_session_api.http_get(method, parameters, None))
            .await
    }

    /// Calls a method unless Slack asked to wait with it.
    async fn within_limits<T>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<T, SlackClientError>>,
    ) -> Result<T, ChatError> {
        let limits = || self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        let held = limits().get(method).map(|until| until.duration_since(Instant::now()));
        if let Some(retry_after) = held.filter(|left| !left.is_zero()) {
            return Err(ChatError::RateLimited { platform: Platform::Slack, retry_after });
        }
        let answer = answered(method, call).await;
        if let Err(ChatError::RateLimited { retry_after, .. }) = &answer
            && !LIMITED_BY_CHANNEL.contains(&method)
        {
            limits().insert(method, Instant::now() + *retry_after);
        }
        answer
    }
}

fn slack_token(token: &SecretString) -> SlackApiToken {
    SlackApiToken::new(SlackApiTokenValue(token.expose_secret().to_owned()))
}

/// Waits for an answer, and not for ever.
async fn answered<T>(
    what: &'static str,
    call: impl Future<Output = Result<T, SlackClientError>>,
) -> Result<T, ChatError> {
    match timeout(PATIENCE, call).await {
        Ok(answer) => answer.map_err(|error| chat_error(what, error)),
        Err(_) => Err(unreachable(format!("{what} took over {} s", PATIENCE.as_secs()))),
    }
}
