//! File descriptors: how many this process may have open, and how many of them clients may take.

use rustix::process::{Resource, getrlimit, setrlimit};

/// The most connections of clients that are open at once; further ones wait to be accepted. Each
/// may need a second one, to its provider.
pub const CONNECTIONS_MAX: usize = 8_192;

/// Descriptors that clients can never take: the ledger's, the helper's, the admin socket's, `/proc`.
const KEPT: usize = 256;

/// Raises the soft limit of open files to the hard one. Login shells have a soft limit of 1,024,
/// for programs that use `select`, which this one does not.
pub fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    if let Err(err) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(error = %err, "the limit of open files cannot be raised");
    }
}

/// How many connections of clients may be open at once under the limit in force.
#[must_use]
pub fn connections_max() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    connections_under(limit.and_then(|it| usize::try_from(it).ok()).unwrap_or(usize::MAX))
}

fn connections_under(limit: usize) -> usize {
    (limit.saturating_sub(KEPT) / 2).clamp(1, CONNECTIONS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_leave_descriptors_for_the_rest() {
        for (limit, connections) in
            [(0, 1), (1_024, 384), (4_096, 1_920), (1_048_576, CONNECTIONS_MAX)]
        {
            assert_eq!(connections_under(limit), connections);
        }
    }

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        raise();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
