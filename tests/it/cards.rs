//! The same cards on every platform, as they were looked at: `docs/platforms/cards.md` shows them.
//!
//! When a card is to look otherwise, the files are written anew by one command, and the pictures from them by
//! the other:
//!
//! ```sh
//! cargo test --all-features --test it cards -- --ignored
//! tests/cards.py
//! ```

use std::{
    fs,
    path::{Path, PathBuf},
};

use chat::{Block, Card, Style, testing::sample_cards};
use serde_json::{Value, json};

fn file(platform: &str, name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cards").join(platform);
    folder.join(name)
}

fn pretty(value: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).unwrap())
}

fn slack(card: &Card) -> String {
    let images = card.blocks.iter().filter(|block| matches!(block, Block::Image(_)));
    let pictures: Vec<_> = images.map(|_| Some("F0123".into())).collect();
    pretty(&json!(slack::content(card, &pictures)))
}

fn discord(card: &Card) -> String {
    pretty(&discord::message(card, "0123456789abcdef01234567").0)
}

fn matrix(card: &Card) -> String {
    pretty(&matrix::message(card, true))
}

/// Every card on every platform: the file that it is kept in, and what is in it.
fn rendered() -> Vec<(PathBuf, String)> {
    let of = |(name, card): (&str, Card)| {
        let text = format!("{}\n", chat::text(&card, Style::Plain));
        [
            (file("console", &format!("{name}.txt")), text),
            (file("discord", &format!("{name}.json")), discord(&card)),
            (file("matrix", &format!("{name}.json")), matrix(&card)),
            (file("slack", &format!("{name}.json")), slack(&card)),
        ]
    };
    sample_cards().into_iter().flat_map(of).collect()
}

#[test]
fn every_card_looks_as_it_was_looked_at() {
    for (file, now) in rendered() {
        let kept = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(kept, now, "{} is to be looked at and written anew", file.display());
    }
}

#[test]
#[ignore = "writes the files anew"]
fn write_the_files_anew() {
    for (file, now) in rendered() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, now).unwrap();
    }
}
