//! Gives up everything that is not needed once the programs are attached.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use rustix::process::{DumpableBehavior, Gid, Uid, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use tollgate_helper_protocol::reply::Confinement;

/// Who the helper becomes: nobody. Not the user it serves, who could then stop it by signals meant
/// for others, or, were it ever dumpable, read its memory.
const NOBODY: u32 = 65534;

/// System calls that the running helper makes, and the C library and Rust's runtime in it.
const CALLS: [libc::c_long; 45] = [
    libc::SYS_accept4,
    libc::SYS_brk,
    libc::SYS_capget,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fcntl,
    libc::SYS_futex,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_getsockopt,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_set_robust_list,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_sigaltstack,
    libc::SYS_write,
];

/// What it may ask of `bpf(2)`: look at, write and delete entries of its maps, and information
/// about its programs. The numbers are `enum bpf_cmd` of Linux.
const BPF_COMMANDS: [u64; 5] = [1, 2, 3, 4, 15];
/// What it may ask of `prctl(2)`: to name a thread, and to read back this sandbox.
const PRCTL_OPTIONS: [libc::c_int; 4] =
    [libc::PR_SET_NAME, libc::PR_CAPBSET_READ, libc::PR_GET_NO_NEW_PRIVS, libc::PR_GET_SECCOMP];

/// Confines this thread and all it will start. Must be called while there is only one.
///
/// # Errors
/// When any step fails: the caller must then end.
pub(crate) fn confine() -> anyhow::Result<()> {
    set_no_new_privs(true).context("could not set `no_new_privs`")?;
    // Bounding set first: later there is no capability left to do it with.
    for capability in CapabilitySet::all().iter() {
        if capability_is_in_bounding_set(capability).unwrap_or(false) {
            remove_capability_from_bounding_set(capability)
                .context("could not empty the bounding set of capabilities")?;
        }
    }
    set_thread_groups(&[]).context("could not leave all groups")?;
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    set_thread_res_gid(gid, gid, gid).context("could not become nobody's group")?;
    set_thread_res_uid(uid, uid, uid).context("could not become nobody")?;
    clear_ambient_capability_set().context("could not clear ambient capabilities")?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .context("could not give up capabilities")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context("could not become undumpable")?;
    seccompiler::apply_filter(&filter()?).context("could not apply the filter of system calls")?;
    verify()
}

/// Trusts the kernel's own words only.
fn verify() -> anyhow::Result<()> {
    let got = confinement()?;
    let caps = got.capabilities_effective | got.capabilities_permitted | got.capabilities_bounding;
    if got.uid != NOBODY || caps != 0 || !got.no_new_privs || got.seccomp_mode != 2 {
        bail!("privileges were not given up: {got:?}");
    }
    Ok(())
}

/// What this thread may still do, as the kernel reports it.
///
/// # Errors
/// When the kernel does not answer.
pub(crate) fn confinement() -> anyhow::Result<Confinement> {
    let sets = capabilities(None).context("could not read capabilities")?;
    let bounding = CapabilitySet::all()
        .iter()
        .filter(|capability| capability_is_in_bounding_set(*capability).unwrap_or(false))
        .fold(CapabilitySet::empty(), CapabilitySet::union);
    // SAFETY: this option takes nothing and writes nothing.
    let seccomp_mode = unsafe { libc::prctl(libc::PR_GET_SECCOMP) };
    Ok(Confinement {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        capabilities_effective: sets.effective.bits(),
        capabilities_permitted: sets.permitted.bits(),
        capabilities_bounding: bounding.bits(),
        no_new_privs: rustix::thread::no_new_privs().context("could not read `no_new_privs`")?,
        seccomp_mode: u32::try_from(seccomp_mode).context("could not read the seccomp mode")?,
    })
}

fn filter() -> anyhow::Result<BpfProgram> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        CALLS.iter().map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_bpf, BPF_COMMANDS.into_iter().map(first_is).collect::<Result<_, _>>()?);
    let options =
        PRCTL_OPTIONS.into_iter().map(|option| first_is(u64::from(option.unsigned_abs())));
    rules.insert(libc::SYS_prctl, options.collect::<Result<_, _>>()?);
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into().context("no seccomp on this machine")?;
    let filter = SeccompFilter::new(rules, refuse, SeccompAction::Allow, arch)
        .context("could not build the filter of system calls")?;
    filter.try_into().context("could not compile the filter of system calls")
}

/// Allows a call whose first argument is `value`.
fn first_is(value: u64) -> anyhow::Result<SeccompRule> {
    let condition = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}
