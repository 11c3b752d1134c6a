//! Lines from the keyboard or a pipe, and a screen that both may write to.

use std::{
    io::{self, BufRead, Read, Write},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rustyline::{Config, DefaultEditor, ExternalPrinter, config::Configurer, error::ReadlineError};
use tokio::sync::mpsc;

/// The longest line that is read whole; the rest of a longer one is dropped.
const MAX_LINE_BYTES: u64 = 64 * 1024;

const PROMPT: &str = "› ";

/// What the person types, one line at a time.
pub(crate) struct Lines {
    received: mpsc::Receiver<String>,
    ready: Option<std::sync::mpsc::SyncSender<()>>,
    _before: Option<Before>,
}

/// The terminal as it was before a line was edited in it. The editor puts it back itself when a line
/// ends, but not when the program is told to stop in the middle of one.
struct Before(#[cfg(unix)] rustix::termios::Termios);

impl Before {
    fn now() -> Option<Self> {
        #[cfg(unix)]
        return rustix::termios::tcgetattr(io::stdin()).ok().map(Self);
        #[cfg(not(unix))]
        None
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        #[cfg(unix)]
        let _ =
            rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, &self.0);
    }
}

impl Lines {
    #[cfg(test)]
    pub(crate) fn typed(received: mpsc::Receiver<String>) -> Self {
        Self { received, ready: None, _before: None }
    }

    /// Asks for the next line; `None` when the person left.
    pub(crate) async fn next(&mut self) -> Option<String> {
        if let Some(ready) = &self.ready {
            // A gone reader also closed `received`, which says so below.
            let _ = ready.send(());
        }
        self.received.recv().await
    }
}

/// Where answers appear, also while a line is being typed.
#[derive(Clone)]
pub(crate) struct Screen(Option<Arc<Mutex<dyn ExternalPrinter + Send>>>);

impl Screen {
    #[cfg(test)]
    pub(crate) fn on(printer: impl ExternalPrinter + Send + 'static) -> Self {
        Self(Some(Arc::new(Mutex::new(printer))))
    }

    pub(crate) fn print(&self, text: &str) {
        let shown = match &self.0 {
            Some(printer) => printer
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .print(text.to_owned())
                .is_ok(),
            None => false,
        };
        if !shown {
            let mut out = io::stdout().lock();
            // A reader that closed the pipe has seen enough.
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
    }
}

/// A terminal: editing, history, answers above the prompt.
pub(crate) fn terminal(history: Option<PathBuf>) -> io::Result<(Screen, Lines)> {
    let config = Config::builder().auto_add_history(true).build();
    let mut editor = DefaultEditor::with_config(config).map_err(io::Error::other)?;
    editor.set_max_history_size(1000).map_err(io::Error::other)?;
    if let Some(path) = &history {
        // No history yet is how every first run starts.
        let _ = editor.load_history(path);
    }
    let printer = editor.create_external_printer().map_err(io::Error::other)?;
    let before = Before::now();
    let (send, received) = mpsc::channel(1);
    // The editor blocks, so it has a thread of its own, and asks for a line only when told to.
    let (ready, wanted) = std::sync::mpsc::sync_channel::<()>(1);
    std::thread::spawn(move || {
        while wanted.recv().is_ok() {
            match editor.readline(PROMPT) {
                Ok(line) => {
                    if matches!(line.trim(), "exit" | "quit") || send.blocking_send(line).is_err() {
                        break;
                    }
                }
                Err(ReadlineError::Interrupted | ReadlineError::Eof) => break,
                Err(error) => {
                    tracing::error!(%error, "cannot read from the terminal");
                    break;
                }
            }
        }
        if let Some(path) = &history
            && let Err(error) = editor.save_history(path)
        {
            tracing::warn!(%error, path = %path.display(), "cannot save the console history");
        }
    });
    Ok((
        Screen(Some(Arc::new(Mutex::new(printer)))),
        Lines { received, ready: Some(ready), _before: before },
    ))
}

/// A pipe or a file: lines until it ends.
pub(crate) fn piped() -> (Screen, Lines) {
    let (send, received) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        while let Some(line) = read_line(&mut input) {
            if send.blocking_send(line).is_err() {
                break;
            }
        }
    });
    (Screen(None), Lines { received, ready: None, _before: None })
}

/// One line without its end. Bytes that are not UTF-8 become replacement characters, and what is
/// over the limit is dropped. `None` at the end of the input.
fn read_line(input: &mut impl BufRead) -> Option<String> {
    let mut bytes = Vec::new();
    let read = input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes).ok()?;
    if read == 0 {
        return None;
    }
    if bytes.last() != Some(&b'\n') {
        skip_line(input);
    }
    Some(String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned())
}

fn skip_line(input: &mut impl BufRead) {
    while let Ok(buffer) = input.fill_buf() {
        let (used, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(position) => (position + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        input.consume(used);
        if ended {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<String> {
        let mut input = io::BufReader::new(bytes);
        std::iter::from_fn(|| read_line(&mut input)).collect()
    }

    #[test]
    fn broken_utf8_and_endless_lines_are_lines_too() {
        let mut bytes = b"cpu\r\n\xff\xfe mem\n".to_vec();
        bytes.extend(std::iter::repeat_n(b'x', 10_000_000));
        bytes.extend(b"\nload");
        let read = lines(&bytes);
        assert_eq!(read[0], "cpu");
        assert_eq!(read[1], "\u{fffd}\u{fffd} mem");
        assert_eq!(read[2].len() as u64, MAX_LINE_BYTES);
        assert_eq!(read[3], "load");
        assert_eq!(read.len(), 4);
    }
}
