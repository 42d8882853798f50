//! Pictures, documents and sound: data URLs, media types, cache hints.

use super::fields::Fields;
use crate::{
    ir::{CacheHint, Content, Given, Pictures, Source},
    loss::{Losses, Refused},
};

/// An address: the bytes themselves in a data URL, else where anybody can fetch them.
pub(super) fn source_of(url: String, at: &str) -> Result<Source, Refused> {
    let Some(inline) = url.strip_prefix("data:") else {
        if is_public(&url) {
            return Ok(Source::Url { url, media_type: None });
        }
        return Err(Refused::new(at, "is neither a data URL nor an address on the web"));
    };
    let parsed = inline.split_once(',').and_then(|(head, data)| {
        let media_type = head.strip_suffix(";base64")?;
        // Parameters (`;charset=…`, `;name=…`) mean nothing for pictures and documents.
        let media_type = media_type.split(';').next().unwrap_or_default();
        Some(Source::Base64 { media_type: media_type.to_owned(), data: data.to_owned() })
    });
    parsed.ok_or_else(|| Refused::new(at, "is a data URL without base64"))
}

/// A file's bytes in a data URL, as what their media type says they are.
pub(super) fn file_of(data: String, name: Option<String>, at: &str) -> Result<Content, Refused> {
    match source_of(data, at)? {
        Source::Base64 { media_type, data } => Ok(inline(media_type, data, name)),
        Source::Url { .. } | Source::Text(_) => Err(Refused::new(at, "must be a data URL")),
    }
}

/// Whether an address is one on the web and not one that only its provider can resolve.
pub(super) fn is_public(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

pub(super) fn data_url(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}

/// Inline bytes as what their media type says they are.
pub(super) fn inline(media_type: String, data: String, name: Option<String>) -> Content {
    if media_type.starts_with("image/") {
        Content::Image(Source::Base64 { media_type, data })
    } else if media_type.starts_with("audio/") {
        Content::Audio { data, media_type }
    } else {
        Content::Document { source: Source::Base64 { media_type, data }, name }
    }
}

/// What a list of the answer's modes asks for besides text, which is always made.
pub(super) fn pictures(modes: Given<Vec<String>>) -> Result<Option<Given<Pictures>>, Refused> {
    let Given { at, value: modes } = modes;
    let is = |mode: &str| modes.iter().any(|it| it.eq_ignore_ascii_case(mode));
    if let Some(other) =
        modes.iter().find(|it| !["text", "image"].iter().any(|mode| it.eq_ignore_ascii_case(mode)))
    {
        return Err(Refused::new(at, format!("asks for `{other}`, which is not translated")));
    }
    let value = if is("text") { Pictures::WithText } else { Pictures::Alone };
    Ok(is("image").then_some(Given { at, value }))
}

/// What a picture without a media type is, by how its bytes begin.
pub(super) fn picture_type(base64: &str) -> &'static str {
    const BEGINNINGS: [(&str, &str); 4] = [
        ("iVBORw0KGgo", "image/png"),
        ("/9j/", "image/jpeg"),
        ("UklGR", "image/webp"),
        ("R0lGOD", "image/gif"),
    ];
    let known = BEGINNINGS.iter().find(|(it, _)| base64.starts_with(it));
    // What OpenAI makes unless it is asked for another.
    known.map_or("image/png", |(_, media_type)| *media_type)
}

/// The media type that the end of an address tells.
pub(super) fn media_type_of(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let (_, extension) = path.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        _ => return None,
    })
}

/// Anthropic's `cache_control`, which servers of other formats accept in the same place.
pub(super) fn cache_hint(
    fields: &mut Fields,
    losses: &mut Losses,
) -> Result<Option<CacheHint>, Refused> {
    let Some(mut hint) = fields.object("cache_control")? else { return Ok(None) };
    hint.pass_over(&["type"]);
    let life = hint.text("ttl")?;
    hint.rest(losses);
    Ok(Some(match life.as_deref() {
        Some("1h") => CacheHint::OneHour,
        Some(_) | None => CacheHint::FiveMinutes,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_data_urls_apart() {
        let base64 = |media_type: &str, data: &str| Source::Base64 {
            media_type: media_type.to_owned(),
            data: data.to_owned(),
        };
        let check = |url: &str, expected| assert_eq!(source_of(url.to_owned(), "x").ok(), expected);
        check("data:image/png;base64,AA==", Some(base64("image/png", "AA==")));
        check("data:application/pdf;name=a.pdf;base64,AA", Some(base64("application/pdf", "AA")));
        check("data:text/plain,hello", None);
        check("data:", None);
        check("gs://bucket/a.png", None);
        check("", None);
        let url = "https://example.com/a,b".to_owned();
        check("https://example.com/a,b", Some(Source::Url { url, media_type: None }));
    }

    #[test]
    fn modes_ask_for_pictures_with_text_or_alone() {
        let check = |modes: &[&str], expected: Result<Option<Pictures>, ()>| {
            let value = modes.iter().map(|it| (*it).to_owned()).collect();
            let found = pictures(Given { at: "x".to_owned(), value });
            assert_eq!(found.map(|it| it.map(|it| it.value)).map_err(drop), expected, "{modes:?}");
        };
        check(&["text"], Ok(None));
        check(&["image", "text"], Ok(Some(Pictures::WithText)));
        check(&["IMAGE"], Ok(Some(Pictures::Alone)));
        check(&["TEXT", "AUDIO"], Err(()));
    }

    #[test]
    fn a_pictures_beginning_tells_its_type() {
        assert_eq!(picture_type("/9j/4AAQSkZJRg=="), "image/jpeg");
        assert_eq!(picture_type("UklGRiQAAABXRUJQ"), "image/webp");
        assert_eq!(picture_type(""), "image/png");
    }

    #[test]
    fn tells_a_media_type_from_an_address() {
        let check = |url: &str, expected| assert_eq!(media_type_of(url), expected, "{url}");
        check("https://example.com/a.PNG?x=1.pdf", Some("image/png"));
        check("https://example.com/a.b/c", None);
        check("https://example.com", None);
        check("", None);
    }
}
