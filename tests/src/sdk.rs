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
    /// `@anthropic-ai/sdk` for Node.
    AnthropicNode,
    /// `@google/genai` for Node.
    GenaiNode,
    /// Vercel's `ai` for Node.
    Ai,
    /// LangChain for Python.
    Langchain,
    /// LangChain for Node.
    LangchainNode,
}

/// A coding agent's command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    /// Claude Code.
    Claude,
    /// Codex.
    Codex,
}

impl Agent {
    /// Its command in this home; `None` when it is not set up, as for [`Sdk::run`].
    #[must_use]
    pub fn command(self, home: &Home) -> Option<Command> {
        let name = match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
        };
        let program = root().join("tests/clients/more/node_modules/.bin").join(name);
        is_set_up(&program, REQUIRE_ALL).then(|| home.command(program))
    }
}

/// The variables with which a client that is not set up is a failure.
const REQUIRE: &str = "TOLLGATE_REQUIRE_CLIENTS";
pub(crate) const REQUIRE_ALL: &str = "TOLLGATE_REQUIRE_ALL_CLIENTS";

/// Whether a file of the set-up is there. Its absence is printed, or a failure.
pub(crate) fn is_set_up(needed: &Path, required: &str) -> bool {
    let there = needed.exists();
    let reason = format!("no {}: see tests/clients/README.md", needed.display());
    assert!(there || env::var_os(required).is_none(), "{reason}");
    if !there {
        println!("skipped: {reason}");
    }
    there
}

/// How the simulator is told what is asked of it beyond an ordinary answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controls<'a> {
    /// By a header: these in every request, beside those of the cases.
    InHeader(&'a str),
    /// Behind the model's name: those of the cases.
    InModel,
}

impl<'a> Controls<'a> {
    fn variables(self) -> [(&'static str, &'a str); 2] {
        let (header, place) = match self {
            Self::InHeader(controls) => (controls, ""),
            Self::InModel => ("", "model"),
        };
        [("TOLLGATE_TEST_CONTROLS", header), ("TOLLGATE_TEST_CONTROLS_IN", place)]
    }
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
            Self::AnthropicNode => clients.join("node/anthropic_client.mjs"),
            Self::GenaiNode => clients.join("node/genai_client.mjs"),
            Self::Ai => clients.join("node/ai_client.mjs"),
            Self::Langchain => clients.join("more/langchain_client.py"),
            Self::LangchainNode => clients.join("more/langchain_client.mjs"),
        }
    }

    /// Runs all its cases in `folder` against what is at `base_url`, and gives the line of each
    /// case. `None` when the SDK is not set up (see `tests/clients/README.md`), which is printed,
    /// or a failure where `TOLLGATE_REQUIRE_CLIENTS` is set.
    ///
    /// # Panics
    /// When the program fails.
    pub async fn run(self, home: &Home, folder: &Path, base_url: &str) -> Option<Vec<Value>> {
        self.run_cases(home, folder, base_url, &[], Controls::InHeader("")).await
    }

    /// The same with these cases only, and with controls for the simulator.
    ///
    /// # Panics
    /// When the program fails.
    pub async fn run_cases(
        self,
        home: &Home,
        folder: &Path,
        base_url: &str,
        cases: &[&str],
        controls: Controls<'_>,
    ) -> Option<Vec<Value>> {
        self.run_with(home, folder, base_url, cases, controls, KEY).await
    }

    /// The same with a key of the test's own.
    ///
    /// # Panics
    /// When the program fails.
    pub async fn run_keyed(
        self,
        home: &Home,
        folder: &Path,
        base_url: &str,
        cases: &[&str],
        key: &str,
    ) -> Option<Vec<Value>> {
        self.run_with(home, folder, base_url, cases, Controls::InHeader(""), key).await
    }

    async fn run_with(
        self,
        home: &Home,
        folder: &Path,
        base_url: &str,
        cases: &[&str],
        controls: Controls<'_>,
        key: &str,
    ) -> Option<Vec<Value>> {
        let mut command = self.command(home)?;
        command
            .arg(self.script())
            .args(cases)
            .current_dir(folder)
            .envs(controls.variables())
            .env("OPENAI_BASE_URL", format!("{base_url}/v1"))
            .env("OPENAI_API_KEY", key)
            .env("ANTHROPIC_BASE_URL", base_url)
            .env("ANTHROPIC_API_KEY", key)
            .env("GOOGLE_GEMINI_BASE_URL", base_url)
            .env("GEMINI_API_KEY", key)
            .env("NO_PROXY", "127.0.0.1");
        let output = tokio::time::timeout(PATIENCE, command.output()).await;
        let output = output.expect("the client to end").expect("to run the client");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{self:?}: {errors}");
        let lines = String::from_utf8(output.stdout).expect("UTF-8");
        Some(lines.lines().map(|it| serde_json::from_str(it).expect("a JSON line")).collect())
    }

    fn command(self, home: &Home) -> Option<Command> {
        let packages = root().join("tests/clients/node/node_modules");
        let environment = |name| root().join("target/clients").join(name).join("bin/python");
        let (needed, required) = match self {
            Self::OpenaiPython | Self::AnthropicPython | Self::GenaiPython => {
                (environment("python"), REQUIRE)
            }
            Self::Langchain => (environment("more"), REQUIRE_ALL),
            Self::LangchainNode => {
                (root().join("tests/clients/more/node_modules/@langchain/core"), REQUIRE_ALL)
            }
            Self::OpenaiNode => (packages.join("openai"), REQUIRE),
            Self::AnthropicNode => (packages.join("@anthropic-ai/sdk"), REQUIRE),
            Self::GenaiNode => (packages.join("@google/genai"), REQUIRE),
            Self::Ai => (packages.join("ai"), REQUIRE),
        };
        if !is_set_up(&needed, required) {
            return None;
        }
        Some(match self {
            Self::OpenaiNode
            | Self::AnthropicNode
            | Self::GenaiNode
            | Self::Ai
            | Self::LangchainNode => home.command("node"),
            Self::OpenaiPython | Self::AnthropicPython | Self::GenaiPython | Self::Langchain => {
                let mut command = home.command(needed);
                // Leaves no bytecode in the source tree.
                command.arg("-B");
                command
            }
        })
    }
}

pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("the repository's root").to_owned()
}
