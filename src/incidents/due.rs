//! What is said because time went by: a silence is over, nobody took what is serious, something has
//! gone on for so long that it may be the new normal.

use chat::{Card, Conversation};
use chrono::{DateTime, TimeDelta, Utc};

use super::{Incidents, beginning};
use crate::{
    anomaly::incident::{Due, Incident, Member, Pace, Silence},
    bot::cards::incident as cards,
    store::{Ended, Reply, StoreError, Wanted, WriteTx},
};

/// Anomalies looked through for what a silence held back.
const MOST_HELD_BACK: u32 = 20_000;
/// That a silence ended longer ago is no news: nobody was connected then.
const STILL_NEWS: TimeDelta = TimeDelta::hours(1);

impl Incidents {
    /// Says what is due; each thing once, whoever else looks and however often it is restarted.
    /// `known` is what was there a moment ago: mostly nothing is due, and then nothing is locked.
    pub(super) async fn say_what_is_due(
        &self,
        known: &[Incident],
        silences: &[Silence],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let store = &self.app.store;
        let ended = store.ended_silences(now).await?;
        let pace = self.pace();
        let is_due = |it: &Incident| due(it, &pace, silences, now).is_some();
        if ended.is_empty() && !known.iter().any(is_due) {
            return Ok(());
        }
        let since = ended.iter().map(|it| it.silence.at).min().unwrap_or(now);
        let hosts: Option<Vec<String>> = ended.iter().map(|it| it.silence.host.clone()).collect();
        let held_back = store.latest_anomalies(since, hosts.as_deref(), MOST_HELD_BACK).await?;
        match self.try_to_say(&held_back, now).await {
            Err(error) if store.again(&error).await => self.try_to_say(&held_back, now).await,
            done => done,
        }
    }

    fn pace(&self) -> Pace {
        let alerts = &self.app.config.alerts;
        Pace { remind: alerts.remind.length(), new_normal_after: alerts.new_normal_after.length() }
    }

    async fn try_to_say(
        &self,
        held_back: &[(u32, Member)],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let store = &self.app.store;
        let mut tx = store.begin_write().await?;
        store.lock_incidents(&mut tx).await?;
        let silences = &store.silences_in(&mut tx, now).await?;
        let mut known = store.incidents_in(&mut tx, Wanted::Known, now).await?;
        let mut ended = store.take_ended_silences(&mut tx, now).await?;
        // Somebody already asked for more of the same.
        ended.retain(|it| {
            now - it.silence.until < STILL_NEWS
                && silences.iter().all(|going_on| !going_on.is_like(&it.silence))
        });
        for set_together in ended.chunk_by(are_together) {
            self.tell_the_end(&mut tx, &mut known, set_together, held_back, silences, now).await?;
        }
        let pace = self.pace();
        for mut incident in known {
            let Some(due) = due(&incident, &pace, silences, now) else { continue };
            incident.was_said(due, now);
            store.save_incident(&mut tx, &incident, &[]).await?;
            let name = format!("{due:?}:{}", now.timestamp_millis());
            let line = match due {
                Due::Reminder => cards::reminder(&incident, now),
                Due::NewNormal => cards::is_it_normal(&incident, now),
            };
            self.refresh(&mut tx, &incident, None, true, Some((name, line)), now).await?;
        }
        tx.commit().await
    }

    /// Says where silences were set that they are over, and in the thread of their incident.
    async fn tell_the_end(
        &self,
        tx: &mut WriteTx,
        known: &mut [Incident],
        ended: &[Ended],
        held_back: &[(u32, Member)],
        silences: &[Silence],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let Some(Ended { silence: first, conversation }) = ended.first() else { return Ok(()) };
        let store = &self.app.store;
        let over: Vec<Silence> = ended.iter().map(|it| it.silence.clone()).collect();
        let card = cards::silence_is_over(&over, held_back);
        let key = format!("silence:{}:over", first.id);
        let roots = match first.incident {
            Some(number) => store.living(tx, &beginning(number)).await?,
            None => Vec::new(),
        };
        for (root, channel, _) in &roots {
            let reply = reply(channel, &card, format!("{root}:{key}"));
            store.enqueue_under(tx, root, &reply).await?;
        }
        if roots.iter().all(|(_, channel, _)| !is_same_place(channel, conversation)) {
            store.enqueue(tx, &reply(conversation, &card, key)).await?;
        }
        for incident in known.iter_mut().filter(|it| it.is_live() && it.announced) {
            if first.incident == Some(incident.number) {
                // The line is a reminder as well.
                incident.was_told(now);
                store.save_incident(tx, incident, &[]).await?;
            }
            let named = |it: &Silence| {
                incident.members.iter().any(|member| it.names(incident.number, &member.anomaly))
            };
            if over.iter().any(named) {
                let until = incident.silenced_until(silences, now);
                self.refresh(tx, incident, until, false, None, now).await?;
            }
        }
        Ok(())
    }
}

fn due(incident: &Incident, pace: &Pace, silences: &[Silence], now: DateTime<Utc>) -> Option<Due> {
    incident.due(pace, incident.silenced_until(silences, now).is_some(), now)
}

/// Several hosts silenced with one request.
fn are_together(left: &Ended, right: &Ended) -> bool {
    let (a, b) = (&left.silence, &right.silence);
    (a.at, a.until, &a.by, a.incident) == (b.at, b.until, &b.by, b.incident)
        && left.conversation == right.conversation
}

fn is_same_place(channel: &Conversation, other: &Conversation) -> bool {
    (channel.platform, &channel.workspace, &channel.channel)
        == (other.platform, &other.workspace, &other.channel)
}

fn reply(conversation: &Conversation, card: &Card, key: String) -> Reply {
    Reply::new(conversation.clone(), card.clone(), key)
}
