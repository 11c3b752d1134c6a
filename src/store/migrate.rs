//! The tables, and whether they are the ones this program knows.

use sqlx::{Connection as _, Row as _, migrate::Migrator};

use super::{Backend, Result, Store, StoreError};

/// The folder serves both engines; see the rules at its top.
static MIGRATIONS: Migrator = sqlx::migrate!();

impl Store {
    /// Brings the tables up to date. Safe when several bots start at once: one does the work, the
    /// others wait for it.
    pub async fn migrate(&self) -> Result<()> {
        let _turn = self.turn().await?;
        // Its own connection: after a failure PostgreSQL's migration lock goes with it.
        let mut connection = self.inner.pool.acquire().await?.detach();
        let begin = match self.inner.backend {
            Backend::Sqlite => "BEGIN IMMEDIATE",
            Backend::Postgres => "BEGIN",
        };
        let done = async {
            let mut tx = connection.begin_with(begin).await?;
            // Not `run`: its future cannot be spawned.
            MIGRATIONS.run_direct(None, &mut *tx, false).await?;
            tx.commit().await?;
            Ok(())
        }
        .await;
        let closed = connection.close().await;
        done.and_then(|()| closed.map_err(StoreError::from))
    }

    /// The migrations still to run, or why this program must not touch the database. Changes
    /// nothing.
    pub async fn pending_migrations(&self) -> Result<Vec<String>> {
        let applied =
            sqlx::query("SELECT version, checksum FROM _sqlx_migrations ORDER BY version")
                .fetch_all(&self.inner.pool)
                .await
                .map_err(StoreError::from);
        let applied = match applied {
            Err(StoreError::NotMigrated) => Vec::new(),
            rows => rows?,
        };
        let mut known = Vec::new();
        for row in applied {
            let version: i64 = row.try_get("version")?;
            let checksum: Vec<u8> = row.try_get("checksum")?;
            let Some(migration) = MIGRATIONS.iter().find(|known| known.version == version) else {
                return Err(StoreError::Newer { version });
            };
            if *migration.checksum != *checksum {
                return Err(StoreError::Altered { version });
            }
            known.push(version);
        }
        Ok(MIGRATIONS
            .iter()
            .filter(|migration| !known.contains(&migration.version))
            .map(|migration| format!("{} {}", migration.version, migration.description))
            .collect())
    }
}
