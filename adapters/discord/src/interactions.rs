//! Commands that were said and buttons that were pressed, while they can be answered: Discord gives each a token
//! that is good for fifteen minutes
//! (<https://docs.discord.com/developers/interactions/receiving-and-responding#followup-messages>).

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, time::timeout};

/// How long a token is used: a little less than it is good for.
const LASTS: TimeDelta = TimeDelta::minutes(14);
/// How long an answer waits for Discord to be told that it will come.
const TOLD_WITHIN: Duration = Duration::from_secs(4);

/// What Discord knows of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Nothing yet.
    Untold,
    /// A message stands there that says that it will come; the answer takes its place.
    Loading,
    /// That it will come, and nobody sees that; or something else was said already.
    Told,
    /// It takes none any more.
    Over,
}

/// An interaction as it is kept over a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) id: String,
    token: String,
    at: DateTime<Utc>,
    stage: Stage,
    /// The message that answers it.
    #[serde(default)]
    message: Option<String>,
}

/// One that can be answered now.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) id: String,
    pub(crate) token: SecretString,
    pub(crate) stage: Stage,
    /// The message that answers it already.
    pub(crate) message: Option<String>,
}

struct Known {
    token: SecretString,
    at: DateTime<Utc>,
    stage: watch::Sender<Stage>,
    message: Option<String>,
}

/// Interactions by their ids.
#[derive(Default)]
pub(crate) struct Interactions(Mutex<HashMap<String, Known>>);

impl Interactions {
    /// Those that were kept.
    pub(crate) fn from_kept(kept: Vec<Kept>) -> Self {
        let known = kept.into_iter().map(|it| {
            let (stage, _) = watch::channel(it.stage);
            (it.id, Known { token: it.token.into(), at: it.at, stage, message: it.message })
        });
        Self(Mutex::new(known.collect()))
    }

    /// Those to be kept.
    pub(crate) fn kept(&self, now: DateTime<Utc>) -> Vec<Kept> {
        let mut known = self.known();
        known.retain(|_, it| now - it.at < LASTS);
        let kept = known.iter().map(|(id, it)| Kept {
            id: id.clone(),
            token: it.token.expose_secret().to_owned(),
            at: it.at,
            stage: *it.stage.borrow(),
            message: it.message.clone(),
        });
        kept.collect()
    }

    /// One that came; again after a restart it is the same.
    pub(crate) fn came(&self, id: &str, token: &str, at: DateTime<Utc>) {
        self.known().entry(id.to_owned()).or_insert_with(|| Known {
            token: token.to_owned().into(),
            at,
            stage: watch::channel(Stage::Untold).0,
            message: None,
        });
    }

    /// Discord knows this now.
    pub(crate) fn is(&self, id: &str, stage: Stage) {
        if let Some(known) = self.known().get(id) {
            known.stage.send_replace(stage);
        }
    }

    /// This message answers it.
    pub(crate) fn answered_by(&self, id: &str, message: &str) {
        if let Some(known) = self.known().get_mut(id) {
            known.message = Some(message.to_owned());
            known.stage.send_replace(Stage::Told);
        }
    }

    /// One as it is once Discord was told something; `None` when it takes no answers.
    pub(crate) async fn open(&self, id: &str, now: DateTime<Utc>) -> Option<Open> {
        let (token, message, mut stage) = {
            let known = self.known();
            let known = known.get(id).filter(|it| now - it.at < LASTS)?;
            (known.token.clone(), known.message.clone(), known.stage.subscribe())
        };
        let told = timeout(TOLD_WITHIN, stage.wait_for(|stage| *stage != Stage::Untold)).await;
        let stage = *told.ok()?.ok()?;
        (stage != Stage::Over).then(|| Open { id: id.to_owned(), token, stage, message })
    }

    /// The one that a message answers.
    pub(crate) fn of_message(&self, message: &str, now: DateTime<Utc>) -> Option<Open> {
        let known = self.known();
        let mut open = known.iter().filter(|(_, it)| now - it.at < LASTS);
        let (id, it) = open.find(|(_, it)| it.message.as_deref() == Some(message))?;
        let (token, stage) = (it.token.clone(), *it.stage.borrow());
        (stage != Stage::Over).then(|| Open {
            id: id.clone(),
            token,
            stage,
            message: it.message.clone(),
        })
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    #[tokio::test]
    async fn an_answer_waits_until_discord_was_told_that_it_will_come() {
        let interactions = Interactions::default();
        interactions.came("1", "token", at(0));
        let (open, ()) = tokio::join!(interactions.open("1", at(0)), async {
            tokio::task::yield_now().await;
            interactions.is("1", Stage::Loading);
        });
        assert_eq!(open.unwrap().stage, Stage::Loading);
    }

    #[tokio::test]
    async fn it_is_known_after_a_restart_and_until_its_token_ends() {
        let interactions = Interactions::default();
        interactions.came("1", "token", at(0));
        interactions.answered_by("1", "m1");
        let again = Interactions::from_kept(interactions.kept(at(1)));
        assert_eq!(again.of_message("m1", at(2)).unwrap().token.expose_secret(), "token");
        assert!(again.open("1", at(13)).await.is_some());
        assert!(again.open("1", at(15)).await.is_none());
        assert!(again.kept(at(15)).is_empty());
    }

    #[tokio::test]
    async fn what_takes_no_answers_is_not_open() {
        let interactions = Interactions::default();
        assert!(interactions.open("1", at(0)).await.is_none());
        interactions.came("1", "token", at(0));
        interactions.is("1", Stage::Over);
        assert!(interactions.open("1", at(0)).await.is_none());
    }
}
