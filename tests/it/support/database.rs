//! A fresh database for each test, on every engine the program promises.

use std::{future::Future, panic::AssertUnwindSafe};

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use smartcloudops::{clock::Clock, store::Store};
use sqlx::{AnyPool, AssertSqlSafe, Row as _, any::AnyPoolOptions};
use tempfile::TempDir;
use uuid::Uuid;

/// An admin URL such as `postgres://postgres@127.0.0.1:5432/postgres`: each test makes a database
/// of its own there and drops it.
const SERVER: &str = "SMARTCLOUDOPS_TEST_POSTGRES";

/// Set to anything to run without PostgreSQL.
const ALLOW_MISSING: &str = "SMARTCLOUDOPS_TEST_ALLOW_MISSING";

/// A migrated database, open, with a clock that stands still.
pub struct Database {
    pub url: String,
    pub clock: Clock,
    pub store: Store,
}

impl Database {
    async fn open(url: String) -> Self {
        let clock = Clock::fixed(at("2026-01-01T12:00:00Z"));
        let store = Store::open(&url, clock.clone()).await.unwrap();
        store.migrate().await.unwrap();
        Self { url, clock, store }
    }

    /// Another process on the same database.
    pub async fn neighbour(&self) -> Store {
        Store::open(&self.url, self.clock.clone()).await.unwrap()
    }

    /// Somebody with direct access to the tables; says how many rows it changed.
    pub async fn meddle(&self, sql: &str) -> u64 {
        let pool = raw(&self.url).await;
        let changed = sqlx::query(AssertSqlSafe(sql)).execute(&pool).await.unwrap().rows_affected();
        pool.close().await;
        changed
    }

    /// One column as text.
    pub async fn look(&self, sql: &str) -> Vec<String> {
        let pool = raw(&self.url).await;
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&pool).await.unwrap();
        pool.close().await;
        rows.iter().map(|row| row.get::<String, _>(0)).collect()
    }

    pub async fn count(&self, sql: &str) -> i64 {
        let pool = raw(&self.url).await;
        let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&pool).await.unwrap();
        pool.close().await;
        row.get(0)
    }
}

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Runs a story on an empty SQLite file and on an empty PostgreSQL database.
pub async fn for_each_database(story: impl AsyncFn(Store)) {
    for_each(async |database| story(database.store.clone()).await).await;
}

/// The same, for stories that need the clock, a second process, or a look behind the curtain.
pub async fn for_each(story: impl AsyncFn(&Database)) {
    on_sqlite(&story).await;
    on_postgres(&story).await;
}

pub async fn on_sqlite(story: impl AsyncFn(&Database)) {
    let folder = TempDir::new().unwrap();
    let database = Database::open(sqlite_url(&folder)).await;
    named("SQLite", story(&database)).await;
    database.store.close().await;
}

pub async fn on_postgres(story: impl AsyncFn(&Database)) {
    let Some(server) = server() else { return };
    let name = format!("smartcloudops_test_{}", Uuid::now_v7().simple());
    admin(&server, &format!("CREATE DATABASE {name}")).await;
    let mut url = url::Url::parse(&server).unwrap();
    url.set_path(&name);
    let database = Database::open(url.to_string()).await;
    let told = AssertUnwindSafe(named("PostgreSQL", story(&database))).catch_unwind().await;
    database.store.close().await;
    admin(&server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    if let Err(panic) = told {
        std::panic::resume_unwind(panic);
    }
}

pub fn sqlite_url(folder: &TempDir) -> String {
    format!("sqlite://{}", folder.path().join("bot.db").display())
}

/// The PostgreSQL server, or a loud word about its absence.
pub fn server() -> Option<String> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(url) = set(SERVER) {
        return Some(url.into_string().unwrap());
    }
    assert!(
        set(ALLOW_MISSING).is_some(),
        "{SERVER} is not set, so half of this test cannot run. Run ./tests/run, which starts a \
         PostgreSQL, or set {SERVER} to the admin URL of one, or set {ALLOW_MISSING}=1 to do \
         without it."
    );
    None
}

async fn named<T>(engine: &str, story: impl Future<Output = T>) -> T {
    struct Named<'a>(&'a str);
    impl Drop for Named<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("this was on {}", self.0);
            }
        }
    }
    let _named = Named(engine);
    story.await
}

async fn raw(url: &str) -> AnyPool {
    sqlx::any::install_default_drivers();
    AnyPoolOptions::new().max_connections(1).connect(url).await.unwrap()
}

async fn admin(server: &str, sql: &str) {
    let pool = raw(server).await;
    sqlx::query(AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    pool.close().await;
}
