//! From text to a checked expression.

use std::{sync::Arc, thread};

use cel::{
    Env,
    common::ast::SourceInfo,
    parser::{Expression, ParseErrors},
};

use super::{Condition, Mistake, check::check};
use crate::rules::limits::PARSER_STACK_BYTES;

/// Parses and checks conditions; the first mistake, with the index of its text.
pub(in crate::rules) fn parse_all(
    env: &Arc<Env>,
    texts: &[Option<&str>],
) -> Result<Vec<Option<Condition>>, (usize, Mistake)> {
    let all = || -> Result<Vec<_>, (usize, Mistake)> {
        let texts = texts.iter().enumerate();
        let parsed = texts.map(|(at, text)| {
            text.map(|text| parse(env, text)).transpose().map_err(|mistake| (at, mistake))
        });
        parsed.collect()
    };
    if texts.iter().all(Option::is_none) {
        return all();
    }
    // The parser recurses further than the stack of a worker reaches.
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("rules".into()).stack_size(PARSER_STACK_BYTES);
        let parsed = builder.spawn_scoped(scope, all).ok().and_then(|it| it.join().ok());
        let unread = || Mistake { at: 0, message: "the condition cannot be read".to_owned() };
        parsed.unwrap_or_else(|| Err((0, unread())))
    })
}

fn parse(env: &Arc<Env>, text: &str) -> Result<Condition, Mistake> {
    let parsed = env.parser().parse_with_source_info(text);
    let (expression, source): (Expression, SourceInfo) =
        parsed.map_err(|errors| mistake(text, &errors))?;
    let uses = check(env, &expression, &source)?;
    Ok(Condition { expression, uses })
}

/// The first of the parser's errors: the others follow from it.
fn mistake(text: &str, errors: &ParseErrors) -> Mistake {
    let Some(first) = errors.errors.first() else {
        return Mistake { at: 0, message: "the condition cannot be read".to_owned() };
    };
    let number = |it: isize| usize::try_from(it).unwrap_or(0);
    let (line, column) = (number(first.pos.0), number(first.pos.1));
    let lines = text.split_inclusive('\n').take(line.saturating_sub(1));
    let before: usize = lines.map(|it| it.chars().count()).sum();
    let at = (before + column.saturating_sub(1)).min(text.chars().count());
    Mistake { at, message: told(&first.msg) }
}

/// The parser's word, without its list of everything that it would have taken.
fn told(message: &str) -> String {
    if message.contains("Recursion limit") {
        return "the condition is nested too deeply".to_owned();
    }
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    let quoted = message.split_once('\'').and_then(|(_, it)| {
        let end = it.find("' expecting").or_else(|| it.rfind('\''))?;
        it.get(..end)
    });
    match quoted {
        Some("<EOF>") => "the condition ends too early".to_owned(),
        Some(text) if message.starts_with("token recognition error") => {
            format!("`{}` cannot be read", text.trim())
        }
        Some(text) => format!("`{text}` is not expected here"),
        None => message.to_owned(),
    }
}
