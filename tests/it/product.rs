//! The product as a user has it: the binary, its files and sockets, its SDKs, from outside.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a harness fails by panicking, in the test that uses it"
)]

mod admin_token;
mod agents;
mod attackers;
mod aws_keys;
mod blocks;
mod books;
mod budgets;
mod cache;
mod care;
mod commands;
mod configuration;
mod crash;
mod credential_file;
mod demo;
mod engine;
mod estimates;
mod events;
mod guardrails;
mod keyring;
mod keys;
mod otlp;
mod planted;
mod prices;
mod providers;
mod rules;
mod said;
mod sdk_errors;
mod sdks;
mod secrets;
mod switch;
mod translated;
mod using;
mod wire_attacks;
