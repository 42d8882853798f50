//! Quick looks at JSON text that is not parsed.

use memchr::memmem::Finder;

/// Whether the quoted name stands in the text with a value other than `null` or the empty string.
/// True too when it stands there as a value; what is true here is decided by the parser.
pub(crate) fn holds_set(text: &[u8], quoted_name: &Finder<'_>) -> bool {
    quoted_name.find_iter(text).any(|at| {
        let after = text.get(at + quoted_name.needle().len()..).unwrap_or_default();
        let after = after.trim_ascii_start();
        let Some(value) = after.strip_prefix(b":") else { return true };
        let value = value.trim_ascii_start();
        !value.starts_with(b"null") && !value.starts_with(b"\"\"")
    })
}

/// Whether any of the texts stands in `text`.
pub(crate) fn holds_any(text: &[u8], needles: &[Finder<'_>]) -> bool {
    needles.iter().any(|it| it.find(text).is_some())
}
