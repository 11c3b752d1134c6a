//! How fast Discord lets the bot ask (<https://docs.discord.com/developers/topics/rate-limits>): what it says is kept
//! to, so that it never has to refuse. Pure but for the moment, which is given.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

/// Routes that are remembered.
const MOST: usize = 10_000;

/// Routes that have to wait, and until when.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    routes: HashMap<String, Instant>,
    all: Option<Instant>,
}

impl Limits {
    /// How long a route has to wait still. What answers an interaction waits for itself alone.
    pub(crate) fn wait(&self, route: &str, is_answer: bool, now: Instant) -> Option<Duration> {
        let all = self.all.filter(|_| !is_answer);
        let until = self.routes.get(route).copied().max(all)?;
        until.checked_duration_since(now).filter(|wait| !wait.is_zero())
    }

    /// A route has to wait this long from now on.
    pub(crate) fn hold(&mut self, route: &str, wait: Duration, now: Instant) {
        if self.routes.len() >= MOST {
            self.routes.retain(|_, until| *until > now);
        }
        self.routes.insert(route.to_owned(), now + wait);
    }

    /// Everything has to wait this long from now on.
    pub(crate) fn hold_all(&mut self, wait: Duration, now: Instant) {
        self.all = Some(now + wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_route_waits_for_itself_and_for_all() {
        let (mut limits, now) = (Limits::default(), Instant::now());
        let second = Duration::from_secs(1);
        limits.hold("POST /channels/1", second, now);
        assert_eq!(limits.wait("POST /channels/1", false, now), Some(second));
        assert_eq!(limits.wait("POST /channels/2", false, now), None);
        assert_eq!(limits.wait("POST /channels/1", false, now + second), None);
        limits.hold_all(2 * second, now);
        assert_eq!(limits.wait("POST /channels/2", false, now), Some(2 * second));
        assert_eq!(limits.wait("POST /interactions/1", true, now), None);
    }
}
