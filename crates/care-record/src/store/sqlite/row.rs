//! Reads a row of `item` or `item_history` from SQLite; what the row is stands in the store's `row`.

use rusqlite::Row;

use crate::store::StoreError;
pub(super) use crate::store::row::{ItemRow, item_columns, moment};

impl ItemRow {
    /// Reads the columns of [`item_columns`] from the front of a row and checks the seal.
    pub fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        let read = || -> rusqlite::Result<(Self, i64)> {
            let digest = row.get_ref(14)?.as_blob()?;
            let this = Self {
                person: row.get(0)?,
                kind: row.get(1)?,
                item: row.get(2)?,
                version: row.get(3)?,
                category: row.get(4)?,
                sensitivity: row.get(5)?,
                flags: row.get(6)?,
                source: row.get(7)?,
                code_key: row.get(8)?,
                clinical_at: row.get(9)?,
                event_at: row.get(10)?,
                received_at: row.get(11)?,
                form: row.get(12)?,
                bytes: row.get(13)?,
                digest: digest.try_into().unwrap_or_default(),
                moment: row.get(16)?,
            };
            Ok((this, row.get(15)?))
        };
        // A column of another type than the schema's is damage as well.
        let (this, seal) = read().map_err(|_| StoreError::Corrupt)?;
        this.sealed(seal)
    }
}
