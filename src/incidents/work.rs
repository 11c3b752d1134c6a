//! What people do to incidents: take them, close them, silence them, say what they think of them.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::Incidents;
use crate::{
    access::{Refusal, RefusalKind},
    anomaly::incident::{Feedback, Incident, IncidentState, Note, Signature, Silence},
    store::{Actor, AuditEvent, StoreError, Wanted},
};

/// What somebody does to one incident.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// They take it.
    Acknowledge,
    /// They close it, and perhaps say what fixed it.
    Resolve(Option<String>),
}

impl Work {
    fn name(&self) -> &'static str {
        match self {
            Self::Acknowledge => "incident.acknowledge",
            Self::Resolve(_) => "incident.resolve",
        }
    }

    /// The incident afterwards and the line in its history; `None` when somebody was first.
    fn applied(&self, incident: &Incident, by: &Signature) -> Option<(Incident, String)> {
        let mut after = incident.clone();
        let line = match self {
            Self::Acknowledge => {
                if incident.state != IncidentState::Open {
                    return None;
                }
                after.state = IncidentState::Acknowledged;
                after.acknowledged = Some(by.clone());
                format!("{} took it", by.by)
            }
            Self::Resolve(note) => {
                if !incident.is_live() {
                    return None;
                }
                after.state = IncidentState::Resolved;
                after.resolved_at = Some(by.at);
                if let Some(text) = note {
                    after.notes.push(Note { signature: by.clone(), text: text.clone() });
                }
                match note {
                    Some(text) => format!("{} resolved it: {text}", by.by),
                    None => format!("{} resolved it", by.by),
                }
            }
        };
        Some((after, line))
    }
}

impl Incidents {
    /// Does something to an incident; gives it back as it is then. An error of the kind "somebody
    /// was first" changes nothing.
    pub async fn work(
        &self,
        number: u32,
        work: &Work,
        actor: &Actor,
        by: &Signature,
    ) -> Result<Result<Incident, Incident>, StoreError> {
        let store = &self.app.store;
        let done = match self.try_work(number, work, actor, by).await {
            // Done twice it would be refused: somebody was first, namely this.
            Err(error) if store.again(&error).await => {
                match self.try_work(number, work, actor, by).await? {
                    Err(after) if is_theirs(&after, work, by) => Ok(after),
                    done => done,
                }
            }
            done => done?,
        };
        self.app.recent.forget();
        Ok(done)
    }

    async fn try_work(
        &self,
        number: u32,
        work: &Work,
        actor: &Actor,
        by: &Signature,
    ) -> Result<Result<Incident, Incident>, StoreError> {
        let store = &self.app.store;
        let silences = store.silences(by.at).await?;
        let mut tx = store.begin_write().await?;
        store.lock_incidents(&mut tx).await?;
        let found = store.incidents_in(&mut tx, Wanted::Numbered(number), by.at).await?;
        let Some(incident) = found.into_iter().next() else {
            tx.rollback().await?;
            let message = format!("There is no incident #{number}.");
            return Err(Refusal::new(RefusalKind::NotFound, message).into());
        };
        let Some((after, line)) = work.applied(&incident, by) else {
            tx.rollback().await?;
            return Ok(Err(incident));
        };
        store.save_incident(&mut tx, &after, &[]).await?;
        let until = after.silenced_until(&silences, by.at);
        let name = format!("{}:{}", work.name(), by.at.timestamp_millis());
        self.refresh(&mut tx, &after, until, true, Some((name, line)), by.at).await?;
        let event = record(by.at, actor, work.name(), &format!("#{number}"), json!({}));
        store.append(&mut tx, &event).await?;
        tx.commit().await?;
        Ok(Ok(after))
    }

    /// Adds silences, and says so on the messages of the incidents they are about.
    pub async fn silence(&self, silences: &[Silence], actor: &Actor) -> Result<(), StoreError> {
        let store = &self.app.store;
        let Some(first) = silences.first() else { return Ok(()) };
        let (now, before) = (first.at, store.silences(first.at).await?);
        let all: Vec<Silence> = before.iter().chain(silences).cloned().collect();
        let mut tx = store.begin_write().await?;
        store.lock_incidents(&mut tx).await?;
        for silence in silences {
            store.add_silence(&mut tx, silence).await?;
        }
        for incident in store.incidents_in(&mut tx, Wanted::Known, now).await? {
            let until = incident.silenced_until(&all, now);
            if incident.is_live() && until != incident.silenced_until(&before, now) {
                let line = until.map(|_| {
                    (format!("silence:{}", first.id), format!("{} silenced it", first.by))
                });
                let news = until.is_some();
                self.refresh(&mut tx, &incident, until, news, line, now).await?;
            }
        }
        let subject = first.incident.map_or_else(|| "hosts".to_owned(), |it| format!("#{it}"));
        let hosts: Vec<_> = silences.iter().filter_map(|it| it.host.as_deref()).collect();
        let detail = json!({ "hosts": hosts, "metric": first.metric, "until": first.until });
        store.append(&mut tx, &record(now, actor, "incident.silence", &subject, detail)).await?;
        tx.commit().await?;
        self.app.recent.forget();
        Ok(())
    }

    /// Casts a vote, or with `None` takes it back. Says whether there is or was one.
    pub async fn vote(
        &self,
        number: u32,
        principal: &str,
        verdict: Option<Feedback>,
        actor: &Actor,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let store = &self.app.store;
        let mut tx = store.begin_write().await?;
        let there = match verdict {
            Some(verdict) => {
                store.vote(&mut tx, number, principal, verdict).await?;
                true
            }
            None => store.take_back(&mut tx, number, principal).await?,
        };
        let detail = json!({ "verdict": verdict });
        let event = record(now, actor, "incident.feedback", &format!("#{number}"), detail);
        store.append(&mut tx, &event).await?;
        tx.commit().await?;
        Ok(there)
    }
}

/// Whether an incident is as this work by this person left it.
fn is_theirs(incident: &Incident, work: &Work, by: &Signature) -> bool {
    match work {
        Work::Acknowledge => incident.acknowledged.as_ref() == Some(by),
        Work::Resolve(_) => incident.resolved_at == Some(by.at),
    }
}

fn record(
    at: DateTime<Utc>,
    actor: &Actor,
    action: &str,
    subject: &str,
    detail: serde_json::Value,
) -> AuditEvent {
    AuditEvent {
        at,
        actor: actor.clone(),
        action: action.to_owned(),
        subject: subject.to_owned(),
        detail,
        outcome: "done".to_owned(),
    }
}
