//! What `/proc` and `sock_diag` tell of processes and sockets, without any privilege.
//!
//! This is the fallback for attribution when there is no helper, and the source of what the kernel
//! programs do not carry (working directory, user, parents) when there is one.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_sock_diag::{
    SockDiagMessage,
    constants::{AF_INET, AF_INET6, IPPROTO_TCP},
    inet::{ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags},
};
use netlink_sys::{Socket, SocketAddr as NetlinkAddr, protocols::NETLINK_SOCK_DIAG};
use procfs::process::{FDTarget, Process};
use tollgate_core::{
    Caller, SocketCookie,
    caller::{Ancestor, CallerSource, ProcessKey, Project},
    credential::masked_argv,
};
use tollgate_flows::name;

/// How far up the tree of processes a caller's parents are told.
const ANCESTORS_MAX: usize = 16;
/// The longest command line that is kept, in arguments and in bytes of each.
const ARGV_MAX: usize = 64;
const ARG_BYTES_MAX: usize = 1024;
/// The longest answer of the kernel to one `sock_diag` read.
const DIAG_BYTES_MAX: usize = 64 * 1024;

/// A TCP socket as `sock_diag` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiagSocket {
    /// The kernel's number for it.
    pub cookie: SocketCookie,
    /// Its inode, as in `/proc/PID/fd`; 0 when no process holds it any more.
    pub inode: u32,
    /// The user who made it.
    pub uid: u32,
    /// Its own end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
}

/// The TCP socket with these two ends; `None` when there is none in this network namespace.
///
/// # Errors
/// When netlink does not work here.
pub fn tcp_socket(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<DiagSocket>> {
    let request = InetRequest {
        family: family(local.ip()),
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::all(),
        socket_id: SocketId {
            source_port: local.port(),
            destination_port: remote.port(),
            source_address: local.ip(),
            destination_address: remote.ip(),
            interface_id: 0,
            // "Any": INET_DIAG_NOCOOKIE.
            cookie: [0xff; 8],
        },
    };
    // The kernel also offers who listens at `local`, where nobody is connected.
    let same = |one: SocketAddr, other: SocketAddr| {
        one.port() == other.port() && one.ip().to_canonical() == other.ip().to_canonical()
    };
    let found = ask_sock_diag(request, NLM_F_REQUEST)?.into_iter();
    let mut connected = found.filter(|it| same(it.local, local) && same(it.remote, remote));
    Ok(connected.next())
}

/// The same by `/proc/net/tcp`: its inode, 0 when no process holds it any more, and the user who made
/// it. Reads the whole list, so it is for where netlink does not work.
#[must_use]
pub fn listed_tcp_socket(local: SocketAddr, remote: SocketAddr) -> Option<(u32, u32)> {
    let sockets = match local.ip() {
        IpAddr::V4(_) => procfs::net::tcp(),
        IpAddr::V6(_) => procfs::net::tcp6(),
    };
    let found = sockets
        .ok()?
        .into_iter()
        .find(|it| it.local_address == local && it.remote_address == remote)?;
    Some((u32::try_from(found.inode).ok()?, found.uid))
}

/// Every TCP socket in this network namespace.
///
/// # Errors
/// When netlink does not work here.
pub fn tcp_sockets() -> io::Result<Vec<DiagSocket>> {
    let mut all = Vec::new();
    for (family, socket_id) in [(AF_INET, SocketId::new_v4()), (AF_INET6, SocketId::new_v6())] {
        let request = InetRequest {
            family,
            protocol: IPPROTO_TCP,
            extensions: ExtensionFlags::empty(),
            states: StateFlags::all(),
            socket_id,
        };
        all.extend(ask_sock_diag(request, NLM_F_REQUEST | NLM_F_DUMP)?);
    }
    Ok(all)
}

const fn family(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    }
}

fn ask_sock_diag(request: InetRequest, flags: u16) -> io::Result<Vec<DiagSocket>> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&NetlinkAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    let payload = SockDiagMessage::InetRequest(request).into();
    let mut message: NetlinkMessage<SockDiagMessage> = NetlinkMessage::new(header, payload);
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let dump = flags & NLM_F_DUMP == NLM_F_DUMP;
    let mut found = Vec::new();
    loop {
        let mut buffer = Vec::with_capacity(DIAG_BYTES_MAX);
        socket.recv(&mut buffer, 0)?;
        let more = read_answers(&buffer, &mut found)?;
        if !dump || !more {
            return Ok(found);
        }
    }
}

/// Reads the messages of one datagram; `false` when the kernel said it was the last.
fn read_answers(mut bytes: &[u8], found: &mut Vec<DiagSocket>) -> io::Result<bool> {
    while !bytes.is_empty() {
        let message = NetlinkMessage::<SockDiagMessage>::deserialize(bytes)
            .map_err(|err| io::Error::new(io::ErrorKind::InvalidData, err.to_string()))?;
        if let NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(it)) = message.payload {
            found.push(diag_socket(&it.header));
        } else if let NetlinkPayload::Error(err) = message.payload {
            let err = err.to_io();
            return if err.kind() == io::ErrorKind::NotFound { Ok(false) } else { Err(err) };
        } else if let NetlinkPayload::Done(_) = message.payload {
            return Ok(false);
        }
        let length =
            usize::try_from(message.header.length).unwrap_or(usize::MAX).next_multiple_of(4);
        bytes = bytes.get(length.max(1)..).unwrap_or_default();
    }
    Ok(true)
}

fn diag_socket(header: &InetResponseHeader) -> DiagSocket {
    let id = &header.socket_id;
    DiagSocket {
        cookie: SocketCookie(u64::from_ne_bytes(id.cookie)),
        inode: header.inode,
        uid: header.uid,
        local: SocketAddr::new(id.source_address, id.source_port),
        remote: SocketAddr::new(id.destination_address, id.destination_port),
    }
}

/// The process that holds the socket with this inode. `likely` are looked at first, because the
/// same few programs make most calls. Only processes that this user may look into are found.
#[must_use]
pub fn holder_of(inode: u32, likely: &[u32]) -> Option<u32> {
    if inode == 0 {
        return None;
    }
    let holds = |process: &Process| {
        let mut fds = process.fd().into_iter().flatten().flatten();
        fds.any(|fd| matches!(fd.target, FDTarget::Socket(it) if it == u64::from(inode)))
    };
    // Who calls now has most likely started lately.
    let newest = newest_first(pids(), last_pid());
    let by_pid = |pid: u32| Process::new(i32::try_from(pid).ok()?).ok();
    let found = likely.iter().copied().chain(newest).filter_map(by_pid).find(holds)?;
    u32::try_from(found.pid()).ok()
}

fn pids() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pid = |it: std::fs::DirEntry| it.file_name().to_str()?.parse().ok();
    let mut pids: Vec<u32> = entries.filter_map(pid).collect();
    pids.sort_unstable();
    pids
}

/// The process id that was given out last.
fn last_pid() -> Option<u32> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().last()?.parse().ok()
}

/// Process ids, those given out last first: at the highest number the kernel begins again.
fn newest_first(mut pids: Vec<u32>, last: Option<u32>) -> impl Iterator<Item = u32> {
    let given = last.map_or(pids.len(), |last| pids.partition_point(|it| *it <= last));
    pids.rotate_left(given);
    pids.into_iter().rev()
}

/// Which process holds which socket, by inode; one pass over all of `/proc`.
#[must_use]
pub fn holders() -> HashMap<u64, u32> {
    let mut holders = HashMap::new();
    for process in procfs::process::all_processes().into_iter().flatten().flatten() {
        let Ok(pid) = u32::try_from(process.pid()) else { continue };
        for fd in process.fd().into_iter().flatten().flatten() {
            if let FDTarget::Socket(inode) = fd.target {
                holders.insert(inode, pid);
            }
        }
    }
    holders
}

/// Ancestors by the process right below them, for a look at several processes of one moment:
/// programs that start together have the same ones.
pub type Families = HashMap<i32, Vec<Ancestor>>;

/// What `/proc` tells of a process; `None` when it is gone.
#[must_use]
pub fn caller(pid: u32, source: CallerSource) -> Option<Caller> {
    caller_among(pid, source, &mut Families::new())
}

/// [`caller`], with what is known of families already.
#[must_use]
pub fn caller_among(pid: u32, source: CallerSource, known: &mut Families) -> Option<Caller> {
    let process = Process::new(i32::try_from(pid).ok()?).ok()?;
    let stat = process.stat().ok()?;
    let exe = process.exe().ok().map(|it| it.display().to_string());
    let argv = bounded(process.cmdline().unwrap_or_default());
    if exe.is_none() && argv.is_empty() {
        // A process that has ended stays for its parent to ask after, and tells nothing any more.
        return None;
    }
    let cwd = process.cwd().ok().map(|it| it.display().to_string());
    let uid = process.uid().ok()?;
    let cgroup = process
        .cgroups()
        .ok()
        .and_then(|all| all.into_iter().find(|it| it.hierarchy == 0).map(|it| it.pathname));
    let project = cwd.as_deref().and_then(project_of);
    Some(Caller {
        process: ProcessKey { pid, started_at_ns: started_at_ns(stat.starttime) },
        program: name::program_name(exe.as_deref(), &argv, &stat.comm),
        exe,
        argv,
        cwd,
        uid,
        user: user_name(uid),
        ancestors: known.entry(stat.ppid).or_insert_with(|| ancestors(stat.ppid)).clone(),
        cgroup,
        project,
        source,
    })
}

/// The identity of a running process; `None` when it is gone.
#[must_use]
pub fn process_key(pid: u32) -> Option<ProcessKey> {
    let stat = Process::new(i32::try_from(pid).ok()?).ok()?.stat().ok()?;
    Some(ProcessKey { pid, started_at_ns: started_at_ns(stat.starttime) })
}

/// The kernel's short name of a running process.
#[must_use]
pub fn comm(pid: u32) -> Option<String> {
    Some(Process::new(i32::try_from(pid).ok()?).ok()?.stat().ok()?.comm)
}

/// The network interfaces of this namespace: number and name.
#[must_use]
pub fn interfaces() -> Vec<(u32, String)> {
    let entries = std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let interface = |it: std::fs::DirEntry| {
        let index = std::fs::read_to_string(it.path().join("ifindex")).ok()?;
        Some((index.trim().parse().ok()?, it.file_name().into_string().ok()?))
    };
    entries.filter_map(interface).collect()
}

/// The project that a folder belongs to: the nearest folder above it with a `.git`.
#[must_use]
pub fn project_of(cwd: &str) -> Option<Project> {
    name::project_of(cwd, &|path| Path::new(path).exists())
}

/// The name of a user, if the system knows one.
#[must_use]
pub fn user_name(uid: u32) -> Option<String> {
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)).ok()??;
    Some(user.name)
}

fn started_at_ns(ticks: u64) -> u64 {
    const NS_PER_S: u64 = 1_000_000_000;
    ticks.saturating_mul(NS_PER_S / procfs::ticks_per_second().max(1))
}

/// A command line as it may be kept: without credentials, and not too long.
fn bounded(argv: Vec<String>) -> Vec<String> {
    masked_argv(argv.into_iter().take(ARGV_MAX))
        .into_iter()
        .map(|mut arg| {
            arg.truncate(arg.floor_char_boundary(ARG_BYTES_MAX));
            arg
        })
        .collect()
}

/// A process and those above it, as far as `/proc` still tells.
#[must_use]
pub fn ancestors(mut parent: i32) -> Vec<Ancestor> {
    let mut found = Vec::new();
    while parent > 0 && found.len() < ANCESTORS_MAX {
        let Ok(process) = Process::new(parent) else { break };
        let Ok(stat) = process.stat() else { break };
        let exe = process.exe().ok().map(|it| it.display().to_string());
        let argv = bounded(process.cmdline().unwrap_or_default());
        let program = name::program_name(exe.as_deref(), &argv, &stat.comm);
        found.push(Ancestor { pid: parent.unsigned_abs(), program });
        parent = stat.ppid;
    }
    found
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn finds_this_process_by_its_own_socket() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (local, remote) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
            let socket = tcp_socket(local, remote).unwrap().unwrap();
            assert_eq!((socket.local, socket.remote), (local, remote));
            assert_eq!(socket.cookie.0, rustix::net::sockopt::socket_cookie(&client).unwrap());
            assert_eq!(socket.uid, rustix::process::geteuid().as_raw());
            let listed = listed_tcp_socket(local, remote);
            assert_eq!(listed, Some((socket.inode, socket.uid)));
            let pid = holder_of(socket.inode, &[]).unwrap();
            assert_eq!(pid, std::process::id());
            assert!(tcp_sockets().unwrap().contains(&socket));
            assert_eq!(holders().get(&u64::from(socket.inode)), Some(&pid));
        }
    }

    #[test]
    fn process_ids_are_looked_at_from_the_last_one_given_out() {
        let check = |last, expected: &[u32]| {
            let all = vec![1, 7, 300, 32_000];
            assert_eq!(newest_first(all, last).collect::<Vec<_>>(), expected, "{last:?}");
        };
        check(Some(300), &[300, 7, 1, 32_000]);
        check(Some(301), &[300, 7, 1, 32_000]);
        check(Some(40_000), &[32_000, 300, 7, 1]);
        check(Some(0), &[32_000, 300, 7, 1]);
        check(None, &[32_000, 300, 7, 1]);
        assert!(last_pid().is_some());
    }

    #[test]
    fn who_listens_is_not_taken_for_who_was_connected() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let nobody = "127.0.0.1:1".parse().unwrap();
        assert_eq!(tcp_socket(listener.local_addr().unwrap(), nobody).unwrap(), None);
    }

    #[test]
    fn finds_a_client_that_speaks_to_an_address_of_ipv4_over_a_socket_of_ipv6() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(format!("[::ffff:127.0.0.1]:{port}")).unwrap();
        let (accepted, peer) = listener.accept().unwrap();
        let socket = tcp_socket(peer, accepted.local_addr().unwrap()).unwrap().unwrap();
        assert_eq!(socket.cookie.0, rustix::net::sockopt::socket_cookie(&client).unwrap());
    }

    #[test]
    fn a_socket_that_is_not_there_is_none() {
        let nowhere = "127.0.0.1:1".parse().unwrap();
        assert_eq!(tcp_socket(nowhere, nowhere).unwrap(), None);
    }

    #[test]
    fn a_process_that_has_ended_is_gone_though_nobody_asked_after_it() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let state = || Process::new(child.id().cast_signed()).unwrap().stat().unwrap().state;
        while state() != 'Z' {
            std::thread::yield_now();
        }
        assert_eq!(caller(child.id(), CallerSource::Helper), None);
        child.wait().unwrap();
    }

    #[test]
    fn a_key_on_a_command_line_is_not_told() {
        let mut child = std::process::Command::new("cat")
            .args(["--api-key", "planted-1", "-", "authorization: Bearer planted-2"])
            .stdin(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let caller = caller(child.id(), CallerSource::SockDiag);
        let _ = child.kill();
        child.wait().unwrap();
        // It may have ended by itself already: `cat` knows no such option.
        let argv = caller.map(|it| it.argv).unwrap_or_default();
        assert!(!argv.concat().contains("planted"), "{argv:?}");
        let argv = ["x", "--api-key", "planted-1", "-", "authorization: Bearer planted-2"];
        let masked = bounded(argv.map(str::to_owned).to_vec());
        assert_eq!(masked, ["x", "--api-key", "***", "-", "authorization: ***"]);
    }

    #[test]
    fn tells_this_process_in_full() {
        let caller = caller(std::process::id(), CallerSource::SockDiag).unwrap();
        assert_eq!(Some(caller.process), process_key(std::process::id()));
        assert_eq!(caller.cwd.as_deref(), std::env::current_dir().unwrap().to_str());
        assert_eq!(caller.argv, std::env::args().collect::<Vec<_>>());
        assert_eq!(
            caller.ancestors.first().map(|it| it.pid),
            Some(std::os::unix::process::parent_id())
        );
    }
}
