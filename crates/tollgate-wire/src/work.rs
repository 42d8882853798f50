//! How much work a request asks for, as far as it says: what it can cost at most depends on that.

use serde::Deserialize;
use tollgate_core::ServiceTier;

use crate::{
    lenient::{Count, Text},
    members::Members,
};

/// What a request says of how much it wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkAsked {
    /// The most tokens of each answer; `None`: it does not say.
    pub output_max: Option<u64>,
    /// How many answers to the same prompt it wants; `None`: it does not say, which is one.
    pub answers: Option<u64>,
    /// A service tier that is dearer than the usual one.
    pub service: Option<ServiceTier>,
}

impl WorkAsked {
    /// Takes note of a member of a body in any format. Where one is given twice the larger counts,
    /// because it is not known which one the provider reads.
    pub(crate) fn read(&mut self, name: &str, value: &str) {
        match name {
            "max_tokens" | "max_completion_tokens" | "max_output_tokens" => {
                self.output_max = self.output_max.max(count(value));
            }
            "n" => self.answers = self.answers.max(count(value)),
            "generationConfig" | "generation_config" | "inferenceConfig" => {
                self.read_config(value);
            }
            "service_tier" | "serviceTier" | "speed" => {
                self.service = self.service.or(dearer(value));
            }
            _ => {}
        }
    }

    /// Gemini's and Bedrock's parameters.
    fn read_config(&mut self, config: &str) {
        let Ok(Members(members)) = serde_json::from_str::<Members<'_>>(config) else { return };
        for member in members {
            match &*member.name {
                "maxOutputTokens" | "max_output_tokens" | "maxTokens" => {
                    self.output_max = self.output_max.max(count(member.value));
                }
                "candidateCount" | "candidate_count" => {
                    self.answers = self.answers.max(count(member.value));
                }
                _ => {}
            }
        }
    }
}

fn count(value: &str) -> Option<u64> {
    let mut source = serde_json::Deserializer::from_str(value);
    Count::deserialize(&mut source).ok()?.0
}

/// Cheaper tiers count as the usual one: providers serve by that where they have no room.
fn dearer(value: &str) -> Option<ServiceTier> {
    let name: Text<'_> = serde_json::from_str(value).ok()?;
    match name.filled()?.to_ascii_lowercase().as_str() {
        "priority" => Some(ServiceTier::Priority),
        // Anthropic's `speed`, which has prices of its own.
        "fast" => Some(ServiceTier::Other),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_request;

    #[test]
    fn reads_the_bounds_of_each_format_and_nothing_that_is_not_one() {
        let check = |body: &str, output_max, answers, service| {
            let expected = WorkAsked { output_max, answers, service };
            assert_eq!(read_request(body.as_bytes()).unwrap().work, expected, "{body}");
        };
        check("{}", None, None, None);
        check(r#"{"max_tokens":9,"n":3}"#, Some(9), Some(3), None);
        check(r#"{"max_tokens":9,"max_completion_tokens":12}"#, Some(12), None, None);
        check(r#"{"max_tokens":12,"max_tokens":9}"#, Some(12), None, None);
        check(
            r#"{"max_output_tokens":7.0,"service_tier":"priority"}"#,
            Some(7),
            None,
            Some(ServiceTier::Priority),
        );
        check(r#"{"max_tokens":"9","n":null,"service_tier":"flex"}"#, None, None, None);
        check(
            r#"{"generationConfig":{"maxOutputTokens":5,"candidateCount":2}}"#,
            Some(5),
            Some(2),
            None,
        );
        check(r#"{"inferenceConfig":{"maxTokens":6}}"#, Some(6), None, None);
        check(r#"{"max_tokens":1,"speed":"fast"}"#, Some(1), None, Some(ServiceTier::Other));
        check(r#"{"messages":[{"max_tokens":9}]}"#, None, None, None);
    }
}
