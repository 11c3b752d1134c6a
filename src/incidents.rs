//! From found anomalies to what people see: correlated, kept and queued in one transaction.

mod channels;
mod due;
mod picture;
mod recent;
mod work;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chat::{Card, Conversation};
use chrono::{DateTime, Utc};
use serde_json::json;

use channels::Channel;
pub(crate) use channels::{change, configured, say_everywhere, settings_of};
use picture::Picture;
pub use recent::Recent;
pub use work::Work;

use crate::{
    anomaly::{
        Anomaly,
        incident::{ChangeKind, Incident, IncidentChange, Placement, Silence, correlate},
    },
    app::App,
    bot::cards::incident as cards,
    metrics::MetricsError,
    store::{Actor, AuditEvent, Reply, Served, StoreError, Wanted, WriteTx, channel_id},
};

/// Lines of one kind in the history of an incident come at most once in so many minutes.
const LINE_EVERY_MINUTES: i64 = 5;

/// Keeps incidents, and what is shown of them.
#[derive(Clone)]
pub struct Incidents {
    app: Arc<App>,
    /// The platforms on which people are told of new ones.
    served: Vec<Served>,
    /// The keys of messages that are known to be there.
    told: Arc<Mutex<HashSet<String>>>,
}

/// Why nothing was kept. The next look does it again.
#[derive(Debug, thiserror::Error)]
pub enum IncidentsError {
    /// Where the hosts are is not known.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What one look found, and what is known around it.
struct Look<'a> {
    found: &'a [Anomaly],
    placement: &'a Placement,
    channels: &'a [Channel],
    pictures: HashMap<String, Picture>,
    now: DateTime<Utc>,
}

/// What became of an incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Its number.
    pub number: u32,
    /// What became of it.
    pub kind: ChangeKind,
}

impl Incidents {
    /// The incidents of this bot, told in the channels of connected platforms.
    pub fn new(app: Arc<App>, served: &[Served]) -> Self {
        Self { app, served: served.to_vec(), told: Arc::default() }
    }

    /// The same without anywhere to tell of new ones: for those who only work on them.
    pub fn silent(app: Arc<App>) -> Self {
        Self::new(app, &[])
    }

    /// Takes in what a look at the metrics found: every anomaly that goes on, and those that ended.
    /// To be called at every look, also when nothing was found: that is how an incident ends.
    /// Doing it again changes nothing, so after an error the next look is enough.
    pub async fn observe(
        &self,
        found: &[Anomaly],
        now: DateTime<Utc>,
    ) -> Result<Vec<Observed>, IncidentsError> {
        let placement = Placement::of(&*self.app.metrics.fleet().await?);
        self.observe_in(found, &placement, now).await
    }

    /// The same, where the caller knows the places of the hosts.
    pub async fn observe_in(
        &self,
        found: &[Anomaly],
        placement: &Placement,
        now: DateTime<Utc>,
    ) -> Result<Vec<Observed>, IncidentsError> {
        let store = &self.app.store;
        let silences = store.silences(now).await?;
        let channels = &self.channels().await?;
        // Most looks change nothing, and then nothing is locked.
        let known = store.incidents(Wanted::Known).await?;
        let changes = self.changes(&known, found, placement, channels, &silences, now);
        let mut done = Vec::new();
        if !changes.is_empty() {
            let pictures = picture::pictures(&self.app, &changes).await;
            let look = Look { found, placement, channels, pictures, now };
            done = match self.take_in(&look).await {
                Err(error) if store.again(&error).await => self.take_in(&look).await?,
                done => done?,
            };
            self.app.recent.forget();
        }
        if !channels.is_empty() {
            self.make_up_for(channels, &silences, now).await?;
            self.say_what_is_due(&known, &silences, now).await?;
        }
        Ok(done)
    }

    async fn take_in(&self, look: &Look<'_>) -> Result<Vec<Observed>, StoreError> {
        let Look { found, placement, channels, pictures, now } = look;
        let (store, now) = (&self.app.store, *now);
        let mut tx = store.begin_write().await?;
        let mut last = store.lock_incidents(&mut tx).await?;
        // Again, now that nobody else changes them.
        let known = store.incidents_in(&mut tx, Wanted::Known, now).await?;
        let silences = &store.silences_in(&mut tx, now).await?;
        let mut done = Vec::new();
        let mut audit = Vec::new();
        for IncidentChange { kind, mut incident, touched } in
            self.changes(&known, found, placement, channels, silences, now)
        {
            if incident.number == 0 {
                last += 1;
                incident.number = last;
            }
            let until = incident.silenced_until(silences, now);
            let mut telling = telling(kind, &incident, until.is_some());
            let told_in = channels.iter().filter(|it| self.wants(it, &incident, now));
            let told_in: Vec<_> = told_in.map(|it| it.place.clone()).collect();
            if telling == Telling::Announce && told_in.is_empty() {
                // Whoever is connected somewhere does it, perhaps later; or a channel that wants it then.
                telling = Telling::Nothing;
            }
            incident.announced |= telling == Telling::Announce;
            let loud = matches!(telling, Telling::Announce | Telling::Loudly);
            if loud {
                incident.told_over = !incident.is_live();
            }
            if loud || kind == ChangeKind::Worsened && until.is_none() {
                incident.was_told(now);
            }
            let picture = pictures.get(&incident.fingerprint);
            if let Some(Picture { shows, .. }) = picture {
                incident.pictured = Some(shows.clone());
            }
            store.save_incident(&mut tx, &incident, &touched).await?;
            if let Some(Picture { png, .. }) = picture {
                store.keep_picture(&mut tx, incident.number, png).await?;
            }
            self.tell(&mut tx, &incident, until, (telling, &told_in), kind, now).await?;
            if kind > ChangeKind::Updated {
                audit.push(on_record(kind, &incident, now));
            }
            done.push(Observed { number: incident.number, kind });
        }
        for event in &audit {
            store.append(&mut tx, event).await?;
        }
        tx.commit().await?;
        Ok(done)
    }

    /// What changes, and what nobody was told of although it is to be heard: a silence ended.
    fn changes(
        &self,
        known: &[Incident],
        found: &[Anomaly],
        placement: &Placement,
        channels: &[Channel],
        silences: &[Silence],
        now: DateTime<Utc>,
    ) -> Vec<IncidentChange> {
        let mut changes = correlate(known, found, placement, now);
        let unheard = known.iter().filter(|incident| {
            incident.is_live()
                && !incident.announced
                && channels.iter().any(|it| self.wants(it, incident, now))
                && incident.silenced_until(silences, now).is_none()
                && changes.iter().all(|change| change.incident.number != incident.number)
        });
        let unheard: Vec<_> = unheard
            .map(|incident| IncidentChange {
                kind: ChangeKind::Updated,
                incident: incident.clone(),
                touched: Vec::new(),
            })
            .collect();
        changes.extend(unheard);
        changes
    }

    /// The card of an incident as it is now.
    pub async fn shown(&self, incident: &Incident) -> Result<Card, StoreError> {
        let now = self.app.clock.now();
        let silenced = incident.silenced_until(&self.app.store.silences(now).await?, now);
        let mut tx = self.app.store.begin_read().await?;
        let card = self.card(&mut tx, incident, silenced, now).await?;
        tx.rollback().await?;
        Ok(card)
    }

    async fn tell(
        &self,
        tx: &mut WriteTx,
        incident: &Incident,
        silenced_until: Option<DateTime<Utc>>,
        (telling, told_in): (Telling, &[Conversation]),
        kind: ChangeKind,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let store = &self.app.store;
        let news = match telling {
            Telling::Nothing => return Ok(()),
            Telling::Announce => {
                let card = self.card(tx, incident, silenced_until, now).await?;
                for channel in told_in {
                    let key = root_key(incident.number, channel);
                    let reply = Reply::new(channel.clone(), card.clone(), key);
                    store.keep_living(tx, &reply, true).await?;
                }
                return Ok(());
            }
            Telling::Quietly => false,
            Telling::Loudly => true,
        };
        let line = cards::line(kind, incident).filter(|_| silenced_until.is_none() || news);
        let slot = match kind {
            ChangeKind::Joined | ChangeKind::Worsened => {
                now.timestamp() / (60 * LINE_EVERY_MINUTES)
            }
            _ => now.timestamp_millis(),
        };
        let line = line.map(|text| (format!("{kind:?}:{slot}"), Card::titled(text)));
        self.refresh(tx, incident, silenced_until, news, line, now).await
    }

    /// Brings the messages of an incident up to date.
    async fn refresh(
        &self,
        tx: &mut WriteTx,
        incident: &Incident,
        silenced_until: Option<DateTime<Utc>>,
        news: bool,
        line: Option<(String, Card)>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let store = &self.app.store;
        let card = self.card(tx, incident, silenced_until, now).await?;
        for (key, conversation, _) in store.living(tx, &beginning(incident.number)).await? {
            let root = Reply::new(conversation.clone(), card.clone(), key);
            store.keep_living(tx, &root, news).await?;
            if let Some((name, card)) = &line {
                let key = format!("{}:{name}", root.key);
                let line = Reply::new(conversation, card.clone(), key);
                store.enqueue_under(tx, &root.key, &line).await?;
            }
        }
        Ok(())
    }

    /// Whether a message is known to be there.
    fn is_told(&self, key: &str) -> bool {
        self.told().contains(key)
    }

    fn told(&self) -> MutexGuard<'_, HashSet<String>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn card(
        &self,
        tx: &mut WriteTx,
        incident: &Incident,
        silenced_until: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<Card, StoreError> {
        let earlier = self.app.store.earlier(tx, incident).await?;
        let picture = self.app.store.picture(tx, incident.number).await?;
        let around = cards::Around { earlier, silenced_until, now, zone: self.app.zone, picture };
        Ok(cards::incident(incident, &around))
    }
}

/// How people learn of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Telling {
    /// Not at all.
    Nothing,
    /// By a new message.
    Announce,
    /// The message is brought up to date.
    Quietly,
    /// The state changed: where messages cannot be changed, this is a new one.
    Loudly,
}

fn telling(kind: ChangeKind, incident: &Incident, silenced: bool) -> Telling {
    if !incident.announced {
        // What was over before anybody could be told is told once, unless it was not to be heard.
        let worth = incident.is_live() || kind == ChangeKind::Opened;
        return if worth && !silenced { Telling::Announce } else { Telling::Nothing };
    }
    match kind {
        ChangeKind::Seen => Telling::Nothing,
        // An end is always told, once: what comes and goes in a silence is not heard of each time.
        ChangeKind::Resolved if !silenced || !incident.told_over => Telling::Loudly,
        ChangeKind::Opened | ChangeKind::Reopened if !silenced => Telling::Loudly,
        _ => Telling::Quietly,
    }
}

fn on_record(kind: ChangeKind, incident: &Incident, now: DateTime<Utc>) -> AuditEvent {
    let name = json!(kind);
    AuditEvent {
        at: now,
        actor: Actor::System,
        action: format!("incident.{}", name.as_str().unwrap_or_default()),
        subject: format!("#{}", incident.number),
        detail: json!({
            "severity": incident.severity,
            "hosts": incident.hosts.len(),
            "suspect": incident.suspect,
        }),
        outcome: "done".to_owned(),
    }
}

/// The keys of an incident's messages begin so.
fn beginning(number: u32) -> String {
    format!("incident:{number}:")
}

fn root_key(number: u32, channel: &Conversation) -> String {
    format!("{}{}", beginning(number), channel_id(channel))
}
