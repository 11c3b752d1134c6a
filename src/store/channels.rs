//! What the people of a channel want to be told.

use chat::Conversation;
use sqlx::Row as _;

use super::{
    Result, Store, WriteTx,
    words::{from_json, to_json},
};
use crate::anomaly::incident::ChannelSettings;

impl Store {
    /// The channels whose people said what they want to be told.
    pub async fn channels(&self) -> Result<Vec<(Conversation, ChannelSettings)>> {
        let rows = sqlx::query("SELECT conversation, settings FROM channels ORDER BY id")
            .fetch_all(&self.inner.pool)
            .await?;
        rows.iter()
            .map(|row| {
                let conversation: String = row.try_get("conversation")?;
                let settings: String = row.try_get("settings")?;
                let conversation = from_json("a conversation", &conversation)?;
                Ok((conversation, from_json("the settings of a channel", &settings)?))
            })
            .collect()
    }

    /// Keeps what the people of a channel said, or with `None` forgets it; in the caller's transaction.
    pub async fn set_channel(
        &self,
        tx: &mut WriteTx,
        channel: &Conversation,
        settings: Option<&ChannelSettings>,
    ) -> Result<()> {
        let id = channel_id(channel);
        let Some(settings) = settings else {
            sqlx::query("DELETE FROM channels WHERE id = $1").bind(id).execute(&mut **tx).await?;
            return Ok(());
        };
        sqlx::query(
            "INSERT INTO channels (id, conversation, settings) VALUES ($1, $2, $3) \
             ON CONFLICT (id) DO UPDATE SET settings = excluded.settings",
        )
        .bind(id)
        .bind(to_json(channel)?)
        .bind(to_json(settings)?)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}

/// `PLATFORM:WORKSPACE:CHANNEL`.
pub(crate) fn channel_id(channel: &Conversation) -> String {
    let Conversation { platform, workspace, channel, .. } = channel;
    format!("{platform}:{workspace}:{channel}")
}
