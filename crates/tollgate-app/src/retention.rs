//! How much of what was said is kept, and a copy of the ledger.

use std::{path::Path, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use tollgate_ledger::{LedgerError, Reader};

use crate::App;

/// How often the configuration and the clock are looked at.
const RETENTION_LOOK_EVERY: Duration = Duration::from_secs(60);

/// Has the ledger keep as much of what was said as the configuration says, until it is stopped.
pub(crate) async fn follow(app: Arc<App>, stop: CancellationToken) {
    let mut told = None;
    let mut looks = tokio::time::interval(RETENTION_LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looks.tick() => {}
        }
        let retention = app.settings().keeping().at(app.clock().now());
        // Without a limit of age time changes nothing.
        if told != Some(retention) {
            app.writer().keep(retention);
            told = Some(retention);
        }
    }
}

/// Copies the ledger in a data folder into a new file, while no gateway runs, and gives the size of
/// the copy in bytes.
///
/// # Errors
/// As [`Reader::open`] and [`Reader::backup`].
pub fn backup(data: &Path, to: &Path) -> Result<u64, LedgerError> {
    Reader::open(data)?.backup(to)
}
