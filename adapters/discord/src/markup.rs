//! Text for the places where Discord reads Markdown.

use chat::{Platform, UserRef, cut, escape_invisible};

use crate::events::Myself;

/// The text as Discord shows it as it is (<https://docs.discord.com/developers/reference#message-formatting>): nothing
/// in it is a mention, a link, an emoji or an emphasis. A backslash before a sign makes it a plain sign.
pub(crate) fn escaped(text: &str) -> String {
    escaped_within(text, usize::MAX)
}

/// The same in at most so many characters; what is left out is shown as `…`.
pub(crate) fn escaped_within(text: &str, room: usize) -> String {
    let visible = escape_invisible(text);
    let (mut out, mut length) = (String::with_capacity(visible.len()), 0);
    let (mut begins, mut counts) = (true, false);
    for (at, c) in visible.char_indices() {
        let rest = &visible[at + c.len_utf8()..];
        // "1." at the beginning of a line is an item of a list, which Discord numbers itself.
        let sign = is_markup(c, rest, begins) || c == '.' && counts;
        let next = 1 + usize::from(sign);
        let is_last = at + c.len_utf8() == visible.len();
        // One is kept for what says that something is missing.
        if length + next + usize::from(!is_last) > room {
            out.push('…');
            return out;
        }
        if sign {
            out.push('\\');
        }
        out.push(c);
        length += next;
        counts = c.is_ascii_digit() && (begins || counts);
        begins = c == '\n' || begins && c.is_whitespace();
    }
    out
}

/// Whether a character means something before the rest of a text.
fn is_markup(c: char, rest: &str, begins: bool) -> bool {
    match c {
        '\\' | '*' | '_' | '~' | '`' | '|' | '<' | '[' | ']' => true,
        '#' | '-' | '+' | '>' => begins,
        '@' => rest.starts_with("everyone") || rest.starts_with("here"),
        // An address becomes a link, and a name between colons an emoji.
        ':' => rest.starts_with("//") || is_emoji(rest),
        // An invitation is shown as a card.
        '.' => rest.starts_with("gg/") || rest.starts_with("com/invite"),
        _ => false,
    }
}

fn is_emoji(rest: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-');
    let Some(end) = rest.find(|c| !is_name(c)).filter(|end| rest[*end..].starts_with(':')) else {
        return false;
    };
    // Two digits between colons are minutes.
    end > 2 || rest[..end].contains(|c: char| c.is_ascii_alphabetic())
}

/// Something to copy, in letters of one width, in at most so many characters. Three backticks would end it.
pub(crate) fn code_block(text: &str, room: usize) -> String {
    const FENCES: usize = 8;
    // Between two of them stands what nobody sees, so that there are never three in a row.
    let text = escape_invisible(text).replace('`', "`\u{200b}");
    format!("```\n{}\n```", cut(&text, room.saturating_sub(FENCES)))
}

/// What somebody said, without Discord's markup: mentions of the bot are left out, those of others are
/// identities. Lines stay lines: what quotes somebody is told by how it begins.
pub(crate) fn words(text: &str, me: &Myself) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        out.push_str(&rest[..start]);
        let inside = &rest[start + 1..];
        let Some(end) = inside.find(['<', '>']).filter(|end| inside[*end..].starts_with('>'))
        else {
            out.push('<');
            rest = inside;
            continue;
        };
        out.push_str(&entity(&inside[..end], me));
        rest = &inside[end + 1..];
    }
    out.push_str(rest);
    chat::tidy(&out)
}

/// What stands between `<` and `>`.
fn entity(text: &str, me: &Myself) -> String {
    if me.role.as_deref().is_some_and(|role| text.strip_prefix("@&") == Some(role)) {
        return " ".to_owned();
    }
    let user = text.strip_prefix('@').map(|user| user.trim_start_matches('!'));
    if let Some(user) = user.filter(|user| is_id(user)) {
        if user == me.user {
            return " ".to_owned();
        }
        let (workspace, user) = (me.guild.clone(), user.to_owned());
        return UserRef { platform: Platform::Discord, workspace, user }.to_string();
    }
    // An address that its writer did not want to be unfolded.
    if text.starts_with("http://") || text.starts_with("https://") {
        return text.to_owned();
    }
    // An emoji says nothing that the bot understands.
    let is_emoji = (text.starts_with(':') || text.starts_with("a:"))
        && text.rsplit(':').next().is_some_and(is_id);
    if is_emoji { " ".to_owned() } else { format!("<{text}>") }
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_mention_no_link_no_emoji_and_no_emphasis_is_left() {
        for (text, shown) in [
            (
                "@everyone <@1> **b** [x](https://evil.example)",
                "\\@everyone \\<@1> \\*\\*b\\*\\* \\[x\\](https\\://evil.example)",
            ),
            ("# t\n- db-1\n> q", "\\# t\n\\- db-1\n\\> q"),
            ("live 12:03:10 UTC, 41.7 % > 3", "live 12:03:10 UTC, 41.7 % > 3"),
            (":bomb: node_cpu", "\\:bomb: node\\_cpu"),
            ("a\u{202e}b", "a\\\\u{202e}b"),
            ("12. first\n0.5 s", "12\\. first\n0\\.5 s"),
            ("join discord.gg/x", "join discord\\.gg/x"),
        ] {
            assert_eq!(escaped(text), shown);
        }
    }

    #[test]
    fn what_is_cut_says_so_and_ends_with_no_half_of_a_sign() {
        assert_eq!(escaped_within("a**b", 4), "a\\*…");
        assert_eq!(escaped_within("a**b", 6), "a\\*\\*b");
        assert_eq!(code_block("abcdef", 12), "```\nabc…\n```");
        for text in ["```", "````[x](https://evil.example)", "``````\n# x", "a`"] {
            assert_eq!(code_block(text, 100).matches("```").count(), 2, "{text}");
        }
    }

    #[test]
    fn what_people_said_is_read_without_markup() {
        let me = Myself {
            user: "9".into(),
            application: "9".into(),
            guild: "7".into(),
            role: Some("8".into()),
        };
        for (said, read) in [
            ("<@9> what's current CPU?", "what's current CPU?"),
            ("hey <@!9> status", "hey status"),
            ("grant viewer <@2>", "grant viewer discord:7:2"),
            ("a < b and <b> <", "a < b and <b> <"),
            ("ok <:yes:123> <https://example.com/x>", "ok https://example.com/x"),
            ("<<@2>", "<discord:7:2"),
            ("<@&8> status", "status"),
            ("<@9>  approve   7F3K\n\n> are you  sure?", "approve 7F3K\n> are you sure?"),
        ] {
            assert_eq!(words(said, &me), read, "{said}");
        }
    }
}
