//! A call made ready for one target: which model it is asked for, in which format, with whose
//! credential.

use bytes::Bytes;
use http::{Uri, request};
use tollgate_core::{Format, Operation, call::ErrorCode, routing::Loss};
use tollgate_wire::{
    Route, ask_include_usage, rename_model, text,
    translate::{
        AnswerPlan, RequestConfig, rename_in_path, translate_count, translate_request,
        without_foreign_seals,
    },
};

use crate::{
    ModelPatience,
    address::ModelAsked,
    auth::Credential,
    destination::{Destination, Query, Way},
    error::Refusal,
    headers::Carried,
    model::ServedTarget,
    request::Whole,
    route::Asked,
    send::Outgoing,
};

/// A call, ready to go to one provider.
pub(crate) struct Aim {
    pub(crate) outgoing: Outgoing,
    pub(crate) body: Bytes,
    /// The same, but asking for the usage of the stream, for which the client did not ask.
    pub(crate) asking: Option<Bytes>,
    /// How the answer is brought into the client's format; `None` where it is in it already.
    pub(crate) translation: Option<Translation>,
}

/// What was done to a request, and must be undone in its answer.
pub(crate) struct Translation {
    /// What is spoken to the provider.
    pub(crate) format: Format,
    pub(crate) plan: AnswerPlan,
    pub(crate) losses: Vec<Loss>,
}

/// The call as the client made it, for the provider that it means.
pub(crate) fn at_home(head: &request::Parts, asked: &Asked, whole: &Whole) -> Result<Aim, Refusal> {
    let model = whole.facts.as_ref().and_then(|it| it.model.as_deref());
    let model = model.map(|model| ModelAsked { model, streams: whole.streams() });
    let outgoing = for_model(head, asked, model)?;
    let destination = &outgoing.way.destination;
    let generates = asked.route.as_ref().filter(|it| it.operation == Operation::Generate);
    // A client that was served by another format may bring seals that this provider never made.
    let unsealed = generates
        .zip(whole.plain())
        .and_then(|(route, plain)| without_foreign_seals(route.format, plain).map(Bytes::from));
    let (body, carried) = match unsealed {
        Some(body) => (body, Carried::AllButCoding),
        None if whole.undone => (whole.own.clone(), Carried::AllButCoding),
        None => (whole.own.clone(), Carried::All),
    };
    let asking = generates
        .filter(|_| !whole.coded)
        .and_then(|route| asking(destination, route, whole, &body));
    Ok(Aim { outgoing: Outgoing { carried, ..outgoing }, body, asking, translation: None })
}

/// The call as the client made it, for the provider that it means, without its body.
pub(crate) fn without_body(head: &request::Parts, asked: &Asked) -> Result<Outgoing, Refusal> {
    for_model(head, asked, None)
}

fn for_model(
    head: &request::Parts,
    asked: &Asked,
    model: Option<ModelAsked<'_>>,
) -> Result<Outgoing, Refusal> {
    let way = asked.home()?.clone();
    let credential = Credential::choose(&way.destination, &head.headers, head.uri.query())?;
    let uri = uri(head, &way, credential.query(), model)?;
    Ok(Outgoing::new(way, uri, credential, Carried::All, &ModelPatience::default()))
}

/// The call for a target of the configured model that the client asked for.
pub(crate) fn at_target(
    head: &request::Parts,
    asked: &Asked,
    whole: &Whole,
    target: &ServedTarget,
    patience: &ModelPatience,
) -> Result<Aim, Refusal> {
    let destination = target.destination.as_ref();
    let destination =
        destination.map_err(|why| Refusal::new(ErrorCode::NoCredential, why.clone()))?;
    let no_counterpart =
        || Refusal::new(ErrorCode::NotSupported, text::no_counterpart(&target.provider));
    let route = asked.route.as_ref().ok_or_else(no_counterpart)?;
    let plain = whole.plain().ok_or_else(no_counterpart)?;
    if destination.speaks(route.format, &target.model) {
        return same_format(head, asked, whole, target, patience);
    }
    let to = destination.translated_to(route.format, route.operation, &target.model);
    let to = to.ok_or_else(no_counterpart)?;
    let credential = Credential::withheld(destination, None)?;
    let config = RequestConfig {
        from: route.format,
        to,
        model: &target.model,
        query: head.uri.query(),
        streaming_in_path: route.streaming_in_path,
        provider: destination.capabilities(&target.model),
    };
    let plain = match &whole.standalone {
        None => plain,
        Some(Ok(standalone)) => standalone,
        Some(Err(refusal)) => return Err(refusal.clone()),
    };
    let translate = match route.operation {
        Operation::CountTokens => translate_count,
        Operation::Generate | Operation::Embed | Operation::ListModels | Operation::Other => {
            translate_request
        }
    };
    let translated = translate(&config, plain).map_err(|refused| {
        let message = text::not_translatable(&target.provider, &refused.to_string());
        Refusal::new(ErrorCode::NotTranslatable, message)
    })?;
    let (path, query) = match translated.path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (translated.path.as_str(), None),
    };
    let way = destination.way_below(to, path, Some(&target.model)).ok_or_else(no_counterpart)?;
    let asked = ModelAsked { model: &target.model, streams: translated.stream };
    let uri = uri(head, &way, Query::Other(query), Some(asked))?;
    let body = way.body(route.operation, translated.body.into());
    Ok(Aim {
        outgoing: Outgoing::new(way, uri, credential, Carried::Translated, patience),
        body,
        asking: None,
        translation: Some(Translation {
            format: to,
            plan: translated.plan,
            losses: translated.losses,
        }),
    })
}

/// The client's own bytes, but for the model's name.
fn same_format(
    head: &request::Parts,
    asked: &Asked,
    whole: &Whole,
    target: &ServedTarget,
    patience: &ModelPatience,
) -> Result<Aim, Refusal> {
    let unknown = || Refusal::bad_url(head.method.as_str(), head.uri.path());
    let route = asked.route.as_ref().ok_or_else(unknown)?;
    let destination = target.destination.as_ref().map_err(|_| unknown())?;
    let query = head.uri.query();
    let meant = asked.home().is_ok_and(|it| it.destination.id == destination.id);
    let credential = if meant {
        Credential::choose(destination, &head.headers, query)?
    } else {
        Credential::withheld(destination, query)?
    };
    let path = head.uri.path();
    let renamed = route.model_in_path.as_ref().and_then(|_| rename_in_path(path, &target.model));
    let way = destination.way(route.format, path, renamed.as_deref(), Some(&target.model));
    let way = way.ok_or_else(unknown)?;
    let asked = ModelAsked { model: &target.model, streams: whole.streams() };
    let uri = uri(head, &way, credential.query(), Some(asked))?;
    let plain = whole.plain().ok_or_else(unknown)?;
    let unsealed = without_foreign_seals(route.format, plain).map(Bytes::from);
    let plain = unsealed.as_ref().unwrap_or(plain);
    let model = match route.format {
        Format::Gemini if !target.model.contains('/') => &*format!("models/{}", target.model),
        Format::Gemini
        | Format::OpenaiChat
        | Format::OpenaiResponses
        | Format::OpenaiEmbeddings
        | Format::AnthropicMessages
        | Format::BedrockConverse
        | Format::CohereEmbed
        | Format::OllamaEmbed => &*target.model,
    };
    let body = rename_model(plain, model).unwrap_or_else(|| plain.clone());
    let body = way.body(route.operation, body);
    let asking = asking(destination, route, whole, &body);
    let coding_goes = whole.coded || whole.undone;
    let carried = if coding_goes { Carried::AllButCoding } else { Carried::All };
    let outgoing = Outgoing::new(way, uri, credential, carried, patience);
    Ok(Aim { outgoing, body, asking, translation: None })
}

/// The body with a request for the stream's usage, where that is to be asked for.
fn asking(destination: &Destination, route: &Route, whole: &Whole, body: &Bytes) -> Option<Bytes> {
    let chat = route.format == Format::OpenaiChat && route.operation == Operation::Generate;
    let facts = whole.facts.as_ref().filter(|_| chat)?;
    let lacks_usage = facts.stream && facts.include_usage != Some(true);
    (lacks_usage && destination.asks_usage()).then(|| ask_include_usage(body)).flatten()
}

fn uri(
    head: &request::Parts,
    way: &Way,
    query: Query<'_>,
    asked: Option<ModelAsked<'_>>,
) -> Result<Uri, Refusal> {
    let refused = |_| Refusal::bad_url(head.method.as_str(), head.uri.path());
    way.uri(&head.uri, query, asked).map_err(refused)
}
