//! People: their accounts, their roles, and the codes by which unknown people become known.

mod codes;
mod roles;

use std::{collections::BTreeMap, str::FromStr};

use chat::UserRef;
use sqlx::{AnyConnection, Row as _};

use super::{
    Result, Store, StoreError, WriteTx, millis,
    words::{bounded, identity_key},
};
use crate::access::{Principal, PrincipalId, Refusal, RefusalKind, RoleBinding};

const MAX_NAME: usize = 256;

/// Whom a role is given to or taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A platform account.
    Identity(UserRef),
    /// The code that an unknown person was told.
    Code(String),
}

impl FromStr for Subject {
    type Err = Refusal;

    /// `PLATFORM:WORKSPACE:USER`, or a link code however people retype it.
    fn from_str(text: &str) -> std::result::Result<Self, Refusal> {
        if let Some(code) = codes::normalise(text) {
            return Ok(Self::Code(code));
        }
        text.parse().map(Self::Identity).map_err(|error: chat::ParseUserRefError| {
            Refusal::new(RefusalKind::Usage, format!("{error}, or an eight-letter link code"))
        })
    }
}

/// Whether anything had to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Yes, and it is on record.
    Made(PrincipalId),
    /// It was so already; nothing was written.
    AlreadySo(PrincipalId),
}

/// Somebody known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub principal: PrincipalId,
    /// The accounts they speak from, with the name last seen there.
    pub identities: Vec<(UserRef, String)>,
    /// What they may do.
    pub bindings: Vec<RoleBinding>,
}

impl Store {
    /// Who speaks from this account, and what they may do at this moment. Unknown people get a
    /// link code, the same one for a day. An empty display name is no new name.
    pub async fn principal(&self, identity: &UserRef, display_name: &str) -> Result<Principal> {
        let mut principal = self.acquaintance(identity, display_name).await?;
        if !principal.is_known() {
            let display_name = bounded(display_name, MAX_NAME);
            principal.link_code = Some(self.link_code(identity, &display_name).await?);
        }
        Ok(principal)
    }

    /// The same, without a link code: of unknown people nothing is kept.
    pub async fn acquaintance(&self, identity: &UserRef, display_name: &str) -> Result<Principal> {
        let display_name = bounded(display_name, MAX_NAME);
        let (platform, workspace, person) = identity_key(identity);
        let rows = sqlx::query(
            "SELECT i.principal, i.display_name, b.role, b.environment FROM identities i \
             LEFT JOIN role_bindings b ON b.principal = i.principal \
             WHERE i.platform = $1 AND i.workspace = $2 AND i.person = $3 \
             ORDER BY b.role, b.environment",
        )
        .bind(platform)
        .bind(&*workspace)
        .bind(&*person)
        .fetch_all(&self.inner.pool)
        .await?;
        let Some(first) = rows.first() else {
            return Ok(Principal {
                id: None,
                identity: identity.clone(),
                bindings: Vec::new(),
                link_code: None,
            });
        };
        let id = PrincipalId(first.try_get("principal")?);
        if !display_name.is_empty() && first.try_get::<String, _>("display_name")? != display_name {
            self.rename(identity, &display_name).await?;
        }
        let mut bindings = Vec::new();
        for row in &rows {
            if let Some(role) = row.try_get::<Option<String>, _>("role")? {
                bindings.push(binding(&id, &role, row.try_get("environment")?)?);
            }
        }
        Ok(Principal { id: Some(id), identity: identity.clone(), bindings, link_code: None })
    }

    async fn rename(&self, identity: &UserRef, display_name: &str) -> Result<()> {
        let (platform, workspace, person) = identity_key(identity);
        let _turn = self.turn().await?;
        sqlx::query(
            "UPDATE identities SET display_name = $1 \
             WHERE platform = $2 AND workspace = $3 AND person = $4",
        )
        .bind(display_name)
        .bind(platform)
        .bind(&*workspace)
        .bind(&*person)
        .execute(&self.inner.pool)
        .await?;
        Ok(())
    }

    /// Everybody known, with their accounts and roles.
    pub async fn people(&self) -> Result<Vec<Person>> {
        let mut tx = self.begin_read().await?;
        let identities = sqlx::query(
            "SELECT principal, platform, workspace, person, display_name FROM identities \
             ORDER BY principal, platform, workspace, person",
        )
        .fetch_all(&mut *tx)
        .await?;
        let bindings = sqlx::query(
            "SELECT principal, role, environment FROM role_bindings \
             ORDER BY principal, role, environment",
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.rollback().await?;
        let mut people = BTreeMap::new();
        for row in identities {
            let id = PrincipalId(row.try_get("principal")?);
            let person = people.entry(id.clone()).or_insert_with(|| Person {
                principal: id,
                identities: Vec::new(),
                bindings: Vec::new(),
            });
            let identity = codes::identity(&row)?;
            person.identities.push((identity, row.try_get("display_name")?));
        }
        for row in bindings {
            let id = PrincipalId(row.try_get("principal")?);
            let role: String = row.try_get("role")?;
            if let Some(person) = people.get_mut(&id) {
                person.bindings.push(binding(&id, &role, row.try_get("environment")?)?);
            }
        }
        Ok(people.into_values().collect())
    }

    async fn attach(
        &self,
        tx: &mut WriteTx,
        principal: &PrincipalId,
        identity: &UserRef,
        name: &str,
    ) -> Result<()> {
        let (platform, workspace, person) = identity_key(identity);
        sqlx::query(
            "INSERT INTO identities (platform, workspace, person, principal, display_name, \
             created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(platform)
        .bind(&*workspace)
        .bind(&*person)
        .bind(&*principal.0)
        .bind(name)
        .bind(millis(self.now()))
        .execute(&mut **tx)
        .await?;
        // Its code stays until it expires: the same change may be asked for again, by who could
        // not see that it was made. It is good for nothing else.
        Ok(())
    }
}

/// Changes to people wait for each other, on the row on which the audit waits anyway: two admins
/// who revoke each other at the same moment must not both succeed.
async fn lock(tx: &mut AnyConnection) -> Result<()> {
    sqlx::query("UPDATE audit_head SET seq = seq WHERE id = 1").execute(tx).await?;
    Ok(())
}

/// Commits a change that was made; anything else leaves no trace.
async fn end(tx: WriteTx, change: Result<Change>) -> Result<Change> {
    match change {
        Ok(Change::Made(_)) => tx.commit().await?,
        Ok(Change::AlreadySo(_)) | Err(StoreError::Refused(_)) => tx.rollback().await?,
        Err(_) => {}
    }
    change
}

async fn find(tx: &mut AnyConnection, identity: &UserRef) -> Result<Option<PrincipalId>> {
    let (platform, workspace, person) = identity_key(identity);
    let row = sqlx::query(
        "SELECT principal FROM identities WHERE platform = $1 AND workspace = $2 AND person = $3",
    )
    .bind(platform)
    .bind(&*workspace)
    .bind(&*person)
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|row| row.try_get("principal")).transpose()?.map(PrincipalId))
}

fn binding(principal: &PrincipalId, role: &str, environment: String) -> Result<RoleBinding> {
    Ok(RoleBinding {
        principal: principal.clone(),
        role: role.parse().map_err(|error| StoreError::damaged("a role binding", error))?,
        environment: (!environment.is_empty()).then_some(environment),
    })
}
