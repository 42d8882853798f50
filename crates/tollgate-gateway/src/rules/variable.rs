//! What a rule's condition can ask about a call.

use std::collections::BTreeMap;

use cel::{Context, Value};
use serde_json::{Map, Value as Json};

use super::limits::LIST_ITEMS_MAX;

/// What a variable holds when it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A text, one of these.
    Word(&'static [&'static str]),
    /// A whole number.
    Number,
    /// A number that need not be whole.
    Amount,
    /// `true` or `false`.
    Truth,
    /// A list of texts, at most [`LIST_ITEMS_MAX`] long.
    Texts,
    /// Values by name, at most [`LIST_ITEMS_MAX`] of them.
    Members,
}

impl Kind {
    /// The kind in a word or two, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text | Self::Word(_) => "text",
            Self::Number | Self::Amount => "number",
            Self::Truth => "true or false",
            Self::Texts => "list of texts",
            Self::Members => "map",
        }
    }

    /// Whether a value is of this kind.
    fn admits(self, value: &Json) -> bool {
        let in_bounds = |length: usize| length <= LIST_ITEMS_MAX;
        match (self, value) {
            (Self::Text, Json::String(_)) | (Self::Truth, Json::Bool(_)) => true,
            (Self::Word(words), Json::String(it)) => words.contains(&it.as_str()),
            (Self::Number, Json::Number(it)) => it.is_i64(),
            (Self::Amount, Json::Number(_)) => true,
            (Self::Texts, Json::Array(it)) => in_bounds(it.len()) && it.iter().all(Json::is_string),
            (Self::Members, Json::Object(it)) => in_bounds(it.len()),
            (
                Self::Text
                | Self::Word(_)
                | Self::Number
                | Self::Amount
                | Self::Truth
                | Self::Texts
                | Self::Members,
                _,
            ) => false,
        }
    }
}

/// Where a variable comes from, which says what asking for it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The head of the request and what the gateway reads of every request.
    Request,
    /// The program at the other end, which may have to be waited for.
    Caller,
    /// The request's body, which must be parsed for it.
    Body,
    /// The budgets, of which some may need to know the caller.
    Budgets,
    /// The clock.
    Clock,
}

macro_rules! variables {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $kind:expr, $source:ident;)+) => {
        /// A variable of a rule's condition.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Variable {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Variable {
            /// Every variable, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name in conditions.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it holds when it is known.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Self::$variant => $kind,)+ }
            }

            /// Where it comes from.
            #[must_use]
            pub const fn source(self) -> Source {
                match self { $(Self::$variant => Source::$source,)+ }
            }

            /// What it is, for people.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+),)+ }
            }
        }
    };
}

const WEEKDAYS: &[&str] =
    &["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

variables! {
    /// The program that asks, as `tollgate programs` names it.
    Program = "program", Kind::Text, Caller;
    /// The program's file.
    Exe = "exe", Kind::Text, Caller;
    /// Its command line, with credentials masked.
    Argv = "argv", Kind::Texts, Caller;
    /// The folder it works in.
    Cwd = "cwd", Kind::Text, Caller;
    /// The name of the git work tree that it works in.
    Project = "project", Kind::Text, Caller;
    /// The folder of that work tree.
    ProjectRoot = "project_root", Kind::Text, Caller;
    /// The user's name.
    User = "user", Kind::Text, Caller;
    /// The user's number.
    Uid = "uid", Kind::Number, Caller;
    /// The programs that started it, its parent first.
    Ancestors = "ancestors", Kind::Texts, Caller;
    /// The format that the client speaks.
    Format = "format", Kind::Word(&[
        "openai-chat", "openai-responses", "openai-embeddings", "anthropic-messages", "gemini",
        "bedrock-converse", "cohere-embed", "ollama-embed",
    ]), Request;
    /// What is asked for.
    Operation = "operation", Kind::Word(&[
        "generate", "embed", "count-tokens", "list-models", "other",
    ]), Request;
    /// The provider that the path names, or that its format usually goes to.
    Provider = "provider", Kind::Text, Request;
    /// The HTTP method.
    Method = "method", Kind::Text, Request;
    /// The path, without the query.
    Path = "path", Kind::Text, Request;
    /// The headers, by names in lower case; those that carry credentials are left out.
    Headers = "headers", Kind::Members, Request;
    /// The name of the local key that is shown.
    Key = "key", Kind::Text, Request;
    /// The model that is asked for.
    Model = "model", Kind::Text, Request;
    /// Whether an event stream is asked for.
    Stream = "stream", Kind::Truth, Request;
    /// The length of the body.
    BodyBytes = "body_bytes", Kind::Number, Request;
    /// A quarter of the body's bytes: a rough estimate, pictures and all.
    EstimatedInputTokens = "estimated_input_tokens", Kind::Number, Request;
    /// The names of the tools that are offered.
    Tools = "tools", Kind::Texts, Body;
    /// Whether there is a picture in the prompt.
    HasImages = "has_images", Kind::Truth, Body;
    /// The body's members that are not the prompt or the tools, such as `temperature`.
    Params = "params", Kind::Members, Body;
    /// The least money, in dollars, that a budget which stops calls has left for such a call.
    BudgetLeft = "budget_left", Kind::Amount, Budgets;
    /// The hour of this machine, from 0 to 23.
    Hour = "hour", Kind::Number, Clock;
    /// The day of the week of this machine.
    Weekday = "weekday", Kind::Word(WEEKDAYS), Clock;
    /// The date of this machine, such as `2026-11-25`.
    Date = "date", Kind::Text, Clock;
    /// The hour in UTC.
    HourUtc = "hour_utc", Kind::Number, Clock;
    /// The day of the week in UTC.
    WeekdayUtc = "weekday_utc", Kind::Word(WEEKDAYS), Clock;
    /// The date in UTC.
    DateUtc = "date_utc", Kind::Text, Clock;
}

impl Variable {
    /// The variable of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.name() == name)
    }
}

/// A set of variables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uses(u64);

const _: () = assert!(Variable::ALL.len() <= 64);

impl Uses {
    pub(crate) const fn insert(&mut self, variable: Variable) {
        self.0 |= 1 << variable as u64;
    }

    pub(crate) const fn extend(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(crate) const fn contains(self, variable: Variable) -> bool {
        self.0 & (1 << variable as u64) != 0
    }

    /// Whether one of them comes from there.
    pub(crate) fn any_from(self, source: Source) -> bool {
        self.iter().any(|it| it.source() == source)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Variable> {
        Variable::ALL.iter().copied().filter(move |it| self.contains(*it))
    }
}

/// What is known of a call. A variable that is not set is `null` in conditions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts(BTreeMap<&'static str, Json>);

impl Facts {
    /// Sets a variable. A value that is not of its kind, or too long to be walked, leaves it unknown.
    pub(crate) fn set(&mut self, variable: Variable, value: impl Into<Json>) {
        let value = value.into();
        if variable.kind().admits(&value) {
            self.0.insert(variable.name(), value);
        }
    }

    /// Sets a variable if its value is known.
    pub(crate) fn set_known(&mut self, variable: Variable, value: Option<impl Into<Json>>) {
        if let Some(value) = value {
            self.set(variable, value);
        }
    }

    pub(crate) fn get(&self, variable: Variable) -> Option<&Json> {
        self.0.get(variable.name())
    }

    /// The facts as people write them: variables by their names, `null` for one that is not known.
    ///
    /// # Errors
    /// A name that is no variable's, or a value that is not of its kind; the text says which.
    pub fn written(members: Map<String, Json>) -> Result<Self, String> {
        let mut facts = Self::default();
        for (name, value) in members {
            let Some(variable) = Variable::named(&name) else {
                return Err(unknown(&name));
            };
            if value.is_null() {
                continue;
            }
            if !variable.kind().admits(&value) {
                return Err(match variable.kind() {
                    Kind::Word(words) => format!("`{name}` is one of `{}`", words.join("`, `")),
                    kind @ (Kind::Text | Kind::Number | Kind::Amount | Kind::Truth) => {
                        format!("`{name}` is a {}", kind.name())
                    }
                    kind @ (Kind::Texts | Kind::Members) => {
                        format!("`{name}` is a {}, at most {LIST_ITEMS_MAX} long", kind.name())
                    }
                });
            }
            facts.0.insert(variable.name(), value);
        }
        Ok(facts)
    }

    /// Lays other facts over these.
    pub(super) fn overlay(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The values of these variables; one that is not known is `null`.
    pub(crate) fn values(&self, uses: Uses) -> Map<String, Json> {
        let value = |it: Variable| self.get(it).cloned().unwrap_or_default();
        uses.iter().map(|it| (it.name().to_owned(), value(it))).collect()
    }

    /// Gives the variables of `uses` to conditions.
    pub(super) fn bind(&self, uses: Uses, context: &mut Context<'_, '_>) {
        for variable in uses.iter() {
            let value = self.get(variable).map_or(Value::Null, cel_value);
            context.add_variable_from_value(variable.name(), value);
        }
    }
}

/// What is said of a name that no variable has.
pub(super) fn unknown(name: &str) -> String {
    let names: Vec<_> = Variable::ALL.iter().map(|it| it.name()).collect();
    format!("no variable `{name}`: there are `{}`", names.join("`, `"))
}

/// Whole numbers are CEL's `int` wherever they fit, so that `params.n + 1` can be computed.
fn cel_value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(it) => Value::Bool(*it),
        Json::Number(it) => match (it.as_i64(), it.as_f64()) {
            (Some(it), _) => Value::Int(it),
            (None, Some(it)) => Value::Float(it),
            (None, None) => Value::Null,
        },
        Json::String(it) => Value::from(it.as_str()),
        Json::Array(it) => Value::from(it.iter().map(cel_value).collect::<Vec<_>>()),
        Json::Object(it) => {
            let members = it.iter().map(|(name, it)| (name.clone(), cel_value(it)));
            Value::from(members.collect::<std::collections::HashMap<_, _>>())
        }
    }
}

#[cfg(test)]
mod tests {
    use tollgate_core::{Format, Operation};

    use super::*;

    #[test]
    fn words_are_those_of_the_formats_and_operations() {
        let formats = Format::ALL.map(|it| it.to_string());
        let Kind::Word(words) = Variable::Format.kind() else { panic!("words") };
        assert_eq!(formats.as_slice(), words);
        let Kind::Word(words) = Variable::Operation.kind() else { panic!("words") };
        for word in words {
            let text = format!("\"{word}\"");
            let operation: Operation = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&operation).unwrap(), text);
        }
    }

    #[test]
    fn written_facts_are_checked_by_name_and_kind() {
        let written = |text: &str| Facts::written(serde_json::from_str(text).unwrap());
        let facts = written(r#"{"program":"pytest","uid":1000,"tools":["a"],"cwd":null}"#).unwrap();
        assert_eq!(facts.get(Variable::Program), Some(&Json::from("pytest")));
        assert_eq!(facts.get(Variable::Cwd), None);
        for text in [
            r#"{"progam":"pytest"}"#,
            r#"{"uid":"1000"}"#,
            r#"{"hour":1.5}"#,
            r#"{"tools":[1]}"#,
            r#"{"tools":"a"}"#,
            r#"{"weekday":"Monday"}"#,
            r#"{"format":"openai"}"#,
            r#"{"params":[]}"#,
        ] {
            let error = written(text).unwrap_err();
            assert!(error.contains('`'), "{error}");
        }
    }

    #[test]
    fn a_list_that_is_too_long_is_not_known() {
        let mut facts = Facts::default();
        facts.set(Variable::Tools, vec!["t"; LIST_ITEMS_MAX]);
        assert!(facts.get(Variable::Tools).is_some());
        let mut facts = Facts::default();
        facts.set(Variable::Tools, vec!["t"; LIST_ITEMS_MAX + 1]);
        assert_eq!(facts.get(Variable::Tools), None);
    }
}
