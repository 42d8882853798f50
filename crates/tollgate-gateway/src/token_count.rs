//! Counts of tokens that a client asks for of a model whose provider cannot be asked for them: made
//! here, where the model's own tokenizer is public.

use bytes::Bytes;
use tollgate_core::routing::{Attempt, AttemptResult};
use tollgate_wire::{
    text,
    tokens::{Counter, count_body, counted_request},
};

use crate::{
    Gateway, call::OpenCall, error::Refusal, limits::BODY_KEEP_BYTES_MAX, request::Request,
    route::Asked,
};

/// The header that says that a count of tokens is an estimate.
pub(crate) const TOKENS: &str = "x-tollgate-tokens";

/// The answer to what is a request for a count; `None` where a provider is to be asked, or nobody can tell.
pub(crate) async fn counted(
    gateway: &Gateway,
    call: &mut OpenCall,
    asked: &Asked,
    request: &Request,
) -> Result<Option<Bytes>, Refusal> {
    let routes = call.routes();
    let (Some(route), Request::Whole(whole)) = (&asked.route, request) else { return Ok(None) };
    let name = route.model_in_path.as_deref().or(request.model());
    let Some(model) = name.and_then(|it| routes.model(asked, it)) else { return Ok(None) };
    let mut reachable =
        model.targets.iter().filter_map(|it| Some((it, it.destination.as_ref().ok()?)));
    // A provider counts better than it is done here.
    if reachable.clone().any(|(target, it)| it.counts(route.format, &target.model)) {
        return Ok(None);
    }
    let Some((target, _)) = reachable.next() else { return Ok(None) };
    let plain = whole.plain().filter(|it| it.len() <= BODY_KEEP_BYTES_MAX);
    let (Some(counter), Some(plain)) = (Counter::of_model(&target.model), plain) else {
        return Ok(None);
    };
    let (format, body) = (route.format, counted_request(route.format, plain));
    let prompt = gateway.desk.counting.in_turn(body.len(), move || counter.prompt(format, &body));
    let prompt = prompt.await.ok_or_else(Refusal::overloaded)?;
    let Some(answer) = prompt.ok().and_then(|it| count_body(format, it.tokens)) else {
        return Ok(None);
    };
    call.routed_by(&model);
    call.attempted(Attempt {
        provider: target.provider.as_ref().to_owned(),
        model: target.model.as_ref().to_owned(),
        translated_to: None,
        waited_us: 0,
        began_us: call.now_us(),
        took_us: 0,
        result: AttemptResult::Skipped(text::counted_here()),
    });
    Ok(Some(answer.into()))
}
