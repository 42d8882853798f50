//! How likely tokens were, in every format that tells it.

use proptest::collection::vec;

use super::*;
use crate::{
    ir::{Event, Opening, Score, ScoredToken, Stop},
    sse::{SseItem, SseReader},
};

/// The formats that tell it.
const TELLING: [Format; 3] = [Format::OpenaiChat, Format::Gemini, Format::OpenaiResponses];

/// A token, its log probability, and the alternatives with theirs, as somebody reads them.
type Told = (String, f64, Vec<(String, f64)>);

fn tokens(list: &Value, name: &str, logprob: &str, top: &str) -> Vec<Told> {
    let score = |it: &Value| (it[name].as_str().unwrap().to_owned(), it[logprob].as_f64().unwrap());
    let token = |it: &Value| {
        let (token, logprob) = score(it);
        (token, logprob, it[top].as_array().into_iter().flatten().map(score).collect())
    };
    list.as_array().into_iter().flatten().map(token).collect()
}

fn in_gemini(body: &Value) -> Vec<Told> {
    let result = &body["candidates"][0]["logprobsResult"];
    let mut found = tokens(&result["chosenCandidates"], "token", "logProbability", "");
    for (token, top) in
        found.iter_mut().zip(result["topCandidates"].as_array().into_iter().flatten())
    {
        let top = tokens(&top["candidates"], "token", "logProbability", "");
        token.2 = top.into_iter().map(|it| (it.0, it.1)).collect();
    }
    found
}

/// What a client reads in a whole answer.
fn in_answer(format: Format, body: &[u8]) -> Vec<Told> {
    let body: Value = serde_json::from_slice(body).unwrap();
    match format {
        Format::OpenaiChat => {
            let list = &body["choices"][0]["logprobs"]["content"];
            tokens(list, "token", "logprob", "top_logprobs")
        }
        Format::Gemini => in_gemini(&body),
        Format::OpenaiResponses => {
            let pieces = body["output"]
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|it| it["content"].as_array().into_iter().flatten());
            pieces
                .flat_map(|it| tokens(&it["logprobs"], "token", "logprob", "top_logprobs"))
                .collect()
        }
        Format::AnthropicMessages
        | Format::OpenaiEmbeddings
        | Format::BedrockConverse
        | Format::CohereEmbed
        | Format::OllamaEmbed => Vec::new(),
    }
}

/// What a client reads in the events of a stream.
fn in_stream(format: Format, stream: &[u8]) -> Vec<Told> {
    let mut found = Vec::new();
    let mut read = |item: SseItem<'_>| {
        let SseItem::Event(event) = item else { return };
        let Some(Ok(body)) = event.data().map(|it| serde_json::from_slice::<Value>(&it)) else {
            return;
        };
        if format != Format::OpenaiResponses {
            found.extend(in_answer(format, body.to_string().as_bytes()));
        } else if body["type"] == "response.output_text.delta" {
            found.extend(tokens(&body["logprobs"], "token", "logprob", "top_logprobs"));
        }
    };
    let mut reader = SseReader::new();
    reader.push(stream, &mut read);
    reader.finish(&mut read);
    found
}

fn score() -> impl Strategy<Value = Score> {
    ("[ a-zü🦀\"\\\\]{0,5}", -30.0..=0.0_f64, any::<bool>()).prop_map(|(token, logprob, told)| {
        let bytes = told.then(|| token.clone().into_bytes());
        Score { token, bytes, logprob }
    })
}

fn token() -> impl Strategy<Value = ScoredToken> {
    (score(), vec(score(), 0..3)).prop_map(|(chosen, likeliest)| ScoredToken { chosen, likeliest })
}

/// The events of an answer whose text comes in pieces, each with its tokens.
fn told(pieces: &[(String, Vec<ScoredToken>)], sink: &mut Sink<'_>) {
    sink(Event::Start { id: Some("answer-1"), model: Some("m"), usage: Usage::default() });
    sink(Event::PartStart(Opening::Text));
    for (text, tokens) in pieces {
        sink(Event::Scored { text, tokens: tokens.clone() });
    }
    sink(Event::PartEnd);
    sink(Event::Stop(Stop::End));
    sink(Event::End(Usage { input: Some(1), output: Some(2), ..Usage::default() }));
}

/// What a number is once it was written and read.
fn written(number: f64) -> f64 {
    serde_json::from_str(&serde_json::to_string(&number).unwrap()).unwrap()
}

fn check(pieces: &[(String, Vec<ScoredToken>)]) -> Result<(), TestCaseError> {
    let one = |it: &Score| (it.token.clone(), written(it.logprob));
    let expected: Vec<Told> = pieces
        .iter()
        .flat_map(|it| &it.1)
        .map(|it| {
            let (token, logprob) = one(&it.chosen);
            (token, logprob, it.likeliest.iter().map(one).collect())
        })
        .collect();
    for provider in TELLING {
        let own = plan(provider, provider, true);
        let config = GenerateConfig {
            plan: &own,
            status: 200,
            content_type: None,
            retry_after_s: None,
            fallback_id: "answer-1",
            created_s: 0,
        };
        let mut stream = Vec::new();
        let mut writing = answers::Writing::new(&config);
        told(pieces, &mut |event| writing.event(event, &mut stream));
        for client in others(provider) {
            for wants_stream in [true, false] {
                let plan = plan(client, provider, wants_stream);
                let bytes = stream.chunks(7);
                let done = translate(&plan, 200, true, bytes, crate::End::Complete);
                if client == Format::AnthropicMessages {
                    let lost = done.losses.iter().any(|it| it.field.contains("logprobs"));
                    prop_assert!(lost || expected.is_empty(), "{:?}", done.losses);
                    continue;
                }
                prop_assert_eq!(&done.losses, &[]);
                let found = if wants_stream {
                    in_stream(client, &done.body)
                } else {
                    in_answer(client, &done.body)
                };
                prop_assert_eq!(&found, &expected, "{} to {}", provider, client);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn tokens_are_as_likely_in_another_format(
        pieces in vec(("[a-zü🦀]{0,6}", vec(token(), 1..4)), 1..4)
    ) {
        check(&pieces)?;
    }
}

#[test]
fn recorded_tokens_are_told_by_whole_answers_and_by_streams_alike() {
    for name in [
        "openai-chat/stream-logprobs.sse",
        "openai-chat/logprobs.json",
        "gemini/logprobs.json",
        "openai-responses/logprobs.json",
        "openai-responses/stream-logprobs.sse",
        "openai-responses/stream-logprobs-late.sse",
    ] {
        let fixture = fixture::named(name);
        let own = if fixture.is_stream { in_stream } else { in_answer };
        let mut expected = own(fixture.format, &fixture.body);
        if expected.is_empty() {
            expected = in_answer(
                Format::OpenaiResponses,
                &fixture::named("openai-responses/logprobs.json").body,
            );
        }
        assert!(expected.len() >= 2, "{name}");
        for client in TELLING.into_iter().filter(|it| *it != fixture.format) {
            for wants_stream in [true, false] {
                let plan = plan(client, fixture.format, wants_stream);
                let body = [fixture.body.as_slice()];
                let done = translate(&plan, 200, fixture.is_stream, body, crate::End::Complete);
                let read = if wants_stream { in_stream } else { in_answer };
                assert_eq!(read(client, &done.body), expected, "{name} to {client}");
            }
        }
    }
}

/// Bytes are told where the format has them, and are never made up.
#[test]
fn bytes_that_nobody_told_stay_unknown() {
    let gemini = fixture::named("gemini/logprobs.json");
    let told = translate_fixture(&gemini, Format::OpenaiChat).body;
    let told: Value = serde_json::from_slice(&told).unwrap();
    assert_eq!(told["choices"][0]["logprobs"]["content"][0]["bytes"], Value::Null);
    let told = translate_fixture(&gemini, Format::OpenaiResponses).body;
    let told: Value = serde_json::from_slice(&told).unwrap();
    let token = &told["output"][0]["content"][0]["logprobs"][0];
    assert_eq!(token["bytes"], serde_json::json!([]), "the format wants a list: {token}");
}
