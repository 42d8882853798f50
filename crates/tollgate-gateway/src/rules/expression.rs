//! A rule's condition: a CEL expression, checked when it is read as far as that can be.

mod check;
mod parse;

use cel::{Context, Env, ExecutionError, Value, parser::Expression};

use super::variable::Uses;

pub(super) use parse::parse_all;

/// The type of a variable that is not known, as CEL names it.
const NOT_KNOWN: &str = "null_type";

/// A condition that is ready to be evaluated.
#[derive(Debug)]
pub(super) struct Condition {
    expression: Expression,
    uses: Uses,
}

/// What is wrong with a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// Where, in characters from its beginning.
    pub(super) at: usize,
    pub(super) message: String,
}

impl Condition {
    /// The variables that it refers to.
    pub(super) const fn uses(&self) -> Uses {
        self.uses
    }

    /// Whether it holds; the reason when that cannot be told.
    ///
    /// Reasons name types and fields, and never hold a value of the call.
    pub(super) fn holds(&self, context: &Context<'_, '_>) -> Result<bool, String> {
        match Value::resolve(&self.expression, context) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(_) => Err("the result is neither true nor false".to_owned()),
            Err(error) => Err(reason(&error)),
        }
    }
}

/// What conditions are evaluated with: the functions and macros of CEL's standard.
pub(super) fn environment() -> Env {
    Env::stdlib()
}

fn reason(error: &ExecutionError) -> String {
    if let ExecutionError::NoSuchOverload(call) = error {
        let types = call.argument_types();
        // The variables that a reason comes with say which.
        if types.iter().any(|it| *it == NOT_KNOWN) {
            return "it needs what is not known of the call".to_owned();
        }
        let what = function_name(call.function());
        return match types {
            [on, with @ ..] if call.is_member_function() => {
                format!("{what} cannot be asked of {on} ({})", with.join(", "))
            }
            _ => format!("{what} does not take {}", types.join(" and ")),
        };
    }
    if let ExecutionError::NoSuchKey(name) = error {
        let name: String = name.chars().take(64).collect();
        return format!("there is no member `{name}`");
    }
    if let ExecutionError::FunctionError { function, .. } = error {
        return format!("`{function}` failed on what it was given");
    }
    let arithmetic = [
        matches!(error, ExecutionError::DivisionByZero(_)),
        matches!(error, ExecutionError::RemainderByZero(_)),
        matches!(error, ExecutionError::Overflow(..)),
        matches!(error, ExecutionError::UnsupportedBinaryOperator(..)),
    ];
    if arithmetic.contains(&true) {
        return "a sum cannot be worked out".to_owned();
    }
    if matches!(error, ExecutionError::IndexOutOfBounds(_)) {
        return "a list is shorter than that".to_owned();
    }
    "it cannot be evaluated".to_owned()
}

/// An operator as it is written, or a function's name.
fn function_name(name: &str) -> String {
    let written = match name {
        "@in" => "in",
        "_[_]" => "[ ]",
        other => other.trim_matches('_'),
    };
    format!("`{written}`")
}
