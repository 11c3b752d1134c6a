//! What can be wrong with a set-up, and what to do about it.

use chat::{Conversation, Finding};
use serde_json::Value;

use crate::{
    discord::Discord,
    events::Myself,
    refusals::{Failed, code},
};

/// The flags of an application that may read every message
/// (<https://docs.discord.com/developers/resources/application#application-object-application-flags>).
const READS_MESSAGES: u64 = 1 << 18 | 1 << 19;

/// What the bot has to be allowed, as in its invitation
/// (<https://docs.discord.com/developers/topics/permissions#permissions-bitwise-permission-flags>).
const PERMISSIONS: [(u64, &str); 8] = [
    (1 << 10, "View Channels"),
    (1 << 11, "Send Messages"),
    (1 << 38, "Send Messages in Threads"),
    (1 << 35, "Create Public Threads"),
    (1 << 14, "Embed Links"),
    (1 << 15, "Attach Files"),
    (1 << 6, "Add Reactions"),
    (1 << 16, "Read Message History"),
];
/// Allows everything.
const ADMINISTRATOR: u64 = 1 << 3;

impl Discord {
    /// Looks at the token, the server, what the bot may do there, the intents and whether the bot sees these channels.
    pub(crate) async fn look(&self, channels: &[Conversation]) -> Vec<Finding> {
        let me = match self.identity().await {
            Ok(me) => me,
            Err(error) => return vec![Finding::bad("token", error.to_string())],
        };
        let served = format!("the bot is {}, and serves the server {}", me.user, me.guild);
        let permissions = self.rest.permissions(&self.token(), &me.guild).await;
        let mut findings = vec![Finding::good("token", served), may(permissions)];
        if self.reads_messages {
            let application = self.rest.application(&self.token()).await;
            findings.push(may_read(application));
        }
        findings.push(match self.rest.gateway(&self.token()).await {
            Ok(gateway) => {
                let left = gateway.session_start_limit.remaining;
                Finding::good(
                    "gateway",
                    format!("it can connect; {left} new sessions are left today"),
                )
            }
            Err(error) => Finding::bad("gateway", error.to_string()),
        });
        for Conversation { workspace, channel, .. } in channels {
            findings.push(self.look_at(&me, workspace, channel).await);
        }
        findings
    }

    async fn look_at(&self, me: &Myself, guild: &str, channel: &str) -> Finding {
        let what = format!("channel {channel}");
        if *guild != me.guild {
            return Finding::bad(
                what,
                format!(
                    "`alerts.channels` says that it is on {guild}, which this bot does not serve"
                ),
            );
        }
        match self.rest.channel(&self.token(), channel).await {
            Ok(found) if found.guild_id.as_deref() == Some(guild) => {
                Finding::good(what, "the bot sees it".to_owned())
            }
            Ok(_) => Finding::bad(what, format!("it is not a channel of the server {guild}")),
            Err(Failed::No { code: code::MISSING_ACCESS | code::UNKNOWN_CHANNEL, .. }) => {
                Finding::bad(
                    what,
                    "the bot does not see it: add the bot or its role in the channel's permissions"
                        .to_owned(),
                )
            }
            Err(error) => Finding::bad(what, error.to_string()),
        }
    }
}

fn may(permissions: Result<Option<u64>, Failed>) -> Finding {
    let granted = match permissions {
        Ok(Some(granted)) => granted,
        Ok(None) => {
            return Finding::bad(
                "permissions",
                "the bot is not on that server: open its invitation and choose the server, or mend `discord.guild`"
                    .to_owned(),
            );
        }
        Err(error) => return Finding::bad("permissions", error.to_string()),
    };
    let missing = PERMISSIONS.iter().filter(|(bit, _)| granted & (bit | ADMINISTRATOR) == 0);
    let missing: Vec<_> = missing.map(|(_, name)| *name).collect();
    if missing.is_empty() {
        return Finding::good("permissions", "the bot may do on the server all that it does");
    }
    Finding::bad(
        "permissions",
        format!(
            "the bot's role lacks {}: give it that in the server's settings",
            missing.join(", ")
        ),
    )
}

fn may_read(application: Result<Value, Failed>) -> Finding {
    match application {
        Ok(application) if application["flags"].as_u64().unwrap_or_default() & READS_MESSAGES != 0 => {
            Finding::good("messages", "the bot may read every message".to_owned())
        }
        Ok(_) => Finding::bad(
            "messages",
            "`discord.read_messages` is set, and the application may not: switch on \"Message Content Intent\" \
             under \"Bot\", or take the setting out"
                .to_owned(),
        ),
        Err(error) => Finding::bad("messages", error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_permissions_are_those_of_the_invitation() {
        let all = PERMISSIONS.iter().fold(0, |all, (bit, _)| all | bit);
        let page = include_str!("../../../docs/platforms/discord.md");
        assert!(page.contains(&format!("&permissions={all}")), "{all}");
        assert!(may(Ok(Some(all))).result.is_ok() && may(Ok(Some(ADMINISTRATOR))).result.is_ok());
        let lacks = may(Ok(Some(all & !(1 << 15) & !(1 << 6)))).result.unwrap_err();
        assert!(lacks.contains("lacks Attach Files, Add Reactions:"), "{lacks}");
        assert!(may(Ok(None)).result.unwrap_err().contains("not on that server"));
    }
}
