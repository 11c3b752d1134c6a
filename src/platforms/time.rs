//! What time it is elsewhere: every answer over HTTP says so
//! (<https://www.rfc-editor.org/rfc/rfc9110#name-date>).

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use url::Url;

use crate::{clock::Clock, tls};

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How far the clock at this address is ahead of ours, to about a second; nothing where it does not say.
pub(super) async fn clock_offset(url: Url, clock: &Clock) -> Option<TimeDelta> {
    tls::install_provider();
    let http = reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .ok()?;
    let before = clock.now();
    let answer = http.get(url).send().await.ok()?;
    let after = clock.now();
    let date = answer.headers().get(reqwest::header::DATE)?.to_str().ok()?;
    // It is cut to whole seconds.
    let theirs = DateTime::parse_from_rfc2822(date).ok()? + TimeDelta::milliseconds(500);
    Some(theirs.to_utc() - (before + (after - before) / 2))
}
