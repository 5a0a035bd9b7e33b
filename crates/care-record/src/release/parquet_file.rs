//! Rows into Parquet: zstd, one row group for about a hundred thousand rows, so that memory is bounded
//! whatever the number of rows.

use std::io::Write;
use std::sync::Arc;

use care_core::fhir::views::{Cell, Column, ColumnKind};
use parquet::basic::{
    Compression, ConvertedType, LogicalType, Repetition, Type as Physical, ZstdLevel,
};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

/// Rows in one group.
const GROUP: usize = 100_000;

/// Values of one column that wait for their group.
enum Waiting {
    Boolean(Vec<bool>),
    Integer(Vec<i64>),
    Decimal(Vec<f64>),
    Text(Vec<ByteArray>),
}

/// A Parquet file being written.
pub(crate) struct ParquetFile<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<(Waiting, Vec<i16>)>,
    rows: usize,
}

impl<W: Write + Send> ParquetFile<W> {
    /// A file with these columns; each may be empty.
    pub fn new(out: W, columns: &[Column]) -> Result<Self> {
        let fields = columns.iter().map(field).collect::<Result<Vec<_>>>()?;
        let schema = Type::group_type_builder("row")
            .with_fields(fields)
            .build()?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_created_by("connect-care".to_owned())
            .build();
        let writer = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?;
        let columns = columns
            .iter()
            .map(|column| (waiting(kind(column)), Vec::new()))
            .collect();
        Ok(Self {
            writer,
            columns,
            rows: 0,
        })
    }

    /// Adds a row.
    pub fn row(&mut self, cells: &[Cell]) -> Result<()> {
        for ((values, levels), cell) in self.columns.iter_mut().zip(cells) {
            levels.push(i16::from(push(values, cell)));
        }
        self.rows += 1;
        if self.rows >= GROUP {
            self.group()?;
        }
        Ok(())
    }

    fn group(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        let mut columns = self.columns.iter_mut();
        while let Some(mut column) = group.next_column()? {
            let Some((values, levels)) = columns.next() else {
                break;
            };
            match values {
                Waiting::Boolean(all) => {
                    column
                        .typed::<BoolType>()
                        .write_batch(all, Some(levels), None)?;
                    all.clear();
                }
                Waiting::Integer(all) => {
                    column
                        .typed::<Int64Type>()
                        .write_batch(all, Some(levels), None)?;
                    all.clear();
                }
                Waiting::Decimal(all) => {
                    column
                        .typed::<DoubleType>()
                        .write_batch(all, Some(levels), None)?;
                    all.clear();
                }
                Waiting::Text(all) => {
                    column
                        .typed::<ByteArrayType>()
                        .write_batch(all, Some(levels), None)?;
                    all.clear();
                }
            }
            levels.clear();
            column.close()?;
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }

    /// Writes the last group and the footer; gives what was written to.
    pub fn finish(mut self) -> Result<W> {
        self.group()?;
        self.writer.into_inner()
    }
}

/// A column that may hold lists is text: the list as JSON.
fn kind(column: &Column) -> ColumnKind {
    if column.is_collection {
        ColumnKind::Text
    } else {
        column.kind
    }
}

fn field(column: &Column) -> Result<Arc<Type>> {
    let physical = match kind(column) {
        ColumnKind::Boolean => Physical::BOOLEAN,
        ColumnKind::Integer => Physical::INT64,
        ColumnKind::Decimal => Physical::DOUBLE,
        ColumnKind::Text => Physical::BYTE_ARRAY,
    };
    let mut field =
        Type::primitive_type_builder(&column.name, physical).with_repetition(Repetition::OPTIONAL);
    if physical == Physical::BYTE_ARRAY {
        field = field
            .with_logical_type(Some(LogicalType::String))
            .with_converted_type(ConvertedType::UTF8);
    }
    Ok(Arc::new(field.build()?))
}

fn waiting(kind: ColumnKind) -> Waiting {
    match kind {
        ColumnKind::Boolean => Waiting::Boolean(Vec::new()),
        ColumnKind::Integer => Waiting::Integer(Vec::new()),
        ColumnKind::Decimal => Waiting::Decimal(Vec::new()),
        ColumnKind::Text => Waiting::Text(Vec::new()),
    }
}

/// Adds a value where the cell has one that fits its column; says whether it did.
fn push(values: &mut Waiting, cell: &Cell) -> bool {
    match (values, cell) {
        (_, Cell::Null) => false,
        (Waiting::Boolean(all), Cell::Boolean(value)) => {
            all.push(*value);
            true
        }
        (Waiting::Integer(all), Cell::Number(text)) => {
            let number = text.parse::<i64>().ok();
            all.extend(number);
            number.is_some()
        }
        (Waiting::Decimal(all), Cell::Number(text)) => {
            let number = text.parse::<f64>().ok();
            all.extend(number);
            number.is_some()
        }
        (Waiting::Text(all), cell) => {
            all.push(ByteArray::from(cell.to_text().into_bytes()));
            true
        }
        _ => false,
    }
}
