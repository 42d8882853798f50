//! Which headers travel, in both directions: all of them, in their order, save those that belong to
//! one connection only (RFC 9110, section 7.6.1).

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{auth::Credential, cache::CACHE, destination::Destination};

/// Headers that belong to one connection.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Whether a header belongs to one connection by its name alone.
pub(crate) fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name)
}

/// Whether a header stays on the connection that it came on.
fn stays(name: &HeaderName, connection: &[&str]) -> bool {
    is_hop_by_hop(name) || connection.iter().any(|it| it.eq_ignore_ascii_case(name.as_str()))
}

/// The header names that `connection` lists; `close` and `keep-alive` among them do no harm.
fn listed(headers: &HeaderMap) -> Vec<&str> {
    let values = headers.get_all(header::CONNECTION).into_iter();
    let texts = values.filter_map(|it| it.to_str().ok());
    texts.flat_map(|it| it.split(',')).map(str::trim).collect()
}

/// How the request's body goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Whole, with this many bytes.
    Whole(usize),
    /// As it comes: its length, if any, is as the client said.
    AsItComes,
}

/// What to change in the request's headers beside the connection's own.
#[derive(Clone, Copy)]
pub(crate) struct Outbound<'a> {
    pub(crate) destination: &'a Destination,
    pub(crate) credential: &'a Credential,
    pub(crate) carried: Carried,
    /// Headers that go out whatever is carried.
    pub(crate) ruled: &'a [HeaderName],
    pub(crate) framing: Framing,
    /// Whether the answer must come uncompressed, because a part of it is to be hidden again.
    pub(crate) plain_answer: PlainAnswer,
}

/// Which of the client's headers go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    /// All of them.
    All,
    /// All but the content coding, which was undone.
    AllButCoding,
    /// Those that mean the same in every format: who asks.
    Translated,
}

impl Carried {
    fn leaves_out(self, name: &HeaderName) -> bool {
        match self {
            Self::All => false,
            Self::AllButCoding => name == header::CONTENT_ENCODING,
            Self::Translated => ![header::USER_AGENT, header::CONTENT_LENGTH].contains(name),
        }
    }
}

/// Whether the answer must come uncompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlainAnswer {
    /// As the client asks.
    AsAsked,
    /// It must.
    Needed,
}

/// The headers for the provider. `host` is left to the connection.
pub(crate) fn for_provider(client: &HeaderMap, outbound: Outbound<'_>) -> HeaderMap {
    let Outbound { destination, credential, carried, ruled, framing, plain_answer } = outbound;
    let connection = listed(client);
    let mut headers = HeaderMap::with_capacity(client.len() + 4);
    let chunked = client.contains_key(header::TRANSFER_ENCODING);
    for (name, value) in client {
        let value = match name {
            &header::HOST | &header::EXPECT => continue,
            name if *name == CACHE => continue,
            name if carried.leaves_out(name) && !ruled.contains(name) => continue,
            &header::CONTENT_LENGTH => match framing {
                Framing::Whole(bytes) => HeaderValue::from(bytes),
                Framing::AsItComes => value.clone(),
            },
            &header::ACCEPT_ENCODING if plain_answer == PlainAnswer::Needed => {
                HeaderValue::from_static("identity")
            }
            name if stays(name, &connection) => continue,
            name if credential.replaces(destination, name) => {
                // The configured credential takes the place of the client's own.
                if let Some((own, value)) = &destination.credential
                    && own == name
                {
                    headers.insert(own, value.clone());
                }
                continue;
            }
            _ => value.clone(),
        };
        headers.append(name, value);
    }
    if let Some((name, value)) = &destination.credential
        && *credential != Credential::Client
    {
        headers.insert(name, value.clone());
    }
    if chunked && framing == Framing::AsItComes {
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if carried == Carried::Translated {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    for (name, value) in &destination.headers {
        if !headers.contains_key(name) {
            headers.insert(name, value.clone());
        }
    }
    headers
}

/// Makes a provider's headers those for the client.
pub(crate) fn for_client(provider: &mut HeaderMap, length: Length) {
    let connection = listed(provider).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let connection = connection.iter().map(String::as_str).collect::<Vec<_>>();
    let dropped = |name: &HeaderName| {
        stays(name, &connection) || (length == Length::Changes && name == header::CONTENT_LENGTH)
    };
    if !provider.keys().any(dropped) {
        return;
    }
    // Removing from the map would reorder it.
    let kept = provider.iter().filter(|(name, _)| !dropped(name));
    let kept = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
    *provider = kept;
}

/// The headers for the client of an answer that was translated: the provider's speak of a body that
/// the client does not get.
pub(crate) fn of_translated(content_type: &'static str, retry_after_s: Option<u64>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(2);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(seconds) = retry_after_s {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    headers
}

/// Whether the answer's length can differ from the provider's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// It stays.
    Stays,
    /// A part of it may be hidden.
    Changes,
}

/// How long the provider asks to wait, in `retry-after-ms` (OpenAI) or in the seconds or the date of
/// `retry-after` (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    const MILLISECONDS: HeaderName = HeaderName::from_static("retry-after-ms");
    let text = |name: &HeaderName| headers.get(name).and_then(|it| it.to_str().ok());
    if let Some(ms) = text(&MILLISECONDS).and_then(|it| it.trim().parse::<u64>().ok()) {
        return Some(Duration::from_millis(ms));
    }
    let value = text(&header::RETRY_AFTER)?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    // Both dates are the provider's, so that its clock need not be ours.
    let now = httpdate::parse_http_date(text(&header::DATE)?).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_says_how_long_to_wait_in_three_ways() {
        let check = |headers: &[(&str, &str)], expected: Option<u64>| {
            let headers = headers
                .iter()
                .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()));
            let found = retry_after(&headers.collect());
            assert_eq!(found, expected.map(Duration::from_millis));
        };
        check(&[], None);
        check(&[("retry-after", "7")], Some(7_000));
        check(&[("retry-after", "7"), ("retry-after-ms", "250")], Some(250));
        check(&[("retry-after", "soon")], None);
        let date = ("date", "Wed, 21 Oct 2026 07:28:00 GMT");
        check(&[date, ("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT")], Some(30_000));
        check(&[date, ("retry-after", "Wed, 21 Oct 2026 07:00:00 GMT")], Some(0));
        check(&[("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT")], None);
    }
}
