//! Who is answered, where, and who sees it.

use serde_json::{Value, json};

use super::connected;
use crate::support::{peers, slack::Workspace};

fn fleet_settings(server: &str) -> String {
    format!("[metrics.prometheus]\nurl = \"{server}\"\ntimeout = \"10s\"\n")
}

/// Everything that a message shows, as one text.
fn shown(message: &Value) -> String {
    message.to_string()
}

#[test]
fn a_question_in_a_channel_is_answered_in_its_thread_with_a_picture() {
    let Some(workspace) = Workspace::new() else { return };
    for server in peers::fleets().into_iter().take(1) {
        let serving = connected(&workspace, &fleet_settings(&server));
        let asked = workspace.says("U1", "C1", "<@UBOT> cpu of web-1 over the last 6h as a chart");
        let state = workspace.wait("messages=1&channel=C1");
        let answer = &workspace.said("C1")[0];
        assert_eq!(answer["thread_ts"], json!(asked), "{answer:#}");
        assert!(shown(answer).contains("web-1"), "{answer:#}");
        assert_eq!((&answer["unfurl_links"], &answer["link_names"]), (&json!(false), &json!(false)));
        let files = state["files"].as_object().unwrap();
        assert_eq!(files.len(), 1, "{state:#}");
        let file = files.values().next().unwrap();
        assert!(file["alt_txt"].as_str().unwrap().contains("web-1"), "{file:#}");
        assert_eq!(state["rejected"], json!([]));
        assert_eq!(state["unacked"], json!([]));
        assert_eq!(serving.stop(), 0);
    }
}

#[test]
fn a_slash_command_is_answered_also_where_the_bot_is_no_member() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    for channel in ["C1", "C9"] {
        let said = json!({"channel": channel, "user": "U1", "command": "/ops", "text": "help"});
        workspace.tell("command", &said);
        workspace.wait(&format!("messages=1&channel={channel}"));
    }
    assert_eq!(serving.stop(), 0);
}

#[test]
fn what_somebody_may_not_do_is_said_to_them_alone() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    workspace.says("U2", "C1", "<@UBOT> grant admin <@U2>");
    let state = workspace.wait("ephemerals=1");
    assert!(shown(&state["ephemerals"][0]).contains("Admin"), "{state:#}");
    assert!(workspace.said("C1").is_empty());
    // A stranger gets a code to show to an Admin, and nobody else sees it.
    workspace.says("U3", "C1", "<@UBOT> status");
    workspace.wait("ephemerals=2");
    assert!(workspace.said("C1").is_empty());
    // Alone with the bot there is nobody to hide it from.
    workspace.says("U3", "D1", "status");
    workspace.wait("messages=1&channel=D1");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn the_tab_of_the_app_shows_what_is_open() {
    let Some(workspace) = Workspace::new() else { return };
    let serving = connected(&workspace, "");
    workspace.tell("home", &json!({"user": "U1"}));
    let state = workspace.wait("home=U1");
    assert_eq!(state["home"]["U1"]["type"], "home", "{state:#}");
    assert_eq!(state["rejected"], json!([]));
    assert_eq!(serving.stop(), 0);
}
