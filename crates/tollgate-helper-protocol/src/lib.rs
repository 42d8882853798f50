//! The little that root parses: messages between the helper and its client.
//!
//! A connection carries frames both ways: a length as `u32` little-endian, then that many bytes
//! of postcard. The client sends [`Call`]s, the helper sends [`Message`]s: a [`Reply`] to a call,
//! or an [`Event`] that the client subscribed to. [`frame`] turns bytes into frames and back
//! without a runtime; both ends use it.
//!
//! The first call is [`Request::Hello`]; anything else before it is refused and the connection
//! closed. Postcard tells nothing about itself, so variants and fields are only ever appended,
//! and every change of an existing one raises [`PROTOCOL_VERSION`].
//!
//! ```
//! use tollgate_helper_protocol::{Call, Request, frame};
//!
//! let call = Call { id: 1, request: Request::Ping };
//! let mut bytes = Vec::new();
//! frame::encode(&call, &mut bytes)?;
//! let mut frames = frame::Frames::new(frame::REQUEST_BYTES_MAX);
//! frames.push(&bytes);
//! assert_eq!(frames.take::<Call>()?, Some(call));
//! # Ok::<(), frame::FrameError>(())
//! ```

pub mod event;
pub mod frame;
pub mod reply;
pub mod request;

pub use event::{Event, Process};
pub use reply::{Message, Refusal, Reply};
pub use request::{Call, Capture, Request, Topic};

/// The version that both ends must share. The helper refuses any other with
/// [`reply::RefusalCode::VersionSkew`] and names its own.
pub const PROTOCOL_VERSION: u16 = 1;
