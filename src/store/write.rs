//! The write transaction.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use sqlx::{Any, AnyConnection, Executor as _, pool::PoolConnection};
use tokio::sync::OwnedSemaphorePermit;

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
    _turn: Option<OwnedSemaphorePermit>,
}

impl Store {
    /// Starts a transaction that holds the write lock from its first moment on SQLite, so that
    /// what it reads is still true when it writes. On PostgreSQL, lock what you read.
    ///
    /// Never wait for a second write inside the first: on SQLite there is one writer.
    pub async fn begin_write(&self) -> Result<WriteTx> {
        let turn = self.turn().await?;
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
    pub(super) async fn turn(&self) -> Result<Option<OwnedSemaphorePermit>> {
        let Some(turn) = &self.inner.turn else { return Ok(None) };
        match tokio::time::timeout(PATIENCE, turn.clone().acquire_owned()).await {
            Ok(Ok(turn)) => Ok(Some(turn)),
            Ok(Err(_)) => Err(sqlx::Error::PoolClosed.into()),
            Err(_) => Err(StoreError::Locked),
        }
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
