//! The whole fleet's past, in pieces that a server can give.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};

use super::{
    super::{MetricsError, Series, Signal, Window, promql::with_rate_window},
    Prometheus, expression,
    transport::Call,
};

/// Points of each series in one answer: a fleet of hundreds stays below what a server and its proxies
/// send in one piece.
const POINTS_AT_ONCE: u64 = 1440;

impl Prometheus {
    /// A signal of every host over a window that ends at `now`, a point each `step`; one query for
    /// each piece of the window, oldest first. What the server cannot give is an error: half a past
    /// is not learned from.
    pub async fn history(
        &self,
        signal: Signal,
        window: &Window,
        step: Duration,
        now: DateTime<Utc>,
    ) -> Result<Vec<Series>, MetricsError> {
        let known = self.known().await?;
        let seconds = step.as_secs().max(1);
        let expr = with_rate_window(
            expression(signal, &self.settings),
            self.settings.rate_window.max(step),
        );
        let query = self.printed(&expr)?;
        let piece = i64::try_from(POINTS_AT_ONCE * seconds).unwrap_or(i64::MAX);
        // Times are multiples of the step, so that hosts and pieces fit together.
        let end = now.timestamp().div_euclid(seconds.cast_signed()) * seconds.cast_signed();
        let mut start = (now - window.delta()).timestamp();
        start = start.div_euclid(seconds.cast_signed()) * seconds.cast_signed();
        let mut joined: BTreeMap<(String, Option<String>), Series> = BTreeMap::new();
        while start < end {
            let until = (start + piece - seconds.cast_signed()).min(end);
            let call = Call::Range {
                query: &query,
                start,
                end: until,
                step: Duration::from_secs(seconds),
            };
            let answer = self.transport.answer(call).await?;
            let (series, _) = known.series(&self.labels, signal, answer.items);
            for series in series {
                let key = (series.host.clone(), series.part.clone());
                match joined.entry(key) {
                    std::collections::btree_map::Entry::Vacant(entry) => {
                        entry.insert(series);
                    }
                    std::collections::btree_map::Entry::Occupied(mut entry) => {
                        entry.get_mut().points.extend(series.points);
                    }
                }
            }
            start = until + seconds.cast_signed();
        }
        Ok(joined.into_values().collect())
    }
}
