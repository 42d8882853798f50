//! A user's home, and commands run in it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::Arc,
};

use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, process::Command};
use tollgate_app::clock::SystemClock;
use tollgate_core::Clock as _;
use tollgate_simulator::Simulator;

use crate::{PATIENCE, Product};

/// The variable with the key of every provider of [`Home::keyed`].
pub const PROVIDER_KEY: &str = "TOLLGATE_TEST_PROVIDER_KEY";

/// Where products listen unless asked otherwise.
const ANY_PORT: &str = "127.0.0.1:0";

/// A time zone in which it is about noon, so that no test sees a day end: what is counted by the
/// local day stays in one.
fn noon() -> String {
    let hour = SystemClock.now().0.div_euclid(3_600_000) % 24;
    // POSIX counts westwards.
    let west = hour - 12;
    format!("NOON{west:+}")
}

/// A program of this workspace, as cargo built it beside the test that runs.
///
/// # Panics
/// When it is not there: `cargo build --workspace --bins` builds it, and `cargo xtask test` does so
/// before any test.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let test = env::current_exe().expect("find this test");
    let folder = test.parent().expect("a folder of build results");
    // Tests stand in `deps`, programs beside it.
    let folder = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
    let program = folder.expect("a folder of build results").join(name);
    assert!(
        program.is_file(),
        "there is no `{}`: build it with `cargo build --workspace --bins`, as `cargo xtask test` does",
        program.display()
    );
    program
}

/// A home of its own for one test, with XDG folders; removed when dropped.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
}

impl Home {
    /// An empty home.
    ///
    /// # Panics
    /// When it cannot be made, as for every method.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let home = Self { folder };
        fs::create_dir_all(home.config().parent().unwrap()).unwrap();
        for it in ["run", "share"] {
            fs::create_dir(home.path().join(it)).unwrap();
        }
        Arc::new(home)
    }

    /// A home whose OpenAI, Anthropic and Google are the simulator.
    #[must_use]
    pub fn simulated(simulator: &Simulator) -> Arc<Self> {
        let home = Self::new();
        home.configure(&providers(&simulator.base_url()));
        home
    }

    /// The same, with keys of the gateway's own (see [`PROVIDER_KEY`]) and more configuration.
    #[must_use]
    pub fn keyed(simulator: &Simulator, more: &str) -> Arc<Self> {
        let home = Self::new();
        let key = format!("id = \"$1\"\napi_key = {{ env = \"{PROVIDER_KEY}\" }}");
        let mut text = providers(&simulator.base_url());
        for id in ["openai", "anthropic", "google"] {
            text = text.replace(&format!("id = \"{id}\""), &key.replace("$1", id));
        }
        home.configure(&(text + more));
        home
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.path().join("config/tollgate/config.toml")
    }

    /// The folder of the ledger.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.path().join("share/tollgate")
    }

    /// The folder of the sockets.
    #[must_use]
    pub fn runtime(&self) -> PathBuf {
        self.path().join("run/tollgate")
    }

    /// Writes the configuration.
    pub fn configure(&self, text: &str) {
        fs::write(self.config(), text).unwrap();
    }

    /// A program in this home, with nothing else of this test's environment but `PATH`. It is
    /// killed when dropped.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("TZ", noon())
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .env("XDG_DATA_HOME", self.path().join("share"))
            .env("XDG_RUNTIME_DIR", self.path().join("run"))
            // A helper of this machine is no part of the test.
            .env("TOLLGATE_HELPER_SOCKET", self.path().join("no-helper.sock"))
            .current_dir(self.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// `tollgate` with these arguments, run to its end.
    pub async fn run(&self, args: &[&str]) -> Finished {
        self.run_with(args, "", |_| {}).await
    }

    /// [`Self::run`] with a standard input, and with a change of the command.
    pub async fn run_with(
        &self,
        args: &[&str],
        input: &str,
        change: impl FnOnce(&mut Command),
    ) -> Finished {
        let mut command = self.command(program("tollgate"));
        command.args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that reads nothing may have ended already.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
        let output = output.unwrap_or_else(|_| panic!("`tollgate {args:?}` did not end")).unwrap();
        Finished { output, home: self.path().display().to_string() }
    }

    /// Starts `tollgate serve` on a free port and waits until it serves.
    pub async fn serve(self: &Arc<Self>) -> Product {
        Product::start(self, "serve", ANY_PORT, |_| {}).await
    }

    /// [`Self::serve`], on an address that no other test uses: nobody takes its port while it is off.
    pub async fn serve_alone(self: &Arc<Self>) -> Product {
        let [.., a, b] = std::process::id().to_be_bytes();
        Product::start(self, "serve", &format!("127.41.{a}.{b}:0"), |_| {}).await
    }

    /// Starts `tollgate demo` on a free port and waits until it serves.
    pub async fn demo(self: &Arc<Self>) -> Product {
        Product::start(self, "demo", ANY_PORT, |_| {}).await
    }

    /// [`Self::serve`], with a change of the command.
    pub async fn serve_with(self: &Arc<Self>, change: impl FnOnce(&mut Command)) -> Product {
        Product::start(self, "serve", ANY_PORT, change).await
    }
}

/// A configuration in which OpenAI, Anthropic and Google are at `origin`.
#[must_use]
pub fn providers(origin: &str) -> String {
    format!(
        r#"
[[providers]]
id = "openai"
base_url = "{origin}/v1"

[[providers]]
id = "anthropic"
base_url = "{origin}/v1"

[[providers]]
id = "google"
format = ["gemini"]
base_url = "{origin}"
"#
    )
}

/// A command that has ended.
#[derive(Debug)]
pub struct Finished {
    output: Output,
    home: String,
}

impl Finished {
    /// Its exit code.
    ///
    /// # Panics
    /// When a signal ended it.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.output.status.code().unwrap_or_else(|| panic!("ended by a signal: {self:?}"))
    }

    /// The signal that ended it.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        std::os::unix::process::ExitStatusExt::signal(&self.output.status)
    }

    /// Its standard output.
    ///
    /// # Panics
    /// When it is not text.
    #[must_use]
    pub fn stdout(&self) -> &str {
        std::str::from_utf8(&self.output.stdout).unwrap()
    }

    /// Its standard error.
    ///
    /// # Panics
    /// When it is not text.
    #[must_use]
    pub fn stderr(&self) -> &str {
        std::str::from_utf8(&self.output.stderr).unwrap()
    }

    /// Its standard output, once it ended well.
    ///
    /// # Panics
    /// When it failed.
    pub fn expect(&self) -> &str {
        assert_eq!(self.code(), 0, "{}", self.stderr());
        self.stdout()
    }

    /// Its standard output as JSON, once it ended well.
    ///
    /// # Panics
    /// When it failed or is not JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.expect()).unwrap()
    }

    /// All that it said, for a snapshot: the home's folder is `HOME`.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut shown = format!("exit {}\n", self.code());
        for (name, text) in [("stdout", self.stdout()), ("stderr", self.stderr())] {
            if !text.is_empty() {
                shown.push_str(&format!("--- {name}\n{text}"));
            }
        }
        shown.replace(&self.home, "HOME")
    }
}
