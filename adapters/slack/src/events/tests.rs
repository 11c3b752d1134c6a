use serde_json::json;

use super::*;

fn me() -> Myself {
    Myself { team: "T1".into(), user: "UBOT".into() }
}

fn callback(event: &Value) -> Value {
    json!({
        "type": "event_callback", "team_id": "T1", "api_app_id": "A1", "event_id": "Ev1",
        "event_time": 1_700_000_000, "event": event
    })
}

fn message(more: &Value) -> Value {
    let mut event = json!({
        "type": "message", "channel": "C1", "channel_type": "channel", "user": "U1", "team": "T1",
        "text": "<@UBOT> status", "ts": "1700000000.000100", "event_ts": "1700000000.000100"
    });
    for (name, value) in more.as_object().unwrap() {
        event[name] = value.clone();
    }
    callback(&event)
}

fn ignored(payload: &Value) -> Ignored {
    event(payload, &me()).unwrap_err()
}

#[test]
fn a_mention_is_one_event_however_often_slack_sends_it() {
    let heard = event(&message(&json!({})), &me()).unwrap();
    assert_eq!((heard.text.as_str(), heard.origin), ("status", Origin::Addressed));
    assert_eq!(heard.from.to_string(), "slack:T1:U1");
    assert_eq!(heard.conversation.thread.as_deref(), Some("1700000000.000100"));
    assert_eq!(heard.message.conversation.thread, None);
    assert_eq!(heard.at.timestamp_micros(), 1_700_000_000_000_100);
    let mention = message(&json!({"type": "app_mention"}));
    assert_eq!(event(&mention, &me()).unwrap(), heard);
}

#[test]
fn alone_with_the_bot_everything_is_for_it() {
    let direct = json!({"channel": "D1", "channel_type": "im", "text": "status"});
    let heard = event(&message(&direct), &me()).unwrap();
    assert_eq!((heard.origin, heard.conversation.thread), (Origin::Addressed, None));
}

#[test]
fn in_a_thread_one_is_overheard_and_answered_there() {
    let reply = json!({"text": "and memory?", "thread_ts": "1690000000.000200"});
    let heard = event(&message(&reply), &me()).unwrap();
    assert_eq!(heard.origin, Origin::Overheard);
    assert_eq!(heard.conversation.thread.as_deref(), Some("1690000000.000200"));
    assert_eq!(heard.message.conversation, heard.conversation);
}

#[test]
fn an_edit_says_so_and_an_unfolded_link_says_nothing() {
    let now = |edited: Value| {
        let mut now = json!({
            "type": "message", "user": "U1", "team": "T1", "text": "<@UBOT> approve K7",
            "ts": "1700000000.000100"
        });
        if edited.is_object() {
            now["edited"] = edited;
        }
        message(&json!({"subtype": "message_changed", "hidden": true, "message": now}))
    };
    let edit = now(json!({"user": "U1", "ts": "1700000009.000000"}));
    let heard = event(&edit, &me()).unwrap();
    assert!(heard.edited);
    assert_eq!(heard.id, "edited:C1:1700000000.000100:1700000009.000000");
    assert_eq!(heard.message.message, "1700000000.000100");
    assert_eq!(ignored(&now(Value::Null)), Ignored::NoWords);
}

#[test]
fn the_bot_other_bots_and_other_workspaces_are_not_heard() {
    for (more, why) in [
        (json!({"user": "UBOT"}), Ignored::Own),
        (json!({"bot_id": "B1"}), Ignored::Bot),
        (json!({"user": null, "subtype": "bot_message", "bot_id": "B1"}), Ignored::Bot),
        (json!({"user_team": "T2", "source_team": "T2"}), Ignored::ForeignWorkspace),
        (json!({"team": "T2"}), Ignored::ForeignWorkspace),
        (json!({"subtype": "channel_join"}), Ignored::NoWords),
        (json!({"subtype": "message_deleted", "deleted_ts": "1.0"}), Ignored::NoWords),
        (json!({"text": "lunch?"}), Ignored::NotForTheBot),
        (json!({"text": "ask <@UBOT2>"}), Ignored::NotForTheBot),
        (json!({"text": " ", "thread_ts": "1.0"}), Ignored::NoWords),
        (json!({"type": "reaction_added"}), Ignored::OtherKind),
        (json!({"ts": "yesterday"}), Ignored::OtherKind),
    ] {
        assert_eq!(ignored(&message(&more)), why, "{more}");
    }
    let mut elsewhere = message(&json!({}));
    elsewhere["team_id"] = json!("T2");
    assert_eq!(ignored(&elsewhere), Ignored::ForeignWorkspace);
    assert_eq!(ignored(&json!({"type": "event_callback"})), Ignored::OtherKind);
}

#[test]
fn a_slash_command_is_what_follows_it() {
    let form = json!({
        "team_id": "T1", "channel_id": "C1", "user_id": "U1", "user_name": "ana", "command": "/ops",
        "text": "cpu web-1", "trigger_id": "13.37.abc", "response_url": "https://hooks.example/x"
    });
    let now = DateTime::UNIX_EPOCH;
    let heard = command(&form, &me(), now).unwrap();
    assert_eq!((heard.text.as_str(), heard.origin), ("cpu web-1", Origin::Command));
    assert_eq!((heard.display_name.as_str(), heard.id.as_str()), ("ana", "command:13.37.abc"));
    let mut foreign = form;
    foreign["team_id"] = json!("T2");
    assert_eq!(command(&foreign, &me(), now).unwrap_err(), Ignored::ForeignWorkspace);
}

fn press(more: &Value) -> Value {
    let mut payload = json!({
        "type": "block_actions", "team": {"id": "T1"}, "user": {"id": "U1", "username": "ana", "team_id": "T1"},
        "container": {"type": "message", "message_ts": "1700000000.000300", "channel_id": "C1"},
        "channel": {"id": "C1"}, "message": {"ts": "1700000000.000300"},
        "actions": [{"type": "button", "action_id": "command-0", "value": "ack 7", "action_ts": "1700000050.000000"}]
    });
    for (name, value) in more.as_object().unwrap() {
        payload[name] = value.clone();
    }
    payload
}

fn said(more: &Value) -> Inbound {
    match pressed(&press(more), &me()).unwrap() {
        Pressed::Said(inbound) => inbound,
        Pressed::Asks(question) => panic!("{question:?}"),
    }
}

#[test]
fn a_pressed_button_says_its_command_in_the_thread_of_its_message() {
    let heard = said(&json!({}));
    assert_eq!((heard.text.as_str(), heard.origin), ("ack 7", Origin::Button));
    assert_eq!(heard.conversation.thread.as_deref(), Some("1700000000.000300"));
    assert_eq!(heard.message.conversation.thread, None);
    // Delivered again it is the same; pressed again it is another.
    assert_eq!(said(&json!({})).id, heard.id);
    let option = json!([{"type": "static_select", "action_id": "silence", "action_ts": "1700000060.000000",
        "selected_option": {"value": "silence incident 7 2h"}}]);
    let chosen = said(&json!({"actions": option}));
    assert_eq!(chosen.text, "silence incident 7 2h");
    assert_ne!(chosen.id, heard.id);
}

#[test]
fn a_button_pressed_by_somebody_of_another_workspace_does_nothing() {
    let foreign = json!({"user": {"id": "U9", "team_id": "T2"}});
    assert_eq!(pressed(&press(&foreign), &me()).unwrap_err(), Ignored::ForeignWorkspace);
    assert_eq!(pressed(&press(&json!({"actions": []})), &me()).unwrap_err(), Ignored::OtherKind);
}

#[test]
fn a_button_that_asks_says_its_command_with_the_answer() {
    let reject = json!({"trigger_id": "t1", "actions": [{"type": "button", "action_id": "ask-1",
        "action_ts": "1700000060.000000", "value": "reject 7F3K\nWhy?"}]});
    let Ok(Pressed::Asks(question)) = pressed(&press(&reject), &me()) else { panic!() };
    assert_eq!((question.trigger.as_str(), question.text.as_str()), ("t1", "Why?"));
    let about = serde_json::to_string(&question.about).unwrap();
    let submission = |user: Value| {
        json!({"type": "view_submission", "team": {"id": "T1"}, "user": user,
        "view": {"id": "V1", "private_metadata": about,
            "state": {"values": {"b": {"a": {"type": "plain_text_input", "value": "not\n now"}}}}}})
    };
    let now = DateTime::UNIX_EPOCH;
    let ours = json!({"id": "U1", "team_id": "T1", "username": "ana"});
    let heard = submitted(&submission(ours), &me(), now).unwrap();
    assert_eq!((heard.text.as_str(), heard.id.as_str()), ("reject 7F3K not now", "answered:V1"));
    assert_eq!(heard.conversation, said(&json!({})).conversation);
    let foreign = submitted(&submission(json!({"id": "U9", "team_id": "T2"})), &me(), now);
    assert_eq!(foreign.unwrap_err(), Ignored::ForeignWorkspace);
}

#[test]
fn opening_the_tab_asks_what_is_open() {
    let opened = |tab: &str| {
        callback(&json!({"type": "app_home_opened", "user": "U1", "channel": "D1", "tab": tab,
            "event_ts": "1700000000.000100"}))
    };
    let heard = home(&opened("home"), &me()).unwrap();
    assert_eq!(
        (heard.text.as_str(), heard.conversation.channel.as_str()),
        ("open incidents", "home:U1")
    );
    assert_eq!(home(&opened("messages"), &me()).unwrap_err(), Ignored::OtherKind);
}
