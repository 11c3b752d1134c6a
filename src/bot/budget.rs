//! How much the bot says to one account in one thread and one channel: two machines that answer each other stop.
//! Pure.

use std::collections::{HashMap, VecDeque};

use chat::{Conversation, Platform, UserRef};
use chrono::{DateTime, TimeDelta, Utc};

/// Over which stretch answers are counted.
pub(super) const STRETCH: TimeDelta = TimeDelta::minutes(10);
/// How many talks a channel is good for: where each question begins a thread of its own, and where there are no
/// threads.
const TALKS_IN_CHANNEL: usize = 3;
/// Accounts in threads and channels that are remembered.
const MOST_TALKS: usize = 10_000;

/// Whether a question in a thread is still answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    /// It is.
    Yes,
    /// It is, and then none for a while.
    TheLast,
    /// It is not.
    No,
}

/// The answers of the last minutes, by thread and account.
#[derive(Debug)]
pub(super) struct Budget {
    most: usize,
    talks: HashMap<(Conversation, UserRef), VecDeque<DateTime<Utc>>>,
}

impl Budget {
    /// So many answers to one account in one thread.
    pub(super) fn of(most: usize) -> Self {
        Self { most, talks: HashMap::new() }
    }

    /// Takes one answer from the budget, if there is one.
    pub(super) fn take(
        &mut self,
        place: &Conversation,
        who: &UserRef,
        now: DateTime<Utc>,
    ) -> Allowed {
        let is_old = |at: &DateTime<Utc>| now - *at >= STRETCH;
        if self.talks.len() >= MOST_TALKS {
            self.talks.retain(|_, answers| answers.back().is_some_and(|last| !is_old(last)));
        }
        let allowed = match self.left(place, who, now) {
            0 => return Allowed::No,
            1 => Allowed::TheLast,
            _ => Allowed::Yes,
        };
        for (talk, _) in self.talks_of(place) {
            let answers = self.talks.entry((talk, who.clone())).or_default();
            while answers.front().is_some_and(is_old) {
                answers.pop_front();
            }
            answers.push_back(now);
        }
        allowed
    }

    /// How many answers are left. At the terminal there is no end: who sits there may pipe in what they like.
    pub(super) fn left(&self, place: &Conversation, who: &UserRef, now: DateTime<Utc>) -> usize {
        let left = self.talks_of(place).into_iter().map(|(talk, most)| {
            let answers = self.talks.get(&(talk, who.clone()));
            let recent = |answers: &VecDeque<DateTime<Utc>>| {
                answers.iter().filter(|at| now - **at < STRETCH).count()
            };
            most.saturating_sub(answers.map_or(0, recent))
        });
        left.min().unwrap_or(usize::MAX)
    }

    /// The thread and the channel, and how many answers each is good for.
    fn talks_of(&self, place: &Conversation) -> Vec<(Conversation, usize)> {
        if place.platform == Platform::Console {
            return Vec::new();
        }
        let channel = Conversation { thread: None, ..place.clone() };
        let mut talks = vec![(channel, self.most.saturating_mul(TALKS_IN_CHANNEL))];
        if place.thread.is_some() {
            talks.push((place.clone(), self.most));
        }
        talks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(thread: Option<&str>) -> Conversation {
        Conversation {
            platform: Platform::Slack,
            workspace: "T1".into(),
            channel: "C1".into(),
            thread: thread.map(str::to_owned),
        }
    }

    fn who(user: &str) -> UserRef {
        UserRef { platform: Platform::Slack, workspace: "T1".into(), user: user.into() }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn f20_a_thread_that_runs_away_is_left_alone_for_a_while() {
        use Allowed::{No, TheLast, Yes};
        let (mut budget, thread) = (Budget::of(3), place(Some("1")));
        let (ana, ben) = (who("UANA"), who("UBEN"));
        let taken: Vec<_> = (0..5).map(|second| budget.take(&thread, &ana, at(second))).collect();
        assert_eq!(taken, [Yes, Yes, TheLast, No, No]);
        assert_eq!(budget.take(&place(Some("2")), &ana, at(5)), Yes, "elsewhere it goes on");
        assert_eq!(budget.take(&thread, &ben, at(5)), Yes, "and for others");
        assert_eq!(budget.take(&thread, &ana, at(599)), No);
        assert_eq!(budget.take(&thread, &ana, at(600)), TheLast, "the first is old");
        assert_eq!(budget.take(&thread, &ana, at(2000)), Yes);
    }

    #[test]
    fn f20_a_channel_that_runs_away_by_threads_of_their_own_is_left_alone_too() {
        use Allowed::{No, TheLast, Yes};
        let (mut budget, ana) = (Budget::of(2), who("UANA"));
        let threads = (0..8).map(|it| (it, place(Some(&it.to_string()))));
        let taken: Vec<_> =
            threads.map(|(second, thread)| budget.take(&thread, &ana, at(second))).collect();
        assert_eq!(taken, [Yes, Yes, Yes, Yes, Yes, TheLast, No, No]);
        assert_eq!(budget.take(&place(Some("9")), &who("UBEN"), at(9)), Yes);
    }

    #[test]
    fn a_place_without_threads_is_good_for_three_talks_and_the_terminal_for_any_number() {
        use Allowed::{No, TheLast, Yes};
        let (mut budget, ana) = (Budget::of(1), who("UANA"));
        let taken: Vec<_> = (0..4).map(|it| budget.take(&place(None), &ana, at(it))).collect();
        assert_eq!(taken, [Yes, Yes, TheLast, No]);
        let terminal = Conversation { platform: Platform::Console, ..place(None) };
        assert!((0..50).all(|it| budget.take(&terminal, &ana, at(it)) == Yes));
    }
}
