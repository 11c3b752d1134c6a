use futures::future::join_all;
use serde_json::Value;
use smartcloudops::store::{Store, VerifyError};

use super::asked;
use crate::support::database::{Database, for_each, for_each_database};

async fn write(store: &Store, rows: u32) {
    for row in 0..rows {
        store.put_on_record(&asked(&format!("question {row}"))).await.unwrap();
    }
}

async fn tampered(store: &Store) -> (u64, String) {
    match store.verify_audit().await {
        Err(VerifyError::Tampered { row, reason }) => (row, reason),
        other => panic!("nothing was noticed: {other:?}"),
    }
}

#[tokio::test]
async fn an_untouched_audit_verifies_even_when_it_is_empty() {
    for_each_database(async |store| {
        assert_eq!(store.verify_audit().await.unwrap().rows, 0);
        write(&store, 5).await;
        let verified = store.verify_audit().await.unwrap();
        assert_eq!((verified.rows, verified.head.len()), (5, 64));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_two_appends_at_once_make_one_chain_without_gaps() {
    for_each(async |database| {
        let neighbour = database.neighbour().await;
        let done = join_all((0..32).map(|turn| {
            let store = if turn % 2 == 0 { &database.store } else { &neighbour }.clone();
            tokio::spawn(async move { store.put_on_record(&asked(&turn.to_string())).await })
        }))
        .await;
        for append in done {
            append.unwrap().unwrap();
        }
        assert_eq!(database.store.verify_audit().await.unwrap().rows, 32);
        assert_eq!(database.count("SELECT COUNT(DISTINCT subject) FROM audit").await, 32);
    })
    .await;
}

#[tokio::test]
async fn an_append_that_is_undone_leaves_no_gap() {
    for_each_database(async |store| {
        write(&store, 1).await;
        let mut tx = store.begin_write().await.unwrap();
        store.append(&mut tx, &asked("undone")).await.unwrap();
        drop(tx);
        write(&store, 1).await;
        assert_eq!(store.verify_audit().await.unwrap().rows, 2);
    })
    .await;
}

/// Runs each of these against row 3 of 5, and puts everything back in between.
const EDITS: [&str; 14] = [
    "id = 'x'",
    "at = at + 1",
    "actor = 'slack:T1:U2'",
    "principal = ''",
    "action = 'asked'",
    "subject = 'question 9'",
    "detail = '{}'",
    // The same JSON, written differently, is still an edit.
    "detail = detail || ' '",
    "outcome = 'refused'",
    "previous = (SELECT a.previous FROM audit a WHERE a.seq = 2)",
    "hash = (SELECT a.hash FROM audit a WHERE a.seq = 2)",
    "hash = ''",
    "seq = 30",
    "seq = -3",
];

#[tokio::test]
async fn an_edit_of_any_column_is_found_and_its_row_is_named() {
    for_each(async |database| {
        write(&database.store, 5).await;
        database.meddle("CREATE TABLE kept AS SELECT * FROM audit").await;
        for edit in EDITS {
            database.meddle(&format!("UPDATE audit SET {edit} WHERE seq = 3")).await;
            let (row, reason) = tampered(&database.store).await;
            let expected = if edit == "seq = -3" { 1 } else { 3 };
            assert_eq!(row, expected, "{edit}: {reason}");
            database.meddle("DELETE FROM audit").await;
            database.meddle("INSERT INTO audit SELECT * FROM kept").await;
            assert_eq!(database.store.verify_audit().await.unwrap().rows, 5);
        }
    })
    .await;
}

#[tokio::test]
async fn a_deleted_row_is_missed_wherever_it_was() {
    for_each(async |database| {
        write(&database.store, 5).await;
        database.meddle("CREATE TABLE kept AS SELECT * FROM audit").await;
        for (gone, named) in
            [("seq = 1", 1), ("seq = 3", 3), ("seq = 5", 5), ("seq > 2", 3), ("seq > 0", 1)]
        {
            database.meddle(&format!("DELETE FROM audit WHERE {gone}")).await;
            assert_eq!(tampered(&database.store).await.0, named, "{gone}");
            database.meddle("DELETE FROM audit").await;
            database.meddle("INSERT INTO audit SELECT * FROM kept").await;
        }
        assert_eq!(database.store.verify_audit().await.unwrap().rows, 5);
    })
    .await;
}

#[tokio::test]
async fn rows_that_changed_places_are_found() {
    for_each(async |database| {
        write(&database.store, 5).await;
        for step in ["seq = -1 WHERE seq = 2", "seq = 2 WHERE seq = 3", "seq = 3 WHERE seq = -1"] {
            assert_eq!(database.meddle(&format!("UPDATE audit SET {step}")).await, 1);
        }
        assert_eq!(tampered(&database.store).await.0, 2);
    })
    .await;
}

#[tokio::test]
async fn a_row_put_in_is_found_at_the_end_and_in_the_middle() {
    for_each(async |database| {
        write(&database.store, 5).await;
        let copy = "INSERT INTO audit SELECT 6, 'x', at, actor, principal, action, subject, \
                    detail, outcome, hash, hash FROM audit WHERE seq = 5";
        database.meddle(copy).await;
        assert_eq!(tampered(&database.store).await.0, 6);
        database.meddle("UPDATE audit SET seq = 7 WHERE seq = 6").await;
        assert_eq!(tampered(&database.store).await.0, 6);
        database.meddle("DELETE FROM audit WHERE seq = 7").await;
        for row in (3..=5).rev() {
            database.meddle(&format!("UPDATE audit SET seq = seq + 1 WHERE seq = {row}")).await;
        }
        database.meddle(&copy.replace("SELECT 6", "SELECT 3").replace("= 5", "= 2")).await;
        assert_eq!(tampered(&database.store).await.0, 3);
    })
    .await;
}

async fn head_is_noticed(database: &Database, change: &str) {
    database.meddle("UPDATE audit_head SET seq = 3").await;
    database.meddle(change).await;
    tampered(&database.store).await;
}

#[tokio::test]
async fn the_record_of_the_last_row_is_watched_too() {
    for_each(async |database| {
        write(&database.store, 3).await;
        head_is_noticed(database, "UPDATE audit_head SET seq = 2").await;
        head_is_noticed(database, "UPDATE audit_head SET seq = 4").await;
        head_is_noticed(database, "UPDATE audit_head SET hash = 'x'").await;
        head_is_noticed(database, "DELETE FROM audit_head").await;
        let append = database.store.put_on_record(&asked("more")).await;
        assert!(append.unwrap_err().to_string().contains("audit verify"));
    })
    .await;
}

#[tokio::test]
async fn an_export_holds_every_row_as_one_json_line() {
    for_each_database(async |store| {
        let mut odd = asked("line\nbreak \0 and \u{202e} bidi");
        odd.detail = Value::String("\0".repeat(70_000));
        write(&store, 2).await;
        store.put_on_record(&odd).await.unwrap();
        let mut out = Vec::new();
        assert_eq!(store.export_audit(&mut out).await.unwrap(), 3);
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["seq"], 1);
        assert_eq!(lines[0]["detail_json"]["intent"], "metric");
        assert_eq!(lines[1]["previous"], lines[0]["hash"]);
        assert_eq!(lines[2]["hash"], store.verify_audit().await.unwrap().head);
    })
    .await;
}
