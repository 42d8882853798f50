//! Preparing and running the demo's client programs as processes.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::{Child, ChildStdin, Command};

use super::{ClientOptions, PERSONALITIES, Personality};

/// The hidden subcommand that a program must have to be started by [`Demo::start`]; see
/// [`child_args`].
pub const CHILD_SUBCOMMAND: &str = "demo-client";

/// The arguments of a child: `demo-client NAME --base-url URL --pace-ms N [--calls N]`. The program
/// must answer them by [`run_child`](super::run_child).
#[must_use]
pub fn child_args(name: &str, base_url: &str, options: ClientOptions) -> Vec<OsString> {
    let pace_ms = options.pace.as_millis().to_string();
    let mut args = vec![CHILD_SUBCOMMAND, name, "--base-url", base_url, "--pace-ms", &pace_ms];
    let calls = options.calls.map(|it| it.to_string());
    if let Some(calls) = &calls {
        args.extend(["--calls", calls]);
    }
    args.into_iter().map(OsString::from).collect()
}

/// The demo could not be prepared or started.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A folder or file of the work folder could not be made.
    #[error("prepare `{}`", .0.display())]
    Prepare(PathBuf, #[source] io::Error),
    /// A program could not be started.
    #[error("start `{0}`")]
    Start(&'static str, #[source] io::Error),
}

/// The running client programs. Dropped, it kills them; killed itself, their standard input ends,
/// and so do they.
#[derive(Debug)]
pub struct Demo {
    clients: Vec<DemoClient>,
}

/// One running client program.
#[derive(Debug)]
pub struct DemoClient {
    /// Who it is.
    pub personality: Personality,
    /// Its process.
    pub pid: u32,
    /// Its executable: `work_dir/bin/<name>`.
    pub exe: PathBuf,
    /// Where it works: a git project, `work_dir/<project>`.
    pub cwd: PathBuf,
    child: Child,
    // Held open: its end is the child's order to leave.
    _stdin: Option<ChildStdin>,
}

impl Demo {
    /// Starts all [`PERSONALITIES`] at their own pace against `gateway_base_url` (without a path).
    ///
    /// `work_dir` is made if need be and gets `bin/` and a git project per program; it is left as
    /// it is afterwards. `program` must have the [`CHILD_SUBCOMMAND`].
    ///
    /// # Errors
    /// A folder, link or process could not be made. Programs started before are killed.
    pub fn start(
        gateway_base_url: &str,
        work_dir: &Path,
        program: &Path,
    ) -> Result<Self, DemoError> {
        Self::start_with(gateway_base_url, work_dir, program, ClientOptions::default())
    }

    /// As [`Demo::start`], with a number of calls or a pace.
    ///
    /// # Errors
    /// As there.
    pub fn start_with(
        gateway_base_url: &str,
        work_dir: &Path,
        program: &Path,
        options: ClientOptions,
    ) -> Result<Self, DemoError> {
        let mut demo = Self { clients: Vec::with_capacity(PERSONALITIES.len()) };
        for personality in PERSONALITIES {
            let exe = prepare_program(work_dir, personality.name, program)?;
            let cwd = prepare_project(work_dir, personality.project)?;
            let args = child_args(personality.name, gateway_base_url, options);
            let mut child = Command::new(&exe)
                .args(args)
                .current_dir(&cwd)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .map_err(|source| DemoError::Start(personality.name, source))?;
            let stdin = child.stdin.take();
            let pid = child.id().unwrap_or_default();
            let personality = *personality;
            demo.clients.push(DemoClient { personality, pid, exe, cwd, child, _stdin: stdin });
        }
        Ok(demo)
    }

    /// The programs, in the order of [`PERSONALITIES`].
    #[must_use]
    pub fn clients(&self) -> &[DemoClient] {
        &self.clients
    }

    /// Waits until every program has ended by itself (with [`ClientOptions::calls`]), at most
    /// `limit`. Returns how many ended well.
    pub async fn wait(&mut self, limit: Duration) -> usize {
        let mut well = 0;
        let wait = async {
            for client in &mut self.clients {
                well += usize::from(client.child.wait().await.is_ok_and(|it| it.success()));
            }
        };
        // After the limit, those counted are those that ended.
        let _in_time = tokio::time::timeout(limit, wait).await;
        well
    }

    /// Kills the programs and waits until they are gone.
    pub async fn stop(mut self) {
        for client in &mut self.clients {
            if let Err(error) = client.child.kill().await {
                tracing::warn!(name = client.personality.name, %error, "could not kill");
            }
        }
    }
}

fn prepare_project(work_dir: &Path, project: &str) -> Result<PathBuf, DemoError> {
    let folder = work_dir.join(project);
    for inside in [".git/objects", ".git/refs/heads"] {
        make_folder(&folder.join(inside))?;
    }
    write(&folder.join(".git/HEAD"), "ref: refs/heads/main\n")?;
    let config = "[core]\n\trepositoryformatversion = 0\n\tbare = false\n";
    write(&folder.join(".git/config"), config)?;
    write(
        &folder.join("README.md"),
        "Made by Tollgate's demo. The program that works here makes simulated calls only.\n",
    )?;
    Ok(folder)
}

/// Puts `program` under another name, so that the process is known by it: a hard link where the
/// file system and its rules allow one, else a copy.
fn prepare_program(work_dir: &Path, name: &str, program: &Path) -> Result<PathBuf, DemoError> {
    let bin = work_dir.join("bin");
    make_folder(&bin)?;
    let exe = bin.join(name);
    let failed = |source| DemoError::Prepare(exe.clone(), source);
    match fs::remove_file(&exe) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    if fs::hard_link(program, &exe).is_err() {
        fs::copy(program, &exe).map_err(failed)?;
    }
    Ok(exe)
}

fn make_folder(path: &Path) -> Result<(), DemoError> {
    fs::create_dir_all(path).map_err(|source| DemoError::Prepare(path.to_owned(), source))
}

fn write(path: &Path, text: &str) -> Result<(), DemoError> {
    fs::write(path, text).map_err(|source| DemoError::Prepare(path.to_owned(), source))
}
