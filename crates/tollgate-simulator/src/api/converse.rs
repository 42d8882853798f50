//! Bedrock's `Converse` and `ConverseStream`.

use serde_json::{Value, json};

use crate::{
    api::{
        Asked,
        answer::{self, Answer, Ask, Stop, Tool, ToolCall},
        errors::{self, ApiError},
        frames,
        models::{self, Model},
        read::{items, json_tokens, strings, text_of},
        sse::{self, Event},
    },
    delivery::{Reply, ReplyBody, WholeBody},
    record::UsageSent,
    rules::{IMAGE_TOKENS, MESSAGE_TOKENS, count_tokens},
};

/// Everything that the events and the plain answer have in common.
struct Conversation<'a> {
    asked: &'a Asked,
    model: &'static Model,
    answer: Answer,
    prompt: u64,
    cached: u64,
}

/// Answers `Converse`.
///
/// # Errors
/// What the real API refuses too: an unknown model, no messages, roles that do not take turns.
pub(crate) fn answer(asked: &Asked) -> Result<Reply, ApiError> {
    let conversation = Conversation::compose(asked)?;
    let content: Vec<Value> = conversation.content();
    let mut body = json!({
        "metrics": {"latencyMs": 12},
        "output": {"message": {"content": content, "role": "assistant"}},
        "stopReason": conversation.stop_reason(),
    });
    if let Some(usage) = conversation.usage() {
        body["usage"] = usage;
    }
    let generated = answer::stream_pieces(&conversation.answer.text, &asked.controls).len();
    let usage = conversation.reported();
    let whole = WholeBody { usage, generated, ..WholeBody::text(body.to_string()) };
    let served = Some(conversation.model.served.to_owned());
    Ok(Reply { model_served: served, ..asked.reply(ReplyBody::Whole(whole)) })
}

/// Answers `ConverseStream`.
///
/// # Errors
/// As [`answer`].
pub(crate) fn stream(asked: &Asked) -> Result<Reply, ApiError> {
    let conversation = Conversation::compose(asked)?;
    let events = conversation.events();
    let events = sse::cut_by_error(events, &asked.controls, errors::midstream(asked));
    let mut reply = asked.reply(ReplyBody::Pieces(frames::pieces(events)));
    reply.headers.retain(|it| it.0 != "content-type");
    reply.headers.push(("content-type", frames::MEDIA_TYPE.to_owned()));
    reply.model_served = Some(conversation.model.served.to_owned());
    Ok(reply)
}

impl<'a> Conversation<'a> {
    fn compose(asked: &'a Asked) -> Result<Self, ApiError> {
        let model = models::find(asked, models::writes)?;
        let ask = read(asked.body()?)?;
        let answer = answer::compose(&ask, &asked.controls);
        let cached = asked.controls.cached.unwrap_or(0);
        Ok(Self { asked, model, answer, prompt: ask.prompt_tokens.max(cached), cached })
    }

    fn content(&self) -> Vec<Value> {
        if self.answer.tool_calls.is_empty() {
            return vec![json!({"text": self.answer.text})];
        }
        let calls = self.answer.tool_calls.iter().enumerate();
        calls
            .map(|(at, call)| {
                let mut started = self.started(at, call);
                started["input"] = call.arguments.clone();
                json!({ "toolUse": started })
            })
            .collect()
    }

    fn started(&self, at: usize, call: &ToolCall) -> Value {
        json!({"toolUseId": format!("{}{at}", self.asked.id("tooluse_")), "name": call.name})
    }

    fn stop_reason(&self) -> &'static str {
        match self.answer.stop {
            Stop::End => "end_turn",
            Stop::Length => "max_tokens",
            Stop::Sequence(_) => "stop_sequence",
            Stop::Tools => "tool_use",
        }
    }

    /// What was read from the cache stands beside the input.
    fn usage(&self) -> Option<Value> {
        let (input, output) = (self.prompt - self.cached, self.answer.tokens);
        let usage = json!({
            "inputTokens": input,
            "outputTokens": output,
            "totalTokens": self.prompt + output,
            "cacheReadInputTokens": self.cached,
            "cacheWriteInputTokens": 0,
        });
        (!self.asked.controls.no_usage).then_some(usage)
    }

    fn reported(&self) -> Option<UsageSent> {
        let sent = UsageSent {
            input: Some(self.prompt - self.cached),
            cache_read: Some(self.cached),
            cache_write_5m: Some(0),
            output: Some(self.answer.tokens),
            ..UsageSent::default()
        };
        (!self.asked.controls.no_usage).then_some(sent)
    }

    fn events(&self) -> Vec<Event> {
        let event = |name, data: Value| Event::named(name, data.to_string());
        let delta = |at: usize, delta: Value| {
            let data = json!({"contentBlockIndex": at, "delta": delta, "p": "abcdefgh"});
            event("contentBlockDelta", data).generated()
        };
        let stop = |at: usize| event("contentBlockStop", json!({"contentBlockIndex": at}));
        let mut events = vec![event("messageStart", json!({"p": "abcd", "role": "assistant"}))];
        if self.answer.tool_calls.is_empty() {
            let pieces = answer::stream_pieces(&self.answer.text, &self.asked.controls);
            events.extend(pieces.into_iter().map(|it| delta(0, json!({"text": it}))));
            events.push(stop(0));
        }
        for (at, call) in self.answer.tool_calls.iter().enumerate() {
            let start = json!({"toolUse": self.started(at, call)});
            events
                .push(event("contentBlockStart", json!({"contentBlockIndex": at, "start": start})));
            let arguments = call.arguments.to_string();
            let fragments = answer::fragments(&arguments).into_iter();
            events.extend(fragments.map(|it| delta(at, json!({"toolUse": {"input": it}}))));
            events.push(stop(at));
        }
        events.push(event("messageStop", json!({"stopReason": self.stop_reason()})));
        let mut metadata = json!({"metrics": {"latencyMs": 12}});
        if let Some(usage) = self.usage() {
            metadata["usage"] = usage;
        }
        events.push(event("metadata", metadata).reporting(self.reported()));
        events
    }
}

fn read(body: &Value) -> Result<Ask, ApiError> {
    let messages: Vec<_> = items(&body["messages"]).collect();
    let Some(last) = messages.last() else {
        return Err(ApiError::bad_request(
            "A conversation must start with a user message. Try again with a conversation that \
             starts with a user message.",
        ));
    };
    let turns = ["user", "assistant"].iter().cycle();
    if messages.iter().zip(turns).any(|(message, role)| message["role"] != *role) {
        return Err(ApiError::bad_request(
            "A conversation must alternate between user and assistant roles. Make sure the \
             conversation alternates between user and assistant roles and try again.",
        ));
    }
    let blank = |it: &Value| it["text"].as_str().is_some_and(|it| it.trim().is_empty());
    if messages.iter().any(|it| items(&it["content"]).any(blank)) {
        return Err(ApiError::bad_request(
            "The text field in the ContentBlock object is blank. Add text to the text field, and \
             try again.",
        ));
    }
    let counts: Vec<_> = messages.iter().map(|it| message_tokens(it)).collect();
    let tools: Vec<_> = items(&body["toolConfig"]["tools"])
        .map(|it| &it["toolSpec"])
        .filter(|it| !it.is_null())
        .collect();
    let prompt_tokens = tools.iter().map(|it| json_tokens(it)).sum::<u64>()
        + count_tokens(&text_of(&body["system"]))
        + counts.iter().sum::<u64>();
    let inference = &body["inferenceConfig"];
    let shape = &body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"];
    Ok(Ask {
        prompt_tokens,
        prefix_tokens: prompt_tokens - counts.last().unwrap_or(&0),
        last_text: items(&last["content"]).map(text_or_result).collect(),
        has_results: items(&last["content"]).any(|it| !it["toolResult"].is_null()),
        tools: offered(&tools, &body["toolConfig"]["toolChoice"]),
        parallel: body["toolConfig"]["toolChoice"]["tool"].is_null(),
        json_schema: shape.as_str().and_then(|it| serde_json::from_str(it).ok()),
        output_tokens_max: inference["maxTokens"].as_u64(),
        stops: strings(&inference["stopSequences"]),
        ..Ask::default()
    })
}

/// The functions that may be called: all, or the one that must be.
fn offered(tools: &[&Value], choice: &Value) -> Vec<Tool> {
    let forced = choice["tool"]["name"].as_str();
    let function = |it: &&Value| {
        let name = it["name"].as_str()?.to_owned();
        Some(Tool { name, schema: it["inputSchema"]["json"].clone() })
    };
    let all = tools.iter().filter_map(function);
    all.filter(|it| forced.is_none_or(|forced| it.name == forced)).collect()
}

/// What a block says, or what a tool gave.
fn text_or_result(block: &Value) -> String {
    let result = &block["toolResult"]["content"];
    let json = items(result).map(|it| &it["json"]).filter(|it| !it.is_null());
    let text = block["text"].as_str().unwrap_or_default().to_owned() + &text_of(result);
    text + &json.map(ToString::to_string).collect::<String>()
}

fn message_tokens(message: &Value) -> u64 {
    MESSAGE_TOKENS + items(&message["content"]).map(block_tokens).sum::<u64>()
}

fn block_tokens(block: &Value) -> u64 {
    let parts = [&block["toolUse"], &block["toolResult"], &block["reasoningContent"]];
    if let Some(text) = block["text"].as_str() {
        count_tokens(text)
    } else if let Some(part) = parts.into_iter().find(|it| !it.is_null()) {
        json_tokens(part)
    } else if block["cachePoint"].is_null() {
        IMAGE_TOKENS
    } else {
        0
    }
}
