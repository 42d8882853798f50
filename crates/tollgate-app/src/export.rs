//! Calls as a file for other programs: comma-separated values, JSON lines or Parquet.
//!
//! All three have the same columns, and hold one page of calls in memory at a time (Parquet: one group
//! of rows). Money is whole pico-dollars, as in the ledger; what is not known is nothing: an empty
//! cell, `null`, or a missing value.

mod columns;
mod parquet;
mod text;

use std::{
    io::{self, Write},
    path::Path,
    str::FromStr,
};

use serde::Deserialize;
use tollgate_core::{Call, UnixMs};
use tollgate_ledger::{CALLS_LIMIT_MAX, CallQuery, LedgerError, Reader};
use utoipa::ToSchema;

/// What the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// Comma-separated values with a header (RFC 4180).
    Csv,
    /// One JSON object on each line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
}

impl ExportFormat {
    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Jsonl => "application/jsonl; charset=utf-8",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// Its name, which is also what files of it end in.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
        }
    }
}

/// Which calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExportQuery {
    /// Those that began then or later.
    pub since: Option<UnixMs>,
    /// Those that began before then.
    pub until: Option<UnixMs>,
}

/// Why calls could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The file cannot be written.
    #[error("write the export")]
    Write(#[from] io::Error),
    /// The file cannot be made.
    #[error("make a Parquet file")]
    Parquet(#[from] ::parquet::errors::ParquetError),
}

/// Writes calls, the newest first, and gives how many there were. Blocks on the ledger and on `out`.
/// Calls that end meanwhile are not among them.
///
/// # Errors
/// When the ledger cannot be read or `out` cannot be written; what was written by then is no whole
/// file.
pub fn calls(
    reader: &Reader,
    query: ExportQuery,
    format: ExportFormat,
    out: impl Write + Send,
) -> Result<u64, ExportError> {
    match format {
        ExportFormat::Csv => {
            let mut out = text::Csv::begin(out)?;
            let calls = each(reader, query, |it| Ok(out.add(it)?))?;
            out.end()?;
            Ok(calls)
        }
        ExportFormat::Jsonl => {
            let mut out = text::Jsonl::begin(out);
            let calls = each(reader, query, |it| Ok(out.add(it)?))?;
            out.end()?;
            Ok(calls)
        }
        ExportFormat::Parquet => {
            let mut out = parquet::Groups::begin(out)?;
            let calls = each(reader, query, |it| Ok(out.add(it)?))?;
            out.end()?;
            Ok(calls)
        }
    }
}

/// As [`calls`], of the ledger in a data folder, while no gateway runs.
///
/// # Errors
/// As [`Reader::open`] and [`calls`].
pub fn calls_in(
    data: &Path,
    query: ExportQuery,
    format: ExportFormat,
    out: impl Write + Send,
) -> Result<u64, ExportError> {
    calls(&Reader::open(data)?, query, format, out)
}

fn each(
    reader: &Reader,
    query: ExportQuery,
    mut take: impl FnMut(&Call) -> Result<(), ExportError>,
) -> Result<u64, ExportError> {
    let ExportQuery { since, until } = query;
    let mut page = CallQuery { since, until, limit: CALLS_LIMIT_MAX, ..CallQuery::default() };
    let mut calls = 0;
    loop {
        let found = reader.calls(&page)?;
        for call in &found {
            take(call)?;
            calls += 1;
        }
        let Some(last) = found.last().filter(|_| found.len() == CALLS_LIMIT_MAX) else {
            return Ok(calls);
        };
        page.before = Some(last.id);
    }
}

/// The format has no such name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no export format `{0}`: use csv, jsonl or parquet")]
pub struct NoSuchFormat(String);

impl FromStr for ExportFormat {
    type Err = NoSuchFormat;

    fn from_str(name: &str) -> Result<Self, NoSuchFormat> {
        [Self::Csv, Self::Jsonl, Self::Parquet]
            .into_iter()
            .find(|it| it.as_str() == name)
            .ok_or_else(|| NoSuchFormat(name.to_owned()))
    }
}

#[cfg(test)]
mod tests;
