//! The step of a call in which budgets have their say: what it can come to is held for it.

use std::sync::Arc;

use tollgate_core::{
    Caller, Operation, PicoUsd,
    budget::{
        Need, Who,
        bound::{self, Work},
    },
};

use super::counted_name;
use crate::{
    Gateway, GatewayEvent,
    call::OpenCall,
    destination::Destination,
    error::Refusal,
    intake::Upload,
    limits::{HELD_BYTES_PER_TOKEN, HELD_OUTPUT_TOKENS},
    request::{Request, Whole},
    route::Asked,
    rules::RULE_CALLER_WAIT,
    settle::may_be_billed,
    slots::Slot,
};

/// A call on its way to a provider.
pub(crate) struct Going<'a> {
    pub(crate) destination: &'a Arc<Destination>,
    /// The model that it is asked for.
    pub(crate) model: Option<&'a str>,
    pub(crate) whole: &'a Whole,
}

/// Holds what a call can come to at a provider, in place of what was held for it elsewhere, and waits
/// for its turn there.
///
/// # Errors
/// A budget has too little left, or the provider is busy.
pub(crate) async fn enter(
    gateway: &Gateway,
    call: &mut OpenCall,
    going: &Going<'_>,
) -> Result<Slot, Refusal> {
    let provider = &going.destination.id;
    if gateway.desk.accounts.are_used() && may_be_billed(call.operation(), call.method()) {
        // Rare, and not to make every other call's future longer.
        let caller = Box::pin(caller(gateway, call)).await;
        let work = work(call.operation(), going.whole);
        hold(gateway, call, caller.as_deref(), provider, going.model, work)?;
    }
    going.destination.slots.take(provider).await
}

/// Holds what a call can come to whose body is passed on as it comes: nobody knows what it asks for.
pub(crate) async fn reserve_unread(
    gateway: &Gateway,
    call: &mut OpenCall,
    asked: &Asked,
    request: &mut Request,
    upload: &mut Upload,
) -> Result<(), Refusal> {
    let unread = matches!(request, Request::AsItComes(..));
    if !unread
        || !gateway.desk.accounts.are_used()
        || !may_be_billed(call.operation(), call.method())
    {
        return Ok(());
    }
    let caller = Box::pin(caller(gateway, call)).await;
    let home = asked.home().ok().map(|it| Arc::clone(&it.destination.id));
    let held =
        hold(gateway, call, caller.as_deref(), home.as_deref().unwrap_or_default(), None, None);
    if held.is_err()
        && let Request::AsItComes(body, _) = std::mem::replace(request, Request::nothing())
    {
        upload.give_back(body);
    }
    held
}

/// The least money that is left for a call before it is known where it goes.
pub(crate) fn left(
    gateway: &Gateway,
    call: &OpenCall,
    caller: Option<&Caller>,
    provider: Option<&str>,
    model: Option<&str>,
) -> Option<PicoUsd> {
    let routes = call.routes();
    let named = model.map(|it| {
        counted_name(&routes.prices, provider.unwrap_or_default(), it, call.started_at_ms())
    });
    let key = call.key().map(|it| it.name.as_str());
    let who = Who { provider, model: named, model_asked: model, key, ..whose(caller) };
    gateway.desk.accounts.left(&who)
}

async fn caller(gateway: &Gateway, call: &OpenCall) -> Option<Arc<Caller>> {
    if gateway.desk.accounts.are_of_callers() {
        call.caller_within(RULE_CALLER_WAIT).await
    } else {
        None
    }
}

fn hold(
    gateway: &Gateway,
    call: &mut OpenCall,
    caller: Option<&Caller>,
    provider: &str,
    model: Option<&str>,
    work: Option<Work>,
) -> Result<(), Refusal> {
    let routes = call.routes();
    let at = call.started_at_ms();
    let key = call.key().map(|it| it.name.clone());
    let row = model.and_then(|it| routes.prices.find(provider, it, at));
    let need = Need {
        money: work.zip(row).and_then(|(work, row)| bound::most(&work, row)),
        tokens: work.map(|it| it.tokens()).unwrap_or_default(),
    };
    let who = Who {
        provider: Some(provider).filter(|it| !it.is_empty()),
        model: model.map(|it| counted_name(&routes.prices, provider, it, at)),
        model_asked: model,
        key: key.as_deref(),
        ..whose(caller)
    };
    let (held, news) = gateway.desk.accounts.reserve(call.ticket(), &who, &need);
    for it in news {
        gateway.config.observer.event(GatewayEvent::BudgetNews(Arc::new(it)));
    }
    held.map_err(|it| it.refusal())
}

/// Whose call it is, as far as the caller tells.
pub(crate) fn whose(caller: Option<&Caller>) -> Who<'_> {
    let project = caller.and_then(|it| it.project.as_ref());
    Who {
        program: caller.map(|it| it.program.as_str()),
        project_root: project.map(|it| it.root.as_str()),
        project_name: project.map(|it| it.name.as_str()),
        user: caller.and_then(|it| it.user.as_deref()),
        ..Who::default()
    }
}

/// The work that a request asks for; `None` where it cannot be read.
fn work(operation: Operation, whole: &Whole) -> Option<Work> {
    let asked = whole.facts.as_ref()?.work;
    let bytes = u64::try_from(whole.plain()?.len()).ok()?;
    let output_tokens = match operation {
        Operation::Generate => {
            let each = asked.output_max.unwrap_or(HELD_OUTPUT_TOKENS);
            each.saturating_mul(asked.answers.unwrap_or(1).max(1))
        }
        Operation::Embed => 0,
        Operation::CountTokens | Operation::ListModels | Operation::Other => return None,
    };
    Some(Work {
        prompt_tokens: bytes / HELD_BYTES_PER_TOKEN,
        output_tokens,
        service: asked.service,
    })
}
