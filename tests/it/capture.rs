//! Packets and callers with the real helper: the binaries, the kernel, unmodified clients.
//!
//! Loading eBPF programs needs root: without it these tests say so and pass, save those that are
//! about doing without the helper.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a harness fails by panicking, in the test that uses it"
)]

mod attribution;
mod counters;
mod exports;
mod filters;
mod harness;
mod joined;
mod lost;
mod memory;
mod secrets;
mod stream;
