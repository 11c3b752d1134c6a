//! On the machine that runs the tests.

use super::*;

fn metrics(clock: &Clock) -> HostMetrics {
    HostMetrics::open(clock.clone(), chrono_tz::UTC, Duration::from_hours(24)).unwrap()
}

fn window(text: &str) -> Window {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_fresh_process_answers_about_every_signal_at_once() {
    let metrics = metrics(&Clock::system());
    let host = metrics.fleet().find("LOCALHOST").unwrap().clone();
    for signal in Signal::ALL {
        let reading = metrics.read(signal, Stat::Current, &window("5m")).await;
        assert_eq!(reading.query, format!("sysinfo {signal} current"));
        assert!(reading.values.iter().all(|m| m.host == host.name && m.value >= 0.0));
    }
    for signal in [Signal::Cpu, Signal::Memory, Signal::Load, Signal::Uptime] {
        let reading = metrics.read(signal, Stat::Current, &window("5m")).await;
        assert_eq!(reading.values.len(), 1, "{signal}");
    }
}

#[tokio::test]
async fn it_says_since_when_it_watches() {
    let clock = Clock::fixed("2025-11-05T12:03:00Z".parse().unwrap());
    let metrics = metrics(&clock);
    metrics.sample_now().await.unwrap();
    clock.advance(TimeDelta::minutes(3));
    let reading = metrics.read(Signal::Memory, Stat::Avg, &window("30m")).await;
    assert_eq!(reading.query, "sysinfo memory avg 30m");
    assert_eq!(reading.warnings, ["I have watched this machine only since 12:03 (3 min)"]);
    let range = metrics.range(Signal::Memory, &[], &window("30m"), 100).await;
    assert_eq!((range.series.len(), range.step), (1, Duration::from_secs(18)));
    let other = metrics.range(Signal::Memory, &["web-9".into()], &window("30m"), 100).await;
    assert!(other.series.is_empty());
    assert!(metrics.read(Signal::Memory, Stat::Current, &window("30m")).await.warnings.is_empty());
}

#[tokio::test]
async fn stored_samples_answer_after_a_restart() {
    let now = "2025-11-05T12:03:00Z".parse().unwrap();
    let metrics = metrics(&Clock::fixed(now));
    let rows: Vec<String> = (1..=360)
        .map(|i| Sample {
            at: now - TimeDelta::seconds(i * 5),
            values: vec![(Signal::Cpu, None, 40.0)],
        })
        .map(|sample| sample.to_row())
        .collect();
    metrics.restore(rows.iter().map(|row| Sample::from_row(row).unwrap()));
    let reading = metrics.read(Signal::Cpu, Stat::Avg, &window("30m")).await;
    assert!((reading.values[0].value - 40.0).abs() < 1e-6);
    assert!(reading.warnings.is_empty(), "{:?}", reading.warnings);
}

#[tokio::test]
async fn samples_are_handed_over_at_the_shutdown_too() {
    let metrics = Arc::new(metrics(&Clock::system()));
    let (sender, mut receiver) = mpsc::channel(4);
    let shutdown = CancellationToken::new();
    let running = {
        let (metrics, shutdown) = (Arc::clone(&metrics), shutdown.clone());
        tokio::spawn(async move { metrics.run(shutdown, INTERVAL, sender).await })
    };
    while metrics.watched_since().is_none() {
        tokio::task::yield_now().await;
    }
    shutdown.cancel();
    running.await.unwrap();
    assert_eq!(receiver.recv().await.unwrap().len(), 1);
    assert_eq!(receiver.recv().await, None);
}

#[test]
fn a_slow_receiver_loses_the_oldest_and_a_gone_one_everything() {
    let sample =
        |i: i64| Sample { at: DateTime::UNIX_EPOCH + TimeDelta::seconds(i), values: vec![] };
    let (sender, receiver) = mpsc::channel(1);
    let mut untaken = vec![sample(0)];
    hand_over(&mut untaken, &sender);
    untaken.extend((1..1000).map(sample));
    hand_over(&mut untaken, &sender);
    assert_eq!((untaken.len(), untaken[0].at), (MOST_UNTAKEN, sample(280).at));
    drop(receiver);
    hand_over(&mut untaken, &sender);
    assert!(untaken.is_empty());
}
