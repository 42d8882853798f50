//! Every provider of the catalogue, spoken to in its own dialect: its path, the header that carries
//! the key, what it refuses in a stream, and how it tells usage. The simulator answers behind a
//! dialect that this test writes down once more, from the providers' documentation.

use std::convert::Infallible;

use axum::body::Body;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header, request::Parts,
};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tollgate_core::{
    Format, Secret, Usage,
    call::Outcome,
    provider::{Addressing, Auth, Catalogue, Endpoint, Provider},
};
use tollgate_gateway::{GoogleKey, ProviderSetup, Signing};
use tollgate_simulator::{CallLog, SimulatorConfig, router};
use tower::ServiceExt as _;

use super::{
    harness::{Door, Whole, ask, post, priced, setup},
    signed::token_server,
};

/// What the simulator keeps of the prompt: what stands before its last message, in whole steps.
const CACHED: u64 = 1_280;

/// The key that is configured.
const KEY: &str = "key-of-the-provider";

/// Providers that do not take `Authorization: Bearer KEY`, with what they take; `None` is nothing.
const HEADERS: [(&str, Option<(&str, &str)>); 10] = [
    ("anthropic", Some(("x-api-key", KEY))),
    ("google", Some(("x-goog-api-key", KEY))),
    ("google-vertex", Some(("authorization", "Bearer entra-token"))),
    ("google-vertex-global", Some(("authorization", "Bearer entra-token"))),
    ("azure", Some(("api-key", KEY))),
    ("sarvam", Some(("api-subscription-key", KEY))),
    ("ollama", None),
    ("lmstudio", None),
    ("llamacpp", None),
    ("vllm", None),
];

/// What becomes of a stream that is asked for its usage, where it is not simply told.
const STREAMS: [(&str, Stream); 3] = [
    ("mistral", Stream::RefusesAndTells),
    ("nvidia", Stream::RefusesAndIsSilent),
    ("databricks", Stream::RefusesAndIsSilent),
];

/// Where providers take keys.
const PLACES: [&str; 5] =
    ["authorization", "x-api-key", "x-goog-api-key", "api-key", "api-subscription-key"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    /// Told when asked for.
    Tells,
    /// The request is refused; it is told unasked.
    RefusesAndTells,
    /// The request is refused, and it is not told.
    RefusesAndIsSilent,
}

/// How one provider departs from the simulator.
#[derive(Clone)]
struct Dialect {
    id: String,
    header: Option<(&'static str, &'static str)>,
    stream: Stream,
}

impl Dialect {
    fn of(id: &str) -> Self {
        let bearer = Some(("authorization", "Bearer key-of-the-provider"));
        let header = HEADERS.iter().find(|it| it.0 == id).map_or(bearer, |it| it.1);
        let stream = STREAMS.iter().find(|it| it.0 == id).map_or(Stream::Tells, |it| it.1);
        Self { id: id.to_owned(), header, stream }
    }

    /// Whether the request carries the key where this provider wants it, and nowhere else.
    fn accepts(&self, headers: &HeaderMap) -> bool {
        PLACES.iter().all(|place| {
            let expected = self.header.filter(|(name, _)| name == place).map(|it| it.1);
            let found: Vec<_> = headers.get_all(*place).iter().collect();
            found.iter().map(|it| it.to_str().unwrap()).eq(expected)
        })
    }

    /// The simulator's answer as this provider gives it, or its refusal.
    async fn answer(&self, request: Request<Incoming>, simulator: axum::Router) -> Response<Body> {
        let (mut head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        if !self.accepts(&head.headers) {
            let why = format!("{}: the key is not where it belongs: {:?}", self.id, head.headers);
            return refuse(StatusCode::UNAUTHORIZED, &why);
        }
        let mut asked: Value = serde_json::from_slice(&body).unwrap();
        if let Err(why) = as_the_inventor(&mut head, &mut asked) {
            return refuse(StatusCode::BAD_REQUEST, &why);
        }
        let asks_usage = asked.get("stream_options").is_some();
        if asks_usage && self.stream != Stream::Tells {
            return refuse(StatusCode::UNPROCESSABLE_ENTITY, "extra_forbidden: stream_options");
        }
        if self.stream == Stream::RefusesAndTells && asked["stream"] == true {
            asked["stream_options"] = json!({"include_usage": true});
        }
        simulators_own_key(&mut head.headers, head.uri.path());
        head.headers.remove(header::CONTENT_LENGTH);
        let body = Body::from(asked.to_string());
        let answer = simulator.oneshot(Request::from_parts(head, body)).await.unwrap();
        if self.id == "deepseek" { deepseeks_usage(answer).await } else { answer }
    }
}

/// Where a request was sent before [`as_the_inventor`] moved it.
pub(super) const SENT_TO: &str = "x-sent-to";

/// A request as Azure's deployments and Claude on Vertex AI take it, made what the inventor of its
/// format takes; or what is wrong with it.
pub(super) fn as_the_inventor(head: &mut Parts, body: &mut Value) -> Result<(), String> {
    let uri = head.uri.to_string();
    let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
    let (model, moved) = if let Some((_, rest)) = path.split_once("/openai/deployments/") {
        if query != "api-version=2024-10-21" {
            return Err(format!("the query `{query}`"));
        }
        let (deployment, rest) = rest.split_once('/').unwrap();
        (deployment.to_owned(), format!("/v1/{rest}"))
    } else if let Some((_, call)) = path.split_once("/publishers/anthropic/models/") {
        let (model, verb) = call.split_once(':').unwrap();
        let streams = body.get("stream") == Some(&json!(true));
        let expected = if streams { "streamRawPredict" } else { "rawPredict" };
        let counts = model == "count-tokens";
        let fields = body.as_object_mut().unwrap();
        let version = fields.remove("anthropic_version");
        if version != Some(json!("vertex-2023-10-16"))
            || fields.contains_key("model") != counts
            || verb != expected
            || !query.is_empty()
        {
            return Err(format!("{version:?} {verb} `{query}` {body}"));
        }
        let name = HeaderName::from_static("anthropic-version");
        head.headers.insert(name, HeaderValue::from_static("2023-06-01"));
        if counts {
            let model = fields["model"].as_str().unwrap().to_owned();
            (model, "/v1/messages/count_tokens".to_owned())
        } else {
            (model.to_owned(), "/v1/messages".to_owned())
        }
    } else {
        return Ok(());
    };
    body["model"] = model.into();
    head.headers.insert(HeaderName::from_static(SENT_TO), uri.parse().unwrap());
    head.uri = moved.parse().unwrap();
    Ok(())
}

fn refuse(status: StatusCode, why: &str) -> Response<Body> {
    let error = json!({"error": {"message": why, "type": "invalid_request_error"}});
    Response::builder().status(status).body(Body::from(error.to_string())).unwrap()
}

/// The simulator takes a key where the inventor of each format does.
fn simulators_own_key(headers: &mut HeaderMap, path: &str) {
    for name in ["authorization", "x-api-key", "x-goog-api-key", "api-key"] {
        headers.remove(name);
    }
    let (name, value) = match path {
        it if it.ends_with("/messages") => ("x-api-key", "any"),
        it if it.contains(':') => ("x-goog-api-key", "any"),
        _ => ("authorization", "Bearer any"),
    };
    headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
}

/// DeepSeek tells what was read from its cache beside the prompt's tokens, not inside of their
/// details.
async fn deepseeks_usage(answer: Response<Body>) -> Response<Body> {
    let (mut head, body) = answer.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let lines = text.split_inclusive('\n').map(|line| {
        let (before, json) = line.split_at(line.find('{').unwrap_or(line.len()));
        let Ok(mut value) = serde_json::from_str::<Value>(json) else { return line.to_owned() };
        if let Some(usage) = value.get_mut("usage").and_then(Value::as_object_mut)
            && let Some(details) = usage.remove("prompt_tokens_details")
        {
            let hit = details["cached_tokens"].as_u64().unwrap();
            let miss = usage["prompt_tokens"].as_u64().unwrap() - hit;
            usage.insert("prompt_cache_hit_tokens".to_owned(), hit.into());
            usage.insert("prompt_cache_miss_tokens".to_owned(), miss.into());
        }
        format!("{before}{value}\n")
    });
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::from(lines.collect::<String>()))
}

/// The provider's server, and what reached it.
async fn serve(id: &str) -> (String, CallLog) {
    let log = CallLog::new();
    let simulator = router(SimulatorConfig::default(), log.clone());
    let dialect = Dialect::of(id);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (dialect, simulator) = (dialect.clone(), simulator.clone());
            let service = service_fn(move |request| {
                let (dialect, simulator) = (dialect.clone(), simulator.clone());
                async move { Ok::<_, Infallible>(dialect.answer(request, simulator).await) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (origin, log)
}

/// The row at `origin`, with what only a user knows filled in.
fn moved(row: &Provider, origin: &str) -> Provider {
    let mut provider = row.clone();
    for endpoint in &mut provider.endpoints {
        let url: http::Uri = filled(&endpoint.base_url).parse().unwrap();
        endpoint.base_url = format!("{origin}{}", url.path().trim_end_matches('/'));
    }
    for list in provider.lists.iter_mut().flatten() {
        let url: http::Uri = filled(list).parse().unwrap();
        *list = format!("{origin}{}", url.path_and_query().unwrap());
    }
    provider
}

fn filled(url: &str) -> String {
    let mut parts = url.split('{');
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |url, part| format!("{url}own{}", part.split_once('}').unwrap().1))
}

fn configured(row: &Provider, origin: &str, tokens: &str) -> ProviderSetup {
    let provider = moved(row, origin);
    let keyed = matches!(provider.auth, Auth::Bearer | Auth::Header(_));
    let signing = (provider.auth == Auth::Google).then(|| {
        let key = json!({"type": "authorized_user", "client_id": "c", "client_secret": "s",
            "refresh_token": "r", "token_uri": tokens});
        Signing::Google(GoogleKey::parse(&key.to_string()).unwrap())
    });
    ProviderSetup {
        credential: keyed.then(|| Secret::new(KEY.to_owned())),
        signing,
        provider,
        ..setup("openai", origin)
    }
}

/// A prompt long enough to be cached, with a question after it.
fn messages() -> Value {
    let long = "What was said before, which the provider has kept. ".repeat(100);
    json!([{"role": "user", "content": long}, {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "And now?"}])
}

/// The path below the base URL and the body of a request in `format`.
fn asked(format: Format, model: &str, stream: bool) -> (String, Value) {
    match format {
        Format::OpenaiChat => (
            "/chat/completions".to_owned(),
            json!({"model": model, "stream": stream, "messages": messages()}),
        ),
        Format::OpenaiResponses => (
            "/responses".to_owned(),
            json!({"model": model, "stream": stream, "input": messages()}),
        ),
        Format::OpenaiEmbeddings => {
            ("/embeddings".to_owned(), json!({"model": model, "input": "Text"}))
        }
        Format::AnthropicMessages => (
            "/messages".to_owned(),
            json!({"model": model, "stream": stream, "max_tokens": 200, "messages": messages()}),
        ),
        Format::BedrockConverse => {
            let operation = if stream { "converse-stream" } else { "converse" };
            let content = json!([{"role": "user", "content": [{"text": "And now?"}]}]);
            let model = model.replace(':', "%3A");
            (format!("/model/{model}/{operation}"), json!({"messages": content}))
        }
        Format::CohereEmbed => {
            let purpose = "search_document";
            ("/embed".to_owned(), json!({"model": model, "texts": ["Text"], "input_type": purpose}))
        }
        Format::OllamaEmbed => ("/embed".to_owned(), json!({"model": model, "input": ["Text"]})),
        Format::Gemini => {
            let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            let parts = json!([{"role": "user", "parts": [{"text": "And now?"}]}]);
            (format!("/models/{model}:{method}"), json!({"contents": parts}))
        }
    }
}

/// The same as the endpoint has it.
fn asked_at(endpoint: &Endpoint, model: &str, stream: bool) -> (String, Value) {
    let (path, mut body) = asked(endpoint.format, model, stream);
    match &endpoint.addressing {
        Addressing::Usual => (path, body),
        Addressing::Deployments(version) => {
            (format!("/deployments/{model}{path}?api-version={version}"), body)
        }
        Addressing::RawPredict(version) => {
            body.as_object_mut().unwrap().remove("model");
            body["anthropic_version"] = version.as_str().into();
            let verb = if stream { "streamRawPredict" } else { "rawPredict" };
            (format!("/models/{model}:{verb}"), body)
        }
    }
}

const fn model(format: Format) -> &'static str {
    match format {
        Format::OpenaiChat | Format::OpenaiResponses => "gpt-5-mini",
        Format::OpenaiEmbeddings => "text-embedding-3-small",
        Format::AnthropicMessages => "claude-sonnet-4-5",
        Format::Gemini => "gemini-2.5-flash",
        Format::BedrockConverse => "amazon.nova-lite-v1:0",
        Format::CohereEmbed => "embed-v4.0",
        Format::OllamaEmbed => "nomic-embed-text",
    }
}

const fn makes_vectors(format: Format) -> bool {
    matches!(format, Format::OpenaiEmbeddings | Format::CohereEmbed | Format::OllamaEmbed)
}

/// One provider behind the gateway.
struct Row<'a> {
    id: String,
    door: &'a Door,
    log: CallLog,
    /// Calls so far, of all providers.
    calls: &'a mut usize,
}

impl Row<'_> {
    /// Asks by the provider's own path, with a key of the client's that must not arrive.
    async fn ask(&mut self, base: &str, path: &str, body: &Value) -> Whole {
        let mut request = post(&format!("/p/{}{base}{path}", self.id), &body.to_string());
        if Dialect::of(&self.id).header.is_none() {
            // Where no key is configured, the client's own would pass.
            for name in PLACES {
                request.headers_mut().remove(name);
            }
        }
        let got = ask(self.door.addr, request).await;
        *self.calls += 1;
        got
    }

    async fn last(&self) -> std::sync::Arc<tollgate_core::Call> {
        self.door.seen.calls(*self.calls).await.pop().unwrap()
    }

    /// Chat, stream, error and usage at one endpoint.
    async fn check(&mut self, endpoint: &Endpoint, base: &str) {
        let format = endpoint.format;
        let what = format!("{} {format}", self.id);
        let version = if format == Format::Gemini && base.is_empty() { "/v1beta" } else { "" };
        let base = &format!("{base}{version}");
        let streams: &[bool] = if makes_vectors(format) { &[false] } else { &[false, true] };
        for stream in streams {
            let (path, body) = asked_at(endpoint, model(format), *stream);
            let got = self.ask(base, &path, &body).await;
            assert_eq!(got.status, 200, "{what}: {}", got.text());
            let received = self.log.calls().pop().unwrap();
            let sent_to = received.headers.get(SENT_TO).map(|it| it.to_str().unwrap().to_owned());
            let sent_to = sent_to.unwrap_or_else(|| received.uri.to_string());
            assert_eq!(sent_to, format!("{base}{path}"), "{what}");
            let call = self.last().await;
            assert_eq!(call.outcome, Outcome::Finished, "{what}");
            assert_eq!(call.provider.as_deref(), Some(&*self.id), "{what}");
            assert_eq!(call.format, Some(format), "{what}");
            // What the gateway counts itself is not what the provider told.
            let told = if call.usage_counted { Usage::default() } else { call.usage };
            self.check_usage(&what, format, *stream, &told, &got);
        }
        let (path, body) = asked_at(endpoint, "no-such-model", false);
        let got = self.ask(base, &path, &body).await;
        // To Bedrock a name that nobody has is no name.
        let status = if format == Format::BedrockConverse { 400 } else { 404 };
        assert_eq!(got.status, status, "{what}: {}", got.text());
        let call = self.last().await;
        assert_eq!((call.status, call.error_code), (Some(status), None), "{what}");
        assert!(call.error_message.is_some(), "{what}");
        assert_eq!((call.usage.input, call.usage.output), (None, None), "{what}");
    }

    fn check_usage(&self, what: &str, format: Format, stream: bool, usage: &Usage, got: &Whole) {
        let told = Dialect::of(&self.id).stream;
        let chat_stream = stream && format == Format::OpenaiChat;
        if chat_stream && told == Stream::RefusesAndIsSilent {
            assert_eq!((usage.input, usage.output), (None, None), "{what}: unknown is not zero");
            return;
        }
        assert!(usage.input.is_some_and(|it| it > 0), "{what}: {usage:?}");
        if !makes_vectors(format) {
            assert!(usage.output.is_some_and(|it| it > 0), "{what}: {usage:?}");
        }
        if matches!(format, Format::OpenaiChat | Format::OpenaiResponses) {
            assert_eq!(usage.cache_read, Some(CACHED), "{what}: {usage:?}");
        }
        if chat_stream && told == Stream::Tells {
            // The client did not ask for it.
            assert!(!got.text().contains("\"prompt_tokens\""), "{what}: {}", got.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_provider_of_the_catalogue_is_spoken_to_in_its_own_dialect() {
    let (tokens, _) = token_server().await;
    let catalogue = Catalogue::embedded().unwrap();
    let (mut setups, mut served) = (Vec::new(), Vec::new());
    for row in catalogue.iter() {
        let (origin, log) = serve(&row.id).await;
        let setup = configured(row, &origin, &tokens);
        served.push((setup.provider.clone(), origin, log));
        setups.push(setup);
    }
    let door = Door::open(priced(setups)).await;
    let (mut endpoints, mut calls) = (0, 0);
    for (provider, origin, log) in served {
        let mut row = Row { id: provider.id, door: &door, log, calls: &mut calls };
        for endpoint in &provider.endpoints {
            let base = endpoint.base_url.strip_prefix(&origin).unwrap();
            row.check(endpoint, base).await;
            endpoints += 1;
        }
    }
    let all: usize = catalogue.iter().map(|it| it.endpoints.len()).sum();
    assert!(endpoints == all && endpoints > 120, "{endpoints} of {all} endpoints");
}

/// What is answered where lists are that stand not below a provider's first endpoint.
fn listed_at(path: &str, query: &str) -> Option<Value> {
    Some(match (path, query) {
        ("/v1beta1/publishers/google/models", "pageSize=100") => json!({
            "publisherModels": [{"name": "publishers/google/models/gemini-a"}],
            "nextPageToken": "b=",
        }),
        ("/v1beta1/publishers/google/models", "pageSize=100&pageToken=b%3D") => {
            json!({"publisherModels": [{"name": "publishers/google/models/gemini-b"}]})
        }
        ("/v1beta1/publishers/anthropic/models", _) => {
            json!({"publisherModels": [{"name": "publishers/anthropic/models/claude-a"}]})
        }
        ("/foundation-models", "byInferenceType=ON_DEMAND") => {
            json!({"modelSummaries": [{"modelId": "amazon.a", "modelName": "A"}]})
        }
        ("/inference-profiles", _) => json!({
            "inferenceProfileSummaries": [{"inferenceProfileId": "eu.a", "status": "ACTIVE"}],
        }),
        ("/v1/models", "page_size=1000") => json!({"models": [{"name": "command-a"}]}),
        ("/catalog/models", "") => json!([{"id": "openai/gpt-a", "name": "GPT A"}]),
        ("/client/v4/accounts/own/ai/models/search", "") => {
            json!({"success": true, "result": [{"id": "0f", "name": "@cf/meta/a"}]})
        }
        _ => return None,
    })
}

#[tokio::test]
async fn models_are_listed_where_each_provider_has_its_list() {
    let expected = [
        ("google-vertex-global", vec!["gemini-a", "gemini-b", "claude-a"]),
        ("google-vertex", vec!["gemini-a", "gemini-b", "claude-a"]),
        ("azure", vec![]),
        ("amazon-bedrock", vec!["amazon.a", "eu.a"]),
        ("cohere", vec!["command-a"]),
        ("perplexity", vec![]),
        ("github-models", vec!["openai/gpt-a"]),
        ("cloudflare-workers-ai", vec!["@cf/meta/a"]),
    ];
    let (tokens, _) = token_server().await;
    let lists = axum::Router::new().fallback(async |request: axum::extract::Request| {
        let uri = request.uri();
        let answer = listed_at(uri.path(), uri.query().unwrap_or_default());
        let keyed = request.headers().get("authorization").is_some();
        answer.filter(|_| keyed).map(|it| it.to_string()).ok_or(StatusCode::NOT_FOUND)
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, lists).await.unwrap() });
    let catalogue = Catalogue::embedded().unwrap();
    let apart: Vec<_> = catalogue.iter().filter(|it| it.lists.is_some()).collect();
    let setups = apart.iter().map(|it| configured(it, &origin, &tokens)).collect();
    let door = Door::open(priced(setups)).await;
    let mut told = door.gateway.reachable().await;
    told.sort_by_key(|it| apart.iter().position(|row| row.id == it.provider));
    let found: Vec<_> = told
        .iter()
        .map(|it| match &it.models {
            Ok(models) => (it.provider.as_str(), models.iter().map(String::as_str).collect()),
            Err(why) => {
                assert_eq!(why, "it has no list of its models", "{}", it.provider);
                (it.provider.as_str(), vec![])
            }
        })
        .collect();
    assert_eq!(found, expected);
}
