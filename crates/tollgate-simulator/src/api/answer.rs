//! What a model would say: the same for every wire format, and always the same for the same
//! request.

use serde_json::{Map, Value, json};

use crate::{
    controls::Controls,
    rules::{PICTURE_TOKENS, count_tokens},
};

/// What a request asks of a model, whatever its wire format.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    /// Tokens of the whole prompt.
    pub(crate) prompt_tokens: u64,
    /// Tokens of what stands before the last message.
    pub(crate) prefix_tokens: u64,
    /// What the last message says; the answer depends on it.
    pub(crate) last_text: String,
    /// Whether the last message brings results of tools.
    pub(crate) has_results: bool,
    /// The functions on offer; empty if the caller forbids them.
    pub(crate) tools: Vec<Tool>,
    /// Whether more than one function may be called.
    pub(crate) parallel: bool,
    /// The JSON schema that the text must follow, or `Value::Null` for any JSON.
    pub(crate) json_schema: Option<Value>,
    /// Most tokens to generate.
    pub(crate) output_tokens_max: Option<u64>,
    /// Where to stop.
    pub(crate) stops: Vec<String>,
    /// How many alternatives to each token, where its log probability is asked for.
    pub(crate) likeliest: Option<u64>,
    /// Pictures asked for.
    pub(crate) pictures: Option<Pictures>,
}

/// Pictures that an answer is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pictures {
    /// Beside text.
    WithText,
    /// And nothing else.
    Alone,
}

impl Pictures {
    /// What a list of the answer's modes asks for.
    pub(crate) fn of(modes: &[String]) -> Option<Self> {
        let has = |mode: &str| modes.iter().any(|it| it.eq_ignore_ascii_case(mode));
        has("image").then(|| if has("text") { Self::WithText } else { Self::Alone })
    }
}

/// A picture that a model makes: one transparent pixel, a PNG in base64.
pub(crate) const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// A function on offer.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) schema: Value,
}

/// What the model says.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) tool_calls: Vec<ToolCall>,
    /// Whether there is a [`PICTURE`] after the text, and whether there is a text at all.
    pub(crate) picture: Option<Pictures>,
    pub(crate) stop: Stop,
    /// Tokens of the text and the tool calls, without reasoning.
    pub(crate) tokens: u64,
}

impl Answer {
    /// The part of the tokens that is pictures.
    pub(crate) fn picture_tokens(&self) -> u64 {
        self.picture.map_or(0, |_| PICTURE_TOKENS)
    }

    /// Its text; a picture alone has none, and neither have calls.
    pub(crate) fn said(&self) -> Option<&str> {
        let says = self.tool_calls.is_empty() && self.picture != Some(Pictures::Alone);
        says.then_some(self.text.as_str())
    }
}

/// A call of a function.
#[derive(Clone, Debug)]
pub(crate) struct ToolCall {
    pub(crate) name: String,
    /// A JSON object.
    pub(crate) arguments: Value,
}

/// Why the model stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    End,
    Length,
    Sequence(String),
    Tools,
}

/// How many functions are called at once when the caller allows several.
const PARALLEL_CALLS: usize = 2;

/// How deep a value for a schema may nest.
const SCHEMA_DEPTH_MAX: usize = 16;

/// Sentences to answer with. Characters of two, three and four bytes are in some of them.
const SENTENCES: &[&str] = &[
    "The request arrived and was counted to the last token.",
    "Nothing was sent anywhere, so nothing will be billed.",
    "Naïve splitting would break this: café, 東京, 🦀 and so on.",
    "Three things stand out: the input, the output and the time between them.",
    "A short answer is often the better one.",
    "In the second step the values are compared and the difference is kept.",
    "Übermäßige Länge hilft niemandem; kurze Sätze schon.",
    "The list is complete, the order is stable, and the total agrees.",
];

/// What every generated text begins with.
const OPENING: &str = "This is a simulated answer 🦀.";

/// Says what the model says.
pub(crate) fn compose(ask: &Ask, controls: &Controls) -> Answer {
    choice(ask, controls, 0)
}

/// Says it so many times, each time a little differently.
pub(crate) fn choices(ask: &Ask, controls: &Controls, count: usize) -> Vec<Answer> {
    (0..count).map(|number| choice(ask, controls, number)).collect()
}

fn choice(ask: &Ask, controls: &Controls, number: usize) -> Answer {
    if !ask.tools.is_empty() && !ask.has_results && !controls.text_only {
        return calls(ask, controls, number);
    }
    let mut text = match (&ask.json_schema, controls.text_bytes) {
        (_, Some(bytes)) => text_of_length(bytes),
        (Some(schema), None) if schema.is_null() => json!({"simulated": true}).to_string(),
        (Some(schema), None) => example(schema, "answer", schema, 0).to_string(),
        (None, None) if controls.echo => ask.last_text.clone(),
        (None, None) => sentences(&ask.last_text, number),
    };
    let mut stop = Stop::End;
    let found = ask.stops.iter().filter(|it| !it.is_empty());
    let found = found.filter_map(|it| Some((text.find(it.as_str())?, it))).min();
    if let Some((at, sequence)) = found {
        stop = Stop::Sequence(sequence.clone());
        text.truncate(at);
    }
    let limit = ask.output_tokens_max.filter(|_| controls.text_bytes.is_none());
    if let Some(max) = limit.filter(|it| *it < count_tokens(&text)) {
        stop = Stop::Length;
        let bytes = usize::try_from(max).unwrap_or(usize::MAX).saturating_mul(4);
        text.truncate(text.floor_char_boundary(bytes));
    }
    let picture = ask.pictures;
    if picture == Some(Pictures::Alone) {
        text.clear();
    }
    let mut answer = Answer { text, tool_calls: Vec::new(), picture, stop, tokens: 0 };
    answer.tokens = count_tokens(&answer.text) + answer.picture_tokens();
    answer
}

fn calls(ask: &Ask, controls: &Controls, number: usize) -> Answer {
    let count = if ask.parallel { PARALLEL_CALLS } else { 1 };
    let call = |tool: &Tool| ToolCall {
        name: tool.name.clone(),
        arguments: if controls.echo {
            json!({ "text": ask.last_text })
        } else {
            object(&tool.schema, &tool.schema, 0)
        },
    };
    let called = ask.tools.iter().cycle().skip(number).take(count.min(ask.tools.len()));
    let tool_calls: Vec<_> = called.map(call).collect();
    let tokens_of =
        |it: &ToolCall| count_tokens(&it.name) + count_tokens(&it.arguments.to_string());
    let tokens = tool_calls.iter().map(tokens_of).sum();
    Answer { text: String::new(), tool_calls, picture: None, stop: Stop::Tools, tokens }
}

fn sentences(last_text: &str, number: usize) -> String {
    let hash = fnv1a(last_text.as_bytes());
    let count = SENTENCES.len();
    let at = |shift: u32| usize::try_from((hash >> shift) & 0xff).unwrap_or(0) % count;
    let many = 2 + at(8) % 4;
    let mut text = OPENING.to_owned();
    for step in 0..many {
        text.push(' ');
        text.push_str(SENTENCES[(at(16) + number + step * (1 + 2 * (at(24) % 2))) % count]);
    }
    text
}

/// FNV-1a, 64 bits (draft-eastlake-fnv).
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn text_of_length(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 128);
    text.push_str(OPENING);
    let mut sentences = SENTENCES.iter().cycle();
    while text.len() < bytes {
        text.push(' ');
        text.push_str(sentences.next().copied().unwrap_or_default());
    }
    text.truncate(text.floor_char_boundary(bytes));
    while text.len() < bytes {
        text.push('.');
    }
    text
}

/// A value that a JSON schema allows, as far as types, `enum`, `const`, `required`, `$ref` into
/// `$defs` and lower bounds go.
fn example(schema: &Value, name: &str, root: &Value, depth: usize) -> Value {
    if depth > SCHEMA_DEPTH_MAX {
        return Value::Null;
    }
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = reference.strip_prefix('#').and_then(|it| root.pointer(it));
        return target.map_or(Value::Null, |it| example(it, name, root, depth + 1));
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(value) = schema.get("enum").and_then(|it| it.get(0)) {
        return value.clone();
    }
    for any in ["anyOf", "oneOf"] {
        if let Some(first) = schema.get(any).and_then(|it| it.get(0)) {
            return example(first, name, root, depth + 1);
        }
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
        Some(kind) => kind.as_str(),
        None => None,
    };
    // Gemini writes the types in capitals.
    match kind.map(str::to_ascii_lowercase).as_deref() {
        Some("string") => json!(format!("simulated {name}")),
        Some("integer") => schema.get("minimum").cloned().unwrap_or(json!(7)),
        Some("number") => schema.get("minimum").cloned().unwrap_or(json!(0.5)),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some("array") => {
            let item = schema.get("items").map(|it| example(it, name, root, depth + 1));
            item.into_iter().collect()
        }
        _ => object(schema, root, depth),
    }
}

fn object(schema: &Value, root: &Value, depth: usize) -> Value {
    let properties = schema.get("properties").and_then(Value::as_object);
    let value = |(name, property): (&String, &Value)| {
        (name.clone(), example(property, name, root, depth + 1))
    };
    properties.into_iter().flatten().map(value).collect::<Map<_, _>>().into()
}

/// Cuts a text into the pieces it streams in: words with the space before them, or as many equal
/// pieces as the controls ask for. Joined, they are the text again.
pub(crate) fn stream_pieces<'a>(text: &'a str, controls: &Controls) -> Vec<&'a str> {
    match controls.pieces {
        None => words(text),
        Some(count) => equal_pieces(text, count),
    }
}

fn words(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(' ') {
        if at > start {
            pieces.push(&text[start..at]);
            start = at;
        }
    }
    if start < text.len() {
        pieces.push(&text[start..]);
    }
    pieces
}

fn equal_pieces(text: &str, count: usize) -> Vec<&str> {
    let ends = (1..=count).map(|it| text.floor_char_boundary(text.len() * it / count));
    let mut start = 0;
    let cut = ends.map(|end| {
        let piece = &text[start..end];
        start = end;
        piece
    });
    cut.collect()
}

/// The size of the fragments in which arguments of functions stream.
const FRAGMENT_BYTES: usize = 12;

/// Cuts the JSON of arguments into fragments that are no JSON by themselves.
pub(crate) fn fragments(json: &str) -> Vec<&str> {
    equal_pieces(json, json.len().div_ceil(FRAGMENT_BYTES).max(1))
}
