//! A workspace of the double of Slack.

use std::ops::Deref;

use serde_json::{Value, json};

use super::double::Double;

/// A workspace of its own for each test.
pub struct Workspace(Double);

impl Deref for Workspace {
    type Target = Double;

    fn deref(&self) -> &Double {
        &self.0
    }
}

impl Workspace {
    /// A new workspace; `None` where the double is missing and may be.
    pub fn new() -> Option<Self> {
        Double::new("SMARTCLOUDOPS_TEST_SLACK").map(Self)
    }

    /// Its id.
    pub fn team(&self) -> String {
        format!("T{}", self.name.to_uppercase())
    }

    pub fn bot_token(&self) -> String {
        format!("xoxb-{}", self.name)
    }

    pub fn app_token(&self) -> String {
        format!("xapp-{}", self.name)
    }

    pub fn api_url(&self) -> String {
        format!("http://{}/api", self.address)
    }

    /// An identity in it.
    pub fn person(&self, user: &str) -> String {
        format!("slack:{}:{user}", self.team())
    }

    /// Settings of a bot that hears through Socket Mode and tells of incidents in the channel C1.
    pub fn settings(&self) -> String {
        format!(
            "[alerts]\nchannels = [\"slack:{}:C1\"]\n[slack]\nbot_token = \"{}\"\napp_token = \
             \"{}\"\napi_url = \"{}\"\n",
            self.team(),
            self.bot_token(),
            self.app_token(),
            self.api_url()
        )
    }

    /// The same for a bot that hears through signed requests.
    pub fn http_settings(&self) -> String {
        let app = format!("app_token = \"{}\"", self.app_token());
        self.settings().replace(&app, &format!("signing_secret = \"secret-{}\"", self.name))
    }

    /// Somebody says something; the name of the message.
    pub fn says(&self, user: &str, channel: &str, text: &str) -> String {
        let said = self.tell("message", &json!({"channel": channel, "user": user, "text": text}));
        said["ts"].as_str().unwrap().to_owned()
    }

    /// What the bot said in a channel, oldest first.
    pub fn said(&self, channel: &str) -> Vec<Value> {
        let state = self.state();
        let messages = state["messages"][channel].as_array().cloned().unwrap_or_default();
        messages.into_iter().filter(|message| message["user"] == "UBOT").collect()
    }
}
