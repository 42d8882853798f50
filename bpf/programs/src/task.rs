//! The process that runs now. Only for hooks that run in the process's own context.

use aya_ebpf::helpers::generated::{
    bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_task_btf,
    bpf_ktime_get_boot_ns,
};
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_get_current_uid_gid};
use tollgate_bpf_abi::{COMM_WORDS, UID_UNKNOWN};

use crate::maps::{field, is_zero, offset};

#[inline(always)]
pub fn now_ns() -> u64 {
    // SAFETY: takes nothing.
    unsafe { bpf_ktime_get_boot_ns() }
}

#[inline(always)]
pub fn tgid() -> u32 {
    (bpf_get_current_pid_tgid() >> 32) as u32
}

/// Whose process this is. One that runs with another's rights (set-uid) is nobody's for sure: what
/// it says must not be shown to who started it. Without the kernel's types it is who started it.
#[inline(always)]
pub fn uid() -> u32 {
    let uid = bpf_get_current_uid_gid() as u32;
    if offset!(has_btf) == 0 {
        return uid;
    }
    // SAFETY: the helper returns a typed pointer to the running task.
    unsafe { uid | other_user(bpf_get_current_task_btf().cast(), uid) }
}

/// When the process started (0 where the kernel's types are unknown), and [`uid`].
#[inline(always)]
pub fn identity() -> (u64, u32) {
    let uid = bpf_get_current_uid_gid() as u32;
    if offset!(has_btf) == 0 {
        return (0, uid);
    }
    // SAFETY: as in `uid`.
    unsafe {
        let task: *const u8 = bpf_get_current_task_btf().cast();
        (started_at_ns_of(task), uid | other_user(task, uid))
    }
}

/// [`UID_UNKNOWN`] when the task's rights are another user's, else 0; without a branch.
#[inline(always)]
unsafe fn other_user(task: *const u8, uid: u32) -> u32 {
    // SAFETY: the caller's typed pointer to a task.
    unsafe {
        let cred: *const u8 = field(task, offset!(task_cred));
        let effective: u32 = field(cred, offset!(cred_euid));
        is_zero(u64::from(effective ^ uid)).wrapping_sub(1) as u32 & UID_UNKNOWN
    }
}

#[inline(always)]
pub fn cgroup_id() -> u64 {
    // SAFETY: takes nothing.
    unsafe { bpf_get_current_cgroup_id() }
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
