//! All rows in memory, host by host: what a detector learns from.

use std::collections::BTreeMap;

use super::{CsvError, Dataset};
use crate::anomaly::History;

/// Progress is told after so many observations.
const OBSERVATIONS_PER_PROGRESS: usize = 1 << 12;

impl Dataset {
    /// The past of every host, by its name: 4 bytes for each value, and 8 for each time. Every now and
    /// then `progress` is told how many bytes of [`Dataset::bytes`] were read. What cannot be used is
    /// counted in [`Dataset::report`].
    pub fn histories(
        &mut self,
        mut progress: impl FnMut(u64),
    ) -> Result<BTreeMap<String, History>, CsvError> {
        let mut histories: BTreeMap<String, History> = BTreeMap::new();
        let mut observations = self.observations()?;
        let mut count = 0_usize;
        while let Some(observation) = observations.next() {
            let observation = observation?;
            // A name is copied once for each host, not for each row.
            if !histories.contains_key(&observation.host) {
                histories.insert(observation.host.clone(), History::default());
            }
            if let Some(history) = histories.get_mut(&observation.host) {
                history.times.push(observation.at);
                history.rows.extend(observation.values.iter().map(|value| *value as f32));
            }
            count += 1;
            if count.is_multiple_of(OBSERVATIONS_PER_PROGRESS) {
                progress(observations.bytes_read());
            }
        }
        Ok(histories)
    }
}
