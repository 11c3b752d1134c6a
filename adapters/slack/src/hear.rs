//! A payload, by whichever way it came → the core's inbox.

use std::{future::Future, time::Duration};

use chat::{Card, Inbound, Inbox, NotRecorded, Platform};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use url::Url;

use crate::{
    blocks::modal,
    events::{self, Ignored, Myself, Pressed, Question},
    slack::Slack,
    web::Seen,
};

/// What kind of payload it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Something happened, a message for example.
    Event,
    /// A slash command.
    Command,
    /// A pressed button, a chosen option or an answered question.
    Interaction,
}

/// Slack waits three seconds for a word that it was heard. By then it has one, and who did it is told within one.
pub(crate) const RECORDED_WITHIN: Duration = Duration::from_millis(500);
const SLOW: &str = "I heard you, but cannot write it down at this moment, so it may be lost. If nothing follows \
                    within a minute, do it again.";
const NOT_YET: &str = "This is not written down yet, and may still be: then it counts as you sent it first, also if you \
                       cancel. To be sure, send it again as it is; it is done once.";
const LOST: &str = "That could not be written down, and is not done. Do it again in a moment.";
/// How long an event waits for the name of who said it, the first time they speak.
const NAME_WITHIN: Duration = Duration::from_millis(500);
/// Names that are remembered.
const NAMES_KEPT: usize = 10_000;

/// What came of reading a payload.
enum Heard {
    Said(Inbound),
    Asks(Question),
}

impl Slack {
    /// Returns when the payload may be acknowledged: it is recorded, or there is nothing to record.
    pub(crate) async fn hear(
        &self,
        kind: Kind,
        payload: &Value,
        me: &Myself,
        inbox: &Inbox,
    ) -> Result<(), NotRecorded> {
        // <https://docs.slack.dev/apis/events-api/#rate_limiting>
        if kind == Kind::Event && payload["type"] == "app_rate_limited" {
            tracing::warn!("Slack holds events back");
            self.state().held_back = Some(Instant::now());
            return Ok(());
        }
        match read(kind, payload, me, (self.clock)()) {
            Ok(Heard::Said(mut inbound)) => {
                if let Some(address) = response_address(payload) {
                    self.can_respond(&inbound.id, address);
                }
                inbound.display_name = self.name(&inbound).await;
                inbox.deliver(inbound).await
            }
            Ok(Heard::Asks(question)) => {
                let (trigger, view) = (&question.trigger, modal(&question));
                if let Err(error) = self.web.open_view(&self.bot_token(), trigger, view).await {
                    tracing::warn!(%error, "a question could not be asked");
                }
                Ok(())
            }
            Err(reason) => {
                tracing::debug!(?kind, ?reason, "left alone");
                Ok(())
            }
        }
    }

    /// Tells somebody that what they did takes longer to record, and then if it was not. Slack brings it once: they
    /// have to do it again themselves.
    pub(crate) async fn record_slowly(
        &self,
        doer: Doer,
        recording: impl Future<Output = Result<(), NotRecorded>>,
    ) {
        self.tell(&doer, SLOW).await;
        if recording.await.is_err() {
            self.tell(&doer, LOST).await;
        }
    }

    async fn tell(&self, doer: &Doer, text: &str) {
        if doer.window.is_some() {
            return;
        }
        let Some(address) = &doer.address else {
            return tracing::warn!(
                text,
                "somebody could not be told: Slack gives no address for a press on the Home tab"
            );
        };
        if let Err(error) = self.respond(address, Seen::ByOne, &Card::titled(text)).await {
            tracing::warn!(%error, text, "somebody could not be told");
        }
    }

    /// What the speaker is called. For showing only.
    async fn name(&self, inbound: &Inbound) -> String {
        let user = &inbound.from.user;
        if inbound.from.platform != Platform::Slack || inbound.display_name != *user {
            return inbound.display_name.clone();
        }
        if let Some(name) = self.state().names.get(user) {
            return name.clone();
        }
        let token = self.bot_token();
        let Ok(Ok(name)) = timeout(NAME_WITHIN, self.web.name_of(&token, user)).await else {
            // Asked again at their next word.
            return user.clone();
        };
        let mut state = self.state();
        if state.names.len() >= NAMES_KEPT {
            state.names.clear();
        }
        state.names.insert(user.clone(), name.clone());
        name
    }
}

fn read(kind: Kind, payload: &Value, me: &Myself, now: DateTime<Utc>) -> Result<Heard, Ignored> {
    match kind {
        Kind::Event if payload["event"]["type"] == "app_home_opened" => {
            events::home(payload, me).map(Heard::Said)
        }
        Kind::Event => events::event(payload, me).map(Heard::Said),
        Kind::Command => events::command(payload, me, now).map(Heard::Said),
        Kind::Interaction if payload["type"] == "view_submission" => {
            events::submitted(payload, me, now).map(Heard::Said)
        }
        Kind::Interaction if payload["type"] == "block_actions" => events::pressed(payload, me)
            .map(|pressed| match pressed {
                Pressed::Said(inbound) => Heard::Said(inbound),
                Pressed::Asks(question) => Heard::Asks(question),
            }),
        Kind::Interaction => Err(Ignored::OtherKind),
    }
}

/// How whoever did something can be told that it was not recorded yet.
pub(crate) struct Doer {
    address: Option<Url>,
    /// The answer that keeps a submitted window open and says so under its first input
    /// (<https://docs.slack.dev/surfaces/modals#displaying_errors>).
    pub(crate) window: Option<Value>,
}

impl Doer {
    pub(crate) fn of(payload: &Value) -> Self {
        let inputs = payload["view"]["state"]["values"].as_object();
        let input = inputs.and_then(|inputs| inputs.keys().next());
        let input = input.filter(|_| payload["type"] == "view_submission");
        let window =
            input.map(|input| json!({ "response_action": "errors", "errors": { input: NOT_YET } }));
        Self { address: response_address(payload), window }
    }
}

/// Where the person can be answered who did it.
fn response_address(payload: &Value) -> Option<Url> {
    payload["response_url"].as_str()?.parse().ok()
}
