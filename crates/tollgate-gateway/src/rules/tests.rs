use std::thread;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::json;
use tollgate_core::{
    Format, Operation, PicoUsd,
    rule::{RuleChange, RuleEffect, RuleEnd},
};

use super::{
    apply::Subject,
    gather::{Known, gather},
    *,
};

fn rule(name: &str, when: &str, then: Then) -> Rule {
    Rule { name: name.to_owned(), when: Some(when.to_owned()), then }
}

fn set(rules: Vec<Rule>) -> RuleSet {
    RuleSet::compile(rules, TimeZone::UTC).unwrap()
}

fn facts(members: Value) -> Facts {
    let Value::Object(members) = members else { panic!("an object") };
    Facts::written(members).unwrap()
}

/// The verdict of one condition.
fn verdict(when: &str, known: Value) -> Verdict {
    let rules = set(vec![rule("r", when, Then::Deny("no".to_owned()))]);
    let [verdict] = &rules.judge(&facts(known))[..] else { panic!("one verdict") };
    verdict.clone()
}

/// Where a condition is wrong, from 1, and how.
#[track_caller]
fn check(when: &str, at: usize, message: &str) {
    let rule = rule("r", when, Then::Deny("no".to_owned()));
    let error = RuleSet::compile(vec![rule], TimeZone::UTC).unwrap_err();
    assert_eq!((error.at + 1, error.rule), (at, 0), "{when}: {}", error.message);
    assert!(error.message.starts_with(message), "{when}: {}", error.message);
}

#[test]
fn a_condition_that_cannot_be_read_is_refused_where_it_breaks() {
    check("model ==", 9, "the condition ends too early");
    check("model = 'x'", 7, "`=` cannot be read");
    check("model == 'x", 10, "`'x` cannot be read");
    check("program == 'é' || model model", 25, "`model` is not expected here");
    check("true &&\n  == 'x'", 11, "`==` is not expected here");
    check("", 1, "the condition ends too early");
    check(&format!("{}true{}", "(".repeat(200), ")".repeat(200)), 97, "the condition is nested");
}

#[test]
fn a_name_that_is_not_there_is_refused_where_it_stands() {
    check("model == 'é' && progam == 'x'", 17, "no variable `progam`: there are `program`, `exe`");
    check("model in ['€', '🦀'] && progam == 'x'", 24, "no variable `progam`");
    check("tools.exists(t, t == tool)", 22, "no variable `tool`");
    check("tools.exists(t, t == 'a') && t == 'a'", 30, "no variable `t`");
    check("model == 'a' && lower(model) == 'x'", 17, "there is no function `lower`");
    check("model.lower() == 'x'", 7, "there is no function `lower`");
    check("project.name == 'x'", 8, "`project` is a text and has no `name`");
    check("params == Thing{}", 16, "there is no type `Thing`");
    // What holds keys, sessions or budgets is not known to this version.
    check("money_left < 1.0", 1, "no variable `money_left`");
    check("budget_left == 'much'", 16, "`budget_left` is a number");
}

#[test]
fn a_condition_that_is_never_true_or_false_is_refused() {
    for when in [
        "1",
        "'a'",
        "model",
        "uid + 1",
        "-uid",
        "[true]",
        "{'a': true}",
        "tools.map(t, t == 'a')",
        "tools.filter(t, t == 'a')",
        "string(uid)",
        "model.size()",
        "stream ? 'a' : 'b'",
        "headers[?'x']",
        "null",
    ] {
        let rule = rule("r", when, Then::Deny("no".to_owned()));
        let error = RuleSet::compile(vec![rule], TimeZone::UTC).unwrap_err();
        assert!(error.message.contains("true or false"), "{when}: {}", error.message);
    }
    for when in [
        "stream",
        "!stream",
        "true",
        "tools.exists(t, t == 'a')",
        "tools.exists_one(t, t == 'a')",
        "tools.all(t, t == 'a')",
        "has(params.seed)",
        "params.logprobs",
        "params['logprobs']",
        "stream ? has_images : params.x",
        "model.matches('^gpt-')",
        "matches(model, '^gpt-')",
        "headers[?'x'].hasValue()",
        "headers[?'x'].orValue('') == 'y'",
        "optional.of(1).value() == 1",
        "type(uid) == int",
        "dyn(stream)",
    ] {
        let rule = rule("r", when, Then::Deny("no".to_owned()));
        let compiled = RuleSet::compile(vec![rule], TimeZone::UTC);
        assert!(compiled.is_ok(), "{when}: {compiled:?}");
    }
}

#[test]
fn a_comparison_that_can_never_hold_is_refused() {
    check("uid == '1000'", 8, "`uid` is a number, which this never is");
    check("1000 == program", 1, "`program` is a text");
    check("format == 'openai'", 11, "`format` is one of `openai-chat`");
    check("weekday in ['saturday', 'sun']", 25, "`weekday` is one of `monday`");
    check("tools == 'a'", 10, "`tools` is a list of texts");
    check("model.matches('[')", 15, "this is not a regular expression");
}

#[test]
fn a_condition_that_could_cost_too_much_is_refused() {
    check("tools.exists(a, tools.exists(b, a != b))", 13, "the condition may take");
    let rules = [
        "['a', 'b'].exists(p, tools.exists(t, t.startsWith(p)))",
        "tools.exists(t, t in ['a', 'b'])",
        "tools.filter(t, t != 'a').all(t, t.size() < 9)",
    ];
    for when in rules {
        let rule = rule("r", when, Then::Deny("no".to_owned()));
        let compiled = RuleSet::compile(vec![rule], TimeZone::UTC);
        assert!(compiled.is_ok(), "{when}: {compiled:?}");
    }
}

/// Whatever fits into a condition is read, or refused, and evaluated on a worker's own stack.
#[test]
fn no_condition_overflows_a_stack() {
    let fill = |head: &str, part: &str, tail: &str| {
        let times = (WHEN_BYTES_MAX - head.len() - tail.len()) / part.len();
        format!("{head}{}{tail}", part.repeat(times))
    };
    let half = WHEN_BYTES_MAX / 2 - 2;
    let texts = [
        fill("1", "+1", "==1"),
        fill("", "(", ""),
        fill("params", "[0]", "==1"),
        fill("params", ".a", "==1"),
        fill("", "!", "true"),
        fill("", "-", "1==1"),
        fill("", "true?true:", "true"),
        fill("true", "&&true", ""),
        fill("true", "||stream", ""),
        format!("{}1{}==1", "[".repeat(half - 2), "]".repeat(half - 2)),
        format!("{}true{}", "(".repeat(half), ")".repeat(half)),
        format!("{}1{}", "{1:".repeat(half / 2), "}".repeat(half / 2)),
        fill("", "has(", ""),
        fill("", "tools.all(t,", ""),
        fill(">", "{?[(-", ""),
        format!("1{}==1", "+1".repeat(EXPRESSION_DEPTH_MAX - 2)),
        format!(
            "{}1{}==[1]",
            "[".repeat(EXPRESSION_DEPTH_MAX - 2),
            "]".repeat(EXPRESSION_DEPTH_MAX - 2)
        ),
    ];
    let mut accepted = 0;
    for when in texts {
        assert!(when.len() <= WHEN_BYTES_MAX, "{}", when.len());
        // A worker of the runtime has as much.
        let worker = thread::Builder::new().stack_size(2 << 20);
        let known = facts(json!({"params": {"a": 1}, "tools": ["a"], "stream": true}));
        let rule = rule("r", &when, Then::Deny("no".to_owned()));
        let compiled = worker.spawn(move || {
            let rules = RuleSet::compile(vec![rule], TimeZone::UTC);
            rules.map(|it| it.judge(&known)).is_ok()
        });
        accepted += usize::from(compiled.unwrap().join().unwrap());
    }
    assert!(accepted >= 4, "{accepted}");
}

#[test]
fn a_condition_is_judged_by_what_is_known() {
    let known = json!({
        "program": "pytest", "model": "claude-opus-4-7", "uid": 1000, "stream": true,
        "tools": ["bash", "edit"], "headers": {"x-team": "core"},
        "params": {"temperature": 0.5, "max_tokens": 9000, "metadata": {"user_id": "ada"}},
        "estimated_input_tokens": 120_000, "weekday": "sunday",
    });
    let check = |when: &str, holds: bool| {
        let expected = if holds { Verdict::Holds } else { Verdict::HoldsNot };
        assert_eq!(verdict(when, known.clone()), expected, "{when}");
    };
    check(r#"program == "pytest" && model.startsWith("claude-opus")"#, true);
    check("uid >= 1000 && uid < 2000", true);
    check("model.matches('(?i)OPUS|sonnet')", true);
    check("'bash' in tools && tools.size() == 2", true);
    check("tools.exists(t, t.startsWith('mcp__'))", false);
    check("headers['x-team'] == 'core'", true);
    check("'x-debug' in headers", false);
    check("headers[?'x-debug'].orValue('off') == 'on'", false);
    check("has(params.seed)", false);
    check("params.temperature > 0.4 && params.max_tokens > 8000", true);
    check("params.max_tokens + 1 == 9001", true);
    check("params.metadata.user_id == 'ada'", true);
    check("estimated_input_tokens > 100000", true);
    check("weekday in ['saturday', 'sunday']", true);
}

#[test]
fn what_is_not_known_is_null() {
    let check =
        |when: &str, expected: Verdict| assert_eq!(verdict(when, json!({})), expected, "{when}");
    check("program == null", Verdict::Holds);
    check("program == 'pytest'", Verdict::HoldsNot);
    check("program != 'pytest'", Verdict::Holds);
    check("program in ['pytest']", Verdict::HoldsNot);
    check("program != null && program.startsWith('py')", Verdict::HoldsNot);
    check("program == null || program.startsWith('py')", Verdict::Holds);
    let failed = |reason: &str| Verdict::Failed(reason.to_owned());
    check("program.startsWith('py')", failed("it needs what is not known of the call"));
    check("uid > 1000", failed("it needs what is not known of the call"));
    check("'bash' in tools", failed("it needs what is not known of the call"));
    check("params.x == 1", failed("it needs what is not known of the call"));
}

#[test]
fn a_reason_never_holds_a_value_of_the_call() {
    let known = json!({
        "program": "sk-secret", "argv": ["sk-secret"], "headers": {"x": "sk-secret"},
        "params": {"x": "sk-secret", "n": 1}, "uid": 1,
    });
    for when in [
        "program < 1",
        "int(program) == 1",
        "headers.y == 'x'",
        "argv[9] == 'x'",
        "params.x + 1 == 2",
        "params.x.y == 1",
        "params.x",
        "{params.x: 1, params.x: 2}.a == 1",
        "{params: 1}.a == 1",
        "model.matches(params.x)",
        "uid / 0 == 1",
        "'a'.matches(headers.x + '[')",
        "params.n.startsWith(params.x)",
    ] {
        let Verdict::Failed(reason) = verdict(when, known.clone()) else { panic!("{when}") };
        assert!(!reason.contains("secret") && !reason.is_empty(), "{when}: {reason}");
    }
}

#[test]
fn only_the_variables_that_are_referred_to_are_found_out() {
    let change = || Then::Change(Changes::default());
    let rules = set(vec![
        rule("a", "tools.exists(model, model == 'a')", change()),
        rule("b", "stream || .path == '/'", change()),
        Rule { name: "c".to_owned(), when: None, then: change() },
    ]);
    let uses: Vec<_> = rules.uses().iter().collect();
    assert_eq!(uses, [Variable::Path, Variable::Stream, Variable::Tools]);
    assert!(rules.uses().any_from(Source::Body) && !rules.uses().any_from(Source::Caller));
    let known = facts(json!({"tools": ["a"], "stream": true, "path": "/"}));
    assert_eq!(Value::from(rules.values(1, &known)), json!({"path": "/", "stream": true}));
    assert_eq!(Value::from(rules.values(0, &Facts::default())), json!({"tools": null}));
    assert_eq!(Value::from(rules.values(2, &known)), json!({}));
    assert_eq!(rules.judge(&known), [Verdict::Holds, Verdict::Holds, Verdict::Holds]);
}

/// A change as one text: its effect, its key and what it is about.
fn told(change: &RuleChange) -> String {
    let sign = match &change.effect {
        RuleEffect::Changed => '+',
        RuleEffect::Unneeded => '=',
        RuleEffect::Impossible(_) => '!',
    };
    format!("{sign}{} {}", change.action, change.on.as_deref().unwrap_or_default())
}

/// A chat for `model`, as rules see it.
fn chat<'a>(headers: &'a HeaderMap, body: &'a Bytes, model: &'a str) -> Subject<'a> {
    Subject {
        headers,
        body: Ok(body),
        format: Some(Format::OpenaiChat),
        operation: Operation::Generate,
        model: Some(model),
        signed: false,
    }
}

#[test]
fn rules_apply_in_order() {
    let field = |text: &str| text.parse().unwrap();
    let name = HeaderName::from_static("x-team");
    let first = Changes {
        model: Some("small".to_owned()),
        body: vec![
            Edit::Set(field("n"), json!(9)),
            Edit::Cap(field("n"), 4.into()),
            Edit::Remove(field("user")),
        ],
        request_headers: vec![
            HeaderEdit::Set(name.clone(), HeaderValue::from_static("core")),
            HeaderEdit::Remove(HeaderName::from_static("x-debug")),
        ],
        response_headers: vec![HeaderEdit::Remove(name.clone())],
    };
    let second = Changes {
        model: Some("tiny".to_owned()),
        body: vec![Edit::Default(field("n"), json!(1)), Edit::SystemPrefix("Hi".to_owned())],
        ..Changes::default()
    };
    let rules = set(vec![
        rule("fails", "program.startsWith('x')", Then::Deny("no".to_owned())),
        rule("changes", "stream", Then::Change(first)),
        rule("passes over", "!stream", Then::Deny("no".to_owned())),
        // It sees the model that the client asked for.
        rule("changes again", "model == 'big'", Then::Change(second)),
    ]);
    let body = Bytes::from_static(br#"{"model":"big","stream":true,"messages":[]}"#);
    let mut headers = HeaderMap::new();
    headers.append("a", HeaderValue::from_static("1"));
    headers.append("x-team", HeaderValue::from_static("one"));
    headers.append("x-team", HeaderValue::from_static("two"));
    let verdicts = rules.judge(&facts(json!({"stream": true, "model": "big"})));
    let applied = rules.apply(&verdicts, &chat(&headers, &body, "big"));
    assert_eq!(applied.denied, None);
    assert_eq!(applied.model.as_deref(), Some("tiny"));
    let expected =
        br#"{"model":"big","stream":true,"messages":[{"role":"system","content":"Hi"}],"n":4}"#;
    assert_eq!(applied.body.as_deref(), Some(expected.as_slice()));
    let sent = applied.headers.unwrap();
    let sent: Vec<_> = sent.iter().map(|(name, it)| (name.as_str(), it.as_bytes())).collect();
    assert_eq!(sent, [("a", b"1".as_slice()), ("x-team", b"core")]);
    assert_eq!(applied.response_headers, [HeaderEdit::Remove(name)]);
    let changes: Vec<_> =
        applied.traces.iter().flat_map(|it| it.changes.iter().map(told)).collect();
    assert_eq!(
        changes,
        [
            "+model small",
            "+set n",
            "+cap n",
            "=remove user",
            "+set_headers x-team",
            "=remove_headers x-debug",
            "+remove_response_headers x-team",
            "+model tiny",
            "=default n",
            "+system_prefix ",
        ]
    );
    assert!(matches!(applied.traces[0].end, RuleEnd::Failed(_)));
}

#[test]
fn a_denial_ends_it() {
    let model = Changes { model: Some("x".to_owned()), ..Changes::default() };
    let rules = set(vec![
        rule("stop", "model == 'big'", Then::Deny("too big".to_owned())),
        rule("later", "true", Then::Change(model)),
    ]);
    let verdicts = rules.judge(&facts(json!({"model": "big"})));
    assert_eq!(verdicts, [Verdict::Holds, Verdict::NotReached]);
    let body = Bytes::from_static(b"{}");
    let applied = rules.apply(&verdicts, &chat(&HeaderMap::new(), &body, "big"));
    assert_eq!(applied.denied, Some(("stop".to_owned(), "too big".to_owned())));
    assert_eq!((applied.model, applied.traces.len()), (None, 1));
    assert_eq!(applied.traces[0].end, RuleEnd::Denied);
}

#[test]
fn what_a_call_has_no_place_for_is_told() {
    let rules = set(vec![Rule {
        name: "all".to_owned(),
        when: None,
        then: Then::Change(Changes {
            model: Some("x".to_owned()),
            body: vec![Edit::Remove("user".parse().unwrap())],
            ..Changes::default()
        }),
    }]);
    let subject = Subject {
        headers: &HeaderMap::new(),
        body: Err("the body of such a request is not read"),
        format: None,
        operation: Operation::Other,
        model: None,
        signed: false,
    };
    let applied = rules.apply(&rules.judge(&Facts::default()), &subject);
    let effects: Vec<_> = applied.traces[0].changes.iter().map(|it| it.effect.clone()).collect();
    assert!(matches!(effects[..], [RuleEffect::Impossible(_), RuleEffect::Impossible(_)]));
    assert_eq!((applied.model, applied.body, applied.headers), (None, None, None));
    // The model stands in a path that the client has signed.
    let (headers, body) = (HeaderMap::new(), Bytes::from_static(b"{}"));
    let bedrock = Subject {
        format: Some(Format::BedrockConverse),
        signed: true,
        ..chat(&headers, &body, "m")
    };
    let applied = rules.apply(&rules.judge(&Facts::default()), &bedrock);
    assert!(matches!(applied.traces[0].changes[0].effect, RuleEffect::Impossible(_)));
    assert_eq!(applied.model, None);
}

#[test]
fn what_is_left_of_a_budget_compares_with_any_number() {
    let rules = set(vec![
        rule("whole", "budget_left < 1", Then::Deny("a".to_owned())),
        rule("broken", "budget_left <= 0.5", Then::Deny("b".to_owned())),
        rule("none", "budget_left == null", Then::Deny("c".to_owned())),
    ]);
    let check = |left: Option<i64>, expected: &str| {
        let known = Known { budget_left: left.map(PicoUsd), ..Known::default() };
        let verdicts = rules.judge(&gather(&rules, &known));
        let at = verdicts.iter().position(|it| *it == Verdict::Holds);
        let name = at.map_or("", |it| &rules.rules()[it].name);
        assert_eq!(name, expected, "{verdicts:?}");
    };
    check(Some(999_999_999_999), "whole");
    check(Some(1_000_000_000_000), "");
    check(Some(-1), "whole");
    check(None, "none");
}

#[test]
fn headers_of_credentials_and_connections_are_reserved() {
    for name in [
        "authorization",
        "x-api-key",
        "x-goog-api-key",
        "api-key",
        "cookie",
        "host",
        "content-length",
        "content-encoding",
        "content-type",
        "connection",
        "transfer-encoding",
    ] {
        assert!(header_reserved(&name.parse().unwrap()).is_some(), "{name}");
    }
    for name in ["x-team", "anthropic-beta", "user-agent", "openai-organization"] {
        assert_eq!(header_reserved(&name.parse().unwrap()), None, "{name}");
    }
}

#[test]
fn a_written_call_is_tried_as_a_real_one_would_be() {
    let rules = set(vec![
        rule(
            "night",
            "hour_utc == 22 && weekday_utc == 'wednesday'",
            Then::Change(Changes { model: Some("small".to_owned()), ..Changes::default() }),
        ),
        rule(
            "tools",
            "'bash' in tools && stream && model == 'm' && has_images == false",
            Then::Change(Changes {
                body: vec![Edit::Remove("user".parse().unwrap())],
                ..Changes::default()
            }),
        ),
        rule("program", "program.startsWith('x')", Then::Deny("no".to_owned())),
    ]);
    let Value::Object(members) = json!({
        "format": "anthropic-messages",
        "body": {"model": "m", "stream": true, "user": "ada", "tools": [{"name": "bash"}], "messages": []},
    }) else {
        panic!("an object")
    };
    // 2026-11-25, a Wednesday, at 22:30 in UTC.
    let now = tollgate_core::UnixMs(1_795_645_800_000);
    let trial = Trial::written(&rules, members.clone(), now).unwrap();
    let explanation = rules.explain(&trial);
    let verdicts: Vec<_> = explanation.rules.iter().map(|it| it.verdict.clone()).collect();
    assert!(
        matches!(verdicts[..], [Verdict::Holds, Verdict::Holds, Verdict::Failed(_)]),
        "{verdicts:?}"
    );
    assert_eq!(Value::from(explanation.rules[2].values.clone()), json!({"program": null}));
    assert_eq!(explanation.rules[1].changes.len(), 1);
    let body = explanation.applied.body.unwrap();
    assert!(!String::from_utf8_lossy(&body).contains("ada"));
    // What is written wins over what follows from the body and the clock.
    let mut written = members;
    written.extend([("hour_utc".to_owned(), json!(3)), ("tools".to_owned(), json!([]))]);
    let trial = Trial::written(&rules, written, now).unwrap();
    let explanation = rules.explain(&trial);
    assert_eq!(explanation.rules[0].verdict, Verdict::HoldsNot);
    assert_eq!(explanation.rules[1].verdict, Verdict::HoldsNot);
}

#[test]
fn a_written_call_with_a_mistake_is_refused() {
    let check = |text: &str, expected: &str| {
        let members = serde_json::from_str(text).unwrap();
        let error = Trial::written(&RuleSet::default(), members, tollgate_core::UnixMs(0));
        let error = error.unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    };
    check(r#"{"body":{}}"#, "`body` needs `format`");
    check(r#"{"format":"gemini","body":"x"}"#, "`body` is a JSON object");
    check(r#"{"progam":"x"}"#, "no variable `progam`");
    check(r#"{"headers":{"x y":"1"}}"#, "`x y` in `headers`");
    check(r#"{"headers":{"x":1}}"#, "`x` in `headers`");
}
