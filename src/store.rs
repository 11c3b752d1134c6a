//! The database: one file per table family under `store/`.
//!
//! One set of queries and one folder of migrations serve SQLite and PostgreSQL. Two rules keep
//! data safe. A transaction that reads before it writes starts with [`Store::begin_write`]. And
//! every write carries a key of its own (an id made before the first attempt, or a unique key of
//! the thing itself), so that a write whose outcome is unknown, because the connection broke
//! during COMMIT, can simply be done again.

/// Does a write again, once, when the connection was lost under it. Only for work that recognises
/// its own first attempt by key. (A macro, because the future of an async closure is not `Send`
/// enough to be spawned.)
macro_rules! safely {
    ($store:expr, $work:expr) => {{
        let first: $crate::store::Result<_> = $work.await;
        match first {
            Err(error) => {
                if $store.again(&error).await {
                    match $work.await {
                        // Whether the first attempt was saved is still unknown.
                        Err($crate::store::StoreError::Unreachable { .. }) => Err(error),
                        done => done,
                    }
                } else {
                    Err(error)
                }
            }
            done => done,
        }
    }};
}

mod alone;
mod audit;
mod channels;
mod completion;
mod connect;
mod conversations;
mod error;
mod inbox;
mod incidents;
mod living;
mod migrate;
mod outbox;
mod people;
mod samples;
mod served;
mod words;
mod write;

pub use alone::Alone;
pub use audit::{Actor, AuditEvent, Verified, VerifyError};
pub(crate) use channels::channel_id;
pub use completion::{Completed, Completion};
pub use conversations::{Speaker, Turn};
pub use error::{Result, StoreError};
pub use inbox::{CLAIM_LEASE, FirstSight, InboxId, OVERHEARD, Recorded};
pub use incidents::{Earlier, Ended, Wanted};
pub use outbox::{Delivery, DeliveryId, How, Reply};
pub use people::{Change, Person, Subject};
pub use samples::Sample;
pub use served::Served;
pub use write::WriteTx;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::AnyPool;
use uuid::{ContextV7, Timestamp, Uuid};

use crate::clock::Clock;

/// Which engine holds the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file beside the program.
    Sqlite,
    /// A server, possibly shared by several bots.
    Postgres,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

/// The open database. Cheap to clone: clones share the connections.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    pool: AnyPool,
    backend: Backend,
    place: String,
    clock: Clock,
    /// Names this run of the program in claims.
    instance: String,
    ids: Mutex<ContextV7>,
    /// SQLite has one writer: waiting here is fair, waiting in SQLite is polling.
    turns: Option<write::Turns>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({} {})", self.inner.backend, self.inner.place)
    }
}

impl Store {
    /// Which engine holds the data.
    pub fn backend(&self) -> Backend {
        self.inner.backend
    }

    /// The file, or the server's URL without its password.
    pub fn place(&self) -> &str {
        &self.inner.place
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.inner.pool).await?;
        Ok(())
    }

    /// Closes every connection; what was committed stays.
    pub async fn close(&self) {
        self.inner.pool.close().await;
    }

    /// Forgets what is older than this many days (at least one): turns of conversations, finished
    /// inbound events, settled replies, and link codes that expired. The audit is kept.
    pub async fn purge_older_than(&self, days: u32) -> Result<u64> {
        let days = i64::from(days.max(1));
        let horizon = millis(self.now() - TimeDelta::days(days));
        let now = millis(self.now());
        let mut tx = self.begin_write().await?;
        let mut gone = 0;
        for (statement, before) in [
            ("DELETE FROM turns WHERE at < $1", horizon),
            ("DELETE FROM inbox WHERE state = 'done' AND finished_at < $1", horizon),
            // The message of what is not over is still needed.
            (
                "DELETE FROM outbox WHERE state <> 'waiting' AND settled_at < $1 \
                 AND (version = 0 OR NOT EXISTS (SELECT 1 FROM incidents \
                 WHERE incidents.state <> 'resolved' \
                 AND outbox.dedupe_key LIKE 'incident:' || incidents.number || ':%'))",
                horizon,
            ),
            ("DELETE FROM link_codes WHERE expires_at <= $1", now),
            (
                "UPDATE incidents SET picture = NULL WHERE picture IS NOT NULL AND resolved_at < $1",
                horizon,
            ),
            ("DELETE FROM silences WHERE ends_at <= $1", horizon),
        ] {
            gone += sqlx::query(statement).bind(before).execute(&mut *tx).await?.rows_affected();
        }
        tx.commit().await?;
        Ok(gone)
    }

    fn now(&self) -> DateTime<Utc> {
        self.inner.clock.now()
    }

    /// A new id. Ids made by one run of the program sort in the order they were made.
    pub fn new_id(&self) -> String {
        let now = self.now();
        let ids = self.inner.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
        Uuid::new_v7(Timestamp::from_unix(&*ids, seconds, now.timestamp_subsec_nanos())).to_string()
    }

    /// Whether a write whose connection was lost may be tried again, after a breath.
    pub(crate) async fn again(&self, error: &StoreError) -> bool {
        let again = error.is_connection_lost() && !self.inner.pool.is_closed();
        if again {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        again
    }
}

fn millis(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

fn moment(millis: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_millis(millis)
        .ok_or_else(|| StoreError::Damaged(format!("the time {millis}")))
}
