//! The built-in provider simulator and the demo's client programs.
//!
//! [`Simulator::start`] serves the OpenAI, Anthropic, Gemini and Bedrock Converse wire formats on
//! loopback, and the embeddings of Cohere and Ollama;
//! [`Simulator::calls`] tells, to the byte and to the token, what it received and sent;
//! [`clients::Demo`] starts small programs that call a gateway. `tollgate demo` shows them to a
//! newcomer, and the tests use the same simulator as their provider. It calls nobody and costs
//! nothing: every answer has the header [`SIMULATOR_HEADER`], and generated text says that it is
//! simulated.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use tollgate_simulator::{Simulator, SimulatorConfig};
//!
//! let simulator = Simulator::start(SimulatorConfig::default()).await.unwrap();
//! assert!(simulator.addr().ip().is_loopback());
//! assert!(simulator.calls().is_empty());
//! simulator.shutdown().await;
//! # });
//! ```
//!
//! # What is deterministic
//!
//! The same request gets the same answer, save the ids, which count calls. Tokens are counted by
//! [`count_tokens`], not by a real tokenizer. The rules for what is cached, reasoned or cut are in
//! [`rules`]. Behaviour that a test needs is asked for with the [`CONTROL_HEADER`] or behind a `+`
//! in the model's name; see [`Controls`].

mod api;
pub mod clients;
mod config;
mod controls;
mod delivery;
mod record;
pub mod rules;
mod server;

pub use config::{DEMO_LATENCY, Latency, SimulatorConfig};
pub use controls::{
    CONTROL_HEADER, Compression, ControlError, Controls, ErrorAt, HUGE_BYTES_MAX, Hang, PIECES_MAX,
};
pub use record::{CALLS_MAX, CallLog, LOG_BYTES_MAX, Provider, SimulatedCall, UsageSent};
pub use rules::{PICTURE_TOKENS, count_tokens};
pub use server::{REQUEST_BYTES_MAX, SIMULATOR_HEADER, Simulator, StartError, router};
