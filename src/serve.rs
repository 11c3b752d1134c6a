//! Starts everything, and stops it in order.

use std::{
    future::Future,
    io::{self, IsTerminal},
    path::Path,
    sync::Arc,
    time::Duration,
};

use chat::{Card, ChatAdapter, Inbox};
use console::{Console, ConsoleConfig};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    app::{App, AppError},
    bot::{Bot, cards, outbox::Outbox, receive::Receiver},
    cli,
    clock::Clock,
    config::{self, Config},
    http,
    http::Health,
    incidents::Incidents,
    metrics::Metrics,
    people,
    platforms::{self, Platforms},
    sampling,
    store::Alone,
    watch,
};

/// Events that wait to be looked at; more make the adapters wait.
const INBOX_CAPACITY: usize = 100;
/// How long a stop may take before it becomes an abort.
const STOP_WITHIN: Duration = Duration::from_secs(30);
/// How long after a platform did not let the bot in it is asked again.
const CONNECT_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// How often old conversations are forgotten.
const TIDY_EVERY: Duration = Duration::from_hours(6);

/// What runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything that is configured.
    Serve,
    /// Only the conversation in this terminal.
    Chat,
}

/// Why the bot stopped with an error.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It could not start.
    #[error(transparent)]
    App(#[from] AppError),
    /// The terminal cannot be used.
    #[error("cannot use this terminal: {0}")]
    Terminal(io::Error),
    /// Another process serves the same people from the same database.
    #[error(
        "another process serves from {database} already: stop it, or give this one its own `store.url` and its own \
         tokens"
    )]
    Served {
        /// The file or server of the database.
        database: String,
    },
    /// The HTTP address cannot be used.
    #[error(
        "cannot listen on {address}: {source}; set `http.listen` to a free address or `http.enabled = false`"
    )]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What happened.
        source: io::Error,
    },
}

/// Whether somebody sits at a terminal.
pub fn has_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Runs until told to stop. Returns the exit code: 0 after a clean stop, 1 when a part ended early.
///
/// The configuration was read from `file`, where new tokens are looked for.
pub async fn run(config: Config, file: Option<&Path>, mode: Mode) -> Result<u8, ServeError> {
    let clock = Clock::system();
    let platforms = match mode {
        Mode::Serve => Platforms::of(&config, file, &clock).map_err(AppError::from)?,
        Mode::Chat => Platforms::default(),
    };
    let app = App::build(config, clock).await?;
    let alone = if mode == Mode::Serve { Some(alone(&app).await?) } else { None };
    let signals = Signals::new();
    let talks = mode == Mode::Chat || has_terminal();
    let listener = match mode {
        Mode::Chat => Listening::Off,
        // Where platforms send requests, an address that is taken is no small matter.
        Mode::Serve => listen(&app, talks && !platforms.needs_http).await?,
    };
    let console = if talks { Some(Arc::new(open_console(&app)?)) } else { None };
    if let Some(console) = console.as_ref().filter(|_| has_terminal()) {
        console.show(&first_screen(&app, &listener).await);
    }
    tracing::info!(store = %app.store.place(), metrics = %app.metrics.describe(), "the bot is ready");
    let running = Running::start(&app, alone, console, platforms, listener);
    Ok(running.until_stopped(signals).await)
}

/// The right to serve from this database: two with the same tokens would hear everything twice, or each a half.
async fn alone(app: &App) -> Result<Alone, ServeError> {
    match app.store.alone().await.map_err(AppError::from)? {
        Some(alone) => Ok(alone),
        None => Err(ServeError::Served { database: app.store.place().to_owned() }),
    }
}

/// Whether and where HTTP is served.
enum Listening {
    Off,
    On(TcpListener),
    /// Wanted, but the address is taken: at a terminal this is said, and the rest works.
    Failed(ServeError),
}

async fn listen(app: &App, talks: bool) -> Result<Listening, ServeError> {
    if !app.config.http.enabled {
        return Ok(Listening::Off);
    }
    let address = app.config.http.listen;
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(Listening::On(listener)),
        Err(source) => {
            let error = ServeError::Listen { address, source };
            if talks { Ok(Listening::Failed(error)) } else { Err(error) }
        }
    }
}

fn open_console(app: &App) -> Result<Console, ServeError> {
    let person = people::console_user();
    let data = config::data_directory();
    Console::new(ConsoleConfig {
        display_name: person.user.clone(),
        person,
        history: data.as_ref().map(|data| data.join("console-history.txt")),
        pictures: data.unwrap_or_else(std::env::temp_dir).join("pictures"),
        keep_pictures: Duration::from_hours(24 * u64::from(app.config.bot.history_days)),
        style: cli::style_of_stdout(),
        run: app.store.new_id(),
        clock: app.clock.of_chat(),
    })
    .map_err(ServeError::Terminal)
}

async fn first_screen(app: &Arc<App>, listener: &Listening) -> Card {
    let serving = match listener {
        Listening::Off => "nothing over HTTP".to_owned(),
        Listening::Failed(error) => error.to_string(),
        Listening::On(listener) => listener.local_addr().map_or_else(
            |error| error.to_string(),
            |address| format!("http://{address}/healthz, /readyz and /metrics"),
        ),
    };
    let watching = match http::hosts(app).await {
        Ok(hosts) => format!("{} ({hosts})", app.metrics.describe()),
        Err(reason) => reason,
    };
    let logs = app.config.log_directory().unwrap_or_default();
    let detection = &app.config.detection;
    let telling = match detection.mode {
        watch::Mode::Off => "of nothing: `detection.mode` is off".to_owned(),
        watch::Mode::Shadow => {
            "nobody: `detection.mode` is shadow; ask for a `shadow report`".to_owned()
        }
        watch::Mode::Detect => {
            format!("of what is unusual, once it knows {} of the past", detection.learn)
        }
    };
    cards::first_screen(
        env!("CARGO_PKG_VERSION"),
        &watching,
        &telling,
        &format!("{} {}", app.store.backend(), app.store.place()),
        &serving,
        &logs,
    )
}

/// The running parts. Adapters stop first, so that nothing new comes in; then the bot answers what
/// it has; then the outbox, the samples and HTTP stop, and the database is closed.
struct Running {
    app: Arc<App>,
    /// Cancelled by a signal, by the last person leaving, or by a part that ended early.
    root: CancellationToken,
    front: TaskTracker,
    back: TaskTracker,
    back_token: CancellationToken,
    bot: tokio::task::JoinHandle<()>,
    broken: CancellationToken,
}

impl Running {
    fn start(
        app: &Arc<App>,
        alone: Option<Alone>,
        console: Option<Arc<Console>>,
        platforms: Platforms,
        listener: Listening,
    ) -> Self {
        let Platforms { mut adapters, routes, .. } = platforms;
        let root = CancellationToken::new();
        let back_token = CancellationToken::new();
        let broken = CancellationToken::new();
        let (front, back) = (TaskTracker::new(), TaskTracker::new());
        let remote = adapters.clone();
        adapters.extend(console.clone().map(|console| console as Arc<dyn ChatAdapter>));
        let outbox = Arc::new(Outbox::new(app.clone(), adapters.clone()));
        let health = Arc::new(Health::default());
        say_what_works(app, &adapters, &health);
        let bot = Bot::new(app.clone()).on(&adapters);
        let (inbox, deliveries) = Inbox::bounded(INBOX_CAPACITY);
        let inbox = inbox.suggesting(Arc::new(bot.clone()));
        for adapter in remote {
            front.spawn(stay_connected(adapter, inbox.clone(), root.clone()));
        }
        if let Some(console) = console {
            let (inbox, root, broken) = (inbox.clone(), root.clone(), broken.clone());
            front.spawn(talk(console, inbox, root, broken, health.clone()));
        }
        drop(inbox);
        front.close();
        let receiver = Receiver::new(bot, outbox.clone());
        // The bot ends when the adapters have dropped their ends of the inbox. Without adapters it
        // waits for the signal.
        let bot = tokio::spawn({
            let root = root.clone();
            async move {
                receiver.run(deliveries).await;
                root.cancelled().await;
            }
        });
        let watched =
            |part: &'static str, work: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
                let (root, broken, stopping) = (root.clone(), broken.clone(), back_token.clone());
                let health = health.clone();
                back.spawn(async move {
                    work.await;
                    if !stopping.is_cancelled() {
                        tracing::error!(part, "a part ended early");
                        health.fails(part, "it ended early");
                        broken.cancel();
                        root.cancel();
                    }
                });
            };
        let serves = outbox.serves().to_vec();
        if let Some(alone) = alone {
            let (store, token) = (app.store.clone(), back_token.clone());
            watched(
                "the right to serve",
                Box::pin(async move {
                    tokio::select! {
                        () = token.cancelled() => {}
                        () = alone.lost(&store) => tracing::error!("another process serves from this database now"),
                    }
                }),
            );
        }
        watched(
            "platforms",
            Box::pin(platforms::look_after(
                app.clone(),
                adapters,
                health.clone(),
                outbox.clone(),
                back_token.clone(),
            )),
        );
        watched(
            "outbox",
            Box::pin({
                let token = back_token.clone();
                async move { outbox.run(token).await }
            }),
        );
        let incidents = match app.config.detection.mode {
            watch::Mode::Detect => Incidents::new(app.clone(), &serves),
            watch::Mode::Shadow | watch::Mode::Off => Incidents::silent(app.clone()),
        };
        watched("watch", Box::pin(watch::run(app.clone(), incidents, back_token.clone())));
        watched("sampling", Box::pin(sampling::run(app.clone(), back_token.clone())));
        watched("tidying", Box::pin(tidy(app.clone(), back_token.clone())));
        match listener {
            Listening::On(listener) => watched(
                "http",
                Box::pin({
                    let (app, token) = (app.clone(), back_token.clone());
                    let health = health.clone();
                    async move {
                        if let Err(error) = http::serve(app, health, routes, listener, token).await
                        {
                            tracing::error!(%error, "HTTP failed");
                        }
                    }
                }),
            ),
            Listening::Failed(error) => tracing::warn!(%error, "HTTP is not served"),
            Listening::Off => {}
        }
        back.close();
        Self { app: app.clone(), root, front, back, back_token, bot, broken }
    }

    async fn until_stopped(self, mut signals: Signals) -> u8 {
        tokio::select! {
            () = self.root.cancelled() => {}
            () = signals.next() => tracing::info!("stopping; a second signal aborts"),
        }
        self.root.cancel();
        let stopped = async {
            self.front.wait().await;
            if let Err(error) = self.bot.await {
                tracing::error!(%error, "the bot ended early");
                self.broken.cancel();
            }
            self.back_token.cancel();
            self.back.wait().await;
            self.app.store.close().await;
        };
        tokio::select! {
            () = stopped => {}
            () = signals.next() => {
                tracing::warn!("aborted by a second signal");
                return 1;
            }
            () = tokio::time::sleep(STOP_WITHIN) => {
                tracing::error!("aborted: stopping took over {} s", STOP_WITHIN.as_secs());
                return 1;
            }
        }
        tracing::info!("stopped");
        u8::from(self.broken.is_cancelled())
    }
}

/// What the parts do while nothing is wrong.
fn say_what_works(app: &App, adapters: &[Arc<dyn ChatAdapter>], health: &Health) {
    health.works("chat", connected(adapters));
    health.works("outbox", "posts what is due");
    health.works(
        "watch",
        match app.config.detection.mode {
            watch::Mode::Off => "looks for nothing: `detection.mode` is off",
            watch::Mode::Shadow => "looks for what is unusual, and tells nobody",
            watch::Mode::Detect => "looks for what is unusual",
        },
    );
    health.works(
        "sampling",
        match &app.metrics {
            Metrics::Host(_) => "keeps this machine's samples",
            Metrics::Prometheus(_) => "not needed: Prometheus keeps the samples",
        },
    );
}

/// The conversation at the terminal: when its person leaves, all is done.
async fn talk(
    console: Arc<Console>,
    inbox: Inbox,
    root: CancellationToken,
    broken: CancellationToken,
    health: Arc<Health>,
) {
    if let Err(error) = console.run(inbox, root.clone()).await {
        tracing::error!(%error, "the terminal was lost");
        health.fails("chat", error.to_string());
        broken.cancel();
    }
    root.cancel();
}

/// Runs a platform until told to stop. One that does not let the bot in is asked again; meanwhile the others
/// go on.
async fn stay_connected(adapter: Arc<dyn ChatAdapter>, inbox: Inbox, shutdown: CancellationToken) {
    while let Err(error) = adapter.run(inbox.clone(), shutdown.clone()).await {
        tracing::error!(%error, platform = %adapter.platform(), "a chat platform was lost");
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(CONNECT_AGAIN_AFTER) => {}
        }
    }
}

/// Where people can talk to the bot.
fn connected(adapters: &[Arc<dyn ChatAdapter>]) -> String {
    if adapters.is_empty() {
        return "no platform is configured".to_owned();
    }
    adapters.iter().map(|it| it.platform().as_str()).collect::<Vec<_>>().join(", ")
}

/// Forgets what is older than the people want it kept.
async fn tidy(app: Arc<App>, shutdown: CancellationToken) {
    loop {
        match app.store.purge_older_than(app.config.bot.history_days).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "forgot old conversations"),
            Err(error) => tracing::error!(%error, "cannot forget old conversations"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(TIDY_EVERY) => {}
        }
    }
}

/// How the process is asked to stop. From its making on a signal no longer kills: make it before
/// anything runs that a stop has to end in order.
struct Signals {
    #[cfg(unix)]
    terminate: Option<tokio::signal::unix::Signal>,
    #[cfg(unix)]
    interrupt: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind)
                .inspect_err(|error| tracing::warn!(%error, "cannot listen for a signal"))
                .ok()
        };
        Self {
            terminate: listen(SignalKind::terminate()),
            interrupt: listen(SignalKind::interrupt()),
        }
    }

    #[cfg(not(unix))]
    fn new() -> Self {
        Self {}
    }

    /// Returns when the process is asked to stop.
    #[cfg(unix)]
    async fn next(&mut self) {
        async fn of(signal: &mut Option<tokio::signal::unix::Signal>) {
            match signal {
                Some(signal) => {
                    signal.recv().await;
                }
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = of(&mut self.terminate) => {}
            () = of(&mut self.interrupt) => {}
        }
    }

    /// Returns when the process is asked to stop.
    #[cfg(not(unix))]
    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
