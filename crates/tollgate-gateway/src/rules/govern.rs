//! The step of a call in which the rules have their say.

use bytes::Bytes;
use http::{Uri, header, request, uri::PathAndQuery};
use tollgate_core::{Caller, Format, Operation, call::ErrorCode};
use tollgate_wire::{Edit, edit, rename_model, text, translate::rename_in_path};

use super::{
    Applied, HeaderEdit, RULE_CALLER_WAIT, Subject,
    gather::{Known, gather},
    variable::Source,
};
use crate::{
    Gateway,
    budgets::left,
    call::OpenCall,
    error::Refusal,
    intake::Upload,
    request::{Request, is_read},
    route::{Asked, Routes},
};

/// What the rules want of a call besides another body.
#[derive(Default)]
pub(crate) struct Ruled {
    /// Another head of the request; `None`: the client's own.
    pub(crate) head: Option<Box<request::Parts>>,
    /// What to change of the answer's headers.
    pub(crate) response_headers: Vec<HeaderEdit>,
}

/// Applies the rules to a call, which is denied or goes on as they want it.
pub(crate) async fn govern(
    gateway: &Gateway,
    call: &mut OpenCall,
    head: &request::Parts,
    asked: &mut Asked,
    request: &mut Request,
    upload: &mut Upload,
) -> Result<Ruled, Refusal> {
    let routes = call.routes();
    let uses = routes.rules.uses();
    let of_budgets = uses.any_from(Source::Budgets) && gateway.desk.accounts.are_of_callers();
    let caller = if uses.any_from(Source::Caller) || of_budgets {
        call.caller_within(RULE_CALLER_WAIT).await
    } else {
        None
    };
    if routes.rules.is_empty() {
        return Ok(Ruled::default());
    }
    let mut governed = Governed { gateway, head, asked, request, ruled: Ruled::default() };
    let applied = governed.judge(call, &routes, caller.as_deref())?;
    if let Some((rule, reason)) = &applied.denied {
        if let Request::AsItComes(body, _) = std::mem::replace(request, Request::nothing()) {
            upload.give_back(body);
        }
        let message = text::denied_by_rule(rule, reason);
        return Err(Refusal::new(ErrorCode::DeniedByRule, message));
    }
    governed.change(call, &routes, applied)?;
    Ok(governed.ruled)
}

/// A call on its way through the rules.
struct Governed<'a> {
    gateway: &'a Gateway,
    head: &'a request::Parts,
    asked: &'a mut Asked,
    request: &'a mut Request,
    ruled: Ruled,
}

impl Governed<'_> {
    /// The head as the rules left it.
    fn head(&self) -> &request::Parts {
        self.ruled.head.as_deref().unwrap_or(self.head)
    }

    fn head_mut(&mut self) -> &mut request::Parts {
        self.ruled.head.get_or_insert_with(|| Box::new(self.head.clone()))
    }

    /// Whether the request goes out with a signature of the client's.
    fn is_signed(&self) -> bool {
        let own = self.head.headers.get(header::AUTHORIZATION);
        let signs = own.is_some_and(|it| it.as_bytes().starts_with(b"AWS4-"));
        signs && !self.asked.home().is_ok_and(|it| it.destination.has_credential())
    }

    fn operation(&self) -> Operation {
        self.asked.route.as_ref().map_or(Operation::Other, |it| it.operation)
    }

    /// Finds out what the rules ask for, and what comes of them.
    fn judge(
        &self,
        call: &mut OpenCall,
        routes: &Routes,
        caller: Option<&Caller>,
    ) -> Result<Applied, Refusal> {
        let rules = &routes.rules;
        let route = self.asked.route.as_ref();
        let operation = self.operation();
        let whole = match &*self.request {
            Request::Whole(whole) if is_read(operation) => Some(whole),
            Request::Whole(_) | Request::AsItComes(..) => None,
        };
        let body = whole.and_then(|it| it.plain());
        let said = whole.and_then(|it| it.facts.as_ref());
        let in_path = route.and_then(|it| it.model_in_path.as_deref());
        let in_body = said.and_then(|it| it.model.as_deref());
        let provider = self.asked.home().ok().map(|it| &*it.destination.id);
        let streams = route.and_then(|it| it.streaming_in_path);
        let known = Known {
            caller,
            key: call.key().map(|it| it.name.as_str()),
            at: call.started_at_ms(),
            format: route.map(|it| it.format),
            operation: Some(operation),
            provider,
            method: Some(self.head.method.as_str()),
            path: Some(self.head.uri.path()),
            headers: Some(&self.head.headers),
            model: in_path.or(in_body),
            stream: streams.or(said.map(|it| it.stream)),
            body,
            budget_left: if rules.uses().any_from(Source::Budgets) {
                left(self.gateway, call, caller, provider, in_path.or(in_body))
            } else {
                None
            },
        };
        let facts = gather(rules, &known);
        let verdicts = rules.judge(&facts);
        rules.note(&verdicts, call.call_id(), call.started_at_ms());
        let subject = Subject {
            headers: &self.head.headers,
            body: body.ok_or("the body of such a request is not read"),
            format: known.format,
            operation,
            model: known.model,
            signed: self.is_signed(),
        };
        let applied = rules.apply(&verdicts, &subject);
        call.ruled(&applied.traces);
        let unreadable = whole.is_some() && said.is_none();
        if unreadable && applied.denied.is_none() && rules.change_the_body(&verdicts) {
            // A client must not get round a rule by a coding that cannot be undone here.
            return Err(Refusal::new(ErrorCode::NotSupported, text::unreadable_coding()));
        }
        Ok(applied)
    }

    fn change(
        &mut self,
        call: &mut OpenCall,
        routes: &Routes,
        applied: Applied,
    ) -> Result<(), Refusal> {
        if let Some(headers) = applied.headers {
            self.head_mut().headers = headers;
            let set = applied.request_headers.into_iter().filter_map(|it| match it {
                HeaderEdit::Set(name, _) => Some(name),
                HeaderEdit::Remove(_) => None,
            });
            call.gains_headers(set.collect());
        }
        self.ruled.response_headers = applied.response_headers;
        let mut body = applied.body;
        if let Some(model) = &applied.model {
            call.asks_for(model);
            self.rename_in_path(routes, model)?;
            body = self.renamed_in_body(body.as_ref(), model).or(body);
        }
        if let (Some(body), Request::Whole(whole)) = (body, &mut *self.request) {
            let was_coded = whole.coded;
            whole.replace(body);
            if was_coded {
                self.head_mut().headers.remove(header::CONTENT_ENCODING);
            }
        }
        Ok(())
    }

    /// Where the path names the model, it names another.
    fn rename_in_path(&mut self, routes: &Routes, model: &str) -> Result<(), Refusal> {
        let names = self.asked.route.as_ref().is_some_and(|it| it.model_in_path.is_some());
        let head = self.head();
        let path = head.uri.path();
        let Some(renamed) = names.then(|| rename_in_path(path, model)).flatten() else {
            return Ok(());
        };
        let bad = || Refusal::bad_url(head.method.as_str(), path);
        let text = match head.uri.query() {
            Some(query) => format!("{renamed}?{query}"),
            None => renamed,
        };
        let mut parts = head.uri.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(text).map_err(|_| bad())?);
        let uri = Uri::from_parts(parts).map_err(|_| bad())?;
        self.head_mut().uri = uri;
        *self.asked = routes.ask(self.head())?;
        Ok(())
    }

    /// The body with another model; `None` where it has no place for one.
    fn renamed_in_body(&self, edited: Option<&Bytes>, model: &str) -> Option<Bytes> {
        let Request::Whole(whole) = &*self.request else { return None };
        let body = edited.or(whole.plain())?;
        let route = self.asked.route.as_ref()?;
        match route.format {
            // Its place is the path; the body of a few requests repeats it.
            Format::Gemini if model.contains('/') => rename_model(body, model),
            Format::Gemini => rename_model(body, &format!("models/{model}")),
            // It stands in the path alone.
            Format::BedrockConverse => None,
            // On Vertex AI, where the path has it alone.
            Format::AnthropicMessages if route.model_in_path.is_some() => None,
            Format::OpenaiChat
            | Format::OpenaiResponses
            | Format::OpenaiEmbeddings
            | Format::AnthropicMessages
            | Format::CohereEmbed
            | Format::OllamaEmbed => {
                let model = Edit::Set("model".parse().ok()?, model.into());
                edit(body, route.format, route.operation, [&model]).ok()?.body
            }
        }
    }
}
