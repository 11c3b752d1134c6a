//! What is told in a channel, as said in it.

use chat::{Card, Conversation};

use super::{Bot, Failure, cards, intent::ChannelChange};
use crate::{
    access::{Permission, Principal, Refusal, RefusalKind},
    incidents,
    metrics::Fleet,
};

impl Bot {
    /// Shows what is told here, or changes it.
    pub(super) async fn channel(
        &self,
        principal: &Principal,
        conversation: &Conversation,
        change: Option<&ChannelChange>,
        fleet: &Fleet,
    ) -> Result<Card, Failure> {
        // The tab of an app is no place that anything could be told in.
        if conversation.channel.starts_with("home:") {
            let elsewhere = "Nothing is told here. Say it in the channel that you mean.";
            return Err(Refusal::new(RefusalKind::Usage, elsewhere).into());
        }
        let settings = match change {
            Some(change) => {
                if let ChannelChange::Environment(Some(name)) = change
                    && fleet.hosts().iter().all(|it| it.environment.as_ref() != Some(name))
                {
                    return Err(cards::no_environment(name, fleet).into());
                }
                let actor = self.actor(&principal.identity, principal.id.as_ref());
                incidents::change(&self.app, conversation, change, &actor).await?
            }
            None => incidents::settings_of(&self.app, conversation).await?,
        };
        let may_change = principal.require(Permission::ConfigureChannels, None).is_ok();
        Ok(cards::channel(&settings, self.app.zone, may_change.then_some(fleet)))
    }
}
