//! Sockets that are known by their addresses, or not yet known to be connected.

use std::net::SocketAddr;

use hashlink::LruCache;
use tollgate_core::SocketCookie;

use crate::row::FlowId;

/// Sockets remembered whose flow has not been seen.
const WAITING_MAX: usize = 8_192;
/// Network namespaces in which a socket is looked for that does not tell its own.
const NAMESPACES_MAX: usize = 32;

#[derive(Debug)]
pub(super) struct Sockets {
    /// By own address and the other side's: the namespace, 0 for any, and the socket.
    waiting: LruCache<(SocketAddr, SocketAddr), (u64, SocketCookie)>,
    /// Sockets seen with a flow that they may not be alone in: listeners, UDP.
    seen: LruCache<SocketCookie, FlowId>,
    namespaces: LruCache<u64, ()>,
}

impl Sockets {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            waiting: LruCache::new(WAITING_MAX),
            seen: LruCache::new(capacity.max(1)),
            namespaces: LruCache::new(NAMESPACES_MAX),
        }
    }

    pub(super) fn saw_namespace(&mut self, netns: u64) {
        self.namespaces.insert(netns, ());
    }

    /// The namespaces that `netns` may mean.
    pub(super) fn namespaces(&self, netns: u64) -> Vec<u64> {
        if netns != 0 {
            return vec![netns];
        }
        self.namespaces.iter().map(|(netns, ())| *netns).collect()
    }

    pub(super) fn saw(&mut self, cookie: SocketCookie, flow: FlowId) {
        self.seen.insert(cookie, flow);
    }

    pub(super) fn flow(&self, cookie: SocketCookie) -> Option<FlowId> {
        self.seen.peek(&cookie).copied()
    }

    pub(super) fn keep(
        &mut self,
        netns: u64,
        local: SocketAddr,
        remote: SocketAddr,
        cookie: SocketCookie,
    ) {
        self.waiting.insert((local, remote), (netns, cookie));
    }

    /// The socket that waits for the flow between these addresses.
    pub(super) fn take(
        &mut self,
        netns: u64,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<SocketCookie> {
        let (known, cookie) = *self.waiting.peek(&(local, remote))?;
        if known != 0 && known != netns {
            return None;
        }
        self.waiting.remove(&(local, remote));
        Some(cookie)
    }
}
