//! What goes out: one message, described once, rendered by every platform in its own way.

use serde::{Deserialize, Serialize};

use crate::{Capabilities, Style};

/// The longest command a button may carry: the smallest limit among the platforms.
pub const MAX_COMMAND_BYTES: usize = 100;
/// Stands where a card was cut.
pub const CUT: &str = "… (cut here, ask for less to see all of it)";

/// How a card feels: renderers turn it into a colour or a sign, never into meaning of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// Plain information.
    #[default]
    Neutral,
    /// Nobody wants to hear of it now.
    Muted,
    /// It went well.
    Good,
    /// Look at this.
    Warning,
    /// Something is wrong.
    Bad,
}

/// One message. All text in it is plain text: renderers escape it, so no value can become markup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// One line that stands alone, as a phone's notification shows it.
    pub title: String,
    /// How it feels.
    pub tone: Tone,
    /// The body, top to bottom.
    pub blocks: Vec<Block>,
    /// Commands offered to the reader.
    pub buttons: Vec<Button>,
    /// Commands of which one is chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub menus: Vec<Menu>,
}

/// One part of a card's body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// Names and values.
    Fields(Vec<(String, String)>),
    /// Rows under a header.
    Table(Table),
    /// Something to copy: a command, a query, output.
    Code(String),
    /// A picture.
    Image(Image),
    /// A text too long to be shown, as a file.
    File(File),
    /// Small print: sources, ages, hints.
    Note(String),
}

/// Rows under a header. Every row has as many cells as the header.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Column names.
    pub header: Vec<String>,
    /// The rows shown.
    pub rows: Vec<Vec<String>>,
    /// How many rows were left out.
    pub more: usize,
}

/// A picture with a text for those who cannot see it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// File name, ending in `.png`.
    pub name: String,
    /// PNG bytes; base64 in JSON.
    #[serde(with = "base64_text")]
    pub png: Vec<u8>,
    /// What the picture shows, in one sentence.
    pub alt: String,
}

/// A text too long to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// File name, ending in `.txt`.
    pub name: String,
    /// What is in it.
    pub text: String,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image")
            .field("name", &self.name)
            .field("alt", &self.alt)
            .finish_non_exhaustive()
    }
}

mod base64_text {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// How prominent a button is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ButtonStyle {
    /// One of several.
    #[default]
    Plain,
    /// What most people want.
    Primary,
    /// It changes or refuses something.
    Danger,
}

/// A command with a label: pressing it is saying it, with the same grammar and the same checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// What the person reads.
    pub label: String,
    /// How prominent it is.
    pub style: ButtonStyle,
    /// What is said when it is pressed; at most [`MAX_COMMAND_BYTES`].
    pub command: String,
    /// What the person is asked first; the answer is said after the command. Platforms that cannot ask
    /// say the command alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<String>,
}

/// Commands of which one is chosen: choosing it is saying it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Menu {
    /// What the person reads before choosing.
    pub label: String,
    /// What there is to choose from.
    pub choices: Vec<Choice>,
}

/// One command of a [`Menu`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What the person reads.
    pub label: String,
    /// What is said when it is chosen; at most [`MAX_COMMAND_BYTES`].
    pub command: String,
}

impl Button {
    /// What is to be typed instead; `…` stands for the words that would be asked for.
    pub(crate) fn typed(&self) -> String {
        let more = if self.ask.is_some() { " …" } else { "" };
        format!("{}{more}", self.command)
    }
}

impl Card {
    /// A card with only a title.
    pub fn titled(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// The same card with this tone.
    #[must_use]
    pub fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    /// The same card with one more block.
    #[must_use]
    pub fn with(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    /// The same card with one more paragraph.
    #[must_use]
    pub fn line(self, text: impl Into<String>) -> Self {
        self.with(Block::Text(text.into()))
    }

    /// The same card with one more line of small print.
    #[must_use]
    pub fn note(self, text: impl Into<String>) -> Self {
        self.with(Block::Note(text.into()))
    }

    /// The same card with one more button. A command over the limit is left out, since cutting it
    /// would make it another command.
    #[must_use]
    pub fn button(self, label: impl Into<String>, command: impl Into<String>) -> Self {
        self.button_of(ButtonStyle::Plain, label.into(), command.into())
    }

    /// The same for what most people want.
    #[must_use]
    pub fn primary(self, label: impl Into<String>, command: impl Into<String>) -> Self {
        self.button_of(ButtonStyle::Primary, label.into(), command.into())
    }

    /// The same for a command that lacks its last words: who presses it is asked this.
    #[must_use]
    pub fn asking(
        self,
        label: impl Into<String>,
        command: impl Into<String>,
        question: impl Into<String>,
    ) -> Self {
        let (label, command) = (label.into(), command.into());
        self.push(Button { label, style: ButtonStyle::Plain, command, ask: Some(question.into()) })
    }

    fn button_of(self, style: ButtonStyle, label: String, command: String) -> Self {
        self.push(Button { label, style, command, ask: None })
    }

    fn push(mut self, button: Button) -> Self {
        if button.command.len() <= MAX_COMMAND_BYTES {
            self.buttons.push(button);
        }
        self
    }

    /// The same card with one more menu of labels and commands. Commands over the limit are left out, and
    /// a menu without any.
    #[must_use]
    pub fn menu<L: Into<String>, C: Into<String>>(
        mut self,
        label: impl Into<String>,
        choices: impl IntoIterator<Item = (L, C)>,
    ) -> Self {
        let choices = choices
            .into_iter()
            .map(|(label, command)| Choice { label: label.into(), command: command.into() })
            .filter(|choice| choice.command.len() <= MAX_COMMAND_BYTES);
        let choices: Vec<_> = choices.collect();
        if !choices.is_empty() {
            self.menus.push(Menu { label: label.into(), choices });
        }
        self
    }

    /// The card as a poorer platform can show it: buttons and menus become a line of commands to type,
    /// pictures become their description, and the text keeps within `max_text` characters. What does not
    /// fit is in a file, where the platform has files.
    #[must_use]
    pub fn fit(mut self, capabilities: &Capabilities) -> Self {
        if !capabilities.buttons {
            let chosen = self.menus.drain(..).filter_map(|menu| menu.choices.into_iter().next());
            let buttons = self.buttons.drain(..).map(|button| button.typed());
            let commands = buttons.chain(chosen.map(|choice| choice.command));
            let commands: Vec<_> = commands.map(|command| format!("`{command}`")).collect();
            if !commands.is_empty() {
                self.blocks.push(Block::Note(format!("Try: {}", commands.join(" · "))));
            }
        }
        if !capabilities.files {
            for block in &mut self.blocks {
                if let Block::Image(image) = block {
                    *block = Block::Note(format!("[picture] {}", image.alt));
                }
            }
        }
        self.shorten(capabilities.max_text, capabilities.files);
        self
    }

    /// Keeps the title and the first blocks, cutting where `max` characters are reached.
    fn shorten(&mut self, max: usize, files: bool) {
        const IN_FILE: &str = "… (cut here, all of it is in the file)";
        // Kept only where something is cut.
        let whole = files.then(|| Self { buttons: vec![], menus: vec![], ..self.clone() });
        cut(&mut self.title, max);
        let mut left = max.saturating_sub(self.title.chars().count() + CUT.chars().count());
        let mut kept = Vec::with_capacity(self.blocks.len());
        let mut was_cut = false;
        for mut block in std::mem::take(&mut self.blocks) {
            let fits = match &mut block {
                Block::Text(text) | Block::Code(text) | Block::Note(text) => {
                    let whole = text.chars().count() <= left;
                    cut(text, left);
                    left = left.saturating_sub(text.chars().count());
                    whole
                }
                Block::Fields(fields) => {
                    let before = fields.len();
                    fields.retain(|(name, value)| {
                        take(&mut left, name.chars().count() + value.chars().count() + 4)
                    });
                    fields.len() == before
                }
                Block::Table(table) => {
                    let before = table.rows.len();
                    table.rows.retain(|row| {
                        take(&mut left, row.iter().map(|cell| cell.chars().count() + 3).sum())
                    });
                    table.more += before - table.rows.len();
                    table.rows.len() == before
                }
                Block::Image(_) | Block::File(_) => true,
            };
            kept.push(block);
            if !fits {
                was_cut = true;
                break;
            }
        }
        match whole {
            Some(whole) if was_cut => {
                let text = crate::text(&whole, Style::Plain);
                kept.push(Block::File(File { name: "answer.txt".to_owned(), text }));
                kept.push(Block::Note(IN_FILE.to_owned()));
            }
            None if was_cut => kept.push(Block::Note(CUT.to_owned())),
            _ => {}
        }
        self.blocks = kept;
    }
}

/// Takes `size` from `left` if it is there; once something did not fit, nothing later does.
fn take(left: &mut usize, size: usize) -> bool {
    if let Some(rest) = left.checked_sub(size) {
        *left = rest;
        true
    } else {
        *left = 0;
        false
    }
}

fn cut(text: &mut String, max: usize) {
    if let Some((end, _)) = text.char_indices().nth(max) {
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(max_text: usize) -> Capabilities {
        Capabilities { max_text, ..Capabilities::default() }
    }

    #[test]
    fn a_platform_without_buttons_gets_the_commands_to_type() {
        let card =
            Card::titled("CPU").button("Last hour", "metric cpu window=1h").fit(&plain(1000));
        assert!(card.buttons.is_empty());
        assert_eq!(card.blocks, [Block::Note("Try: `metric cpu window=1h`".into())]);
    }

    #[test]
    fn a_long_table_loses_rows_and_says_how_many() {
        let rows = (0..100).map(|n| vec![format!("host-{n}"), "1 %".into()]).collect();
        let card = Card::titled("CPU")
            .with(Block::Table(Table {
                header: vec!["host".into(), "value".into()],
                rows,
                more: 7,
            }))
            .fit(&plain(400));
        let Block::Table(table) = &card.blocks[0] else { panic!("{card:?}") };
        assert_eq!(table.rows.len() + table.more, 107);
        assert!(!table.rows.is_empty() && table.rows.len() < 100);
    }

    #[test]
    fn what_is_cut_is_in_a_file_where_there_are_files() {
        let lines: Vec<_> = (0..100).map(|n| format!("line {n}")).collect();
        let card = Card::titled("log").with(Block::Code(lines.join("\n")));
        let card = card.fit(&Capabilities { files: true, ..plain(400) });
        let [Block::Code(shown), Block::File(file), Block::Note(note)] = &card.blocks[..] else {
            panic!("{card:?}")
        };
        assert!(shown.contains("line 9") && !shown.contains("line 99"), "{shown}");
        assert!(file.text.starts_with("log\n") && file.text.ends_with("line 99"), "{}", file.text);
        assert!(note.contains("in the file"), "{note}");
    }

    #[test]
    fn a_menu_is_a_command_to_type_where_nothing_can_be_chosen() {
        let card = Card::titled("#7")
            .button("Acknowledge", "ack 7")
            .menu("Silence", [("1 h", "silence incident 7 1h"), ("2 h", "silence incident 7 2h")]);
        let card = card.fit(&plain(1000));
        assert_eq!(card.blocks, [Block::Note("Try: `ack 7` · `silence incident 7 1h`".into())]);
        assert!(card.menus.is_empty());
    }

    #[test]
    fn a_command_over_the_limit_is_not_a_button() {
        assert!(Card::titled("x").button("y", "c".repeat(101)).buttons.is_empty());
    }
}
