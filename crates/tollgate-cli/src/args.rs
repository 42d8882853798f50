//! What can be asked on the command line.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand, ValueEnum};

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
    /// Check what works here and what to do about the rest
    Doctor(Json),
    /// List calls
    Calls(CallsArgs),
    /// Sum costs
    Costs(CostsArgs),
    /// List captured packets, or write them to a pcapng file
    Packets(PacketsArgs),
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
    /// List the models of the configuration, with the state of their targets
    Models {
        #[command(subcommand)]
        command: ModelsCommand,
    },
    /// Show the prices of a model
    Prices {
        /// Part of the model's name
        model: String,
        #[command(flatten)]
        json: Json,
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

#[derive(Subcommand)]
pub(crate) enum ModelsCommand {
    /// List them
    List(Json),
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
    /// Store a credential in the OS keyring (read from standard input)
    Login {
        /// The credential's name, usually the provider's id
        name: String,
    },
    /// Remove a credential from the OS keyring
    Logout {
        /// The credential's name
        name: String,
    },
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
    /// In this key file of Google's tools, or `default` for where they look themselves
    #[arg(long, value_name = "FILE")]
    pub(crate) google: Option<String>,
    /// In variables of an Entra application that begin like this, such as AZURE
    #[arg(long, value_name = "PREFIX")]
    pub(crate) entra_env: Option<String>,
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
pub(crate) struct CallsArgs {
    /// Since when, such as 90m, 24h, 7d
    #[arg(long, default_value = "24h")]
    pub(crate) since: String,
    /// Go on as calls happen
    #[arg(long)]
    pub(crate) follow: bool,
    /// Which calls, such as `program:claude state:failed text`, as on the Calls page
    #[arg(long, value_name = "EXPR")]
    pub(crate) filter: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) json: Json,
    /// Show this call in full; the beginning of its id is enough
    #[arg(conflicts_with_all = ["follow", "filter"])]
    pub(crate) id: Option<String>,
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
