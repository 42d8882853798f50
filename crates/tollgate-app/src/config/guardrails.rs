//! What is looked for in certain calls: `[[guardrails]]`.

use std::sync::Arc;

use serde::Deserialize;
use tollgate_core::{
    budget::{Dimension, Pattern},
    guardrail::GuardAction,
};
use tollgate_gateway::guardrails::{
    Check, GUARDRAIL_NAME_BYTES_MAX, GUARDRAIL_PATTERN_BYTES_MAX, GUARDRAILS_MAX, GuardOn,
    Guardrail, PackName, WORD_BYTES_MAX, WORDS_MAX,
};
use toml::Spanned;

use super::{Mistake, budgets::valid_pattern, one_of};

/// What `check` may be besides the packs.
const OWN_CHECKS: [&str; 2] = ["pattern", "words"];

/// The longest label, in bytes.
const LABEL_BYTES_MAX: usize = 32;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGuardrail {
    name: Spanned<String>,
    program: Option<Spanned<String>>,
    project: Option<Spanned<String>>,
    user: Option<Spanned<String>>,
    model: Option<Spanned<String>>,
    provider: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
    on: Option<Spanned<String>>,
    check: Spanned<String>,
    action: Spanned<String>,
    rules: Option<Spanned<Vec<Spanned<String>>>>,
    except_rules: Option<Spanned<Vec<Spanned<String>>>>,
    pattern: Option<Spanned<String>>,
    words: Option<Spanned<Vec<Spanned<String>>>>,
    label: Option<Spanned<String>>,
}

/// The guardrails of the file.
pub(super) fn valid_guardrails(raw: &[RawGuardrail]) -> Result<Vec<Arc<Guardrail>>, Mistake> {
    if let Some(beyond) = raw.get(GUARDRAILS_MAX) {
        let message = format!("there are more than {GUARDRAILS_MAX} guardrails");
        return Err(Mistake::new(&beyond.name, message));
    }
    let mut guardrails: Vec<Arc<Guardrail>> = Vec::with_capacity(raw.len());
    for it in raw {
        let guardrail = valid_guardrail(it)?;
        if guardrails.iter().any(|known| known.name == guardrail.name) {
            let message = format!("a guardrail `{}` stands here twice", guardrail.name);
            return Err(Mistake::new(&it.name, message));
        }
        guardrails.push(Arc::new(guardrail));
    }
    Ok(guardrails)
}

fn valid_guardrail(raw: &RawGuardrail) -> Result<Guardrail, Mistake> {
    let name = raw.name.get_ref();
    let is_printable = name.bytes().all(|it| (b' '..=b'~').contains(&it) && it != b',');
    if name.trim().is_empty() || name.len() > GUARDRAIL_NAME_BYTES_MAX || !is_printable {
        let message = format!(
            "a guardrail's name has 1 to {GUARDRAIL_NAME_BYTES_MAX} letters, digits, spaces and signs of \
             ASCII but `,`: clients get it in a header"
        );
        return Err(Mistake::new(&raw.name, message));
    }
    let scope = [
        (Dimension::Program, &raw.program),
        (Dimension::Project, &raw.project),
        (Dimension::User, &raw.user),
        (Dimension::Model, &raw.model),
        (Dimension::Provider, &raw.provider),
        (Dimension::Key, &raw.key),
    ];
    let scope = scope.into_iter().filter_map(|(dimension, text)| Some((dimension, text.as_ref()?)));
    let scope = scope.map(|(dimension, text)| Ok((dimension, valid_pattern(text)?)));
    let scope = scope.collect::<Result<Vec<(Dimension, Pattern)>, Mistake>>()?;
    let on = raw.on.as_ref().map(valid_on).transpose()?.unwrap_or_default();
    let action = valid_action(&raw.action)?;
    let check = valid_check(raw)?;
    let written = format!(
        "{name} {scope:?} {on:?} {action:?} {} {:?} {:?} {:?} {:?} {:?}",
        raw.check.get_ref(),
        raw.rules.as_ref().map(texts),
        raw.except_rules.as_ref().map(texts),
        raw.pattern.as_ref().map(Spanned::get_ref),
        raw.words.as_ref().map(texts),
        raw.label.as_ref().map(Spanned::get_ref),
    );
    Ok(Guardrail { name: name.clone(), scope, on, check, action, written })
}

fn texts(list: &Spanned<Vec<Spanned<String>>>) -> Vec<&str> {
    list.get_ref().iter().map(|it| it.get_ref().as_str()).collect()
}

fn valid_on(text: &Spanned<String>) -> Result<GuardOn, Mistake> {
    one_of(text, GuardOn::ALL, GuardOn::name, |text, names| {
        format!("`{text}` is nothing to look at: use {names}")
    })
}

fn valid_action(text: &Spanned<String>) -> Result<GuardAction, Mistake> {
    one_of(text, GuardAction::ALL, GuardAction::name, |text, names| {
        format!("`{text}` is nothing that is done: use {names}")
    })
}

fn valid_check(raw: &RawGuardrail) -> Result<Check, Mistake> {
    let name = raw.check.get_ref().as_str();
    if let Some(pack) = PackName::ALL.into_iter().find(|it| it.name() == name) {
        no_other(raw, name, [("pattern", raw.pattern.is_some()), ("words", raw.words.is_some())])?;
        if let Some(label) = &raw.label {
            let message = format!("`label` is not for `{name}`, whose rules have their own");
            return Err(Mistake::new(label, message));
        }
        return of_pack(raw, pack);
    }
    let of_pack = [("rules", raw.rules.is_some()), ("except_rules", raw.except_rules.is_some())];
    match name {
        "pattern" => {
            no_other(raw, name, [of_pack[0], of_pack[1], ("words", raw.words.is_some())])?;
            let Some(pattern) = &raw.pattern else { return Err(lacks(raw, "pattern")) };
            of_pattern(pattern, &valid_label(raw, "MATCH")?)
        }
        "words" => {
            no_other(raw, name, [of_pack[0], of_pack[1], ("pattern", raw.pattern.is_some())])?;
            let Some(words) = &raw.words else { return Err(lacks(raw, "words")) };
            of_words(words, &valid_label(raw, "WORD")?)
        }
        other => {
            let packs = PackName::ALL.map(PackName::name);
            let names = packs.into_iter().chain(OWN_CHECKS).map(|it| format!("`{it}`"));
            let names = names.collect::<Vec<_>>().join(", ");
            Err(Mistake::new(&raw.check, format!("`{other}` is no check: use {names}")))
        }
    }
}

/// Whether none of these keys is there, which another check has.
fn no_other<const N: usize>(
    raw: &RawGuardrail,
    check: &str,
    others: [(&str, bool); N],
) -> Result<(), Mistake> {
    match others.into_iter().find(|(_, there)| *there) {
        Some((key, _)) => {
            let message = format!("`{key}` is not for the check `{check}`");
            Err(Mistake::new(&raw.check, message))
        }
        None => Ok(()),
    }
}

fn lacks(raw: &RawGuardrail, key: &str) -> Mistake {
    Mistake::new(&raw.check, format!("the check `{}` needs `{key}`", raw.check.get_ref()))
}

fn of_pack(raw: &RawGuardrail, pack: PackName) -> Result<Check, Mistake> {
    let unusable = |it: &_| Mistake::new(&raw.check, format!("the pack cannot be used: {it}"));
    let known = pack.pack().map_err(unusable)?.rules();
    for it in [&raw.rules, &raw.except_rules].into_iter().flatten().flat_map(|it| it.get_ref()) {
        if !known.iter().any(|rule| rule.id == *it.get_ref()) {
            let names = known.iter().map(|it| format!("`{}`", it.id)).collect::<Vec<_>>();
            let message = format!(
                "`{}` has no rule `{}`: it has {}",
                pack.name(),
                it.get_ref(),
                names.join(", ")
            );
            return Err(Mistake::new(it, message));
        }
    }
    if let (Some(_), Some(except)) = (&raw.rules, &raw.except_rules) {
        let message = "give `rules` or `except_rules`, not both";
        return Err(Mistake::new(except, message.to_owned()));
    }
    let only = raw.rules.as_ref().map(texts);
    let except = raw.except_rules.as_ref().map(texts).unwrap_or_default();
    let wanted =
        |id: &str| only.as_ref().is_none_or(|only| only.contains(&id)) && !except.contains(&id);
    let check = Check::of_pack(pack, wanted).map_err(unusable)?;
    match (&raw.rules, &raw.except_rules) {
        (Some(list), _) | (None, Some(list)) if check.rules().next().is_none() => {
            Err(Mistake::new(list, "no rule is left to look for".to_owned()))
        }
        _ => Ok(check),
    }
}

fn of_pattern(pattern: &Spanned<String>, label: &str) -> Result<Check, Mistake> {
    let text = pattern.get_ref();
    if text.is_empty() || text.len() > GUARDRAIL_PATTERN_BYTES_MAX {
        let message = format!("a pattern has 1 to {GUARDRAIL_PATTERN_BYTES_MAX} bytes");
        return Err(Mistake::new(pattern, message));
    }
    let check = Check::of_pattern(text, label).map_err(|err| {
        let reason = std::error::Error::source(&err).map(ToString::to_string);
        let reason = reason.unwrap_or_else(|| err.to_string());
        // The reason draws the pattern and an arrow below it; its last line says what is wrong.
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Mistake::new(pattern, format!("the pattern is not acceptable: {reason}"))
    })?;
    if check.finds_nothing() {
        let message = "the pattern also matches where there is nothing";
        return Err(Mistake::new(pattern, message.to_owned()));
    }
    Ok(check)
}

fn of_words(words: &Spanned<Vec<Spanned<String>>>, label: &str) -> Result<Check, Mistake> {
    let list = words.get_ref();
    if list.is_empty() || list.len() > WORDS_MAX {
        return Err(Mistake::new(words, format!("a list has 1 to {WORDS_MAX} words")));
    }
    let is_bad = |it: &&Spanned<String>| {
        it.get_ref().trim().is_empty() || it.get_ref().len() > WORD_BYTES_MAX
    };
    if let Some(it) = list.iter().find(is_bad) {
        return Err(Mistake::new(it, format!("a word has 1 to {WORD_BYTES_MAX} bytes")));
    }
    let list: Vec<String> = list.iter().map(|it| it.get_ref().clone()).collect();
    Check::of_words(&list, label).map_err(|err| Mistake::new(words, err.to_string()))
}

fn valid_label(raw: &RawGuardrail, usual: &str) -> Result<String, Mistake> {
    let Some(label) = &raw.label else { return Ok(usual.to_owned()) };
    let text = label.get_ref();
    let allowed = |it: u8| it.is_ascii_uppercase() || it.is_ascii_digit() || it == b'_';
    let begins = text.as_bytes().first().is_some_and(u8::is_ascii_uppercase);
    if !begins || text.len() > LABEL_BYTES_MAX || !text.bytes().all(allowed) {
        let message = format!(
            "a label has 1 to {LABEL_BYTES_MAX} of `A`-`Z`, `0`-`9` and `_`, the first a letter: it stands in \
             placeholders such as `[TICKET_1]`"
        );
        return Err(Mistake::new(label, message));
    }
    Ok(text.clone())
}

#[cfg(test)]
mod tests {
    use tollgate_core::provider::Catalogue;

    use super::{super::Config, *};

    fn parse(text: &str) -> Result<Vec<Arc<Guardrail>>, String> {
        let catalogue = Catalogue::embedded().unwrap();
        Config::parse(text, &catalogue).map(|it| it.guardrails).map_err(|it| {
            let (line, column) = super::super::line_and_column(text, it.at);
            format!("{line}:{column}: {}", it.message)
        })
    }

    #[test]
    fn reads_the_documented_guardrails() {
        let text = include_str!("../../../../docs/guardrails.md");
        let blocks = text.split("```toml\n").skip(1).filter_map(|it| it.split("```").next());
        let mut read = 0;
        for block in blocks {
            read += parse(block).unwrap_or_else(|it| panic!("{it}\n{block}")).len();
        }
        assert!(read >= 5, "{read}");
    }

    #[test]
    fn the_documented_rules_are_those_of_the_packs() {
        let text = include_str!("../../../../docs/guardrails.md");
        for name in PackName::ALL {
            for rule in name.pack().unwrap().rules() {
                assert!(text.contains(&format!("`{}`", rule.id)), "{} is not told of", rule.id);
            }
        }
    }

    #[test]
    fn a_guardrail_is_read_to_the_last_field() {
        let read = parse(
            r#"
            [[guardrails]]
            name = "agents"
            program = "claude*"
            provider = "anthropic"
            on = "requests"
            check = "secrets"
            rules = ["openai-key", "github-token"]
            action = "redact"
            "#,
        )
        .unwrap();
        let [it] = &read[..] else { panic!("one guardrail") };
        assert_eq!(
            (it.name.as_str(), it.on, it.action),
            ("agents", GuardOn::Requests, GuardAction::Redact)
        );
        assert_eq!(it.scope.len(), 2);
        let rules: Vec<_> = it.check.rules().map(|it| it.id.as_str()).collect();
        assert_eq!(rules, ["openai-key", "github-token"]);
    }

    #[test]
    fn mistakes_in_a_guardrail_name_their_place_and_what_would_be_right() {
        let check = |text: &str, place: &str, says: &str| {
            let message = parse(&format!("[[guardrails]]\n{text}")).unwrap_err();
            assert!(message.starts_with(place) && message.contains(says), "{message}");
        };
        let rest = "check = 'pii'\naction = 'log'";
        check(rest, "1:1: ", "`name`");
        check(&format!("name = ''\n{rest}"), "2:8: ", "1 to 100");
        check(&format!("name = 'a, b'\n{rest}"), "2:8: ", "`,`");
        check("name = 'a'\ncheck = 'pii'", "1:1: ", "`action`");
        check("name = 'a'\ncheck = 'virus'\naction = 'log'", "3:9: ", "`secrets`, `pii`");
        check("name = 'a'\ncheck = 'pii'\naction = 'delete'", "4:10: ", "`redact`");
        check(&format!("name = 'a'\n{rest}\non = 'all'"), "5:6: ", "`answers`");
        check(&format!("name = 'a'\n{rest}\nprogram = ''"), "5:11: ", "leave it out");
        check(&format!("name = 'a'\n{rest}\nrules = ['mail']"), "5:10: ", "`email`");
        check(&format!("name = 'a'\n{rest}\nrules = []"), "5:9: ", "no rule is left");
        let both = "rules = ['email']\nexcept_rules = ['phone']";
        check(&format!("name = 'a'\n{rest}\n{both}"), "6:16: ", "not both");
        check(&format!("name = 'a'\n{rest}\nwords = ['a']"), "3:9: ", "`words` is not for");
        check(&format!("name = 'a'\n{rest}\nlabel = 'A'"), "5:9: ", "have their own");
        let own = "name = 'a'\naction = 'block'\ncheck = ";
        check(&format!("{own}'pattern'"), "4:9: ", "needs `pattern`");
        check(&format!("{own}'pattern'\npattern = '('"), "5:11: ", "unclosed group");
        check(&format!("{own}'pattern'\npattern = 'x*'"), "5:11: ", "nothing");
        check(&format!("{own}'pattern'\npattern = '(a{{1000}}){{1000}}'"), "5:11: ", "acceptable");
        check(&format!("{own}'words'"), "4:9: ", "needs `words`");
        check(&format!("{own}'words'\nwords = []"), "5:9: ", "1 to 1000");
        check(&format!("{own}'words'\nwords = ['a', ' ']"), "5:15: ", "1 to 200");
        check(&format!("{own}'words'\nwords = ['a']\nlabel = 'a b'"), "6:9: ", "`[TICKET_1]`");
        check(&format!("name = 'a'\n{rest}\n[[guardrails]]\nname = 'a'\n{rest}"), "6:8: ", "twice");
    }
}
