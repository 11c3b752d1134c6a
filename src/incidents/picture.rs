//! The picture of an incident: its first metric against what is normal and the day before.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    anomaly::{
        Direction,
        incident::{ChangeKind, Incident, IncidentChange, metric_base},
    },
    app::App,
    bot::cards::incident::{metric_name, signal},
    chart::{self, Backdrop, Chart, Line},
    metrics::{Series, Window},
};

/// What the picture shows at most and at least, and the day before it.
const SHOWN: TimeDelta = TimeDelta::hours(6);
const SHOWN_AT_LEAST: TimeDelta = TimeDelta::minutes(10);
const DAY: TimeDelta = TimeDelta::hours(24);
/// Points asked for: one a minute, and more where little is shown.
const POINTS: u64 = 1800;
const SHORT: TimeDelta = TimeDelta::hours(1);
/// People are told without a picture rather than later than this.
const PATIENCE: Duration = Duration::from_secs(2);
/// In a storm the numbers are asked for what matters.
const MOST: usize = 3;

/// A drawn picture.
pub(super) struct Picture {
    pub(super) png: Vec<u8>,
    /// For those who cannot see it, in one sentence.
    pub(super) shows: String,
}

/// Pictures of what is about to be told, by fingerprint, of what goes on first. What cannot be drawn in
/// time is left out, and drawn when the incident changes next.
pub(super) async fn pictures(app: &App, changes: &[IncidentChange]) -> HashMap<String, Picture> {
    let is_worth_it = |change: &&IncidentChange| match change.kind {
        ChangeKind::Opened | ChangeKind::Reopened | ChangeKind::Worsened | ChangeKind::Resolved => {
            true
        }
        ChangeKind::Updated | ChangeKind::Joined => change.incident.pictured.is_none(),
        ChangeKind::Seen => false,
    };
    let mut worth: Vec<_> = changes.iter().filter(is_worth_it).collect();
    worth.sort_by_key(|change| !change.incident.is_live());
    let mut pictures = HashMap::new();
    for IncidentChange { incident, .. } in worth.into_iter().take(MOST) {
        if let Ok(Some(picture)) = tokio::time::timeout(PATIENCE, picture(app, incident)).await {
            pictures.insert(incident.fingerprint.clone(), picture);
        }
    }
    pictures
}

async fn picture(app: &App, incident: &Incident) -> Option<Picture> {
    let (lead, first) = incident.headline()?;
    let signal = signal(&first.metric)?;
    let part = first.metric[metric_base(&first.metric).len()..].trim();
    let measured = async |window: TimeDelta| {
        let window = Window::from_seconds(window.num_seconds().cast_unsigned());
        let hosts = std::slice::from_ref(&lead.host);
        let range = app.metrics.range(signal, hosts, &window, POINTS).await;
        let range =
            range.inspect_err(|error| tracing::warn!(%error, "an incident has no picture")).ok()?;
        let ours = |series: &Series| {
            series.host == lead.host && (part.is_empty() || series.part.as_deref() == Some(part))
        };
        Some((range.series.into_iter().find(ours)?, range.end))
    };
    let (mut series, mut to) = measured(SHOWN + DAY).await?;
    // Not much is shown of a host that has not much of a past, and more closely.
    let known = to - series.points.first()?.0;
    let shown = known.clamp(SHOWN_AT_LEAST, SHOWN);
    if shown < SHORT {
        (series, to) = measured(shown).await?;
    }
    let from = to - shown;
    let unusual = |at: DateTime<Utc>| lead.start <= at && lead.end.is_none_or(|end| at <= end);
    let points: Vec<_> = series.points.iter().copied().filter(|(at, _)| *at >= from).collect();
    if points.is_empty() {
        return None;
    }
    let normal = |at| (at, first.expected_low, first.expected_high);
    let backdrop = Backdrop {
        band: match first.direction {
            Direction::Stuck => Vec::new(),
            Direction::Up | Direction::Down => vec![normal(from), normal(to)],
        },
        day_before: series
            .points
            .iter()
            .map(|(at, value)| (*at + DAY, *value))
            .filter(|(at, _)| (from..=to).contains(at))
            .collect(),
        marks: points.iter().copied().filter(|(at, _)| unusual(*at)).collect(),
        spans: Vec::new(),
    };
    let title = format!("{} of {}", metric_name(&first.metric), lead.host);
    let description = format!("{title} against what is normal and the day before");
    let chart = Chart {
        title,
        unit: signal.unit(),
        lines: vec![Line { label: lead.host.clone(), points }],
        thresholds: Vec::new(),
        from,
        to,
        zone: app.zone,
    };
    let drawn =
        tokio::task::spawn_blocking(move || chart::png_against(&chart, &backdrop)).await.ok()?;
    let png =
        drawn.inspect_err(|error| tracing::warn!(%error, "an incident has no picture")).ok()?;
    Some(Picture { png, shows: description })
}
