//! The gateway between a client and a provider, seen from both ends.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a harness fails by panicking, in the test that uses it"
)]

pub(crate) mod addressed;
mod budgets;
mod cache;
mod cases;
mod catalogue;
mod converse;
mod counted;
mod credentials;
mod endings;
mod exact;
mod faults;
mod guardrails;
mod harness;
mod ledger;
mod many;
mod proxies;
mod quality;
mod reachable;
mod refusals;
mod routing;
mod rules;
pub(crate) mod signed;
pub(crate) mod tls;
