//! Who asks, and whether they may: by a local key, or as a program of the user whom the gateway serves.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Uri, request, uri::PathAndQuery};
use tollgate_core::{
    LocalKey, Operation,
    call::ErrorCode,
    credential::is_credential_name,
    key::{KEY_PREFIX, KeyHash},
};
use tollgate_wire::text;

use crate::{
    Keyless, call::OpenCall, connection::Owner, error::Refusal, intake::Upload, request::Request,
    route::Asked,
};

/// Finds out who asks, as far as that is known at once. Gives the request's head without the local key,
/// where it carries one: a provider never sees that, and what else the request carries counts as ever.
pub(crate) fn identify(
    call: &mut OpenCall,
    head: &request::Parts,
) -> Result<Option<Box<request::Parts>>, Refusal> {
    let mut hashes = keys_shown(head).into_iter();
    let Some(hash) = hashes.next() else {
        return decided(call).transpose().map(|_| None);
    };
    if hashes.any(|it| it != hash) {
        return Err(refused(text::several_keys()));
    }
    let routes = call.routes();
    let key = routes.keys.find(&hash).ok_or_else(|| refused(text::unknown_key()))?;
    call.shows(key);
    key.check(&hash, call.started_at_ms())
        .map_err(|fault| refused(text::bad_key(&key.name, fault)))?;
    Ok(Some(Box::new(without_keys(head))))
}

/// Whether the key may do what is asked at all; it is not for certain models alone where the path
/// leads to a provider's own paths, since those may name a model that nobody here reads.
pub(crate) fn may_ask(key: Option<&LocalKey>, asked: &Asked) -> Result<(), Refusal> {
    let Some(key) = key else { return Ok(()) };
    let operation = asked.route.as_ref().map_or(Operation::Other, |it| it.operation);
    if !key.scope.allows_operation(operation) {
        return Err(out_of_scope(key, &format!("requests of the kind `{}`", operation.as_str())));
    }
    if asked.names_provider() && !key.scope.allows_any_model() {
        return Err(unclear(key));
    }
    Ok(())
}

/// Whether this may be asked for, of which the model is known by now; and without a key, whether it is
/// known by now who asks. A client that has gone already is waited for only here: what it sent is there,
/// and no more can come.
pub(crate) async fn admit_request(
    call: &OpenCall,
    asked: &Asked,
    request: &mut Request,
    upload: &mut Upload,
) -> Result<(), Refusal> {
    let admitted = match (call.key(), decided(call)) {
        (Some(key), _) => may_ask_for(call, key, asked, request),
        (None, Some(decided)) => decided,
        (None, None) => may_go_without(call, call.owner().await),
    };
    if admitted.is_err()
        && matches!(request, Request::AsItComes(..))
        && let Request::AsItComes(body, _) = std::mem::replace(request, Request::nothing())
    {
        upload.give_back(body);
    }
    admitted
}

/// Whether the key may ask for the model that the client names. What a rule makes of that is the
/// user's own wish.
fn may_ask_for(
    call: &OpenCall,
    key: &LocalKey,
    asked: &Asked,
    request: &Request,
) -> Result<(), Refusal> {
    if key.scope.allows_any_model() {
        return Ok(());
    }
    let route = asked.route.as_ref();
    match route.map_or(Operation::Other, |it| it.operation) {
        Operation::ListModels => return Ok(()),
        Operation::Other => return Err(unclear(key)),
        Operation::Generate | Operation::CountTokens | Operation::Embed => {}
    }
    let in_path = route.and_then(|it| it.model_in_path.as_deref());
    let name = in_path.or(request.model()).ok_or_else(|| unclear(key))?;
    let routes = call.routes();
    let allowed = if routes.is_own_model(name) {
        key.scope.allows_route(name)
    } else {
        // By the provider's name for it too, where that stands in front of it.
        let bare =
            routes.model(asked, name).and_then(|it| Some(Arc::clone(&it.targets.first()?.model)));
        key.scope.allows_model(name) || bare.is_some_and(|it| key.scope.allows_model(&it))
    };
    if allowed { Ok(()) } else { Err(out_of_scope(key, &format!("the model `{name}`"))) }
}

/// Whether the key allows a provider.
pub(crate) fn may_serve(key: Option<&LocalKey>, provider: &str) -> Result<(), Refusal> {
    match key.filter(|it| !it.scope.allows_provider(provider)) {
        Some(key) => Err(out_of_scope(key, &format!("the provider `{provider}`"))),
        None => Ok(()),
    }
}

/// Whether a call without a local key is served; `None` while that depends on who asks, and it is not
/// known yet who does.
fn decided(call: &OpenCall) -> Option<Result<(), Refusal>> {
    match (call.routes().keyless, call.owner_now()) {
        (Keyless::User(_), None) => None,
        (_, owner) => Some(may_go_without(call, owner.unwrap_or(Owner::Unknown))),
    }
}

fn may_go_without(call: &OpenCall, owner: Owner) -> Result<(), Refusal> {
    match (call.routes().keyless, owner) {
        (Keyless::Anybody, _) | (_, Owner::Ourselves) => Ok(()),
        (Keyless::Nobody, _) => Err(refused(text::no_key())),
        (Keyless::User(served), Owner::User(uid)) if uid == served => Ok(()),
        (Keyless::User(_), Owner::User(uid)) => {
            Err(Refusal::new(ErrorCode::Forbidden, text::other_user(uid)))
        }
        (Keyless::User(_), Owner::Unknown) => {
            Err(Refusal::new(ErrorCode::Forbidden, text::unknown_user()))
        }
    }
}

fn refused(message: String) -> Refusal {
    Refusal::new(ErrorCode::KeyRefused, message)
}

fn out_of_scope(key: &LocalKey, what: &str) -> Refusal {
    Refusal::new(ErrorCode::OutOfScope, text::out_of_scope(&key.name, what))
}

fn unclear(key: &LocalKey) -> Refusal {
    Refusal::new(ErrorCode::OutOfScope, text::model_unclear(&key.name))
}

/// The hashes of the local keys that a request carries, wherever clients put keys.
fn keys_shown(head: &request::Parts) -> Vec<KeyHash> {
    let headers = head.headers.iter().filter(|(name, value)| is_key(name.as_str(), value));
    let in_headers = headers.map(|(_, value)| KeyHash::of(token(value.as_bytes())));
    let in_query = parameters(&head.uri).filter_map(key_parameter);
    in_headers.chain(in_query.map(|it| KeyHash::of(it.as_bytes()))).collect()
}

fn without_keys(head: &request::Parts) -> request::Parts {
    let mut left = head.clone();
    if head.headers.iter().any(|(name, value)| is_key(name.as_str(), value)) {
        // Removing from the map would reorder it.
        let kept = head.headers.iter().filter(|(name, value)| !is_key(name.as_str(), value));
        left.headers =
            kept.map(|(name, value)| (name.clone(), value.clone())).collect::<HeaderMap>();
    }
    if parameters(&head.uri).any(|it| key_parameter(it).is_some()) {
        let kept: Vec<_> = parameters(&head.uri).filter(|it| key_parameter(it).is_none()).collect();
        let path = head.uri.path();
        let text =
            if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) };
        let mut parts = head.uri.clone().into_parts();
        // A part of a valid query is one.
        parts.path_and_query = PathAndQuery::try_from(text).ok();
        left.uri = Uri::from_parts(parts).unwrap_or_default();
    }
    left
}

/// Whether a header carries a local key.
fn is_key(name: &str, value: &HeaderValue) -> bool {
    token(value.as_bytes()).starts_with(KEY_PREFIX.as_bytes()) && is_credential_name(name)
}

/// What follows the scheme (`Bearer`), or all where there is none.
fn token(value: &[u8]) -> &[u8] {
    value.trim_ascii().rsplit(|it| *it == b' ').next().unwrap_or_default()
}

fn parameters(uri: &Uri) -> impl Iterator<Item = &str> {
    uri.query().unwrap_or_default().split('&').filter(|it| !it.is_empty())
}

/// The local key in a parameter.
fn key_parameter(parameter: &str) -> Option<String> {
    let (name, value) = parameter.split_once('=')?;
    // Nothing else in a key is ever encoded.
    let value = value.replace("%2D", "-").replace("%2d", "-");
    (value.starts_with(KEY_PREFIX) && is_credential_name(name)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "tg-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn head(uri: &str, headers: &[(&str, &str)]) -> request::Parts {
        let mut request = http::Request::post(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_key_is_found_where_clients_put_keys_and_taken_out() {
        let check = |uri: &str, headers: &[(&str, &str)], left: (&str, &[(&str, &str)])| {
            let head = head(uri, headers);
            let shown = keys_shown(&head);
            assert_eq!(shown, [KeyHash::of(KEY.as_bytes())], "{uri} {headers:?}");
            let found = without_keys(&head);
            assert_eq!(found.uri, left.0, "{headers:?}");
            let kept =
                found.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
            assert_eq!(kept.collect::<Vec<_>>(), left.1, "{uri}");
        };
        let bearer = format!("Bearer {KEY}");
        check("/v1/x", &[("authorization", &bearer)], ("/v1/x", &[]));
        check("/v1/x", &[("authorization", KEY)], ("/v1/x", &[]));
        let lower = format!("bearer  {KEY} ");
        check("/v1/x", &[("authorization", lower.trim_end())], ("/v1/x", &[]));
        for name in ["x-api-key", "api-key", "x-goog-api-key", "api-subscription-key"] {
            let other = ("x-kept", "1");
            check(
                "/a?b=c",
                &[("accept", "x"), (name, KEY), other],
                ("/a?b=c", &[("accept", "x"), other]),
            );
        }
        check(&format!("/a?key={KEY}"), &[], ("/a", &[]));
        check(&format!("/a?alt=sse&key={KEY}&x=%2f"), &[], ("/a?alt=sse&x=%2f", &[]));
        check(&format!("/a?key={}", KEY.replacen('-', "%2D", 1)), &[], ("/a", &[]));
        // A key of the provider's own stays, and counts.
        let own = ("x-api-key", "sk-own");
        check("/a", &[("authorization", &bearer), own], ("/a", &[own]));
    }

    #[test]
    fn what_only_looks_like_a_key_is_none() {
        let bearer = format!("Bearer sk-{KEY}");
        for headers in [
            &[("authorization", bearer.as_str())][..],
            &[("user-agent", KEY)],
            &[("x-api-key", "sk-tg-1")],
            &[],
        ] {
            let head = head(&format!("/v1/{KEY}?model={KEY}&key=sk-1"), headers);
            assert_eq!(keys_shown(&head), [], "{headers:?}");
        }
    }

    #[test]
    fn two_keys_are_two() {
        let other = KEY.replace('A', "B");
        let head = head(&format!("/a?key={other}"), &[("x-api-key", KEY)]);
        let expected = [KEY, &other].map(|it| KeyHash::of(it.as_bytes()));
        assert_eq!(keys_shown(&head), expected);
    }
}
