//! Metrics of the machine the bot itself runs on.

use sqlx::Row as _;

use super::{Result, Store, words::key};

/// What was measured at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When, in unix milliseconds.
    pub at_ms: i64,
    /// The numbers, as JSON text.
    pub values: String,
}

impl Store {
    /// Saves samples of this host in one commit. A moment saved before stays as it is.
    pub async fn append_samples(&self, host: &str, samples: &[Sample]) -> Result<()> {
        if samples.is_empty() {
            return Ok(());
        }
        safely!(self, async {
            let mut tx = self.begin_write().await?;
            for sample in samples {
                sqlx::query(
                    "INSERT INTO samples (host, at, readings) VALUES ($1, $2, $3) \
                     ON CONFLICT (host, at) DO NOTHING",
                )
                .bind(key(host).into_owned())
                .bind(sample.at_ms)
                .bind(&*sample.values)
                .execute(&mut *tx)
                .await?;
            }
            tx.commit().await
        })
    }

    /// The samples of this host from this moment on, oldest first and at most `most` of them.
    pub async fn samples_since(&self, host: &str, since_ms: i64, most: u32) -> Result<Vec<Sample>> {
        let rows = sqlx::query(
            "SELECT at, readings FROM samples WHERE host = $1 AND at >= $2 ORDER BY at LIMIT $3",
        )
        .bind(key(host).into_owned())
        .bind(since_ms)
        .bind(i64::from(most))
        .fetch_all(&self.inner.pool)
        .await?;
        rows.iter()
            .map(|row| Ok(Sample { at_ms: row.try_get("at")?, values: row.try_get("readings")? }))
            .collect()
    }

    /// Forgets the samples of every host before this moment.
    pub async fn purge_samples_before(&self, before_ms: i64) -> Result<u64> {
        let _turn = self.turn().await?;
        Ok(sqlx::query("DELETE FROM samples WHERE at < $1")
            .bind(before_ms)
            .execute(&self.inner.pool)
            .await?
            .rows_affected())
    }
}
