//! The arguments about local keys.

use clap::Subcommand;

use super::Json;

#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// List them, with what was called with each
    List(Json),
    /// Make a key and print its secret, which is shown once
    Create(Box<CreateKey>),
    /// Show a key
    Show {
        /// The key's name
        name: String,
        #[command(flatten)]
        json: Json,
    },
    /// Give a key a new secret and print that, which is shown once
    Rotate {
        /// The key's name
        name: String,
        /// How much longer the former secret is good, such as 10m, 24h; not at all without it
        #[arg(long, value_name = "TIME")]
        grace: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Revoke a key for good, at once
    Revoke {
        /// The key's name
        name: String,
        #[command(flatten)]
        json: Json,
    },
}

#[derive(clap::Args)]
pub(crate) struct CreateKey {
    /// Its name, which no other key has or had
    pub(crate) name: String,
    /// For how long it is good, such as 8h, 30d; for ever without it
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<String>,
    /// Only for these models of providers; `*` stands for any text
    #[arg(long, value_name = "PATTERN,…", value_delimiter = ',')]
    pub(crate) models: Vec<String>,
    /// Only for these models of your own
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) routes: Vec<String>,
    /// Only at these providers
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    pub(crate) providers: Vec<String>,
    /// Only for these: generate, embed, count-tokens, list-models, other
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) operations: Vec<String>,
    #[command(flatten)]
    pub(crate) json: Json,
}
