//! `POST /v1/messages` and `POST /v1/messages/count_tokens`.

mod cache;
mod request;
mod stream;

use serde_json::{Value, json};

use crate::{
    api::{
        Asked, World,
        answer::{self, Answer, Stop},
        errors::{self, ApiError},
        models::{self, Model},
        sse,
    },
    delivery::{Reply, ReplyBody, WholeBody},
    record::UsageSent,
    rules::count_tokens,
};
use cache::Cached;
pub(crate) use cache::PrefixCache;
use request::Request;

/// What the model thinks, when it is asked to.
const THOUGHTS: &str = "Let me see what is asked. No thinking takes place here: this text is \
                        simulated, so that thinking blocks and their signatures can be handled.";

/// Stands for the signature of a thinking block. Real ones are opaque too.
const SIGNATURE: &str = "c2ltdWxhdGVkLXNpZ25hdHVyZS10aGF0LXZvdWNoZXMtZm9yLW5vdGhpbmc=";

/// Everything that the events and the plain answer have in common.
struct Message<'a> {
    asked: &'a Asked,
    model: &'static Model,
    answer: Answer,
    thoughts: bool,
    searches: bool,
    /// At the end; at the start of a stream some of it is not known yet.
    usage: Usage,
}

/// The numbers of one usage object.
#[derive(Clone, Copy, Debug)]
struct Usage {
    input: u64,
    cached: Cached,
    output: u64,
    thinking: Option<u64>,
    searches: Option<u64>,
}

impl Usage {
    fn sent(self) -> UsageSent {
        UsageSent {
            input: Some(self.input),
            cache_read: Some(self.cached.read),
            cache_write_5m: Some(self.cached.write_5m),
            cache_write_1h: Some(self.cached.write_1h),
            output: Some(self.output),
            reasoning: self.thinking,
            web_searches: self.searches,
            output_image: None,
        }
    }

    fn totals(self) -> Value {
        let mut usage = json!({
            "input_tokens": self.input,
            "cache_creation_input_tokens": self.cached.write_5m + self.cached.write_1h,
            "cache_read_input_tokens": self.cached.read,
            "output_tokens": self.output,
        });
        if let Some(tokens) = self.thinking {
            usage["output_tokens_details"] = json!({"thinking_tokens": tokens});
        }
        if let Some(count) = self.searches {
            usage["server_tool_use"] =
                json!({"web_search_requests": count, "web_fetch_requests": 0});
        }
        usage
    }

    /// The totals and what only a whole message tells.
    fn detailed(self) -> Value {
        let mut usage = self.totals();
        usage["cache_creation"] = json!({
            "ephemeral_5m_input_tokens": self.cached.write_5m,
            "ephemeral_1h_input_tokens": self.cached.write_1h,
        });
        usage["service_tier"] = json!("standard");
        usage
    }
}

/// Answers a message, whole or as a stream.
///
/// # Errors
/// What the real API refuses too; see [`Request::read`].
pub(crate) fn answer(world: &World, asked: &Asked) -> Result<Reply, ApiError> {
    let model = models::find(asked, models::writes)?;
    let body = asked.body()?;
    let request = Request::read(body)?;
    if body["max_tokens"].as_u64().is_none_or(|it| it == 0) {
        return Err(ApiError::bad_request("max_tokens: Field required"));
    }
    let cached = match asked.controls.cached {
        Some(read) => Cached { read, ..Cached::default() },
        None => world.prefixes().take(&request.marks),
    };
    let answer = answer::compose(&request.ask, &asked.controls);
    let message = Message::new(asked, model, &request, cached, answer);
    let mut reply = asked.reply(if body["stream"] == true {
        let events = stream::events(&message);
        let events = sse::cut_by_error(events, &asked.controls, errors::midstream(asked));
        ReplyBody::Pieces(sse::pieces(events, &asked.controls))
    } else {
        ReplyBody::Whole(message.whole())
    });
    reply.model_served = Some(model.served.to_owned());
    Ok(reply)
}

/// What a request for a count may say, besides beta features.
const COUNTED: [&str; 8] = [
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "cache_control",
];

/// Answers how many tokens a prompt has: all of them, cached or not.
///
/// # Errors
/// As for a message, and what says nothing of the prompt.
pub(crate) fn count(asked: &Asked) -> Result<Reply, ApiError> {
    let model = models::find(asked, models::writes)?;
    let body = asked.body()?;
    let mut members = body.as_object().into_iter().flat_map(|it| it.keys());
    if let Some(name) = members.find(|it| !COUNTED.contains(&it.as_str())) {
        let message = format!("{name}: Extra inputs are not permitted");
        return Err(ApiError::bad_request(&message));
    }
    let request = Request::read(body)?;
    let body = json!({"input_tokens": request.ask.prompt_tokens});
    let body = ReplyBody::Whole(WholeBody::text(body.to_string()));
    Ok(Reply { model_served: Some(model.served.to_owned()), ..asked.reply(body) })
}

impl<'a> Message<'a> {
    fn new(
        asked: &'a Asked,
        model: &'static Model,
        request: &Request,
        cached: Cached,
        answer: Answer,
    ) -> Self {
        let searches = request.searches && answer.tool_calls.is_empty();
        let mut message = Self {
            asked,
            model,
            thoughts: request.thinks,
            searches,
            usage: Usage {
                input: request.ask.prompt_tokens.saturating_sub(cached.sum()),
                cached,
                output: answer.tokens,
                thinking: None,
                searches: None,
            },
            answer,
        };
        if request.thinks {
            let tokens = asked.controls.reasoning.unwrap_or(count_tokens(THOUGHTS));
            message.usage.thinking = Some(tokens);
            message.usage.output += tokens;
        }
        if searches {
            // What a search found is read as input, so that the input grows during the answer.
            let [call, result] = message.search_blocks();
            message.usage.searches = Some(1);
            message.usage.output += count_tokens(&call["input"].to_string());
            message.usage.input += count_tokens(&result["content"].to_string());
        }
        message
    }

    /// The usage that is known before anything is generated.
    fn usage_at_start(&self) -> Usage {
        let found = if self.searches {
            let [_, result] = self.search_blocks();
            count_tokens(&result["content"].to_string())
        } else {
            0
        };
        let input = self.usage.input - found;
        Usage { input, output: 1, thinking: None, searches: None, ..self.usage }
    }

    fn frame(&self, content: &[Value], stop: Option<&str>, usage: Option<Usage>) -> Value {
        let mut message = json!({
            "model": self.model.served,
            "id": self.asked.id("msg_"),
            "type": "message",
            "role": "assistant",
            "content": content,
            "stop_reason": stop,
            "stop_sequence": stop.and_then(|_| self.stop_sequence()),
        });
        if let Some(usage) = usage.filter(|_| !self.asked.controls.no_usage) {
            message["usage"] = usage.detailed();
        }
        message
    }

    fn whole(&self) -> WholeBody {
        let body = self.frame(&self.blocks(), Some(self.stop_reason()), Some(self.usage));
        let usage = (!self.asked.controls.no_usage).then(|| self.usage.sent());
        let generated = self.pieces().len();
        WholeBody { usage, generated, ..WholeBody::text(body.to_string()) }
    }

    /// The content blocks of the whole message.
    fn blocks(&self) -> Vec<Value> {
        let mut blocks = Vec::new();
        if self.thoughts {
            blocks.push(json!({"type": "thinking", "thinking": THOUGHTS, "signature": SIGNATURE}));
        }
        if self.searches {
            blocks.extend(self.search_blocks());
        }
        if self.answer.tool_calls.is_empty() {
            blocks.push(json!({"type": "text", "text": self.answer.text}));
        }
        let calls = self.answer.tool_calls.iter().enumerate();
        blocks.extend(calls.map(|(at, call)| {
            let id = format!("{}{at}", self.asked.id("toolu_"));
            json!({"type": "tool_use", "id": id, "name": call.name, "input": call.arguments})
        }));
        blocks
    }

    fn search_blocks(&self) -> [Value; 2] {
        let id = self.asked.id("srvtoolu_");
        let query = json!({"query": "simulated search"});
        let found = json!({
            "type": "web_search_result",
            "url": "https://example.com/simulated",
            "title": "A simulated page",
            "encrypted_content": "c2ltdWxhdGVkIHBhZ2U=",
            "page_age": null,
        });
        [
            json!({
                "type": "server_tool_use", "id": id, "name": "web_search", "input": query,
            }),
            json!({"type": "web_search_tool_result", "tool_use_id": id, "content": [found]}),
        ]
    }

    fn pieces(&self) -> Vec<&str> {
        answer::stream_pieces(&self.answer.text, &self.asked.controls)
    }

    fn stop_reason(&self) -> &'static str {
        match self.answer.stop {
            Stop::End => "end_turn",
            Stop::Length => "max_tokens",
            Stop::Sequence(_) => "stop_sequence",
            Stop::Tools => "tool_use",
        }
    }

    fn stop_sequence(&self) -> Option<&str> {
        match &self.answer.stop {
            Stop::Sequence(sequence) => Some(sequence),
            Stop::End | Stop::Length | Stop::Tools => None,
        }
    }
}
