//! The client of the privileged helper: connects, says hello, and reads messages.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use tollgate_helper_protocol::{
    Call, Message, PROTOCOL_VERSION, Reply, Request,
    frame::{self, FrameError, Frames},
    reply::Hello,
};

/// How long the helper may take to answer `Hello`.
const HELLO_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a read waits, so that there is time for other things between packets.
const READ_TIMEOUT: Duration = Duration::from_millis(50);
/// How long a request may wait for room in the socket.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;

/// Why there is no helper, in words for people.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Nobody listens on the socket.
    #[error("the helper is not running: nothing answers at `{0}`")]
    NotRunning(String),
    /// The socket is not for this user.
    #[error("the helper serves another user: `{0}` may not be opened")]
    OtherUser(String),
    /// The helper refused.
    #[error("the helper refused: {0}")]
    Refused(String),
    /// The helper speaks another version.
    #[error(
        "the helper speaks version {theirs} of the protocol and this program version {ours}: install both from the same package"
    )]
    VersionSkew {
        /// The helper's.
        theirs: u16,
        /// This program's.
        ours: u16,
    },
    /// The connection broke.
    #[error("the connection to the helper broke: {0}")]
    Broken(#[from] io::Error),
    /// What it sent is no message.
    #[error("the helper sent something unreadable: {0}")]
    Unreadable(#[from] FrameError),
    /// It closed the connection.
    #[error("the helper has ended")]
    Ended,
}

/// A connection to the helper.
pub struct Link {
    stream: UnixStream,
    frames: Frames,
    buffer: Vec<u8>,
    next_id: u32,
}

impl Link {
    /// Connects to the first of these sockets where somebody listens and says hello.
    ///
    /// # Errors
    /// When there is no helper at any of them (told is the first), or none for this user and
    /// version.
    pub fn connect_first(sockets: &[PathBuf]) -> Result<(Self, Hello), LinkError> {
        let mut absent = None;
        for socket in sockets {
            match Self::connect(socket) {
                Err(LinkError::NotRunning(at)) => absent = absent.or(Some(at)),
                found => return found,
            }
        }
        Err(LinkError::NotRunning(absent.unwrap_or_default()))
    }

    /// Connects and says hello.
    ///
    /// # Errors
    /// When there is no helper, or none for this user and version.
    pub fn connect(socket: &Path) -> Result<(Self, Hello), LinkError> {
        let shown = || socket.display().to_string();
        let stream = UnixStream::connect(socket).map_err(|err| {
            let kind = err.kind();
            if matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) {
                LinkError::NotRunning(shown())
            } else if kind == io::ErrorKind::PermissionDenied {
                LinkError::OtherUser(shown())
            } else {
                LinkError::Broken(err)
            }
        })?;
        stream.set_read_timeout(Some(HELLO_TIMEOUT))?;
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        let frames = Frames::new(frame::FRAME_BYTES_MAX);
        let mut link = Self { stream, frames, buffer: vec![0; READ_BYTES], next_id: 0 };
        let client = format!("tollgate {}", env!("CARGO_PKG_VERSION"));
        link.send(Request::Hello { version: PROTOCOL_VERSION, client })?;
        let mut messages = Vec::new();
        while messages.is_empty() {
            if !link.read(&mut messages)? {
                return Err(LinkError::Refused("it does not answer".to_owned()));
            }
        }
        link.stream.set_read_timeout(Some(READ_TIMEOUT))?;
        match messages.into_iter().next() {
            Some(Message::Reply(_, Reply::Hello(hello))) if hello.version == PROTOCOL_VERSION => {
                Ok((link, hello))
            }
            Some(Message::Reply(_, Reply::Hello(hello))) => {
                Err(LinkError::VersionSkew { theirs: hello.version, ours: PROTOCOL_VERSION })
            }
            Some(Message::Reply(_, Reply::Refused(refusal))) => {
                Err(LinkError::Refused(refusal.text))
            }
            Some(Message::Reply(..) | Message::Event(_)) | None => {
                Err(LinkError::Refused("it did not say hello".to_owned()))
            }
        }
    }

    /// Sends a request and says under which number its reply will come.
    ///
    /// # Errors
    /// When the connection broke.
    pub fn send(&mut self, request: Request) -> Result<u32, LinkError> {
        self.next_id = self.next_id.wrapping_add(1);
        let mut bytes = Vec::new();
        frame::encode(&Call { id: self.next_id, request }, &mut bytes)?;
        self.stream.write_all(&bytes)?;
        Ok(self.next_id)
    }

    /// Appends the messages that arrived; `false` when none did within a short while.
    ///
    /// # Errors
    /// When the helper ended or sent something unreadable.
    pub fn read(&mut self, messages: &mut Vec<Message>) -> Result<bool, LinkError> {
        let count = match self.stream.read(&mut self.buffer) {
            Ok(0) => return Err(LinkError::Ended),
            Ok(count) => count,
            Err(err) if is_pause(&err) => return Ok(false),
            Err(err) => return Err(err.into()),
        };
        self.frames.push(self.buffer.get(..count).unwrap_or_default());
        while let Some(message) = self.frames.take()? {
            messages.push(message);
        }
        Ok(true)
    }
}

/// Whether a read only says that there is nothing yet.
fn is_pause(err: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(err.kind(), WouldBlock | TimedOut | Interrupted)
}

/// What the package installs to start the helper for the user who asks polkit.
const STARTER: &str = "/usr/libexec/tollgate/start-helper";

/// Whether the helper can be started from here: only where the package installed it.
#[must_use]
pub fn can_start() -> bool {
    Path::new(STARTER).exists()
}

/// Asks polkit to start the helper; the desktop shows its password dialog. Returns at once: the
/// capture finds the helper when it is there.
///
/// # Errors
/// When there is no `pkexec`, or the package is not installed.
pub fn start() -> io::Result<()> {
    if !can_start() {
        let message =
            format!("`{STARTER}` is not there: install the package, or start the helper by hand");
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    let started = std::process::Command::new("pkexec").arg(STARTER).spawn();
    let mut child =
        started.map_err(|err| io::Error::new(err.kind(), format!("start `pkexec`: {err}")))?;
    // Waited for, or it would stay as a zombie.
    std::thread::Builder::new().name("pkexec".to_owned()).spawn(move || child.wait())?;
    Ok(())
}
