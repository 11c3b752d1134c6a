//! Numbers, times and ages as people read them. Pure.
//!
//! Three significant digits, a unit with every number, never scientific notation.

use std::time::Duration;

use chrono::{DateTime, Datelike, Utc};
use chrono_tz::Tz;

use crate::metrics::Unit;

const SI: [&str; 9] = ["M", "G", "T", "P", "E", "Z", "Y", "R", "Q"];
const IEC: [&str; 9] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];
/// More characters of a name than these are not repeated in a list.
const LONGEST_NAME: usize = 60;
const MINUTE: f64 = 60.0;
const HOUR: f64 = 3_600.0;
const DAY: f64 = 86_400.0;

/// The number with its unit: `41.7 %`, `1.5 MiB/s`, `0.42`, `12 d 3 h`.
pub fn value(value: f64, unit: Unit) -> String {
    if value.is_nan() {
        return "not a number".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "infinite" } else { "minus infinite" }.to_owned();
    }
    match unit {
        Unit::Percent => format!("{} %", number(value)),
        Unit::BytesPerSecond => format!("{}/s", bytes(value)),
        Unit::Load | Unit::None => number(value),
        Unit::Seconds => span(value),
    }
}

/// The number alone: three significant digits, whole numbers up to a million in full, then `1.23 M`.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude < 999.5 {
        return digits(value);
    }
    if magnitude < 999_999.5 {
        return format!("{value:.0}");
    }
    let (scaled, prefix) = scale(value / 1e6, 1e3, &SI);
    format!("{scaled} {prefix}")
}

/// So many of something: `1 host`, `20 hosts`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{} {noun}s", grouped(number)) }
}

/// A whole number with its thousands apart: `4,990`.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<_> =
        digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group)).collect();
    groups.join(",")
}

/// The first few of these names, and how many more there are: `` `a`, `b` and 4 more ``. Names may come
/// from anywhere: they are cut, and lose their control characters.
pub fn names<'a>(names: impl IntoIterator<Item = &'a str>, most: usize) -> String {
    let mut names = names.into_iter();
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let listed: Vec<String> = names
        .by_ref()
        .take(most)
        .map(|name| {
            format!("`{}`", name.chars().map(printable).take(LONGEST_NAME).collect::<String>())
        })
        .collect();
    match names.count() {
        0 => listed.join(", "),
        rest => format!("{} and {rest} more", listed.join(", ")),
    }
}

/// A count of bytes: `812 B`, `1.5 MiB`.
pub fn bytes(value: f64) -> String {
    let (scaled, unit) = scale(value, 1024.0, &IEC);
    format!("{scaled} {unit}")
}

/// The value in the largest unit of which it has at least one.
fn scale(mut value: f64, base: f64, units: &[&'static str]) -> (String, &'static str) {
    let mut rest = units.iter();
    let mut unit = rest.next().copied().unwrap_or_default();
    for next in rest {
        // 1023.7 would read `1024 KiB`: it is as good as the next unit.
        if value.abs() < base - 0.5 {
            break;
        }
        value /= base;
        unit = next;
    }
    if value.abs() >= base {
        return (if value > 0.0 { "> 999" } else { "< -999" }.to_owned(), unit);
    }
    (digits(value), unit)
}

/// Three significant digits, at most three decimals, no trailing zeros.
fn digits(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude == 0.0 {
        return "0".to_owned();
    }
    if magnitude < 0.000_5 {
        return if value > 0.0 { "< 0.001" } else { "> -0.001" }.to_owned();
    }
    let decimals = match magnitude {
        m if m >= 99.95 => 0,
        m if m >= 9.995 => 1,
        m if m >= 0.999_5 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A length of time in its two largest units: `12 d 3 h`, `4 min 10 s`, `42 s`, `250 ms`.
pub fn span(seconds: f64) -> String {
    if !seconds.is_finite() {
        return value(seconds, Unit::None);
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let magnitude = seconds.abs();
    let text = match magnitude {
        0.0 => "0 s".to_owned(),
        m if m < 0.999_5 => format!("{} ms", digits(m * 1e3)),
        m if m < 59.5 => format!("{} s", digits(if m < 9.95 { m } else { m.round() })),
        m if m < HOUR - 0.5 => two((m.round(), MINUTE, "min"), 1.0, "s"),
        m if m < DAY - 30.0 => two((m, HOUR, "h"), MINUTE, "min"),
        m if m < 1000.0 * DAY => two((m, DAY, "d"), HOUR, "h"),
        m => format!("{} d", number(m / DAY)),
    };
    format!("{sign}{text}")
}

/// `seconds` as so many large units and the rest in small ones, both whole.
fn two((seconds, large, large_name): (f64, f64, &str), small: f64, small_name: &str) -> String {
    let smalls = (seconds / small).round();
    let per_large = large / small;
    let (count, rest) = ((smalls / per_large).floor(), smalls % per_large);
    if rest == 0.0 {
        format!("{count} {large_name}")
    } else {
        format!("{count} {large_name} {rest} {small_name}")
    }
}

/// A length of time in its largest unit only, for small print: `4 s`, `12 min`, `3 h`, `9 d`.
pub fn age(age: Duration) -> String {
    let seconds = age.as_secs_f64();
    match seconds {
        s if s < MINUTE => format!("{} s", s.floor()),
        s if s < HOUR => format!("{} min", (s / MINUTE).floor()),
        s if s < DAY => format!("{} h", (s / HOUR).floor()),
        s => format!("{} d", (s / DAY).floor()),
    }
}

/// How old a kept answer is: `cached 4 s`.
pub fn cached(by: Duration) -> String {
    format!("cached {}", age(by))
}

/// How long ago it was: `12 min ago`, `just now`, or `in 3 h` for the future.
pub fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let passed = now - at;
    if passed.num_seconds() < 0 {
        return format!("in {}", age((-passed).to_std().unwrap_or_default()));
    }
    match passed.to_std().unwrap_or_default() {
        passed if passed < Duration::from_secs(1) => "just now".to_owned(),
        passed => format!("{} ago", age(passed)),
    }
}

/// A moment on the team's clock, with as much of the date as is needed to know it:
/// `12:03`, `Mon 12:03`, `3 Nov 12:03`, `2024-11-03 12:03`.
pub fn moment(at: DateTime<Utc>, now: DateTime<Utc>, zone: Tz) -> String {
    let (local, today) = (at.with_timezone(&zone), now.with_timezone(&zone));
    let days = (today.date_naive() - local.date_naive()).num_days().abs();
    let pattern = match days {
        0 => "%H:%M",
        1..=6 => "%a %H:%M",
        _ if local.year() == today.year() => "%-d %b %H:%M",
        _ => "%Y-%m-%d %H:%M",
    };
    local.format(pattern).to_string()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_of_names_is_short_and_harmless() {
        assert_eq!(names(["a", "b"], 3), "`a`, `b`");
        assert_eq!(names(["a", "b", "c", "d"], 2), "`a`, `b` and 2 more");
        assert_eq!(names(["\u{1b}[31m"], 2), "` [31m`");
        assert!(names([&*"x".repeat(500)], 1).len() < 70);
    }

    #[test]
    fn numbers_have_three_significant_digits_and_their_unit() {
        for (number, unit, text) in [
            (41.66, Unit::Percent, "41.7 %"),
            (100.0, Unit::Percent, "100 %"),
            (99.96, Unit::Percent, "100 %"),
            (0.0, Unit::Percent, "0 %"),
            (-0.0, Unit::Load, "0"),
            (1e-9, Unit::Percent, "< 0.001 %"),
            (0.42, Unit::Load, "0.42"),
            (12_345.6, Unit::None, "12346"),
            (1_234_567.0, Unit::None, "1.23 M"),
            (1e308, Unit::None, "> 999 Q"),
            (1_572_864.0, Unit::BytesPerSecond, "1.5 MiB/s"),
            (1023.9, Unit::BytesPerSecond, "1 KiB/s"),
            (812.0, Unit::BytesPerSecond, "812 B/s"),
            (-2048.0, Unit::BytesPerSecond, "-2 KiB/s"),
            (1e308, Unit::BytesPerSecond, "> 999 YiB/s"),
            (f64::NAN, Unit::Percent, "not a number"),
            (f64::INFINITY, Unit::Seconds, "infinite"),
            (f64::NEG_INFINITY, Unit::Load, "minus infinite"),
        ] {
            assert_eq!(value(number, unit), text, "{number:?}");
        }
    }

    #[test]
    fn lengths_of_time_show_their_two_largest_units() {
        for (seconds, text) in [
            (0.0, "0 s"),
            (0.25, "250 ms"),
            (4.21, "4.21 s"),
            (42.4, "42 s"),
            (59.7, "1 min"),
            (250.0, "4 min 10 s"),
            (3_599.9, "1 h"),
            (12_000.0, "3 h 20 min"),
            (86_399.0, "1 d"),
            (12.0 * DAY + 3.0 * HOUR + 59.0, "12 d 3 h"),
            (3_000.0 * DAY, "3000 d"),
            (-90.0, "-1 min 30 s"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn ages_and_moments_say_only_what_is_needed() {
        let now: DateTime<Utc> = "2025-11-05T12:03:30Z".parse().unwrap();
        let zone = chrono_tz::Europe::Berlin;
        assert_eq!(cached(Duration::from_millis(4_700)), "cached 4 s");
        assert_eq!(ago(now - TimeDelta::minutes(12), now), "12 min ago");
        assert_eq!(ago(now, now), "just now");
        assert_eq!(ago(now + TimeDelta::hours(3), now), "in 3 h");
        assert_eq!(moment(now, now, zone), "13:03");
        assert_eq!(moment(now - TimeDelta::days(2), now, zone), "Mon 13:03");
        assert_eq!(moment(now - TimeDelta::days(40), now, zone), "26 Sep 14:03");
        assert_eq!(moment(now - TimeDelta::days(400), now, zone), "2024-10-01 14:03");
    }

    proptest! {
        #[test]
        fn any_number_gives_a_short_text_without_an_exponent(number in any::<f64>()) {
            for unit in [Unit::Percent, Unit::BytesPerSecond, Unit::Load, Unit::Seconds, Unit::None] {
                let text = value(number, unit);
                prop_assert!(!text.is_empty() && text.len() < 24, "{text}");
                prop_assert!(!text.contains("e+") && !text.contains("e-"), "{text}");
            }
        }
    }
}
