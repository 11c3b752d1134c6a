//! A network that breaks at the worst moment.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// When the wire is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Before the server hears of it.
    Before,
    /// When the server has done it and is about to say so.
    After,
    /// In the middle of what the server says then.
    #[cfg(any(feature = "discord", feature = "matrix", feature = "slack"))]
    Half,
    /// When the server has heard of it, and rudely: the client is told that the connection was reset.
    #[cfg(any(feature = "discord", feature = "matrix", feature = "slack"))]
    Reset,
    /// Never: what the server says does not arrive any more.
    #[cfg(feature = "matrix")]
    Silence,
}

type Plan = Arc<Mutex<Option<(&'static str, Cut)>>>;

/// Forwards everything between its own port and a server, until it does not.
pub struct Proxy {
    pub port: u16,
    plan: Plan,
    down: Arc<AtomicBool>,
    #[cfg(any(feature = "discord", feature = "matrix", feature = "slack"))]
    slow: Arc<AtomicU64>,
    #[cfg(feature = "matrix")]
    heard: Arc<AtomicUsize>,
}

impl Proxy {
    pub fn before(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let plan = Plan::default();
        let (down, slow) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (plans, downs, slows) = (plan.clone(), down.clone(), slow.clone());
        let heard = Arc::new(AtomicUsize::new(0));
        let counted = heard.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
                connect(
                    client,
                    server,
                    plans.clone(),
                    downs.clone(),
                    slows.clone(),
                    counted.clone(),
                );
            }
        });
        Self {
            port,
            plan,
            down,
            #[cfg(any(feature = "discord", feature = "matrix", feature = "slack"))]
            slow,
            #[cfg(feature = "matrix")]
            heard,
        }
    }

    /// How many times a client said something.
    #[cfg(feature = "matrix")]
    pub fn heard(&self) -> usize {
        self.heard.load(Ordering::SeqCst)
    }

    /// Cuts the first connection whose client says these words. Once.
    pub fn cut(&self, words: &'static str, cut: Cut) {
        *self.plan.lock().unwrap() = Some((words, cut));
    }

    /// Cuts every connection, old and new, until the wire is whole again.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// Holds everything that the server says for so many milliseconds.
    #[cfg(any(feature = "discord", feature = "matrix", feature = "slack"))]
    pub fn set_slow(&self, milliseconds: u64) {
        self.slow.store(milliseconds, Ordering::SeqCst);
    }

    pub fn has_cut(&self) -> bool {
        self.plan.lock().unwrap().is_none()
    }
}

fn connect(
    mut client: TcpStream,
    mut server: TcpStream,
    plan: Plan,
    down: Arc<AtomicBool>,
    slow: Arc<AtomicU64>,
    heard: Arc<AtomicUsize>,
) {
    let silent = Arc::new(AtomicBool::new(false));
    let halved = Arc::new(AtomicBool::new(false));
    let broken = halved.clone();
    let is_reset = Arc::new(AtomicBool::new(false));
    let reset = is_reset.clone();
    let (mut answers, mut listener) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let muted = silent.clone();
    thread::spawn(move || {
        let mut buffer = vec![0; 65536];
        while let Ok(length @ 1..) = answers.read(&mut buffer) {
            thread::sleep(Duration::from_millis(slow.load(Ordering::SeqCst)));
            if broken.load(Ordering::SeqCst) {
                let _ = listener.write_all(&buffer[..length / 2]);
                break;
            }
            if !muted.load(Ordering::SeqCst) && listener.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        // Closed and not shut down: only then it is reset.
        if !reset.load(Ordering::SeqCst) {
            let _ = listener.shutdown(Shutdown::Both);
        }
    });
    thread::spawn(move || {
        let mut buffer = vec![0; 65536];
        while let Ok(length @ 1..) = client.read(&mut buffer) {
            let said = &buffer[..length];
            heard.fetch_add(1, Ordering::SeqCst);
            let cut = down.load(Ordering::SeqCst).then_some(Cut::Before);
            match cut.or_else(|| due(&plan, said)) {
                Some(Cut::Before) => break,
                Some(Cut::After) => {
                    silent.store(true, Ordering::SeqCst);
                    let _ = server.write_all(said);
                    thread::sleep(Duration::from_millis(200));
                    break;
                }
                #[cfg(any(feature = "discord", feature = "matrix", feature = "slack"))]
                Some(Cut::Half) => {
                    halved.store(true, Ordering::SeqCst);
                    let _ = server.write_all(said);
                }
                #[cfg(any(feature = "discord", feature = "matrix", feature = "slack"))]
                Some(Cut::Reset) => {
                    let _ = server.write_all(said);
                    is_reset.store(true, Ordering::SeqCst);
                    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
                    break;
                }
                #[cfg(feature = "matrix")]
                Some(Cut::Silence) => {
                    silent.store(true, Ordering::SeqCst);
                    let _ = server.write_all(said);
                }
                None if server.write_all(said).is_err() => break,
                None => {}
            }
        }
        if !is_reset.load(Ordering::SeqCst) {
            let _ = client.shutdown(Shutdown::Both);
        }
        let _ = server.shutdown(Shutdown::Both);
    });
}

fn due(plan: &Plan, said: &[u8]) -> Option<Cut> {
    let mut plan = plan.lock().unwrap();
    let (words, cut) = (*plan)?;
    let heard = said.windows(words.len()).any(|window| window == words.as_bytes());
    heard.then(|| {
        *plan = None;
        cut
    })
}
