//! A real inference engine, as a provider.

use std::{net::SocketAddr, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::{
    PATIENCE,
    sdk::{REQUIRE_ALL, is_set_up, root},
};

/// llama.cpp's server with a small model; killed when dropped.
#[derive(Debug)]
pub struct Engine {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its standard input, which ends with it, tells it to end.
    _process: Child,
}

impl Engine {
    /// The name of the model that it serves.
    pub const MODEL: &str = "gemma-3-270m";

    /// Starts it; `None` when it is not set up, as for [`Sdk::run`](crate::Sdk::run).
    ///
    /// # Panics
    /// When it does not serve in time.
    pub async fn start() -> Option<Self> {
        let python = root().join("target/clients/engine/bin/python");
        if !is_set_up(&python, REQUIRE_ALL) {
            return None;
        }
        let mut command = Command::new(python);
        // Leaves no bytecode in the source tree.
        command.arg("-B").arg(root().join("tests/clients/engine/serve.py"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let said = timeout(PATIENCE, lines.next_line()).await;
        let said = said.expect("the engine to serve").unwrap().expect("the engine's address");
        let listen = said.strip_prefix("http://").unwrap_or(&said);
        let listen = listen.parse().unwrap_or_else(|_| panic!("`{said}` is no address"));
        Some(Self { listen, _process: process })
    }
}
