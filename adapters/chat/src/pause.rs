//! How long to wait before the next attempt.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

const LONGEST: Duration = Duration::from_mins(1);

/// The pause after so many failures in a row: longer after every one, at most a minute, and never the same for
/// two programs that lost the same server.
pub fn pause(failures: u32) -> Duration {
    let longest = Duration::from_secs(1).saturating_mul(1 << failures.min(6)).min(LONGEST);
    let share = RandomState::new().hash_one(failures) % 1000;
    longest / 2 + longest.mul_f64(share as f64 / 2000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute() {
        assert!(pause(0) >= Duration::from_millis(500) && pause(0) <= Duration::from_secs(1));
        assert!(pause(40) >= Duration::from_secs(30) && pause(40) <= LONGEST);
    }
}
