//! Text → words: folds the punctuation that chat clients put in, and remembers what makes a text
//! something other than plain speech (quotes, code, several lines, invisible characters).

use super::lexicon::{self, Word};

/// More than this is not read: nobody asks a question that long.
const MAX_CHARS: usize = 2_000;
/// More than this never acts: it is a paste.
const MAX_ACTING_CHARS: usize = 1_000;
const MAX_TOKENS: usize = 400;
/// Slack's markup around one link or mention.
const MAX_MARKUP_BYTES: usize = 300;

/// One word of the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    /// In lower case (ASCII only: a look-alike letter must never become a plain one).
    pub text: &'a str,
    /// As it was written, with folded punctuation.
    pub raw: &'a str,
    /// What it means, if it is one of the words known.
    pub word: Option<Word>,
    /// Where it begins in the folded text.
    pub start: usize,
    /// Where it ends in the folded text.
    pub end: usize,
    /// Whether a comma or semicolon follows.
    pub comma: bool,
    /// Whether it stood in quotes or backticks.
    pub quoted: bool,
    /// Whether an extractor has taken it.
    pub used: bool,
}

/// A text in folded form, with what was noticed about it.
pub(super) struct Text {
    folded: String,
    lower: String,
    /// Too long to act on.
    pub long: bool,
    /// More than was read.
    pub cut: bool,
    /// Begins like a list item, a shell prompt, a comment or a cell, not like speech.
    pub pasted: bool,
    /// Several lines with words.
    pub lines: bool,
    /// A line that quotes someone, `> …`.
    pub reply: bool,
    /// A picture that may turn the words around.
    pub joke: bool,
    /// A code block.
    code: bool,
}

/// Pictures and faces: whoever laughs may not mean it. Thanks and a thumb are no joke.
fn is_a_face(c: char) -> bool {
    matches!(c, '\u{2600}'..='\u{27bf}' | '\u{1f000}'..='\u{1faff}')
        && !matches!(c, '🙏' | '👍' | '🙂' | '😊' | '\u{1f3fb}'..='\u{1f3ff}')
}

impl Text {
    /// Folds a text. Linear in at most [`MAX_CHARS`], whatever is sent.
    pub fn read(written: &str) -> Self {
        let (kept, cut) = match written.char_indices().nth(MAX_CHARS) {
            Some((at, _)) => (&written[..at], true),
            None => (written, false),
        };
        let long = cut || kept.len() > MAX_ACTING_CHARS && kept.chars().count() > MAX_ACTING_CHARS;
        let folded = fold(kept);
        let lower = folded.to_ascii_lowercase();
        let mut text = Self {
            folded,
            lower,
            long,
            cut,
            pasted: false,
            lines: false,
            reply: false,
            joke: false,
            code: false,
        };
        let mut lines = 0;
        for line in text.lower.split('\n') {
            let line = line.trim();
            lines += usize::from(!line.is_empty());
            text.reply |= line.starts_with('>') || line.starts_with("&gt;");
        }
        text.lines = lines > 1;
        text.pasted = text.lower.trim_start().starts_with(|first: char| {
            !first.is_alphanumeric() && !matches!(first, '@' | '"' | '\'' | '`')
        });
        text.joke = text.folded.chars().any(is_a_face)
            || [";)", ";-)"].iter().any(|wink| text.folded.contains(wink));
        text.code = text.lower.contains("```");
        text
    }

    /// The folded text in its own case.
    pub fn folded(&self) -> &str {
        &self.folded
    }

    /// Splits into words. Fills in what only the words show: quotes, code and question marks.
    pub fn tokens(&self) -> (Vec<Token<'_>>, Marks) {
        let mut tokens: Vec<Token<'_>> = Vec::with_capacity(16);
        let mut marks =
            Marks { question: false, quotes: false, code: self.code, odd: false, emphasis: None };
        // The quote that is open, and where it began.
        let mut open: Option<(u8, usize)> = None;
        let bytes = self.lower.as_bytes();
        let mut at = 0;
        while at < bytes.len() && tokens.len() < MAX_TOKENS {
            let byte = bytes[at];
            if byte.is_ascii_whitespace() || matches!(byte, b',' | b';') {
                if matches!(byte, b',' | b';')
                    && let Some(last) = tokens.last_mut()
                {
                    last.comma = true;
                }
                at += 1;
                continue;
            }
            let start = at;
            // "web-{1,2}" is one word.
            let mut inside = false;
            while at < bytes.len()
                && !bytes[at].is_ascii_whitespace()
                && (inside || !matches!(bytes[at], b',' | b';'))
            {
                inside = at > start && matches!(bytes[at], b'{' | b'[')
                    || inside && !matches!(bytes[at], b'}' | b']');
                at += 1;
            }
            self.word(start, at, &mut tokens, &mut marks, &mut open);
        }
        if open.is_some_and(|(quote, _)| quote == b'`') {
            marks.code = true;
        } else if open.is_some() {
            marks.quotes = true;
        }
        (tokens, marks)
    }

    /// Takes one run of non-space characters apart: quotes, end punctuation, possessive.
    fn word<'a>(
        &'a self,
        mut start: usize,
        mut end: usize,
        tokens: &mut Vec<Token<'a>>,
        marks: &mut Marks,
        open: &mut Option<(u8, usize)>,
    ) {
        let bytes = self.lower.as_bytes();
        let emphasised = end - start > 2
            && matches!(bytes[start], b'*' | b'_' | b'~')
            && bytes[start] == bytes[end - 1];
        // "web-1 | web-2" and "web-1 -> web-2" are no lists.
        let signs = &bytes[start..end];
        marks.odd |= emphasised && signs[0] == b'~'
            || signs.iter().all(u8::is_ascii_punctuation)
                && signs.iter().any(|sign| b"|/=<>~#\\^$".contains(sign));
        let mut was_quoted = open.is_some();
        while start < end {
            match bytes[start] {
                quote @ (b'"' | b'\'' | b'`') => {
                    if open.is_some_and(|(is, _)| is == quote) {
                        *open = None;
                    } else if open.is_none() {
                        *open = Some((quote, tokens.len()));
                        was_quoted = true;
                    }
                }
                b'(' | b'[' | b'{' => {}
                b'*' | b'_' | b'~' if emphasised => {}
                // "*cpu on web-1*": emphasis over several words. "*-1" is a pattern.
                b'*' | b'~' | b'_'
                    if bytes.get(start + 1).is_some_and(u8::is_ascii_alphabetic)
                        || bytes.get(start + 1) == Some(&bytes[start]) =>
                {
                    marks.emphasis = Some(bytes[start]);
                    marks.odd |= bytes[start] == b'~';
                }
                b'.' | b':' | b')' if end - start == 1 => {}
                b'?' if end - start > 1 || tokens.is_empty() => marks.question |= end - start == 1,
                _ => break,
            }
            start += 1;
        }
        let mut comma = false;
        while start < end {
            match bytes[end - 1] {
                quote @ (b'"' | b'\'' | b'`') => match *open {
                    Some((is, from)) if is == quote => {
                        if tokens.len() > from {
                            if quote == b'`' {
                                marks.code = true;
                            } else {
                                marks.quotes = true;
                            }
                        }
                        *open = None;
                    }
                    // `reason="looks` opens inside a word.
                    None if quote == b'"' => *open = Some((quote, tokens.len())),
                    _ => {}
                },
                b'?' => marks.question = true,
                b':' => comma = true,
                close @ (b']' | b'}')
                    if bytes[start..end].contains(&if close == b']' { b'[' } else { b'{' }) =>
                {
                    break;
                }
                b'.' | b'!' | b')' | b']' | b'}' | b'>' => {}
                b'*' | b'_' | b'~' if emphasised => {}
                mark @ (b'*' | b'~' | b'_') if marks.emphasis == Some(mark) => {}
                _ => break,
            }
            end -= 1;
        }
        if start >= end {
            return;
        }
        // A quote that opens in the middle, as in `reason="looks good"`.
        if let Some(inside) = self.lower[start..end].find('"')
            && open.is_none()
            && !self.lower[start + inside + 1..end].contains('"')
        {
            *open = Some((b'"', tokens.len()));
        }
        let mut text = &self.lower[start..end];
        if let Some(stem) = text.strip_suffix("'s")
            && !stem.is_empty()
        {
            text = stem;
            end = start + stem.len();
        }
        if text.bytes().all(|byte| byte.is_ascii_punctuation()) && !matches!(text, "*" | "?" | "%")
        {
            return;
        }
        tokens.push(Token {
            text,
            raw: &self.folded[start..end],
            word: lexicon::look_up(text),
            start,
            end,
            comma,
            quoted: was_quoted,
            used: false,
        });
    }
}

/// What the punctuation shows about a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    /// A word ends with a question mark.
    pub question: bool,
    /// Several words in quotes, or a quote that does not end.
    pub quotes: bool,
    /// Several words in backticks, or a code block.
    pub code: bool,
    /// Something is struck through, or stands beside a sign that may mean anything.
    pub odd: bool,
    /// The mark of an emphasis that was opened.
    emphasis: Option<u8>,
}

/// Typographic punctuation → ASCII, and chat markup → what people see.
///
/// Letters are left alone: folding a look-alike would turn another host's name into ours.
fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '<'
            && let Some((shown, length)) = markup(rest)
        {
            out.push_str(&shown);
            rest = &rest[length..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        if c.is_ascii() {
            match c {
                '\r' | '\u{b}' | '\u{c}' => out.push(' '),
                _ => out.push(c),
            }
            continue;
        }
        match c {
            '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}' | '\u{2bc}' | '\u{2032}'
            | '\u{ff07}' | '\u{b4}' | '\u{2039}' | '\u{203a}' => out.push('\''),
            '\u{201c}'..='\u{201f}'
            | '\u{ab}'
            | '\u{bb}'
            | '\u{2033}'
            | '\u{ff02}'
            | '\u{300c}'..='\u{300f}' => out.push('"'),
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => {
                out.push('-');
            }
            '\u{a0}'
            | '\u{1680}'
            | '\u{2000}'..='\u{200a}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{3000}' => out.push(' '),
            '\u{2028}' | '\u{2029}' | '\u{85}' => out.push('\n'),
            '\u{2026}' => out.push_str("..."),
            '\u{ff01}' => out.push('!'),
            '\u{ff0c}' | '\u{3001}' => out.push(','),
            '\u{3002}' | '\u{ff0e}' => out.push('.'),
            '\u{ff1a}' => out.push(':'),
            '\u{ff1b}' => out.push(';'),
            '\u{ff1f}' | '\u{bf}' => out.push('?'),
            '\u{ff1d}' => out.push('='),
            // Sets the colour of an emoji; has no place in a word, and is common after one.
            '\u{fe0f}' => {}
            _ => out.push(c),
        }
    }
    out
}

/// Slack's and Discord's markup at the start of `text`: what it shows, and how long it is.
fn markup(text: &str) -> Option<(String, usize)> {
    let end = text.bytes().take(MAX_MARKUP_BYTES).position(|byte| byte == b'>')?;
    let inside = &text[1..end];
    let (target, label) = match inside.split_once('|') {
        Some((target, label)) => (target, Some(label)),
        None => (inside, None),
    };
    let shown = if let Some(user) = target.strip_prefix('@') {
        format!("@{}", user.trim_start_matches(['!', '&']))
    } else if target.starts_with('#') || target.starts_with('!') {
        " ".to_owned()
    } else if let Some((scheme, address)) = target.split_once("://") {
        if !scheme.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return None;
        }
        label.unwrap_or(address.trim_end_matches('/')).to_owned()
    } else {
        label.filter(|_| target.starts_with("mailto:"))?.to_owned()
    };
    Some((shown, end + 1))
}
