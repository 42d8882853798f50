use std::collections::BTreeSet;

use serde_json::json;
use tollgate_core::provider::Catalogue;
use tollgate_gateway::rules::Variable;

use super::*;
use crate::config::{Config, line_and_column};

fn parse(text: &str) -> Result<Vec<Rule>, String> {
    let config = Config::parse(text, &Catalogue::embedded().unwrap());
    let config = config.map_err(|it| {
        let (line, column) = line_and_column(text, it.at);
        format!("{line}:{column}: {}", it.message)
    })?;
    Ok(config.rules.rules().to_vec())
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let found = parse(text).unwrap_err();
    assert!(found.starts_with(expected), "{text}\n{found}");
}

fn field(text: &str) -> FieldPath {
    text.parse().unwrap()
}

#[test]
fn reads_every_key() {
    let rules = parse(
        r#"
        [[rules]]
        name = "stop"
        when = 'program == "pytest"'
        deny = "no"
        [[rules]]
        name = "all"
        model = "fast"
        remove = ["user"]
        set = { "metadata.team" = "core", stop = ["a"] }
        default = { temperature = 0.2 }
        cap = { max_tokens = 4096 }
        system_prefix = "before"
        system_suffix = "behind"
        remove_headers = ["X-Debug"]
        set_headers = { x-team = "core" }
        remove_response_headers = ["server"]
        set_response_headers = { x-gate = "1" }
        "#,
    );
    let header = HeaderName::from_static;
    let value = HeaderValue::from_static;
    let expected = [
        Rule {
            name: "stop".to_owned(),
            when: Some(r#"program == "pytest""#.to_owned()),
            then: Then::Deny("no".to_owned()),
        },
        Rule {
            name: "all".to_owned(),
            when: None,
            then: Then::Change(Changes {
                model: Some("fast".to_owned()),
                body: vec![
                    Edit::Remove(field("user")),
                    Edit::Set(field("metadata.team"), json!("core")),
                    Edit::Set(field("stop"), json!(["a"])),
                    Edit::Default(field("temperature"), json!(0.2)),
                    Edit::Cap(field("max_tokens"), 4096.into()),
                    Edit::SystemPrefix("before".to_owned()),
                    Edit::SystemSuffix("behind".to_owned()),
                ],
                request_headers: vec![
                    HeaderEdit::Remove(header("x-debug")),
                    HeaderEdit::Set(header("x-team"), value("core")),
                ],
                response_headers: vec![
                    HeaderEdit::Remove(header("server")),
                    HeaderEdit::Set(header("x-gate"), value("1")),
                ],
            }),
        },
    ];
    assert_eq!(rules.as_deref(), Ok(expected.as_slice()));
}

#[test]
fn a_mistake_in_a_condition_is_told_at_its_line_and_column() {
    let unknown = "no variable `progam`";
    let check = |when: &str, at: &str, message: &str| {
        let text = format!("[[rules]]\nname = 'r'\ndeny = 'no'\nwhen = {when}\n");
        check(&text, &format!("{at}: {message}"));
    };
    check("'progam == 1'", "4:9", unknown);
    check(r#"'model == "é" && progam == 1'"#, "4:25", unknown);
    check(r#""model == \"\u00e9\" && progam == 1""#, "4:32", unknown);
    check(r#""model == \"\U0001F980\tx\" &&\tprogam == 1""#, "4:40", unknown);
    check("'''progam == 1'''", "4:11", unknown);
    check("'''\nmodel == 'a'\n  && progam == 1'''", "6:6", unknown);
    check("'''\r\nmodel == 'a'\r\n  && progam == 1'''", "6:6", unknown);
    check("\"\"\"\nmodel == 'a' \\\n\n    && progam == 1\"\"\"", "7:8", unknown);
    check("\"\"\"\\\n  progam == 1\"\"\"", "5:3", unknown);
    check("''", "4:8", "a condition is empty");
    check("'model =='", "4:17", "the condition ends too early");
    check("'''\nmodel ==\n'''", "6:1", "the condition ends too early");
    check("'model'", "4:9", "a condition is true or false");
    let long = format!("'{}'", "stream||".repeat(300));
    check(&long, "4:8", "a condition has at most 2048 bytes");
}

#[test]
fn a_mistake_elsewhere_in_a_rule_is_told_where_it_stands() {
    let check = |keys: &str, expected: &str| {
        check(&format!("[[rules]]\nname = 'r'\n{keys}\n"), expected);
    };
    check("", "2:8: rule `r` does nothing: give it `deny`, `model`");
    check("when = 'stream'", "2:8: rule `r` does nothing");
    check("deny = ' '", "3:8: a reason is empty");
    check("deny = 'no'\nmodel = 'x'", "3:8: a rule that denies a call has nothing to change");
    check("denny = 'no'", "3:1: unknown field `denny`, expected one of `name`, `when`, `deny`");
    check("model = ''", "3:9: the model's name is empty");
    check("set = { model = 'x' }", "3:9: the model is chosen with `model`");
    check("default = { stream = true }", "3:13: `stream` stays the client's");
    check("remove = ['a', 'b..c']", "3:16: `b..c` is not a field");
    check("cap = { max_tokens = '4096' }", "3:22: a cap is a number");
    check("set = { a = 1979-05-27 }", "3:13: JSON has no dates");
    check("set = { a = nan }", "3:13: JSON has no such number");
    check("system_prefix = ''", "3:17: the text is empty");
    check("set_headers = { 'x team' = '1' }", "3:17: `x team` is not the name of a header");
    check("set_headers = { x-team = \"a\\nb\" }", "3:26: a header's value has no line breaks");
    check("remove_headers = ['authorization']", "3:19: the header `authorization` carries");
    check("set_headers = { X-Api-Key = 'sk-1' }", "3:17: the header `x-api-key` carries");
    check("set_response_headers = { content-length = '1' }", "3:26: the header `content-length`");
}

#[test]
fn names_are_there_once_and_bounded() {
    check("[[rules]]\ndeny = 'no'", "1:1: missing field `name`");
    check("[[rules]]\nname = ''\ndeny = 'no'", "2:8: the name of a rule is empty");
    let twice = "[[rules]]\nname = 'r'\ndeny = 'no'\n".repeat(2);
    check(&twice, "5:8: a rule `r` stands here twice");
    let long = format!("[[rules]]\nname = '{}'\ndeny = 'no'", "x".repeat(RULE_NAME_BYTES_MAX + 1));
    check(&long, "2:8: the name of a rule has at most 100 bytes");
    let rules = |count: usize| -> String {
        (0..count).map(|at| format!("[[rules]]\nname = 'r{at}'\ndeny = 'no'\n")).collect()
    };
    assert_eq!(parse(&rules(RULES_MAX)).map(|it| it.len()), Ok(RULES_MAX));
    check(&rules(RULES_MAX + 1), "386:8: there are more than 128 rules");
}

/// The examples of the documentation, each as it stands there.
fn documented(language: &str) -> Vec<&'static str> {
    let text = include_str!("../../../../../docs/rules.md");
    let blocks = text.split("```").skip(1).step_by(2);
    blocks.filter_map(|it| it.strip_prefix(language)?.strip_prefix('\n')).collect()
}

#[test]
fn the_documented_rules_are_accepted() {
    let examples = documented("toml");
    assert!(examples.len() > 3);
    for example in &examples {
        assert!(parse(example).is_ok_and(|it| !it.is_empty()), "{example}\n{:?}", parse(example));
    }
    assert!(parse(&examples.join("\n")).is_ok(), "also all of them together");
}

#[test]
fn the_documented_variables_are_those_that_there_are() {
    let text = include_str!("../../../../../docs/rules.md");
    let (_, table) = text.split_once("| variable | kind | what |").unwrap();
    let rows = table.lines().skip(2).take_while(|it| it.starts_with('|'));
    let rows = rows.map(|row| row.split(" | ").collect::<Vec<_>>());
    let mut told = Vec::new();
    for row in rows {
        for name in row[0].split('`').skip(1).step_by(2) {
            let kind = Variable::named(name).map(|it| it.kind().name());
            assert!(row[1] == "likewise" || Some(row[1]) == kind, "{name}: {kind:?}");
            told.push(name.to_owned());
        }
    }
    let all: Vec<_> = Variable::ALL.iter().map(|it| it.name().to_owned()).collect();
    assert_eq!(told, all);
    let (_, keys) = text.split_once("| key | value | what |").unwrap();
    let keys = keys.lines().skip(2).take_while(|it| it.starts_with('|'));
    let keys = keys.flat_map(|row| row.split(" | ").next().unwrap().split('`').skip(1).step_by(2));
    let told: BTreeSet<_> = keys.collect();
    let error = parse("[[rules]]\nwrong = 1").unwrap_err();
    let known: BTreeSet<_> = error.split('`').skip(1).step_by(2).skip(1).collect();
    assert_eq!(told, known);
}

proptest::proptest! {
    /// Walking the file's text ends where the parser's own reading of the string does.
    #[test]
    fn a_character_is_found_in_any_string(text in "[a\"'\\\\é🦀 \n\t]{0,12}", at in 0_usize..12) {
        let at = at.min(text.chars().count());
        for quoted in [toml::Value::from(text.as_str()).to_string(), format!("\"\"\"\n{}\"\"\"", text.replace('\\', "\\\\").replace('"', "\\\""))] {
            let file = format!("a = {quoted}");
            let read: BTreeMap<String, Spanned<String>> = toml::from_str(&file).unwrap();
            let span = read["a"].span();
            proptest::prop_assert_eq!(read["a"].get_ref(), &text);
            let end = place_in_string(&file, span.clone(), text.chars().count());
            proptest::prop_assert_eq!(file[end..].trim_matches(['"', '\'']), "", "{}", file);
            // What is before the place is what the string begins with.
            let place = place_in_string(&file, span, at);
            let closed = match () {
                () if quoted.starts_with("\"\"\"") => format!("{}\"\"\"", &file[..place]),
                () if quoted.starts_with("'''") => format!("{}'''", &file[..place]),
                () => format!("{}{}", &file[..place], &quoted[..1]),
            };
            let begin: BTreeMap<String, String> = toml::from_str(&closed).unwrap();
            let expected: String = text.chars().take(at).collect();
            proptest::prop_assert_eq!(&begin["a"], &expected);
        }
    }
}
