//! The bytes of a model file. Pure.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | [`MAGIC`] |
//! | 4 | [`VERSION`] |
//! | 4 | length of the header |
//! | … | the header, as postcard writes it |
//! | 8 | length of the detector |
//! | … | the detector, as postcard writes it |
//! | 4 | CRC-32 (ISO-HDLC, as in gzip) of everything before |
//!
//! Numbers are little-endian.

use serde::de::DeserializeOwned;

use super::{Header, Model};
use crate::anomaly::Detector;

/// How a model file begins: the first byte is no text, so that nobody takes it for one.
const MAGIC: [u8; 8] = *b"\x93SCOMDL\n";
/// The version of the layout, and of what a detector is made of: it rises when either changes.
pub const VERSION: u32 = 5;
/// A header is a few hundred bytes.
const LONGEST_HEADER: usize = 64 << 10;
const CHECKSUM: usize = 4;

/// Why bytes are not a model that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It is something else.
    #[error("it is not a model file: name one that `smartcloudops train` has written")]
    NotAModel,
    /// It was written by a program with another layout.
    #[error(
        "it has format version {found} and this program reads version {VERSION}: train it again, \
         or use the program that wrote it"
    )]
    OtherVersion {
        /// What it says.
        found: u32,
    },
    /// Its end is missing.
    #[error("it is cut off, {found} bytes of {expected}: copy it again, or train it again")]
    CutOff {
        /// How long it should be.
        expected: u64,
        /// How long it is.
        found: u64,
    },
    /// Its bytes are not those that were written.
    #[error(
        "it is damaged, its checksum is not that of its contents: copy it again, or train it again"
    )]
    Damaged,
    /// The checksum is right, and what is in it cannot be a model.
    #[error("its contents are not what a model is made of: train it again")]
    Unreadable,
}

/// The bytes of a model.
///
/// # Errors
///
/// [`FormatError::Unreadable`] when it has more than can be written, which no training makes.
pub fn encode(model: &Model) -> Result<Vec<u8>, FormatError> {
    let header = postcard::to_stdvec(&model.header).map_err(|_| FormatError::Unreadable)?;
    let detector = postcard::to_stdvec(&model.detector).map_err(|_| FormatError::Unreadable)?;
    let mut bytes = Vec::with_capacity(detector.len() + header.len() + 64);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(header.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(&(detector.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&detector);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    Ok(bytes)
}

/// The model in these bytes, whatever they are.
pub fn decode(bytes: &[u8]) -> Result<Model, FormatError> {
    let mut reader = Reader { rest: bytes, all: bytes.len() as u64 };
    let start = bytes.len().min(MAGIC.len());
    if start == 0 || bytes[..start] != MAGIC[..start] {
        return Err(FormatError::NotAModel);
    }
    reader.take(MAGIC.len() as u64, 0)?;
    // The version is judged before the checksum: where that is belongs to the version.
    let found = u32::from_le_bytes(reader.array()?);
    if found != VERSION {
        return Err(FormatError::OtherVersion { found });
    }
    let length = u32::from_le_bytes(reader.array()?) as usize;
    if length > LONGEST_HEADER {
        return Err(FormatError::Damaged);
    }
    let header = reader.take(length as u64, size_of::<u64>() + CHECKSUM)?;
    let length = u64::from_le_bytes(reader.array()?);
    let detector = reader.take(length, CHECKSUM)?;
    let checksum = u32::from_le_bytes(reader.array()?);
    if !reader.rest.is_empty() || crc32fast::hash(&bytes[..bytes.len() - CHECKSUM]) != checksum {
        return Err(FormatError::Damaged);
    }
    let (header, detector): (Header, Detector) = (whole(header)?, whole(detector)?);
    let agrees = header.schema == detector.schema().hash()
        && header.hosts as usize == detector.hosts().count()
        && detector.is_sound();
    if agrees { Ok(Model { header, detector }) } else { Err(FormatError::Unreadable) }
}

/// A value that takes all of these bytes.
fn whole<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FormatError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(FormatError::Unreadable),
    }
}

/// Takes bytes from the front; nothing is copied before its length is known to be there.
struct Reader<'a> {
    rest: &'a [u8],
    all: u64,
}

impl<'a> Reader<'a> {
    /// Where they are not there, says how many there should be in all: at least `after` more follow.
    fn take(&mut self, length: u64, after: usize) -> Result<&'a [u8], FormatError> {
        let split =
            usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let Some((taken, rest)) = split else {
            let before = self.all - self.rest.len() as u64;
            let expected = before.saturating_add(length).saturating_add(after as u64);
            return Err(FormatError::CutOff { expected, found: self.all });
        };
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let taken = self.take(N as u64, 0)?;
        taken.try_into().map_err(|_| FormatError::Damaged)
    }
}
