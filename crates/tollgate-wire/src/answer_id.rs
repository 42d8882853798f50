//! The id of an answer, as its client sees it.

use serde::Deserialize;

use crate::sse::{SseItem, SseReader};

#[derive(Deserialize)]
struct Whole {
    id: Option<String>,
}

#[derive(Deserialize)]
struct Event {
    response: Option<Whole>,
}

/// The id of an answer of OpenAI's Responses format: of a whole body, or of the beginning of a
/// stream, whose first event has it.
#[must_use]
pub fn response_id(body: &[u8]) -> Option<String> {
    if body.trim_ascii_start().first() == Some(&b'{') {
        return serde_json::from_slice::<Whole>(body).ok()?.id;
    }
    let mut id = None;
    let mut reader = SseReader::new();
    reader.push(body, |item| {
        let SseItem::Event(event) = item else { return };
        if id.is_none()
            && let Some(data) = event.data()
            && let Ok(Event { response: Some(response) }) = serde_json::from_slice(&data)
        {
            id = response.id;
        }
    });
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answers_id_is_read_of_whole_bodies_and_of_beginnings_of_streams() {
        let check = |body: &str, id: Option<&str>| {
            assert_eq!(response_id(body.as_bytes()).as_deref(), id, "{body}");
        };
        check(r#" {"output":[{"id":"msg_1"}],"id":"resp_1"}"#, Some("resp_1"));
        check(r#"{"error":{"message":"no"}}"#, None);
        check(r#"{"id":"resp_1""#, None);
        let created = "event: response.created\ndata: {\"type\":\"response.created\",\
                       \"response\":{\"id\":\"resp_2\"}}\n\n";
        check(created, Some("resp_2"));
        check(
            &format!("{created}data: {{\"response\":{{\"id\":\"resp_3\"}}}}\n\nda"),
            Some("resp_2"),
        );
        check("data: {\"type\":\"error\"}\n\n", None);
        check("", None);
    }
}
