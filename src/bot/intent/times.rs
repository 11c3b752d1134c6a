//! Stretches of time: "last 30 minutes", "an hour and a half", "since Monday 9am".

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Timelike};

use crate::metrics::{Signal, Window};

use super::{
    lexicon::{self, Day, Word},
    tokens::Token,
};

type Now = DateTime<chrono_tz::Tz>;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// Takes the first stretch of time out of the words.
pub(super) fn take(tokens: &mut [Token<'_>], now: Now) -> Option<Window> {
    for at in 0..tokens.len() {
        if tokens[at].used {
            continue;
        }
        if let Some((window, end)) = at_word(tokens, at, now) {
            let mut begin = at;
            let mut end = end;
            // "from 9am until now"
            if tokens.get(end).is_some_and(|token| matches!(token.text, "until" | "till" | "to"))
                && tokens.get(end + 1).is_some_and(|token| token.text == "now")
            {
                end += 2;
            }
            // "over the last hour", "for 2h", "during the past day": the words before belong to it.
            while begin > 0
                && !tokens[begin - 1].used
                && matches!(
                    tokens[begin - 1].text,
                    "for"
                        | "over"
                        | "in"
                        | "within"
                        | "during"
                        | "of"
                        | "the"
                        | "from"
                        | "about"
                        | "at"
                        | "on"
                        | "window"
                        | "range"
                        | "period"
                )
            {
                begin -= 1;
            }
            for token in &mut tokens[begin..end] {
                token.used = true;
            }
            return Some(window);
        }
    }
    None
}

/// Whether words about time are left over: a moment in the past or the future, two ends, a length
/// that cannot be. To leave them out would answer another question.
pub(super) fn is_left(tokens: &[Token<'_>]) -> bool {
    tokens.iter().enumerate().any(|(at, token)| {
        if token.used {
            return false;
        }
        let number = |at: usize| {
            tokens.get(at).is_some_and(|token| lexicon::number(token.text, token.word).is_some())
        };
        match token.word {
            Some(Word::Since | Word::Day(_)) => true,
            Some(Word::Last) => {
                number(at + 1)
                    && matches!(tokens.get(at + 2).and_then(|unit| unit.word), Some(Word::Unit(..)))
            }
            _ => {
                matches!(token.text, "until" | "till" | "tomorrow")
                    || token.text == "next"
                        && matches!(
                            tokens.get(at + 1).and_then(|unit| unit.word),
                            Some(Word::Unit(..) | Word::Day(_))
                        )
                    || matches!(token.text, "between" | "from") && number(at + 1)
                    || token.text.as_bytes()[0].is_ascii_digit()
                        && clock(tokens, at, false).is_some()
            }
        }
    })
}

/// Takes "until 18:00", "until tomorrow" out of the words: how long that is from now.
pub(super) fn take_until(tokens: &mut [Token<'_>], now: Now) -> Option<Window> {
    let at = tokens.iter().position(|token| matches!(token.text, "until" | "till"))?;
    let (moment, end) = if tokens.get(at + 1)?.text == "tomorrow" {
        let day = now.date_naive() + Days::new(1);
        match clock(tokens, at + 2, false) {
            Some((time, end)) => (day.and_time(time), end),
            None => (midnight(day), at + 2),
        }
    } else {
        let (time, end) = clock(tokens, at + 1, true)?;
        let days = u64::from(time <= now.time());
        ((now.date_naive() + Days::new(days)).and_time(time), end)
    };
    for token in &mut tokens[at..end] {
        token.used = true;
    }
    let moment = now.timezone().from_local_datetime(&moment).earliest()?;
    let seconds = u64::try_from((moment - now).num_seconds()).ok()?;
    Some(Window::from_seconds(((seconds + 30) / 60 * 60).max(60)))
}

/// The stretch of time that begins at this word, and where it ends.
fn at_word(tokens: &[Token<'_>], at: usize, now: Now) -> Option<(Window, usize)> {
    match tokens[at].word {
        Some(Word::Since) => since(tokens, at + 1, now),
        Some(Word::Last) => last(tokens, at + 1, now),
        Some(Word::Day(day)) => {
            let (point, end) = day_at(tokens, at, day, now);
            Some((back_to(point, now), end))
        }
        _ if tokens[at].text == "this" => this(tokens, at + 1, now),
        _ if tokens[at].text == "from" && clock(tokens, at + 1, false).is_some() => {
            since(tokens, at + 1, now)
        }
        _ => {
            let (window, mut end) = amount(tokens, at)?;
            // "5 minute load" names the signal, not the time.
            let load = Some(Word::Signal(Signal::Load));
            if tokens.get(end).is_some_and(|next| next.word == load) {
                return None;
            }
            if tokens.get(end).is_some_and(|token| token.word == Some(Word::Ago)) {
                end += 1;
            }
            Some((window, end))
        }
    }
}

/// After "last": an amount of time, a unit, or a day.
fn last(tokens: &[Token<'_>], at: usize, now: Now) -> Option<(Window, usize)> {
    if let Some((window, end)) = amount(tokens, at) {
        return Some((window, end));
    }
    match tokens.get(at)?.word {
        Some(Word::Unit(seconds, _)) => {
            // "the last hour and a half"
            let half = tokens.get(at + 1..at + 4).is_some_and(|rest| {
                rest[0].text == "and" && rest[1].text == "a" && rest[2].text == "half"
            });
            let more = if half { seconds / 2 } else { 0 };
            Some((unit(seconds + more), at + 1 + 3 * usize::from(half)))
        }
        Some(Word::Day(day @ (Day::Weekday(_) | Day::Night | Day::Evening))) => {
            let (point, end) = match day {
                Day::Weekday(_) => day_at(tokens, at, day, now),
                _ => (yesterday(now).and_time(hour(18)), at + 1),
            };
            Some((back_to(point, now), end))
        }
        _ => None,
    }
}

/// After "this": the part of the calendar that is not over yet.
fn this(tokens: &[Token<'_>], at: usize, now: Now) -> Option<(Window, usize)> {
    let token = tokens.get(at)?;
    let today = now.date_naive();
    let point = match token.word? {
        Word::Unit(604_800, _) => {
            midnight(today - Days::new(u64::from(now.weekday().num_days_from_monday())))
        }
        Word::Unit(2_592_000, _) => midnight(today.with_day(1)?),
        Word::Unit(31_536_000, _) => midnight(today.with_ordinal(1)?),
        Word::Unit(DAY, _) => midnight(today),
        Word::Unit(HOUR, _) => return Some((unit(HOUR), at + 1)),
        Word::Day(day) => {
            let (point, end) = day_at(tokens, at, day, now);
            return Some((back_to(point, now), end));
        }
        _ => return None,
    };
    Some((back_to(point, now), at + 1))
}

/// After "since": a day, a time of day, an amount that is "ago".
fn since(tokens: &[Token<'_>], mut at: usize, now: Now) -> Option<(Window, usize)> {
    while tokens.get(at).is_some_and(|token| {
        matches!(token.text, "the" | "this" | "about" | "around" | "last" | "at")
    }) {
        at += 1;
    }
    let token = tokens.get(at)?;
    if let Some(Word::Day(day)) = token.word {
        let (point, end) = day_at(tokens, at, day, now);
        return Some((back_to(point, now), end));
    }
    if let Some((time, end)) = clock(tokens, at, true) {
        // "since 9am yesterday"
        if let Some(Word::Day(day)) = tokens.get(end).and_then(|token| token.word) {
            let (point, end) = day_at(tokens, end, day, now);
            return Some((back_to(point.date().and_time(time), now), end));
        }
        return Some((back_to(latest(time, now), now), end));
    }
    if let Some((window, end)) = amount(tokens, at) {
        let ago = tokens.get(end).is_some_and(|token| token.word == Some(Word::Ago));
        return Some((window, end + usize::from(ago)));
    }
    if let Some(Word::Unit(seconds, _)) = token.word
        && tokens[at - 1].text == "last"
    {
        return Some((unit(seconds), at + 1));
    }
    let date = NaiveDate::parse_from_str(token.text, "%Y-%m-%d").ok()?;
    (date < now.date_naive()).then(|| (back_to(midnight(date), now), at + 1))
}

/// The moment that a day means, with a time of day after it if there is one.
fn day_at(tokens: &[Token<'_>], at: usize, day: Day, now: Now) -> (NaiveDateTime, usize) {
    let today = now.date_naive();
    let mut end = at + 1;
    let point = match day {
        Day::Today | Day::Midnight => midnight(today),
        Day::Yesterday => midnight(yesterday(now)),
        Day::Morning => part(today, 6, now),
        Day::Noon => latest(hour(12), now),
        Day::Evening | Day::Night => latest(hour(18), now),
        Day::Weekday(weekday) => {
            let days = (7 + now.weekday().num_days_from_monday() - u32::from(weekday)) % 7;
            midnight(today - Days::new(u64::from(days)))
        }
    };
    if matches!(day, Day::Today | Day::Yesterday | Day::Weekday(_)) {
        let mut next = end;
        while tokens.get(next).is_some_and(|token| matches!(token.text, "at" | "from" | "around")) {
            next += 1;
        }
        match tokens.get(next).and_then(|token| token.word) {
            Some(Word::Day(Day::Morning)) => {
                return (point.date().and_time(hour(6)), next + 1);
            }
            Some(Word::Day(Day::Noon)) => return (point.date().and_time(hour(12)), next + 1),
            Some(Word::Day(Day::Evening | Day::Night)) => {
                return (point.date().and_time(hour(18)), next + 1);
            }
            _ => {}
        }
        if let Some((time, after)) = clock(tokens, next, next > end) {
            end = after;
            return (point.date().and_time(time), end);
        }
    }
    (point, end)
}

/// A time of day: `9am`, `9 am`, `14:30`; after "since" or "at" also a bare hour.
fn clock(tokens: &[Token<'_>], at: usize, bare: bool) -> Option<(NaiveTime, usize)> {
    let token = tokens.get(at)?;
    match token.word {
        Some(Word::Day(Day::Noon)) => return Some((hour(12), at + 1)),
        Some(Word::Day(Day::Midnight)) => return Some((hour(0), at + 1)),
        _ => {}
    }
    let mut text = token.text;
    let mut end = at + 1;
    let mut half = None;
    for (name, offset) in [("am", 0), ("pm", 12), ("a.m", 0), ("p.m", 12)] {
        if let Some(digits) = text.strip_suffix(name) {
            text = digits;
            half = Some(offset);
        } else if half.is_none() && tokens.get(end).is_some_and(|next| next.text == name) {
            half = Some(offset);
            end += 1;
        }
    }
    let (hours, minutes) = match text.split_once(':') {
        Some((hours, minutes)) if minutes.len() == 2 => (hours, minutes.parse().ok()?),
        None if half.is_some() || bare => (text, 0),
        _ => return None,
    };
    if hours.is_empty() || hours.len() > 2 || !hours.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // "since 5 minutes ago" is an amount, not five o'clock.
    if matches!(tokens.get(end).and_then(|next| next.word), Some(Word::Unit(..))) {
        return None;
    }
    let mut hours: u32 = hours.parse().ok()?;
    if let Some(offset) = half {
        if hours == 0 || hours > 12 {
            return None;
        }
        hours = hours % 12 + offset;
    }
    Some((NaiveTime::from_hms_opt(hours, minutes, 0)?, end))
}

/// An amount of time: `30m`, `30 minutes`, `half an hour`, `1 hour and 30 minutes`.
pub(super) fn amount(tokens: &[Token<'_>], at: usize) -> Option<(Window, usize)> {
    let (first, mut end) = simple(tokens, at)?;
    let mut seconds = first.seconds();
    let mut smallest = first.seconds();
    let mut joined = false;
    loop {
        let and = tokens.get(end).is_some_and(|token| token.text == "and");
        let next = end + usize::from(and);
        // "an hour and a half"
        if and
            && let (Some(a), Some(half)) = (tokens.get(next), tokens.get(next + 1))
            && a.text == "a"
            && half.word == Some(Word::Half)
        {
            seconds += if half.text == "half" { smallest / 2 } else { smallest / 4 };
            end = next + 2;
            joined = true;
            break;
        }
        match simple(tokens, next) {
            Some((more, after)) if more.seconds() < smallest => {
                smallest = more.seconds();
                seconds += smallest;
                end = after;
                joined = true;
            }
            _ => break,
        }
    }
    Some((if joined { Window::from_seconds(seconds) } else { first }, end))
}

/// One number with one unit.
fn simple(tokens: &[Token<'_>], at: usize) -> Option<(Window, usize)> {
    let token = tokens.get(at)?;
    if token.used {
        return None;
    }
    let text = token.text;
    if text.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        if let Ok(window) = text.parse::<Window>() {
            return Some((window, at + 1));
        }
        if let Some(window) = attached(text) {
            return Some((window, at + 1));
        }
    }
    let unit_at = |at: usize| match tokens.get(at)?.word {
        Some(Word::Unit(seconds, letter)) => Some((seconds, letter)),
        _ if tokens[at].text == "m" || tokens[at].text == "min" => Some((60, 'm')),
        _ if tokens[at].text == "s" => Some((1, 's')),
        _ => None,
    };
    // "half an hour", "quarter of an hour", "half a day"
    if token.word == Some(Word::Half) {
        let mut next = at + 1;
        while tokens.get(next).is_some_and(|token| matches!(token.text, "a" | "an" | "of")) {
            next += 1;
        }
        let (seconds, _) = unit_at(next)?;
        let part = if text == "half" { seconds / 2 } else { seconds / 4 };
        return Some((Window::from_seconds(part), next + 1));
    }
    let mut next = at + 1;
    let count: f64;
    if matches!(text, "a" | "an") {
        if matches!(tokens.get(next)?.word, Some(Word::Number(_) | Word::Half)) {
            return simple(tokens, next);
        }
        let (seconds, _) = unit_at(next)?;
        return Some((unit(seconds), next + 1));
    }
    if let Some(number) = lexicon::number(text, token.word) {
        count = f64::from(number);
    } else if text.len() <= 6 && text.contains('.') {
        count = text.parse().ok().filter(|count: &f64| count.is_finite() && *count > 0.0)?;
    } else {
        return None;
    }
    let mut extra = 0.0;
    let word_at = |at: usize| tokens.get(at).map(|token| token.text);
    if word_at(next) == Some("and")
        && word_at(next + 1) == Some("a")
        && word_at(next + 2) == Some("half")
    {
        // "two and a half hours"
        extra = 0.5;
        next += 3;
    }
    if matches!(text, "couple" | "pair" | "few") && word_at(next) == Some("of") {
        next += 1;
    }
    if word_at(next).is_some_and(|text| matches!(text, "more" | "full" | "whole")) {
        next += 1;
    }
    let (size, letter) = unit_at(next)?;
    Some((sized(count + extra, size, letter)?, next + 1))
}

/// `30min`, `24hrs`, `2days`.
fn attached(text: &str) -> Option<Window> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (count, name) = text.split_at(digits);
    let name = name.trim_start_matches('-');
    let (size, letter) = match lexicon::look_up(name) {
        Some(Word::Unit(size, letter)) => (size, letter),
        _ if name == "min" => (60, 'm'),
        _ => return None,
    };
    if count.len() > 6 {
        return None;
    }
    sized(count.parse().ok()?, size, letter)
}

/// A count of one unit, kept as asked where that can be written.
fn sized(count: f64, size: u64, letter: char) -> Option<Window> {
    if count <= 0.0 || count > 1e6 {
        return None;
    }
    let seconds = count * size as f64;
    if seconds > Window::MAX_SECONDS as f64 {
        return None;
    }
    if count.fract() != 0.0 {
        return Some(Window::from_seconds(seconds as u64));
    }
    let text = match (letter, size) {
        ('s' | 'm' | 'h', _) | ('d', DAY) => format!("{count}{letter}"),
        _ => format!("{}d", seconds as u64 / DAY),
    };
    text.parse().ok()
}

/// One unit, as "the last day" means it.
fn unit(seconds: u64) -> Window {
    if seconds == DAY
        && let Ok(window) = "24h".parse()
    {
        return window;
    }
    Window::from_seconds(seconds)
}

/// From that moment until now, to the minute.
fn back_to(point: NaiveDateTime, now: Now) -> Window {
    // A moment that the clocks skipped is taken an hour later, where they went on.
    let moment = now
        .timezone()
        .from_local_datetime(&point)
        .earliest()
        .or_else(|| {
            now.timezone().from_local_datetime(&(point + chrono::Duration::hours(1))).earliest()
        })
        .unwrap_or(now);
    let seconds = u64::try_from((now - moment).num_seconds()).unwrap_or(0);
    Window::from_seconds(((seconds + 30) / 60 * 60).max(60))
}

/// The last time the clock showed this.
fn latest(time: NaiveTime, now: Now) -> NaiveDateTime {
    if time < now.time() { now.date_naive().and_time(time) } else { yesterday(now).and_time(time) }
}

/// From this hour today; while it is earlier than that, from midnight.
fn part(today: NaiveDate, from: u32, now: Now) -> NaiveDateTime {
    today.and_time(hour(if now.hour() >= from { from } else { 0 }))
}

fn yesterday(now: Now) -> NaiveDate {
    now.date_naive() - Days::new(1)
}

fn midnight(date: NaiveDate) -> NaiveDateTime {
    date.and_time(NaiveTime::MIN)
}

fn hour(hour: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default()
}
