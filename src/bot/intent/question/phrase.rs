//! Whole phrases that mean one thing.

use super::super::{Intent, cues::has, imperative, lexicon::Word, tokens::Token};

/// Whole phrases that mean one thing.
pub(super) fn phrase(tokens: &[Token<'_>]) -> Option<Intent> {
    let (at, _) = imperative::start(tokens);
    let rest = &tokens[at.min(tokens.len())..];
    let Some(first) = rest.first() else {
        // Nothing but a greeting.
        let greets = tokens.iter().any(|token| matches!(token.text, "hi" | "hello" | "hey" | "yo"));
        return greets.then_some(Intent::Help {});
    };
    let text = first.text;
    if matches!(text, "whoami" | "who-am-i") || has(rest, &["who", "am", "i"]) {
        return Some(Intent::Whoami {});
    }
    let mine = ["role", "roles", "permissions", "permission", "rights", "access"];
    if rest.len() <= 10
        && (rest.windows(2).any(|pair| pair[0].text == "my" && mine.contains(&pair[1].text))
            || rest.windows(2).any(|pair| {
                matches!(pair[0].text, "what" | "which")
                    && mine.contains(&pair[1].text)
                    && has(rest, &["i"])
            })
            || has(rest, &["am", "i", "allowed"])
            || has(rest, &["may", "i", "do"])
            || has(rest, &["am", "i"])
                && rest
                    .iter()
                    .any(|token| matches!(token.text, "admin" | "operator" | "viewer" | "guest")))
    {
        return Some(Intent::Whoami {});
    }
    if rest.len() == 1 && first.word.is_none() && text.len() >= 4 && text.is_ascii() {
        for (word, intent) in [("help", Intent::Help {}), ("whoami", Intent::Whoami {})] {
            if text.len().abs_diff(word.len()) <= 1 && strsim::osa_distance(text, word) == 1 {
                return Some(intent);
            }
        }
    }
    let help = matches!(text, "help" | "?") && rest.len() <= 4
        || matches!(text, "help" | "commands" | "usage" | "manual" | "man" | "-h" | "--help")
            && rest.len() == 1
        || has(rest, &["what", "can", "you"])
            && rest.len() <= 8
            && !rest.iter().any(|token| matches!(token.text, "actions" | "run" | "runbooks"))
        || has(rest, &["what", "can", "i", "do"])
        || has(rest, &["what", "can", "i", "ask"])
        || has(rest, &["what", "can", "i", "say"])
        || has(rest, &["what", "do", "you", "do"])
        || has(rest, &["what", "you", "can", "do"])
        || has(rest, &["how", "does", "this", "work"])
        || has(rest, &["how", "do", "you", "work"])
        || has(rest, &["who", "are", "you"])
        || has(rest, &["what", "are", "you"]) && rest.len() == 3
        || has(rest, &["use", "you"])
        || has(rest, &["use", "this"])
        || has(rest, &["help", "me"]) && rest.len() <= 4
        || rest.len() <= 6 && rest.iter().any(|token| token.text == "commands")
        || rest.len() <= 4
            && rest.iter().any(|token| token.text == "help")
            && !has(rest, &["need", "to"])
        || text == "good"
            && rest.len() <= 3
            && rest
                .get(1)
                .is_some_and(|next| matches!(next.word, Some(Word::Day(_))) || next.text == "day");
    if help {
        return Some(Intent::Help {});
    }
    if text == "link" && rest.len() <= 5 {
        let code = rest[1..].iter().find(|token| {
            token.word.is_none()
                && token.text.len() >= 4
                && token.text.len() <= 12
                && token.text.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && !matches!(
                    token.text,
                    "account"
                        | "accounts"
                        | "code"
                        | "identity"
                        | "user"
                        | "slack"
                        | "discord"
                        | "matrix"
                )
        });
        let talk = rest[1..].iter().filter(|token| token.word.is_none()).count();
        if talk <= 2 {
            let confirmed = code.is_some() && rest.last().is_some_and(|token| token.text == "yes");
            let code = code.map(|token| token.raw.to_ascii_uppercase());
            return Some(Intent::Link { code, confirmed });
        }
    }
    None
}

/// "what would you have said?", "shadow report": how often people were told, or would have been.
pub(super) fn asks_what_was_told(tokens: &[Token<'_>]) -> bool {
    let tells = |text: &str| {
        matches!(
            text,
            "said" | "told" | "alerted" | "reported" | "raised" | "notified" | "paged" | "flagged"
        )
    };
    let words: Vec<&str> = tokens.iter().map(|token| token.text).collect();
    let would = words
        .windows(4)
        .any(|words| matches!(words, ["would", "you", "have", told] if tells(told)));
    let (at, _) = imperative::start(tokens);
    let rest = match words.get(at..).unwrap_or_default() {
        ["show" | "give", "me", rest @ ..] | ["show" | "summarize", rest @ ..] | rest => rest,
    };
    let report = |rest: &[&str]| matches!(rest, [] | ["report" | "summary" | "recap", ..]);
    let report = match rest.strip_prefix(&["the"]).unwrap_or(rest) {
        ["shadow", "mode", rest @ ..] | ["shadow", rest @ ..] => report(rest),
        ["report" | "summary" | "recap", "of", "shadow", ..] => true,
        _ => false,
    };
    tokens.len() <= 16 && (would || report)
}
