//! `tollgate backup`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use jiff::Zoned;
use tollgate_app::{
    api::ledger::{BackupView, BackupWanted},
    client::ClientError,
    retention,
};

use crate::{args::Json, output};

/// Has the running gateway copy its ledger; without one, copies the ledger of this user's folder.
pub(super) async fn backup(file: Option<PathBuf>, json: Json) -> Result<()> {
    let file = file.unwrap_or_else(|| format!("tollgate-{}.db", Zoned::now().date()).into());
    let file = std::path::absolute(&file).context("find the current folder")?;
    let to = file.to_str().context("the file's name is not UTF-8")?.to_owned();
    let (client, _) = super::client()?;
    let wanted = BackupWanted { to: to.clone() };
    let copy: BackupView = match client.post("/ledger/backup", &wanted).await {
        Ok(copy) => copy,
        Err(ClientError::NotRunning(_)) => {
            let bytes = retention::backup(&super::paths()?.data, &file)?;
            BackupView { path: to, bytes }
        }
        Err(err) => return Err(err.into()),
    };
    if json.json {
        return output::json_pretty(&copy);
    }
    output::line(&format!("{} ({} bytes)", copy.path, copy.bytes))
}
