//! The audit: append-only, each row sealed with the hash of the row before it.

use std::{fmt, io::Write, str::FromStr};

use chat::UserRef;
use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use serde::Serialize;
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::{
    Result, Store, StoreError, WriteTx, millis,
    words::{bounded, hash},
};
use crate::access::{Principal, PrincipalId};

/// What the first row is chained to.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const MAX_WORD: usize = 600;
const MAX_DETAIL: usize = 64 * 1024;

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The program itself, or the operating-system user at its command line.
    System,
    /// Somebody in a chat.
    Person {
        /// The account they spoke from.
        identity: UserRef,
        /// Who that was, when known.
        principal: Option<PrincipalId>,
    },
    /// The operating-system user at the command line, in the name of somebody else.
    Through {
        /// The account that was named.
        identity: UserRef,
        /// Who that is, when known.
        principal: Option<PrincipalId>,
        /// Who really typed it: `via` in the detail of everything they do.
        via: UserRef,
    },
}

impl Actor {
    /// The local person, when known.
    fn principal(&self) -> Option<&PrincipalId> {
        match self {
            Self::Person { principal, .. } | Self::Through { principal, .. } => principal.as_ref(),
            Self::System => None,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::Person { identity, .. } | Self::Through { identity, .. } => identity.fmt(f),
        }
    }
}

impl From<&Principal> for Actor {
    fn from(principal: &Principal) -> Self {
        Self::Person { identity: principal.identity.clone(), principal: principal.id.clone() }
    }
}

/// Something that goes on record.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEvent {
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: Actor,
    /// What, as one word or two: `role.grant`, `ask`.
    pub action: String,
    /// To whom or what.
    pub subject: String,
    /// The rest. Never secrets, never message text.
    pub detail: serde_json::Value,
    /// How it ended: `done`, `refused`, `failed`.
    pub outcome: String,
}

/// One row as it is sealed. The order of the fields is part of the seal.
#[derive(Serialize)]
struct Row {
    seq: i64,
    id: String,
    at: i64,
    actor: String,
    principal: Option<String>,
    action: String,
    subject: String,
    detail: String,
    outcome: String,
    previous: String,
}

impl Row {
    fn seal(&self) -> Result<String> {
        let canonical = serde_json::to_vec(self)
            .map_err(|error| StoreError::damaged("an audit row without JSON", error))?;
        Ok(hash(&canonical))
    }
}

/// What an untouched audit looks like. Keep `head` outside the database: it is what nobody with
/// access to the database can forge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many rows.
    pub rows: u64,
    /// The hash of the last one.
    pub head: String,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.rows, self.head)
    }
}

impl FromStr for Verified {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let wrong = "write ROWS:HASH as an earlier `audit verify` printed it";
        let (rows, head) = text.trim().split_once(':').ok_or(wrong)?;
        let rows = rows.parse().ok().filter(|rows| *rows > 0).ok_or(wrong)?;
        let head = head.to_ascii_lowercase();
        if head.len() != GENESIS.len() || !head.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong);
        }
        Ok(Self { rows, head })
    }
}

/// Why the audit could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Somebody changed it.
    #[error("The audit was tampered with at row {row}: {reason}")]
    Tampered {
        /// The first row that is not as it was written.
        row: u64,
        /// What gives it away.
        reason: String,
    },
    /// It could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Puts an event on record, in the caller's transaction: both happen or neither. Appends wait
    /// for each other, so append last.
    pub async fn append(&self, tx: &mut WriteTx, event: &AuditEvent) -> Result<()> {
        append(tx, self.new_id(), event).await
    }

    /// Puts an event on record that belongs to no other change.
    pub async fn put_on_record(&self, event: &AuditEvent) -> Result<()> {
        let id = self.new_id();
        safely!(self, async {
            let mut tx = self.begin_write().await?;
            append(&mut tx, id.clone(), event).await?;
            tx.commit().await
        })
    }

    /// Reads the whole audit and checks every seal: any row edited, removed (also at the end),
    /// moved or put in between is found and named.
    pub async fn verify_audit(&self) -> std::result::Result<Verified, VerifyError> {
        self.verify_audit_since(&Verified { rows: 0, head: GENESIS.to_owned() }).await
    }

    /// The same, and that what was verified before is still its beginning: finds even an audit
    /// that was written anew from the first row.
    pub async fn verify_audit_since(
        &self,
        before: &Verified,
    ) -> std::result::Result<Verified, VerifyError> {
        let tampered = |row: i64, reason: &str| VerifyError::Tampered {
            row: row as u64,
            reason: reason.into(),
        };
        let mut tx = self.begin_read().await?;
        let head = sqlx::query("SELECT seq, hash FROM audit_head WHERE id = 1")
            .fetch_optional(&mut *tx)
            .await
            .map_err(StoreError::from)?;
        let mut previous = GENESIS.to_owned();
        let mut seq = 0_i64;
        {
            let mut rows = sqlx::query(ALL).fetch(&mut *tx);
            while let Some(row) = rows.try_next().await.map_err(StoreError::from)? {
                seq += 1;
                previous = check(&row, seq, &previous)?;
                if seq as u64 == before.rows && previous != before.head {
                    return Err(tampered(seq, "it is not the row that was verified before"));
                }
            }
        }
        tx.rollback().await?;
        if before.rows > seq as u64 {
            return Err(tampered(seq + 1, "it is missing, and it was there before"));
        }
        let head = head.and_then(|row| {
            Some((row.try_get::<i64, _>("seq").ok()?, row.try_get::<String, _>("hash").ok()?))
        });
        match head {
            None => Err(tampered(seq, "the record of the last row is gone")),
            Some((last, _)) if last > seq => {
                Err(tampered(seq + 1, "it is missing: the end of the audit was cut off"))
            }
            Some((last, _)) if last < seq => {
                Err(tampered(last + 1, "it was put in, or the record of the last row was changed"))
            }
            Some((_, hash)) if hash != previous => {
                Err(tampered(seq, "it is not the row that was written last"))
            }
            Some(_) => Ok(Verified { rows: seq as u64, head: previous }),
        }
    }

    /// Writes the whole audit as JSON lines, one moment of it, row by row; returns how many.
    pub async fn export_audit(&self, out: &mut (dyn Write + Send)) -> Result<u64> {
        let mut tx = self.begin_read().await?;
        let mut count = 0;
        {
            let mut rows = sqlx::query(ALL).fetch(&mut *tx);
            while let Some(row) = rows.try_next().await? {
                let (row, hash) = read(&row)?;
                let mut line = serde_json::to_value(&row)
                    .map_err(|error| StoreError::damaged("an audit row without JSON", error))?;
                line["hash"] = hash.into();
                if let Ok(detail) = serde_json::from_str::<serde_json::Value>(&row.detail) {
                    line["detail_json"] = detail;
                }
                writeln!(out, "{line}")?;
                count += 1;
            }
        }
        tx.rollback().await?;
        out.flush()?;
        Ok(count)
    }
}

const ALL: &str = "SELECT seq, id, at, actor, principal, action, subject, detail, outcome, \
                   previous, hash FROM audit ORDER BY seq";

async fn append(tx: &mut AnyConnection, id: String, event: &AuditEvent) -> Result<()> {
    let head = sqlx::query("UPDATE audit_head SET seq = seq + 1 WHERE id = 1 RETURNING seq, hash")
        .fetch_all(&mut *tx)
        .await?;
    let head = head.first().ok_or_else(|| StoreError::Damaged("the audit without head".into()))?;
    let row = Row {
        seq: head.try_get("seq")?,
        id,
        at: millis(event.at),
        actor: bounded(&event.actor.to_string(), MAX_WORD),
        principal: event.actor.principal().map(|id| bounded(&id.0, MAX_WORD)),
        action: bounded(&event.action, MAX_WORD),
        subject: bounded(&event.subject, MAX_WORD),
        detail: detail(event),
        outcome: bounded(&event.outcome, MAX_WORD),
        previous: head.try_get("hash")?,
    };
    let hash = row.seal()?;
    let inserted = sqlx::query(
        "INSERT INTO audit (seq, id, at, actor, principal, action, subject, detail, outcome, \
         previous, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(row.seq)
    .bind(&*row.id)
    .bind(row.at)
    .bind(&*row.actor)
    .bind(row.principal.as_deref())
    .bind(&*row.action)
    .bind(&*row.subject)
    .bind(&*row.detail)
    .bind(&*row.outcome)
    .bind(&*row.previous)
    .bind(&*hash)
    .execute(&mut *tx)
    .await?
    .rows_affected();
    // An attempt whose answer was lost is on record already: take the number back.
    let (seq, hash) = if inserted == 1 { (row.seq, hash) } else { (row.seq - 1, row.previous) };
    sqlx::query("UPDATE audit_head SET seq = $1, hash = $2 WHERE id = 1")
        .bind(seq)
        .bind(hash)
        .execute(tx)
        .await?;
    Ok(())
}

fn detail(event: &AuditEvent) -> String {
    let mut detail = event.detail.clone();
    if let (Actor::Through { via, .. }, Some(fields)) = (&event.actor, detail.as_object_mut()) {
        fields.insert("via".to_owned(), via.to_string().into());
    }
    let text = detail.to_string();
    if text.len() <= MAX_DETAIL {
        return text;
    }
    // Cut JSON is no JSON: keep its start as a JSON text.
    serde_json::json!({ "cut": bounded(&text, MAX_DETAIL / 2) }).to_string()
}

fn read(row: &AnyRow) -> sqlx::Result<(Row, String)> {
    Ok((
        Row {
            seq: row.try_get("seq")?,
            id: row.try_get("id")?,
            at: row.try_get("at")?,
            actor: row.try_get("actor")?,
            principal: row.try_get("principal")?,
            action: row.try_get("action")?,
            subject: row.try_get("subject")?,
            detail: row.try_get("detail")?,
            outcome: row.try_get("outcome")?,
            previous: row.try_get("previous")?,
        },
        row.try_get("hash")?,
    ))
}

/// Checks one row against its place and the row before it; returns its hash.
fn check(row: &AnyRow, expected: i64, previous: &str) -> std::result::Result<String, VerifyError> {
    let tampered =
        |reason: &str| VerifyError::Tampered { row: expected as u64, reason: reason.into() };
    let (row, hash) = read(row).map_err(|_| tampered("it holds a value of another type"))?;
    if row.seq != expected {
        return Err(tampered("it is missing, or its number was changed"));
    }
    if row.previous != previous {
        return Err(tampered("it does not follow the row before it"));
    }
    if row.seal()? != hash {
        return Err(tampered("its contents are not those it was sealed with"));
    }
    Ok(hash)
}
