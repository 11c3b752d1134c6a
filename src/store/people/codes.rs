//! Link codes: what an unknown person tells an admin, or says from an account that is known.

use chat::{Platform, UserRef};
use chrono::TimeDelta;
use serde_json::json;
use sqlx::{AnyConnection, Row as _, any::AnyRow};
use uuid::{NoContext, Timestamp, Uuid};

use super::{Change, Subject, end, find, lock};
use crate::{
    access::{PrincipalId, Refusal, RefusalKind},
    store::{
        Actor, AuditEvent, Result, Store, StoreError, WriteTx, millis,
        words::{bounded, identity_key},
    },
};

/// Crockford's base 32: no I, L, O or U, so nothing is read as something else.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 8;

/// How long a code is good for.
const LIFE: TimeDelta = TimeDelta::hours(24);

impl Store {
    /// The code of an unknown account: a new one when there is none, or when it expired.
    pub(super) async fn link_code(&self, identity: &UserRef, display_name: &str) -> Result<String> {
        let now = self.now();
        let (platform, workspace, person) = identity_key(identity);
        // Most unknown people speak more than once: look before writing.
        let look = "SELECT code FROM link_codes WHERE platform = $1 AND workspace = $2 \
                    AND person = $3 AND expires_at > $4";
        let found = sqlx::query(look)
            .bind(platform)
            .bind(&*workspace)
            .bind(&*person)
            .bind(millis(now))
            .fetch_optional(&self.inner.pool)
            .await?;
        if let Some(row) = found {
            return Ok(row.try_get("code")?);
        }
        safely!(self, async {
            let mut tx = self.begin_write().await?;
            sqlx::query(
            "INSERT INTO link_codes (platform, workspace, person, code, display_name, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (platform, workspace, person) DO UPDATE SET code = excluded.code, \
             display_name = CASE WHEN excluded.display_name = '' THEN link_codes.display_name \
             ELSE excluded.display_name END, expires_at = excluded.expires_at \
             WHERE link_codes.expires_at <= $7",
        )
        .bind(platform)
        .bind(&*workspace)
        .bind(&*person)
        .bind(fresh())
        .bind(display_name)
        .bind(millis(now + LIFE))
        .bind(millis(now))
        .execute(&mut *tx)
        .await?;
            // Somebody else may have made it a moment ago: theirs counts.
            let row = sqlx::query(look)
                .bind(platform)
                .bind(&*workspace)
                .bind(&*person)
                .bind(millis(now))
                .fetch_one(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok(row.try_get("code")?)
        })
    }

    /// The account that a link code, or the account itself, stands for.
    pub async fn identity_of(&self, subject: &Subject) -> Result<UserRef> {
        match subject {
            Subject::Identity(identity) => Ok(identity.clone()),
            Subject::Code(code) => {
                let mut tx = self.begin_read().await?;
                let found = self.behind(&mut tx, code).await;
                tx.rollback().await?;
                Ok(found?.0)
            }
        }
    }

    /// Lets a known person speak from the account behind a code as well.
    pub async fn link(&self, by: &Actor, principal: &PrincipalId, code: &str) -> Result<Change> {
        let Some(code) = normalise(code) else { return Err(unknown_code().into()) };
        safely!(self, async {
            let mut tx = self.begin_write().await?;
            lock(&mut tx).await?;
            let change = self.link_in(&mut tx, by, principal, &code).await;
            end(tx, change).await
        })
    }

    async fn link_in(
        &self,
        tx: &mut WriteTx,
        by: &Actor,
        principal: &PrincipalId,
        code: &str,
    ) -> Result<Change> {
        let (identity, name) = self.behind(tx, code).await?;
        match find(tx, &identity).await? {
            Some(owner) if owner == *principal => return Ok(Change::AlreadySo(owner)),
            // A used code is good for nothing but the same again.
            Some(_) => return Err(unknown_code().into()),
            None => {}
        }
        let known = sqlx::query("SELECT id FROM principals WHERE id = $1")
            .bind(&*principal.0)
            .fetch_optional(&mut **tx)
            .await?;
        if known.is_none() {
            return Err(Refusal::new(
                RefusalKind::UnknownUser,
                "Only somebody I know can link another account: say it from the one with a role.",
            )
            .into());
        }
        self.attach(tx, principal, &identity, &name).await?;
        let event = AuditEvent {
            at: self.now(),
            actor: by.clone(),
            action: "identity.link".to_owned(),
            subject: identity.to_string(),
            detail: json!({ "principal": principal }),
            outcome: "done".to_owned(),
        };
        self.append(tx, &event).await?;
        Ok(Change::Made(principal.clone()))
    }

    /// The account that is meant, and the name last seen there.
    pub(super) async fn resolve(
        &self,
        tx: &mut AnyConnection,
        who: &Subject,
    ) -> Result<(UserRef, String)> {
        match who {
            Subject::Code(code) => {
                self.behind(tx, &normalise(code).ok_or_else(unknown_code)?).await
            }
            Subject::Identity(identity) => {
                let (platform, workspace, person) = identity_key(identity);
                let row = sqlx::query(
                    "SELECT display_name FROM link_codes \
                     WHERE platform = $1 AND workspace = $2 AND person = $3",
                )
                .bind(platform)
                .bind(&*workspace)
                .bind(&*person)
                .fetch_optional(tx)
                .await?;
                let name = row.map(|row| row.try_get("display_name")).transpose()?;
                Ok((identity.clone(), name.unwrap_or_default()))
            }
        }
    }

    async fn behind(&self, tx: &mut AnyConnection, code: &str) -> Result<(UserRef, String)> {
        let row = sqlx::query(
            "SELECT platform, workspace, person, display_name, expires_at FROM link_codes \
             WHERE code = $1",
        )
        .bind(code)
        .fetch_optional(tx)
        .await?
        .ok_or_else(unknown_code)?;
        if row.try_get::<i64, _>("expires_at")? <= millis(self.now()) {
            return Err(Refusal::new(
                RefusalKind::Expired,
                "That link code is older than a day. Let them say something to me again: they \
                 will be told a new one.",
            )
            .into());
        }
        Ok((identity(&row)?, row.try_get("display_name")?))
    }
}

pub(super) fn unknown_code() -> Refusal {
    Refusal::new(
        RefusalKind::NotFound,
        "I know no such link code. It is eight letters and digits, and I tell it to everyone I do \
         not know.",
    )
}

/// The account in the three key columns.
pub(super) fn identity(row: &AnyRow) -> Result<UserRef> {
    let platform: String = row.try_get("platform")?;
    let platform = Platform::ALL
        .into_iter()
        .find(|known| known.as_str() == platform)
        .ok_or_else(|| StoreError::Damaged(format!("the platform {}", bounded(&platform, 40))))?;
    Ok(UserRef { platform, workspace: row.try_get("workspace")?, user: row.try_get("person")? })
}

/// Forty random bits. They come from a UUID without a counter: below its time, all is random.
fn fresh() -> String {
    let random = Uuid::new_v7(Timestamp::from_unix(NoContext, 0, 0)).as_u128();
    (0..LENGTH).map(|place| char::from(ALPHABET[(random >> (5 * place)) as usize & 31])).collect()
}

/// The code as it was given out, however it is typed: `o` is zero, `i` and `l` are one, case and
/// dashes do not matter.
pub(super) fn normalise(text: &str) -> Option<String> {
    let mut code = String::with_capacity(LENGTH);
    for letter in text.trim().chars().filter(|letter| *letter != '-') {
        let letter = match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        if !letter.is_ascii() || !ALPHABET.contains(&(letter as u8)) || code.len() == LENGTH {
            return None;
        }
        code.push(letter);
    }
    (code.len() == LENGTH).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_eight_letters_that_nobody_misreads() {
        for _ in 0..1000 {
            let code = fresh();
            assert_eq!(normalise(&code).as_deref(), Some(&*code));
            assert!(!code.contains(['I', 'L', 'O', 'U']), "{code}");
        }
        assert_ne!(fresh(), fresh());
    }

    #[test]
    fn a_code_is_understood_however_it_is_typed() {
        assert_eq!(normalise(" abcd-o1l2 ").as_deref(), Some("ABCD0112"));
        for text in ["", "ABCD012", "ABCD01234", "ABCDUUUU", "slack:T1:U1", "ÀBCD0123"] {
            assert_eq!(normalise(text), None, "{text}");
        }
    }
}
