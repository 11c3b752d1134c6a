//! What was asked of Discord and need not be asked again for a while.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

/// Things that are remembered.
const MOST: usize = 10_000;

/// Answers by what was asked.
#[derive(Debug)]
pub(crate) struct Known<T> {
    lasts: Duration,
    answers: HashMap<String, (T, Instant)>,
}

impl<T: Clone> Known<T> {
    /// Remembers for this long.
    pub(crate) fn for_(lasts: Duration) -> Self {
        Self { lasts, answers: HashMap::new() }
    }

    pub(crate) fn get(&self, what: &str) -> Option<T> {
        let (answer, since) = self.answers.get(what)?;
        (since.elapsed() < self.lasts).then(|| answer.clone())
    }

    pub(crate) fn put(&mut self, what: &str, answer: T) {
        if self.answers.len() >= MOST {
            self.answers.clear();
        }
        self.answers.insert(what.to_owned(), (answer, Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_learned_is_forgotten_after_a_while() {
        let mut known = Known::for_(Duration::from_mins(1));
        known.put("a", 1);
        assert_eq!((known.get("a"), known.get("b")), (Some(1), None));
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(known.get("a"), None);
    }
}
