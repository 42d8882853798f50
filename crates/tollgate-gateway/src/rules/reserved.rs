//! Headers that no rule may touch.

use http::{HeaderName, header};
use tollgate_core::credential::is_credential_name;

use crate::headers::is_hop_by_hop;

/// Headers that say how the body is to be read, or for whom the request is.
const FRAMING: [HeaderName; 5] = [
    header::HOST,
    header::EXPECT,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
];

/// Why a rule may not touch a header; `None` when it may.
#[must_use]
pub fn header_reserved(name: &HeaderName) -> Option<&'static str> {
    if is_credential_name(name.as_str()) {
        return Some("carries credentials, which belong to the provider's `api_key`");
    }
    if FRAMING.contains(name) || is_hop_by_hop(name) {
        return Some("belongs to the connection and the body");
    }
    None
}
