//! A request's body in one form for all the ways to write it, so that two requests which mean the same
//! have the same bytes.
//!
//! White space and the ways to escape a character never matter. The order of members does where a model
//! sees it: in JSON schemas, whose order is that of the answer, and in arguments of tools. So members are
//! sorted only in the request itself and in the objects of [`SORTED`], which are the protocol's own.
//! Everything else keeps its order, as do members of the same name. Numbers stay as they are written:
//! providers do not all take `1.0` for `1`.

use serde_json::value::RawValue;

use crate::members::Members;

/// Members whose objects, and whose lists' objects, are the protocol's own.
const SORTED: [&str; 22] = [
    "messages",
    "content",
    "contents",
    "parts",
    "system",
    "system_instruction",
    "systemInstruction",
    "generation_config",
    "generationConfig",
    "thinkingConfig",
    "inferenceConfig",
    "stream_options",
    "thinking",
    "reasoning",
    "tool_choice",
    "cache_control",
    "image_url",
    "input_audio",
    "source",
    "inlineData",
    "inline_data",
    "fileData",
];

/// The same, but only for lists: an object of this name holds a tool's arguments.
const SORTED_LIST: &str = "input";

/// How deep members are sorted; what lies deeper keeps its order.
const DEPTH_MAX: usize = 12;

/// Members by which a request goes on from, or changes, something that the provider keeps.
const STATEFUL: [&str; 3] = ["background", "conversation", "container"];

/// A request's body in its one form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canonical {
    /// The form; JSON, but for strings that cannot be told in Unicode, which stay as they are written.
    pub bytes: Vec<u8>,
    /// The member, if there is one, by which the same request may have another answer, or another
    /// effect, the next time: a run in the background, a conversation or a container that is kept.
    pub stateful: Option<&'static str>,
}

/// Brings a body into its one form, without the members of the request itself that are `left_out`.
/// `None`: it is not a JSON object.
#[must_use]
pub fn canonical(body: &[u8], left_out: &[&str]) -> Option<Canonical> {
    let text = std::str::from_utf8(body).ok()?;
    let mut members = serde_json::from_str::<Members<'_>>(text).ok()?;
    members.0.retain(|it| !left_out.contains(&&*it.name));
    let given = |name: &&&str| {
        let there = |value: &str| !matches!(value, "null" | "false");
        members.0.iter().any(|it| it.name == **name && there(it.value))
    };
    let stateful = STATEFUL.iter().find(given).copied();
    let mut bytes = Vec::with_capacity(body.len());
    object(members, 0, &mut bytes);
    Some(Canonical { bytes, stateful })
}

fn object(Members(mut members): Members<'_>, depth: usize, out: &mut Vec<u8>) {
    // Stable: which of two members of one name counts is the provider's to say.
    members.sort_by(|a, b| a.name.cmp(&b.name));
    out.push(b'{');
    for (place, member) in members.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        string_of(&member.name, out);
        out.push(b':');
        let is_list = member.value.starts_with('[');
        let sorted = SORTED.contains(&&*member.name) || (is_list && member.name == SORTED_LIST);
        if sorted { value(member.value, depth + 1, out) } else { plain(member.value, out) }
    }
    out.push(b'}');
}

/// A value in which the members of objects are sorted.
fn value(text: &str, depth: usize, out: &mut Vec<u8>) {
    let sorted = depth < DEPTH_MAX;
    if let Some(members) = sorted.then(|| serde_json::from_str(text).ok()).flatten() {
        return object(members, depth, out);
    }
    let Some(elements) =
        sorted.then(|| serde_json::from_str::<Vec<&RawValue>>(text).ok()).flatten()
    else {
        return plain(text, out);
    };
    out.push(b'[');
    for (place, element) in elements.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        value(element.get(), depth + 1, out);
    }
    out.push(b']');
}

/// A value as it is, without white space and with its strings in one form.
fn plain(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let end = end_of_string(bytes, at);
                let raw = text.get(at..end).unwrap_or_default();
                match serde_json::from_str::<String>(raw) {
                    Ok(string) => string_of(&string, out),
                    // A lone surrogate; no other string is written so.
                    Err(_) => out.extend_from_slice(raw.as_bytes()),
                }
                at = end;
            }
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            other => {
                out.push(*other);
                at += 1;
            }
        }
    }
}

/// Behind the string that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn string_of(text: &str, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    fn form(body: &str) -> String {
        String::from_utf8(canonical(body.as_bytes(), &[]).unwrap().bytes).unwrap()
    }

    fn same(one: &str, other: &str) {
        assert_eq!(form(one), form(other));
    }

    fn differ(one: &str, other: &str) {
        assert_ne!(form(one), form(other));
    }

    #[test]
    fn order_and_spelling_do_not_matter_where_they_mean_nothing() {
        same(r#"{"a":1,"b":2}"#, " {\n\"b\" : 2,\t\"a\":1 } ");
        same(r#"{"m\u006fdel":"\u00e9\/"}"#, r#"{"model":"é/"}"#);
        let one = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}"#;
        let other = r#"{"messages":[{"content":[{"text":"hi","type":"text"}],"role":"user"}]}"#;
        same(one, other);
        same(
            r#"{"input":[{"role":"user","content":"x"}]}"#,
            r#"{"input":[{"content":"x","role":"user"}]}"#,
        );
        same(
            r#"{"generationConfig":{"topK":1,"temperature":0.5}}"#,
            r#"{"generationConfig":{"temperature":0.5,"topK":1}}"#,
        );
    }

    #[test]
    fn what_a_model_sees_keeps_its_order() {
        let schema = |a: &str, b: &str| {
            format!(
                r#"{{"tools":[{{"name":"t","input_schema":{{"properties":{{"{a}":{{}},"{b}":{{}}}}}}}}]}}"#
            )
        };
        differ(&schema("x", "y"), &schema("y", "x"));
        let format = |a: &str, b: &str| {
            format!(
                r#"{{"response_format":{{"json_schema":{{"schema":{{"properties":{{"{a}":1,"{b}":2}}}}}}}}}}"#
            )
        };
        differ(&format("x", "y"), &format("y", "x"));
        let config = |a: &str, b: &str| {
            format!(r#"{{"generationConfig":{{"responseSchema":{{"{a}":1,"{b}":1}}}}}}"#)
        };
        differ(&config("x", "y"), &config("y", "x"));
        let used = |a: &str, b: &str| {
            format!(
                r#"{{"messages":[{{"content":[{{"type":"tool_use","input":{{"{a}":1,"{b}":2}}}}]}}]}}"#
            )
        };
        differ(&used("x", "y"), &used("y", "x"));
        differ(r#"{"messages":[1,2]}"#, r#"{"messages":[2,1]}"#);
    }

    #[test]
    fn what_may_mean_something_else_differs() {
        differ(r#"{"a":1}"#, r#"{"a":1.0}"#);
        differ(r#"{"a":1}"#, r#"{"a":"1"}"#);
        differ(r#"{"a":null}"#, "{}");
        differ(r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#);
        differ(r#"{"a":"x y"}"#, r#"{"a":"xy"}"#);
        differ(r#"{"a":"x"}"#, r#"{"A":"x"}"#);
        differ(r#"{"a":"\ud800"}"#, r#"{"a":"\ud801"}"#);
        differ(r#"{"a":"\ud800"}"#, r#"{"a":"\\ud800"}"#);
        differ(r#"{"a":"e\u0301"}"#, r#"{"a":"é"}"#);
        differ(r#"{"a":[[],1]}"#, r#"{"a":[1,[]]}"#);
    }

    #[test]
    fn members_that_are_left_out_are_those_of_the_request_alone() {
        let left_out =
            |body: &str| canonical(body.as_bytes(), &["user", "metadata"]).unwrap().bytes;
        let plain = left_out(r#"{"model":"m"}"#);
        assert_eq!(left_out(r#"{"user":"u","model":"m","metadata":{"a":[1]}}"#), plain);
        assert_ne!(
            left_out(r#"{"model":"m","messages":[{"user":"u"}]}"#),
            left_out(r#"{"model":"m","messages":[{}]}"#)
        );
    }

    #[test]
    fn what_the_provider_keeps_is_named() {
        let check = |body: &str, expected: Option<&str>| {
            assert_eq!(canonical(body.as_bytes(), &[]).unwrap().stateful, expected, "{body}");
        };
        check(r#"{"model":"m","background":false,"conversation":null}"#, None);
        check(r#"{"background":true}"#, Some("background"));
        check(r#"{"conversation":{"id":"c"}}"#, Some("conversation"));
        check(r#"{"container":"c"}"#, Some("container"));
        check(r#"{"messages":[{"container":"c"}]}"#, None);
    }

    #[test]
    fn only_objects_have_a_form() {
        for body in ["", "[]", "1", "{", "{} x", "\u{feff}{}"] {
            assert_eq!(canonical(body.as_bytes(), &[]), None, "{body}");
        }
        assert_eq!(canonical(b"{\"a\":\"\xff\"}", &[]), None);
        let deep = format!(
            r#"{{"content":{}{}}}"#,
            r#"{"content":"#.repeat(100),
            "1".to_owned() + &"}".repeat(100)
        );
        assert!(canonical(deep.as_bytes(), &[]).is_some());
    }

    /// JSON with the names of the protocol and others.
    fn any_value() -> impl Strategy<Value = Value> {
        let name = prop::sample::select(vec![
            "messages",
            "content",
            "input",
            "parts",
            "role",
            "text",
            "schema",
            "properties",
            "a",
            "b",
        ]);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            prop::sample::select(vec![0.5, -2.25, 1e300]).prop_map(Value::from),
            "[ -~é\\n\"\\\\]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((name.clone(), inner), 0..5).prop_map(|members| {
                    Value::Object(
                        members.into_iter().map(|(name, it)| (name.to_owned(), it)).collect(),
                    )
                }),
            ]
        })
    }

    fn any_body() -> impl Strategy<Value = Map<String, Value>> {
        let name = prop::sample::select(vec!["a", "b", "c", "messages", "input", "model"]);
        prop::collection::btree_map(name, any_value(), 0..6)
            .prop_map(|it| it.into_iter().map(|(name, it)| (name.to_owned(), it)).collect())
    }

    /// The body written with its members turned round where that means nothing, and with white space.
    fn rewritten(value: &Value, sorts: bool, out: &mut String) {
        match value {
            Value::Object(members) => {
                let mut written: Vec<String> = members
                    .iter()
                    .map(|(name, it)| {
                        let inner = sorts
                            && (SORTED.contains(&name.as_str())
                                || (name == SORTED_LIST && it.is_array()));
                        let mut text = format!("{} : ", json!(name));
                        rewritten(it, inner, &mut text);
                        text
                    })
                    .collect();
                if sorts {
                    written.reverse();
                }
                out.push_str(&format!("{{ {}\n}}", written.join(" ,\t")));
            }
            Value::Array(items) => {
                let written = items.iter().map(|it| {
                    let mut text = String::new();
                    rewritten(it, sorts, &mut text);
                    text
                });
                out.push_str(&format!("[ {} ]", written.collect::<Vec<_>>().join("\r\n, ")));
            }
            Value::String(text) => {
                let escaped = text.encode_utf16().map(|it| format!("\\u{it:04x}"));
                out.push_str(&format!("\"{}\"", escaped.collect::<String>()));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
        }
    }

    proptest! {
        #[test]
        fn the_form_is_the_same_however_a_body_is_written(body in any_body()) {
            let value = Value::Object(body);
            let mut other = String::new();
            rewritten(&value, true, &mut other);
            same(&value.to_string(), &other);
            // It is stable, and means what the body means.
            let once = form(&other);
            prop_assert_eq!(&form(&once), &once);
            prop_assert_eq!(serde_json::from_str::<Value>(&once).unwrap(), value);
        }

        #[test]
        fn bodies_that_differ_have_forms_that_differ(one in any_body(), other in any_body()) {
            let (one, other) = (Value::Object(one), Value::Object(other));
            prop_assert!(form(&one.to_string()) != form(&other.to_string()) || one == other);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = canonical(&bytes, &["a"]);
        }
    }
}
