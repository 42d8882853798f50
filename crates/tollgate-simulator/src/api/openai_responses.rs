//! `POST /v1/responses`.

use serde_json::{Value, json};

use crate::{
    api::{
        Asked,
        answer::{self, Answer, Ask, PICTURE, Pictures, Stop, Tool},
        errors::{self, ApiError},
        models::{self, Model},
        openai::{Tokens, reasoning_tokens, service_tier},
        read::{images_of, items, json_tokens, text_of},
        scores::{self, Bytes},
        sse::{self, Event},
    },
    delivery::{Reply, ReplyBody, WholeBody},
    rules::{IMAGE_TOKENS, MESSAGE_TOKENS, count_tokens},
};

/// The summary that is given of reasoning, when one is asked for.
const REASONING_SUMMARY: &str = "**Simulating** No reasoning took place; its tokens are made up.";

/// Stands for the encrypted reasoning that a stateless client keeps. The real one is opaque too.
const ENCRYPTED_REASONING: &str = "Z0FBQUFBLXNpbXVsYXRlZC1yZWFzb25pbmc=";

struct Response<'a> {
    asked: &'a Asked,
    request: &'a Value,
    model: &'static Model,
    answer: Answer,
    tokens: Tokens,
    likeliest: Option<u64>,
}

/// Answers a request for a response, whole or as a stream.
///
/// # Errors
/// What the real API refuses too: no or an unknown model, no input, encrypted reasoning that is not
/// its own.
pub(crate) fn answer(asked: &Asked) -> Result<Reply, ApiError> {
    let model = models::find(asked, models::writes)?;
    let request = asked.body()?;
    let ask = read(request)?;
    models::check(model, &ask)?;
    let answer = answer::compose(&ask, &asked.controls);
    let reasoning = reasoning_tokens(model, request["reasoning"]["effort"].as_str());
    let tokens = Tokens::count(asked, &ask, std::slice::from_ref(&answer), reasoning);
    let likeliest = ask.likeliest;
    let response = Response { asked, request, model, answer, tokens, likeliest };

    let mut reply = asked.reply(if request["stream"] == true {
        let events = response.events();
        let error = errors::midstream_response(asked, events.len());
        let events = sse::cut_by_error(events, &asked.controls, error);
        ReplyBody::Pieces(sse::pieces(events, &asked.controls))
    } else {
        let body = response.object(response.end_status(), &response.output());
        let usage = (!asked.controls.no_usage).then(|| tokens.sent());
        let generated = response.pieces().len();
        ReplyBody::Whole(WholeBody { usage, generated, ..WholeBody::json(&body) })
    });
    reply.model_served = Some(model.served.to_owned());
    Ok(reply)
}

impl Response<'_> {
    /// The response object at one moment of its life.
    fn object(&self, status: &str, output: &[Value]) -> Value {
        let is_over = status != "in_progress";
        let has_usage = is_over && !self.asked.controls.no_usage;
        let incomplete = (status == "incomplete").then(|| json!({"reason": "max_output_tokens"}));
        let given = |name: &str, default: Value| {
            let given = &self.request[name];
            if given.is_null() { default } else { given.clone() }
        };
        json!({
            "id": self.asked.id("resp_"),
            "object": "response",
            "created_at": self.asked.created_at_s,
            "status": status,
            "background": false,
            "error": null,
            "incomplete_details": incomplete,
            "instructions": self.request["instructions"],
            "max_output_tokens": self.request["max_output_tokens"],
            "max_tool_calls": null,
            "model": self.model.served,
            "output": output,
            "parallel_tool_calls": given("parallel_tool_calls", json!(true)),
            "previous_response_id": self.request["previous_response_id"],
            "prompt_cache_key": self.request["prompt_cache_key"],
            "reasoning": given("reasoning", json!({"effort": "medium", "summary": null})),
            "safety_identifier": null,
            "service_tier": if is_over { service_tier(self.asked) } else { "auto" },
            "store": given("store", json!(true)),
            "temperature": given("temperature", json!(1.0)),
            "text": given("text", json!({"format": {"type": "text"}, "verbosity": "medium"})),
            "tool_choice": given("tool_choice", json!("auto")),
            "tools": given("tools", json!([])),
            "top_logprobs": given("top_logprobs", json!(0)),
            "top_p": given("top_p", json!(1.0)),
            "truncation": given("truncation", json!("disabled")),
            "usage": has_usage.then(|| self.usage()),
            "user": self.request["user"],
            "metadata": given("metadata", json!({})),
        })
    }

    fn end_status(&self) -> &'static str {
        match self.answer.stop {
            Stop::Length => "incomplete",
            Stop::End | Stop::Sequence(_) | Stop::Tools => "completed",
        }
    }

    fn usage(&self) -> Value {
        let Tokens { prompt, cached, output, reasoning, drawn } = self.tokens;
        let mut usage = json!({
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": cached},
            "output_tokens": output,
            "output_tokens_details": {"reasoning_tokens": reasoning},
            "total_tokens": prompt + output,
        });
        if drawn > 0 {
            usage["output_tokens_details"]["image_tokens"] = json!(drawn);
        }
        usage
    }

    /// How likely these pieces of the text were; an empty list where that is not asked for.
    fn logprobs(&self, pieces: &[&str], bytes: Bytes) -> Value {
        let likeliest = self.likeliest.map(|it| scores::tokens(pieces, it));
        likeliest.map_or(json!([]), |it| scores::openai(&it, bytes))
    }

    /// The text as a part of its message.
    fn text_part(&self, text: &str) -> Value {
        let pieces = answer::stream_pieces(text, &self.asked.controls);
        let logprobs = self.logprobs(&pieces, Bytes::Told);
        json!({"type": "output_text", "annotations": [], "logprobs": logprobs, "text": text})
    }

    fn pieces(&self) -> Vec<&str> {
        answer::stream_pieces(&self.answer.text, &self.asked.controls)
    }

    /// The summary of the reasoning, if there was any and one is asked for.
    fn summary(&self) -> Option<&'static str> {
        let reasoning = &self.request["reasoning"];
        let wanted = reasoning["summary"].is_string() && self.tokens.reasoning > 0;
        wanted.then_some(REASONING_SUMMARY)
    }

    fn output(&self) -> Vec<Value> {
        let mut output = Vec::new();
        if self.tokens.reasoning > 0 {
            output.push(self.reasoning_item(self.summary()));
        }
        if let Some(text) = self.answer.said() {
            output.push(self.message_item(self.end_status(), Some(text)));
        }
        if self.answer.picture.is_some() {
            output.push(self.picture_item("completed", Some(PICTURE)));
        }
        for at in 0..self.answer.tool_calls.len() {
            output.push(self.call_item(at, "completed", true));
        }
        output
    }

    fn reasoning_item(&self, summary: Option<&str>) -> Value {
        let summary: Vec<_> = summary.into_iter().map(summary_part).collect();
        let mut item = json!({"id": self.asked.id("rs_"), "type": "reasoning", "summary": summary});
        if items(&self.request["include"]).any(|it| it == "reasoning.encrypted_content") {
            item["encrypted_content"] = json!(ENCRYPTED_REASONING);
        }
        item
    }

    fn message_item(&self, status: &str, text: Option<&str>) -> Value {
        let content: Vec<_> = text.into_iter().map(|it| self.text_part(it)).collect();
        json!({
            "id": self.asked.id("msg_"), "type": "message", "status": status,
            "content": content, "role": "assistant",
        })
    }

    fn picture_item(&self, status: &str, result: Option<&str>) -> Value {
        let mut item = json!({
            "id": self.asked.id("ig_"), "type": "image_generation_call", "status": status,
            "result": result,
        });
        if result.is_some() {
            item["output_format"] = json!("png");
        }
        item
    }

    fn call_item(&self, at: usize, status: &str, with_arguments: bool) -> Value {
        let call = &self.answer.tool_calls[at];
        let arguments = if with_arguments { call.arguments.to_string() } else { String::new() };
        json!({
            "id": format!("{}{at}", self.asked.id("fc_")), "type": "function_call",
            "status": status, "arguments": arguments,
            "call_id": format!("{}{at}", self.asked.id("call_")), "name": call.name,
        })
    }

    fn events(&self) -> Vec<Event> {
        let mut stream = EventStream::default();
        let begun = self.object("in_progress", &[]);
        stream.push("response.created", json!({"response": begun}));
        stream.push("response.in_progress", json!({"response": begun}));
        if self.tokens.reasoning > 0 {
            self.reasoning_events(&mut stream);
        }
        if let Some(text) = self.answer.said() {
            self.message_events(text, &mut stream);
        }
        if self.answer.picture.is_some() {
            self.picture_events(&mut stream);
        }
        for at in 0..self.answer.tool_calls.len() {
            self.call_events(at, &mut stream);
        }
        let name = match self.answer.stop {
            Stop::Length => "response.incomplete",
            Stop::End | Stop::Sequence(_) | Stop::Tools => "response.completed",
        };
        let ended = self.object(self.end_status(), &self.output());
        stream.push(name, json!({"response": ended}));
        let usage = (!self.asked.controls.no_usage).then(|| self.tokens.sent());
        let mut events = stream.events;
        if let Some(last) = events.pop() {
            events.push(last.reporting(usage));
        }
        events
    }

    fn reasoning_events(&self, stream: &mut EventStream) {
        let index = stream.open_item(&self.reasoning_item(None));
        let at = |more: Value| {
            let place = json!({
                "item_id": self.asked.id("rs_"), "output_index": index, "summary_index": 0,
            });
            merged(place, more)
        };
        if let Some(text) = self.summary() {
            let (empty, full) = (summary_part(""), summary_part(text));
            stream.push("response.reasoning_summary_part.added", at(json!({"part": empty})));
            for piece in answer::stream_pieces(text, &self.asked.controls) {
                let delta = at(json!({"delta": piece}));
                stream.push_generated("response.reasoning_summary_text.delta", delta);
            }
            stream.push("response.reasoning_summary_text.done", at(json!({"text": text})));
            stream.push("response.reasoning_summary_part.done", at(json!({"part": full})));
        }
        stream.close_item(index, &self.reasoning_item(self.summary()));
    }

    fn picture_events(&self, stream: &mut EventStream) {
        let index = stream.open_item(&self.picture_item("in_progress", None));
        let place = json!({"item_id": self.asked.id("ig_"), "output_index": index});
        for kind in [
            "response.image_generation_call.in_progress",
            "response.image_generation_call.generating",
            "response.image_generation_call.completed",
        ] {
            stream.push(kind, place.clone());
        }
        stream.close_item(index, &self.picture_item("completed", Some(PICTURE)));
    }

    fn message_events(&self, text: &str, stream: &mut EventStream) {
        let index = stream.open_item(&self.message_item("in_progress", None));
        let at = |more: Value| {
            let place = json!({
                "item_id": self.asked.id("msg_"), "output_index": index, "content_index": 0,
            });
            merged(place, more)
        };
        stream.push("response.content_part.added", at(json!({"part": self.text_part("")})));
        let pieces = self.pieces();
        for piece in &pieces {
            let logprobs = self.logprobs(&[piece], Bytes::Untold);
            let delta = at(json!({"delta": piece, "logprobs": logprobs}));
            stream.push_generated("response.output_text.delta", delta);
        }
        let logprobs = self.logprobs(&pieces, Bytes::Untold);
        let done = at(json!({"text": text, "logprobs": logprobs}));
        stream.push("response.output_text.done", done);
        stream.push("response.content_part.done", at(json!({"part": self.text_part(text)})));
        stream.close_item(index, &self.message_item(self.end_status(), Some(text)));
    }

    fn call_events(&self, at: usize, stream: &mut EventStream) {
        let opening = self.call_item(at, "in_progress", false);
        let index = stream.open_item(&opening);
        let place =
            |more: Value| merged(json!({"item_id": opening["id"], "output_index": index}), more);
        let arguments = self.answer.tool_calls[at].arguments.to_string();
        for fragment in answer::fragments(&arguments) {
            let delta = place(json!({"delta": fragment}));
            stream.push_generated("response.function_call_arguments.delta", delta);
        }
        let done = place(json!({"arguments": arguments}));
        stream.push("response.function_call_arguments.done", done);
        stream.close_item(index, &self.call_item(at, "completed", true));
    }
}

/// Events numbered in their order, and the output items opened so far.
#[derive(Default)]
struct EventStream {
    events: Vec<Event>,
    items: usize,
}

impl EventStream {
    fn push(&mut self, name: &'static str, fields: Value) {
        let head = json!({"type": name, "sequence_number": self.events.len()});
        self.events.push(Event::named(name, merged(head, fields).to_string()));
    }

    fn push_generated(&mut self, name: &'static str, fields: Value) {
        self.push(name, fields);
        if let Some(last) = self.events.last_mut() {
            last.generated = true;
        }
    }

    fn open_item(&mut self, item: &Value) -> usize {
        let index = self.items;
        self.items += 1;
        self.push("response.output_item.added", json!({"output_index": index, "item": item}));
        index
    }

    fn close_item(&mut self, index: usize, item: &Value) {
        self.push("response.output_item.done", json!({"output_index": index, "item": item}));
    }
}

/// The fields of two objects, as one.
fn merged(mut head: Value, tail: Value) -> Value {
    if let (Some(fields), Value::Object(more)) = (head.as_object_mut(), tail) {
        fields.extend(more);
    }
    head
}

fn summary_part(text: &str) -> Value {
    json!({"type": "summary_text", "text": text})
}

fn read(body: &Value) -> Result<Ask, ApiError> {
    let mut input: Vec<_> = items(&body["input"]).cloned().collect();
    let text = body["input"].as_str();
    input.extend(text.map(|it| json!({"role": "user", "content": it})));
    if input.is_empty() {
        let text = "Missing required parameter: 'input'.";
        return Err(ApiError::bad_field("input", text));
    }
    let mut sealed = input.iter().map(|it| &it["encrypted_content"]).filter(|it| !it.is_null());
    if sealed.any(|it| it != ENCRYPTED_REASONING) {
        let text = "The encrypted content could not be verified.";
        return Err(ApiError::bad_field("input", text));
    }
    let counts: Vec<_> = input.iter().map(item_tokens).collect();
    let prompt_tokens = items(&body["tools"]).map(json_tokens).sum::<u64>()
        + count_tokens(body["instructions"].as_str().unwrap_or_default())
        + counts.iter().sum::<u64>();
    let last = input.last().unwrap_or(&Value::Null);
    let is_result = |it: &Value| it["type"] == "function_call_output";
    let results = input.iter().rev().take_while(|it| is_result(it)).count();
    let lasts = input[input.len() - results.max(1)..].iter();
    Ok(Ask {
        prompt_tokens,
        prefix_tokens: prompt_tokens - counts.last().unwrap_or(&0),
        last_text: lasts.map(|it| text_of(&it["content"]) + &text_of(&it["output"])).collect(),
        has_results: is_result(last),
        tools: tools(body),
        parallel: body["parallel_tool_calls"] != false,
        json_schema: match body["text"]["format"]["type"].as_str() {
            Some("json_schema") => Some(body["text"]["format"]["schema"].clone()),
            Some("json_object") => Some(Value::Null),
            Some(_) | None => None,
        },
        output_tokens_max: body["max_output_tokens"].as_u64(),
        stops: Vec::new(),
        likeliest: likeliest(body)?,
        pictures: pictures(body),
    })
}

/// How many alternatives, where log probabilities are asked for.
fn likeliest(body: &Value) -> Result<Option<u64>, ApiError> {
    let likeliest = scores::likeliest(&body["top_logprobs"], "top_logprobs")?;
    let included = items(&body["include"]).any(|it| it == "message.output_text.logprobs");
    Ok((included || likeliest > 0).then_some(likeliest))
}

/// Pictures, if there is the tool for them: it is always used, and alone where that is said.
fn pictures(body: &Value) -> Option<Pictures> {
    let is_tool = |it: &Value| it["type"] == "image_generation";
    let alone = is_tool(&body["tool_choice"]);
    let pictures = if alone { Pictures::Alone } else { Pictures::WithText };
    items(&body["tools"]).any(is_tool).then_some(pictures)
}

fn item_tokens(item: &Value) -> u64 {
    let field = |name: &str| count_tokens(item[name].as_str().unwrap_or_default());
    MESSAGE_TOKENS
        + count_tokens(&text_of(&item["content"]))
        + images_of(&item["content"]) * IMAGE_TOKENS
        + count_tokens(&text_of(&item["output"]))
        + item["result"].as_str().map_or(0, |_| IMAGE_TOKENS)
        + field("name")
        + field("arguments")
}

fn tools(body: &Value) -> Vec<Tool> {
    let choice = &body["tool_choice"];
    if choice == "none" {
        return Vec::new();
    }
    let forced = choice["name"].as_str();
    let function = |it: &Value| {
        let name = it["name"].as_str().filter(|_| it["type"] == "function")?;
        Some(Tool { name: name.to_owned(), schema: it["parameters"].clone() })
    };
    let all = items(&body["tools"]).filter_map(function);
    all.filter(|it| forced.is_none_or(|name| name == it.name)).collect()
}
