//! Why Tollgate does not start.

use std::{io, net::SocketAddr, path::PathBuf};

use tollgate_core::{price::PriceBookError, provider::CatalogueError};
use tollgate_gateway::GatewayError;
use tollgate_ledger::LedgerError;
use tollgate_simulator::clients::DemoError;

use crate::{
    blocks::BlocksError, config::ConfigError, credentials::CredentialError,
    exceptions::ExceptionsError, keys::KeysError,
};

/// Why Tollgate does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A gateway of this user runs already.
    #[error("a gateway is already running for this user (it answers at `{0}`)")]
    AlreadyRunning(PathBuf),
    /// The configuration is not acceptable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address is not acceptable.
    #[error("listen: {0}")]
    NotLoopback(String),
    /// The address is taken or may not be used.
    #[error("listen on `{listen}`")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// The reason.
        source: io::Error,
    },
    /// A folder or file cannot be made.
    #[error("set up `{path}`")]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The embedded catalogue is broken.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The embedded price book is broken.
    #[error(transparent)]
    Prices(#[from] PriceBookError),
    /// The local keys cannot be read.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// What is blocked cannot be read.
    #[error(transparent)]
    Blocks(#[from] BlocksError),
    /// A passphrase that was to be read cannot be.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// The exceptions of guardrails cannot be read.
    #[error(transparent)]
    Exceptions(#[from] ExceptionsError),
    /// The ledger cannot be opened.
    #[error("open the ledger")]
    Ledger(#[from] LedgerError),
    /// The gateway cannot be made.
    #[error("set up the gateway")]
    Gateway(#[from] GatewayError),
    /// The demo cannot be started.
    #[error("start the demo")]
    Demo(#[from] DemoError),
    /// The simulator cannot be started.
    #[error("start the simulator")]
    Simulator(#[source] tollgate_simulator::StartError),
}
