//! Connections: who may have one, and what they may ask.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::process::Uid;
use tollgate_helper_protocol::frame::{self, FrameError, REQUEST_BYTES_MAX};
use tollgate_helper_protocol::reply::{RefusalCode, Reply, Sees};
use tollgate_helper_protocol::request::CLIENT_NAME_BYTES_MAX;
use tollgate_helper_protocol::{Call, Message, PROTOCOL_VERSION, Request};

use crate::client::Client;
use crate::hub::{Hub, refused};
use crate::{kernel, peer};

/// How long a new connection may take to say hello.
const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// How long a refusal may take to be written.
const REFUSE_WITHIN: Duration = Duration::from_secs(1);
/// How long to wait after a connection could not be taken.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Creates the socket, for this user alone.
///
/// # Errors
/// When another helper listens there, or the path cannot be used.
pub(crate) fn listen(path: &Path, uid: u32) -> anyhow::Result<UnixListener> {
    let name = path.display();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("could not create the folder of `{name}`"))?;
    }
    if let Ok(metadata) = fs::symlink_metadata(path) {
        if !metadata.file_type().is_socket() {
            bail!("`{name}` exists and is no socket");
        }
        match UnixStream::connect(path) {
            Ok(_) => bail!("another helper listens at `{name}`"),
            // Only this says for sure that nobody listens any more.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) => {
                bail!("could not tell whether another helper listens at `{name}`: {error}")
            }
        }
        fs::remove_file(path).with_context(|| format!("could not remove the old `{name}`"))?;
    }
    // Made beside its place and moved there when it is ready: nobody meets it half done.
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    // One that was left by a helper that ended in between.
    let _ = fs::remove_file(&beside);
    let before = rustix::process::umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(&beside).with_context(|| format!("could not bind `{name}`"));
    rustix::process::umask(before);
    let listener = listener?;
    give(&beside, uid).with_context(|| format!("could not give `{name}` to {uid}"))?;
    fs::rename(&beside, path).with_context(|| format!("could not place `{name}`"))?;
    Ok(listener)
}

/// Gives the socket to a user, and nothing else that somebody put in its place meanwhile.
fn give(path: &Path, uid: u32) -> anyhow::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let socket = rustix::fs::open(path, flags, Mode::empty())?;
    if FileType::from_raw_mode(rustix::fs::fstat(&socket)?.st_mode) != FileType::Socket {
        bail!("it is no socket any more");
    }
    let owner = Some(Uid::from_raw(uid));
    rustix::fs::chownat(&socket, "", owner, None, AtFlags::EMPTY_PATH)?;
    Ok(())
}

/// Serves connections of one user for as long as the process lives. A connection that cannot be
/// taken or served ends no other.
pub(crate) fn serve_socket(hub: &Arc<Hub>, listener: &UnixListener, uid: u32) -> ! {
    loop {
        let Ok((stream, _)) = listener.accept() else {
            // No descriptor or no memory is left: a connection has to go first.
            thread::park_timeout(ACCEPT_AGAIN);
            continue;
        };
        match peer::uid_of(&stream) {
            Ok(got) if got == uid => {}
            Ok(got) => {
                let text = format!("this helper serves user {uid}, not user {got}");
                refuse(&stream, refused(RefusalCode::WrongUser, text));
                continue;
            }
            Err(_) => continue,
        }
        let client = Arc::new(Client::new(peer::sees(uid)));
        if !hub.admit(&client) {
            refuse(&stream, refused(RefusalCode::TooManyClients, "all places are taken"));
            continue;
        }
        let serving = (Arc::clone(hub), Arc::clone(&client));
        let spawned = thread::Builder::new().name("client".to_owned()).spawn(move || {
            let (hub, client) = serving;
            // An error here is the end of this connection and of no other.
            let _ = serve_stream(&hub, &client, &stream);
            hub.dismiss(&client);
            let _ = stream.shutdown(std::net::Shutdown::Both);
        });
        if spawned.is_err() {
            hub.dismiss(&client);
        }
    }
}

/// Reads from a stream until a moment, however slowly the bytes come.
struct Until<'a> {
    stream: &'a UnixStream,
    end: Instant,
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        (&*self.stream).read(buffer)
    }
}

/// Says why, as far as the peer listens.
fn refuse(mut stream: &UnixStream, reply: Reply) {
    let mut bytes = Vec::new();
    let timeout = stream.set_write_timeout(Some(REFUSE_WITHIN));
    if timeout.is_ok() && frame::encode(&Message::Reply(0, reply), &mut bytes).is_ok() {
        let _ = stream.write_all(&bytes);
    }
}

fn serve_stream(hub: &Hub, client: &Arc<Client>, stream: &UnixStream) -> anyhow::Result<()> {
    let writer = stream.try_clone()?;
    let outbox = Arc::clone(client);
    let writing = thread::Builder::new().name("writer".to_owned()).spawn(move || {
        outbox.write_to(&writer);
        // The reader must not wait for a peer that nobody answers any more.
        let _ = writer.shutdown(std::net::Shutdown::Read);
    })?;
    let mut patient = Until { stream, end: Instant::now() + HELLO_WITHIN };
    if greet(hub, client, &mut patient) {
        stream.set_read_timeout(None)?;
        answer_all(hub, client, &mut &*stream);
    }
    client.close();
    stream.set_write_timeout(Some(REFUSE_WITHIN))?;
    let _ = writing.join();
    Ok(())
}

/// Serves one client on standard input and output until it closes them.
///
/// # Errors
/// When they cannot be used.
pub(crate) fn serve_stdio(hub: &Hub, uid: u32) -> anyhow::Result<()> {
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let client = Arc::new(Client::new(peer::sees(uid)));
    hub.admit(&client);
    let outbox = Arc::clone(&client);
    let writing =
        thread::Builder::new().name("writer".to_owned()).spawn(move || outbox.write_to(output))?;
    if greet(hub, &client, &mut input) {
        answer_all(hub, &client, &mut input);
    }
    hub.dismiss(&client);
    let _ = writing.join();
    Ok(())
}

/// The first request must be a hello of the same version.
fn greet(hub: &Hub, client: &Client, input: &mut impl Read) -> bool {
    let (id, reply, is_welcome) = match frame::read::<Call>(input, REQUEST_BYTES_MAX) {
        Ok(Some(Call { id, request: Request::Hello { version, client: name } })) => {
            if version != PROTOCOL_VERSION {
                let text = format!(
                    "the client speaks version {version} of the protocol, this helper version \
                     {PROTOCOL_VERSION}"
                );
                (id, refused(RefusalCode::VersionSkew, text), false)
            } else if name.len() > CLIENT_NAME_BYTES_MAX {
                (id, refused(RefusalCode::TooLong, "the client's name is too long"), false)
            } else {
                (id, hub.hello(client.sees()), true)
            }
        }
        Ok(Some(Call { id, .. })) => {
            (id, refused(RefusalCode::HelloExpected, "the first request must be a hello"), false)
        }
        Ok(None) => return false,
        Err(error) => match malformed(&error) {
            Some(reply) => (0, reply, false),
            None => return false,
        },
    };
    client.send(&Message::Reply(id, reply)) && is_welcome
}

fn answer_all(hub: &Hub, client: &Client, input: &mut impl Read) {
    loop {
        let call = match frame::read::<Call>(input, REQUEST_BYTES_MAX) {
            Ok(Some(call)) => call,
            Ok(None) => return,
            Err(error) => {
                if let Some(reply) = malformed(&error) {
                    client.send(&Message::Reply(0, reply));
                }
                return;
            }
        };
        let Some(reply) = answer(hub, client, call.request) else { return };
        if !client.send(&Message::Reply(call.id, reply)) {
            return;
        }
    }
}

/// `None` when the connection ended meanwhile.
fn answer(hub: &Hub, client: &Client, request: Request) -> Option<Reply> {
    let sees: Sees = client.sees();
    Some(match request {
        Request::Hello { .. } => refused(RefusalCode::HelloExpected, "hello was already said"),
        Request::Status => hub.status(client),
        Request::Subscribe(topics) => hub.subscribe(client, &topics),
        Request::SetCapture(capture) => hub.set_capture(sees, capture),
        Request::Snapshot => return hub.snapshot(client),
        Request::Ping => Reply::Pong(kernel::boot_ns()),
    })
}

/// What to say about a frame that is none; nothing when the connection itself failed.
fn malformed(error: &FrameError) -> Option<Reply> {
    match error {
        FrameError::TooLong { .. } | FrameError::Malformed => {
            Some(refused(RefusalCode::Malformed, error.to_string()))
        }
        FrameError::Encode(_) | FrameError::Truncated | FrameError::Read(_) => None,
    }
}
