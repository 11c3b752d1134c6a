//! Silences: what people do not want to hear about for a while. It is recorded all the same.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Incident, metric_base};
use crate::anomaly::Anomaly;

/// A wish for silence. What it names must all be so; what it does not name may be anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Its id.
    pub id: String,
    /// Of this incident.
    pub incident: Option<u32>,
    /// Of this host.
    pub host: Option<String>,
    /// Of this metric, whatever part of it: an anomaly is about the metric that is most unusual.
    pub metric: Option<String>,
    /// Until when.
    pub until: DateTime<Utc>,
    /// Who wants it.
    pub by: String,
    /// Since when.
    pub at: DateTime<Utc>,
}

impl Silence {
    /// Whether this anomaly of this incident is not to be heard.
    pub fn covers(&self, incident: u32, anomaly: &Anomaly, now: DateTime<Utc>) -> bool {
        now < self.until && self.names(incident, anomaly)
    }

    /// Whether this anomaly of this incident came while it was not to be heard.
    pub fn held_back(&self, incident: u32, anomaly: &Anomaly) -> bool {
        (self.at..self.until).contains(&anomaly.start) && self.names(incident, anomaly)
    }

    /// Whether another one is about the same.
    pub fn is_like(&self, other: &Self) -> bool {
        (self.incident, &self.host, &self.metric) == (other.incident, &other.host, &other.metric)
    }

    /// Whether it is about this anomaly, whatever the time.
    pub fn names(&self, incident: u32, anomaly: &Anomaly) -> bool {
        let metric = anomaly.metrics.first().map_or("", |first| &first.metric);
        self.incident.is_none_or(|number| number == incident)
            && self.host.as_ref().is_none_or(|host| *host == anomaly.host)
            && self
                .metric
                .as_ref()
                .is_none_or(|wanted| wanted == metric || wanted == metric_base(metric))
    }
}

impl Incident {
    /// Until when nothing of it is to be heard; `None` when something is. What has ended says
    /// nothing by itself, unless all of it has.
    pub fn silenced_until(
        &self,
        silences: &[Silence],
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        self.current()
            .map(|anomaly| {
                let covering = silences.iter().filter(|it| it.covers(self.number, anomaly, now));
                covering.map(|silence| silence.until).max()
            })
            // `None` sorts before every moment: one that is not silenced speaks for all.
            .min()
            .flatten()
    }
}
