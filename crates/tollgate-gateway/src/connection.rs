//! A client's connection, and the program at its other end.

use std::{io, net::SocketAddr, os::fd::AsFd, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::{net::TcpStream, sync::SetOnce};
use tollgate_core::{Caller, SocketCookie};

/// Finds the program at the other end of a connection.
pub trait CallerLookup: Send + Sync {
    /// Asked once per accepted connection, at once, in a task of its own. `peer` is the client's
    /// address, `local` the gateway's, `cookie` the gateway's own socket. `None` when it cannot be
    /// told. The answer should come within [`Limits::caller_wait`](crate::Limits::caller_wait) of
    /// the first call's end; later calls of the connection profit from a late one.
    fn lookup(
        &self,
        peer: SocketAddr,
        local: SocketAddr,
        cookie: Option<SocketCookie>,
    ) -> BoxFuture<'static, Option<Arc<Caller>>>;
}

/// Finds nobody: for a gateway whose clients are on other machines.
#[derive(Clone, Copy, Debug)]
pub struct NoLookup;

impl CallerLookup for NoLookup {
    fn lookup(
        &self,
        _: SocketAddr,
        _: SocketAddr,
        _: Option<SocketCookie>,
    ) -> BoxFuture<'static, Option<Arc<Caller>>> {
        Box::pin(std::future::ready(None))
    }
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
    caller: SetOnce<Option<Arc<Caller>>>,
}

impl Connection {
    /// Reads the addresses and the cookie of `stream` and sets `TCP_NODELAY` on it.
    ///
    /// # Errors
    /// The socket's own, when the client has already gone.
    pub(crate) fn new(stream: &TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            peer: stream.peer_addr()?,
            local: stream.local_addr()?,
            cookie: cookie_of(stream),
            caller: SetOnce::new(),
        })
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
