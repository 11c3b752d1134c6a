//! What is kept over a restart: a file of rows, each of a kind, a key and a value. One process at a time has it.

use std::{
    collections::HashSet,
    fs::{self, File},
    path::Path,
    str::FromStr as _,
};

use chat::Clock;
use chrono::TimeDelta;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{
    Row as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::Mutex;

use crate::{refusals::Failed, trust::HEARD};

/// The kind of the rows that are no keys.
const KEPT: &str = "kept";
/// How long what nobody uses any more is kept. By default a session of a room ends after a week
/// (<https://spec.matrix.org/latest/client-server-api/#mroomencryption>), and a message may come much later.
const KEPT_FOR: TimeDelta = TimeDelta::days(90);

/// A change of one row: kind, key, and its value or nothing.
pub(crate) type Change = (&'static str, String, Option<Vec<u8>>);

/// The rows of one account.
pub(crate) struct Rows {
    pool: SqlitePool,
    /// One change at a time, so that whoever keeps a copy sees the same order; how many copies were made.
    pub(crate) writing: Mutex<u64>,
    clock: Clock,
    /// Held as long as the process lives.
    _lock: File,
}

impl Rows {
    /// Opens the file, or makes it, for this process alone. What was not used for long is forgotten.
    pub(crate) async fn open(file: &Path, clock: Clock) -> Result<Self, Failed> {
        let lock = lock(file)?;
        let pool = connect(options(file)?.create_if_missing(true)).await?;
        sqlx::query(
            "CREATE TABLE IF NOT EXISTS rows (kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT \
             NULL, written_at INTEGER NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID",
        )
        .execute(&pool)
        .await?;
        let rows = Self { pool, writing: Mutex::default(), clock, _lock: lock };
        rows.forget_unused().await?;
        Ok(rows)
    }

    /// Forgets sessions of rooms in which nothing was said for long, with what was heard of them: one without the
    /// other would let what was said be said again. And what was only of use while keys were new.
    async fn forget_unused(&self) -> Result<(), Failed> {
        let until = ((self.clock)() - KEPT_FOR).timestamp();
        let found =
            sqlx::query("SELECT kind, key, written_at FROM rows WHERE kind IN ('inbound', ?)")
                .bind(KEPT)
                .fetch_all(&self.pool)
                .await?;
        let (mut used, mut old) = (HashSet::new(), Vec::new());
        for row in &found {
            let (kind, key): (&str, &str) = (row.get(0), row.get(1));
            let session = if kind == KEPT {
                key.strip_prefix(HEARD)
            } else {
                key.split_once('/').map(|it| it.1)
            };
            let Some(session) = session else { continue };
            if row.get::<i64, _>(2) >= until {
                used.insert(session);
            } else {
                old.push((kind, key, session));
            }
        }
        let mut transaction = self.pool.begin().await?;
        for (kind, key, _) in old.iter().filter(|(.., session)| !used.contains(session)) {
            let query = sqlx::query("DELETE FROM rows WHERE kind = ? AND key = ?");
            query.bind(kind).bind(key).execute(&mut *transaction).await?;
        }
        let query =
            sqlx::query("DELETE FROM rows WHERE kind IN ('hash', 'withheld') AND written_at < ?");
        query.bind(until).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// Reads one thing of a file that another process may have open.
    pub(crate) async fn peek<T: DeserializeOwned>(
        file: &Path,
        name: &str,
    ) -> Result<Option<T>, Failed> {
        if !file.exists() {
            return Ok(None);
        }
        let pool = connect(options(file)?.read_only(true)).await?;
        let found = read(&pool, KEPT, name).await;
        pool.close().await;
        found
    }

    /// Every row: kind, key and value.
    pub(crate) async fn all(&self) -> Result<Vec<(String, String, Vec<u8>)>, Failed> {
        let rows = sqlx::query("SELECT kind, key, value FROM rows").fetch_all(&self.pool).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
    }

    /// All of these, or none.
    pub(crate) async fn write(&self, changes: Vec<Change>) -> Result<(), Failed> {
        if changes.is_empty() {
            return Ok(());
        }
        let now = (self.clock)().timestamp();
        let mut transaction = self.pool.begin().await?;
        for (kind, key, value) in changes {
            let query = match value {
                Some(value) => sqlx::query(
                    "INSERT INTO rows (value, written_at, kind, key) VALUES (?, ?, ?, ?) ON CONFLICT (kind, \
                     key) DO UPDATE SET value = excluded.value, written_at = excluded.written_at",
                )
                .bind(value)
                .bind(now),
                None => sqlx::query("DELETE FROM rows WHERE kind = ? AND key = ?"),
            };
            query.bind(kind).bind(key).execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// What was kept under a name.
    pub(crate) async fn kept<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Failed> {
        read(&self.pool, KEPT, name).await
    }

    /// Keeps these things under their names.
    pub(crate) async fn keep(&self, things: Vec<Change>) -> Result<(), Failed> {
        let _writing = self.writing.lock().await;
        self.write(things).await
    }

    /// Whether there are keys of a device.
    pub(crate) async fn have_keys(&self) -> Result<bool, Failed> {
        let found = sqlx::query("SELECT 1 FROM rows WHERE kind = 'account'");
        Ok(found.fetch_optional(&self.pool).await?.is_some())
    }

    /// Forgets the keys of a device of this account. What was heard is known still, and so are other people's
    /// identities and which rooms are encrypted: the homeserver must not be able to have that forgotten.
    pub(crate) async fn forget_keys(&self, user: &str) -> Result<(), Failed> {
        let _writing = self.writing.lock().await;
        let query = sqlx::query(
            "DELETE FROM rows WHERE kind NOT IN (?, 'room', 'person') OR kind = 'person' AND key = ?",
        );
        query.bind(KEPT).bind(user).execute(&self.pool).await?;
        Ok(())
    }

    /// Forgets everything.
    pub(crate) async fn forget_all(&self) -> Result<(), Failed> {
        let _writing = self.writing.lock().await;
        sqlx::query("DELETE FROM rows").execute(&self.pool).await?;
        Ok(())
    }
}

/// The row of something that is kept.
pub(crate) fn thing(name: impl Into<String>, value: &impl Serialize) -> Result<Change, Failed> {
    Ok((KEPT, name.into(), Some(serde_json::to_vec(value)?)))
}

async fn read<T: DeserializeOwned>(
    pool: &SqlitePool,
    kind: &str,
    name: &str,
) -> Result<Option<T>, Failed> {
    let found = sqlx::query("SELECT value FROM rows WHERE kind = ? AND key = ?")
        .bind(kind)
        .bind(name)
        .fetch_optional(pool)
        .await?;
    Ok(found.map(|row| serde_json::from_slice(&row.get::<Vec<u8>, _>(0))).transpose()?)
}

fn options(file: &Path) -> Result<SqliteConnectOptions, Failed> {
    Ok(SqliteConnectOptions::from_str("sqlite:")?
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        // A key that was used must never be unused again, also after the power failed.
        .synchronous(SqliteSynchronous::Full))
}

async fn connect(options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    SqlitePoolOptions::new().max_connections(1).connect_with(options).await
}

/// Two processes with the keys of one device would use the same ones twice.
fn lock(file: &Path) -> Result<File, Failed> {
    let failed = |error: &std::io::Error| Failed::Keys(format!("{}: {error}", file.display()));
    let mut options = fs::File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // SQLite makes it with everybody's rights otherwise.
    options.open(file).map_err(|error| failed(&error))?;
    let lock = options.open(file.with_extension("lock")).map_err(|error| failed(&error))?;
    lock.try_lock().map_err(|_| {
        Failed::SetUp(format!(
            "another process has the keys of this device open ({}): stop it, or give this one \
             its own `store.url` and its own login",
            file.display()
        ))
    })?;
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::{DateTime, Utc};

    use super::*;

    fn day(number: i64) -> Clock {
        let now: DateTime<Utc> = DateTime::UNIX_EPOCH + TimeDelta::days(number);
        Arc::new(move || now)
    }

    #[tokio::test]
    async fn what_is_kept_is_there_after_a_restart_and_for_one_process_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("matrix.db");
        assert_eq!(Rows::peek::<String>(&file, "since").await.unwrap(), None);
        let rows = Rows::open(&file, day(0)).await.unwrap();
        rows.keep(vec![thing("since", &"s1").unwrap()]).await.unwrap();
        rows.write(vec![("account", String::new(), Some(vec![1]))]).await.unwrap();
        rows.write(vec![("person", "@ana".into(), Some(vec![1]))]).await.unwrap();
        rows.write(vec![("person", "@ops".into(), Some(vec![1]))]).await.unwrap();
        assert!(matches!(Rows::open(&file, day(0)).await, Err(Failed::SetUp(_))));
        assert_eq!(Rows::peek::<String>(&file, "since").await.unwrap().as_deref(), Some("s1"));
        drop(rows);
        let rows = Rows::open(&file, day(0)).await.unwrap();
        assert_eq!(rows.all().await.unwrap().len(), 4);
        assert!(rows.have_keys().await.unwrap());
        rows.forget_keys("@ops").await.unwrap();
        assert!(!rows.have_keys().await.unwrap());
        assert_eq!(rows.kept::<String>("since").await.unwrap().as_deref(), Some("s1"));
        assert_eq!(rows.all().await.unwrap().len(), 2, "other people's identities stay known");
    }
    #[tokio::test]
    async fn what_nobody_used_for_long_is_forgotten_and_no_session_without_what_was_heard_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("matrix.db");
        let row = |kind, key: &str| (kind, key.to_owned(), Some(vec![1]));
        let rows = Rows::open(&file, day(0)).await.unwrap();
        for key in ["!r:x/idle", "!r:x/a/b", "!r:x/never+heard"] {
            rows.write(vec![row("inbound", key)]).await.unwrap();
        }
        rows.write(vec![row("hash", "1"), row("withheld", "1"), row("person", "@ana")])
            .await
            .unwrap();
        rows.keep(vec![thing("since", &1).unwrap(), thing("heard idle", &1).unwrap()])
            .await
            .unwrap();
        drop(rows);
        let rows = Rows::open(&file, day(60)).await.unwrap();
        rows.keep(vec![thing("heard a/b", &2).unwrap()]).await.unwrap();
        drop(rows);
        let rows = Rows::open(&file, day(120)).await.unwrap();
        let left: Vec<_> = rows.all().await.unwrap().into_iter().map(|(_, key, _)| key).collect();
        assert_eq!(left, ["!r:x/a/b", "heard a/b", "since", "@ana"]);
    }
}
