//! The step of a call in which the cache has its say.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, header, request};
use tokio::time::timeout;
use tollgate_core::{Operation, UnixMs, routing::CacheTrace};
use tollgate_wire::canonical;

use super::{
    CACHE, CACHE_CALL, Cache, CacheScope, Caching, Entry, Pace,
    flights::{Lead, Place},
    key::{CacheKey, Circle, Subject},
    record::{Flight, Recorder},
    wish::Wish,
};
use crate::{
    Gateway, Keyless,
    admission::may_serve,
    call::OpenCall,
    connection::Owner,
    limits::CACHE_FOLLOW_WAIT,
    request::Request,
    route::Asked,
    rules::{HeaderEdit, RULE_CALLER_WAIT},
};

/// What came of the cache.
pub(crate) enum Consulted {
    /// It has the answer.
    Hit(Hit),
    /// A provider is to answer; what keeps its answer, where that may be.
    Goes(Option<Box<Recorder>>),
}

/// An answer of the cache's.
pub(crate) struct Hit {
    pub(crate) entry: Arc<Entry>,
    pub(crate) pace: Pace,
    pub(crate) age_ms: u64,
}

/// A call that may use the cache.
struct Question<'a> {
    caching: &'a Caching,
    wish: Wish,
    key: CacheKey,
    route: Option<String>,
}

/// Why a call is kept from the cache.
type Why = String;

/// The body by which the call is told from others, where a cache may be for it. One that is changed
/// behind this keeps the call from the cache: what was put in a text's place is put back in the answer,
/// which is then of this call alone.
pub(crate) fn body_to_compare(call: &OpenCall, request: &Request) -> Option<Bytes> {
    match request {
        Request::Whole(whole) if call.routes().cache.is_on() => whole.plain().cloned(),
        Request::Whole(_) | Request::AsItComes(..) => None,
    }
}

/// Looks whether the call can be answered from the cache, and says so in what the client's answer is to
/// have beside its own headers. Waits for an equal call under way. Calls that no cache is for are not
/// looked at.
pub(crate) async fn consult(
    gateway: &Gateway,
    call: &mut OpenCall,
    head: &request::Parts,
    asked: &Asked,
    request: &Request,
    said: Option<&Bytes>,
    headers: &mut Vec<HeaderEdit>,
) -> Consulted {
    let routes = call.routes();
    if !routes.cache.is_on() || call.method() != Method::POST {
        return Consulted::Goes(None);
    }
    // Not to make every other call's future longer.
    Box::pin(consult_for(gateway, call, head, asked, request, said, headers)).await
}

async fn consult_for(
    gateway: &Gateway,
    call: &mut OpenCall,
    head: &request::Parts,
    asked: &Asked,
    request: &Request,
    said: Option<&Bytes>,
    headers: &mut Vec<HeaderEdit>,
) -> Consulted {
    let routes = call.routes();
    match call.operation() {
        Operation::Generate | Operation::Embed => {}
        Operation::CountTokens | Operation::ListModels | Operation::Other => {
            return Consulted::Goes(None);
        }
    }
    let name = model_name(asked, request);
    let own = name.filter(|it| !asked.names_provider() && routes.is_own_model(it));
    let Some(caching) = routes.cache.of(own) else { return Consulted::Goes(None) };
    // The application asks to learn what a provider answers.
    if call.owner_now() == Some(Owner::Ourselves) {
        return Consulted::Goes(None);
    }
    let cache = &gateway.cache;
    let consulted = match question(call, head, asked, request, said, caching).await {
        Ok(question) => cache.look(call, question).await,
        Err(why) => {
            cache.state().counts.bypassed += 1;
            call.cached(CacheTrace::Bypassed(why));
            headers.push(told("bypass"));
            return Consulted::Goes(None);
        }
    };
    match &consulted {
        Consulted::Hit(hit) => {
            let of = hit.entry.of;
            call.cached(CacheTrace::Hit { of, age_ms: hit.age_ms });
            headers.push(told("hit"));
            headers.push(HeaderEdit::Set(header::AGE, HeaderValue::from(hit.age_ms / 1_000)));
            if let Ok(id) = HeaderValue::from_str(&of.to_string()) {
                headers.push(HeaderEdit::Set(CACHE_CALL, id));
            }
        }
        Consulted::Goes(_) => headers.push(told("miss")),
    }
    consulted
}

/// The model that the request names.
fn model_name<'a>(asked: &'a Asked, request: &'a Request) -> Option<&'a str> {
    let in_path = asked.route.as_ref().and_then(|it| it.model_in_path.as_deref());
    in_path.or(request.model())
}

fn told(word: &'static str) -> HeaderEdit {
    HeaderEdit::Set(CACHE, HeaderValue::from_static(word))
}

/// What is looked for; or why nothing is.
async fn question<'a>(
    call: &OpenCall,
    head: &request::Parts,
    asked: &Asked,
    request: &Request,
    said: Option<&Bytes>,
    caching: &'a Caching,
) -> Result<Question<'a>, Why> {
    let wish = Wish::of(&head.headers);
    if !wish.read && !wish.keep {
        return Err("the request asks for that".to_owned());
    }
    if call.answer_is_read() {
        // What is put back in it is this call's alone.
        return Err("guardrails read its answer".to_owned());
    }
    let signature = head.headers.get(header::AUTHORIZATION);
    if signature.is_some_and(|it| it.as_bytes().starts_with(b"AWS4-")) {
        return Err("the client signs each request anew".to_owned());
    }
    let (Some(route), Request::Whole(whole)) = (&asked.route, request) else {
        return Err("the request passes unread".to_owned());
    };
    let plain = whole.plain().ok_or("the request's body cannot be read")?;
    if said != Some(plain) {
        return Err("something in the request is put back in its answer alone".to_owned());
    }
    let body = canonical(plain, &caching.ignored).ok_or("the request's body cannot be read")?;
    if let Some(name) = body.stateful {
        return Err(format!("the provider keeps what `{name}` means"));
    }
    let circle = circle(call, caching.scope).ok_or("it is not known who asks")?;
    let caller = match caching.scope {
        CacheScope::Program => {
            let caller = call.caller_within(RULE_CALLER_WAIT).await;
            Some(caller.ok_or("it is not known which program asks")?)
        }
        CacheScope::Own | CacheScope::All => None,
    };
    let routes = call.routes();
    let served = model_name(asked, request).and_then(|it| routes.model(asked, it));
    let places: Vec<_> = match &served {
        Some(served) => {
            let there = |it: &'_ crate::model::ServedTarget| it.destination.is_ok();
            let targets = served.targets.iter().filter(|it| there(it));
            targets
                .filter_map(|it| Some((&**it.destination.as_ref().ok()?, Some(&*it.model))))
                .collect()
        }
        None => asked.home().ok().map(|it| (&*it.destination, None)).into_iter().collect(),
    };
    let key = CacheKey::of(&Subject {
        circle: &circle,
        program: caller.as_ref().map(|it| it.program.as_str()),
        places: &places,
        format: route.format,
        operation: route.operation,
        head,
        body: &body.bytes,
    });
    let route = served.filter(|it| routes.is_own_model(&it.name)).map(|it| it.name.to_string());
    Ok(Question { caching, wish, key, route })
}

/// Who shares answers with the call; `None` where nobody can tell.
fn circle(call: &OpenCall, scope: CacheScope) -> Option<Circle> {
    if scope == CacheScope::All {
        return Some(Circle::All);
    }
    if let Some(key) = call.key() {
        return Some(Circle::Key(key.name.clone()));
    }
    match (call.routes().keyless, call.owner_now()) {
        (_, Some(Owner::User(uid))) => Some(Circle::User(uid)),
        // Nobody else was let in.
        (Keyless::User(uid), Some(Owner::Unknown) | None) => Some(Circle::User(uid)),
        (_, Some(Owner::Ourselves | Owner::Unknown) | None) => None,
    }
}

impl Cache {
    async fn look(self: &Arc<Self>, call: &OpenCall, question: Question<'_>) -> Consulted {
        let (generation, found) = self.first_look(call, &question);
        let caching = question.caching;
        let entry = match found {
            Found::Answer(entry) => Some(entry),
            Found::Place(Place::Follows(mut leader)) => {
                let brought = timeout(CACHE_FOLLOW_WAIT, leader.wait_for(Option::is_some)).await;
                let brought = brought.ok().and_then(Result::ok);
                let entry = brought.and_then(|it| it.as_ref().map(Arc::clone));
                let entry = entry.filter(|it| may_serve(call.key(), &it.provider).is_ok());
                self.note_followed(entry.is_some());
                entry
            }
            Found::Place(Place::Leads(lead)) => {
                return self.goes(question, Some(lead), generation);
            }
            Found::Nothing => None,
        };
        match entry {
            Some(entry) => Consulted::Hit(Hit::new(entry, caching.pace, self.clock.now())),
            // Among others: the leader failed or left, its answer is not one to keep, or it takes too
            // long.
            None => self.goes(question, None, generation),
        }
    }

    /// What there is for the call at once.
    fn first_look(self: &Arc<Self>, call: &OpenCall, question: &Question<'_>) -> (u64, Found) {
        let Question { caching, wish, key, .. } = question;
        let now = self.clock.now();
        let mut state = self.state();
        let generation = state.flights.generation();
        let found = if wish.read {
            let entry = state.store.get(key, now, caching.ttl, wish.age_max);
            match entry.filter(|it| may_serve(call.key(), &it.provider).is_ok()) {
                Some(entry) => Found::Answer(entry),
                None => Found::Place(state.flights.join(self, *key)),
            }
        } else {
            Found::Nothing
        };
        match &found {
            Found::Answer(_) => state.counts.hits += 1,
            Found::Place(Place::Leads(_)) | Found::Nothing => state.counts.misses += 1,
            Found::Place(Place::Follows(_)) => {}
        }
        (generation, found)
    }

    fn note_followed(&self, answered: bool) {
        let counts = &mut self.state().counts;
        if answered {
            counts.hits += 1;
            counts.followed += 1;
        } else {
            counts.misses += 1;
        }
    }

    /// The call goes to a provider, whose answer is kept where that may be.
    fn goes(
        self: &Arc<Self>,
        question: Question<'_>,
        lead: Option<Lead>,
        generation: u64,
    ) -> Consulted {
        let Question { caching, wish, key, route } = question;
        let flight = Flight { key, lead, generation, route };
        Consulted::Goes(wish.keep.then(|| Box::new(Recorder::new(self, flight, caching))))
    }
}

/// What a look finds.
enum Found {
    Answer(Arc<Entry>),
    Place(Place),
    /// The client does not want what there is.
    Nothing,
}

impl Hit {
    fn new(entry: Arc<Entry>, pace: Pace, now: UnixMs) -> Self {
        let age_ms = entry.age_ms(now).unwrap_or_default();
        Self { entry, pace, age_ms }
    }
}
