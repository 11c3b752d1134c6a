//! Text for the places where Matrix reads HTML, and out of them. Pure.

use chat::{escape_invisible, tidy};
use serde_json::Value;

use crate::events::Myself;

/// How a command begins in a room.
pub const COMMAND: &str = "!ops";

/// With what an address may begin besides `//` ones: what Element makes links of.
const SCHEMES: [&str; 20] = [
    "bitcoin:",
    "geo:",
    "im:",
    "irc:",
    "ircs:",
    "magnet:",
    "mailto:",
    "matrix:",
    "mms:",
    "news:",
    "nntp:",
    "openpgp4fpr:",
    "sip:",
    "sms:",
    "smsto:",
    "ssh:",
    "tel:",
    "urn:",
    "webcal:",
    "xmpp:",
];

/// The text as HTML that shows it as it is, and links to nowhere. Clients make links of what looks like the name of
/// a machine, a room or a person, but not in letters of one width; there it can still be copied.
pub(crate) fn escaped(text: &str) -> String {
    let plain = plain(text);
    let words = plain.split_inclusive(char::is_whitespace).map(|piece| {
        let word = piece.trim_end();
        let space = piece[word.len()..].replace('\n', "<br>");
        if may_become_link(word) {
            format!("<code>{}</code>{space}", html(word))
        } else {
            html(word) + &space
        }
    });
    words.collect()
}

fn may_become_link(word: &str) -> bool {
    let begins = |after: &str| after.starts_with(char::is_alphabetic);
    let is_named = |(at, _): (usize, &str)| {
        word[..at].ends_with(char::is_alphanumeric) && begins(&word[at + 1..])
    };
    let sigil = word.find(['@', '#', '+', '!']);
    word.match_indices('.').any(is_named)
        || sigil.is_some_and(|at| word[at..].contains(':'))
        || SCHEMES.iter().any(|scheme| word.to_ascii_lowercase().contains(scheme))
}

/// The same in letters of one width, to be copied: addresses stay as they are.
pub(crate) fn code(text: &str) -> String {
    html(&escape_invisible(text))
}

/// The text as it stands where nothing reads HTML. Clients make links of addresses, and the address of somebody or
/// of a room is a link too.
pub(crate) fn plain(text: &str) -> String {
    escape_invisible(text).replace("://", "[:]//").replace("matrix.to/", "matrix[.]to/")
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// What somebody said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mentions {
    /// It begins as a command does.
    pub(crate) is_command: bool,
    /// The bot is mentioned.
    pub(crate) is_mentioned: bool,
    /// The words, without the mention and without what is quoted from the message that they answer.
    pub(crate) text: String,
}

/// The words of a message (<https://spec.matrix.org/latest/client-server-api/#user-and-room-mentions>).
pub(crate) fn words(content: &Value, me: &Myself) -> Mentions {
    let body = content["body"].as_str().unwrap_or_default();
    let is_reply = content["m.relates_to"]["m.in_reply_to"].is_object();
    let body = if is_reply { without_fallback(body) } else { body };
    let page = content["formatted_body"].as_str().unwrap_or_default();
    // Of an older client, which repeats the message that is answered.
    let page = page.split_once("</mx-reply>").map_or(page, |(_, page)| page);
    let mentions = &content["m.mentions"];
    let is_mentioned = if mentions.is_object() {
        let users = mentions["user_ids"].as_array();
        users.is_some_and(|users| users.iter().any(|user| user == me.user.as_str()))
    } else {
        body.contains(&me.user) || page.contains(&format!("matrix.to/#/{}", me.user))
    };
    let mut text = body.to_owned();
    // A client may mention whom a command answers, without a word of it.
    if is_mentioned && body.split_whitespace().next() != Some(COMMAND) {
        text = without_mention(&text, page, me);
    }
    for (user, name) in pills(page).filter(|(user, _)| *user != me.user) {
        text = named(&text, &name, &user);
    }
    let text = tidy(&text);
    match text.split_once(char::is_whitespace).unwrap_or((&text, "")) {
        (COMMAND, rest) => Mentions { is_command: true, is_mentioned, text: rest.to_owned() },
        _ => Mentions { is_command: false, is_mentioned, text },
    }
}

/// Older clients begin an answer with lines of the message that is answered, each after `> `, and an empty line
/// (<https://spec.matrix.org/v1.12/client-server-api/#fallbacks-for-rich-replies>).
fn without_fallback(body: &str) -> &str {
    let mut rest = body;
    while rest.starts_with("> ") || rest == ">" {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
    if rest.len() < body.len() { rest.strip_prefix('\n').unwrap_or(rest) } else { body }
}

/// What is left without the mention of the bot, which stands in the text as clients show it: as a Markdown link, as
/// the id, or as the name.
fn without_mention(text: &str, page: &str, me: &Myself) -> String {
    let pill = pills(page).find(|(user, _)| *user == me.user).map(|(_, name)| name);
    let localpart = me.user.trim_start_matches('@').split(':').next().unwrap_or_default();
    let names = || pill.iter().map(String::as_str).chain(me.name.as_deref()).chain([localpart]);
    let links = names().map(|name| format!("[{name}](https://matrix.to/#/{})", me.user));
    let anywhere: Vec<_> = links.chain([me.user.clone()]).chain(pill.clone()).collect();
    if let Some(rest) = anywhere.iter().find_map(|form| without(text, form)) {
        return rest;
    }
    // Without a pill a name may be anything, such as that of a host, but for the first word.
    for name in names() {
        let begins = text.strip_prefix('@').unwrap_or(text).starts_with(name);
        if let Some(rest) = without(text, name).filter(|_| begins) {
            return rest
                .strip_prefix('@')
                .unwrap_or(&rest)
                .trim_start_matches([':', ','])
                .to_owned();
        }
    }
    text.to_owned()
}

/// The text without the first place where this stands as a word of its own, and without the colon after it.
fn without(text: &str, form: &str) -> Option<String> {
    let at = word(text, form)?;
    let (before, after) = (&text[..at], &text[at + form.len()..]);
    let after = if before.trim().is_empty() { after.trim_start_matches([':', ',']) } else { after };
    Some(format!("{before}{after}"))
}

/// The first place where this stands as a word of its own, or as words.
fn word(text: &str, form: &str) -> Option<usize> {
    if form.is_empty() {
        return None;
    }
    let is_of_word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let mut found = text.match_indices(form).map(|(at, _)| at);
    found.find(|at| {
        let before = text[..*at].chars().next_back();
        let after = text[at + form.len()..].chars().next();
        !before.is_some_and(is_of_word) && !after.is_some_and(is_of_word)
    })
}

/// The people whom a page mentions: their ids, and what stands in the text for them.
fn pills(page: &str) -> impl Iterator<Item = (String, String)> {
    page.split("matrix.to/#/").skip(1).filter_map(|link| {
        let (target, rest) = link.split_once(['"', '\''])?;
        let (name, _) = rest.split_once('>')?.1.split_once("</a>")?;
        let user = target.split('?').next()?.replace("%40", "@").replace("%3A", ":");
        user.starts_with('@').then(|| (user, unescaped(name)))
    })
}

/// The text with somebody's id in the place of how a client shows their mention.
fn named(text: &str, name: &str, user: &str) -> String {
    let link = format!("[{name}](https://matrix.to/#/{user})");
    if text.contains(&link) {
        return text.replacen(&link, user, 1);
    }
    if name.is_empty() || text.contains(user) {
        return text.to_owned();
    }
    match word(text, name) {
        Some(at) => format!("{}{user}{}", &text[..at], &text[at + name.len()..]),
        None => text.to_owned(),
    }
}

fn unescaped(html: &str) -> String {
    html.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn me() -> Myself {
        Myself {
            server: "example.org".into(),
            user: "@ops:example.org".into(),
            name: Some("Ops Bot".into()),
        }
    }

    fn mentioned(body: &str, page: &str) -> String {
        let said = words(
            &json!({"body": body, "formatted_body": page, "m.mentions": {"user_ids": ["@ops:example.org"]}}),
            &me(),
        );
        assert!(said.is_mentioned);
        said.text
    }

    #[test]
    fn mentions_of_every_client_are_left_out() {
        let pill = r#"<a href="https://matrix.to/#/@ops:example.org">Ops Bot</a>: cpu?"#;
        assert_eq!(mentioned("Ops Bot: cpu?", pill), "cpu?");
        assert_eq!(mentioned("@ops:example.org cpu?", ""), "cpu?");
        assert_eq!(mentioned("[Ops Bot](https://matrix.to/#/@ops:example.org) cpu?", ""), "cpu?");
        // An answer mentions whom it answers, and says nothing of it.
        assert_eq!(mentioned("silence ops 1h", ""), "silence ops 1h");
        assert_eq!(mentioned("!ops ack 7", ""), "ack 7");
        assert_eq!(mentioned("@Ops Bot, cpu\nof web-1", ""), "cpu\nof web-1");
    }

    #[test]
    fn mentions_of_others_are_their_accounts() {
        let page = r#"<a href="https://matrix.to/#/@ops:example.org">Ops Bot</a>: grant viewer
            <a href='https://matrix.to/#/%40ben%3Aexample.org?via=example.org'>Ben &amp; Co</a>"#;
        let wanted = "grant viewer @ben:example.org";
        assert_eq!(mentioned("Ops Bot: grant viewer Ben & Co", page), wanted);
        let link = "Ops Bot: grant viewer [Ben & Co](https://matrix.to/#/@ben:example.org)";
        assert_eq!(mentioned(link, page), wanted);
    }

    #[test]
    fn a_name_that_is_a_part_of_a_command_changes_no_command() {
        let page = r#"<a href="https://matrix.to/#/@ops:example.org">Ops Bot</a>: grant viewer
            <a href="https://matrix.to/#/@eve:example.org">view</a>"#;
        assert_eq!(mentioned("Ops Bot: grant viewer view", page), "grant viewer @eve:example.org");
    }

    #[test]
    fn who_only_speaks_of_the_bot_does_not_speak_to_it() {
        let said = words(&json!({"body": "ops is slow today", "m.mentions": {}}), &me());
        assert_eq!((said.is_mentioned, said.is_command), (false, false));
        // Clients from before there was a list of who is mentioned.
        assert!(words(&json!({"body": "@ops:example.org: cpu"}), &me()).is_mentioned);
    }

    #[test]
    fn a_command_needs_no_mention() {
        let said = words(&json!({"body": "!ops  ack 7"}), &me());
        assert_eq!((said.is_command, &*said.text), (true, "ack 7"));
        assert!(!words(&json!({"body": "!opsack 7"}), &me()).is_command);
    }

    #[test]
    fn what_an_answer_repeats_is_not_said_by_it() {
        let content = json!({"body": "> <@eve:example.org> @ops:example.org approve 7\n> more\n\ncpu?",
            "m.relates_to": {"m.in_reply_to": {"event_id": "$1"}}});
        let said = words(&content, &me());
        assert_eq!((&*said.text, said.is_mentioned), ("cpu?", false));
        // Without an answer it is a quote, which the core knows by how it begins.
        assert_eq!(words(&json!({"body": "> approve 7"}), &me()).text, "> approve 7");
    }

    #[test]
    fn nothing_is_markup_or_a_link() {
        assert_eq!(
            escaped("<b>&amp;</b> \"x\" https://evil.example\nline"),
            "&lt;b&gt;&amp;amp;&lt;/b&gt; &quot;x&quot; <code>https[:]//evil.example</code><br>line"
        );
        for link in [
            "evil.example/x",
            "(a@evil.example)",
            "@eve:evil",
            "#room:x",
            "matrix:u/eve",
            "TEL:110",
        ] {
            assert_eq!(escaped(&format!("to {link}\n")), format!("to <code>{link}</code><br>"));
        }
        for text in ["42.5 %", "10.0.0.1:9100", "web-1:9100", "#7", "Done.", "at 14:02", "@ana"] {
            assert_eq!(escaped(text), text);
        }
        assert_eq!(plain("a\u{202e}b"), "a\\u{202e}b");
    }
}
