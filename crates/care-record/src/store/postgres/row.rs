//! Reads a row of `item` or `item_history` from PostgreSQL, and texts that PostgreSQL cannot hold.

use std::borrow::Cow;

use care_core::vocabulary::SourceCode;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::store::StoreError;
use crate::store::StoredBody;
use crate::store::body::Codec;
use crate::store::meta::with_version;
use crate::store::row::ItemRow;

/// A column; one of another type than the schema's is damage.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, StoreError> {
    row.try_get(column).map_err(|_| StoreError::Corrupt)
}

/// A small whole number, whatever its width in the schema.
pub(super) fn int(row: &Row, column: usize) -> Result<i64, StoreError> {
    get::<i32>(row, column).map(i64::from)
}

fn short(row: &Row, column: usize) -> Result<i64, StoreError> {
    get::<i16>(row, column).map(i64::from)
}

/// The source code in a column.
pub(super) fn source(row: &Row, column: usize) -> Result<SourceCode, StoreError> {
    SourceCode::parse(get(row, column)?).map_err(|_| StoreError::Corrupt)
}

/// PostgreSQL's texts hold every character but the zero one, which stands for itself by its picture
/// instead. Every text is passed through here on its way in, asked for or written, so that what was
/// written under a text is found under it.
pub(super) fn text(given: &str) -> Cow<'_, str> {
    if given.contains('\0') {
        Cow::Owned(given.replace('\0', "\u{2400}"))
    } else {
        Cow::Borrowed(given)
    }
}

impl ItemRow {
    /// Reads the columns of `item_columns!` from the front of a row and checks the seal.
    pub(super) fn of(row: &Row) -> Result<Self, StoreError> {
        let this = Self {
            person: get(row, 0)?,
            kind: int(row, 1)?,
            item: get(row, 2)?,
            version: int(row, 3)?,
            category: short(row, 4)?,
            sensitivity: short(row, 5)?,
            flags: short(row, 6)?,
            source: get(row, 7)?,
            code_key: get(row, 8)?,
            clinical_at: get(row, 9)?,
            event_at: get(row, 10)?,
            received_at: get(row, 11)?,
            form: int(row, 12)?,
            bytes: int(row, 13)?,
            digest: get::<&[u8]>(row, 14)?.try_into().unwrap_or_default(),
            moment: get(row, 16)?,
        };
        this.sealed(get(row, 15)?)
    }
}

/// Reads the columns and the body after them, checks both, and writes the version into the body.
pub(super) fn stored_body(row: &Row, codec: &Codec) -> Result<StoredBody, StoreError> {
    let columns = ItemRow::of(row)?;
    let header = columns.header()?;
    let plain = codec.checked(columns.form, columns.bytes, get(row, 17)?, &columns.digest)?;
    Ok(StoredBody {
        sensitivity: columns.protection()?,
        person: columns.person(),
        body: with_version(&plain, header.version, header.received_at),
        header,
    })
}
