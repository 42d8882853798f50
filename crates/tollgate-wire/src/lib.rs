//! Wire formats as pure push machines: bytes in, bytes and facts out. No I/O, no runtime, no clock.
//!
//! The three types that matter are [`Route`] (what a request is, told from its path), [`Tap`] (reads
//! usage, model, stop reason and errors from the side of an answer that passes by unchanged) and
//! [`Conversation`] (a call's bodies as messages for people).
//!
//! ```
//! use tollgate_core::{Format, Operation};
//! use tollgate_wire::{End, Tap, TapConfig};
//!
//! let mut tap = Tap::new(TapConfig {
//!     format: Format::OpenaiChat,
//!     operation: Operation::Generate,
//!     posted: true,
//!     status: 200,
//!     content_type: Some("application/json"),
//!     content_encoding: None,
//! });
//! tap.push(br#"{"model":"m-1","usage":{"prompt_tokens":10,"#);
//! tap.push(br#""completion_tokens":2},"choices":[]}"#);
//! let report = tap.finish(End::Complete);
//! assert_eq!(report.model_served.as_deref(), Some("m-1"));
//! assert_eq!(report.usage.input, Some(10));
//! ```

pub mod answer_id;
mod anthropic_messages;
mod bedrock_converse;
pub mod canonical;
pub mod coding;
mod cohere_embed;
pub mod contents;
pub mod conversation;
pub mod detect;
pub mod edit;
pub mod error;
mod event_stream;
mod fault;
#[cfg(test)]
mod fixture;
pub mod format;
mod gemini;
pub mod hide_usage;
mod ir;
mod lenient;
pub mod loss;
mod members;
pub mod models_list;
mod needle;
mod ollama_embed;
mod openai_chat;
mod openai_responses;
mod openai_usage;
pub mod request;
pub mod retext;
pub mod sse;
pub mod tap;
pub mod text;
pub mod texts;
mod tier;
pub mod tokens;
pub mod translate;
pub mod work;

pub use answer_id::response_id;
pub use canonical::{Canonical, canonical};
pub use contents::{Contents, contents};
pub use conversation::{Bodies, Conversation, conversation};
pub use detect::{Inbound, Route, detect, detect_suffix};
pub use edit::{Edit, Edited, Effect, FieldPath, edit};
pub use error::{ErrorBody, error_body, error_name, stream_error_event};
pub use format::{FORMATS, FormatRow, format_row};
pub use hide_usage::HideUsage;
pub use loss::{Loss, Refused};
pub use models_list::{model_entry, models_list};
pub use request::{RequestFacts, ask_include_usage, read_request, rename_model};
pub use tap::{End, Report, Tap, TapConfig, TapEvent};
pub use work::WorkAsked;
