//! What the gateway must know of a request's body, and the two things it may change in it.

use bytes::Bytes;

use crate::{
    members::{Members, place},
    work::WorkAsked,
};

/// What a request's body says, read without building a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestFacts {
    /// `model`, when it is a string.
    pub model: Option<String>,
    /// Whether `stream` is `true`.
    pub stream: bool,
    /// `stream_options.include_usage`, when it is a boolean.
    pub include_usage: Option<bool>,
    /// How much it wants.
    pub work: WorkAsked,
}

/// Why a body cannot be forwarded as a call.
#[derive(Debug, thiserror::Error)]
#[error("request body is not a JSON object")]
pub struct NotAnObject(#[from] serde_json::Error);

/// Reads a request's body. The last of duplicate members counts, as in most JSON parsers. Values
/// that are not looked at are only skipped, at any depth.
///
/// # Errors
///
/// The body is not one JSON object.
pub fn read_request(body: &[u8]) -> Result<RequestFacts, NotAnObject> {
    let mut facts = RequestFacts::default();
    for member in serde_json::from_slice::<Members<'_>>(body)?.0 {
        match &*member.name {
            "model" => facts.model = serde_json::from_str(member.value).ok(),
            "stream" => facts.stream = member.value == "true",
            "stream_options" => facts.include_usage = include_usage(member.value),
            name => facts.work.read(name, member.value),
        }
    }
    Ok(facts)
}

fn include_usage(options: &str) -> Option<bool> {
    let Members(members) = serde_json::from_str(options).ok()?;
    let last = members.into_iter().rfind(|it| it.name == "include_usage")?;
    serde_json::from_str(last.value).ok()
}

/// The body of a streamed OpenAI chat request with `stream_options.include_usage` set, every other
/// byte as it was. `None`: nothing to add, because the body is not an object, does not stream, asks
/// already, or has `stream_options` that are neither an object nor `null` (the provider will say so).
///
/// Where members are given twice, each is changed, so that it does not matter which one the
/// provider reads.
#[must_use]
pub fn ask_include_usage(body: &Bytes) -> Option<Bytes> {
    let facts = read_request(body).ok()?;
    if !facts.stream || facts.include_usage == Some(true) {
        return None;
    }
    let Members(members) = serde_json::from_slice(body).ok()?;
    let mut edits = Vec::new();
    for options in members.iter().filter(|it| it.name == "stream_options") {
        edit_options(body, options.value, &mut edits)?;
    }
    if edits.is_empty() {
        // `stream` is there, so the object is not empty and a comma is due.
        let start = body.iter().position(|it| *it == b'{')? + 1;
        edits.push((start..start, br#""stream_options":{"include_usage":true},"#));
    }
    Some(spliced(body, &edits))
}

/// The body with another model's name in place of each `model`, every other byte as it was. `None`:
/// the body is not an object or names no model.
#[must_use]
pub fn rename_model(body: &Bytes, model: &str) -> Option<Bytes> {
    let Members(members) = serde_json::from_slice(body).ok()?;
    let name = serde_json::to_vec(model).ok()?;
    let named = members.iter().filter(|it| it.name == "model");
    let edits: Vec<_> = named.map(|it| (place(body, it.value), name.as_slice())).collect();
    (!edits.is_empty()).then(|| spliced(body, &edits))
}

type Edit<'a> = (std::ops::Range<usize>, &'a [u8]);

fn edit_options(body: &[u8], options: &str, edits: &mut Vec<Edit<'_>>) -> Option<()> {
    let at = place(body, options);
    if options == "null" {
        edits.push((at, br#"{"include_usage":true}"#));
        return Some(());
    }
    let Members(members) = serde_json::from_str(options).ok()?;
    let asked = members.iter().filter(|it| it.name == "include_usage");
    let before = edits.len();
    edits.extend(asked.map(|it| (place(body, it.value), b"true".as_slice())));
    if edits.len() == before {
        let inside = at.start + 1;
        let text: &[u8] = if members.is_empty() {
            br#""include_usage":true"#
        } else {
            br#""include_usage":true,"#
        };
        edits.push((inside..inside, text));
    }
    Some(())
}

/// `body` with each range replaced; the ranges are in order and do not overlap.
fn spliced(body: &[u8], edits: &[Edit<'_>]) -> Bytes {
    let added: usize = edits.iter().map(|(_, text)| text.len()).sum();
    let mut out = Vec::with_capacity(body.len() + added);
    let mut kept = 0;
    for (range, text) in edits {
        out.extend_from_slice(body.get(kept..range.start).unwrap_or_default());
        out.extend_from_slice(text);
        kept = range.end;
    }
    out.extend_from_slice(body.get(kept..).unwrap_or_default());
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_asked_and_skips_the_rest() {
        let check = |body: &str, model: Option<&str>, stream: bool, usage: Option<bool>| {
            let expected = RequestFacts {
                model: model.map(str::to_owned),
                stream,
                include_usage: usage,
                ..RequestFacts::default()
            };
            assert_eq!(read_request(body.as_bytes()).unwrap(), expected, "{body}");
        };
        check("{}", None, false, None);
        check(
            r#" {"model":"m","messages":[{"model":"no"}],"stream":true} "#,
            Some("m"),
            true,
            None,
        );
        check(r#"{"mod\u0065l":"\u00e9\n","stream":false}"#, Some("é\n"), false, None);
        check(r#"{"model":7,"stream":"true","stream_options":[]}"#, None, false, None);
        check(r#"{"model":"a","model":"b"}"#, Some("b"), false, None);
        check(r#"{"stream":true,"stream_options":{"include_usage":true}}"#, None, true, Some(true));
        check(r#"{"stream_options":{"include_usage":null}}"#, None, false, None);
        let deep = format!(r#"{{"x":{}{},"model":"m"}}"#, "[".repeat(500), "]".repeat(500));
        check(&deep, Some("m"), false, None);
    }

    #[test]
    fn refuses_what_is_not_one_object() {
        for body in ["", "[]", "null", "\"x\"", "{", "{} {}", "{\"a\":}", "{'a':1}", "\u{feff}{}"] {
            assert!(read_request(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn renames_the_model_and_changes_nothing_else() {
        let check = |body: &str, expected: Option<&str>| {
            let renamed = rename_model(&Bytes::copy_from_slice(body.as_bytes()), "a\"b");
            let renamed = renamed.as_deref().map(|it| std::str::from_utf8(it).unwrap());
            assert_eq!(renamed, expected, "{body}");
        };
        check("[]", None);
        check("{\"messages\":[{\"model\":\"x\"}]}", None);
        check(
            "\t{ \"f\": 1.50, \"model\" : \"fast\" ,\n\"x\":{\"model\":\"fast\"}}\n",
            Some("\t{ \"f\": 1.50, \"model\" : \"a\\\"b\" ,\n\"x\":{\"model\":\"fast\"}}\n"),
        );
        check(
            r#"{"mod\u0065l":"x","é":"\ud83d\ude00","model":null}"#,
            Some(r#"{"mod\u0065l":"a\"b","é":"\ud83d\ude00","model":"a\"b"}"#),
        );
    }

    #[test]
    fn asks_for_usage_and_changes_nothing_else() {
        let check = |body: &str, expected: Option<&str>| {
            let asked = ask_include_usage(&Bytes::copy_from_slice(body.as_bytes()));
            let asked = asked.as_deref().map(|it| std::str::from_utf8(it).unwrap());
            assert_eq!(asked, expected, "{body}");
        };
        check(r#"{"stream":false}"#, None);
        check(r#"{"stream":true,"stream_options":{"include_usage":true}}"#, None);
        check(r#"{"stream":true,"stream_options":"x"}"#, None);
        check("nonsense", None);
        check(
            "\t{ \"model\" : \"m\",\n\"stream\":true , \"f\": 1.50 }\n",
            Some(
                "\t{\"stream_options\":{\"include_usage\":true}, \"model\" : \"m\",\n\"stream\":true , \"f\": 1.50 }\n",
            ),
        );
        check(
            r#"{"stream":true,"stream_options": null }"#,
            Some(r#"{"stream":true,"stream_options": {"include_usage":true} }"#),
        );
        check(
            r#"{"stream":true,"stream_options":{ }}"#,
            Some(r#"{"stream":true,"stream_options":{"include_usage":true }}"#),
        );
        check(
            r#"{"stream_options":{"x":{"include_usage":true}},"stream":true}"#,
            Some(
                r#"{"stream_options":{"include_usage":true,"x":{"include_usage":true}},"stream":true}"#,
            ),
        );
        check(
            r#"{"stream":true,"stream_options":{"include_usage": false,"y":1}}"#,
            Some(r#"{"stream":true,"stream_options":{"include_usage": true,"y":1}}"#),
        );
        check(
            r#"{"stream_options":null,"stream":true,"stream\u005foptions":{"include_usage":null}}"#,
            Some(
                r#"{"stream_options":{"include_usage":true},"stream":true,"stream\u005foptions":{"include_usage":true}}"#,
            ),
        );
    }
}
