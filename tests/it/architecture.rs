//! The rules of docs/ARCHITECTURE.md that a machine can check, checked on the sources.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What decides without touching the world, by the beginning of its path under `src`.
const PURE: [&str; 22] = [
    "access.rs",
    "anomaly/backtest",
    "anomaly/evaluate",
    "anomaly/incident",
    "anomaly/model/format.rs",
    "anomaly/simulate",
    "bot/intent.rs",
    "bot/intent/",
    "bot/scope.rs",
    "bot/cards.rs",
    "bot/cards/",
    "chart.rs",
    "chart/",
    "format.rs",
    "metrics/exposition",
    "metrics/fleet.rs",
    "metrics/forecast",
    "metrics/host/pages.rs",
    "metrics/host/rates.rs",
    "metrics/interfaces.rs",
    "metrics/promql",
    "metrics/window.rs",
];

/// What touches the world.
const WORLD: [&str; 10] = [
    "tokio",
    "sqlx",
    "reqwest",
    "axum",
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "sysinfo",
    "prometheus_http_query",
];

struct Source {
    /// Under `src`.
    path: String,
    /// Without comments and without the tests at its end.
    code: String,
    lines: usize,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut found = Vec::new();
    walk(&src, &mut |file| {
        if file.extension().is_none_or(|extension| extension != "rs") {
            return;
        }
        let path = file.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/");
        let text = fs::read_to_string(file).unwrap();
        let is_test = path.ends_with("tests.rs");
        let body = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
        let code = body
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        let code = if is_test { String::new() } else { code };
        found.push(Source { path, code, lines: text.lines().count() });
    });
    assert!(found.len() > 50, "{}", found.len());
    found
}

fn walk(directory: &Path, visit: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, visit) } else { visit(&path) }
    }
}

/// The lines of the sources that say this, outside the files that may.
fn who_says(words: &str, may: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| !may(&source.path)) {
        let lines = source.code.lines().filter(|line| names(line, words));
        found.extend(lines.map(|line| format!("{}: {}", source.path, line.trim())));
    }
    found
}

/// Whether a line has these words, and not only as part of a longer name.
fn names(line: &str, words: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(words).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + words.len()..].chars().next();
        !before.is_some_and(part_of_name) && !after.is_some_and(part_of_name)
    })
}

#[test]
fn what_decides_does_not_touch_the_world() {
    for pure in PURE {
        assert!(
            sources().iter().any(|source| source.path.starts_with(pure)),
            "there is no {pure}: name what took its place"
        );
    }
    let impure = |path: &str| !PURE.iter().any(|pure| path.starts_with(pure));
    for crate_name in WORLD {
        let found = who_says(crate_name, impure);
        assert!(found.is_empty(), "{crate_name} in what should be pure:\n{}", found.join("\n"));
    }
    // `use std::{fs, …}` says the same in other words.
    for name in ["fs", "net", "process", "env"] {
        let found: Vec<_> = sources()
            .iter()
            .filter(|source| !impure(&source.path))
            .flat_map(|source| imports_of_std(&source.code))
            .filter(|import| names(import, name))
            .collect();
        assert!(found.is_empty(), "{name}: {found:?}");
    }
}

/// The lists of `use std::{…};`, each as one text.
fn imports_of_std(code: &str) -> Vec<String> {
    code.split("use std::{")
        .skip(1)
        .filter_map(|rest| rest.split(';').next())
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn only_the_outbox_posts() {
    let found = who_says(".post(", |path| path == "bot/outbox.rs");
    // What takes a reply to the outbox is not posting.
    let found: Vec<_> = found.iter().filter(|line| !line.contains("outbox.post(")).collect();
    assert!(found.is_empty(), "{found:#?}");
    assert!(
        sources().iter().any(|source| {
            source.path == "bot/outbox.rs" && source.code.contains("adapter.post(")
        })
    );
}

#[test]
fn only_the_clock_knows_the_time() {
    for words in ["Utc::now", "Local::now", "SystemTime::now"] {
        let found = who_says(words, |path| path == "clock.rs");
        assert!(found.is_empty(), "{found:#?}");
    }
}

#[test]
fn only_the_configuration_reads_the_environment() {
    let found = who_says("std::env", |path| path == "config.rs");
    let other: Vec<_> = found
        .iter()
        .filter(|line| {
            !line.contains("std::env::args_os()") && !line.contains("std::env::temp_dir")
        })
        .collect();
    assert!(other.is_empty(), "{other:#?}");
}

#[test]
fn the_tables_hold_only_what_both_databases_know() {
    let mut columns = 0;
    walk(&root().join("migrations"), &mut |file| {
        let sql = fs::read_to_string(file).unwrap();
        let sql: String =
            sql.lines().map(|line| line.split("--").next().unwrap()).collect::<Vec<_>>().join("\n");
        for table in sql.split("CREATE TABLE ").skip(1) {
            let body = table.split_once('(').unwrap().1.split(");").next().unwrap();
            // A line begins a column when it begins with a small letter.
            for line in body.lines().map(str::trim) {
                if !line.starts_with(|c: char| c.is_ascii_lowercase()) {
                    continue;
                }
                let kind = line.split_once(' ').unwrap().1.trim_start();
                let known = ["TEXT", "BIGINT", "DOUBLE PRECISION"].iter().any(|kind_known| {
                    kind.strip_prefix(kind_known)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ',']))
                });
                assert!(known, "{}: {line}", file.display());
                columns += 1;
            }
        }
        for word in ["AUTOINCREMENT", "SERIAL", "JSONB", "BOOLEAN", "TIMESTAMP", "ADD COLUMN IF"] {
            assert!(!sql.to_uppercase().contains(word), "{}: {word}", file.display());
        }
    });
    assert!(columns > 40, "{columns}");
}

#[test]
fn the_map_names_every_file_at_the_top() {
    let map = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let tree = map.split("## Which way").next().unwrap();
    let mut missing = Vec::new();
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let entry = entry.unwrap();
        let mut name = format!("src/{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            name.push('/');
        }
        if !tree.contains(&name) {
            missing.push(name);
        }
    }
    missing.sort();
    assert!(missing.is_empty(), "docs/ARCHITECTURE.md does not name {missing:?}");
}

#[test]
fn what_the_map_names_exists() {
    let map = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let paths = map.split('`').skip(1).step_by(2).filter(|it| {
        ["src/", "adapters/", "tests/", "migrations"].iter().any(|start| it.starts_with(start))
    });
    for path in paths {
        assert!(root().join(path).exists(), "docs/ARCHITECTURE.md names {path}");
    }
}

#[test]
fn no_file_is_longer_than_can_be_read() {
    let long: Vec<_> = sources()
        .into_iter()
        .filter(|source| source.lines > 500 && !source.path.ends_with("tests.rs"))
        .map(|source| format!("{}: {} lines", source.path, source.lines))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}
