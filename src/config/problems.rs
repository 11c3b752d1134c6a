//! What is wrong with a configuration, in a sentence that people can act on.

use std::collections::BTreeSet;

use figment::error::Kind;

use super::{ConfigError, secrets};

/// Says where a text is not TOML, without the line itself, which may hold a secret.
pub(super) fn well_formed(text: &str, place: &str) -> Result<(), ConfigError> {
    let Err(error) = text.parse::<toml::Table>() else { return Ok(()) };
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let words: Vec<_> = error.message().lines().collect();
    let words = words.join(": ");
    Err(ConfigError::Invalid(format!("{place}, at line {line}, column {column}: {words}")))
}

/// One sentence for one problem: which key, what is wrong, and the nearest key that exists.
pub(super) fn explain(error: &figment::Error) -> ConfigError {
    let path = error.path.join(".");
    let text = match &error.kind {
        Kind::UnknownField(field, known) => {
            let known: BTreeSet<&str> = known.iter().copied().collect();
            let nearest = known
                .iter()
                .map(|key| (strsim::damerau_levenshtein(field, key), *key))
                .min()
                .filter(|(distance, key)| *distance <= key.len().div_ceil(2))
                .map_or_else(
                    || {
                        format!(
                            "known here: {}",
                            known.iter().copied().collect::<Vec<_>>().join(", ")
                        )
                    },
                    |(_, key)| format!("did you mean `{key}`?"),
                );
            // The path may end with the unknown key, or with the table it is in.
            let known_path = path.strip_suffix(field.as_str()).unwrap_or(&path);
            format!("unknown key `{}`: {nearest}", join(known_path.trim_end_matches('.'), field))
        }
        Kind::UnknownVariant(word, known) => {
            format!("`{path}` is `{word}`, but it must be one of {}", known.join(", "))
        }
        Kind::MissingField(field) => format!("`{}` is missing", join(&path, field)),
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected)
            if secrets::may_hold_one(&path) =>
        {
            format!("`{path}` must be {expected}, in quotes where it is text")
        }
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            format!(
                "`{path}` is {}, but it must be {}",
                plain(&actual.to_string()),
                plain(expected)
            )
        }
        Kind::Message(message) if path.is_empty() => message.clone(),
        Kind::Message(message) if message.contains("socket address") => {
            format!("`{path}` is not an address and a port: write for example 127.0.0.1:8080")
        }
        Kind::Message(message) => format!("`{path}`: {message}"),
        _ if path.is_empty() => error.to_string(),
        _ => format!("`{path}`: {error}"),
    };
    ConfigError::Invalid(text.trim().replace('\n', " "))
}

/// The parser's words for kinds of values, as people know them.
fn plain(text: &str) -> String {
    let mut text = text.to_owned();
    for (theirs, ours) in [
        ("unsigned int ", "the number "),
        ("signed int ", "the number "),
        ("float ", "the number "),
        ("bool ", "the value "),
        ("string \"", "the text \""),
        ("a string", "text in quotes"),
        ("a boolean", "true or false"),
        ("sequence", "a list"),
        ("map", "a table"),
    ] {
        if let Some(rest) = text.strip_prefix(theirs) {
            text = format!("{ours}{rest}");
            break;
        }
    }
    text
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}
