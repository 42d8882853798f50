//! Whole answers, and the shapes that they share with the events of a stream.

use serde::Deserialize;
use serde_json::{Value, json};
use tollgate_core::{Format, Usage};

use super::{
    HIDDEN, own_name, own_parts, sealed_thinking, status_of, stop_of, usage_of,
    write::{picture_item, reasoning_item},
};
use crate::{
    fault::Fault,
    ir::{
        Answer, Choice, Content, Failure, INPUT, Part, PerChoice, ScoredToken, Signature, Source,
        Stop, Thinking, ToolCall,
    },
    lenient::{Filled, Many, Maybe, Text},
    loss::Losses,
    openai_usage::OpenaiUsage,
    translate::{
        GenerateConfig, GeneratePlan, failure,
        fields::element,
        logprobs::{self, BytesAs, Token},
        media::picture_type,
    },
};

/// A response, whole or as the first and last events have it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) model: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    incomplete_details: Maybe<Incomplete<'a>>,
    #[serde(borrow)]
    output: Many<Item<'a>>,
    pub(super) usage: Maybe<OpenaiUsage>,
    #[serde(borrow)]
    pub(super) error: Fault<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Incomplete<'a> {
    #[serde(borrow)]
    reason: Text<'a>,
}

impl Response<'_> {
    /// Why it stopped; tool calls are told by its output.
    pub(super) fn stop(&self) -> Stop {
        let reason = self.incomplete_details.0.as_ref().and_then(|it| it.reason.filled());
        stop_of(reason.or((self.status.filled() == Some("incomplete")).then_some("")))
    }
}

/// An output item, whole or as it begins.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Item<'a> {
    #[serde(borrow)]
    pub(super) r#type: Text<'a>,
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    content: Many<Piece<'a>>,
    #[serde(borrow)]
    summary: Many<Piece<'a>>,
    #[serde(borrow)]
    pub(super) encrypted_content: Text<'a>,
    #[serde(borrow)]
    pub(super) call_id: Text<'a>,
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) arguments: Text<'a>,
    /// A picture's bytes in base64, and what they are.
    #[serde(borrow)]
    result: Text<'a>,
    #[serde(borrow)]
    output_format: Text<'a>,
}

impl Item<'_> {
    /// The picture that it is; `None` when it has no bytes, as one that failed.
    pub(super) fn picture(&self) -> Option<Source> {
        let data = self.result.filled()?.to_owned();
        let told = self.output_format.filled().map(|it| format!("image/{it}"));
        let media_type = told.unwrap_or_else(|| picture_type(&data).to_owned());
        Some(Source::Base64 { media_type, data })
    }
}

/// What is said of a picture without bytes.
pub(super) const NO_PICTURE: &str = "is a picture that was not made";

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Piece<'a> {
    #[serde(borrow)]
    pub(super) r#type: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    refusal: Text<'a>,
    annotations: Filled,
    #[serde(borrow)]
    logprobs: Many<Token<'a>>,
}

/// Where a text's log probabilities stand.
pub(super) const LOGPROBS_AT: &str = "output.content.logprobs";

impl Piece<'_> {
    /// Notes what other formats have no place for; `at` is where its content stands.
    pub(super) fn note_losses(&self, at: &str, losses: &mut Losses) {
        if self.annotations.0 {
            losses.note(format!("{at}.annotations"), "has no counterpart");
        }
    }

    /// The scored tokens of its text.
    pub(super) fn tokens(&self, losses: &mut Losses) -> Vec<ScoredToken> {
        logprobs::read(&self.logprobs, LOGPROBS_AT, losses)
    }
}

/// Reads a whole answer.
pub(in crate::translate) fn read(json: &[u8], losses: &mut Losses) -> Result<Answer, Failure> {
    let response: Response<'_> = serde_json::from_slice(json).map_err(|_| failure::not_json())?;
    if let Fault(Some(fault)) = &response.error {
        return Err(failure::in_answer(&fault.told()));
    }
    if !matches!(response.status.filled(), Some("completed" | "incomplete")) {
        return Err(failure::broken("the provider's answer is not complete"));
    }
    let mut parts = Vec::new();
    for (i, item) in response.output.0.iter().enumerate() {
        read_item(item, &element("output", i), &mut parts, losses);
    }
    let called = parts.iter().any(|it| matches!(it.content, Content::ToolCall(_)));
    let stop = response.stop();
    let stop = if called && stop == Stop::End { Stop::ToolUse } else { stop };
    Ok(Answer {
        id: response.id.filled().map(str::to_owned),
        model: response.model.filled().map(str::to_owned),
        choices: PerChoice::only(Choice { parts, stop }),
        usage: response.usage.0.map(|it| it.normalised()).unwrap_or_default(),
    })
}

fn read_item(item: &Item<'_>, at: &str, parts: &mut Vec<Part>, losses: &mut Losses) {
    let text = |it: &Text<'_>| it.filled().unwrap_or_default().to_owned();
    match item.r#type.filled().unwrap_or_default() {
        "message" => {
            for piece in &item.content.0 {
                piece.note_losses(&format!("{at}.content"), losses);
                let content = if piece.r#type.filled() == Some("refusal") {
                    Content::Refusal(text(&piece.refusal))
                } else {
                    Content::Text(text(&piece.text))
                };
                parts.push(Part { tokens: piece.tokens(losses), ..Part::new(at, content) });
            }
        }
        "function_call" => {
            let (id, name) = (text(&item.call_id), text(&item.name));
            let call = ToolCall { id, name, arguments: text(&item.arguments) };
            parts.push(Part::new(at, Content::ToolCall(call)));
        }
        "image_generation_call" => match item.picture() {
            Some(source) => parts.push(Part::new(at, Content::Image(source))),
            None => losses.note(at, NO_PICTURE),
        },
        "reasoning" => {
            let texts = item.summary.0.iter().chain(&item.content.0);
            let texts: Vec<&str> = texts.filter_map(|it| it.text.filled()).collect();
            let thought = texts.join("\n\n");
            let content = match item.encrypted_content.filled() {
                Some(encrypted) => sealed_thinking(&text(&item.id), encrypted, thought),
                None if thought.is_empty() => return,
                None => Content::Thinking(Thinking { text: thought, signature: None }),
            };
            parts.push(Part::new(at, content));
        }
        other => losses.note(at, format!("`{other}` is not known to the translation")),
    }
}

/// The members that SDKs require of a response, with this status and output.
pub(super) fn envelope(
    config: &AnswerHead<'_>,
    status: &str,
    output: &[Value],
    usage: &Value,
) -> Value {
    json!({
        "id": config.id,
        "object": "response",
        "created_at": config.created_s,
        "status": status,
        "background": false,
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "max_output_tokens": null,
        "model": config.model,
        "output": output,
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null},
        "store": false,
        "temperature": null,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": null,
        "truncation": "disabled",
        "usage": usage,
        "user": null,
        "metadata": {},
    })
}

/// What every event's response repeats.
pub(super) struct AnswerHead<'a> {
    pub(super) id: &'a str,
    pub(super) model: &'a str,
    pub(super) created_s: u64,
}

/// The response as it ends.
pub(super) fn ended(head: &AnswerHead<'_>, stop: &Stop, output: &[Value], usage: &Usage) -> Value {
    let (status, reason) = status_of(stop);
    let mut response = envelope(head, status, output, &usage_of(usage));
    if let (Value::Object(members), Some(reason)) = (&mut response, reason) {
        members.insert("incomplete_details".to_owned(), json!({"reason": reason}));
    }
    response
}

/// Writes a whole answer.
pub(in crate::translate) fn write(answer: &Answer, config: &GenerateConfig<'_>) -> Value {
    let id = answer.id.as_deref().unwrap_or(config.fallback_id);
    let model = answer.model.as_deref().unwrap_or(&config.plan.model);
    let choice = answer.choices.first();
    let items = choice.parts.iter().enumerate();
    let tools = ToolKinds::of(config.plan);
    let items = items.filter_map(|(i, it)| item(it, &item_id(&it.content, id, i), &tools));
    let output: Vec<Value> = items.collect();
    let head = AnswerHead { id, model, created_s: config.created_s };
    ended(&head, &choice.stop, &output, &answer.usage)
}

/// The id of an answer's item: of reasoning that OpenAI sealed its own, which the seal belongs to.
pub(super) fn item_id(content: &Content, answer_id: &str, index: usize) -> String {
    let prefix = match content {
        Content::ToolCall(_) => "fc",
        Content::Thinking(_) | Content::Redacted(_) => {
            if let Some((id, _)) = content.seal().and_then(own_parts)
                && !id.is_empty()
            {
                return id.to_owned();
            }
            "rs"
        }
        Content::Image(_) => "ig",
        Content::Text(_)
        | Content::Refusal(_)
        | Content::Document { .. }
        | Content::Audio { .. }
        | Content::ToolResult(_) => "msg",
    };
    format!("{prefix}_{answer_id}_{index}")
}

/// What a tool that takes a text is called with; arguments without it are given as they are.
pub(super) fn text_input(arguments: &str) -> String {
    let parsed: Option<Value> = serde_json::from_str(arguments).ok();
    let text = parsed.as_ref().and_then(|it| it.get(INPUT)).and_then(Value::as_str);
    text.unwrap_or(arguments).to_owned()
}

/// What is special about the client's tools.
pub(super) struct ToolKinds {
    texts: Vec<String>,
    namespaces: Vec<String>,
}

impl ToolKinds {
    pub(super) fn of(plan: &GeneratePlan) -> Self {
        Self { texts: plan.text_tools.clone(), namespaces: plan.namespaces.clone() }
    }

    /// Whether a tool takes a text and no JSON.
    pub(super) fn takes_text(&self, name: &str) -> bool {
        self.texts.iter().any(|it| it == name)
    }

    /// The item of a call, under the name that the client knows its tool by.
    fn called(&self, name: &str, mut item: Value) -> Value {
        let inside = |it: &&String| own_name(it, name).is_some();
        // The longest, where the name of one is the beginning of another's.
        let namespace = self.namespaces.iter().filter(inside).max_by_key(|it| it.len());
        item["name"] = name.into();
        if let Some(namespace) = namespace {
            item["name"] = own_name(namespace, name).into();
            item["namespace"] = namespace.as_str().into();
        }
        item
    }
}

/// A finished output item.
pub(super) fn item(part: &Part, id: &str, tools: &ToolKinds) -> Option<Value> {
    let message = |piece: Value| {
        json!({
            "id": id,
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [piece],
        })
    };
    Some(match &part.content {
        Content::Text(text) => message(output_text(text, &part.tokens)),
        Content::Refusal(text) => message(json!({"type": "refusal", "refusal": text})),
        Content::Thinking(thinking) => {
            let encrypted = thinking.signature.as_ref().map(|it| encrypted_content(it, ""));
            reasoning_item(id, &thinking.text, encrypted.as_deref())
        }
        Content::Redacted(seal) => reasoning_item(id, "", Some(&encrypted_content(seal, HIDDEN))),
        Content::ToolCall(call) if tools.takes_text(&call.name) => {
            let item = json!({
                "id": id,
                "type": "custom_tool_call",
                "status": "completed",
                "call_id": call.id,
                "name": null,
                "input": text_input(&call.arguments),
            });
            tools.called(&call.name, item)
        }
        Content::ToolCall(call) => {
            let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
            let item = json!({
                "id": id,
                "type": "function_call",
                "status": "completed",
                "arguments": arguments,
                "call_id": call.id,
                "name": null,
            });
            tools.called(&call.name, item)
        }
        Content::Image(Source::Base64 { media_type, data }) => {
            let mut item = picture_item(id, "completed", Some(data));
            item["output_format"] = media_type.trim_start_matches("image/").into();
            item
        }
        // Neither comes: the format has no room for pictures elsewhere, and no answer has the others.
        Content::Image(_)
        | Content::Document { .. }
        | Content::Audio { .. }
        | Content::ToolResult(_) => return None,
    })
}

pub(super) fn output_text(text: &str, tokens: &[ScoredToken]) -> Value {
    let tokens = logprobs::write(tokens, BytesAs::List);
    json!({"type": "output_text", "annotations": [], "logprobs": tokens, "text": text})
}

fn encrypted_content(seal: &Signature, prefix: &str) -> String {
    match own_parts(seal) {
        Some((_, encrypted)) => encrypted.to_owned(),
        None => format!("{prefix}{}", seal.shown_in(Format::OpenaiResponses)),
    }
}
