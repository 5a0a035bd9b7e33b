//! The plain values the store takes and gives.

use care_core::audit::Entry;
use care_core::fhir::ResourceType;
use care_core::sections::Header;
use care_core::vocabulary::{Category, Involvement, ItemId, PersonId, Sensitivity, SourceCode};
use jiff::Timestamp;

use super::cases::{ChangeCase, OpenCase};

/// The flag of a person who made a choice; its value is the [`choice_mark`] of the newest.
pub(crate) const CHOICE_MADE: &str = "choice-made";

/// What a choice is known by, apart from itself: a digest of its bytes.
pub(crate) fn choice_mark(choice: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(choice)[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Changes that become durable together with at least one audit entry. There is no other way to write.
pub(crate) struct Commit {
    /// What changes, applied in order.
    pub changes: Vec<Change>,
    /// The first entry; a commit without one cannot be built.
    pub entry: Entry,
    /// More entries.
    pub more_entries: Vec<Entry>,
}

/// One change.
pub(crate) enum Change {
    /// Keeps a delivery. Fails with [`StoreError::DeliveryExists`] when (sender, control id) is taken.
    Delivery(NewDelivery),
    /// Puts one version of an item. An older event than the current version's goes to history.
    Item(PutItem),
    /// Creates a person. Fails with [`StoreError::PersonExists`] when the id is taken.
    NewPerson { person: PersonId },
    /// Gives a person an identifier; `unique` ones fail with [`StoreError::IdentifierTaken`] when
    /// another person holds the same.
    Identifier {
        person: PersonId,
        system: String,
        value: String,
        source: SourceCode,
        unique: bool,
    },
    /// Makes a person findable by these normalised details (per source, replacing that source's).
    /// An `event_at` older than the one held for (person, source) changes nothing.
    Details {
        event_at: Timestamp,
        person: PersonId,
        source: SourceCode,
        family: String,
        given: String,
        birth_date: String,
        gender: String,
        postcode: String,
        phonetic_family: String,
    },
    /// Replaces the involvement of (person, source, kind, source key). An `event_at` older than the one
    /// held for that key changes nothing: an older event never overwrites a newer one.
    Involvement {
        event_at: Timestamp,
        person: PersonId,
        source: SourceCode,
        involvement: Involvement,
    },
    /// Sets a flag of the person (`restricted`, `watched`, `deceased`), with a value such as a date; `None` clears.
    PersonFlag {
        person: PersonId,
        flag: String,
        value: Option<String>,
    },
    /// Records the person's choice (JSON), replacing the current one; the older stay in history.
    Choice { person: PersonId, choice: Vec<u8> },
    /// Joins: `from` now answers as `into`. Items stay where they are with their own person key;
    /// reads follow the join. `None` undoes. Fails with [`StoreError::JoinLoop`] for a ring.
    Join {
        from: PersonId,
        into: Option<PersonId>,
    },
    /// Opens a worklist row.
    Worklist(NewWorklist),
    /// Closes or changes a worklist row: `closed` and states that begin with `closed-` end it, any
    /// other leaves it open. Fails with [`StoreError::NoSuchRow`] for a row that is not there.
    WorklistState {
        row: u64,
        state: String,
        note: String,
    },
    /// Opens a case.
    OpenCase(Box<OpenCase>),
    /// Changes a case.
    #[allow(
        clippy::enum_variant_names,
        reason = "beside OpenCase: what is changed is the case"
    )]
    ChangeCase(Box<ChangeCase>),
    /// Keeps a small value whose key was never used before, ended or not. Fails with
    /// [`StoreError::AlreadyKept`]: of many at once, one wins.
    KeepOnce {
        space: &'static str,
        key: String,
        value: Vec<u8>,
        expires_ms: i64,
    },
    /// Keeps a small value until `expires_ms`; `None` value takes it away.
    Keep {
        space: &'static str,
        key: String,
        value: Option<Vec<u8>>,
        expires_ms: i64,
    },
}

/// A delivery to keep, whole.
pub(crate) struct NewDelivery {
    /// The feed's id (`feed-hospital`, `load` …).
    pub feed: String,
    /// Who says it sent: `application|facility` for HL7 v2, client id for FHIR.
    pub sender: String,
    /// The sender's id of this delivery; for FHIR without one, a digest of the body.
    pub control_id: String,
    /// SHA-256 of the body.
    pub digest: [u8; 32],
    /// When it came.
    pub received_at: Timestamp,
    /// `ADT^A01`, `Bundle transaction` …
    pub kind: String,
    /// `processed`, `processed-with-warnings`, `parked`, `refused`.
    pub status: String,
    /// The answer that was or will be given: sent again for the same delivery.
    pub answer: Vec<u8>,
    /// The body as received.
    pub body: Vec<u8>,
    /// Whom it is about, if known.
    pub person: Option<PersonId>,
    /// What was not understood, as JSON; no patient data.
    pub issues: String,
}

/// A kept delivery without its body.
#[derive(Debug, Clone)]
pub(crate) struct DeliveryRow {
    #[allow(dead_code, reason = "the engine suite reads it; the consoles will")]
    pub delivery: u64,
    pub feed: String,
    pub sender: String,
    pub control_id: String,
    pub digest: [u8; 32],
    pub received_at: Timestamp,
    pub kind: String,
    pub status: String,
    pub answer: Vec<u8>,
    #[allow(dead_code, reason = "the engine suite reads it; the consoles will")]
    pub person: Option<PersonId>,
    #[allow(dead_code, reason = "the engine suite reads it; the consoles will")]
    pub issues: String,
}

/// One version of an item to put.
pub(crate) struct PutItem {
    /// Whose; `None` for things about nobody.
    pub person: Option<PersonId>,
    pub resource_type: ResourceType,
    pub item: ItemId,
    pub category: Category,
    pub sensitivity: Sensitivity,
    pub source: SourceCode,
    /// The source is a GP practice (rule 10 of the access model hides by this).
    pub gp_sourced: bool,
    pub code_key: u64,
    pub current: bool,
    pub withdrawn: bool,
    /// A tombstone: the source took the thing away altogether. Every read leaves it out but
    /// [`history`](super::Store::history) and [`version`](super::Store::version); a later put brings
    /// it back. Give it the labels of what it ends, so that only who could see that learns of the end.
    pub deleted: bool,
    pub clinical_at: Option<Timestamp>,
    /// The order of versions: an older event never overwrites a newer one.
    pub event_at: Timestamp,
    /// Whether the event or the arrival orders this version.
    pub order: PutOrder,
    /// What must hold before it is put, looked at inside the writer's transaction.
    pub expect: Expect,
    pub received_at: Timestamp,
    /// JSON bytes with `id`; `meta.versionId` and `meta.lastUpdated` are spliced in on read.
    pub body: Vec<u8>,
}

/// What puts a version in its place among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum PutOrder {
    /// `event_at`: feeds arrive in any order, and an older event goes to history.
    #[default]
    ByEvent,
    /// The arrival: it becomes the current version whatever came before; its `event_at` becomes the
    /// later of the held version's and `received_at`. The REST writes.
    ByArrival,
    /// The held version's event: it takes that version's place, and whatever is later than that one is
    /// later than it. Labels that are kept again.
    AsHeld,
}

/// What a put expects of the item; otherwise [`StoreError::VersionConflict`] undoes its commit alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Expect {
    /// Anything.
    #[default]
    Any,
    /// That it is not there, or was deleted.
    Absent,
    /// That this is its current version.
    Version(u32),
}

/// A place in the order of changes: newest moment first. What comes after it is older.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChangePlace {
    /// The number of the commit's first audit entry.
    pub moment: u64,
    /// What tells apart the versions of one commit: part, type, item, version.
    pub within: (u64, u16, u64, u32),
}

impl ChangePlace {
    /// Before everything that came up to this moment, that moment included.
    pub fn from(moment: u64) -> Self {
        Self {
            moment,
            within: (i64::MAX as u64, u16::MAX, i64::MAX as u64, u32::MAX),
        }
    }
}

impl StoredBody {
    /// Its place in the order of changes.
    pub fn place(&self) -> ChangePlace {
        let header = &self.header;
        ChangePlace {
            moment: header.moment,
            within: (
                self.person.0,
                header.resource_type.number(),
                header.item.0,
                header.version,
            ),
        }
    }

    /// Whose it is; `None` for things about nobody.
    pub fn owner(&self) -> Option<PersonId> {
        (self.person.0 >> 63 == 0).then_some(self.person)
    }
}

/// What a source asks of what it brought, newest moment first.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChangesAsked {
    /// Of this type only.
    pub kind: Option<ResourceType>,
    /// Of this person only.
    pub person: Option<PersonId>,
    /// After this place in the order, which is before it in time.
    pub before: Option<ChangePlace>,
    /// Received at this time or later.
    pub since: Option<Timestamp>,
    /// Of a later moment than this.
    pub after: Option<u64>,
    pub limit: u32,
}

impl ChangesAsked {
    /// What was read of several tables, in order and cut to the limit.
    pub(super) fn newest_first(&self, mut found: Vec<StoredBody>) -> Vec<StoredBody> {
        let order = |body: &StoredBody| {
            let place = body.place();
            let (part, kind, item, version) = place.within;
            (place.moment, part as i64, kind, item as i64, version)
        };
        found.sort_by_key(|body| std::cmp::Reverse(order(body)));
        found.truncate(self.limit as usize);
        found
    }
}

/// The number of the first entry that may be of this time or later, by halving: entries are numbered in
/// order, and their times follow that order but for commits that were made ready at the same time.
pub(super) fn earliest_moment(
    entries: i64,
    since: Timestamp,
    at: impl Fn(i64) -> Result<Option<i64>, StoreError>,
) -> Result<i64, StoreError> {
    const SLACK: i64 = 600 * 1_000_000;
    let since = since.as_microsecond().saturating_sub(SLACK);
    let (mut low, mut high) = (0, entries);
    while low < high {
        let middle = low + (high - low) / 2;
        if at(middle)?.is_some_and(|at| at < since) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    // Versions from before moments were kept have none.
    Ok(if low == 0 { -1 } else { low })
}

/// A body that was read, with its header. The bytes are JSON with `id` and `meta`.
pub(crate) struct StoredBody {
    pub header: Header,
    #[allow(dead_code, reason = "the engine suite reads it; the consoles will")]
    pub sensitivity: Sensitivity,
    pub person: PersonId,
    pub body: Vec<u8>,
}

/// What a commit did.
#[derive(Debug)]
pub(crate) struct Committed {
    /// The delivery's number, when there was one.
    pub delivery: Option<u64>,
    /// Per put item in order: what became of it.
    pub items: Vec<Put>,
    /// Worklist rows opened, in order.
    pub worklist: Vec<u64>,
    /// Cases opened, in order.
    pub cases: Vec<u64>,
    /// The number of the first entry in the log; the others follow it.
    pub entry: u64,
}

/// What became of a put item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// The first version.
    Created { version: u32 },
    /// A newer version.
    Updated { version: u32 },
    /// The same content as the current version: nothing was written.
    Unchanged { version: u32 },
    /// An older event than the current version: kept in history only.
    KeptInHistory { version: u32 },
}

impl Put {
    /// The version this put made, or kept.
    pub fn version(self) -> u32 {
        match self {
            Self::Created { version }
            | Self::Updated { version }
            | Self::Unchanged { version }
            | Self::KeptInHistory { version } => version,
        }
    }
}

/// Everything known of one person besides items.
#[derive(Debug, Clone, Default)]
pub(crate) struct PersonRow {
    /// Who answers for this person when joined.
    pub joined_into: Option<PersonId>,
    /// Who was joined into this person.
    #[allow(dead_code, reason = "the engine suite reads it; the consoles will")]
    pub joined: Vec<PersonId>,
    pub identifiers: Vec<(String, String, SourceCode)>,
    pub flags: Vec<(String, String)>,
    pub choice: Option<Vec<u8>>,
    /// The current choices of people joined into this one: the rules weigh them, so none is lost.
    pub joined_choices: Vec<Vec<u8>>,
    pub involvements: Vec<(SourceCode, Involvement)>,
    /// What each source said of the person, normalised: as [`Change::Details`] gave it.
    pub details: Vec<DetailsRow>,
}

/// A person's details as one source sent them, normalised by `patient_index`.
#[derive(Debug, Clone)]
pub(crate) struct DetailsRow {
    /// The event these details come from.
    pub event_at: Timestamp,
    pub source: SourceCode,
    pub family: String,
    pub given: String,
    pub birth_date: String,
    pub gender: String,
    pub postcode: String,
    pub phonetic_family: String,
}

/// A holder of an identifier.
#[derive(Debug, Clone)]
pub(crate) struct IdentifierRow {
    pub person: PersonId,
    pub source: SourceCode,
    pub unique: bool,
}

/// A search by details; texts are normalised by `patient_index`.
#[derive(Debug, Clone, Default)]
pub(crate) struct DetailsQuery {
    pub family: String,
    pub phonetic_family: String,
    pub given: String,
    pub birth_date: String,
    pub gender: String,
    pub postcode: String,
    pub similar: bool,
}

impl DetailsQuery {
    /// `2001-04-07` as `2001-07-04`, where that is another date that can be.
    pub(super) fn day_and_month_swapped(&self) -> Option<String> {
        let mut fields = self.birth_date.split('-');
        let (year, month, day) = (fields.next()?, fields.next()?, fields.next()?);
        let can_be_a_month = day.parse::<u8>().is_ok_and(|day| (1..=12).contains(&day));
        (can_be_a_month && day != month).then(|| format!("{year}-{day}-{month}"))
    }
}

/// A sealed item, without content.
#[derive(Debug, Clone)]
pub(crate) struct SealedRow {
    pub person: PersonId,
    pub sensitivity: Sensitivity,
    pub header: Header,
}

/// When a source last sent anything.
#[derive(Debug, Clone)]
pub(crate) struct SourceActivity {
    pub source: SourceCode,
    pub last_received: Option<Timestamp>,
    /// For one person: the newest clinical time and the number of items under the view.
    pub newest_item: Option<Timestamp>,
    pub items: u64,
}

/// Something a person must look at.
pub(crate) struct NewWorklist {
    pub kind: String,
    pub feed: String,
    /// The delivery it is about; `None` in a commit that keeps a delivery means that delivery.
    pub delivery: Option<u64>,
    pub person: Option<PersonId>,
    pub opened_at: Timestamp,
    /// JSON for the one who decides; may hold identifiers, so it is shown only under an audited act.
    pub detail: Vec<u8>,
}

/// An open or closed worklist row.
#[derive(Debug, Clone)]
pub(crate) struct WorklistRow {
    pub row: u64,
    pub kind: String,
    pub feed: String,
    pub delivery: Option<u64>,
    pub person: Option<PersonId>,
    pub opened_at: Timestamp,
    pub state: String,
    pub note: String,
    pub detail: Vec<u8>,
}

/// For the operator.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoreHealth {
    pub engine: &'static str,
    pub writable: bool,
    /// The disk is full: an alarm.
    pub disk_full: bool,
    /// Audit entries of reads are being written on the reserve: it will not last.
    pub on_reserve: bool,
    pub database_bytes: u64,
    /// The write-ahead log, not yet moved into the database.
    pub log_bytes: u64,
    pub items: u64,
    pub people: u64,
    pub entries: u64,
}

/// Why the store could not do it. Holds no patient data.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("a delivery with this sender and control id is already kept")]
    DeliveryExists,
    #[error("a person with this id already exists")]
    PersonExists,
    #[error("another person already holds this identifier")]
    IdentifierTaken,
    #[error("the item has another version than expected; read it again and look at what changed")]
    VersionConflict,
    #[error("a value is already kept under this key")]
    AlreadyKept,
    #[error("this join would make a ring; undo the other join first")]
    JoinLoop,
    #[error("somebody else changed this case meanwhile; open it again and look at what changed")]
    Stale,
    #[error(
        "the search index is being made: {done} of {total} items are in it; ask again in a while"
    )]
    Indexing { done: u64, total: u64 },
    #[error("there is no such row; it may have been given by another store")]
    NoSuchRow,
    #[error("nothing was written: the disk is full; free space, writing goes on by itself")]
    DiskFull(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("nothing was written: the disk did not confirm; the sender will retry")]
    NotDurable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(
        "a stored body does not match its digest; run `connect-care store check` and restore it"
    )]
    Corrupt,
    #[error("the store did not answer")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the store is closed")]
    Closed,
}
