//! The slash command `/ops`, and what it says. Pure.

use chat::Topic;
use serde_json::{Value, json};
use serenity::{
    builder::{CreateCommand, CreateCommandOption},
    model::application::{CommandOptionType, InstallationContext, InteractionContext},
};

/// The name of the command.
pub(crate) const NAME: &str = "ops";
/// Suggestions that Discord shows.
pub(crate) const SUGGESTIONS: usize = 25;
const MAX_SUGGESTION: usize = 100;

/// An option that somebody is typing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typing {
    /// What it names.
    pub topic: Topic,
    /// What is there so far.
    pub typed: String,
}

/// The commands as Discord is told them
/// (<https://docs.discord.com/developers/interactions/application-commands>).
pub(crate) fn all(everywhere: bool) -> Value {
    use CommandOptionType::{String as Text, SubCommand};
    let sub = |name, about| CreateCommandOption::new(SubCommand, name, about);
    let text = |name, about| CreateCommandOption::new(Text, name, about);
    let suggested = |name, about| text(name, about).set_autocomplete(true);
    let ops = CreateCommand::new(NAME)
        .description("Ask about your machines, and look after their incidents");
    // Those of one server are there alone.
    let ops = if everywhere {
        ops.integration_types(vec![InstallationContext::Guild])
            .contexts(vec![InteractionContext::Guild, InteractionContext::BotDm])
    } else {
        ops
    };
    let ops = ops
        .add_option(sub("ask", "Ask or say anything, as in a message").add_sub_option(
            text("question", "For example: when is db-1's disk full?").required(true),
        ))
        .add_option(
            sub("metric", "One metric, now or over some time")
                .add_sub_option(suggested("metric", "For example cpu").required(true))
                .add_sub_option(suggested("host", "Of which machine; of all without it"))
                .add_sub_option(text("window", "Over how long, for example 6h; now without it")),
        )
        .add_option(sub("status", "How everything is"))
        .add_option(sub("incidents", "What is broken"))
        .add_option(
            sub("approve", "Approve a proposed action")
                .add_sub_option(text("code", "The code on its message").required(true)),
        )
        .add_option(
            sub("reject", "Reject a proposed action")
                .add_sub_option(text("code", "The code on its message").required(true))
                .add_sub_option(text("reason", "Why").required(true)),
        )
        .add_option(sub("whoami", "Your account and your role here"))
        .add_option(sub("help", "What you can ask and do"));
    json!([ops])
}

/// What a command says, as somebody would type it.
pub(crate) fn text(data: &Value) -> Option<String> {
    let sub = subcommand(data)?;
    let option = |name| value(sub, name).map(|text| text.trim().to_owned());
    Some(match sub["name"].as_str()? {
        "ask" => option("question")?,
        "metric" => {
            let limits = ["host", "window"].map(|name| Some(format!("{name}={}", option(name)?)));
            let words = ["metric".to_owned(), option("metric")?];
            words.into_iter().chain(limits.into_iter().flatten()).collect::<Vec<_>>().join(" ")
        }
        "approve" => format!("approve {}", option("code")?),
        "reject" => format!("reject {} {}", option("code")?, option("reason")?),
        plain @ ("status" | "whoami" | "help") => plain.to_owned(),
        "incidents" => "open incidents".to_owned(),
        _ => return None,
    })
}

/// What somebody is typing.
pub(crate) fn typing(data: &Value) -> Option<Typing> {
    let options = subcommand(data)?["options"].as_array()?;
    let focused = options.iter().find(|option| option["focused"] == true)?;
    let topic = match focused["name"].as_str()? {
        "metric" => Topic::Metric,
        "host" => Topic::Host,
        _ => return None,
    };
    Some(Typing { topic, typed: focused["value"].as_str().unwrap_or_default().to_owned() })
}

/// What can be chosen, as the answer to who is typing.
pub(crate) fn choices(suggestions: &[String]) -> Value {
    let fits = |text: &&String| !text.is_empty() && text.chars().count() <= MAX_SUGGESTION;
    let choices = suggestions.iter().filter(fits).take(SUGGESTIONS);
    let choices: Vec<_> = choices.map(|it| json!({ "name": it, "value": it })).collect();
    json!({ "type": 8, "data": { "choices": choices } })
}

fn subcommand(data: &Value) -> Option<&Value> {
    if data["name"] != NAME {
        return None;
    }
    data["options"].get(0)
}

fn value<'a>(sub: &'a Value, name: &str) -> Option<&'a str> {
    let option = sub["options"].as_array()?.iter().find(|option| option["name"] == name)?;
    option["value"].as_str().filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(sub: &str, options: &[(&str, &str)]) -> Option<String> {
        let options: Vec<_> =
            options.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        text(&json!({"name": "ops", "options": [{"name": sub, "type": 1, "options": options}]}))
    }

    #[test]
    fn a_command_says_what_somebody_would_type() {
        assert_eq!(said("ask", &[("question", " cpu? ")]).as_deref(), Some("cpu?"));
        assert_eq!(said("metric", &[("metric", "cpu")]).as_deref(), Some("metric cpu"));
        let metric = [("metric", "cpu"), ("window", "6h"), ("host", "db-1")];
        assert_eq!(said("metric", &metric).as_deref(), Some("metric cpu host=db-1 window=6h"));
        let reject = [("code", "7F3K"), ("reason", "not now")];
        assert_eq!(said("reject", &reject).as_deref(), Some("reject 7F3K not now"));
        assert_eq!(said("status", &[]).as_deref(), Some("status"));
        assert_eq!(said("destroy", &[]), None);
    }

    #[test]
    fn what_is_being_typed_is_what_has_the_focus() {
        let data = json!({"name": "ops", "options": [{"name": "metric", "type": 1, "options": [
            {"name": "metric", "value": "cpu"}, {"name": "host", "value": "db", "focused": true}]}]});
        assert_eq!(typing(&data), Some(Typing { topic: Topic::Host, typed: "db".into() }));
    }

    #[test]
    fn every_command_that_discord_is_told_is_understood() {
        let commands = all(true);
        for sub in commands[0]["options"].as_array().unwrap() {
            let options: Vec<_> = sub["options"].as_array().into_iter().flatten().collect();
            let options: Vec<_> =
                options.iter().map(|it| (it["name"].as_str().unwrap(), "x")).collect();
            assert!(said(sub["name"].as_str().unwrap(), &options).is_some(), "{sub}");
        }
    }
}
