//! Card → Discord message. Pure.
//!
//! Limits are those of <https://docs.discord.com/developers/resources/message#embed-object-embed-limits> and
//! <https://docs.discord.com/developers/components/reference>.

use std::collections::HashSet;

use chat::{
    Block, Button, ButtonStyle, CUT, Card, Image, Menu, Style, Tone, cut, escape_invisible,
};
use serde_json::{Value, json};
use serenity::{
    builder::{
        CreateActionRow, CreateButton, CreateEmbed, CreateInputText, CreateModal, CreateSelectMenu,
        CreateSelectMenuKind, CreateSelectMenuOption,
    },
    model::{
        application::{ButtonStyle as Style_, InputTextStyle},
        channel::MessageFlags,
    },
};

use crate::markup::{code_block, escaped, escaped_within};

/// The most characters of one card.
pub const MAX_TEXT: usize = 3_000;
/// Characters of the line that a notification shows.
const MAX_TITLE: usize = 2_000;
/// Characters of an embed's text; all embeds of a message together may have 6,000.
const MAX_DESCRIPTION: usize = 4_096;
const MAX_LABEL: usize = 80;
const MAX_CHOICE: usize = 100;
const MAX_PLACEHOLDER: usize = 150;
const MAX_CUSTOM_ID: usize = 100;
const MAX_ALT: usize = 1_024;
/// Characters of a window's question and title.
const MAX_QUESTION: usize = 45;
/// Characters of an answer to a question.
const MAX_ANSWER: u16 = 300;
const BUTTONS_IN_ROW: usize = 5;
const ROWS: usize = 5;
const CHOICES: usize = 25;
/// So few characters say nothing.
const SMALL: usize = 50;
/// Files of one message.
const FILES: usize = 10;
/// Where the project is.
pub(crate) const PROJECT: &str = "https://github.com/smartcloudops/smartcloudops";
/// How the id of a button begins that asks for something first.
const ASK: char = '?';

/// A file that comes with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Its name, which an embed shows it by.
    pub name: String,
    /// What it shows, for those who cannot see it.
    pub alt: Option<String>,
    /// What kind it is.
    pub mime: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The message that shows a card, and the files that come with it. What Discord would keep of an older message
/// because it is not named is named.
pub fn message(card: &Card, key: &str) -> (Value, Vec<Attached>) {
    let files = files(card);
    let embeds = embeds(card, key);
    let described = files.iter().enumerate().map(|(id, file)| {
        json!({ "id": id.to_string(), "filename": file.name, "description": file.alt })
    });
    let mut message = json!({
        "content": escaped_within(&card.title, MAX_TITLE),
        "allowed_mentions": { "parse": [] },
        "components": rows(card),
        "attachments": described.collect::<Vec<_>>(),
    });
    // There are no links to be unfolded, but for what a newer client may take for one.
    let flags =
        if embeds.is_empty() { MessageFlags::SUPPRESS_EMBEDS } else { MessageFlags::empty() };
    message["flags"] = json!(flags.bits());
    message["embeds"] = json!(embeds);
    (message, files)
}

/// The pictures and texts of a card. Names are numbered, so that no two are the same.
fn files(card: &Card) -> Vec<Attached> {
    let of = |block: &Block| match block {
        Block::Image(Image { name, png, alt }) => Some(Attached {
            name: name.clone(),
            alt: Some(cut(&escape_invisible(alt), MAX_ALT)),
            mime: "image/png",
            bytes: png.clone(),
        }),
        Block::File(file) => Some(Attached {
            name: file.name.clone(),
            alt: None,
            mime: "text/plain; charset=utf-8",
            bytes: file.text.clone().into_bytes(),
        }),
        _ => None,
    };
    let mut files: Vec<_> = card.blocks.iter().filter_map(of).take(FILES).collect();
    for (number, file) in files.iter_mut().enumerate() {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        file.name = format!("{}-{}", number + 1, file.name.chars().map(plain).collect::<String>());
    }
    files
}

/// The body, and a picture in each.
fn embeds(card: &Card, key: &str) -> Vec<CreateEmbed> {
    let body = body(card);
    let pictures: Vec<_> = files(card).into_iter().filter(|file| file.alt.is_some()).collect();
    if body.is_empty() && pictures.is_empty() {
        return Vec::new();
    }
    let first = CreateEmbed::new().url(address(key));
    let mut embeds = vec![if body.is_empty() { first } else { first.description(body) }];
    for (place, picture) in pictures.iter().enumerate() {
        if place == embeds.len() {
            embeds.push(CreateEmbed::new());
        }
        embeds[place] = embeds[place].clone().attachment(&picture.name);
    }
    match colour(card.tone) {
        Some(colour) => embeds.into_iter().map(|embed| embed.colour(colour)).collect(),
        None => embeds,
    }
}

/// Carries the key of a message: without a title nothing shows it, and it comes back with the message.
pub(crate) fn address(key: &str) -> String {
    format!("{PROJECT}#{key}")
}

/// The colours of the states of an incident, as people know them from other tools.
fn colour(tone: Tone) -> Option<u32> {
    match tone {
        Tone::Neutral => None,
        Tone::Muted => Some(0xdd_dd_dd),
        Tone::Good => Some(0x2e_b8_86),
        Tone::Warning => Some(0xda_a0_38),
        Tone::Bad => Some(0xa3_02_00),
    }
}

/// Everything of a card but its title, its pictures and what can be pressed.
fn body(card: &Card) -> String {
    let cut_here = format!("-# {CUT}");
    let mut left = MAX_DESCRIPTION - cut_here.chars().count() - 1;
    let mut parts = Vec::new();
    for block in &card.blocks {
        if left < SMALL {
            parts.push(cut_here);
            break;
        }
        let part = shown(block, left);
        if !part.is_empty() {
            left = left.saturating_sub(part.chars().count() + 1);
            parts.push(part);
        }
    }
    parts.join("\n")
}

/// A block as Markdown of at most so many characters.
fn shown(block: &Block, room: usize) -> String {
    match block {
        Block::Text(text) => escaped_within(text, room),
        Block::Fields(fields) => {
            let mut lines = String::new();
            for (name, value) in fields {
                let line = format!("**{}**  {}\n", escaped(name), escaped(value));
                // One is kept for what says that something is missing.
                if lines.chars().count() + line.chars().count() + 1 > room {
                    lines.push('…');
                    break;
                }
                lines.push_str(&line);
            }
            lines.trim_end().to_owned()
        }
        // Columns only line up in letters of one width.
        Block::Table(_) => {
            let table = Card { blocks: vec![block.clone()], ..Card::default() };
            code_block(&chat::text(&table, Style::Plain), room)
        }
        Block::Code(text) => code_block(text, room),
        Block::Note(text) => {
            let (mut shown, mut left) = (Vec::new(), room);
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                if left < SMALL {
                    break;
                }
                let line = format!("-# {}", escaped_within(line.trim(), left - 4));
                left = left.saturating_sub(line.chars().count() + 1);
                shown.push(line);
            }
            shown.join("\n")
        }
        // They are shown by themselves.
        Block::Image(_) | Block::File(_) => String::new(),
    }
}

/// What can be pressed and chosen. Menus have a row each; the other rows are for buttons.
fn rows(card: &Card) -> Vec<CreateActionRow> {
    let menus: Vec<_> = card.menus.iter().take(ROWS - 1).enumerate().map(menu).collect();
    let room = (ROWS - menus.len()) * BUTTONS_IN_ROW;
    // Two of a message must not have the same id.
    let mut ids = HashSet::new();
    let buttons = card.buttons.iter().map(|it| (custom_id(it), it));
    let buttons = buttons.filter(|(id, _)| ids.insert(id.clone())).map(button);
    let buttons: Vec<_> = buttons.take(room).collect();
    let rows = buttons.chunks(BUTTONS_IN_ROW).map(|row| CreateActionRow::Buttons(row.to_vec()));
    rows.chain(menus.into_iter().map(CreateActionRow::SelectMenu)).collect()
}

/// What is pressed comes back as the command in the id; the label is for people alone.
fn button((id, button): (String, &Button)) -> CreateButton {
    let style = match button.style {
        ButtonStyle::Plain => Style_::Secondary,
        ButtonStyle::Primary => Style_::Primary,
        ButtonStyle::Danger => Style_::Danger,
    };
    CreateButton::new(id).label(cut(&escape_invisible(&button.label), MAX_LABEL)).style(style)
}

fn custom_id(button: &Button) -> String {
    let fits = |id: &String| id.chars().count() <= MAX_CUSTOM_ID;
    let asks = button.ask.as_ref().and_then(|question| {
        let question = question.replace('|', "/");
        let with = |question: &str| format!("{ASK}{question}|{}", button.command);
        Some(with(&question)).filter(fits).or_else(|| Some(with("")).filter(fits))
    });
    asks.unwrap_or_else(|| button.command.clone())
}

/// What the id of a pressed button says.
pub(crate) enum Pressed<'a> {
    /// This command.
    Says(&'a str),
    /// This command lacks its last words, which are asked for like this.
    Asks { question: &'a str, command: &'a str },
}

pub(crate) fn pressed(id: &str) -> Pressed<'_> {
    match id.strip_prefix(ASK).and_then(|rest| rest.split_once('|')) {
        Some(("", command)) => Pressed::Asks { question: "Why?", command },
        Some((question, command)) => Pressed::Asks { question, command },
        None => Pressed::Says(id),
    }
}

/// The window that asks for the last words of a command.
pub(crate) fn window(question: &str, command: &str) -> CreateModal {
    let question = cut(&escape_invisible(question), MAX_QUESTION);
    let input = CreateInputText::new(InputTextStyle::Short, question, "answer")
        .required(true)
        .max_length(MAX_ANSWER);
    CreateModal::new(command, "One question").components(vec![CreateActionRow::InputText(input)])
}

fn menu((place, menu): (usize, &Menu)) -> CreateSelectMenu {
    let choices = menu.choices.iter().take(CHOICES);
    let options = choices
        .map(|it| {
            let label = cut(&escape_invisible(&it.label), MAX_CHOICE);
            CreateSelectMenuOption::new(label, it.command.clone())
        })
        .collect();
    CreateSelectMenu::new(format!("menu-{place}"), CreateSelectMenuKind::String { options })
        .placeholder(cut(&escape_invisible(&menu.label), MAX_PLACEHOLDER))
}

#[cfg(test)]
mod tests {
    use chat::Table;

    use super::*;

    fn incident() -> Card {
        let table = Table {
            header: vec!["metric".into(), "value".into()],
            rows: vec![vec!["CPU".into(), "97 %".into()]],
            more: 2,
        };
        let image = Image { name: "cpu.png".into(), png: vec![1], alt: "CPU of web-1".into() };
        Card::titled("#7 CPU 97 % on web-1")
            .tone(Tone::Bad)
            .with(Block::Fields(vec![("state".into(), "open".into())]))
            .with(Block::Table(table))
            .with(Block::Image(image))
            .note("avg(cpu) · live 12:00:03 UTC")
            .button("Acknowledge", "ack 7")
            .menu("Silence …", [("1 h", "silence incident 7 1h"), ("1 d", "silence incident 7 1d")])
    }

    #[test]
    fn an_incident_is_a_line_and_a_coloured_body_with_its_picture_and_buttons() {
        let (message, files) = message(&incident(), "k");
        assert_eq!(message["content"], "#7 CPU 97 % on web-1".replace('#', "\\#"));
        let embed = &message["embeds"][0];
        assert_eq!(embed["color"], 0xa3_02_00);
        assert_eq!(embed["image"]["url"], "attachment://1-cpu.png");
        assert_eq!(
            embed["description"],
            "**state**  open\n```\nmetric  value\nCPU     97 %\n… and 2 more\n```\n-# avg(cpu) · live \
             12:00:03 UTC"
        );
        assert_eq!(message["attachments"][0]["description"], "CPU of web-1");
        assert_eq!((files.len(), &*files[0].bytes), (1, &[1][..]));
        let rows = &message["components"];
        assert_eq!(rows[0]["components"][0]["custom_id"], "ack 7");
        assert_eq!(rows[1]["components"][0]["placeholder"], "Silence …");
        assert_eq!(rows[1]["components"][0]["options"][1]["value"], "silence incident 7 1d");
    }

    #[test]
    fn a_button_that_asks_carries_its_question_when_there_is_room() {
        let button = |command: &str, ask: &str| Button {
            label: "Reject".into(),
            style: ButtonStyle::Danger,
            command: command.into(),
            ask: Some(ask.into()),
        };
        let asked = |command: &str, ask: &str| match pressed(&custom_id(&button(command, ask))) {
            Pressed::Asks { question, command } => format!("{question} {command}"),
            Pressed::Says(command) => command.to_owned(),
        };
        assert_eq!(asked("reject 7F3K", "Why not?"), "Why not? reject 7F3K");
        assert_eq!(asked("reject 7F3K", &"long ".repeat(30)), "Why? reject 7F3K");
        assert_eq!(asked(&"c".repeat(100), "Why?"), "c".repeat(100));
    }

    #[test]
    fn what_is_only_a_line_has_no_body_and_an_edit_takes_the_old_one_away() {
        let (message, _) = message(&Card::titled("CPU now"), "k");
        assert_eq!(message["embeds"], json!([]));
        assert_eq!((&message["components"], &message["attachments"]), (&json!([]), &json!([])));
        assert_eq!(message["flags"], 4);
    }

    #[test]
    fn nothing_in_a_card_mentions_or_links() {
        let evil = "@everyone <@2> *b* [x](https://evil.example) :bomb:";
        let card = Card::titled(evil)
            .line(evil)
            .note(evil)
            .with(Block::Fields(vec![(evil.into(), evil.into())]));
        let (message, _) = message(&card, "k");
        let texts = [&message["content"], &message["embeds"][0]["description"]];
        for text in texts.map(|text| text.as_str().unwrap()) {
            // Without the signs that a backslash makes plain.
            let mut signs = text.chars();
            let mut left = String::new();
            while let Some(c) = signs.next() {
                left.extend(if c == '\\' { signs.next().map(|_| ' ') } else { Some(c) });
            }
            for live in ["://", "<", "[", "@everyone", ":bomb:"] {
                assert!(!left.contains(live), "{live} in {text}");
            }
        }
        assert_eq!(message["allowed_mentions"]["parse"], json!([]));
    }

    #[test]
    fn limits_are_kept() {
        let mut card = Card::titled("*".repeat(5_000)).note("_".repeat(5_000)).note("end");
        for place in 0..60 {
            card = card.button("b".repeat(100), format!("ack {place}")).line("*".repeat(99));
        }
        card = card.button("twice", "ack 1").menu("m".repeat(200), [("1 h", "silence 1h")]);
        let (message, _) = message(&card, "k");
        assert!(message["content"].as_str().unwrap().chars().count() <= 2_000);
        let body = message["embeds"][0]["description"].as_str().unwrap();
        assert!(body.chars().count() <= 4_096 && body.ends_with(&escaped(CUT)), "{body}");
        let rows = message["components"].as_array().unwrap();
        assert_eq!(rows.len(), 5);
        assert_eq!(rows[4]["components"][0]["type"], 3, "a menu is not lost");
        assert!(rows[0]["components"][0]["label"].as_str().unwrap().chars().count() <= 80);
    }
}
