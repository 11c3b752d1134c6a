//! Silences: they survive restarts, and whatever they are about may come and go meanwhile.

use chat::Conversation;
use chrono::{DateTime, Utc};
use sqlx::{AnyConnection, Row as _};

use super::super::{
    Result, Store, WriteTx, millis,
    words::{from_json, to_json},
};
use crate::anomaly::incident::Silence;

/// A silence that is over, and where it was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The silence.
    pub silence: Silence,
    /// Where its end is told.
    pub conversation: Conversation,
}

impl Store {
    /// Adds a silence that was set in this conversation, in the caller's transaction.
    pub async fn add_silence(
        &self,
        tx: &mut WriteTx,
        silence: &Silence,
        conversation: &Conversation,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO silences (id, ends_at, conversation, body) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(&*silence.id)
        .bind(millis(silence.until))
        .bind(to_json(conversation)?)
        .bind(to_json(silence)?)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// The silences in force at this moment, oldest first.
    pub async fn silences(&self, now: DateTime<Utc>) -> Result<Vec<Silence>> {
        let mut connection = self.inner.pool.acquire().await?;
        in_force(&mut connection, now).await
    }

    /// The same in the caller's transaction: what was set a moment ago counts.
    pub async fn silences_in(&self, tx: &mut WriteTx, now: DateTime<Utc>) -> Result<Vec<Silence>> {
        in_force(tx, now).await
    }

    /// The silences that are over and of which nobody was told that they are, oldest first.
    pub async fn ended_silences(&self, now: DateTime<Utc>) -> Result<Vec<Ended>> {
        let mut connection = self.inner.pool.acquire().await?;
        ended(&mut connection, now).await
    }

    /// Takes them: nobody else is given the same.
    pub async fn take_ended_silences(
        &self,
        tx: &mut WriteTx,
        now: DateTime<Utc>,
    ) -> Result<Vec<Ended>> {
        let taken = ended(tx, now).await?;
        sqlx::query("UPDATE silences SET told = 1 WHERE told = 0 AND ends_at <= $1")
            .bind(millis(now))
            .execute(&mut **tx)
            .await?;
        Ok(taken)
    }
}

async fn in_force(connection: &mut AnyConnection, now: DateTime<Utc>) -> Result<Vec<Silence>> {
    let rows = sqlx::query("SELECT body FROM silences WHERE ends_at > $1 ORDER BY id")
        .bind(millis(now))
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| from_json("a silence", &row.try_get::<String, _>("body")?)).collect()
}

async fn ended(connection: &mut AnyConnection, now: DateTime<Utc>) -> Result<Vec<Ended>> {
    let rows = sqlx::query(
        "SELECT body, conversation FROM silences \
         WHERE told = 0 AND ends_at <= $1 AND conversation IS NOT NULL ORDER BY id",
    )
    .bind(millis(now))
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Ended {
                silence: from_json("a silence", &row.try_get::<String, _>("body")?)?,
                conversation: from_json(
                    "a conversation",
                    &row.try_get::<String, _>("conversation")?,
                )?,
            })
        })
        .collect()
}
