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
    let files = [
        "slack/faults.rs",
        "discord/faults.rs",
        "matrix/faults.rs",
        "together.rs",
        "conversation.rs",
    ];
    for file in files.map(|file| format!("tests/it/{file}")) {
        let source = read(&file);
        let names = source.split("fn f").skip(1).filter_map(|rest| rest.split('(').next());
        let names = names.filter(|name| name.starts_with(|c: char| c.is_ascii_digit()));
        for name in names {
            assert!(page.contains(&format!("`f{name}`")), "f{name} of {file} is not on the page");
        }
    }
}

/// The configuration that the page of a platform and the README of its adapter show, with its secrets in place.
#[cfg(any(feature = "discord", feature = "matrix", feature = "slack"))]
fn examples(platform: &str, secrets: &[(&str, &str)]) -> Vec<smartcloudops::config::Config> {
    let folder = tempfile::tempdir().unwrap();
    for (name, secret) in secrets {
        fs::write(folder.path().join(name), format!("{secret}\n")).unwrap();
    }
    let at = folder.path().display().to_string();
    let pages = [format!("docs/platforms/{platform}.md"), format!("adapters/{platform}/README.md")];
    let shown = pages.map(|page| {
        let page = read(&page);
        let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
        let example = example.unwrap().replace("/etc/smartcloudops", &at);
        smartcloudops::config::Config::parse(&example).unwrap()
    });
    shown.into()
}

#[test]
#[cfg(feature = "slack")]
fn the_examples_of_slack_are_configurations() {
    let secrets = [("slack-bot-token", "xoxb-1"), ("slack-app-token", "xapp-1")];
    for config in examples("slack", &secrets) {
        assert!(config.slack.bot_token.is_some() && config.slack.app_token.is_some());
        assert!(config.alerts.channels.last().unwrap().starts_with("slack:T"));
    }
}

#[test]
#[cfg(feature = "discord")]
fn the_examples_of_discord_are_configurations() {
    for config in examples("discord", &[("discord-token", "a.b.c")]) {
        let guild = &config.discord.guild;
        assert!(config.discord.token.is_some() && !guild.is_empty());
        let channel = config.alerts.channels.last().unwrap();
        assert!(channel.starts_with(&format!("discord:{guild}:")));
    }
}

#[test]
#[cfg(feature = "matrix")]
fn the_examples_of_matrix_are_configurations() {
    let secrets = [("matrix-password", "secret"), ("matrix-recovery-key", "secret")];
    for config in examples("matrix", &secrets) {
        assert!(config.matrix.password.is_some() && config.matrix.recovery_key.is_some());
        let server = config.matrix.user.split(':').nth(1).unwrap();
        let channel = config.alerts.channels.last().unwrap();
        assert!(channel.starts_with(&format!("matrix:{server}:!")));
    }
}
