//! A payload, by whichever way it came → the core's inbox.

use std::time::Duration;

use chat::{Inbound, Inbox, NotRecorded, Platform};
use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::time::timeout;
use url::Url;

use crate::{
    blocks::modal,
    events::{self, Ignored, Myself, Pressed, Question},
    slack::Slack,
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
        match read(kind, payload, me, (self.clock)()) {
            Ok(Heard::Said(mut inbound)) => {
                if let (Kind::Command, Some(address)) = (kind, payload["response_url"].as_str())
                    && let Ok(address) = Url::parse(address)
                {
                    self.can_respond(&inbound.conversation.channel, address);
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
