use super::*;

/// The recorded requests of a format that ask for an answer: name and body.
fn requests(format: Format) -> Vec<(String, Vec<u8>)> {
    let mut found = recorded_requests(format);
    found.retain(|(name, _)| !name.starts_with("embed"));
    assert!(found.len() >= 12, "only {} requests of {format}", found.len());
    found
}

fn shown(result: Result<TranslatedRequest, Refused>) -> String {
    let request = match result {
        Ok(request) => request,
        Err(refused) => return format!("refused: {refused}\n"),
    };
    let mut out = format!("POST {}\n{}\n", request.path, pretty(&request.body));
    for Loss { field, why } in request.losses {
        writeln!(out, "lost: {field}: {why}").unwrap();
    }
    out
}

#[test]
fn translates_every_recorded_request_to_every_format() {
    in_folder("translate/requests", || {
        for from in FORMATS {
            for (name, body) in requests(from) {
                let mut out = String::new();
                for to in providers(from) {
                    let told = shown(translate_request(&config(from, to), &body));
                    writeln!(out, "# {to}\n{told}").unwrap();
                }
                insta::assert_snapshot!(format!("{from}__{name}"), out);
            }
        }
    });
}

fn check_with(provider: Capabilities, from: Format, to: Format, body: &Value) -> Value {
    let config = RequestConfig { provider, ..config(from, to) };
    let request = translate_request(&config, body.to_string().as_bytes()).unwrap();
    serde_json::from_slice(&request.body).unwrap()
}

#[test]
fn tools_in_a_namespace_are_named_after_it() {
    let body = serde_json::json!({
        "model": "m",
        "input": [
            {"role": "user", "content": "Ask somebody."},
            {"type": "function_call", "call_id": "call_1", "namespace": "agents", "name": "spawn",
             "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "done"},
        ],
        "tools": [{"type": "namespace", "name": "agents", "description": "Agents.", "tools": [
            {"type": "function", "name": "spawn", "parameters": {"type": "object"}},
        ]}],
    });
    let config = config(Format::OpenaiResponses, Format::OpenaiChat);
    let request = translate_request(&config, body.to_string().as_bytes()).unwrap();
    let told: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(told["tools"][0]["function"]["name"], "agents__spawn");
    assert_eq!(told["messages"][1]["tool_calls"][0]["function"]["name"], "agents__spawn");
    let lost: Vec<_> = request.losses.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(lost, ["tools[0].description"]);
}

#[test]
fn a_providers_quirks_are_minded() {
    use Format::{AnthropicMessages, OpenaiChat};
    let quirks = Capabilities::default();
    let body = serde_json::json!({
        "model": "m", "max_tokens": 5000,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        ],
        "thinking": {"type": "enabled", "budget_tokens": 4000},
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
    });
    let old = Capabilities { old_max_tokens: true, text_only_content: true, ..quirks };
    let sent = check_with(old, AnthropicMessages, OpenaiChat, &body);
    assert_eq!(sent["max_tokens"], 5000);
    assert_eq!(sent["messages"][0]["content"], "a\n\nb");
    assert_eq!(sent["reasoning_effort"], "medium");
    let dull = Capabilities { no_reasoning: true, ..quirks };
    let sent = check_with(dull, AnthropicMessages, OpenaiChat, &body);
    assert_eq!(sent.get("reasoning_effort"), None);
    let chat = serde_json::json!({
        "messages": [{"role": "user", "content": "a"}], "reasoning_effort": "high",
        "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}},
    });
    let new = Capabilities { structured_output: true, adaptive_thinking: true, ..quirks };
    let sent = check_with(new, OpenaiChat, AnthropicMessages, &chat);
    assert_eq!(sent["thinking"], serde_json::json!({"type": "adaptive"}));
    assert_eq!(sent["output_config"]["effort"], "high");
    assert_eq!(sent["output_config"]["format"]["type"], "json_schema");
    assert_eq!(sent.get("tools"), None);
    let roomy = Capabilities { max_tokens_default: Some(64_000), ..quirks };
    let sent = check_with(roomy, OpenaiChat, AnthropicMessages, &chat);
    assert_eq!(sent["max_tokens"], 64_000 + 24_576);
    assert_eq!(sent["thinking"]["budget_tokens"], 24_576);
    let tight = Capabilities { max_tokens_limit: Some(32_000), ..quirks };
    let sent = check_with(tight, OpenaiChat, AnthropicMessages, &chat);
    assert_eq!(sent["max_tokens"], 32_000, "never more than the model makes");
}

#[test]
fn a_model_that_cannot_be_told_not_to_think_is_not_told() {
    let body = serde_json::json!({"contents": [{"parts": [{"text": "Hi"}]}],
        "generationConfig": {"topK": 3, "thinkingConfig": {"thinkingBudget": 0}}});
    let (from, to) = (Format::Gemini, Format::AnthropicMessages);
    let sent = check_with(Capabilities::default(), from, to, &body);
    assert_eq!((&sent["thinking"]["type"], &sent["top_k"]), (&"disabled".into(), &3.into()));
    let provider =
        Capabilities { no_thinking_off: true, no_sampling: true, ..Capabilities::default() };
    let config = RequestConfig { provider, ..config(from, to) };
    let request = translate_request(&config, body.to_string().as_bytes()).unwrap();
    let sent: Value = serde_json::from_slice(&request.body).unwrap();
    assert!(sent.get("thinking").is_none() && sent.get("top_k").is_none(), "{sent}");
    let lost: Vec<&str> = request.losses.iter().map(|it| it.field.as_str()).collect();
    assert!(lost.iter().any(|it| it.ends_with("topK")), "{lost:?}");
    assert!(lost.iter().any(|it| it.contains("thinkingConfig")), "{lost:?}");
}

#[test]
fn a_model_that_cannot_be_made_to_call_a_tool_is_not_asked_to() {
    let quirks = Capabilities { no_forced_tool: true, ..Capabilities::default() };
    let tool = |name: &str| serde_json::json!({"type": "function", "function": {"name": name}});
    let ask = |to: Format, provider: Capabilities, choice: Value, more: Value| {
        let mut body = serde_json::json!({
            "messages": [{"role": "user", "content": "a"}],
            "reasoning_effort": "high",
            "tools": [tool("f"), tool("g")],
            "tool_choice": choice,
        });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let config = RequestConfig { provider, ..config(Format::OpenaiChat, to) };
        translate_request(&config, body.to_string().as_bytes())
    };
    let anthropic = Format::AnthropicMessages;
    let none = serde_json::json!({});
    let among = |mode: &str| {
        let allowed = serde_json::json!({"mode": mode, "tools": [tool("f")]});
        serde_json::json!({"type": "allowed_tools", "allowed_tools": allowed})
    };
    let check = |choice: Value, forced: bool| {
        let asked = ask(anthropic, quirks, choice.clone(), none.clone());
        assert_eq!(
            asked.as_ref().err().map(|it| it.field.as_str()),
            forced.then_some("tool_choice")
        );
        if let Ok(sent) = asked {
            let sent: Value = serde_json::from_slice(&sent.body).unwrap();
            let kind = sent["tool_choice"]["type"].as_str();
            assert!(kind.is_none_or(|it| it == "auto" || it == "none"), "{sent}");
        }
        let others = ask(anthropic, Capabilities::default(), choice.clone(), none.clone());
        assert!(others.is_ok(), "{choice}");
        // What Bedrock's models of that name take is not known.
        assert!(ask(Format::BedrockConverse, quirks, choice, none.clone()).is_ok());
    };
    check("required".into(), true);
    check(tool("f"), true);
    check(among("required"), true);
    check(among("auto"), false);
    check("auto".into(), false);
    check("none".into(), false);
    check(Value::Null, false);
    // A shape that would be made by a tool; where it need not be, nobody is forced.
    let shape = serde_json::json!({"response_format": {"type": "json_schema", "json_schema": {
        "schema": {"type": "object"},
    }}});
    let refused = ask(anthropic, quirks, Value::Null, shape.clone()).unwrap_err();
    assert_eq!(refused.field, "response_format");
    let own = Capabilities { structured_output: true, ..quirks };
    assert!(ask(anthropic, own, Value::Null, shape.clone()).is_ok());
    let refused = ask(anthropic, own, "required".into(), shape).unwrap_err();
    assert_eq!(refused.field, "tool_choice");
}

#[test]
fn what_models_on_bedrock_take_depends_on_whose_they_are() {
    let body = serde_json::json!({
        "max_tokens": 9000,
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "1", "name": "f", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "1", "content": "gone", "is_error": true},
            ]},
        ],
        "top_k": 5,
        "tool_choice": {"type": "none"},
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
    });
    let check = |model, quirks: Capabilities| {
        let from = Format::AnthropicMessages;
        let config =
            RequestConfig { model, provider: quirks, ..config(from, Format::BedrockConverse) };
        let request = translate_request(&config, body.to_string().as_bytes()).unwrap();
        let lost: Vec<String> = request.losses.into_iter().map(|it| it.field).collect();
        (serde_json::from_slice::<Value>(&request.body).unwrap(), lost)
    };
    let schema = Capabilities { structured_output: true, ..Capabilities::default() };
    let (claude, lost) = check(CLAUDE, schema);
    let result = |sent: &Value| sent["messages"][2]["content"][0]["toolResult"].clone();
    assert_eq!(claude["system"][1]["cachePoint"]["ttl"], "1h");
    assert_eq!(claude["additionalModelRequestFields"], serde_json::json!({"top_k": 5}));
    assert_eq!(result(&claude)["status"], "error");
    assert_eq!(result(&claude)["content"][0]["text"], "gone");
    // Without tools Bedrock takes no conversation about some.
    assert_eq!(claude["toolConfig"]["tools"][0]["toolSpec"]["name"], "f");
    let format = &claude["outputConfig"]["textFormat"];
    assert_eq!(format["structure"]["jsonSchema"]["schema"], r#"{"type":"object"}"#);
    assert_eq!(lost, ["tool_choice", "messages"]);
    let (nova, lost) = check("eu.amazon.nova-lite-v1:0", schema);
    assert_eq!(nova["system"][1], serde_json::json!({"cachePoint": {"type": "default"}}));
    assert_eq!(result(&nova)["status"], "error");
    assert_eq!(lost, ["system[0]", "tool_choice", "messages", "top_k"]);
    let (other, lost) = check("meta.llama3-3-70b-instruct-v1:0", schema);
    assert_eq!(other["system"].as_array().unwrap().len(), 1);
    assert_eq!(result(&other).get("status"), None);
    assert_eq!(result(&other)["content"][0]["text"], "Error: gone");
    assert_eq!(lost, ["system[0]", "tool_choice", "messages", "top_k"]);
    // A model without schemas is given a tool.
    let (by_tool, _) = check(CLAUDE, Capabilities::default());
    assert_eq!(by_tool.get("outputConfig"), None);
    assert_eq!(by_tool["toolConfig"]["toolChoice"]["tool"]["name"], shape::JSON_TOOL);
}

#[test]
fn anthropics_thinking_goes_on_with_its_own_model_on_bedrock() {
    let body = serde_json::json!({
        "max_tokens": 9000,
        "thinking": {"type": "enabled", "budget_tokens": 4000},
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "EqQB"},
                {"type": "tool_use", "id": "1", "name": "f", "input": {}},
            ]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1"}]},
        ],
    });
    let quirks = Capabilities::default();
    let (from, to) = (Format::AnthropicMessages, Format::BedrockConverse);
    let sent = check_with(quirks, from, to, &body);
    let thought = &sent["messages"][1]["content"][0]["reasoningContent"]["reasoningText"];
    assert_eq!(*thought, serde_json::json!({"text": "hm", "signature": "EqQB"}));
    let thinking = &sent["additionalModelRequestFields"]["thinking"];
    assert_eq!(*thinking, serde_json::json!({"type": "enabled", "budget_tokens": 4000}));
    let adaptive = Capabilities { adaptive_thinking: true, ..quirks };
    let sent = check_with(adaptive, from, to, &body);
    assert_eq!(sent["additionalModelRequestFields"]["thinking"]["type"], "adaptive");
    assert_eq!(sent["outputConfig"]["effort"], "medium");
}

#[test]
fn what_a_model_refuses_is_taken_out_and_told() {
    let quirks =
        Capabilities { no_sampling: true, max_tokens_limit: Some(100), ..Capabilities::default() };
    let config =
        RequestConfig { provider: quirks, ..config(Format::AnthropicMessages, Format::OpenaiChat) };
    let body = br#"{"max_tokens":101,"temperature":1,"top_p":0.5,"messages":[]}"#;
    let request = translate_request(&config, body).unwrap();
    let sent: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(sent["max_completion_tokens"], 100);
    assert!(sent.get("temperature").is_none() && sent.get("top_p").is_none());
    let lost: Vec<&str> = request.losses.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(lost, ["max_tokens", "temperature", "top_p"]);
}

#[test]
fn gemini_is_told_of_calls_without_its_seal() {
    let quirks = Capabilities { seals_required: true, ..Capabilities::default() };
    let body = serde_json::json!({"messages": [
        {"role": "user", "content": "a"},
        {"role": "assistant", "tool_calls": [
            {"id": "1", "function": {"name": "f", "arguments": "{}"}},
            {"id": "2", "function": {"name": "g", "arguments": "{}"}},
        ]},
    ]});
    let sent = check_with(quirks, Format::OpenaiChat, Format::Gemini, &body);
    let parts = &sent["contents"][1]["parts"];
    assert_eq!(parts[0]["thoughtSignature"], "skip_thought_signature_validator");
    assert_eq!(parts[1].get("thoughtSignature"), None);
    let sent = check_with(Capabilities::default(), Format::OpenaiChat, Format::Gemini, &body);
    assert_eq!(sent["contents"][1]["parts"][0].get("thoughtSignature"), None);
}

#[test]
fn earlier_thinking_goes_only_to_a_server_that_wants_it() {
    let body = serde_json::json!({
        "max_tokens": 9,
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": ""},
                {"type": "text", "text": "b"},
            ]},
            {"role": "user", "content": "c"},
        ],
    });
    let wants = Capabilities { reasoning_content: true, ..Capabilities::default() };
    let (from, to) = (Format::AnthropicMessages, Format::OpenaiChat);
    assert_eq!(check_with(wants, from, to, &body)["messages"][1]["reasoning_content"], "hm");
    let sent = check_with(Capabilities::default(), from, to, &body);
    assert_eq!(sent["messages"][1].get("reasoning_content"), None);
}

#[test]
fn a_format_is_not_translated_to_itself_nor_to_one_that_is_not_known() {
    let check = |from, to| translate_request(&config(from, to), b"{\"messages\":[]}").is_err();
    for format in FORMATS {
        assert!(check(format, format), "{format}");
        assert!(check(format, Format::OpenaiEmbeddings), "{format}");
        assert!(check(Format::OpenaiEmbeddings, format), "{format}");
    }
}

#[test]
fn a_refusal_names_the_clients_field() {
    let check = |from, body: &str, field: &str| {
        let to = others(from).next().unwrap();
        let refused = translate_request(&config(from, to), body.as_bytes()).unwrap_err();
        assert_eq!(refused.field, field, "{body}: {refused}");
    };
    let chat = Format::OpenaiChat;
    check(chat, "", "");
    check(chat, "[]", "");
    check(chat, "{}", "messages");
    check(chat, r#"{"messages":{}}"#, "messages");
    check(chat, r#"{"messages":[7]}"#, "messages[0]");
    check(chat, r#"{"messages":[{"role":"oracle"}]}"#, "messages[0].role");
    check(chat, r#"{"messages":[],"temperature":"hot"}"#, "temperature");
    check(chat, r#"{"messages":[],"stop":[1]}"#, "stop");
    check(chat, r#"{"messages":[],"reasoning_effort":"extreme"}"#, "reasoning_effort");
    let image = r#"{"messages":[{"role":"user","content":[
        {"type":"image_url","image_url":{"url":"data:x"}}]}]}"#;
    check(chat, image, "messages[0].content[0].image_url.url");
    let anthropic = Format::AnthropicMessages;
    check(
        anthropic,
        r#"{"messages":[{"role":"user","content":[{}]}]}"#,
        "messages[0].content[0].type",
    );
    check(anthropic, r#"{"messages":[],"thinking":{"type":"enabled"}}"#, "thinking.budget_tokens");
}

/// Reads a format's request and writes it in the same format: the way of a round trip.
fn prompt_of(format: Format, body: &[u8]) -> Option<Prompt> {
    let body = serde_json::from_slice(body).ok()?;
    let config = config(format, format);
    read(Client::of(format).unwrap(), body, &config, &mut Losses::default()).ok()
}

/// A prompt without the places that its values came from.
fn meaning(prompt: &Prompt) -> String {
    let mut out = format!("{prompt:#?}");
    out = out
        .lines()
        .filter(|it| !it.trim_start().starts_with("at: "))
        .collect::<Vec<_>>()
        .join("\n");
    out
}

/// Reads, writes and reads again: both readings must mean the same, and the second writing must be
/// the first.
fn check_round_trip(format: Format, name: &str, body: &[u8]) {
    let Some(prompt) = prompt_of(format, body) else { return };
    let provider = Capabilities {
        reasoning_content: true,
        structured_output: true,
        ..Capabilities::default()
    };
    let config = RequestConfig { provider, ..config(format, format) };
    let provider_format = Provider::of(format).unwrap();
    let write = |prompt| write(provider_format, prompt, &config, &mut Losses::default());
    let Ok((once, _)) = write(prompt) else { return };
    let again = prompt_of(format, once.to_string().as_bytes());
    let again = again.unwrap_or_else(|| panic!("{format} {name}: {once}"));
    let first = meaning(&again);
    let (twice, _) = write(again).unwrap();
    assert_eq!(twice, once, "{format} {name}");
    let third = prompt_of(format, twice.to_string().as_bytes()).unwrap();
    assert_eq!(meaning(&third), first, "{format} {name}");
}

#[test]
fn a_request_read_and_written_again_means_the_same() {
    for format in FORMATS {
        for (name, body) in requests(format) {
            check_round_trip(format, &name, &body);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Requests with some value gone wrong are refused or mean the same after a round trip, and no
    /// writer of any format panics or makes what its own reader refuses.
    #[test]
    fn a_request_gone_wrong_is_refused_or_carried(at in any::<prop::sample::Index>(), what in 0..5) {
        for format in FORMATS {
            for (name, body) in requests(format) {
                let mut value: Value = serde_json::from_slice(&body).unwrap();
                hostile::spoil(&mut value, at, what);
                let body = value.to_string();
                check_round_trip(format, &name, body.as_bytes());
                for to in providers(format) {
                    let Ok(request) = translate_request(&config(format, to), body.as_bytes()) else {
                        continue;
                    };
                    if to == Format::BedrockConverse {
                        continue;
                    }
                    let read = prompt_of(to, &request.body);
                    prop_assert!(read.is_some(), "{format} to {to}: {value}");
                }
            }
        }
    }
}

/// Letters and digits alone: what is JSON inside a text on one side may be text on the other.
fn letters(text: &str) -> String {
    text.replace("\\n", " ").chars().filter(|it| it.is_alphanumeric()).collect()
}

fn view(format: Format, body: &[u8]) -> Vec<conversation::Part> {
    let shown = conversation(Bodies { format, request: body, response: b"" });
    shown.messages.into_iter().flat_map(|it| it.parts).collect()
}

/// The view for people is an independent reader of requests too: what it finds in the client's it
/// must find in the provider's, wherever it stands there. Thinking may be lost, and is told then.
#[test]
fn what_is_said_called_and_shown_reaches_the_provider() {
    use conversation::Part;
    for from in FORMATS {
        for (name, body) in requests(from) {
            let said = view(from, &body);
            for to in providers(from) {
                let Ok(request) = translate_request(&config(from, to), &body) else { continue };
                let found = view(to, &request.body);
                let mut texts = String::new();
                for part in &found {
                    if let Part::Text { text } | Part::ToolResult { text, .. } = part {
                        texts.push_str(&letters(text));
                    }
                }
                let count = |list: &[Part]| {
                    list.iter().filter(|it| matches!(it, Part::Image { .. })).count()
                };
                // An address that Gemini is given may be shown as a document.
                assert!(
                    to == Format::Gemini || count(&found) == count(&said),
                    "{from} {name} to {to}"
                );
                for part in &said {
                    let told = format!("{from} {name} to {to}: {part:?} in {found:?}");
                    match part {
                        Part::Text { text } => assert!(texts.contains(&letters(text)), "{told}"),
                        // Its text stands in a member of its own in Gemini's format.
                        Part::ToolResult { text, .. } if from != Format::Gemini => {
                            assert!(texts.contains(&letters(text)), "{told}");
                        }
                        Part::ToolCall { name, arguments, .. } => {
                            let is_same = |it: &Part| match it {
                                Part::ToolCall { name: other, arguments: given, .. } => {
                                    other == name && letters(given).contains(&letters(arguments))
                                }
                                Part::Text { .. }
                                | Part::Thinking { .. }
                                | Part::ToolResult { .. }
                                | Part::Image { .. }
                                | Part::Document { .. }
                                | Part::Other { .. } => false,
                            };
                            assert!(found.iter().any(is_same), "{told}");
                        }
                        Part::ToolResult { .. }
                        | Part::Thinking { .. }
                        | Part::Image { .. }
                        | Part::Document { .. }
                        | Part::Other { .. } => {}
                    }
                }
            }
        }
    }
}
