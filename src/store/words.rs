//! Text on its way into a column: bounded, and without what PostgreSQL cannot hold.

use std::{borrow::Cow, fmt::Write as _};

use chat::{Conversation, UserRef};
use sha2::{Digest, Sha256};

use super::{Result, StoreError};

/// The longest key kept as it is: PostgreSQL cannot index rows much longer than 2 KB.
const MAX_KEY: usize = 255;

/// The text itself, without NUL (which PostgreSQL refuses) and at most this many bytes long.
pub(super) fn bounded(text: &str, max: usize) -> String {
    let mut kept = text.replace('\0', "\u{fffd}");
    if kept.len() > max {
        let end = kept.floor_char_boundary(max.saturating_sub('…'.len_utf8()));
        kept.truncate(end);
        kept.push('…');
    }
    kept
}

/// A key for a unique index: the text itself, or its hash where the text is unfit.
pub(super) fn key(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_KEY && !text.contains('\0') {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("sha256:{}", hash(text.as_bytes())))
}

/// One key for a conversation; unambiguous whatever the parts contain.
pub(super) fn conversation_key(conversation: &Conversation) -> String {
    let Conversation { platform, workspace, channel, thread } = conversation;
    let parts = serde_json::json!([platform.as_str(), workspace, channel, thread]);
    key(&parts.to_string()).into_owned()
}

/// The three key columns of an identity.
pub(super) fn identity_key(identity: &UserRef) -> (&'static str, Cow<'_, str>, Cow<'_, str>) {
    (identity.platform.as_str(), key(&identity.workspace), key(&identity.user))
}

/// SHA-256 in lower-case hexadecimal.
pub(super) fn hash(bytes: &[u8]) -> String {
    to_hex(&Sha256::digest(bytes))
}

pub(super) fn to_hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

pub(super) fn from_hex(hex: &str) -> Result<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let bytes = hex.as_bytes();
    let (pairs, rest) = bytes.as_chunks::<2>();
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect::<Option<Vec<u8>>>()
        .filter(|_| rest.is_empty())
        .ok_or_else(|| StoreError::Damaged("a picture in the outbox".to_owned()))
}

/// A value as JSON text, for a column this store reads back.
pub(super) fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::damaged("a value without JSON", error))
}

/// A value from JSON text this store wrote.
pub(super) fn from_json<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| StoreError::damaged(what, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_text_never_cuts_a_character_and_holds_no_nul() {
        assert_eq!(bounded("a\0b", 10), "a\u{fffd}b");
        assert_eq!(bounded("ééééé", 8), "éé…");
        assert_eq!(bounded("short", 5), "short");
    }

    #[test]
    fn long_and_unfit_keys_become_hashes_and_stay_apart() {
        assert_eq!(key("Ev123"), "Ev123");
        assert_ne!(key(&"a".repeat(300)), key(&"a".repeat(301)));
        assert!(key("a\0").len() < 80);
    }

    #[test]
    fn hexadecimal_reads_back() {
        assert_eq!(from_hex(&to_hex(&[0, 1, 254, 255])).unwrap(), [0, 1, 254, 255]);
        assert!(from_hex("0").is_err());
        assert!(from_hex("zz").is_err());
    }
}
