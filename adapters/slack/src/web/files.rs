//! Pictures and texts as files (<https://docs.slack.dev/messaging/working-with-files>).

use chat::{ChatError, Image};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use slack_morphism::prelude::*;
use url::Url;

use super::{Taken, To, Web, answered, slack_token};

/// Something to upload.
struct Upload<'a> {
    name: &'a str,
    /// What people see it called.
    title: &'a str,
    alt: Option<&'a str>,
    bytes: &'a [u8],
}

impl Web {
    /// Uploads a picture that nobody sees until a message shows it.
    pub(crate) async fn upload_picture(
        &self,
        token: &SecretString,
        image: &Image,
    ) -> Result<SlackFileId, ChatError> {
        let (name, alt) = (&*image.name, Some(&*image.alt));
        let upload = Upload { name, title: name, alt, bytes: &image.png };
        self.upload(token, &upload, None).await
    }

    /// Uploads a text under a name of its own and shows it in a channel or thread.
    pub(crate) async fn share_text(
        &self,
        token: &SecretString,
        file: &chat::File,
        name: &str,
        to: To<'_>,
    ) -> Result<(), ChatError> {
        let (title, bytes) = (&*file.name, file.text.as_bytes());
        let upload = Upload { name, title, alt: None, bytes };
        self.upload(token, &upload, Some(to)).await.map(drop)
    }

    /// <https://docs.slack.dev/messaging/working-with-files#upload>: ask where to, send the bytes, say what
    /// is to become of them.
    async fn upload(
        &self,
        token: &SecretString,
        upload: &Upload<'_>,
        to: Option<To<'_>>,
    ) -> Result<SlackFileId, ChatError> {
        #[derive(Deserialize)]
        struct Place {
            upload_url: Url,
            file_id: SlackFileId,
        }
        let length = upload.bytes.len().to_string();
        let parameters =
            [("filename", Some(upload.name)), ("length", Some(&*length)), ("alt_txt", upload.alt)];
        let place: Place =
            self.get(token, "files.getUploadURLExternal", &parameters.to_vec()).await?;
        let session_token = slack_token(token);
        let session = self.client.open_session(&session_token);
        let bytes = "application/octet-stream".to_owned();
        let call = session.http_session_api.http_post_uri_binary(
            place.upload_url,
            bytes,
            upload.bytes,
            None,
        );
        let Taken {} = answered("file upload", call).await?;
        let file =
            SlackApiFilesComplete::new(place.file_id.clone()).with_title(upload.title.into());
        let request = SlackApiFilesCompleteUploadExternalRequest::new(vec![file])
            .opt_channel_id(to.map(|to| to.channel.into()))
            .opt_thread_ts(to.and_then(|to| to.thread).map(Into::into));
        let Taken {} = self.post(token, "files.completeUploadExternal", &request).await?;
        Ok(place.file_id)
    }

    /// Whether a file of this name was shared in a thread since then.
    pub(crate) async fn has_file(
        &self,
        token: &SecretString,
        to: To<'_>,
        since: DateTime<Utc>,
        name: &str,
    ) -> Result<bool, ChatError> {
        #[derive(Deserialize)]
        struct Past {
            messages: Vec<Message>,
        }
        #[derive(Deserialize)]
        struct Message {
            #[serde(default)]
            files: Vec<Value>,
        }
        let past: Past = self.past(token, to, since).await?;
        Ok(past.messages.iter().flat_map(|it| &it.files).any(|file| file["name"] == name))
    }
}
