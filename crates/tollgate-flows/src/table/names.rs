//! Which name an address was answered for.

use std::{net::IpAddr, sync::Arc};

use hashlink::LruCache;

/// Addresses whose name is remembered.
const NAMES_MAX: usize = 8_192;

/// The last name that each address was answered for.
#[derive(Debug)]
pub(super) struct Names(LruCache<IpAddr, Arc<str>>);

impl Names {
    pub(super) fn new() -> Self {
        Self(LruCache::new(NAMES_MAX))
    }

    /// Loopback addresses stand for whatever the resolver makes of them: they are not learned.
    pub(super) fn learn(&mut self, addr: IpAddr, name: &str) {
        let addr = addr.to_canonical();
        if !addr.is_loopback() && !addr.is_unspecified() {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            self.0.insert(addr, name.into());
        }
    }

    pub(super) fn name(&mut self, addr: IpAddr) -> Option<Arc<str>> {
        self.0.get(&addr).cloned()
    }
}
