//! The offline verifier: entries and checkpoints in, findings out. Reads nothing itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;

use crate::vocabulary::PersonId;

use super::entry::{Act, Outcome};
use super::note::Checkpoint;
use super::tree::{Frontier, Hash, leaf_hash};

/// An entry as the store holds it, with what the store's indexes say of it.
#[derive(Debug, Clone)]
pub struct HeldEntry {
    /// Its number.
    pub number: u64,
    /// Its exact bytes; `None` where they cannot be read.
    pub bytes: Option<Vec<u8>>,
    /// The leaf hash held beside it.
    pub leaf: Hash,
    /// When, in microseconds, as indexed.
    pub at: i64,
    /// The person's key, as indexed.
    pub person: Option<u64>,
    /// Who, as indexed.
    pub who: String,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The entry with this number is missing; the next one held has another.
    Missing {
        /// The number that should follow.
        number: u64,
    },
    /// This entry's bytes do not match its own hash, or cannot be read.
    Edited {
        /// Which.
        number: u64,
    },
    /// The index beside this entry says something else than the entry.
    IndexEdited {
        /// Which.
        number: u64,
    },
    /// Entries were edited, deleted, inserted or swapped, with their hashes, somewhere in this range.
    RootDiffers {
        /// The first entry that may be bad.
        from: u64,
        /// The size of the checkpoint that does not fit.
        size: u64,
    },
    /// There are fewer entries than a checkpoint signed: the end was cut off, or an older copy stands
    /// in place of the record.
    Shorter {
        /// How many there are.
        held: u64,
        /// How many were signed.
        size: u64,
    },
    /// A checkpoint that cannot be trusted: bad form or signature.
    BadCheckpoint {
        /// Where it came from.
        place: String,
    },
    /// The first entry that is not the one in the tiles of the witness.
    NotAsWitnessed {
        /// Which.
        number: u64,
    },
    /// The record could not be read further.
    Unreadable {
        /// The first entry that could not be read.
        from: u64,
    },
}

impl Finding {
    /// The first entry that is bad, where that can be known; else the first that may be.
    pub fn first_entry(&self) -> Option<u64> {
        match self {
            Self::Missing { number }
            | Self::Edited { number }
            | Self::IndexEdited { number }
            | Self::NotAsWitnessed { number } => Some(*number),
            Self::RootDiffers { from, .. } | Self::Unreadable { from } => Some(*from),
            Self::Shorter { held, .. } => Some(*held),
            Self::BadCheckpoint { .. } => None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { number } => write!(f, "entry {number} is missing"),
            Self::Edited { number } => write!(f, "entry {number} was changed"),
            Self::IndexEdited { number } => {
                write!(
                    f,
                    "the index of entry {number} was changed; the entry itself was not"
                )
            }
            Self::RootDiffers { from, size } => write!(
                f,
                "the log does not fit the checkpoint of size {size}: \
                 entries were changed, taken away, added or swapped at or after entry {from}"
            ),
            Self::Shorter { held, size } => write!(
                f,
                "{held} entries are held, but a checkpoint signed {size}: \
                 the end was cut off, or an older copy stands in place of the record"
            ),
            Self::BadCheckpoint { place } => write!(f, "the checkpoint {place} cannot be trusted"),
            Self::NotAsWitnessed { number } => {
                write!(
                    f,
                    "entry {number} is the first that is not as the witness has it"
                )
            }
            Self::Unreadable { from } => write!(f, "the log cannot be read from entry {from} on"),
        }
    }
}

/// What the verifier saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Entries held.
    pub entries: u64,
    /// Different checkpoints the log was compared with.
    pub checkpoints_checked: u64,
    /// Entries that the newest checkpoint does not cover yet: nothing can be said of the end.
    pub uncovered: u64,
    /// Entries by act.
    pub by_act: BTreeMap<String, u64>,
    /// Entries that record a denial.
    pub denials: u64,
    /// What is wrong; empty when nothing is.
    pub findings: Vec<Finding>,
}

/// Findings beyond this many add nothing.
const ENOUGH: usize = 100;

/// Compares entries, in the order of their numbers, with checkpoints.
pub fn verify<E>(
    entries: impl Iterator<Item = Result<HeldEntry, E>>,
    checkpoints: &[Checkpoint],
) -> Verified {
    verify_beside(entries, checkpoints, None::<fn(u64) -> Option<Hash>>)
}

/// The same, beside the leaves a witness keeps, so that the first entry that was changed is named even
/// where its hash was mended. `witnessed` gives nothing for an entry the witness does not know.
pub fn verify_beside<E>(
    entries: impl Iterator<Item = Result<HeldEntry, E>>,
    checkpoints: &[Checkpoint],
    mut witnessed: Option<impl FnMut(u64) -> Option<Hash>>,
) -> Verified {
    let mut checkpoints: Vec<&Checkpoint> = checkpoints.iter().collect();
    checkpoints.sort_by_key(|checkpoint| (checkpoint.size, checkpoint.root));
    checkpoints.dedup();
    let mut seen = Verified {
        checkpoints_checked: checkpoints.len() as u64,
        ..Verified::default()
    };
    let mut due = checkpoints.iter().peekable();
    let mut log = Frontier::default();
    // Every checkpoint up to this size fitted.
    let mut fits_to = 0;
    let mut all_fit = true;
    let mut compare = |log: &Frontier, seen: &mut Verified| {
        while let Some(checkpoint) = due.next_if(|checkpoint| checkpoint.size <= log.size()) {
            if checkpoint.root != log.root() {
                all_fit = false;
                seen.find(Finding::RootDiffers {
                    from: fits_to,
                    size: checkpoint.size,
                });
            }
            let more_of_this_size = due.peek().is_some_and(|next| next.size == checkpoint.size);
            if all_fit && !more_of_this_size {
                fits_to = checkpoint.size;
            }
        }
    };
    compare(&log, &mut seen);
    let mut differs = None;
    for held in entries {
        let Ok(held) = held else {
            seen.find(Finding::Unreadable { from: log.size() });
            break;
        };
        if held.number != log.size() {
            seen.find(Finding::Missing { number: log.size() });
            break;
        }
        let leaf = seen.look(&held);
        let same = |at_witness: &mut _| other_leaf(at_witness, held.number, &leaf);
        if witnessed.as_mut().is_some_and(same) {
            differs = Some(held.number);
            witnessed = None;
        }
        log.push(leaf);
        compare(&log, &mut seen);
    }
    seen.entries = log.size();
    if let Some(most) = checkpoints.last().map(|checkpoint| checkpoint.size) {
        if most > log.size() {
            seen.find(Finding::Shorter {
                held: log.size(),
                size: most,
            });
        }
        seen.uncovered = log.size().saturating_sub(most);
    } else {
        seen.uncovered = log.size();
    }
    if let Some(number) = differs {
        seen.find(Finding::NotAsWitnessed { number });
    }
    seen
}

fn other_leaf(witnessed: &mut impl FnMut(u64) -> Option<Hash>, number: u64, leaf: &Hash) -> bool {
    witnessed(number).is_some_and(|theirs| theirs != *leaf)
}

/// What the verifier reads of an entry: a million are read in a minute, and the hash covers the rest.
#[derive(Deserialize)]
struct Glance<'a> {
    at: Timestamp,
    act: Act,
    outcome: Outcome,
    #[serde(borrow)]
    who: Cow<'a, str>,
    #[serde(borrow, default)]
    person: Option<Cow<'a, str>>,
}

impl Verified {
    fn find(&mut self, finding: Finding) {
        if self.findings.len() < ENOUGH {
            self.findings.push(finding);
        }
    }

    /// Looks at one entry by itself; gives the leaf its bytes really have.
    fn look(&mut self, held: &HeldEntry) -> Hash {
        let number = held.number;
        let Some(bytes) = &held.bytes else {
            self.find(Finding::Edited { number });
            return held.leaf;
        };
        let leaf = leaf_hash(bytes);
        if leaf != held.leaf {
            self.find(Finding::Edited { number });
        }
        match serde_json::from_slice::<Glance<'_>>(bytes) {
            Ok(entry) => {
                *self.by_act.entry(act_code(entry.act)).or_default() += 1;
                self.denials += u64::from(entry.outcome == Outcome::Denied);
                let person = entry.person.map(|text| PersonId::parse(&text));
                let same = entry.at.as_microsecond() == held.at
                    && person.map(|person| person.map(|person| person.0)) == held.person.map(Ok)
                    && entry.who == held.who;
                if !same {
                    self.find(Finding::IndexEdited { number });
                }
            }
            Err(_) => self.find(Finding::Edited { number }),
        }
        leaf
    }
}

fn act_code(act: Act) -> String {
    serde_json::to_value(act)
        .ok()
        .and_then(|code| code.as_str().map(str::to_owned))
        .unwrap_or_default()
}
