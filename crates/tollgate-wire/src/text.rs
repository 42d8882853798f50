//! Every text for people that this package makes: what went wrong and what to do about it. None
//! holds a key, a prompt or an answer.

use tollgate_core::key::KeyFault;

/// The body is over the limit.
#[must_use]
pub fn body_too_large(bytes_max: u64) -> String {
    format!("The request's body is longer than the {bytes_max} bytes that Tollgate accepts.")
}

/// The body is not a JSON object; `why` is the parser's word.
#[must_use]
pub fn malformed_body(why: &str) -> String {
    format!("The request's body is not a JSON object: {why}.")
}

/// No route has the path.
#[must_use]
pub fn unknown_path(method: &str, path: &str) -> String {
    format!(
        "Tollgate has no such path. The base URL of OpenAI clients ends with /v1, that of \
         Anthropic and Gemini clients does not. ({method} {path})"
    )
}

/// No provider has the id.
#[must_use]
pub fn unknown_provider(provider: &str) -> String {
    format!("Tollgate knows no provider `{provider}`.")
}

/// Neither side has a credential; `env` is the variable that usually holds it.
#[must_use]
pub fn no_credential(provider: &str, env: Option<&str>) -> String {
    let hint = env.map(|it| format!(" Set {it}, or store a key for it in Tollgate."));
    format!(
        "No API key for `{provider}`: the request carries none and Tollgate has none.{}",
        hint.unwrap_or_default()
    )
}

/// A program of another user asks, and shows no local key. `uid` is that user's number.
#[must_use]
pub fn other_user(uid: u32) -> String {
    format!(
        "Tollgate serves the programs of the user who runs it. This one belongs to user {uid}, and \
         needs a local key (`tollgate keys create`)."
    )
}

/// Nobody can tell which user asks, and there is no local key.
#[must_use]
pub fn unknown_user() -> String {
    "Tollgate serves the programs of the user who runs it, and cannot tell whose this one is: it \
     needs a local key (`tollgate keys create`)."
        .to_owned()
}

/// Local keys are needed, and none was shown.
#[must_use]
pub fn no_key() -> String {
    "Tollgate serves only requests with a local key (`tollgate keys create`).".to_owned()
}

/// Nobody has such a local key.
#[must_use]
pub fn unknown_key() -> String {
    "Tollgate does not know this local key.".to_owned()
}

/// A request shows more than one local key.
#[must_use]
pub fn several_keys() -> String {
    "The request carries several local keys of Tollgate: send one.".to_owned()
}

/// The local key is no longer good, for this reason.
#[must_use]
pub fn bad_key(name: &str, fault: KeyFault) -> String {
    let why = match fault {
        KeyFault::Revoked => "was revoked",
        KeyFault::Expired => "has expired",
        KeyFault::Rotated => "was rotated, and this is its former secret",
    };
    format!("Tollgate's local key `{name}` {why}.")
}

/// The local key may not do this: ask a provider, ask for a model, do something at all.
#[must_use]
pub fn out_of_scope(name: &str, what: &str) -> String {
    format!("Tollgate's local key `{name}` is not for {what}.")
}

/// The local key is for certain models, and the request does not say its model in a way that counts.
#[must_use]
pub fn model_unclear(name: &str) -> String {
    format!(
        "Tollgate's local key `{name}` is for certain models only, and this request names none that \
         Tollgate can read: name a model on the paths of the format itself (`/v1`, `/v1beta`), not \
         below `/p/`."
    )
}

/// The request could not be signed, or no token could be got for it; `why` says who was asked.
#[must_use]
pub fn not_signed(provider: &str, why: &str) -> String {
    format!("Tollgate has no valid credential for `{provider}`: {why}.")
}

/// A rule of the configuration denies the call, for the `reason` that it gives.
#[must_use]
pub fn denied_by_rule(rule: &str, reason: &str) -> String {
    format!("Tollgate's rule `{rule}` denies this call: {reason}")
}

/// The user has blocked the calls of `program`, or, without one, all.
#[must_use]
pub fn blocked(program: Option<&str>) -> String {
    match program {
        Some(program) => format!(
            "Tollgate's user has blocked the calls of `{program}`. On the page Programs, or with \
             `tollgate unblock --program`, they are let through again."
        ),
        None => "Tollgate's user has blocked all calls. On the page Programs, or with \
                 `tollgate unblock --all`, they are let through again."
            .to_owned(),
    }
}

/// The user has blocked a call that was under way.
#[must_use]
pub fn cut() -> String {
    "Tollgate's user has blocked this call.".to_owned()
}

/// A guardrail of the configuration blocks the call or its answer; `what` was found, `place` is where.
#[must_use]
pub fn blocked_by_guardrail(guardrail: &str, what: &str, place: &str) -> String {
    format!("Tollgate's guardrail `{guardrail}` blocks this call: {what} in `{place}`.")
}

/// A guardrail must look at something that cannot be read here.
#[must_use]
pub fn unread_by_guardrail(guardrail: &str, what: &str) -> String {
    format!("Tollgate's guardrail `{guardrail}` blocks this call, because {what}.")
}

/// A budget of the configuration has too little left; `why` says of what, in a sentence.
#[must_use]
pub fn over_budget(budget: &str, value: Option<&str>, why: &str) -> String {
    match value {
        Some(value) => format!("Tollgate's budget `{budget}` for `{value}` stops this call: {why}"),
        None => format!("Tollgate's budget `{budget}` stops this call: {why}"),
    }
}

/// Too little money is left. Amounts are in dollars, `until` is when the next period begins.
#[must_use]
pub fn budget_money(
    period: &str,
    [amount, spent, reserved, need]: [&str; 4],
    until: &str,
) -> String {
    format!(
        "of {amount} a {period}, {spent} is spent and {reserved} held for calls under way; this one \
         can cost {need}. The next {period} begins at {until}."
    )
}

/// Nobody knows what the call can cost.
#[must_use]
pub fn budget_unpriced() -> String {
    "nobody knows beforehand what it can cost. Set a price (`tollgate prices set`), or say what such \
     calls count as (`unknown_usd`)."
        .to_owned()
}

/// Too many calls within a minute.
#[must_use]
pub fn budget_requests(most: u64) -> String {
    format!("it lets {most} through in a minute.")
}

/// Too many tokens within a minute.
#[must_use]
pub fn budget_tokens(most: u64, used: u64, need: u64) -> String {
    format!("of {most} tokens a minute, {used} are taken; this call can take {need}.")
}

/// Too many calls at the same time.
#[must_use]
pub fn budget_concurrent(most: u64) -> String {
    format!("it lets {most} be under way at the same time.")
}

/// A rule is to change a body whose content coding cannot be undone here.
#[must_use]
pub fn unreadable_coding() -> String {
    "A rule of Tollgate is to change this request, whose content-encoding Tollgate cannot undo."
        .to_owned()
}

/// No connection; `why` is the last step that failed, without addresses that hold secrets.
#[must_use]
pub fn provider_unreachable(provider: &str, why: &str) -> String {
    format!("Tollgate cannot connect to `{provider}`: {why}.")
}

/// TLS failed; `why` is the TLS library's word.
#[must_use]
pub fn tls_failure(provider: &str, why: &str) -> String {
    format!("The TLS certificate or handshake of `{provider}` was not accepted: {why}.")
}

/// The body did not arrive in time.
#[must_use]
pub fn slow_upload() -> String {
    "The request's body did not arrive in time.".to_owned()
}

/// The client's own connection failed in the middle of its request.
#[must_use]
pub fn broken_upload() -> String {
    "The request's body broke off.".to_owned()
}

/// A WebSocket was asked for.
#[must_use]
pub fn no_websocket() -> String {
    "Tollgate does not serve WebSocket connections.".to_owned()
}

/// Too many long requests are held at once.
#[must_use]
pub fn overloaded() -> String {
    "Tollgate holds too many long requests at this moment. Try again.".to_owned()
}

/// The gateway is stopping.
#[must_use]
pub fn stopping() -> String {
    "Tollgate is stopping.".to_owned()
}

/// No answer in time.
#[must_use]
pub fn timeout(provider: &str, after_ms: u64) -> String {
    format!("`{provider}` did not answer within {after_ms} ms.")
}

/// The answer broke off.
#[must_use]
pub fn provider_broke(provider: &str) -> String {
    format!("The answer of `{provider}` broke off before its end.")
}

/// A provider has as many calls under way as it may have.
#[must_use]
pub fn provider_busy(provider: &str, most: usize) -> String {
    format!("`{provider}` has the {most} calls that it may have at once, and too many wait.")
}

/// A model's target cools down after failures; `for_ms` more, or until a call that tries it is done.
#[must_use]
pub fn cools_down(for_ms: u64) -> String {
    match for_ms {
        0 => "another call finds out whether it has recovered".to_owned(),
        for_ms => format!("it cools down for {for_ms} ms more"),
    }
}

/// The call took longer than its model may take.
#[must_use]
pub fn model_timeout(model: &str, after_ms: u64) -> String {
    format!("The call of the model `{model}` was not done within {after_ms} ms.")
}

/// A provider of another format would get another request; `why` names the field.
#[must_use]
pub fn not_translatable(provider: &str, why: &str) -> String {
    format!("`{provider}` speaks another format: {why}.")
}

/// What is asked for exists only in the client's format, which the provider does not speak.
#[must_use]
pub fn no_counterpart(provider: &str) -> String {
    format!("`{provider}` speaks another format, which has no counterpart of this request.")
}

/// Why a target was not asked for a count of tokens.
#[must_use]
pub fn counted_here() -> String {
    "the tokens were counted here with the model's own tokenizer, an estimate".to_owned()
}

/// The earlier answer that a request goes on from is not kept.
#[must_use]
pub fn unknown_answer(id: &str) -> String {
    format!(
        "`previous_response_id` names `{id}`, whose bodies Tollgate did not keep, and the provider \
         that serves this call does not know it: send the whole conversation."
    )
}

/// A conversation that is to be made whole is too long.
#[must_use]
pub fn continued_too_long(turns_max: usize) -> String {
    format!(
        "`previous_response_id` goes on from more than {turns_max} turns, or from more than a request \
         may hold: send the conversation itself."
    )
}

/// A conversation could not be made whole; `why` names the field.
#[must_use]
pub fn not_continued(why: &str) -> String {
    format!("The request cannot be made whole for the provider that serves it: {why}.")
}
