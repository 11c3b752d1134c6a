use serde_json::json;

use super::*;

fn me() -> Myself {
    Myself { server: "example.org".into(), user: "@ops:example.org".into(), name: None }
}

fn around(proof: &Proof) -> Around<'_> {
    Around {
        room: "!r:example.org",
        is_direct: false,
        name: Some("Ana"),
        proof,
        is_encrypted: true,
        trusts_server: false,
    }
}

fn said_with(content: &Value) -> Value {
    json!({"type": "m.room.message", "event_id": "$1", "sender": "@ana:example.org",
        "origin_server_ts": 1_700_000_000_000_i64, "content": content})
}

fn text(body: &str) -> Value {
    said_with(&json!({"msgtype": "m.text", "body": body}))
}

fn signed() -> Proof {
    Proof::CrossSigned("PHONE".into())
}

fn inbound(event: &Value, around: &Around<'_>) -> Inbound {
    match heard(event, around, &me()) {
        Ok(Heard::Said(inbound)) => inbound,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_question_in_a_room_is_answered_in_its_thread_and_alone_beside_it() {
    let proof = signed();
    let asked = inbound(&text("@ops:example.org cpu"), &around(&proof));
    assert_eq!((&*asked.text, asked.origin), ("cpu", Origin::Addressed));
    assert_eq!(asked.conversation.thread.as_deref(), Some("$1"));
    assert_eq!(asked.message.conversation.thread, None);
    assert_eq!(asked.from.to_string(), "matrix:example.org:@ana:example.org");
    let alone = inbound(&text("cpu"), &Around { is_direct: true, ..around(&proof) });
    assert_eq!((alone.conversation.thread, alone.origin), (None, Origin::Addressed));
    // Others see what was asked: it is no secret command.
    assert_eq!(inbound(&text("!ops ack 7"), &around(&proof)).origin, Origin::Addressed);
}

#[test]
fn people_among_themselves_are_left_alone_but_in_threads() {
    let proof = signed();
    assert_eq!(heard(&text("lunch?"), &around(&proof), &me()), Err(Ignored::NotForTheBot));
    let mut event = text("and memory?");
    event["content"]["m.relates_to"] = json!({"rel_type": "m.thread", "event_id": "$0"});
    let overheard = inbound(&event, &around(&proof));
    assert_eq!(overheard.origin, Origin::Overheard);
    assert_eq!(overheard.conversation.thread.as_deref(), Some("$0"));
}

#[test]
fn only_a_signed_device_proves_who_it_is() {
    let assured = |around: &Around<'_>| inbound(&text("!ops approve 7F3K"), around).assurance;
    let (signed, clear) = (signed(), Proof::Clear);
    let other = Proof::Unproven("its owner has a new identity".into());
    assert_eq!(assured(&around(&signed)), Assurance::Authenticated);
    assert_eq!(assured(&around(&other)), Assurance::Unproven);
    assert_eq!(assured(&Around { trusts_server: true, ..around(&other) }), Assurance::Unproven);
    // In clear where everything should be encrypted: whatever the setting.
    assert_eq!(assured(&Around { trusts_server: true, ..around(&clear) }), Assurance::Unproven);
    let open = Around { is_encrypted: false, ..around(&clear) };
    assert_eq!(assured(&open), Assurance::Unproven);
    assert_eq!(assured(&Around { trusts_server: true, ..open }), Assurance::Authenticated);
}

#[test]
fn a_sign_is_never_sure_where_the_room_is_encrypted() {
    let event = json!({"type": "m.reaction", "event_id": "$2", "sender": "@ana:example.org",
        "origin_server_ts": 1, "content": {"m.relates_to":
            {"rel_type": "m.annotation", "event_id": "$1", "key": "✅\u{fe0f}"}}});
    let (clear, me) = (Proof::Clear, me());
    let around = Around { trusts_server: true, ..around(&clear) };
    let wanted = Heard::Reacted { message: "$1".into(), sign: "✅".into() };
    assert_eq!(heard(&event, &around, &me), Ok(wanted));
    let of = |around: &Around<'_>| {
        reacted(&event, around, &me, ("$1", None), "approve 7".into()).unwrap()
    };
    assert_eq!(of(&around).assurance, Assurance::Unproven);
    let pressed = of(&Around { is_encrypted: false, ..around });
    assert_eq!((pressed.assurance, pressed.origin), (Assurance::Authenticated, Origin::Button));
    assert_eq!(pressed.conversation.thread.as_deref(), Some("$1"));
}

#[test]
fn what_is_edited_says_so_and_what_cannot_be_read_says_nothing() {
    let proof = signed();
    let edit = said_with(&json!({"msgtype": "m.text", "body": "* !ops approve 7",
        "m.new_content": {"msgtype": "m.text", "body": "!ops approve 7"},
        "m.relates_to": {"rel_type": "m.replace", "event_id": "$0"}}));
    let Ok(Heard::Edited { now, message }) = heard(&edit, &around(&proof), &me()) else { panic!() };
    assert_eq!((now.edited, &*now.text, &*message), (true, "approve 7", "$0"));
    let proof = Proof::Unreadable("no key".into());
    assert_eq!(heard(&text("!ops x"), &around(&proof), &me()), Err(Ignored::Unreadable));
}

#[test]
fn bots_and_what_has_no_words_are_left_alone() {
    let proof = signed();
    let of = |event: &Value| heard(event, &around(&proof), &me());
    let notice = said_with(&json!({"msgtype": "m.notice", "body": "!ops approve 7"}));
    assert_eq!(of(&notice), Err(Ignored::Bot));
    let picture = said_with(&json!({"msgtype": "m.image", "body": "!ops approve 7"}));
    assert_eq!(of(&picture), Err(Ignored::NoWords));
    let mut own = text("!ops approve 7");
    own["sender"] = json!("@ops:example.org");
    assert_eq!(of(&own), Err(Ignored::Own));
    let mut member = text("x");
    member["type"] = json!("m.room.member");
    assert_eq!(of(&member), Err(Ignored::OtherKind));
}

/// The homeserver looks at no relation inside an encrypted message, and would be asked for what it names.
#[test]
fn what_is_no_id_of_an_event_is_not_asked_for() {
    let proof = signed();
    for id in [format!("${}", "/".repeat(22_000)), "$\n".into(), "$ä".into(), "1".into()] {
        let new = json!({"msgtype": "m.text", "body": "!ops cpu"});
        let relation = |kind| json!({"rel_type": kind, "event_id": id});
        let edit =
            said_with(&json!({"msgtype": "m.text", "body": "* !ops cpu", "m.new_content": new,
            "m.relates_to": relation("m.replace")}));
        let Ok(Heard::Edited { message, .. }) = heard(&edit, &around(&proof), &me()) else {
            panic!("{id}")
        };
        assert_eq!(message, "$1");
        let mut said = text("!ops cpu");
        said["content"]["m.relates_to"] = relation("m.thread");
        assert_eq!(inbound(&said, &around(&proof)).conversation.thread.as_deref(), Some("$1"));
        let sign = json!({"type": "m.reaction", "event_id": "$2", "sender": "@ana:example.org",
            "origin_server_ts": 1, "content": {"m.relates_to":
                {"rel_type": "m.annotation", "event_id": id, "key": "✅"}}});
        assert_eq!(heard(&sign, &around(&proof), &me()), Err(Ignored::OtherKind));
    }
}
