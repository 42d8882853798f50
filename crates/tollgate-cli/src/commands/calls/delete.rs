//! `tollgate calls delete`.

use anyhow::Result;
use tollgate_app::{
    api::view::{DeleteCalls, DeletedView},
    client::Client,
};

use crate::{args::DeleteArgs, output};

/// Deletes calls, or counts them.
pub(super) async fn delete(client: &Client, args: &DeleteArgs) -> Result<()> {
    let mut ids = Vec::new();
    for id in &args.ids {
        ids.push(super::resolve(client, id).await?);
    }
    let before_ms = args.before.as_deref().map(super::super::since).transpose()?;
    let program = args.program.clone();
    let asked = DeleteCalls { ids, before_ms, program, dry_run: !args.yes };
    let done: DeletedView = client.post("/calls/delete", &asked).await?;
    if args.json.json {
        return output::json_pretty(&done);
    }
    let calls = match done.calls {
        1 => "1 call".to_owned(),
        many => format!("{many} calls"),
    };
    if done.deleted {
        return output::line(&format!("{calls} deleted; what they cost stays in the sums"));
    }
    output::line(&format!("{calls} would be deleted, with what was said: do it with `--yes`"))
}
