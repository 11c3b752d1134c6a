//! How a card is shown, with its pictures and files, and how one that was shown before is found again.

use std::time::Duration;

use chat::{Block, Card, ChatError, DedupeKey, Image};
use chrono::{DateTime, Utc};
use slack_morphism::prelude::*;
use tokio::time::sleep;
use url::Url;

use crate::{
    blocks::{content, home, without_files},
    slack::Slack,
    web::{Seen, To},
};

/// The pauses before a message with fresh pictures is tried again: Slack takes a moment to look at them.
const PICTURES_SETTLE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];
/// Pictures whose upload is remembered: a card is edited often, and its picture rarely changes.
const PICTURES_KEPT: usize = 16;

/// How a card is shown.
#[derive(Clone, Copy)]
pub(crate) enum Way<'a> {
    /// As a new message that carries this key.
    Post { to: To<'a>, key: &'a str },
    /// To one person.
    Whisper { to: To<'a>, user: &'a str },
    /// In the place of an older one.
    Edit { channel: &'a str, message: &'a str },
}

impl Slack {
    /// The uploaded pictures of a card, in its order. An answer without its picture is still an answer; only when Slack
    /// asks to wait it is worth waiting.
    async fn pictures(&self, card: &Card) -> Result<Vec<Option<SlackFileId>>, ChatError> {
        let mut uploaded = Vec::new();
        for block in &card.blocks {
            if let Block::Image(image) = block {
                uploaded.push(self.picture(image).await?);
            }
        }
        Ok(uploaded)
    }

    async fn picture(&self, image: &Image) -> Result<Option<SlackFileId>, ChatError> {
        if let Some((_, file)) = self.state().pictures.iter().find(|(png, _)| *png == image.png) {
            return Ok(Some(file.clone()));
        }
        match self.web.upload_picture(&self.bot_token(), image).await {
            Ok(file) => {
                let mut state = self.state();
                state.pictures.push_front((image.png.clone(), file.clone()));
                state.pictures.truncate(PICTURES_KEPT);
                Ok(Some(file))
            }
            Err(error @ ChatError::RateLimited { .. }) => Err(error),
            Err(error) => {
                tracing::warn!(%error, name = image.name, "a picture could not be uploaded");
                Ok(None)
            }
        }
    }

    /// Shows a card; when Slack does not take its pictures, a little later, and at last without. Returns the
    /// name of the message.
    pub(crate) async fn show(&self, how: Way<'_>, card: &Card) -> Result<String, ChatError> {
        let pictures = self.pictures(card).await?;
        let mut pauses = PICTURES_SETTLE.iter();
        loop {
            match self.send(how, content(card, &pictures)).await {
                Err(ChatError::Refused { reason, .. })
                    if is_about_blocks(&reason) && pictures.iter().any(Option::is_some) =>
                {
                    let Some(pause) = pauses.next() else {
                        tracing::warn!(%reason, "Slack does not show a picture");
                        return self.send(how, content(card, &vec![None; pictures.len()])).await;
                    };
                    sleep(*pause).await;
                }
                shown => return shown,
            }
        }
    }

    async fn send(&self, how: Way<'_>, content: SlackMessageContent) -> Result<String, ChatError> {
        let (web, token) = (&self.web, self.bot_token());
        match how {
            Way::Post { to, key } => web.post_message(&token, to, content, key).await,
            Way::Whisper { to, user } => {
                web.whisper(&token, to, user, content).await.map(|()| String::new())
            }
            Way::Edit { channel, message } => {
                let edited = web.update(&token, channel, message, content).await;
                edited.map(|()| message.to_owned())
            }
        }
    }

    pub(crate) async fn show_home(&self, user: &str, card: &Card) -> Result<(), ChatError> {
        let view = home(&without_files(card), &[]);
        self.web.publish_home(&self.bot_token(), user, view).await
    }

    /// Posts where the bot is a member, or answers where somebody asked.
    pub(crate) async fn say(
        &self,
        to: To<'_>,
        card: &Card,
        key: &DedupeKey,
    ) -> Result<String, ChatError> {
        let posted = self.show(Way::Post { to, key: &key.key }, card).await;
        match (posted, self.response_address(key)) {
            (Err(ChatError::Barred { .. }), Some(address)) => {
                self.respond(&address, Seen::ByAll, card).await?;
                Ok(String::new())
            }
            (posted, _) => posted,
        }
    }

    /// Answers a command or a button at its own address. Files are for members of the channel.
    pub(crate) async fn respond(
        &self,
        address: &Url,
        seen: Seen,
        card: &Card,
    ) -> Result<(), ChatError> {
        self.web.respond(address, seen, &content(&without_files(card), &[])).await
    }

    /// Shares the files of the card that a message shows, but for those that an earlier attempt shared. One that Slack
    /// does not take is left out.
    pub(crate) async fn share_files(
        &self,
        card: &Card,
        to: To<'_>,
        message: &str,
        again: Option<DateTime<Utc>>,
    ) -> Result<(), ChatError> {
        let token = self.bot_token();
        for block in &card.blocks {
            let Block::File(file) = block else { continue };
            // In a long talk there are several, and each is to be found again.
            let name = format!("{message}-{}", file.name);
            if let Some(since) = again
                && or_unknown(self.web.has_file(&token, to, since, &name).await)?
            {
                continue;
            }
            match self.web.share_text(&token, file, &name, to).await {
                Err(error @ (ChatError::RateLimited { .. } | ChatError::Unreachable { .. })) => {
                    return Err(error);
                }
                Err(error) => {
                    tracing::warn!(%error, name = file.name, "a file could not be uploaded");
                }
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// The message that an earlier attempt left.
    pub(crate) async fn posted_before(
        &self,
        to: To<'_>,
        since: DateTime<Utc>,
        key: &str,
    ) -> Result<Option<String>, ChatError> {
        or_unknown(self.web.find_message(&self.bot_token(), to, since, key).await)
    }
}

/// What was found of an earlier attempt; nothing where the bot may not read what was said: there people may see a
/// thing twice, and never not at all.
fn or_unknown<T: Default>(found: Result<T, ChatError>) -> Result<T, ChatError> {
    match found {
        Err(error @ (ChatError::Barred { .. } | ChatError::Refused { .. })) => {
            tracing::warn!(%error, "cannot look for what may have been posted before");
            Ok(T::default())
        }
        found => found,
    }
}

fn is_about_blocks(reason: &str) -> bool {
    matches!(reason, "invalid_blocks" | "invalid_attachments" | "invalid_blocks_format")
}
