//! The write transaction.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use sqlx::{Any, AnyConnection, Executor as _, pool::PoolConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Backend, Result, Store, StoreError};

/// How often BEGIN is tried; on SQLite each attempt waits for the busy timeout.
const ATTEMPTS: usize = 2;

/// How long to wait for the writers of this process that came first.
const PATIENCE: Duration = Duration::from_secs(30);

/// A transaction that may read and write. Dropped without a commit, it is rolled back and its
/// connection is closed, whatever state an error or a cancellation left it in.
pub struct WriteTx {
    // Before the turn: the connection goes before the next writer comes.
    connection: Option<PoolConnection<Any>>,
    _turn: Option<Turn>,
}

/// Who writes next in this process, on SQLite, where there is one writer. What a platform waits for goes before
/// the rest: the rest comes out of its queue one at a time, so that an arrival waits for two of it at most.
#[derive(Clone)]
pub(super) struct Turns {
    turn: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Self {
        let one = || Arc::new(Semaphore::new(1));
        Self { turn: one(), queue: one() }
    }
}

/// A turn to write.
pub(super) struct Turn {
    // Before the place in the queue: who waits for the turn itself goes first.
    _turn: OwnedSemaphorePermit,
    _place: Option<OwnedSemaphorePermit>,
}

impl Store {
    /// Starts a transaction that holds the write lock from its first moment on SQLite, so that
    /// what it reads is still true when it writes. On PostgreSQL, lock what you read.
    ///
    /// Never wait for a second write inside the first: on SQLite there is one writer.
    pub async fn begin_write(&self) -> Result<WriteTx> {
        self.begin(self.turn().await?).await
    }

    /// The same before all others: for what a platform waits for.
    pub(super) async fn begin_write_first(&self) -> Result<WriteTx> {
        self.begin(self.first_turn().await?).await
    }

    async fn begin(&self, turn: Option<Turn>) -> Result<WriteTx> {
        let mut tx = WriteTx { connection: Some(self.inner.pool.acquire().await?), _turn: turn };
        let begin = match self.inner.backend {
            Backend::Sqlite => "BEGIN IMMEDIATE",
            Backend::Postgres => "BEGIN",
        };
        for _ in 1..ATTEMPTS {
            match tx.execute(begin).await.map_err(StoreError::from) {
                Err(StoreError::Locked) => tracing::warn!("the database is locked, waiting"),
                done => return done.map(|_| tx),
            }
        }
        tx.execute(begin).await?;
        Ok(tx)
    }

    /// Starts a transaction that sees one moment of the database and changes nothing.
    pub(crate) async fn begin_read(&self) -> Result<WriteTx> {
        let mut tx = WriteTx { connection: Some(self.inner.pool.acquire().await?), _turn: None };
        tx.execute(match self.inner.backend {
            Backend::Sqlite => "BEGIN",
            Backend::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        })
        .await?;
        Ok(tx)
    }

    /// Waits for this process's turn to write; to be held while writing outside `begin_write`.
    pub(super) async fn turn(&self) -> Result<Option<Turn>> {
        let Some(turns) = &self.inner.turns else { return Ok(None) };
        let place = in_time(&turns.queue).await?;
        Ok(Some(Turn { _turn: in_time(&turns.turn).await?, _place: Some(place) }))
    }

    /// The same before all others.
    pub(super) async fn first_turn(&self) -> Result<Option<Turn>> {
        let Some(turns) = &self.inner.turns else { return Ok(None) };
        Ok(Some(Turn { _turn: in_time(&turns.turn).await?, _place: None }))
    }
}

async fn in_time(semaphore: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit> {
    match tokio::time::timeout(PATIENCE, semaphore.clone().acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) => Err(sqlx::Error::PoolClosed.into()),
        Err(_) => Err(StoreError::Locked),
    }
}

impl WriteTx {
    /// Makes everything durable. An error may be [`StoreError::ConnectionLost`]: then nobody knows
    /// whether it happened, and the write has to be done again by key.
    pub async fn commit(mut self) -> Result<()> {
        self.execute("COMMIT").await?;
        self.release();
        Ok(())
    }

    /// Undoes everything and keeps the connection.
    pub async fn rollback(mut self) -> Result<()> {
        self.execute("ROLLBACK").await?;
        self.release();
        Ok(())
    }

    /// Gives the connection back to the pool.
    fn release(mut self) {
        drop(self.connection.take());
    }
}

impl Drop for WriteTx {
    fn drop(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.close_on_drop();
        }
    }
}

impl Deref for WriteTx {
    type Target = AnyConnection;

    #[expect(clippy::expect_used, reason = "it is only taken by the methods that end the value")]
    fn deref(&self) -> &AnyConnection {
        self.connection.as_deref().expect("an open transaction has its connection")
    }
}

impl DerefMut for WriteTx {
    #[expect(clippy::expect_used, reason = "it is only taken by the methods that end the value")]
    fn deref_mut(&mut self) -> &mut AnyConnection {
        self.connection.as_deref_mut().expect("an open transaction has its connection")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[tokio::test]
    async fn an_arrival_waits_for_two_others_at_most() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("bot.db").display());
        let store = Store::open(&url, Clock::system()).await.unwrap();
        let order = std::sync::Mutex::new(Vec::new());
        let writes = async |name: &'static str, turn: Result<Option<Turn>>| {
            let _turn = turn.unwrap();
            order.lock().unwrap().push(name);
            tokio::task::yield_now().await;
        };
        let held = store.turn().await.unwrap();
        let others = futures::future::join_all((0..5).map(|_| async {
            writes("other", store.turn().await).await;
        }));
        let arrival = async {
            tokio::task::yield_now().await;
            writes("arrival", store.first_turn().await).await;
        };
        let release = async {
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            drop(held);
        };
        tokio::join!(others, arrival, release);
        let order = order.lock().unwrap();
        let place = order.iter().position(|name| *name == "arrival").unwrap();
        assert!(place <= 1, "{order:?}");
    }
}
