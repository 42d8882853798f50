//! The helper and its programs on the real kernel.
//!
//! Needs root; without it every test prints why it is skipped. What each proves it proves against
//! a witness of its own: the cookie and process id that a client asked for itself, what
//! `/proc/PID/status` says, how often the kernel says a program ran. Not proved here: other
//! kernels than the running one, and traffic of real network interfaces.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "the harness is test code: it fails by panicking, skips by saying so, and picks one kind of event"
)]

mod accounting;
mod attribution;
mod costs;
mod harness;
mod refusals;
mod sandbox;
