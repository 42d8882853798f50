//! The demo's client programs: small personalities that call a gateway at a gentle pace.
//!
//! Each runs as a process of its own, under its own name and in a git project of its own, so that
//! a gateway that attributes calls has something to tell apart. [`Demo::start`] prepares and starts
//! them; [`run_child`] is what such a process does.

mod demo;
mod http_client;
mod personality;
mod script;

pub use demo::{CHILD_SUBCOMMAND, Demo, DemoClient, DemoError, child_args};
pub use personality::{
    ClientError, ClientOptions, PERSONALITIES, PERSONALITY_PACE, Personality, RunReport, run,
    run_child,
};
