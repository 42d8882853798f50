//! Whole chat answers, and the shapes that they share with the chunks of a stream.

use std::borrow::Cow;

use serde::{
    Deserialize, Serialize,
    de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value, json};
use tollgate_core::Usage;

use super::{finish_reason, functions, made_picture, redacted, sealed, stop_of, usage_of};
use crate::{
    fault::Fault,
    ir::{
        Answer, Choice, Content, Failure, Part, PerChoice, ScoredToken, Signature, Source, Stop,
        Thinking, ToolCall,
    },
    lenient::{Count, Filled, Many, Maybe, Text, absent, expects_anything},
    loss::Losses,
    openai_usage::OpenaiUsage,
    translate::{
        GenerateConfig,
        choices::{numbers, place},
        failure,
        fields::element,
        logprobs::{self, BytesAs, TEXTLESS, Token, TokenOut},
        media::source_of,
    },
};

/// A `chat.completion` or a `chat.completion.chunk`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Body<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) model: Text<'a>,
    #[serde(borrow)]
    pub(super) choices: Many<ToldChoice<'a>>,
    usage: Maybe<OpenaiUsage>,
    /// Groq.
    x_groq: Maybe<Beside>,
    #[serde(borrow)]
    pub(super) error: Fault<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Beside {
    usage: Maybe<OpenaiUsage>,
}

/// A choice, whole or a piece of one.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ToldChoice<'a> {
    pub(super) index: Count,
    #[serde(borrow, alias = "delta")]
    pub(super) message: Maybe<Message<'a>>,
    #[serde(borrow)]
    pub(super) finish_reason: Text<'a>,
    #[serde(borrow)]
    pub(super) logprobs: Maybe<Logprobs<'a>>,
    /// Moonshot tells a stream's usage here.
    usage: Maybe<OpenaiUsage>,
}

/// How likely a choice's tokens were.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Logprobs<'a> {
    #[serde(borrow)]
    content: Many<Token<'a>>,
    #[serde(borrow)]
    refusal: Many<Token<'a>>,
}

/// The scored tokens of a choice's text and of its refusal.
#[derive(Default)]
pub(super) struct Scored {
    pub(super) text: Vec<ScoredToken>,
    pub(super) refusal: Vec<ScoredToken>,
}

impl Picture<'_> {
    /// Where its bytes are; `None` when that is nowhere.
    pub(super) fn source(&self) -> Option<Source> {
        let url = self.image_url.0.as_ref()?.url.filled()?;
        source_of(url.to_owned(), "").ok()
    }
}

impl ToldChoice<'_> {
    /// Its scored tokens, as the choice in this place.
    pub(super) fn scored(&self, place: usize, losses: &mut Losses) -> Scored {
        let Maybe(Some(told)) = &self.logprobs else { return Scored::default() };
        let at = tokens_at(place);
        Scored {
            text: logprobs::read(&told.content, &at, losses),
            refusal: logprobs::read(&told.refusal, &at, losses),
        }
    }
}

/// Where a choice's scored tokens stand.
pub(super) fn tokens_at(place: usize) -> String {
    format!("choices[{place}].logprobs")
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) content: Said<'a>,
    #[serde(borrow)]
    pub(super) reasoning_content: Text<'a>,
    #[serde(borrow)]
    pub(super) reasoning: Text<'a>,
    #[serde(borrow)]
    pub(super) reasoning_details: Many<Detail<'a>>,
    #[serde(borrow)]
    pub(super) refusal: Text<'a>,
    #[serde(borrow)]
    pub(super) tool_calls: Many<Call<'a>>,
    pub(super) annotations: Filled,
    #[serde(borrow)]
    pub(super) audio: Maybe<Audio<'a>>,
    #[serde(borrow)]
    pub(super) images: Many<Picture<'a>>,
}

/// A picture that the model made, where OpenRouter tells it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Picture<'a> {
    #[serde(borrow)]
    image_url: Maybe<Address<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Address<'a> {
    #[serde(borrow)]
    url: Text<'a>,
}

impl Message<'_> {
    /// Members that hold something no other format takes.
    pub(super) fn losses(&self) -> impl Iterator<Item = &'static str> + use<> {
        let found = [
            ("annotations", self.annotations.0),
            ("audio", self.audio.0.is_some()),
            ("images", self.images.0.iter().any(|it| it.source().is_none())),
        ];
        found.into_iter().filter(|(_, it)| *it).map(|(name, _)| name)
    }

    /// Whether it says something, and no text.
    pub(super) fn is_textless(&self) -> bool {
        let says_text = match &self.content {
            Said::Nothing => false,
            Said::Text(text) => !text.is_empty(),
            Said::List(pieces) => pieces.iter().any(|it| it.text.filled().is_some()),
        };
        let says_more = self.thought().is_some() || self.refusal.filled().is_some();
        !says_text && (says_more || !self.tool_calls.0.is_empty())
    }

    /// The thinking's text, by whichever name.
    pub(super) fn thought(&self) -> Option<&str> {
        self.reasoning_content.filled().or(self.reasoning.filled())
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Detail<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow)]
    signature: Text<'a>,
    #[serde(borrow)]
    data: Text<'a>,
}

impl Detail<'_> {
    /// The seal in it, and whether the thinking is hidden.
    pub(super) fn seal(&self) -> Option<(Signature, bool)> {
        let read = |it: &str| Signature::read(it.to_owned(), tollgate_core::Format::OpenaiChat);
        if self.r#type.filled() == Some("reasoning.encrypted") {
            self.data.filled().map(|it| (read(it), true))
        } else {
            self.signature.filled().map(|it| (read(it), false))
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Call<'a> {
    pub(super) index: Count,
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) function: Maybe<Function<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Function<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) arguments: Text<'a>,
}

/// A spoken answer; what is said in it is carried over, its sound is not.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Audio<'a> {
    #[serde(borrow)]
    pub(super) transcript: Text<'a>,
}

/// `content`: a text, or Mistral's list of texts and thinking.
#[derive(Debug, Default)]
pub(super) enum Said<'a> {
    #[default]
    Nothing,
    Text(Cow<'a, str>),
    List(Vec<Piece<'a>>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Piece<'a> {
    #[serde(borrow)]
    pub(super) text: Text<'a>,
    #[serde(borrow)]
    pub(super) thinking: Many<Inner<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Inner<'a> {
    #[serde(borrow)]
    pub(super) text: Text<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Said<'a> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Said<'de>;
            expects_anything!();
            absent!(bool number null object);

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Said::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Said::Text(Cow::Borrowed(text)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut pieces = Vec::new();
                while let Some(Maybe(piece)) = seq.next_element()? {
                    pieces.extend(piece);
                }
                Ok(Said::List(pieces))
            }
        }
        source.deserialize_any(Read)
    }
}

impl Body<'_> {
    /// The usage, wherever the server tells it.
    pub(super) fn usage(&self) -> Option<Usage> {
        let beside = self.x_groq.0.as_ref().and_then(|it| it.usage.0.as_ref());
        let in_choice = self.choices.0.iter().rev().find_map(|it| it.usage.0.as_ref());
        self.usage.0.as_ref().or(in_choice).or(beside).map(OpenaiUsage::normalised)
    }
}

/// Reads a whole answer.
pub(in crate::translate) fn read(
    json: &[u8],
    config: &GenerateConfig<'_>,
    losses: &mut Losses,
) -> Result<Answer, Failure> {
    let body: Body<'_> = serde_json::from_slice(json).map_err(|_| failure::not_json())?;
    if let Fault(Some(fault)) = &body.error {
        return Err(failure::in_answer(&fault.told()));
    }
    let usage = body.usage().unwrap_or_default();
    let (id, model) = (body.id.filled(), body.model.filled());
    let id_base = id.unwrap_or(config.fallback_id);
    let mut calls = 0;
    let mut found = Vec::new();
    for (number, choice) in numbers(body.choices.0.iter().map(|it| it.index.0)).zip(&body.choices.0)
    {
        let place = place(number, config.plan.answers)?;
        found.push((place, self::choice(choice, place, id_base, &mut calls, losses)));
    }
    found.sort_by_key(|it| it.0);
    if found.iter().enumerate().any(|(place, it)| it.0 != place) {
        return Err(failure::broken("the provider's choices are not numbered one by one"));
    }
    let choices = PerChoice::of(found.into_iter().map(|it| it.1))
        .ok_or_else(|| failure::broken("the provider's answer holds no choice"))?;
    let (id, model) = (id.map(str::to_owned), model.map(str::to_owned));
    Ok(Answer { id, model, choices, usage })
}

fn choice(
    told: &ToldChoice<'_>,
    place: usize,
    id_base: &str,
    calls: &mut usize,
    losses: &mut Losses,
) -> Choice {
    let at = element("choices", place);
    let scored = told.scored(place, losses);
    let nothing = Message::default();
    let message = told.message.0.as_ref().unwrap_or(&nothing);
    for name in message.losses() {
        losses.note(format!("{at}.message.{name}"), "has no counterpart");
    }
    let stop = stop_of(told.finish_reason.filled().unwrap_or_default());
    // Some servers end a call with `stop`.
    let called = !message.tool_calls.0.is_empty();
    let stop = if called && stop == Stop::End { Stop::ToolUse } else { stop };
    let mut parts = parts(message, id_base, calls);
    let is_text = |it: &Content| matches!(it, Content::Text(_));
    let is_refusal = |it: &Content| matches!(it, Content::Refusal(_));
    for (tokens, is_theirs) in
        [(scored.text, is_text as fn(&Content) -> bool), (scored.refusal, is_refusal)]
    {
        match parts.iter_mut().find(|it| is_theirs(&it.content)) {
            Some(part) => part.tokens = tokens,
            None if tokens.is_empty() => {}
            None => losses.note(tokens_at(place), TEXTLESS),
        }
    }
    Choice { parts, stop }
}

/// The parts of a message; ids that are missing are made up by how many `calls` came before.
fn parts(message: &Message<'_>, id_base: &str, calls: &mut usize) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut put = |content| parts.push(Part::new("", content));
    let mut signature = None;
    let mut hidden = Vec::new();
    for (seal, is_hidden) in message.reasoning_details.0.iter().filter_map(Detail::seal) {
        if is_hidden { hidden.push(seal) } else { signature = signature.or(Some(seal)) }
    }
    let thought = message.thought().unwrap_or_default().to_owned();
    if !thought.is_empty() || signature.is_some() {
        put(Content::Thinking(Thinking { text: thought, signature }));
    }
    hidden.into_iter().for_each(|it| put(Content::Redacted(it)));
    match &message.content {
        Said::Nothing => {}
        Said::Text(text) if text.is_empty() => {}
        Said::Text(text) => put(Content::Text(text.to_string())),
        Said::List(pieces) => {
            for piece in pieces {
                let thought = piece.thinking.0.iter().filter_map(|it| it.text.filled());
                let thought: String = thought.collect();
                if !thought.is_empty() {
                    put(Content::Thinking(Thinking { text: thought, signature: None }));
                }
                if let Some(text) = piece.text.filled() {
                    put(Content::Text(text.to_owned()));
                }
            }
        }
    }
    let spoken = message.audio.0.as_ref().and_then(|it| it.transcript.filled());
    if let Some(spoken) = spoken {
        put(Content::Text(spoken.to_owned()));
    }
    message.images.0.iter().filter_map(Picture::source).for_each(|it| put(Content::Image(it)));
    if let Some(refusal) = message.refusal.filled() {
        put(Content::Refusal(refusal.to_owned()));
    }
    for call in &message.tool_calls.0 {
        let id = call.id.filled().map_or_else(|| made_up_id(id_base, *calls), str::to_owned);
        *calls += 1;
        let function = call.function.0.as_ref();
        let text = |it: Option<&Text<'_>>| it.and_then(Text::filled).unwrap_or_default().to_owned();
        put(Content::ToolCall(ToolCall {
            id,
            name: text(function.map(|it| &it.name)),
            arguments: text(function.map(|it| &it.arguments)),
        }));
    }
    parts
}

/// An id for a call that came without one: distinct in its answer, and in the conversation because
/// answers' ids are.
pub(in crate::translate) fn made_up_id(answer_id: &str, number: usize) -> String {
    let plain = |it: &char| it.is_ascii_alphanumeric() || *it == '_' || *it == '-';
    let base: String = answer_id.chars().filter(plain).take(ID_BASE_CHARS).collect();
    format!("call_{base}_{number}")
}

/// Some servers take ids of at most forty characters.
const ID_BASE_CHARS: usize = 28;

/// Writes a whole answer.
pub(in crate::translate) fn write(answer: &Answer, config: &GenerateConfig<'_>) -> Value {
    let choices = answer.choices.iter().enumerate().map(|(index, it)| {
        json!({
            "index": index,
            "message": message(&it.parts, config.plan.functions),
            "logprobs": logprobs_of(&it.parts),
            "finish_reason": finish_reason(&it.stop, config.plan.functions),
        })
    });
    let mut body = json!({
        "id": answer.id.as_deref().unwrap_or(config.fallback_id),
        "object": "chat.completion",
        "created": config.created_s,
        "model": answer.model.as_deref().unwrap_or(&config.plan.model),
        "choices": choices.collect::<Vec<_>>(),
    });
    if let (Value::Object(members), Some(usage)) = (&mut body, usage_of(&answer.usage)) {
        members.insert("usage".to_owned(), usage);
    }
    body
}

/// What a choice's `logprobs` hold.
#[derive(Serialize)]
pub(super) struct LogprobsOut<'a> {
    content: Option<Vec<TokenOut<'a>>>,
    refusal: Option<Vec<TokenOut<'a>>>,
}

impl<'a> LogprobsOut<'a> {
    /// `None` where there are no tokens.
    pub(super) fn of(text: &'a [ScoredToken], refusal: &'a [ScoredToken]) -> Option<Self> {
        let list = |it: &'a [ScoredToken]| {
            (!it.is_empty()).then(|| logprobs::write(it, BytesAs::ListOrNull))
        };
        let it = Self { content: list(text), refusal: list(refusal) };
        (it.content.is_some() || it.refusal.is_some()).then_some(it)
    }
}

fn logprobs_of(parts: &[Part]) -> Value {
    let (mut text, mut refusal) = (Vec::new(), Vec::new());
    for part in parts {
        let is_refusal = matches!(part.content, Content::Refusal(_));
        if is_refusal { &mut refusal } else { &mut text }.extend_from_slice(&part.tokens);
    }
    json!(LogprobsOut::of(&text, &refusal))
}

/// The message of a choice; whether the client knows calls of one function only.
fn message(parts: &[Part], functions: bool) -> Map<String, Value> {
    let (mut text, mut thought, mut refusal) = (String::new(), String::new(), String::new());
    let (mut calls, mut details, mut images) = (Vec::new(), Vec::new(), Vec::new());
    let mut before: Option<&Part> = None;
    for part in parts {
        let sealed_before = before.replace(part).and_then(|it| it.content.seal());
        let seal = sealed_before.and_then(|_| details.len().checked_sub(1));
        match &part.content {
            Content::Image(it) => images.extend(made_picture(it, images.len(), seal)),
            Content::Text(it) => text.push_str(it),
            Content::Refusal(it) => refusal.push_str(it),
            Content::Thinking(it) => {
                thought.push_str(&it.text);
                let index = details.len();
                let seal = it.signature.as_ref();
                details.extend(seal.map(|seal| sealed(seal, it.text.len(), index)));
            }
            Content::Redacted(it) => details.push(redacted(it, details.len())),
            Content::ToolCall(it) => calls.push(it),
            // Readers of answers make none of these.
            Content::Document { .. } | Content::Audio { .. } | Content::ToolResult(_) => {}
        }
    }
    let filled = |it: String| if it.is_empty() { Value::Null } else { it.into() };
    let mut message = Map::new();
    message.insert("role".to_owned(), "assistant".into());
    message.insert("content".to_owned(), filled(text));
    message.insert("refusal".to_owned(), filled(refusal));
    if !thought.is_empty() {
        message.insert("reasoning_content".to_owned(), thought.into());
    }
    if let (true, Some(call)) = (functions, calls.first()) {
        message.insert("function_call".to_owned(), functions::function_call(call));
        calls.clear();
    }
    let calls: Vec<Value> = calls.into_iter().map(super::write::tool_call).collect();
    for (name, list) in [("images", images), ("reasoning_details", details), ("tool_calls", calls)]
    {
        if !list.is_empty() {
            message.insert(name.to_owned(), list.into());
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_ids_hold_only_what_every_format_takes() {
        assert_eq!(made_up_id("chatcmpl-9xA/ü", 2), "call_chatcmpl-9xA_2");
        assert!(made_up_id(&"x".repeat(100), 127).len() <= 40);
    }
}
