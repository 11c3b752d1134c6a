//! A workspace of the double of Slack.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::{Value, json};

use super::peers;

/// A workspace of its own for each test.
pub struct Workspace {
    address: String,
    name: String,
}

impl Workspace {
    /// A new workspace; `None` where the double is missing and may be.
    pub fn new() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let url = peers::peer("SMARTCLOUDOPS_TEST_SLACK")?;
        let address = url.trim_start_matches("http://").to_owned();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Some(Self { address, name: format!("w{}x{number}", std::process::id()) })
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

    /// Tells the double to do something.
    pub fn tell(&self, what: &str, about: &Value) -> Value {
        let (status, answer) = self.request("POST", what, &about.to_string());
        assert_eq!(status, 200, "{what} {about}: {answer:#}");
        answer
    }

    /// Somebody says something; the name of the message.
    pub fn says(&self, user: &str, channel: &str, text: &str) -> String {
        let said = self.tell("message", &json!({"channel": channel, "user": user, "text": text}));
        said["ts"].as_str().unwrap().to_owned()
    }

    pub fn state(&self) -> Value {
        let (status, state) = self.request("GET", "state", "");
        assert_eq!(status, 200, "{state:#}");
        state
    }

    /// Waits until a condition of the double holds; its state then.
    pub fn wait(&self, condition: &str) -> Value {
        let (status, state) = self.request("GET", &format!("wait?timeout=40&{condition}"), "");
        assert_eq!(status, 200, "never {condition}: {state:#}");
        state
    }

    /// What the bot said in a channel, oldest first.
    pub fn said(&self, channel: &str) -> Vec<Value> {
        let state = self.state();
        let messages = state["messages"][channel].as_array().cloned().unwrap_or_default();
        messages.into_iter().filter(|message| message["user"] == "UBOT").collect()
    }

    fn request(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        write!(
            stream,
            "{method} /_double/{}/{path} HTTP/1.1\r\nHost: double\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.name,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned())))
    }
}
