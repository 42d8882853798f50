//! JSON objects that are taken apart member by member. What nobody takes is a loss, so nothing can
//! be forgotten in silence.

use serde_json::{Map, Number, Value};

use crate::{
    ir::Given,
    loss::{Losses, Refused},
};

/// What is said of a member that no reader takes.
const UNKNOWN: &str = "is not known to the translation and was left out";

/// An object and where it stands.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) at: String,
    members: Map<String, Value>,
}

/// `base.name`, or `name` at the top.
pub(super) fn path(base: &str, name: &str) -> String {
    if base.is_empty() { name.to_owned() } else { format!("{base}.{name}") }
}

/// `base[index]`.
pub(super) fn element(base: &str, index: usize) -> String {
    format!("{base}[{index}]")
}

impl Fields {
    pub(super) fn new(value: Value, at: impl Into<String>) -> Result<Self, Refused> {
        let at = at.into();
        let Value::Object(members) = value else {
            return Err(Refused::new(at, "must be an object"));
        };
        Ok(Self { at, members })
    }

    pub(super) fn path(&self, name: &str) -> String {
        path(&self.at, name)
    }

    pub(super) fn refuse(&self, name: &str, why: impl Into<String>) -> Refused {
        Refused::new(self.path(name), why)
    }

    /// Takes a member; `null` is as good as absent in every format.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.shift_remove(name).filter(|it| !it.is_null())
    }

    /// Takes a member of which this is true.
    pub(super) fn take_if(
        &mut self,
        name: &str,
        test: impl FnOnce(&Value) -> bool,
    ) -> Option<Value> {
        if test(self.members.get(name)?) { self.take(name) } else { None }
    }

    /// Renames snake_case members to their camelCase names, as Gemini's clients write either.
    pub(super) fn camelled(mut self) -> Self {
        self.members = self.members.into_iter().map(|(name, it)| (camel(&name), it)).collect();
        self
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|it| !it.is_null())
    }

    /// A member that is looked at and stays.
    pub(super) fn peek(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Refused> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.refuse(name, "must be a string")),
        }
    }

    pub(super) fn need_text(&mut self, name: &str) -> Result<String, Refused> {
        self.text(name)?.ok_or_else(|| self.refuse(name, "is missing"))
    }

    pub(super) fn bool(&mut self, name: &str) -> Result<Option<bool>, Refused> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(it)) => Ok(Some(it)),
            Some(_) => Err(self.refuse(name, "must be true or false")),
        }
    }

    pub(super) fn count(&mut self, name: &str) -> Result<Option<u64>, Refused> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let count = value.as_u64().ok_or_else(|| self.refuse(name, "must be a whole number"))?;
        Ok(Some(count))
    }

    pub(super) fn list(&mut self, name: &str) -> Result<Vec<Value>, Refused> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(self.refuse(name, "must be a list")),
        }
    }

    /// A list of texts; absent when it is empty. One text may stand for a list of one.
    pub(super) fn given_texts(
        &mut self,
        name: &str,
    ) -> Result<Option<Given<Vec<String>>>, Refused> {
        let at = self.path(name);
        let list = match self.take(name) {
            Some(Value::Array(list)) => list,
            found => found.into_iter().collect(),
        };
        let texts = list.into_iter().map(|it| it.as_str().map(str::to_owned));
        let texts: Option<Vec<String>> = texts.collect();
        let value = texts.ok_or_else(|| Refused::new(&at, "must hold strings"))?;
        Ok((!value.is_empty()).then_some(Given { at, value }))
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, Refused> {
        let at = self.path(name);
        self.take(name).map(|it| Self::new(it, at)).transpose()
    }

    pub(super) fn need_object(&mut self, name: &str) -> Result<Self, Refused> {
        self.object(name)?.ok_or_else(|| self.refuse(name, "is missing"))
    }

    /// The objects of a list.
    pub(super) fn objects(&mut self, name: &str) -> Result<Vec<Self>, Refused> {
        let at = self.path(name);
        let list = self.list(name)?;
        list.into_iter().enumerate().map(|(i, it)| Self::new(it, element(&at, i))).collect()
    }

    pub(super) fn given_number(&mut self, name: &str) -> Result<Option<Given<Number>>, Refused> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Number(value)) => Ok(Some(Given { at: self.path(name), value })),
            Some(_) => Err(self.refuse(name, "must be a number")),
        }
    }

    pub(super) fn given_count(&mut self, name: &str) -> Result<Option<Given<u64>>, Refused> {
        let value = self.count(name)?;
        Ok(value.map(|value| Given { at: self.path(name), value }))
    }

    /// How many answers are asked for; absent when one.
    pub(super) fn answers(&mut self, name: &str) -> Result<Option<Given<u64>>, Refused> {
        let at = self.path(name);
        let Some(value) = self.take(name) else { return Ok(None) };
        let value = value.as_u64().filter(|it| *it > 0);
        let value = value.ok_or_else(|| Refused::new(&at, "must be a whole number from 1 on"))?;
        Ok((value > 1).then_some(Given { at, value }))
    }

    pub(super) fn given_text(&mut self, name: &str) -> Result<Option<Given<String>>, Refused> {
        let value = self.text(name)?;
        Ok(value.map(|value| Given { at: self.path(name), value }))
    }

    pub(super) fn given_bool(&mut self, name: &str) -> Result<Option<Given<bool>>, Refused> {
        let value = self.bool(name)?;
        Ok(value.map(|value| Given { at: self.path(name), value }))
    }

    /// Lets go of members that carry nothing another format would need.
    pub(super) fn pass_over(&mut self, names: &[&str]) {
        for name in names {
            self.members.shift_remove(*name);
        }
    }

    /// Ends the reading: whatever was not taken is a loss.
    pub(super) fn rest(self, losses: &mut Losses) {
        for (name, value) in &self.members {
            if !value.is_null() {
                losses.note(path(&self.at, name), UNKNOWN);
            }
        }
    }

    /// The name of some member that was not taken.
    pub(super) fn first(&self) -> Option<&str> {
        self.members.iter().find(|(_, it)| !it.is_null()).map(|(name, _)| name.as_str())
    }

    /// What was not taken, as it is.
    pub(super) fn into_members(self) -> Map<String, Value> {
        self.members
    }
}

pub(super) fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut raise = false;
    for letter in name.chars() {
        if letter == '_' && !out.is_empty() {
            raise = true;
        } else if std::mem::take(&mut raise) {
            out.extend(letter.to_uppercase());
        } else {
            out.push(letter);
        }
    }
    out
}
