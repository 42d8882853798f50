//! The local keys, and who is served without one.

use std::{collections::HashMap, sync::Arc};

use tollgate_core::{LocalKey, key::KeyHash};

/// The local keys, found by the hash of what a client shows.
#[derive(Clone, Debug, Default)]
pub struct LocalKeys(HashMap<KeyHash, Arc<LocalKey>>);

impl LocalKeys {
    /// Keys with names that differ.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = LocalKey>) -> Self {
        let mut by_hash = HashMap::new();
        for key in keys.into_iter().map(Arc::new) {
            if let Some(former) = &key.former {
                by_hash.insert(former.hash, Arc::clone(&key));
            }
            by_hash.insert(key.hash, key);
        }
        Self(by_hash)
    }

    /// The key whose text, or former text, has this hash. It need not be good any more.
    pub(crate) fn find(&self, hash: &KeyHash) -> Option<&Arc<LocalKey>> {
        self.0.get(hash)
    }
}

/// Who is served without a local key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keyless {
    /// Nobody.
    #[default]
    Nobody,
    /// Programs of the user with this number.
    User(u32),
    /// Everybody, because somebody else guards the door.
    Anybody,
}
