//! Which name an address was answered for, and how long that took.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use hashlink::LruCache;

use crate::event::BootNs;

/// Addresses whose name is remembered.
const NAMES_MAX: usize = 8_192;
/// Questions that wait for their answer.
const LOOKUPS_MAX: usize = 1_024;
/// How long before a connection its name may have been looked up for that to be a part of it.
const LOOKUP_LEAD_NS: BootNs = 2_000_000_000;

/// What is known of an address.
#[derive(Clone, Debug)]
struct Known {
    name: Arc<str>,
    answered_at_ns: BootNs,
    /// From the question to the answer; `None` when the question was not seen.
    took_ns: Option<u64>,
}

/// The last name that each address was answered for.
#[derive(Debug)]
pub(super) struct Names {
    known: LruCache<IpAddr, Known>,
    /// By who asked, and the number of the question.
    questions: LruCache<(SocketAddr, u16), BootNs>,
}

impl Names {
    pub(super) fn new() -> Self {
        Self { known: LruCache::new(NAMES_MAX), questions: LruCache::new(LOOKUPS_MAX) }
    }

    /// A question was sent. One that is sent again goes on from the first time.
    pub(super) fn asked(&mut self, asker: SocketAddr, id: u16, at_ns: BootNs) {
        if self.questions.get(&(asker, id)).is_none() {
            self.questions.insert((asker, id), at_ns);
        }
    }

    /// How long an answer took; it ends the wait for it.
    pub(super) fn answered(&mut self, asker: SocketAddr, id: u16, at_ns: BootNs) -> Option<u64> {
        let asked = self.questions.remove(&(asker, id))?;
        Some(at_ns.saturating_sub(asked))
    }

    /// Loopback addresses stand for whatever the resolver makes of them: they are not learned.
    pub(super) fn learn(&mut self, addr: IpAddr, name: &str, at_ns: BootNs, took_ns: Option<u64>) {
        let addr = addr.to_canonical();
        if addr.is_loopback() || addr.is_unspecified() {
            return;
        }
        let name: Arc<str> = name.trim_end_matches('.').to_ascii_lowercase().into();
        // On loopback an answer is seen twice; the first time ended the wait.
        let known = self.known.get(&addr).filter(|it| it.name == name && took_ns.is_none());
        let known = known.cloned().unwrap_or(Known { name, answered_at_ns: at_ns, took_ns });
        self.known.insert(addr, known);
    }

    /// The name of an address.
    pub(super) fn name(&mut self, addr: IpAddr) -> Option<Arc<str>> {
        self.known.get(&addr).map(|it| Arc::clone(&it.name))
    }

    /// How long it took to look up an address for a connection that began at `at_ns`.
    pub(super) fn lookup_ns(&mut self, addr: IpAddr, at_ns: BootNs) -> Option<u64> {
        let known = self.known.get(&addr)?;
        let ago = at_ns.checked_sub(known.answered_at_ns)?;
        known.took_ns.filter(|_| ago <= LOOKUP_LEAD_NS)
    }
}
