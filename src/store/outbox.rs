//! Replies on their way to a platform: saved with the answer, posted until the platform has them.

use std::{fmt, time::Duration};

use chat::{ANSWER, Block, Card, Conversation, MessageRef, UserRef};
use chrono::{DateTime, Utc};
use sqlx::{AnyConnection, AssertSqlSafe, Row as _, any::AnyRow};

use super::{
    Result, Served, Store, WriteTx, millis, moment,
    served::conversations,
    words::{bounded, from_hex, from_json, key, to_hex, to_json},
};

/// How long a reply belongs to the process that posts it. When that process says nothing, the
/// reply falls due again.
const LEASE: Duration = Duration::from_mins(1);
const MAX_REASON: usize = 500;
/// The message that a line goes under.
const ROOT: &str = "(SELECT root.message FROM outbox root WHERE root.dedupe_key = outbox.under)";
/// A line waits for the message that it goes under, and while that is about to change: it may be found to be gone,
/// and be another one then.
const ROOTED: &str = "(under IS NULL OR EXISTS (SELECT 1 FROM outbox root \
     WHERE root.dedupe_key = outbox.under AND root.message IS NOT NULL AND root.state <> 'waiting'))";

/// Something to post.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Where.
    pub conversation: Conversation,
    /// What.
    pub card: Card,
    /// One reply, one key: saving the same key again changes nothing.
    pub key: String,
    /// Who alone is to see it, where the platform can do that.
    pub only_for: Option<UserRef>,
}

impl Reply {
    /// A reply that everybody in the conversation sees.
    pub fn new(conversation: Conversation, card: Card, key: impl Into<String>) -> Self {
        Self { conversation, card, key: key.into(), only_for: None }
    }

    /// The same for one person's eyes.
    #[must_use]
    pub fn only_for(self, person: UserRef) -> Self {
        Self { only_for: Some(person), ..self }
    }
}

/// One queued reply.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryId(String);

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A reply this process is to post now.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Its row.
    pub id: DeliveryId,
    /// What to post where.
    pub reply: Reply,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// When it was saved.
    pub since: DateTime<Utc>,
    /// Whether it is posted once, or kept up to date.
    pub how: How,
}

/// What posting something means.
#[derive(Clone, Debug, PartialEq)]
pub enum How {
    /// A message that stays as it is.
    Once,
    /// The newest card of a living message.
    Living {
        /// Which card this is.
        version: i64,
        /// Whether the state changed since the card that is shown: worth a new message where
        /// messages cannot be changed.
        news: bool,
        /// The message that shows an older card.
        shown: Option<MessageRef>,
    },
    /// A line in the thread of this message.
    Under(MessageRef),
}

impl Store {
    /// Queues a reply, in the caller's transaction; it falls due at once. Says whether its key is
    /// new.
    pub async fn enqueue(&self, tx: &mut WriteTx, reply: &Reply) -> Result<bool> {
        let now = self.now();
        let delivery = self.delivery(reply.clone(), now);
        insert(tx, &delivery, now, 0).await
    }

    /// Queues a reply that the caller posts itself as soon as the transaction is committed.
    pub(super) async fn enqueue_claimed(
        &self,
        tx: &mut WriteTx,
        delivery: &Delivery,
    ) -> Result<bool> {
        insert(tx, delivery, self.now() + LEASE, 1).await
    }

    pub(super) fn deliveries(&self, replies: &[Reply]) -> Vec<Delivery> {
        let now = self.now();
        replies.iter().map(|reply| self.delivery(reply.clone(), now)).collect()
    }

    fn delivery(&self, reply: Reply, since: DateTime<Utc>) -> Delivery {
        Delivery { id: DeliveryId(self.new_id()), reply, attempt: 1, since, how: How::Once }
    }

    /// Claims the replies that are due on the platforms this process serves: what people are told
    /// without asking before answers, and then the oldest first. Each is offered to one process at a
    /// time.
    pub async fn due(
        &self,
        served: &[Served],
        now: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<Delivery>> {
        if !self.anything_due(served, now).await? {
            return Ok(Vec::new());
        }
        let mut tx = self.begin_write().await?;
        let ours = conversations(served, "conversation", 4);
        let is_answer = format!("substr(dedupe_key, 1, {}) = '{ANSWER}'", ANSWER.len());
        let mut claim = sqlx::query(AssertSqlSafe(format!(
            "UPDATE outbox SET due_at = $1, attempts = attempts + 1, reason = NULL \
             WHERE state = 'waiting' AND due_at <= $2 AND id IN (\
               SELECT id FROM outbox WHERE state = 'waiting' AND due_at <= $2 AND ({}) AND {ROOTED} \
               ORDER BY CASE WHEN {is_answer} THEN 1 ELSE 0 END, id LIMIT $3) \
             RETURNING id, dedupe_key, only_for, conversation, card, pictures, attempts, created_at, \
             version, shown, news, message, {ROOT} AS root",
            ours.sql
        )))
        .bind(millis(now + LEASE))
        .bind(millis(now))
        .bind(i64::from(limit));
        for value in ours.values {
            claim = claim.bind(value);
        }
        let rows = claim.fetch_all(&mut *tx).await?;
        tx.commit().await?;
        let mut due = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
        due.sort_by_cached_key(|it| (it.reply.key.starts_with(ANSWER), it.id.0.clone()));
        Ok(due)
    }

    /// Looks without writing: an idle bot does not touch the disk.
    async fn anything_due(&self, served: &[Served], now: DateTime<Utc>) -> Result<bool> {
        if served.is_empty() {
            return Ok(false);
        }
        let ours = conversations(served, "conversation", 2);
        let mut look = sqlx::query(AssertSqlSafe(format!(
            "SELECT id FROM outbox WHERE state = 'waiting' AND due_at <= $1 AND ({}) AND {ROOTED} \
             LIMIT 1",
            ours.sql
        )))
        .bind(millis(now));
        for value in ours.values {
            look = look.bind(value);
        }
        Ok(look.fetch_optional(&self.inner.pool).await?.is_some())
    }

    /// How many replies wait, due or not.
    pub async fn waiting(&self) -> Result<i64> {
        let row = sqlx::query("SELECT COUNT(*) AS waiting FROM outbox WHERE state = 'waiting'")
            .fetch_one(&self.inner.pool)
            .await?;
        Ok(row.try_get("waiting")?)
    }

    /// Gives a claimed reply back untried: it falls due at this moment, and this claim was no attempt.
    pub async fn untried(&self, id: &DeliveryId, due: DateTime<Utc>, reason: &str) -> Result<()> {
        let _turn = self.turn().await?;
        sqlx::query(
            "UPDATE outbox SET due_at = $1, attempts = attempts - 1, reason = $2 \
             WHERE id = $3 AND state = 'waiting'",
        )
        .bind(millis(due))
        .bind(bounded(reason, MAX_REASON))
        .bind(&*id.0)
        .execute(&self.inner.pool)
        .await?;
        Ok(())
    }

    /// What waits for its next attempt there falls due at once. What another process has in hand is left
    /// alone.
    pub async fn due_now(&self, served: &Served) -> Result<()> {
        let _turn = self.turn().await?;
        let ours = conversations(std::slice::from_ref(served), "conversation", 2);
        // Without a reason it is in somebody's hands.
        let mut hurry = sqlx::query(AssertSqlSafe(format!(
            "UPDATE outbox SET due_at = $1 \
             WHERE state = 'waiting' AND due_at > $1 AND reason IS NOT NULL AND ({})",
            ours.sql
        )))
        .bind(millis(self.now()));
        for value in ours.values {
            hurry = hurry.bind(value);
        }
        hurry.execute(&self.inner.pool).await?;
        Ok(())
    }

    /// The platform has it, as this message. A living message whose card was replaced meanwhile
    /// stays in the queue.
    pub async fn delivered(&self, delivery: &Delivery, message: &MessageRef) -> Result<()> {
        let message = to_json(message)?;
        let version = match delivery.how {
            How::Living { version, .. } => version,
            How::Once | How::Under(_) => 0,
        };
        safely!(self, async {
            let _turn = self.turn().await?;
            sqlx::query(
                "UPDATE outbox SET state = CASE WHEN version = $2 THEN 'delivered' ELSE state END, \
                 pictures = CASE WHEN version = $2 THEN '[]' ELSE pictures END, \
                 due_at = $3, settled_at = $3, attempts = 0, shown = $2, message = $1, \
                 reason = NULL WHERE id = $4 AND state = 'waiting' AND shown <= $2",
            )
            .bind(&*message)
            .bind(version)
            .bind(millis(self.now()))
            .bind(&*delivery.id.0)
            .execute(&self.inner.pool)
            .await?;
            Ok(())
        })
    }

    /// The platform did not take it: try again at this moment, or with `None` never. What was to go
    /// under it has no place then either.
    pub async fn failed(
        &self,
        id: &DeliveryId,
        retry_at: Option<DateTime<Utc>>,
        reason: &str,
    ) -> Result<()> {
        let (state, due, settled) = match retry_at {
            Some(at) => ("waiting", millis(at), None),
            None => ("abandoned", 0, Some(millis(self.now()))),
        };
        safely!(self, async {
            let mut tx = self.begin_write().await?;
            if retry_at.is_none() {
                sqlx::query(
                    "UPDATE outbox SET state = 'abandoned', settled_at = $1, \
                     reason = 'there is no message to put it under' \
                     WHERE state = 'waiting' AND under IN (\
                       SELECT dedupe_key FROM outbox WHERE id = $2 AND message IS NULL)",
                )
                .bind(settled)
                .bind(&*id.0)
                .execute(&mut *tx)
                .await?;
            }
            sqlx::query(
                "UPDATE outbox SET state = $1, due_at = $2, settled_at = $3, reason = $4 \
                 WHERE id = $5 AND state = 'waiting'",
            )
            .bind(state)
            .bind(due)
            .bind(settled)
            .bind(bounded(reason, MAX_REASON))
            .bind(&*id.0)
            .execute(&mut *tx)
            .await?;
            tx.commit().await
        })
    }

    /// The message a reply became, to edit it later; `None` while it is not posted.
    pub async fn posted(&self, dedupe_key: &str) -> Result<Option<MessageRef>> {
        let row = sqlx::query("SELECT message FROM outbox WHERE dedupe_key = $1")
            .bind(key(dedupe_key).into_owned())
            .fetch_optional(&self.inner.pool)
            .await?;
        let message = row.map(|row| row.try_get::<Option<String>, _>("message")).transpose()?;
        message.flatten().map(|text| from_json("a posted message", &text)).transpose()
    }
}

/// A card without the bytes of its pictures, and those: they go when the reply is delivered, the
/// card stays.
pub(super) fn apart(card: &Card) -> (Card, Vec<String>) {
    let pictures = card.blocks.iter().filter_map(picture).collect();
    let mut card = card.clone();
    for block in &mut card.blocks {
        if let Block::Image(image) = block {
            image.png.clear();
        }
    }
    (card, pictures)
}

async fn insert(
    tx: &mut AnyConnection,
    delivery: &Delivery,
    due_at: DateTime<Utc>,
    attempts: i64,
) -> Result<bool> {
    let (card, pictures) = apart(&delivery.reply.card);
    let inserted = sqlx::query(
        "INSERT INTO outbox (id, dedupe_key, conversation, card, pictures, state, attempts, \
         due_at, created_at, only_for) VALUES ($1, $2, $3, $4, $5, 'waiting', $6, $7, $8, $9) \
         ON CONFLICT (dedupe_key) DO NOTHING",
    )
    .bind(&*delivery.id.0)
    .bind(key(&delivery.reply.key).into_owned())
    .bind(to_json(&delivery.reply.conversation)?)
    .bind(to_json(&card)?)
    .bind(to_json(&pictures)?)
    .bind(attempts)
    .bind(millis(due_at))
    .bind(millis(delivery.since))
    .bind(delivery.reply.only_for.as_ref().map(to_json).transpose()?)
    .execute(tx)
    .await?
    .rows_affected();
    Ok(inserted == 1)
}

fn picture(block: &Block) -> Option<String> {
    match block {
        Block::Image(image) => Some(to_hex(&image.png)),
        _ => None,
    }
}

fn read(row: &AnyRow) -> Result<Delivery> {
    let mut card: Card = from_json("a card", &row.try_get::<String, _>("card")?)?;
    let pictures: Vec<String> =
        from_json("the pictures of a card", &row.try_get::<String, _>("pictures")?)?;
    let images = card.blocks.iter_mut().filter_map(|block| match block {
        Block::Image(image) => Some(image),
        _ => None,
    });
    for (image, hex) in images.zip(&pictures) {
        image.png = from_hex(hex)?;
    }
    Ok(Delivery {
        id: DeliveryId(row.try_get("id")?),
        reply: Reply {
            conversation: from_json("a conversation", &row.try_get::<String, _>("conversation")?)?,
            card,
            key: row.try_get("dedupe_key")?,
            only_for: row
                .try_get::<Option<String>, _>("only_for")?
                .map(|person| from_json("an identity", &person))
                .transpose()?,
        },
        attempt: u32::try_from(row.try_get::<i64, _>("attempts")?).unwrap_or(u32::MAX),
        since: moment(row.try_get("created_at")?)?,
        how: how(row)?,
    })
}

fn how(row: &AnyRow) -> Result<How> {
    let message = |column: &str| {
        row.try_get::<Option<String>, _>(column)?
            .map(|text| from_json::<MessageRef>("a posted message", &text))
            .transpose()
    };
    let version: i64 = row.try_get("version")?;
    if let Some(root) = message("root")? {
        return Ok(How::Under(root));
    }
    if version == 0 {
        return Ok(How::Once);
    }
    let news = row.try_get::<i64, _>("news")? > row.try_get::<i64, _>("shown")?;
    Ok(How::Living { version, news, shown: message("message")? })
}
