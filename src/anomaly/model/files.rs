//! Model files on disk: written whole or not at all, with the generations before.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use super::{FormatError, Model, decode, encode};
use crate::{anomaly::Schema, format};

/// How many models are kept: `FILE`, `FILE.1` and `FILE.2`.
pub const GENERATIONS: usize = 3;
/// A larger file is not read: a thousand hosts with 23 metrics take a twentieth of it.
pub const MAX_BYTES: u64 = 2 << 30;
/// So many metrics are named when they differ.
const NAMED: usize = 3;

/// Why a model could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The system refused.
    #[error("cannot {what} {}: {source}", file.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process is writing it now.
    #[error("cannot write {}: another process is writing it, wait until it is done", file.display())]
    Busy {
        /// Which file.
        file: PathBuf,
    },
    /// It is larger than any model.
    #[error(
        "cannot use the model {}: it has {bytes} bytes, and a model has at most {MAX_BYTES}: is it \
         the right file?",
        file.display()
    )]
    TooLarge {
        /// Which file.
        file: PathBuf,
        /// How large it is.
        bytes: u64,
    },
    /// What is in it cannot be used.
    #[error("cannot use the model {}: {reason}", file.display())]
    Format {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it, and what to do.
        reason: FormatError,
    },
    /// It was trained on other metrics.
    #[error(
        "cannot use the model {} for these data: {differences}; train it again on data like these",
        file.display()
    )]
    OtherMetrics {
        /// Which file.
        file: PathBuf,
        /// Which metrics differ.
        differences: String,
    },
}

/// A model that was found, and why newer ones were passed over.
#[derive(Debug)]
pub struct Loaded {
    /// The newest one that can be used.
    pub model: Model,
    /// Its file.
    pub file: PathBuf,
    /// What was wrong with each newer generation.
    pub passed_over: Vec<ModelError>,
}

/// Writes a model in place of the newest, which becomes the one before; gives its size in bytes.
///
/// It is complete on the disk before the older ones are renamed. A crash between the renamings leaves
/// the previous model as `FILE.1`, where [`load_newest`] finds it.
pub fn save(path: &Path, model: &Model) -> Result<u64, ModelError> {
    let bytes =
        encode(model).map_err(|reason| ModelError::Format { file: path.to_owned(), reason })?;
    let new = with_suffix(path, ".new");
    let failed = |what, file: &Path| {
        let file = file.to_owned();
        move |source| ModelError::Io { what, file, source }
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        // Not before it is known that nobody else writes it.
        .truncate(false)
        .open(&new)
        .map_err(failed("write", &new))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(ModelError::Busy { file: path.to_owned() }),
        Err(TryLockError::Error(source)) => return Err(failed("lock", &new)(source)),
    }
    file.set_len(0)
        .and_then(|()| file.write_all(&bytes))
        .and_then(|()| file.sync_all())
        .map_err(failed("write", &new))?;
    // A gap is where a crash was: the older ones stay, so that many crashes do not push them out.
    let is_there = |generation| generation_of(path, generation).symlink_metadata().is_ok();
    let gap = (0..GENERATIONS - 1).find(|it| !is_there(*it)).unwrap_or(GENERATIONS - 1);
    for generation in (1..=gap).rev() {
        let older = generation_of(path, generation);
        fs::rename(generation_of(path, generation - 1), &older).map_err(failed("write", &older))?;
    }
    fs::rename(&new, path).map_err(failed("write", path))?;
    // Only then do the names outlast a crash of the machine.
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    sync_directory(directory).map_err(failed("write", directory))?;
    Ok(bytes.len() as u64)
}

/// Reads a model; with a schema, only one that was trained on exactly these metrics in this order.
pub fn load(path: &Path, expected: Option<&Schema>) -> Result<Model, ModelError> {
    let failed = |source| ModelError::Io { what: "read", file: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    // A device may never end, and a directory has nothing to read.
    if !metadata.is_file() {
        let reason = FormatError::NotAModel;
        return Err(ModelError::Format { file: path.to_owned(), reason });
    }
    let bytes = metadata.len();
    if bytes > MAX_BYTES {
        return Err(ModelError::TooLarge { file: path.to_owned(), bytes });
    }
    let mut contents = Vec::with_capacity(bytes as usize);
    // What grows meanwhile is still bounded.
    (&mut file).take(MAX_BYTES).read_to_end(&mut contents).map_err(failed)?;
    let model =
        decode(&contents).map_err(|reason| ModelError::Format { file: path.to_owned(), reason })?;
    match expected.filter(|expected| expected.hash() != model.header.schema) {
        None => Ok(model),
        Some(expected) => Err(ModelError::OtherMetrics {
            file: path.to_owned(),
            differences: differences(model.detector.schema(), expected),
        }),
    }
}

/// Reads the newest generation that can be used. One with other metrics than expected is no reason to
/// look further: what differs is the data.
///
/// # Errors
///
/// That of the newest generation that is there, when none can be used.
pub fn load_newest(path: &Path, expected: Option<&Schema>) -> Result<Loaded, ModelError> {
    let mut passed_over = Vec::new();
    for generation in 0..GENERATIONS {
        let file = generation_of(path, generation);
        match load(&file, expected) {
            Ok(model) => return Ok(Loaded { model, file, passed_over }),
            Err(error @ ModelError::OtherMetrics { .. }) => return Err(error),
            Err(error) => passed_over.push(error),
        }
    }
    let first = passed_over.iter().position(|error| !is_missing(error)).unwrap_or_default();
    Err(passed_over.swap_remove(first))
}

fn is_missing(error: &ModelError) -> bool {
    matches!(error, ModelError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

/// The file of a generation; 0 is the newest.
fn generation_of(path: &Path, generation: usize) -> PathBuf {
    if generation == 0 { path.to_owned() } else { with_suffix(path, &format!(".{generation}")) }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Elsewhere a directory cannot be opened as a file.
#[cfg(not(unix))]
fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}

/// How two lists of metrics differ, in words.
fn differences(model: &Schema, data: &Schema) -> String {
    let parts: Vec<String> =
        [("only the model has", only(model, data)), ("only the data have", only(data, model))]
            .into_iter()
            .filter(|(_, metrics)| !metrics.is_empty())
            .map(|(whose, metrics)| format!("{whose} {}", format::names(metrics, NAMED)))
            .collect();
    if parts.is_empty() {
        "they have the same metrics in another order".to_owned()
    } else {
        parts.join(", ")
    }
}

/// The metrics of one list that the other does not have.
fn only<'a>(schema: &'a Schema, other: &Schema) -> Vec<&'a str> {
    let names = schema.metrics().iter();
    names.filter(|name| !other.metrics().contains(name)).map(String::as_str).collect()
}
