//! A length of time that may be never.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::metrics::{ParseWindowError, Window};

/// A length of time, or `0` for never.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Written", into = "String")]
pub struct OrNever(Option<Window>);

/// From the environment, `0` comes as a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Text(String),
}

impl TryFrom<Written> for OrNever {
    type Error = ParseWindowError;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let text = match written {
            Written::Number(number) => number.to_string(),
            Written::Text(text) => text,
        };
        if text == "0" { Ok(Self(None)) } else { Ok(Self(Some(text.parse()?))) }
    }
}

impl From<OrNever> for String {
    fn from(OrNever(window): OrNever) -> Self {
        window.map_or_else(|| "0".to_owned(), |window| window.to_string())
    }
}

impl OrNever {
    /// Its length; `None` is never.
    pub fn length(&self) -> Option<TimeDelta> {
        self.0.as_ref().map(Window::delta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_never_as_a_text_and_as_a_number() {
        let read = |text: &str| serde_json::from_str::<OrNever>(text);
        assert_eq!(read("0").unwrap().length(), None);
        assert_eq!(read("\"0\"").unwrap().length(), None);
        assert_eq!(read("\"90m\"").unwrap().length(), Some(TimeDelta::minutes(90)));
        assert!(read("\"soon\"").is_err() && read("7").is_err() && read("\"\"").is_err());
        assert_eq!(serde_json::to_string(&read("0").unwrap()).unwrap(), "\"0\"");
    }
}
