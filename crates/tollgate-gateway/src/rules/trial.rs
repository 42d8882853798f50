//! Rules tried on a call that is not made.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use tollgate_core::{Call, Format, Operation, UnixMs, rule::RuleChange};
use tollgate_wire::read_request;

use super::{
    Applied, RuleSet, Subject, Verdict,
    gather::{Known, gather},
    variable::{Facts, Variable},
};

/// The name under which [`Trial::written`] takes a body.
const BODY: &str = "body";

/// A call to try rules on.
#[derive(Clone, Debug)]
pub struct Trial {
    facts: Facts,
    headers: HeaderMap,
    body: Option<Bytes>,
    format: Option<Format>,
    operation: Operation,
    model: Option<String>,
}

/// What rules would do, and why.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// One for each rule, in their order.
    pub rules: Vec<Explained>,
    /// What comes of it.
    pub applied: Applied,
}

/// What one rule would do, and why.
#[derive(Clone, Debug)]
pub struct Explained {
    /// What comes of its condition.
    pub verdict: Verdict,
    /// The variables that its condition refers to, with their values.
    pub values: Map<String, Value>,
    /// What it would change, in order.
    pub changes: Vec<RuleChange>,
}

impl Trial {
    /// A call as people write it: variables by their names, and with `body` the request's body as
    /// JSON, which gives the variables that follow from it and are not written. Those of the clock
    /// are taken from `now` where they are not written; every other is then not known.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn written(
        rules: &RuleSet,
        mut members: Map<String, Value>,
        now: UnixMs,
    ) -> Result<Self, String> {
        let body = match members.remove(BODY) {
            None | Some(Value::Null) => None,
            Some(body @ Value::Object(_)) => Some(Bytes::from(body.to_string())),
            Some(_) => return Err("`body` is a JSON object".to_owned()),
        };
        let mut headers = HeaderMap::new();
        if let Some(Value::Object(written)) = members.get(Variable::Headers.name()) {
            for (name, value) in written {
                let (name, value) = header(name, value)?;
                headers.append(name, value);
            }
        }
        let written = Facts::written(members)?;
        let text = |it: Variable| written.get(it).and_then(Value::as_str);
        let format: Option<Format> = text(Variable::Format).and_then(|it| it.parse().ok());
        if body.is_some() && format.is_none() {
            return Err("`body` needs `format`, which says how it is to be read".to_owned());
        }
        let facts = body.as_ref().and_then(|it| read_request(it).ok());
        let operation = written.get(Variable::Operation).cloned();
        let operation = operation.and_then(|it| serde_json::from_value(it).ok());
        let operation = operation.or_else(|| body.as_ref().map(|_| usual_operation(format)));
        let in_body = facts.as_ref().and_then(|it| it.model.as_deref());
        let model = text(Variable::Model).or(in_body).map(str::to_owned);
        let known = Known {
            at: now,
            format,
            operation,
            model: model.as_deref(),
            stream: facts.as_ref().map(|it| it.stream),
            body: body.as_ref(),
            ..Known::default()
        };
        let mut facts = gather(rules, &known);
        facts.overlay(written);
        let operation = operation.unwrap_or(Operation::Other);
        Ok(Self { facts, headers, body, format, operation, model })
    }

    /// A call of the ledger, with its request's body if that was kept whole. Its headers are not
    /// known.
    #[must_use]
    pub fn of_call(rules: &RuleSet, call: &Call, body: Option<Bytes>) -> Self {
        let read = body.as_ref().and_then(|it| read_request(it).ok());
        let known = Known {
            caller: call.caller.as_ref(),
            key: call.key.as_deref(),
            at: call.started_at_ms,
            format: call.format,
            operation: Some(call.operation),
            provider: call.provider.as_deref(),
            method: Some(&call.method),
            path: Some(&call.path),
            headers: None,
            model: call.model_asked.as_deref(),
            stream: Some(read.map_or(call.streaming, |it| it.stream)),
            body: body.as_ref(),
            budget_left: None,
        };
        Self {
            facts: gather(rules, &known),
            headers: HeaderMap::new(),
            format: call.format,
            operation: call.operation,
            model: call.model_asked.clone(),
            body,
        }
    }
}

impl RuleSet {
    /// Says what the rules would do to a call, by the same steps that calls go through.
    #[must_use]
    pub fn explain(&self, trial: &Trial) -> Explanation {
        let verdicts = self.judge(&trial.facts);
        let subject = Subject {
            headers: &trial.headers,
            body: trial.body.as_ref().ok_or("the body is not known here"),
            format: trial.format,
            operation: trial.operation,
            model: trial.model.as_deref(),
            // Whether it would be signed anew depends on where it goes.
            signed: false,
        };
        let applied = self.apply(&verdicts, &subject);
        let explained = verdicts.into_iter().enumerate().map(|(at, verdict)| {
            let rule = self.rules.get(at);
            let trace =
                applied.traces.iter().find(|it| rule.is_some_and(|rule| rule.name == it.rule));
            Explained {
                verdict,
                values: self.values(at, &trial.facts),
                changes: trace.map(|it| it.changes.clone()).unwrap_or_default(),
            }
        });
        Explanation { rules: explained.collect(), applied }
    }
}

fn usual_operation(format: Option<Format>) -> Operation {
    match format {
        Some(Format::OpenaiEmbeddings | Format::CohereEmbed | Format::OllamaEmbed) => {
            Operation::Embed
        }
        Some(
            Format::OpenaiChat
            | Format::OpenaiResponses
            | Format::AnthropicMessages
            | Format::Gemini
            | Format::BedrockConverse,
        )
        | None => Operation::Generate,
    }
}

fn header(name: &str, value: &Value) -> Result<(HeaderName, HeaderValue), String> {
    let wrong = || format!("`{name}` in `headers` is not a header with a text as its value");
    let valid = name.parse().map_err(|_| wrong())?;
    let value = value.as_str().and_then(|it| HeaderValue::from_str(it).ok());
    Ok((valid, value.ok_or_else(wrong)?))
}
