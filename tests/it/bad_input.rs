//! Whatever is said, the answer is one clear sentence and the process lives.

use std::io::Write;

use crate::support::bot::{Smartcloudops, json};

/// Asks through standard input, since a command line cannot carry everything.
fn say(bot: &Smartcloudops, bytes: &[u8]) -> (serde_json::Value, Option<i32>) {
    let mut child =
        bot.command(&["ask", "--json", "-"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // The program may have read enough before we wrote all.
    let _ = stdin.write_all(bytes);
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    (json(&output), output.status.code())
}

#[test]
fn hostile_text_is_not_understood_and_nothing_else() {
    let bot = Smartcloudops::here();
    let emoji = "🔥".repeat(40_000);
    let huge = "cpu ".repeat(2_500_000);
    for text in [
        emoji.as_bytes(),
        huge.as_bytes(),
        b"\xff\xfe\x00\x80 xyzzy",
        b"\x00\x00\x00",
        "\u{202e}\u{200b}\u{feff}".as_bytes(),
        "e\u{301}\u{301}\u{301}\u{301}".as_bytes(),
        b"",
        b"[[[[{{{{((((",
    ] {
        let (printed, code) = say(&bot, text);
        assert_eq!(printed["intent"]["name"], "unknown", "{printed:#}");
        assert_eq!(code, Some(0));
        let shown = printed["answer"]["text"].as_str().unwrap();
        assert!(shown.len() < 2_000, "{}", shown.len());
    }
}

#[test]
fn a_host_with_characters_nobody_sees_is_no_host() {
    let Some(server) = crate::support::peers::fleet() else { return };
    let bot = Smartcloudops::asking(&server);
    for host in ["web\u{200b}-1", "wеb-1", "web-1\u{202e}", "web\u{ad}-1"] {
        let (printed, code) = say(&bot, format!("metric cpu host={host}").as_bytes());
        assert_eq!(code, Some(3), "{printed:#}");
        assert_eq!(printed["refusal"]["kind"], "unknown_host", "{printed:#}");
        let message = printed["refusal"]["message"].as_str().unwrap();
        assert!(
            !message.chars().any(|c| ['\u{200b}', '\u{202e}', '\u{ad}'].contains(&c)),
            "{message:?}"
        );
    }
    let (printed, _) = say(&bot, "restart nginx on wеb-1".as_bytes());
    assert_eq!(printed["refusal"]["kind"], "unknown_host", "{printed:#}");
}

#[test]
fn only_a_plain_imperative_acts() {
    let bot = Smartcloudops::here();
    let host = whoami::hostname().unwrap();
    for text in [
        format!("don't restart nginx on {host}"),
        format!("should we reboot {host}?"),
        format!("what happens if I reboot {host}"),
        format!("bob said reboot {host}"),
        format!("> reboot {host}"),
        format!("```\nreboot {host}\n```"),
        format!("\"reboot {host}\""),
        format!("if cpu is high reboot {host}"),
        "I already approved 7F3K".to_owned(),
        "do not approve 7F3K".to_owned(),
    ] {
        let (printed, _) = say(&bot, text.as_bytes());
        let name = printed["intent"]["name"].as_str().unwrap();
        assert!(
            !["remediate", "approve", "reject", "grant", "revoke"].contains(&name),
            "{text}: {printed:#}"
        );
    }
    let (printed, _) = say(&bot, format!("reboot {host}").as_bytes());
    assert_eq!(printed["intent"]["name"], "remediate", "{printed:#}");
}
