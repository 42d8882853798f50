//! Whole answers, and the shape that they share with the events of a stream.

use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::{
    Kind, finish_reason,
    logprobs::{LogprobsOut, LogprobsResult},
    shown, usage_of,
};
use crate::{
    fault::Fault,
    gemini::UsageMetadata,
    ir::{Answer, Content, Source},
    lenient::{Count, Filled, Many, Maybe, Text},
    translate::{GenerateConfig, anthropic::write::object_of, media::media_type_of},
};

/// A `GenerateContentResponse`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Body<'a> {
    #[serde(borrow)]
    pub(super) response_id: Text<'a>,
    #[serde(borrow)]
    pub(super) model_version: Text<'a>,
    #[serde(borrow)]
    pub(super) candidates: Many<Candidate<'a>>,
    #[serde(borrow)]
    pub(super) prompt_feedback: Maybe<PromptFeedback<'a>>,
    pub(super) usage_metadata: Maybe<UsageMetadata>,
    #[serde(borrow)]
    pub(super) error: Fault<'a>,
}

/// What Cloud Code puts around it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Wrapper<'a> {
    #[serde(borrow)]
    response: Maybe<Body<'a>>,
}

impl<'a> Body<'a> {
    pub(super) fn read(json: &'a [u8]) -> Result<Self, serde_json::Error> {
        let body: Self = serde_json::from_slice(json)?;
        if body.candidates.0.is_empty() && body.usage_metadata.0.is_none() {
            let wrapper: Wrapper<'_> = serde_json::from_slice(json)?;
            return Ok(wrapper.response.0.unwrap_or(body));
        }
        Ok(body)
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PromptFeedback<'a> {
    #[serde(borrow)]
    pub(super) block_reason: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    pub(super) index: Count,
    #[serde(borrow)]
    pub(super) content: Maybe<Parts<'a>>,
    #[serde(borrow)]
    pub(super) finish_reason: Text<'a>,
    #[serde(borrow)]
    pub(super) finish_message: Text<'a>,
    pub(super) grounding_metadata: Filled,
    pub(super) citation_metadata: Filled,
    #[serde(borrow)]
    pub(super) logprobs_result: Maybe<LogprobsResult<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Parts<'a> {
    #[serde(borrow)]
    pub(super) parts: Many<Part<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Part<'a> {
    #[serde(borrow)]
    pub(super) text: Text<'a>,
    pub(super) thought: Option<bool>,
    #[serde(borrow)]
    pub(super) thought_signature: Text<'a>,
    #[serde(borrow)]
    pub(super) function_call: Maybe<Call<'a>>,
    #[serde(borrow)]
    pub(super) inline_data: Maybe<Blob<'a>>,
    pub(super) executable_code: Filled,
    pub(super) code_execution_result: Filled,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Blob<'a> {
    #[serde(borrow)]
    mime_type: Text<'a>,
    #[serde(borrow)]
    data: Text<'a>,
}

impl Part<'_> {
    /// The picture that the model shows.
    pub(super) fn picture(&self) -> Option<Source> {
        let blob = self.inline_data.0.as_ref()?;
        let media_type = blob.mime_type.filled().filter(|it| it.starts_with("image/"))?.to_owned();
        Some(Source::Base64 { media_type, data: blob.data.filled()?.to_owned() })
    }

    /// Whether it says something that is not what the model says in words.
    pub(super) fn says_more_than_text(&self) -> bool {
        self.thought == Some(true) || self.function_call.0.is_some() || self.inline_data.0.is_some()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Call<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) args: Option<&'a RawValue>,
}

/// Writes a whole answer.
pub(in crate::translate) fn write(answer: &Answer, config: &GenerateConfig<'_>) -> Value {
    let candidates = answer.choices.iter().enumerate().map(|(index, choice)| {
        let parts = choice.parts.iter().filter_map(|it| part(&it.content));
        let content = json!({"parts": parts.collect::<Vec<_>>(), "role": "model"});
        let finish_reason = finish_reason(&choice.stop);
        let mut candidate =
            json!({"content": content, "finishReason": finish_reason, "index": index});
        if let Some(told) = LogprobsOut::of(choice.parts.iter().flat_map(|it| &it.tokens)) {
            candidate["logprobsResult"] = json!(told);
        }
        candidate
    });
    let mut body = Map::new();
    body.insert("candidates".to_owned(), candidates.collect());
    body.extend(usage_of(&answer.usage).map(|it| ("usageMetadata".to_owned(), it)));
    let model = answer.model.as_deref().unwrap_or(&config.plan.model);
    body.insert("modelVersion".to_owned(), model.into());
    let id = answer.id.as_deref().unwrap_or(config.fallback_id);
    body.insert("responseId".to_owned(), id.into());
    Value::Object(body)
}

fn part(content: &Content) -> Option<Value> {
    Some(match content {
        Content::Text(text) | Content::Refusal(text) => json!({"text": text}),
        Content::Thinking(thinking) => {
            let mut part = json!({"text": thinking.text, "thought": true});
            if let (Value::Object(members), Some(seal)) = (&mut part, &thinking.signature) {
                members.insert("thoughtSignature".to_owned(), shown(seal, Kind::Readable).into());
            }
            part
        }
        Content::Redacted(seal) => {
            json!({"text": "", "thought": true, "thoughtSignature": shown(seal, Kind::Hidden)})
        }
        Content::ToolCall(call) => function_call(&call.id, &call.name, &call.arguments),
        Content::Image(source) => return picture(source),
        // Readers of answers make none of these.
        Content::Document { .. } | Content::Audio { .. } | Content::ToolResult(_) => return None,
    })
}

/// A picture as a part.
pub(super) fn picture(source: &Source) -> Option<Value> {
    match source {
        Source::Base64 { media_type, data } => {
            Some(json!({"inlineData": {"mimeType": media_type, "data": data}}))
        }
        Source::Url { url, media_type } => {
            let mut file = json!({"fileUri": url});
            if let Some(known) = media_type.as_deref().or_else(|| media_type_of(url)) {
                file["mimeType"] = known.into();
            }
            Some(json!({"fileData": file}))
        }
        Source::Text(_) => None,
    }
}

/// A call as a part. A model can make arguments that are no JSON; the client's tool says so then.
pub(super) fn function_call(id: &str, name: &str, arguments: &str) -> Value {
    let args = object_of(arguments).unwrap_or_else(|| json!({"arguments": arguments}));
    json!({"functionCall": {"id": id, "name": name, "args": args}})
}
