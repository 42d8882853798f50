//! Whose credential a call carries.

use http::{HeaderMap, HeaderName, header};
use tollgate_core::{call::ErrorCode, provider::Auth};
use tollgate_wire::text;

use crate::{
    destination::{Destination, Query},
    error::Refusal,
    sign::Signer,
};

/// Headers in which clients send a provider's key.
const KEY_HEADERS: [HeaderName; 4] = [
    header::AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static(GEMINI_HEADER),
    HeaderName::from_static("api-key"),
];

/// The query parameter in which Gemini clients may send it.
const KEY_PARAMETER: &str = "key=";

/// The header of the providers that take it there.
const GEMINI_HEADER: &str = "x-goog-api-key";

/// Whose credential goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// The client's own, where it put it; or none is needed.
    Client,
    /// The configured one in place of the client's; none where none is configured.
    Replaced {
        /// The client's query without its key; `None` when it had no key or nothing else.
        query_without_key: Option<String>,
        /// Whether the client's query had a key.
        key_in_query: bool,
    },
}

impl Credential {
    /// Decides for a provider that the client does not know of: its key is not shown there.
    pub(crate) fn withheld(
        destination: &Destination,
        query: Option<&str>,
    ) -> Result<Self, Refusal> {
        if !destination.is_ready() {
            return Err(missing(destination));
        }
        Ok(Self::replaced(query, query.is_some_and(has_key)))
    }

    /// Decides for the provider that the client means, from what it sent and what is configured.
    pub(crate) fn choose(
        destination: &Destination,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Self, Refusal> {
        if destination.has_credential() {
            let key_in_query = takes_key_in_query(destination) && query.is_some_and(has_key);
            return Ok(Self::replaced(query, key_in_query));
        }
        let sent = |name: &HeaderName| headers.get(name).is_some_and(|it| !it.is_empty());
        let own = match &destination.auth {
            Auth::Header(name) => headers.get(name.as_str()).is_some_and(|it| !it.is_empty()),
            Auth::Bearer | Auth::None | Auth::Aws | Auth::Google | Auth::Entra => false,
        };
        if !needs_key(destination)
            || own
            || KEY_HEADERS.iter().any(sent)
            || query.is_some_and(has_key)
        {
            return Ok(Self::Client);
        }
        Err(missing(destination))
    }

    fn replaced(query: Option<&str>, key_in_query: bool) -> Self {
        let query_without_key = query.filter(|_| key_in_query).map(without_key);
        let query_without_key = query_without_key.filter(|it| !it.is_empty());
        Self::Replaced { query_without_key, key_in_query }
    }

    /// The query to send.
    pub(crate) fn query(&self) -> Query<'_> {
        match self {
            Self::Replaced { query_without_key, key_in_query: true } => {
                Query::Other(query_without_key.as_deref())
            }
            Self::Client | Self::Replaced { key_in_query: false, .. } => Query::Same,
        }
    }

    /// Whether a header of the client's is left out because the configured credential replaces it.
    pub(crate) fn replaces(&self, destination: &Destination, name: &HeaderName) -> bool {
        let own = destination.credential.as_ref().is_some_and(|(own, _)| own == name)
            || (destination.signer.is_some() && Signer::replaces(name));
        *self != Self::Client && (own || KEY_HEADERS.contains(name))
    }
}

fn needs_key(destination: &Destination) -> bool {
    match &destination.auth {
        Auth::Bearer | Auth::Header(_) => true,
        // A client that signs itself does so in headers of its own.
        Auth::None | Auth::Aws | Auth::Google | Auth::Entra => false,
    }
}

fn missing(destination: &Destination) -> Refusal {
    let message = text::no_credential(&destination.id, destination.env.as_deref());
    Refusal::new(ErrorCode::NoCredential, message)
}

fn takes_key_in_query(destination: &Destination) -> bool {
    match &destination.auth {
        Auth::Header(name) => name == GEMINI_HEADER,
        Auth::Bearer | Auth::None | Auth::Aws | Auth::Google | Auth::Entra => false,
    }
}

fn has_key(query: &str) -> bool {
    query.split('&').any(|it| it.starts_with(KEY_PARAMETER))
}

fn without_key(query: &str) -> String {
    let kept: Vec<_> = query.split('&').filter(|it| !it.starts_with(KEY_PARAMETER)).collect();
    kept.join("&")
}
