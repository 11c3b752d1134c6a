//! Who asked sees within a second that they were heard, and then how long it takes.

use std::{sync::Arc, time::Duration};

use chat::{Inbound, MessageRef, Origin, Reaction};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{cards, outbox::Outbox};

/// When it is shown what.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// What is answered sooner needs no receipt.
    pub heard_after: Duration,
    /// From here on it is said how long it takes, and again after as long.
    pub progress_every: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { heard_after: Duration::from_millis(600), progress_every: Duration::from_secs(4) }
    }
}

/// What people saw of an answer that was on its way.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// The message has a sign on it.
    pub(super) seen: bool,
    /// The message that says that the answer will come.
    pub(super) progress: Option<MessageRef>,
}

/// Shows that an event was heard, while its answer takes long.
pub(super) struct Receipt {
    answered: CancellationToken,
    task: Option<JoinHandle<Taken>>,
}

impl Receipt {
    pub(super) fn of(outbox: &Arc<Outbox>, event: &Inbound, pace: Pace) -> Self {
        let answered = CancellationToken::new();
        // Nobody asked who was overheard.
        let task = (event.origin != Origin::Overheard).then(|| {
            let (outbox, event, answered) = (outbox.clone(), event.clone(), answered.clone());
            tokio::spawn(show(outbox, event, answered, pace))
        });
        Self { answered, task }
    }

    /// The answer is there: what was shown meanwhile.
    pub(super) async fn taken(mut self) -> Taken {
        self.answered.cancel();
        match self.task.take() {
            Some(task) => task.await.unwrap_or_default(),
            None => Taken::default(),
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.answered.cancel();
    }
}

async fn show(
    outbox: Arc<Outbox>,
    event: Inbound,
    answered: CancellationToken,
    pace: Pace,
) -> Taken {
    let begun = Instant::now();
    let mut taken = Taken::default();
    let mut next = begun + pace.heard_after;
    while answered.run_until_cancelled(sleep_until(next)).await.is_some() {
        let is_message = event.origin == Origin::Addressed && outbox.can_react(&event.conversation);
        if is_message && !taken.seen {
            taken.seen = true;
            outbox.react(&event.message, Reaction::Seen).await;
        } else {
            let card = cards::working(begun.elapsed());
            let shown = taken.progress.take();
            taken.progress =
                outbox.progress(&event.conversation, shown, &card, &event.answer_key()).await;
        }
        next = Instant::now().max(begun + pace.progress_every);
        if taken.progress.is_some() {
            next += pace.progress_every;
        }
    }
    taken
}
