//! A picture of each host that had anomalies: its most telling metric against what is normal.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{moment, report::Report};
use crate::{
    anomaly::{Anomaly, Detector, Direction, History, backtest::moments},
    bot::cards::incident::{metric_name, signal},
    chart::{self, Backdrop, Chart, Line},
    cli::{CliError, progress},
    metrics::{Signal, Unit},
};

/// What is shown around the anomalies, as far as it was looked at.
const BEFORE: TimeDelta = TimeDelta::hours(6);
const AFTER: TimeDelta = TimeDelta::hours(3);

/// One metric of one host, with what would have been normal for it.
struct Followed {
    metric: String,
    place: usize,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    points: Vec<(DateTime<Utc>, f64)>,
    band: Vec<(DateTime<Utc>, f64, f64)>,
}

/// Looks once more, at what is drawn. Gives how many pictures there are.
pub(super) fn draw(
    report: &Report,
    mut detector: Detector,
    histories: &BTreeMap<String, History>,
    directory: &Path,
    zone: Tz,
) -> Result<usize, CliError> {
    let failed =
        |path: &Path, source| CliError::Io { what: format!("write {}", path.display()), source };
    fs::create_dir_all(directory).map_err(|source| failed(directory, source))?;
    let by_host = report.found.by_host();
    let mut followed: BTreeMap<&str, Followed> = by_host
        .iter()
        .filter_map(|(host, anomalies)| Some((*host, follow(report, &detector, anomalies)?)))
        .collect();
    look(&mut detector, histories, &mut followed);
    for (host, followed) in &followed {
        let png = picture(host, followed, &by_host[host], zone)?;
        let file = directory.join(file_name(host));
        fs::write(&file, png).map_err(|source| failed(&file, source))?;
    }
    Ok(followed.len())
}

/// The first metric of the most unusual anomaly, and the stretch that holds all anomalies of a host.
fn follow(report: &Report, detector: &Detector, anomalies: &[&Anomaly]) -> Option<Followed> {
    let worst = anomalies.iter().max_by(|left, right| {
        // Of what is stuck there is nothing to see.
        let seen =
            |it: &Anomaly| it.metrics.first().is_some_and(|it| it.direction != Direction::Stuck);
        (seen(left).cmp(&seen(right))).then(left.score.total_cmp(&right.score))
    })?;
    let metric = worst.metrics.first()?.metric.clone();
    let place = detector.schema().metrics().iter().position(|name| *name == metric)?;
    let first = anomalies.iter().map(|it| it.start).min()?;
    let last = anomalies.iter().map(|it| it.end.unwrap_or(report.to)).max()?;
    Some(Followed {
        metric,
        place,
        from: (first - BEFORE).max(report.from),
        to: (last + AFTER).min(report.to),
        points: Vec::new(),
        band: Vec::new(),
    })
}

/// A host as the name of a file, another for each: what does not go everywhere is told by its number.
fn file_name(host: &str) -> String {
    let mut name = String::new();
    for c in host.chars() {
        if c.is_alphanumeric() || "-_.".contains(c) {
            name.push(c);
        } else {
            let _ = write!(name, "%{:02x}", u32::from(c));
        }
    }
    name + ".png"
}

fn look(
    detector: &mut Detector,
    histories: &BTreeMap<String, History>,
    followed: &mut BTreeMap<&str, Followed>,
) {
    let moments = moments(histories, detector.schema().metrics().len());
    let bar = progress::steps(moments.len() as u64);
    for (at, observations) in moments {
        let verdicts =
            detector.look_asking(&observations, |host| followed.get(host).map(|it| it.place));
        let now = moment(at);
        for observation in &observations {
            let Some(followed) = followed.get_mut(observation.host.as_str()) else { continue };
            if now >= followed.from && now <= followed.to {
                followed.points.push((now, observation.values[followed.place]));
            }
        }
        for verdict in verdicts {
            let Some(followed) = followed.get_mut(verdict.host.as_str()) else { continue };
            if let Some((low, high)) = verdict.normal
                && now >= followed.from
                && now <= followed.to
            {
                followed.band.push((now, low, high));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
}

fn picture(
    host: &str,
    followed: &Followed,
    anomalies: &[&Anomaly],
    zone: Tz,
) -> Result<Vec<u8>, CliError> {
    let Followed { metric, from, to, points, band, .. } = followed;
    let spans: Vec<_> = anomalies.iter().map(|it| (it.start, it.end.unwrap_or(*to))).collect();
    let in_span = |at: DateTime<Utc>| spans.iter().any(|(start, end)| *start <= at && at <= *end);
    // What stays inside its band in an anomaly is not what was unusual then.
    let outside = |(at, value): &(DateTime<Utc>, f64)| {
        let normal = band.binary_search_by_key(at, |(at, ..)| *at).ok().map(|place| band[place]);
        in_span(*at) && normal.is_some_and(|(_, low, high)| *value < low || *value > high)
    };
    let backdrop = Backdrop {
        band: band.clone(),
        marks: points.iter().copied().filter(outside).collect(),
        spans: spans.clone(),
        ..Backdrop::default()
    };
    let chart = Chart {
        title: format!("{} of {host}", metric_name(metric)),
        unit: signal(metric).map_or(Unit::None, Signal::unit),
        lines: vec![Line { label: host.to_owned(), points: points.clone() }],
        thresholds: Vec::new(),
        from: *from,
        to: *to,
        zone,
    };
    Ok(chart::png_against(&chart, &backdrop)?)
}
