//! `POST /v1/chat/completions`.

use serde_json::{Value, json};

use crate::{
    api::{
        Asked,
        answer::{self, Answer, Ask, Stop, Tool, ToolCall},
        errors::{self, ApiError},
        models::{self, Model},
        openai::{Tokens, reasoning_tokens, service_tier},
        read::{images_of, json_tokens, strings, text_of},
        sse::{self, Event},
    },
    delivery::{Reply, ReplyBody, WholeBody},
    rules::{IMAGE_TOKENS, MESSAGE_TOKENS, count_tokens},
};

/// The most choices in one answer, as the real API has it.
const CHOICES_MAX: u64 = 128;

/// Everything that the chunks and the plain answer have in common.
struct Chat<'a> {
    asked: &'a Asked,
    model: &'static Model,
    answer: Answer,
    choices: u64,
    tokens: Tokens,
}

/// Answers a chat completion, whole or as a stream.
///
/// # Errors
/// What the real API refuses too: no or an unknown model, no messages.
pub(crate) fn answer(asked: &Asked) -> Result<Reply, ApiError> {
    let model = models::find(asked, models::writes)?;
    let body = asked.body()?;
    let ask = read(body)?;
    let answer = answer::compose(&ask, &asked.controls);
    let choices = body["n"].as_u64().unwrap_or(1).clamp(1, CHOICES_MAX);
    let reasoning = reasoning_tokens(model, body["reasoning_effort"].as_str());
    let tokens = Tokens::count(asked, &ask, &answer, reasoning, choices);
    let chat = Chat { asked, model, answer, choices, tokens };

    let mut reply = asked.reply(if body["stream"] == true {
        let events = chat.events(body["stream_options"]["include_usage"] == true);
        let events = sse::cut_by_error(events, &asked.controls, errors::midstream(asked));
        ReplyBody::Pieces(sse::pieces(events, &asked.controls))
    } else {
        ReplyBody::Whole(chat.whole())
    });
    reply.model_served = Some(model.served.to_owned());
    Ok(reply)
}

impl Chat<'_> {
    fn frame(&self, object: &str) -> Value {
        json!({
            "id": self.asked.id("chatcmpl-"),
            "object": object,
            "created": self.asked.created_at_s,
            "model": self.model.served,
        })
    }

    fn whole(&self) -> WholeBody {
        let message = |_| {
            let mut message = json!({
                "role": "assistant",
                "content": self.text(),
                "refusal": null,
                "annotations": [],
            });
            if !self.answer.tool_calls.is_empty() {
                let calls = self.answer.tool_calls.iter().enumerate();
                message["tool_calls"] = calls.map(|(at, it)| self.tool_call(at, it)).collect();
            }
            message
        };
        let choice = |index| {
            json!({
                "index": index,
                "message": message(index),
                "logprobs": null,
                "finish_reason": self.finish_reason(),
            })
        };
        let mut body = self.frame("chat.completion");
        body["choices"] = (0..self.choices).map(choice).collect();
        let mut usage = None;
        if !self.asked.controls.no_usage {
            body["usage"] = self.usage();
            usage = Some(self.tokens.sent());
        }
        body["service_tier"] = json!(service_tier(self.asked));
        body["system_fingerprint"] = json!("fp_simulated");
        WholeBody { usage, generated: self.pieces().len(), ..WholeBody::json(&body) }
    }

    fn pieces(&self) -> Vec<&str> {
        answer::stream_pieces(&self.answer.text, &self.asked.controls)
    }

    fn text(&self) -> Option<&str> {
        self.answer.tool_calls.is_empty().then_some(self.answer.text.as_str())
    }

    fn call_id(&self, at: usize) -> String {
        format!("{}{at}", self.asked.id("call_"))
    }

    fn tool_call(&self, at: usize, call: &ToolCall) -> Value {
        json!({
            "id": self.call_id(at),
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments.to_string()},
        })
    }

    fn finish_reason(&self) -> &'static str {
        match self.answer.stop {
            Stop::End | Stop::Sequence(_) => "stop",
            Stop::Length => "length",
            Stop::Tools => "tool_calls",
        }
    }

    fn usage(&self) -> Value {
        let Tokens { prompt, cached, output, reasoning } = self.tokens;
        json!({
            "prompt_tokens": prompt,
            "completion_tokens": output,
            "total_tokens": prompt + output,
            "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": reasoning,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        })
    }

    /// The chunks. With usage asked for, every chunk has the field: null but in the last.
    fn events(&self, include_usage: bool) -> Vec<Event> {
        let include_usage = include_usage && !self.asked.controls.no_usage;
        let chunk = |choices: Value, usage: Value| {
            let mut chunk = self.frame("chat.completion.chunk");
            chunk["service_tier"] = json!(service_tier(self.asked));
            chunk["system_fingerprint"] = json!("fp_simulated");
            chunk["choices"] = choices;
            if include_usage {
                chunk["usage"] = usage;
            }
            Event::data(chunk.to_string())
        };
        let delta = |index: u64, delta: Value, finish: Option<&str>| {
            let choice = json!({
                "index": index, "delta": delta, "logprobs": null, "finish_reason": finish,
            });
            chunk(json!([choice]), Value::Null)
        };
        let mut events = Vec::new();
        for index in 0..self.choices {
            let content = self.text().map(|_| "");
            let opening = json!({"role": "assistant", "content": content, "refusal": null});
            events.push(delta(index, opening, None));
            for piece in self.pieces() {
                events.push(delta(index, json!({"content": piece}), None).generated());
            }
            for part in self.tool_call_deltas() {
                events.push(delta(index, json!({"tool_calls": [part]}), None).generated());
            }
            events.push(delta(index, json!({}), Some(self.finish_reason())));
        }
        if include_usage {
            let last = chunk(json!([]), self.usage());
            events.push(last.reporting(Some(self.tokens.sent())));
        }
        events.push(Event::data("[DONE]"));
        events
    }

    fn tool_call_deltas(&self) -> Vec<Value> {
        let mut deltas = Vec::new();
        for (at, call) in self.answer.tool_calls.iter().enumerate() {
            let mut opening = self.tool_call(at, call);
            opening["function"]["arguments"] = json!("");
            opening["index"] = json!(at);
            deltas.push(opening);
            for fragment in answer::fragments(&call.arguments.to_string()) {
                deltas.push(json!({"index": at, "function": {"arguments": fragment}}));
            }
        }
        deltas
    }
}

fn read(body: &Value) -> Result<Ask, ApiError> {
    let Some(messages) = body["messages"].as_array().filter(|it| !it.is_empty()) else {
        let text = "Missing required parameter: 'messages'.";
        return Err(ApiError::bad_field("messages", text));
    };
    let tools = tools(body);
    let tools_tokens: u64 = body["tools"].as_array().into_iter().flatten().map(json_tokens).sum();
    let counts: Vec<_> = messages.iter().map(message_tokens).collect();
    let prompt_tokens = tools_tokens + counts.iter().sum::<u64>();
    let last = messages.last().unwrap_or(&Value::Null);
    let mut stops = strings(&body["stop"]);
    stops.extend(body["stop"].as_str().map(str::to_owned));
    let max = body["max_completion_tokens"].as_u64().or(body["max_tokens"].as_u64());
    Ok(Ask {
        prompt_tokens,
        prefix_tokens: prompt_tokens - counts.last().unwrap_or(&0),
        last_text: last_text(messages),
        has_results: last["role"] == "tool",
        tools,
        parallel: body["parallel_tool_calls"] != false,
        json_schema: json_schema(&body["response_format"]),
        output_tokens_max: max,
        stops,
    })
}

/// What the last message says, or the results of all tools that were used at once.
fn last_text(messages: &[Value]) -> String {
    let results = messages.iter().rev().take_while(|it| it["role"] == "tool").count();
    let last = &messages[messages.len().saturating_sub(results.max(1))..];
    last.iter().map(|it| text_of(&it["content"])).collect()
}

/// The schema of a `response_format`; `Value::Null` when any JSON will do.
fn json_schema(format: &Value) -> Option<Value> {
    match format["type"].as_str() {
        Some("json_schema") => Some(format["json_schema"]["schema"].clone()),
        Some("json_object") => Some(Value::Null),
        Some(_) | None => None,
    }
}

/// The functions that may be called, the one that must be alone if there is one.
fn tools(body: &Value) -> Vec<Tool> {
    let choice = &body["tool_choice"];
    if choice == "none" {
        return Vec::new();
    }
    let forced = choice["function"]["name"].as_str();
    let all = body["tools"].as_array().into_iter().flatten();
    let function = |it: &Value| {
        let name = it["function"]["name"].as_str()?.to_owned();
        Some(Tool { name, schema: it["function"]["parameters"].clone() })
    };
    all.filter_map(function).filter(|it| forced.is_none_or(|name| name == it.name)).collect()
}

fn message_tokens(message: &Value) -> u64 {
    let calls = message["tool_calls"].as_array().into_iter().flatten();
    let call_tokens = |it: &Value| {
        let field = |name: &str| count_tokens(it["function"][name].as_str().unwrap_or_default());
        field("name") + field("arguments")
    };
    MESSAGE_TOKENS
        + count_tokens(&text_of(&message["content"]))
        + images_of(&message["content"]) * IMAGE_TOKENS
        + calls.map(call_tokens).sum::<u64>()
}
