//! What nobody may see, nobody sees: not in logs, not on screens, not in errors.

use std::{io::Write as _, process::Stdio};

use crate::support::{
    bot::{Smartcloudops, terminate},
    database::{on_postgres, on_sqlite},
    scripted::{Script, Scripted},
};

const TOKEN: &str = "t0ken-hunter2";
const TENANT: &str = "t3nant-hunter2";
const PASSWORD: &str = "passw0rd-hunter2";
/// base64 of `ana:passw0rd-hunter2`
const BASIC: &str = "YW5hOnBhc3N3MHJkLWh1bnRlcjI=";

/// Everything the program writes at its most talkative: screens and log files.
fn all_that_is_written(bot: &Smartcloudops) -> String {
    let mut written = String::new();
    for command in [
        &["ask", "cpu"][..],
        &["ask", "--json", "status"],
        &["ask", "memory last 1h"],
        &["ask", "query nonsense{"],
        &["config", "show"],
        &["config", "check"],
        &["doctor"],
        &["migrate"],
        &["roles", "list"],
        &["audit", "verify"],
        &["audit", "export"],
    ] {
        let output = bot.run(command);
        written += &String::from_utf8_lossy(&output.stdout);
        written += &String::from_utf8_lossy(&output.stderr);
    }
    for mode in ["chat", "serve"] {
        let mut child = bot.command(&[mode]).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let _ = stdin.write_all(b"cpu\nwhoami\nstatus\n");
        drop(stdin);
        if mode == "serve" {
            // Ends at once when it cannot start, and otherwise when it is told to.
            terminate(child.id());
        }
        let output = child.wait_with_output().unwrap();
        written += &String::from_utf8_lossy(&output.stdout);
        written += &String::from_utf8_lossy(&output.stderr);
    }
    let mut logged = 0;
    for file in std::fs::read_dir(bot.directory().join("logs")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        logged += text.len();
        written += &text;
    }
    assert!(logged > 10_000, "too little was logged to tell: {logged} bytes");
    written
}

fn assert_silent_about(written: &str, secrets: &[&str]) {
    for secret in secrets {
        if let Some(at) = written.find(secret) {
            let from = written.floor_char_boundary(at.saturating_sub(200));
            let to = written.ceil_char_boundary((at + 100).min(written.len()));
            panic!("`{secret}` is in: …{}…", &written[from..to]);
        }
    }
}

fn settings(database: &str, prometheus: &str, credentials: &str) -> String {
    // `Smartcloudops::configured` begins the table of the logs.
    format!(
        "[store]\nurl = \"{database}\"\n[http]\nenabled = false\n[metrics.prometheus]\nurl = \
         \"{prometheus}\"\n{credentials}\nheaders = {{ X-Scope-OrgID = \"{TENANT}\" }}\n"
    )
}

fn with_password(database: &str) -> String {
    let mut url = url::Url::parse(database).unwrap();
    if url.scheme().starts_with("postgres") {
        url.set_password(Some(PASSWORD)).unwrap();
    }
    url.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_not_written_while_all_is_well() {
    let story = async |database: &crate::support::database::Database| {
        let prometheus = Scripted::start(Script::Number("42")).await;
        for credentials in [
            format!("bearer_token = \"{TOKEN}\""),
            format!("username = \"ana\"\npassword = \"{PASSWORD}\""),
        ] {
            let url = with_password(&database.url);
            let bot = Smartcloudops::talkative(&settings(&url, &prometheus.url, &credentials));
            let written = all_that_is_written(&bot);
            assert!(written.contains("42 %"), "{written:.2000}");
            assert!(prometheus.was_told("x-scope-orgid") == TENANT);
            assert_silent_about(&written, &[TOKEN, TENANT, PASSWORD, BASIC]);
        }
    };
    on_sqlite(story).await;
    on_postgres(story).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_not_written_when_all_is_wrong() {
    let prometheus = Scripted::start(Script::Status(401, "no")).await;
    let away = format!("postgres://ana:{PASSWORD}@127.0.0.1:1/bot?sslmode=disable");
    let credentials = format!("bearer_token = \"{TOKEN}\"");
    on_sqlite(async |database| {
        let bot = Smartcloudops::talkative(&settings(&database.url, &prometheus.url, &credentials));
        assert_silent_about(&all_that_is_written(&bot), &[TOKEN, TENANT]);
    })
    .await;
    let bot = Smartcloudops::configured(&settings(&away, &prometheus.url, &credentials));
    let mut written = String::new();
    for command in ["doctor", "migrate", "serve"] {
        let output = bot.run(&[command]);
        assert_eq!(output.status.code(), Some(1));
        written += &String::from_utf8_lossy(&output.stdout);
        written += &String::from_utf8_lossy(&output.stderr);
    }
    assert!(written.contains("postgres://ana:***@127.0.0.1"), "{written}");
    assert_silent_about(&written, &[TOKEN, TENANT, PASSWORD]);
}

#[test]
fn a_secret_in_the_environment_beats_the_file_of_one() {
    let bot = Smartcloudops::configured("");
    let place = |name: &str| bot.directory().join(name);
    std::fs::write(place("url"), format!("sqlite:{}", place("file.db").display())).unwrap();
    let text = format!(
        "[log]\ndirectory = \"{}\"\n[store]\nurl_file = \"{}\"\n",
        place("logs").display(),
        place("url").display()
    );
    std::fs::write(place("smartcloudops.toml"), text).unwrap();
    let migrate = |variables: &[(&str, String)]| {
        let mut command = bot.command(&["migrate"]);
        command.env("SMARTCLOUDOPS_TEST_SOMETHING", "is no setting");
        let output = command.envs(variables.iter().cloned()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let url = |name: &str| format!("sqlite:{}", place(name).display());
    migrate(&[("SMARTCLOUDOPS_STORE__URL", url("environment.db"))]);
    assert!(place("environment.db").exists() && !place("file.db").exists());
    // The file is not even read.
    std::fs::remove_file(place("url")).unwrap();
    migrate(&[("SMARTCLOUDOPS_STORE__URL", url("again.db"))]);
    // And a file named in the environment beats what is in the configuration.
    std::fs::write(place("other"), url("other.db")).unwrap();
    migrate(&[("SMARTCLOUDOPS_STORE__URL_FILE", place("other").display().to_string())]);
    assert!(place("again.db").exists() && place("other.db").exists());
}

#[test]
fn a_mistake_beside_a_secret_is_shown_without_it() {
    for (text, words) in [
        // An open quote, a number with a point, a list, a table; and credentials in an address.
        (format!("[metrics.prometheus]\npassword = \"{PASSWORD}\n"), "line "),
        (
            format!("[metrics.prometheus]\npassword = [\"{PASSWORD}\"]\n"),
            "metrics.prometheus.password",
        ),
        (format!("[metrics.prometheus]\nbearer_token = {{ x = \"{TOKEN}\" }}\n"), "bearer_token"),
        ("[metrics.prometheus]\npassword = 12345.678\n".to_owned(), "metrics.prometheus.password"),
        (format!("[metrics.prometheus]\nheaders = {{ A = [\"{TENANT}\"] }}\n"), "headers"),
        (format!("[metrics.prometheus]\nheaders = \"{TENANT}\"\n"), "headers"),
        (format!("[metrics]\nprometheus = \"http://ana:{PASSWORD}@x\"\n"), "metrics.prometheus"),
        (
            format!(
                "[metrics.prometheus]\nheaders = {{ \"a b\" = \"{TENANT}\" }}\nurl = \"http://x\"\n"
            ),
            "the header",
        ),
        (
            format!("[metrics.prometheus]\nurl = \"http://ana:{PASSWORD}@127.0.0.1\"\n"),
            "credentials|user name",
        ),
        (
            format!("[store]\nurl = \"postgres://ana:{PASSWORD}@127.0.0.1:99999/x\"\n"),
            "postgres://…",
        ),
        (format!("[store]\nurl = \"mysql://ana:{PASSWORD}@127.0.0.1/x\"\n"), "mysql://…"),
        (format!("[store]\nurl = \"ana:{PASSWORD}@127.0.0.1/x\"\n"), "not a database"),
    ] {
        let bot = Smartcloudops::configured(&text);
        for command in [&["config", "check"][..], &["config", "show"], &["doctor"], &["ask", "cpu"]]
        {
            let output = bot.run(command);
            let written = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            assert_silent_about(&written, &[TOKEN, TENANT, PASSWORD, "12345.678"]);
            if command[0] == "ask" {
                assert_eq!(output.status.code(), Some(1), "{text}: {written}");
                let said = words.split('|').any(|word| written.contains(word));
                assert!(said, "{text}: {written}");
                assert_eq!(written.lines().count(), 1, "{written}");
            }
        }
    }
}
