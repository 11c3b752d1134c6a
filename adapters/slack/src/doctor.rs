//! What can be wrong with a set-up, and what to do about it.

use chat::ChatError;

use crate::slack::Slack;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub what: String,
    /// What it is, or what is wrong and the remedy.
    pub result: Result<String, String>,
}

impl Slack {
    /// Looks at the tokens, and whether the bot is in these channels, of a workspace each.
    pub async fn examine(&self, channels: &[(String, String)]) -> Vec<Finding> {
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
            None => findings.push(Finding {
                what: "requests".to_owned(),
                result: Ok(
                    "signed requests to /slack/events, /slack/commands and /slack/interactions"
                        .into(),
                ),
            }),
        }
        for (workspace, channel) in channels {
            if team.as_ref().is_some_and(|team| team != workspace) {
                findings.push(Finding {
                    what: format!("channel {channel}"),
                    result: Err(format!(
                        "`alerts.channels` says that it is in {workspace}, where this bot is not"
                    )),
                });
                continue;
            }
            let member = self.web.is_member(&tokens.bot, channel).await;
            let result = match member {
                Ok(true) => Ok("the bot is in it".to_owned()),
                Ok(false) => {
                    Err("the bot is not in it: say `/invite` and its name there".to_owned())
                }
                Err(error) => Err(error.to_string()),
            };
            findings.push(Finding { what: format!("channel {channel}"), result });
        }
        findings
    }
}

fn finding<T>(what: &str, found: Result<T, ChatError>, shown: impl FnOnce(T) -> String) -> Finding {
    Finding { what: what.to_owned(), result: found.map(shown).map_err(|error| error.to_string()) }
}
