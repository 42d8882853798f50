//! Who is behind a socket: processes as they come and go, and the evidence that ties them to
//! sockets.
//!
//! Evidence is ranked ([`OwnerVia`]), and the process is looked up when somebody asks, not when the
//! evidence came: a name can arrive after the packet. A process that ended is remembered until
//! [`EXITED_MAX`] others have ended after it.

use std::sync::Arc;

use hashlink::LruCache;
use tollgate_core::{SocketCookie, caller::ProcessKey, credential::masked_argv};

use crate::{
    event::{BootNs, Exec, OwnerSeen, OwnerVia, ProcessSeen, SocketSeen},
    name,
};

/// Running processes remembered: twice what a busy desktop has, for exits can be lost.
pub const PROCESSES_MAX: usize = 8_192;
/// Ended processes remembered.
pub const EXITED_MAX: usize = 4_096;
/// Sockets with an owner remembered; as many as the kernel side's own table.
pub const OWNERS_MAX: usize = 65_536;
/// Arguments kept of a command line.
pub const ARGV_MAX: usize = 64;
/// Characters kept of one argument.
pub const ARGUMENT_CHARS_MAX: usize = 4_096;

/// `/proc` tells start times in hundredths of a second.
const CLOCK_TICK_NS: u64 = 10_000_000;

/// What is known of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Which.
    pub key: ProcessKey,
    /// Its parent's pid.
    pub ppid: Option<u32>,
    /// Its user.
    pub uid: Option<u32>,
    /// Its control group (version 2).
    pub cgroup_id: Option<u64>,
    /// The kernel's name of it.
    pub comm: String,
    /// The executable's path.
    pub exe: Option<String>,
    /// The command line, credentials masked.
    pub argv: Vec<String>,
    /// The working directory.
    pub cwd: Option<String>,
    /// Its readable name.
    pub program: Arc<str>,
    /// When it ended; `None` while it runs, as far as is known.
    pub exited_at_ns: Option<BootNs>,
}

/// Who uses a socket, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The process.
    pub process: ProcessKey,
    /// Its user, where the evidence told it.
    pub uid: Option<u32>,
    /// The evidence.
    pub via: OwnerVia,
    /// The kernel's name of the thread that was seen.
    pub comm: Arc<str>,
}

/// The key with its time cut to clock ticks, as every key is that is compared here.
#[must_use]
pub const fn cut_to_ticks(key: ProcessKey) -> ProcessKey {
    let started_at_ns = key.started_at_ns - key.started_at_ns % CLOCK_TICK_NS;
    ProcessKey { pid: key.pid, started_at_ns }
}

/// The processes and the sockets they own.
#[derive(Debug)]
pub(crate) struct Attribution {
    alive: LruCache<ProcessKey, Arc<Process>>,
    exited: LruCache<ProcessKey, Arc<Process>>,
    owners: LruCache<SocketCookie, Owner>,
    /// The last process with each pid, for evidence that does not tell when it started.
    latest: LruCache<u32, ProcessKey>,
}

impl Attribution {
    pub(crate) fn new() -> Self {
        Self {
            alive: LruCache::new(PROCESSES_MAX),
            exited: LruCache::new(EXITED_MAX),
            owners: LruCache::new(OWNERS_MAX),
            latest: LruCache::new(PROCESSES_MAX + EXITED_MAX),
        }
    }

    /// Keeps the better of two pieces of evidence; of two equals the later one.
    pub(crate) fn owner_seen(&mut self, seen: OwnerSeen) {
        let known = self.owners.get(&seen.cookie).map(|it| it.via);
        if seen.cookie.0 == 0 || known.is_some_and(|it| it > seen.via) {
            return;
        }
        let owner = Owner {
            process: cut_to_ticks(seen.process),
            uid: Some(seen.uid),
            via: seen.via,
            comm: seen.comm.into(),
        };
        // A process that is at work is the last to be forgotten.
        let _ = self.alive.get(&owner.process);
        self.owners.insert(seen.cookie, owner);
    }

    pub(crate) fn socket_seen(&mut self, seen: &SocketSeen) {
        if let Some(process) = seen.process {
            let comm = self.process(process).map(|it| it.comm.clone()).unwrap_or_default();
            self.owner_seen(OwnerSeen {
                at_ns: seen.at_ns,
                cookie: seen.cookie,
                process,
                uid: seen.uid,
                cgroup_id: 0,
                comm,
                via: OwnerVia::SockDiag,
            });
        }
    }

    pub(crate) fn exec(&mut self, exec: Exec) {
        let key = cut_to_ticks(exec.process);
        let argv = bounded(exec.argv);
        // For a script the kernel names the script, but runs its interpreter.
        let exe = (!name::runs_an_interpreter(&argv, &exec.filename)).then_some(exec.filename);
        let program = name::program_name(exe.as_deref(), &argv, &exec.comm).into();
        self.insert(Process {
            key,
            ppid: Some(exec.ppid),
            uid: Some(exec.uid),
            cgroup_id: Some(exec.cgroup_id),
            comm: exec.comm,
            exe,
            argv,
            // Whoever starts a program changes the folder first.
            cwd: None,
            program,
            exited_at_ns: None,
        });
    }

    /// A child is its parent until it replaces its program.
    pub(crate) fn fork(&mut self, parent: ProcessKey, child: ProcessKey) {
        let (parent, child) = (cut_to_ticks(parent), cut_to_ticks(child));
        if parent.pid == child.pid || self.alive.contains_key(&child) {
            return;
        }
        if let Some(known) = self.alive.get(&parent) {
            let mut process = Process::clone(known);
            process.key = child;
            process.ppid = Some(parent.pid);
            self.insert(process);
        }
    }

    pub(crate) fn exit(&mut self, key: ProcessKey, at_ns: BootNs) {
        let key = self.told(key);
        if let Some(mut process) = self.alive.remove(&key) {
            Arc::make_mut(&mut process).exited_at_ns = Some(at_ns);
            self.exited.insert(key, process);
        }
    }

    /// `/proc` tells more than an exec event, but not after the process ended.
    pub(crate) fn process_seen(&mut self, seen: ProcessSeen) {
        let key = cut_to_ticks(seen.process);
        let argv = bounded(seen.argv);
        let known = self.process(key);
        let exited_at_ns = known.as_ref().and_then(|it| it.exited_at_ns);
        let argv = match &known {
            Some(it) if argv.is_empty() => it.argv.clone(),
            _ => argv,
        };
        let process = Process {
            key,
            ppid: seen.ppid.or_else(|| known.as_ref()?.ppid),
            uid: seen.uid.or_else(|| known.as_ref()?.uid),
            cgroup_id: seen.cgroup_id.or_else(|| known.as_ref()?.cgroup_id),
            program: name::program_name(seen.exe.as_deref(), &argv, &seen.comm).into(),
            comm: seen.comm,
            exe: seen.exe.or_else(|| known.as_ref()?.exe.clone()),
            argv,
            cwd: seen.cwd.or_else(|| known.as_ref()?.cwd.clone()),
            exited_at_ns,
        };
        if exited_at_ns.is_some() {
            self.exited.insert(key, Arc::new(process));
        } else {
            self.insert(process);
        }
    }

    /// The key under which a process is kept.
    fn told(&self, key: ProcessKey) -> ProcessKey {
        match cut_to_ticks(key) {
            // Old kernels do not let the helper read when a process started.
            ProcessKey { pid, started_at_ns: 0 } => self.latest.peek(&pid).copied().unwrap_or(key),
            key => key,
        }
    }

    fn insert(&mut self, process: Process) {
        self.exited.remove(&process.key);
        self.latest.insert(process.key.pid, process.key);
        self.alive.insert(process.key, Arc::new(process));
    }

    /// What is known of a process; of the last one with its pid when the start time is 0, which
    /// stands for unknown.
    pub(crate) fn process(&self, key: ProcessKey) -> Option<&Arc<Process>> {
        let key = self.told(key);
        self.alive.peek(&key).or_else(|| self.exited.peek(&key))
    }

    pub(crate) fn owner(&self, cookie: SocketCookie) -> Option<&Owner> {
        self.owners.peek(&cookie)
    }

    /// The readable name of an owner.
    pub(crate) fn program(&self, owner: &Owner) -> Arc<str> {
        self.process(owner.process).map_or_else(
            || name::program_name(None, &[], &owner.comm).into(),
            |process| Arc::clone(&process.program),
        )
    }
}

/// A command line as it may be kept: without credentials, and not too long.
fn bounded(mut argv: Vec<String>) -> Vec<String> {
    argv.truncate(ARGV_MAX);
    let mut argv = masked_argv(argv);
    for argument in &mut argv {
        crate::packet::text::truncate_chars(argument, ARGUMENT_CHARS_MAX);
    }
    argv
}
