//! Bytes to frames and back.

use std::io::{self, Read};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest frame from the helper to a client, without its length field: a status with all
/// programs, or a packet at the largest tier, many times over.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
/// The longest frame from a client to the helper, without its length field: the largest capture
/// that [`crate::Capture::too_long`] lets pass. Root reads no more than this.
pub const REQUEST_BYTES_MAX: usize = 4 * 1024;
/// The length field.
const LENGTH_BYTES: usize = 4;

/// A frame could not be read or written. After any of these the connection is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The length field names more bytes than the reader allows.
    #[error("frame of {length} bytes is longer than the {max} allowed")]
    TooLong {
        /// What the frame says.
        length: usize,
        /// What is allowed.
        max: usize,
    },
    /// The body is not a message of this version, or has bytes left over.
    #[error("frame is not a message of this protocol version")]
    Malformed,
    /// The message could not be put into bytes.
    #[error("could not encode a message")]
    Encode(#[source] postcard::Error),
    /// The connection ended inside a frame.
    #[error("connection ended inside a frame")]
    Truncated,
    /// The connection failed.
    #[error("could not read a frame")]
    Read(#[source] io::Error),
}

/// Appends `message` to `out` as one frame. On an error `out` is as it was.
///
/// # Errors
/// [`FrameError::TooLong`] over [`FRAME_BYTES_MAX`], [`FrameError::Encode`] never for the types of
/// this crate.
pub fn encode<T: Serialize>(message: &T, out: &mut Vec<u8>) -> Result<(), FrameError> {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    let result = postcard::to_extend(message, Appender(out));
    if let Err(error) = result {
        out.truncate(start);
        return Err(FrameError::Encode(error));
    }
    let length = out.len() - start - LENGTH_BYTES;
    let field = u32::try_from(length).ok().filter(|_| length <= FRAME_BYTES_MAX);
    let (Some(field), Some(slot)) = (field, out.get_mut(start..start + LENGTH_BYTES)) else {
        out.truncate(start);
        return Err(FrameError::TooLong { length, max: FRAME_BYTES_MAX });
    };
    slot.copy_from_slice(&field.to_le_bytes());
    Ok(())
}

/// Lets postcard append to a borrowed vector.
struct Appender<'a>(&'a mut Vec<u8>);

impl Extend<u8> for Appender<'_> {
    fn extend<I: IntoIterator<Item = u8>>(&mut self, bytes: I) {
        self.0.extend(bytes);
    }
}

/// Decodes the body of one frame, its length field already taken off.
///
/// # Errors
/// [`FrameError::Malformed`] when `body` is anything but exactly one `T`.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    match postcard::take_from_bytes(body) {
        Ok((message, [])) => Ok(message),
        Ok(_) | Err(_) => Err(FrameError::Malformed),
    }
}

/// Cuts a stream of bytes into frames, whatever pieces it arrives in. Holds at most one frame and
/// the bytes of one `push` beyond it, if its frames are taken after every push.
#[derive(Debug)]
pub struct Frames {
    bytes: Vec<u8>,
    start: usize,
    body_max: usize,
}

impl Frames {
    /// Refuses frames with a body of more than `body_max` bytes.
    #[must_use]
    pub const fn new(body_max: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, body_max }
    }

    /// Adds bytes as they arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame, or `None` until more bytes are pushed.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] as soon as a length field says so, [`FrameError::Malformed`] for a
    /// body that is not a `T`.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let rest = self.bytes.get(self.start..).unwrap_or_default();
        let Some((field, rest)) = rest.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = body_length(*field, self.body_max)?;
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let message = decode(body)?;
        self.start += LENGTH_BYTES + length;
        Ok(Some(message))
    }

    /// `true` when bytes of an unfinished frame are left.
    #[must_use]
    pub fn is_inside_a_frame(&self) -> bool {
        self.bytes.len() > self.start
    }
}

/// Reads one frame from a blocking stream; `None` when it ends before a frame.
///
/// # Errors
/// As [`Frames::take`]; [`FrameError::Truncated`] when it ends inside one; [`FrameError::Read`].
pub fn read<T: DeserializeOwned>(
    stream: &mut impl Read,
    body_max: usize,
) -> Result<Option<T>, FrameError> {
    let mut field = [0; LENGTH_BYTES];
    let mut have = 0;
    while let Some(space) = field.get_mut(have..).filter(|space| !space.is_empty()) {
        match stream.read(space) {
            Ok(0) if have == 0 => return Ok(None),
            Ok(0) => return Err(FrameError::Truncated),
            Ok(n) => have += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(FrameError::Read(error)),
        }
    }
    let mut body = vec![0; body_length(field, body_max)?];
    stream.read_exact(&mut body).map_err(|error| {
        let ended = error.kind() == io::ErrorKind::UnexpectedEof;
        if ended { FrameError::Truncated } else { FrameError::Read(error) }
    })?;
    decode(&body).map(Some)
}

fn body_length(field: [u8; LENGTH_BYTES], max: usize) -> Result<usize, FrameError> {
    let length = usize::try_from(u32::from_le_bytes(field)).unwrap_or(usize::MAX);
    if length > max { Err(FrameError::TooLong { length, max }) } else { Ok(length) }
}
