//! What can be asked on the command line.

mod calls;
mod guardrails;
mod keys;
mod rules;

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand, ValueEnum};
use tollgate_core::price::list::PriceList;

pub(crate) use self::{
    calls::{CallsArgs, CallsCommand, DeleteArgs, ExportArgs, ExportCommand},
    guardrails::GuardrailsCommand,
    keys::{CreateKey, KeysCommand},
    rules::RulesCommand,
};

/// A local AI gateway: see, for every LLM call on this machine, which program made it, what it
/// cost, and what happened on the wire.
#[derive(Parser)]
#[command(name = "tollgate", version, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the gateway with its web console, without a window
    Serve(ServeArgs),
    /// Run the gateway with a built-in provider simulator and a few demo programs that call it
    Demo(ServeArgs),
    /// Run a command with its SDK base URLs pointed at the gateway
    Run {
        /// The command and its arguments
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Print the environment variables that point SDKs at the gateway
    Env {
        /// For which shell
        #[arg(long, value_enum, default_value_t = Shell::Bash)]
        shell: Shell,
    },
    /// Show whether the gateway serves, today's cost, and how the capture does
    Status(Json),
    /// Turn the gateway on
    On,
    /// Turn the gateway off: its port is closed
    Off,
    /// Refuse the calls of a program, or all, from now on; without either list whose are refused
    Block {
        #[command(flatten)]
        whose: Whose,
        /// End its calls under way too
        #[arg(long)]
        cut: bool,
        #[command(flatten)]
        json: Json,
    },
    /// Let the calls of a program, or all, through again
    #[command(group(clap::ArgGroup::new("one").required(true).args(["program", "all"])))]
    Unblock {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        json: Json,
    },
    /// Check what works here and what to do about the rest
    Doctor(Json),
    /// Print the web console's address, which holds the admin token
    Console {
        /// Replace the token: pages that are open ask for the new one
        #[arg(long)]
        new_token: bool,
    },
    /// List calls, search what was said in them, delete them
    Calls(Box<CallsArgs>),
    /// Sum costs
    Costs(CostsArgs),
    /// List captured packets, or write them to a pcapng file
    Packets(PacketsArgs),
    /// List connections, and what was said on one
    Flows {
        #[command(subcommand)]
        command: FlowsCommand,
    },
    /// List the programs that made calls
    Programs {
        /// Since when, such as 90m, 24h, 7d
        #[arg(long, default_value = "30d")]
        since: String,
        #[command(flatten)]
        json: Json,
    },
    /// List providers; store and remove their credentials
    Providers {
        #[command(subcommand)]
        command: ProvidersCommand,
    },
    /// Make, list, rotate and revoke local keys
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// List the models of the configuration, with the state of their targets
    Models {
        #[command(subcommand)]
        command: ModelsCommand,
    },
    /// List the rules of the configuration, and try them on a call
    Rules {
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// List the budgets of the configuration, with what is left of them
    Budgets {
        #[command(subcommand)]
        command: BudgetsCommand,
    },
    /// Show what the cache of answers holds and saved, and empty it
    Cache {
        #[command(subcommand)]
        command: CacheCommand,
    },
    /// List guardrails and what they found, try them, and say what they find wrongly
    Guardrails {
        #[command(subcommand)]
        command: GuardrailsCommand,
    },
    /// List prices, set your own, fetch public price lists anew, and price old calls again
    Prices {
        #[command(subcommand)]
        command: PricesCommand,
    },
    /// Copy the ledger into a new file while calls go on
    Backup {
        /// The file; without it `tollgate-DATE.db` in this folder
        file: Option<PathBuf>,
        #[command(flatten)]
        json: Json,
    },
    /// Write calls into a file for other programs
    Export {
        #[command(subcommand)]
        command: ExportCommand,
    },
    /// Print a completion script
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a folder
    #[command(hide = true)]
    Man {
        /// The folder
        folder: PathBuf,
    },
    /// Print the OpenAPI document of the admin API
    Openapi,
    /// Be one of the demo's programs
    #[command(hide = true)]
    DemoClient {
        /// Which one
        name: String,
        /// Where the gateway listens
        #[arg(long)]
        base_url: String,
        /// The pause between calls
        #[arg(long)]
        pace_ms: u64,
        /// How many calls; for ever without it
        #[arg(long)]
        calls: Option<u32>,
    },
}

#[derive(clap::Args)]
pub(crate) struct Whose {
    /// The program's name, as `tollgate programs` has it
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    pub(crate) program: Option<String>,
    /// All calls
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Subcommand)]
pub(crate) enum ModelsCommand {
    /// List them
    List(Json),
}

#[derive(Subcommand)]
pub(crate) enum BudgetsCommand {
    /// List them
    List(Json),
}

#[derive(Subcommand)]
pub(crate) enum CacheCommand {
    /// Show what it holds, did and saved
    Status(Json),
    /// Forget answers; without an option all of them
    Clear(ClearCache),
}

#[derive(clap::Args)]
pub(crate) struct ClearCache {
    /// Only those of this model, as it was asked for or as the provider calls it
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Only those of this model of your own
    #[arg(long, value_name = "NAME")]
    pub(crate) route: Option<String>,
    /// Only those by this provider
    #[arg(long, value_name = "ID")]
    pub(crate) provider: Option<String>,
    /// Only those that are at least so old, such as 10m, 2h
    #[arg(long, value_name = "TIME")]
    pub(crate) older_than: Option<String>,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Subcommand)]
pub(crate) enum ProvidersCommand {
    /// List the catalogue, what is configured, and the servers that run on this machine
    List(Json),
    /// Add a provider to the configuration file
    Add(Box<AddProvider>),
    /// Make a provider answer with the smallest real call, which is billed, and say what happened
    Test {
        /// The provider's id
        id: String,
        /// The model to ask; without it the cheapest that has a price, or the first that is listed
        #[arg(long)]
        model: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Store a credential in the OS keyring, or encrypted in a file where no keyring can be used
    /// (read from standard input), and say where
    Login {
        /// The credential's name, usually the provider's id
        name: String,
    },
    /// Remove a credential from where it is stored
    Logout {
        /// The credential's name
        name: String,
    },
    /// Take over keys that are in the environment or in the settings of other tools, which are shown
    /// first and asked about
    Import {
        /// Only show what was found
        #[arg(long)]
        dry_run: bool,
        /// Ask nothing
        #[arg(long, conflicts_with = "dry_run")]
        yes: bool,
    },
    /// Give the file of credentials a passphrase, or another one (read from standard input)
    Passphrase {
        /// Take it away: a key in a file beside it opens it then
        #[arg(long)]
        remove: bool,
    },
    /// Open the file of credentials for the running gateway (the passphrase is read from standard
    /// input)
    Unlock,
}

#[derive(Subcommand)]
pub(crate) enum PricesCommand {
    /// List the prices in force
    List {
        /// Part of the models' names
        text: Option<String>,
        /// Those of this provider
        #[arg(long, value_name = "ID")]
        provider: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Show the prices of a model with their tiers, days and sources
    Show {
        /// Part of the model's name
        model: String,
        #[command(flatten)]
        json: Json,
    },
    /// Write a price of your own into the configuration: dollars for a million tokens, or for one
    /// piece. Prices of long prompts and of service tiers are written there by hand
    Set(Box<SetPriceArgs>),
    /// Fetch a public price list and take over what it says anew
    Refresh {
        /// Which list: genai-prices, litellm or models-dev; the configured one without it
        #[arg(long, value_name = "NAME")]
        list: Option<PriceList>,
        /// Read this file instead, and know by its content which list it is
        #[arg(long, value_name = "FILE", conflicts_with = "list")]
        from: Option<PathBuf>,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        json: Json,
    },
    /// Show what old calls would cost by the prices of their day, as they are known now
    Reprice {
        /// Only calls since then, such as 24h, 30d
        #[arg(long)]
        since: Option<String>,
        /// Only calls of this model
        #[arg(long)]
        model: Option<String>,
        /// Change the ledger
        #[arg(long)]
        apply: bool,
        #[command(flatten)]
        json: Json,
    },
}

#[derive(clap::Args)]
pub(crate) struct SetPriceArgs {
    /// The provider's id
    pub(crate) provider: String,
    /// The model's name, or * for all of the provider's
    pub(crate) model: String,
    /// Prompt tokens
    #[arg(long, value_name = "USD")]
    pub(crate) input: Option<String>,
    /// Generated tokens
    #[arg(long, value_name = "USD")]
    pub(crate) output: Option<String>,
    /// Prompt tokens read from a cache
    #[arg(long, value_name = "USD")]
    pub(crate) cache_read: Option<String>,
    /// Prompt tokens written to a five-minute cache
    #[arg(long, value_name = "USD")]
    pub(crate) cache_write_5m: Option<String>,
    /// Prompt tokens written to a one-hour cache
    #[arg(long, value_name = "USD")]
    pub(crate) cache_write_1h: Option<String>,
    /// Reasoning tokens, where they are billed apart
    #[arg(long, value_name = "USD")]
    pub(crate) reasoning: Option<String>,
    /// Audio in the prompt
    #[arg(long, value_name = "USD")]
    pub(crate) input_audio: Option<String>,
    /// Generated audio
    #[arg(long, value_name = "USD")]
    pub(crate) output_audio: Option<String>,
    /// Pictures in the prompt, where they are billed apart
    #[arg(long, value_name = "USD")]
    pub(crate) input_image: Option<String>,
    /// Generated pictures
    #[arg(long, value_name = "USD")]
    pub(crate) output_image: Option<String>,
    /// One request
    #[arg(long, value_name = "USD")]
    pub(crate) request: Option<String>,
    /// One web search
    #[arg(long, value_name = "USD")]
    pub(crate) web_search: Option<String>,
    /// One search of stored files
    #[arg(long, value_name = "USD")]
    pub(crate) file_search: Option<String>,
    /// The first day with the price, in UTC, such as 2026-11-23
    #[arg(long, value_name = "DAY")]
    pub(crate) from: Option<String>,
    /// The first day without it
    #[arg(long, value_name = "DAY")]
    pub(crate) until: Option<String>,
    /// The hours in which it holds, in UTC, such as 16:30-00:30
    #[arg(long, value_name = "HOURS")]
    pub(crate) hours: Option<String>,
}

#[derive(clap::Args)]
pub(crate) struct AddProvider {
    /// Its id: from the catalogue, or new
    pub(crate) id: String,
    /// The name for people
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Where it is called; required for a new id
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<String>,
    /// A wire format that is spoken there, such as openai-chat; may be repeated
    #[arg(long = "format", value_name = "FORMAT", requires = "base_url")]
    pub(crate) formats: Vec<String>,
    /// How the key is sent: bearer, header:NAME, none, aws, google or entra
    #[arg(long)]
    pub(crate) auth: Option<String>,
    /// What only you know of the catalogue's address, such as region=eu-west-1; may be repeated
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) parameters: Vec<(String, String)>,
    /// Azure's `api-version`, for its deployments
    #[arg(long, value_name = "VERSION")]
    pub(crate) api_version: Option<String>,
    #[command(flatten)]
    pub(crate) key: KeyPlace,
}

/// Where the key of a provider is. Without one of these the client's own key passes through.
#[derive(clap::Args)]
#[group(multiple = false)]
pub(crate) struct KeyPlace {
    /// In the OS keyring, under this name (see `tollgate providers login`)
    #[arg(long, value_name = "NAME")]
    pub(crate) key_keyring: Option<String>,
    /// In this variable of the gateway's environment
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) key_env: Option<String>,
    /// In this profile of the AWS tools
    #[arg(long, value_name = "PROFILE")]
    pub(crate) aws_profile: Option<String>,
    /// In AWS variables that begin like this, such as AWS for AWS_ACCESS_KEY_ID
    #[arg(long, value_name = "PREFIX")]
    pub(crate) aws_env: Option<String>,
    /// Where the AWS tools find it
    #[arg(long)]
    pub(crate) aws: bool,
    /// In this key file of Google's tools, `default` for where they look themselves, or `metadata` for
    /// the service account of a machine of Google's
    #[arg(long, value_name = "FILE")]
    pub(crate) google: Option<String>,
    /// In variables of an Entra application that begin like this, such as AZURE
    #[arg(long, value_name = "PREFIX")]
    pub(crate) entra_env: Option<String>,
    /// The managed identity of a machine or app of Azure's: its client id, or `default`
    #[arg(long, value_name = "ID")]
    pub(crate) entra_managed: Option<String>,
    /// With the Azure CLI: a tenant that it is logged in to, or `default`
    #[arg(long, value_name = "TENANT")]
    pub(crate) entra_cli: Option<String>,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty());
    let (name, value) = parts.ok_or_else(|| "it is not NAME=VALUE".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

#[derive(clap::Args)]
pub(crate) struct ServeArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The folder of the ledger and the admin token
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Where to listen (a loopback address)
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
}

#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Json {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(clap::Args)]
pub(crate) struct CostsArgs {
    /// What to sum by
    #[arg(long, value_enum, default_value_t = By::Model)]
    pub(crate) by: By,
    /// Since when, such as 24h, 30d
    #[arg(long, default_value = "30d")]
    pub(crate) since: String,
    #[command(flatten)]
    pub(crate) json: Json,
    /// Print comma-separated values
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
}

#[derive(clap::Args)]
pub(crate) struct PacketsArgs {
    /// Go on as packets are captured
    #[arg(long)]
    pub(crate) follow: bool,
    /// Which packets, such as `program:claude port:443 text`
    #[arg(long, value_name = "EXPR")]
    pub(crate) filter: Option<String>,
    /// Only the packets of this call
    #[arg(long, value_name = "ID", conflicts_with = "follow")]
    pub(crate) call: Option<String>,
    /// At most so many of the newest
    #[arg(long, default_value_t = 200)]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) json: Json,
    /// Write all kept packets that pass to this pcapng file
    #[arg(short, value_name = "FILE", conflicts_with_all = ["follow", "json"])]
    pub(crate) write: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum FlowsCommand {
    /// List connections, the one with the newest packet first
    List {
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: usize,
        #[command(flatten)]
        json: Json,
    },
    /// Print what both sides said on a TCP connection, from the packets that are still kept
    Follow(FollowArgs),
}

#[derive(clap::Args)]
pub(crate) struct FollowArgs {
    /// The connection's number
    pub(crate) id: u64,
    /// Print bytes in hexadecimal beside their text
    #[arg(long)]
    pub(crate) hex: bool,
    /// Print the HTTP messages with their events, calls and MCP messages
    #[arg(long, conflicts_with = "hex")]
    pub(crate) messages: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum By {
    Model,
    Provider,
    Program,
    Project,
    Key,
    Day,
}

impl By {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Program => "program",
            Self::Project => "project",
            Self::Key => "key",
            Self::Day => "day",
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
}
