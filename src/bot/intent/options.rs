//! `key=value`, `--key value` and `-key value`, as typed commands have them.

use super::tokens::Token;

/// Every option there is; the first of each row is its name.
const KEYS: &[&[&str]] = &[
    &["host", "hosts", "on"],
    &["window", "since", "last", "for", "over", "range", "duration"],
    &["metric", "signal"],
    &["stat"],
    &["order", "sort"],
    &["limit", "top"],
    &["chart", "graph"],
    &["summary"],
    &["service"],
    &["lines", "n", "tail"],
    &["group"],
    &["count", "to"],
    &["delta", "by"],
    &["incident", "id"],
    &["state"],
    &["code"],
    &["reason"],
    &["role"],
    &["user"],
    &["environment", "env"],
    &["action"],
];

/// Options that stand alone.
const SWITCHES: &[&str] = &["chart", "summary"];

/// One option.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting<'a> {
    /// Its name, in lower case.
    pub key: &'static str,
    /// Its value in lower case.
    pub value: &'a str,
    /// Its value as it was written.
    pub raw: &'a str,
    /// Where the value begins in the folded text.
    pub start: usize,
}

/// The options of a text.
#[derive(Debug, Default)]
pub(super) struct Options<'a> {
    settings: Vec<Setting<'a>>,
    /// What is wrong with them, in one sentence.
    pub error: Option<String>,
}

impl<'a> Options<'a> {
    /// Takes the options out of the words.
    pub fn take(tokens: &mut [Token<'a>]) -> Self {
        let mut options = Self::default();
        let mut at = 0;
        while at < tokens.len() {
            at += options.read(tokens, at).unwrap_or(1);
        }
        options
    }

    /// The value of an option.
    pub fn get(&self, key: &str) -> Option<Setting<'a>> {
        self.settings.iter().find(|setting| setting.key == key).copied()
    }

    /// All values of an option.
    pub fn all(&self, key: &'static str) -> impl Iterator<Item = &Setting<'a>> {
        self.settings.iter().filter(move |setting| setting.key == key)
    }

    /// Whether a switch is on.
    pub fn switch(&self, key: &str) -> bool {
        self.get(key).is_some_and(|setting| !matches!(setting.value, "false" | "no" | "0" | "off"))
    }

    fn read(&mut self, tokens: &mut [Token<'a>], at: usize) -> Option<usize> {
        let token = tokens[at];
        if token.used {
            return None;
        }
        let name = token.text.trim_start_matches('-');
        let hyphens = token.text.len() - name.len();
        let cut = name.find('=');
        if hyphens == 0 && cut.is_none() || hyphens > 2 || name.is_empty() {
            return None;
        }
        let name = &name[..cut.unwrap_or(name.len())];
        if !name.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_')) {
            return None;
        }
        let Some(key) = KEYS.iter().find(|names| names.contains(&name)).map(|names| names[0])
        else {
            // "-5" and "a=b" in prose are not ours to judge; "--foo" and "foo=" are.
            if hyphens == 1 || name.is_empty() {
                return None;
            }
            let nearest = KEYS
                .iter()
                .flat_map(|names| names.iter())
                .find(|key| {
                    key.len() > 3
                        && strsim::osa_distance(key, name) <= 1 + usize::from(key.len() > 5)
                })
                .map(|key| format!(" Did you mean `{key}`?"))
                .unwrap_or_default();
            let shown: String = name.chars().take(40).collect();
            self.error.get_or_insert(format!("I do not know the option `{shown}`.{nearest}"));
            tokens[at].used = true;
            return Some(1);
        };
        tokens[at].used = true;
        if let Some(cut) = cut {
            let start = hyphens + cut + 1;
            let trim = |text: &'a str| text.trim_matches(['"', '\'', '`']);
            let value = trim(&token.text[start..]);
            let raw = trim(token.raw.get(start..).unwrap_or_default());
            if value.is_empty() && key != "reason" {
                self.error.get_or_insert(format!("The option `{key}` needs a value."));
            } else {
                self.push(key, value, raw, token.start + start);
            }
            return Some(self.list(tokens, at, key));
        }
        if SWITCHES.contains(&key) {
            self.push(key, "true", "true", token.end);
            return Some(1);
        }
        let Some(value) = tokens.get(at + 1).copied() else {
            self.error.get_or_insert(format!("The option `{key}` needs a value."));
            return Some(1);
        };
        tokens[at + 1].used = true;
        self.push(key, value.text, value.raw, value.start);
        Some(1 + self.list(tokens, at + 1, key))
    }

    /// `host=web-1,web-2`: the words after the comma belong to it.
    fn list(&mut self, tokens: &mut [Token<'a>], mut at: usize, key: &'static str) -> usize {
        let mut taken = 1;
        while key == "host" && tokens[at].comma && at + 1 < tokens.len() {
            at += 1;
            let next = tokens[at];
            if next.text.contains('=') || next.text.starts_with('-') {
                break;
            }
            tokens[at].used = true;
            self.push(key, next.text, next.raw, next.start);
            taken += 1;
        }
        taken
    }

    /// The first option that is none of these.
    pub fn other_than(&self, keys: &[&str]) -> Option<&'static str> {
        self.settings.iter().map(|setting| setting.key).find(|key| !keys.contains(key))
    }

    fn push(&mut self, key: &'static str, value: &'a str, raw: &'a str, start: usize) {
        let several = matches!(key, "host" | "group" | "role" | "environment");
        if !several && self.get(key).is_some() {
            self.error.get_or_insert(format!("The option `{key}` is there twice."));
        }
        if self.settings.len() < 64 {
            self.settings.push(Setting { key, value, raw, start });
        }
    }
}
