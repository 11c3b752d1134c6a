//! A real homeserver, and people who use it with clients that are not ours.

use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::{Value, json};

use super::{http::ask, peers};

/// Rooms, people and a bot of its own for each test. Ana (U1) made the rooms C1 and C2, and is alone with the bot in
/// D1.
pub struct Homeserver {
    url: String,
    people: String,
    /// What the names of this test begin with.
    name: String,
    /// Whether its rooms are encrypted.
    pub encrypted: bool,
    rooms: [(&'static str, String); 3],
}

impl Homeserver {
    /// Encrypted rooms; `None` where the homeserver is missing and may be.
    pub fn encrypted() -> Option<Self> {
        Self::new(true)
    }

    /// Rooms in clear, on a homeserver whose word suffices.
    pub fn in_clear() -> Option<Self> {
        Self::new(false)
    }

    fn new(encrypted: bool) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let url = peers::peer("SMARTCLOUDOPS_TEST_MATRIX")?;
        let people = peers::peer("SMARTCLOUDOPS_TEST_MATRIX_PEOPLE")?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut new = Self {
            url,
            people: people.trim_start_matches("http://").to_owned(),
            name: format!("w{}x{number}", std::process::id()),
            encrypted,
            rooms: ["C1", "C2", "D1"].map(|room| (room, String::new())),
        };
        new.tell("account", &json!({"person": new.short("ops"), "name": "Ops Bot"}));
        for (user, room) in [("U1", "D1"), ("U1", "C1"), ("U1", "C2")] {
            let others = if room == "D1" { vec![] } else { vec!["U2", "U3"] };
            for other in &others {
                new.tell("device", &json!({"person": new.short(other)}));
            }
            let invite: Vec<_> = others.iter().chain(&["ops"]).map(|it| new.user(it)).collect();
            let made = new.tell(
                "room",
                &json!({"person": new.short(user), "invite": invite, "encrypted": encrypted,
                    "direct": room == "D1", "name": room}),
            );
            let place = new.rooms.iter_mut().find(|(name, _)| *name == room).unwrap();
            made["room"].as_str().unwrap().clone_into(&mut place.1);
        }
        Some(new)
    }

    /// Tells the people to do something.
    pub fn tell(&self, what: &str, about: &Value) -> Value {
        let (status, answer) = ask(&self.people, "POST", &format!("/{what}"), &about.to_string());
        assert_eq!(status, 200, "{what} {about}: {answer:#}");
        answer
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let escaped = path.replace('#', "%23").replace(' ', "%20");
        ask(&self.people, "GET", &format!("/{escaped}"), "")
    }

    /// What somebody is called among all tests; `U1/LAPTOP` is a device of theirs.
    pub fn short(&self, person: &str) -> String {
        format!("{}{}", self.name, person.replacen('U', "u", 1))
    }

    /// Somebody's id.
    pub fn user(&self, person: &str) -> String {
        format!("@{}:localhost", self.short(person))
    }

    /// Somebody's identity.
    pub fn person(&self, person: &str) -> String {
        format!("matrix:localhost:{}", self.user(person))
    }

    /// The id of a room; an id is its own.
    pub fn room(&self, name: &str) -> String {
        let known = self.rooms.iter().find(|(known, _)| *known == name);
        known.map_or(name, |(_, room)| room).to_owned()
    }

    /// Settings of a bot that tells of incidents in the room C1.
    pub fn settings(&self) -> String {
        self.settings_at(&self.url)
    }

    /// The same, for a bot that reaches the homeserver through this address.
    pub fn settings_at(&self, url: &str) -> String {
        format!(
            "[alerts]\nchannels = [\"matrix:localhost:{}\"]\n[matrix]\nhomeserver = \"{url}\"\nuser = \"{}\"\npassword \
             = \"password\"\ntrust_server = {}\n",
            self.room("C1"),
            self.user("ops"),
            !self.encrypted
        )
    }

    /// Settings of an adapter that keeps what it needs in this folder.
    pub fn adapter(&self, folder: &Path) -> matrix::Settings {
        self.adapter_at(&self.url, folder)
    }

    pub fn adapter_at(&self, url: &str, folder: &Path) -> matrix::Settings {
        matrix::Settings {
            homeserver: url.parse().unwrap(),
            login: matrix::Login::Password {
                user: self.user("ops"),
                password: "password".to_owned().into(),
            },
            reload: Box::new(|| None),
            recovery_key: None,
            allow: Vec::new(),
            trusts_server: !self.encrypted,
            only_signed_devices: false,
            file: folder.join("matrix.db"),
            clock: smartcloudops::clock::Clock::system().of_chat(),
        }
    }

    /// Where the homeserver listens, without `http://`.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches('/')
    }

    /// Waits until the bot is in all rooms.
    pub fn bot_is_there(&self) {
        for room in ["C1", "C2", "D1"] {
            self.wait("U1", room, &format!("member={}", self.user("ops")));
        }
    }

    /// Waits until somebody sees this in a room; all that they see then.
    pub fn wait(&self, person: &str, room: &str, condition: &str) -> Value {
        let (status, seen) = self.get(&format!(
            "wait?person={}&room={}&timeout=40&{condition}",
            self.short(person),
            self.room(room)
        ));
        assert_eq!(status, 200, "never {condition}: {seen:#}");
        seen
    }

    /// Waits until the bot said so many messages, or so many with something in them; them.
    pub fn bot_says(&self, person: &str, room: &str, condition: &str) -> Vec<Value> {
        let condition = format!("sender={}&{condition}", self.user("ops"));
        let seen = self.wait(person, room, &condition);
        self.of_the_bot(&seen)
    }

    /// What the bot said in a room, as somebody sees it, oldest first.
    pub fn said(&self, person: &str, room: &str) -> Vec<Value> {
        let (person, room) = (self.short(person), self.room(room));
        let (status, seen) = self.get(&format!("seen?person={person}&room={room}"));
        assert_eq!(status, 200, "{seen:#}");
        self.of_the_bot(&seen)
    }

    fn of_the_bot(&self, seen: &Value) -> Vec<Value> {
        let bot = self.user("ops");
        let messages = seen["messages"].as_array().unwrap().iter();
        messages.filter(|it| it["sender"] == bot.as_str()).cloned().collect()
    }

    /// What the bot said to somebody alone, oldest first.
    pub fn told(&self, person: &str) -> Vec<Value> {
        let (status, rooms) = self.get(&format!("rooms?person={}", self.short(person)));
        assert_eq!(status, 200, "{rooms:#}");
        let alone = [self.user("ops"), self.user(person)];
        let rooms = rooms.as_object().unwrap().iter();
        let rooms = rooms.filter(|(_, members)| {
            let members = members.as_array().unwrap();
            members.len() == 2 && alone.iter().all(|it| members.iter().any(|user| user == it))
        });
        rooms.flat_map(|(room, _)| self.said(person, room)).collect()
    }

    /// Somebody says something; the event. `@bot` at the beginning is the bot's mention.
    pub fn says(&self, person: &str, room: &str, text: &str) -> String {
        self.says_so(person, room, text, json!({}))
    }

    /// The same with more that the client is told.
    pub fn says_so(&self, person: &str, room: &str, text: &str, mut how: Value) -> String {
        let (person, room) = (self.short(person), self.room(room));
        how["person"] = json!(person);
        how["room"] = json!(room);
        how["text"] = json!(text);
        if let Some(text) = text.strip_prefix("@bot ") {
            how["text"] = json!(text);
            how["mention"] = json!(self.user("ops"));
        }
        self.tell("say", &how)["event"].as_str().unwrap().to_owned()
    }

    /// Somebody puts a sign on a message; the event.
    pub fn reacts(&self, person: &str, room: &str, event: &str, key: &str) -> String {
        let (person, room) = (self.short(person), self.room(room));
        let sign = json!({"person": person, "room": room, "event": event, "key": key});
        self.tell("react", &sign)["event"].as_str().unwrap().to_owned()
    }
}

/// What a message says now.
pub fn now(message: &Value) -> &Value {
    let edits = message["edits"].as_array().unwrap();
    edits.last().map_or(&message["content"], |edit| &edit["content"])
}
