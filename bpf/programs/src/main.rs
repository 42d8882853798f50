//! The programs that run in the kernel: they count, copy and name owners, and decide nothing else.
//!
//! One file per family of probes. The rule for all of them: under 300 verified instructions, no
//! loop, no decoding. A packet's process is never the one that happens to run (in a packet hook
//! that is often the wrong one): packets carry the socket's cookie, and owners are told apart.
//! Addresses come from the stable context structures of each hook; what lies in kernel structures
//! is read at offsets that user space took from the running kernel's own type description.

#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod maps;
mod owner;
mod packet;
mod process;
mod sock_ops;
mod stream;
mod task;

/// The kernel lends its tracing helpers only to programs under a licence compatible with its own;
/// this crate is under Apache-2.0 or GPL-2.0.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: the verifier refuses a program that could come here.
    unsafe { core::hint::unreachable_unchecked() }
}
