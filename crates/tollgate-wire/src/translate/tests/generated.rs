//! Properties of prompts and answers that nobody recorded.

use std::collections::BTreeMap;

use proptest::collection::vec;

use super::*;
use crate::{
    fixture::frames,
    ir::{
        Content, Event, Given, Opening, Part, Prompt, Role, Source, Stop, Tool, ToolCall,
        ToolChoice, ToolResult, Turn,
    },
    loss::Losses,
    translate::openai_chat::write::result_text,
};

/// A text that no format leaves out, with what formats escape in it.
fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 ü\n\"\\\\{}<🌍]{0,12}[a-z]".prop_map(|it| it)
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z_]{0,6}"
}

/// The arguments of a call: a JSON object.
fn arguments() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        text().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        Just(serde_json::json!([true, null, {"a": 1}])),
    ];
    let members = vec((name(), value), 0..3);
    members.prop_map(|it| Value::Object(it.into_iter().collect()).to_string())
}

/// What the user says, and what the assistant then does: texts before and calls with their results.
#[derive(Clone, Debug)]
struct Round {
    asked: Vec<String>,
    picture: bool,
    said: Option<String>,
    calls: Vec<(String, String, String, bool)>,
}

fn round() -> impl Strategy<Value = Round> {
    let call = (name(), arguments(), text(), any::<bool>());
    (vec(text(), 1..3), any::<bool>(), proptest::option::of(text()), vec(call, 0..3)).prop_map(
        |(asked, picture, said, calls)| {
            // An assistant that says and does nothing is no turn.
            let said =
                if calls.is_empty() { Some(said.unwrap_or_else(|| "ok".to_owned())) } else { said };
            Round { asked, picture, said, calls }
        },
    )
}

fn turn(role: Role, contents: impl IntoIterator<Item = Content>) -> Turn {
    let parts = contents.into_iter().map(|it| Part::new("x", it)).collect();
    Turn { role, at: "x".to_owned(), parts }
}

fn given<T>(value: T) -> Given<T> {
    Given { at: "x".to_owned(), value }
}

prop_compose! {
    /// A prompt of what every format can say.
    fn prompt()(
        system in vec(text(), 0..3),
        rounds in vec(round(), 0..4),
        last in text(),
        tools in vec((name(), proptest::option::of(text())), 0..4),
        choice in 0..4,
        temperature in proptest::option::of(0..=10_u32),
        max_tokens in 16..8000_u64,
        stops in vec("[a-z]{1,4}", 0..3),
        stream in any::<bool>(),
    ) -> Prompt {
        let mut turns = Vec::new();
        let mut number = 0;
        for round in rounds {
            let mut asked: Vec<Content> = round.asked.into_iter().map(Content::Text).collect();
            if round.picture {
                let (media_type, data) = ("image/png".to_owned(), "iVBORw0KGgo=".to_owned());
                asked.push(Content::Image(Source::Base64 { media_type, data }));
            }
            turns.push(turn(Role::User, asked));
            let (mut done, mut results) = (Vec::new(), Vec::new());
            done.extend(round.said.map(Content::Text));
            for (name, arguments, told, is_error) in round.calls {
                number += 1;
                let id = format!("call_{number}");
                results.push(Content::ToolResult(ToolResult {
                    call_id: id.clone(),
                    name: Some(name.clone()),
                    parts: vec![Part::text("x", told)],
                    is_error,
                }));
                done.push(Content::ToolCall(ToolCall { id, name, arguments }));
            }
            turns.push(turn(Role::Assistant, done));
            if !results.is_empty() {
                turns.push(turn(Role::User, results));
            }
        }
        turns.push(turn(Role::User, [Content::Text(last)]));
        let tools: BTreeMap<String, Option<String>> = tools.into_iter().collect();
        let tools: Vec<Tool> = tools.into_iter().map(|(name, description)| Tool {
            at: "x".to_owned(),
            name,
            description,
            schema: Some(serde_json::json!({"type": "object", "properties": {"a": {"type": "string"}}})),
            strict: None,
            cache: None,
            takes_text: false,
        }).collect();
        let choice = tools.first().map(|it| match choice {
            0 => ToolChoice::Auto,
            1 => ToolChoice::None,
            2 => ToolChoice::Any,
            _ => ToolChoice::Named(it.name.clone()),
        });
        Prompt {
            system: system.into_iter().map(|it| Part::text("x", it)).collect(),
            turns,
            tool_choice: choice.map(given),
            tools,
            temperature: temperature.map(|it| given(serde_json::Number::from_f64(f64::from(it) / 10.0).unwrap())),
            max_tokens: Some(given(max_tokens)),
            stops: (!stops.is_empty()).then(|| given(stops)),
            stream,
            turns_at: "turns",
            max_tokens_at: "max",
            ..Prompt::default()
        }
    }
}

/// What a prompt says, however its format cuts it into messages.
fn said_in(prompt: &Prompt) -> String {
    let mut out = String::new();
    let system: String = prompt.system.iter().filter_map(Part::as_text).collect();
    writeln!(out, "system {:?}", letters(&system)).unwrap();
    let mut role = None;
    for turn in &prompt.turns {
        if role.replace(turn.role) != Some(turn.role) {
            writeln!(out, "{:?}", turn.role).unwrap();
        }
        for part in &turn.parts {
            match &part.content {
                Content::Text(text) => writeln!(out, "{text:?}").unwrap(),
                Content::ToolCall(call) => {
                    let input: Value = serde_json::from_str(&call.arguments).unwrap();
                    writeln!(out, "{} {} {input}", call.id, call.name).unwrap();
                }
                Content::ToolResult(result) => {
                    writeln!(out, "{} {:?}", result.call_id, result_text(result)).unwrap();
                }
                Content::Image(_)
                | Content::Document { .. }
                | Content::Audio { .. }
                | Content::Thinking(_)
                | Content::Redacted(_)
                | Content::Refusal(_) => writeln!(out, "{:?}", part.content).unwrap(),
            }
        }
    }
    for tool in &prompt.tools {
        let schema = tool.schema.as_ref().unwrap();
        writeln!(out, "tool {} {:?} {schema}", tool.name, tool.description).unwrap();
    }
    let choice = prompt.tool_choice.as_ref().map(|it| &it.value);
    // What is meant where nothing is said.
    let choice = choice.filter(|it| **it != ToolChoice::Auto);
    let temperature = prompt.temperature.as_ref().and_then(|it| it.value.as_f64());
    let max_tokens = prompt.max_tokens.as_ref().map(|it| it.value);
    let stops = prompt.stops.as_ref().map(|it| &it.value);
    writeln!(out, "{choice:?} {temperature:?} {max_tokens:?} {stops:?}").unwrap();
    out
}

/// Letters and digits alone: some formats have one text of instructions.
fn letters(text: &str) -> String {
    text.chars().filter(|it| it.is_alphanumeric()).collect()
}

fn read_in(format: Format, body: &[u8], stream: bool) -> Prompt {
    let body = serde_json::from_slice(body).unwrap();
    let config = RequestConfig { streaming_in_path: Some(stream), ..config(format, format) };
    read(Client::of(format).unwrap(), body, &config, &mut Losses::default()).unwrap()
}

fn check_there_and_back(prompt: &Prompt) -> Result<(), TestCaseError> {
    for here in FORMATS {
        let own = config(here, here);
        let provider = Provider::of(here).unwrap();
        let mut prompt = prompt.clone();
        if here == Format::OpenaiResponses {
            // The format has none.
            prompt.stops = None;
        }
        let stream = prompt.stream;
        let (body, _) = write(provider, prompt, &own, &mut Losses::default()).unwrap();
        let body = body.to_string();
        let meant = said_in(&read_in(here, body.as_bytes(), stream));
        for there in others(here) {
            let way =
                |from, to| RequestConfig { streaming_in_path: Some(stream), ..config(from, to) };
            let sent = match translate_request(&way(here, there), body.as_bytes()) {
                Ok(sent) => sent,
                Err(refused) => {
                    let stops = ["stop", "stop_sequences", "generationConfig.stopSequences"];
                    prop_assert!(there == Format::OpenaiResponses, "{here} to {there}: {refused}");
                    prop_assert!(stops.contains(&refused.field.as_str()), "{refused}");
                    continue;
                }
            };
            prop_assert_eq!(sent.stream, stream);
            let found = said_in(&read_in(there, &sent.body, stream));
            prop_assert_eq!(&found, &meant, "{} to {}: {}", here, there, body);
            let back = translate_request(&way(there, here), &sent.body).unwrap();
            let found = said_in(&read_in(here, &back.body, stream));
            prop_assert_eq!(&found, &meant, "{} to {} and back", here, there);
        }
        // Nobody reads Bedrock's requests, but none may be refused.
        let bedrock = RequestConfig {
            streaming_in_path: Some(stream),
            ..config(here, Format::BedrockConverse)
        };
        prop_assert!(translate_request(&bedrock, body.as_bytes()).is_ok(), "{here}: {body}");
    }
    Ok(())
}

/// A part of a generated answer, in pieces.
#[derive(Clone, Debug)]
enum Piece {
    Text(Vec<String>),
    Thinking(Vec<String>),
    Call { name: String, fragments: Vec<String> },
}

fn piece() -> impl Strategy<Value = Piece> {
    let fragments = (arguments(), 1..5_usize).prop_map(|(it, size)| {
        let letters: Vec<char> = it.chars().collect();
        letters.chunks(size).map(|it| it.iter().collect()).collect::<Vec<String>>()
    });
    prop_oneof![
        vec(text(), 1..4).prop_map(Piece::Text),
        vec(text(), 1..4).prop_map(Piece::Thinking),
        (name(), fragments).prop_map(|(name, fragments)| Piece::Call { name, fragments }),
    ]
}

/// The id of a choice's call.
fn id(choice: usize, number: usize) -> String {
    format!("call_{choice}_{number}")
}

/// The answer as a provider of the format streams it: its choices an event of each in turn, in the
/// `order` that their numbers are drawn in.
fn streamed(provider: Format, choices: &[Vec<Piece>], order: &[usize], usage: Usage) -> Vec<u8> {
    if let (Format::BedrockConverse, [pieces]) = (provider, choices) {
        return streamed_by_bedrock(pieces, usage);
    }
    // The writer of the format's own clients, which the fixtures hold to be right.
    let plan = GeneratePlan { answers: choices.len(), ..plan(provider, provider, true) };
    let config = GenerateConfig {
        plan: &plan,
        status: 200,
        content_type: None,
        retry_after_s: None,
        fallback_id: "answer-1",
        created_s: 0,
    };
    let mut writing = answers::Writing::new(&config);
    let mut out = Vec::new();
    let mut put = |event: Event<'_>| writing.event(event, &mut out);
    put(Event::Start { id: Some("answer-1"), model: Some("model-1"), usage: Usage::default() });
    let ids: Vec<Vec<String>> = choices
        .iter()
        .enumerate()
        .map(|(at, pieces)| (0..pieces.len()).map(|number| id(at, number)).collect())
        .collect();
    let mut left: Vec<std::vec::IntoIter<Event<'_>>> =
        choices.iter().zip(&ids).map(|(pieces, ids)| events_of(pieces, ids).into_iter()).collect();
    let mut at_hand = 0;
    for drawn in order.iter().cycle() {
        let Some(next) = (0..left.len())
            .map(|it| (it + drawn) % left.len())
            .find(|it| !left[*it].as_slice().is_empty())
        else {
            break;
        };
        if std::mem::replace(&mut at_hand, next) != next {
            put(Event::Choice(next));
        }
        put(left[next].next().unwrap());
    }
    put(Event::End(usage));
    out
}

/// A choice's events, its stop last.
fn events_of<'a>(pieces: &'a [Piece], ids: &'a [String]) -> Vec<Event<'a>> {
    let mut events = Vec::new();
    for (piece, id) in pieces.iter().zip(ids) {
        let (opening, deltas) = match piece {
            Piece::Text(deltas) => (Opening::Text, deltas),
            Piece::Thinking(deltas) => (Opening::Thinking, deltas),
            Piece::Call { name, fragments } => (Opening::ToolCall { id, name }, fragments),
        };
        events.push(Event::PartStart(opening));
        events.extend(deltas.iter().map(|it| Event::Delta(it)));
        events.push(Event::PartEnd);
    }
    events.push(Event::Stop(stop(pieces)));
    events
}

fn stop(pieces: &[Piece]) -> Stop {
    let calls = pieces.iter().any(|it| matches!(it, Piece::Call { .. }));
    if calls { Stop::ToolUse } else { Stop::End }
}

fn streamed_by_bedrock(pieces: &[Piece], usage: Usage) -> Vec<u8> {
    let mut lines = vec![r#"event messageStart {"role":"assistant"}"#.to_owned()];
    for (index, piece) in pieces.iter().enumerate() {
        let mut put = |name: &str, mut payload: Value| {
            payload["contentBlockIndex"] = index.into();
            lines.push(format!("event {name} {payload}"));
        };
        let deltas: Vec<Value> = match piece {
            Piece::Text(deltas) => {
                deltas.iter().map(|it| serde_json::json!({"text": it})).collect()
            }
            Piece::Thinking(deltas) => deltas
                .iter()
                .map(|it| serde_json::json!({"reasoningContent": {"text": it}}))
                .collect(),
            Piece::Call { name, fragments } => {
                let call = serde_json::json!({"toolUseId": id(0, index), "name": name});
                put("contentBlockStart", serde_json::json!({"start": {"toolUse": call}}));
                fragments.iter().map(|it| serde_json::json!({"toolUse": {"input": it}})).collect()
            }
        };
        deltas
            .into_iter()
            .for_each(|it| put("contentBlockDelta", serde_json::json!({"delta": it})));
        put("contentBlockStop", serde_json::json!({}));
    }
    let reason = if stop(pieces) == Stop::ToolUse { "tool_use" } else { "end_turn" };
    lines.push(format!(r#"event messageStop {{"stopReason":"{reason}"}}"#));
    let (input, output) = (usage.input.unwrap(), usage.output.unwrap());
    lines.push(format!(
        r#"event metadata {{"usage":{{"inputTokens":{input},"outputTokens":{output}}}}}"#
    ));
    frames(&lines.join("\n"))
}

/// What a choice says: text, thinking, and calls with their ids.
type Told = (String, String, Vec<(String, String, Value)>);

/// What the view for people finds in each choice.
fn shown(format: Format, body: &[u8]) -> Vec<Told> {
    let shown = conversation(Bodies { format, request: b"{}", response: body });
    assert_eq!(shown.answers, shown.messages.len());
    let told = shown.messages.into_iter().map(|message| {
        let mut told = Told::default();
        for part in message.parts {
            match &part {
                conversation::Part::Text { text } => told.0.push_str(text),
                conversation::Part::Thinking { text } => told.1.push_str(text),
                conversation::Part::ToolCall { id, name, arguments } => {
                    let arguments = serde_json::from_str(arguments).unwrap();
                    told.2.push((id.clone().unwrap(), name.clone(), arguments));
                }
                conversation::Part::ToolResult { .. }
                | conversation::Part::Image { .. }
                | conversation::Part::Document { .. }
                | conversation::Part::Other { .. } => panic!("{part:?}"),
            }
        }
        told
    });
    told.collect()
}

/// What was put into a choice.
fn meant(choice: usize, pieces: &[Piece]) -> Told {
    let mut told = Told::default();
    for (number, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Text(it) => told.0.push_str(&it.concat()),
            Piece::Thinking(it) => told.1.push_str(&it.concat()),
            Piece::Call { name, fragments } => {
                let arguments = serde_json::from_str(&fragments.concat()).unwrap();
                told.2.push((id(choice, number), name.clone(), arguments));
            }
        }
    }
    told
}

/// The stream in pieces of these lengths, again and again.
fn cut_up<'a>(stream: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let (mut rest, mut parts) = (stream, Vec::new());
    for size in cuts.iter().cycle() {
        let (piece, after) = rest.split_at(rest.len().min(*size));
        parts.push(piece);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    parts
}

fn check_stream(
    choices: &[Vec<Piece>],
    order: &[usize],
    usage: Usage,
    cuts: &[usize],
) -> Result<(), TestCaseError> {
    let meant: Vec<Told> = choices.iter().enumerate().map(|(at, it)| meant(at, it)).collect();
    let can = |it: &Format| choices.len() == 1 || SEVERAL.contains(it);
    for provider in PROVIDERS.into_iter().filter(can) {
        let stream = streamed(provider, choices, order, usage);
        for client in others(provider).filter(can) {
            let plan = GeneratePlan { answers: choices.len(), ..plan(client, provider, true) };
            let whole = translate(&plan, 200, true, [stream.as_slice()], crate::End::Complete);
            let cut = translate(&plan, 200, true, cut_up(&stream, cuts), crate::End::Complete);
            prop_assert!(cut.body == whole.body, "{provider} to {client}");
            let at_once = GeneratePlan { stream: false, ..plan };
            let gathered =
                translate(&at_once, 200, true, [stream.as_slice()], crate::End::Complete);
            for told in [whole, gathered] {
                // The Responses format begins a message with each part that is one.
                let mut found = shown(client, &told.body);
                if choices.len() == 1 {
                    found = vec![joined(found)];
                }
                prop_assert_eq!(&found, &meant, "{} to {}", provider, client);
                prop_assert_eq!(&told.losses, &[]);
                let told = streams::report(client, &told);
                prop_assert_eq!((told.usage.input, told.usage.output), (usage.input, usage.output));
                prop_assert!(told.ended && told.error.is_none() && told.gap.is_none());
            }
        }
    }
    Ok(())
}

fn joined(told: Vec<Told>) -> Told {
    told.into_iter().fold(Told::default(), |mut sum, it| {
        sum.0.push_str(&it.0);
        sum.1.push_str(&it.1);
        sum.2.extend(it.2);
        sum
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_prompt_means_the_same_in_another_format_and_back(prompt in prompt()) {
        check_there_and_back(&prompt)?;
    }

    /// Wherever the stream is cut; ids, order and fragments of calls included.
    #[test]
    fn a_streamed_answer_says_the_same_in_another_format(
        pieces in vec(piece(), 1..6),
        input in 1..100_000_u64,
        output in 1..100_000_u64,
        cuts in vec(1_usize..60, 1..12),
    ) {
        let usage = Usage { input: Some(input), output: Some(output), ..Usage::default() };
        check_stream(&[pieces], &[0], usage, &cuts)?;
    }

    /// However they are mixed.
    #[test]
    fn several_streamed_answers_say_the_same_in_another_format(
        choices in vec(vec(piece(), 1..4), 2..5),
        order in vec(0_usize..5, 1..20),
        input in 1..100_000_u64,
        output in 1..100_000_u64,
        cuts in vec(1_usize..60, 1..12),
    ) {
        let usage = Usage { input: Some(input), output: Some(output), ..Usage::default() };
        check_stream(&choices, &order, usage, &cuts)?;
    }
}
