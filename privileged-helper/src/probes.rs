//! Loads the embedded object and attaches each program on its own.

use std::fs::File;
use std::os::fd::OwnedFd;

use anyhow::{Context, bail};
use aya::maps::ProgramArray;
use aya::programs::{
    BtfTracePoint, CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, CgroupSock, CgroupSockAddr,
    Program, ProgramError, SockOps,
};
use aya::{Btf, Ebpf, EbpfLoader};
use tollgate_bpf_abi::{Offsets, next};
use tollgate_helper_protocol::reply::{Probe, Program as ProgramStatus};

use crate::plain::Plain;
use crate::{btf, kernel};

static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("TOLLGATE_OBJECT"));
/// SHA-256 of the embedded object.
pub(crate) const OBJECT_SHA256: &str = env!("TOLLGATE_OBJECT_SHA256");

/// The programs by their names in the object, and where each belongs. In this order they are
/// attached: owners before packets, so that the first packet finds its owner.
const HOOKS: [(&str, &str); 17] = [
    ("tg_create", "cgroup/sock_create"),
    ("tg_bind4", "cgroup/post_bind4"),
    ("tg_bind6", "cgroup/post_bind6"),
    ("tg_connect4", "cgroup/connect4"),
    ("tg_connect6", "cgroup/connect6"),
    ("tg_sendmsg4", "cgroup/sendmsg4"),
    ("tg_sendmsg6", "cgroup/sendmsg6"),
    ("tg_sent", "tp_btf/sock_send_length"),
    ("tg_received", "tp_btf/sock_recv_length"),
    ("tg_sock_ops", "sock_ops"),
    ("tg_release", "cgroup/sock_release"),
    ("tg_retransmit", "tp_btf/tcp_retransmit_skb"),
    ("tg_exec", "tp_btf/sched_process_exec"),
    ("tg_fork", "tp_btf/sched_process_fork"),
    ("tg_exit", "tp_btf/sched_process_exit"),
    ("tg_egress", "cgroup_skb/egress"),
    ("tg_ingress", "cgroup_skb/ingress"),
];

/// Programs that are not attached but gone on to: the map, the place in it, the program.
const NEXT: [(&str, u32, &str); 6] = [
    ("EGRESS_NEXT", next::TAKE, "tg_take_out"),
    ("EGRESS_NEXT", next::ADOPT, "tg_adopt_out"),
    ("EGRESS_NEXT", next::COPY, "tg_copy_out"),
    ("INGRESS_NEXT", next::TAKE, "tg_take_in"),
    ("INGRESS_NEXT", next::ADOPT, "tg_adopt_in"),
    ("INGRESS_NEXT", next::COPY, "tg_copy_in"),
];

/// The loaded object. Everything detaches when it is dropped or the process ends.
pub(crate) struct Probes {
    /// Owns the links and the maps.
    pub(crate) ebpf: Ebpf,
    /// What became of each hook.
    pub(crate) probes: Vec<Probe>,
    /// Held to keep statistics on.
    _stats: Option<OwnedFd>,
}

/// Whether the kernel measures the programs' run time, which costs some of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Statistics {
    Off,
    On,
}

/// Loads and attaches all that this kernel allows.
///
/// # Errors
/// When nothing can be loaded: no privilege, no control group tree, no maps.
pub(crate) fn load(statistics: Statistics) -> anyhow::Result<Probes> {
    if !rustix::process::geteuid().is_root() {
        bail!("the helper must be started as root: loading eBPF programs needs it");
    }
    let cgroup = kernel::open_cgroup()?;
    let (offsets, no_types) = match btf::offsets() {
        Ok(Some(offsets)) => (offsets, None),
        Ok(None) => (Offsets::default(), Some("the kernel has no BTF".to_owned())),
        Err(error) => (Offsets::default(), Some(format!("{error:#}"))),
    };
    let (btf, no_types) = match no_types {
        Some(reason) => (None, reason),
        None => match Btf::from_sys_fs() {
            Ok(btf) => (Some(btf), String::new()),
            Err(error) => (None, format!("could not read the kernel's BTF: {error}")),
        },
    };
    let plain = Plain(offsets);
    let mut ebpf = EbpfLoader::new()
        .override_global("OFFSETS", &plain, true)
        .load(OBJECT)
        .context("could not load the eBPF object")?;
    let stats = match statistics {
        Statistics::On => Some(
            aya::sys::enable_stats(aya::sys::Stats::RunTime)
                .context("could not switch on run time statistics")?,
        ),
        Statistics::Off => None,
    };
    let mut probes = Vec::new();
    for (map, place, name) in NEXT {
        let Err(error) = go_on(&mut ebpf, map, place, name) else { continue };
        if place != next::ADOPT {
            return Err(error);
        }
        // Without it, packets of sockets that are older than the helper are left out.
        probes.push(Probe { hook: name.to_owned(), refused: Some(format!("{error:#}")) });
    }
    for (name, hook) in HOOKS {
        let attached = ebpf
            .program_mut(name)
            .context("the object lacks this program")
            .and_then(|program| attach(program, hook, &cgroup, btf.as_ref(), &no_types));
        let refused = attached.err().map(|error| reason(&error));
        probes.push(Probe { hook: hook.to_owned(), refused });
    }
    Ok(Probes { ebpf, probes, _stats: stats })
}

/// Loads a program that another one goes on to, and tells where it is.
fn go_on(ebpf: &mut Ebpf, map: &str, place: u32, name: &str) -> anyhow::Result<()> {
    let program: &mut CgroupSkb =
        ebpf.program_mut(name).context("the object lacks a program")?.try_into()?;
    program.load().map_err(|error| anyhow::anyhow!(reason(&error.into())))?;
    let fd = program.fd()?.try_clone()?;
    let mut next: ProgramArray<_> =
        ebpf.map_mut(map).context("the object lacks a map")?.try_into()?;
    Ok(next.set(place, &fd, 0)?)
}

impl Probes {
    /// What the kernel knows of each loaded program.
    pub(crate) fn programs(&self) -> Vec<ProgramStatus> {
        let names = HOOKS.iter().map(|(name, _)| name);
        names
            .chain(NEXT.iter().map(|(_, _, name)| name))
            .filter_map(|name| {
                let info = self.ebpf.program(name)?.info().ok()?;
                Some(ProgramStatus {
                    name: (*name).to_owned(),
                    verified_instructions: info.verified_instruction_count(),
                    run_time_ns: u64::try_from(info.run_time().as_nanos()).ok(),
                    run_count: Some(info.run_count()),
                })
            })
            .collect()
    }
}

fn attach(
    program: &mut Program,
    hook: &str,
    cgroup: &File,
    btf: Option<&Btf>,
    no_types: &str,
) -> anyhow::Result<()> {
    // Several programs live side by side on one control group; links know no other mode.
    let mode = CgroupAttachMode::Single;
    if let Some(tracepoint) = hook.strip_prefix("tp_btf/") {
        let program: &mut BtfTracePoint = program.try_into()?;
        let btf = btf.with_context(|| no_types.to_owned())?;
        program.load(tracepoint, btf)?;
        program.attach()?;
        return Ok(());
    }
    match hook {
        "cgroup_skb/egress" | "cgroup_skb/ingress" => {
            let program: &mut CgroupSkb = program.try_into()?;
            program.load()?;
            let direction = if hook.ends_with("egress") {
                CgroupSkbAttachType::Egress
            } else {
                CgroupSkbAttachType::Ingress
            };
            program.attach(cgroup, direction, mode)?;
        }
        "sock_ops" => {
            let program: &mut SockOps = program.try_into()?;
            program.load()?;
            program.attach(cgroup, mode)?;
        }
        "cgroup/connect4" | "cgroup/connect6" | "cgroup/sendmsg4" | "cgroup/sendmsg6" => {
            let program: &mut CgroupSockAddr = program.try_into()?;
            program.load()?;
            program.attach(cgroup, mode)?;
        }
        _ => {
            let program: &mut CgroupSock = program.try_into()?;
            program.load()?;
            program.attach(cgroup, mode)?;
        }
    }
    Ok(())
}

/// One line for a person: the verifier's log is long, its last words say why.
fn reason(error: &anyhow::Error) -> String {
    if let Some(ProgramError::LoadError { io_error, verifier_log }) = error.downcast_ref() {
        let log = verifier_log.to_string();
        let last = log.lines().rev().find(|line| {
            let numbers = ["processed ", "verification ", "stack depth "];
            !line.is_empty() && !numbers.iter().any(|start| line.starts_with(start))
        });
        return format!("the kernel refused it: {io_error}: {}", last.unwrap_or_default());
    }
    format!("{error:#}")
}
