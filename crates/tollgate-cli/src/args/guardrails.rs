//! What `tollgate guardrails` takes.

use std::path::PathBuf;

use clap::Subcommand;

use super::Json;

#[derive(Subcommand)]
pub(crate) enum GuardrailsCommand {
    /// List them
    List(Json),
    /// List what they found, newest first
    Hits {
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// How far back, such as 24h, 7d
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Only of this guardrail
        #[arg(long, value_name = "NAME")]
        guardrail: Option<String>,
        /// Only of this rule
        #[arg(long, value_name = "RULE")]
        rule: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Say what they would find in a text, and what the provider would get; nothing is sent
    Test {
        /// A request's body as JSON, or any other text; `-` reads standard input
        file: PathBuf,
        /// Who says a text that is no body: system, user, assistant, tool
        #[arg(long = "as", value_name = "SPEAKER")]
        speaker: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Say that a hit was wrong, so that its rule does not find that text any more; without one list
    /// what was said so
    Except {
        /// The hit's number
        hit: Option<i64>,
        /// Take back the exception with this fingerprint
        #[arg(long, value_name = "FINGERPRINT", conflicts_with = "hit")]
        end: Option<String>,
        #[command(flatten)]
        json: Json,
    },
}
