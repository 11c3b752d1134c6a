//! A stretch of time as people write it: `30m`, `24h`, `7d`, `1h30m`.

use std::{fmt, fmt::Write as _, str::FromStr, time::Duration};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// A stretch of time, kept as it was written. Written the way Prometheus writes durations.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    seconds: u64,
    text: String,
}

/// Why a text is not a stretch of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a length of time: write a number and a unit, such as 30s, 15m, 24h, 7d or 1h30m"
)]
pub struct ParseWindowError(String);

const UNITS: [(char, u64); 5] = [('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

impl Window {
    /// The longest window: ten years.
    pub const MAX_SECONDS: u64 = 10 * 366 * 86_400;

    /// A whole number of seconds, written with the units that divide it, such as `1h30m`.
    /// Clamped to 1 s … [`Self::MAX_SECONDS`].
    pub fn from_seconds(seconds: u64) -> Self {
        let seconds = seconds.clamp(1, Self::MAX_SECONDS);
        let mut rest = seconds;
        let mut text = String::new();
        for (unit, size) in UNITS {
            // Weeks are rarely what people say: 14d reads better than 2w.
            if unit != 'w' && rest >= size {
                let _ = write!(text, "{}{unit}", rest / size);
                rest %= size;
            }
        }
        Self { seconds, text }
    }

    /// Its length in seconds.
    pub fn seconds(&self) -> u64 {
        self.seconds
    }

    /// Its length.
    pub fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// Its length, to reckon with moments: at most ten years, so this cannot fail.
    pub fn delta(&self) -> TimeDelta {
        TimeDelta::seconds(self.seconds.cast_signed())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Window {
    type Err = ParseWindowError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || ParseWindowError(chat::escape_invisible(text).chars().take(40).collect());
        let mut seconds: u64 = 0;
        let mut digits = String::new();
        let mut last_size = u64::MAX;
        for c in text.chars() {
            if c.is_ascii_digit() && digits.len() < 10 {
                digits.push(c);
                continue;
            }
            let (_, size) = UNITS
                .into_iter()
                .find(|(unit, size)| *unit == c && *size < last_size)
                .ok_or_else(refuse)?;
            let amount: u64 = digits.parse().map_err(|_| refuse())?;
            digits.clear();
            last_size = size;
            seconds = amount
                .checked_mul(size)
                .and_then(|part| seconds.checked_add(part))
                .ok_or_else(refuse)?;
        }
        if !digits.is_empty() || seconds == 0 || seconds > Self::MAX_SECONDS {
            return Err(refuse());
        }
        Ok(Self { seconds, text: text.to_owned() })
    }
}

impl TryFrom<String> for Window {
    type Error = ParseWindowError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_keeps_the_words_it_was_written_in() {
        for (text, seconds) in [
            ("30m", 1800),
            ("24h", 86_400),
            ("7d", 604_800),
            ("1h30m", 5400),
            ("90s", 90),
            ("2w", 1_209_600),
        ] {
            let window: Window = text.parse().unwrap();
            assert_eq!((window.seconds(), window.as_str()), (seconds, text));
        }
        assert_eq!(Window::from_seconds(129_780).as_str(), "1d12h3m");
    }

    #[test]
    fn what_is_not_a_length_of_time_is_refused() {
        for text in ["", "5", "m", "0m", "1m1h", "-5m", "5 m", "99999999999w", "5mm", "१h"] {
            assert!(text.parse::<Window>().is_err(), "{text}");
        }
    }
}
