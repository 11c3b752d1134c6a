//! How many events are in hand at once, and which comes next when there are more.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Admits events to being answered. When there was no room for some, those that come later wait behind them in the
/// database.
pub(super) struct Admission {
    places: Arc<Semaphore>,
    most: usize,
    some_wait: AtomicBool,
    room_again: Notify,
}

/// One event in hand, until it is dropped.
pub(super) struct Admitted {
    admission: Arc<Admission>,
    _place: OwnedSemaphorePermit,
}

impl Admission {
    /// So many events in hand at most.
    pub(super) fn of(most: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(most)),
            most,
            some_wait: AtomicBool::new(false),
            room_again: Notify::new(),
        }
    }

    /// How many more there is room for.
    pub(super) fn free(&self) -> u32 {
        u32::try_from(self.places.available_permits()).unwrap_or(u32::MAX)
    }

    /// Admits one that has waited.
    pub(super) fn waited(self: &Arc<Self>) -> Option<Admitted> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Admitted { admission: Arc::clone(self), _place: place })
    }

    /// Admits one that came just now, unless others wait.
    pub(super) fn came(self: &Arc<Self>) -> Option<Admitted> {
        let admitted = if self.some_wait.load(Ordering::Relaxed) { None } else { self.waited() };
        if admitted.is_none() {
            self.some_wait.store(true, Ordering::Relaxed);
        }
        admitted
    }

    /// All that waited were found, and admitted.
    pub(super) fn nobody_waits(&self) {
        self.some_wait.store(false, Ordering::Relaxed);
    }

    /// Returns when some wait and there is room for many.
    pub(super) async fn has_room_again(&self) {
        self.room_again.notified().await;
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let admission = &self.admission;
        // This place is not free yet.
        let free = admission.places.available_permits() + 1;
        if admission.some_wait.load(Ordering::Relaxed) && free * 2 >= admission.most {
            admission.room_again.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn who_comes_later_waits_behind_those_for_whom_there_was_no_room() {
        let admission = Arc::new(Admission::of(4));
        let mut admitted: Vec<_> = (0..4).filter_map(|_| admission.came()).collect();
        assert_eq!((admitted.len(), admission.free()), (4, 0));
        assert!(admission.came().is_none());
        admitted.pop();
        assert!(admission.came().is_none(), "another waits");
        assert!(admission.has_room_again().now_or_never().is_none(), "it is hardly worth a look");
        admitted.pop();
        assert!(admission.has_room_again().now_or_never().is_some());
        // As many as there was room for: there may be more.
        admitted.extend((0..2).filter_map(|_| admission.waited()));
        assert_eq!(admitted.len(), 4);
        drop(admitted);
        assert!(admission.came().is_none());
        admission.nobody_waits();
        assert!(admission.came().is_some());
    }
}
