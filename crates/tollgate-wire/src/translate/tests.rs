use std::{fmt::Write as _, path::Path};

use proptest::prelude::*;
use tollgate_core::Usage;

use super::*;
use crate::{
    conversation::{self, Bodies, conversation},
    fixture::{self, Fixture},
    tap::{Report, Tap, TapConfig},
};

mod generated;
mod hostile;
mod pictures;
mod requests;
mod scored;
mod several;
mod streams;

/// Every format that clients speak and that is translated.
const FORMATS: [Format; 4] =
    [Format::OpenaiChat, Format::AnthropicMessages, Format::Gemini, Format::OpenaiResponses];

/// Every format that providers speak.
const PROVIDERS: [Format; 5] = [
    Format::OpenaiChat,
    Format::AnthropicMessages,
    Format::Gemini,
    Format::OpenaiResponses,
    Format::BedrockConverse,
];

fn others(format: Format) -> impl Iterator<Item = Format> {
    FORMATS.into_iter().filter(move |it| *it != format)
}

/// A model on Bedrock, where a model's id tells whose it is.
const CLAUDE: &str = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";

/// The providers that a client's requests are translated for.
fn providers(client: Format) -> impl Iterator<Item = Format> {
    PROVIDERS.into_iter().filter(move |it| *it != client)
}

fn config(from: Format, to: Format) -> RequestConfig<'static> {
    RequestConfig {
        from,
        to,
        model: if to == Format::BedrockConverse { CLAUDE } else { "provider-model" },
        query: Some("alt=sse"),
        streaming_in_path: None,
        provider: Capabilities::default(),
    }
}

fn plan(client: Format, provider: Format, stream: bool) -> GeneratePlan {
    GeneratePlan {
        client: Client::of(client).unwrap(),
        provider: Provider::of(provider).unwrap(),
        model: "provider-model".to_owned(),
        stream,
        answers: 1,
        include_usage: true,
        framing: Framing::Events,
        json_tool: None,
        functions: false,
        text_tools: Vec::new(),
        namespaces: Vec::new(),
    }
}

/// The formats that have room for several answers.
const SEVERAL: [Format; 2] = [Format::OpenaiChat, Format::Gemini];

/// How many answers the request of a recorded answer asked for.
fn asked(fixture: &Fixture) -> usize {
    if fixture.name.contains("two-answers") { 2 } else { 1 }
}

/// The clients that may have asked for a recorded answer.
fn clients(fixture: &Fixture) -> impl Iterator<Item = Format> + use<> {
    let several = asked(fixture) > 1;
    others(fixture.format).filter(move |it| !several || SEVERAL.contains(it))
}

/// The plan of a client's request for a recorded answer.
fn plan_for(fixture: &Fixture, client: Format, stream: bool) -> GeneratePlan {
    GeneratePlan { answers: asked(fixture), ..plan(client, fixture.format, stream) }
}

/// A translated answer, put together.
struct Translated {
    head: Head,
    body: Vec<u8>,
    losses: Vec<Loss>,
    retry_after_s: Option<u64>,
}

fn translate<'a>(
    plan: &GeneratePlan,
    status: u16,
    is_sse: bool,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    end: crate::End,
) -> Translated {
    let mut translator = AnswerTranslator::new(&AnswerConfig {
        plan: &AnswerPlan(Plan::Generate(plan.clone())),
        status,
        content_type: Some(match (is_sse, plan.provider) {
            (true, Provider::Bedrock) => "application/vnd.amazon.eventstream",
            (true, _) => "text/event-stream; charset=utf-8",
            (false, _) => "text/x",
        }),
        retry_after_s: None,
        fallback_id: "made-up",
        created_s: 1_700_000_000,
    });
    let head = translator.head();
    let mut body = Vec::new();
    for piece in pieces {
        let bytes = translator.push(piece);
        assert!(head.is_some() || bytes.is_empty(), "no bytes before the head");
        body.extend_from_slice(&bytes);
    }
    let finished = translator.finish(end);
    body.extend_from_slice(&finished.bytes);
    assert!(head.is_none_or(|it| it == finished.head), "the head does not change");
    let Finished { head, failed, losses, retry_after_s, .. } = finished;
    let told = streams::report_of(Client::format(plan.client), head, &body);
    assert_eq!(failed, told.error.is_some(), "{}", String::from_utf8_lossy(&body));
    Translated { head, body, losses, retry_after_s }
}

fn translate_fixture(fixture: &Fixture, client: Format) -> Translated {
    let plan = plan_for(fixture, client, fixture.is_stream);
    let (status, is_stream) = (fixture.status, fixture.is_stream);
    translate(&plan, status, is_stream, [fixture.body.as_slice()], fixture.end())
}

/// The recorded answers of models, in the formats that are translated.
fn answers() -> impl Iterator<Item = Fixture> {
    let told = |it: &Fixture| {
        let case = it.name.rsplit('/').next().unwrap();
        PROVIDERS.contains(&it.format)
            && !case.starts_with("completions")
            && !case.contains("-list.")
            && !case.starts_with("embed")
    };
    fixture::all().into_iter().filter(told)
}

/// The recorded streams that are cut at every byte.
fn cut_streams() -> impl Iterator<Item = Fixture> {
    let names = ["/stream.", "/stream-two-answers."];
    answers().filter(move |it| it.is_stream && names.iter().any(|name| it.name.contains(name)))
}

/// The recorded requests of a format: name and body.
pub(super) fn recorded_requests(format: Format) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(format.as_str());
    let paths = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let mut found: Vec<_> = paths
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_suffix(".request.json")?.to_owned();
            Some((name, std::fs::read(&path).unwrap()))
        })
        .collect();
    found.sort();
    found
}

pub(super) fn in_folder(folder: &str, check: impl FnOnce()) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("../../../snapshots/{folder}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(check);
}

pub(super) fn pretty(json: &[u8]) -> String {
    let value: Value = serde_json::from_slice(json).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}
