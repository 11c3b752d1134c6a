//! What can be wrong with a set-up, and what to do about it.

use chat::{ChatError, Conversation, Finding};

use crate::slack::Slack;

impl Slack {
    /// Looks at the tokens, and whether the bot is in these channels.
    pub(crate) async fn look(&self, channels: &[Conversation]) -> Vec<Finding> {
        let tokens = self.state().tokens.clone();
        let me = self.identity().await;
        let team = me.as_ref().ok().map(|me| me.team.clone());
        let mut findings = vec![finding("bot token", me, |me| {
            format!("it belongs to the workspace {}, where the bot is {}", me.team, me.user)
        })];
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

fn finding<T>(what: &str, found: Result<T, ChatError>, shown: impl FnOnce(T) -> String) -> Finding {
    Finding { what: what.to_owned(), result: found.map(shown).map_err(|error| error.to_string()) }
}
