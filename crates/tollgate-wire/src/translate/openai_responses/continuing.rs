//! Requests that go on from an earlier answer by its id, made whole for providers that remember
//! nothing.

use serde_json::{Map, Value, json};

use crate::{
    loss::Refused,
    sse::{SseItem, SseReader},
};

/// The member that names the earlier answer.
const PREVIOUS: &str = "previous_response_id";

/// The id of the earlier answer that a Responses request goes on from; `None` when it names none.
#[must_use]
pub fn previous_response_id(body: &[u8]) -> Option<String> {
    let crate::members::Members(members) = serde_json::from_slice(body).ok()?;
    let member = members.into_iter().rfind(|it| it.name == PREVIOUS)?;
    serde_json::from_str(member.value).ok()
}

/// A Responses request that names an earlier answer, as one that stands alone: the earlier request's
/// input, the answer's items and the request's own input become one list, and every other member is
/// the request's own. As with OpenAI, the earlier `instructions` are not carried over.
///
/// `earlier_request` and `earlier_answer` are the bodies of the call whose answer is named, as its
/// client sent and saw them, with any content coding undone; the answer whole or as server-sent
/// events. An earlier request that goes on from another itself is to be made whole first. The body
/// grows with the conversation: whoever calls this limits what it keeps.
///
/// # Errors
///
/// The body names no answer, the earlier answer is another one, failed or is not all there, or the
/// earlier request does not stand alone.
pub fn continue_response(
    body: &[u8],
    earlier_request: &[u8],
    earlier_answer: &[u8],
) -> Result<Vec<u8>, Refused> {
    let refuse = |why: &str| Refused::new(PREVIOUS, why);
    let mut body = object(body).ok_or_else(|| Refused::new("", "the body is no JSON object"))?;
    let named = match body.shift_remove(PREVIOUS) {
        Some(Value::String(id)) => id,
        None | Some(Value::Null) => return Err(refuse("is missing")),
        Some(_) => return Err(refuse("must be a string")),
    };
    let mut earlier = object(earlier_request)
        .ok_or_else(|| refuse("names an answer whose request is not there"))?;
    for name in [PREVIOUS, "conversation", "prompt"] {
        if earlier.get(name).is_some_and(|it| !it.is_null()) {
            return Err(refuse("names an answer whose request does not stand alone"));
        }
    }
    let answer = answer(earlier_answer)
        .ok_or_else(|| refuse("names an answer that is not there, or not all of it"))?;
    if answer.id.as_deref().is_some_and(|it| it != named) {
        return Err(refuse("names another answer than the one at hand"));
    }
    if answer.failed {
        return Err(refuse("names an answer that failed"));
    }
    let mut items = input(earlier.shift_remove("input")).map_err(|why| refuse(&why))?;
    items.extend(answer.items);
    let own = body.shift_remove("input");
    items.extend(input(own).map_err(|why| Refused::new("input", why))?);
    body.insert("input".to_owned(), items.into());
    serde_json::to_vec(&body).map_err(|why| Refused::new("", why.to_string()))
}

fn object(json: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(json).ok()
}

/// The items of an `input`; a text is one message.
fn input(input: Option<Value>) -> Result<Vec<Value>, String> {
    match input {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![json!({"role": "user", "content": text})]),
        Some(Value::Array(items)) => Ok(items),
        Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
            Err("must be a string or a list".to_owned())
        }
    }
}

/// An answer that is to be gone on from.
struct Earlier {
    id: Option<String>,
    failed: bool,
    items: Vec<Value>,
}

impl Earlier {
    fn of(response: &Value) -> Option<Self> {
        let text = |name: &str| response.get(name).and_then(Value::as_str);
        Some(Self {
            id: text("id").map(str::to_owned),
            failed: matches!(text("status"), Some("failed" | "cancelled")),
            items: response.get("output")?.as_array()?.clone(),
        })
    }
}

/// Reads an answer, whole or as events; `None` when it did not come to an end.
fn answer(body: &[u8]) -> Option<Earlier> {
    if let Ok(response) = serde_json::from_slice::<Value>(body) {
        let is_over = response.get("status").and_then(Value::as_str) != Some("in_progress");
        return Earlier::of(&response).filter(|_| is_over);
    }
    let mut done = Vec::new();
    let mut last = None;
    let mut read = |item: SseItem<'_>| {
        let SseItem::Event(event) = item else { return };
        let Some(data) = event.data() else { return };
        let Ok(mut event) = serde_json::from_slice::<Value>(&data) else { return };
        match event.get("type").and_then(Value::as_str) {
            Some("response.output_item.done") => {
                done.extend(event.get_mut("item").map(Value::take));
            }
            Some("response.completed" | "response.incomplete" | "response.failed") => {
                last = event.get("response").and_then(Earlier::of);
            }
            Some(_) | None => {}
        }
    };
    let mut reader = SseReader::new();
    reader.push(body, &mut read);
    reader.finish(&mut read);
    let mut last = last?;
    // Some servers leave the items out of the last event.
    if last.items.is_empty() {
        last.items = done;
    }
    Some(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixture,
        translate::{Capabilities, RequestConfig, translate_request},
    };
    use tollgate_core::Format;

    const ANSWER: &str = r#"{"id":"resp_1","status":"completed","output":[
        {"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"gAAA"},
        {"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi."}]}]}"#;

    fn continued(body: &str, request: &str, answer: &str) -> Result<Value, String> {
        continue_response(body.as_bytes(), request.as_bytes(), answer.as_bytes())
            .map(|it| serde_json::from_slice(&it).unwrap())
            .map_err(|it| it.to_string())
    }

    #[test]
    fn the_conversation_so_far_stands_before_the_new_input() {
        let body = r#"{"model":"m","previous_response_id":"resp_1","stream":true,
            "input":[{"type":"function_call_output","call_id":"c","output":"1"}],"tools":[]}"#;
        let request =
            r#"{"model":"old","instructions":"Be brief.","input":"Hello","stream":false}"#;
        let whole = continued(body, request, ANSWER).unwrap();
        let input = whole["input"].as_array().unwrap();
        assert_eq!(input.len(), 4);
        assert_eq!(input[0], json!({"role": "user", "content": "Hello"}));
        assert_eq!(input[1]["encrypted_content"], "gAAA");
        assert_eq!(input[2]["content"][0]["text"], "Hi.");
        assert_eq!(input[3]["call_id"], "c");
        assert_eq!(whole.get(PREVIOUS), None);
        assert_eq!(whole.get("instructions"), None, "instructions are each request's own");
        assert_eq!((&whole["model"], &whole["stream"]), (&json!("m"), &json!(true)));
        // Once more from there.
        let again = r#"{"previous_response_id":"resp_2","input":"And?"}"#;
        let second = ANSWER.replace("resp_1", "resp_2");
        let longer = continued(again, &whole.to_string(), &second).unwrap();
        assert_eq!(longer["input"].as_array().unwrap().len(), 7);
    }

    #[test]
    fn every_recorded_stream_that_came_to_its_end_can_be_gone_on_from() {
        for name in ["stream.sse", "stream-tools.sse", "stream-sealed.sse", "stream-incomplete.sse"]
        {
            let stream = fixture::named(&format!("openai-responses/{name}"));
            let text = String::from_utf8(stream.body).unwrap();
            let id = text.split(r#""id":"resp"#).nth(1).unwrap().split('"').next().unwrap();
            let body = format!(r#"{{"previous_response_id":"resp{id}","input":"And?"}}"#);
            let whole = continued(&body, r#"{"input":"Hello"}"#, &text).unwrap();
            assert!(whole["input"].as_array().unwrap().len() >= 3, "{name}: {whole}");
            // And be carried to another format.
            for to in [Format::AnthropicMessages, Format::Gemini, Format::OpenaiChat] {
                let config = RequestConfig {
                    from: Format::OpenaiResponses,
                    to,
                    model: "m",
                    query: None,
                    streaming_in_path: None,
                    provider: Capabilities::default(),
                };
                let sent = translate_request(&config, whole.to_string().as_bytes()).unwrap();
                let sent = String::from_utf8(sent.body).unwrap();
                assert!(sent.contains("Hello") && sent.contains("And?"), "{name} to {to}: {sent}");
            }
        }
    }

    #[test]
    fn what_cannot_be_gone_on_from_is_refused() {
        let body = r#"{"previous_response_id":"resp_1","input":"And?"}"#;
        let check = |body: &str, request: &str, answer: &str, expected: &str| {
            let why = continued(body, request, answer).unwrap_err();
            assert!(why.contains(expected), "{why}");
        };
        let request = r#"{"input":"Hello"}"#;
        check("[]", request, ANSWER, "no JSON object");
        check(r#"{"input":"a"}"#, request, ANSWER, "is missing");
        check(r#"{"previous_response_id":7}"#, request, ANSWER, "must be a string");
        check(r#"{"previous_response_id":"resp_1","input":7}"#, request, ANSWER, "`input`");
        check(body, "", ANSWER, "whose request is not there");
        check(body, r#"{"previous_response_id":"resp_0"}"#, ANSWER, "does not stand alone");
        check(body, r#"{"conversation":"conv_1"}"#, ANSWER, "does not stand alone");
        check(body, request, &ANSWER.replace("resp_1", "resp_2"), "another answer");
        check(body, request, &ANSWER.replace("completed", "failed"), "that failed");
        check(body, request, &ANSWER.replace("completed", "in_progress"), "not all of it");
        check(body, request, "<html>", "not there");
        let stream = fixture::named("openai-responses/stream-broken.sse").body;
        check(body, request, std::str::from_utf8(&stream).unwrap(), "not all of it");
    }

    #[test]
    fn the_id_is_found_without_the_rest_being_read() {
        let check = |body: &str, expected: Option<&str>| {
            assert_eq!(previous_response_id(body.as_bytes()).as_deref(), expected, "{body}");
        };
        check(r#"{"input":[{"previous_response_id":"no"}]}"#, None);
        check(r#"{"previous_response_id":"resp_1"}"#, Some("resp_1"));
        check(r#"{"previous_response_id":null}"#, None);
        check("nonsense", None);
    }
}
