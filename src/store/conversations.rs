//! What was said in each conversation, for follow-up questions.

use chat::{Conversation, MessageRef};
use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::{
    Result, Store, StoreError, WriteTx, millis, moment,
    words::{bounded, conversation_key, to_json},
};

/// The most text kept of one turn.
const MAX_TEXT: usize = 4 * 1024;
const MAX_WHO: usize = 600;

/// Which side spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// Somebody in the conversation.
    Person,
    /// The bot.
    Bot,
}

impl Speaker {
    fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Bot => "bot",
        }
    }
}

/// One thing said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Where.
    pub conversation: Conversation,
    /// By which side.
    pub speaker: Speaker,
    /// The identity of the speaker; for the bot, what answered.
    pub who: String,
    /// The words, cut at 4 KB.
    pub text: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl Store {
    /// Adds a turn to its conversation, in the caller's transaction.
    pub async fn remember(&self, tx: &mut WriteTx, turn: &Turn) -> Result<()> {
        sqlx::query(
            "INSERT INTO turns (id, conversation, speaker, who, text, at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
        )
        .bind(self.new_id())
        .bind(conversation_key(&turn.conversation))
        .bind(turn.speaker.as_str())
        .bind(bounded(&turn.who, MAX_WHO))
        .bind(bounded(&turn.text, MAX_TEXT))
        .bind(millis(turn.at))
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// Whether the bot said something in a conversation, or began it.
    pub async fn takes_part(&self, conversation: &Conversation) -> Result<bool> {
        let root = conversation.thread.clone().map(|message| MessageRef {
            conversation: Conversation { thread: None, ..conversation.clone() },
            message,
        });
        let root = root.as_ref().map(to_json).transpose()?;
        let said = sqlx::query(
            "SELECT id FROM turns WHERE conversation = $1 AND speaker = 'bot' \
             UNION ALL SELECT id FROM outbox WHERE message = $2 LIMIT 1",
        )
        .bind(conversation_key(conversation))
        .bind(root)
        .fetch_optional(&self.inner.pool)
        .await?;
        Ok(said.is_some())
    }

    /// The newest turns of a conversation, oldest first, in the order they were saved.
    pub async fn recent(&self, conversation: &Conversation, limit: u32) -> Result<Vec<Turn>> {
        let rows = sqlx::query(
            "SELECT speaker, who, text, at FROM turns WHERE conversation = $1 \
             ORDER BY id DESC LIMIT $2",
        )
        .bind(conversation_key(conversation))
        .bind(i64::from(limit))
        .fetch_all(&self.inner.pool)
        .await?;
        rows.iter()
            .rev()
            .map(|row| {
                Ok(Turn {
                    conversation: conversation.clone(),
                    speaker: match row.try_get::<String, _>("speaker")?.as_str() {
                        "person" => Speaker::Person,
                        "bot" => Speaker::Bot,
                        other => return Err(StoreError::Damaged(format!("the speaker {other}"))),
                    },
                    who: row.try_get("who")?,
                    text: row.try_get("text")?,
                    at: moment(row.try_get("at")?)?,
                })
            })
            .collect()
    }
}
