//! Who is asked, in which order and how often: until one answers, and only while nothing of an answer
//! has reached the client.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use http::request;
use tokio::time::{Instant, sleep, timeout_at};
use tollgate_core::{
    Operation,
    call::ErrorCode,
    routing::{Attempt, AttemptResult},
};
use tollgate_wire::text;

use crate::{
    Gateway,
    admission::may_serve,
    aim::{self, Aim},
    answer::{Answer, Patience, Relayed, answer},
    budgets::{Going, enter},
    call::{OpenCall, micros},
    error::Refusal,
    headers::retry_after,
    health::Pass,
    history::standalone,
    limits::{RETRY_WAIT, RETRY_WAIT_MAX},
    listing::{Listed, listed},
    model::{Conditions, ServedModel, ServedTarget},
    reachable::models_of_all,
    request::{Request, Whole},
    route::Asked,
    send::{Reply, Sending},
    slots::Slot,
    token_count::counted,
};

/// Answers the call: by a provider, but for lists of models, which the user's own stand in, and for
/// counts of tokens that no provider of the model can be asked for.
pub(crate) async fn attempt(
    gateway: &Gateway,
    call: &mut OpenCall,
    head: &request::Parts,
    asked: &Asked,
    request: Request,
) -> Result<Answer, Refusal> {
    let routes = call.routes();
    match listed(head, asked, &routes) {
        Some(Listed::Own(body)) => return Ok(Answer::Own(body)),
        Some(Listed::With(mut listing)) => {
            let home = asked.home().ok().map(|it| &*it.destination.id);
            // Rare, and not to make every other call's future longer.
            let others = Box::pin(models_of_all(gateway, &routes, home));
            let theirs = Box::pin(provided(gateway, call, head, asked, request));
            let (theirs, mut others) = tokio::join!(theirs, others);
            others.retain(|it| may_serve(call.key(), &it.provider).is_ok());
            listing.add(&others);
            return match theirs {
                // Nothing to add: the provider's own answer, as it comes.
                theirs if listing.is_empty() => theirs.map(Answer::Relayed),
                Ok(theirs) if theirs.head.status().is_success() => {
                    Ok(Answer::Relayed(theirs.listing(listing)))
                }
                // The others can be reached also where this one's list cannot.
                Ok(_) | Err(_) => Ok(Answer::Own(listing.body(None))),
            };
        }
        None => {}
    }
    let counts = asked.route.as_ref().is_some_and(|it| it.operation == Operation::CountTokens);
    // Rare, as above.
    if counts && let Some(body) = Box::pin(counted(gateway, call, asked, &request)).await? {
        return Ok(Answer::Counted(body));
    }
    provided(gateway, call, head, asked, request).await.map(Answer::Relayed)
}

/// Brings the call to a provider and the head of its answer back.
async fn provided(
    gateway: &Gateway,
    call: &mut OpenCall,
    head: &request::Parts,
    asked: &Asked,
    request: Request,
) -> Result<Relayed, Refusal> {
    let routes = call.routes();
    let in_path = asked.route.as_ref().and_then(|it| it.model_in_path.as_deref());
    let model = in_path.or(request.model()).and_then(|it| routes.model(asked, it));
    match (request, model) {
        (Request::Whole(mut whole), Some(model)) => {
            if let (Some(route), Some(plain)) = (&asked.route, whole.plain())
                && model.translates(route.format)
            {
                let history = gateway.config.history.as_deref();
                whole.standalone = Box::pin(standalone(history, route.format, plain)).await;
            }
            let random = gateway.ids.random();
            let order = model.order(&Conditions {
                now: Instant::now(),
                at: call.started_at_ms(),
                prices: &routes.prices,
                request_bytes: whole.own.len(),
                random,
            });
            call.routed_by(&model);
            let (whole, model) = (&whole, &*model);
            let attempts = Attempts { gateway, call, head, asked, whole, model, tried: false };
            Box::pin(attempts.run(&order)).await
        }
        (Request::Whole(whole), None) => {
            let aim = aim::at_home(head, asked, &whole)?;
            let destination = Arc::clone(&aim.outgoing.way.destination);
            may_serve(call.key(), &destination.id)?;
            let name = in_path.or(whole.facts.as_ref().and_then(|it| it.model.as_deref()));
            let going = Going { destination: &destination, model: name, whole: &whole };
            let slot = enter(gateway, call, &going).await?;
            call.sending(&destination, None);
            let mut sending = Sending { gateway, call, head, outgoing: &aim.outgoing };
            let reply = sending.whole(&aim.body, aim.asking.as_ref()).await?;
            Ok(answer(call, aim.translation, reply, Patience::of(&destination), slot))
        }
        (Request::AsItComes(body, uploaded), _) => {
            let outgoing = aim::without_body(head, asked)?;
            let destination = Arc::clone(&outgoing.way.destination);
            may_serve(call.key(), &destination.id)?;
            let slot = destination.slots.take(&destination.id).await?;
            call.sending(&destination, None);
            let mut sending = Sending { gateway, call, head, outgoing: &outgoing };
            let reply = sending.upload(body, uploaded).await?;
            Ok(answer(call, None, reply, Patience::of(&destination), slot))
        }
    }
}

/// The attempts of one call of a configured model.
struct Attempts<'a> {
    gateway: &'a Gateway,
    call: &'a mut OpenCall,
    head: &'a request::Parts,
    asked: &'a Asked,
    whole: &'a Whole,
    model: &'a ServedModel,
    /// Whether a target has been tried.
    tried: bool,
}

/// An answer of which the head has come.
struct Served {
    aim: Aim,
    reply: Reply,
    slot: Slot,
}

/// What came of one attempt.
type Tried = Result<Served, Refusal>;

/// What an attempt's result means.
enum Verdict {
    /// The client gets the answer.
    Final,
    /// The target cannot serve this call, which says nothing about its health.
    Unfit,
    /// The target failed.
    Failed {
        /// How long to wait at least before it may be tried again for this call; `None`: it may not.
        again: Option<Duration>,
        /// How long it asked to be left alone.
        rest: Option<Duration>,
    },
}

impl Attempts<'_> {
    async fn run(mut self, order: &[&ServedTarget]) -> Result<Relayed, Refusal> {
        let Some(total) = self.model.patience.total else { return self.all(order, None).await };
        let deadline = self.call.started() + total;
        let name = Arc::clone(&self.model.name);
        let done = timeout_at(deadline, self.all(order, Some(deadline))).await;
        done.unwrap_or_else(|_| Err(Refusal::late(&name, total)))
    }

    /// Tries the targets in turn. Those that cool down come last: a target that may have recovered
    /// is better than none.
    async fn all(
        &mut self,
        order: &[&ServedTarget],
        deadline: Option<Instant>,
    ) -> Result<Relayed, Refusal> {
        let mut failed = None;
        let mut cooling = Vec::new();
        for (place, target) in order.iter().enumerate() {
            let pass = match target.health.pass(Instant::now()) {
                Ok(pass) => pass,
                Err(left) => {
                    let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
                    self.skip(target, text::cools_down(left_ms));
                    cooling.push((left, target));
                    continue;
                }
            };
            let others_left = place + 1 < order.len();
            match self.target(target, pass, others_left).await {
                ControlFlow::Break(served) => return Ok(self.answer(served, deadline)),
                ControlFlow::Continue(tried) => failed = more_telling(failed, tried),
            }
        }
        cooling.sort_by_key(|(left, _)| *left);
        for (_, target) in cooling {
            match self.target(target, target.health.pass_anyway(), true).await {
                ControlFlow::Break(served) => return Ok(self.answer(served, deadline)),
                ControlFlow::Continue(tried) => failed = more_telling(failed, tried),
            }
        }
        match failed {
            Some(Ok(served)) => Ok(self.answer(served, deadline)),
            Some(Err(refusal)) => Err(refusal),
            None => Err(Refusal::overloaded()),
        }
    }

    /// Tries one target, again after passing failures.
    async fn target(
        &mut self,
        target: &ServedTarget,
        mut pass: Pass,
        others_left: bool,
    ) -> ControlFlow<Served, Tried> {
        let patience = &self.model.patience;
        let (mut waited, mut retries) = (Duration::ZERO, 0);
        loop {
            let aim = may_serve(self.call.key(), &target.provider)
                .and_then(|()| aim::at_target(self.head, self.asked, self.whole, target, patience));
            let aim = match aim {
                Ok(aim) => aim,
                Err(refusal) => {
                    self.skip(target, refusal.message.clone());
                    return ControlFlow::Continue(Err(refusal));
                }
            };
            let began = Instant::now();
            let tried = self.once(target, aim, waited).await;
            let verdict = Verdict::of(&tried, others_left);
            let again = match verdict {
                Verdict::Final => {
                    pass.succeeded(began.elapsed(), Instant::now());
                    return match tried {
                        Ok(served) => ControlFlow::Break(served),
                        Err(refusal) => ControlFlow::Continue(Err(refusal)),
                    };
                }
                Verdict::Unfit => None,
                Verdict::Failed { again, rest } => {
                    pass.failed(rest, Instant::now());
                    pass = target.health.pass_anyway();
                    again
                }
            };
            let Some(at_least) = again.filter(|_| retries < self.model.retries) else {
                return ControlFlow::Continue(tried);
            };
            drop(tried);
            waited = at_least.max(backoff(retries, self.gateway.ids.random()));
            sleep(waited).await;
            retries += 1;
        }
    }

    /// Sends the call to the target once, and notes what came of it.
    async fn once(&mut self, target: &ServedTarget, aim: Aim, waited: Duration) -> Tried {
        let translated_to = aim.translation.as_ref().map(|it| it.format);
        let began_us = self.call.now_us();
        let tried = self.served(target, aim).await;
        let result = match &tried {
            Ok(served) => AttemptResult::Answered(served.reply.response.status().as_u16()),
            Err(refusal) => {
                AttemptResult::Failed { code: refusal.code, message: refusal.message.clone() }
            }
        };
        self.call.attempted(Attempt {
            provider: target.provider.as_ref().to_owned(),
            model: target.model.as_ref().to_owned(),
            translated_to,
            waited_us: micros(waited),
            began_us,
            took_us: self.call.now_us().saturating_sub(began_us),
            result,
        });
        tried
    }

    async fn served(&mut self, target: &ServedTarget, aim: Aim) -> Tried {
        let destination = Arc::clone(&aim.outgoing.way.destination);
        let (model, whole) = (Some(&*target.model), self.whole);
        let going = Going { destination: &destination, model, whole };
        let slot = enter(self.gateway, self.call, &going).await?;
        if std::mem::replace(&mut self.tried, true) {
            self.call.retrying();
        }
        self.call.sending(&destination, Some(&target.model));
        let (gateway, head) = (self.gateway, self.head);
        let mut sending = Sending { gateway, call: self.call, head, outgoing: &aim.outgoing };
        let reply = sending.whole(&aim.body, aim.asking.as_ref()).await?;
        Ok(Served { aim, reply, slot })
    }

    /// Notes that a target is passed over.
    fn skip(&mut self, target: &ServedTarget, why: String) {
        let began_us = self.call.now_us();
        self.call.attempted(Attempt {
            provider: target.provider.as_ref().to_owned(),
            model: target.model.as_ref().to_owned(),
            translated_to: None,
            waited_us: 0,
            began_us,
            took_us: 0,
            result: AttemptResult::Skipped(why),
        });
    }

    fn answer(&mut self, served: Served, deadline: Option<Instant>) -> Relayed {
        let Served { aim, reply, slot } = served;
        let destination = &aim.outgoing.way.destination;
        let idle = self.model.patience.idle.unwrap_or(destination.timeouts.idle);
        let patience = Patience { idle, deadline };
        answer(self.call, aim.translation, reply, patience, slot)
    }
}

impl Verdict {
    fn of(tried: &Tried, others_left: bool) -> Self {
        match tried {
            Ok(served) => Self::of_answer(served, others_left),
            Err(refusal) => match refusal.code {
                ErrorCode::ProviderUnreachable | ErrorCode::ProviderBroke => {
                    Self::Failed { again: Some(Duration::ZERO), rest: None }
                }
                // What took so long once is not waited for twice; a certificate does not change.
                ErrorCode::Timeout | ErrorCode::TlsFailure => {
                    Self::Failed { again: None, rest: None }
                }
                ErrorCode::MalformedBody
                | ErrorCode::BodyTooLarge
                | ErrorCode::UnknownPath
                | ErrorCode::UnknownProvider
                | ErrorCode::NoCredential
                | ErrorCode::Forbidden
                | ErrorCode::KeyRefused
                | ErrorCode::OutOfScope
                | ErrorCode::Blocked
                | ErrorCode::DeniedByRule
                | ErrorCode::BlockedByGuardrail
                // Another provider may have money left, or be cheaper.
                | ErrorCode::OverBudget
                | ErrorCode::SlowUpload
                | ErrorCode::NotSupported
                | ErrorCode::NotTranslatable
                | ErrorCode::Overloaded
                | ErrorCode::Stopping => Self::Unfit,
            },
        }
    }

    fn of_answer(served: &Served, others_left: bool) -> Self {
        let asked = retry_after(served.reply.response.headers());
        let soon = asked.unwrap_or_default();
        let soon = Some(soon).filter(|it| *it <= RETRY_WAIT_MAX);
        match served.reply.response.status().as_u16() {
            // The account, not the moment: another target may have another.
            429 => Self::Failed { again: soon.filter(|_| !others_left), rest: asked },
            408 | 500 | 502 | 503 | 504 | 520..=529 => Self::Failed { again: soon, rest: asked },
            // A key or a model that this target does not have.
            401 | 403 | 404 => Self::Unfit,
            _ => Self::Final,
        }
    }
}

/// How much a failure tells of the providers: an answer of theirs most, a target that did not fit
/// the call least.
fn rank(tried: &Tried) -> u8 {
    match tried {
        Ok(_) => 2,
        Err(refusal) => u8::from(!matches!(
            refusal.code,
            ErrorCode::NoCredential
                | ErrorCode::OutOfScope
                | ErrorCode::NotSupported
                | ErrorCode::NotTranslatable
        )),
    }
}

/// Which of two failures the client is told: the later one, unless that tells less.
fn more_telling(earlier: Option<Tried>, later: Tried) -> Option<Tried> {
    match earlier {
        Some(earlier) if rank(&earlier) > rank(&later) => Some(earlier),
        // What cannot be carried over is the client's to change; a missing key is not.
        Some(Err(earlier)) if earlier.code == ErrorCode::NotTranslatable && rank(&later) == 0 => {
            Some(Err(earlier))
        }
        Some(_) | None => Some(later),
    }
}

/// A random part of a wait that doubles with each retry.
fn backoff(retries: u32, random: u64) -> Duration {
    let longest = RETRY_WAIT.saturating_mul(1 << retries.min(16)).min(RETRY_WAIT_MAX);
    let longest_us = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(random.checked_rem(longest_us).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_within_their_bounds() {
        assert_eq!(backoff(0, 0), Duration::ZERO);
        let all_but_one = |it: Duration| it - Duration::from_micros(1);
        let most = |it: Duration| u64::try_from(it.as_micros()).unwrap() - 1;
        assert_eq!(backoff(0, most(RETRY_WAIT)), all_but_one(RETRY_WAIT));
        assert_eq!(backoff(1, most(RETRY_WAIT * 2)), all_but_one(RETRY_WAIT * 2));
        assert_eq!(backoff(u32::MAX, most(RETRY_WAIT_MAX)), all_but_one(RETRY_WAIT_MAX));
        assert!(backoff(9, u64::MAX) < RETRY_WAIT_MAX);
    }
}
