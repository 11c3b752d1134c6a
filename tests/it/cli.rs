//! The command as people and scripts use it.

use std::{collections::BTreeSet, process::Output};

use crate::support::{
    bot::{Smartcloudops, answered},
    database::for_each,
    scripted::{Script, Scripted},
};

const COMMANDS: [&[&str]; 24] = [
    &[],
    &["serve"],
    &["chat"],
    &["ask"],
    &["config"],
    &["config", "check"],
    &["config", "example"],
    &["config", "show"],
    &["migrate"],
    &["roles"],
    &["roles", "grant"],
    &["roles", "revoke"],
    &["roles", "list"],
    &["audit"],
    &["audit", "verify"],
    &["audit", "export"],
    &["evaluate"],
    &["simulate"],
    &["pages"],
    &["train"],
    &["detect"],
    &["backtest"],
    &["doctor"],
    &["completions"],
];

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn every_command_has_help_and_touches_nothing_for_it() {
    let bot = Smartcloudops::here();
    for command in COMMANDS {
        let output = bot.run(&[command, &["--help"]].concat());
        let text = out(&output);
        assert_eq!(output.status.code(), Some(0), "{command:?}: {output:?}");
        assert!(text.contains("Usage: smartcloudops") && text.contains("--config"), "{text}");
        assert!(output.stderr.is_empty());
        assert!(!text.contains('\u{1b}'), "{command:?}");
        // The first line says what it does.
        assert!(text.lines().next().unwrap().len() > 10, "{command:?}: {text}");
    }
    let made: Vec<_> =
        std::fs::read_dir(bot.directory()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(made, ["smartcloudops.toml"]);
}

#[test]
fn wrong_usage_is_exit_code_2_with_a_hint() {
    let bot = Smartcloudops::here();
    for (command, hint) in [
        (&["docter"][..], "doctor"),
        (&["ask"], "QUESTION"),
        (&["ask", "--as", "ana", "cpu"], "PLATFORM:WORKSPACE:USER"),
        (&["roles", "grant", "king", "slack:T1:U1"], "guest, viewer, operator or admin"),
        (&["completions", "tcl"], "bash"),
    ] {
        let output = bot.run(command);
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        let text = err(&output);
        assert!(text.contains(hint), "{command:?}: {text}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn there_are_completions_for_each_shell() {
    let bot = Smartcloudops::here();
    for shell in ["bash", "zsh", "fish"] {
        let output = bot.run(&["completions", shell]);
        let script = out(&output);
        assert!(output.status.success());
        for word in ["smartcloudops", "doctor", "completions"] {
            assert!(script.contains(word), "{shell} does not complete {word}");
        }
    }
}

#[test]
fn roles_are_listed_by_account_with_their_place() {
    let bot = Smartcloudops::here();
    let empty = out(&bot.run(&["roles", "list"]));
    assert!(
        empty.starts_with("Nobody was given a role yet") && empty.contains("roles grant"),
        "{empty}"
    );
    for grant in [
        &["roles", "grant", "viewer", "slack:T1:UANA"][..],
        &["roles", "grant", "operator", "slack:T1:UANA", "--environment", "staging"],
        &["roles", "grant", "admin", "matrix:example.org:@ben:example.org"],
    ] {
        assert!(bot.run(grant).status.success());
    }
    let list = out(&bot.run(&["roles", "list"]));
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["3", "roles", "granted"]);
    for row in [
        &["slack:T1:UANA", "Viewer", "everywhere"][..],
        &["slack:T1:UANA", "Operator", "staging"],
        &["matrix:example.org:@ben:example.org", "Admin", "everywhere"],
    ] {
        assert!(rows.iter().any(|it| it.starts_with(row)), "{row:?} in\n{list}");
    }
    let again = bot.run(&["roles", "grant", "viewer", "slack:T1:UANA"]);
    assert!(out(&again).contains("already"), "{again:?}");
    assert!(bot.run(&["roles", "revoke", "viewer", "slack:T1:UANA"]).status.success());
    assert!(out(&bot.run(&["roles", "list"])).starts_with("2 roles granted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_audit_row_is_found_and_named() {
    for_each(async |database| {
        let bot = Smartcloudops::configured(&format!("[store]\nurl = \"{}\"\n", database.url));
        for role in ["viewer", "operator", "admin"] {
            assert!(bot.run(&["roles", "grant", role, "slack:T1:UANA"]).status.success());
        }
        let whole = bot.run(&["audit", "verify"]);
        assert!(whole.status.success() && out(&whole).contains("3 rows"), "{whole:?}");
        let edited = database.meddle("UPDATE audit SET subject = 'slack:T1:UEVE' WHERE seq = 2");
        assert_eq!(edited.await, 1);
        let found = bot.run(&["audit", "verify"]);
        assert_eq!(found.status.code(), Some(1), "{found:?}");
        let text = err(&found);
        assert!(text.starts_with("error: ") && text.contains("row 2"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(out(&found).is_empty());
        let doctor = bot.run(&["doctor"]);
        assert!(!doctor.status.success());
        assert!(out(&doctor).contains("row 2"), "{doctor:?}");
        // An audit written anew is whole, and not the one that was verified before.
        let kept = out(&whole);
        let kept = kept.split_once("--since ").unwrap().1.trim();
        assert!(kept.starts_with("3:"), "{kept}");
        assert!(!bot.run(&["audit", "verify", "--since", kept]).status.success());
        // Put back as it was, it is whole again: nothing was repaired behind our back.
        database.meddle("UPDATE audit SET subject = 'slack:T1:UANA' WHERE seq = 2").await;
        assert!(bot.run(&["audit", "verify"]).status.success());
        assert!(bot.run(&["audit", "verify", "--since", kept]).status.success());
        let other = format!("2:{}", kept.split_once(':').unwrap().1);
        let anew = bot.run(&["audit", "verify", "--since", &other]);
        assert!(err(&anew).contains("row 2"), "{anew:?}");
        for wrong in ["3", "0:aa", "3:zz", "x:y"] {
            let usage = bot.run(&["audit", "verify", "--since", wrong]);
            assert_eq!(usage.status.code(), Some(2), "{usage:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_looked_for_in_the_wrong_place_is_not_found_whole() {
    let bot = Smartcloudops::here();
    let output = bot.run(&["audit", "verify"]);
    let text = err(&output);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text.contains("bot.db") && text.contains("store.url"), "{text}");
    assert!(!bot.directory().join("bot.db").exists(), "looking makes nothing");
    // Nor are tables made in what is no database of the bot.
    std::fs::write(bot.directory().join("bot.db"), "").unwrap();
    let output = bot.run(&["audit", "verify"]);
    assert!(err(&output).contains("no tables"), "{output:?}");
    assert_eq!(std::fs::metadata(bot.directory().join("bot.db")).unwrap().len(), 0);
    for_each(async |database| {
        database.meddle("DROP TABLE _sqlx_migrations").await;
        let bot = Smartcloudops::configured(&format!("[store]\nurl = \"{}\"\n", database.url));
        for command in ["verify", "export"] {
            let output = bot.run(&["audit", command]);
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(err(&output).contains("smartcloudops migrate"), "{output:?}");
        }
    })
    .await;
}

#[test]
fn roles_and_the_audit_need_only_the_database() {
    let bot = Smartcloudops::configured(
        "[metrics.prometheus]\nurl = \"https://127.0.0.1:9\"\nca_file = \"/nowhere/ca.pem\"\n",
    );
    for command in [
        &["roles", "grant", "admin", "slack:T1:UANA"][..],
        &["roles", "list"],
        &["audit", "verify"],
        &["migrate"],
    ] {
        let output = bot.run(command);
        assert!(output.status.success(), "{command:?}: {output:?}");
    }
}

#[test]
fn the_audit_is_exported_as_one_json_object_a_line() {
    let bot = Smartcloudops::here();
    answered(&bot.ask("whoami"));
    answered(&bot.ask("help"));
    let printed = out(&bot.run(&["audit", "export"]));
    let file = bot.directory().join("audit.jsonl");
    let output = bot.run(&["audit", "export", "--output", file.to_str().unwrap()]);
    assert!(out(&output).starts_with("2 rows"), "{output:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), printed);
    for line in printed.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(row["action"], "ask");
    }
    let nowhere = bot.run(&["audit", "export", "--output", "/nowhere/audit.jsonl"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(err(&nowhere).contains("/nowhere/audit.jsonl"), "{nowhere:?}");
}

#[test]
fn nothing_that_is_piped_has_colours() {
    let bot = Smartcloudops::here();
    for command in [
        &["ask", "cpu"][..],
        &["ask", "restart it"],
        &["ask", "cpu of nowhere"],
        &["roles", "list"],
        &["doctor"],
        &["config", "show"],
        &["audit", "verify"],
        &["migrate"],
        &["no-such-command"],
    ] {
        let output = bot.run(command);
        assert!(!out(&output).contains('\u{1b}'), "{command:?}");
        assert!(!err(&output).contains('\u{1b}'), "{command:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_has_colours_unless_they_are_not_wanted() {
    let bot = Smartcloudops::here();
    let in_a_terminal = |no_color: &str| {
        let program = env!("CARGO_BIN_EXE_smartcloudops");
        let settings = bot.command(&[]);
        std::process::Command::new("script")
            .args(["-qec", &format!("'{program}' ask whoami"), "/dev/null"])
            .envs(settings.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env("NO_COLOR", no_color)
            .env("TERM", "xterm")
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap()
    };
    let coloured = out(&in_a_terminal(""));
    assert!(coloured.contains("\u{1b}[1mYou are Admin"), "{coloured:?}");
    let plain = out(&in_a_terminal("1"));
    assert!(plain.contains("You are Admin") && !plain.contains('\u{1b}'), "{plain:?}");
}

#[test]
fn logs_are_json_lines_in_daily_files_and_old_ones_go() {
    let bot = Smartcloudops::configured("[http]\nenabled = false\n");
    let logs = bot.directory().join("logs");
    std::fs::create_dir_all(&logs).unwrap();
    let days: Vec<_> = (1..=20).map(|day| format!("smartcloudops.2025-01-{day:02}.log")).collect();
    for day in &days {
        std::fs::write(logs.join(day), "{}\n").unwrap();
    }
    std::fs::write(logs.join("notes.txt"), "mine").unwrap();
    let mut command = bot.command(&["chat"]);
    assert!(command.env("SMARTCLOUDOPS_LOG__KEEP_DAYS", "5").output().unwrap().status.success());
    let names: BTreeSet<String> = std::fs::read_dir(&logs)
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.contains("notes.txt"), "only our own files go: {names:?}");
    let kept: Vec<_> = names.iter().filter(|name| name.starts_with("smartcloudops.")).collect();
    assert_eq!(kept.len(), 5, "{names:?}");
    let today = kept.last().unwrap();
    let date = today.strip_prefix("smartcloudops.").unwrap().strip_suffix(".log").unwrap();
    assert!(date.parse::<chrono::NaiveDate>().is_ok() && date > "2025-01-20", "{today}");
    assert!(names.contains(&days[19]) && !names.contains(&days[0]), "{names:?}");
    let text = std::fs::read_to_string(logs.join(today)).unwrap();
    assert!(text.lines().count() >= 2, "{text}");
    for line in text.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        for field in ["timestamp", "level", "target"] {
            assert!(event[field].is_string(), "{line}");
        }
        assert!(event["fields"]["message"].is_string(), "{line}");
    }
}

#[test]
fn a_setting_from_the_environment_wins_over_the_file() {
    let bot = Smartcloudops::configured("[metrics]\nkeep = \"12h\"\n");
    let shown = |variables: &[(&str, &str)]| {
        let mut command = bot.command(&["config", "show"]);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        toml::from_str::<toml::Table>(&out(&output)).unwrap()
    };
    assert_eq!(shown(&[])["metrics"]["keep"].as_str(), Some("12h"));
    let settings = shown(&[
        ("SMARTCLOUDOPS_METRICS__KEEP", "6h"),
        ("SMARTCLOUDOPS_METRICS__THRESHOLDS__WARNING", "70"),
        ("SMARTCLOUDOPS_METRICS__PROMETHEUS__MAX_SERIES", "500"),
        ("SMARTCLOUDOPS_METRICS__PROMETHEUS__ROLE_LABEL", "42"),
        ("SMARTCLOUDOPS_METRICS__PROMETHEUS__USERNAME", "true"),
        ("SMARTCLOUDOPS_HTTP__ENABLED", "false"),
        ("SMARTCLOUDOPS_HTTP__LISTEN", "127.0.0.1:9999"),
        ("SMARTCLOUDOPS_BOT__HISTORY_DAYS", "7"),
    ]);
    assert_eq!(settings["metrics"]["keep"].as_str(), Some("6h"));
    assert_eq!(settings["metrics"]["thresholds"]["warning"].as_float(), Some(70.0));
    let prometheus = &settings["metrics"]["prometheus"];
    assert_eq!(prometheus["max_series"].as_integer(), Some(500));
    assert_eq!(prometheus["role_label"].as_str(), Some("42"));
    assert_eq!(prometheus["username"].as_str(), Some("true"));
    assert_eq!(settings["http"]["enabled"].as_bool(), Some(false));
    assert_eq!(settings["http"]["listen"].as_str(), Some("127.0.0.1:9999"));
    assert_eq!(settings["bot"]["history_days"].as_integer(), Some(7));
    for (variable, value, words) in [
        ("SMARTCLOUDOPS_HTTP__ENABLED", "maybe", "http.enabled"),
        ("SMARTCLOUDOPS_BOT__HISTORY_DAYS", "-1", "bot.history_days"),
        ("SMARTCLOUDOPS_LOG__LEVLE", "info", "did you mean `level`?"),
    ] {
        let output = bot.command(&["config", "check"]).env(variable, value).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(err(&output).contains(words), "{variable}: {output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_looks_like_a_number_is_a_secret() {
    let prometheus = Scripted::start(Script::Number("42")).await;
    let bot = Smartcloudops::asking(&prometheus.url);
    // printf 'ana:0012345' | base64
    let basic = "Basic YW5hOjAwMTIzNDU=";
    let mut command = bot.command(&["ask", "cpu of web-1"]);
    command.env("SMARTCLOUDOPS_METRICS__PROMETHEUS__USERNAME", "ana");
    let output = command.env("SMARTCLOUDOPS_METRICS__PROMETHEUS__PASSWORD", "0012345").output();
    assert!(output.as_ref().unwrap().status.success(), "{output:?}");
    assert_eq!(prometheus.was_told("authorization"), basic);

    let file = bot.directory().join("password");
    std::fs::write(&file, "0012345\n").unwrap();
    let mut command = bot.command(&["ask", "cpu of web-1"]);
    command.env("SMARTCLOUDOPS_METRICS__PROMETHEUS__USERNAME", "ana");
    let output = command.env("SMARTCLOUDOPS_METRICS__PROMETHEUS__PASSWORD_FILE", &file).output();
    assert!(output.as_ref().unwrap().status.success(), "{output:?}");
    assert_eq!(prometheus.was_told("authorization"), basic);

    let bot = Smartcloudops::configured(&format!(
        "[metrics.prometheus]\nurl = \"{}\"\nbearer_token = 12345\nheaders = {{ X-Scope-OrgID = 678 }}\n",
        prometheus.url
    ));
    answered(&bot.ask("cpu of web-1"));
    assert_eq!(prometheus.was_told("authorization"), "Bearer 12345");
    assert_eq!(prometheus.was_told("x-scope-orgid"), "678");
    let mut command = bot.command(&["ask", "cpu of web-1"]);
    let header = ("SMARTCLOUDOPS_METRICS__PROMETHEUS__HEADERS", "{X-Scope-OrgID=\"9\"}");
    assert!(command.env(header.0, header.1).output().unwrap().status.success());
    assert_eq!(prometheus.was_told("x-scope-orgid"), "9");
}
