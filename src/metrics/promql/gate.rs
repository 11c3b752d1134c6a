//! The gate that a query written by a person passes before it is sent.

use std::time::{Duration, SystemTime};

use promql_parser::{
    label::{METRIC_NAME, MatchOp},
    parser::{AtModifier, Expr, Offset, VectorSelector, value::ValueType},
};

use super::{
    scan::{Finding, scan},
    tree::{children, parse, print, shorten},
};

/// What a query may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest text, in bytes.
    pub bytes: usize,
    /// The longest range, subquery and offset.
    pub range: Duration,
    /// The most selectors.
    pub selectors: usize,
    /// The most points of a subquery.
    pub points: u64,
    /// The most samples read of one series, all selectors together.
    pub samples: u64,
    /// How far apart samples are taken to be.
    pub interval: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 4096,
            range: Duration::from_hours(31 * 24),
            selectors: 10,
            points: 11_000,
            samples: 1_000_000,
            interval: Duration::from_secs(15),
        }
    }
}

/// A query that passed the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gated(String);

impl Gated {
    /// The query as it is sent: read, checked and written down again.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a query does not pass: one sentence with the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateRefusal {
    /// Nothing was written.
    #[error("the query is empty: write PromQL, such as `up` or `node_load1 > 4`")]
    Empty,
    /// Too much was written.
    #[error("the query has {0} bytes, and I accept {1}: make it shorter")]
    TooLong(usize, usize),
    /// It contains what the reader cannot see.
    #[error("the query contains invisible or control characters: type it again without them")]
    Invisible,
    /// Too complicated to be read safely.
    #[error("the query has too many {0}: ask in smaller steps")]
    TooComplex(&'static str),
    /// A regular expression that is too long.
    #[error("a regular expression in the query is wrong or too large: make it simpler")]
    Pattern,
    /// A length of time that is none.
    #[error("a range or offset in the query is not a length of time such as 5m or 1h30m")]
    Duration,
    /// A moment that is none.
    #[error("the time after `@` is out of range: write seconds since 1970")]
    Time,
    /// The parser's own words.
    #[error("this is not PromQL: {0}")]
    Syntax(String),
    /// A range vector or a string.
    #[error("the query gives {0}, not numbers: use a function such as rate(…) or avg_over_time(…)")]
    ResultType(&'static str),
    /// A selector that could match everything.
    #[error("`{0}` may match every series: name the metric, or give one label an exact value")]
    TooBroad(String),
    /// A selector that finds metrics by pattern.
    #[error("metrics cannot be chosen by a pattern or by exclusion: write the metric's exact name")]
    NamePattern,
    /// VictoriaMetrics' `or` between matchers, and other words that are not PromQL.
    #[error("{0} is not accepted here: write it in plain PromQL")]
    Extension(&'static str),
    /// A function that makes labels up.
    #[error("{0} is not accepted: it makes up labels, and then the answer is no evidence")]
    Function(&'static str),
    /// Longer than allowed.
    #[error("a range, offset or subquery is longer than {0} days: make it shorter")]
    TooFar(u64),
    /// A subquery within a subquery.
    #[error("a subquery inside a subquery is not accepted: ask in two steps")]
    NestedSubquery,
    /// A subquery with too many points.
    #[error("a subquery would have {0} points, and I accept {1}: make its step longer")]
    TooManyPoints(u64, u64),
    /// Too much to read.
    #[error(
        "the query would read {0} samples of each series, and I accept {1}: shorten its ranges"
    )]
    TooManySamples(u64, u64),
    /// It cannot be printed as it was meant.
    #[error("the query cannot be written down without changing its meaning: make it simpler")]
    Ambiguous,
}

/// Lets a query pass or says why not. Total: every text gets an answer, in bounded time and stack.
pub fn gate(text: &str, limits: &Limits) -> Result<Gated, GateRefusal> {
    let text = text.trim();
    if text.is_empty() {
        return Err(GateRefusal::Empty);
    }
    if text.len() > limits.bytes {
        return Err(GateRefusal::TooLong(text.len(), limits.bytes));
    }
    visible(text)?;
    scan(text).map_err(|finding| match finding {
        Finding::Nesting => GateRefusal::TooComplex("nested brackets"),
        Finding::Operators => GateRefusal::TooComplex("operators"),
        Finding::Brackets => GateRefusal::TooComplex("ranges"),
        Finding::Pattern => GateRefusal::Pattern,
        Finding::Duration => GateRefusal::Duration,
    })?;
    let query = print(&read(text)?).map_err(|_| GateRefusal::Ambiguous)?;
    // An escape such as `\a` hid what is printed plainly.
    visible(&query)?;
    // What is checked is what is sent, not what was typed: were the two to differ, no harm is done.
    let expr = read(&query)?;
    match expr.value_type() {
        ValueType::Vector | ValueType::Scalar => {}
        ValueType::Matrix => return Err(GateRefusal::ResultType("a range of samples")),
        ValueType::String => return Err(GateRefusal::ResultType("text")),
    }
    let mut check = Check { limits, selectors: 0, samples: 0 };
    check.expr(&expr, None)?;
    if check.selectors > limits.selectors {
        return Err(GateRefusal::TooComplex("selectors"));
    }
    if check.samples > limits.samples {
        return Err(GateRefusal::TooManySamples(check.samples, limits.samples));
    }
    Ok(Gated(query))
}

fn visible(text: &str) -> Result<(), GateRefusal> {
    if chat::escape_invisible(text) == text { Ok(()) } else { Err(GateRefusal::Invisible) }
}

fn read(text: &str) -> Result<Expr, GateRefusal> {
    parse(text).map_err(|reason| {
        if reason.starts_with("illegal regex") {
            GateRefusal::Pattern
        } else {
            GateRefusal::Syntax(shorten(&reason))
        }
    })
}

struct Check<'a> {
    limits: &'a Limits,
    selectors: usize,
    samples: u64,
}

impl Check<'_> {
    /// Checks a node and all below; `points` is how often the enclosing subquery evaluates it.
    fn expr(&mut self, expr: &Expr, points: Option<u64>) -> Result<(), GateRefusal> {
        let mut points = points;
        match expr {
            Expr::VectorSelector(selector) => self.selector(selector, Duration::ZERO, points)?,
            Expr::MatrixSelector(matrix) => {
                self.reach(matrix.range)?;
                self.selector(&matrix.vs, matrix.range, points)?;
            }
            Expr::Subquery(subquery) => {
                if points.is_some() {
                    return Err(GateRefusal::NestedSubquery);
                }
                self.reach(subquery.range)?;
                self.moved(subquery.offset.as_ref(), subquery.at.as_ref())?;
                // Without a step the server takes its evaluation interval, a minute by default.
                let step = subquery.step.unwrap_or(Duration::from_mins(1));
                let count = ratio(subquery.range, step) + 1;
                if count > self.limits.points {
                    return Err(GateRefusal::TooManyPoints(count, self.limits.points));
                }
                points = Some(count);
            }
            Expr::Call(call) => match call.func.name {
                "label_replace" | "label_join" | "info" => {
                    return Err(GateRefusal::Function(call.func.name));
                }
                _ => {}
            },
            Expr::Binary(binary) => {
                let filled = binary.modifier.as_ref().is_some_and(|modifier| {
                    modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some()
                });
                if filled {
                    return Err(GateRefusal::Extension("`fill`"));
                }
            }
            Expr::Extension(_) => return Err(GateRefusal::Extension("this")),
            Expr::Aggregate(_)
            | Expr::Unary(_)
            | Expr::Paren(_)
            | Expr::NumberLiteral(_)
            | Expr::StringLiteral(_) => {}
        }
        children(expr).into_iter().try_for_each(|child| self.expr(child, points))
    }

    fn selector(
        &mut self,
        selector: &VectorSelector,
        range: Duration,
        points: Option<u64>,
    ) -> Result<(), GateRefusal> {
        self.moved(selector.offset.as_ref(), selector.at.as_ref())?;
        if !selector.matchers.or_matchers.is_empty() {
            return Err(GateRefusal::Extension("`or` between matchers"));
        }
        let matchers = &selector.matchers.matchers;
        let exact = |op: &MatchOp| matches!(op, MatchOp::Equal);
        if matchers.iter().any(|matcher| matcher.name == METRIC_NAME && !exact(&matcher.op)) {
            return Err(GateRefusal::NamePattern);
        }
        // Whether a pattern narrows anything cannot be decided by looking at it: `a.*|[^a].*`.
        let narrow = selector.name.is_some()
            || matchers.iter().any(|matcher| exact(&matcher.op) && !matcher.value.is_empty());
        if !narrow {
            return Err(GateRefusal::TooBroad(shorten(&selector.to_string())));
        }
        self.selectors += 1;
        let read = (ratio(range, self.limits.interval) + 1).saturating_mul(points.unwrap_or(1));
        self.samples = self.samples.saturating_add(read);
        Ok(())
    }

    fn moved(&self, offset: Option<&Offset>, at: Option<&AtModifier>) -> Result<(), GateRefusal> {
        match offset {
            Some(Offset::Pos(by) | Offset::Neg(by)) => self.reach(*by)?,
            None => {}
        }
        // A fixed time costs no more than now, wherever it is; only nonsense is refused.
        match at {
            Some(AtModifier::At(time)) if !is_near(*time) => Err(GateRefusal::Time),
            _ => Ok(()),
        }
    }

    fn reach(&self, far: Duration) -> Result<(), GateRefusal> {
        if far > self.limits.range {
            return Err(GateRefusal::TooFar(self.limits.range.as_secs() / 86_400));
        }
        Ok(())
    }
}

/// Whether a time is between 1970 and 2100.
fn is_near(time: SystemTime) -> bool {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .is_ok_and(|since| since < Duration::from_hours(130 * 366 * 24))
}

fn ratio(range: Duration, step: Duration) -> u64 {
    u64::try_from(range.as_millis() / step.as_millis().max(1)).unwrap_or(u64::MAX - 1)
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
