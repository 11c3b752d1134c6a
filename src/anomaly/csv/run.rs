//! A part of a file in which time does not go backwards, read through a small buffer.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    sync::Arc,
};

use csv::{ByteRecord, Reader, ReaderBuilder};

/// The buffers of all runs together, in bytes; each has between [`SMALLEST_BUFFER`] and
/// [`LARGEST_BUFFER`].
const ALL_BUFFERS: usize = 64 << 20;
const SMALLEST_BUFFER: usize = 4 << 10;
const LARGEST_BUFFER: usize = 64 << 10;

/// Where a run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Which file.
    pub(super) file: usize,
    /// Its first byte.
    pub(super) start: u64,
    /// The byte after its last.
    pub(super) end: u64,
    /// The line of its first byte, counted from 1.
    pub(super) line: u64,
}

/// The bytes of a run. The file is shared by all of its runs: it is open once, however many there are.
pub(super) struct Section {
    file: Arc<File>,
    next: u64,
    end: u64,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.next).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(self.next))?;
        let read = file.read(&mut buffer[..wanted])?;
        self.next += read as u64;
        Ok(read)
    }
}

/// The rows of a run.
pub(super) struct Rows {
    reader: Reader<Section>,
    /// The line of the first byte.
    line: u64,
    /// Bytes that were handed on.
    pub(super) bytes: u64,
}

impl Rows {
    /// Opens a run, which is one of `runs`.
    pub(super) fn open(file: Arc<File>, run: &Run, runs: usize) -> Self {
        let buffer = (ALL_BUFFERS / runs.max(1)).clamp(SMALLEST_BUFFER, LARGEST_BUFFER);
        let section = Section { file, next: run.start, end: run.end };
        Self { reader: plain(buffer).from_reader(section), line: run.line, bytes: 0 }
    }

    /// The next row and the line it begins on; `None` at the end.
    pub(super) fn next(&mut self, row: &mut ByteRecord) -> io::Result<Option<u64>> {
        if !self.reader.read_byte_record(row).map_err(into_io)? {
            self.bytes = self.reader.position().byte();
            return Ok(None);
        }
        self.bytes = self.reader.position().byte();
        Ok(Some(line_of(row, self.line)))
    }
}

/// A reader that judges nothing: rows are judged here, so that a bad one can be named.
pub(super) fn plain(buffer: usize) -> ReaderBuilder {
    let mut builder = ReaderBuilder::new();
    builder.has_headers(false).flexible(true).buffer_capacity(buffer);
    builder
}

/// The line a row begins on, where the reader began on line `first`.
pub(super) fn line_of(row: &ByteRecord, first: u64) -> u64 {
    first + row.position().map_or(0, |position| position.line().saturating_sub(1))
}

/// A reader that judges nothing fails only where the system does.
pub(super) fn into_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, format!("{other:?}")),
    }
}
