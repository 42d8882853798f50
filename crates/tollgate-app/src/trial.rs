//! A provider tried with the smallest real call, through the gateway like any other: it is billed,
//! and stands in the ledger.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{client::conn::http1 as client, server::conn::http1 as server, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::broadcast::error::RecvError,
};
use tollgate_core::{
    Call, Format, Operation, PicoUsd, SocketCookie, Usage,
    call::ErrorCode,
    price::PriceBook,
    provider::{Auth, Endpoint, serving},
    quirks::quirks_of,
};
use tollgate_gateway::{
    ProbeError,
    address::{self, ModelAsked},
};

use crate::{
    App,
    api::view::CallState,
    hub::Event,
    providers::{Known, LOCAL_WAIT},
};

/// How long a trial may take: a model on this machine may have to be loaded first.
pub const TRIAL_WAIT: Duration = Duration::from_mins(1);

/// The most tokens that the model is asked for. Models that reason use them up without an answer,
/// which is an answer too.
const TOKENS_ASKED: u64 = 16;

/// What was found of one thing that a call needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is as it should be.
    Good(String),
    /// It is not, for this reason.
    Bad(String),
    /// It could not be told, because something before it failed.
    Untold,
}

/// What a trial found, in the order in which a call needs it.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The model that was asked, if it came to that.
    pub model: Option<String>,
    /// The format that was spoken.
    pub format: Option<Format>,
    /// Whether the provider can be called at all: it is configured, and its credential is there.
    pub configured: Finding,
    /// Whether there was a connection.
    pub reached: Finding,
    /// Whether the certificate was accepted.
    pub tls: Finding,
    /// Whether the credential was accepted.
    pub credential: Finding,
    /// Whether the model answered.
    pub answered: Finding,
    /// Whether the provider told the call's usage.
    pub usage: Finding,
    /// The call, as the ledger has it.
    pub call: Option<Call>,
}

impl Trial {
    const fn begun() -> Self {
        Self {
            model: None,
            format: None,
            configured: Finding::Untold,
            reached: Finding::Untold,
            tls: Finding::Untold,
            credential: Finding::Untold,
            answered: Finding::Untold,
            usage: Finding::Untold,
            call: None,
        }
    }

    /// Everything that was looked at, in order, by its name.
    #[must_use]
    pub const fn findings(&self) -> [(&'static str, &Finding); 6] {
        [
            ("configured", &self.configured),
            ("reached", &self.reached),
            ("tls", &self.tls),
            ("credential", &self.credential),
            ("answered", &self.answered),
            ("usage", &self.usage),
        ]
    }
}

/// Tries a provider with `model`, or with the cheapest of its models that has a price, or the first.
pub async fn try_provider(app: &Arc<App>, known: &Known, model: Option<&str>) -> Trial {
    let mut trial = Trial::begun();
    if let Some(problem) = &known.problem {
        trial.configured = Finding::Bad(problem.clone());
        return trial;
    }
    let Some(endpoint) = known.provider.endpoints.first() else {
        trial.configured = Finding::Bad("it has no endpoint".to_owned());
        return trial;
    };
    trial.format = Some(endpoint.format);
    trial.configured = Finding::Good(format!("{} at {}", endpoint.format, endpoint.base_url));
    let model = match model {
        Some(model) => model.to_owned(),
        None => match choose_model(app, known, &mut trial).await {
            Some(model) => model,
            None => return trial,
        },
    };
    trial.model = Some(model.clone());
    let endpoint = serving(&known.provider.endpoints, Some(&model)).next().unwrap_or(endpoint);
    trial.format = Some(endpoint.format);
    match tokio::time::timeout(TRIAL_WAIT, call(app, known, endpoint, &model)).await {
        Ok(Ok(call)) => read(&mut trial, known, endpoint, call),
        Ok(Err(why)) => trial.reached = Finding::Bad(why),
        Err(_) => {
            let why = format!("no answer within {} s", TRIAL_WAIT.as_secs());
            trial.answered = Finding::Bad(why);
        }
    }
    trial
}

/// A model to try, from the provider's own list. Where that cannot be had, the trial says why.
async fn choose_model(app: &App, known: &Known, trial: &mut Trial) -> Option<String> {
    let id = &known.provider.id;
    let within = if known.is_local() { LOCAL_WAIT } else { TRIAL_WAIT };
    let models = match app.gateway().models_of(id, within).await {
        Ok(models) => models,
        Err(error) => {
            not_listed(trial, known, &error);
            return None;
        }
    };
    let prices = app.prices();
    let cheapest = models.iter().filter_map(|it| Some((price(&prices, app, id, it)?, it))).min();
    let chosen = cheapest.map(|(_, it)| it).or_else(|| models.first()).cloned();
    if chosen.is_none() {
        trial.reached = Finding::Good("it answers".to_owned());
        trial.answered = Finding::Bad("it lists no model: name one with `--model`".to_owned());
    }
    chosen
}

/// What a model's answers cost, where it makes any.
fn price(prices: &PriceBook, app: &App, provider: &str, model: &str) -> Option<PicoUsd> {
    prices.find(provider, model, app.clock().now())?.rates.output
}

/// What a list of models that could not be had says of the provider.
fn not_listed(trial: &mut Trial, known: &Known, error: &ProbeError) {
    let why = error.to_string();
    match error {
        ProbeError::NotThere => trial.configured = Finding::Bad(why),
        ProbeError::NoList => {
            trial.answered = Finding::Bad(format!("{why}: name one with `--model`"));
        }
        ProbeError::NoCredential => trial.credential = Finding::Bad(no_credential(known)),
        ProbeError::NotSigned(_) => trial.credential = Finding::Bad(why),
        ProbeError::Unreachable(_) => trial.reached = Finding::Bad(why),
        ProbeError::Tls(_) => {
            trial.reached = Finding::Good("connected".to_owned());
            trial.tls = Finding::Bad(why);
        }
        ProbeError::Refused(status) => {
            trial.reached = Finding::Good("it answers".to_owned());
            match status {
                401 | 403 => trial.credential = Finding::Bad(why),
                _ => {
                    let why = format!("it lists no models ({why}): name one with `--model`");
                    trial.answered = Finding::Bad(why);
                }
            }
        }
        ProbeError::NotAList => {
            trial.reached = Finding::Good("it answers".to_owned());
            let why = format!("{why}: name one with `--model`");
            trial.answered = Finding::Bad(why);
        }
    }
}

fn no_credential(known: &Known) -> String {
    let id = &known.provider.id;
    format!(
        "none is configured: `tollgate providers login {id}`, then `tollgate providers add {id} \
         --key-keyring {id}`"
    )
}

/// Makes the call over a connection of its own, and waits until it is settled.
async fn call(
    app: &Arc<App>,
    known: &Known,
    endpoint: &Endpoint,
    model: &str,
) -> Result<Call, String> {
    let told = |why: &dyn std::fmt::Display| format!("ask the gateway: {why}");
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|it| told(&it))?;
    let address = listener.local_addr().map_err(|it| told(&it))?;
    let connecting = TcpStream::connect(address);
    let (accepted, connected) = tokio::join!(listener.accept(), connecting);
    let (stream, _) = accepted.map_err(|it| told(&it))?;
    let connection = app.gateway().accept_own(&stream).map_err(|it| told(&it))?;
    let cookie = connection.cookie;
    let gateway = Arc::clone(app.gateway());
    let service = service_fn(move |request| {
        let (gateway, connection) = (Arc::clone(&gateway), Arc::clone(&connection));
        async move { Ok::<_, Infallible>(gateway.handle(connection, request).await) }
    });
    let serving =
        tokio::spawn(server::Builder::new().serve_connection(TokioIo::new(stream), service));
    let mut events = app.hub().watch();
    let connected = connected.map_err(|it| told(&it))?;
    let (mut sender, asking) =
        client::handshake(TokioIo::new(connected)).await.map_err(|it| told(&it))?;
    let asking = tokio::spawn(asking);
    let request = request(known, endpoint, model).map_err(|it| told(&it))?;
    let answer = sender.send_request(request).await.map_err(|it| told(&it))?;
    // What it says is in the ledger.
    let _ = answer.into_body().collect().await;
    drop(sender);
    let found = settled(app, &known.provider.id, cookie, &mut events).await;
    asking.abort();
    serving.abort();
    found.ok_or_else(|| "the call was not settled".to_owned())
}

/// The settled call that came over the connection with this cookie.
async fn settled(
    app: &Arc<App>,
    provider: &str,
    cookie: Option<SocketCookie>,
    events: &mut tokio::sync::broadcast::Receiver<Event>,
) -> Option<Call> {
    loop {
        let view = match events.recv().await {
            Ok(Event::Call(view)) => view,
            Ok(Event::Packets | Event::Status(_) | Event::Budget(_))
            | Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return None,
        };
        let ours = view.state != CallState::Live && view.provider.as_deref() == Some(provider);
        let Some(id) = view.id.parse().ok().filter(|_| ours) else { continue };
        app.written().await;
        let reader = app.reader();
        let call = tokio::task::spawn_blocking(move || reader.call(id)).await.ok()?.ok()??;
        if call.client_cookie == cookie {
            return Some(call);
        }
    }
}

/// The smallest request that makes a model answer, to the provider by its name.
fn request(known: &Known, endpoint: &Endpoint, model: &str) -> http::Result<Request<Full<Bytes>>> {
    let base = endpoint.base_url.parse::<http::Uri>().map(|it| it.path().to_owned());
    let base = base.unwrap_or_default();
    let base = base.trim_end_matches('/');
    let (rest, body) = asked(known, endpoint.format, model);
    let rest = address::below(endpoint.format, base, &rest);
    let (how, whom) = (&endpoint.addressing, ModelAsked { model, streams: false });
    let path = address::path(how, base, rest, Some(whom));
    let query = address::query(how, None).map(|it| format!("?{it}")).unwrap_or_default();
    let body = address::body(how, rest, Operation::Generate, Bytes::from(body.to_string()));
    let uri = format!("/p/{}{path}{query}", known.provider.id);
    Request::post(uri)
        .header(header::HOST, "tollgate")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, concat!("tollgate/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(body))
}

fn asked(known: &Known, format: Format, model: &str) -> (String, Value) {
    let says = "Say OK.";
    let old = quirks_of(&known.provider, model).old_max_tokens == Some(true);
    let limit = if old { "max_tokens" } else { "max_completion_tokens" };
    let messages = json!([{"role": "user", "content": says}]);
    match format {
        Format::OpenaiChat => (
            "/chat/completions".to_owned(),
            json!({"model": model, "messages": messages, limit: TOKENS_ASKED}),
        ),
        Format::OpenaiResponses => (
            "/responses".to_owned(),
            json!({"model": model, "input": says, "max_output_tokens": TOKENS_ASKED}),
        ),
        Format::OpenaiEmbeddings => {
            ("/embeddings".to_owned(), json!({"model": model, "input": says}))
        }
        Format::AnthropicMessages => (
            "/messages".to_owned(),
            json!({"model": model, "max_tokens": TOKENS_ASKED, "messages": messages}),
        ),
        Format::BedrockConverse => (
            format!("/model/{}/converse", model.replace(':', "%3A").replace('/', "%2F")),
            json!({
                "messages": [{"role": "user", "content": [{"text": says}]}],
                "inferenceConfig": {"maxTokens": TOKENS_ASKED},
            }),
        ),
        Format::CohereEmbed => (
            "/embed".to_owned(),
            json!({
                "model": model, "texts": [says], "input_type": "search_query",
                "embedding_types": ["float"],
            }),
        ),
        Format::OllamaEmbed => ("/embed".to_owned(), json!({"model": model, "input": says})),
        Format::Gemini => (
            format!("/v1beta/models/{model}:generateContent"),
            json!({
                "contents": [{"role": "user", "parts": [{"text": says}]}],
                "generationConfig": {"maxOutputTokens": TOKENS_ASKED},
            }),
        ),
    }
}

/// What the settled call says of everything that it needed.
fn read(trial: &mut Trial, known: &Known, endpoint: &Endpoint, call: Call) {
    let why = call.error_message.clone().unwrap_or_default();
    let secure = endpoint.base_url.starts_with("https:");
    let connected = call.timing.connect_took_us;
    let good_connection = || {
        let took = connected.map(|it| format!("connected in {} ms", it / 1_000));
        Finding::Good(took.unwrap_or_else(|| "over a connection that was open".to_owned()))
    };
    let good_tls = || match secure {
        true => Finding::Good("the certificate is accepted".to_owned()),
        false => Finding::Good("not used: the address is plain http".to_owned()),
    };
    match call.error_code {
        Some(ErrorCode::NoCredential) => trial.credential = Finding::Bad(why),
        Some(ErrorCode::TlsFailure) => {
            trial.reached = Finding::Good("connected".to_owned());
            trial.tls = Finding::Bad(why);
        }
        Some(ErrorCode::ProviderUnreachable) => trial.reached = Finding::Bad(why),
        Some(_) => {
            trial.reached = good_connection();
            trial.answered = Finding::Bad(why);
        }
        None => {
            trial.reached = good_connection();
            trial.tls = good_tls();
            answered(trial, known, &call, &why);
        }
    }
    trial.call = Some(call);
}

fn answered(trial: &mut Trial, known: &Known, call: &Call, why: &str) {
    let status = call.status.unwrap_or_default();
    let why =
        if why.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {why}") };
    if matches!(status, 401 | 403) {
        trial.credential = Finding::Bad(why);
        return;
    }
    trial.credential = Finding::Good(match &known.provider.auth {
        Auth::None => "none is needed".to_owned(),
        Auth::Bearer | Auth::Header(_) | Auth::Aws | Auth::Google | Auth::Entra => {
            "accepted".to_owned()
        }
    });
    if status != 200 {
        trial.answered = Finding::Bad(why);
        return;
    }
    let served = call.model_served.as_deref().or(call.model_asked.as_deref()).unwrap_or("it");
    let took = call.timing.finished_us / 1_000;
    trial.answered = Finding::Good(format!("`{served}` answered in {took} ms"));
    let told = if call.usage_counted { Usage::default() } else { call.usage };
    trial.usage = match (told.input, told.output) {
        (None, None) => Finding::Bad("the answer tells none, so calls have no cost".to_owned()),
        (input, output) => {
            let count = |it: Option<u64>| it.map_or_else(|| "?".to_owned(), |it| it.to_string());
            Finding::Good(format!("{} tokens in, {} out", count(input), count(output)))
        }
    };
}

#[cfg(test)]
mod tests {
    use tollgate_core::provider::Catalogue;

    use super::*;
    use crate::config::Config;

    async fn asked_for(entry: &str, model: &str) -> (String, String) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, format!("[[providers]]\n{entry}")).unwrap();
        let own = Config::load(&file, &Catalogue::embedded().unwrap()).unwrap().providers.remove(0);
        let provider = own.provider.clone();
        let known = Known { provider, in_catalogue: true, own: Some(own), problem: None };
        let endpoint = serving(&known.provider.endpoints, Some(model)).next().unwrap();
        let (head, body) = request(&known, endpoint, model).unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.uri.to_string(), String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_provider_is_tried_where_its_models_are_asked_for() {
        let vertex = "id = 'google-vertex'\nparameters = { project = 'p', region = 'r' }";
        let publishers = "/p/google-vertex/v1/projects/p/locations/r/publishers";
        let (path, _) = asked_for(vertex, "gemini-2.5-flash").await;
        assert_eq!(path, format!("{publishers}/google/models/gemini-2.5-flash:generateContent"));
        let (path, body) = asked_for(vertex, "claude-opus-5@default").await;
        assert_eq!(path, format!("{publishers}/anthropic/models/claude-opus-5@default:rawPredict"));
        assert!(body.contains("\"anthropic_version\"") && !body.contains("\"model\""), "{body}");
        let azure = "id = 'azure'\nparameters = { resource = 'r' }\napi_version = '2024-10-21'";
        let (path, _) = asked_for(azure, "mine").await;
        let deployment = "/p/azure/openai/deployments/mine/chat/completions";
        assert_eq!(path, format!("{deployment}?api-version=2024-10-21"));
        let (path, _) = asked_for("id = 'google'\nname = 'G'", "gemini-2.5-flash").await;
        assert_eq!(path, "/p/google/v1beta/models/gemini-2.5-flash:generateContent");
    }
}
