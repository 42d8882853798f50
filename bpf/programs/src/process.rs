//! Processes: told when they begin, change and end, before they can vanish.

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel_str, bpf_probe_read_user};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use tollgate_bpf_abi::{ARGV_BYTES, ExecRecord, FILENAME_BYTES, ForkRecord, kind};

use crate::maps::{count, field, offset, send, stats, watched};
use crate::owner::head;
use crate::task::{cgroup_id, comm_to, started_at_ns_of, tgid, uid};

#[btf_tracepoint(function = "sched_process_exec")]
pub fn tg_exec(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the tracepoint's arguments are (task, old pid, binprm), the task being the running
    // one; room of the ring.
    unsafe {
        let task: *const u8 = ctx.arg(0);
        let binprm: *const u8 = ctx.arg(2);
        let uid = uid();
        if !watched(uid) {
            return 0;
        }
        send(|record: *mut ExecRecord| {
            let parent: *const u8 = field(task, offset!(task_real_parent));
            (*record).cgroup_id = cgroup_id();
            (*record).started_at_ns = started_at_ns_of(task);
            (*record).tgid = tgid();
            (*record).parent_tgid = field(parent, offset!(task_tgid));
            (*record).uid = uid;
            (*record).reserved = 0;
            comm_to(&raw mut (*record).comm);
            let path: *const u8 = field(binprm, offset!(binprm_filename));
            let room = (&raw mut (*record).filename).cast();
            let length = bpf_probe_read_kernel_str(room, FILENAME_BYTES as u32, path.cast());
            (*record).filename_len = if length > 0 { length as u32 } else { missing() };
            let cut = arguments(task, record);
            (*record).head = head(kind::EXECUTED, u16::from(cut), 0);
        });
    }
    0
}

/// Copies the arguments; `true` when they are longer than the room.
#[inline(always)]
unsafe fn arguments(task: *const u8, record: *mut ExecRecord) -> bool {
    // SAFETY: the running task; room of the ring. A copy of user memory can fail, not fault.
    unsafe {
        let mm: *const u8 = field(task, offset!(task_mm));
        if mm.is_null() {
            (*record).argv_len = missing();
            return false;
        }
        let start: u64 = field(mm, offset!(mm_arg_start));
        let end: u64 = field(mm, offset!(mm_arg_end));
        let mut length = end - start;
        let cut = length > ARGV_BYTES as u64;
        if cut {
            length = ARGV_BYTES as u64;
        }
        let room = (&raw mut (*record).argv).cast();
        let failed = bpf_probe_read_user(room, length as u32, start as *const _) != 0;
        (*record).argv_len = if failed { missing() } else { length as u32 };
        cut
    }
}

/// Counts something that could not be read; its length is zero.
#[inline(always)]
fn missing() -> u32 {
    // SAFETY: a counter.
    unsafe { count(&raw mut (*stats()).read_failed) };
    0
}

#[btf_tracepoint(function = "sched_process_fork")]
pub fn tg_fork(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the tracepoint's arguments are (parent, child).
    unsafe {
        let (parent, child): (*const u8, *const u8) = (ctx.arg(0), ctx.arg(1));
        let tgid: u32 = field(child, offset!(task_tgid));
        let pid: u32 = field(child, offset!(task_pid));
        if tgid != pid {
            return 0;
        }
        tell(kind::FORKED, child, Some(parent));
    }
    0
}

#[btf_tracepoint(function = "sched_process_exit")]
pub fn tg_exit(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the tracepoint's first argument is the ending task.
    unsafe {
        let task: *const u8 = ctx.arg(0);
        let signal: *const u8 = field(task, offset!(task_signal));
        let live: u32 = field(signal, offset!(signal_live));
        if live != 0 {
            return 0;
        }
        tell(kind::EXITED, task, None);
    }
    0
}

#[inline(always)]
unsafe fn tell(kind: u16, task: *const u8, parent: Option<*const u8>) {
    // SAFETY: typed pointers to tasks; room of the ring.
    unsafe {
        let uid = uid();
        if !watched(uid) {
            return;
        }
        send(|record: *mut ForkRecord| {
            (*record).head = head(kind, 0, 0);
            (*record).started_at_ns = started_at_ns_of(task);
            (*record).tgid = field(task, offset!(task_tgid));
            (*record).uid = uid;
            (*record).reserved = [0; 3];
            (*record).parent_tgid = 0;
            (*record).parent_started_at_ns = 0;
            if let Some(parent) = parent {
                (*record).parent_tgid = field(parent, offset!(task_tgid));
                (*record).parent_started_at_ns = started_at_ns_of(parent);
            }
        });
    }
}
