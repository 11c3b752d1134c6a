//! A double of a chat platform, as its tests rule it. Each test has a world of its own in it.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::{http::ask, peers};

/// One world of a double.
pub struct Double {
    pub address: String,
    pub name: String,
}

impl Double {
    /// A new world of the double that this variable names; `None` where it is missing and may be.
    pub fn new(variable: &str) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let url = peers::peer(variable)?;
        let address = url.trim_start_matches("http://").to_owned();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Some(Self { address, name: format!("w{}x{number}", std::process::id()) })
    }

    /// Tells the double to do something.
    pub fn tell(&self, what: &str, about: &Value) -> Value {
        let (status, answer) = self.request("POST", what, &about.to_string());
        assert_eq!(status, 200, "{what} {about}: {answer:#}");
        answer
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

    /// Sets something.
    pub fn set(&self, name: &str, value: impl Into<Value>) {
        self.tell("set", &json!({ name: value.into() }));
    }

    fn request(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        ask(&self.address, method, &format!("/_double/{}/{path}", self.name), body)
    }
}
