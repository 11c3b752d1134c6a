//! From what the homeserver says to what is recorded.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, PoisonError},
    time::Duration,
};

use chat::{ChatError, Condition, Inbound, Inbox, Origin, pause};
use ruma::{
    OwnedRoomId, RoomId, UserId,
    api::client::membership::{join_room_by_id, leave_room},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{
    account::Account,
    events::{Around, Heard, Ignored, heard, reacted, thread_of},
    matrix::Matrix,
    message::SIGNS,
    refusals::Failed,
    speak::digest,
    sync::{self, Invite},
};

/// How long the homeserver holds the question what is new.
const WAIT: Duration = Duration::from_secs(30);
/// How often it is asked again for what is needed to understand an event when the answer is no answer. Then the event
/// is left alone: it may be what makes them so, and others are to be heard.
const ASKED_AGAIN: u32 = 4;
/// How long a key may take before people are told that a message cannot be read.
const KEY_COMES_WITHIN: Duration = Duration::from_secs(10);
/// How long nobody is told again in the same room.
const TOLD_LASTS: Duration = Duration::from_hours(1);
/// What is said then.
const UNREADABLE: &str = "I cannot read this message: its sender's client did not give me the key. Write it again; if \
                          that does not help, sign out and in there.";

impl Matrix {
    /// Hears until told to stop, or until the session does not hold or its keys cannot be kept. Invitations are
    /// answered beside it: joining a room of a server that is slow holds up nobody.
    pub(crate) async fn listen(
        &self,
        account: &Arc<Account>,
        inbox: &Inbox,
        shutdown: &CancellationToken,
    ) -> Result<(), Failed> {
        tokio::select! {
            ended = self.hear(account, inbox, shutdown) => ended,
            never = self.answer_invites(account) => match never {},
        }
    }

    async fn hear(
        &self,
        account: &Arc<Account>,
        inbox: &Inbox,
        shutdown: &CancellationToken,
    ) -> Result<(), Failed> {
        let (mut failures, mut wait) = (0, Duration::ZERO);
        loop {
            let heard = tokio::select! {
                heard = account.hear(wait) => heard,
                () = shutdown.cancelled() => return Ok(()),
            };
            let batch = match heard {
                Ok(batch) => batch,
                Err(failed @ (Failed::LoggedOut(_) | Failed::Keys(_))) => return Err(failed),
                Err(failed) => {
                    let longer = match failed {
                        Failed::TooFast(wait) => wait,
                        _ => Duration::ZERO,
                    };
                    self.is(Condition::Lost(failed.to_string()));
                    let pause = pause(failures).max(longer);
                    tokio::select! {
                        () = sleep(pause) => {}
                        () = shutdown.cancelled() => return Ok(()),
                    }
                    // What it is then is known soon, and not after a long silence.
                    (failures, wait) = (failures + 1, Duration::ZERO);
                    continue;
                }
            };
            (failures, wait) = (0, WAIT);
            self.is(Condition::Connected);
            for heard in &batch.heard {
                tokio::select! {
                    taken = self.take(account, inbox, heard) => taken?,
                    () = shutdown.cancelled() => return Ok(()),
                }
            }
            // A batch that could not be settled is heard again: what is recorded is known by its id.
            if let Err(failed) = account.settle(&batch).await {
                tracing::error!(%failed, "what was heard on Matrix will be heard again");
                sleep(pause(0)).await;
            }
        }
    }

    /// Answers invitations one after another, and later again what could not be answered: the homeserver shows each
    /// once.
    async fn answer_invites(&self, account: &Account) -> Infallible {
        let mut failed: HashMap<OwnedRoomId, (u32, Instant)> = HashMap::new();
        loop {
            let invited = account.invited.lock().await.clone();
            failed.retain(|room, _| invited.iter().any(|it| it.room == *room));
            let due = |invite: &&Invite| {
                failed.get(&invite.room).is_none_or(|(_, again)| *again <= Instant::now())
            };
            let Some(invite) = invited.iter().find(due) else {
                let next = failed.values().map(|(_, again)| *again).min();
                tokio::select! {
                    () = account.was_invited.notified() => {}
                    () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
                }
                continue;
            };
            if self.answer_invite(account, invite).await {
                // Somebody may have made it anew meanwhile.
                account.invited.lock().await.retain(|it| it != invite);
            } else {
                let failures = failed.get(&invite.room).map_or(0, |(failures, _)| *failures);
                failed
                    .insert(invite.room.clone(), (failures + 1, Instant::now() + pause(failures)));
            }
        }
    }

    /// Takes part where somebody may ask it to. Whether that is settled.
    async fn answer_invite(&self, account: &Account, invite: &Invite) -> bool {
        let Invite { room, by, is_direct } = invite;
        let allowed = by.as_ref().is_some_and(|by| self.lets_in(by, &account.me.server));
        tracing::info!(%room, ?by, allowed, "invited into a room");
        let answered = if allowed {
            account.wire.send(join_room_by_id::v3::Request::new(room.clone())).await.map(drop)
        } else {
            account.wire.send(leave_room::v3::Request::new(room.clone())).await.map(drop)
        };
        if let Err(failed) = answered {
            tracing::warn!(%failed, %room, "an invitation could not be answered");
            // Only a refusal is an answer: with another token, for example, it may go.
            return matches!(failed, Failed::No { .. });
        }
        if let (true, true, Some(by)) = (allowed, is_direct, by)
            && let Err(failed) = account.is_direct_with(by, room).await
        {
            tracing::warn!(%failed, %room, "that a room is for two is not remembered");
        }
        true
    }

    /// Hands over what an event says, if it says anything to the bot, and returns once that is recorded. An error is
    /// that the session does not hold: what was not taken is heard again with another one.
    async fn take(
        &self,
        account: &Arc<Account>,
        inbox: &Inbox,
        event: &sync::Heard,
    ) -> Result<(), Failed> {
        let mut failures = 0;
        let inbound = loop {
            match self.understand(account, event).await {
                Ok(Ok(inbound)) => break inbound,
                Ok(Err(ignored)) => {
                    tracing::debug!(?ignored, room = %event.room, "left alone");
                    return Ok(());
                }
                Err(failed @ Failed::LoggedOut(_)) => return Err(failed),
                Err(failed @ Failed::No { .. }) => {
                    tracing::warn!(%failed, room = %event.room, "an event is left alone");
                    return Ok(());
                }
                Err(failed @ Failed::Garbled(_)) if failures >= ASKED_AGAIN => {
                    tracing::error!(%failed, room = %event.room, "an event is left alone");
                    self.is(Condition::Connected);
                    return Ok(());
                }
                // What is not understood for lack of an answer would be lost.
                Err(failed) => {
                    self.is(Condition::Lost(failed.to_string()));
                    sleep(pause(failures)).await;
                    failures += 1;
                }
            }
        };
        if inbound.origin != Origin::Overheard && inbound.origin != Origin::Button {
            self.types(account, &event.room);
        }
        while inbox.deliver(inbound.clone()).await.is_err() {
            sleep(pause(failures)).await;
            failures += 1;
        }
        Ok(())
    }

    /// Shows at once that it was heard, whatever recording it takes.
    fn types(&self, account: &Arc<Account>, room: &RoomId) {
        let (account, room) = (account.clone(), room.to_owned());
        self.state().typing.insert(room.clone());
        tokio::spawn(async move {
            if let Err(failed) = account.typing(&room, true).await {
                tracing::debug!(%failed, "typing is not shown");
            }
        });
    }

    /// What an event says to the bot.
    async fn understand(
        &self,
        account: &Arc<Account>,
        sync::Heard { room: id, event, proof }: &sync::Heard,
    ) -> Result<Result<Inbound, Ignored>, Failed> {
        let sender = event["sender"].as_str().and_then(|it| <&UserId>::try_from(it).ok());
        let Some(sender) = sender else { return Ok(Err(Ignored::OtherKind)) };
        if sender.as_str() == account.me.user {
            return Ok(Err(Ignored::Own));
        }
        let kind = event["type"].as_str().unwrap_or_default();
        if !sync::HEARD.contains(&kind) {
            return Ok(Err(Ignored::OtherKind));
        }
        if !self.lets_in(sender, &account.me.server) {
            return Ok(Err(Ignored::ForeignServer));
        }
        let room = match account.room(id).await {
            Ok(room) => room,
            // The bot is not in it any more.
            Err(Failed::No { .. }) => return Ok(Err(Ignored::NotForTheBot)),
            Err(failed) => return Err(failed),
        };
        let around = Around {
            room: id.as_str(),
            is_direct: room.is_direct(),
            name: room.members.get(sender).and_then(|name| name.as_deref()),
            proof,
            is_encrypted: room.is_encrypted,
            trusts_server: self.trusts_server,
        };
        let me = &account.me;
        match heard(event, &around, me) {
            Err(Ignored::Unreadable) => {
                self.cannot_read(account, id, event);
                Ok(Err(Ignored::Unreadable))
            }
            Err(ignored) => Ok(Err(ignored)),
            Ok(Heard::Said(inbound)) => Ok(Ok(inbound)),
            Ok(Heard::Edited { mut now, message }) => {
                // An edit does not say in which thread it is.
                let edited = account.event(id, &message).await;
                let edited = match edited {
                    Err(Failed::No { .. }) => return Ok(Err(Ignored::NoWords)),
                    edited => edited?,
                };
                // Nobody edits what somebody else said.
                if edited["sender"] != sender.as_str() {
                    return Ok(Err(Ignored::OtherKind));
                }
                let thread = thread_of(&edited).map(str::to_owned);
                if thread.is_none() && now.origin == Origin::Overheard {
                    return Ok(Err(Ignored::NotForTheBot));
                }
                now.message.conversation.thread.clone_from(&thread);
                now.message.message.clone_from(&message);
                let beside = around.is_direct && thread.is_none();
                now.conversation.thread = if beside { None } else { thread.or(Some(message)) };
                Ok(Ok(now))
            }
            Ok(Heard::Reacted { message, sign }) => {
                let Some((command, thread)) = self.offered(account, id, &message, &sign).await?
                else {
                    return Ok(Err(Ignored::NotForTheBot));
                };
                Ok(reacted(event, &around, me, (&message, thread.as_deref()), command))
            }
        }
    }

    /// The command that a message of the bot offers for a sign now, and the thread that it is in.
    async fn offered(
        &self,
        account: &Account,
        room: &RoomId,
        message: &str,
        sign: &str,
    ) -> Result<Option<(String, Option<String>)>, Failed> {
        let event = match account.event(room, message).await {
            Err(Failed::No { .. }) => return Ok(None),
            event => event?,
        };
        if event["sender"] != account.me.user.as_str() {
            return Ok(None);
        }
        let edit = &event["unsigned"]["m.relations"]["m.replace"];
        let latest = if edit["sender"] == account.me.user.as_str() { edit } else { &event };
        let latest = account.opened(room, latest).await?;
        let content = &latest["content"];
        let new = &content["m.new_content"];
        let content = if new.is_object() { new } else { content };
        let command = content[SIGNS][sign].as_str();
        let thread = thread_of(&event).map(str::to_owned);
        Ok(command.map(|command| (command.to_owned(), thread)))
    }

    /// Says that a message cannot be read, unless its key comes soon. Never what it may have said.
    fn cannot_read(&self, account: &Arc<Account>, room: &RoomId, event: &Value) {
        // Of what was taken away nothing is left to be read.
        if !event["content"]["ciphertext"].is_string() {
            return;
        }
        let (told, room, event) = (self.told.clone(), room.to_owned(), event.clone());
        // Nobody who logs in anew waits for this.
        let account = Arc::downgrade(account);
        tokio::spawn(async move {
            let Some(now) = account.upgrade() else { return };
            let could_come = now.waits_for(&event).await;
            drop(now);
            sleep(KEY_COMES_WITHIN).await;
            let Some(account) = account.upgrade() else { return };
            if could_come && !account.waits_for(&event).await {
                return;
            }
            {
                let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                told.retain(|_, at| at.elapsed() < TOLD_LASTS);
                if told.contains_key(&room) {
                    return;
                }
                told.insert(room.clone(), Instant::now());
            }
            let id = event["event_id"].as_str().unwrap_or_default();
            let content = json!({ "msgtype": "m.notice", "body": UNREADABLE, "m.mentions": {},
                "m.relates_to": { "m.in_reply_to": { "event_id": id } } });
            let said = account.say(&room, "m.room.message", &content, &digest(id)).await;
            if let Err(failed) = said {
                tracing::warn!(%failed, "that a message cannot be read is not said");
            }
        });
    }

    /// A session that does not hold needs another, with the password; with a token alone somebody has to write a new
    /// one.
    pub(crate) async fn logged_out(
        &self,
        account: &Account,
        failed: Failed,
    ) -> Result<(), ChatError> {
        if let Err(error) = account.forget_token().await {
            tracing::error!(%error, "a token that does not hold is not forgotten");
        }
        let has_password = self.login().password().is_some();
        if has_password { Ok(()) } else { Err(failed.into()) }
    }
}
