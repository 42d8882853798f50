//! The whole product without a window: configuration, the loopback port, the admin API, the
//! capture of packets, and their life from start to stop.
//!
//! [`App::start`] brings everything up; [`App::set_on`] is the tray's toggle; [`api::router`] is
//! the one admin API, carried by HTTP, by a unix socket ([`client::Client`]) and by the window's
//! own process.

pub mod alone;
pub mod api;
pub mod blocks;
pub mod callers;
pub mod capture;
pub mod client;
pub mod clock;
pub mod config;
pub mod console;
pub mod credentials;
pub mod demo;
pub mod descriptors;
pub mod doctor;
pub mod exceptions;
pub mod export;
pub mod guard;
pub mod helper;
pub mod hub;
pub mod keys;
mod memory;
pub mod metrics;
pub mod money;
mod on_budget;
pub mod otlp;
pub mod paths;
pub mod prices;
mod private_file;
pub mod procfs;
pub mod providers;
pub mod retention;
pub mod sdk_env;
mod search;
pub mod server;
mod settings;
mod signing;
mod snapshot;
mod start;
mod token;
pub mod trial;

pub use settings::{Problem, Severity};
pub use start::{App, Environment, Options, StartError, Toggle};
