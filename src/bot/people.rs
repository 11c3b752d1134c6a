//! Granting, revoking and linking, as said in a conversation.

use chat::Card;

use super::{Bot, Failure, cards};
use crate::{
    access::{Principal, Refusal, RefusalKind, Role},
    store::{Actor, Change, Subject},
};

impl Bot {
    /// Gives a role.
    pub(super) async fn grant(
        &self,
        by: &Principal,
        role: Option<Role>,
        who: Option<&str>,
        environment: Option<&str>,
    ) -> Result<Card, Failure> {
        let (role, subject) = said("grant", role, who)?;
        let store = &self.app.store;
        let whose = store.identity_of(&subject).await?;
        let change = store
            .grant(&Actor::from(by), &Subject::Identity(whose.clone()), role, environment)
            .await?;
        Ok(cards::granted(&whose, role, environment, matches!(change, Change::Made(_))))
    }

    /// Takes a role away.
    pub(super) async fn revoke(
        &self,
        by: &Principal,
        role: Option<Role>,
        who: Option<&str>,
        environment: Option<&str>,
    ) -> Result<Card, Failure> {
        let (role, subject) = said("revoke", role, who)?;
        let store = &self.app.store;
        let whose = store.identity_of(&subject).await?;
        let change = store
            .revoke(&Actor::from(by), &Subject::Identity(whose.clone()), role, environment)
            .await?;
        Ok(cards::revoked(&whose, role, environment, matches!(change, Change::Made(_))))
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
        store.link(&Actor::from(principal), id, code).await?;
        Ok(cards::linked(&other))
    }
}

/// Both arguments, or how to say them.
fn said(verb: &str, role: Option<Role>, who: Option<&str>) -> Result<(Role, Subject), Refusal> {
    match (role, who) {
        (Some(role), Some(who)) => Ok((role, who.parse()?)),
        _ => Err(Refusal::new(
            RefusalKind::Usage,
            format!(
                "Say which role and whose: `{verb} operator slack:T0123:U0456`, or the code that \
                 `whoami` shows them instead of the account."
            ),
        )),
    }
}
