//! One line of the text format. Pure.

use super::Sample;

/// More labels than these of one sample are refused.
const MAX_LABELS: usize = 128;

/// Reads a line with a sample, without blanks around it.
pub(super) fn read(line: &str) -> Result<Sample, String> {
    let (name, rest) =
        name(line, true).ok_or_else(|| "it does not begin with a name".to_owned())?;
    let rest = rest.trim_start();
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => labels(inside)?,
        None => (Vec::new(), rest),
    };
    let mut words = rest.split_ascii_whitespace();
    let value = words.next().ok_or_else(|| format!("`{name}` has no value"))?;
    let value = value.parse::<f64>().map_err(|_| format!("the value of `{name}` is no number"))?;
    let at = match words.next() {
        Some(word) => {
            Some(word.parse().map_err(|_| format!("the time of `{name}` is not in milliseconds"))?)
        }
        None => None,
    };
    if words.next().is_some() {
        return Err(format!("there is something behind the sample of `{name}`"));
    }
    Ok(Sample { name: name.to_owned(), labels, value, at })
}

/// A name at the beginning, and what follows. Only names of metrics may have colons.
fn name(text: &str, colons: bool) -> Option<(&str, &str)> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
    let end = text.find(|c| !allowed(c)).unwrap_or(text.len());
    let begins_well = !text.starts_with(|c: char| c.is_ascii_digit());
    (end > 0 && begins_well).then(|| text.split_at(end))
}

type Labels = Vec<(String, String)>;

/// The labels behind an opening brace, and what follows the closing one.
fn labels(mut text: &str) -> Result<(Labels, &str), String> {
    let mut found = Labels::new();
    loop {
        text = text.trim_start();
        if let Some(rest) = text.strip_prefix('}') {
            return Ok((found, rest));
        }
        if found.len() >= MAX_LABELS {
            return Err(format!("it has more than {MAX_LABELS} labels"));
        }
        let (label, rest) = name(text, false)
            .ok_or_else(|| "a label has no name, or a brace is open".to_owned())?;
        let value = rest
            .trim_start()
            .strip_prefix('=')
            .and_then(|rest| rest.trim_start().strip_prefix('"'))
            .ok_or_else(|| format!("the label `{label}` has no value in quotes"))?;
        let (value, rest) = quoted(value)
            .ok_or_else(|| format!("the value of the label `{label}` does not end"))?;
        if found.iter().any(|(other, _)| other == label) {
            return Err(format!("the label `{label}` is there twice"));
        }
        found.push((label.to_owned(), value));
        text = rest.trim_start();
        match text.strip_prefix(',') {
            Some(rest) => text = rest,
            None if text.starts_with('}') => {}
            None => return Err("there is no comma between two labels".to_owned()),
        }
    }
}

/// A value up to its closing quote, and what follows. An unknown escape stands for itself.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                c @ ('"' | '\\') => value.push(c),
                other => value.extend(['\\', other]),
            },
            c => value.push(c),
        }
    }
    None
}
