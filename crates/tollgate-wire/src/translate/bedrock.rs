//! Amazon Bedrock's Converse (`POST /model/{model}/converse` and `/converse-stream`), which providers
//! speak and no client does. Shapes are those of the service's model in Amazon's SDKs.

pub(super) mod answer;
mod blocks;
pub(super) mod stream;
pub(super) mod write;

use crate::ir::{Failure, FailureKind, Stop};

/// A stop reason; an error for those that mean that there is no usable answer.
fn stop_of(reason: &str, sequence: Option<&str>) -> Result<Stop, Failure> {
    Ok(match reason {
        "max_tokens" | "model_context_window_exceeded" => Stop::MaxTokens,
        "stop_sequence" => Stop::Sequence(sequence.map(str::to_owned)),
        "tool_use" => Stop::ToolUse,
        "guardrail_intervened" | "content_filtered" => Stop::Refusal,
        "malformed_model_output" | "malformed_tool_use" => {
            return Err(Failure {
                kind: FailureKind::Server,
                message: format!("the model made no usable answer ({reason})"),
                code: Some(reason.to_owned()),
                retry_after_s: None,
            });
        }
        _ => Stop::End,
    })
}
