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

impl Discord {
    /// Looks at the token, the server, the intents and whether the bot sees these channels.
    pub(crate) async fn look(&self, channels: &[Conversation]) -> Vec<Finding> {
        let me = match self.identity().await {
            Ok(me) => me,
            Err(error) => return vec![Finding::bad("token", error.to_string())],
        };
        let served = format!("the bot is {}, and serves the server {}", me.user, me.guild);
        let mut findings = vec![Finding::good("token", served)];
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
