//! Finding and opening the database.

use std::{
    io,
    path::{Path, PathBuf},
    str::FromStr as _,
    sync::{Arc, Mutex, Once},
    time::Duration,
};

use sqlx::{
    AnyConnection, AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _,
    any::{AnyConnectOptions, AnyPoolOptions},
};
use tokio::time::Instant;
use url::Url;
use uuid::{ContextV7, Uuid};

use super::{Backend, Inner, Result, Store, StoreError, error::is_locked, write::Turns};
use crate::clock::Clock;

/// How long opening, or waiting for a free connection, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a statement waits for a lock that another process holds.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// How long it is until a lock is tried again that SQLite does not wait for.
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// SQLite: one writer, and readers that do not wait for it.
const SQLITE_CONNECTIONS: u32 = 6;

/// PostgreSQL: few enough that several bots fit into its default of 100.
const POSTGRES_CONNECTIONS: u32 = 10;

/// What to do when a database is looked at that nobody made.
const NOT_MADE: &str = "Check `store.url`, or run `smartcloudops migrate` to make it";

/// What a database that is not there means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    IsMade,
    IsAnError,
}

static DRIVERS: Once = Once::new();

struct Target {
    backend: Backend,
    options: AnyConnectOptions,
    place: String,
}

impl Store {
    /// Opens `sqlite://PATH` (or `sqlite:PATH`, created when missing, readable by its owner only)
    /// or `postgres://…`. Runs no migrations.
    pub async fn open(url: &str, clock: Clock) -> Result<Self> {
        Self::open_waiting(url, clock, LOCK_WAIT).await
    }

    /// Opens a database that is there with all its tables, and makes nothing: what is looked up in
    /// the wrong place must not be found empty.
    pub async fn open_existing(url: &str, clock: Clock) -> Result<Self> {
        let store = Self::open_as(url, clock, LOCK_WAIT, Missing::IsAnError).await?;
        if store.pending_migrations().await?.is_empty() {
            return Ok(store);
        }
        let place = store.place().to_owned();
        store.close().await;
        let reason = "it has no tables, or old ones".to_owned();
        Err(StoreError::CannotOpen { place, reason, remedy: NOT_MADE })
    }

    /// The same as `open`, waiting this long for a lock that another process holds.
    pub async fn open_waiting(url: &str, clock: Clock, lock_wait: Duration) -> Result<Self> {
        Self::open_as(url, clock, lock_wait, Missing::IsMade).await
    }

    async fn open_as(
        url: &str,
        clock: Clock,
        lock_wait: Duration,
        missing: Missing,
    ) -> Result<Self> {
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let Target { backend, options, place } = target(url, missing)?;
        // One connection by hand first: the pool hides the reason and tries for ten seconds.
        let first = async {
            let mut connection = options.connect().await?;
            prepare(&mut connection, lock_wait, missing).await?;
            connection.close().await
        };
        match tokio::time::timeout(PATIENCE, first).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(cannot_open(backend, place, error)),
            Err(_) => {
                let reason = format!("it did not answer within {} s", PATIENCE.as_secs());
                let remedy = remedy(backend);
                return Err(StoreError::CannotOpen { place, reason, remedy });
            }
        }
        let connections = match backend {
            Backend::Sqlite => SQLITE_CONNECTIONS,
            Backend::Postgres => POSTGRES_CONNECTIONS,
        };
        let mut pool = AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(PATIENCE)
            .after_connect(move |connection, _| Box::pin(prepare(connection, lock_wait, missing)));
        if backend == Backend::Sqlite {
            pool = pool.idle_timeout(None).max_lifetime(None).test_before_acquire(false);
        }
        Ok(Self {
            inner: Arc::new(Inner {
                pool: pool.connect_lazy_with(options),
                backend,
                place,
                clock,
                instance: Uuid::now_v7().to_string(),
                ids: Mutex::new(ContextV7::new()),
                turns: (backend == Backend::Sqlite).then(Turns::default),
            }),
        })
    }
}

async fn prepare(
    connection: &mut AnyConnection,
    lock_wait: Duration,
    missing: Missing,
) -> sqlx::Result<()> {
    let (wait, statements): (_, &[&'static str]) = if connection.backend_name() == "SQLite" {
        (
            "PRAGMA busy_timeout",
            &[
                // In WAL with NORMAL, a committed approval may be undone by a power loss.
                "PRAGMA synchronous = FULL",
                "PRAGMA foreign_keys = ON",
            ],
        )
    } else {
        (
            "SET lock_timeout",
            &[
                // A server may be set to answer before it is sure; stricter settings stay.
                "SELECT set_config('synchronous_commit', 'on', false) \
                 WHERE current_setting('synchronous_commit') = 'off'",
            ],
        )
    };
    // A number of our own, not a word of anybody's.
    let wait = AssertSqlSafe(format!("{wait} = {}", lock_wait.as_millis()));
    connection.execute(wait).await?;
    // It stays in the file, and would be written into an empty one.
    if connection.backend_name() == "SQLite" && missing == Missing::IsMade {
        write_ahead(connection, lock_wait).await?;
    }
    for statement in statements {
        connection.execute(*statement).await?;
    }
    Ok(())
}

/// Turns on the write-ahead log. Of several that do so with a new file at the same moment, SQLite refuses
/// all but one at once, without waiting: both may hold a lock that the other needs.
async fn write_ahead(connection: &mut AnyConnection, lock_wait: Duration) -> sqlx::Result<()> {
    let begun = Instant::now();
    loop {
        let done = connection.execute("PRAGMA journal_mode = WAL").await;
        match done {
            Err(error) if is_locked(&error) && begun.elapsed() < lock_wait => {
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
            done => return done.map(drop),
        }
    }
}

fn target(url: &str, missing: Missing) -> Result<Target> {
    let url = url.trim();
    if let Some(rest) = url.strip_prefix("sqlite:") {
        return sqlite(url, rest.strip_prefix("//").unwrap_or(rest), missing);
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let parsed = Url::from_str(url).map_err(|error| StoreError::NotADatabase {
            url: "postgres://…".to_owned(),
            reason: error.to_string(),
        })?;
        let place = without_password(&parsed);
        let options = AnyConnectOptions::from_url(&parsed)
            .map_err(|error| cannot_open(Backend::Postgres, place.clone(), error))?;
        return Ok(Target { backend: Backend::Postgres, options, place });
    }
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    Err(StoreError::NotADatabase {
        url: if scheme.is_empty() { "…".to_owned() } else { format!("{scheme}://…") },
        reason: "only SQLite and PostgreSQL are known".to_owned(),
    })
}

fn sqlite(url: &str, rest: &str, missing: Missing) -> Result<Target> {
    let refuse = |reason: &str| StoreError::NotADatabase {
        url: chat::escape_invisible(url),
        reason: reason.to_owned(),
    };
    let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    if !matches!(parameters, "" | "mode=rwc" | "mode=rw") {
        return Err(refuse("it takes no parameters"));
    }
    if path.is_empty() {
        return Err(refuse("it names no file"));
    }
    if path.contains(":memory:") {
        return Err(refuse("a database in memory forgets everything"));
    }
    let path = std::path::absolute(path).map_err(|error| refuse(&error.to_string()))?;
    let place = path.display().to_string();
    match missing {
        Missing::IsMade => create(&path)
            .map_err(|error| cannot_open(Backend::Sqlite, place.clone(), error.into()))?,
        Missing::IsAnError => {
            if let Err(error) = std::fs::metadata(&path) {
                let reason = error.to_string();
                return Err(StoreError::CannotOpen { place, reason, remedy: NOT_MADE });
            }
        }
    }
    let mut file =
        Url::from_file_path(&path).map_err(|()| refuse("it is not a path on this machine"))?;
    file.set_query(Some(if missing == Missing::IsMade { "mode=rwc" } else { "mode=rw" }));
    let file = file.as_str().replacen("file:", "sqlite:", 1);
    let options = AnyConnectOptions::from_str(&file)
        .map_err(|error| cannot_open(Backend::Sqlite, place.clone(), error))?;
    Ok(Target { backend: Backend::Sqlite, options, place })
}

/// Makes the file first, so that nobody else can read it at any moment; SQLite gives its own
/// files beside it the same mode.
fn create(path: &PathBuf) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    let mut folder = std::fs::DirBuilder::new();
    let mut file = std::fs::OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        folder.mode(0o700);
        file.mode(0o600);
    }
    folder.recursive(true).create(path.parent().unwrap_or(Path::new("/")))?;
    match file.create_new(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => created.map(drop),
    }
}

fn without_password(url: &Url) -> String {
    let mut url = url.clone();
    // Either fails only for URLs without a host, which have no password.
    if url.password().is_some() {
        let _ = url.set_password(Some("***"));
    }
    // Parameters may hold a password too.
    url.set_query(None);
    url.to_string()
}

fn cannot_open(backend: Backend, place: String, error: sqlx::Error) -> StoreError {
    let reason = match &error {
        sqlx::Error::Database(database) => database.message().to_owned(),
        sqlx::Error::Io(io) => io.to_string(),
        other => other.to_string(),
    };
    match StoreError::from(error) {
        damaged @ (StoreError::Damaged(_) | StoreError::DiskFull | StoreError::Locked) => damaged,
        _ => StoreError::CannotOpen { place, reason, remedy: remedy(backend) },
    }
}

fn remedy(backend: Backend) -> &'static str {
    match backend {
        Backend::Sqlite => {
            "Check that the folder exists and is writable for this user, or set `store.url`"
        }
        Backend::Postgres => {
            "Check that the server runs, and the address and password in `store.url`"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_part_of_the_place() {
        let url = "postgres://ana:hunter2@db.example/bot?password=hunter2";
        let target = target(url, Missing::IsMade).map_err(|error| error.to_string());
        assert_eq!(
            target.map(|target| target.place),
            Ok("postgres://ana:***@db.example/bot".into())
        );
        let error =
            super::target("mysql://ana:hunter2@db/bot", Missing::IsMade).err().unwrap().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn what_names_no_database_is_refused_with_the_remedy() {
        for url in ["", "sqlite:", "sqlite::memory:", "sqlite:/a?cache=shared", "/var/x.db"] {
            let error = target(url, Missing::IsMade).err().unwrap().to_string();
            assert!(error.contains("sqlite:///path/to/file.db"), "{url}: {error}");
        }
    }
}
