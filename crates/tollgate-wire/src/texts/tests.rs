use super::*;

/// The texts of a body as `place speaker: text`.
fn said(body: &str) -> Vec<String> {
    let texts = texts(body.as_bytes()).unwrap();
    texts.iter().map(|it| format!("{} {}: {}", it.place, it.speaker.name(), it.text)).collect()
}

#[track_caller]
fn check(body: &str, expected: &[&str]) {
    assert_eq!(said(body), expected, "{body}");
}

#[test]
fn finds_who_says_what_in_each_format() {
    check(
        r#"{"model":"m","messages":[{"role":"system","content":"a"},{"role":"user","content":[{"type":"text","text":"b"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]},{"content":"c","role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}]},{"role":"tool","tool_call_id":"call_1","content":"d"}],"tools":[{"type":"function","function":{"name":"f","description":"e"}}],"user":"u"}"#,
        &[
            "messages[0] system: a",
            "messages[1] user: b",
            "messages[2] assistant: c",
            "messages[2] assistant: {\"x\":1}",
            "messages[3] tool: d",
            "tools[0] offer: e",
            "user user: u",
        ],
    );
    check(
        r#"{"system":"s","messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"r"}]},{"type":"text","text":"q"}]},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"n","input":{"id":"free","type":"free too"}}]}]}"#,
        &[
            "system system: s",
            "messages[0] tool: r",
            "messages[0] user: q",
            "messages[1] assistant: free",
            "messages[1] assistant: free too",
        ],
    );
    check(
        r#"{"instructions":"s","input":[{"role":"user","content":[{"type":"input_text","text":"q"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"r"}]}"#,
        &["instructions system: s", "input[0] user: q", "input[1] user: {}", "input[2] tool: r"],
    );
    check(
        r#"{"systemInstruction":{"parts":[{"text":"s"}]},"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":{"name":"n"}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"role":"r"}}},{"inlineData":{"mimeType":"image/png","data":"AAAABBBBCCCCDDDDEEEEFFFFGGGGHHHHIIIIJJJJKKKKLLLLMMMMNNNNOOOOPPPPQQQQ"}}]}]}"#,
        &["systemInstruction system: s", "contents[0] assistant: n", "contents[1] tool: r"],
    );
    check(
        r#"{"system":[{"text":"s"}],"messages":[{"role":"user","content":[{"text":"q"},{"toolResult":{"toolUseId":"t","content":[{"json":{"id":"r"}},{"text":"r2"}]}}]}]}"#,
        &[
            "system[0] system: s",
            "messages[0] user: q",
            "messages[0] tool: r",
            "messages[0] tool: r2",
        ],
    );
    check(r#"{"model":"m","input":["a","b"]}"#, &["input[0] user: a", "input[1] user: b"]);
}

#[test]
fn a_field_that_nobody_knows_is_a_text_too() {
    check(
        r#"{"brand_new":{"deep":["x"]},"metadata":{"k":"v"}}"#,
        &["brand_new user: x", "metadata user: v"],
    );
}

#[test]
fn a_file_that_is_text_is_one() {
    check(
        r#"{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"a letter, as plain text that is long enough to be taken for base64"}}]}]}"#,
        &["messages[0] user: a letter, as plain text that is long enough to be taken for base64"],
    );
}

#[test]
fn escapes_are_undone_and_their_places_known() {
    let body = r#"{"p":"a\n\u00e9\ud83d\ude00\"key\"\ud800\/z"}"#;
    let texts = texts(body.as_bytes()).unwrap();
    let text = &texts[0];
    assert_eq!(text.text, "a\né😀\"key\"\u{fffd}/z");
    let part = |part: &str| {
        let start = text.text.find(part).unwrap();
        &body[text.place_in_body(&(start..start + part.len()))]
    };
    assert_eq!(part("a"), "a");
    assert_eq!(part("\n"), r"\n");
    assert_eq!(part("é"), r"\u00e9");
    assert_eq!(part("😀\""), r#"\ud83d\ude00\""#);
    assert_eq!(part("key"), "key");
    assert_eq!(part("\u{fffd}"), r"\ud800");
    assert_eq!(part("/z"), r"\/z");
}

#[test]
fn a_change_leaves_every_other_byte_as_it_was() {
    let body = r#"{ "a" : "x\u0041 secret \/ y" ,"b":[ 1.50, "secret"]}"#;
    let texts = texts(body.as_bytes()).unwrap();
    let changes = texts.iter().map(|it| {
        let start = it.text.find("secret").unwrap();
        (it.place_in_body(&(start..start + 6)), Cow::Owned(escaped("\"s\"")))
    });
    let changed = replaced(body.as_bytes(), changes);
    assert_eq!(
        String::from_utf8(changed).unwrap(),
        r#"{ "a" : "x\u0041 \"s\" \/ y" ,"b":[ 1.50, "\"s\""]}"#
    );
}

#[test]
fn what_is_not_json_has_no_texts() {
    for body in ["", "{", "nope", "{\"a\":\"\u{1}\"}", "{\"a\":1}x"] {
        assert!(texts(body.as_bytes()).is_none(), "{body}");
    }
    assert!(texts(b"{\"a\":\"\xff\"}").is_none());
}
