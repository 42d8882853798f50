//! What `tollgate rules` takes.

use std::path::PathBuf;

use clap::Subcommand;

use super::Json;

#[derive(Subcommand)]
pub(crate) enum RulesCommand {
    /// List them
    List(Json),
    /// Say for each rule whether it fires for a call, why, and what it changes; nothing is sent
    Test {
        /// A JSON file with what is known of the call; `-` reads standard input
        #[arg(required_unless_present = "call", conflicts_with = "call")]
        file: Option<PathBuf>,
        /// A call of the ledger; the beginning of its id is enough
        #[arg(long, value_name = "ID")]
        call: Option<String>,
        #[command(flatten)]
        json: Json,
    },
}
