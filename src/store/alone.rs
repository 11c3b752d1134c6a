//! One process at a time serves from a database.

use std::{
    fs::{File, TryLockError},
    time::Duration,
};

use sqlx::{AnyConnection, ConnectOptions as _, Connection as _};

use super::{Backend, Result, Store, StoreError};

/// How often it is looked whether the server still knows who serves.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// How long a server may take to say so.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a session of PostgreSQL is told. A machine that is gone is noticed by the server within 25 seconds,
/// instead of two hours: until then it would hold the lock.
const SETTINGS: &str = "SELECT set_config('application_name', $1, false), \
     set_config('lock_timeout', '1s', false), set_config('tcp_keepalives_idle', '10', false), \
     set_config('tcp_keepalives_interval', '5', false), set_config('tcp_keepalives_count', '3', false)";
/// An earlier session of this process, whose end the server has not noticed, gives way, within 5 seconds.
const GIVE_WAY: &str = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
     WHERE application_name = $1 AND pid <> pg_backend_pid()";
/// The lock of PostgreSQL: a number of our own ("sco" in ASCII), and the schema of the tables. The server waits a
/// moment for it: it may be about to notice that who had it is dead.
const LOCK: &str = "SELECT pg_advisory_lock(7562095, hashtext(coalesce(current_schema(), '')))";

/// The right to serve from a database, held by one process. It ends with the process, however that ends.
#[derive(Debug)]
pub struct Alone(Held);

#[derive(Debug)]
enum Held {
    /// A lock of the system on a file beside the database.
    File { _lock: File },
    /// A lock of a session of PostgreSQL.
    Session(AnyConnection),
    /// Where files cannot be locked it is as it was without.
    Unguarded,
}

impl Store {
    /// Takes the right to serve, or says with `None` that another process has it.
    pub async fn alone(&self) -> Result<Option<Alone>> {
        let held = match self.backend() {
            Backend::Sqlite => self.lock_file(),
            Backend::Postgres => self.lock_session().await?.map(Held::Session),
        };
        Ok(held.map(Alone))
    }

    fn lock_file(&self) -> Option<Held> {
        let file = File::options().create(true).append(true).open(format!("{}.lock", self.place()));
        let locked = file.map_err(TryLockError::Error).and_then(|file| {
            file.try_lock()?;
            Ok(file)
        });
        match locked {
            Ok(lock) => Some(Held::File { _lock: lock }),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Error(error)) => {
                tracing::warn!(%error, "whether another process serves from this database is not known");
                Some(Held::Unguarded)
            }
        }
    }

    /// A connection of its own, outside the pool, which may close what is idle.
    async fn lock_session(&self) -> Result<Option<AnyConnection>> {
        let name = format!("smartcloudops {}", self.inner.instance);
        let mut session = self.inner.pool.connect_options().connect().await?;
        for statement in [SETTINGS, GIVE_WAY] {
            sqlx::query(statement).bind(&*name).fetch_all(&mut session).await?;
        }
        match sqlx::query(LOCK).execute(&mut session).await.map_err(StoreError::from) {
            Ok(_) => Ok(Some(session)),
            Err(StoreError::Locked) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Alone {
    /// Returns when another process has the right: the server restarted, and that one was quicker. While the
    /// server is away nobody can serve, and nothing is lost yet.
    pub async fn lost(self, store: &Store) {
        let Held::Session(mut session) = self.0 else { return std::future::pending().await };
        loop {
            tokio::time::sleep(CHECK_EVERY).await;
            let answer = tokio::time::timeout(PATIENCE, session.ping()).await;
            if matches!(answer, Ok(Ok(()))) {
                continue;
            }
            match tokio::time::timeout(PATIENCE, store.lock_session()).await {
                Ok(Ok(Some(again))) => session = again,
                Ok(Ok(None)) => return,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "whether this process alone serves is not known");
                }
                Err(_) => {
                    tracing::warn!("the database does not say whether this process alone serves");
                }
            }
        }
    }
}
