//! What people do to incidents: take them and give them back, close them, silence them, say
//! what they think of them.

use chat::{Card, Conversation};
use chrono::{DateTime, Utc};
use serde_json::json;

use super::Incidents;
use crate::{
    access::{Refusal, RefusalKind},
    anomaly::incident::{
        Answer, Feedback, Incident, IncidentState, Normality, Note, Signature, Silence,
    },
    store::{Actor, AuditEvent, StoreError, Wanted, WriteTx},
};

/// What somebody does to one incident.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// They take it.
    Acknowledge,
    /// They, or whoever took it, no longer work on it.
    Unacknowledge,
    /// They close it, and perhaps say what fixed it.
    Resolve(Option<String>),
    /// They say whether it is the new normal, or with `None` take that back.
    Answer(Option<Normality>),
}

impl Work {
    fn name(&self) -> &'static str {
        match self {
            Self::Acknowledge => "incident.acknowledge",
            Self::Unacknowledge => "incident.unacknowledge",
            Self::Resolve(_) => "incident.resolve",
            Self::Answer(Some(Normality::Accepted)) => "incident.accept",
            Self::Answer(Some(Normality::Watched)) => "incident.watch",
            Self::Answer(None) => "incident.take_back",
        }
    }

    /// The incident afterwards and the line in its history; `None` when somebody was first.
    fn applied(&self, incident: &Incident, by: &Signature) -> Option<(Incident, String)> {
        let mut after = incident.clone();
        let who = &by.by;
        let line = match self {
            Self::Acknowledge => {
                if incident.state != IncidentState::Open {
                    return None;
                }
                after.state = IncidentState::Acknowledged;
                after.acknowledged = Some(by.clone());
                format!("{who} took it")
            }
            Self::Unacknowledge => {
                if incident.state != IncidentState::Acknowledged {
                    return None;
                }
                open(&mut after, by);
                format!("{who} gave it back: nobody is on it")
            }
            Self::Resolve(note) => {
                if !incident.is_live() {
                    return None;
                }
                resolve(&mut after, by);
                if let Some(text) = note {
                    after.notes.push(Note { signature: by.clone(), text: text.clone() });
                }
                match note {
                    Some(text) => format!("{who} resolved it: {text}"),
                    None => format!("{who} resolved it"),
                }
            }
            Self::Answer(answer) => {
                answered(&mut after, *answer, by)?;
                match answer {
                    Some(Normality::Accepted) => format!("{who} accepted it as the new normal"),
                    Some(Normality::Watched) => {
                        format!("{who} keeps watching it: it is not learned as normal")
                    }
                    None => format!("{who} took back what was said about the new normal"),
                }
            }
        };
        Some((after, line))
    }
}

/// Notes an answer; `None` where it is too late for it, or there is none to take back.
fn answered(after: &mut Incident, answer: Option<Normality>, by: &Signature) -> Option<()> {
    let before = after.answered().map(|(answer, by)| (answer, by.clone()));
    match (&before, answer) {
        (None, Some(answer)) => {
            // A broken rule is broken however long it is.
            if !after.is_live() || !after.broken_hosts().is_empty() {
                return None;
            }
            if answer == Normality::Accepted {
                resolve(after, by);
            }
        }
        (Some((Normality::Accepted, accepted)), None)
            if after.resolved_at == Some(accepted.at) && after.goes_on() =>
        {
            open(after, by);
        }
        (Some(_), None) => {}
        (Some(_), Some(_)) | (None, None) => return None,
    }
    after.answer = Some(Answer { answer, signature: by.clone() });
    Some(())
}

fn open(incident: &mut Incident, by: &Signature) {
    incident.state = IncidentState::Open;
    incident.acknowledged = None;
    (incident.resolved_at, incident.resolved_by) = (None, None);
    incident.was_told(by.at);
}

fn resolve(incident: &mut Incident, by: &Signature) {
    incident.state = IncidentState::Resolved;
    (incident.resolved_at, incident.resolved_by) = (Some(by.at), Some(by.clone()));
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
        match self.try_work(number, work, actor, by).await {
            // Done twice it would be refused: somebody was first, namely this.
            Err(error) if self.app.store.again(&error).await => {
                match self.try_work(number, work, actor, by).await? {
                    Err(after) if is_theirs(&after, work, by) => Ok(Ok(after)),
                    done => Ok(done),
                }
            }
            done => done,
        }
    }

    async fn try_work(
        &self,
        number: u32,
        work: &Work,
        actor: &Actor,
        by: &Signature,
    ) -> Result<Result<Incident, Incident>, StoreError> {
        let store = &self.app.store;
        let mut tx = self.begin().await?;
        let silences = store.silences_in(&mut tx, by.at).await?;
        let found = store.incidents_in(&mut tx, Wanted::Numbered(number), by.at).await?;
        let Some(incident) = found.into_iter().next() else {
            tx.rollback().await?;
            let message = format!("There is no incident #{number}.");
            return Err(Refusal::new(RefusalKind::NotFound, message).into());
        };
        let Some((mut after, line)) = work.applied(&incident, by) else {
            tx.rollback().await?;
            return Ok(Err(incident));
        };
        if !incident.is_live() && after.is_live() {
            let known = store.incidents_in(&mut tx, Wanted::Known, by.at).await?;
            if known.iter().any(|it| it.is_live() && it.fingerprint == incident.fingerprint) {
                // Another one took its place meanwhile.
                after.state = incident.state;
                (after.resolved_at, after.resolved_by) =
                    (incident.resolved_at, incident.resolved_by);
            }
        }
        store.save_incident(&mut tx, &after, &[]).await?;
        let until = after.silenced_until(&silences, by.at);
        let name = format!("{}:{}", work.name(), by.at.timestamp_millis());
        let line = Some((name, Card::titled(line)));
        self.refresh(&mut tx, &after, until, true, line, by.at).await?;
        let event = record(by.at, actor, work.name(), &format!("#{number}"), json!({}));
        self.finish(tx, &event).await?;
        Ok(Ok(after))
    }

    /// Adds silences that were asked for in this conversation, and says so on the messages of the
    /// incidents they are about.
    pub async fn silence(
        &self,
        silences: &[Silence],
        actor: &Actor,
        conversation: &Conversation,
    ) -> Result<(), StoreError> {
        let store = &self.app.store;
        let Some(first) = silences.first() else { return Ok(()) };
        let mut tx = self.begin().await?;
        let (now, before) = (first.at, store.silences_in(&mut tx, first.at).await?);
        let all: Vec<Silence> = before.iter().chain(silences).cloned().collect();
        for silence in silences {
            store.add_silence(&mut tx, silence, conversation).await?;
        }
        for incident in store.incidents_in(&mut tx, Wanted::Known, now).await? {
            let until = incident.silenced_until(&all, now);
            if incident.is_live() && until != incident.silenced_until(&before, now) {
                let line = until.map(|_| {
                    let text = format!("{} silenced it", first.by);
                    (format!("silence:{}", first.id), Card::titled(text))
                });
                let news = until.is_some();
                self.refresh(&mut tx, &incident, until, news, line, now).await?;
            }
        }
        let subject = first.incident.map_or_else(|| "hosts".to_owned(), |it| format!("#{it}"));
        let hosts: Vec<_> = silences.iter().filter_map(|it| it.host.as_deref()).collect();
        let detail = json!({ "hosts": hosts, "metric": first.metric, "until": first.until });
        self.finish(tx, &record(now, actor, "incident.silence", &subject, detail)).await
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
        let mut tx = self.begin().await?;
        let there = match verdict {
            Some(verdict) => {
                store.vote(&mut tx, number, principal, verdict).await?;
                true
            }
            None => store.take_back(&mut tx, number, principal).await?,
        };
        let detail = json!({ "verdict": verdict });
        let event = record(now, actor, "incident.feedback", &format!("#{number}"), detail);
        self.finish(tx, &event).await?;
        Ok(there)
    }

    /// A transaction in which nobody else changes incidents.
    async fn begin(&self) -> Result<WriteTx, StoreError> {
        let mut tx = self.app.store.begin_write().await?;
        self.app.store.lock_incidents(&mut tx).await?;
        Ok(tx)
    }

    /// Ends it, with what was done on record.
    async fn finish(&self, mut tx: WriteTx, event: &AuditEvent) -> Result<(), StoreError> {
        self.app.store.append(&mut tx, event).await?;
        tx.commit().await?;
        self.app.recent.forget();
        Ok(())
    }
}

/// Whether an incident is as this work by this person left it.
fn is_theirs(incident: &Incident, work: &Work, by: &Signature) -> bool {
    match work {
        Work::Acknowledge => incident.acknowledged.as_ref() == Some(by),
        Work::Unacknowledge => incident.last_told == Some(by.at),
        Work::Resolve(_) => incident.resolved_at == Some(by.at),
        Work::Answer(_) => incident.answer.as_ref().is_some_and(|it| it.signature == *by),
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
