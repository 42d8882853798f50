//! Gemini's `generateContent`, `streamGenerateContent` and `countTokens`.

use std::iter::Sum;

use serde_json::{Map, Value, json};

use crate::{
    api::{
        Asked,
        answer::{self, Answer, Ask, PICTURE, Pictures, Stop, Tool},
        errors::{self, ApiError},
        models::{self, Kind, Model},
        query_value,
        read::{either, items, json_tokens, strings, text_of},
        scores,
        sse::{self, Event},
    },
    controls::Controls,
    delivery::{Piece, Reply, ReplyBody, WholeBody},
    record::UsageSent,
    rules::{IMAGE_TOKENS, MESSAGE_TOKENS, count_tokens, implicitly_cached},
};

/// What the model thinks, when its thoughts are asked for.
const THOUGHTS: &str = "**Simulating** No thinking takes place; its tokens are made up.";

/// Tokens of thoughts when the budget leaves the choice to the model.
const THOUGHT_TOKENS: u64 = 96;

/// Stands for the signature of a thought. Real ones are opaque too.
const THOUGHT_SIGNATURE: &str = "c2ltdWxhdGVkLXRob3VnaHQtc2lnbmF0dXJl";

/// What a client sends for a call that was not made by Gemini, as its documentation says.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// How many words of the text one chunk of a stream has: Gemini's chunks are large.
const WORDS_PER_CHUNK: usize = 5;

/// The most candidates in one answer, as the real API has it.
const CANDIDATES_MAX: usize = 8;

struct Content<'a> {
    asked: &'a Asked,
    model: &'static Model,
    candidates: Vec<Answer>,
    prompt: u64,
    cached: u64,
    /// Of each candidate.
    thoughts: u64,
    shows_thoughts: bool,
    likeliest: Option<u64>,
}

/// Answers `generateContent`.
///
/// # Errors
/// What the real API refuses too: an unknown model, no contents, a signature that is not its own.
pub(crate) fn answer(asked: &Asked) -> Result<Reply, ApiError> {
    let content = Content::compose(asked)?;
    let candidates = content.candidates.iter().enumerate();
    let candidates = candidates.map(|(at, it)| {
        let mut candidate = candidate(at, &content.parts(it), Some(finish_reason(it)));
        content.score(&mut candidate, &content.pieces(it));
        candidate
    });
    let output = content.candidates.iter().map(Output::of).sum();
    let body = content.response(&candidates.collect::<Vec<_>>(), output);
    let usage = content.reported(output);
    // The candidates are made side by side.
    let generated = content.candidates.iter().map(|it| content.pieces(it).len()).max().unwrap_or(0);
    let body = ReplyBody::Whole(WholeBody { usage, generated, ..WholeBody::json(&body) });
    let served = Some(content.model.served.to_owned());
    Ok(Reply { model_served: served, ..asked.reply(body) })
}

/// Answers `streamGenerateContent`: events with `alt=sse`, else the pieces of one JSON array.
///
/// # Errors
/// As [`answer`].
pub(crate) fn stream(asked: &Asked) -> Result<Reply, ApiError> {
    let content = Content::compose(asked)?;
    let events = content.events();
    let events = sse::cut_by_error(events, &asked.controls, errors::midstream(asked));
    let is_sse = query_value(&asked.uri, "alt") == Some("sse");
    let pieces = if is_sse {
        sse::pieces(events, &Controls { crlf: true, ..asked.controls.clone() })
    } else {
        array_pieces(events)
    };
    let mut reply = asked.reply(ReplyBody::Pieces(pieces));
    if !is_sse {
        reply.headers.retain(|it| it.0 != "content-type");
        reply.headers.push(("content-type", "application/json; charset=UTF-8".to_owned()));
    }
    reply.model_served = Some(content.model.served.to_owned());
    Ok(reply)
}

/// Answers `countTokens`.
///
/// # Errors
/// As [`answer`].
pub(crate) fn count(asked: &Asked) -> Result<Reply, ApiError> {
    let model = models::find(asked, |_| true)?;
    let body = asked.body()?;
    let nested = either(body, "generateContentRequest", "generate_content_request");
    let ask = read(if nested.is_null() { body } else { nested })?;
    let body = json!({
        "totalTokens": ask.prompt_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": ask.prompt_tokens}],
    });
    let reply = asked.reply(ReplyBody::Whole(WholeBody::json(&body)));
    Ok(Reply { model_served: Some(model.served.to_owned()), ..reply })
}

/// Events as the elements of a JSON array, separated as the real API does it.
fn array_pieces(events: Vec<Event>) -> Vec<Piece> {
    let last = events.len().saturating_sub(1);
    let piece = |(at, event): (usize, Event)| {
        let before = if at == 0 { "[" } else { ",\r\n" };
        let after = if at == last { "\n]\n" } else { "\n" };
        let indented =
            serde_json::from_str::<Value>(&event.data).map_or(event.data, |it| format!("{it:#}"));
        let bytes = format!("{before}{indented}{after}").into_bytes();
        Piece { bytes, generated: event.generated, usage: event.usage }
    };
    events.into_iter().enumerate().map(piece).collect()
}

impl<'a> Content<'a> {
    fn compose(asked: &'a Asked) -> Result<Self, ApiError> {
        let model = models::find(asked, models::writes)?;
        let body = asked.body()?;
        let ask = read(body)?;
        models::check(model, &ask)?;
        let count = either(config(body), "candidateCount", "candidate_count").as_u64().unwrap_or(1);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if !(1..=CANDIDATES_MAX).contains(&count) {
            return Err(ApiError::bad_request(&format!(
                "* GenerateContentRequest.generation_config.candidate_count: candidate_count must be \
                 in the range [1, {CANDIDATES_MAX}].\n",
            )));
        }
        let candidates = answer::choices(&ask, &asked.controls, count);
        let thinking = either(config(body), "thinkingConfig", "thinking_config");
        let budget = either(thinking, "thinkingBudget", "thinking_budget").as_i64();
        let thoughts = match (model.kind, budget) {
            (Kind::Text | Kind::Picture | Kind::Embedding(_), _) => 0,
            (Kind::Reasoning, Some(budget)) => {
                // Negative: the model may choose.
                u64::try_from(budget).map_or(THOUGHT_TOKENS, |it| it.min(THOUGHT_TOKENS))
            }
            (Kind::Reasoning, None) => THOUGHT_TOKENS,
        };
        let thoughts = asked.controls.reasoning.unwrap_or(thoughts);
        let cached = asked.controls.cached.unwrap_or(implicitly_cached(ask.prefix_tokens));
        let includes = either(thinking, "includeThoughts", "include_thoughts") == true;
        Ok(Self {
            asked,
            model,
            candidates,
            prompt: ask.prompt_tokens.max(cached),
            cached,
            thoughts,
            shows_thoughts: includes && thoughts > 0,
            likeliest: ask.likeliest,
        })
    }

    /// Adds to a candidate how likely the pieces of its text were, where that is asked for.
    fn score(&self, candidate: &mut Value, pieces: &[&str]) {
        if let Some(likeliest) = self.likeliest.filter(|_| !pieces.is_empty()) {
            let tokens = scores::tokens(pieces, likeliest);
            candidate["logprobsResult"] = scores::gemini(&tokens);
        }
    }

    fn response(&self, candidates: &[Value], output: Output) -> Value {
        let mut response = json!({ "candidates": candidates });
        if !self.asked.controls.no_usage {
            response["usageMetadata"] = self.usage(output);
        }
        response["modelVersion"] = json!(self.model.served);
        response["responseId"] = json!(self.asked.id(""));
        response
    }

    /// The usage after this output. Numbers that are zero are left out, as by the real API.
    fn usage(&self, output: Output) -> Value {
        let Output { tokens, drawn } = output;
        let mut usage = json!({"promptTokenCount": self.prompt});
        if tokens > 0 {
            usage["candidatesTokenCount"] = json!(tokens);
        }
        if drawn > 0 {
            let details = json!([{"modality": "IMAGE", "tokenCount": drawn}]);
            usage["candidatesTokensDetails"] = details;
        }
        let thoughts = self.all_thoughts();
        usage["totalTokenCount"] = json!(self.prompt + tokens + thoughts);
        if self.cached > 0 {
            usage["cachedContentTokenCount"] = json!(self.cached);
            usage["cacheTokensDetails"] = json!([{"modality": "TEXT", "tokenCount": self.cached}]);
        }
        usage["promptTokensDetails"] = json!([{"modality": "TEXT", "tokenCount": self.prompt}]);
        if thoughts > 0 {
            usage["thoughtsTokenCount"] = json!(thoughts);
        }
        usage
    }

    /// Tokens of the thoughts of all candidates.
    fn all_thoughts(&self) -> u64 {
        self.candidates.iter().map(|_| self.thoughts).sum()
    }

    fn reported(&self, output: Output) -> Option<UsageSent> {
        let present = |it: u64| (it > 0).then_some(it);
        let sent = UsageSent {
            input: Some(self.prompt - self.cached),
            cache_read: present(self.cached),
            output: present(output.tokens + self.all_thoughts()),
            reasoning: present(self.all_thoughts()),
            output_image: present(output.drawn),
            ..UsageSent::default()
        };
        (!self.asked.controls.no_usage).then_some(sent)
    }

    fn parts(&self, answer: &Answer) -> Vec<Value> {
        let mut parts = Vec::new();
        if self.shows_thoughts {
            parts.push(json!({"text": THOUGHTS, "thought": true}));
        }
        parts.extend(answer.said().map(|it| json!({"text": it})));
        parts.extend(picture(answer));
        parts.extend(self.call_parts(answer));
        parts
    }

    /// The calls of functions; the first carries the signature of the thoughts, as the real API
    /// has it.
    fn call_parts(&self, answer: &Answer) -> impl Iterator<Item = Value> {
        answer.tool_calls.iter().enumerate().map(|(at, call)| {
            let mut part = json!({"functionCall": {"name": call.name, "args": call.arguments}});
            if at == 0 && self.thoughts > 0 {
                part["thoughtSignature"] = json!(THOUGHT_SIGNATURE);
            }
            part
        })
    }

    /// The events: each has the next chunk of every candidate that has one left.
    fn events(&self) -> Vec<Event> {
        let chunks: Vec<_> = self.candidates.iter().map(|it| self.chunks(it)).collect();
        let count = chunks.iter().map(Vec::len).max().unwrap_or(0);
        let event = |at: usize| {
            let of = |(index, chunks): (usize, &Vec<Chunk<'_>>)| {
                let last = at + 1 == chunks.len();
                let finish = last.then(|| finish_reason(&self.candidates[index]));
                let chunk = chunks.get(at)?;
                let mut candidate = candidate(index, &chunk.parts, finish);
                self.score(&mut candidate, &chunk.pieces);
                Some(candidate)
            };
            let candidates: Vec<_> = chunks.iter().enumerate().filter_map(of).collect();
            let so_far = |it: &Vec<Chunk<'_>>| {
                it.get(at).or(it.last()).map_or(Output::default(), |it| it.output)
            };
            let output = chunks.iter().map(so_far).sum();
            let data = self.response(&candidates, output).to_string();
            Event::data(data).generated().reporting(self.reported(output))
        };
        (0..count).map(event).collect()
    }

    fn chunks<'b>(&self, answer: &'b Answer) -> Vec<Chunk<'b>> {
        let mut chunks = Vec::new();
        let chunk = |parts, output| Chunk { parts, pieces: Vec::new(), output };
        if self.shows_thoughts {
            let thoughts = json!({"text": THOUGHTS, "thought": true});
            chunks.push(chunk(vec![thoughts], Output::default()));
        }
        let mut said = String::new();
        let asked_for = self.asked.controls.pieces.is_some();
        let size = if asked_for { 1 } else { WORDS_PER_CHUNK };
        for pieces in self.pieces(answer).chunks(size) {
            let text = pieces.concat();
            said.push_str(&text);
            let output = Output { tokens: count_tokens(&said), drawn: 0 };
            let pieces = pieces.to_vec();
            chunks.push(Chunk { parts: vec![json!({"text": text})], pieces, output });
        }
        let last: Vec<_> = picture(answer).into_iter().chain(self.call_parts(answer)).collect();
        if !last.is_empty() {
            chunks.push(chunk(last, Output::of(answer)));
        }
        if chunks.is_empty() {
            chunks.push(chunk(vec![json!({"text": ""})], Output::default()));
        }
        chunks
    }

    fn pieces<'b>(&self, answer: &'b Answer) -> Vec<&'b str> {
        answer::stream_pieces(&answer.text, &self.asked.controls)
    }
}

/// A chunk of a candidate, the pieces of its text, and what the candidate has after it.
struct Chunk<'a> {
    parts: Vec<Value>,
    pieces: Vec<&'a str>,
    output: Output,
}

/// Tokens that were made, and how many of them are pictures.
#[derive(Clone, Copy, Default)]
struct Output {
    tokens: u64,
    drawn: u64,
}

impl Output {
    fn of(answer: &Answer) -> Self {
        Self { tokens: answer.tokens, drawn: answer.picture_tokens() }
    }
}

impl Sum for Output {
    fn sum<I: Iterator<Item = Self>>(outputs: I) -> Self {
        outputs.fold(Self::default(), |sum, it| Self {
            tokens: sum.tokens + it.tokens,
            drawn: sum.drawn + it.drawn,
        })
    }
}

/// The picture, sealed as the real API seals it.
fn picture(answer: &Answer) -> Option<Value> {
    let picture = json!({
        "inlineData": {"mimeType": "image/png", "data": PICTURE},
        "thoughtSignature": THOUGHT_SIGNATURE,
    });
    answer.picture.map(|_| picture)
}

fn candidate(index: usize, parts: &[Value], finish: Option<&str>) -> Value {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}});
    if let Some(finish) = finish {
        candidate["finishReason"] = json!(finish);
    }
    candidate["index"] = json!(index);
    candidate
}

fn finish_reason(answer: &Answer) -> &'static str {
    match answer.stop {
        Stop::End | Stop::Sequence(_) | Stop::Tools => "STOP",
        Stop::Length => "MAX_TOKENS",
    }
}

fn config(body: &Value) -> &Value {
    either(body, "generationConfig", "generation_config")
}

fn read(body: &Value) -> Result<Ask, ApiError> {
    let contents: Vec<_> = items(&body["contents"]).collect();
    let Some(last) = contents.last() else {
        return Err(ApiError::bad_request(
            "* GenerateContentRequest.contents: contents is not specified\n",
        ));
    };
    if contents.iter().any(|it| items(&it["parts"]).any(has_foreign_seal)) {
        return Err(ApiError::bad_request("Thought signature is not valid."));
    }
    let config = config(body);
    let system = either(body, "systemInstruction", "system_instruction");
    let counts: Vec<_> = contents.iter().map(|it| content_tokens(it)).collect();
    let prompt_tokens = items(&body["tools"]).map(json_tokens).sum::<u64>()
        + count_tokens(&text_of(&system["parts"]))
        + counts.iter().sum::<u64>();
    let is_json = either(config, "responseMimeType", "response_mime_type") == "application/json";
    let schema =
        [("responseJsonSchema", "response_json_schema"), ("responseSchema", "response_schema")]
            .into_iter()
            .map(|(camel, snake)| either(config, camel, snake))
            .find(|it| !it.is_null());
    Ok(Ask {
        prompt_tokens,
        prefix_tokens: prompt_tokens - counts.last().unwrap_or(&0),
        last_text: last_text(&contents),
        has_results: has_results(last),
        tools: tools(body),
        parallel: true,
        json_schema: is_json.then(|| schema.cloned().unwrap_or_default()),
        output_tokens_max: either(config, "maxOutputTokens", "max_output_tokens").as_u64(),
        likeliest: likeliest(config)?,
        pictures: Pictures::of(&strings(either(
            config,
            "responseModalities",
            "response_modalities",
        ))),
        stops: strings(either(config, "stopSequences", "stop_sequences")),
    })
}

/// How many alternatives, where log probabilities are asked for.
fn likeliest(config: &Value) -> Result<Option<u64>, ApiError> {
    let likeliest = scores::likeliest(&config["logprobs"], "logprobs")?;
    let asked = either(config, "responseLogprobs", "response_logprobs") == true;
    Ok(asked.then_some(likeliest))
}

fn has_results(content: &Value) -> bool {
    items(&content["parts"])
        .any(|it| !either(it, "functionResponse", "function_response").is_null())
}

/// What the last content says, or the results of all functions that were used at once, which may
/// come in a content each.
fn last_text(contents: &[&Value]) -> String {
    let results = contents.iter().rev().take_while(|it| has_results(it)).count();
    let last = &contents[contents.len().saturating_sub(results.max(1))..];
    last.iter().map(|it| text_and_results(it)).collect()
}

/// What a content says, and its results: the only text of a result, or its JSON.
fn text_and_results(content: &Value) -> String {
    let result = |it| either(it, "functionResponse", "function_response")["response"].as_object();
    let results = items(&content["parts"]).filter_map(result);
    let text = |it: &Map<String, Value>| match it.values().next() {
        Some(Value::String(text)) if it.len() == 1 => text.clone(),
        Some(_) | None => json!(it).to_string(),
    };
    text_of(&content["parts"]) + &results.map(text).collect::<String>()
}

/// Whether a part carries a signature that was not given by this simulator.
fn has_foreign_seal(part: &Value) -> bool {
    let seal = either(part, "thoughtSignature", "thought_signature");
    ![&Value::Null, &json!(THOUGHT_SIGNATURE), &json!(NO_SIGNATURE)].contains(&seal)
}

fn content_tokens(content: &Value) -> u64 {
    MESSAGE_TOKENS + items(&content["parts"]).map(part_tokens).sum::<u64>()
}

fn part_tokens(part: &Value) -> u64 {
    if let Some(text) = part["text"].as_str() {
        return count_tokens(text);
    }
    let call = either(part, "functionCall", "function_call");
    let result = either(part, "functionResponse", "function_response");
    match (call, result) {
        (Value::Null, Value::Null) => IMAGE_TOKENS,
        (Value::Null, result) => json_tokens(result),
        (call, _) => json_tokens(call),
    }
}

fn tools(body: &Value) -> Vec<Tool> {
    let tool_config = either(body, "toolConfig", "tool_config");
    let calling = either(tool_config, "functionCallingConfig", "function_calling_config");
    if calling["mode"] == "NONE" {
        return Vec::new();
    }
    let allowed = strings(either(calling, "allowedFunctionNames", "allowed_function_names"));
    let declared = items(&body["tools"])
        .flat_map(|it| items(either(it, "functionDeclarations", "function_declarations")));
    let function = |it: &Value| {
        let name = it["name"].as_str()?.to_owned();
        let json_schema = either(it, "parametersJsonSchema", "parameters_json_schema");
        let schema = if json_schema.is_null() { &it["parameters"] } else { json_schema };
        Some(Tool { name, schema: schema.clone() })
    };
    let all = declared.filter_map(function);
    all.filter(|it| allowed.is_empty() || allowed.contains(&it.name)).collect()
}
