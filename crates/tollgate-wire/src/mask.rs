//! Which headers and query parameters carry credentials and are never shown or stored.

use std::borrow::Cow;

/// What stands in place of a credential.
pub const MASKED: &str = "***";

/// Headers that carry credentials, in lower case.
pub const CREDENTIAL_HEADERS: [&str; 14] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "x-goog-api-key",
    "api-key",
    "apikey",
    "api-subscription-key",
    "ocp-apim-subscription-key",
    "x-amz-security-token",
    "x-auth-token",
    "x-access-token",
    "x-csrf-token",
    "cookie",
    "set-cookie",
];

/// Query parameters that carry credentials, in lower case.
pub const CREDENTIAL_QUERY_KEYS: [&str; 7] =
    ["key", "api_key", "api-key", "apikey", "access_token", "token", "x-amz-signature"];

/// Whether a header carries a credential; the case of its name does not matter.
#[must_use]
pub fn is_credential_header(name: &str) -> bool {
    CREDENTIAL_HEADERS.iter().any(|it| it.eq_ignore_ascii_case(name))
}

/// Whether a query parameter carries a credential; the case of its name does not matter.
#[must_use]
pub fn is_credential_query_key(name: &str) -> bool {
    CREDENTIAL_QUERY_KEYS.iter().any(|it| it.eq_ignore_ascii_case(name))
}

/// The query with every credential's value replaced by [`MASKED`], the rest as it was.
#[must_use]
pub fn masked_query(query: &str) -> Cow<'_, str> {
    let secret =
        |pair: &str| pair.split_once('=').is_some_and(|(key, _)| is_credential_query_key(key));
    if !query.split('&').any(secret) {
        return Cow::Borrowed(query);
    }
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((key, _)) if is_credential_query_key(key) => Cow::Owned(format!("{key}={MASKED}")),
        _ => Cow::Borrowed(pair),
    });
    Cow::Owned(pairs.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_query_is_masked_and_the_rest_stays() {
        assert_eq!(masked_query("alt=sse&key=AIza&x=1"), "alt=sse&key=***&x=1");
        assert_eq!(masked_query("KEY=AIza"), "KEY=***");
        assert!(matches!(masked_query("alt=sse&monkey=1"), Cow::Borrowed(_)));
    }

    #[test]
    fn names_are_compared_without_case() {
        assert!(is_credential_header("X-Api-Key"));
        assert!(is_credential_header("Authorization"));
        assert!(!is_credential_header("content-type"));
    }
}
