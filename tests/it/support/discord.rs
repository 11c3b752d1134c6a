//! A server of the double of Discord.

use std::{ops::Deref, path::Path};

use serde_json::{Value, json};

use super::double::Double;

/// A server of its own for each test.
pub struct Server {
    double: Double,
    /// Discord's number of everything, by its short name.
    ids: Value,
}

impl Deref for Server {
    type Target = Double;

    fn deref(&self) -> &Double {
        &self.double
    }
}

impl Server {
    /// A new server; `None` where the double is missing and may be.
    pub fn new() -> Option<Self> {
        let double = Double::new("SMARTCLOUDOPS_TEST_DISCORD")?;
        let ids = double.state()["ids"].clone();
        Some(Self { double, ids })
    }

    /// Discord's number of something that is there from the beginning.
    pub fn id(&self, name: &str) -> String {
        self.ids[name].as_str().unwrap().to_owned()
    }

    pub fn token(&self) -> String {
        format!("{}.double.token", self.name)
    }

    pub fn api_url(&self) -> String {
        format!("http://{}/api/v10", self.address)
    }

    /// An identity on it.
    pub fn person(&self, user: &str) -> String {
        format!("discord:{}:{}", self.id("GUILD"), self.id(user))
    }

    /// Settings of a bot that tells of incidents in the channel C1.
    pub fn settings(&self) -> String {
        format!(
            "[alerts]\nchannels = [\"discord:{}:{}\"]\n[discord]\ntoken = \"{}\"\napi_url = \"{}\"\n",
            self.id("GUILD"),
            self.id("C1"),
            self.token(),
            self.api_url()
        )
    }

    /// Settings of an adapter that keeps what it needs in this folder.
    pub fn adapter(&self, folder: &Path) -> discord::Settings {
        discord::Settings {
            token: self.token().into(),
            reload: Box::new(|| None),
            guild: None,
            reads_messages: false,
            commands_everywhere: false,
            api_url: self.api_url().parse().unwrap(),
            memory: folder.join("discord.json"),
            clock: smartcloudops::clock::Clock::system().of_chat(),
        }
    }

    /// A fault of the next calls of a route, which names channels by their short names.
    pub fn breaks(&self, route: &str, mut fault: Value) {
        let parts = route.split('/').map(|part| self.ids[part].as_str().unwrap_or(part));
        fault["route"] = json!(parts.collect::<Vec<_>>().join("/"));
        self.tell("fault", &fault);
    }

    /// Somebody says something; the number of the message.
    pub fn says(&self, user: &str, channel: &str, text: &str) -> String {
        let said = self.tell("message", &json!({"channel": channel, "user": user, "text": text}));
        said["id"].as_str().unwrap().to_owned()
    }

    /// What the bot said in a channel or thread, oldest first.
    pub fn said(&self, channel: &str) -> Vec<Value> {
        let state = self.state();
        let messages = state["messages"][channel].as_array().cloned().unwrap_or_default();
        messages.into_iter().filter(|message| message["user"] == "BOT").collect()
    }

    /// The short name of the thread under a message, which may be about to begin.
    pub fn thread(&self, message: &str) -> String {
        let state = self.wait(&format!("thread={message}"));
        let threads = state["threads"].as_object().unwrap().iter();
        let mut found = threads.filter(|(_, it)| it["id"] == message);
        found.next().unwrap_or_else(|| panic!("{:#}", state["threads"])).0.clone()
    }
}
