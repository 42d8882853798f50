//! Looking at processes in `/proc`, which tells more than the kernel's events but not for long.
//!
//! A thread of its own looks: it takes milliseconds for each process on a busy machine, and who only
//! waits for a socket's owner must not wait for that.

use std::{
    collections::HashSet,
    iter,
    sync::{Arc, mpsc},
};

use tollgate_core::caller::{CallerSource, ProcessKey};
use tollgate_flows::{
    Event,
    event::{ProcessSeen, SocketSeen},
};

use super::{CALLERS_MAX, Capture, boot_now_ns};
use crate::procfs::{self, Families};

/// Processes that wait to be looked at; more are looked at when they show themselves again.
const WAITING_MAX: usize = 4_096;
/// Processes looked at before their families are read anew.
const FAMILY_MAX: usize = 64;

/// Asks for a look at each process once.
pub(super) struct Looks {
    seen: HashSet<ProcessKey>,
    wanted: mpsc::SyncSender<ProcessKey>,
}

impl Looks {
    /// And where [`Capture::look`] takes from.
    pub(super) fn new() -> (Self, mpsc::Receiver<ProcessKey>) {
        let (wanted, asked) = mpsc::sync_channel(WAITING_MAX);
        (Self { seen: HashSet::new(), wanted }, asked)
    }

    /// Asks for a look at a process, if nobody did before.
    pub(super) fn ask(&mut self, process: ProcessKey) {
        if self.seen.len() >= CALLERS_MAX {
            self.seen.clear();
        }
        if self.seen.insert(process) && self.wanted.try_send(process).is_err() {
            self.seen.remove(&process);
        }
    }

    /// The process is another program now: it has to be looked at again.
    pub(super) fn forget(&mut self, process: ProcessKey) {
        self.seen.remove(&process);
    }
}

impl Capture {
    /// Looks at processes until nobody can ask any more.
    #[expect(clippy::needless_pass_by_value, reason = "dropped at the end: nobody listens then")]
    pub(super) fn look(&self, asked: mpsc::Receiver<ProcessKey>) {
        while let Ok(first) = asked.recv() {
            let mut families = Families::new();
            let moment = iter::once(first).chain(asked.try_iter()).take(FAMILY_MAX);
            for event in moment.filter_map(|it| self.look_at(it, &mut families)) {
                self.push(vec![event]);
            }
        }
    }

    /// Sockets that were there before the helper: who holds them.
    pub(super) fn bootstrap(&self) {
        let Ok(sockets) = procfs::tcp_sockets() else { return };
        let holders = procfs::holders();
        let at_ns = boot_now_ns();
        let events: Vec<_> = sockets
            .into_iter()
            .map(|it| {
                let process = holders.get(&u64::from(it.inode)).copied();
                Event::Socket(SocketSeen {
                    at_ns,
                    cookie: it.cookie,
                    inode: u64::from(it.inode),
                    local: it.local,
                    remote: (it.remote.port() != 0).then_some(it.remote),
                    uid: it.uid,
                    process: process.and_then(procfs::process_key),
                })
            })
            .collect();
        let owners: HashSet<_> = events.iter().filter_map(owner_of).collect();
        let mut families = Families::new();
        let processes = owners.into_iter().filter_map(|it| self.look_at(it, &mut families));
        self.push(processes.collect());
        self.push(events);
    }

    /// What `/proc` adds to a process.
    fn look_at(&self, process: ProcessKey, families: &mut Families) -> Option<Event> {
        let caller = procfs::caller_among(process.pid, CallerSource::Helper, families)?;
        if caller.process != process {
            return None;
        }
        let event = Event::Process(ProcessSeen {
            process,
            ppid: caller.ancestors.first().map(|it| it.pid),
            uid: Some(caller.uid),
            cgroup_id: None,
            comm: procfs::comm(process.pid).unwrap_or_default(),
            exe: caller.exe.clone(),
            argv: caller.argv.clone(),
            cwd: caller.cwd.clone(),
        });
        let mut callers = self.callers();
        if callers.len() >= CALLERS_MAX {
            callers.clear();
        }
        callers.insert(process, Arc::new(caller));
        Some(event)
    }
}

/// The process that an event says to own a socket.
pub(super) const fn owner_of(event: &Event) -> Option<ProcessKey> {
    if let Event::Owner(it) = event {
        return Some(it.process);
    }
    if let Event::Socket(it) = event { it.process } else { None }
}
