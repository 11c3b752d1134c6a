//! What the documentation shows is as it is.

use std::{fs, path::Path};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// `tests/faults.py` writes it from what the tests say.
#[test]
fn the_page_of_faults_names_every_test_of_one_and_all_passed() {
    let page = read("docs/platforms/faults.md");
    assert!(!page.contains("failed") && !page.contains("no test yet"), "{page}");
    let files = ["slack/faults.rs", "discord/faults.rs", "matrix/faults.rs", "together.rs"];
    for file in files.map(|file| format!("tests/it/{file}")) {
        let source = read(&file);
        let names = source.split("fn f").skip(1).filter_map(|rest| rest.split('(').next());
        let names = names.filter(|name| name.starts_with(|c: char| c.is_ascii_digit()));
        for name in names {
            assert!(page.contains(&format!("`f{name}`")), "f{name} of {file} is not on the page");
        }
    }
}

/// What people copy is right.
#[test]
#[cfg(feature = "discord")]
fn the_example_of_discord_is_a_configuration() {
    let page = read("docs/platforms/discord.md");
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("discord-token"), "a.b.c\n").unwrap();
    let at = folder.path().display().to_string();
    let example = example.replace("/etc/smartcloudops", &at);
    let config = smartcloudops::config::Config::parse(&example).unwrap();
    let guild = &config.discord.guild;
    assert!(config.discord.token.is_some() && !guild.is_empty());
    assert!(config.alerts.channels[1].starts_with(&format!("discord:{guild}:")));
}

#[test]
#[cfg(feature = "matrix")]
fn the_example_of_matrix_is_a_configuration() {
    let page = read("docs/platforms/matrix.md");
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for name in ["matrix-password", "matrix-recovery-key"] {
        fs::write(folder.path().join(name), "secret\n").unwrap();
    }
    let at = folder.path().display().to_string();
    let config =
        smartcloudops::config::Config::parse(&example.replace("/etc/smartcloudops", &at)).unwrap();
    assert!(config.matrix.password.is_some() && config.matrix.recovery_key.is_some());
    let server = config.matrix.user.split(':').nth(1).unwrap();
    assert!(config.alerts.channels[1].starts_with(&format!("matrix:{server}:!")));
}
