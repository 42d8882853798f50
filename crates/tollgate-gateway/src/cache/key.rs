//! What tells answers apart: everything of a request that may change its answer, and who asks.
//!
//! What is left out is documented in `docs/cache.md`: the headers of [`says_nothing`], and the members of
//! the body that the settings name.

use http::{HeaderName, header, request};
use sha2::{Digest as _, Sha256};
use tollgate_core::{Format, Operation};

use super::CACHE;
use crate::{destination::Destination, headers::is_hop_by_hop};

/// The SHA-256 of all that tells answers apart. It holds nothing of what was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey([u8; 32]);

/// Who shares an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Circle {
    /// Calls with this local key.
    Key(String),
    /// Calls of this user without a key.
    User(u32),
    /// Whoever may ask.
    All,
}

/// What a key is made of.
pub(crate) struct Subject<'a> {
    pub(crate) circle: &'a Circle,
    /// The program, where answers are for one.
    pub(crate) program: Option<&'a str>,
    /// The providers that may answer, each with its name for the model where that is not the client's.
    pub(crate) places: &'a [(&'a Destination, Option<&'a str>)],
    pub(crate) format: Format,
    pub(crate) operation: Operation,
    pub(crate) head: &'a request::Parts,
    /// The body in its one form.
    pub(crate) body: &'a [u8],
}

impl CacheKey {
    pub(crate) fn of(subject: &Subject<'_>) -> Self {
        let Subject { circle, program, places, format, operation, head, body } = subject;
        let mut hash = Hash(Sha256::new());
        match circle {
            Circle::Key(name) => hash.texts(["key", name]),
            Circle::User(uid) => hash.texts(["user", &uid.to_string()]),
            Circle::All => hash.text("all"),
        }
        hash.option(*program);
        hash.number(places.len());
        for (destination, model) in *places {
            hash.text(&destination.id);
            hash.option(*model);
            hash.number(destination.bases().count());
            for (format, base_url) in destination.bases() {
                hash.texts([format.as_str(), base_url]);
            }
        }
        hash.texts([format.as_str(), operation.as_str(), head.method.as_str(), head.uri.path()]);
        hash.option(head.uri.query());
        let mut told: Vec<_> = head.headers.iter().filter(|(it, _)| !says_nothing(it)).collect();
        // Stable: values of one name keep their order.
        told.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        hash.number(told.len());
        for (name, value) in told {
            hash.text(name.as_str());
            hash.part(value.as_bytes());
        }
        hash.part(body);
        Self(hash.0.finalize().into())
    }
}

/// Parts of a hash, each behind its length, so that none can be taken for another.
struct Hash(Sha256);

impl Hash {
    fn part(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.part(text.as_bytes());
    }

    fn texts<const N: usize>(&mut self, texts: [&str; N]) {
        texts.iter().for_each(|it| self.text(it));
    }

    fn option(&mut self, text: Option<&str>) {
        self.0.update([u8::from(text.is_some())]);
        self.text(text.unwrap_or_default());
    }

    fn number(&mut self, number: usize) {
        self.0.update(u64::try_from(number).unwrap_or(u64::MAX).to_le_bytes());
    }
}

/// Headers that say nothing of what is asked: of the connection, of the message (whose coding is undone
/// before it is compared), of the program that asks, of its traces and retries, and what is asked of
/// caches. Every other header, one that nobody here knows too, tells requests apart.
const SILENT: [&str; 25] = [
    "accept-language",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "b3",
    "baggage",
    "cache-control",
    "content-encoding",
    "content-length",
    "date",
    "expect",
    "host",
    "idempotency-key",
    "pragma",
    "priority",
    "sentry-trace",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-amzn-trace-id",
    "x-client-request-id",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-goog-api-client",
    "x-request-id",
    "x-tollgate-cache",
];

/// How the names of further ones begin: those of the official SDKs' counters, of browsers, and of traces.
const SILENT_PREFIXES: [&str; 4] = ["x-stainless-", "sec-", "x-b3-", "x-datadog-"];

/// Whether a header says nothing of what is asked.
fn says_nothing(name: &HeaderName) -> bool {
    let text = name.as_str();
    is_hop_by_hop(name)
        || *name == CACHE
        || *name == header::HOST
        || SILENT.binary_search(&text).is_ok()
        || SILENT_PREFIXES.iter().any(|it| text.starts_with(it))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::Request;
    use proptest::prelude::*;
    use tollgate_core::provider::Catalogue;

    use super::*;
    use crate::ProviderSetup;

    fn destination(base_url: &str) -> Destination {
        let mut provider = Catalogue::embedded().unwrap().get("openai").unwrap().clone();
        for endpoint in &mut provider.endpoints {
            base_url.clone_into(&mut endpoint.base_url);
        }
        Destination::new(ProviderSetup::new(provider), None).unwrap()
    }

    /// What a test changes of a request.
    #[derive(Clone, Debug, PartialEq)]
    struct Asked {
        circle: Circle,
        program: Option<String>,
        base_url: &'static str,
        model: Option<String>,
        format: Format,
        operation: Operation,
        path: String,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    }

    impl Asked {
        fn new() -> Self {
            Self {
                circle: Circle::User(1000),
                program: None,
                base_url: "http://h/v1",
                model: None,
                format: Format::OpenaiChat,
                operation: Operation::Generate,
                path: "/v1/chat/completions".to_owned(),
                headers: vec![("authorization".to_owned(), "Bearer a".to_owned())],
                body: b"{}".to_vec(),
            }
        }

        fn key(&self) -> CacheKey {
            self.key_at(&destination(self.base_url))
        }

        fn key_at(&self, destination: &Destination) -> CacheKey {
            let mut request = Request::post(&self.path);
            for (name, value) in &self.headers {
                request = request.header(name, value);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            CacheKey::of(&Subject {
                circle: &self.circle,
                program: self.program.as_deref(),
                places: &[(destination, self.model.as_deref())],
                format: self.format,
                operation: self.operation,
                head: &head,
                body: &self.body,
            })
        }
    }

    #[test]
    fn the_list_of_headers_can_be_searched() {
        assert!(SILENT.is_sorted());
    }

    #[test]
    fn whatever_may_change_the_answer_changes_the_key() {
        let key = Asked::new().key();
        let differs = |change: &dyn Fn(&mut Asked)| {
            let mut asked = Asked::new();
            change(&mut asked);
            assert_ne!(asked.key(), key, "{asked:?}");
        };
        assert_eq!(Asked::new().key(), key);
        differs(&|it| it.circle = Circle::User(1001));
        differs(&|it| it.circle = Circle::Key("1000".to_owned()));
        differs(&|it| it.circle = Circle::All);
        differs(&|it| it.program = Some("claude".to_owned()));
        differs(&|it| it.program = Some(String::new()));
        differs(&|it| it.base_url = "http://h/v2");
        differs(&|it| it.model = Some("m".to_owned()));
        differs(&|it| it.format = Format::OpenaiResponses);
        differs(&|it| it.operation = Operation::Embed);
        differs(&|it| it.path = "/v1/chat/completions?x=1".to_owned());
        differs(&|it| it.path = "/v1/chat/Completions".to_owned());
        differs(&|it| it.headers[0].1 = "Bearer b".to_owned());
        differs(&|it| it.headers.push(("anthropic-beta".to_owned(), "x".to_owned())));
        differs(&|it| it.headers.push(("accept-encoding".to_owned(), "gzip".to_owned())));
        differs(&|it| it.headers.clear());
        differs(&|it| it.body = b"{ }".to_vec());
    }

    #[test]
    fn what_says_nothing_of_the_request_does_not() {
        let key = Asked::new().key();
        for name in
            ["user-agent", "x-stainless-retry-count", "traceparent", "x-tollgate-cache", "te"]
        {
            let mut asked = Asked::new();
            asked.headers.insert(0, (name.to_owned(), "x".to_owned()));
            assert_eq!(asked.key(), key, "{name}");
        }
        let (mut one, mut other) = (Asked::new(), Asked::new());
        one.headers.insert(0, ("x-a".to_owned(), "1".to_owned()));
        other.headers.push(("x-a".to_owned(), "1".to_owned()));
        assert_eq!(one.key(), other.key(), "headers of different names have no order");
        other.headers.push(("x-a".to_owned(), "2".to_owned()));
        one.headers.insert(0, ("x-a".to_owned(), "2".to_owned()));
        assert_ne!(one.key(), other.key(), "those of one name have");
    }

    thread_local! {
        static THERE: Arc<Destination> = Arc::new(destination("http://h/v1"));
    }

    proptest! {
        #[test]
        fn no_part_can_be_taken_for_another(
            one in ("[ab]{0,3}", "[ab]{0,3}", "[ab]{0,3}"),
            other in ("[ab]{0,3}", "[ab]{0,3}", "[ab]{0,3}"),
        ) {
            let asked = |(key, value, body): &(String, String, String)| Asked {
                circle: Circle::Key(key.clone()),
                headers: vec![("x-a".to_owned(), value.clone())],
                body: body.clone().into_bytes(),
                ..Asked::new()
            };
            let there = THERE.with(Arc::clone);
            let same = asked(&one).key_at(&there) == asked(&other).key_at(&there);
            prop_assert_eq!(same, one == other);
        }
    }
}
