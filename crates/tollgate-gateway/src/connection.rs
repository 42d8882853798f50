//! A client's connection, and the program at its other end.

use std::{io, net::SocketAddr, os::fd::AsFd, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::{net::TcpStream, sync::SetOnce};
use tollgate_core::{Caller, SocketCookie};

use crate::limits::OWNER_WAIT;

/// Finds the program at the other end of a connection.
pub trait CallerLookup: Send + Sync {
    /// Asked once per accepted connection, in line and while the client is most likely still there:
    /// for the client's own socket, whose address is `peer`; the gateway's is `local`. `None` when this
    /// machine has no such socket, or does not tell.
    fn socket(&self, peer: SocketAddr, local: SocketAddr) -> Option<ClientSocket>;

    /// Asked once per accepted connection, in a task of its own, with what [`Self::socket`] found.
    /// `gateway` is the gateway's own socket. `None` when the caller cannot be told. The answer should come within
    /// [`Limits::caller_wait`](crate::Limits::caller_wait) of the first call's end; later calls of the
    /// connection profit from a late one.
    fn lookup(
        &self,
        client: Option<ClientSocket>,
        gateway: Option<SocketCookie>,
    ) -> BoxFuture<'static, Option<Arc<Caller>>>;
}

/// Finds nobody: for a gateway whose clients are on other machines.
#[derive(Clone, Copy, Debug)]
pub struct NoLookup;

impl CallerLookup for NoLookup {
    fn socket(&self, _: SocketAddr, _: SocketAddr) -> Option<ClientSocket> {
        None
    }

    fn lookup(
        &self,
        _: Option<ClientSocket>,
        _: Option<SocketCookie>,
    ) -> BoxFuture<'static, Option<Arc<Caller>>> {
        Box::pin(std::future::ready(None))
    }
}

/// The client's end of a connection, as this machine's kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientSocket {
    /// The kernel's number for it; `None` where it does not tell.
    pub cookie: Option<SocketCookie>,
    /// Its inode; 0 when no process holds it any more.
    pub inode: u32,
    /// The user who made it. Means nothing when no process holds it any more.
    pub uid: u32,
}

impl ClientSocket {
    /// The user who made it, while some process holds it.
    const fn owner(self) -> Option<u32> {
        if self.inode == 0 { None } else { Some(self.uid) }
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The application that the gateway is a part of.
    Ourselves,
    /// A program of this user.
    User(u32),
    /// Nobody can tell: the client is in another network namespace or has gone already, or the kernel
    /// does not say.
    Unknown,
}

/// A client's connection. Every call that arrives on it shares it.
#[derive(Debug)]
pub struct Connection {
    /// The client's address.
    pub peer: SocketAddr,
    /// The gateway's address.
    pub local: SocketAddr,
    /// The gateway's own socket; `None` where the kernel does not tell (before Linux 4.12).
    pub cookie: Option<SocketCookie>,
    is_ours: bool,
    client: Option<ClientSocket>,
    caller: SetOnce<Option<Arc<Caller>>>,
}

impl Connection {
    /// Reads the addresses and the cookie of `stream`, sets `TCP_NODELAY` on it and looks for the
    /// client's own socket.
    ///
    /// # Errors
    /// The socket's own, when the client has already gone.
    pub(crate) fn new(stream: &TcpStream, callers: &dyn CallerLookup) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let (peer, local) = (stream.peer_addr()?, stream.local_addr()?);
        Ok(Self {
            peer,
            local,
            cookie: cookie_of(stream),
            is_ours: false,
            client: callers.socket(peer, local),
            caller: SetOnce::new(),
        })
    }

    /// The same for a connection whose other end is the application itself.
    pub(crate) fn of_ourselves(stream: &TcpStream, callers: &dyn CallerLookup) -> io::Result<Self> {
        Ok(Self { is_ours: true, ..Self::new(stream, callers)? })
    }

    /// Who is at the other end, which is waited for at most [`OWNER_WAIT`]: the user who made the
    /// client's socket, or, where no process holds that any more, the one whose program is known to
    /// have used it.
    pub async fn owner(&self) -> Owner {
        if let Some(owner) = self.owner_now() {
            return owner;
        }
        let caller = self.caller_within(OWNER_WAIT).await;
        caller.map_or(Owner::Unknown, |it| Owner::User(it.uid))
    }

    /// The same without waiting; `None` while it is not known.
    pub(crate) fn owner_now(&self) -> Option<Owner> {
        if self.is_ours {
            return Some(Owner::Ourselves);
        }
        self.client.and_then(ClientSocket::owner).map(Owner::User)
    }

    /// The client's own socket.
    pub(crate) const fn client(&self) -> Option<ClientSocket> {
        self.client
    }

    /// The caller, if it has been found by now.
    #[must_use]
    pub fn caller(&self) -> Option<&Arc<Caller>> {
        self.caller.get().and_then(Option::as_ref)
    }

    /// Says who the caller is; the first answer stays.
    pub(crate) fn set_caller(&self, caller: Option<Arc<Caller>>) {
        let _ = self.caller.set(caller);
    }

    /// The caller; waits for it at most `bound`, and not at all once the search is over.
    pub(crate) async fn caller_within(&self, bound: Duration) -> Option<Arc<Caller>> {
        if let Some(found) = self.caller.get() {
            return found.clone();
        }
        let found = tokio::time::timeout(bound, self.caller.wait()).await.ok()?;
        found.clone()
    }
}

/// The kernel's number for a socket (`SO_COOKIE`).
pub(crate) fn cookie_of(socket: impl AsFd) -> Option<SocketCookie> {
    rustix::net::sockopt::socket_cookie(socket).ok().map(SocketCookie)
}
