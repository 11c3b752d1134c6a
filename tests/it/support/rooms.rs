//! A chat platform as the people in it see it, for stories that are the same on each.

use chat::Conversation;
use serde_json::{Value, json};

#[cfg(any(feature = "discord", feature = "slack"))]
use super::double::Double;

/// What the bot said.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The platform's name of the message.
    pub id: String,
    /// The message that it stands under.
    pub under: Option<String>,
    /// All of it.
    pub content: Value,
    /// What no second message has.
    pub key: String,
    /// How many pictures it shows.
    pub pictures: usize,
    /// Whether it has the colour of what is well.
    pub is_green: bool,
}

impl Shown {
    pub fn says(&self, text: &str) -> bool {
        self.content.to_string().contains(text)
    }

    /// What people read and can press.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        collect_words(&self.content, &mut words);
        words
    }
}

fn collect_words(value: &Value, words: &mut Vec<String>) {
    const NAMES: [&str; 6] = ["text", "content", "description", "label", "value", "custom_id"];
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str().filter(|_| NAMES.contains(&name.as_str())) {
                    Some(text) => words.push(text.to_owned()),
                    None => collect_words(value, words),
                }
            }
        }
        Value::Array(parts) => parts.iter().for_each(|part| collect_words(part, words)),
        _ => {}
    }
}

/// A platform with the channels C1 and C2, the people U1 to U5, and D1 to D5 where each is alone with the bot.
pub trait Rooms {
    /// Settings of a bot that is connected to it, and tells of incidents in C1.
    fn settings(&self) -> String;
    /// Where it listens, without `http://`.
    fn address(&self) -> &str;
    /// The same settings for a bot that finds it at another address.
    fn settings_at(&self, address: &str) -> String;
    /// What every request says that posts a message.
    fn posting(&self) -> &'static str;
    /// How a person is named to the bot.
    fn identity(&self, person: &str) -> String;
    /// A channel as the bot knows it.
    fn place(&self, channel: &str) -> Conversation;
    /// Waits until the bot hears.
    fn is_connected(&self);
    /// How people mention the bot.
    fn bot(&self) -> &'static str;
    /// Somebody writes something, in the thread under a message when there is one; the name of the message.
    fn writes(&self, person: &str, channel: &str, under: Option<&str>, text: &str) -> String;
    /// Somebody presses a button.
    fn presses(&self, person: &str, channel: &str, message: &str, label: &str) -> Click;
    /// Somebody chooses from a menu.
    fn chooses(
        &self,
        person: &str,
        channel: &str,
        message: &str,
        menu: &str,
        option: &str,
    ) -> Click;
    /// Whether a click was heard.
    fn was_heard(&self, click: &Click) -> bool;
    /// What the bot said in a channel and its threads, oldest first.
    fn shown(&self, channel: &str) -> Vec<Shown>;
    /// What the bot told somebody alone, oldest first.
    fn told(&self, person: &str) -> Vec<String>;
    /// What the platform would not take.
    fn rejected(&self) -> Value;
}

/// What the double said of a click: the platform may not bring it twice.
pub struct Click(pub Value);

/// The settings of a bot that finds a double at another address, and what the double tells it is there too.
#[cfg(any(feature = "discord", feature = "slack"))]
fn moved(double: &Double, settings: &str, address: &str) -> String {
    double.set("base", format!("http://{address}"));
    settings.replace(&double.address, address)
}

/// Somebody clicks in a double, which calls the name of a message so.
#[cfg(any(feature = "discord", feature = "slack"))]
impl Double {
    fn press(&self, name: &str, [person, channel, message, label]: [&str; 4]) -> Click {
        let press = json!({"channel": channel, name: message, "label": label, "user": person});
        Click(self.tell("press", &press))
    }

    fn choose(&self, name: &str, [person, channel, message, menu, option]: [&str; 5]) -> Click {
        let choice = json!({"channel": channel, name: message, "placeholder": menu, "option": option,
            "user": person});
        Click(self.tell("choose", &choice))
    }
}

#[cfg(feature = "slack")]
impl Rooms for super::slack::Workspace {
    fn settings(&self) -> String {
        self.settings()
    }

    fn address(&self) -> &str {
        &self.address
    }

    fn settings_at(&self, address: &str) -> String {
        moved(self, &self.settings(), address)
    }

    fn posting(&self) -> &'static str {
        "/chat.post"
    }

    fn identity(&self, person: &str) -> String {
        self.person(person)
    }

    fn place(&self, channel: &str) -> Conversation {
        Conversation {
            platform: chat::Platform::Slack,
            workspace: self.team(),
            channel: channel.to_owned(),
            thread: None,
        }
    }

    fn is_connected(&self) {
        self.wait("connections=1");
    }

    fn bot(&self) -> &'static str {
        "<@UBOT>"
    }

    fn writes(&self, person: &str, channel: &str, under: Option<&str>, text: &str) -> String {
        let mut said = json!({"channel": channel, "user": person, "text": text});
        if let Some(under) = under {
            said["thread_ts"] = json!(under);
        }
        self.tell("message", &said)["ts"].as_str().unwrap().to_owned()
    }

    fn presses(&self, person: &str, channel: &str, message: &str, label: &str) -> Click {
        self.press("ts", [person, channel, message, label])
    }

    fn chooses(
        &self,
        person: &str,
        channel: &str,
        message: &str,
        menu: &str,
        option: &str,
    ) -> Click {
        self.choose("ts", [person, channel, message, menu, option])
    }

    fn was_heard(&self, click: &Click) -> bool {
        let state = self.state();
        let acks: Vec<_> =
            state["acks"].as_array().unwrap().iter().map(|ack| &ack["envelope_id"]).collect();
        click.0["envelopes"].as_array().unwrap().iter().all(|envelope| acks.contains(&envelope))
    }

    fn shown(&self, channel: &str) -> Vec<Shown> {
        let shown = |message: Value| Shown {
            id: message["ts"].as_str().unwrap().to_owned(),
            under: message["thread_ts"].as_str().map(str::to_owned),
            key: message["metadata"]["event_payload"]["key"].to_string(),
            pictures: message.to_string().matches("\"slack_file\"").count(),
            is_green: message["attachments"][0]["color"] == "#2eb886",
            content: message,
        };
        self.said(channel).into_iter().map(shown).collect()
    }

    fn told(&self, person: &str) -> Vec<String> {
        let state = self.state();
        let told = state["ephemerals"].as_array().unwrap().iter();
        told.filter(|it| it["user"] == person).map(ToString::to_string).collect()
    }

    fn rejected(&self) -> Value {
        self.state()["rejected"].clone()
    }
}

#[cfg(feature = "discord")]
impl Rooms for super::discord::Server {
    fn settings(&self) -> String {
        self.settings()
    }

    fn address(&self) -> &str {
        &self.address
    }

    fn settings_at(&self, address: &str) -> String {
        moved(self, &self.settings(), address)
    }

    fn posting(&self) -> &'static str {
        "/messages HTTP"
    }

    fn identity(&self, person: &str) -> String {
        self.person(person)
    }

    fn place(&self, channel: &str) -> Conversation {
        Conversation {
            platform: chat::Platform::Discord,
            workspace: self.id("GUILD"),
            channel: self.id(channel),
            thread: None,
        }
    }

    fn is_connected(&self) {
        self.wait("sessions=1");
    }

    fn bot(&self) -> &'static str {
        "<@BOT>"
    }

    fn writes(&self, person: &str, channel: &str, under: Option<&str>, text: &str) -> String {
        let thread = under.map(|message| self.thread(message));
        self.says(person, thread.as_deref().unwrap_or(channel), text)
    }

    fn presses(&self, person: &str, channel: &str, message: &str, label: &str) -> Click {
        self.press("id", [person, channel, message, label])
    }

    fn chooses(
        &self,
        person: &str,
        channel: &str,
        message: &str,
        menu: &str,
        option: &str,
    ) -> Click {
        self.choose("id", [person, channel, message, menu, option])
    }

    fn was_heard(&self, click: &Click) -> bool {
        let state = self.state();
        let mut done = state["interactions"].as_array().unwrap().iter();
        done.any(|it| it["id"] == click.0["interaction"] && !it["type"].is_null())
    }

    fn shown(&self, channel: &str) -> Vec<Shown> {
        let state = self.state();
        let threads = state["threads"].as_object().unwrap().iter();
        let of_channel = threads.filter(|(_, it)| it["parent"] == channel);
        let places = of_channel.map(|(name, it)| (name.as_str(), it["id"].as_str()));
        let mut shown = Vec::new();
        for (place, under) in [(channel, None)].into_iter().chain(places) {
            for message in state["messages"][place].as_array().into_iter().flatten() {
                if message["user"] != "BOT" || !message["to"].is_null() {
                    continue;
                }
                let embed = &message["embeds"][0];
                shown.push(Shown {
                    id: message["id"].as_str().unwrap().to_owned(),
                    under: under.map(str::to_owned),
                    key: embed["url"].as_str().unwrap_or(&message["id"].to_string()).to_owned(),
                    pictures: message["attachments"].as_array().unwrap().len(),
                    is_green: embed["color"] == 0x2e_b8_86,
                    content: message.clone(),
                });
            }
        }
        shown.sort_by(|one, other| one.id.cmp(&other.id));
        shown
    }

    fn told(&self, person: &str) -> Vec<String> {
        let state = self.state();
        let alone = person.replacen('U', "D", 1);
        let messages = state["messages"].as_object().unwrap().iter();
        let messages = messages
            .flat_map(|(place, all)| all.as_array().unwrap().iter().map(move |it| (place, it)));
        let mut told: Vec<_> = messages
            .filter(|(place, it)| it["user"] == "BOT" && (**place == alone || it["to"] == person))
            .map(|(_, it)| it)
            .collect();
        told.sort_by_key(|it| it["id"].to_string());
        told.into_iter().map(ToString::to_string).collect()
    }

    fn rejected(&self) -> Value {
        // Said again after a crash: that it was said before is no fault.
        let again = ["40060", "160004"];
        let rejected = self.state()["rejected"].as_array().unwrap().clone().into_iter();
        let why = |it: &Value| it["why"].as_str().unwrap_or_default().to_owned();
        rejected.filter(|it| !again.iter().any(|code| why(it).contains(code))).collect()
    }
}

#[cfg(feature = "matrix")]
impl Rooms for super::matrix::Homeserver {
    fn settings(&self) -> String {
        self.settings()
    }

    fn address(&self) -> &str {
        self.address()
    }

    fn settings_at(&self, address: &str) -> String {
        self.settings_at(&format!("http://{address}"))
    }

    fn posting(&self) -> &'static str {
        if self.encrypted { "/send/m.room.encrypted/" } else { "/send/m.room.message/" }
    }

    fn identity(&self, person: &str) -> String {
        self.person(person)
    }

    fn place(&self, channel: &str) -> Conversation {
        Conversation {
            platform: chat::Platform::Matrix,
            workspace: "localhost".to_owned(),
            channel: self.room(channel),
            thread: None,
        }
    }

    fn is_connected(&self) {
        self.bot_is_there();
    }

    fn bot(&self) -> &'static str {
        "@bot"
    }

    fn writes(&self, person: &str, channel: &str, under: Option<&str>, text: &str) -> String {
        let how = under.map_or(json!({}), |root| json!({"thread": root}));
        self.says_so(person, channel, text, how)
    }

    // There is nothing to press: a sign is put on the message where it shows one, and otherwise what is to be
    // written is read from it and written under it.
    fn presses(&self, person: &str, channel: &str, message: &str, label: &str) -> Click {
        let (offer, command) = self.offer(channel, message, label);
        let sign = offer.split(' ').next().filter(|sign| matches!(*sign, "✅" | "❌"));
        Click(json!(match sign {
            Some(sign) => self.reacts(person, channel, message, sign),
            None => self.writes(person, channel, Some(message), &command),
        }))
    }

    fn chooses(
        &self,
        person: &str,
        channel: &str,
        message: &str,
        menu: &str,
        option: &str,
    ) -> Click {
        let (_, first) = self.offer(channel, message, menu.trim_end_matches([' ', '…']));
        let (command, _) = first.rsplit_once(' ').unwrap();
        let chosen = format!("{command} {}", option.replace(' ', ""));
        Click(json!(self.writes(person, channel, Some(message), &chosen)))
    }

    fn was_heard(&self, click: &Click) -> bool {
        // What the homeserver has it keeps until the bot is back.
        click.0.is_string()
    }

    fn shown(&self, channel: &str) -> Vec<Shown> {
        let said = self.said("U1", channel);
        // What cannot be read is shown too, so that a story that fails tells of it.
        let is_file = |it: &Value| matches!(it["msgtype"].as_str(), Some("m.image" | "m.file"));
        let shown = said.iter().filter(|it| !is_file(it)).map(|it| {
            let under = it["thread"].as_str();
            let pictures =
                said.iter().filter(|file| is_file(file) && file["thread"] == it["thread"]);
            let now = super::matrix::now(it);
            Shown {
                id: it["event"].as_str().unwrap().to_owned(),
                under: under.map(str::to_owned),
                key: it["content"]["io.github.smartcloudops.key"].to_string(),
                pictures: pictures.count(),
                is_green: now["formatted_body"].to_string().contains("#2eb886"),
                content: json!({"text": now["body"], "html": now["formatted_body"],
                    "readable": it["readable"]}),
            }
        });
        shown.collect()
    }

    fn told(&self, person: &str) -> Vec<String> {
        let told = self.told(person);
        told.iter().map(|it| super::matrix::now(it)["body"].to_string()).collect()
    }

    fn rejected(&self) -> Value {
        // What a homeserver does not take is missing from what people see.
        json!([])
    }
}

#[cfg(feature = "matrix")]
impl super::matrix::Homeserver {
    /// The line of a message that offers something, and what is to be written for it.
    fn offer(&self, channel: &str, message: &str, label: &str) -> (String, String) {
        let said = self.said("U1", channel);
        let message = said.iter().find(|it| it["event"] == message).unwrap();
        let body = super::matrix::now(message)["body"].as_str().unwrap();
        let wanted = format!("{label}: ");
        let line = body.lines().find(|line| line.contains(&wanted));
        let line = line.unwrap_or_else(|| panic!("no {label} in {body}"));
        let command = line.split(&wanted).nth(1).unwrap().split(" (").next().unwrap();
        (line.to_owned(), command.trim_end_matches(" …").to_owned())
    }
}
