//! Card → plain text: what the terminal shows, and everyone's fallback.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use crate::{Block, Card, Choice, Table, Tone};

/// Whether the reader's terminal shows colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Letters only.
    Plain,
    /// With ANSI colours.
    Colour,
}

/// The card as text: title, blocks, then the commands behind the buttons. Ends without a newline.
pub fn text(card: &Card, style: Style) -> String {
    let mut out = String::new();
    let (sign, colour) = match card.tone {
        Tone::Neutral => ("", "1"),
        Tone::Muted => ("", "2"),
        Tone::Good => ("✔ ", "1;32"),
        Tone::Warning => ("▲ ", "1;33"),
        Tone::Bad => ("✖ ", "1;31"),
    };
    if !card.title.is_empty() {
        paint(&mut out, &format!("{sign}{}", escape_invisible(&card.title)), colour, style);
        out.push('\n');
    }
    for block in &card.blocks {
        match block {
            Block::Text(text) => lines(&mut out, text, "", style, None),
            Block::Code(text) => lines(&mut out, text, "    ", style, Some("36")),
            Block::Note(text) => lines(&mut out, text, "", style, Some("2")),
            Block::Image(image) => lines(
                &mut out,
                &format!("[picture {}] {}", image.name, image.alt),
                "",
                style,
                Some("2"),
            ),
            Block::File(file) => {
                lines(&mut out, &format!("[file {}]", file.name), "", style, Some("2"));
            }
            Block::Fields(fields) => fields_text(&mut out, fields, style),
            Block::Table(table) => table_text(&mut out, table, style),
        }
    }
    let pressed = card.buttons.iter().map(|button| (button.label.clone(), button.typed()));
    let chosen = card.menus.iter().flat_map(|menu| {
        let label = |choice: &Choice| format!("{} {}", menu.label, choice.label);
        menu.choices.iter().map(move |choice| (label(choice), choice.command.clone()))
    });
    let commands = pressed.chain(chosen).map(|(label, command)| {
        format!("{} → {}", escape_invisible(&label), escape_invisible(&command))
    });
    let commands: Vec<_> = commands.collect();
    if !commands.is_empty() {
        lines(&mut out, &commands.join("\n"), "  ", style, Some("2"));
    }
    out.truncate(out.trim_end().len());
    out
}

/// Shows what a reader could not see, or what would rule the terminal: control characters,
/// zero-width and direction-changing characters become `\u{…}`; newline and tab stay.
pub fn escape_invisible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_invisible(c) && c != '\n' && c != '\t' {
            let _ = write!(out, "\\u{{{:x}}}", c as u32);
        } else {
            out.push(c);
        }
    }
    out
}

/// The same words with single spaces between them. Lines stay lines, and empty ones are left out.
pub fn tidy(text: &str) -> String {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// The first characters of a text; what is left out is shown as `…`.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Control, zero-width, bidirectional-override, tag and other characters without a shape.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

fn lines(out: &mut String, text: &str, indent: &str, style: Style, colour: Option<&str>) {
    for line in escape_invisible(text).lines() {
        out.push_str(indent);
        match colour {
            Some(colour) => paint(out, line, colour, style),
            None => out.push_str(line),
        }
        out.push('\n');
    }
}

fn fields_text(out: &mut String, fields: &[(String, String)], style: Style) {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (escape_invisible(name), escape_invisible(value)))
        .collect();
    let widest = fields.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    for (name, value) in &fields {
        let mut rows = value.lines();
        paint(out, name, "2", style);
        pad(out, widest - name.width() + 2);
        let _ = writeln!(out, "{}", rows.next().unwrap_or(""));
        for row in rows {
            pad(out, widest + 2);
            let _ = writeln!(out, "{row}");
        }
    }
}

fn table_text(out: &mut String, table: &Table, style: Style) {
    let cell = |text: &String| escape_invisible(text).replace(['\n', '\t'], " ");
    let rows: Vec<Vec<String>> =
        table.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let header: Vec<String> = table.header.iter().map(cell).collect();
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .chain([&header[column]])
                .map(|cell| cell.width())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut row_text = |row: &[String], colour: Option<&str>| {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            match colour {
                Some(colour) => paint(out, cell, colour, style),
                None => out.push_str(cell),
            }
            if column + 1 < row.len() {
                pad(out, width - cell.width() + 2);
            }
        }
        out.push('\n');
    };
    row_text(&header, Some("2"));
    for row in &rows {
        row_text(row, None);
    }
    if table.more > 0 {
        let _ = writeln!(out, "… and {} more", table.more);
    }
}

fn pad(out: &mut String, width: usize) {
    out.extend(std::iter::repeat_n(' ', width));
}

fn paint(out: &mut String, text: &str, colour: &str, style: Style) {
    match style {
        Style::Plain => out.push_str(text),
        Style::Colour => {
            let _ = write!(out, "\u{1b}[{colour}m{text}\u{1b}[0m");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_the_remainder_is_counted() {
        let card = Card::titled("CPU now").tone(Tone::Good).with(Block::Table(Table {
            header: vec!["host".into(), "cpu".into()],
            rows: vec![
                vec!["web-1".into(), "41.7 %".into()],
                vec!["database-1".into(), "3 %".into()],
            ],
            more: 18,
        }));
        assert_eq!(
            text(&card, Style::Plain),
            "✔ CPU now\nhost        cpu\nweb-1       41.7 %\ndatabase-1  3 %\n… and 18 more"
        );
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(cut("héllo", 5), "héllo");
        assert_eq!(cut("hélloo", 5), "héll…");
    }

    #[test]
    fn nothing_in_a_card_can_rule_the_terminal() {
        let card = Card::titled("a\u{1b}[2Jb")
            .line("x\u{202e}y\u{200b}\rz")
            .with(Block::Fields(vec![("n\u{7}".into(), "v\u{9b}".into())]));
        let shown = text(&card, Style::Plain);
        assert!(!shown.chars().any(|c| is_invisible(c) && c != '\n'), "{shown:?}");
        assert!(shown.contains("\\u{1b}[2J"), "{shown}");
    }
}
