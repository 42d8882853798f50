//! A gateway for one command, where none runs: the same configuration and keys, a ledger of its own
//! that is thrown away, and no port that anybody knows.

use std::{fs, net::SocketAddr, sync::Arc};

use crate::{App, Environment, Options, StartError, paths::Paths};

/// Starts a gateway by the configuration of `paths`, does `work` with it, and stops it.
///
/// # Errors
/// When it cannot be started, such as for a mistake in the configuration.
pub async fn alone<T>(
    env: Environment,
    paths: &Paths,
    work: impl AsyncFnOnce(Arc<App>) -> T,
) -> Result<T, StartError> {
    let folder = paths.runtime.join(format!("alone-{}", std::process::id()));
    let own = Paths {
        config: paths.config.clone(),
        data: folder.join("data"),
        credentials: paths.credentials.clone(),
        runtime: folder.clone(),
        helper_sockets: Vec::new(),
    };
    let listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let started = App::start(Options { paths: own, listen, demo: None, env }).await;
    let done = match started {
        Ok(app) => {
            let done = work(Arc::clone(&app)).await;
            app.stop().await;
            Ok(done)
        }
        Err(error) => Err(error),
    };
    // What it kept is of no use to anybody.
    if let Err(error) = fs::remove_dir_all(&folder) {
        tracing::debug!(%error, "the folder of a gateway for one command stays");
    }
    done
}
