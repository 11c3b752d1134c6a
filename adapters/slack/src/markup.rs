//! Text for the places where Slack reads markup.

use chat::{Platform, UserRef, escape_invisible};

use crate::events::Myself;

/// The text as Slack shows it as it is: `&`, `<` and `>` are what its markup is made of
/// (<https://docs.slack.dev/messaging/formatting-message-text>), so neither a mention nor a link is left.
pub(crate) fn escaped(text: &str) -> String {
    let visible = escape_invisible(text);
    let mut out = String::with_capacity(visible.len());
    for c in visible.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

/// What somebody said, without Slack's markup: mentions of the bot are left out, those of others are
/// identities, and of links only what people see is left. Host names are links to Slack. Lines stay lines: what
/// quotes somebody is told by how it begins.
pub(crate) fn words(text: &str, me: &Myself) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        out.push_str(&rest[..start]);
        let inside = &rest[start + 1..];
        let Some(end) = inside.find('>') else {
            rest = &rest[start..];
            break;
        };
        out.push_str(&entity(&inside[..end], me));
        rest = &inside[end + 1..];
    }
    out.push_str(rest);
    // The ampersand last, so that nothing is unescaped twice.
    chat::tidy(&out.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}

/// What stands between `<` and `>`: <https://docs.slack.dev/messaging/formatting-message-text>.
fn entity(text: &str, me: &Myself) -> String {
    let (target, label) = match text.split_once('|') {
        Some((target, label)) => (target, Some(label)),
        None => (text, None),
    };
    if let Some(user) = target.strip_prefix('@') {
        if user == me.user {
            return " ".to_owned();
        }
        let (workspace, user) = (me.team.clone(), user.to_owned());
        return UserRef { platform: Platform::Slack, workspace, user }.to_string();
    }
    let shown = label.filter(|label| !label.is_empty());
    let plain = target.trim_start_matches(['#', '!']).trim_start_matches("mailto:");
    shown.unwrap_or(plain).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_mention_and_no_link_is_left() {
        assert_eq!(
            escaped("<!channel> <@U1> <https://evil.example|ok> & a\u{202e}b"),
            "&lt;!channel&gt; &lt;@U1&gt; &lt;https://evil.example|ok&gt; &amp; a\\u{202e}b"
        );
    }

    #[test]
    fn what_people_said_is_read_without_markup() {
        let me = Myself { team: "T1".into(), user: "UBOT".into() };
        for (said, read) in [
            ("<@UBOT> what's current CPU?", "what's current CPU?"),
            ("hey <@UBOT|ops> status", "hey status"),
            ("grant viewer <@U2>", "grant viewer slack:T1:U2"),
            ("cpu of <http://db-1.example.com|db-1.example.com>", "cpu of db-1.example.com"),
            ("disk of <https://example.com/x>", "disk of https://example.com/x"),
            ("in <#C9|general> &amp; &lt;here&gt; <!here>", "in general & <here> here"),
            ("&amp;lt;", "&lt;"),
            ("a < b", "a < b"),
            ("<@UBOT>  approve  7F3K\n&gt; are you sure?", "approve 7F3K\n> are you sure?"),
        ] {
            assert_eq!(words(said, &me), read, "{said}");
        }
    }
}
