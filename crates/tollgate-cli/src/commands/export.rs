//! `tollgate export`.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::{Context as _, Result};
use tollgate_app::{
    client::ClientError,
    export::{ExportQuery, calls_in},
};
use tollgate_core::UnixMs;

use crate::args::ExportArgs;

/// Has the running gateway export its ledger; without one, exports the ledger of this user's folder.
pub(super) async fn calls(args: &ExportArgs) -> Result<()> {
    let file = &args.output;
    if file == Path::new("-") {
        return written(args, io::stdout()).await;
    }
    let mut options = OpenOptions::new();
    // It tells who called what: as private as the ledger.
    let out = options.write(true).create_new(true).mode(0o600).open(file);
    let out = out.with_context(|| format!("make `{}`", file.display()))?;
    let done = written(args, out).await;
    if done.is_err() {
        // Half a file is none.
        let _ = fs::remove_file(file);
    }
    done.with_context(|| format!("write `{}`", file.display()))
}

async fn written(args: &ExportArgs, mut out: impl Write + Send) -> Result<()> {
    let at = |age: &Option<String>| age.as_deref().map(super::since).transpose();
    let (since, until) = (at(&args.since)?, at(&args.until)?);
    let bound = |name, ms: Option<i64>| ms.map_or_else(String::new, |it| format!("&{name}={it}"));
    let path = format!(
        "/calls/export?format={}{}{}",
        args.format.as_str(),
        bound("since_ms", since),
        bound("until_ms", until)
    );
    let (client, _) = super::client()?;
    match client.save(&path, &mut out).await {
        Err(ClientError::NotRunning(_)) => {
            let query = ExportQuery { since: since.map(UnixMs), until: until.map(UnixMs) };
            calls_in(&super::paths()?.data, query, args.format, out)?;
        }
        saved => {
            saved?;
        }
    }
    Ok(())
}
