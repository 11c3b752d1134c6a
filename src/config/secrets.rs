//! Settings that nobody may see.

use std::collections::BTreeMap;

use figment::value::{Dict, Value};
use secrecy::{ExposeSecret, SecretString};
use serde::Serializer;

use super::ConfigError;

/// Keys that hold secrets. Each can also be given as `KEY_file`, the path of a file that holds it.
const SECRETS: [&str; 10] = [
    "store.url",
    "metrics.prometheus.bearer_token",
    "metrics.prometheus.password",
    "discord.token",
    "matrix.password",
    "matrix.token",
    "matrix.recovery_key",
    "slack.bot_token",
    "slack.app_token",
    "slack.signing_secret",
];

/// A table whose every value is a secret.
const SECRET_TABLE: &str = "metrics.prometheus.headers";

/// What stands for a secret where it is shown.
const MASK: &str = "********";

/// Serializes a secret for people's eyes: that it is set, never what it is.
pub fn masked<S: Serializer>(
    secret: &Option<SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let set = secret.as_ref().is_some_and(|secret| !secret.expose_secret().is_empty());
    serializer.serialize_str(if set { MASK } else { "" })
}

/// Serializes secrets by name for people's eyes.
pub fn masked_values<S: Serializer>(
    secrets: &BTreeMap<String, SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(secrets.keys().map(|name| (name, MASK)))
}

/// Puts every secret in its place, as text. A secret in the environment beats the file of one that
/// comes from elsewhere.
pub(super) fn resolve(dict: &mut Dict, environment: &Dict) -> Result<(), ConfigError> {
    for key in SECRETS {
        let Some((table, last)) = key.rsplit_once('.') else { continue };
        let file = format!("{last}_file");
        if let Some(set) = table_at(environment, table)
            && set.contains_key(last)
            && !set.contains_key(&file)
            && let Some(table) = table_at_mut(dict, table)
        {
            table.remove(&file);
        }
        read_secret_file(dict, key)?;
    }
    secrets_are_text(dict);
    Ok(())
}

/// A token or a tenant written as a number is meant as text.
fn secrets_are_text(dict: &mut Dict) {
    let paths = SECRETS.iter().chain(&[SECRET_TABLE]);
    for path in paths {
        let Some((table, last)) = path.rsplit_once('.') else { continue };
        match table_at_mut(dict, table).and_then(|table| table.get_mut(last)) {
            Some(Value::Dict(_, secrets)) => secrets.values_mut().for_each(as_text),
            Some(secret) => as_text(secret),
            None => {}
        }
    }
}

fn as_text(value: &mut Value) {
    let number =
        value.to_i128().map(|n| n.to_string()).or_else(|| value.to_u128().map(|n| n.to_string()));
    if let Some(text) = number {
        *value = Value::from(text);
    }
}

/// Whether the value at a path is a secret, is in a table of secrets, or was put where a table with
/// a secret belongs.
pub(super) fn may_hold_one(path: &str) -> bool {
    let within = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    within(SECRET_TABLE, path)
        || SECRETS.iter().chain(&[SECRET_TABLE]).any(|secret| within(path, secret))
}

/// Replaces `KEY_file` by the trimmed content of the file it names.
fn read_secret_file(dict: &mut Dict, key: &str) -> Result<(), ConfigError> {
    let Some((table, last)) = key.rsplit_once('.') else { return Ok(()) };
    let Some(table) = table_at_mut(dict, table) else { return Ok(()) };
    let Some(value) = table.remove(&format!("{last}_file")) else { return Ok(()) };
    let path = value.as_str().unwrap_or_default().to_owned();
    let content = std::fs::read_to_string(&path).map_err(|source| ConfigError::SecretFile {
        key: key.to_owned(),
        path,
        source,
    })?;
    table.insert(last.to_owned(), Value::from(content.trim().to_owned()));
    Ok(())
}

/// The table at a dotted path.
fn table_at<'d>(dict: &'d Dict, path: &str) -> Option<&'d Dict> {
    path.split('.').try_fold(dict, |table, part| match table.get(part) {
        Some(Value::Dict(_, inner)) => Some(inner),
        _ => None,
    })
}

/// The same, to change it.
fn table_at_mut<'d>(dict: &'d mut Dict, path: &str) -> Option<&'d mut Dict> {
    path.split('.').try_fold(dict, |table, part| match table.get_mut(part) {
        Some(Value::Dict(_, inner)) => Some(inner),
        _ => None,
    })
}
