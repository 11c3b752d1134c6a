//! What goes out: one message, described once, rendered by every platform in its own way.

use serde::{Deserialize, Serialize};

use crate::Capabilities;

/// The longest command a button may carry: the smallest limit among the platforms.
pub const MAX_COMMAND_BYTES: usize = 100;

/// How a card feels: renderers turn it into a colour or a sign, never into meaning of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// Plain information.
    #[default]
    Neutral,
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
    pub fn button(mut self, label: impl Into<String>, command: impl Into<String>) -> Self {
        let command = command.into();
        if command.len() <= MAX_COMMAND_BYTES {
            self.buttons.push(Button { label: label.into(), style: ButtonStyle::Plain, command });
        }
        self
    }

    /// The card as a poorer platform can show it: buttons become a line of commands to type,
    /// pictures become their description, and the text keeps within `max_text` characters.
    #[must_use]
    pub fn fit(mut self, capabilities: &Capabilities) -> Self {
        if !capabilities.buttons && !self.buttons.is_empty() {
            let commands: Vec<_> =
                self.buttons.drain(..).map(|b| format!("`{}`", b.command)).collect();
            self.blocks.push(Block::Note(format!("Try: {}", commands.join(" · "))));
        }
        if !capabilities.files {
            for block in &mut self.blocks {
                if let Block::Image(image) = block {
                    *block = Block::Note(format!("[picture] {}", image.alt));
                }
            }
        }
        self.shorten(capabilities.max_text);
        self
    }

    /// Keeps the title and the first blocks, cutting where `max` characters are reached.
    fn shorten(&mut self, max: usize) {
        const CUT: &str = "… (cut here, ask for less to see all of it)";
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
                Block::Image(_) => true,
            };
            kept.push(block);
            if !fits {
                was_cut = true;
                break;
            }
        }
        if was_cut {
            kept.push(Block::Note(CUT.to_owned()));
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
    fn a_command_over_the_limit_is_not_a_button() {
        assert!(Card::titled("x").button("y", "c".repeat(101)).buttons.is_empty());
    }
}
