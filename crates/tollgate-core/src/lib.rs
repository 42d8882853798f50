//! Ids, money, usage, prices, budgets and the provider catalogue: exact and pure.
//!
//! Nothing here does I/O or reads the clock. The three types that matter are [`Call`] (one LLM
//! request, the row of the ledger), [`Usage`] (its tokens, normalised so that no token is counted
//! twice) and [`PicoUsd`] (its cost, in exact integers).

pub mod budget;
pub mod call;
pub mod caller;
pub mod clock;
pub mod cost;
pub mod credential;
pub mod format;
pub mod guardrail;
pub mod id;
pub mod key;
pub mod money;
pub mod price;
pub mod provider;
pub mod quirks;
pub mod routing;
pub mod rule;
pub mod secret;
pub mod usage;

pub use call::Call;
pub use caller::Caller;
pub use clock::{Clock, UnixMs};
pub use format::{Format, Operation};
pub use id::{CallId, SocketCookie};
pub use key::LocalKey;
pub use money::PicoUsd;
pub use routing::Routing;
pub use secret::Secret;
pub use usage::{ServiceTier, Usage};
