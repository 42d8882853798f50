//! What these tests share.

use bytes::Bytes;
use http::Request;
use serde_json::Value;
use tollgate_simulator::{CONTROL_HEADER, Simulator, SimulatorConfig};

/// The key that clients send.
pub(crate) const KEY: &str = "sk-client-0123456789abcdef";

/// A chat.
pub(crate) const CHAT: &str =
    r#"{"model":"gpt-5-mini","messages":[{"role":"user","content":"hi"}]}"#;

/// The same chat, streamed.
pub(crate) const CHAT_STREAM: &str =
    r#"{"stream":true,"model":"gpt-5-mini","messages":[{"role":"user","content":"hi"}]}"#;

/// A simulator that answers at once.
pub(crate) async fn simulator() -> Simulator {
    Simulator::start(SimulatorConfig::default()).await.unwrap()
}

/// A call of OpenAI Chat Completions with the client's key and controls for the simulator.
pub(crate) fn chat(body: &str, controls: &str) -> Request<Bytes> {
    let request = Request::post("/v1/chat/completions")
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json")
        .header(CONTROL_HEADER, controls);
    request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

/// A `GET`.
pub(crate) fn get(path: &str) -> Request<Bytes> {
    Request::get(path).body(Bytes::new()).unwrap()
}

/// A `GET` with the admin token.
pub(crate) fn admin(path: &str, token: &str) -> Request<Bytes> {
    let request = Request::get(path).header("authorization", format!("Bearer {token}"));
    request.body(Bytes::new()).unwrap()
}

/// What a JSON value is made of: its fields, with the types in the values' places. Of a list, the
/// shapes that its items have.
pub(crate) fn shape(value: &Value) -> Value {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "string".into(),
        Value::Array(items) => {
            let mut shapes: Vec<Value> = Vec::new();
            for it in items.iter().map(shape) {
                if !shapes.contains(&it) {
                    shapes.push(it);
                }
            }
            Value::Array(shapes)
        }
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect()
        }
    }
}
