//! An event of the gateway → the core's inbox.

use std::time::Duration;

use chat::{Inbound, Inbox, NotRecorded, pause};
use serde_json::{Value, json};
use serenity::model::channel::MessageFlags;
use tokio::{
    pin,
    time::{sleep, timeout},
};

use crate::{
    commands,
    discord::Discord,
    events::{self, Ignored, Interaction, Kind, Myself, Place, Said},
    interactions::Stage,
    message::window,
    refusals::Failed,
};

/// Discord waits three seconds. Who did what is not recorded by then is told within one.
const RECORDED_WITHIN: Duration = Duration::from_millis(500);
/// Later than this Discord takes no first answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);
/// How often it is asked what an event needs to be understood, while Discord does not say it.
const ASKED_AGAIN: u32 = 8;
/// The longest pause in between.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// How long suggestions may take.
const SUGGESTED_WITHIN: Duration = Duration::from_secs(2);
/// Characters of the name of a thread.
pub(crate) const MAX_THREAD_NAME: usize = 100;

/// What somebody is told, alone.
const ELSEWHERE: &str = "I serve another server, and cannot answer you here.";
const SLOW: &str = "I heard you, but cannot write it down at this moment, so it may be lost. If nothing follows \
                    within a minute, do it again.";
const LOST: &str = "That could not be written down, and is not done. Do it again in a moment.";

/// What kind of event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Somebody said something.
    Said,
    /// A message was changed.
    Changed,
    /// A command, a pressed button, an answered question.
    Interaction,
}

impl Discord {
    /// Returns when the event need not be sent again: it is recorded, or there is nothing to record.
    pub(crate) async fn hear(
        &self,
        event: Event,
        payload: &Value,
        me: &Myself,
        inbox: &Inbox,
    ) -> Result<(), NotRecorded> {
        if event == Event::Interaction {
            return self.hear_interaction(payload, me, inbox).await;
        }
        match self.read_message(event, payload, me).await? {
            Ok(inbound) => inbox.deliver(inbound).await,
            Err(reason) => {
                tracing::debug!(?event, ?reason, "left alone");
                Ok(())
            }
        }
    }

    async fn read_message(
        &self,
        event: Event,
        payload: &Value,
        me: &Myself,
    ) -> Result<Result<Inbound, Ignored>, NotRecorded> {
        let said = match events::said(payload, me) {
            Ok(said) => said,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut patience = Patience::default();
        let place = loop {
            match self.place_of(&said, me).await {
                Ok(Some(place)) => break place,
                Ok(None) => return Ok(Err(Ignored::ForeignServer)),
                Err(failed) => patience.wait(failed).await?,
            }
        };
        let read = match event {
            Event::Changed => events::edited(payload, &said, &place, me, (self.clock)()),
            _ => events::message(payload, &said, &place, me),
        };
        if let Ok(inbound) = &read {
            // A thread that is begun under it is named after it.
            let name = chat::cut(&inbound.text, MAX_THREAD_NAME);
            self.state().titles.put(&inbound.message.message, name);
        }
        Ok(read)
    }

    /// Where something was said; nowhere, when somebody said it who is not on the bot's server.
    async fn place_of(&self, said: &Said, me: &Myself) -> Result<Option<Place>, Failed> {
        if !said.is_direct {
            return self.place(&said.channel).await.map(Some);
        }
        let is_member = self.is_member(me, &said.user).await?;
        Ok(is_member.then(|| Place { channel: said.channel.clone(), thread: None }))
    }

    /// Whether a channel is a thread, and of which channel. One that the bot may not see is taken for a
    /// channel: an answer there still arrives.
    pub(crate) async fn place(&self, channel: &str) -> Result<Place, Failed> {
        if let Some(place) = self.state().places.get(channel) {
            return Ok(place);
        }
        match self.rest.channel(&self.token(), channel).await {
            Ok(found) => {
                let described = json!({ "type": found.kind, "parent_id": found.parent_id });
                let place = events::place_of(channel, &described);
                self.state().places.put(channel, place.clone());
                Ok(place)
            }
            Err(error) if error.is_definite() => {
                tracing::debug!(%error, "a channel is not known");
                Ok(Place { channel: channel.to_owned(), thread: None })
            }
            Err(error) => Err(error),
        }
    }

    /// Whether somebody who is alone with the bot is on its server. When Discord does not say it, nobody knows.
    async fn is_member(&self, me: &Myself, user: &str) -> Result<bool, Failed> {
        if let Some(is_member) = self.state().members.get(user) {
            return Ok(is_member);
        }
        let is_member = match self.rest.is_member(&self.token(), me, user).await {
            Err(error) if error.is_definite() => {
                tracing::warn!(%error, "it cannot be asked who is on the server");
                false
            }
            known => known?,
        };
        self.state().members.put(user, is_member);
        Ok(is_member)
    }

    async fn hear_interaction(
        &self,
        payload: &Value,
        me: &Myself,
        inbox: &Inbox,
    ) -> Result<(), NotRecorded> {
        let interaction = match events::interaction(payload, me) {
            Ok(interaction) => interaction,
            Err(reason) => {
                tracing::debug!(?reason, "an interaction is left alone");
                return Ok(());
            }
        };
        let is_ours = match interaction.is_direct {
            _ if interaction.is_foreign => Ok(false),
            true => self.is_member(me, &interaction.user).await,
            false => Ok(true),
        };
        if let Err(error) = &is_ours {
            tracing::warn!(%error, "it cannot be asked who is on the server");
        }
        if !matches!(is_ours, Ok(true)) {
            let why = if is_ours.is_ok() { ELSEWHERE } else { LOST };
            self.respond(&interaction, &only_for_them(why)).await;
            return Ok(());
        }
        match &interaction.kind {
            Kind::Typing(commands::Typing { topic, typed }) => {
                let from = interaction.from(me);
                let suggestions = inbox.suggest(&from, *topic, typed, commands::SUGGESTIONS);
                let suggestions = timeout(SUGGESTED_WITHIN, suggestions).await.unwrap_or_default();
                self.respond(&interaction, &commands::choices(&suggestions)).await;
                Ok(())
            }
            Kind::Asks { question, command } => {
                let window = json!({ "type": 9, "data": window(question, command) });
                self.respond(&interaction, &window).await;
                Ok(())
            }
            Kind::Command(_) | Kind::Pressed(_) | Kind::Answered(_) => {
                if let Some(inbound) = interaction.inbound(me, (self.clock)()) {
                    self.record(&interaction, inbound, me, inbox).await;
                }
                Ok(())
            }
        }
    }

    /// Has it recorded, and tells Discord that an answer will come; or who did it that it could not be.
    /// Discord does not bring it again: they have to do it again themselves.
    async fn record(
        &self,
        interaction: &Interaction,
        inbound: Inbound,
        me: &Myself,
        inbox: &Inbox,
    ) {
        self.interactions.came(&interaction.id, &interaction.token, inbound.at);
        self.remember();
        let recorded = inbox.deliver(inbound);
        pin!(recorded);
        if let Ok(recorded) = timeout(RECORDED_WITHIN, &mut recorded).await {
            if recorded.is_ok() {
                self.defer(interaction).await;
            } else {
                self.respond(interaction, &only_for_them(LOST)).await;
                self.interactions.is(&interaction.id, Stage::Over);
            }
            return;
        }
        let told = self.respond(interaction, &only_for_them(SLOW)).await;
        let stage = if told == Answered::TooLate { Stage::Over } else { Stage::Told };
        self.interactions.is(&interaction.id, stage);
        if recorded.await.is_err() {
            let message = json!({ "content": LOST, "flags": MessageFlags::EPHEMERAL.bits() });
            let token = interaction.token.clone().into();
            if let Err(error) = self.rest.follow_up(me, &token, &message, &[]).await {
                tracing::warn!(%error, "that something was not recorded could not be said");
            }
        }
    }

    /// Tells Discord that the answer will come: in the place of a command, and anywhere for a button.
    async fn defer(&self, interaction: &Interaction) {
        let (kind, stage) = match interaction.kind {
            Kind::Command(_) => (5, Stage::Loading),
            _ => (6, Stage::Told),
        };
        let told = self.respond(interaction, &json!({ "type": kind })).await;
        // What Discord may have heard is looked for when the answer comes.
        let stage = if told == Answered::TooLate { Stage::Over } else { stage };
        self.interactions.is(&interaction.id, stage);
    }

    async fn respond(&self, interaction: &Interaction, response: &Value) -> Answered {
        let responding = self.rest.respond(&interaction.id, &interaction.token, response);
        match timeout(ANSWERED_WITHIN, responding).await {
            Ok(Ok(())) => Answered::Yes,
            Ok(Err(error)) if error.is_definite() => {
                tracing::warn!(%error, "an interaction was not answered in time");
                Answered::TooLate
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "an interaction was perhaps not answered in time");
                Answered::Perhaps
            }
            Err(_) => Answered::Perhaps,
        }
    }
}

/// How often something was asked of which Discord did not say it.
#[derive(Default)]
struct Patience {
    failures: u32,
}

impl Patience {
    /// Returns when it may be asked again. An event that is given up instead is sent again, with all that came after
    /// it.
    async fn wait(&mut self, failed: Failed) -> Result<(), NotRecorded> {
        let wait = match failed {
            Failed::TooFast(wait) => wait.max(pause(self.failures)),
            Failed::Unreachable(_) => pause(self.failures),
            Failed::No { .. } => return Err(NotRecorded),
        };
        self.failures += 1;
        if self.failures == ASKED_AGAIN {
            return Err(NotRecorded);
        }
        sleep(wait.min(LONGEST_WAIT)).await;
        Ok(())
    }
}

/// What became of the first answer to an interaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    Yes,
    Perhaps,
    TooLate,
}

/// A response that only one person sees.
fn only_for_them(text: &str) -> Value {
    json!({ "type": 4, "data": { "content": text, "flags": MessageFlags::EPHEMERAL.bits() } })
}
