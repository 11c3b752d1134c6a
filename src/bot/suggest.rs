//! How a word goes on that somebody is typing.

use async_trait::async_trait;
use chat::{Suggest, Topic, UserRef};

use super::{Bot, scope};
use crate::metrics::Signal;

#[async_trait]
impl Suggest for Bot {
    /// Metrics are known to everybody; machines are shown to those who may ask about them.
    async fn suggest(&self, from: &UserRef, topic: Topic, typed: &str, most: usize) -> Vec<String> {
        let names = match topic {
            Topic::Metric => Signal::ALL.iter().map(|signal| signal.as_str().to_owned()).collect(),
            Topic::Host => self.visible_names(from).await,
        };
        completions(names, typed, most)
    }
}

impl Bot {
    async fn visible_names(&self, from: &UserRef) -> Vec<String> {
        // Whoever types is not told a code yet.
        let principal = self.app.store.acquaintance(from, &from.user).await;
        let (Ok(principal), Ok(fleet)) = (principal, self.app.metrics.fleet().await) else {
            return Vec::new();
        };
        let visible = scope::visible(&principal, &fleet);
        visible.hosts().iter().map(|host| host.name.clone()).collect()
    }
}

/// The names that begin with what was typed, then those that have it anywhere.
fn completions(names: Vec<String>, typed: &str, most: usize) -> Vec<String> {
    let typed = typed.trim().to_lowercase();
    let place = |name: &String| name.to_lowercase().find(&typed);
    let mut found: Vec<_> = names.into_iter().filter(|name| place(name).is_some()).collect();
    found.sort_by_key(|name| place(name) != Some(0));
    found.truncate(most);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_so_comes_before_what_has_it_inside() {
        let names = || ["cache-db", "db-1", "DB-2", "web-1"].map(str::to_owned).to_vec();
        assert_eq!(completions(names(), "db", 9), ["db-1", "DB-2", "cache-db"]);
        assert_eq!(completions(names(), " ", 2), ["cache-db", "db-1"]);
        assert!(completions(names(), "x", 9).is_empty());
    }
}
