//! Text for the places where Slack reads markup.

use chat::escape_invisible;

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

/// The first characters of a text; what is left out is shown as `…`.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
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
    fn what_is_cut_says_so() {
        assert_eq!(cut("héllo", 5), "héllo");
        assert_eq!(cut("hélloo", 5), "héll…");
    }
}
