//! Who may do what, from the command line to the answer.

use serde_json::json;

use crate::support::{
    bot::{Smartcloudops, answered, json as printed, refused},
    database::for_each,
    everywhere::installed_everywhere,
    scripted::{Script, Scripted},
};

const ANA: &str = "slack:T1:UANA";

fn grant(bot: &Smartcloudops, role: &str, who: &str, more: &[&str]) {
    let output = bot.run(&[&["roles", "grant", role, who], more].concat());
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_person_at_the_console_is_admin_of_the_embedded_default() {
    let bot = Smartcloudops::here();
    let text = answered(&bot.ask("whoami"))["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("You are Admin"), "{text}");
}

#[test]
fn a_stranger_is_told_what_to_do_and_the_code_works() {
    installed_everywhere(|bot| {
        let refusal = refused(&bot.ask_as(ANA, "cpu"), 3);
        assert_eq!(refusal["kind"], "unknown_user");
        let message = refusal["message"].as_str().unwrap();
        let code =
            message.split("grant viewer ").nth(1).unwrap().split('`').next().unwrap().to_owned();
        // The same code is shown again, so that an admin can be told by any means.
        assert!(
            refused(&bot.ask_as(ANA, "memory"), 3)["message"].as_str().unwrap().contains(&code)
        );
        answered(&bot.ask(&format!("grant viewer {code}")));
        answered(&bot.ask_as(ANA, "cpu"));
    });
}

#[test]
fn each_role_may_do_its_part_and_no_more() {
    installed_everywhere(|bot| {
        grant(bot, "viewer", ANA, &[]);
        answered(&bot.ask_as(ANA, "status"));
        let host = "web-1";
        for question in [
            format!("restart nginx on {host}"),
            format!("query up{{instance=\"{host}\"}}"),
            "grant admin slack:T1:UANA".into(),
            "approve 7F3K".into(),
            format!("logs {host}"),
        ] {
            let refusal = refused(&bot.ask_as(ANA, &question), 3);
            assert_eq!(refusal["kind"], "not_permitted", "{question}: {refusal}");
        }
        grant(bot, "operator", ANA, &[]);
        let refusal = refused(&bot.ask_as(ANA, &format!("restart nginx on {host}")), 3);
        assert_eq!(refusal["kind"], "not_available", "{refusal}");
        let refusal = refused(&bot.ask_as(ANA, "grant admin slack:T1:UANA"), 3);
        assert_eq!(refusal["kind"], "not_permitted");
        assert!(refusal["message"].as_str().unwrap().contains("Admin"), "{refusal}");
    });
}

#[test]
fn a_revoked_role_is_gone_at_the_next_word() {
    installed_everywhere(|bot| {
        grant(bot, "viewer", ANA, &[]);
        answered(&bot.ask_as(ANA, "cpu"));
        let output = bot.run(&["roles", "revoke", "viewer", ANA]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(refused(&bot.ask_as(ANA, "cpu"), 3)["kind"], "not_permitted");
    });
}

#[test]
fn a_role_in_one_environment_ends_there() {
    let Some(server) = crate::support::peers::fleet() else { return };
    let bot = Smartcloudops::asking(&server);
    grant(&bot, "viewer", ANA, &["--environment", "staging"]);
    answered(&bot.ask_as(ANA, "cpu of web-7"));
    assert_eq!(refused(&bot.ask_as(ANA, "cpu of web-1"), 3)["kind"], "not_permitted");
    // "All hosts" are the hosts of their environment.
    let all = answered(&bot.ask_as(ANA, "memory"));
    let hosts: Vec<_> = all["evidence"][0]["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["host"].as_str().unwrap().to_owned())
        .collect();
    assert!(
        hosts.contains(&"web-7".to_owned()) && !hosts.contains(&"web-1".to_owned()),
        "{hosts:?}"
    );
}

#[test]
fn help_shows_what_the_role_may_say() {
    installed_everywhere(|bot| {
        let text = |who| answered(&bot.ask_as(who, "help"))["text"].as_str().unwrap().to_owned();
        assert!(text(ANA).contains("Guest") && !text(ANA).contains("restart nginx"));
        grant(bot, "operator", ANA, &[]);
        assert!(text(ANA).contains("restart nginx") && !text(ANA).contains("grant operator"));
    });
}

#[test]
fn features_that_come_later_say_so() {
    installed_everywhere(|bot| {
        for question in ["approvals", "runbooks", "executions"] {
            let refusal = refused(&bot.ask(question), 3);
            assert_eq!(refusal["kind"], "not_available", "{question}");
            assert!(
                refusal["message"].as_str().unwrap().contains("not available yet"),
                "{refusal}"
            );
        }
    });
}

#[test]
fn what_was_understood_is_printed_also_when_it_is_refused() {
    installed_everywhere(|bot| {
        let output = bot.ask("approve 7F3K looks good");
        assert_eq!(
            printed(&output)["intent"],
            json!({ "name": "approve", "args": { "code": "7F3K", "reason": "looks good" } })
        );
    });
}

#[test]
fn an_account_is_linked_only_after_a_question() {
    installed_everywhere(|bot| {
        let other = "discord:G1:900";
        grant(bot, "operator", ANA, &[]);
        let text = answered(&bot.ask_as(other, "link"))["text"].as_str().unwrap().to_owned();
        let code =
            text.split("code is ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
        let asked = answered(&bot.ask_as(ANA, &format!("link {code}")))["text"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(asked.contains(other), "{asked}");
        assert_eq!(refused(&bot.ask_as(other, "cpu"), 3)["kind"], "unknown_user");
        answered(&bot.ask_as(ANA, &format!("link {code} yes")));
        answered(&bot.ask_as(other, "cpu"));
        let roles = bot.run(&["roles", "list"]);
        let roles = String::from_utf8_lossy(&roles.stdout).into_owned();
        assert!(roles.contains(ANA) && roles.contains(other), "{roles}");
    });
}

#[test]
fn every_change_of_access_is_in_the_audit() {
    installed_everywhere(|bot| {
        grant(bot, "viewer", ANA, &[]);
        answered(&bot.ask(&format!("grant operator {ANA}")));
        let verified = bot.run(&["audit", "verify"]);
        assert!(verified.status.success(), "{verified:?}");
        let rows = audit(bot);
        let grants = rows
            .iter()
            .filter(|row| row["action"] == "role.grant" && row["subject"] == ANA)
            .count();
        assert_eq!(grants, 2, "{rows:#?}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_given_or_taken_is_refused_with_its_own_kind() {
    for_each(async |database| {
        let bot = Smartcloudops::configured(&format!("[store]\nurl = \"{}\"\n", database.url));
        grant(&bot, "admin", ANA, &[]);
        let code = code_of(&bot, "slack:T1:UBEN");
        database.meddle("UPDATE link_codes SET expires_at = 0").await;
        for (question, kind) in [
            ("grant viewer ABCD1234", "not_found"),
            (&*format!("grant viewer {code}"), "expired"),
            ("revoke admin slack:T1:UANA", "not_permitted"),
            ("revoke viewer slack:T1:UNOBODY", "unknown_user"),
        ] {
            let refusal = refused(&bot.ask(question), 3);
            assert_eq!(refusal["kind"], kind, "{question}: {refusal}");
        }
        for account in [ANA, "slack:T1:UNOBODY"] {
            let output = bot.run(&["roles", "revoke", "admin", account]);
            assert_eq!(output.status.code(), Some(3), "{output:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_fails_is_an_outage_and_no_refusal() {
    let prometheus = Scripted::start(Script::Number("42")).await;
    for_each(async |database| {
        let settings = format!(
            "[store]\nurl = \"{}\"\n[metrics.prometheus]\nurl = \"{}\"\n",
            database.url, prometheus.url
        );
        let bot = Smartcloudops::configured(&settings);
        database.meddle("ALTER TABLE identities RENAME TO away").await;
        let output = bot.ask("cpu");
        let refusal = refused(&output, 4);
        assert_eq!(refusal["kind"], "database_unavailable", "{refusal}");
        assert_eq!(printed(&output)["intent"]["name"], "metric");
    })
    .await;
    let away = "[store]\nurl = \"postgres://ana@127.0.0.1:1/bot?sslmode=disable\"\n";
    let bot = Smartcloudops::configured(away);
    let output = bot.ask("cpu of web-1");
    let refusal = refused(&output, 4);
    assert_eq!(refusal["kind"], "database_unavailable", "{refusal}");
    assert_eq!(printed(&output)["intent"]["args"]["hosts"], json!(["web-1"]));
    assert_eq!(bot.run(&["ask", "cpu"]).status.code(), Some(4));
}

/// The link code that somebody unknown is told.
fn code_of(bot: &Smartcloudops, who: &str) -> String {
    let text = answered(&bot.ask_as(who, "link"))["text"].as_str().unwrap().to_owned();
    text.split("code is ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
}

#[test]
fn the_audit_knows_who_typed_in_the_name_of_somebody_else() {
    installed_everywhere(|bot| {
        grant(bot, "admin", ANA, &[]);
        answered(&bot.ask_as(ANA, "grant viewer slack:T1:UBEN"));
        answered(&bot.ask_as(ANA, "revoke viewer slack:T1:UBEN"));
        let console = answered(&bot.ask("whoami"))["text"].as_str().unwrap().to_owned();
        let console = console.split_whitespace().find(|word| word.starts_with("console:")).unwrap();
        answered(&bot.ask_as(console, "whoami"));
        let rows = audit(bot);
        let forged: Vec<_> =
            rows.iter().filter(|row| row["detail_json"]["via"] == console).collect();
        let actions: Vec<_> = forged.iter().map(|row| row["action"].as_str().unwrap()).collect();
        assert_eq!(actions, ["role.grant", "ask", "role.revoke", "ask"], "{rows:#?}");
        assert!(forged.iter().all(|row| row["actor"] == ANA), "{rows:#?}");
        assert!(bot.run(&["audit", "verify"]).status.success());
    });
}

fn audit(bot: &Smartcloudops) -> Vec<serde_json::Value> {
    String::from_utf8(bot.run(&["audit", "export"]).stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_in_one_environment_shows_nothing_of_the_others() {
    let prometheus = Scripted::start(Script::Number("42")).await;
    let bot = Smartcloudops::asking(&prometheus.url);
    grant(&bot, "viewer", ANA, &["--environment", "staging"]);
    let refusal = refused(&bot.ask_as(ANA, "cpu of web-77"), 3);
    assert_eq!(refusal["kind"], "unknown_host", "{refusal}");
    let message = refusal["message"].as_str().unwrap();
    assert!(message.contains("nearest names are web-2."), "{message}");
    let refusal = refused(&bot.ask_as(ANA, "cpu of web-1"), 3);
    assert_eq!(refusal["kind"], "not_permitted", "{refusal}");
    let message = refusal["message"].as_str().unwrap();
    assert!(message.contains("you are Viewer in staging"), "{message}");
    let help = answered(&bot.ask_as(ANA, "help"))["text"].as_str().unwrap().to_owned();
    assert!(help.contains("web-2") && !help.contains("web-1") && !help.contains("db-1"), "{help}");
    // Where there are no hosts, there are none to name.
    grant(&bot, "viewer", "slack:T1:UQA", &["--environment", "qa"]);
    let refusal = refused(&bot.ask_as("slack:T1:UQA", "cpu of web-77"), 3);
    assert_eq!(refusal["kind"], "unknown_host", "{refusal}");
    assert!(refusal["message"].as_str().unwrap().contains("whoami"), "{refusal}");
}

#[test]
fn a_role_in_one_environment_is_no_refusal_while_the_source_is_away() {
    let bot = Smartcloudops::asking("http://127.0.0.1:9");
    grant(&bot, "admin", ANA, &["--environment", "staging"]);
    for question in ["cpu", "cpu of web-1", "status", "logs web-1"] {
        let refusal = refused(&bot.ask_as(ANA, question), 4);
        assert_eq!(refusal["kind"], "metrics_unavailable", "{question}: {refusal}");
    }
    // These take the role everywhere, wherever the hosts are.
    for question in ["query up{job=\"node\"}", "grant viewer slack:T1:UBEN"] {
        let refusal = refused(&bot.ask_as(ANA, question), 3);
        assert_eq!(refusal["kind"], "not_permitted", "{question}: {refusal}");
    }
}

#[test]
fn a_refused_change_of_access_is_on_record_with_what_was_wanted() {
    installed_everywhere(|bot| {
        grant(bot, "viewer", ANA, &[]);
        refused(&bot.ask_as(ANA, "grant admin slack:T1:UANA in prod"), 3);
        refused(&bot.ask_as("slack:T1:UBEN", "revoke viewer slack:T1:UANA"), 3);
        assert_eq!(bot.run(&["roles", "revoke", "admin", "slack:T1:UBEN"]).status.code(), Some(3));
        let rows = audit(bot);
        let roles = bot.run(&["roles", "list"]);
        assert!(String::from_utf8_lossy(&roles.stdout).starts_with("1 role granted"), "{roles:?}");
        let granted = &rows[0];
        let [.., ana, ben, console] = &rows[..] else { panic!("{rows:#?}") };
        assert_eq!(ana["principal"], granted["detail_json"]["principal"], "{ana:#}");
        assert_eq!(ana["subject"], "grant");
        assert_eq!(ana["outcome"], "refused: not_permitted");
        for (field, wanted) in [("role", "admin"), ("subject", ANA), ("environment", "prod")] {
            assert_eq!(ana["detail_json"][field], wanted, "{ana:#}");
        }
        assert_eq!(
            (&ben["principal"], &ben["detail_json"]["role"]),
            (&json!(null), &json!("viewer"))
        );
        assert_eq!(console["action"], "role.revoke", "{console:#}");
        assert_eq!(console["outcome"], "refused: unknown_user");
        assert_eq!(console["subject"], "slack:T1:UBEN");
        assert_eq!(console["detail_json"]["role"], "admin");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn speaking_in_the_name_of_somebody_leaves_their_name_and_their_conversation() {
    for_each(async |database| {
        let bot = Smartcloudops::configured(&format!("[store]\nurl = \"{}\"\n", database.url));
        grant(&bot, "viewer", ANA, &[]);
        let store = &database.store;
        store.principal(&ANA.parse().unwrap(), "Ana Lovelace").await.unwrap();
        let whoami = answered(&bot.ask_as(ANA, "whoami"))["text"].as_str().unwrap().to_owned();
        assert!(!whoami.contains("shown as"), "{whoami}");
        assert_eq!(store.people().await.unwrap()[0].identities[0].1, "Ana Lovelace");
        // Also the name of somebody unknown, whose code is renewed.
        store.principal(&"slack:T1:UBEN".parse().unwrap(), "Ben").await.unwrap();
        database.meddle("UPDATE link_codes SET expires_at = 0").await;
        // Two speakers, and one of them twice.
        answered(&bot.ask_as("slack:T1:UBEN", "whoami"));
        answered(&bot.ask_as(ANA, "help"));
        let conversations = database.look("SELECT DISTINCT conversation FROM turns").await;
        assert_eq!(conversations.len(), 2, "{conversations:?}");
        assert_eq!(database.look("SELECT display_name FROM link_codes").await, ["Ben"]);
    })
    .await;
}
