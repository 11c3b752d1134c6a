//! How many events are in hand at once, and who waits for how long when there are more.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Room for events in hand. When there was none for some, those that come later wait behind them in the database.
pub(super) struct Room {
    places: Arc<Semaphore>,
    most: usize,
    others_wait: AtomicBool,
    again: Notify,
}

/// One event in hand.
pub(super) struct Place {
    room: Arc<Room>,
    _permit: OwnedSemaphorePermit,
}

impl Room {
    pub(super) fn new(most: usize) -> Self {
        let places = Arc::new(Semaphore::new(most));
        Self { places, most, others_wait: AtomicBool::new(false), again: Notify::new() }
    }

    pub(super) fn left(&self) -> u32 {
        u32::try_from(self.places.available_permits()).unwrap_or(u32::MAX)
    }

    pub(super) fn place(self: &Arc<Self>) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Place { room: Arc::clone(self), _permit: permit })
    }

    pub(super) fn place_behind_others(self: &Arc<Self>) -> Option<Place> {
        let place = if self.others_wait.load(Ordering::Relaxed) { None } else { self.place() };
        if place.is_none() {
            self.others_wait.store(true, Ordering::Relaxed);
        }
        place
    }

    /// As many as there was room for were taken up, or all.
    pub(super) fn took_up(&self, all: bool) {
        if all {
            self.others_wait.store(false, Ordering::Relaxed);
        }
    }

    /// Returns when others wait and there is room for many of them.
    pub(super) async fn is_there_again(&self) {
        self.again.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The permit of this place is not free yet.
        let left = self.room.places.available_permits() + 1;
        if self.room.others_wait.load(Ordering::Relaxed) && left * 2 >= self.room.most {
            self.room.again.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn who_comes_later_waits_behind_those_for_whom_there_was_no_room() {
        let room = Arc::new(Room::new(4));
        let mut places: Vec<_> = (0..4).filter_map(|_| room.place_behind_others()).collect();
        assert_eq!((places.len(), room.left()), (4, 0));
        assert!(room.place_behind_others().is_none());
        places.pop();
        assert!(room.place_behind_others().is_none(), "another waits");
        assert!(room.is_there_again().now_or_never().is_none(), "it is hardly worth a look");
        places.pop();
        assert!(room.is_there_again().now_or_never().is_some());
        // As many as there was room for: there may be more.
        let taken: Vec<_> = (0..2).filter_map(|_| room.place()).collect();
        room.took_up(false);
        assert_eq!(taken.len(), 2);
        drop((places, taken));
        room.took_up(true);
        assert!(room.place_behind_others().is_some());
    }
}
