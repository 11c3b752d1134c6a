//! Every server that knows the made-up fleet, with every database: what people are told depends on
//! neither.

use smartcloudops::clock::Clock;

use super::{
    bot::Smartcloudops,
    database::{Database, for_each},
    peers,
};

/// Runs a story on each server with an empty database of each engine, on which it is now.
pub async fn everywhere(story: impl AsyncFn(&Database, &str)) {
    for server in peers::fleets() {
        for_each(async |database| {
            let clock = &database.clock;
            clock.advance(Clock::system().now() - clock.now());
            story(database, &server).await;
        })
        .await;
    }
}

/// The same for stories of the program as it is installed.
pub fn installed_everywhere(story: impl Fn(&Smartcloudops)) {
    for server in peers::fleets() {
        let settings = format!("[metrics.prometheus]\nurl = \"{server}\"\ntimeout = \"10s\"\n");
        installed_on_each_database(&settings, &story);
    }
}

/// Runs a story on the program with these settings and an empty database of each engine.
pub fn installed_on_each_database(settings: &str, story: impl Fn(&Smartcloudops)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(for_each(async |database| {
        story(&Smartcloudops::configured(&format!(
            "[store]\nurl = \"{}\"\n{settings}",
            database.url
        )));
    }));
}
