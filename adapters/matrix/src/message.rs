//! Card → what a Matrix message says. Pure.
//!
//! There are no buttons: each is a line with the command that says the same, and the two that matter most are a sign
//! to react with, where the room is not encrypted.

use chat::{Block, Button, ButtonStyle, Card, Menu, Style, Tone};
use serde_json::{Map, Value, json};

use crate::markup::{COMMAND, code, escaped, plain};

/// The most characters of one card. An edited message carries its text four times, and an event has at most 65,536
/// bytes (<https://spec.matrix.org/latest/client-server-api/#size-limits>), a third more when it is encrypted.
pub const MAX_TEXT: usize = 3_000;
/// The most bytes of a text with its page.
const MAX_BYTES: usize = 16_000;
/// Which commands a message offers for which signs; nobody is shown this.
pub(crate) const SIGNS: &str = "io.github.smartcloudops.signs";
/// What no second message has; nobody is shown this.
pub(crate) const KEY: &str = "io.github.smartcloudops.key";
const YES: &str = "✅";
const NO: &str = "❌";

/// What the message that shows a card says. `reacts` is whether people may answer with a sign.
pub fn message(card: &Card, reacts: bool) -> Value {
    let mut body = plain_text(card, reacts);
    if body.len() > MAX_BYTES {
        let end = (0..=MAX_BYTES).rev().find(|at| body.is_char_boundary(*at)).unwrap_or(0);
        body.truncate(end);
        body.push('…');
    }
    let mut message = json!({
        "msgtype": "m.text",
        "body": body,
        // Nobody is mentioned, whatever the words say.
        "m.mentions": {},
    });
    let page = page(card, reacts);
    // A page that is too long is left out: the text says the same.
    if body.len() + page.len() <= MAX_BYTES {
        message["format"] = json!("org.matrix.custom.html");
        message["formatted_body"] = json!(page);
    }
    let signs = signs(card).map(|(sign, button)| (sign.to_owned(), json!(button.command)));
    let signs: Map<String, Value> = signs.collect();
    if !signs.is_empty() {
        message[SIGNS] = json!(signs);
    }
    message
}

/// The message that takes the place of an older one
/// (<https://spec.matrix.org/latest/client-server-api/#event-replacements>).
pub fn replacing(message: &str, now: Value) -> Value {
    let mut edit = now.clone();
    let body = now["body"].as_str().unwrap_or_default();
    edit["body"] = json!(format!("* {body}"));
    edit["m.new_content"] = now;
    edit["m.relates_to"] = json!({ "rel_type": "m.replace", "event_id": message });
    edit
}

/// The message in a thread (<https://spec.matrix.org/latest/client-server-api/#threading>).
pub fn in_thread(mut message: Value, root: Option<&str>) -> Value {
    if let Some(root) = root {
        message["m.relates_to"] = json!({ "rel_type": "m.thread", "event_id": root,
            "is_falling_back": true, "m.in_reply_to": { "event_id": root } });
    }
    message
}

/// The signs that a message offers.
pub(crate) fn signs(card: &Card) -> impl Iterator<Item = (&'static str, &Button)> {
    let first = |style| card.buttons.iter().find(move |it| it.style == style);
    let signs = [(YES, first(ButtonStyle::Primary)), (NO, first(ButtonStyle::Danger))];
    signs.into_iter().filter_map(|(sign, button)| Some((sign, button?)))
}

/// The card for who sees no page. Pictures and files come by themselves.
fn plain_text(card: &Card, reacts: bool) -> String {
    let blocks = card.blocks.iter().filter(|it| !matches!(it, Block::Image(_) | Block::File(_)));
    let shown = Card {
        title: card.title.clone(),
        tone: card.tone,
        blocks: blocks.cloned().collect(),
        ..Card::default()
    };
    let mut lines = vec![plain(&chat::text(&shown, Style::Plain))];
    lines.extend(offers(card, reacts).into_iter().map(|it| {
        let sign = it.sign.map_or(String::new(), |sign| format!("{sign} "));
        format!("{sign}{}: {}{}", plain(&it.label), plain(&it.command), plain(&it.rest))
    }));
    lines.retain(|line| !line.is_empty());
    lines.join("\n")
}

fn page(card: &Card, reacts: bool) -> String {
    let mut parts = Vec::new();
    if !card.title.is_empty() {
        let dot = colour(card.tone).map_or(String::new(), |colour| {
            format!(r#"<font color="{colour}" data-mx-color="{colour}">●</font> "#)
        });
        parts.push(format!("<p>{dot}<strong>{}</strong></p>", escaped(&card.title)));
    }
    parts.extend(card.blocks.iter().filter_map(shown));
    let offers = offers(card, reacts).into_iter().map(|it| {
        let sign = it.sign.map_or(String::new(), |sign| format!("{sign} "));
        let (label, command) = (escaped(&it.label), code(&it.command));
        format!("{sign}{label}: <code>{command}</code>{}", escaped(&it.rest))
    });
    let offers: Vec<_> = offers.collect();
    if !offers.is_empty() {
        parts.push(format!("<p>{}</p>", offers.join("<br>")));
    }
    parts.concat()
}

fn shown(block: &Block) -> Option<String> {
    Some(match block {
        Block::Text(text) => format!("<p>{}</p>", escaped(text)),
        Block::Fields(fields) => {
            let lines = fields.iter().map(|(name, value)| {
                format!("<strong>{}</strong>&nbsp; {}", escaped(name), escaped(value))
            });
            format!("<p>{}</p>", lines.collect::<Vec<_>>().join("<br>"))
        }
        // Not all clients show tables, and columns only line up in letters of one width.
        Block::Table(_) => {
            let table = Card { blocks: vec![block.clone()], ..Card::default() };
            format!("<pre><code>{}</code></pre>", code(&chat::text(&table, Style::Plain)))
        }
        Block::Code(text) => format!("<pre><code>{}</code></pre>", code(text)),
        Block::Note(text) => format!("<p><em>{}</em></p>", escaped(text)),
        Block::Image(_) | Block::File(_) => return None,
    })
}

/// Something that can be said about a card.
struct Offer {
    sign: Option<&'static str>,
    label: String,
    command: String,
    /// What may be said instead, or after it.
    rest: String,
}

fn offers(card: &Card, reacts: bool) -> Vec<Offer> {
    let buttons = card.buttons.iter().map(|button| {
        let mut signs = signs(card).filter(|(_, with)| *with == button);
        Offer {
            sign: signs.next().map(|(sign, _)| sign).filter(|_| reacts),
            label: button.label.clone(),
            command: format!("{COMMAND} {}", button.command),
            rest: button.ask.as_ref().map_or(String::new(), |ask| format!(" … ({ask})")),
        }
    });
    buttons.chain(card.menus.iter().filter_map(menu)).collect()
}

fn menu(menu: &Menu) -> Option<Offer> {
    let (first, others) = menu.choices.split_first()?;
    let others: Vec<_> = others.iter().map(|it| it.label.as_str()).collect();
    Some(Offer {
        sign: None,
        label: menu.label.trim_end_matches(['…', ' ']).to_owned(),
        command: format!("{COMMAND} {}", first.command),
        rest: if others.is_empty() {
            String::new()
        } else {
            format!(" (or {})", others.join(", "))
        },
    })
}

/// The colours of the states of an incident, as people know them from other tools.
fn colour(tone: Tone) -> Option<&'static str> {
    match tone {
        Tone::Neutral => None,
        Tone::Muted => Some("#dddddd"),
        Tone::Good => Some("#2eb886"),
        Tone::Warning => Some("#daa038"),
        Tone::Bad => Some("#a30200"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn approval() -> Card {
        let button = |label: &str, style, command: &str, ask: Option<&str>| Button {
            label: label.into(),
            style,
            command: command.into(),
            ask: ask.map(str::to_owned),
        };
        let mut card = Card::titled("Approval needed").tone(Tone::Warning).line("restart nginx");
        card.buttons = vec![
            button("Approve", ButtonStyle::Primary, "approve 7F3K", None),
            button("Reject", ButtonStyle::Danger, "reject 7F3K", Some("Why not?")),
        ];
        card.menu("Silence …", [("1 h", "silence incident 7 1h"), ("2 h", "silence incident 7 2h")])
    }

    #[test]
    fn what_could_be_pressed_can_be_written_and_is_a_sign_where_signs_count() {
        let shown = message(&approval(), true);
        assert_eq!(
            shown["body"],
            "▲ Approval needed\nrestart nginx\n✅ Approve: !ops approve 7F3K\n❌ Reject: !ops reject \
             7F3K … (Why not?)\nSilence: !ops silence incident 7 1h (or 2 h)"
        );
        assert_eq!(shown[SIGNS], json!({"✅": "approve 7F3K", "❌": "reject 7F3K"}));
        assert_eq!(
            shown["formatted_body"],
            "<p><font color=\"#daa038\" data-mx-color=\"#daa038\">●</font> <strong>Approval \
             needed</strong></p><p>restart nginx</p><p>✅ Approve: <code>!ops approve \
             7F3K</code><br>❌ Reject: <code>!ops reject 7F3K</code> … (Why not?)<br>Silence: \
             <code>!ops silence incident 7 1h</code> (or 2 h)</p>"
        );
        let shown = message(&approval(), false);
        assert!(!shown["body"].as_str().unwrap().contains('✅'), "{shown}");
    }

    #[test]
    fn a_message_is_replaced_and_put_into_a_thread_as_the_protocol_says() {
        let edit = replacing("$1", message(&Card::titled("now"), true));
        assert_eq!(
            (&edit["body"], &edit["m.new_content"]["body"]),
            (&json!("* now"), &json!("now"))
        );
        assert_eq!(edit["m.relates_to"]["event_id"], "$1");
        let line = in_thread(message(&Card::titled("a line"), true), Some("$1"));
        assert_eq!(line["m.relates_to"]["m.in_reply_to"]["event_id"], "$1");
    }

    #[test]
    fn nothing_in_a_card_mentions_links_or_is_markup() {
        let evil = "@room <@2> <a href=x>b</a> https://evil.example `x`";
        let card = Card::titled(evil).line(evil).note(evil);
        let shown = message(&card, true);
        assert_eq!(shown["m.mentions"], json!({}));
        let page = shown["formatted_body"].as_str().unwrap();
        assert!(!page.contains("<a") && !page.contains("://"), "{page}");
        assert!(!shown["body"].as_str().unwrap().contains("://"));
    }

    #[test]
    fn the_longest_card_fits_into_an_event_also_when_it_replaces_another() {
        let card = Card::titled("t").line("\"".repeat(MAX_TEXT));
        let card = card.fit(&chat::Capabilities::all(MAX_TEXT));
        for card in
            [card, Card::titled("€".repeat(MAX_TEXT)), Card::titled("\u{202e}".repeat(9_000))]
        {
            let edit = replacing("$1", message(&card, true)).to_string();
            assert!(edit.len() * 4 / 3 < 60_000, "{}", edit.len());
        }
    }
}
