use super::*;

const GENERATE: Operation = Operation::Generate;

fn path(text: &str) -> FieldPath {
    text.parse().unwrap()
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn set(field: &str, to: &str) -> Edit {
    Edit::Set(path(field), value(to))
}

fn default(field: &str, to: &str) -> Edit {
    Edit::Default(path(field), value(to))
}

fn cap(field: &str, max: &str) -> Edit {
    Edit::Cap(path(field), serde_json::from_str(max).unwrap())
}

fn remove(field: &str) -> Edit {
    Edit::Remove(path(field))
}

fn before(text: &str) -> Edit {
    Edit::SystemPrefix(text.to_owned())
}

fn behind(text: &str) -> Edit {
    Edit::SystemSuffix(text.to_owned())
}

/// The body after one edit; the effect where it is not another.
fn edited(format: Format, operation: Operation, body: &str, edit: &Edit) -> Result<String, Effect> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let edited = super::edit(&body, format, operation, [edit]).unwrap();
    let [effect] = edited.effects[..] else { panic!("one effect") };
    assert_eq!(edited.body.is_some(), effect == Effect::Changed);
    match edited.body {
        Some(body) => {
            let _: Value = serde_json::from_slice(&body).unwrap();
            Ok(String::from_utf8(body.to_vec()).unwrap())
        }
        None => Err(effect),
    }
}

#[track_caller]
fn check(body: &str, edit: &Edit, expected: &str) {
    let found = edited(Format::OpenaiChat, GENERATE, body, edit);
    assert_eq!(found.as_deref(), Ok(expected), "{body}");
}

#[track_caller]
fn unneeded(body: &str, edit: &Edit) {
    let found = edited(Format::OpenaiChat, GENERATE, body, edit);
    assert_eq!(found, Err(Effect::Unneeded), "{body}");
}

#[track_caller]
fn impossible(format: Format, operation: Operation, body: &str, edit: &Edit) {
    let found = edited(format, operation, body, edit);
    assert!(matches!(found, Err(Effect::Impossible(_))), "{body}: {found:?}");
}

#[test]
fn sets_a_field_and_leaves_every_other_byte() {
    check(
        "\n{ \"a\" : 1.50 ,\t\"b\":[ 1, 2 ] }\n",
        &set("a", "2"),
        "\n{ \"a\" : 2 ,\t\"b\":[ 1, 2 ] }\n",
    );
    check("{}", &set("a", "\"x\""), "{\"a\":\"x\"}");
    check("{ }", &set("a", "1"), "{\"a\":1 }");
    check(r#"{"b":2}"#, &set("a", "[1]"), r#"{"b":2,"a":[1]}"#);
    check(r#"{"a":null}"#, &set("a", "1"), r#"{"a":1}"#);
    check(r#"{"\u0061":0}"#, &set("a", "1"), r#"{"\u0061":1}"#);
    check(r#"{"x":"{,}","a":0}"#, &set("a", "1"), r#"{"x":"{,}","a":1}"#);
    unneeded(r#"{"a" : 1}"#, &set("a", "1"));
}

#[test]
fn sets_a_field_inside_of_others_and_makes_those_that_are_not_there() {
    check(r#"{"a":{"b": 1 ,"c":2}}"#, &set("a.b", "3"), r#"{"a":{"b": 3 ,"c":2}}"#);
    check(r#"{"a":{}}"#, &set("a.b.c", "3"), r#"{"a":{"b":{"c":3}}}"#);
    check("{}", &set("a.b.c", "3"), r#"{"a":{"b":{"c":3}}}"#);
    check(r#"{"a":null}"#, &set("a.b", "3"), r#"{"a":{"b":3}}"#);
    impossible(Format::OpenaiChat, GENERATE, r#"{"a":[{"b":1}]}"#, &set("a.b", "3"));
    impossible(Format::OpenaiChat, GENERATE, r#"{"a":"b"}"#, &set("a.b", "3"));
}

#[test]
fn a_default_gives_way_to_the_clients_own_value() {
    check(r#"{"b":1}"#, &default("a", "2"), r#"{"b":1,"a":2}"#);
    check(r#"{"a": null}"#, &default("a", "2"), r#"{"a": 2}"#);
    check(r#"{"a":{"x":1}}"#, &default("a.b", "2"), r#"{"a":{"x":1,"b":2}}"#);
    unneeded(r#"{"a":1}"#, &default("a", "2"));
    unneeded(r#"{"a":false}"#, &default("a", "2"));
}

#[test]
fn a_cap_only_lowers_a_number_that_is_there() {
    check(r#"{"a":4097}"#, &cap("a", "4096"), r#"{"a":4096}"#);
    check(r#"{"a":1e9}"#, &cap("a", "4096"), r#"{"a":4096}"#);
    check(r#"{"a":1.01}"#, &cap("a", "1"), r#"{"a":1}"#);
    check(r#"{"g":{"a":9}}"#, &cap("g.a", "4"), r#"{"g":{"a":4}}"#);
    for body in [r#"{"a":4096}"#, r#"{"a":-1}"#, r#"{"a":null}"#, "{}"] {
        unneeded(body, &cap("a", "4096"));
    }
    for body in [r#"{"a":"9999"}"#, r#"{"a":{"b":9999}}"#] {
        impossible(Format::OpenaiChat, GENERATE, body, &cap("a", "4096"));
    }
}

#[test]
fn removes_a_field_with_its_comma() {
    check(r#"{"a":1,"b":2}"#, &remove("a"), r#"{"b":2}"#);
    check(r#"{"a":1,"b":2}"#, &remove("b"), r#"{"a":1}"#);
    check(r#"{ "a":1 , "b":2 , "c":3 }"#, &remove("b"), r#"{ "a":1 , "c":3 }"#);
    check(r#"{"a":1}"#, &remove("a"), "{}");
    check(r#"{"m":{"a":1,"b":2}}"#, &remove("m.a"), r#"{"m":{"b":2}}"#);
    unneeded(r#"{"b":{"a":1}}"#, &remove("a"));
    unneeded(r#"{"m":null}"#, &remove("m.a"));
}

#[test]
fn changes_each_of_members_given_twice() {
    check(r#"{"a":1,"a":2}"#, &set("a", "3"), r#"{"a":3,"a":3}"#);
    check(r#"{"a":1,"b":0,"a":2}"#, &remove("a"), r#"{"b":0}"#);
    check(r#"{"a":9,"a":1}"#, &cap("a", "4"), r#"{"a":4,"a":1}"#);
}

#[test]
fn edits_build_on_each_other_and_a_body_that_none_changes_is_not_made_anew() {
    let body = Bytes::from_static(br#"{"a":1}"#);
    let edits = [set("b", "9"), cap("b", "5"), remove("a"), default("b", "1")];
    let edited = edit(&body, Format::OpenaiChat, GENERATE, &edits).unwrap();
    assert_eq!(edited.body.as_deref(), Some(br#"{"b":5}"#.as_slice()));
    assert_eq!(
        edited.effects,
        [Effect::Changed, Effect::Changed, Effect::Changed, Effect::Unneeded]
    );
    let none = edit(&body, Format::OpenaiChat, GENERATE, &[cap("a", "5")]).unwrap();
    assert_eq!(none, Edited { body: None, effects: vec![Effect::Unneeded] });
    for body in ["", "[]", "{", "null"] {
        let body = Bytes::copy_from_slice(body.as_bytes());
        assert!(edit(&body, Format::OpenaiChat, GENERATE, &[remove("a")]).is_err());
    }
}

#[test]
fn a_text_goes_before_or_behind_the_system_prompt_where_each_format_has_it() {
    let check = |format, body: &str, edit: &Edit, expected: &str| {
        let found = edited(format, GENERATE, body, edit);
        assert_eq!(found.as_deref(), Ok(expected), "{body}");
    };
    use Format::{AnthropicMessages as Anthropic, Gemini, OpenaiChat as Chat};
    // OpenAI chat: leading messages of the system or the developer.
    check(
        Chat,
        r#"{"messages":[ {"role":"system","content":"Be\nkind."} ,{"role":"user","content":"hi"}]}"#,
        &before("Rules:"),
        r#"{"messages":[ {"role":"system","content":"Rules:\n\nBe\nkind."} ,{"role":"user","content":"hi"}]}"#,
    );
    check(
        Chat,
        r#"{"messages":[{"role":"developer","content":[{"type":"text","text":"a"}]},{"role":"system","content":"b"},{"role":"user","content":"hi"}]}"#,
        &behind("c"),
        r#"{"messages":[{"role":"developer","content":[{"type":"text","text":"a"}]},{"role":"system","content":"b\n\nc"},{"role":"user","content":"hi"}]}"#,
    );
    check(
        Chat,
        r#"{"messages":[{"role":"developer","content":[ {"type":"text","text":"a"} ]}]}"#,
        &behind("c"),
        r#"{"messages":[{"role":"developer","content":[ {"type":"text","text":"a"} ,{"type":"text","text":"c"}]}]}"#,
    );
    check(
        Chat,
        r#"{"messages":[{"role":"user","content":"hi"}],"n":1}"#,
        &behind("\"é\""),
        r#"{"messages":[{"role":"system","content":"\"é\""},{"role":"user","content":"hi"}],"n":1}"#,
    );
    check(
        Chat,
        r#"{"messages":[]}"#,
        &before("a"),
        r#"{"messages":[{"role":"system","content":"a"}]}"#,
    );
    // OpenAI Responses: `instructions`.
    check(
        Format::OpenaiResponses,
        r#"{"input":"hi","instructions":"x"}"#,
        &before("a"),
        r#"{"input":"hi","instructions":"a\n\nx"}"#,
    );
    check(
        Format::OpenaiResponses,
        r#"{"input":"hi"}"#,
        &behind("a"),
        r#"{"input":"hi","instructions":"a"}"#,
    );
    // Anthropic: `system`, a text or a list.
    check(Anthropic, r#"{"system":"x"}"#, &behind("a"), r#"{"system":"x\n\na"}"#);
    check(Anthropic, r#"{"system":""}"#, &behind("a"), r#"{"system":"a"}"#);
    check(
        Anthropic,
        r#"{"system":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]}"#,
        &before("a"),
        r#"{"system":[{"type":"text","text":"a"},{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]}"#,
    );
    check(Anthropic, r#"{"messages":[]}"#, &before("a"), r#"{"messages":[],"system":"a"}"#);
    // Bedrock: `system`, a list.
    let bedrock = Format::BedrockConverse;
    check(
        bedrock,
        r#"{"system":[{"text":"x"}]}"#,
        &behind("a"),
        r#"{"system":[{"text":"x"},{"text":"a"}]}"#,
    );
    check(bedrock, "{}", &before("a"), r#"{"system":[{"text":"a"}]}"#);
    // Gemini: `systemInstruction`, in either spelling.
    check(
        Gemini,
        r#"{"contents":[]}"#,
        &before("a"),
        r#"{"contents":[],"systemInstruction":{"parts":[{"text":"a"}]}}"#,
    );
    check(
        Gemini,
        r#"{"system_instruction":{"parts":[{"text":"x"}],"role":"user"}}"#,
        &behind("a"),
        r#"{"system_instruction":{"parts":[{"text":"x"},{"text":"a"}],"role":"user"}}"#,
    );
}

#[test]
fn a_count_of_tokens_gets_the_same_system_prompt_where_it_can() {
    let count = Operation::CountTokens;
    let found = edited(Format::AnthropicMessages, count, "{}", &before("a"));
    assert_eq!(found.as_deref(), Ok(r#"{"system":"a"}"#));
    let body = r#"{"generateContentRequest":{"model":"m"}}"#;
    let found = edited(Format::Gemini, count, body, &before("a"));
    let expected =
        r#"{"generateContentRequest":{"model":"m","systemInstruction":{"parts":[{"text":"a"}]}}}"#;
    assert_eq!(found.as_deref(), Ok(expected));
    impossible(Format::Gemini, count, r#"{"contents":[]}"#, &before("a"));
}

#[test]
fn a_text_that_has_no_place_is_said_to_have_none() {
    let text = before("a");
    impossible(Format::OpenaiEmbeddings, Operation::Embed, r#"{"input":"x"}"#, &text);
    impossible(Format::OpenaiChat, GENERATE, r#"{"prompt":"x"}"#, &text);
    impossible(Format::OpenaiChat, GENERATE, r#"{"messages":"x"}"#, &text);
    impossible(Format::OpenaiResponses, GENERATE, r#"{"instructions":[]}"#, &text);
    impossible(Format::AnthropicMessages, GENERATE, r#"{"system":7}"#, &text);
    impossible(Format::Gemini, GENERATE, r#"{"systemInstruction":"x"}"#, &text);
}

#[test]
fn a_path_is_names_parted_by_dots() {
    assert_eq!(path("metadata.team").to_string(), "metadata.team");
    assert_eq!(path("metadata.team").root(), "metadata");
    for text in ["", ".", "a.", ".a", "a..b", "a.b.c.d.e.f.g.h.i"] {
        assert_eq!(text.parse::<FieldPath>(), Err(NotAField), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn an_edit_changes_its_own_field_and_no_other(
        fields in proptest::collection::btree_map("[a-c ,{}\"\\\\]{0,3}", 0..9_u32, 0..5),
        name in "[a-c]{1,2}",
        spaces in "[ \t\n]{0,2}",
    ) {
        let text = fields.iter().map(|(name, it)| {
            format!("{spaces}{}{spaces}:{spaces}{it}{spaces}", Value::from(name.as_str()))
        });
        let body = format!("{spaces}{{{}}}{spaces}", text.collect::<Vec<_>>().join(","));
        let body = Bytes::from(body);
        let whole: serde_json::Map<String, Value> = serde_json::from_slice(&body).unwrap();
        let after = |edit: Edit| -> serde_json::Map<String, Value> {
            let edited = super::edit(&body, Format::OpenaiChat, GENERATE, [&edit]).unwrap();
            serde_json::from_slice(edited.body.as_ref().unwrap_or(&body)).unwrap()
        };
        let mut expected = whole.clone();
        expected.insert(name.clone(), Value::from(99));
        proptest::prop_assert_eq!(after(set(&name, "99")), expected);
        let mut expected = whole;
        expected.shift_remove(&name);
        proptest::prop_assert_eq!(after(remove(&name)), expected);
    }
}
