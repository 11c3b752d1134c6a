//! Living messages: one root per thing and channel, whose card is replaced, and lines under it.
//!
//! A root is a row of the outbox that outlives its delivery. Only the newest card matters: one that
//! waits is replaced, and a message that shows an older one is edited.

use chat::{Card, Conversation};
use chrono::TimeDelta;
use sqlx::Row as _;

use super::{
    Reply, Result, Store, WriteTx, millis,
    outbox::apart,
    words::{from_json, key, to_json},
};

/// Cards that only bring other numbers are not shown more often than this.
const EDIT_EVERY: TimeDelta = TimeDelta::seconds(10);

impl Store {
    /// Begins a living message, or replaces its card; in the caller's transaction. `news` is a card
    /// whose state changed: it is shown at once, and as a new message where messages cannot be
    /// changed.
    pub async fn keep_living(&self, tx: &mut WriteTx, reply: &Reply, news: bool) -> Result<()> {
        let now = self.now();
        let (card, pictures) = apart(&reply.card);
        let due = if news { millis(now) } else { millis(now + EDIT_EVERY) };
        // While it waits it may be in the hands of a process: that one finds out when it notes the
        // delivery, and meanwhile nobody else may post it.
        sqlx::query(
            "INSERT INTO outbox (id, dedupe_key, conversation, card, pictures, state, attempts, \
             due_at, created_at, version, news) \
             VALUES ($1, $2, $3, $4, $5, 'waiting', 0, $6, $6, 1, 1) \
             ON CONFLICT (dedupe_key) DO UPDATE SET card = excluded.card, \
             pictures = excluded.pictures, version = outbox.version + 1, \
             news = CASE WHEN $7 = 1 THEN outbox.version + 1 ELSE outbox.news END, \
             due_at = CASE WHEN outbox.state = 'waiting' AND (outbox.attempts > 0 OR $7 = 0) \
             THEN outbox.due_at ELSE $8 END, \
             state = 'waiting'",
        )
        .bind(self.new_id())
        .bind(key(&reply.key).into_owned())
        .bind(to_json(&reply.conversation)?)
        .bind(to_json(&card)?)
        .bind(to_json(&pictures)?)
        .bind(millis(now))
        .bind(i64::from(news))
        .bind(due)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// Queues a line for the thread of a living message, in the caller's transaction; it waits for
    /// that message. Says whether its key is new.
    pub async fn enqueue_under(&self, tx: &mut WriteTx, root: &str, line: &Reply) -> Result<bool> {
        let new = self.enqueue(tx, line).await?;
        if new {
            sqlx::query("UPDATE outbox SET under = $1 WHERE dedupe_key = $2")
                .bind(key(root).into_owned())
                .bind(key(&line.key).into_owned())
                .execute(&mut **tx)
                .await?;
        }
        Ok(new)
    }

    /// The living messages whose key begins so: their keys, conversations and newest cards.
    pub async fn living(
        &self,
        tx: &mut WriteTx,
        beginning: &str,
    ) -> Result<Vec<(String, Conversation, Card)>> {
        let rows = sqlx::query(
            "SELECT dedupe_key, conversation, card FROM outbox \
             WHERE version > 0 AND substr(dedupe_key, 1, length(CAST($1 AS TEXT))) = \
             CAST($1 AS TEXT) ORDER BY dedupe_key",
        )
        .bind(beginning.to_owned())
        .fetch_all(&mut **tx)
        .await?;
        rows.iter()
            .map(|row| {
                let conversation = row.try_get::<String, _>("conversation")?;
                Ok((
                    row.try_get("dedupe_key")?,
                    from_json("a conversation", &conversation)?,
                    from_json("a card", &row.try_get::<String, _>("card")?)?,
                ))
            })
            .collect()
    }
}
