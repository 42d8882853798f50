//! A connection followed, from real packets.

use tollgate_app::api::stream::{StreamMessageView, StreamView};

use super::harness::{Watched, eventually, finish};

/// Asks for a streamed answer and reads it to its end.
const STREAM: &str = r#"
import http.client, json, sys
connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]))
said = {"model": "gpt-5-mini", "stream": True, "messages": [{"role": "user", "content": "<stream>"}],
        "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]}
headers = {"authorization": "Bearer sk-planted-follow-77", "content-type": "application/json"}
connection.request("POST", "/v1/chat/completions", json.dumps(said), headers)
answer = connection.getresponse()
text = answer.read().decode()
assert answer.status == 200 and "[DONE]" in text, (answer.status, text)
connection.close()
"#;

async fn stream_of(watched: &Watched, flow: u64) -> StreamView {
    watched.product.admin().get(&format!("/flows/{flow}/stream")).await.unwrap()
}

/// The request and the whole answer of a followed connection.
fn exchange(stream: &StreamView) -> Option<(&StreamMessageView, &StreamMessageView)> {
    match stream.messages.as_slice() {
        [request, answer] if answer.whole => Some((request, answer)),
        _ => None,
    }
}

#[tokio::test]
async fn what_both_sides_said_is_put_together_with_the_call_in_it() {
    let Some(watched) = Watched::start("follow a stream").await else { return };
    finish(&mut watched.script("stream.py", STREAM)).await;
    let calls = watched.product.calls(1).await;
    watched.packets_of_whole(&calls[0].id).await;
    let detail = watched.detail(&calls[0]).await;
    let legs: Vec<&str> = detail.flows.iter().map(|it| it.leg.as_str()).collect();
    assert_eq!(legs, ["client", "upstream"]);
    for flow in &detail.flows {
        let stream = eventually("the whole answer", async || {
            let stream = stream_of(&watched, flow.id).await;
            if exchange(&stream).is_some() { Ok(stream) } else { Err(format!("{stream:#?}")) }
        })
        .await;
        let (request, answer) = exchange(&stream).unwrap();
        assert_eq!(request.first_line, "POST /v1/chat/completions HTTP/1.1", "{}", flow.leg);
        assert!(request.headers.iter().any(|it| it.value == "Bearer ••••••"), "{request:#?}");
        let asked = request.call.as_ref().unwrap();
        assert_eq!(asked.format, "OpenAI Chat Completions");
        assert_eq!(asked.model.as_deref(), Some("gpt-5-mini"));
        assert_eq!((asked.stream, asked.tools), (Some(true), Some(1)));
        let told = answer.call.as_ref().unwrap();
        assert!(answer.events.len() > 3 && answer.events.is_sorted_by_key(|it| it.at_us));
        assert_eq!(answer.events.last().unwrap().data, "[DONE]");
        assert!(told.stop_reason.is_some(), "{told:?}");
        if flow.leg == "upstream" {
            // The gateway asked for the usage, and hides it from the client, who did not.
            assert_eq!(told.output, calls[0].usage.output, "as the ledger has it");
        }
        for end in [&stream.client, &stream.server] {
            assert!(end.from_beginning && !end.cut, "{end:?}");
            assert_eq!((end.unseen, end.uncopied, end.disputed), (0, 0, 0));
        }
        let flow = &stream.flow;
        assert!(flow.first_byte_us.is_some() && flow.answer_gap_mean_us.is_some(), "{flow:?}");
        assert!(flow.handshake_us.is_some() && flow.rtt_min_us.is_some(), "{flow:?}");
        assert_eq!((flow.bytes_missing, flow.resets, flow.stalls), (0, 0, 0));
        assert_eq!(flow.retransmits, Some(0));

        let id = flow.id.to_string();
        let shown = watched.product.run(&["flows", "follow", &id]).await;
        let shown = shown.expect();
        assert!(
            shown.contains("Authorization: Bearer *") || shown.contains("authorization: Bearer *"),
            "{shown}"
        );
        assert!(shown.contains("\"tools\"") && shown.contains("data: [DONE]"), "{shown}");
        let shown = watched.product.run(&["flows", "follow", &id, "--messages"]).await;
        let shown = shown.expect();
        assert!(
            shown.contains("OpenAI Chat Completions, model gpt-5-mini, stream true, 1 tools"),
            "{shown}"
        );
        let shown = watched.product.run(&["flows", "follow", &id, "--hex"]).await;
        let shown = shown.expect();
        assert!(shown.contains("00000000  50 4f 53 54 20 2f 76 31"), "{shown}");
        let shown = watched.product.run(&["flows", "list", "--limit", "1000"]).await;
        let shown = shown.expect();
        assert!(shown.lines().any(|it| it.starts_with(&format!("{id} "))), "{shown}");
    }
    let missing = watched.product.run(&["flows", "follow", "999999"]).await;
    assert!(missing.stderr().contains("there is no such TCP connection"), "{missing:?}");
    watched.product.stop().await;
}
