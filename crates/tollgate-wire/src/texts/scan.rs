//! One walk through a JSON body.
//!
//! Written here rather than done with `serde_json`, which says of a string inside a value what it says
//! but not where it stands. The body was read by `serde_json` before, so that the walk meets JSON alone.

use memchr::memchr2;
use serde::de::IgnoredAny;
use tollgate_core::guardrail::Speaker;

use super::{Place, Text, literal::unescaped};

/// Members whose values say nothing, and must stay as they are.
const NOT_SAID: [&str; 40] = [
    "id",
    "type",
    "role",
    "name",
    "model",
    "object",
    "status",
    "signature",
    "thoughtSignature",
    "thought_signature",
    "encrypted_content",
    "encrypted_index",
    "redactedContent",
    "tool_use_id",
    "tool_call_id",
    "toolUseId",
    "call_id",
    "item_id",
    "response_id",
    "responseId",
    "previous_response_id",
    "file_id",
    "fileId",
    "fileUri",
    "file_uri",
    "container",
    "cachedContent",
    "cached_content",
    "prompt_cache_key",
    "safety_identifier",
    "system_fingerprint",
    "finish_reason",
    "finishReason",
    "stop_reason",
    "stopReason",
    "media_type",
    "mimeType",
    "mime_type",
    "modelVersion",
    "service_tier",
];

/// Members that hold a file in base64, where they do.
const FILES: [&str; 6] = ["data", "bytes", "file_data", "fileData", "b64_json", "result"];

/// Members below the outermost ones whose values have the names that a tool gives them.
const OF_TOOLS: [&str; 6] = ["arguments", "args", "input", "response", "json", "structuredContent"];

/// Members that say which choice, block or call something is a part of.
const NUMBERS: [&str; 5] =
    ["index", "output_index", "content_index", "summary_index", "contentBlockIndex"];

/// Added to the numbers of a part that is the model's thought, which otherwise looks like its answer.
const THOUGHT: u64 = 1 << 32;

/// What a walk found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scanned<'a> {
    pub(crate) texts: Vec<Text<'a>>,
    /// The outermost number that the body tells of a choice, block or item.
    pub(crate) number: Option<u64>,
    /// Whether it says why an answer is at its end.
    pub(crate) finishes: bool,
    /// The outermost `type`.
    pub(crate) kind: &'a str,
}

/// An object or list that is not closed yet.
#[derive(Default)]
struct Frame<'a> {
    is_list: bool,
    /// The member at hand.
    key: &'a str,
    item: usize,
    /// Where `key` is expected next.
    wants_key: bool,
    /// How long the path to it is.
    path: usize,
    first_text: usize,
    speaker: Option<Speaker>,
    number: Option<u64>,
    inner_number: Option<u64>,
    is_thought: bool,
    /// Whether its members have names of a tool's.
    of_tool: bool,
}

struct Walk<'a> {
    body: &'a str,
    at: usize,
    frames: Vec<Frame<'a>>,
    path: String,
    found: Scanned<'a>,
    /// How deep the outermost number stands.
    number_depth: usize,
}

/// Walks through a body; `None` when it is not JSON.
pub(crate) fn scan(body: &[u8]) -> Option<Scanned<'_>> {
    let text = std::str::from_utf8(body).ok()?;
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut walk = Walk {
        body: text,
        at: 0,
        frames: Vec::new(),
        path: String::new(),
        found: Scanned::default(),
        number_depth: usize::MAX,
    };
    walk.run();
    Some(walk.found)
}

impl<'a> Walk<'a> {
    fn run(&mut self) {
        while let Some(byte) = self.body.as_bytes().get(self.at) {
            match byte {
                b'{' | b'[' => self.open(*byte == b'['),
                b'}' | b']' => self.close(),
                b'"' => self.string(),
                b',' => self.next_item(),
                b':' | b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                _ => self.scalar(),
            }
        }
    }

    fn open(&mut self, is_list: bool) {
        let depth = self.frames.len();
        let of_tool = self
            .frames
            .last()
            .is_some_and(|it| it.of_tool || (depth > 1 && OF_TOOLS.contains(&it.key)));
        let path = self.enter();
        let first_text = self.found.texts.len();
        let speaker = self.frames.last().and_then(|it| speaker_of_member(it.key));
        let frame = Frame {
            is_list,
            wants_key: !is_list,
            path,
            first_text,
            speaker,
            of_tool,
            ..Frame::default()
        };
        self.frames.push(frame);
        self.at += 1;
    }

    /// Lengthens the path by the member at hand; says how long it was.
    fn enter(&mut self) -> usize {
        let before = self.path.len();
        if let Some(frame) = self.frames.last().filter(|it| !it.is_list) {
            if before > 0 {
                self.path.push('.');
            }
            self.path.push_str(frame.key);
        }
        before
    }

    fn close(&mut self) {
        self.at += 1;
        let Some(frame) = self.frames.pop() else { return };
        self.path.truncate(frame.path);
        let depth = self.frames.len();
        let inside = self.found.texts.get_mut(frame.first_text..).unwrap_or_default();
        for text in inside {
            if let Some(speaker) = frame.speaker
                && text.speaker == Speaker::User
            {
                text.speaker = speaker;
            }
            text.numbers.extend(frame.inner_number);
            text.numbers.extend(frame.number);
            if frame.is_thought {
                text.numbers.push(THOUGHT);
            }
        }
        if let Some(number) = frame.number
            && depth < self.number_depth
        {
            self.number_depth = depth;
            self.found.number = Some(number);
        }
    }

    fn next_item(&mut self) {
        self.at += 1;
        if let Some(frame) = self.frames.last_mut() {
            frame.item += 1;
            frame.wants_key = !frame.is_list;
        }
    }

    /// A member's name, or a value that is a string.
    fn string(&mut self) {
        let start = self.at + 1;
        let end = self.end_of_string(start);
        let raw = self.body.get(start..end).unwrap_or_default();
        self.at = end + 1;
        match self.frames.last_mut() {
            Some(frame) if frame.wants_key => {
                frame.key = raw;
                frame.wants_key = false;
            }
            Some(_) | None => self.value(raw, start),
        }
    }

    /// Where the quote stands that ends a string.
    fn end_of_string(&self, start: usize) -> usize {
        let bytes = self.body.as_bytes();
        let mut at = start;
        while let Some(found) = bytes.get(at..).and_then(|it| memchr2(b'"', b'\\', it)) {
            at += found;
            if bytes.get(at) == Some(&b'"') {
                return at;
            }
            at += 2;
        }
        bytes.len()
    }

    fn value(&mut self, raw: &'a str, at: usize) {
        let depth = self.frames.len();
        let Some(frame) = self.frames.last_mut() else { return };
        let key = if frame.is_list { "" } else { frame.key };
        if !frame.of_tool {
            match key {
                "role" => frame.speaker = speaker_of_role(raw).or(frame.speaker),
                "type" => {
                    frame.speaker = speaker_of_type(raw).or(frame.speaker);
                    if depth == 1 {
                        self.found.kind = raw;
                    }
                }
                "finish_reason" | "finishReason" if !raw.is_empty() => self.found.finishes = true,
                _ => {}
            }
            if NOT_SAID.contains(&key) || raw.is_empty() && !is_piece(&self.path, key) {
                return;
            }
            if is_file(key, raw) {
                return;
            }
        }
        let of_tool = frame.of_tool;
        let place = self.place();
        let path_before = self.enter();
        let path = self.path.clone();
        self.path.truncate(path_before);
        let is_json = !of_tool && self.is_json(key, &path);
        self.found.texts.push(Text {
            text: unescaped(raw),
            speaker: speaker_of_member(place.member).unwrap_or(Speaker::User),
            place,
            is_json,
            path,
            numbers: Vec::new(),
            raw,
            at,
        });
    }

    /// Whether the string holds JSON: what a model gives to a tool, in the formats that write it so.
    fn is_json(&self, key: &str, path: &str) -> bool {
        match key {
            "arguments" | "partial_json" => true,
            "input" => path.ends_with("toolUse.input"),
            "delta" => self.found.kind.contains("arguments"),
            _ => false,
        }
    }

    fn place(&self) -> Place<'a> {
        let member = self.frames.first().map_or("", |it| if it.is_list { "" } else { it.key });
        let item = self.frames.get(1).filter(|it| it.is_list).map(|it| it.item);
        Place { member, item }
    }

    /// A number, `true`, `false` or `null`.
    fn scalar(&mut self) {
        let rest = self.body.get(self.at..).unwrap_or_default();
        let end = rest.find([',', '}', ']', ' ', '\n', '\r', '\t']).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        self.at += end.max(1);
        let Some(frame) = self.frames.last_mut() else { return };
        if frame.is_list || frame.of_tool {
            return;
        }
        match frame.key {
            // The item comes before its part, in whichever order they stand.
            "content_index" | "summary_index" => frame.inner_number = word.parse().ok(),
            key if NUMBERS.contains(&key) => frame.number = word.parse().ok(),
            "thought" => frame.is_thought = word == "true",
            _ => {}
        }
    }
}

/// Whether an empty string is a piece of a text that comes in pieces: its place must be known.
fn is_piece(path: &str, key: &str) -> bool {
    matches!(key, "delta" | "text")
        || path.starts_with("delta")
        || path.starts_with("choices.delta")
}

fn is_file(key: &str, raw: &str) -> bool {
    if raw.starts_with("data:") {
        let head = raw.get(..raw.floor_char_boundary(128)).unwrap_or(raw);
        return head.contains(";base64,");
    }
    let digit = |it: u8| it.is_ascii_alphanumeric() || b"+/=-_\\".contains(&it);
    FILES.contains(&key) && raw.len() >= 64 && raw.bytes().all(digit)
}

fn speaker_of_role(role: &str) -> Option<Speaker> {
    match role {
        "system" | "developer" => Some(Speaker::System),
        "assistant" | "model" => Some(Speaker::Assistant),
        "tool" | "function" => Some(Speaker::Tool),
        _ => None,
    }
}

fn speaker_of_type(kind: &str) -> Option<Speaker> {
    (kind.ends_with("tool_result") || kind.ends_with("_output")).then_some(Speaker::Tool)
}

fn speaker_of_member(name: &str) -> Option<Speaker> {
    match name {
        "system" | "instructions" | "systemInstruction" | "system_instruction" => {
            Some(Speaker::System)
        }
        "tools" | "toolConfig" | "functions" => Some(Speaker::Offer),
        "functionResponse" | "function_response" | "toolResult" => Some(Speaker::Tool),
        _ => None,
    }
}
