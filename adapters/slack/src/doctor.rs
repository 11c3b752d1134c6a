//! What can be wrong with a set-up, and what to do about it.

use chat::{ChatError, Conversation, Finding};

use crate::slack::Slack;

/// What the bot's token must be allowed to do, as in `docs/platforms/slack-manifest.yaml`.
const SCOPES: [&str; 14] = [
    "app_mentions:read",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "mpim:history",
    "mpim:read",
    "reactions:write",
    "users:read",
];

impl Slack {
    /// Looks at the tokens, what they may do, and whether the bot is in these channels.
    pub(crate) async fn look(&self, channels: &[Conversation]) -> Vec<Finding> {
        let tokens = self.state().tokens.clone();
        let me = self.identity().await;
        let team = me.as_ref().ok().map(|me| me.team.clone());
        let mut findings = vec![finding("bot token", me, |me| {
            format!("it belongs to the workspace {}, where the bot is {}", me.team, me.user)
        })];
        if team.is_some() {
            findings.push(scopes(self.web.scopes(&tokens.bot).await));
        }
        match &tokens.app {
            Some(app) => {
                findings.push(finding("app token", self.web.socket(app).await, |_| {
                    "Socket Mode can connect".to_owned()
                }));
            }
            None => findings.push(Finding::good(
                "requests",
                "signed requests to /slack/events, /slack/commands and /slack/interactions",
            )),
        }
        for Conversation { workspace, channel, .. } in channels {
            let what = format!("channel {channel}");
            findings.push(if team.as_ref().is_some_and(|team| team != workspace) {
                let wrong = format!(
                    "`alerts.channels` says that it is in {workspace}, where this bot is not"
                );
                Finding::bad(what, wrong)
            } else {
                match self.web.is_member(&tokens.bot, channel).await {
                    Ok(true) => Finding::good(what, "the bot is in it"),
                    Ok(false) => {
                        Finding::bad(what, "the bot is not in it: say `/invite` and its name there")
                    }
                    Err(error) => Finding::bad(what, error.to_string()),
                }
            });
        }
        findings
    }
}

fn scopes(granted: Result<Vec<String>, ChatError>) -> Finding {
    let granted = match granted {
        Ok(granted) => granted,
        Err(error) => return Finding::bad("scopes", error.to_string()),
    };
    let missing: Vec<_> =
        SCOPES.into_iter().filter(|scope| !granted.iter().any(|it| it == scope)).collect();
    if missing.is_empty() {
        return Finding::good("scopes", "the bot's token may do all that the bot does");
    }
    Finding::bad(
        "scopes",
        format!(
            "the bot's token lacks {}: add that under \"OAuth & Permissions\", \"Bot Token Scopes\", and install the \
             app again",
            missing.join(", ")
        ),
    )
}

fn finding<T>(what: &str, found: Result<T, ChatError>, shown: impl FnOnce(T) -> String) -> Finding {
    Finding { what: what.to_owned(), result: found.map(shown).map_err(|error| error.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scopes_are_those_of_the_manifest() {
        let manifest = include_str!("../../../docs/platforms/slack-manifest.yaml");
        let scopes = manifest.split("    bot:\n").nth(1).unwrap().lines();
        let scopes = scopes.map_while(|line| line.strip_prefix("      - "));
        assert_eq!(scopes.collect::<Vec<_>>(), SCOPES);
    }

    #[test]
    fn what_is_missing_is_named() {
        let all: Vec<_> = SCOPES.iter().map(ToString::to_string).collect();
        assert!(scopes(Ok(all[1..].to_vec())).result.unwrap_err().contains("app_mentions:read:"));
        assert!(scopes(Ok(all)).result.is_ok());
    }
}
