//! Giving and taking roles. Every change and its audit row are one transaction.

use chat::UserRef;
use serde_json::json;
use sqlx::AnyConnection;

use super::{Change, Subject, codes::unknown_code, end, find, lock};
use crate::{
    access::{PrincipalId, Refusal, RefusalKind, Role},
    store::{Actor, AuditEvent, Result, Store, WriteTx, millis},
};

impl Store {
    /// Gives a role, everywhere or in one environment, and makes the person known. Roles add up:
    /// a lesser role given later takes nothing away.
    pub async fn grant(
        &self,
        by: &Actor,
        who: &Subject,
        role: Role,
        environment: Option<&str>,
    ) -> Result<Change> {
        let environment = place(environment)?;
        safely!(self, async {
            let mut tx = self.begin_write().await?;
            lock(&mut tx).await?;
            let change = self.grant_in(&mut tx, by, who, role, environment).await;
            end(tx, change).await
        })
    }

    async fn grant_in(
        &self,
        tx: &mut WriteTx,
        by: &Actor,
        who: &Subject,
        role: Role,
        environment: &str,
    ) -> Result<Change> {
        let (identity, name) = self.resolve(tx, who).await?;
        let principal = if let Some(principal) = find(tx, &identity).await? {
            if matches!(who, Subject::Code(_)) && !has(tx, &principal, role, environment).await? {
                return Err(unknown_code().into());
            }
            principal
        } else {
            let principal = PrincipalId(self.new_id());
            sqlx::query("INSERT INTO principals (id, created_at) VALUES ($1, $2)")
                .bind(&*principal.0)
                .bind(millis(self.now()))
                .execute(&mut **tx)
                .await?;
            self.attach(tx, &principal, &identity, &name).await?;
            principal
        };
        let new = sqlx::query(
            "INSERT INTO role_bindings (principal, role, environment, granted_at) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (principal, role, environment) DO NOTHING",
        )
        .bind(&*principal.0)
        .bind(role.as_str())
        .bind(environment)
        .bind(millis(self.now()))
        .execute(&mut **tx)
        .await?
        .rows_affected();
        if new == 0 {
            return Ok(Change::AlreadySo(principal));
        }
        self.put(tx, by, "role.grant", &identity, &principal, role, environment).await?;
        Ok(Change::Made(principal))
    }

    /// Takes a role away. The last Admin keeps theirs.
    pub async fn revoke(
        &self,
        by: &Actor,
        who: &Subject,
        role: Role,
        environment: Option<&str>,
    ) -> Result<Change> {
        let environment = place(environment)?;
        safely!(self, async {
            let mut tx = self.begin_write().await?;
            lock(&mut tx).await?;
            let change = self.revoke_in(&mut tx, by, who, role, environment).await;
            end(tx, change).await
        })
    }

    async fn revoke_in(
        &self,
        tx: &mut WriteTx,
        by: &Actor,
        who: &Subject,
        role: Role,
        environment: &str,
    ) -> Result<Change> {
        let (identity, _) = self.resolve(tx, who).await?;
        let known = find(tx, &identity).await?;
        if known.is_some() && matches!(who, Subject::Code(_)) {
            return Err(unknown_code().into());
        }
        let Some(principal) = known else {
            return Err(Refusal::new(
                RefusalKind::UnknownUser,
                format!("I do not know {identity}, so there is no role to take away."),
            )
            .into());
        };
        let gone = sqlx::query(
            "DELETE FROM role_bindings WHERE principal = $1 AND role = $2 AND environment = $3",
        )
        .bind(&*principal.0)
        .bind(role.as_str())
        .bind(environment)
        .execute(&mut **tx)
        .await?
        .rows_affected();
        if gone == 0 {
            return Ok(Change::AlreadySo(principal));
        }
        if role == Role::Admin && environment.is_empty() && !any_admin(tx).await? {
            return Err(Refusal::new(
                RefusalKind::NotPermitted,
                format!(
                    "{identity} is the last Admin: you would lock everyone out. Make somebody else \
                     Admin first."
                ),
            )
            .into());
        }
        self.put(tx, by, "role.revoke", &identity, &principal, role, environment).await?;
        Ok(Change::Made(principal))
    }

    #[expect(clippy::too_many_arguments, reason = "one audit row, spelt out")]
    async fn put(
        &self,
        tx: &mut WriteTx,
        by: &Actor,
        action: &str,
        identity: &UserRef,
        principal: &PrincipalId,
        role: Role,
        environment: &str,
    ) -> Result<()> {
        let detail = json!({
            "principal": principal,
            "role": role,
            "environment": (!environment.is_empty()).then_some(environment),
        });
        let event = AuditEvent {
            at: self.now(),
            actor: by.clone(),
            action: action.to_owned(),
            subject: identity.to_string(),
            detail,
            outcome: "done".to_owned(),
        };
        self.append(tx, &event).await
    }
}

async fn has(
    tx: &mut AnyConnection,
    principal: &PrincipalId,
    role: Role,
    environment: &str,
) -> Result<bool> {
    let row = sqlx::query(
        "SELECT principal FROM role_bindings \
         WHERE principal = $1 AND role = $2 AND environment = $3",
    )
    .bind(&*principal.0)
    .bind(role.as_str())
    .bind(environment)
    .fetch_optional(tx)
    .await?;
    Ok(row.is_some())
}

async fn any_admin(tx: &mut AnyConnection) -> Result<bool> {
    let row = sqlx::query(
        "SELECT b.principal FROM role_bindings b JOIN identities i ON i.principal = b.principal \
         WHERE b.role = 'admin' AND b.environment = '' LIMIT 1",
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.is_some())
}

/// The environment as it is stored: empty for everywhere.
fn place(environment: Option<&str>) -> Result<&str> {
    let Some(name) = environment else { return Ok("") };
    if name.is_empty() || name.len() > 100 || name.chars().any(char::is_control) {
        return Err(Refusal::new(
            RefusalKind::Usage,
            "Name an environment, such as prod, or leave it out for everywhere.",
        )
        .into());
    }
    Ok(name)
}
