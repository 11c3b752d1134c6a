//! Times and numbers as they are written in a field. Pure.

use chrono::{DateTime, NaiveDateTime};

use super::report::quote;

/// The end of the year 9999 in seconds: a larger number is no count of seconds.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// A time in milliseconds since 1970, from seconds since 1970 or RFC 3339. A time without a zone is
/// taken for UTC.
pub(crate) fn milliseconds(field: &[u8]) -> Result<i64, String> {
    let field = field.trim_ascii();
    // Whole seconds are what nearly all files have: they need no arithmetic with fractions.
    if (1..=11).contains(&field.len()) && field.iter().all(u8::is_ascii_digit) {
        return Ok(field.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')) * 1_000);
    }
    let text = std::str::from_utf8(field).map_err(|_| unreadable(field))?;
    if let Ok(seconds) = text.parse::<f64>() {
        if !seconds.is_finite() {
            return Err(unreadable(field));
        }
        if seconds.abs() > LAST_SECOND {
            return Err(format!(
                "{} as seconds would be after the year 9999: divide milliseconds by 1000",
                quote(field)
            ));
        }
        return Ok((seconds * 1e3).round() as i64);
    }
    DateTime::parse_from_rfc3339(text)
        .map(|at| at.timestamp_millis())
        .or_else(|_| text.parse::<NaiveDateTime>().map(|at| at.and_utc().timestamp_millis()))
        .map_err(|_| unreadable(field))
}

fn unreadable(field: &[u8]) -> String {
    format!("{} is no time: times are seconds since 1970 or RFC 3339", quote(field))
}

/// A value; not a number where it is missing or infinite.
pub(super) fn number(field: &[u8]) -> Result<f64, String> {
    let field = field.trim_ascii();
    if field.is_empty() {
        return Ok(f64::NAN);
    }
    let value = std::str::from_utf8(field).ok().and_then(|text| text.parse::<f64>().ok());
    match value {
        Some(value) if value.is_finite() => Ok(value),
        Some(_) => Ok(f64::NAN),
        None => Err(format!("{} is no number", quote(field))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_every_way_it_is_written() {
        for text in [
            "1767571200",
            " 1767571200.0",
            "1.7675712e9",
            "2026-01-05T00:00:00Z",
            "2026-01-05T01:00:00+01:00",
            "2026-01-05 00:00:00Z",
            "2026-01-05T00:00:00",
        ] {
            assert_eq!(milliseconds(text.as_bytes()), Ok(1_767_571_200_000), "{text}");
        }
        assert_eq!(milliseconds(b"1.25"), Ok(1_250));
        assert_eq!(milliseconds(b"-1"), Ok(-1_000));
    }

    #[test]
    fn what_is_no_time_is_repeated_and_explained() {
        for text in ["", "soon", "NaN", "inf", "12:00", "\u{7}"] {
            assert!(milliseconds(text.as_bytes()).unwrap_err().contains("is no time"), "{text}");
        }
        assert!(milliseconds(b"1767571200000").unwrap_err().contains("divide milliseconds"));
        assert!(milliseconds(&[0xff; 500]).unwrap_err().chars().count() < 120);
    }

    #[test]
    fn a_missing_value_is_not_a_number_and_words_are_refused() {
        for text in ["", " ", "NaN", "nan", "+Inf", "-Inf"] {
            assert!(number(text.as_bytes()).unwrap().is_nan(), "{text}");
        }
        assert_eq!(number(b" -1.5e3 "), Ok(-1_500.0));
        for text in ["n/a", "1,5", "0x10"] {
            assert!(number(text.as_bytes()).unwrap_err().contains("is no number"), "{text}");
        }
    }
}
