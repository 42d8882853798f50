//! Reading a request for a message: what is asked, how long it is, what of it is marked.

use serde_json::Value;

use super::{
    SIGNATURE,
    cache::{Life, Mark},
};
use crate::{
    api::{
        answer::{Ask, Tool, fnv1a},
        errors::ApiError,
        read::{items, json_tokens, strings, text_of},
    },
    rules::{IMAGE_TOKENS, MESSAGE_TOKENS, count_tokens},
};

/// The most `cache_control` marks of one request.
const MARKS_MAX: usize = 4;

/// A request for a message.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) ask: Ask,
    pub(crate) marks: Vec<Mark>,
    pub(crate) thinks: bool,
    pub(crate) searches: bool,
}

impl Request {
    /// Reads the body.
    ///
    /// # Errors
    /// No messages; calls of tools without their results in the next message; thinking with a
    /// signature that is not its own, or left out while its tools are still being used; more marks
    /// than allowed: the real API refuses them too.
    pub(crate) fn read(body: &Value) -> Result<Self, ApiError> {
        let Some(messages) = body["messages"].as_array().filter(|it| !it.is_empty()) else {
            return Err(ApiError::bad_request("messages: Field required"));
        };
        check_results(messages)?;
        let thinks = matches!(body["thinking"]["type"].as_str(), Some("enabled" | "adaptive"));
        check_seals(messages)?;
        if body["thinking"]["type"] == "enabled" {
            check_thinking(messages)?;
        }
        let prompt = Prompt::measure(body, messages);
        if prompt.marks.len() > MARKS_MAX {
            return Err(ApiError::bad_request(&format!(
                "A maximum of {MARKS_MAX} blocks with cache_control may be provided. Found {}.",
                prompt.marks.len()
            )));
        }
        let last = messages.last().unwrap_or(&Value::Null);
        let result_texts = items(&last["content"]).map(|it| text_of(&it["content"]));
        let last_text = text_of(&last["content"]) + &result_texts.collect::<String>();
        let searches = items(&body["tools"])
            .any(|it| it["type"].as_str().is_some_and(|it| it.starts_with("web_search_")));
        let format = &body["output_config"]["format"];
        let ask = Ask {
            prompt_tokens: prompt.tokens,
            prefix_tokens: 0,
            last_text,
            has_results: items(&last["content"]).any(|it| it["type"] == "tool_result"),
            tools: tools(body),
            parallel: body["tool_choice"]["disable_parallel_tool_use"] != true,
            json_schema: (format["type"] == "json_schema").then(|| format["schema"].clone()),
            output_tokens_max: body["max_tokens"].as_u64(),
            stops: strings(&body["stop_sequences"]),
            ..Ask::default()
        };
        Ok(Self { ask, marks: prompt.marks, thinks, searches })
    }
}

/// Every `tool_use` must have its `tool_result` in the very next message.
fn check_results(messages: &[Value]) -> Result<(), ApiError> {
    for (at, message) in messages.iter().enumerate() {
        let uses = items(&message["content"]).filter(|it| it["type"] == "tool_use");
        let next = messages.get(at + 1).unwrap_or(&Value::Null);
        let has_result = |id: &Value| {
            items(&next["content"])
                .any(|it| it["type"] == "tool_result" && it["tool_use_id"] == *id)
        };
        let missing = uses.map(|it| &it["id"]).find(|id| !has_result(id));
        if let Some(id) = missing.and_then(Value::as_str) {
            return Err(ApiError::bad_request(&format!(
                "messages.{at}: `tool_use` ids were found without `tool_result` blocks \
                 immediately after: {id}. Each `tool_use` block must have a corresponding \
                 `tool_result` block in the next message."
            )));
        }
    }
    Ok(())
}

/// The signature of thinking must be the one that was given with it.
fn check_seals(messages: &[Value]) -> Result<(), ApiError> {
    for (at, message) in messages.iter().enumerate() {
        let blocks = items(&message["content"]).enumerate();
        let foreign = |it: &Value| it["type"] == "thinking" && it["signature"] != SIGNATURE;
        if let Some((block, _)) = blocks.into_iter().find(|(_, it)| foreign(it)) {
            return Err(ApiError::bad_request(&format!(
                "messages.{at}.content.{block}: Invalid `signature` in `thinking` block"
            )));
        }
    }
    Ok(())
}

/// A turn in which tools are being used begins with the thinking that led to their use.
fn check_thinking(messages: &[Value]) -> Result<(), ApiError> {
    let uses_tools = |it: &Value| items(&it["content"]).any(|it| it["type"] == "tool_use");
    let results = |it: &Value| items(&it["content"]).any(|it| it["type"] == "tool_result");
    let Some([turn, last]) = messages.last_chunk() else { return Ok(()) };
    let first = items(&turn["content"]).next().unwrap_or(&Value::Null);
    let thought = matches!(first["type"].as_str(), Some("thinking" | "redacted_thinking"));
    if !results(last) || !uses_tools(turn) || thought {
        return Ok(());
    }
    let at = messages.len() - 2;
    Err(ApiError::bad_request(&format!(
        "messages.{at}.content.0.type: Expected `thinking` or `redacted_thinking`, but found {}. \
         When `thinking` is enabled, a final `assistant` message must start with a thinking block.",
        first["type"]
    )))
}

/// Tokens and marks in the order in which Anthropic lays a prompt out: tools, system, messages.
#[derive(Default)]
struct Prompt {
    tokens: u64,
    hash: u64,
    marks: Vec<Mark>,
}

impl Prompt {
    fn measure(body: &Value, messages: &[Value]) -> Self {
        let mut prompt = Self::default();
        prompt.add(&body["model"], 0);
        for tool in items(&body["tools"]) {
            prompt.add(tool, json_tokens(&without_mark(tool)));
        }
        prompt.add_content(&body["system"]);
        for message in messages {
            prompt.add(&message["role"], MESSAGE_TOKENS);
            prompt.add_content(&message["content"]);
        }
        prompt
    }

    fn add_content(&mut self, content: &Value) {
        if let Value::String(text) = content {
            self.add(content, count_tokens(text));
        }
        for block in items(content) {
            self.add(block, block_tokens(block));
        }
    }

    fn add(&mut self, part: &Value, tokens: u64) {
        self.tokens += tokens;
        let mut text = without_mark(part).to_string();
        text.push_str(&self.hash.to_string());
        self.hash = fnv1a(text.as_bytes());
        let mark = &part["cache_control"];
        if mark.is_object() {
            let life = if mark["ttl"] == "1h" { Life::OneHour } else { Life::FiveMinutes };
            self.marks.push(Mark { hash: self.hash, tokens: self.tokens, life });
        }
    }
}

fn without_mark(part: &Value) -> Value {
    let mut part = part.clone();
    if let Some(fields) = part.as_object_mut() {
        fields.shift_remove("cache_control");
    }
    part
}

fn block_tokens(block: &Value) -> u64 {
    match block["type"].as_str() {
        Some("text" | "thinking") => {
            let field = |name: &str| count_tokens(block[name].as_str().unwrap_or_default());
            field("text") + field("thinking")
        }
        Some("tool_use") => {
            count_tokens(block["name"].as_str().unwrap_or_default()) + json_tokens(&block["input"])
        }
        Some("tool_result") => {
            let content = &block["content"];
            let text = count_tokens(content.as_str().unwrap_or_default());
            text + items(content).map(block_tokens).sum::<u64>()
        }
        Some("image" | "document") => IMAGE_TOKENS,
        Some(_) | None => json_tokens(&without_mark(block)),
    }
}

fn tools(body: &Value) -> Vec<Tool> {
    let choice = &body["tool_choice"];
    if choice["type"] == "none" {
        return Vec::new();
    }
    let forced = choice["name"].as_str().filter(|_| choice["type"] == "tool");
    let client_side = |it: &Value| {
        let schema = it.get("input_schema")?.clone();
        Some(Tool { name: it["name"].as_str()?.to_owned(), schema })
    };
    let all = items(&body["tools"]).filter_map(client_side);
    all.filter(|it| forced.is_none_or(|name| name == it.name)).collect()
}
