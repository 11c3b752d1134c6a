use smartcloudops::store::Sample;

use crate::support::database::for_each_database;

fn sample(at_ms: i64) -> Sample {
    Sample { at_ms, values: format!("{{\"cpu\":{at_ms}}}") }
}

#[tokio::test]
async fn samples_are_kept_per_host_and_forgotten_when_old() {
    for_each_database(async |store| {
        let samples: Vec<_> = (0..100).map(|n| sample(n * 5000)).collect();
        store.append_samples("a", &samples).await.unwrap();
        store.append_samples("a", &samples[90..]).await.unwrap();
        store.append_samples("b", &samples[..1]).await.unwrap();
        assert_eq!(store.samples_since("a", 50 * 5000, 100).await.unwrap(), samples[50..]);
        assert_eq!(store.samples_since("a", 0, 7).await.unwrap(), samples[..7]);
        assert_eq!(store.purge_samples_before(99 * 5000).await.unwrap(), 100);
        assert_eq!(store.samples_since("a", 0, 100).await.unwrap(), samples[99..]);
        assert!(store.samples_since("b", 0, 100).await.unwrap().is_empty());
    })
    .await;
}
