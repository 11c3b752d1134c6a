//! Silences: they survive restarts, and whatever they are about may come and go meanwhile.

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::super::{
    Result, Store, WriteTx, millis,
    words::{from_json, to_json},
};
use crate::anomaly::incident::Silence;

impl Store {
    /// Adds a silence, in the caller's transaction.
    pub async fn add_silence(&self, tx: &mut WriteTx, silence: &Silence) -> Result<()> {
        sqlx::query(
            "INSERT INTO silences (id, ends_at, body) VALUES ($1, $2, $3) \
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(&*silence.id)
        .bind(millis(silence.until))
        .bind(to_json(silence)?)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// The silences in force at this moment, oldest first.
    pub async fn silences(&self, now: DateTime<Utc>) -> Result<Vec<Silence>> {
        let rows = sqlx::query("SELECT body FROM silences WHERE ends_at > $1 ORDER BY id")
            .bind(millis(now))
            .fetch_all(&self.inner.pool)
            .await?;
        rows.iter().map(|row| from_json("a silence", &row.try_get::<String, _>("body")?)).collect()
    }
}
