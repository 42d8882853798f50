//! Test harness and end-to-end tests.
//!
//! [`Home`] is a user's home in a temporary folder; [`Home::serve`] starts the real `tollgate`
//! binary in it as a [`Product`], which is killed when dropped. [`Sdk`] runs an official SDK's
//! unmodified client, [`Agent`] a coding agent's command line, and [`Engine`] is a real model.
//!
//! The binary is the one that cargo put beside the test's own executable: nothing is built here.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a harness fails by panicking, in the test that uses it"
)]

mod engine;
mod exchange;
pub mod fuzz;
mod home;
pub mod kernel;
pub mod labelled;
pub mod load;
mod memory;
mod product;
mod sdk;
pub mod storm;

use std::time::Duration;

pub use engine::Engine;
pub use exchange::{Connection, exchange, send};
pub use home::{Finished, Home, PROVIDER_KEY, program, providers};
pub use memory::{arguments_with, memory_with};
pub use product::Product;
pub use sdk::{Agent, Controls, Sdk};

/// How long a test waits for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(60);
