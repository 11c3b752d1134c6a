//! Whether a sorted table of hosts is wanted: "top 3 hosts by cpu", "which host has the most …".
//! "Highest cpu of web-1" is no table: one host has nothing to be sorted against.

use crate::metrics::{Signal, Stat};

use super::{Cues, Order, Word, any};
use crate::bot::intent::{hosts::Hosts, tokens::Token};

/// The words that speak of order.
#[derive(Default)]
struct Words {
    /// Where the first superlative stands.
    superlative: Option<usize>,
    /// Where the first general word for hosts stands, and whether it is a plural.
    noun: Option<(usize, bool)>,
    way: Option<Order>,
    free: bool,
    top: bool,
    which: bool,
    all: bool,
    sorted: bool,
    threshold: bool,
    /// "high", "low": hosts that stand out are asked for.
    remarkable: bool,
}

impl Words {
    fn collect(tokens: &[Token<'_>]) -> Self {
        let mut words = Self::default();
        for (at, token) in tokens.iter().enumerate() {
            if let Some(order) = superlative(token) {
                words.superlative = words.superlative.or(Some(at));
                words.way = words.way.or(Some(order));
            }
            match token.word {
                Some(Word::Top) => {
                    words.top = true;
                    words.way = Some(Order::Desc);
                }
                Some(Word::Bottom) => {
                    words.top = true;
                    words.way = Some(Order::Asc);
                }
                Some(Word::Host(plural)) => words.noun = words.noun.or(Some((at, plural))),
                Some(Word::Free) => words.free = true,
                Some(Word::All) => words.all = true,
                _ => {}
            }
            match token.text {
                "which" | "who" | "wich" => words.which = true,
                "desc" | "descending" => words.way = Some(Order::Desc),
                "asc" | "ascending" => words.way = Some(Order::Asc),
                "sort" | "sorted" | "rank" | "ranked" | "order" | "ordered" => words.sorted = true,
                "by" => words.sorted |= words.noun.is_some(),
                "above" | "over" | "exceeding" | "exceed" | "exceeds" | "than" => {
                    words.threshold = true;
                }
                // "low on disk" is a full disk; "low cpu" is little of it.
                "high" | "heavy" | "low" => {
                    words.remarkable = true;
                    let on = tokens.get(at + 1).is_some_and(|next| next.text == "on");
                    let little = token.text == "low" && !on;
                    words.way = words.way.or(Some(if little { Order::Asc } else { Order::Desc }));
                }
                "below" | "under" => {
                    words.threshold = true;
                    words.way = words.way.or(Some(Order::Asc));
                }
                _ => {}
            }
        }
        words
    }

    /// Whether the superlative is about the hosts: "host with the highest", "busiest host".
    fn about_hosts(&self, tokens: &[Token<'_>]) -> bool {
        let (Some(superlative), Some((noun, _))) = (self.superlative, self.noun) else {
            return false;
        };
        if noun > superlative {
            return !tokens[superlative..noun].iter().any(|token| {
                matches!(token.word, Some(Word::Preposition | Word::In | Word::All))
                    || token.text == "across"
            });
        }
        let of_this = noun > 0 && tokens[noun - 1].word == Some(Word::This);
        !of_this && tokens[..noun].iter().all(|token| token.word != Some(Word::All))
    }
}

/// The order that a superlative asks for. A peak is a number, not an order.
fn superlative(token: &Token<'_>) -> Option<Order> {
    match token.word? {
        Word::Most => Some(Order::Desc),
        Word::Least | Word::Stat(Stat::Min) => Some(Order::Asc),
        Word::Stat(Stat::Max) if !token.text.starts_with("peak") => Some(Order::Desc),
        Word::Busy if token.text == "busiest" => Some(Order::Desc),
        _ => None,
    }
}

impl Cues {
    /// Finds whether a table is wanted, how it is sorted, and whether only its first row.
    pub(super) fn find_ranking(&mut self, tokens: &[Token<'_>], hosts: &Hosts) {
        let words = Words::collect(tokens);
        let hogs = any(tokens, &["hog", "hogs", "hogging"]);
        let busiest = any(tokens, &["busiest"]);
        let single = hosts.by_name && hosts.names.len() == 1;
        self.threshold = tokens.iter().enumerate().any(|(at, token)| {
            matches!(
                token.text,
                "above" | "over" | "below" | "under" | "exceeding" | "exceeds" | "than" | "exceed"
            ) && tokens
                .get(at + 1)
                .is_some_and(|next| !next.used && next.text.as_bytes()[0].is_ascii_digit())
        });
        self.ranking = !single && self.wants_table(tokens, &words, hosts, hogs || busiest);
        if !self.ranking {
            self.read_superlative_as_stat(tokens, &words);
            return;
        }
        // The most free is the least used.
        self.order = match (words.way.unwrap_or(Order::Desc), words.free) {
            (Order::Desc, true) | (Order::Asc, false) => Order::Asc,
            (Order::Asc, true) | (Order::Desc, false) => Order::Desc,
        };
        // "max" orders the table here; "peak" and "average" still say which number.
        let by_stat =
            words.superlative.is_some_and(|at| matches!(tokens[at].word, Some(Word::Stat(_))));
        let peaks = tokens.iter().any(|token| token.text.starts_with("peak"));
        if by_stat && !peaks && matches!(self.stat, Some(Stat::Max | Stat::Min)) {
            let averages =
                tokens.iter().any(|token| token.word == Some(Word::Stat(Stat::Avg)) && !token.used);
            self.stat = averages.then_some(Stat::Avg);
        }
        self.hosts_ranked_by_work =
            words.free || busiest || any(tokens, &["idlest", "quietest", "hottest", "heaviest"]);
        self.one = match words.noun {
            Some((_, plural)) => {
                !plural && (words.which || words.superlative.is_some() || words.top)
            }
            None => (words.superlative.is_some() || hogs) && !words.top,
        } && !any(tokens, &["group", "groups"]);
    }

    fn wants_table(
        &self,
        tokens: &[Token<'_>],
        words: &Words,
        hosts: &Hosts,
        works_most: bool,
    ) -> bool {
        let noun = words.noun.is_some();
        let superlative = words.superlative.is_some();
        if words.top && (self.signal.is_some() || noun) {
            return true;
        }
        if works_most && (words.which || self.question || superlative) {
            return true;
        }
        let using = any(tokens, &["using", "uses", "eating", "consuming"])
            && tokens.first().is_some_and(|token| token.word == Some(Word::Question));
        // "who is eating all the memory"
        if using && tokens[0].text == "who" && hosts.names.is_empty() && self.signal.is_some() {
            return true;
        }
        let counted = hosts.is_none() && self.number.is_some() && noun;
        if superlative && (words.which || using || counted || words.about_hosts(tokens)) {
            return true;
        }
        if words.sorted && noun && !(words.all && self.signal.is_none()) {
            return true;
        }
        let percent =
            tokens.iter().any(|token| token.text.ends_with('%') || token.text == "percent");
        (words.remarkable && !words.all || words.threshold && percent)
            && noun
            && (words.which || any(tokens, &["any", "hosts", "servers"]))
    }

    /// "highest cpu of web-1": a maximum.
    fn read_superlative_as_stat(&mut self, tokens: &[Token<'_>], words: &Words) {
        if self.stat.is_none_or(|stat| stat == Stat::Current) {
            match words.superlative.and_then(|at| tokens[at].word) {
                Some(Word::Most) => self.stat = Some(Stat::Max),
                Some(Word::Least) => self.stat = Some(Stat::Min),
                _ => {}
            }
        }
        // The least free is the most used.
        if words.free && matches!(self.signal, Some(Signal::Disk | Signal::Memory | Signal::Swap)) {
            self.stat = match self.stat {
                Some(Stat::Min) => Some(Stat::Max),
                Some(Stat::Max) => Some(Stat::Min),
                other => other,
            };
        }
    }
}
