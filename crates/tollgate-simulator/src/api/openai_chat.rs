//! `POST /v1/chat/completions`.

use serde_json::{Value, json};

use crate::{
    api::{
        Asked,
        answer::{self, Answer, Ask, PICTURE, Pictures, Stop, Tool, ToolCall},
        errors::{self, ApiError},
        models::{self, Model},
        openai::{Tokens, reasoning_tokens, service_tier},
        read::{images_of, items, json_tokens, strings, text_of},
        scores,
        sse::{self, Event},
    },
    delivery::{Reply, ReplyBody, WholeBody},
    rules::{IMAGE_TOKENS, MESSAGE_TOKENS, count_tokens},
};

/// The most choices in one answer, as the real API has it.
const CHOICES_MAX: usize = 128;

/// Everything that the chunks and the plain answer have in common.
struct Chat<'a> {
    asked: &'a Asked,
    model: &'static Model,
    choices: Vec<Answer>,
    tokens: Tokens,
    likeliest: Option<u64>,
}

/// Answers a chat completion, whole or as a stream.
///
/// # Errors
/// What the real API refuses too: no or an unknown model, no messages.
pub(crate) fn answer(asked: &Asked) -> Result<Reply, ApiError> {
    let model = models::find(asked, models::writes)?;
    let body = asked.body()?;
    let ask = read(body)?;
    models::check(model, &ask)?;
    let count = body["n"].as_u64().and_then(|it| usize::try_from(it).ok()).unwrap_or(1);
    let choices = answer::choices(&ask, &asked.controls, count.clamp(1, CHOICES_MAX));
    let reasoning = reasoning_tokens(model, body["reasoning_effort"].as_str());
    let tokens = Tokens::count(asked, &ask, &choices, reasoning);
    let chat = Chat { asked, model, choices, tokens, likeliest: ask.likeliest };

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
        let choice = |(index, answer): (usize, &Answer)| {
            let mut message = json!({
                "role": "assistant",
                "content": answer.said(),
                "refusal": null,
                "annotations": [],
            });
            if !answer.tool_calls.is_empty() {
                let calls = answer.tool_calls.iter().enumerate();
                message["tool_calls"] =
                    calls.map(|(at, it)| self.tool_call(index, at, it)).collect();
            }
            if answer.picture.is_some() {
                message["images"] = images();
            }
            json!({
                "index": index,
                "message": message,
                "logprobs": self.logprobs(&self.pieces(answer)),
                "finish_reason": finish_reason(answer),
            })
        };
        let mut body = self.frame("chat.completion");
        body["choices"] = self.choices.iter().enumerate().map(choice).collect();
        let mut usage = None;
        if !self.asked.controls.no_usage {
            body["usage"] = self.usage();
            usage = Some(self.tokens.sent());
        }
        body["service_tier"] = json!(service_tier(self.asked));
        body["system_fingerprint"] = json!("fp_simulated");
        // The choices are made side by side.
        let generated = self.choices.iter().map(|it| self.pieces(it).len()).max().unwrap_or(0);
        WholeBody { usage, generated, ..WholeBody::json(&body) }
    }

    fn pieces<'b>(&self, answer: &'b Answer) -> Vec<&'b str> {
        answer::stream_pieces(&answer.text, &self.asked.controls)
    }

    /// How likely these pieces of a text were, where that is asked for.
    fn logprobs(&self, pieces: &[&str]) -> Value {
        let Some(likeliest) = self.likeliest.filter(|_| !pieces.is_empty()) else {
            return Value::Null;
        };
        let tokens = scores::tokens(pieces, likeliest);
        json!({"content": scores::openai(&tokens, scores::Bytes::Told), "refusal": null})
    }

    /// A call: its choice, and its place there.
    fn tool_call(&self, index: usize, at: usize, call: &ToolCall) -> Value {
        let before: usize = self.choices.iter().take(index).map(|it| it.tool_calls.len()).sum();
        json!({
            "id": format!("{}{}", self.asked.id("call_"), before + at),
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments.to_string()},
        })
    }

    fn usage(&self) -> Value {
        let Tokens { prompt, cached, output, reasoning, drawn } = self.tokens;
        let mut usage = json!({
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
        });
        if drawn > 0 {
            usage["completion_tokens_details"]["image_tokens"] = json!(drawn);
        }
        usage
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
        let scored = |index: usize, delta: Value, logprobs: Value, finish: Option<&str>| {
            let choice = json!({
                "index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish,
            });
            chunk(json!([choice]), Value::Null)
        };
        let delta = |index: usize, delta: Value, finish: Option<&str>| {
            scored(index, delta, Value::Null, finish)
        };
        let choice = |(index, answer): (usize, &Answer)| {
            let content = answer.said().map(|_| "");
            let opening = json!({"role": "assistant", "content": content, "refusal": null});
            let mut events = vec![delta(index, opening, None)];
            for piece in self.pieces(answer) {
                let logprobs = self.logprobs(&[piece]);
                events.push(scored(index, json!({"content": piece}), logprobs, None).generated());
            }
            if answer.picture.is_some() {
                events.push(delta(index, json!({"images": images()}), None).generated());
            }
            for part in self.tool_call_deltas(index, answer) {
                events.push(delta(index, json!({"tool_calls": [part]}), None).generated());
            }
            events.push(delta(index, json!({}), Some(finish_reason(answer))));
            events.into_iter()
        };
        let mut left: Vec<_> = self.choices.iter().enumerate().map(choice).collect();
        let mut events = Vec::new();
        // A chunk of each in turn, as the choices are made side by side.
        while left.iter().any(|it| it.len() > 0) {
            events.extend(left.iter_mut().filter_map(Iterator::next));
        }
        if include_usage {
            let last = chunk(json!([]), self.usage());
            events.push(last.reporting(Some(self.tokens.sent())));
        }
        events.push(Event::data("[DONE]"));
        events
    }

    fn tool_call_deltas(&self, index: usize, answer: &Answer) -> Vec<Value> {
        let mut deltas = Vec::new();
        for (at, call) in answer.tool_calls.iter().enumerate() {
            let mut opening = self.tool_call(index, at, call);
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

/// The picture, where OpenRouter tells it.
fn images() -> Value {
    let url = format!("data:image/png;base64,{PICTURE}");
    json!([{"type": "image_url", "image_url": {"url": url}, "index": 0}])
}

fn finish_reason(answer: &Answer) -> &'static str {
    match answer.stop {
        Stop::End | Stop::Sequence(_) => "stop",
        Stop::Length => "length",
        Stop::Tools => "tool_calls",
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
        likeliest: likeliest(body)?,
        pictures: Pictures::of(&strings(&body["modalities"])),
    })
}

/// How many alternatives, where log probabilities are asked for.
fn likeliest(body: &Value) -> Result<Option<u64>, ApiError> {
    let likeliest = scores::likeliest(&body["top_logprobs"], "top_logprobs")?;
    let asked = body["logprobs"] == true;
    if likeliest > 0 && !asked {
        let text = "'top_logprobs' is only allowed when 'logprobs' is true.";
        return Err(ApiError::bad_field("top_logprobs", text));
    }
    Ok(asked.then_some(likeliest))
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
        + items(&message["images"]).map(|_| IMAGE_TOKENS).sum::<u64>()
        + calls.map(call_tokens).sum::<u64>()
}
