use std::time::{Duration, Instant};

use smartcloudops::{
    clock::Clock,
    store::{FirstSight, Store, StoreError},
};
use tempfile::TempDir;

use super::{asked, said};
use crate::support::database::{for_each, on_postgres, on_sqlite, server, sqlite_url};

#[tokio::test(flavor = "multi_thread")]
async fn several_bots_that_start_at_once_make_one_schema() {
    // Who is first is another one each time.
    for _ in 0..10 {
        let folder = TempDir::new().unwrap();
        start_together(&sqlite_url(&folder)).await;
    }
    for_each(async |database| {
        database.meddle("DROP TABLE _sqlx_migrations").await;
        for table in [
            "inbox",
            "turns",
            "outbox",
            "link_codes",
            "role_bindings",
            "identities",
            "principals",
            "audit",
            "audit_head",
            "channels",
            "samples",
            "anomalies",
            "feedback",
            "silences",
            "incidents",
            "incident_head",
        ] {
            database.meddle(&format!("DROP TABLE {table}")).await;
        }
        start_together(&database.url).await;
    })
    .await;
}

async fn start_together(url: &str) {
    let starts = (0..6).map(|_| {
        let url = url.to_owned();
        tokio::spawn(async move {
            let store = Store::open(&url, Clock::system()).await.unwrap();
            store.pending_migrations().await.unwrap();
            store.migrate().await.unwrap();
            assert!(store.pending_migrations().await.unwrap().is_empty());
            store.ping().await.unwrap();
            store
        })
    });
    for start in futures::future::join_all(starts).await {
        let store = start.unwrap();
        store.migrate().await.unwrap();
        store.close().await;
    }
}

#[tokio::test]
async fn without_tables_every_word_says_what_to_run() {
    let folder = TempDir::new().unwrap();
    let store = Store::open(&sqlite_url(&folder), Clock::system()).await.unwrap();
    assert_eq!(store.pending_migrations().await.unwrap().len(), 8);
    let error = store.record(&said("Ev1", "cpu?")).await.unwrap_err();
    assert!(error.to_string().contains("smartcloudops migrate"), "{error}");
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_left_alone() {
    for_each(async |database| {
        database.meddle("UPDATE _sqlx_migrations SET version = 9000 WHERE version = 4").await;
        for error in [
            database.store.migrate().await.unwrap_err(),
            database.store.pending_migrations().await.unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::Newer { version: 9000 }), "{error}");
        }
    })
    .await;
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_and_its_folder_are_made_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("data 100%/a?b#ö/bot.db");
    // `?` ends a path in a URL, so that one folder cannot be written.
    let file = file.to_str().unwrap().replace('?', "");
    let store = Store::open(&format!("sqlite:{file}"), Clock::system()).await.unwrap();
    store.migrate().await.unwrap();
    store.record(&said("Ev1", "cpu?")).await.unwrap();
    for name in ["", "-wal", "-shm"] {
        let mode = std::fs::metadata(format!("{file}{name}")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(store.place(), file);
}

#[tokio::test]
async fn what_does_not_open_says_why_and_what_to_do() {
    let folder = TempDir::new().unwrap();
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "this is not a database, it is a letter to my aunt").unwrap();
    for (url, word) in [
        (format!("sqlite://{}", folder.path().display()), "is a directory"),
        (format!("sqlite://{}/below.db", plain.display()), "cannot open"),
        (format!("sqlite://{}", plain.display()), "file is not a database"),
        ("postgres://ana:hunter2@127.0.0.1:1/bot".to_owned(), "Connection refused"),
    ] {
        let started = Instant::now();
        let error = Store::open(&url, Clock::system()).await.unwrap_err().to_string();
        assert!(error.contains(word), "{url}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(5));
    }
    if let Some(server) = server() {
        let url = server.replace("/postgres", "/no_such_database");
        let error = Store::open(&url, Clock::system()).await.unwrap_err().to_string();
        assert!(error.contains("no_such_database\" does not exist"), "{error}");
    }
}

#[tokio::test]
async fn a_power_loss_cannot_undo_a_commit() {
    on_sqlite(async |database| {
        use sqlx::Row as _;
        let mut tx = database.store.begin_write().await.unwrap();
        for (pragma, value) in
            [("PRAGMA synchronous", 2), ("PRAGMA foreign_keys", 1), ("PRAGMA busy_timeout", 10_000)]
        {
            let row = sqlx::query(pragma).fetch_one(&mut *tx).await.unwrap();
            assert_eq!(row.get::<i64, _>(0), value, "{pragma}");
        }
        let row = sqlx::query("PRAGMA journal_mode").fetch_one(&mut *tx).await.unwrap();
        assert_eq!(row.get::<String, _>(0), "wal");
    })
    .await;
    on_postgres(async |database| {
        use sqlx::Row as _;
        let name = database.url.rsplit('/').next().unwrap();
        database.meddle(&format!("ALTER DATABASE {name} SET synchronous_commit = off")).await;
        let store = database.neighbour().await;
        let mut tx = store.begin_write().await.unwrap();
        let row = sqlx::query("SHOW synchronous_commit").fetch_one(&mut *tx).await.unwrap();
        assert_eq!(row.get::<String, _>(0), "on");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_waits_for_another_process_and_then_says_so() {
    for_each(async |database| {
        let wait = Duration::from_millis(400);
        let clock = database.clock.clone();
        let store = Store::open_waiting(&database.url, clock, wait).await.unwrap();
        let neighbour = database.neighbour().await;
        let mut held = neighbour.begin_write().await.unwrap();
        neighbour.append(&mut held, &asked("slow")).await.unwrap();
        let waiting = store.clone();
        let patient = tokio::spawn(async move { waiting.put_on_record(&asked("patient")).await });
        tokio::time::sleep(wait / 2).await;
        assert!(!patient.is_finished());
        held.commit().await.unwrap();
        patient.await.unwrap().unwrap();

        let mut held = neighbour.begin_write().await.unwrap();
        neighbour.append(&mut held, &asked("stuck")).await.unwrap();
        let error = store.put_on_record(&asked("lost patience")).await.unwrap_err();
        assert!(matches!(error, StoreError::Locked), "{error}");
        drop(held);
        store.put_on_record(&asked("later")).await.unwrap();
        assert_eq!(store.verify_audit().await.unwrap().rows, 3);
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_full_disk_is_said_and_forgotten_when_there_is_space() {
    on_sqlite(async |database| {
        let store = &database.store;
        store.record(&said("before", "cpu?")).await.unwrap();
        store.put_on_record(&asked("before")).await.unwrap();

        let mut tx = store.begin_write().await.unwrap();
        // The smallest limit is the size the file has: this connection finds no more space.
        sqlx::query("PRAGMA max_page_count = 1").fetch_all(&mut *tx).await.unwrap();
        let mut long = asked("while full");
        long.detail = "x".repeat(60_000).into();
        let error = loop {
            if let Err(error) = store.append(&mut tx, &long).await {
                break error;
            }
        };
        assert!(matches!(error, StoreError::DiskFull), "{error}");
        assert!(error.to_string().contains("nothing was saved"), "{error}");
        // SQLite has undone the transaction by itself; the next one must not notice.
        drop(tx);

        assert_eq!(store.verify_audit().await.unwrap().rows, 1);
        assert_eq!(store.record(&said("before", "cpu?")).await.unwrap(), FirstSight::Duplicate);
        store.put_on_record(&long).await.unwrap();
        assert_eq!(store.verify_audit().await.unwrap().rows, 2);
    })
    .await;
}
