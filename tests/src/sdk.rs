//! The official SDKs, unmodified, as the small programs in `tests/clients`.

use std::{
    env,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tokio::process::Command;

use crate::{Home, PATIENCE};

/// The key that the clients send.
const KEY: &str = "sk-simulated-sdk";

/// An official SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// `openai` for Python.
    OpenaiPython,
    /// `anthropic` for Python.
    AnthropicPython,
    /// `google-genai` for Python.
    GenaiPython,
    /// `openai` for Node.
    OpenaiNode,
}

impl Sdk {
    /// Its program's file.
    #[must_use]
    pub fn script(self) -> PathBuf {
        let clients = root().join("tests/clients");
        match self {
            Self::OpenaiPython => clients.join("python/openai_client.py"),
            Self::AnthropicPython => clients.join("python/anthropic_client.py"),
            Self::GenaiPython => clients.join("python/genai_client.py"),
            Self::OpenaiNode => clients.join("node/openai_client.mjs"),
        }
    }

    /// Runs all its cases in `folder` against what is at `base_url`, and gives the line of each
    /// case. `None` when the SDK is not set up (see `tests/clients/README.md`), which is printed,
    /// or a failure where `TOLLGATE_REQUIRE_CLIENTS` is set.
    ///
    /// # Panics
    /// When the program fails.
    pub async fn run(self, home: &Home, folder: &Path, base_url: &str) -> Option<Vec<Value>> {
        self.run_cases(home, folder, base_url, &[], "").await
    }

    /// The same with these cases only, and controls for the simulator in each request.
    ///
    /// # Panics
    /// When the program fails.
    pub async fn run_cases(
        self,
        home: &Home,
        folder: &Path,
        base_url: &str,
        cases: &[&str],
        controls: &str,
    ) -> Option<Vec<Value>> {
        let mut command = self.command(home)?;
        command
            .arg(self.script())
            .args(cases)
            .current_dir(folder)
            .env("TOLLGATE_TEST_CONTROLS", controls)
            .env("OPENAI_BASE_URL", format!("{base_url}/v1"))
            .env("OPENAI_API_KEY", KEY)
            .env("ANTHROPIC_BASE_URL", base_url)
            .env("ANTHROPIC_API_KEY", KEY)
            .env("GOOGLE_GEMINI_BASE_URL", base_url)
            .env("GEMINI_API_KEY", KEY)
            .env("NO_PROXY", "127.0.0.1");
        let output = tokio::time::timeout(PATIENCE, command.output()).await;
        let output = output.expect("the client to end").expect("to run the client");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{self:?}: {errors}");
        let lines = String::from_utf8(output.stdout).expect("UTF-8");
        Some(lines.lines().map(|it| serde_json::from_str(it).expect("a JSON line")).collect())
    }

    fn command(self, home: &Home) -> Option<Command> {
        let (program, needed) = match self {
            Self::OpenaiPython | Self::AnthropicPython | Self::GenaiPython => {
                let python = root().join("target/clients/python/bin/python");
                (python.clone(), python)
            }
            Self::OpenaiNode => {
                ("node".into(), root().join("tests/clients/node/node_modules/openai"))
            }
        };
        if !needed.exists() {
            let reason = format!("no {}: see tests/clients/README.md", needed.display());
            assert!(env::var_os("TOLLGATE_REQUIRE_CLIENTS").is_none(), "{reason}");
            println!("skipped: {reason}");
            return None;
        }
        let mut command = home.command(program);
        if self != Self::OpenaiNode {
            // Leaves no bytecode in the source tree.
            command.arg("-B");
        }
        Some(command)
    }
}

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("the repository's root").to_owned()
}
