//! Observations one after the other, moment by moment, and what is found in each.

use std::{
    collections::{BTreeSet, HashSet},
    io::{self, Write},
    path::Path,
};

use super::{
    cannot_write,
    columns::Columns,
    output::{Events, HIGHEST, Scores},
};
use crate::{
    anomaly::{Detector, Observation, Verdict},
    cli::CliError,
};

/// A detector at work. Only the observations of one moment are in memory.
pub(super) struct Detection<W: Write> {
    detector: Detector,
    columns: Columns,
    known: HashSet<String>,
    moment: Vec<Observation>,
    scores: Scores<W>,
    events: Option<Events<W>>,
    counts: Counts,
}

/// What there was.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) observations: u64,
    /// Anomalies, those that go on at the end included.
    pub(super) events: u64,
    /// Hosts that the model does not know.
    pub(super) unknown: BTreeSet<String>,
    /// How many observations are of them.
    pub(super) of_unknown: u64,
    /// Scores that are no finite numbers.
    pub(super) not_finite: u64,
}

/// Which file could not be written.
#[derive(Debug)]
pub(super) enum Failed {
    Scores(io::Error),
    Events(io::Error),
}

impl Failed {
    /// The same, with the name of the file.
    pub(super) fn about(self, scores: &Path, events: Option<&Path>) -> CliError {
        match self {
            Self::Scores(source) => cannot_write(scores, source),
            Self::Events(source) => cannot_write(events.unwrap_or(scores), source),
        }
    }
}

impl<W: Write> Detection<W> {
    pub(super) fn new(
        detector: Detector,
        columns: Columns,
        scores: Scores<W>,
        events: Option<Events<W>>,
    ) -> Self {
        let known = detector.hosts().map(str::to_owned).collect();
        let (moment, counts) = (Vec::new(), Counts::default());
        Self { detector, columns, known, moment, scores, events, counts }
    }

    /// Takes the next observation, with the values as the data have them. Says whether it began a new
    /// moment.
    pub(super) fn take(&mut self, mut observation: Observation) -> Result<bool, Failed> {
        observation.values = self.columns.arrange(&observation.values);
        let is_new = self.moment.first().is_none_or(|first| first.at != observation.at);
        if is_new {
            self.look()?;
        }
        self.moment.push(observation);
        Ok(is_new)
    }

    /// After the last observation: what goes on is written with an open end.
    pub(super) fn finish(mut self) -> Result<Counts, Failed> {
        self.look()?;
        for anomaly in self.detector.anomalies() {
            self.counts.events += 1;
            if let Some(events) = &mut self.events {
                events.write(anomaly).map_err(Failed::Events)?;
            }
        }
        self.scores.finish().map_err(Failed::Scores)?;
        if let Some(events) = self.events {
            events.finish().map_err(Failed::Events)?;
        }
        Ok(self.counts)
    }

    /// Looks at the moment that is over.
    fn look(&mut self) -> Result<(), Failed> {
        let mut verdicts = self.detector.look(&self.moment);
        // Those of hosts without a past come last; observations are in the order of host names.
        verdicts.sort_by(|left, right| left.host.cmp(&right.host));
        let mut verdicts = verdicts.into_iter().peekable();
        for observation in std::mem::take(&mut self.moment) {
            let Observation { host, at, .. } = observation;
            self.counts.observations += 1;
            let verdict = verdicts.next_if(|verdict| verdict.host == host);
            let (score, alarm) =
                verdict.as_ref().map_or((0.0, false), |it| (f64::from(it.score), it.alarm));
            let score = self.finite(score);
            self.scores.write(&host, at, score, alarm).map_err(Failed::Scores)?;
            if let Some(verdict) = verdict {
                self.close(&verdict)?;
            } else if !self.known.contains(&host) {
                self.counts.of_unknown += 1;
                self.counts.unknown.insert(host);
            }
        }
        Ok(())
    }

    /// Writes the anomaly that ended with this verdict.
    fn close(&mut self, verdict: &Verdict) -> Result<(), Failed> {
        let Some(anomaly) = verdict.anomaly.as_ref().filter(|it| it.end.is_some()) else {
            return Ok(());
        };
        self.counts.events += 1;
        self.events.as_mut().map_or(Ok(()), |events| events.write(anomaly)).map_err(Failed::Events)
    }

    fn finite(&mut self, score: f64) -> f64 {
        if score.is_finite() {
            // Also where it is -0.
            return score.max(0.0);
        }
        self.counts.not_finite += 1;
        if score > 0.0 { HIGHEST } else { 0.0 }
    }
}
