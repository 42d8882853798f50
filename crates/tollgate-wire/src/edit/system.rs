//! A text before or behind the system prompt, where each format has it.
//!
//! Texts are parted by an empty line; where a prompt is a list of parts, the text is a part of its
//! own, so that parts that a provider caches stay as they are.

use serde_json::value::RawValue;
use tollgate_core::{Format, Operation};

use super::{
    Effect,
    object::{Object, quoted},
};
use crate::members::place;

/// A text and its side of the prompt.
#[derive(Clone, Copy)]
pub(super) enum Text<'a> {
    Before(&'a str),
    Behind(&'a str),
}

impl<'a> Text<'a> {
    const fn text(self) -> &'a str {
        match self {
            Self::Before(text) | Self::Behind(text) => text,
        }
    }

    /// The text and the prompt that is there as one JSON string.
    fn joined(self, prompt: &str) -> String {
        match self {
            _ if prompt.is_empty() => quoted(self.text()),
            Self::Before(text) => quoted(&format!("{text}\n\n{prompt}")),
            Self::Behind(text) => quoted(&format!("{prompt}\n\n{text}")),
        }
    }

    /// The text as an element of the list that is there.
    fn inserted(self, list: &str, element: &str) -> Option<String> {
        let inside = list.trim().strip_prefix('[')?.strip_suffix(']')?;
        Some(match self {
            _ if inside.trim().is_empty() => format!("[{element}]"),
            Self::Before(_) => format!("[{element},{inside}]"),
            Self::Behind(_) => format!("[{inside},{element}]"),
        })
    }
}

const UNREADABLE: Effect = Effect::Impossible("the system prompt has a shape that is not known");

pub(super) fn add(
    request: &mut Object<'_>,
    format: Format,
    operation: Operation,
    text: Text<'_>,
) -> Effect {
    match operation {
        Operation::Generate | Operation::CountTokens => {}
        Operation::Embed | Operation::ListModels | Operation::Other => {
            return Effect::Impossible("such a request has no system prompt");
        }
    }
    match format {
        Format::OpenaiChat => chat(request, text),
        Format::OpenaiResponses => prompt(request, "instructions", text, None),
        Format::AnthropicMessages => prompt(request, "system", text, Some(&typed_part(text))),
        Format::Gemini if operation == Operation::CountTokens => gemini_count(request, text),
        Format::Gemini => gemini(request, text),
        Format::BedrockConverse if operation == Operation::Generate => bedrock(request, text),
        Format::BedrockConverse
        | Format::OpenaiEmbeddings
        | Format::CohereEmbed
        | Format::OllamaEmbed => Effect::Impossible("such a request has no system prompt"),
    }
}

/// A text part as OpenAI chat and Anthropic write it.
fn typed_part(text: Text<'_>) -> String {
    format!(r#"{{"type":"text","text":{}}}"#, quoted(text.text()))
}

/// A prompt in a member that is a text or, where such a `part` is given, a list of parts.
fn prompt(object: &mut Object<'_>, name: &str, text: Text<'_>, part: Option<&str>) -> Effect {
    let value = object.get(name).unwrap_or("null");
    let value = if value == "null" {
        Some(quoted(text.text()))
    } else if let Ok(prompt) = serde_json::from_str::<String>(value) {
        Some(text.joined(&prompt))
    } else {
        part.and_then(|part| text.inserted(value, part))
    };
    let Some(value) = value else { return UNREADABLE };
    object.put(name, value);
    Effect::Changed
}

/// The system prompt of a chat is the messages of the system or the developer that it begins with.
fn chat(request: &mut Object<'_>, text: Text<'_>) -> Effect {
    let Some(messages) = request.get("messages") else {
        return Effect::Impossible("the request has no `messages`");
    };
    let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(messages) else { return UNREADABLE };
    let leading = list.iter().take_while(|it| is_system(it.get())).count();
    let own = match text {
        Text::Before(_) => list.get(..leading).and_then(<[_]>::first),
        Text::Behind(_) => list.get(..leading).and_then(<[_]>::last),
    };
    let value = match own {
        None => {
            let message = format!(r#"{{"role":"system","content":{}}}"#, quoted(text.text()));
            Text::Before("").inserted(messages, &message)
        }
        Some(message) => {
            let Ok(mut object) = Object::parse(message.get()) else { return UNREADABLE };
            match prompt(&mut object, "content", text, Some(&typed_part(text))) {
                Effect::Changed => {}
                other @ (Effect::Unneeded | Effect::Impossible(_)) => return other,
            }
            let at = place(messages.as_bytes(), message.get());
            let (before, after) = (messages.get(..at.start), messages.get(at.end..));
            before.zip(after).map(|(before, after)| [before, &object.render(), after].concat())
        }
    };
    let Some(value) = value else { return UNREADABLE };
    request.put("messages", value);
    Effect::Changed
}

fn is_system(message: &str) -> bool {
    let role = Object::parse(message).ok();
    let role = role.as_ref().and_then(|it| it.get("role"));
    matches!(role, Some(r#""system""# | r#""developer""#))
}

/// Both spellings are the provider's own: JSON of protocol buffers takes either.
fn gemini(request: &mut Object<'_>, text: Text<'_>) -> Effect {
    let spelt = ["systemInstruction", "system_instruction"];
    let name = spelt.into_iter().find(|it| request.get(it).is_some_and(|it| it != "null"));
    let part = format!(r#"{{"text":{}}}"#, quoted(text.text()));
    let Some(name) = name else {
        request.put("systemInstruction", format!(r#"{{"parts":[{part}]}}"#));
        return Effect::Changed;
    };
    let Some(Ok(mut content)) = request.get(name).map(Object::parse) else { return UNREADABLE };
    let parts = match content.get("parts") {
        None | Some("null") => Some(format!("[{part}]")),
        Some(parts) => text.inserted(parts, &part),
    };
    let Some(parts) = parts else { return UNREADABLE };
    content.put("parts", parts);
    let content = content.render();
    request.put(name, content);
    Effect::Changed
}

/// A list of parts.
fn bedrock(request: &mut Object<'_>, text: Text<'_>) -> Effect {
    let part = format!(r#"{{"text":{}}}"#, quoted(text.text()));
    let parts = match request.get("system") {
        None | Some("null") => Some(format!("[{part}]")),
        Some(parts) => text.inserted(parts, &part),
    };
    let Some(parts) = parts else { return UNREADABLE };
    request.put("system", parts);
    Effect::Changed
}

/// A count has a system prompt only as part of the whole request that it may hold.
fn gemini_count(request: &mut Object<'_>, text: Text<'_>) -> Effect {
    let spelt = ["generateContentRequest", "generate_content_request"];
    for name in spelt {
        let Some(Ok(mut inner)) = request.get(name).map(Object::parse) else { continue };
        let effect = gemini(&mut inner, text);
        let inner = inner.render();
        request.put(name, inner);
        return effect;
    }
    Effect::Impossible("such a request has no system prompt")
}
