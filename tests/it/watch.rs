//! The bot watches a real Prometheus, and tells once.

use chrono::TimeDelta;
use smartcloudops::{
    anomaly::{
        Detector, History, Schema, Settings,
        incident::{Normality, Signature},
        model::{self, Model},
    },
    clock::Clock,
    incidents::{Incidents, Work},
    metrics::{Signal, Stat},
    store::{Actor, Wanted},
    watch::Watch,
};

use crate::incidents::hot;
use crate::support::{
    database::{Database, on_sqlite},
    peers,
    room::Room,
};

const SETTINGS: &str = "[detection]\nhistory = \"1d\"\nlearn = \"12h\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_stopped_is_told_once_and_the_rest_is_learned() {
    let Some(server) = peers::fleet() else { return };
    let story = async |database: &Database| {
        let clock = &database.clock;
        // A while ago, so that the future of that moment is known.
        let begin = smartcloudops::clock::Clock::system().now() - TimeDelta::minutes(30);
        clock.advance(begin - clock.now());
        let room = Room::configured(database, &server, SETTINGS).await;
        let incidents = Incidents::new(room.app.clone(), room.outbox.serves());
        let mut watch = Watch::new(room.app.clone(), incidents.clone());
        watch.look().await.unwrap();
        assert_eq!(watch.learned(), 0, "nothing is known before the past was read");
        watch.has_learned().await;
        // All twenty: one of them stopped two hours ago, which leaves enough of its day.
        assert_eq!(watch.learned(), 20);
        // The next run remembers.
        let silent = Incidents::silent(room.app.clone());
        assert_eq!(Watch::new(room.app.clone(), silent).learned(), 20);
        for _ in 0..6 {
            watch.look().await.unwrap();
            clock.advance(TimeDelta::minutes(1));
        }
        let down: Vec<_> = room.app.store.incidents(Wanted::Known).await.unwrap();
        let down: Vec<_> = down.iter().filter(|incident| incident.is_on("worker-6")).collect();
        assert_eq!(down.len(), 1, "{down:#?}");
        room.later(TimeDelta::seconds(11));
        room.becomes_true("SELECT id FROM outbox WHERE state = 'delivered'").await;
        let told: Vec<_> = room.slack.fake.cards().into_iter().map(|card| card.title).collect();
        let about: Vec<_> = told.iter().filter(|title| title.contains("worker-6 down")).collect();
        assert_eq!(about.len(), 1, "{told:?}");
        // A quiet fleet is not made loud.
        assert!(told.len() <= 3, "{told:?}");
        // Something else goes on, and somebody says that it is normal: that is learned at once.
        let start = clock.now();
        let strange = hot("web-1", start);
        let number = incidents.observe(&[strange], start).await.unwrap()[0].number;
        let by = Signature { by: "Ana".to_owned(), at: clock.now() };
        let accept = Work::Answer(Some(Normality::Accepted));
        incidents.work(number, &accept, &Actor::System, &by).await.unwrap().unwrap();
        let written = || {
            let file = room.app.config.model_file().unwrap();
            model::load_newest(&file, None).unwrap().model.header.written
        };
        assert!(written() < start.timestamp_millis());
        clock.advance(TimeDelta::minutes(1));
        for _ in 0..2 {
            watch.look().await.unwrap();
            watch.has_learned().await;
            assert_eq!(written(), start.timestamp_millis() + 60_000, "once");
        }
        assert_eq!(watch.learned(), 20, "a minute is too short to forget what was before");
        room.app.store.close().await;
    };
    Box::pin(on_sqlite(story)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_of_another_fleet_is_not_believed() {
    let Some(server) = peers::fleet() else { return };
    let story = async |database: &Database| {
        let clock = &database.clock;
        clock.advance(smartcloudops::clock::Clock::system().now() - clock.now());
        let room = Room::configured(database, &server, SETTINGS).await;
        let incidents = Incidents::silent(room.app.clone());
        let minutes = 0..1440_i64;
        let history = History {
            times: minutes.clone().map(|minute| minute * 60_000).collect(),
            rows: minutes.map(|minute| (minute % 7) as f32).collect(),
        };
        let schema = Schema::new(vec!["cpu".to_owned()]);
        let strangers = ["elsewhere-1".to_owned(), "elsewhere-2".to_owned()];
        let histories = strangers.map(|host| (host, history.clone())).into();
        let detector = Detector::train(schema, &histories, Settings::default());
        let file = room.app.config.model_file().unwrap();
        let span = (0, 1440 * 60_000);
        model::save(&file, &Model::new(detector, span, clock.now())).unwrap();
        let mut watch = Watch::new(room.app.clone(), incidents);
        assert_eq!(watch.learned(), 2, "it is as good as any, as far as one knows");
        watch.look().await.unwrap();
        assert_eq!(watch.learned(), 0);
        watch.look().await.unwrap();
        watch.has_learned().await;
        assert_eq!(watch.learned(), 20);
        room.app.store.close().await;
    };
    Box::pin(on_sqlite(story)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_that_begin_again_are_no_anomaly() {
    let Some(server) = peers::fleet() else { return };
    let story = async |database: &Database| {
        let clock = &database.clock;
        clock.advance(Clock::system().now() - clock.now());
        let room = Room::configured(database, &server, SETTINGS).await;
        // It was rebooted three days ago.
        let uptime = room.app.metrics.read(Signal::Uptime, Stat::Current, None).await.unwrap();
        let uptime = uptime.values.iter().find(|it| it.host == "web-3").unwrap().value;
        assert!((2.8..3.2).contains(&(uptime / 86_400.0)), "{uptime}");
        clock.advance(-TimeDelta::seconds(uptime as i64) - TimeDelta::minutes(10));
        let mut watch = Watch::new(room.app.clone(), Incidents::silent(room.app.clone()));
        watch.look().await.unwrap();
        watch.has_learned().await;
        assert_eq!(watch.learned(), 20);
        for _ in 0..30 {
            watch.look().await.unwrap();
            clock.advance(TimeDelta::minutes(1));
        }
        let known = room.app.store.incidents(Wanted::Known).await.unwrap();
        let about: Vec<_> = known.iter().filter(|incident| incident.is_on("web-3")).collect();
        assert!(about.is_empty(), "{about:#?}");
        room.app.store.close().await;
    };
    Box::pin(on_sqlite(story)).await;
}
