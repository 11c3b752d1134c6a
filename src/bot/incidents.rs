//! Anomalies and incidents, as said in a conversation.

use chat::{Card, Conversation};
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Bot, Failure,
    cards::{self, Told},
    intent::Intent,
};
use crate::{
    access::{Permission, Principal},
    anomaly::incident::{Feedback, Incident, IncidentState, Signature, Silence},
    incidents::{Incidents, Work},
    metrics::{Signal, Window},
    store::Wanted,
    watch::{self, Mode},
};

/// How long a silence lasts when nobody says.
const SILENCE: TimeDelta = TimeDelta::hours(1);
/// The longest one: what is silenced for ever is forgotten.
const LONGEST_SILENCE: TimeDelta = TimeDelta::days(30);
/// Incidents listed at once.
const LISTED: usize = 50;
/// Of so many, those they may see are listed.
const LOOKED_THROUGH: u32 = 1000;
/// Anomalies listed when nobody says how many.
const ANOMALIES: usize = 15;
/// How far back anomalies are listed when nobody says.
const ANOMALIES_SINCE: TimeDelta = TimeDelta::days(7);
/// How far back it is counted how often people were told, when nobody says.
const TOLD_SINCE: TimeDelta = TimeDelta::days(7);
/// The longest name of a person that is kept.
const NAME: usize = 80;

/// Who speaks, and about which hosts.
pub(super) struct Speaking<'a> {
    pub(super) principal: &'a Principal,
    pub(super) name: &'a str,
    /// Where.
    pub(super) conversation: &'a Conversation,
    /// The hosts they named; an incident may be on one that is gone.
    pub(super) named: &'a [String],
    /// The hosts they may ask about; `None` is every host.
    pub(super) hosts: Option<Vec<String>>,
}

impl Speaking<'_> {
    fn may(&self, permission: Permission, incident: &Incident) -> bool {
        self.principal.require(permission, incident.environment.as_deref()).is_ok()
    }

    fn means(&self, incident: &Incident) -> bool {
        self.named.is_empty() || self.named.iter().any(|host| incident.is_on(host))
    }

    /// A name is what somebody calls themselves; who they are their account says.
    fn signature(&self, at: DateTime<Utc>) -> Signature {
        let name: String = self.name.chars().take(NAME).collect();
        let account = &self.principal.identity.user;
        let by = if name == *account { name } else { format!("{name} ({account})") };
        Signature { by, at }
    }

    fn key(&self) -> String {
        let Principal { id, identity, .. } = self.principal;
        id.as_ref().map_or_else(|| identity.to_string(), |id| id.0.clone())
    }
}

impl Bot {
    /// Answers everything about anomalies and incidents.
    pub(super) async fn about_incidents(
        &self,
        intent: &Intent,
        speaking: &Speaking<'_>,
    ) -> Result<Card, Failure> {
        match intent {
            Intent::Anomalies { metric, window, limit, summary, .. } => {
                let limit = limit.map_or(ANOMALIES, |limit| limit as usize);
                self.anomalies(speaking, *metric, window.as_ref(), limit, *summary).await
            }
            Intent::Incidents { state, .. } => self.incidents(speaking, *state).await,
            Intent::Incident { id } => self.incident(speaking, id).await,
            Intent::Acknowledge { id, .. } => {
                self.work(speaking, id.as_deref(), &Work::Acknowledge).await
            }
            Intent::Unacknowledge { id, .. } => {
                self.work(speaking, id.as_deref(), &Work::Unacknowledge).await
            }
            Intent::NewNormal { answer, id } => {
                self.work(speaking, Some(id), &Work::Answer(*answer)).await
            }
            Intent::ShadowReport { window } => {
                let length = window.as_ref().map_or(TOLD_SINCE, Window::delta);
                self.shadow_report(speaking, length).await
            }
            Intent::Resolve { id, note, .. } => {
                self.work(speaking, id.as_deref(), &Work::Resolve(note.clone())).await
            }
            Intent::Silence { id, hosts, metric, window } => {
                self.silence(speaking, id.as_deref(), hosts, *metric, window.as_ref()).await
            }
            Intent::Feedback { verdict, id } => {
                self.feedback(speaking, *verdict, id.as_deref()).await
            }
            _ => Err(cards::not_available(intent).into()),
        }
    }

    async fn anomalies(
        &self,
        speaking: &Speaking<'_>,
        metric: Option<Signal>,
        window: Option<&Window>,
        limit: usize,
        summary: bool,
    ) -> Result<Card, Failure> {
        let length = window.map_or(ANOMALIES_SINCE, Window::delta);
        let since = self.app.clock.now() - length;
        let all = self.app.recent.anomalies(&self.app, speaking.hosts.as_deref()).await?;
        let wanted = all.iter().filter(|(_, member)| {
            let anomaly = &member.anomaly;
            let of_host = speaking.hosts.as_ref().is_none_or(|hosts| hosts.contains(&anomaly.host));
            let of_metric = metric
                .is_none_or(|metric| anomaly.metrics.iter().any(|it| is_of(&it.metric, metric)));
            of_host && of_metric && anomaly.end.is_none_or(|end| end >= since)
        });
        let found: Vec<_> = wanted.take(limit).cloned().collect();
        let card = cards::anomalies(&self.app, &found, summary, since);
        if summary { self.in_shadow(speaking, card).await } else { Ok(card) }
    }

    async fn incidents(
        &self,
        speaking: &Speaking<'_>,
        state: Option<IncidentState>,
    ) -> Result<Card, Failure> {
        let live;
        let stored;
        // What somebody works on is not over either.
        let all: &[Incident] = if state == Some(IncidentState::Open) {
            live = self.app.recent.live(&self.app).await?;
            &live
        } else {
            stored = self.app.store.incidents(Wanted::Latest(state, LOOKED_THROUGH)).await?;
            &stored
        };
        let seen: Vec<_> = all
            .iter()
            .filter(|it| speaking.may(Permission::Ask, it) && speaking.means(it))
            .take(LISTED)
            .collect();
        self.in_shadow(speaking, cards::incidents(&self.app, state, &seen)).await
    }

    /// In shadow mode, says how often people would have been told.
    async fn in_shadow(&self, speaking: &Speaking<'_>, card: Card) -> Result<Card, Failure> {
        if self.app.config.detection.mode != Mode::Shadow {
            return Ok(card);
        }
        let told = self.told(speaking, TOLD_SINCE).await?;
        Ok(card.note(cards::told(&told)))
    }

    async fn shadow_report(
        &self,
        speaking: &Speaking<'_>,
        length: TimeDelta,
    ) -> Result<Card, Failure> {
        Ok(cards::shadow_report(&self.app, &self.told(speaking, length).await?))
    }

    /// Of what people were told, or would have been, as far as it is theirs to see.
    async fn told(&self, speaking: &Speaking<'_>, length: TimeDelta) -> Result<Told, Failure> {
        let since = self.app.clock.now() - length;
        let shadow = self.app.config.detection.mode == Mode::Shadow;
        let fleet = self.app.metrics.fleet().await?;
        let hosts: Vec<&str> = match &speaking.hosts {
            Some(hosts) => hosts.iter().map(String::as_str).collect(),
            None => fleet.hosts().iter().map(|host| &*host.name).collect(),
        };
        let detection = &self.app.config.detection;
        let budget =
            |host: &&str| watch::budget(detection, &fleet, host).unwrap_or(detection.budget);
        let budget = hosts.iter().map(budget).sum();
        let mut incidents = self.app.store.incidents(Wanted::Since(since)).await?;
        incidents.retain(|it| {
            it.started >= since && (it.announced || shadow) && speaking.may(Permission::Ask, it)
        });
        Ok(Told { incidents, length, hosts: hosts.len(), budget, shadow })
    }

    async fn incident(&self, speaking: &Speaking<'_>, id: &str) -> Result<Card, Failure> {
        let incident = self.numbered(speaking, id, Permission::Ask).await?;
        Ok(Incidents::silent(self.app.clone()).shown(&incident).await?)
    }

    /// The incident of this number, if they may do this with it.
    async fn numbered(
        &self,
        speaking: &Speaking<'_>,
        id: &str,
        permission: Permission,
    ) -> Result<Incident, Failure> {
        let none = || cards::no_incident(id);
        let number = number(id).ok_or_else(none)?;
        let found = self.app.store.incidents(Wanted::Numbered(number)).await?;
        let incident = found.into_iter().next().ok_or_else(none)?;
        // Whoever may not even ask about it is not told that it is there.
        if !speaking.may(Permission::Ask, &incident) {
            return Err(none().into());
        }
        speaking.principal.require(permission, incident.environment.as_deref())?;
        Ok(incident)
    }

    async fn work(
        &self,
        speaking: &Speaking<'_>,
        id: Option<&str>,
        work: &Work,
    ) -> Result<Card, Failure> {
        let incident = match id {
            Some(id) => self.numbered(speaking, id, Permission::ManageIncidents).await?,
            None => self.only_one(speaking).await?,
        };
        let actor = self.actor(&speaking.principal.identity, speaking.principal.id.as_ref());
        let by = speaking.signature(self.app.clock.now());
        let incidents = Incidents::silent(self.app.clone());
        let answers = matches!(work, Work::Answer(_));
        match incidents.work(incident.number, work, &actor, &by).await? {
            Ok(after) if answers => Ok(cards::answered(&after)),
            Ok(after) => Ok(cards::worked_on(&after)),
            Err(before) if answers => Err(cards::not_to_answer(&before).into()),
            Err(before) => Err(cards::not_live(&before).into()),
        }
    }

    /// The one incident of their hosts that is not over.
    async fn only_one(&self, speaking: &Speaking<'_>) -> Result<Incident, Failure> {
        let live = self.app.recent.live(&self.app).await?;
        let mut theirs: Vec<_> = live
            .iter()
            .filter(|it| speaking.may(Permission::ManageIncidents, it) && speaking.means(it))
            .collect();
        match (theirs.pop(), theirs.is_empty()) {
            (Some(one), true) => Ok(one.clone()),
            (last, _) => {
                let numbers: Vec<_> = theirs.into_iter().chain(last).map(|it| it.number).collect();
                Err(cards::which_incident(&numbers).into())
            }
        }
    }

    async fn silence(
        &self,
        speaking: &Speaking<'_>,
        id: Option<&str>,
        hosts: &[String],
        metric: Option<Signal>,
        window: Option<&Window>,
    ) -> Result<Card, Failure> {
        let incident = match id {
            Some(id) => {
                Some(self.numbered(speaking, id, Permission::ManageIncidents).await?.number)
            }
            None => None,
        };
        let length = window.map_or(SILENCE, Window::delta).min(LONGEST_SILENCE);
        let Signature { by, at } = speaking.signature(self.app.clock.now());
        let silence = |host: Option<&String>| Silence {
            id: self.app.store.new_id(),
            incident,
            host: host.cloned(),
            metric: metric.map(|metric| metric.as_str().to_owned()),
            until: at + length,
            by: by.clone(),
            at,
        };
        let silences: Vec<_> = if hosts.is_empty() {
            vec![silence(None)]
        } else {
            hosts.iter().map(|host| silence(Some(host))).collect()
        };
        let actor = self.actor(&speaking.principal.identity, speaking.principal.id.as_ref());
        Incidents::silent(self.app.clone())
            .silence(&silences, &actor, speaking.conversation)
            .await?;
        Ok(cards::silenced(&self.app, &silences))
    }

    async fn feedback(
        &self,
        speaking: &Speaking<'_>,
        verdict: Option<Feedback>,
        id: Option<&str>,
    ) -> Result<Card, Failure> {
        let who = speaking.key();
        let last = match (id, verdict) {
            (Some(id), _) => Some(id.to_owned()),
            // "Undo" alone is about their last vote.
            (None, None) => self.app.store.last_vote(&who).await?.map(|it| it.to_string()),
            (None, Some(_)) => return Err(cards::which_incident(&[]).into()),
        };
        let Some(id) = last else { return Ok(cards::taken_back(None)) };
        let incident = self.numbered(speaking, &id, Permission::ManageIncidents).await?;
        let number = incident.number;
        let actor = self.actor(&speaking.principal.identity, speaking.principal.id.as_ref());
        let incidents = Incidents::silent(self.app.clone());
        let there = incidents.vote(number, &who, verdict, &actor, self.app.clock.now()).await?;
        Ok(match verdict {
            Some(verdict) => {
                let votes = self.app.store.votes(number).await?;
                cards::feedback(&incident, verdict, votes, &self.app.store.unwelcome().await?)
            }
            None => cards::taken_back(there.then_some(number)),
        })
    }
}

/// `7` of `7`, `#7` and `INC-7`.
fn number(id: &str) -> Option<u32> {
    id.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().ok()
}

/// Whether a detector's metric is of this signal, whatever part of it.
fn is_of(metric: &str, signal: Signal) -> bool {
    crate::anomaly::incident::metric_base(metric) == signal.as_str()
}
