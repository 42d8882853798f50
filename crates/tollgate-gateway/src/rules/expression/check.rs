//! What can be told of an expression without a call: its names, its type, its cost.

use std::sync::Arc;

use cel::{
    Context, Env, Value,
    common::ast::{
        CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr, SourceInfo,
        operators as op,
    },
    parser::Expression,
};

use super::Mistake;
use crate::rules::{
    limits::{EXPRESSION_DEPTH_MAX, EXPRESSION_STEPS_MAX, LIST_ITEMS_MAX},
    variable::{Kind, Uses, Variable, unknown},
};

/// Functions of the standard, and whether what they give can be true or false. Operators are judged
/// apart.
const FUNCTIONS: [(&str, bool); 20] = [
    ("bool", true),
    ("bytes", false),
    ("contains", true),
    ("double", false),
    ("dyn", true),
    ("endsWith", true),
    ("hasValue", true),
    ("int", false),
    ("matches", true),
    ("optional.none", false),
    ("optional.of", false),
    ("optional.ofNonZeroValue", false),
    ("or", false),
    ("orValue", true),
    ("size", false),
    ("startsWith", true),
    ("string", false),
    ("type", false),
    ("uint", false),
    ("value", true),
];

/// Names of types, which are values too: `type(uid) == int`.
const TYPES: [&str; 11] = [
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "optional_type",
    "string",
    "type",
    "uint",
];

/// The longest list that the steps of `in` are counted for.
const IN_STEPS: u64 = 16;

/// Checks an expression that is to be a condition; the variables that it refers to.
pub(super) fn check(
    env: &Arc<Env>,
    expression: &Expression,
    source: &SourceInfo,
) -> Result<Uses, Mistake> {
    let mut check = Check { env, source, uses: Uses::default(), locals: Vec::new(), depth: 0 };
    let cost = check.walk(expression)?;
    if !may_be_truth(expression, None) {
        let what = "a condition is true or false, and this is neither";
        return Err(check.mistake(expression, what));
    }
    if cost.steps > EXPRESSION_STEPS_MAX {
        let what = format!(
            "the condition may take {} steps, and at most {EXPRESSION_STEPS_MAX} are allowed: \
             walk one list inside of another only where one is short",
            cost.steps
        );
        return Err(check.mistake(expression, what));
    }
    Ok(check.uses)
}

struct Check<'a> {
    env: &'a Arc<Env>,
    source: &'a SourceInfo,
    uses: Uses,
    /// What macros like `exists` name inside of themselves.
    locals: Vec<&'a str>,
    depth: usize,
}

/// What evaluating a part may cost at most.
#[derive(Clone, Copy)]
struct Cost {
    steps: u64,
    /// How long the part's value is, if it is a list or a map.
    items: u64,
}

const ANY_LIST: u64 = LIST_ITEMS_MAX as u64;

impl<'a> Check<'a> {
    fn mistake(&self, part: &Expression, message: impl Into<String>) -> Mistake {
        // Parts are placed by bytes, in contrast to the parser's own errors.
        let start = self.source.offset_for(part.id).map_or(0, |(start, _)| start);
        let before = self.source.source.get(..usize::try_from(start).unwrap_or(0));
        let before = before.unwrap_or_default();
        // A call stands where its bracket is, which follows its name.
        let name = if let Expr::Call(call) = &part.expr { call.func_name.as_str() } else { "" };
        let before = before.strip_suffix(name).unwrap_or(before);
        Mistake { at: before.chars().count(), message: message.into() }
    }

    fn walk(&mut self, part: &'a Expression) -> Result<Cost, Mistake> {
        self.depth += 1;
        if self.depth > EXPRESSION_DEPTH_MAX {
            return Err(self.mistake(part, "the condition is nested too deeply"));
        }
        let cost = match &part.expr {
            Expr::Unspecified | Expr::Literal(_) => Cost { steps: 1, items: ANY_LIST },
            Expr::Ident(name) => self.name(part, name)?,
            Expr::Select(select) => self.select(part, select)?,
            Expr::Call(call) => self.call(part, call)?,
            Expr::Comprehension(it) => self.comprehension(it)?,
            Expr::List(list) => {
                let items = u64::try_from(list.elements.len()).unwrap_or(u64::MAX);
                Cost { steps: self.sum(&list.elements)?, items }
            }
            Expr::Map(map) => {
                let mut steps = 1_u64;
                for entry in &map.entries {
                    steps = steps.saturating_add(self.entry(&entry.expr)?);
                }
                Cost { steps, items: u64::try_from(map.entries.len()).unwrap_or(u64::MAX) }
            }
            Expr::Struct(it) => {
                let message = format!("there is no type `{}` to make one of", it.type_name);
                return Err(self.mistake(part, message));
            }
        };
        self.depth -= 1;
        Ok(cost)
    }

    fn sum(&mut self, parts: &'a [Expression]) -> Result<u64, Mistake> {
        let mut steps = 1_u64;
        for part in parts {
            steps = steps.saturating_add(self.walk(part)?.steps);
        }
        Ok(steps)
    }

    fn entry(&mut self, entry: &'a EntryExpr) -> Result<u64, Mistake> {
        match entry {
            EntryExpr::MapEntry(it) => {
                let key = self.walk(&it.key)?.steps;
                Ok(key.saturating_add(self.walk(&it.value)?.steps))
            }
            EntryExpr::StructField(it) => Ok(self.walk(&it.value)?.steps),
        }
    }

    fn name(&mut self, part: &Expression, name: &str) -> Result<Cost, Mistake> {
        let global = name.strip_prefix('.');
        let local = global.is_none() && self.locals.contains(&name);
        let name = global.unwrap_or(name);
        if !local {
            match Variable::named(name) {
                Some(variable) => self.uses.insert(variable),
                None if TYPES.contains(&name) => {}
                None => return Err(self.mistake(part, unknown(name))),
            }
        }
        Ok(Cost { steps: 1, items: ANY_LIST })
    }

    fn select(&mut self, part: &Expression, select: &'a SelectExpr) -> Result<Cost, Mistake> {
        if let Some(variable) = self.variable(&select.operand) {
            match variable.kind() {
                Kind::Members => {}
                kind @ (Kind::Text
                | Kind::Word(_)
                | Kind::Number
                | Kind::Amount
                | Kind::Truth
                | Kind::Texts) => {
                    let (name, kind) = (variable.name(), kind.name());
                    let message = format!("`{name}` is a {kind} and has no `{}`", select.field);
                    return Err(self.mistake(part, message));
                }
            }
        }
        let steps = self.walk(&select.operand)?.steps.saturating_add(1);
        Ok(Cost { steps, items: ANY_LIST })
    }

    fn call(&mut self, part: &'a Expression, call: &'a CallExpr) -> Result<Cost, Mistake> {
        let name = call.func_name.as_str();
        let is_operator = name.contains(['_', '@', '?', '!']) || name == op::NEGATE;
        let qualified = if let Some(target) = call.target.as_deref()
            && let Expr::Ident(space) = &target.expr
            && !self.locals.contains(&space.as_str())
        {
            Some(format!("{space}.{name}"))
        } else {
            None
        };
        let is_known = |name: &str| FUNCTIONS.iter().any(|(it, _)| *it == name);
        let is_qualified = qualified.as_deref().is_some_and(is_known);
        if !is_operator && !is_qualified && !is_known(name) {
            return Err(self.mistake(part, format!("there is no function `{name}`")));
        }
        self.compare(call)?;
        self.pattern(call)?;
        let target = match &call.target {
            Some(target) if !is_qualified => self.walk(target)?,
            Some(_) | None => Cost { steps: 0, items: 0 },
        };
        let mut steps = target.steps.saturating_add(1);
        let mut items = Vec::with_capacity(call.args.len());
        for argument in &call.args {
            let cost = self.walk(argument)?;
            steps = steps.saturating_add(cost.steps);
            items.push(cost.items);
        }
        let items = match (name, items.as_slice()) {
            (op::ADD, [one, other]) => one.saturating_add(*other),
            (op::CONDITIONAL, [_, one, other]) => (*one).max(*other),
            _ => ANY_LIST,
        };
        if name == op::IN {
            steps = steps.saturating_add(IN_STEPS);
        }
        Ok(Cost { steps, items })
    }

    fn comprehension(&mut self, it: &'a ComprehensionExpr) -> Result<Cost, Mistake> {
        let range = self.walk(&it.iter_range)?;
        let start = self.walk(&it.accu_init)?;
        let before = self.locals.len();
        self.locals.extend([it.iter_var.as_str(), it.accu_var.as_str()]);
        self.locals.extend(it.iter_var2.as_deref());
        let each = self.walk(&it.loop_cond)?.steps.saturating_add(self.walk(&it.loop_step)?.steps);
        let result = self.walk(&it.result)?;
        self.locals.truncate(before);
        let steps = range
            .steps
            .saturating_add(start.steps)
            .saturating_add(range.items.saturating_mul(each))
            .saturating_add(result.steps);
        Ok(Cost { steps, items: range.items })
    }

    fn variable(&self, part: &Expression) -> Option<Variable> {
        let Expr::Ident(name) = &part.expr else { return None };
        let local = self.locals.contains(&name.as_str());
        if local { None } else { Variable::named(name) }
    }

    /// Refuses to compare a variable with what it never is.
    fn compare(&self, call: &CallExpr) -> Result<(), Mistake> {
        let [one, other] = call.args.as_slice() else { return Ok(()) };
        match call.func_name.as_str() {
            op::EQUALS | op::NOT_EQUALS => {
                self.comparable(one, other)?;
                self.comparable(other, one)
            }
            op::IN => {
                let Expr::List(list) = &other.expr else { return Ok(()) };
                list.elements.iter().try_for_each(|it| self.comparable(one, it))
            }
            _ => Ok(()),
        }
    }

    fn comparable(&self, part: &Expression, with: &Expression) -> Result<(), Mistake> {
        let (Some(variable), Expr::Literal(literal)) = (self.variable(part), &with.expr) else {
            return Ok(());
        };
        let fits = match (variable.kind(), literal) {
            (_, LiteralValue::Null)
            | (Kind::Text | Kind::Word(_), LiteralValue::String(_))
            | (
                Kind::Number | Kind::Amount,
                LiteralValue::Int(_) | LiteralValue::UInt(_) | LiteralValue::Double(_),
            )
            | (Kind::Truth, LiteralValue::Boolean(_)) => true,
            (
                Kind::Text
                | Kind::Word(_)
                | Kind::Number
                | Kind::Amount
                | Kind::Truth
                | Kind::Texts
                | Kind::Members,
                _,
            ) => false,
        };
        if !fits {
            let kind = variable.kind().name();
            let message = format!("`{}` is a {kind}, which this never is", variable.name());
            return Err(self.mistake(with, message));
        }
        if let (Kind::Word(words), LiteralValue::String(text)) = (variable.kind(), literal)
            && !words.contains(&text.inner())
        {
            let message = format!("`{}` is one of `{}`", variable.name(), words.join("`, `"));
            return Err(self.mistake(with, message));
        }
        Ok(())
    }

    /// Refuses a pattern for `matches` that can be read here and is none.
    fn pattern(&self, call: &CallExpr) -> Result<(), Mistake> {
        if call.func_name != "matches" {
            return Ok(());
        }
        let Some(pattern) = call.args.last() else { return Ok(()) };
        if !matches!(pattern.expr, Expr::Literal(LiteralValue::String(_))) {
            return Ok(());
        }
        let empty = LiteralValue::String(String::new().into());
        let target = Expression { id: 0, expr: Expr::Literal(empty) };
        let trial = Expression {
            id: 0,
            expr: Expr::Call(CallExpr {
                func_name: "matches".to_owned(),
                target: Some(Box::new(target)),
                args: vec![pattern.clone()],
            }),
        };
        let trial = Value::resolve(&trial, &Context::with_env(Arc::clone(self.env)));
        match trial {
            Ok(_) => Ok(()),
            Err(_) => Err(self.mistake(pattern, "this is not a regular expression")),
        }
    }
}

/// Whether the value of a part can be true or false. `start` is what the result of the macro
/// around it begins with.
fn may_be_truth(part: &Expression, start: Option<&Expression>) -> bool {
    match &part.expr {
        Expr::Unspecified | Expr::Select(_) => true,
        Expr::Literal(it) => matches!(it, LiteralValue::Boolean(_)),
        Expr::Ident(name) => match (start, Variable::named(name.trim_start_matches('.'))) {
            (Some(start), _) => may_be_truth(start, None),
            (None, Some(variable)) => variable.kind() == Kind::Truth,
            (None, None) => false,
        },
        Expr::Call(call) => call_may_be_truth(call),
        Expr::Comprehension(it) => may_be_truth(&it.result, Some(&it.accu_init)),
        Expr::List(_) | Expr::Map(_) | Expr::Struct(_) => false,
    }
}

fn call_may_be_truth(call: &CallExpr) -> bool {
    match call.func_name.as_str() {
        op::ADD | op::SUBSTRACT | op::MULTIPLY | op::DIVIDE | op::MODULO | op::NEGATE => false,
        op::OPT_INDEX | op::OPT_SELECT => false,
        op::CONDITIONAL => match call.args.as_slice() {
            [_, one, other] => may_be_truth(one, None) && may_be_truth(other, None),
            _ => true,
        },
        name => FUNCTIONS.iter().find(|(it, _)| *it == name).is_none_or(|(_, truth)| *truth),
    }
}
