//! The gateway: the only crate that calls model providers.
//!
//! [`Gateway`] takes requests that an HTTP server has parsed ([`Gateway::handle`]), forwards each to
//! the provider that its path and headers ask for, byte for byte, and settles it exactly once: as a
//! [`GatewayEvent`] for whoever watches and as a row for the [`Sink`] that keeps the ledger.
//! [`Snapshot`] is all that can change while it runs: the providers, their credentials and prices,
//! swapped whole by [`Gateway::replace`].
//!
//! The steps of a call stand in order in `pipeline.rs`. Nothing else orders them.

pub mod address;
mod admission;
mod aim;
mod answer;
mod attempts;
mod auth;
mod blocks;
mod budgets;
mod cache;
mod call;
mod capabilities;
mod connection;
mod counting;
mod destination;
mod error;
mod fetch;
mod gateway;
pub mod guardrails;
mod headers;
mod health;
mod history;
mod ids;
mod intake;
mod keys;
mod limits;
mod listing;
mod live;
mod model;
mod near;
mod observe;
mod pipeline;
mod probe;
mod reachable;
mod refuse;
mod request;
mod route;
pub mod rules;
mod send;
mod settle;
mod sign;
mod sink;
mod slots;
mod snapshot;
mod stream;
mod token_count;
mod trace_parent;
mod upstream;

pub use blocks::Blocks;
pub use budgets::{
    AccountStatus, BudgetNews, BudgetStatus, LedgerPast, NewsKind, Past, PurseStatus,
};
pub use cache::{
    CacheBounds, CacheCounts, CacheFilter, CacheGroup, CacheScope, CacheSettings, CacheStatus,
    Caching, IGNORABLE_FIELDS, Pace,
};
pub use capabilities::capabilities;
pub use connection::{CallerLookup, ClientSocket, Connection, NoLookup, Owner};
pub use error::GatewayError;
pub use fetch::{FETCH_PATIENCE, FetchError, Outbox, TELL_PATIENCE, TellError, fetch, tell};
pub use gateway::{Gateway, GatewayConfig};
pub use guardrails::GuardrailSet;
pub use health::Condition;
pub use history::{History, LedgerHistory, Said};
pub use keys::{Keyless, LocalKeys};
pub use limits::{
    ACCOUNTS_MAX, BODY_BYTES_MAX, BODY_KEEP_BYTES_MAX, CACHE_BYTES, CACHE_BYTES_MAX, CACHE_ENTRIES,
    CACHE_ENTRIES_MAX, CACHE_ENTRY_BYTES_MAX, CACHE_TTL, CACHE_TTL_MAX, CALLER_WAIT,
    CONNECT_TIMEOUT, COOLDOWN, COOLDOWN_AFTER, COOLDOWN_MAX, ERROR_MESSAGE_BYTES_MAX,
    FIRST_BYTE_TIMEOUT, HELD_REQUEST_BYTES_MAX, IDLE_PER_HOST_MAX, IDLE_TIMEOUT, LEDGER_WAIT,
    LISTING_KEPT, LISTING_WAIT, Limits, MODEL_RETRIES, MODEL_RETRIES_MAX, MODEL_TARGETS_MAX,
    OWNER_WAIT, POOL_IDLE_TIMEOUT, ROOM_WAIT, STALE_WITHIN, Timeouts, UPLOAD_IDLE_TIMEOUT,
};
pub use model::{ModelStatus, TargetStatus};
pub use near::is_this_machine;
pub use observe::{GatewayEvent, LiveCall, Observer};
pub use probe::ProbeError;
pub use reachable::ProviderModels;
pub use rules::RuleSet;
pub use sign::{
    AwsKeys, AzureCli, EntraKey, GoogleKey, GoogleKeyError, MachineIdentity, ProfileFiles,
    SIGN_TIMEOUT, Signing,
};
pub use sink::{KeptBodies, LedgerSink, Settled, Sink};
pub use snapshot::{Model, ModelPatience, ProviderSetup, Snapshot, Target};
pub use stream::{BodyError, ResponseBody};
pub use trace_parent::TraceParent;
pub use upstream::Proxies;
