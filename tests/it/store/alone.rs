use std::time::Duration;

use smartcloudops::store::{Alone, Store};

use crate::support::database::{for_each, on_postgres};

/// The longest anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server ends the session that holds the right to serve.
const END: &str = "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' \
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

async fn taken(store: &Store) -> Alone {
    store.alone().await.unwrap().expect("the right to serve")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_has_the_right_to_serve_until_it_ends() {
    for_each(async |database| {
        let alone = taken(&database.store).await;
        let neighbour = database.neighbour().await;
        assert!(neighbour.alone().await.unwrap().is_none());
        drop(alone);
        let next = taken(&neighbour).await;
        assert!(database.store.alone().await.unwrap().is_none());
        drop(next);
        neighbour.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_server_ended_takes_the_right_again_unless_somebody_was_quicker() {
    on_postgres(async |database| {
        let neighbour = database.neighbour().await;
        let alone = taken(&database.store).await;
        let store = database.store.clone();
        let lost = tokio::spawn(async move { alone.lost(&store).await });
        database.look(&format!("SELECT CAST(({END}) AS TEXT)")).await;
        // Nobody else wanted it.
        let again = "SELECT CAST(pid AS TEXT) FROM pg_locks WHERE locktype = 'advisory' \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let held_again = async { while database.look(again).await.is_empty() {} };
        tokio::time::timeout(PATIENCE, held_again).await.unwrap();
        assert!(neighbour.alone().await.unwrap().is_none());
        assert!(!lost.is_finished());
        database.look(&format!("SELECT CAST(({END}) AS TEXT)")).await;
        let quicker = taken(&neighbour).await;
        tokio::time::timeout(PATIENCE, lost).await.unwrap().unwrap();
        drop(quicker);
        neighbour.close().await;
    })
    .await;
}
