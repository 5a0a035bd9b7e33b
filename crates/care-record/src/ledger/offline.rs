//! Verifying and proving without the service: reads the database, changes nothing.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use care_core::audit::{
    Finding, Hash, HeldEntry, LogVerifier, TILE_WIDTH, Verified, inclusion_proof, leaf_hash,
    new_tiles, write_proof,
};
use rusqlite::{Connection, OpenFlags};

use super::proof::Proof;
use super::{key, tiles, witness};
use crate::store::sqlite::{FILE, load_dictionaries};
use crate::store::{Codec, StoreError};

/// What the offline verifier saw. See [`Verified`] for its parts.
pub type VerifyReport = Verified;

/// Why the log could not be signed, verified or proven.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A file cannot be read.
    #[error("{place} cannot be read; check the path and who may read it")]
    File {
        /// Which.
        place: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The verifier key is no key.
    #[error("the verifier key in {place} is damaged; restore it from a backup of the witness")]
    Key {
        /// Where.
        place: String,
    },
    /// The database did not answer.
    #[error("the audit log did not answer; run `connect-care store check`")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A witness saw more than the record holds.
    #[error(
        "a witness signed {seen} entries and the record has signed {signed}: an older copy stands in \
         place of the record; run `connect-care audit verify` with the witness's copy"
    )]
    WitnessKnowsMore {
        /// What the witness signed.
        seen: u64,
        /// What the record signed.
        signed: u64,
    },
    /// The answer of a witness holds no good signature.
    #[error(
        "the witness's answer holds no signature by its key; check the verifier key in the configuration"
    )]
    NotCosigned,
    /// The log cannot be written out.
    #[error("the log was not written out")]
    NotWritten(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No such entry is signed yet.
    #[error("entry {0} is not under a checkpoint; give a number that exists, or wait a minute")]
    NotSigned(u64),
}

impl From<StoreError> for LedgerError {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(Box::new(error))
    }
}

fn open(directory: &Path) -> Result<(Connection, Codec), LedgerError> {
    let path = directory.join(FILE);
    let missing = |cause| LedgerError::File {
        place: path.display().to_string(),
        cause,
    };
    fs::metadata(&path).map_err(missing)?;
    let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let codec = Codec::default();
    load_dictionaries(&connection, &codec)?;
    Ok((connection, codec))
}

/// The key: the witness's copy where there is a witness, because the database's side may be changed.
fn verifier(directory: &Path, witness: Option<&Path>) -> Result<LogVerifier, LedgerError> {
    let (place, text) = match witness {
        Some(witness) => (witness.join("verifier-key"), witness::key(witness)),
        None => {
            let place = directory.join(key::PUBLIC_FILE);
            let text = fs::read_to_string(&place);
            (place, text)
        }
    };
    let place = place.display().to_string();
    let text = text.map_err(|cause| LedgerError::File {
        place: place.clone(),
        cause,
    })?;
    LogVerifier::parse(&text).map_err(|_| LedgerError::Key { place })
}

/// Checks the whole log of a data directory against the checkpoints of the witness, and against
/// those in the database. Without a witness a rebuilt log can pass: give one.
pub fn verify(directory: &Path, witness: Option<&Path>) -> Result<VerifyReport, LedgerError> {
    let verifier = verifier(directory, witness)?;
    let (connection, codec) = open(directory)?;
    let mut findings = Vec::new();
    let mut checkpoints = Vec::new();
    // The database and the witness hold the same notes: each text is checked once.
    let mut good = HashSet::new();
    let mut take = |place: String, note: &str| {
        if good.contains(note) {
            return;
        }
        match verifier.open(note) {
            Ok(checkpoint) => {
                good.insert(note.to_owned());
                checkpoints.push(checkpoint);
            }
            Err(_) => findings.push(Finding::BadCheckpoint { place }),
        }
    };
    if let Some(directory) = witness {
        let file = |cause| LedgerError::File {
            place: directory.display().to_string(),
            cause,
        };
        for path in witness::files(directory).map_err(file)? {
            let note = fs::read_to_string(&path).unwrap_or_default();
            let right_name = path.file_stem().is_some_and(|stem| {
                let size: Option<u64> = note.lines().nth(1).and_then(|size| size.parse().ok());
                size.is_some() && stem.to_string_lossy().parse().ok() == size
            });
            take(
                path.display().to_string(),
                if right_name { &note } else { "" },
            );
        }
    }
    {
        let mut statement =
            connection.prepare("SELECT size, note FROM checkpoint ORDER BY size")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (size, note): (i64, String) = (row.get(0)?, row.get(1)?);
            take(format!("of size {size} in the database"), &note);
        }
    }
    let mut statement = connection.prepare(
        "SELECT number, at, person, who, leaf, form, bytes, entry FROM entry ORDER BY number",
    )?;
    let mut rows = statement.query([])?;
    let entries = std::iter::from_fn(|| match rows.next() {
        Ok(Some(row)) => Some(held(row, &codec)),
        Ok(None) => None,
        Err(error) => Some(Err(error)),
    });
    let seen = witness.and_then(|at| witnessed_leaves(at, &verifier));
    let mut report = care_core::audit::verify_beside(entries, &checkpoints, seen);
    report.findings.splice(0..0, findings);
    Ok(report)
}

/// The leaves as the witness's tiles have them, where it keeps tiles.
fn witnessed_leaves(
    directory: &Path,
    verifier: &LogVerifier,
) -> Option<impl FnMut(u64) -> Option<Hash> + use<>> {
    let note = fs::read_to_string(directory.join(tiles::CHECKPOINT)).ok()?;
    let size = verifier.open(&note).ok()?.size;
    let directory = directory.to_owned();
    let mut reader = tiles::reader(&directory, size);
    let mut tile = 0;
    Some(move |number: u64| {
        if number / TILE_WIDTH != tile {
            // One tile at a time is enough, because entries come in order.
            tile = number / TILE_WIDTH;
            reader = tiles::reader(&directory, size);
        }
        (number < size).then(|| reader.leaf(number)).flatten()
    })
}

/// What was written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Places for entries, those of missing ones included.
    pub entries: u64,
    /// Entries that are missing or cannot be read: each stands as nothing, which no verifier takes.
    pub unreadable: u64,
}

/// Writes the log out for others to check: bundles of entries, hash tiles made from those entries, the
/// newest checkpoint and the key, in the form of C2SP tlog-tiles. Judges nothing: what the database
/// holds is written as it is. The directory must be empty or not there.
pub fn export(directory: &Path, to: &Path) -> Result<Exported, LedgerError> {
    let file = |cause| LedgerError::File {
        place: to.display().to_string(),
        cause,
    };
    let occupied = fs::read_dir(to).is_ok_and(|mut held| held.next().is_some());
    if occupied {
        return Err(file(io::Error::other(
            "it is not empty; give another directory",
        )));
    }
    fs::create_dir_all(to).map_err(file)?;
    let (connection, codec) = open(directory)?;
    let put = |path: &str, bytes: &[u8]| {
        let written = tiles::put_file(&to.join(path), bytes);
        written.map_err(|error| LedgerError::NotWritten(Box::new(error)))
    };
    let mut statement =
        connection.prepare("SELECT number, form, bytes, entry FROM entry ORDER BY number")?;
    let mut rows = statement.query([])?;
    let mut leaves: Vec<Hash> = Vec::new();
    let mut bundle: Vec<Vec<u8>> = Vec::new();
    let mut unreadable = 0;
    let mut next = 0;
    let mut add = |entry: Option<Vec<u8>>, leaves: &mut Vec<Hash>| -> Result<(), LedgerError> {
        unreadable += u64::from(entry.is_none());
        let entry = entry.unwrap_or_default();
        leaves.push(leaf_hash(&entry));
        bundle.push(entry);
        if bundle.len() as u64 == TILE_WIDTH {
            tiles::write_bundle(
                &bundle,
                (leaves.len() as u64 - 1) / TILE_WIDTH,
                TILE_WIDTH,
                put,
            )?;
            bundle.clear();
        }
        Ok(())
    };
    while let Some(row) = rows.next()? {
        let number = row.get::<_, i64>(0)? as u64;
        if number < next || number - next > MOST_MISSING {
            return Err(LedgerError::NotSigned(number));
        }
        for _ in next..number {
            add(None, &mut leaves)?;
        }
        next = number + 1;
        let packed = row.get_ref(3)?.as_blob().unwrap_or_default();
        add(
            codec.unpack(row.get(1)?, row.get(2)?, packed).ok(),
            &mut leaves,
        )?;
    }
    if !bundle.is_empty() {
        tiles::write_bundle(&bundle, next / TILE_WIDTH, bundle.len() as u64, put)?;
    }
    write_tiles(&leaves, put)?;
    let newest = "SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1";
    if let Ok(note) = connection.query_row(newest, [], |row| row.get::<_, String>(0)) {
        put(tiles::CHECKPOINT, note.as_bytes())?;
    }
    if let Ok(key) = fs::read(directory.join(key::PUBLIC_FILE)) {
        put("verifier-key", &key)?;
    }
    Ok(Exported {
        entries: next,
        unreadable,
    })
}

/// A greater gap than this in the numbers is no log.
const MOST_MISSING: u64 = 10_000_000;

fn write_tiles<E>(leaves: &[Hash], put: impl Fn(&str, &[u8]) -> Result<(), E>) -> Result<(), E> {
    let mut rows = vec![leaves.to_vec()];
    while let Some(row) = rows.last().filter(|row| row.len() as u64 >= TILE_WIDTH) {
        let full = row.chunks_exact(TILE_WIDTH as usize);
        rows.push(full.filter_map(care_core::audit::fold).collect());
    }
    for tile in new_tiles(0, leaves.len() as u64) {
        let from = (tile.index * TILE_WIDTH) as usize;
        let row = rows.get(usize::from(tile.level));
        let hashes = row.and_then(|row| row.get(from..from + tile.width as usize));
        put(&tile.path(), &hashes.unwrap_or_default().concat())?;
    }
    Ok(())
}

fn held(row: &rusqlite::Row<'_>, codec: &Codec) -> rusqlite::Result<HeldEntry> {
    let packed = row.get_ref(7)?.as_blob()?;
    Ok(HeldEntry {
        number: row.get::<_, i64>(0)? as u64,
        bytes: codec.unpack(row.get(5)?, row.get(6)?, packed).ok(),
        leaf: row.get(4)?,
        at: row.get(1)?,
        person: row.get::<_, Option<i64>>(2)?.map(|person| person as u64),
        who: row.get(3)?,
    })
}

/// Proves that an entry is in the log, under the newest checkpoint of the database.
pub fn prove(directory: &Path, number: u64) -> Result<Proof, LedgerError> {
    let verifier = verifier(directory, None)?;
    let (connection, codec) = open(directory)?;
    let newest = connection.query_row(
        "SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1",
        [],
        |row| row.get::<_, String>(0),
    );
    let note = match newest {
        Ok(note) => note,
        Err(rusqlite::Error::QueryReturnedNoRows) => return Err(LedgerError::NotSigned(number)),
        Err(error) => return Err(error.into()),
    };
    let checkpoint = verifier.open(&note).map_err(|_| LedgerError::Key {
        place: directory.join(key::PUBLIC_FILE).display().to_string(),
    })?;
    let leaves: Vec<Hash> = connection
        .prepare("SELECT leaf FROM entry WHERE number < ?1 ORDER BY number")?
        .query_map([checkpoint.size as i64], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let path = inclusion_proof(&leaves, number).ok_or(LedgerError::NotSigned(number))?;
    let (form, bytes, packed): (i64, i64, Vec<u8>) = connection.query_row(
        "SELECT form, bytes, entry FROM entry WHERE number = ?1",
        [number as i64],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    Ok(Proof {
        number,
        witness_keys: Vec::new(),
        entry: codec.unpack(form, bytes, &packed)?,
        text: write_proof(number, &path, &note),
        verifier_key: verifier.to_string(),
    })
}
