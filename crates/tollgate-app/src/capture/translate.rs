//! From the helper's protocol to the flow engine's events.

use tollgate_core::{
    Caller, SocketCookie,
    caller::{CallerSource, ProcessKey},
};
use tollgate_flows::{
    Event,
    attribute::Process,
    event::{
        Closed, Direction, Established, Exec, Exit, Fork, Lost, OwnerSeen, OwnerVia, PacketSeen,
        PeerCookie, Retransmit, Role, Rtt, TcpFigures,
    },
    row::OwnerRow,
};
use tollgate_helper_protocol::event as theirs;

use crate::procfs;

/// The engine's event for one of the helper's; `None` for those it has no use for.
pub(super) fn event(event: theirs::Event) -> Option<Event> {
    Some(match event {
        theirs::Event::Packet(it) => Event::Packet(packet(it)),
        theirs::Event::Owner(it) => Event::Owner(OwnerSeen {
            at_ns: it.at_ns,
            cookie: SocketCookie(it.cookie),
            process: key(it.process),
            uid: it.uid,
            cgroup_id: it.cgroup_id,
            comm: it.comm,
            via: match it.via {
                theirs::Via::Create => OwnerVia::Create,
                theirs::Via::Bind => OwnerVia::Bind,
                theirs::Via::Connect => OwnerVia::Connect,
                theirs::Via::SendReceive => OwnerVia::SendRecv,
            },
        }),
        theirs::Event::Established(it) => Event::Established(Established {
            at_ns: it.at_ns,
            cookie: SocketCookie(it.cookie),
            netns: it.netns.unwrap_or(0),
            role: match it.role {
                theirs::Role::Active => Role::Active,
                theirs::Role::Passive => Role::Passive,
            },
            local: it.local,
            remote: it.remote,
            srtt_us: known(it.tcp.srtt_us),
        }),
        theirs::Event::PeerCookie(it) => Event::PeerCookie(PeerCookie {
            at_ns: it.at_ns,
            cookie: SocketCookie(it.cookie),
            netns: it.netns.unwrap_or(0),
            local: it.local,
            remote: it.remote,
        }),
        theirs::Event::Rtt(it) => Event::Rtt(Rtt {
            at_ns: it.at_ns,
            cookie: SocketCookie(it.cookie),
            srtt_us: known(it.tcp.srtt_us)?,
        }),
        theirs::Event::Closed(it) => Event::Closed(Closed {
            at_ns: it.at_ns,
            cookie: SocketCookie(it.cookie),
            bytes_sent: it.tcp.map(|it| it.bytes_acked),
            bytes_received: it.tcp.map(|it| it.bytes_received),
            srtt_us: it.tcp.and_then(|it| known(it.srtt_us)),
            retransmits: it.tcp.map(|it| it.retransmits),
        }),
        theirs::Event::Retransmitted(it) => {
            Event::Retransmit(Retransmit { at_ns: it.at_ns, cookie: SocketCookie(it.cookie) })
        }
        theirs::Event::Executed(it) => Event::Exec(Exec {
            at_ns: it.at_ns,
            process: key(it.process),
            ppid: it.parent.unwrap_or(0),
            uid: it.uid,
            cgroup_id: it.cgroup_id,
            comm: it.comm,
            filename: it.filename.unwrap_or_default(),
            argv: it.argv.unwrap_or_default(),
        }),
        theirs::Event::Forked(it) => {
            Event::Fork(Fork { at_ns: it.at_ns, parent: key(it.parent), child: key(it.process) })
        }
        theirs::Event::Exited(it) => {
            Event::Exit(Exit { at_ns: it.at_ns, process: key(it.process) })
        }
        theirs::Event::Lost(it) => Event::Lost(Lost { count: it.count }),
        theirs::Event::State(_) => return None,
    })
}

fn packet(it: theirs::Packet) -> PacketSeen {
    PacketSeen {
        at_ns: it.at_ns,
        cookie: SocketCookie(it.cookie),
        netns: it.netns.unwrap_or(0),
        ifindex: it.ifindex,
        direction: match it.direction {
            theirs::Direction::Egress => Direction::Egress,
            theirs::Direction::Ingress => Direction::Ingress,
        },
        len: it.len,
        gso_size: u16::try_from(it.gso_size).unwrap_or(u16::MAX),
        gso_segs: u16::try_from(it.gso_segs).unwrap_or(u16::MAX),
        mark: it.mark,
        hash: it.hash.unwrap_or(0),
        uid: it.uid,
        tcp: it.tcp.map(figures),
        bytes: it.snap.0.into_boxed_slice(),
    }
}

const fn figures(it: theirs::TcpBrief) -> TcpFigures {
    TcpFigures {
        state: match it.state {
            theirs::TcpState::Unknown => "unknown",
            theirs::TcpState::Established => "ESTABLISHED",
            theirs::TcpState::SynSent => "SYN_SENT",
            theirs::TcpState::SynReceived => "SYN_RECV",
            theirs::TcpState::FinWait1 => "FIN_WAIT1",
            theirs::TcpState::FinWait2 => "FIN_WAIT2",
            theirs::TcpState::TimeWait => "TIME_WAIT",
            theirs::TcpState::Close => "CLOSE",
            theirs::TcpState::CloseWait => "CLOSE_WAIT",
            theirs::TcpState::LastAck => "LAST_ACK",
            theirs::TcpState::Listen => "LISTEN",
            theirs::TcpState::Closing => "CLOSING",
            theirs::TcpState::NewSynReceived => "NEW_SYN_RECV",
        },
        srtt_us: known(it.srtt_us),
        snd_cwnd: it.snd_cwnd,
        retransmits: it.retransmits,
    }
}

const fn key(it: theirs::Process) -> ProcessKey {
    ProcessKey { pid: it.pid, started_at_ns: it.started_at_ns }
}

/// TCP has no estimate of zero: it has none yet.
const fn known(srtt_us: u32) -> Option<u32> {
    if srtt_us == 0 { None } else { Some(srtt_us) }
}

/// What the kernel's events alone tell of a caller that is gone; `None` when not even its user is
/// known.
pub(super) fn caller(owner: &OwnerRow, told: Option<&Process>) -> Option<Caller> {
    let uid = owner.uid.or(told.and_then(|it| it.uid))?;
    let cwd = told.and_then(|it| it.cwd.clone());
    let parent = told.and_then(|it| it.ppid).and_then(|it| i32::try_from(it).ok());
    Some(Caller {
        process: owner.process,
        program: owner.program.clone(),
        exe: told.and_then(|it| it.exe.clone()),
        argv: told.map(|it| it.argv.clone()).unwrap_or_default(),
        uid,
        user: procfs::user_name(uid),
        ancestors: parent.map(procfs::ancestors).unwrap_or_default(),
        cgroup: None,
        project: cwd.as_deref().and_then(procfs::project_of),
        cwd,
        source: CallerSource::Helper,
    })
}
