//! Reading, changing and printing syntax trees.

use std::panic::{AssertUnwindSafe, catch_unwind};

use promql_parser::{
    label::Matcher,
    parser::{BinModifier, Expr, LabelModifier, VectorSelector, token},
};

/// Why a tree cannot become a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The label name is not one Prometheus knows how to write.
    #[error("`{0}` is not a label name: write letters, digits and underscores")]
    LabelName(String),
    /// A host has a name that cannot be matched.
    #[error("a host's label value cannot be written as a matcher")]
    LabelValue,
    /// What was printed reads back as something else.
    #[error("the query cannot be written down without changing its meaning")]
    Ambiguous,
}

/// Reads PromQL. The parser is foreign code: should it panic, the query is refused, not the program.
pub(super) fn parse(text: &str) -> Result<Expr, String> {
    catch_unwind(AssertUnwindSafe(|| promql_parser::parser::parse(text)))
        .unwrap_or_else(|_| Err("the parser gave up".to_owned()))
}

/// The direct parts of an expression. Unlike the crate's own visitor, this includes the parameter
/// of an aggregation: `topk(scalar(count(up)), up)` holds two selectors.
pub(super) fn children(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Aggregate(aggregate) => {
            aggregate.param.iter().map(|param| &**param).chain([&*aggregate.expr]).collect()
        }
        Expr::Unary(unary) => vec![&unary.expr],
        Expr::Binary(binary) => vec![&binary.lhs, &binary.rhs],
        Expr::Paren(paren) => vec![&paren.expr],
        Expr::Subquery(subquery) => vec![&subquery.expr],
        Expr::Call(call) => call.args.args.iter().map(|argument| &**argument).collect(),
        Expr::Extension(extension) => extension.expr.children().iter().collect(),
        Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::VectorSelector(_)
        | Expr::MatrixSelector(_) => vec![],
    }
}

fn children_mut(expr: &mut Expr) -> Vec<&mut Expr> {
    match expr {
        Expr::Aggregate(aggregate) => {
            let param = aggregate.param.iter_mut().map(|param| &mut **param);
            param.chain([&mut *aggregate.expr]).collect()
        }
        Expr::Unary(unary) => vec![&mut unary.expr],
        Expr::Binary(binary) => vec![&mut binary.lhs, &mut binary.rhs],
        Expr::Paren(paren) => vec![&mut paren.expr],
        Expr::Subquery(subquery) => vec![&mut subquery.expr],
        Expr::Call(call) => call.args.args.iter_mut().map(|argument| &mut **argument).collect(),
        Expr::Extension(_)
        | Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::VectorSelector(_)
        | Expr::MatrixSelector(_) => vec![],
    }
}

/// Applies a change to every node, parents first.
pub(super) fn for_each_mut(expr: &mut Expr, change: &mut impl FnMut(&mut Expr)) {
    change(expr);
    for child in children_mut(expr) {
        for_each_mut(child, change);
    }
}

pub(super) fn selector_mut(expr: &mut Expr) -> Option<&mut VectorSelector> {
    match expr {
        Expr::VectorSelector(selector) => Some(selector),
        Expr::MatrixSelector(matrix) => Some(&mut matrix.vs),
        _ => None,
    }
}

/// A selector of one metric.
pub fn metric(name: &'static str) -> Expr {
    Expr::VectorSelector(VectorSelector::from(name))
}

/// The same expression, asked only of these label values: one matcher more on every selector.
pub fn select(mut expr: Expr, label: &str, values: &[String]) -> Result<Expr, TreeError> {
    let valid = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && label.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !valid {
        return Err(TreeError::LabelName(shorten(label)));
    }
    let (operator, value) = match values {
        // An empty pattern would match what has no such label at all.
        [] => return Err(TreeError::LabelValue),
        [only] => (token::T_EQL, only.clone()),
        many => {
            let escaped: Vec<_> = many.iter().map(|value| escape_regex(value)).collect();
            (token::T_EQL_REGEX, escaped.join("|"))
        }
    };
    let matcher = Matcher::new_matcher(operator, label.to_owned(), value)
        .map_err(|_| TreeError::LabelValue)?;
    for_each_mut(&mut expr, &mut |node| {
        if let Some(selector) = selector_mut(node) {
            selector.matchers.matchers.push(matcher.clone());
        }
    });
    Ok(expr)
}

/// Escapes the characters that mean something in both Go's and Rust's regular expressions.
fn escape_regex(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Writes the tree down, and makes sure that what is written means the tree.
pub fn print(expr: &Expr) -> Result<String, TreeError> {
    let mut expr = expr.clone();
    normalise(&mut expr);
    let text = expr.to_string();
    let mut again = parse(&text).map_err(|_| TreeError::Ambiguous)?;
    normalise(&mut again);
    if again == expr { Ok(text) } else { Err(TreeError::Ambiguous) }
}

/// Removes differences without a meaning: the order of matchers, and modifiers that do nothing.
fn normalise(expr: &mut Expr) {
    for_each_mut(expr, &mut |node| {
        if let Some(selector) = selector_mut(node) {
            selector.matchers.matchers.sort_by_cached_key(ToString::to_string);
        }
        match node {
            Expr::Aggregate(aggregate) => {
                if matches!(&aggregate.modifier, Some(LabelModifier::Include(by)) if by.is_empty())
                {
                    aggregate.modifier = None;
                }
            }
            Expr::Binary(binary) => {
                if let Some(modifier) = &mut binary.modifier {
                    if matches!(&modifier.matching, Some(LabelModifier::Exclude(ignoring)) if ignoring.is_empty())
                    {
                        modifier.matching = None;
                    }
                    if *modifier == BinModifier::default() {
                        binary.modifier = None;
                    }
                }
            }
            _ => {}
        }
    });
}

/// A piece of somebody's text, fit to be shown in a refusal.
pub(super) fn shorten(text: &str) -> String {
    let escaped = chat::escape_invisible(text).replace(['\n', '\t', '`'], " ");
    let mut shown: String = escaped.chars().take(60).collect();
    if escaped.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The values of every `instance` matcher of a printed query, as a second reader sees them.
    fn instance_matchers(query: &str) -> Vec<(String, String)> {
        fn collect(expr: &Expr, out: &mut Vec<(String, String)>) {
            let selector = match expr {
                Expr::VectorSelector(selector) => Some(selector),
                Expr::MatrixSelector(matrix) => Some(&matrix.vs),
                _ => None,
            };
            for matcher in selector.iter().flat_map(|selector| &selector.matchers.matchers) {
                if matcher.name == "instance" {
                    out.push((matcher.op.to_string(), matcher.value.clone()));
                }
            }
            for child in children(expr) {
                collect(child, out);
            }
        }
        let mut out = vec![];
        collect(&parse(query).unwrap(), &mut out);
        out
    }

    const TWO_SELECTORS: &str = r#"100 * (1 - rate(a{mode="idle"}[5m]) / topk(3, b))"#;

    #[test]
    fn every_selector_gets_the_matcher() {
        let expr = parse(TWO_SELECTORS).unwrap();
        let one = select(expr.clone(), "instance", &["web-1:9100".into()]).unwrap();
        assert_eq!(
            print(&one).unwrap(),
            r#"100 * (1 - rate(a{instance="web-1:9100",mode="idle"}[5m]) / topk(3, b{instance="web-1:9100"}))"#
        );
        let two = select(expr, "instance", &["a.b:1".into(), "c|d".into()]).unwrap();
        let query = print(&two).unwrap();
        let expected = ("=~".to_owned(), r"a\.b:1|c\|d".to_owned());
        assert_eq!(instance_matchers(&query), [expected.clone(), expected]);
    }

    #[test]
    fn a_selector_in_the_parameter_of_an_aggregation_gets_the_matcher_too() {
        let expr = parse("topk(scalar(count(a)), b)").unwrap();
        let query = print(&select(expr, "instance", &["x".into()]).unwrap()).unwrap();
        assert_eq!(query, r#"topk(scalar(count(a{instance="x"})), b{instance="x"})"#);
    }

    #[test]
    fn a_label_name_is_never_taken_on_trust() {
        for name in ["", "a-b", "1a", "a\"b", "a=\"\"} or up{b", "é"] {
            let refused = select(parse("up").unwrap(), name, &["x".into()]);
            assert!(matches!(refused, Err(TreeError::LabelName(_))), "{name}");
        }
    }

    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("\"".to_owned()),
            Just("\\".to_owned()),
            Just("\n".to_owned()),
            Just("\r\t\u{0}\u{b}\u{7f}".to_owned()),
            Just("\"} or vector(1) or up{a=\"".to_owned()),
            Just("'`{}[]()|.*+?^$#".to_owned()),
            Just("\\\"".to_owned()),
            Just("\\x41\\u0041\\101".to_owned()),
            Just("\u{202e}\u{200b}é漢🦀\u{fffd}".to_owned()),
            ".*",
        ];
        proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_value_reads_back_as_itself(values in proptest::collection::vec(hostile(), 1..4)) {
            let expr = select(parse(TWO_SELECTORS).unwrap(), "instance", &values).unwrap();
            let query = print(&expr).unwrap();
            let found = instance_matchers(&query);
            prop_assert_eq!(found.len(), 2);
            for (operator, value) in found {
                if let [only] = &values[..] {
                    prop_assert_eq!((operator.as_str(), &value), ("=", only));
                } else {
                    prop_assert_eq!(operator.as_str(), "=~");
                    // The pattern matches exactly the values, and the rest of the query is untouched.
                    let matcher =
                        Matcher::new_matcher(token::T_EQL_REGEX, "instance".into(), value).unwrap();
                    prop_assert!(values.iter().all(|value| matcher.is_match(value)));
                    prop_assert!(!matcher.is_match("something else"));
                }
            }
        }
    }
}
