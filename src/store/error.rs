//! What can go wrong with the database, one sentence each.

use sqlx::{error::DatabaseError, migrate::MigrateError, postgres::PgDatabaseError};

use crate::access::Refusal;

/// A failure of the database, or a refusal decided next to the data.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL in the configuration names no database.
    #[error(
        "`{url}` is not a database: {reason}. Write sqlite:///path/to/file.db or \
         postgres://user@host/name"
    )]
    NotADatabase {
        /// The URL without its password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is there, or should be, but does not open.
    #[error("I cannot open the database {place}: {reason}. {remedy}")]
    CannotOpen {
        /// The file, or the URL without its password.
        place: String,
        /// What the system or the server said.
        reason: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// No space left.
    #[error(
        "The disk of the database is full, so nothing was saved. Free some space and try \
         again"
    )]
    DiskFull,
    /// Another process holds the write lock for too long.
    #[error(
        "The database has been locked by another process for too long, so nothing was saved. \
         Try again, or find the process that holds it"
    )]
    Locked,
    /// The database was written by a newer program.
    #[error(
        "The database has migration {version}, which this program does not know: it was \
         written by a newer version. Install that version or newer"
    )]
    Newer {
        /// The first unknown migration.
        version: i64,
    },
    /// A migration that was applied is not the one in this program.
    #[error(
        "Migration {version} in the database is not the one in this program, so the tables \
         may differ. Restore the database or install the program that wrote it"
    )]
    Altered {
        /// The migration that differs.
        version: i64,
    },
    /// The tables are not there yet.
    #[error("The database has no tables, or old ones. Run `smartcloudops migrate`")]
    NotMigrated,
    /// The server is not there. Nothing was asked of it, so nothing changed.
    #[error("The database does not answer ({reason}), so nothing was saved. Check that it runs")]
    Unreachable {
        /// What happened instead.
        reason: String,
    },
    /// The server went away. Of a write in flight it is unknown whether it was saved; every write
    /// carries its own key, so doing it again is safe.
    #[error(
        "The connection to the database was lost ({reason}): the last change may or may not \
         be saved. It is safe to try again"
    )]
    ConnectionLost {
        /// What the system said.
        reason: String,
    },
    /// What was read is not what this program wrote.
    #[error(
        "The database holds something I did not write: {0}. Restore it from a backup, or run \
         `smartcloudops audit verify`"
    )]
    Damaged(String),
    /// A file could not be written while exporting.
    #[error("I could not write the export: {0}")]
    Export(#[from] std::io::Error),
    /// Nothing is broken: the person may not, or what they named does not exist.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Everything else, in the database's own words.
    #[error("The database refused: {0}")]
    Database(sqlx::Error),
}

impl StoreError {
    /// Whether the same write may be tried again at once with a fair chance.
    pub(super) fn is_connection_lost(&self) -> bool {
        matches!(self, Self::ConnectionLost { .. })
    }

    pub(super) fn damaged(what: &str, error: impl std::fmt::Display) -> Self {
        Self::Damaged(format!("{what} ({error})"))
    }
}

/// The result of everything the store does.
pub type Result<T> = std::result::Result<T, StoreError>;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(database) => from_database(database),
            sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull => Self::DiskFull,
            sqlx::Error::Io(io) => Self::ConnectionLost { reason: io.to_string() },
            sqlx::Error::PoolTimedOut => {
                Self::Unreachable { reason: "I waited for a connection for 10 s".to_owned() }
            }
            sqlx::Error::PoolClosed => {
                Self::Unreachable { reason: "it is being closed".to_owned() }
            }
            sqlx::Error::WorkerCrashed => {
                Self::ConnectionLost { reason: "its thread ended".to_owned() }
            }
            sqlx::Error::Protocol(reason) => Self::ConnectionLost { reason },
            sqlx::Error::ColumnDecode { index, source } => {
                Self::damaged(&format!("column {index}"), source)
            }
            other => Self::Database(other),
        }
    }
}

/// Result codes of SQLite: another connection, or this one, holds a lock.
const BUSY: i64 = 5;
const LOCKED: i64 = 6;

/// SQLite's own code, without what it extends it by; 0 where there is none.
fn sqlite_code(error: &dyn DatabaseError) -> i64 {
    let extended = error.code().and_then(|code| code.parse::<i64>().ok());
    extended.unwrap_or(0) & 0xff
}

/// Whether SQLite could not have a lock.
pub(super) fn is_locked(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().map(sqlite_code);
    matches!(code, Some(BUSY | LOCKED))
}

fn from_database(error: Box<dyn DatabaseError>) -> StoreError {
    if let Some(postgres) = error.try_downcast_ref::<PgDatabaseError>() {
        let code = postgres.code();
        return match code {
            "53100" => StoreError::DiskFull,
            "55P03" | "40001" | "40P01" => StoreError::Locked,
            "42P01" | "42703" => StoreError::NotMigrated,
            // Connection exceptions, and an administrator or a crash ending the connection.
            "57P03" | "53300" => StoreError::Unreachable { reason: postgres.message().to_owned() },
            "57P01" | "57P02" => {
                StoreError::ConnectionLost { reason: postgres.message().to_owned() }
            }
            _ if code.starts_with("08") => {
                StoreError::ConnectionLost { reason: postgres.message().to_owned() }
            }
            _ => StoreError::Database(sqlx::Error::Database(error)),
        };
    }
    match sqlite_code(&*error) {
        BUSY | LOCKED => StoreError::Locked,
        11 | 26 => StoreError::Damaged(format!("SQLite says \"{}\"", error.message())),
        13 => StoreError::DiskFull,
        1 if error.message().starts_with("no such table")
            || error.message().starts_with("no such column") =>
        {
            StoreError::NotMigrated
        }
        _ => StoreError::Database(sqlx::Error::Database(error)),
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => Self::Newer { version },
            MigrateError::VersionMismatch(version) | MigrateError::Dirty(version) => {
                Self::Altered { version }
            }
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            other => Self::Database(sqlx::Error::Migrate(Box::new(other))),
        }
    }
}
