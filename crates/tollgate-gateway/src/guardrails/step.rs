//! The step of a call in which guardrails look at its request.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use tollgate_core::{
    budget::Who,
    call::ErrorCode,
    guardrail::{Exceptions, GuardAction, GuardSide, Hit},
};
use tollgate_wire::text;

use super::{
    Guardrail, Hits, Placeholders,
    hits::Again,
    limits::INLINE_BYTES_MAX,
    look::{Blocked, Looked, look},
};
use crate::{
    budgets::whose,
    call::OpenCall,
    error::Refusal,
    intake::Upload,
    model::ServedModel,
    request::{Request, is_read},
    route::Asked,
    rules::{HeaderEdit, RULE_CALLER_WAIT},
};

/// The header by which a client is told of guardrails that warn: their names.
const WARNING: HeaderName = HeaderName::from_static("x-tollgate-guardrail");

/// The rule's name in a hit that says that something was not looked at.
pub(super) const UNREAD: &str = "unread";

/// The guardrails that are for a call, and what they came to.
#[derive(Debug, Default)]
pub(crate) struct Guarding {
    pub(super) guardrails: Vec<Arc<Guardrail>>,
    pub(super) exceptions: Arc<Exceptions>,
    pub(super) placeholders: Placeholders,
    pub(crate) hits: Hits,
}

impl Guarding {
    /// Those that look at this side.
    pub(super) fn of(&self, side: GuardSide) -> impl Iterator<Item = &Arc<Guardrail>> {
        self.guardrails.iter().filter(move |it| it.on.looks_at(side))
    }

    /// Whether the answer has to be read: to be looked at, or to have put back what was redacted.
    pub(crate) fn reads_the_answer(&self) -> bool {
        !self.placeholders.is_empty() || self.of(GuardSide::Answer).next().is_some()
    }

    /// Notes that guardrails of a side could not look, for this reason, and whether one of them therefore
    /// refuses what they could not look at.
    pub(super) fn unread(&self, side: GuardSide, place: &str, why: &str) -> Result<(), Refusal> {
        self.note_unread(side, place);
        match self.of(side).find(|it| it.holds_up()) {
            Some(guardrail) => {
                let message = text::unread_by_guardrail(&guardrail.name, why);
                Err(Refusal::new(ErrorCode::BlockedByGuardrail, message))
            }
            None => Ok(()),
        }
    }

    /// Notes that guardrails of a side could not look, and what they could not look at goes on.
    pub(super) fn note_unread(&self, side: GuardSide, place: &str) {
        for guardrail in self.of(side) {
            let hit = Hit {
                guardrail: guardrail.name.clone(),
                rule: UNREAD.to_owned(),
                action: GuardAction::Log,
                side,
                place: place.to_owned(),
                times: 1,
                snippet: None,
                fingerprint: None,
            };
            self.hits.add(hit, Again::Counts);
        }
    }

    /// What the client is told in the answer's head of what the guardrails found in its request.
    pub(crate) fn warnings(&self) -> Option<HeaderEdit> {
        let names = self.hits.warnings().join(", ");
        // Names are printable ASCII.
        let value = HeaderValue::from_str(&names).ok().filter(|it| !it.is_empty())?;
        Some(HeaderEdit::Set(WARNING, value))
    }
}

/// Has the guardrails look at a request, which is blocked or goes on, with placeholders where something was
/// redacted.
pub(crate) async fn guard(
    call: &mut OpenCall,
    asked: &Asked,
    request: &mut Request,
    upload: &mut Upload,
) -> Result<(), Refusal> {
    let routes = call.routes();
    if routes.guardrails.guardrails.is_empty() {
        return Ok(());
    }
    let caller = if routes.guardrails.are_of_callers() {
        call.caller_within(RULE_CALLER_WAIT).await
    } else {
        None
    };
    let in_path = asked.route.as_ref().and_then(|it| it.model_in_path.as_deref());
    let model = in_path.or(request.model());
    let served = model.and_then(|it| routes.model(asked, it));
    let home = asked.home().ok().map(|it| &*it.destination.id);
    let key = call.key().map(|it| it.name.as_str());
    let who = Who { key, ..whose(caller.as_deref()) };
    let guardrails = routes.guardrails.for_call(&ways(who, home, model, served.as_deref()));
    if guardrails.is_empty() {
        return Ok(());
    }
    let exceptions = Arc::clone(&routes.guardrails.exceptions);
    let mut guarding = Guarding { guardrails, exceptions, ..Guarding::default() };
    let looked = Box::pin(look_at(call, &mut guarding, request)).await;
    call.guarded_by(guarding);
    if looked.is_err()
        && let Request::AsItComes(body, _) = std::mem::replace(request, Request::nothing())
    {
        upload.give_back(body);
    }
    looked
}

async fn look_at(
    call: &mut OpenCall,
    guarding: &mut Guarding,
    request: &mut Request,
) -> Result<(), Refusal> {
    let guardrails: Vec<_> = guarding.of(GuardSide::Request).map(Arc::clone).collect();
    if guardrails.is_empty() {
        return Ok(());
    }
    let whole = match request {
        Request::Whole(whole) if is_read(call.operation()) => whole,
        // A request without a body; or a body that is no prompt, and that Tollgate never reads.
        Request::Whole(whole) if whole.own.is_empty() => return Ok(()),
        Request::Whole(_) | Request::AsItComes(..) => {
            guarding.note_unread(GuardSide::Request, "body");
            return Ok(());
        }
    };
    let Some(body) = whole.plain().cloned() else {
        let why = "the request has a content-encoding that Tollgate cannot undo";
        return guarding.unread(GuardSide::Request, "body", why);
    };
    let exceptions = Arc::clone(&guarding.exceptions);
    let hits = guarding.hits.clone();
    let looked = in_its_time(body, move |body| look(&guardrails, &exceptions, body, &hits)).await?;
    let Some(Looked { body, placeholders, blocked }) = looked else {
        let why = "the request's body is not JSON";
        return guarding.unread(GuardSide::Request, "body", why);
    };
    if let Some(body) = body {
        // What was redacted or blocked is not kept either.
        call.keeps_request(&body);
        whole.replace(body);
        guarding.placeholders = placeholders;
    }
    match blocked {
        Some(Blocked { guardrail, what, place }) => {
            let message = text::blocked_by_guardrail(&guardrail, &what, &place);
            Err(Refusal::new(ErrorCode::BlockedByGuardrail, message))
        }
        None => Ok(()),
    }
}

/// Looks at a body, a long one on a thread that may take its time.
async fn in_its_time<T: Send + 'static>(
    body: Bytes,
    work: impl FnOnce(&Bytes) -> T + Send + 'static,
) -> Result<T, Refusal> {
    if body.len() <= INLINE_BYTES_MAX {
        return Ok(work(&body));
    }
    // It ends early only where the program does.
    tokio::task::spawn_blocking(move || work(&body)).await.map_err(|_| Refusal::stopping())
}

/// The ways that a call may go: to the provider that its path means, or to each target of its model.
fn ways<'a>(
    who: Who<'a>,
    home: Option<&'a str>,
    model: Option<&'a str>,
    served: Option<&'a ServedModel>,
) -> Vec<Who<'a>> {
    let mut ways = vec![Who { provider: home, model, model_asked: model, ..who }];
    for target in served.map(|it| it.targets.as_slice()).unwrap_or_default() {
        let (provider, target) = (Some(&*target.provider), Some(&*target.model));
        ways.push(Who { provider, model: target, model_asked: model, ..who });
    }
    ways
}
