//! Packets, flows and attribution: pure, runs on recorded traces.
//!
//! [`Engine`] takes [`Event`]s (what the kernel and the gateway report) and gives
//! [`PacketRow`](row::PacketRow)s and [`FlowRow`](row::FlowRow)s: which program sent which packet, on
//! which connection, for which call. Nothing here does I/O, reads a clock or starts a thread; every
//! table has a named limit.

pub mod attribute;
pub mod engine;
pub mod event;
pub mod filter;
pub mod follow;
pub mod name;
pub mod packet;
pub mod pcapng;
pub mod reassembly;
pub mod row;
mod table;

pub use engine::{Config, Engine};
pub use event::Event;
pub use filter::Filter;

#[cfg(test)]
mod test_support;
