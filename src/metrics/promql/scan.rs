//! A look at the raw text of a query before it is parsed. The parser builds nested trees, which are
//! walked recursively, and panics on some numbers: both are ruled out here, by counting.

/// How many brackets may be open at once.
const MAX_DEPTH: usize = 24;
/// How many operators a query may have; each may nest the tree once more.
const MAX_OPERATORS: usize = 64;
/// How many ranges and subqueries.
const MAX_BRACKETS: usize = 16;
/// What all regular expressions of a query may weigh together: each is compiled, here and by the
/// server. The weight is the length, times the counted repetitions `{n}`; classes such as `\\w`
/// are the largest part of a compiled expression, so that escapes weigh more.
const MAX_PATTERN_WEIGHT: u64 = 4096;
const ESCAPE_WEIGHT: u64 = 16;

/// What is wrong with the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    Nesting,
    Operators,
    Brackets,
    Pattern,
    Duration,
}

/// Counts what makes a query expensive to parse. Linear, without recursion.
pub(super) fn scan(text: &str) -> Result<(), Finding> {
    let bytes = text.as_bytes();
    let (mut depth, mut operators, mut brackets, mut patterns) = (0_usize, 0, 0, 0_u64);
    let (mut in_braces, mut after_offset, mut after_pattern) = (false, false, false);
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | 0x0c => continue,
            b'#' => {
                at = end_of(bytes, at, |b| b != b'\n' && b != b'\r');
                continue;
            }
            b'"' | b'\'' | b'`' => {
                at = end_of_string(bytes, at, byte);
                if after_pattern {
                    patterns = patterns.saturating_add(weight(&bytes[start..at]));
                }
            }
            b'[' => {
                brackets += 1;
                at = end_of(bytes, at, |b| b != b']');
                let inside = &bytes[start + 1..at];
                let known = |b: &u8| b.is_ascii_whitespace() || *b == b':' || is_duration(*b);
                if !inside.iter().all(known) || !short_numbers(inside) {
                    return Err(Finding::Duration);
                }
            }
            b'(' | b'{' => {
                depth += 1;
                in_braces |= byte == b'{';
            }
            b')' | b'}' => {
                depth = depth.saturating_sub(1);
                in_braces &= byte != b'}';
            }
            b'~' => {
                after_pattern = true;
                continue;
            }
            b'+' | b'-' => {
                operators += 1;
                if after_offset {
                    continue;
                }
            }
            b'*' | b'/' | b'%' | b'^' | b'<' | b'>' | b'=' | b'!' if !in_braces => operators += 1,
            b'0'..=b'9' | b'.' => {
                at = end_of(bytes, at, |b| b.is_ascii_alphanumeric() || b == b'.' || b == b'_');
                let number = &bytes[start..at];
                let plain = number.iter().all(|b| is_duration(*b)) && short_numbers(number);
                if after_offset && !plain {
                    return Err(Finding::Duration);
                }
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b':' => {
                at = end_of(bytes, at, |b| b.is_ascii_alphanumeric() || b == b'_' || b == b':');
                match text[start..at].to_ascii_lowercase().as_str() {
                    "offset" => {
                        after_offset = true;
                        continue;
                    }
                    "inf" | "nan" if after_offset => return Err(Finding::Duration),
                    "and" | "or" | "unless" | "atan2" => operators += 1,
                    _ => {}
                }
            }
            _ => {}
        }
        (after_offset, after_pattern) = (false, false);
        let finding = match () {
            () if depth > MAX_DEPTH => Finding::Nesting,
            () if operators > MAX_OPERATORS => Finding::Operators,
            () if brackets > MAX_BRACKETS => Finding::Brackets,
            () if patterns > MAX_PATTERN_WEIGHT => Finding::Pattern,
            () => continue,
        };
        return Err(finding);
    }
    Ok(())
}

/// A character of a duration such as `1h30m`.
fn is_duration(byte: u8) -> bool {
    byte.is_ascii_digit() || b"smhdwy".contains(&byte)
}

/// Whether no number has more than nine digits: larger ones overflow the parser's durations.
fn short_numbers(bytes: &[u8]) -> bool {
    !bytes.windows(10).any(|window| window.iter().all(u8::is_ascii_digit))
}

/// How much of the compiler's time a regular expression may take.
fn weight(pattern: &[u8]) -> u64 {
    let escapes = pattern.split(|byte| *byte == b'\\').skip(1).count() as u64;
    // Every number in braces counts, whatever it means there.
    let repetitions = pattern.split(|byte| *byte == b'{').skip(1).map(|group| {
        let inside = group.split(|byte| *byte == b'}').next().unwrap_or_default();
        let numbers = inside.split(|byte| !byte.is_ascii_digit());
        let numbers = numbers.filter_map(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        numbers.max().unwrap_or(1).max(1)
    });
    let length = pattern.len() as u64 + escapes * ESCAPE_WEIGHT;
    repetitions.fold(length, u64::saturating_mul)
}

fn end_of(bytes: &[u8], from: usize, part: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().position(|byte| !part(*byte)).unwrap_or(rest.len())
}

/// The position after the closing quote. A backslash escapes in every kind of quotes, as the parser
/// has it.
fn end_of_string(bytes: &[u8], from: usize, quote: u8) -> usize {
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        at += if byte == b'\\' { 2 } else { 1 };
        if byte == quote {
            break;
        }
    }
    at.min(bytes.len())
}
