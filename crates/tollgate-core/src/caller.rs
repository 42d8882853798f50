//! The program that asks.

use serde::{Deserialize, Serialize};

/// A process, named so that a reused pid is never mistaken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessKey {
    /// The process id in the machine's first pid namespace.
    pub pid: u32,
    /// When the process started, in nanoseconds since the machine started, cut to whole clock
    /// ticks (1/100 s) because that is what `/proc/PID/stat` tells.
    pub started_at_ns: u64,
}

/// How a caller was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallerSource {
    /// The kernel said so at the time, through the helper's eBPF programs.
    Helper,
    /// `sock_diag` and `/proc`, asked when the connection arrived: a process that ended before
    /// that, or that shares its socket, can be missed.
    SockDiag,
}

/// A process on the way from the caller up to init.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ancestor {
    /// Its process id.
    pub pid: u32,
    /// Its readable name.
    pub program: String,
}

/// The git work tree that a caller works in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Project {
    /// The last component of `root`.
    pub name: String,
    /// The folder that holds `.git`.
    pub root: String,
}

/// The program that asks. What could not be read is `None` or empty, never made up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// Which process.
    pub process: ProcessKey,
    /// A name a person would use: `claude`, `ingest.py (python3)`.
    pub program: String,
    /// The executable's path.
    pub exe: Option<String>,
    /// The command line, as [`masked_argv`](crate::credential::masked_argv) leaves it.
    pub argv: Vec<String>,
    /// The working directory.
    pub cwd: Option<String>,
    /// The user's id.
    pub uid: u32,
    /// The user's name.
    pub user: Option<String>,
    /// Parent first, then its parent, and so on.
    pub ancestors: Vec<Ancestor>,
    /// The control group's path (version 2), which names systemd units and containers.
    pub cgroup: Option<String>,
    /// The project of `cwd`.
    pub project: Option<Project>,
    /// How the caller was found.
    pub source: CallerSource,
}
