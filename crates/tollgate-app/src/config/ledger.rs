//! What is kept of what was said, and for how long: `[ledger]`.

use serde::Deserialize;
use tollgate_core::UnixMs;
use tollgate_ledger::{BODIES_BYTES_MAX, Retention};
use toml::Spanned;

use super::{Mistake, within};

/// The longest time that can be asked for: a hundred years.
const BODIES_DAYS_MAX: u64 = 36_500;

/// The largest bound that can be asked for, in MiB: a tebibyte.
const BODIES_MIB_MAX: u64 = 1 << 20;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// What of requests and answers is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerKeeping {
    /// Whether they are kept at all.
    pub bodies: bool,
    /// Bytes that all of them may take, compressed; the oldest go first.
    pub bodies_bytes_max: u64,
    /// For how many days; `None`: while there is room.
    pub bodies_days: Option<i64>,
}

impl Default for LedgerKeeping {
    fn default() -> Self {
        Self { bodies: true, bodies_bytes_max: BODIES_BYTES_MAX, bodies_days: None }
    }
}

impl LedgerKeeping {
    /// What that means at a time.
    pub(crate) fn at(&self, now: UnixMs) -> Retention {
        let bodies_since =
            self.bodies_days.map(|it| UnixMs(now.0.saturating_sub(it.saturating_mul(DAY_MS))));
        Retention { bodies_bytes_max: self.bodies_bytes_max, bodies_since }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLedger {
    keep_bodies: Option<bool>,
    bodies_days: Option<Spanned<u64>>,
    bodies_mib: Option<Spanned<u64>>,
}

pub(super) fn valid_ledger(raw: RawLedger) -> Result<LedgerKeeping, Mistake> {
    let days = raw.bodies_days.map(|it| within(&it, BODIES_DAYS_MAX, "days")).transpose()?;
    let mib = raw.bodies_mib.map(|it| within(&it, BODIES_MIB_MAX, "MiB")).transpose()?;
    Ok(LedgerKeeping {
        bodies: raw.keep_bodies.unwrap_or(true),
        bodies_bytes_max: mib.map_or(BODIES_BYTES_MAX, |it| it << 20),
        bodies_days: days.and_then(|it| i64::try_from(it).ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LedgerKeeping, String> {
        let raw = toml::from_str(text).map_err(|it| it.message().to_owned())?;
        valid_ledger(raw).map_err(|it| it.message)
    }

    #[test]
    fn everything_is_kept_while_there_is_room_unless_something_else_is_said() {
        assert_eq!(read(""), Ok(LedgerKeeping::default()));
        let said = read("keep_bodies = false\nbodies_days = 30\nbodies_mib = 500").unwrap();
        let bytes = 500 << 20;
        let meant = LedgerKeeping { bodies: false, bodies_bytes_max: bytes, bodies_days: Some(30) };
        assert_eq!(said, meant);
        let now = UnixMs(1_795_392_000_000);
        let since = Some(UnixMs(now.0 - 30 * DAY_MS));
        assert_eq!(said.at(now), Retention { bodies_bytes_max: bytes, bodies_since: since });
    }

    #[test]
    fn a_bound_that_is_none_is_refused() {
        assert_eq!(read("bodies_days = 0").unwrap_err(), "use 1 to 36500 days");
        assert_eq!(read("bodies_mib = 2000000").unwrap_err(), "use 1 to 1048576 MiB");
    }
}
