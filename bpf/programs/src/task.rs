//! The process that runs now. Only for hooks that run in the process's own context.

use aya_ebpf::helpers::generated::{
    bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_task_btf,
    bpf_ktime_get_boot_ns,
};
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_get_current_uid_gid};
use tollgate_bpf_abi::COMM_WORDS;

use crate::maps::{field, offset};

#[inline(always)]
pub fn now_ns() -> u64 {
    // SAFETY: takes nothing.
    unsafe { bpf_ktime_get_boot_ns() }
}

#[inline(always)]
pub fn tgid() -> u32 {
    (bpf_get_current_pid_tgid() >> 32) as u32
}

#[inline(always)]
pub fn uid() -> u32 {
    bpf_get_current_uid_gid() as u32
}

#[inline(always)]
pub fn cgroup_id() -> u64 {
    // SAFETY: takes nothing.
    unsafe { bpf_get_current_cgroup_id() }
}

/// When the process started, or 0 where the kernel's types are unknown.
#[inline(always)]
pub fn started_at_ns() -> u64 {
    if offset!(has_btf) == 0 {
        return 0;
    }
    // SAFETY: the helper returns a typed pointer to the running task.
    unsafe { started_at_ns_of(bpf_get_current_task_btf().cast()) }
}

/// When the process of a task started.
///
/// # Safety
/// `task` must be a typed pointer to a `task_struct`.
#[inline(always)]
pub unsafe fn started_at_ns_of(task: *const u8) -> u64 {
    // SAFETY: as above.
    unsafe {
        let leader: *const u8 = field(task, offset!(task_group_leader));
        field(leader, offset!(task_start_boottime))
    }
}

/// Writes the thread's name.
///
/// # Safety
/// `to` must have room for it in memory the program may write.
#[inline(always)]
pub unsafe fn comm_to(to: *mut [u64; COMM_WORDS]) {
    // SAFETY: as above. The helper fails only for a size of zero.
    unsafe { bpf_get_current_comm(to.cast(), size_of::<[u64; COMM_WORDS]>() as u32) };
}
