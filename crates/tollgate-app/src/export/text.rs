//! Comma-separated values and JSON lines.

use std::io::{self, BufWriter, Write};

use serde_json::{Map, Value};
use tollgate_core::Call;

use super::columns::{COLUMNS, Cell};

/// Comma-separated values.
pub(super) struct Csv<W: Write>(BufWriter<W>);

impl<W: Write> Csv<W> {
    /// Writes the header.
    pub(super) fn begin(out: W) -> io::Result<Self> {
        let mut csv = Self(BufWriter::new(out));
        csv.line(COLUMNS.iter().map(|it| it.name.to_owned()))?;
        Ok(csv)
    }

    pub(super) fn add(&mut self, call: &Call) -> io::Result<()> {
        self.line(COLUMNS.iter().map(|it| match (it.of)(call) {
            Cell::Text(text) => quoted(text),
            Cell::Number(number) => number.map(|it| it.to_string()).unwrap_or_default(),
            Cell::Time(ms) => ms.to_string(),
            Cell::Flag(flag) => flag.to_string(),
        }))
    }

    pub(super) fn end(mut self) -> io::Result<()> {
        self.0.flush()
    }

    fn line(&mut self, cells: impl Iterator<Item = String>) -> io::Result<()> {
        for (at, cell) in cells.enumerate() {
            if at > 0 {
                self.0.write_all(b",")?;
            }
            self.0.write_all(cell.as_bytes())?;
        }
        self.0.write_all(b"\r\n")
    }
}

/// A text's cell. An empty text is not a missing one: it has quotes.
fn quoted(text: Option<String>) -> String {
    match text {
        None => String::new(),
        Some(text) if text.is_empty() || text.contains([',', '"', '\n', '\r']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Some(text) => text,
    }
}

/// JSON lines.
pub(super) struct Jsonl<W: Write>(BufWriter<W>);

impl<W: Write> Jsonl<W> {
    pub(super) fn begin(out: W) -> Self {
        Self(BufWriter::new(out))
    }

    pub(super) fn add(&mut self, call: &Call) -> io::Result<()> {
        let members = COLUMNS.iter().map(|it| {
            let value = match (it.of)(call) {
                Cell::Text(text) => text.map_or(Value::Null, Value::from),
                Cell::Number(number) => number.map_or(Value::Null, Value::from),
                Cell::Time(ms) => ms.into(),
                Cell::Flag(flag) => flag.into(),
            };
            (it.name.to_owned(), value)
        });
        serde_json::to_writer(&mut self.0, &members.collect::<Map<_, _>>())?;
        self.0.write_all(b"\n")
    }

    pub(super) fn end(mut self) -> io::Result<()> {
        self.0.flush()
    }
}
