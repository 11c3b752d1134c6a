//! The horizontal axis: round moments on the team's clock.

use chrono::{
    DateTime, Datelike, Days, NaiveDateTime, NaiveTime, Offset as _, TimeDelta, TimeZone as _, Utc,
};
use chrono_tz::Tz;

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
/// Steps that divide an hour, in seconds.
const SHORT: [i64; 11] =
    [1, 5, 10, 15, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE];
/// Steps that divide a day.
const HOURS: [i64; 5] = [HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR];
/// Whole days.
const DAYS: [u64; 9] = [1, 2, 7, 14, 30, 60, 120, 365, 1_000];
/// More ticks than these and their labels touch.
const MOST_TICKS: i64 = 9;

/// One mark on the axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    pub at: DateTime<Utc>,
    pub label: String,
    /// Whether a new day begins here.
    pub day: bool,
}

/// The marks between the two moments, in the zone's own hours and days.
pub(super) fn ticks(from: DateTime<Utc>, to: DateTime<Utc>, zone: Tz) -> Vec<Tick> {
    let span = (to - from).num_seconds();
    let fits = |step: i64| span / step < MOST_TICKS;
    let moments = if let Some(step) = SHORT.into_iter().find(|s| fits(*s)) {
        short(from, to, zone, step)
    } else if let Some(step) = HOURS.into_iter().find(|s| fits(*s)) {
        wall(from, to, zone, |at| at.checked_add_signed(TimeDelta::seconds(step)))
    } else {
        let days = DAYS.into_iter().find(|d| fits(*d as i64 * DAY)).unwrap_or(10_000);
        wall(from, to, zone, |at| at.checked_add_days(Days::new(days)))
    };
    let seconds = span < 8 * MINUTE && moments.iter().any(|at| at.timestamp() % MINUTE != 0);
    moments
        .into_iter()
        .map(|at| {
            let local = at.with_timezone(&zone);
            let day = local.time() == NaiveTime::MIN;
            let pattern = match span {
                _ if day && span < 300 * DAY => "%a %-d %b",
                s if s >= 300 * DAY => "%-d %b %Y",
                _ if seconds => "%H:%M:%S",
                _ => "%H:%M",
            };
            Tick { at, label: local.format(pattern).to_string(), day }
        })
        .collect()
}

/// Every `step` seconds, counted from the full hour.
fn short(from: DateTime<Utc>, to: DateTime<Utc>, zone: Tz, step: i64) -> Vec<DateTime<Utc>> {
    // Not every zone is whole hours from UTC.
    let offset = i64::from(from.with_timezone(&zone).offset().fix().local_minus_utc());
    let first = (from.timestamp() + offset + step - 1).div_euclid(step) * step - offset;
    (0..=MOST_TICKS)
        .filter_map(|i| DateTime::from_timestamp(first + i * step, 0))
        .take_while(|at| *at <= to)
        .collect()
}

/// Steps of the clock on the wall from midnight on. A wall time that does not exist on the night
/// the clocks change is left out, one that exists twice is marked once.
fn wall(
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    zone: Tz,
    next: impl Fn(NaiveDateTime) -> Option<NaiveDateTime>,
) -> Vec<DateTime<Utc>> {
    let start = from.with_timezone(&zone).date_naive();
    std::iter::successors(Some(start.and_time(NaiveTime::MIN)), |at| next(*at))
        .take(64)
        .filter_map(|at| zone.from_local_datetime(&at).earliest())
        .map(|at| at.with_timezone(&Utc))
        .filter(|at| *at >= from)
        .take_while(|at| *at <= to)
        .collect()
}

/// The stretch in words: `Wed 5 Nov 2025 11:03 – 12:03 · Europe/Berlin`. A night on which the clocks
/// change is said to be one, because an hour is then missing on the axis or there twice.
pub(super) fn stretch(from: DateTime<Utc>, to: DateTime<Utc>, zone: Tz) -> String {
    const FULL: &str = "%a %-d %b %Y %H:%M";
    let (start, end) = (from.with_timezone(&zone), to.with_timezone(&zone));
    let (first, last) = if start.date_naive() == end.date_naive() {
        (FULL, "%H:%M")
    } else if start.year() == end.year() {
        ("%a %-d %b %H:%M", FULL)
    } else {
        (FULL, FULL)
    };
    let changed = start.offset().fix() != end.offset().fix() && to - from < TimeDelta::days(3);
    let change = if changed { ", the clocks change" } else { "" };
    format!("{} – {} · {zone}{change}", start.format(first), end.format(last))
}

#[cfg(test)]
mod tests {
    use chrono_tz::{Asia::Kathmandu, Europe::Berlin};
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn labels(from: &str, to: &str, zone: Tz) -> Vec<String> {
        ticks(at(from), at(to), zone).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn an_hour_is_marked_in_round_minutes_of_the_zone() {
        assert_eq!(
            labels("2025-11-05T11:03:20Z", "2025-11-05T12:03:20Z", Berlin),
            ["12:10", "12:20", "12:30", "12:40", "12:50", "13:00"]
        );
        assert_eq!(
            labels("2025-11-05T10:00:00Z", "2025-11-05T12:30:00Z", Kathmandu)[..2],
            ["16:00", "16:30"]
        );
    }

    #[test]
    fn a_week_is_marked_by_its_midnights() {
        assert_eq!(
            labels("2025-11-01T12:00:00Z", "2025-11-05T12:00:00Z", Berlin),
            [
                "Sun 2 Nov",
                "12:00",
                "Mon 3 Nov",
                "12:00",
                "Tue 4 Nov",
                "12:00",
                "Wed 5 Nov",
                "12:00"
            ]
        );
    }

    #[test]
    fn the_nights_the_clocks_change_keep_true_distances() {
        // 02:00 does not exist in March, 02:00 to 03:00 exists twice in October.
        let spring = ticks(at("2025-03-29T23:00:00Z"), at("2025-03-30T05:00:00Z"), Berlin);
        let hours: Vec<_> = spring.iter().map(|tick| tick.label.as_str()).collect();
        assert_eq!(hours, ["Sun 30 Mar", "01:00", "03:00", "04:00", "05:00", "06:00", "07:00"]);
        assert_eq!(spring[2].at - spring[1].at, TimeDelta::hours(1));
        let autumn = ticks(at("2025-10-25T22:00:00Z"), at("2025-10-26T05:00:00Z"), Berlin);
        assert_eq!(autumn[3].at - autumn[2].at, TimeDelta::hours(2));
    }

    proptest! {
        #[test]
        fn any_stretch_has_ordered_ticks_inside_it(start in any::<i32>(), span in 1..i32::MAX) {
            let from = DateTime::from_timestamp(i64::from(start), 0).unwrap();
            let to = from + TimeDelta::seconds(i64::from(span));
            let ticks = ticks(from, to, Berlin);
            prop_assert!(ticks.len() <= 20);
            prop_assert!(ticks.iter().all(|tick| from <= tick.at && tick.at <= to));
            prop_assert!(ticks.windows(2).all(|pair| pair[0].at < pair[1].at));
        }
    }
}
