//! Finding the program at the other end of a client's connection.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::time::timeout;
use tollgate_core::{Caller, SocketCookie, caller::CallerSource};
use tollgate_gateway::{CallerLookup, ClientSocket};

use crate::{capture::Capture, procfs};

/// How many processes are remembered as likely callers: the same few programs make most calls, and
/// looking at them first spares a walk over all of `/proc`.
const LIKELY_MAX: usize = 32;
/// How long the helper's word is waited for before `/proc` is searched as well. A search costs so
/// much that many at once would hold up the helper's word.
const HEAD_START: Duration = Duration::from_millis(250);

/// Finds callers: by the helper's word when it is there, else by `sock_diag` and `/proc`.
pub struct Callers {
    capture: Arc<Capture>,
    likely: Arc<Mutex<VecDeque<u32>>>,
}

impl Callers {
    /// A search that asks `capture` first.
    #[must_use]
    pub fn new(capture: Arc<Capture>) -> Self {
        Self { capture, likely: Arc::default() }
    }
}

impl CallerLookup for Callers {
    fn socket(&self, peer: SocketAddr, local: SocketAddr) -> Option<ClientSocket> {
        client_socket(peer, local)
    }

    fn lookup(
        &self,
        socket: Option<ClientSocket>,
        gateway: Option<SocketCookie>,
    ) -> BoxFuture<'static, Option<Arc<Caller>>> {
        let (capture, likely) = (Arc::clone(&self.capture), Arc::clone(&self.likely));
        Box::pin(async move {
            let cookie = socket.and_then(|it| it.cookie);
            let mut told = Box::pin(capture.caller(cookie, gateway));
            let early = timeout(HEAD_START, told.as_mut()).await;
            if let Ok(Some(caller)) = early {
                return Some(caller);
            }
            // Looked for while the process is still there, should the helper know nothing.
            let held = tokio::spawn(blocking(move || holder(&likely, socket?)));
            let late = if early.is_err() { told.await } else { None };
            if late.is_some() { late } else { held.await.ok().flatten() }
        })
    }
}

async fn blocking<T: Send + 'static>(
    look: impl FnOnce() -> Option<T> + Send + 'static,
) -> Option<T> {
    tokio::task::spawn_blocking(look).await.ok().flatten()
}

/// The client's own socket: its local end is our peer. One question to the kernel, which takes some
/// microseconds; `/proc` is slower, and there where `sock_diag` is not.
fn client_socket(peer: SocketAddr, local: SocketAddr) -> Option<ClientSocket> {
    let (cookie, inode, uid) = match procfs::tcp_socket(peer, local) {
        Ok(found) => found.map(|it| (Some(it.cookie), it.inode, it.uid))?,
        Err(err) => {
            tracing::debug!(error = %err, "sock_diag failed");
            let (inode, uid) = procfs::listed_tcp_socket(peer, local)?;
            (None, inode, uid)
        }
    };
    Some(ClientSocket { cookie, inode, uid })
}

/// The process that holds the socket now.
fn holder(likely: &Mutex<VecDeque<u32>>, socket: ClientSocket) -> Option<Arc<Caller>> {
    let known: Vec<u32> =
        likely.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
    let pid = procfs::holder_of(socket.inode, &known)?;
    let caller = procfs::caller(pid, CallerSource::SockDiag)?;
    let mut likely = likely.lock().unwrap_or_else(PoisonError::into_inner);
    likely.retain(|it| *it != pid);
    likely.push_front(pid);
    likely.truncate(LIKELY_MAX);
    Some(Arc::new(caller))
}
