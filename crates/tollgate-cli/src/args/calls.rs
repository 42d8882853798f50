//! What can be asked about calls, and of them as a file.

use std::path::PathBuf;

use clap::Subcommand;
use tollgate_app::export::ExportFormat;

use super::Json;

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct CallsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<CallsCommand>,
    /// Since when, such as 90m, 24h, 7d; 24h, or ever for a search
    #[arg(long)]
    pub(crate) since: Option<String>,
    /// Go on as calls happen
    #[arg(long)]
    pub(crate) follow: bool,
    /// Which calls, such as `program:claude state:failed text`, as on the Calls page
    #[arg(long, value_name = "EXPR")]
    pub(crate) filter: Option<String>,
    /// Only calls in which these words were said; "words beside each other", begin*
    #[arg(long, value_name = "TEXT", conflicts_with = "follow")]
    pub(crate) search: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) json: Json,
    /// Show this call in full; the beginning of its id is enough
    #[arg(conflicts_with_all = ["follow", "filter", "search"])]
    pub(crate) id: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum CallsCommand {
    /// Delete calls with what was said in them; what they cost stays in the sums
    Delete(DeleteArgs),
}

#[derive(clap::Args)]
pub(crate) struct DeleteArgs {
    /// These calls; the beginning of an id is enough
    #[arg(value_name = "ID", required_unless_present_any = ["before", "program"], conflicts_with_all = ["before", "program"])]
    pub(crate) ids: Vec<String>,
    /// Those that began longer ago than this, such as 24h, 30d
    #[arg(long, value_name = "AGE")]
    pub(crate) before: Option<String>,
    /// Those of this program
    #[arg(long, value_name = "NAME")]
    pub(crate) program: Option<String>,
    /// Delete them; without it they are only counted
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Subcommand)]
pub(crate) enum ExportCommand {
    /// One row for each call, without what was said; the newest first
    Calls(ExportArgs),
}

#[derive(clap::Args)]
pub(crate) struct ExportArgs {
    /// What the file is: csv, jsonl or parquet
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: ExportFormat,
    /// Since when, such as 24h, 30d; all of the ledger without it
    #[arg(long, value_name = "AGE")]
    pub(crate) since: Option<String>,
    /// Until when
    #[arg(long, value_name = "AGE")]
    pub(crate) until: Option<String>,
    /// The file, which must not be there yet; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}
