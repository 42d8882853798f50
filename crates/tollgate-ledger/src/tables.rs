//! All SQL, one module for each table. Statements are prepared once for each connection.

pub(crate) mod answers;
pub(crate) mod bodies;
pub(crate) mod callers;
pub(crate) mod calls;
pub(crate) mod dimensions;
pub(crate) mod guardrail_hits;
pub(crate) mod routings;
pub(crate) mod said;
pub(crate) mod sums;

use rusqlite::{
    Row,
    types::{FromSql, Type, ValueRef},
};
use serde::{
    Deserialize, Serialize,
    de::{IntoDeserializer, value::StrDeserializer},
};

/// Statements that one connection keeps prepared.
pub(crate) const STATEMENTS_MAX: usize = 64;

/// An enum's name, as serde spells it.
pub(crate) fn name_of<T: Serialize>(value: &T) -> rusqlite::Result<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => Ok(name),
        Ok(other) => {
            Err(rusqlite::Error::ToSqlConversionFailure(format!("`{other}` is not a name").into()))
        }
        Err(error) => Err(rusqlite::Error::ToSqlConversionFailure(error.into())),
    }
}

/// A value as JSON text.
pub(crate) fn json_of<T: Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// The 64 bits of an unsigned number, as SQLite's signed one.
pub(crate) const fn bits(number: u64) -> i64 {
    number.cast_signed()
}

/// A size or duration; what does not fit is cut to the largest number.
pub(crate) fn size(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads a row's columns from left to right.
pub(crate) struct Columns<'a, 'b> {
    row: &'a Row<'b>,
    next: usize,
}

impl<'a, 'b> Columns<'a, 'b> {
    pub(crate) const fn of(row: &'a Row<'b>) -> Self {
        Self { row, next: 0 }
    }

    pub(crate) fn take<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        let column = self.next;
        self.next += 1;
        self.row.get(column)
    }

    fn take_ref(&mut self) -> rusqlite::Result<ValueRef<'a>> {
        let column = self.next;
        self.next += 1;
        self.row.get_ref(column)
    }

    /// An enum's name.
    pub(crate) fn name<T: for<'de> Deserialize<'de>>(&mut self) -> rusqlite::Result<T> {
        let value = self.take_ref()?;
        self.parse_name(value.as_str()?)
    }

    pub(crate) fn name_or_null<T: for<'de> Deserialize<'de>>(
        &mut self,
    ) -> rusqlite::Result<Option<T>> {
        let value = self.take_ref()?;
        value.as_str_or_null()?.map(|it| self.parse_name(it)).transpose()
    }

    pub(crate) fn json<T: for<'de> Deserialize<'de>>(&mut self) -> rusqlite::Result<T> {
        let text: String = self.take()?;
        serde_json::from_str(&text).map_err(|error| self.failed(error.into()))
    }

    /// An unsigned number stored as its bits.
    pub(crate) fn bits(&mut self) -> rusqlite::Result<u64> {
        self.take().map(i64::cast_unsigned)
    }

    fn parse_name<T: for<'de> Deserialize<'de>>(&self, text: &str) -> rusqlite::Result<T> {
        let name: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
        T::deserialize(name).map_err(|error| self.failed(error.into()))
    }

    fn failed(&self, error: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
        let column = self.next.saturating_sub(1);
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error)
    }
}
