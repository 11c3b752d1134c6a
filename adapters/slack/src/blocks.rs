//! Card → Slack message. Pure.
//!
//! Limits are those of <https://docs.slack.dev/reference/block-kit>.

use chat::{
    Block, Button, ButtonStyle, CUT, Capabilities, Card, Menu, Style, Tone, cut, escape_invisible,
};
use slack_morphism::prelude::*;

use crate::{events::Question, markup::escaped};

/// The most characters of one card: all blocks of a message together may have some 13,000.
pub const MAX_TEXT: usize = 9_000;
/// Characters of small print, of the label and of the alternative text of a picture.
const MAX_NOTE: usize = 2_000;
const MAX_LABEL: usize = 75;
const MAX_ALT: usize = 2_000;
/// Characters of the line that a notification shows.
const MAX_TITLE: usize = 1_000;
/// Buttons and menus side by side.
const MAX_ACTIONS: usize = 25;
/// Choices of one menu.
const MAX_CHOICES: usize = 100;
/// Characters of an answer to a question.
const MAX_ANSWER: u64 = 300;
/// Blocks of one message.
const MAX_BLOCKS: usize = 50;

/// How the id of a button begins that asks for something first.
pub(crate) const ASK: &str = "ask-";

/// The message that shows a card. `pictures` are the uploaded pictures of the card, in its order; one that
/// could not be uploaded is `None`, and its description is shown.
pub fn content(card: &Card, pictures: &[Option<SlackFileId>]) -> SlackMessageContent {
    let title = cut(&card.title, MAX_TITLE);
    let mut blocks = Vec::new();
    if !title.is_empty() {
        blocks.push(rich(vec![section(vec![bold(&title)])]));
    }
    // Beside blocks, the text is for notifications alone.
    let content = SlackMessageContent::new().with_text(escaped(&title));
    let body = body(card, pictures);
    match colour(card.tone) {
        Some(colour) if !body.is_empty() => {
            let attachment =
                SlackMessageAttachment::new().with_color(colour.to_owned()).with_blocks(body);
            content.with_blocks(blocks).with_attachments(vec![attachment])
        }
        _ => {
            blocks.extend(body);
            content.with_blocks(blocks)
        }
    }
}

/// What a person's tab of the app shows: a card without its tone.
pub(crate) fn home(card: &Card, pictures: &[Option<SlackFileId>]) -> SlackHomeView {
    let mut blocks = body(card, pictures);
    blocks.insert(0, rich(vec![section(vec![bold(&cut(&card.title, MAX_TITLE))])]));
    SlackHomeView::new(blocks)
}

/// The card where there is no place for pictures and files.
pub(crate) fn without_files(card: &Card) -> Card {
    let nothing = Capabilities { buttons: true, max_text: MAX_TEXT, ..Capabilities::default() };
    let mut card = card.clone();
    if let Some(cut) = card.blocks.iter().position(|block| matches!(block, Block::File(_))) {
        // What follows a file says that the rest is in it.
        card.blocks.truncate(cut);
        card = card.note(CUT);
    }
    card.fit(&nothing)
}

/// A window that asks for the last words of a command.
pub(crate) fn modal(question: &Question) -> SlackModalView {
    let input = SlackBlockPlainTextInputElement::new()
        .with_action_id("answer".into())
        .with_max_length(MAX_ANSWER)
        .with_focus_on_load(true);
    let input =
        SlackInputBlock::new(label(&question.text), SlackInputBlockElement::PlainTextInput(input));
    let plain = |text: &str| SlackBlockPlainTextOnly::from(text.to_owned());
    SlackModalView::new(plain("One question"), vec![input.into()])
        .with_submit(plain("Send"))
        .with_close(plain("Cancel"))
        .with_callback_id("answer".into())
        .opt_private_metadata(serde_json::to_string(&question.about).ok())
}

/// Everything of a card but its title.
fn body(card: &Card, pictures: &[Option<SlackFileId>]) -> Vec<SlackBlock> {
    let mut pictures = pictures.iter();
    let actions = actions(card);
    let mut blocks: Vec<SlackBlock> =
        card.blocks.iter().filter_map(|block| shown(block, &mut pictures)).collect();
    // One is for the title.
    let room = MAX_BLOCKS - 1 - actions.len();
    if blocks.len() > room {
        blocks.truncate(room - 1);
        blocks.push(note(CUT));
    }
    blocks.extend(actions);
    blocks
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

/// The block that shows a block; an empty one shows nothing. `pictures` are those of the images to come.
fn shown<'a>(
    block: &Block,
    pictures: &mut impl Iterator<Item = &'a Option<SlackFileId>>,
) -> Option<SlackBlock> {
    Some(match block {
        Block::Text(text) => rich(vec![section(vec![plain(text)])]),
        Block::Fields(fields) => {
            let lines = fields.iter().enumerate().flat_map(|(place, (name, value))| {
                let line = if place == 0 { "" } else { "\n" };
                [bold(&format!("{line}{name}")), plain(&format!("  {value}"))]
            });
            let lines: Vec<_> = lines.collect();
            if lines.is_empty() {
                return None;
            }
            rich(vec![section(lines)])
        }
        // Columns only line up in letters of one width.
        Block::Table(_) => {
            let table = Card { blocks: vec![block.clone()], ..Card::default() };
            preformatted(&chat::text(&table, Style::Plain))
        }
        Block::Code(text) => preformatted(text),
        Block::Note(text) => note(text),
        Block::Image(image) => match pictures.next() {
            Some(Some(file)) => picture(file, &image.alt),
            _ => note(&format!("[picture] {}", image.alt)),
        },
        Block::File(file) => note(&format!("{} is in the thread", file.name)),
    })
}

fn rich(elements: Vec<SlackRichTextElement>) -> SlackBlock {
    SlackRichTextBlock::new(elements).into()
}

fn section(elements: Vec<SlackRichTextInlineElement>) -> SlackRichTextElement {
    SlackRichTextSection::new(elements).into()
}

fn plain(text: &str) -> SlackRichTextInlineElement {
    SlackRichTextInlineElement::Text(SlackRichTextText::new(escape_invisible(text)))
}

fn bold(text: &str) -> SlackRichTextInlineElement {
    let style = SlackRichTextStyle::new().with_bold(true);
    SlackRichTextInlineElement::Text(
        SlackRichTextText::new(escape_invisible(text)).with_style(style),
    )
}

fn preformatted(text: &str) -> SlackBlock {
    rich(vec![SlackRichTextPreformatted::new(vec![plain(text)]).into()])
}

fn note(text: &str) -> SlackBlock {
    let text = cut(&escape_invisible(text), MAX_NOTE);
    let text = SlackBlockPlainText::new(text).with_emoji(false);
    SlackContextBlock::new(vec![SlackContextBlockElement::Plain(text)]).into()
}

fn picture(file: &SlackFileId, alt: &str) -> SlackBlock {
    let file = SlackImageUrlOrFile::SlackFile { slack_file: file.clone().into() };
    SlackImageBlock::new(file, cut(&escape_invisible(alt), MAX_ALT)).into()
}

/// What can be pressed and chosen, in rows.
fn actions(card: &Card) -> Vec<SlackBlock> {
    let buttons = card.buttons.iter().enumerate().map(|(place, it)| button(place, it));
    let menus = card.menus.iter().enumerate().map(|(place, it)| menu(place, it));
    let elements: Vec<_> = buttons.chain(menus).collect();
    elements.chunks(MAX_ACTIONS).map(|row| SlackActionsBlock::new(row.to_vec()).into()).collect()
}

/// What is pressed comes back as the command in `value`; the label is for people alone. Two buttons of a
/// message need different ids.
fn button(place: usize, button: &Button) -> SlackActionBlockElement {
    let (id, value) = match &button.ask {
        None => (format!("command-{place}"), button.command.clone()),
        Some(question) => (format!("{ASK}{place}"), format!("{}\n{question}", button.command)),
    };
    let element = SlackBlockButtonElement::new(label(&button.label))
        .with_action_id(id.into())
        .with_value(value);
    SlackActionBlockElement::Button(match button.style {
        ButtonStyle::Plain => element,
        ButtonStyle::Primary => element.with_style(SlackBlockButtonStyle::Primary),
        ButtonStyle::Danger => element.with_style(SlackBlockButtonStyle::Danger),
    })
}

fn menu(place: usize, menu: &Menu) -> SlackActionBlockElement {
    let choices = menu
        .choices
        .iter()
        .take(MAX_CHOICES)
        .map(|choice| SlackBlockChoiceItem::new(label(&choice.label), choice.command.clone()));
    SlackActionBlockElement::StaticSelect(
        SlackBlockStaticSelectElement::new()
            .with_action_id(format!("menu-{place}").into())
            .with_placeholder(label(&menu.label))
            .with_options(choices.collect()),
    )
}

fn label(text: &str) -> SlackBlockPlainTextOnly {
    SlackBlockPlainTextOnly::from(cut(&escape_invisible(text), MAX_LABEL))
}

#[cfg(test)]
mod tests {
    use chat::{Image, Table};
    use serde_json::{Value, json};

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
            .with(Block::Fields(vec![
                ("state".into(), "open".into()),
                ("severity".into(), "high".into()),
            ]))
            .with(Block::Table(table))
            .with(Block::Image(image))
            .note("avg(cpu) · live 12:00:03 UTC")
            .button("Acknowledge", "ack 7")
    }

    fn json(card: &Card, pictures: &[Option<SlackFileId>]) -> Value {
        serde_json::to_value(content(card, pictures)).unwrap()
    }

    #[test]
    fn an_incident_is_a_line_and_a_coloured_block_with_its_picture_and_buttons() {
        let file = Some(SlackFileId::from("F1"));
        let message = json(&incident(), &[file]);
        assert_eq!(message["text"], "#7 CPU 97 % on web-1");
        assert_eq!(message["attachments"][0]["color"], "#a30200");
        let blocks = message["attachments"][0]["blocks"].as_array().unwrap();
        let kinds: Vec<_> = blocks.iter().map(|block| block["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["rich_text", "rich_text", "image", "context", "actions"]);
        assert_eq!(blocks[2]["slack_file"], json!({"id": "F1"}));
        assert_eq!(blocks[2]["alt_text"], "CPU of web-1");
        let table = &blocks[1]["elements"][0];
        assert_eq!(table["type"], "rich_text_preformatted");
        assert_eq!(table["elements"][0]["text"], "metric  value\nCPU     97 %\n… and 2 more");
        let button = &blocks[4]["elements"][0];
        assert_eq!(button["action_id"], "command-0");
        assert_eq!(
            (&button["value"], &button["text"]["text"]),
            (&json!("ack 7"), &json!("Acknowledge"))
        );
    }

    #[test]
    fn a_menu_is_a_select_and_a_button_that_asks_carries_its_question() {
        let mut card = Card::titled("#7")
            .button("Reject", "reject 7F3K")
            .menu("Silence", [("1 h", "silence incident 7 1h"), ("1 d", "silence incident 7 1d")]);
        card.buttons[0].ask = Some("Why?".into());
        let message = json(&card, &[]);
        let elements = &message["blocks"][1]["elements"];
        assert_eq!(elements[0]["action_id"], "ask-0");
        assert_eq!(elements[0]["value"], "reject 7F3K\nWhy?");
        assert_eq!(elements[1]["type"], "static_select");
        assert_eq!(elements[1]["placeholder"]["text"], "Silence");
        assert_eq!(elements[1]["options"][1]["value"], "silence incident 7 1d");
    }

    #[test]
    fn a_picture_that_is_not_there_is_described() {
        let message = json(&incident(), &[None]);
        let block = &message["attachments"][0]["blocks"][2];
        assert_eq!(block["elements"][0]["text"], "[picture] CPU of web-1");
    }

    #[test]
    fn what_is_no_state_has_no_colour_and_one_title() {
        let message = json(&Card::titled("CPU now").line("41 %"), &[]);
        assert_eq!(message.get("attachments"), None);
        assert_eq!(message["text"], "CPU now");
        let first = &message["blocks"][0]["elements"][0]["elements"][0];
        assert_eq!((&first["text"], &first["style"]["bold"]), (&json!("CPU now"), &json!(true)));
    }

    #[test]
    fn nothing_in_a_card_is_markup() {
        let evil = "<!channel> *b* <https://evil.example|x> :bomb:";
        let card = Card::titled(evil)
            .line(evil)
            .note(evil)
            .with(Block::Code(evil.into()))
            .with(Block::Fields(vec![(evil.into(), evil.into())]));
        for tone in [Tone::Neutral, Tone::Bad] {
            let message = json(&card.clone().tone(tone), &[]);
            let text = message["text"].as_str().unwrap();
            assert!(!text.contains('<') && !text.contains('>'), "{text}");
            // Everything else is of a type that Slack does not read as markup.
            let blocks = message.to_string();
            assert!(!blocks.contains("mrkdwn"), "{blocks}");
            assert!(!blocks.contains("\"emoji\":true"), "{blocks}");
        }
    }

    #[test]
    fn limits_are_kept() {
        let mut card = Card::titled("t".repeat(5_000)).note("n".repeat(5_000));
        for place in 0..60 {
            card = card.button("b".repeat(100), format!("ack {place}")).line("x");
        }
        let message = json(&card, &[]);
        assert!(message["text"].as_str().unwrap().chars().count() <= 1_000);
        let blocks = message["blocks"].as_array().unwrap();
        assert_eq!(blocks.len(), 50);
        let pressable: usize = blocks
            .iter()
            .filter(|block| block["type"] == "actions")
            .map(|block| block["elements"].as_array().unwrap().len())
            .sum();
        assert_eq!(pressable, 60, "what is to be said matters less than what can be done");
        let note = blocks.iter().find(|block| block["type"] == "context").unwrap();
        assert!(note["elements"][0]["text"].as_str().unwrap().chars().count() <= 2_000);
    }

    #[test]
    fn where_there_are_no_files_a_long_answer_says_that_it_was_cut() {
        let can = Capabilities { files: true, max_text: 500, ..Capabilities::default() };
        let long = Card::titled("log").with(Block::Code("x\n".repeat(1_000))).fit(&can);
        let card = without_files(&long);
        let [Block::Code(_), Block::Note(note)] = &card.blocks[..] else { panic!("{card:?}") };
        assert!(note.contains("ask for less"), "{note}");
    }
}
