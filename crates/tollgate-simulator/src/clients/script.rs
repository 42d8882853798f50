//! What each personality says, call by call.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::http_client::Answer;
use crate::CONTROL_HEADER;

/// The course that a personality's calls take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    Notes,
    Ingest,
    CodeReview,
    Translate,
    Flaky,
}

/// A call to make.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// Messages after which a conversation starts anew.
const MESSAGES_MAX: usize = 16;

/// How far a personality has come.
#[derive(Debug)]
pub(crate) struct Session {
    script: Script,
    name: &'static str,
    step: usize,
    messages: Vec<Value>,
}

impl Session {
    pub(crate) fn new(script: Script, name: &'static str) -> Self {
        Self { script, name, step: 0, messages: Vec::new() }
    }

    /// The next call.
    pub(crate) fn plan(&mut self) -> Plan {
        let step = self.step;
        self.step += 1;
        match self.script {
            Script::Notes => self.notes(step),
            Script::Ingest => self.ingest(step),
            Script::CodeReview => self.code_review(step),
            Script::Translate => self.translate(step),
            Script::Flaky => self.flaky(step),
        }
    }

    /// Takes from an answer what the next call depends on.
    pub(crate) fn learn(&mut self, answer: &Answer) {
        match self.script {
            Script::Notes => {
                let text: String = events(answer)
                    .iter()
                    .filter_map(|it| it["choices"][0]["delta"]["content"].as_str())
                    .collect();
                self.messages.push(json!({"role": "assistant", "content": text}));
            }
            Script::CodeReview => self.learn_review(answer),
            Script::Ingest | Script::Translate | Script::Flaky => {}
        }
    }

    fn notes(&mut self, step: usize) -> Plan {
        const NOTES: &[&str] = &[
            "Note: the heating engineer comes on Thursday at nine.",
            "What did I write down about the heating?",
            "Note: idea for the talk – begin with the bill, not with the diagram.",
            "Summarise today's notes in two sentences.",
        ];
        let unanswered = self.messages.last().is_some_and(|it| it["role"] == "user");
        if self.messages.len() >= MESSAGES_MAX || unanswered {
            self.messages.clear();
        }
        self.messages.push(json!({"role": "user", "content": pick(NOTES, step)}));
        let mut messages = vec![json!({"role": "system", "content": notes_rules()})];
        messages.extend(self.messages.iter().cloned());
        let body = json!({
            "model": "gpt-5-mini",
            "messages": messages,
            "reasoning_effort": "low",
            "stream": true,
            "stream_options": {"include_usage": true},
        });
        self.openai("/v1/chat/completions", body)
    }

    fn ingest(&self, step: usize) -> Plan {
        const DOCUMENTS: &[&str] = &[
            "Returns are accepted within thirty days of delivery.",
            "The pump must be bled after the filter has been changed.",
            "Minutes of the meeting of the housing association.",
            "Error E14: the door was open when the cycle began.",
        ];
        if step % 3 == 2 {
            let schema = json!({
                "type": "object",
                "properties": {
                    "label": {"type": "string", "enum": ["manual", "policy", "minutes"]},
                    "confidence": {"type": "number"},
                },
                "required": ["label", "confidence"],
                "additionalProperties": false,
            });
            let question = format!("Label this document: {}", pick(DOCUMENTS, step / 3));
            let body = json!({
                "model": "gpt-4.1-mini",
                "messages": [{"role": "user", "content": question}],
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "label", "strict": true, "schema": schema},
                },
            });
            return self.openai("/v1/chat/completions", body);
        }
        let chunk = |it| format!("{} (chunk {it})", pick(DOCUMENTS, step + it));
        let input: Vec<_> = (0..8).map(chunk).collect();
        let body = json!({
            "model": "text-embedding-3-small", "input": input, "encoding_format": "base64",
        });
        self.openai("/v1/embeddings", body)
    }

    fn code_review(&mut self, step: usize) -> Plan {
        const CHANGES: &[&str] = &[
            "Review the change to the basket: totals are now cached.",
            "Review the change to the login form: it trims the password.",
            "Review the new retry loop in the payment client.",
        ];
        let waits_for_user = self.messages.last().is_none_or(|it| it["role"] == "assistant");
        if waits_for_user {
            if self.messages.len() >= MESSAGES_MAX {
                self.messages.clear();
            }
            self.messages.push(json!({"role": "user", "content": pick(CHANGES, step / 2)}));
        }
        let model = if step % 8 < 6 { "claude-sonnet-4-5" } else { "claude-haiku-4-5" };
        let body = json!({
            "model": model,
            "max_tokens": 1024,
            "system": [{
                "type": "text",
                "text": review_rules(),
                "cache_control": {"type": "ephemeral"},
            }],
            "tools": [
                {
                    "name": "read_file",
                    "description": "Reads a file of the project.",
                    "input_schema": {
                        "type": "object",
                        "properties": {"path": {"type": "string"}},
                        "required": ["path"],
                    },
                },
                {
                    "name": "run_tests",
                    "description": "Runs the project's tests.",
                    "input_schema": {
                        "type": "object",
                        "properties": {"filter": {"type": "string"}},
                    },
                },
            ],
            "messages": self.messages,
            "stream": true,
        });
        let mut headers = HeaderMap::new();
        put(&mut headers, "x-api-key", &format!("sk-ant-simulated-{}", self.name));
        put(&mut headers, "anthropic-version", "2023-06-01");
        Plan { path: "/v1/messages".to_owned(), headers, body }
    }

    /// Keeps a reviewer's answer, and brings the results of the tools that it called.
    fn learn_review(&mut self, answer: &Answer) {
        let mut text = String::new();
        let mut calls = Vec::new();
        for event in events(answer) {
            text.push_str(event["delta"]["text"].as_str().unwrap_or_default());
            let block = &event["content_block"];
            if block["type"] == "tool_use" {
                calls.push(json!({
                    "type": "tool_use", "id": block["id"], "name": block["name"], "input": {},
                }));
            }
        }
        if calls.is_empty() {
            let text = if text.is_empty() { "(no answer)" } else { text.as_str() };
            self.messages.push(json!({"role": "assistant", "content": text}));
            return;
        }
        let result = |it: &Value| {
            json!({
                "type": "tool_result",
                "tool_use_id": it["id"],
                "content": "12 tests passed, 0 failed; total = sum(lines) in basket.rs:88",
            })
        };
        let results: Vec<_> = calls.iter().map(result).collect();
        self.messages.push(json!({"role": "assistant", "content": calls}));
        self.messages.push(json!({"role": "user", "content": results}));
    }

    fn translate(&self, step: usize) -> Plan {
        const PARAGRAPHS: &[&str] = &[
            "The key under the mat is for the neighbour, who waters the plants.",
            "Bins go out on Tuesday evening; the blue one every other week.",
            "If the lift stops, press the yellow button and wait for the voice.",
        ];
        const LANGUAGES: &[&str] = &["German", "Japanese", "Portuguese", "Greek"];
        let text =
            format!("Translate to {}: {}", pick(LANGUAGES, step), pick(PARAGRAPHS, step / 4));
        let body = json!({
            "contents": [{"role": "user", "parts": [{"text": text}]}],
            "generationConfig": {"thinkingConfig": {"thinkingBudget": 0}},
        });
        let model = if step % 5 == 4 { "gemini-2.5-pro" } else { "gemini-2.5-flash" };
        let mut headers = HeaderMap::new();
        put(&mut headers, "x-goog-api-key", &format!("AIza-simulated-{}", self.name));
        let path = format!("/v1beta/models/{model}:streamGenerateContent?alt=sse");
        Plan { path, headers, body }
    }

    fn flaky(&self, step: usize) -> Plan {
        const TROUBLE: &[&str] = &[
            "status=429,retry-after=2",
            "",
            "error_midstream",
            "",
            "status=503",
            "break_after=1500",
            "",
            "status=500,html",
        ];
        let body = json!({
            "model": "gpt-5-mini",
            "messages": [{"role": "user", "content": format!("Is experiment {step} stable?")}],
            "stream": true,
            "stream_options": {"include_usage": true},
        });
        let mut plan = self.openai("/v1/chat/completions", body);
        if step % 9 == 8 {
            plan = self.overloaded();
        } else {
            put(&mut plan.headers, CONTROL_HEADER, pick(TROUBLE, step));
        }
        plan
    }

    fn overloaded(&self) -> Plan {
        let body = json!({
            "model": "claude-haiku-4-5",
            "max_tokens": 64,
            "messages": [{"role": "user", "content": "Is anybody there?"}],
        });
        let mut headers = HeaderMap::new();
        put(&mut headers, "x-api-key", &format!("sk-ant-simulated-{}", self.name));
        put(&mut headers, "anthropic-version", "2023-06-01");
        put(&mut headers, CONTROL_HEADER, "status=529");
        Plan { path: "/v1/messages".to_owned(), headers, body }
    }

    fn openai(&self, path: &str, body: Value) -> Plan {
        let mut headers = HeaderMap::new();
        put(&mut headers, "authorization", &format!("Bearer sk-simulated-{}", self.name));
        Plan { path: path.to_owned(), headers, body }
    }
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

fn pick(texts: &[&'static str], step: usize) -> &'static str {
    texts.get(step % texts.len().max(1)).copied().unwrap_or_default()
}

/// The JSON of an event stream's events.
fn events(answer: &Answer) -> Vec<Value> {
    let text = String::from_utf8_lossy(&answer.body);
    let data = text.lines().filter_map(|it| it.strip_prefix("data:"));
    data.filter_map(|it| serde_json::from_str(it.trim()).ok()).collect()
}

/// Long enough that the simulated provider caches it.
fn notes_rules() -> String {
    let rule = "Keep notes short, keep names as they are written, keep dates absolute. ";
    format!("You keep a person's notes. {}", rule.repeat(60))
}

/// Long enough to be worth a cache mark.
fn review_rules() -> String {
    let rule = "Name the file and the line; say what breaks before you say what to change. ";
    format!("You review code for a small shop. {}", rule.repeat(80))
}
