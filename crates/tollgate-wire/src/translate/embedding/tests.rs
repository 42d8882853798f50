use std::fmt::Write as _;

use super::*;
use crate::{
    fixture,
    translate::{
        AnswerConfig, AnswerTranslator, Capabilities, is_translated,
        tests::{in_folder, pretty, recorded_requests},
        translate_count, translate_request,
    },
};

const CLIENTS: [Format; 2] = [Format::OpenaiEmbeddings, Format::Gemini];
const PROVIDERS: [Format; 4] =
    [Format::OpenaiEmbeddings, Format::Gemini, Format::CohereEmbed, Format::OllamaEmbed];

fn config(from: Format, to: Format) -> RequestConfig<'static> {
    RequestConfig {
        from,
        to,
        model: "provider-model",
        query: None,
        streaming_in_path: None,
        provider: Capabilities::default(),
    }
}

fn pairs() -> impl Iterator<Item = (Format, Format)> {
    let all = CLIENTS.into_iter().flat_map(|from| PROVIDERS.map(|to| (from, to)));
    all.filter(|(from, to)| from != to)
}

#[test]
fn translates_every_recorded_request() {
    in_folder("translate/vectors", || {
        for from in CLIENTS {
            for (name, body) in recorded_requests(from) {
                if from == Format::Gemini && !name.starts_with("embed") {
                    continue;
                }
                let mut out = String::new();
                for (_, to) in pairs().filter(|it| it.0 == from) {
                    writeln!(out, "# {to}").unwrap();
                    match translate_request(&config(from, to), &body) {
                        Ok(request) => {
                            writeln!(out, "POST {}\n{}", request.path, pretty(&request.body))
                                .unwrap();
                            for loss in request.losses {
                                writeln!(out, "lost: {}: {}", loss.field, loss.why).unwrap();
                            }
                        }
                        Err(refused) => writeln!(out, "refused: {refused}").unwrap(),
                    }
                    out.push('\n');
                }
                insta::assert_snapshot!(format!("{from}__{name}"), out);
            }
        }
    });
}

/// What a client that asked so gets.
fn answered<'a>(
    (from, to): (Format, Format),
    request: &Value,
    status: u16,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    end: End,
) -> Finished {
    let request = translate_request(&config(from, to), request.to_string().as_bytes()).unwrap();
    assert!(!request.stream);
    let mut answer = AnswerTranslator::new(&AnswerConfig {
        plan: &request.plan,
        status,
        content_type: Some("application/json"),
        retry_after_s: Some(7),
        fallback_id: "x",
        created_s: 0,
    });
    assert_eq!(answer.head(), None);
    for piece in pieces {
        assert!(answer.push(piece).is_empty());
    }
    answer.finish(end)
}

/// A request for so many vectors.
fn asked(from: Format, texts: usize, encoding: &str) -> Value {
    let text = |it: usize| format!("text {it}");
    if from == Format::Gemini {
        let one = |it| serde_json::json!({"content": {"parts": [{"text": text(it)}]}});
        if texts == 1 {
            one(0)
        } else {
            serde_json::json!({"requests": (0..texts).map(one).collect::<Vec<_>>()})
        }
    } else {
        let texts: Vec<String> = (0..texts).map(text).collect();
        serde_json::json!({"model": "m", "input": texts, "encoding_format": encoding})
    }
}

const ANSWERS: [(&str, usize); 9] = [
    ("openai-embeddings/plain.json", 1),
    ("openai-embeddings/two-base64.json", 2),
    ("openai-embeddings/error-429.json", 1),
    ("gemini/embed.json", 1),
    ("gemini/embed-batch.json", 2),
    ("cohere-embed/plain.json", 2),
    ("cohere-embed/first-version.json", 1),
    ("cohere-embed/error-400.json", 1),
    ("ollama-embed/plain.json", 2),
];

#[test]
fn translates_every_recorded_answer_wherever_it_is_cut() {
    in_folder("translate/vectors", || {
        for (name, texts) in ANSWERS {
            let fixture = fixture::named(name);
            let mut out = String::new();
            for pair in pairs().filter(|it| it.1 == fixture.format) {
                let request = asked(pair.0, texts, "float");
                let told = answered(
                    pair,
                    &request,
                    fixture.status,
                    [fixture.body.as_slice()],
                    End::Complete,
                );
                let cut = fixture.body.chunks(1);
                let cut = answered(pair, &request, fixture.status, cut, End::Complete);
                assert_eq!(cut.bytes, told.bytes, "{name}");
                writeln!(out, "# {}\n{}\n{}\n", pair.0, told.head.status, pretty(&told.bytes))
                    .unwrap();
            }
            insta::assert_snapshot!(name.replace('/', "__"), out);
        }
    });
}

/// The SDK of OpenAI's asks for base64 by itself.
#[test]
fn numbers_are_told_in_base64_where_that_is_asked_and_the_other_way_round() {
    let pair = (Format::OpenaiEmbeddings, Format::OllamaEmbed);
    let body = br#"{"embeddings": [[0.1, -2, 1e-3]]}"#;
    let told = answered(pair, &asked(pair.0, 1, "base64"), 200, [&body[..]], End::Complete);
    let told: Value = serde_json::from_slice(&told.bytes).unwrap();
    let bytes = STANDARD.decode(told["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let floats: Vec<f32> =
        bytes.as_chunks::<4>().0.iter().map(|it| f32::from_le_bytes(*it)).collect();
    assert_eq!(floats, [0.1, -2.0, 0.001]);
    assert_eq!(told.get("usage"), None, "what is not known is left out");
    // A server that answers a Gemini client's call with base64.
    let pair = (Format::Gemini, Format::OpenaiEmbeddings);
    let body = format!("{{\"data\":[{{\"embedding\":\"{}\"}}]}}", STANDARD.encode(&bytes));
    let told = answered(pair, &asked(pair.0, 1, ""), 200, [body.as_bytes()], End::Complete);
    let told: Value = serde_json::from_slice(&told.bytes).unwrap();
    assert_eq!(told["embedding"]["values"], serde_json::json!([0.1, -2.0, 0.001]));
}

#[test]
fn numbers_pass_as_they_were_written() {
    let pair = (Format::OpenaiEmbeddings, Format::CohereEmbed);
    let numbers = "[0.016296387,-8.354187e-3,1,0.10000000000000000555]";
    let body = format!("{{\"embeddings\":{{\"float\":[{numbers}]}}}}");
    let told = answered(pair, &asked(pair.0, 1, "float"), 200, [body.as_bytes()], End::Complete);
    assert!(std::str::from_utf8(&told.bytes).unwrap().contains(numbers));
}

#[test]
fn an_answer_that_is_none_is_an_error_in_the_clients_format() {
    let check = |body: &str, texts, end, expected: &str| {
        for pair in
            [(Format::OpenaiEmbeddings, Format::OllamaEmbed), (Format::Gemini, Format::OllamaEmbed)]
        {
            let told = answered(pair, &asked(pair.0, texts, "float"), 200, [body.as_bytes()], end);
            assert_eq!((told.head.status, told.retry_after_s), (502, Some(7)), "{body}");
            let told: Value = serde_json::from_slice(&told.bytes).unwrap();
            let message = told["error"]["message"].as_str().unwrap();
            assert!(message.contains(expected), "{body}: {message}");
        }
    };
    check("<html>", 1, End::Complete, "not JSON");
    check("{}", 1, End::Complete, "no vectors");
    check(r#"{"embeddings":[[1],[2]]}"#, 1, End::Complete, "2 vectors for 1 texts");
    check(r#"{"embeddings":[[1,"a"]]}"#, 1, End::Complete, "a vector that is none");
    check(r#"{"embeddings":[{}]}"#, 1, End::Complete, "a vector that is none");
    check(r#"{"embeddings":[[1]]}"#, 1, End::Broken, "broke off");
    let pair = (Format::OpenaiEmbeddings, Format::OllamaEmbed);
    let piece = vec![b' '; 1 << 20];
    let pieces = (0..=VECTORS_BYTES_MAX >> 20).map(|_| piece.as_slice());
    let told = answered(pair, &asked(pair.0, 1, "float"), 200, pieces, End::Complete);
    assert_eq!(told.head.status, 502);
}

#[test]
fn a_refusal_names_the_clients_field() {
    let check = |from, body: &str, field: &str| {
        let refused = translate_request(&config(from, Format::OllamaEmbed), body.as_bytes());
        let refused = refused.unwrap_err();
        assert_eq!(refused.field, field, "{body}: {refused}");
    };
    let openai = Format::OpenaiEmbeddings;
    check(openai, "[]", "");
    check(openai, "{}", "input");
    check(openai, r#"{"input":[]}"#, "input");
    check(openai, r#"{"input":7}"#, "input");
    check(openai, r#"{"input":[1,2]}"#, "input");
    check(openai, r#"{"input":["a",[1]]}"#, "input[1]");
    check(openai, r#"{"input":["a",null]}"#, "input[1]");
    check(openai, r#"{"input":"a","dimensions":"x"}"#, "dimensions");
    check(openai, r#"{"input":"a","encoding_format":"int8"}"#, "encoding_format");
    check(openai, r#"{"input":"a","input_type":"poem"}"#, "input_type");
    let gemini = Format::Gemini;
    check(gemini, "{}", "content");
    check(gemini, r#"{"requests":[]}"#, "requests");
    check(gemini, r#"{"requests":[{}]}"#, "requests[0].content");
    check(gemini, r#"{"content":{"parts":[{"fileData":{}}]}}"#, "content.parts[0].fileData");
    let task = r#"{"content":{"parts":[]},"taskType":"JUGGLING"}"#;
    check(gemini, task, "taskType");
    let nested = r#"{"content":{"parts":[]},"embed_content_config":{"task_type":"JUGGLING"}}"#;
    check(gemini, nested, "embedContentConfig.taskType");
}

#[test]
fn it_is_told_which_calls_can_be_carried() {
    use tollgate_core::Operation;
    for from in Format::ALL {
        for to in Format::ALL {
            let body = asked(from, 1, "float").to_string();
            let carried = translate_request(&config(from, to), body.as_bytes()).is_ok();
            assert_eq!(is_translated(from, to, Operation::Embed), carried, "{from} to {to}");
            let chat = br#"{"messages":[],"contents":[],"input":[],"max_tokens":1}"#;
            let carried = translate_request(&config(from, to), chat).is_ok();
            assert_eq!(is_translated(from, to, Operation::Generate), carried, "{from} to {to}");
            let carried = translate_count(&config(from, to), chat).is_ok();
            assert_eq!(is_translated(from, to, Operation::CountTokens), carried, "{from} to {to}");
        }
    }
}
