//! `tollgate console`: the way to the web console, and a new admin token.

use std::{fs, io, path::Path};

use anyhow::{Context as _, Result};
use tollgate_app::{api::console::ConsoleView, client::ClientError};

use crate::output;

/// Which token opens the console afterwards.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// The one in force.
    Same,
    /// A new one; the former is good no longer.
    New,
}

/// Prints the console's address, which holds the admin token.
pub(super) async fn console(token: Token) -> Result<()> {
    let (client, _) = super::client()?;
    let console: ConsoleView = match token {
        Token::Same => client.get("/console").await?,
        Token::New => match client.post("/console/rotate", &()).await {
            Err(ClientError::NotRunning(_)) => return forget(&super::paths()?.admin_token()),
            answered => answered?,
        },
    };
    match console.address {
        Some(address) => output::line(&address),
        None => {
            output::note("The gateway is off, and the console with it: `tollgate on` opens it.");
            Ok(())
        }
    }
}

/// Without a gateway nobody holds the token: the next start makes a new one.
fn forget(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => {
            return Err(err).with_context(|| format!("remove `{}`", path.display()));
        }
        Ok(()) | Err(_) => {}
    }
    output::note("No gateway runs. The former token is gone; the next start makes a new one.");
    Ok(())
}
