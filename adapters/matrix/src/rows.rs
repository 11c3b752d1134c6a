//! What is kept over a restart: a file of rows, each of a kind, a key and a value. One process at a time has it.

use std::{
    fs::{self, File},
    path::Path,
    str::FromStr as _,
};

use serde::{Serialize, de::DeserializeOwned};
use sqlx::{
    Row as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::Mutex;

use crate::refusals::Failed;

/// The kind of the rows that are no keys.
const KEPT: &str = "kept";

/// A change of one row: kind, key, and its value or nothing.
pub(crate) type Change = (&'static str, String, Option<Vec<u8>>);

/// The rows of one account.
#[derive(Debug)]
pub(crate) struct Rows {
    pool: SqlitePool,
    /// One change at a time, so that whoever keeps a copy sees the same order; how many copies were made.
    pub(crate) writing: Mutex<u64>,
    /// Held as long as the process lives.
    _lock: File,
}

impl Rows {
    /// Opens the file, or makes it, for this process alone.
    pub(crate) async fn open(file: &Path) -> Result<Self, Failed> {
        let lock = lock(file)?;
        let pool = connect(options(file)?.create_if_missing(true)).await?;
        sqlx::query(
            "CREATE TABLE IF NOT EXISTS rows (kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT \
             NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID",
        )
        .execute(&pool)
        .await?;
        Ok(Self { pool, writing: Mutex::default(), _lock: lock })
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
        let mut transaction = self.pool.begin().await?;
        for (kind, key, value) in changes {
            let query = match value {
                Some(value) => sqlx::query(
                    "INSERT INTO rows (value, kind, key) VALUES (?, ?, ?) ON CONFLICT (kind, key) DO \
                     UPDATE SET value = excluded.value",
                )
                .bind(value),
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
    use super::*;

    #[tokio::test]
    async fn what_is_kept_is_there_after_a_restart_and_for_one_process_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("matrix.db");
        assert_eq!(Rows::peek::<String>(&file, "since").await.unwrap(), None);
        let rows = Rows::open(&file).await.unwrap();
        rows.keep(vec![thing("since", &"s1").unwrap()]).await.unwrap();
        rows.write(vec![("account", String::new(), Some(vec![1]))]).await.unwrap();
        rows.write(vec![("person", "@ana".into(), Some(vec![1]))]).await.unwrap();
        rows.write(vec![("person", "@ops".into(), Some(vec![1]))]).await.unwrap();
        assert!(matches!(Rows::open(&file).await, Err(Failed::SetUp(_))));
        assert_eq!(Rows::peek::<String>(&file, "since").await.unwrap().as_deref(), Some("s1"));
        drop(rows);
        let rows = Rows::open(&file).await.unwrap();
        assert_eq!(rows.all().await.unwrap().len(), 4);
        assert!(rows.have_keys().await.unwrap());
        rows.forget_keys("@ops").await.unwrap();
        assert!(!rows.have_keys().await.unwrap());
        assert_eq!(rows.kept::<String>("since").await.unwrap().as_deref(), Some("s1"));
        assert_eq!(rows.all().await.unwrap().len(), 2, "other people's identities stay known");
    }
}
