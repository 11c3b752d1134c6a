//! What can be wrong with a set-up, and what to do about it. Changes nothing, and leaves the keys to the process that
//! has them.

use chat::{Conversation, Finding};
use ruma::{
    RoomId, UserId,
    api::client::{
        account::whoami,
        discovery::get_supported_versions,
        keys::get_keys,
        membership::joined_rooms,
        session::{get_login_types, logout},
        state::get_state_event_for_key,
    },
    events::StateEventType,
};
use serde_json::Value;

use crate::{
    account::{Login, SESSION, Session, log_in},
    matrix::Matrix,
    refusals::Failed,
    rows::Rows,
    speak::MESSAGE,
    sync::ENCRYPTED,
    wire::{SPOKEN, Wire},
};

impl Matrix {
    /// Looks at the homeserver, the login, the device and these rooms.
    pub(crate) async fn look(&self, rooms: &[Conversation]) -> Vec<Finding> {
        let wire = match self.wire() {
            Ok(wire) => wire,
            Err(failed) => return vec![Finding::bad("homeserver", failed.to_string())],
        };
        let mut findings = vec![homeserver(&wire).await];
        if findings[0].result.is_err() {
            return findings;
        }
        let kept = Rows::peek::<Session>(&self.file, SESSION).await.ok().flatten();
        let session = match self.session(&wire, kept).await {
            Ok(session) => session,
            Err(failed) => {
                findings.push(Finding::bad("login", failed.to_string()));
                return findings;
            }
        };
        findings.push(Finding::good("login", format!("the bot is {}", session.user)));
        findings.push(match device(&wire, &session).await {
            Ok(found) => found,
            Err(failed) => Finding::bad("device", failed.to_string()),
        });
        let joined = wire.send(joined_rooms::v3::Request::new()).await;
        let joined = match joined {
            Ok(joined) => joined.joined_rooms,
            Err(failed) => {
                findings.push(Finding::bad("rooms", failed.to_string()));
                return findings;
            }
        };
        for room in rooms {
            findings.push(self.look_at(&wire, &session.user, &joined, room).await);
        }
        if session.is_for_this_look
            && let Err(failed) = wire.send(logout::v3::Request::new()).await
        {
            findings
                .push(Finding::bad("login", format!("the session of this look stays: {failed}")));
        }
        findings
    }

    /// The session that the bot has, or one for the look.
    async fn session(&self, wire: &Wire, kept: Option<Session>) -> Result<Looking, Failed> {
        let (token, kept_of) = match (self.login(), kept) {
            (Login::Token(token), _) => (token, None),
            (Login::Password { user, .. }, Some(kept))
                if kept.is_of(&user) && self.holds(wire, &kept).await? =>
            {
                (kept.token.clone().into(), Some(kept))
            }
            (Login::Password { user, password }, _) => {
                let made = log_in(wire, &user, &password, None).await?;
                wire.set_token(Some(made.token.clone().into()));
                return Ok(Looking { user: made.user, device: None, is_for_this_look: true });
            }
        };
        wire.set_token(Some(token));
        let who = wire.send(whoami::v3::Request::new()).await?;
        let device = kept_of.map(|kept| kept.device).or(who.device_id);
        Ok(Looking { user: who.user_id, device, is_for_this_look: false })
    }

    /// Whether the token of a session holds: if not, the bot logs in with its password.
    async fn holds(&self, wire: &Wire, kept: &Session) -> Result<bool, Failed> {
        wire.set_token(Some(kept.token.clone().into()));
        match wire.send(whoami::v3::Request::new()).await {
            Err(Failed::LoggedOut(_)) => Ok(false),
            answer => answer.map(|_| true),
        }
    }

    async fn look_at(
        &self,
        wire: &Wire,
        me: &UserId,
        joined: &[ruma::OwnedRoomId],
        Conversation { workspace, channel, .. }: &Conversation,
    ) -> Finding {
        let what = format!("room {channel}");
        if *workspace != me.server_name().as_str() {
            let wrong = format!(
                "`alerts.channels` says that it is on {workspace}, and the bot is on {}",
                me.server_name()
            );
            return Finding::bad(what, wrong);
        }
        let Ok(room) = RoomId::parse(channel) else {
            return Finding::bad(
                what,
                "it is no room's id, which begins with `!`: Element shows it under \"Room settings\", \"Advanced\"",
            );
        };
        if !joined.contains(&room) {
            return Finding::bad(what, format!("the bot is not in it: invite {me}"));
        }
        let encryption = state(wire, &room, StateEventType::RoomEncryption).await;
        let says = if encryption.is_ok() { ENCRYPTED } else { MESSAGE };
        match state(wire, &room, StateEventType::RoomPowerLevels).await {
            Ok(levels) => {
                if let Some(needed) = level_lacking(&levels, me, says) {
                    let remedy = format!(
                        "the bot may not write there: give it the power level {needed} (Element: \"Room settings\", \
                         \"Roles & Permissions\")"
                    );
                    return Finding::bad(what, remedy);
                }
            }
            // Then everybody may.
            Err(failed) if failed.is_not_found() => {}
            Err(failed) => return Finding::bad(what, failed.to_string()),
        }
        match encryption {
            Ok(_) => Finding::good(what, "the bot is in it; it is encrypted"),
            Err(failed) if failed.is_not_found() && self.trusts_server => Finding::good(
                what,
                "the bot is in it; it is not encrypted, and `matrix.trust_server` takes the homeserver's word for who \
                 says something",
            ),
            Err(failed) if failed.is_not_found() => Finding::bad(
                what,
                "it is not encrypted, so the bot answers questions there and does nothing else: encrypt the room, or \
                 set `matrix.trust_server = true` if everybody who rules the homeserver may act in your name",
            ),
            Err(failed) => Finding::bad(what, failed.to_string()),
        }
    }
}

/// What a room says of itself.
async fn state(wire: &Wire, room: &RoomId, kind: StateEventType) -> Result<Value, Failed> {
    let request = get_state_event_for_key::v3::Request::new(room.to_owned(), kind, String::new());
    let answer = wire.send(request).await?;
    Ok(serde_json::from_str(answer.event_or_content.get())?)
}

/// The power level that somebody needs to say something of this kind, when theirs is lower
/// (<https://spec.matrix.org/latest/client-server-api/#mroompower_levels>).
fn level_lacking(levels: &Value, me: &UserId, kind: &str) -> Option<i64> {
    let level = |of: &Value, default: &str| {
        of.as_i64().or_else(|| levels[default].as_i64()).unwrap_or_default()
    };
    let mine = level(&levels["users"][me.as_str()], "users_default");
    let needed = level(&levels["events"][kind], "events_default");
    (mine < needed).then_some(needed)
}

/// Who looks.
struct Looking {
    user: ruma::OwnedUserId,
    /// The bot's own device, once it has one.
    device: Option<ruma::OwnedDeviceId>,
    is_for_this_look: bool,
}

async fn homeserver(wire: &Wire) -> Finding {
    let what = "homeserver";
    let versions = match wire.send(get_supported_versions::Request::new()).await {
        Ok(answer) => answer.as_supported_versions().versions,
        Err(failed) => return Finding::bad(what, failed.to_string()),
    };
    if versions.last().is_none_or(|newest| *newest < SPOKEN) {
        return Finding::bad(what, "it has no threads: it needs to speak Matrix 1.4, so update it");
    }
    let kinds = wire.send(get_login_types::v3::Request::new()).await;
    let kinds = kinds.map(|it| it.flows).unwrap_or_default();
    let password = kinds.iter().any(|it| it.login_type() == "m.login.password");
    let how = if password { "with a password or a token" } else { "with a token alone" };
    Finding::good(what, format!("it can be reached, and is logged in to {how}"))
}

async fn device(wire: &Wire, session: &Looking) -> Result<Finding, Failed> {
    let what = "device";
    let Some(device) = &session.device else {
        return Ok(Finding::good(what, "the bot makes one when it is first started"));
    };
    let mut request = get_keys::v3::Request::new();
    request.device_keys.insert(session.user.clone(), Vec::new());
    let answer = wire.send(request).await?;
    let keys = answer.device_keys.get(&session.user).and_then(|devices| devices.get(device));
    let Some(keys) = keys else {
        return Ok(Finding::good(
            what,
            format!("{device} has no keys yet: the bot makes them at its start"),
        ));
    };
    let keys: Value = serde_json::from_str(keys.json().get())?;
    let signatures =
        keys["signatures"][session.user.as_str()].as_object().map_or(0, serde_json::Map::len);
    if signatures < 2 {
        return Ok(Finding::bad(
            what,
            format!(
                "{device} is not signed by its account, and clients warn of it: set `matrix.recovery_key` to the \
                 account's recovery key, and start the bot again"
            ),
        ));
    }
    Ok(Finding::good(what, format!("{device} is signed by its account")))
}

#[cfg(test)]
mod tests {
    use ruma::user_id;
    use serde_json::json;

    use super::*;

    #[test]
    fn who_may_write_in_a_room_is_read_from_its_power_levels() {
        let me = user_id!("@ops:example.org");
        let lacks = |levels: Value| level_lacking(&levels, me, MESSAGE);
        assert_eq!(lacks(json!({})), None);
        assert_eq!(lacks(json!({"events_default": 50})), Some(50));
        assert_eq!(lacks(json!({"events_default": 50, "users_default": 50})), None);
        assert_eq!(lacks(json!({"events_default": 50, "users": {"@ops:example.org": 100}})), None);
        assert_eq!(lacks(json!({"events": {"m.room.message": 10}, "events_default": 0})), Some(10));
        assert_eq!(lacks(json!({"events": {"m.room.name": 50}})), None);
    }
}
