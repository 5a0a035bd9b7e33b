//! One row of `item` or `item_history`: its columns, its seal, and the way to a header.
//!
//! The seal is a checksum over every column but the body (whose digest it covers), so a flipped bit
//! in a date, a category or a protection level is found before it is shown. It finds damage; the
//! audit log, not the seal, finds intent.

use care_core::fhir::ResourceType;
use care_core::sections::Header;
use care_core::vocabulary::{Category, ItemId, PersonId, Sensitivity, SourceCode};
use jiff::Timestamp;

use crate::store::StoreError;

/// The item's status says that it holds now.
pub(super) const CURRENT: i64 = 1;
/// Its source took it away.
pub(super) const WITHDRAWN: i64 = 2;
/// Its source is a GP practice.
pub(super) const GP_SOURCED: i64 = 4;
/// A tombstone.
pub(super) const DELETED: i64 = 8;
/// The moment of a version that came before moments were kept.
pub(super) const NO_MOMENT: i64 = -1;

/// The columns of [`ItemRow`], in order, of the table aliased `i`.
macro_rules! item_columns {
    () => {
        "i.person, i.kind, i.item, i.version, i.category, i.sensitivity, i.flags, i.source, \
         i.code_key, i.clinical_at, i.event_at, i.received_at, i.form, i.bytes, i.digest, i.seal, \
         i.moment"
    };
}
pub(super) use item_columns;

/// Every column but the body.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ItemRow {
    pub person: i64,
    pub kind: i64,
    pub item: i64,
    pub version: i64,
    pub category: i64,
    pub sensitivity: i64,
    pub flags: i64,
    pub source: String,
    pub code_key: i64,
    pub clinical_at: Option<i64>,
    pub event_at: i64,
    pub received_at: i64,
    pub form: i64,
    pub bytes: i64,
    pub digest: [u8; 16],
    /// The number of the commit's first entry, or [`NO_MOMENT`].
    pub moment: i64,
}

impl ItemRow {
    /// The row, once its seal was compared.
    pub fn sealed(self, seal: i64) -> Result<Self, StoreError> {
        if self.seal() == seal {
            Ok(self)
        } else {
            Err(StoreError::Corrupt)
        }
    }

    /// The checksum of the columns.
    pub fn seal(&self) -> i64 {
        let mut source = [0_u8; 16];
        for (place, byte) in source.iter_mut().zip(self.source.bytes()) {
            *place = byte;
        }
        let [source_1, source_2] = halves(source);
        let [digest_1, digest_2] = halves(self.digest);
        let words = [
            self.person as u64,
            self.kind as u64,
            self.item as u64,
            self.version as u64,
            self.category as u64,
            self.sensitivity as u64,
            self.flags as u64,
            self.source.len() as u64,
            source_1,
            source_2,
            self.code_key as u64,
            self.clinical_at.unwrap_or(i64::MIN) as u64,
            self.event_at as u64,
            self.received_at as u64,
            self.form as u64,
            self.bytes as u64,
            digest_1,
            digest_2,
        ];
        // Each step is one-to-one in the word and in the sum so far: one changed word always shows.
        let mixed = words.iter().fold(0x9e37_79b9_7f4a_7c15_u64, |sum, word| {
            let product = (sum ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
            product ^ (product >> 32)
        });
        // Rows from before moments were kept have seals without one.
        if self.moment == NO_MOMENT {
            return mixed as i64;
        }
        let product = (mixed ^ self.moment as u64).wrapping_mul(0xff51_afd7_ed55_8ccd);
        (product ^ (product >> 32)) as i64
    }

    /// The header, for sections.
    pub fn header(&self) -> Result<Header, StoreError> {
        let kind = u16::try_from(self.kind).map_err(|_| StoreError::Corrupt)?;
        Ok(Header {
            resource_type: ResourceType::from_number(kind).ok_or(StoreError::Corrupt)?,
            item: ItemId(self.item as u64),
            version: u32::try_from(self.version).map_err(|_| StoreError::Corrupt)?,
            category: *Category::ALL
                .get(usize::try_from(self.category).map_err(|_| StoreError::Corrupt)?)
                .ok_or(StoreError::Corrupt)?,
            source: SourceCode::parse(&self.source).map_err(|_| StoreError::Corrupt)?,
            code_key: self.code_key as u64,
            current: self.flags & CURRENT != 0,
            withdrawn: self.flags & WITHDRAWN != 0,
            deleted: self.flags & DELETED != 0,
            clinical_at: self.clinical_at.map(moment).transpose()?,
            received_at: moment(self.received_at)?,
            moment: self.moment.max(0).unsigned_abs(),
        })
    }

    /// The protection level.
    pub fn protection(&self) -> Result<Sensitivity, StoreError> {
        usize::try_from(self.sensitivity)
            .ok()
            .and_then(|place| Sensitivity::ALL.get(place).copied())
            .ok_or(StoreError::Corrupt)
    }

    /// Whose part the row is in.
    pub fn person(&self) -> PersonId {
        PersonId(self.person as u64)
    }

    /// Whether another row says the same of the same thing: only times and version may differ.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.digest == other.digest
            && self.category == other.category
            && self.sensitivity == other.sensitivity
            && self.flags == other.flags
            && self.source == other.source
            && self.code_key == other.code_key
            && self.clinical_at == other.clinical_at
    }
}

/// Which of an item's versions held at a moment: of those that had come by then, the one of the newest
/// event, and of two of one event the later. An older event never holds over a newer one.
pub(super) fn held_at(versions: &[ItemRow], moment: u64) -> Option<u32> {
    let came = |row: &&ItemRow| row.moment.max(0).unsigned_abs() <= moment;
    let held = versions.iter().filter(came);
    let held = held.max_by_key(|row| (row.event_at, row.version))?;
    u32::try_from(held.version).ok()
}

fn halves(bytes: [u8; 16]) -> [u64; 2] {
    let whole = u128::from_le_bytes(bytes);
    [whole as u64, (whole >> 64) as u64]
}

/// Microseconds since 1970 as a time.
pub(super) fn moment(microseconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(microseconds).map_err(|_| StoreError::Corrupt)
}
