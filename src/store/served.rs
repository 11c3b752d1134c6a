//! Which part of a shared database a process works on.

use chat::{Conversation, Platform};
use serde_json::json;

use super::words::key;

/// A platform that a process is connected to. Replies and events of other platforms, and of other
/// workspaces, are left to the processes that serve those.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The platform.
    pub platform: Platform,
    /// One workspace of it, such as the machine of a console; `None` for all of them.
    pub workspace: Option<String>,
}

impl Served {
    /// Whether this conversation is part of it.
    pub fn covers(&self, conversation: &Conversation) -> bool {
        self.platform == conversation.platform
            && self.workspace.as_ref().is_none_or(|it| *it == conversation.workspace)
    }

    /// How the JSON of its conversations begins: the columns of `Conversation` in their order.
    fn start(&self) -> String {
        let platform = json!(self.platform);
        match &self.workspace {
            None => format!("{{\"platform\":{platform},"),
            Some(name) => format!("{{\"platform\":{platform},\"workspace\":{},", json!(name)),
        }
    }
}

/// A condition on the rows of these, and its values. The first placeholder has this number.
pub(super) struct Condition {
    pub(super) sql: String,
    pub(super) values: Vec<String>,
}

/// On a column that holds a conversation as JSON.
pub(super) fn conversations(served: &[Served], column: &str, first: usize) -> Condition {
    let values: Vec<_> = served.iter().map(Served::start).collect();
    let sql = (first..first + values.len())
        .map(|n| {
            let start = format!("CAST(${n} AS TEXT)");
            format!("substr({column}, 1, length({start})) = {start}")
        })
        .collect::<Vec<_>>();
    Condition { sql: sql.join(" OR "), values }
}

/// On the columns `platform` and `workspace`.
pub(super) fn columns(served: &[Served], first: usize) -> Condition {
    let (mut sql, mut values) = (Vec::new(), Vec::new());
    for Served { platform, workspace } in served {
        values.push(platform.as_str().to_owned());
        let platform = format!("platform = ${}", first + values.len() - 1);
        match workspace {
            None => sql.push(platform),
            Some(name) => {
                values.push(key(name).into_owned());
                sql.push(format!("({platform} AND workspace = ${})", first + values.len() - 1));
            }
        }
    }
    Condition { sql: sql.join(" OR "), values }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_begins_with_its_platform_and_workspace() {
        for platform in Platform::ALL {
            let workspace = "it's \"ö\" \\ %_".to_owned();
            let conversation =
                Conversation { platform, workspace, channel: "C".into(), thread: None };
            let text = serde_json::to_string(&conversation).unwrap();
            let workspace = Some(conversation.workspace.clone());
            assert!(text.starts_with(&Served { platform, workspace }.start()), "{text}");
            assert!(text.starts_with(&Served { platform, workspace: None }.start()), "{text}");
        }
    }
}
