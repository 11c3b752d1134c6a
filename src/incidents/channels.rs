//! The channels in which people are told of incidents.

use std::collections::BTreeMap;

use chat::{Card, Conversation, UserRef};
use chrono::{DateTime, Utc};
use serde_json::json;

use super::{Incidents, beginning, root_key};
use crate::{
    anomaly::incident::{ChannelChange, ChannelSettings, Incident, Silence},
    app::App,
    config::Config,
    people,
    store::{Actor, AuditEvent, Reply, StoreError, channel_id},
};

/// Messages that are remembered to be there; others are looked for.
const MOST_REMEMBERED: usize = 10_000;

/// A channel, and what its people want to be told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Channel {
    pub(crate) place: Conversation,
    pub(crate) settings: ChannelSettings,
    /// Its people said it in chat.
    is_chosen: bool,
}

/// Every channel that somebody named, in the configuration or in chat, connected or not.
pub(crate) async fn channels(app: &App) -> Result<Vec<Channel>, StoreError> {
    let mut channels = BTreeMap::new();
    for place in configured(&app.config) {
        let settings = ChannelSettings::all(true, DateTime::UNIX_EPOCH);
        channels.insert(channel_id(&place), Channel { place, settings, is_chosen: false });
    }
    for (place, settings) in app.store.channels().await? {
        channels.insert(channel_id(&place), Channel { place, settings, is_chosen: true });
    }
    Ok(channels.into_values().collect())
}

/// Says something about the bot itself in every channel that is told of incidents and can be reached. The key is
/// that of this piece of news.
pub(crate) async fn say_everywhere(
    app: &App,
    card: &Card,
    key: &str,
    reached: impl Fn(&Conversation) -> bool,
) -> Result<(), StoreError> {
    let mut channels = channels(app).await?;
    channels.retain(|channel| channel.settings.incidents && reached(&channel.place));
    if channels.is_empty() {
        return Ok(());
    }
    let mut tx = app.store.begin_write().await?;
    for Channel { place, .. } in channels {
        let key = format!("{key}:{}:{}", place.workspace, place.channel);
        app.store.enqueue(&mut tx, &Reply::new(place, card.clone(), key)).await?;
    }
    tx.commit().await
}

/// The channels of the configuration: `console`, or `PLATFORM:WORKSPACE:CHANNEL`.
pub(crate) fn configured(config: &Config) -> Vec<Conversation> {
    config.alerts.channels.iter().filter_map(|name| place(name)).collect()
}

fn place(name: &str) -> Option<Conversation> {
    let place: UserRef =
        if name == "console" { people::console_user() } else { name.parse().ok()? };
    let UserRef { platform, workspace, user } = place;
    Some(Conversation { platform, workspace, channel: user, thread: None })
}

/// What is told in this channel, and whether its people chose that.
pub(crate) async fn settings_of(
    app: &App,
    channel: &Conversation,
) -> Result<ChannelSettings, StoreError> {
    let id = channel_id(channel);
    let found = channels(app).await?.into_iter().find(|it| channel_id(&it.place) == id);
    // Where nobody asked for incidents none are told.
    let nothing = || ChannelSettings::all(false, app.clock.now());
    Ok(found.map_or_else(nothing, |channel| channel.settings))
}

/// Changes what is told in this channel; how it is then.
pub(crate) async fn change(
    app: &App,
    channel: &Conversation,
    change: &ChannelChange,
    actor: &Actor,
) -> Result<ChannelSettings, StoreError> {
    let now = app.clock.now();
    let place = Conversation { thread: None, ..channel.clone() };
    let after = settings_of(app, &place).await?.after(change, now);
    let kept = (*change != ChannelChange::Reset).then_some(&after);
    let mut tx = app.store.begin_write().await?;
    app.store.set_channel(&mut tx, &place, kept).await?;
    let event = AuditEvent {
        at: now,
        actor: actor.clone(),
        action: "channel.configure".to_owned(),
        subject: channel_id(&place),
        detail: json!(change),
        outcome: "done".to_owned(),
    };
    app.store.append(&mut tx, &event).await?;
    tx.commit().await?;
    settings_of(app, &place).await
}

impl Incidents {
    /// The channels of connected platforms.
    pub(super) async fn channels(&self) -> Result<Vec<Channel>, StoreError> {
        if self.served.is_empty() {
            return Ok(Vec::new());
        }
        let mut channels = channels(&self.app).await?;
        channels.retain(|it| self.served.iter().any(|served| served.covers(&it.place)));
        Ok(channels)
    }

    /// Tells what a channel did not want to be told before and does now: it became worse, or the quiet
    /// hours are over.
    pub(super) async fn make_up_for(
        &self,
        channels: &[Channel],
        silences: &[Silence],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let chosen: Vec<_> = channels.iter().filter(|it| it.is_chosen).collect();
        if chosen.is_empty() {
            return Ok(());
        }
        let store = &self.app.store;
        let live = self.app.recent.live(&self.app).await?;
        let is_due = |channel: &Channel, incident: &Incident| {
            incident.announced
                && incident.started >= channel.settings.since
                && self.wants(channel, incident, now)
                && incident.silenced_until(silences, now).is_none()
                && !self.is_told(&root_key(incident.number, &channel.place))
        };
        for incident in live.iter() {
            let due: Vec<_> = chosen.iter().filter(|it| is_due(it, incident)).collect();
            if due.is_empty() {
                continue;
            }
            let mut tx = store.begin_write().await?;
            store.lock_incidents(&mut tx).await?;
            let roots = store.living(&mut tx, &beginning(incident.number)).await?;
            let card = self.card(&mut tx, incident, None, now).await?;
            let mut keys = Vec::new();
            for channel in due {
                let key = root_key(incident.number, &channel.place);
                if roots.iter().all(|(root, ..)| *root != key) {
                    let reply = Reply::new(channel.place.clone(), card.clone(), key.clone());
                    store.keep_living(&mut tx, &reply, true).await?;
                }
                keys.push(key);
            }
            tx.commit().await?;
            let mut told = self.told();
            if told.len() >= MOST_REMEMBERED {
                told.clear();
            }
            told.extend(keys);
        }
        Ok(())
    }

    /// Whether an incident is told in a channel now.
    pub(super) fn wants(&self, channel: &Channel, incident: &Incident, now: DateTime<Utc>) -> bool {
        channel.settings.want(incident, &self.app.local(now))
    }
}
