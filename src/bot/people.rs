//! Granting, revoking and linking, as said in a conversation.

use std::sync::Arc;

use chat::{Card, ChatAdapter, UserRef};

use super::{Bot, Failure, cards};
use crate::{
    access::{Principal, Refusal, RefusalKind, Role},
    store::{Actor, Change, Store, StoreError, Subject},
};

/// Whether a role is given or taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleChange {
    /// Given.
    Grant,
    /// Taken away.
    Revoke,
}

impl RoleChange {
    /// Its name in the audit.
    pub fn action(self) -> &'static str {
        match self {
            Self::Grant => "role.grant",
            Self::Revoke => "role.revoke",
        }
    }
}

/// Gives or takes a role, and says what came of it.
pub async fn change_role(
    store: &Store,
    by: &Actor,
    change: RoleChange,
    role: Role,
    who: &Subject,
    environment: Option<&str>,
) -> Result<Card, StoreError> {
    // The card names the account, not the code.
    let identity = store.identity_of(who).await?;
    let (done, card): (_, fn(&_, _, _, _) -> _) = match change {
        RoleChange::Grant => (store.grant(by, who, role, environment).await?, cards::granted),
        RoleChange::Revoke => (store.revoke(by, who, role, environment).await?, cards::revoked),
    };
    Ok(card(&identity, role, environment, matches!(done, Change::Made(_))))
}

impl Bot {
    /// Gives or takes a role, as said in a conversation.
    pub(super) async fn change_role(
        &self,
        by: &Principal,
        change: RoleChange,
        role: Option<Role>,
        who: Option<&str>,
        environment: Option<&str>,
    ) -> Result<Card, Failure> {
        let (Some(role), Some(who)) = (role, who) else { return Err(role_usage(change).into()) };
        let store = &self.app.store;
        let actor = self.actor(&by.identity, by.id.as_ref());
        Ok(change_role(store, &actor, change, role, &who.parse()?, environment).await?)
    }

    /// Takes the identity with which somebody signs their devices now for theirs. The audit has who said so.
    pub(super) async fn verify(&self, who: Option<&str>) -> Result<Card, Failure> {
        let usage = |text: String| Failure::from(Refusal::new(RefusalKind::Usage, text));
        let who = who.and_then(|who| who.parse::<UserRef>().ok());
        let who =
            who.ok_or_else(|| usage("Say whose devices: `verify @ana:example.org`.".into()))?;
        let mut adapters = self.adapters.iter();
        let serves = |it: &&Arc<dyn ChatAdapter>| {
            it.platform() == who.platform && it.workspace().is_none_or(|it| it == who.workspace)
        };
        let Some(adapter) = adapters.find(serves) else {
            return Err(usage(format!("I do not talk on {} there.", who.platform)));
        };
        adapter.accept_identity(&who).await?;
        Ok(cards::verified(&who))
    }

    /// Shows the speaker's own code, or joins the account behind a code to the speaker: asked
    /// first, since that account then has all their roles.
    pub(super) async fn link(
        &self,
        principal: &Principal,
        code: Option<&str>,
        confirmed: bool,
    ) -> Result<Card, Failure> {
        let Some(code) = code else { return Ok(cards::link_code(principal)) };
        let Some(id) = &principal.id else {
            return Err(Refusal::new(
                RefusalKind::UnknownUser,
                "I do not know this account either. Say `link CODE` under the account that has a role.",
            )
            .into());
        };
        let store = &self.app.store;
        let other = store.identity_of(&code.parse()?).await?;
        if !confirmed {
            return Ok(cards::link_question(code, &other));
        }
        store.link(&self.actor(&principal.identity, Some(id)), id, code).await?;
        Ok(cards::linked(&other))
    }
}

fn role_usage(change: RoleChange) -> Refusal {
    let verb = match change {
        RoleChange::Grant => "grant",
        RoleChange::Revoke => "revoke",
    };
    Refusal::new(
        RefusalKind::Usage,
        format!(
            "Say which role and whose: `{verb} operator slack:T0123:U0456`, or the code that \
             `whoami` shows them instead of the account."
        ),
    )
}
