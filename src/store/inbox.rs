//! Inbound events: recorded before they are acknowledged, processed once.

use std::{fmt, time::Duration};

use chat::Inbound;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::{
    Result, Served, Store, StoreError, millis,
    served::columns,
    words::{bounded, from_json, key, to_json},
};

/// How long an event belongs to the process that works on it. After a crash it is offered again
/// once this has passed; [`Store::renew_claims`] keeps slow work claimed.
pub const CLAIM_LEASE: Duration = Duration::from_secs(30);

/// The outcome of talk that was not meant for the bot: its words are not kept.
pub const OVERHEARD: &str = "overheard";

/// The most text kept of one message. Nothing that long is a question.
const MAX_TEXT: usize = 64 * 1024;
const MAX_NAME: usize = 256;
const MAX_OUTCOME: usize = 200;

/// One recorded event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InboxId(pub(super) String);

impl fmt::Display for InboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether an event was seen before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstSight {
    /// No: it is recorded now, and claimed by this process.
    New(InboxId),
    /// Yes: somebody answered it, or is about to.
    Duplicate,
}

/// An event that was recorded and not finished.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Its row.
    pub id: InboxId,
    /// The event.
    pub inbound: Inbound,
    /// How many processes began to work on it, this one included. Finish what keeps coming back
    /// unanswered: it may be the event that crashes the bot.
    pub attempt: u32,
}

/// An event ready to be inserted, with the id by which a second attempt recognises the first.
pub(super) struct Arrival {
    pub(super) id: String,
    inbound: String,
    platform: &'static str,
    workspace: String,
    event: String,
}

impl Arrival {
    pub(super) fn new(store: &Store, inbound: &Inbound) -> Result<Self> {
        let mut kept = inbound.clone();
        kept.text = bounded(&kept.text, MAX_TEXT);
        kept.display_name = bounded(&kept.display_name, MAX_NAME);
        Ok(Self {
            id: store.new_id(),
            inbound: to_json(&kept)?,
            platform: inbound.conversation.platform.as_str(),
            workspace: key(&inbound.conversation.workspace).into_owned(),
            event: key(&inbound.id).into_owned(),
        })
    }

    fn key(&self) -> (&'static str, &str, &str) {
        (self.platform, &self.workspace, &self.event)
    }

    /// Whether this arrival is the first of its event.
    pub(super) async fn insert(&self, store: &Store, tx: &mut AnyConnection) -> Result<bool> {
        let now = store.now();
        let inserted = sqlx::query(
            "INSERT INTO inbox (id, platform, workspace, event, inbound, state, claimed_by, \
             claimed_until, attempts, received_at) \
             VALUES ($1, $2, $3, $4, $5, 'pending', $6, $7, 1, $8) \
             ON CONFLICT (platform, workspace, event) DO NOTHING",
        )
        .bind(&*self.id)
        .bind(self.platform)
        .bind(&*self.workspace)
        .bind(&*self.event)
        .bind(&*self.inbound)
        .bind(&*store.inner.instance)
        .bind(millis(now + CLAIM_LEASE))
        .bind(millis(now))
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if inserted == 1 {
            return Ok(true);
        }
        // An attempt of ours whose answer was lost is not a duplicate.
        let first = sqlx::query(
            "SELECT id FROM inbox WHERE platform = $1 AND workspace = $2 AND event = $3",
        )
        .bind(self.platform)
        .bind(&*self.workspace)
        .bind(&*self.event)
        .fetch_optional(tx)
        .await?;
        Ok(first.map(|row| row.try_get::<String, _>("id")).transpose()? == Some(self.id.clone()))
    }
}

impl Store {
    /// Records an event; call it before acknowledging, and acknowledge whatever it says.
    pub async fn record(&self, inbound: &Inbound) -> Result<FirstSight> {
        let arrival = Arrival::new(self, inbound)?;
        let first = safely!(self, async {
            // One statement is its own transaction: on PostgreSQL one round trip.
            let _turn = self.first_turn().await?;
            let mut connection = self.inner.pool.acquire().await?;
            arrival.insert(self, &mut connection).await
        })?;
        Ok(if first { FirstSight::New(InboxId(arrival.id)) } else { FirstSight::Duplicate })
    }

    /// Records events that came at the same moment, in one commit. One that the database does not take
    /// keeps away none of the others; an error means that it took none of them.
    pub async fn record_all(&self, events: &[&Inbound]) -> Result<Vec<Result<FirstSight>>> {
        match self.record_together(events).await {
            Ok(recorded) => Ok(recorded.into_iter().map(Ok).collect()),
            Err(StoreError::Database(_)) if events.len() > 1 => {
                let mut recorded = Vec::with_capacity(events.len());
                for event in events {
                    recorded.push(self.record(event).await);
                }
                Ok(recorded)
            }
            Err(error) => Err(error),
        }
    }

    async fn record_together(&self, events: &[&Inbound]) -> Result<Vec<FirstSight>> {
        if let [event] = events {
            return Ok(vec![self.record(event).await?]);
        }
        let arrivals: Vec<_> =
            events.iter().map(|event| Arrival::new(self, event)).collect::<Result<_>>()?;
        // In the same order everywhere: two processes that hear the same events would wait for each other.
        let mut order: Vec<_> = (0..arrivals.len()).collect();
        order.sort_by_key(|&at| arrivals[at].key());
        let first = safely!(self, async {
            let mut tx = self.begin_write_first().await?;
            let mut first = vec![false; arrivals.len()];
            for &at in &order {
                first[at] = arrivals[at].insert(self, &mut tx).await?;
            }
            tx.commit().await?;
            Ok(first)
        })?;
        let sight = |(arrival, first): (Arrival, bool)| {
            if first { FirstSight::New(InboxId(arrival.id)) } else { FirstSight::Duplicate }
        };
        Ok(arrivals.into_iter().zip(first).map(sight).collect())
    }

    /// Claims what was recorded and never finished, oldest first: at the start, and from time to
    /// time for what a crashed neighbour left. What a live process works on is not offered.
    /// Only of the platforms that this process serves.
    pub async fn pending(&self, served: &[Served], limit: u32) -> Result<Vec<Recorded>> {
        if served.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.now();
        let mut tx = self.begin_write().await?;
        let ours = columns(served, 5);
        let mut claim = sqlx::query(AssertSqlSafe(format!(
            "UPDATE inbox SET claimed_by = $1, claimed_until = $2, attempts = attempts + 1 \
             WHERE state = 'pending' AND claimed_until <= $3 AND id IN (\
               SELECT id FROM inbox WHERE state = 'pending' AND claimed_until <= $3 AND ({}) \
               ORDER BY received_at, id LIMIT $4) \
             RETURNING id, inbound, received_at, attempts",
            ours.sql
        )))
        .bind(&*self.inner.instance)
        .bind(millis(now + CLAIM_LEASE))
        .bind(millis(now))
        .bind(i64::from(limit));
        for value in ours.values {
            claim = claim.bind(value);
        }
        let mut rows = claim
            .fetch_all(&mut *tx)
            .await?
            .into_iter()
            .map(|row| {
                Ok((
                    row.try_get::<i64, _>("received_at")?,
                    row.try_get::<String, _>("id")?,
                    row.try_get::<String, _>("inbound")?,
                    row.try_get::<i64, _>("attempts")?,
                ))
            })
            .collect::<Result<Vec<_>>>()?;
        tx.commit().await?;
        rows.sort();
        rows.into_iter()
            .map(|(_, id, inbound, attempts)| {
                Ok(Recorded {
                    id: InboxId(id),
                    inbound: from_json("an inbound event", &inbound)?,
                    attempt: u32::try_from(attempts).unwrap_or(u32::MAX),
                })
            })
            .collect()
    }

    /// Keeps what this process works on claimed. Call it every ten seconds while anything is
    /// being answered.
    pub async fn renew_claims(&self) -> Result<u64> {
        let _turn = self.turn().await?;
        Ok(sqlx::query(
            "UPDATE inbox SET claimed_until = $1 WHERE state = 'pending' AND claimed_by = $2",
        )
        .bind(millis(self.now() + CLAIM_LEASE))
        .bind(&*self.inner.instance)
        .execute(&self.inner.pool)
        .await?
        .rows_affected())
    }

    /// Gives events back that this process did not finish: they are pending at once, and nobody's until somebody claims
    /// them.
    pub async fn release_claims(&self, ids: &[InboxId]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin_write().await?;
        for id in ids {
            sqlx::query(
                "UPDATE inbox SET claimed_until = $1, claimed_by = '' \
                 WHERE id = $2 AND state = 'pending' AND claimed_by = $3",
            )
            .bind(millis(self.now()))
            .bind(&*id.0)
            .bind(&*self.inner.instance)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// Keeps that an event was seen, but not what was said in it.
async fn forget(tx: &mut AnyConnection, id: &str) -> Result<()> {
    let row =
        sqlx::query("SELECT inbound FROM inbox WHERE id = $1").bind(id).fetch_one(&mut *tx).await?;
    let mut inbound: Inbound =
        from_json("an inbound event", &row.try_get::<String, _>("inbound")?)?;
    inbound.text.clear();
    sqlx::query("UPDATE inbox SET inbound = $1 WHERE id = $2")
        .bind(to_json(&inbound)?)
        .bind(id)
        .execute(tx)
        .await?;
    Ok(())
}

/// Marks an event as done. Says whether this attempt did it: `attempt` recognises itself when its
/// first answer was lost, everybody else is too late.
pub(super) async fn finish(
    store: &Store,
    tx: &mut AnyConnection,
    id: &str,
    attempt: &str,
    outcome: &str,
) -> Result<Finish> {
    let done = sqlx::query(
        "UPDATE inbox SET state = 'done', outcome = $1, finished_at = $2, finished_by = $3 \
         WHERE id = $4 AND state = 'pending' AND claimed_by = $5",
    )
    .bind(bounded(outcome, MAX_OUTCOME))
    .bind(millis(store.now()))
    .bind(attempt)
    .bind(id)
    .bind(&*store.inner.instance)
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if done == 1 {
        if outcome == OVERHEARD {
            forget(tx, id).await?;
        }
        return Ok(Finish::Now);
    }
    let by = sqlx::query("SELECT finished_by FROM inbox WHERE id = $1")
        .bind(id)
        .fetch_optional(tx)
        .await?;
    let by = by.map(|row| row.try_get::<Option<String>, _>("finished_by")).transpose()?.flatten();
    Ok(if by.as_deref() == Some(attempt) { Finish::Before } else { Finish::BySomeoneElse })
}

/// Who finished an event.
pub(super) enum Finish {
    /// This attempt, now.
    Now,
    /// This attempt, and its answer was lost.
    Before,
    /// Another process, after this one's claim ran out.
    BySomeoneElse,
}
