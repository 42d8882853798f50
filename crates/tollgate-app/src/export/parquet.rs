//! Apache Parquet.

use std::{io::Write, sync::Arc};

use parquet::{
    basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical},
    data_type::{BoolType, ByteArray, ByteArrayType, Int64Type},
    errors::Result,
    file::{
        metadata::KeyValue,
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::types::Type,
};
use tollgate_core::Call;

use super::columns::{COLUMNS, Cell, Kind};

/// Calls in one group of rows: what is held in memory.
const GROUP_CALLS: usize = 10_000;

/// Notes beside the rows.
const NOTES: [(&str, &str); 2] = [
    ("tollgate.money", "cost_pico_usd: whole pico-dollars, 1/1,000,000,000,000 USD; null: unknown"),
    ("tollgate.time", "columns that end in _us: microseconds since the call began"),
];

/// A Parquet file that is being written, group by group.
pub(super) struct Groups<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    /// One list for each column.
    rows: Vec<Vec<Cell>>,
}

impl<W: Write + Send> Groups<W> {
    pub(super) fn begin(out: W) -> Result<Self> {
        let note = |(key, value): &(&str, &str)| {
            KeyValue::new((*key).to_owned(), Some((*value).to_owned()))
        };
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(format!("tollgate {}", env!("CARGO_PKG_VERSION")))
            .set_key_value_metadata(Some(NOTES.iter().map(note).collect()))
            .build();
        let writer = SerializedFileWriter::new(out, Arc::new(schema()?), Arc::new(properties))?;
        Ok(Self { writer, rows: COLUMNS.iter().map(|_| Vec::new()).collect() })
    }

    pub(super) fn add(&mut self, call: &Call) -> Result<()> {
        for (column, cells) in COLUMNS.iter().zip(&mut self.rows) {
            cells.push((column.of)(call));
        }
        if self.rows.first().is_some_and(|it| it.len() >= GROUP_CALLS) {
            self.write_group()?;
        }
        Ok(())
    }

    pub(super) fn end(mut self) -> Result<()> {
        if self.rows.first().is_some_and(|it| !it.is_empty()) {
            self.write_group()?;
        }
        self.writer.close()?;
        Ok(())
    }

    fn write_group(&mut self) -> Result<()> {
        let mut group = self.writer.next_row_group()?;
        for (column, cells) in COLUMNS.iter().zip(&mut self.rows) {
            write_column(&mut group, column.kind, cells)?;
            cells.clear();
        }
        group.close()?;
        Ok(())
    }
}

fn write_column<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    kind: Kind,
    cells: &[Cell],
) -> Result<()> {
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    match kind {
        Kind::Text => write_texts(&mut column, cells)?,
        Kind::Number => write_numbers(&mut column, cells, Repetition::OPTIONAL)?,
        // It is always there, and so has no levels.
        Kind::Time => write_numbers(&mut column, cells, Repetition::REQUIRED)?,
        Kind::Flag => {
            let flags: Vec<bool> = cells.iter().map(|it| *it == Cell::Flag(true)).collect();
            column.typed::<BoolType>().write_batch(&flags, None, None)?;
        }
    }
    column.close()
}

fn write_texts(column: &mut SerializedColumnWriter<'_>, cells: &[Cell]) -> Result<()> {
    let texts = cells.iter().map(|it| match it {
        Cell::Text(text) => text.as_deref(),
        Cell::Number(_) | Cell::Time(_) | Cell::Flag(_) => None,
    });
    let levels: Vec<i16> = texts.clone().map(|it| i16::from(it.is_some())).collect();
    let texts: Vec<ByteArray> = texts.flatten().map(ByteArray::from).collect();
    column.typed::<ByteArrayType>().write_batch(&texts, Some(&levels), None)?;
    Ok(())
}

fn write_numbers(
    column: &mut SerializedColumnWriter<'_>,
    cells: &[Cell],
    repetition: Repetition,
) -> Result<()> {
    let numbers = cells.iter().map(|it| match it {
        Cell::Number(number) => *number,
        Cell::Time(ms) => Some(*ms),
        Cell::Text(_) | Cell::Flag(_) => None,
    });
    let levels: Vec<i16> = numbers.clone().map(|it| i16::from(it.is_some())).collect();
    let numbers: Vec<i64> = numbers.flatten().collect();
    let levels = (repetition == Repetition::OPTIONAL).then_some(&levels[..]);
    column.typed::<Int64Type>().write_batch(&numbers, levels, None)?;
    Ok(())
}

/// What the columns hold.
fn schema() -> Result<Type> {
    let fields = COLUMNS.iter().map(|column| {
        let (physical, logical, repetition) = match column.kind {
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String), Repetition::OPTIONAL),
            Kind::Number => (Physical::INT64, None, Repetition::OPTIONAL),
            Kind::Time => {
                let ms = LogicalType::timestamp(true, TimeUnit::MILLIS);
                (Physical::INT64, Some(ms), Repetition::REQUIRED)
            }
            Kind::Flag => (Physical::BOOLEAN, None, Repetition::REQUIRED),
        };
        let field = Type::primitive_type_builder(column.name, physical)
            .with_repetition(repetition)
            .with_logical_type(logical)
            .build()?;
        Ok(Arc::new(field))
    });
    let fields = fields.collect::<Result<Vec<_>>>()?;
    Type::group_type_builder("call").with_fields(fields).build()
}
